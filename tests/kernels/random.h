/* Random numbers for the kernel tests.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TESTS_KERNELS_RANDOM_H
#define WINNOW_TESTS_KERNELS_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* A number in (-spread, spread). */
static inline float random_float(uint64_t *state, float spread)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return spread * ((float)(*state >> 40) / 8388608.0F - 1.0F);
}

/* n of them, aligned to 64 bytes; free(). */
static inline float *random_floats(uint64_t seed, size_t n, float spread)
{
    float *floats = aligned_alloc(64, (n * sizeof(float) / 64 + 1) * 64);
    for (size_t i = 0; i < n; i++) {
        floats[i] = random_float(&seed, spread);
    }
    return floats;
}

#endif
