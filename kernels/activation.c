/* Pointwise functions, plain: see activation.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/vec.h"

#include "kernels/activation.h"

#include <stddef.h>

WN_INLINE float gelu_tanh(float x)
{
    /* 2 sqrt(2 / pi) = 1.5957691 */
    return x * wn_sigmoid(1.59576912F * (x + 0.044715F * (x * x * x)));
}

WN_INLINE float gelu_erf(float x)
{
    const float magnitude = x < 0.0F ? -x : x;
    const float a = magnitude * 0.707106781F;
    const float t = 2.0F / (2.0F + a);
    float p = -0.0593381259F;
    p = p * t + 0.285979672F;
    p = p * t + -0.490276047F;
    p = p * t + 0.281742193F;
    p = p * t + -0.0292310982F;
    p = p * t + 0.203802261F;
    p = p * t + 0.242824091F;
    p = p * t + 0.282412613F;
    p = p * t + 0.282084401F;
    /* half of erfc(|x| / sqrt 2) = the normal distribution's tail beyond |x|; exp(-x^2 / 2) of the unrounded
     * square */
    const float tail = 0.5F * (wn_exp(-0.5F * (magnitude * magnitude)) * (t * p));
    return x < 0.0F ? x * tail : x * (1.0F - tail);
}

WN_INLINE float apply(enum wn_function function, float x)
{
    switch (function) {
    case WN_FUNCTION_GELU_TANH:
        return gelu_tanh(x);
    case WN_FUNCTION_GELU_ERF:
        return gelu_erf(x);
    case WN_FUNCTION_GELU_QUICK:
        return x * wn_sigmoid(1.702F * x);
    case WN_FUNCTION_SILU:
        return x * wn_sigmoid(x);
    case WN_FUNCTION_RELU:
        return x < 0.0F ? 0.0F : x; /* NaN stays */
    default:
        return x;
    }
}

WN_INLINE void activate(enum wn_function function, int32_t n, const float *restrict x,
                        const float *restrict bias, float *restrict y)
{
    if (bias == NULL) {
        for (int32_t i = 0; i < n; i++) {
            y[i] = apply(function, x[i]);
        }
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        y[i] = apply(function, x[i] + bias[i]);
    }
}

WN_INLINE void gate_by(enum wn_function function, int32_t n, const float *restrict gate,
                       const float *restrict up, float *restrict y)
{
    for (int32_t i = 0; i < n; i++) {
        y[i] = apply(function, gate[i]) * up[i];
    }
}

/* The function is a constant in each branch, so that each loop is compiled for it alone. */
WN_CLONES void wn_activate_row(enum wn_function function, int32_t n, const float *restrict x,
                               const float *restrict bias, float *restrict y)
{
    switch (function) {
    case WN_FUNCTION_GELU_TANH:
        activate(WN_FUNCTION_GELU_TANH, n, x, bias, y);
        break;
    case WN_FUNCTION_GELU_ERF:
        activate(WN_FUNCTION_GELU_ERF, n, x, bias, y);
        break;
    case WN_FUNCTION_GELU_QUICK:
        activate(WN_FUNCTION_GELU_QUICK, n, x, bias, y);
        break;
    case WN_FUNCTION_SILU:
        activate(WN_FUNCTION_SILU, n, x, bias, y);
        break;
    case WN_FUNCTION_RELU:
        activate(WN_FUNCTION_RELU, n, x, bias, y);
        break;
    default:
        activate(WN_FUNCTION_NONE, n, x, bias, y);
        break;
    }
}

WN_CLONES void wn_gate_row(enum wn_function function, int32_t n, const float *restrict gate,
                           const float *restrict up, float *restrict y)
{
    switch (function) {
    case WN_FUNCTION_GELU_TANH:
        gate_by(WN_FUNCTION_GELU_TANH, n, gate, up, y);
        break;
    case WN_FUNCTION_GELU_ERF:
        gate_by(WN_FUNCTION_GELU_ERF, n, gate, up, y);
        break;
    case WN_FUNCTION_GELU_QUICK:
        gate_by(WN_FUNCTION_GELU_QUICK, n, gate, up, y);
        break;
    case WN_FUNCTION_SILU:
        gate_by(WN_FUNCTION_SILU, n, gate, up, y);
        break;
    case WN_FUNCTION_RELU:
        gate_by(WN_FUNCTION_RELU, n, gate, up, y);
        break;
    default:
        gate_by(WN_FUNCTION_NONE, n, gate, up, y);
        break;
    }
}

WN_CLONES void wn_add_row(int32_t n, const float *restrict x, const float *restrict bias, float *restrict y)
{
    if (bias == NULL) {
        for (int32_t i = 0; i < n; i++) {
            y[i] += x[i];
        }
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        y[i] += x[i] + bias[i];
    }
}
