/* The layer table and the rotary angles: see layers.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/layers.h"

#include <math.h>

static enum wn_function function_of(enum wn_activation_kind kind)
{
    switch (kind) {
    case WN_ACT_GELU_TANH:
        return WN_FUNCTION_GELU_TANH;
    case WN_ACT_GELU_ERF:
        return WN_FUNCTION_GELU_ERF;
    case WN_ACT_GELU_QUICK:
        return WN_FUNCTION_GELU_QUICK;
    case WN_ACT_SILU:
        return WN_FUNCTION_SILU;
    case WN_ACT_RELU:
        return WN_FUNCTION_RELU;
    }
    return WN_FUNCTION_NONE;
}

struct wn_normalization wn_layer_final_norm(const struct wn_config *config)
{
    return (struct wn_normalization){
        .kind = config->norm == WN_NORM_LAYER ? WN_NORM_OF_LAYER : WN_NORM_OF_SQUARES,
        .eps = config->norm_eps,
    };
}

struct wn_layer wn_layer_new(const struct wn_config *config, int32_t l)
{
    const enum wn_function function = function_of(config->activation);
    const bool is_gated = config->mlp == WN_MLP_GATED;
    struct wn_layer layer = {.is_gated = is_gated, .gate = function};
    layer.before_attention = wn_layer_final_norm(config);
    layer.before_mlp = layer.before_attention;
    layer.qkv.input = WN_BUFFER_NORMED;
    layer.qkv.output = WN_BUFFER_QKV;
    layer.out.input = WN_BUFFER_ATTENDED;
    layer.out.output = WN_BUFFER_STREAM;
    layer.out.adds = true;
    layer.attending.layer = l;
    layer.attending.window = config->window[l];
    layer.attending.rotary = config->rope.kind == WN_ROPE_NONE ? WN_NONE : 0;
    layer.attending.scale = (float)(config->attention_scale / (config->scale_by_layer ? l + 1 : 1));
    layer.attending.norm_eps = config->norm_eps;
    layer.up.input = WN_BUFFER_NORMED;
    layer.up.output = WN_BUFFER_INNER;
    layer.up.function = is_gated ? WN_FUNCTION_NONE : function;
    layer.down.input = is_gated ? WN_BUFFER_GATED : WN_BUFFER_INNER;
    layer.down.output = WN_BUFFER_STREAM;
    layer.down.adds = true;
    return layer;
}

struct wn_shape wn_layer_shape(const struct wn_config *config)
{
    return (struct wn_shape){
        .L = config->L,
        .C = config->C,
        .H = config->H,
        .G = config->G,
        .D = config->D,
        .F = config->F,
        .V = config->V,
        .is_gated = config->mlp == WN_MLP_GATED,
        .n_rotary = config->rope.kind == WN_ROPE_NONE ? 0 : 1,
    };
}

static const double two_pi = 6.283185307179586;

/* Llama 3: long wavelengths are divided by the factor, short ones kept, those between blended. */
static float llama3_frequency(const struct wn_rope *rope, float inverse)
{
    const double length = rope->original_positions;
    const float low = (float)(length / rope->low_freq_factor);
    const float high = (float)(length / rope->high_freq_factor);
    const float wavelength = (float)two_pi / inverse;
    if (wavelength > low) {
        return inverse / (float)rope->factor;
    }
    if (wavelength < high) {
        return inverse;
    }
    const float smooth = ((float)length / wavelength - (float)rope->low_freq_factor) /
                         (float)(rope->high_freq_factor - rope->low_freq_factor);
    return (1.0F - smooth) * inverse / (float)rope->factor + smooth * inverse;
}

/* YaRN (Peng et al. 2023): the dimension whose wavelength makes `rotations` turns over the original
 * positions. */
static double yarn_dimension(const struct wn_rope *rope, int32_t D, double rotations)
{
    return D * log(rope->original_positions / (rotations * two_pi)) / (2.0 * log(rope->theta));
}

/* Share of the interpolated frequency in pair i: a ramp from 0 to 1 over the correction range. */
static float yarn_ramp(const struct wn_rope *rope, int32_t D, int32_t i)
{
    double low = yarn_dimension(rope, D, rope->beta_fast);
    double high = yarn_dimension(rope, D, rope->beta_slow);
    if (rope->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = low < 0.0 ? 0.0 : low;
    high = high > D - 1.0 ? D - 1.0 : high;
    if (low == high) {
        high += 0.001;
    }
    const float ramp = ((float)i - (float)low) / (float)(high - low);
    return ramp < 0.0F ? 0.0F : ramp > 1.0F ? 1.0F : ramp;
}

static double yarn_mscale(double factor, double mscale)
{
    return factor <= 1.0 ? 1.0 : 0.1 * mscale * log(factor) + 1.0;
}

static float attention_factor(const struct wn_rope *rope)
{
    if (rope->kind != WN_ROPE_YARN) {
        return 1.0F;
    }
    if (rope->attention_factor != 0.0) {
        return (float)rope->attention_factor;
    }
    if (rope->mscale != 0.0 && rope->mscale_all_dim != 0.0) {
        return (float)(yarn_mscale(rope->factor, rope->mscale) /
                       yarn_mscale(rope->factor, rope->mscale_all_dim));
    }
    return (float)yarn_mscale(rope->factor, 1.0);
}

/* Inverse frequency of pair i of D / 2. */
static float inverse_frequency(const struct wn_rope *rope, int32_t D, int32_t i)
{
    const float exponent = (float)(2 * i) / (float)D;
    const float frequency = (float)pow(rope->theta, (double)exponent);
    const float inverse = 1.0F / frequency;
    switch (rope->kind) {
    case WN_ROPE_LINEAR:
        return inverse / (float)rope->factor;
    case WN_ROPE_LLAMA3:
        return llama3_frequency(rope, inverse);
    case WN_ROPE_YARN: {
        const float kept = 1.0F - yarn_ramp(rope, D, i);
        return 1.0F / ((float)rope->factor * frequency) * (1.0F - kept) + inverse * kept;
    }
    default:
        return inverse;
    }
}

void wn_layer_rotary(const struct wn_rope *rope, int32_t D, int32_t rows, float *cosine, float *sine)
{
    const size_t half = (size_t)D / 2;
    const float factor = attention_factor(rope);
    for (size_t i = 0; i < half; i++) {
        const float inverse = inverse_frequency(rope, D, (int32_t)i);
        for (int32_t p = 0; p < rows; p++) {
            const double angle = (double)((float)p * inverse);
            cosine[(size_t)p * half + i] = (float)cos(angle) * factor;
            sine[(size_t)p * half + i] = (float)sin(angle) * factor;
        }
    }
}
