/* Element conversion: see convert.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/convert.h"

#include <string.h>

size_t wn_element_size(enum wn_element element)
{
    return element == WN_ELEMENT_F32 ? 4 : 2;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: sign, 5 bits of exponent (bias 15), 10 bits of fraction. */
static float float_of_half(uint32_t half)
{
    const uint32_t sign = (half & 0x8000U) << 16;
    const uint32_t exponent = (half >> 10) & 31U;
    const uint32_t fraction = half & 1023U;
    if (exponent == 31) {
        return float_of_bits(sign | 0x7f800000U | (fraction << 13));
    }
    if (exponent == 0) { /* zero or denormal: fraction x 2^-24, exact in float32 */
        const float magnitude = (float)fraction * 0x1p-24F;
        return sign != 0 ? -magnitude : magnitude;
    }
    return float_of_bits(sign | ((exponent + 112U) << 23) | (fraction << 13));
}

static uint32_t load16(const unsigned char *p)
{
    return (uint32_t)p[0] | ((uint32_t)p[1] << 8);
}

static uint32_t load32(const unsigned char *p)
{
    return load16(p) | (load16(p + 2) << 16);
}

void wn_convert(enum wn_element element, const void *data, size_t n, float *restrict y)
{
    const unsigned char *p = data;
    switch (element) {
    case WN_ELEMENT_F32:
        for (size_t i = 0; i < n; i++) {
            y[i] = float_of_bits(load32(p + 4 * i));
        }
        return;
    case WN_ELEMENT_F16:
        for (size_t i = 0; i < n; i++) {
            y[i] = float_of_half(load16(p + 2 * i));
        }
        return;
    case WN_ELEMENT_BF16:
        for (size_t i = 0; i < n; i++) {
            y[i] = float_of_bits(load16(p + 2 * i) << 16);
        }
        return;
    }
}

int64_t wn_source_inputs(const struct wn_source *source)
{
    return source->is_transposed ? source->n_rows : source->n_columns;
}

int64_t wn_source_outputs(const struct wn_source *source)
{
    return source->is_transposed ? source->n_columns : source->n_rows;
}

/* Row i of the slice, elements [from, from + n). */
static void convert_part(const struct wn_source *source, int64_t i, int64_t from, size_t n, float *restrict y)
{
    const size_t size = wn_element_size(source->element);
    const size_t at =
        (size_t)(source->first_row + i) * (size_t)source->columns + (size_t)(source->first_column + from);
    wn_convert(source->element, (const unsigned char *)source->data + at * size, n, y);
}

/* Transposed in blocks of 64 x 64, so that both sides stay in cache. */
static void convert_transposed(const struct wn_source *source, float *restrict out, size_t stride)
{
    enum { BLOCK = 64 };
    float part[BLOCK];
    for (int64_t c0 = 0; c0 < source->n_columns; c0 += BLOCK) {
        const int64_t left = source->n_columns - c0;
        const size_t n = (size_t)(left < BLOCK ? left : BLOCK);
        for (int64_t r = 0; r < source->n_rows; r++) {
            convert_part(source, r, c0, n, part);
            for (size_t c = 0; c < n; c++) {
                out[((size_t)c0 + c) * stride + (size_t)r] = part[c];
            }
        }
    }
}

void wn_convert_matrix(const struct wn_source *source, float *restrict out, size_t stride)
{
    if (source->data == NULL) {
        for (int64_t i = 0; i < wn_source_inputs(source); i++) {
            memset(out + (size_t)i * stride, 0, (size_t)wn_source_outputs(source) * sizeof *out);
        }
    } else if (source->is_transposed) {
        for (int64_t i = 0; i < source->n_rows; i++) {
            convert_part(source, i, 0, (size_t)source->n_columns, out + (size_t)i * stride);
        }
    } else {
        convert_transposed(source, out, stride);
    }
}
