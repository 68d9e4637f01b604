/* Norms, rotation, activations, embedding, pooling and conversion against float64.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "random.h"
#include "support.h"

#include "kernels/activation.h"
#include "kernels/convert.h"
#include "kernels/embed.h"
#include "kernels/norm.h"
#include "kernels/pool.h"
#include "kernels/rope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double exact(enum wn_function function, double x)
{
    switch (function) {
    /* in the sigmoid form: tanh rounds to -1 where the true value is still normal */
    case WN_FUNCTION_GELU_TANH:
        return x * sigmoid(2.0 * sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x));
    case WN_FUNCTION_GELU_ERF:
        return 0.5 * x * erfc(-x / sqrt(2.0));
    case WN_FUNCTION_GELU_QUICK:
        return x * sigmoid(1.702 * x);
    case WN_FUNCTION_SILU:
        return x * sigmoid(x);
    case WN_FUNCTION_RELU:
        return x > 0.0 ? x : 0.0;
    default:
        return x;
    }
}

/* Points of every exponent from 2^-40 to 2^40, both signs. The bound is that of activation.h: a few units in
 * the last place of the value, or of x / 64 where the value has all but vanished. */
Test(pointwise, activations_are_within_their_stated_error)
{
    for (int function = WN_FUNCTION_NONE; function <= WN_FUNCTION_RELU; function++) {
        double worst = 0.0;
        uint64_t random = 1;
        for (int i = 0; i < 400000; i++) {
            const float size = ldexpf(1.0F + fabsf(random_float(&random, 1.0F)), i % 81 - 40);
            const float small = fabsf(random_float(&random, 12.0F));
            const float x[2] = {i % 2 == 0 ? size : small, -(i % 2 == 0 ? size : small)};
            float y[2];
            wn_activate_row((enum wn_function)function, 2, x, NULL, y);
            for (int j = 0; j < 2; j++) {
                const double truth = exact((enum wn_function)function, (double)x[j]);
                const double unit = ldexp(fmax(fabs(truth), fabs((double)x[j]) / 64.0), -24);
                worst = fmax(worst, fabs((double)y[j] - truth) / unit);
            }
        }
        cr_assert(worst < 10.0, "function %d: error of %.2f half units in the last place", function, worst);
    }
}

Test(pointwise, activations_of_values_that_are_not_finite)
{
    const float x[3] = {NAN, INFINITY, 0.0F};
    for (int function = WN_FUNCTION_NONE; function <= WN_FUNCTION_RELU; function++) {
        float y[3];
        wn_activate_row((enum wn_function)function, 3, x, NULL, y);
        cr_assert(isnan(y[0]) && y[1] == INFINITY && y[2] == 0.0F, "function %d: %g %g %g", function,
                  (double)y[0], (double)y[1], (double)y[2]);
    }
}

/* The same element alone, in a long row, and at every offset: vector loops and their tails agree. */
Test(pointwise, a_value_does_not_depend_on_its_place_in_the_row)
{
    enum { N = 131 };
    float *x = random_floats(1, N, 5.0F);
    float *bias = random_floats(2, N, 1.0F);
    for (int function = WN_FUNCTION_NONE; function <= WN_FUNCTION_RELU; function++) {
        float whole[N];
        float part[N];
        float gated[N];
        wn_activate_row((enum wn_function)function, N, x, bias, whole);
        wn_gate_row((enum wn_function)function, N, x, bias, gated);
        for (int i = 0; i < N; i++) {
            wn_activate_row((enum wn_function)function, N - i, x + i, bias + i, part);
            cr_assert(memcmp(part, whole + i, (size_t)(N - i) * 4) == 0, "function %d from %d", function, i);
            wn_gate_row((enum wn_function)function, 1, x + i, bias + i, part);
            cr_assert(memcmp(part, gated + i, 4) == 0, "function %d gated at %d", function, i);
            const double truth = exact((enum wn_function)function, (double)x[i]) * (double)bias[i];
            cr_assert(fabs((double)gated[i] - truth) <= 1e-6 * fabs(truth) + 1e-7);
        }
    }
    float sum[N];
    memcpy(sum, x, sizeof sum);
    wn_add_row(N, bias, x, sum);
    for (int i = 0; i < N; i++) {
        cr_assert(sum[i] == x[i] + (bias[i] + x[i]));
    }
    free(x);
    free(bias);
}

/* Two roundings to float32 after float64 sums, a third where a bias is added. */
Test(pointwise, norms_agree_with_float64)
{
    const int32_t sizes[] = {1, 7, 8, 60, 64, 768, 1001};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int32_t n = sizes[s];
        float *x = random_floats(1, (size_t)n, 3.0F);
        float *w = random_floats(2, (size_t)n, 1.0F);
        float *b = random_floats(3, (size_t)n, 1.0F);
        float *y = random_floats(4, (size_t)n, 1.0F);
        for (int k = 0; k < 3; k++) { /* LayerNorm with a large mean; without bias; RMS */
            const bool is_layer = k < 2;
            double mean = 0.0;
            double square = 0.0;
            for (int32_t i = 0; i < n; i++) {
                x[i] += k == 0 ? 1000.0F : 0.0F;
                mean += is_layer ? (double)x[i] / n : 0.0;
            }
            for (int32_t i = 0; i < n; i++) {
                square += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
            }
            wn_norm_row(is_layer ? WN_NORM_OF_LAYER : WN_NORM_OF_SQUARES, 1e-5, n, x, w, k == 0 ? b : NULL,
                        y);
            for (int32_t i = 0; i < n; i++) {
                const double part = ((double)x[i] - mean) / sqrt(square + 1e-5) * (double)w[i];
                const double truth = part + (k == 0 ? (double)b[i] : 0.0);
                cr_assert(fabs((double)y[i] - truth) <= 2e-7 * (fabs(part) + fabs(truth)) + 1e-9,
                          "n %d, %d: %g, %g", n, i, (double)y[i], truth);
            }
        }
        free(x);
        free(w);
        free(b);
        free(y);
    }
}

Test(pointwise, rotation_turns_pairs_by_their_angle)
{
    const int32_t sizes[] = {2, 8, 24, 64, 130};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int32_t D = sizes[s];
        float *x = random_floats(1, (size_t)D, 3.0F);
        float *angle = random_floats(2, (size_t)D, 3.0F);
        float cosine[65];
        float sine[65];
        float y[130];
        for (int32_t i = 0; i < D / 2; i++) {
            cosine[i] = cosf(angle[i]);
            sine[i] = sinf(angle[i]);
        }
        wn_rope(D, cosine, sine, x, y);
        for (int32_t i = 0; i < D / 2; i++) {
            const double a = (double)x[i];
            const double b = (double)x[i + D / 2];
            const double t = (double)angle[i];
            cr_assert(fabs((double)y[i] - (a * cos(t) - b * sin(t))) < 2e-6);
            cr_assert(fabs((double)y[i + D / 2] - (b * cos(t) + a * sin(t))) < 2e-6);
        }
        free(x);
        free(angle);
    }
}

Test(pointwise, embeddings_are_sums_and_noise_is_a_function_of_its_key)
{
    const float token[3] = {1.0F, 2.0F, 3.0F};
    const float position[3] = {10.0F, 20.0F, 30.0F};
    const float type[3] = {100.0F, 200.0F, 300.0F};
    const struct wn_noise none = {0};
    float y[3];
    wn_embed_row(3, token, NULL, NULL, &none, 0, y);
    cr_assert(memcmp(y, token, sizeof y) == 0);
    wn_embed_row(3, token, position, type, &none, 0, y);
    cr_assert(y[0] == 111.0F && y[1] == 222.0F && y[2] == 333.0F);
    const struct wn_noise noise = {5, 9, 0.5F};
    wn_embed_row(3, token, NULL, NULL, &noise, 12, y);
    for (uint32_t c = 0; c < 3; c++) {
        cr_assert(y[c] == token[c] + 0.5F * wn_noise_unit(5, 9, 12, c));
    }
    double mean = 0.0;
    double square = 0.0;
    for (uint32_t i = 0; i < 100000;
         i++) { /* uniform: mean 0 and mean square 1/3, within five standard errors */
        const double u = (double)wn_noise_unit(1, i / 1000, i / 10 % 100, i % 10);
        cr_assert(u > -1.0 && u < 1.0);
        mean += u / 1e5;
        square += u * u / 1e5;
    }
    cr_assert(fabs(mean) < 0.01 && fabs(square - 1.0 / 3.0) < 0.005, "mean %g, mean square %g", mean, square);
    const float base = wn_noise_unit(1, 2, 3, 4);
    cr_assert(base != wn_noise_unit(2, 2, 3, 4) && base != wn_noise_unit(1, 3, 3, 4) &&
              base != wn_noise_unit(1, 2, 4, 4) && base != wn_noise_unit(1, 2, 3, 5));
}

Test(pointwise, pools_agree_with_float64)
{
    enum { C = 5, N = 37 };
    float *x = random_floats(1, N * C, 1.0F);
    for (int32_t n = 1; n <= N; n += 9) {
        for (int kind = WN_POOL_MEAN; kind <= WN_POOL_POSITION_WEIGHTED; kind++) {
            float y[C];
            wn_pool((enum wn_pool_kind)kind, n, C, x, y);
            for (int c = 0; c < C; c++) {
                double sum = 0.0;
                double total = 0.0;
                for (int i = 0; i < n; i++) {
                    const double weight = kind == WN_POOL_MEAN   ? 1.0
                                          : kind == WN_POOL_LAST ? i == n - 1
                                                                 : i + 1.0;
                    sum += weight * (double)x[i * C + c];
                    total += weight;
                }
                cr_assert(fabs((double)y[c] - sum / total) < 1e-7, "kind %d, n %d: %g, %g", kind, n,
                          (double)y[c], sum / total);
            }
        }
    }
    free(x);
}

/* All 65,536 patterns of both 16-bit types, read from an odd address. */
Test(pointwise, half_and_bfloat_convert_exactly)
{
    for (uint32_t bits = 0; bits < 65536; bits++) {
        unsigned char bytes[3] = {0, (unsigned char)bits, (unsigned char)(bits >> 8)};
        float half = 0.0F;
        float brain = 0.0F;
        wn_convert(WN_ELEMENT_F16, bytes + 1, 1, &half);
        wn_convert(WN_ELEMENT_BF16, bytes + 1, 1, &brain);
        const int exponent = (int)(bits >> 10 & 31);
        const double fraction = bits & 1023;
        double size = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024.0 + fraction, exponent - 25);
        size = exponent == 31 ? (fraction > 0.0 ? NAN : INFINITY) : size;
        const double truth = (bits & 0x8000) != 0 ? -size : size;
        cr_assert((isnan(truth) && isnan(half)) ||
                      ((double)half == truth && !signbit(half) == !signbit(truth)),
                  "f16 %04x: %g, %g", bits, (double)half, truth);
        uint32_t wide = 0;
        memcpy(&wide, &brain, 4);
        cr_assert_eq(wide, bits << 16, "bf16 %04x", bits);
    }
}

/* A slice of a tensor, as it stands and transposed. */
Test(pointwise, slices_of_tensors_are_placed_as_asked)
{
    enum { ROWS = 150, COLUMNS = 97 };
    float *tensor = random_floats(1, ROWS * COLUMNS, 1.0F);
    struct wn_source source = {tensor, WN_ELEMENT_F32, COLUMNS, 11, 130, 5, 80, false};
    float *out = random_floats(2, 140 * 140, 1.0F);
    cr_assert(wn_source_inputs(&source) == 80 && wn_source_outputs(&source) == 130);
    wn_convert_matrix(&source, out, 140);
    for (int r = 0; r < 130; r++) {
        for (int c = 0; c < 80; c++) {
            cr_assert(out[c * 140 + r] == tensor[(11 + r) * COLUMNS + 5 + c], "row %d, column %d", r, c);
        }
    }
    source.is_transposed = true;
    wn_convert_matrix(&source, out, 140);
    for (int r = 0; r < 130; r++) {
        cr_assert(memcmp(out + r * 140, tensor + (11 + r) * COLUMNS + 5, 80 * 4) == 0, "row %d", r);
    }
    free(tensor);
    free(out);
}
