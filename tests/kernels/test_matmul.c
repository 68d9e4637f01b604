/* Matrix products against float64, and the independence of a row from everything but itself.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "random.h"
#include "support.h"

#include "kernels/matmul.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { R = 64 };

struct product {
    const struct wn_matmul_kernel *kernel;
    struct wn_matmul_plan *plan;
    int32_t K, N;
    float *w;
    void *packed;
};

static struct product product_new(const struct wn_matmul_kernel *kernel, int32_t rows, int32_t K, int32_t N)
{
    struct wn_error err;
    struct product p = {.kernel = kernel, .K = K, .N = N};
    WN_TEST_OK(kernel->plan_new(rows, K, N, 2, &p.plan, &err));
    p.w = random_floats(3, (size_t)K * (size_t)N, 1.0F);
    p.packed = aligned_alloc(64, (kernel->packed_size(p.plan) + 63) / 64 * 64);
    WN_TEST_OK(kernel->pack(p.plan, p.w, p.packed, &err));
    return p;
}

static void product_free(struct product *p)
{
    p->kernel->plan_free(p->plan);
    free(p->packed);
    free(p->w);
}

static void product_run(const struct product *p, int32_t thread, const float *x, float *y)
{
    struct wn_error err;
    WN_TEST_OK(p->kernel->run(p->plan, thread, x, p->packed, y, &err));
}

static const int32_t shapes[][2] = {{768, 768}, {64, 1024}, {67, 33},   {1, 1},
                                    {3, 250},   {172, 64},  {1000, 16}, {15, 1007}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* Float32 sums of K random products stray by about sqrt(K) roundings of the partial sums; 8 sqrt(K) 2^-24
 * bounds them. */
static void compare(const struct product *p, const float *x, const float *y)
{
    for (int32_t r = 0; r < R; r++) {
        for (int32_t n = 0; n < p->N; n++) {
            double sum = 0.0;
            double size = 0.0;
            for (int32_t k = 0; k < p->K; k++) {
                const double term =
                    (double)x[r * p->K + k] * (double)p->w[(size_t)k * (size_t)p->N + (size_t)n];
                sum += term;
                size += term * term;
            }
            const double bound = 8.0 * sqrt(p->K) * ldexp(sqrt(size), -24) + 1e-30;
            const double value = (double)y[r * p->N + n];
            cr_assert(fabs(value - sum) <= bound, "%d x %d: row %d, column %d: %.9g, float64 %.9g", p->K,
                      p->N, r, n, value, sum);
        }
    }
}

Test(matmul, both_kernels_agree_with_float64)
{
    const struct wn_matmul_kernel *const kernels[] = {wn_matmul_reference(), wn_matmul_fast()};
    for (size_t s = 0; s < N_SHAPES; s++) {
        for (int k = 0; k < 2; k++) {
            struct product p = product_new(kernels[k], R, shapes[s][0], shapes[s][1]);
            float *x = random_floats(1, (size_t)(R * p.K), 1.0F);
            float *y = random_floats(2, (size_t)(R * p.N), 1.0F);
            product_run(&p, 1, x, y);
            compare(&p, x, y);
            free(x);
            free(y);
            product_free(&p);
        }
    }
}

/* Rows in another order, beside rows of NaN, and in a larger tile. */
Test(matmul, a_row_depends_on_itself_alone)
{
    const struct wn_matmul_kernel *const kernels[] = {wn_matmul_reference(), wn_matmul_fast()};
    for (size_t s = 0; s < N_SHAPES; s++) {
        for (int kind = 0; kind < 2; kind++) {
            struct product p = product_new(kernels[kind], R, shapes[s][0], shapes[s][1]);
            struct product large = product_new(kernels[kind], 2 * R, p.K, p.N);
            const size_t K = (size_t)p.K;
            const size_t N = (size_t)p.N;
            float *x = random_floats(1, R * K, 1.0F);
            float *y = random_floats(2, R * N, 1.0F);
            float *moved = random_floats(4, 2 * R * K, 1.0F);
            float *other = random_floats(5, 2 * R * N, 1.0F);
            product_run(&p, 0, x, y);
            for (int rows = R; rows <= 2 * R; rows += R) {
                for (int r = 0; r < rows; r++) { /* row r of x at place 29 r mod rows; every third is NaN */
                    for (size_t k = 0; k < K; k++) {
                        moved[(size_t)(29 * r % rows) * K + k] =
                            r < R && r % 3 != 0 ? x[(size_t)r * K + k] : NAN;
                    }
                }
                product_run(rows == R ? &p : &large, 1, moved, other);
                for (int r = 0; r < R; r++) {
                    const bool is_same =
                        memcmp(y + (size_t)r * N, other + (size_t)(29 * r % rows) * N, N * 4) == 0;
                    cr_assert(is_same || r % 3 == 0, "%zu x %zu, tile of %d: row %d has other bits elsewhere",
                              K, N, rows, r);
                }
            }
            free(x);
            free(y);
            free(moved);
            free(other);
            product_free(&p);
            product_free(&large);
        }
    }
}
