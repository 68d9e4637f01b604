/* Cross-entropy without a logits matrix: running maximum and sums over vocabulary blocks.
 * SPDX-License-Identifier: Apache-2.0
 *
 * With z_i = t logits_i (t: inverse temperature) and m = max z_i:
 *   loss of target y = m + log S - z_y,  S = sum exp(z_i - m)
 *   entropy          = log S - U / S,    U = sum (z_i - m) exp(z_i - m)
 * exp in float32 (vec.h), sums in float64; blocks are taken in order of the vocabulary, so bits depend on the
 * block widths alone, which are part of the backend.
 */
#ifndef WINNOW_KERNELS_SCORE_H
#define WINNOW_KERNELS_SCORE_H

#include <stdint.h>

/* State of one row at one inverse temperature over the ids seen so far. */
struct wn_score {
    double sum, moment; /* S and U, relative to max */
    float max;          /* of z */
    float best;         /* greatest logit, NaN left out */
    int32_t greedy;     /* its lowest id, or WN_NONE where every logit so far is NaN or -infinity */
};

struct wn_score wn_score_new(void); /* of no ids */

/* Take in logits[n] of ids first .. first + n - 1. scratch [n]. */
void wn_score_add(struct wn_score *score, float inverse_temperature, int32_t first, int32_t n,
                  const float *restrict logits, float *restrict scratch);

/* score = both, of disjoint ids; those of `later` are greater than those of `score`. */
void wn_score_merge(struct wn_score *score, const struct wn_score *later);

float wn_score_loss(const struct wn_score *score, float inverse_temperature, float target_logit); /* nats */
float wn_score_entropy(const struct wn_score *score);                                             /* nats */

#endif
