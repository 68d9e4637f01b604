/* Pooled hidden states, plain: see pool.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/pool.h"

#include <stddef.h>

void wn_pool(enum wn_pool_kind kind, int32_t n, int32_t C, const float *restrict x, float *restrict y)
{
    const size_t stride = (size_t)C;
    const double total = kind == WN_POOL_POSITION_WEIGHTED ? (double)n * ((double)n + 1.0) / 2.0 : (double)n;
    for (int32_t c = 0; c < C; c++) {
        if (kind == WN_POOL_LAST) {
            y[c] = x[(size_t)(n - 1) * stride + (size_t)c];
            continue;
        }
        double sum = 0.0;
        for (int32_t i = 0; i < n; i++) {
            const double weight = kind == WN_POOL_POSITION_WEIGHTED ? (double)i + 1.0 : 1.0;
            sum += weight * (double)x[(size_t)i * stride + (size_t)c];
        }
        y[c] = (float)(sum / total);
    }
}
