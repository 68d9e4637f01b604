/* Pointwise functions of the MLP.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Formulas beside enum wn_function (winnow/ops.h). float32, error below 5 units in the last place of max(|y|,
 * |x| / 64) (the tests try all exponents): exp as in vec.h; erfc(a) = exp(-a^2) t P(t), t = 2 / (2 + a), with
 * P of degree 8 interpolated at Chebyshev nodes for 0 <= a <= 9.5, relative error 5.1e-8.
 */
#ifndef WINNOW_KERNELS_ACTIVATION_H
#define WINNOW_KERNELS_ACTIVATION_H

#include "winnow/ops.h"

/* What a matrix product is followed by, for one row: y[n] = function(x[n] + bias[n]); bias may be NULL. x and
 * y must not overlap. */
void wn_activate_row(enum wn_function function, int32_t n, const float *restrict x,
                     const float *restrict bias, float *restrict y);

/* y[n] += x[n] + bias[n]: onto the residual stream; bias may be NULL. */
void wn_add_row(int32_t n, const float *restrict x, const float *restrict bias, float *restrict y);

/* y[n] = function(gate[n]) up[n] */
void wn_gate_row(enum wn_function function, int32_t n, const float *restrict gate, const float *restrict up,
                 float *restrict y);

#endif
