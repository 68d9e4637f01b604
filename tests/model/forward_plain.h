/* A network with random weights, and its forward pass restated plainly in float64: one sequence, no cache, no
 * tiles. SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TESTS_FORWARD_PLAIN_H
#define WINNOW_TESTS_FORWARD_PLAIN_H

#include "model/parts.h"
#include "winnow/batch.h"

#include <stddef.h>

enum { PLAIN_TENSORS = 256 };

struct plain_model {
    struct wn_config config;
    struct wn_tensor tensors[PLAIN_TENSORS];
    size_t n_tensors;
    uint64_t random;
};

/* Shapes that divide nothing evenly; the caller changes what it wants before plain_fill. */
struct wn_config plain_gpt2(void);
struct wn_config plain_llama(void);

/* All tensors of `config` with random values of the given type; plain_free frees them. */
void plain_fill(struct plain_model *model, const struct wn_config *config, enum wn_dtype dtype,
                uint64_t seed);
void plain_free(struct plain_model *model);
const struct wn_tensor *plain_tensor(const struct plain_model *model, const char *name);
double plain_at(const struct wn_tensor *tensor, size_t i); /* element i */

/* losses[i] of token i given those before it (losses[0] is left alone); hidden [n][C]: after the final norm,
 * may be NULL; entropy and greedy [n], of the row that predicts token i, may be NULL. inverse_temperature
 * scales logits. */
struct plain_out {
    double *losses, *entropies, *hidden, *logits; /* logits [n][V] */
    int32_t *greedy;
};
void plain_forward(const struct plain_model *model, const int32_t *ids, int n, double inverse_temperature,
                   bool is_bidirectional, const struct plain_out *out);

int plain_below(uint64_t *random, int bound); /* a random integer in [0, bound) */

#endif
