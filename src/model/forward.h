/* Inside model: the forward pass. A checked configuration, named tensors and a backend table in; batches in,
 * values out. SPDX-License-Identifier: Apache-2.0
 *
 * Rules
 * - Knows no file format and no family by name: families differ in the layer table (layers.h) that the
 *   configuration gives, and in the weights it names (weights.h).
 * - One network, one batch at a time, from one thread; the backend has threads of its own.
 * - Every batch is held against the contract of winnow/batch.h before anything runs. A batch that breaks it
 *   is WN_DEFECT with the segment, want or slot named, and changes nothing: kept segments stay as they were.
 *
 *   struct wn_network *network = NULL;
 *   WN_TRY(wn_network_new(&config, tensors, n_tensors, wn_ops_cpu(), &limits, &network, err));
 *   WN_TRY(wn_network_forward(network, &batch, values, n_values, pools, n_pools, err));
 *   wn_network_free(network);
 */
#ifndef WINNOW_MODEL_FORWARD_H
#define WINNOW_MODEL_FORWARD_H

#include "model/parts.h"
#include "winnow/batch.h"
#include "winnow/ops.h"
#include "winnow/run.h"

#include <stddef.h>
#include <stdint.h>

struct wn_network;

/* All sizes in rows (tokens) or counts. R and T, which limits are chosen by, are known before anything is
 * opened: ops->row_tile and ops->key_tile (winnow/ops.h). */
struct wn_network_limits {
    int32_t batch_rows; /* N, >= 1; rounded up to a multiple of R */
    int32_t threads;    /* CPU: threads that compute, the caller's among them; >= 1 */
    int32_t n_slots;    /* kept slots, >= 0 */
    int32_t slot_rows;  /* rows a slot holds: the longest segment that can be kept; >= 1 where n_slots > 0 */
    int32_t max_path;   /* longest path, 1 .. config->positions */
};

/* Packs all weights and opens the backend. `tensors` need not stay valid after the call; `n_tensors` may
 * include some that the configuration has no use for. Owned by the caller (wn_network_free).
 * WN_MODEL: a tensor is missing or has another shape (named). WN_DEVICE: no memory or device. */
wn_code wn_network_new(const struct wn_config *config, const struct wn_tensor *tensors, size_t n_tensors,
                       const struct wn_ops *ops, const struct wn_network_limits *limits,
                       struct wn_network **out_network, struct wn_error *err);
void wn_network_free(struct wn_network *network); /* NULL is allowed */

/* What decides the bits of this network's values: constant after wn_network_new. */
void wn_network_numeric(const struct wn_network *network, struct wn_numeric_class *out_numeric);
int32_t wn_network_batch_rows(const struct wn_network *network); /* N after rounding */

/* Run one batch. values[n_values] and pools[n_pools][C] receive what its wants name, the rest of both is left
 * alone. A non-finite value is a result. WN_DEFECT for a batch that breaks the contract; WN_DEVICE where the
 * backend failed (the network can only be freed then). */
wn_code wn_network_forward(struct wn_network *network, const struct wn_batch *batch, struct wn_value *values,
                           size_t n_values, float *pools, size_t n_pools, struct wn_error *err);

/* Call `moved(context)` from the thread that runs a batch after each layer enqueued, and when the batch has ended: a
 * sign of life inside a long batch. NULL: nobody watches. Not while a batch runs. */
void wn_network_watch(struct wn_network *network, void (*moved)(void *context), void *context);

#endif
