/* Rotary position embedding of one head's vector.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Su et al. 2021, in the half-split form of the Hugging Face implementations (rotate_half).
 */
#ifndef WINNOW_KERNELS_ROPE_H
#define WINNOW_KERNELS_ROPE_H

#include <stdint.h>

/* y[i] = x[i] cos[i] - x[i + D/2] sin[i], y[i + D/2] = x[i + D/2] cos[i] + x[i] sin[i], i < D / 2. D is even;
 * cos and sin [D / 2] belong to the token's path position. y must not overlap x. */
void wn_rope(int32_t D, const float *restrict cosine, const float *restrict sine, const float *restrict x,
             float *restrict y);

#endif
