/* LayerNorm and RMSNorm, plain: see norm.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/vec.h"

#include "kernels/norm.h"

#include <math.h>
#include <stddef.h>

/* Sum of (x - shift)^power, power 1 or 2, element i in lane i mod WN_LANES. */
WN_INLINE double sum_of(int32_t n, const float *restrict x, double shift, bool is_squared)
{
    double lanes[WN_LANES] = {0};
    int32_t i = 0;
    for (; i + WN_LANES <= n; i += WN_LANES) {
        for (int j = 0; j < WN_LANES; j++) {
            const double d = (double)x[i + j] - shift;
            lanes[j] += is_squared ? d * d : d;
        }
    }
    for (int j = 0; i < n; i++, j++) {
        const double d = (double)x[i] - shift;
        lanes[j] += is_squared ? d * d : d;
    }
    return wn_lanes_sum(lanes);
}

WN_CLONES void wn_norm_row(enum wn_norm kind, double eps, int32_t n, const float *restrict x,
                           const float *restrict weight, const float *restrict bias, float *restrict y)
{
    const double mean = kind == WN_NORM_OF_LAYER ? sum_of(n, x, 0.0, false) / n : 0.0;
    const double scale = 1.0 / sqrt(sum_of(n, x, mean, true) / n + eps);
    if (bias == NULL) {
        for (int32_t i = 0; i < n; i++) {
            y[i] = (float)(((double)x[i] - mean) * scale) * weight[i];
        }
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        y[i] = (float)(((double)x[i] - mean) * scale) * weight[i] + bias[i];
    }
}
