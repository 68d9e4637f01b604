/* Words of a run that several folders share: pass, unit, numeric class.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_RUN_H
#define WINNOW_RUN_H

#include <stdint.h>

/* What decides bits. Two runs with equal classes, inputs and recipes give equal files. */
struct wn_numeric_class {
    char backend[16]; /* "cpu", "cuda", "null" */
    char dtype[8];    /* "f32", "bf16", "f16" */
    char kernels[64]; /* kernel set: ISA path or sm version */
    char library[64]; /* the library that makes the products, with its version */
    int32_t row_tile; /* R */
    int32_t key_tile; /* T */
};

/* A contiguous range of records: [first, first + count). */
struct wn_records {
    uint64_t first, count;
};

/* A contiguous range of records of one pass: [first, first + count). */
struct wn_unit {
    uint32_t pass;
    uint64_t first;
    uint64_t count; /* <= 65,536 */
};

#endif
