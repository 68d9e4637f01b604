/* Matrix products, plain: see matmul.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/vec.h"

#include "kernels/matmul.h"

#include <stdio.h>
#include <stdlib.h>

struct wn_matmul_plan {
    int32_t R, K, N;
};

static void plain_numeric(struct wn_numeric_class *out_numeric)
{
    snprintf(out_numeric->kernels, sizeof out_numeric->kernels, "plain");
    snprintf(out_numeric->library, sizeof out_numeric->library, "none");
}

static wn_code plain_plan_new(int32_t R, int32_t K, int32_t N, int32_t n_threads,
                              struct wn_matmul_plan **out_plan, struct wn_error *err)
{
    (void)n_threads;
    struct wn_matmul_plan *plan = malloc(sizeof *plan);
    WN_CHECK(plan != NULL, err, WN_DEVICE, "no memory for a matrix product of %d x %d", K, N);
    *plan = (struct wn_matmul_plan){R, K, N};
    *out_plan = plan;
    return WN_OK;
}

static void plain_plan_free(struct wn_matmul_plan *plan)
{
    free(plan);
}

static size_t plain_packed_size(const struct wn_matmul_plan *plan)
{
    return (size_t)plan->K * (size_t)plan->N * sizeof(float);
}

static wn_code plain_pack(const struct wn_matmul_plan *plan, const float *matrix, void *packed,
                          struct wn_error *err)
{
    (void)err;
    memcpy(packed, matrix, plain_packed_size(plan));
    return WN_OK;
}

/* Columns [0, n), n <= 32, of one row. */
WN_INLINE void plain_columns(int32_t K, size_t stride, int n, const float *restrict x,
                             const float *restrict w, float *restrict y)
{
    double sums[32] = {0};
    for (int32_t k = 0; k < K; k++) {
        const double a = (double)x[k];
        for (int j = 0; j < n; j++) {
            sums[j] += a * (double)w[(size_t)k * stride + (size_t)j];
        }
    }
    for (int j = 0; j < n; j++) {
        y[j] = (float)sums[j];
    }
}

WN_CLONES static void plain_row(int32_t K, int32_t N, const float *restrict x, const float *restrict w,
                                float *restrict y)
{
    int32_t n = 0;
    for (; n + 32 <= N; n += 32) {
        plain_columns(K, (size_t)N, 32, x, w + n, y + n);
    }
    if (n < N) {
        plain_columns(K, (size_t)N, N - n, x, w + n, y + n);
    }
}

static wn_code plain_run(const struct wn_matmul_plan *plan, int32_t thread, const float *x,
                         const void *packed, float *y, struct wn_error *err)
{
    (void)thread;
    (void)err;
    for (int32_t r = 0; r < plan->R; r++) {
        plain_row(plan->K, plan->N, x + (size_t)r * (size_t)plan->K, packed, y + (size_t)r * (size_t)plan->N);
    }
    return WN_OK;
}

const struct wn_matmul_kernel *wn_matmul_reference(void)
{
    static const struct wn_matmul_kernel kernel = {
        .numeric = plain_numeric,
        .plan_new = plain_plan_new,
        .plan_free = plain_plan_free,
        .packed_size = plain_packed_size,
        .pack = plain_pack,
        .run = plain_run,
    };
    return &kernel;
}
