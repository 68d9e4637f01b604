/* Growing bytes and little-endian numbers.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void fill(struct wn_bytes *bytes)
{
    wn_bytes_u8(bytes, 0xA5);
    wn_bytes_u16(bytes, 0x0102);
    wn_bytes_u32(bytes, 0x03040506u);
    wn_bytes_u64(bytes, 0x0708090A0B0C0D0Eu);
    wn_bytes_f32(bytes, -0.0f);
    wn_bytes_f64(bytes, (double)NAN);
    wn_bytes_text(bytes, (struct wn_span){"a\0b", 3});
    wn_bytes_text(bytes, (struct wn_span){NULL, 0});
    wn_bytes_add(bytes, "end", 3);
}

Test(bytes, numbers_come_back_and_stand_in_the_order_of_every_machine)
{
    struct wn_bytes bytes = {0};
    fill(&bytes);
    cr_assert_not(bytes.is_short);
    static const unsigned char head[] = {0xA5, 2,    1, 6, 5, 4, 3, 0x0E, 0x0D, 0x0C,
                                         0x0B, 0x0A, 9, 8, 7, 0, 0, 0,    0x80};
    cr_assert_eq(memcmp(bytes.data, head, sizeof head), 0);

    struct wn_span left = wn_bytes_span(&bytes);
    uint8_t u8 = 0;
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    uint64_t u64 = 0;
    float f32 = 1;
    double f64 = 1;
    struct wn_span text, none, rest;
    cr_assert(wn_take_u8(&left, &u8) && wn_take_u16(&left, &u16) && wn_take_u32(&left, &u32) &&
              wn_take_u64(&left, &u64) && wn_take_f32(&left, &f32) && wn_take_f64(&left, &f64) &&
              wn_take_text(&left, &text) && wn_take_text(&left, &none) && wn_take(&left, 3, &rest));
    cr_expect(u8 == 0xA5 && u16 == 0x0102 && u32 == 0x03040506u && u64 == 0x0708090A0B0C0D0Eu);
    cr_expect(f32 == 0 && signbit(f32) && isnan(f64), "the bits, not the value");
    cr_expect(wn_span_equal(text, (struct wn_span){"a\0b", 3}) && none.size == 0 && wn_span_is(rest, "end"));
    cr_expect_eq(left.size, 0);
    cr_expect_not(wn_take_u8(&left, &u8));
    wn_bytes_free(&bytes);
    cr_expect(bytes.data == NULL && bytes.size == 0);
}

/* Take everything that `fill` put. */
static bool take_all(struct wn_span *left)
{
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float f32;
    double f64;
    struct wn_span text;
    return wn_take_u8(left, &u8) && wn_take_u16(left, &u16) && wn_take_u32(left, &u32) &&
           wn_take_u64(left, &u64) && wn_take_f32(left, &f32) && wn_take_f64(left, &f64) &&
           wn_take_text(left, &text) && wn_take_text(left, &text) && wn_take(left, 3, &text);
}

Test(bytes, a_run_cut_anywhere_is_refused_and_never_read_past)
{
    struct wn_bytes bytes = {0};
    fill(&bytes);
    for (size_t n = 0; n <= bytes.size; ++n) {
        /* Memory of exactly that size, so that a sanitizer sees a byte too much. */
        char *copy = malloc(n > 0 ? n : 1);
        cr_assert_not_null(copy);
        memcpy(copy, bytes.data, n);
        struct wn_span left = {copy, n};
        cr_expect_eq(take_all(&left), n == bytes.size, "cut at %zu of %zu", n, bytes.size);
        free(copy);
    }
    wn_bytes_free(&bytes);
}

Test(bytes, what_cannot_be_taken_leaves_what_is_left_as_it_was)
{
    static const char text[] = {5, 0, 0, 0, 'a', 'b'}; /* a length of 5, and 2 bytes */
    struct wn_span left = {text, sizeof text};
    struct wn_span out;
    uint64_t u64 = 7;
    cr_expect_not(wn_take_text(&left, &out));
    cr_expect_not(wn_take_u64(&left, &u64));
    cr_expect_not(wn_take(&left, SIZE_MAX, &out));
    cr_expect(left.data == text && left.size == sizeof text && u64 == 7);
}

Test(bytes, what_does_not_fit_into_memory_is_told_once_and_nothing_follows_it)
{
    struct wn_bytes bytes = {0};
    wn_bytes_u8(&bytes, 1);
    wn_bytes_add(&bytes, "x", SIZE_MAX); /* the sum of the sizes overflows; nothing is read */
    cr_expect(bytes.is_short && bytes.size == 1);
    wn_bytes_u8(&bytes, 2);
    cr_expect_eq(bytes.size, 1, "a text with a hole");
    wn_bytes_clear(&bytes);
    cr_expect_not(bytes.is_short);
    if (SIZE_MAX > UINT32_MAX) {
        wn_bytes_text(&bytes, (struct wn_span){"x", (size_t)UINT32_MAX + 1});
        cr_expect(bytes.is_short && bytes.size == 0, "a length of 32 bits cannot say that");
    }
    wn_bytes_clear(&bytes);
    for (uint32_t i = 0; i < 100000; ++i) {
        wn_bytes_u32(&bytes, i);
    }
    cr_assert(!bytes.is_short && bytes.size == 400000);
    struct wn_span left = wn_bytes_span(&bytes);
    for (uint32_t i = 0; i < 100000; ++i) {
        uint32_t value = 0;
        cr_assert(wn_take_u32(&left, &value) && value == i, "number %u", i);
    }
    wn_bytes_free(&bytes);
}
