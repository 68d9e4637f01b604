/* Matrix products: one call = one thread = one row tile.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A kernel makes products Y[R][N] = X[R][K] W[K][N] in float32. A row of Y depends on the same row of X
 * alone: never on its place in the tile or on other rows, whatever they hold (NaN too). Weights are packed
 * once into the kernel's own form. There are two: the reference here, and oneDNN (matmul_onednn.c, where the
 * build has it).
 */
#ifndef WINNOW_KERNELS_MATMUL_H
#define WINNOW_KERNELS_MATMUL_H

#include "winnow/run.h"
#include "winnow/status.h"

#include <stddef.h>
#include <stdint.h>

struct wn_matmul_plan;

struct wn_matmul_kernel {
    /* Fills `kernels` (instruction set) and `library` of the class. */
    void (*numeric)(struct wn_numeric_class *out_numeric);
    /* Everything that depends on the shape and is not a weight; usable by threads 0 .. n_threads - 1 at once.
     * WN_DEVICE: no memory, or the library refused. */
    wn_code (*plan_new)(int32_t R, int32_t K, int32_t N, int32_t n_threads, struct wn_matmul_plan **out_plan,
                        struct wn_error *err);
    void (*plan_free)(struct wn_matmul_plan *plan);           /* NULL is allowed */
    size_t (*packed_size)(const struct wn_matmul_plan *plan); /* bytes */
    /* packed (aligned to 64 bytes) = the kernel's form of matrix[K][N]. */
    wn_code (*pack)(const struct wn_matmul_plan *plan, const float *matrix, void *packed,
                    struct wn_error *err);
    /* y[R][N] = x[R][K] W. x and y contiguous, not overlapping. `thread` names the caller's scratch. */
    wn_code (*run)(const struct wn_matmul_plan *plan, int32_t thread, const float *x, const void *packed,
                   float *y, struct wn_error *err);
};

/* Plain: y[r][n] = sum over k, in order, of x[r][k] W[k][n], in float64, rounded once. */
const struct wn_matmul_kernel *wn_matmul_reference(void);

/* oneDNN: float32 throughout, strict mathematics, packed weights; one OpenMP thread, set for the calling
 * thread during the call only. Declared always, defined only in builds with WINNOW_ONEDNN. */
const struct wn_matmul_kernel *wn_matmul_onednn(void);

/* The one that the CPU backend uses: oneDNN where the build has it, else the reference. */
const struct wn_matmul_kernel *wn_matmul_fast(void);

#endif
