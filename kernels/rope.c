/* Rotary position embedding, plain: see rope.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/vec.h"

#include "kernels/rope.h"

WN_CLONES void wn_rope(int32_t D, const float *restrict cosine, const float *restrict sine,
                       const float *restrict x, float *restrict y)
{
    const int32_t half = D / 2;
    for (int32_t i = 0; i < half; i++) {
        y[i] = x[i] * cosine[i] - x[i + half] * sine[i];
        y[i + half] = x[i + half] * cosine[i] + x[i] * sine[i];
    }
}
