/* Input embedding of one row.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_KERNELS_EMBED_H
#define WINNOW_KERNELS_EMBED_H

#include "winnow/batch.h"

#include <stdint.h>

/* y[C] = token[C] + position[C] + type[C] + noise; position and type may be NULL, the sum runs in that order.
 * `at` is the token's path position. y must not overlap the others. */
void wn_embed_row(int32_t C, const float *token, const float *position, const float *type,
                  const struct wn_noise *noise, int32_t at, float *restrict y);

/* u in (-1, 1) of (seed, record, token, dimension): the finalizer of SplitMix64 (Steele, Lea, Flood 2014)
 * over
 *   key = mix(mix(seed) ^ record), counter = token 2^32 + dimension, bits = mix(key + counter x
 *   0x9e3779b97f4a7c15),
 * of which the top 24 bits b give u = (2 b + 1) / 2^24 - 1. Exact in float32 and never 0, -1 or 1. */
float wn_noise_unit(uint64_t seed, uint64_t record, uint32_t token, uint32_t dimension);

#endif
