/* Inside kernels: arithmetic that gives the same bits in every vector width.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Rules
 * - The project is compiled with -ffp-contract=off and without -ffast-math, so a compiler may run such loops
 *   in any vector width but may neither fuse a product with a sum nor reorder a sum. WN_CLONES therefore
 *   changes speed only: SSE2, AVX2 and AVX-512 clones of a function agree bit for bit.
 * - Sums over a row run in WN_LANES partial sums, element i in lane i mod WN_LANES, added pairwise at the
 *   end.
 * - No function of the C library that rounds (exp, tanh, erf) is used per element: its bits differ between
 *   machines.
 */
#ifndef WINNOW_KERNELS_VEC_H
#define WINNOW_KERNELS_VEC_H

#include <stdint.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define WN_IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WN_IS_SANITIZED 1
#endif

/* Sanitizers cannot run code as early as the choice of a clone is made. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && !defined(WN_IS_SANITIZED)
#define WN_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define WN_CLONES
#endif

/* Debug information must not cost the vector loops. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__)
#pragma GCC optimize("O3")
#endif

/* Before a loop of few steps that must become vectors: else GCC first unrolls it and then pairs up the wrong
 * statements. */
#if defined(__GNUC__) && !defined(__clang__)
#define WN_VECTOR _Pragma("GCC unroll 1")
#else
#define WN_VECTOR
#endif

#define WN_INLINE static inline __attribute__((always_inline))

enum { WN_LANES = 8 };

WN_INLINE double wn_lanes_sum(const double lanes[WN_LANES])
{
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/* exp(x) within 2 units in the last place for -87 <= x <= 88; 0 below, exp(88) above, NaN for NaN.
 * x = k ln 2 + r, |r| <= ln 2 / 2; 2^k by the exponent field, exp(r) by its Taylor polynomial of degree 7,
 * whose remainder is below 6e-9. ln 2 in two parts (Cody and Waite), the first short enough that its product
 * with k is exact. */
WN_INLINE float wn_exp(float x)
{
    const float low = x < -87.0F ? -87.0F : x;
    const float clamped = low > 88.0F ? 88.0F : low;
    const float shifter = 12582912.0F; /* 1.5 x 2^23: adding it rounds to an integer, held in the low bits */
    const float shifted = clamped * 1.44269504F + shifter;
    const float k = shifted - shifter;
    const float r = (clamped - k * 0.693359375F) - k * -2.12194440e-4F;
    float p = 1.0F / 5040.0F;
    p = p * r + 1.0F / 720.0F;
    p = p * r + 1.0F / 120.0F;
    p = p * r + 1.0F / 24.0F;
    p = p * r + 1.0F / 6.0F;
    p = p * r + 0.5F;
    p = p * r + 1.0F;
    p = p * r + 1.0F;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + (127U << 23);
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return x < -87.0F ? 0.0F : p * scale;
}

WN_INLINE float wn_sigmoid(float x)
{
    return 1.0F / (1.0F + wn_exp(-x));
}

#endif
