/* LayerNorm and RMSNorm of one row.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Sums and the normalised value in float64, then float32 weight and bias. LayerNorm: Ba, Kiros, Hinton 2016;
 * variance as the mean of squared differences. RMSNorm: Zhang, Sennrich 2019.
 */
#ifndef WINNOW_KERNELS_NORM_H
#define WINNOW_KERNELS_NORM_H

#include "winnow/ops.h"

/* y[n] = norm(x[n]); weight [n], bias [n] or NULL (RMS has none). y must not overlap x. */
void wn_norm_row(enum wn_norm kind, double eps, int32_t n, const float *restrict x,
                 const float *restrict weight, const float *restrict bias, float *restrict y);

#endif
