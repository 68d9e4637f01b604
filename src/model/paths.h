/* Inside model: a batch held against its contract (winnow/batch.h), and the path of each of its segments.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Keeps the books of the kept slots: which are in use, by how many rows, at which path position, below which
 * parent. A batch that breaks the contract changes nothing here.
 */
#ifndef WINNOW_MODEL_PATHS_H
#define WINNOW_MODEL_PATHS_H

#include "winnow/batch.h"
#include "winnow/ops.h"
#include "winnow/status.h"

#include <stddef.h>
#include <stdint.h>

struct wn_paths;

struct wn_paths_limits {
    int32_t batch_rows; /* N */
    int32_t n_slots, slot_rows;
    int32_t max_path; /* tokens */
    int32_t V;        /* ids and targets are below it */
};

wn_code wn_paths_new(const struct wn_paths_limits *limits, struct wn_paths **out_paths, struct wn_error *err);
void wn_paths_free(struct wn_paths *paths); /* NULL is allowed */

/* Check `batch` and list its paths. The plan is valid until the next call. n_values and n_pools bound
 * destinations. WN_DEFECT naming segment, slot, head row or want; WN_DEVICE without memory. */
wn_code wn_paths_plan(struct wn_paths *paths, const struct wn_batch *batch, size_t n_values, size_t n_pools,
                      const struct wn_plan **out_plan, struct wn_error *err);

/* The planned batch was run: its releases and keeps hold from now on. */
void wn_paths_commit(struct wn_paths *paths);

#endif
