/* Pooled hidden states.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_KERNELS_POOL_H
#define WINNOW_KERNELS_POOL_H

#include "winnow/batch.h"

#include <stdint.h>

/* y[C] of rows x[n][C], n >= 1: mean, last row, or sum i x_i / sum i with i = 1..n. Sums in float64, row by
 * row. */
void wn_pool(enum wn_pool_kind kind, int32_t n, int32_t C, const float *restrict x, float *restrict y);

#endif
