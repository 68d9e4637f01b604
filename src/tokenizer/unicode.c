/* What a character is: look-ups in the sets of unicode_data.c, lower case, UTF-8.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tokenizer/unicode.h"

#include <utf8proc.h>

bool wn_ranges_have(const struct wn_ranges *set, uint32_t code_point)
{
    if (code_point < 0x80) { /* the first few ranges; no search */
        for (size_t i = 0; i < set->n && set->ranges[i].first <= code_point; i++) {
            if (code_point <= set->ranges[i].last) {
                return true;
            }
        }
        return false;
    }
    size_t low = 0;
    size_t high = set->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (code_point > set->ranges[middle].last) {
            low = middle + 1;
        } else if (code_point < set->ranges[middle].first) {
            high = middle;
        } else {
            return true;
        }
    }
    return false;
}

bool wn_unicode_is_white(uint32_t code_point)
{
    if (code_point < 0x1680) {
        return (code_point >= 0x09 && code_point <= 0x0D) || code_point == 0x20 || code_point == 0x85 ||
               code_point == 0xA0;
    }
    return code_point == 0x1680 || (code_point >= 0x2000 && code_point <= 0x200A) || code_point == 0x2028 ||
           code_point == 0x2029 || code_point == 0x202F || code_point == 0x205F || code_point == 0x3000;
}

uint32_t wn_unicode_stand_in(uint32_t code_point)
{
    size_t low = 0;
    size_t high = wn_unicode_stand_ins.n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct wn_stand_in *range = &wn_unicode_stand_ins.ranges[middle];
        if (code_point > range->last) {
            low = middle + 1;
        } else if (code_point < range->first) {
            high = middle;
        } else {
            return range->stand_in;
        }
    }
    return code_point;
}

/* Upper case letters that Unicode 14 to 17 brought or gave a lower case: utf8proc 2.8 does not know them. */
static const struct {
    uint32_t first, last;
    int32_t shift;
} new_upper[] = {
    {0x1C89, 0x1C89, 1},      {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
    {0xA7CC, 0xA7CC, 1},      {0xA7CE, 0xA7CE, 1},
    {0xA7D2, 0xA7D2, 1},      {0xA7D4, 0xA7D4, 1},
    {0xA7DA, 0xA7DA, 1},      {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
    {0x10D50, 0x10D65, 0x20}, {0x16EA0, 0x16EB8, 0x1B},
};

size_t wn_unicode_lower(uint32_t code_point, uint32_t out[2])
{
    if (code_point < 0x80) {
        out[0] = code_point >= 'A' && code_point <= 'Z' ? code_point + 32 : code_point;
        return 1;
    }
    if (code_point == 0x130) {
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    for (size_t i = 0; i < sizeof new_upper / sizeof new_upper[0]; i++) {
        if (code_point >= new_upper[i].first && code_point <= new_upper[i].last) {
            out[0] = (uint32_t)((int32_t)code_point + new_upper[i].shift);
            return 1;
        }
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)code_point);
    return 1;
}

uint32_t wn_utf8_get(const char *text, size_t *out_size)
{
    const unsigned char *t = (const unsigned char *)text;
    if (t[0] < 0x80) {
        *out_size = 1;
        return t[0];
    }
    if (t[0] < 0xE0) {
        *out_size = 2;
        return ((t[0] & 0x1Fu) << 6) | (t[1] & 0x3Fu);
    }
    if (t[0] < 0xF0) {
        *out_size = 3;
        return ((t[0] & 0x0Fu) << 12) | ((t[1] & 0x3Fu) << 6) | (t[2] & 0x3Fu);
    }
    *out_size = 4;
    return ((t[0] & 0x07u) << 18) | ((t[1] & 0x3Fu) << 12) | ((t[2] & 0x3Fu) << 6) | (t[3] & 0x3Fu);
}

size_t wn_utf8_size_before(const char *text, size_t end)
{
    size_t size = 1;
    while (size < end && ((unsigned char)text[end - size] & 0xC0u) == 0x80u) {
        size++;
    }
    return size;
}

size_t wn_utf8_put(uint32_t code_point, char out[4])
{
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)code_point, (utf8proc_uint8_t *)out);
}

uint32_t wn_byte_symbol(unsigned char byte)
{
    if (byte <= 0x20) {
        return 0x100u + byte;
    }
    if (byte >= 0x7F && byte <= 0xA0) {
        return 0x121u + (byte - 0x7Fu);
    }
    return byte == 0xAD ? 0x143u : byte;
}
