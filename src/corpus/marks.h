/* Where quotes and brackets stand in 64 bytes, as bits. Internal to corpus.
 * SPDX-License-Identifier: Apache-2.0
 *
 * By SSE2 where the compiler has it (every x86-64), else eight bytes at a time in plain C.
 */
#ifndef WINNOW_CORPUS_MARKS_H
#define WINNOW_CORPUS_MARKS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { WN_MARKS = 64 };

/* Bit i stands for byte i. */
struct wn_marks {
    uint64_t quotes;   /* " */
    uint64_t brackets; /* { } [ ] */
};

/* Bit i is set where byte i of `word` (0 the lowest) is `byte`. Exact: no borrow runs from byte to byte. */
static inline uint64_t wn_marks_word(uint64_t word, unsigned char byte)
{
    const uint64_t low = 0x7F7F7F7F7F7F7F7Fu;
    const uint64_t other = word ^ (byte * (uint64_t)0x0101010101010101u);
    const uint64_t equal = ~(((other & low) + low) | other | low); /* 0x80 in each byte that is equal */
    return ((equal >> 7) * (uint64_t)0x0102040810204080u) >> 56;
}

/* The marks of 64 bytes in plain C. */
static inline struct wn_marks wn_marks_plain(const char *at)
{
    struct wn_marks marks = {0, 0};
    for (unsigned i = 0; i < WN_MARKS / 8; i++) {
        uint64_t word = 0;
        for (unsigned k = 0; k < 8; k++) {
            word |= (uint64_t)(unsigned char)at[8 * i + k] << (8 * k);
        }
        /* Bit 5 is all that tells [ from { and ] from }. */
        const uint64_t lower = word | (uint64_t)0x2020202020202020u;
        marks.quotes |= wn_marks_word(word, '"') << (8 * i);
        marks.brackets |= (wn_marks_word(lower, '{') | wn_marks_word(lower, '}')) << (8 * i);
    }
    return marks;
}

#if defined(__SSE2__)
static inline struct wn_marks wn_marks_64(const char *at)
{
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i open = _mm_set1_epi8('{');
    const __m128i close = _mm_set1_epi8('}');
    const __m128i lower = _mm_set1_epi8(0x20);
    struct wn_marks marks = {0, 0};
    for (unsigned i = 0; i < WN_MARKS / 16; i++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(at + 16 * i));
        const __m128i lowered = _mm_or_si128(bytes, lower);
        const __m128i brackets = _mm_or_si128(_mm_cmpeq_epi8(lowered, open), _mm_cmpeq_epi8(lowered, close));
        const unsigned q = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, quote));
        marks.quotes |= (uint64_t)q << (16 * i);
        marks.brackets |= (uint64_t)(unsigned)_mm_movemask_epi8(brackets) << (16 * i);
    }
    return marks;
}
#else
static inline struct wn_marks wn_marks_64(const char *at)
{
    return wn_marks_plain(at);
}
#endif

/* The marks of up to 64 bytes from `at` (< end) on, none at or behind `end`. Bytes before `limit` (>= end) may be read. */
static inline struct wn_marks wn_marks(const char *at, const char *end, const char *limit)
{
    const size_t left = (size_t)(end - at);
    struct wn_marks marks;
    if (limit - at >= WN_MARKS) {
        marks = wn_marks_64(at);
    } else {
        char bytes[WN_MARKS] = {0};
        memcpy(bytes, at, left);
        marks = wn_marks_64(bytes);
    }
    if (left < WN_MARKS) {
        const uint64_t kept = ((uint64_t)1 << left) - 1;
        marks.quotes &= kept;
        marks.brackets &= kept;
    }
    return marks;
}

#endif
