/* Validity of UTF-8: shortest forms only, no surrogates, nothing above U+10FFFF (Unicode 15, table 3-7).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/json.h"

/* Bytes of the well-formed character at p (n bytes left), or 0. */
static size_t character_size(const unsigned char *p, size_t n)
{
    const unsigned char c = p[0];
    if (c < 0x80) {
        return 1;
    }
    const size_t size = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c < 0xC2 || c > 0xF4 || n < size) {
        return 0;
    }
    const unsigned char low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; ++i) {
        if ((p[i] & 0xC0u) != 0x80u) {
            return 0;
        }
    }
    return size;
}

bool wn_utf8_valid(struct wn_span text, size_t *out_bad)
{
    const unsigned char *const p = (const unsigned char *)text.data;
    size_t i = 0;
    while (i < text.size) {
        uint64_t word = 0;
        if (text.size - i >= sizeof word) { /* eight ASCII bytes at a time */
            memcpy(&word, p + i, sizeof word);
            if ((word & 0x8080808080808080u) == 0) {
                i += sizeof word;
                continue;
            }
        }
        const size_t size = character_size(p + i, text.size - i);
        if (size == 0) {
            if (out_bad != NULL) {
                *out_bad = i;
            }
            return false;
        }
        i += size;
    }
    return true;
}
