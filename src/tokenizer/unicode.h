/* What a character is, as Hugging Face tokenizers sees it, and stepping through valid UTF-8.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Text here has been checked: the readers do not look for errors.
 */
#ifndef WINNOW_TOKENIZER_UNICODE_H
#define WINNOW_TOKENIZER_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wn_range {
    uint32_t first, last; /* code points, both included */
};

struct wn_ranges {
    const struct wn_range *ranges; /* [n], ascending */
    size_t n;
};

struct wn_stand_in {
    uint32_t first, last; /* code points, both included */
    uint32_t stand_in;    /* the code point that stands for each of them */
};

struct wn_stand_ins {
    const struct wn_stand_in *ranges; /* [n], ascending */
    size_t n;
};

/* The sets; what each holds stands in unicode_data.c. */
extern const struct wn_ranges wn_unicode_punctuation;
extern const struct wn_ranges wn_unicode_control;
extern const struct wn_ranges wn_unicode_nonspacing;
extern const struct wn_ranges wn_unicode_combining;
extern const struct wn_ranges wn_unicode_numeric;
extern const struct wn_ranges wn_unicode_word;
extern const struct wn_ranges wn_unicode_inert;
extern const struct wn_stand_ins wn_unicode_stand_ins;

bool wn_ranges_have(const struct wn_ranges *set, uint32_t code_point);

/* White_Space: the set of Rust's char::is_whitespace, of \s in its regex and in Oniguruma. */
bool wn_unicode_is_white(uint32_t code_point);

/* The character that stands for `code_point` when PCRE2 matches, most often itself; the same UTF-8 length. */
uint32_t wn_unicode_stand_in(uint32_t code_point);

/* Full lower case (Rust's char::to_lowercase, Unicode 17) in out[0 .. result): one character, or two for U+0130. */
size_t wn_unicode_lower(uint32_t code_point, uint32_t out[2]);

/* Bytes of the character that starts with `lead`. */
static inline size_t wn_utf8_size(char lead)
{
    const unsigned char c = (unsigned char)lead;
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* The character at `text`; its bytes in *out_size. */
uint32_t wn_utf8_get(const char *text, size_t *out_size);

/* Bytes of the last character before `end` (> 0). */
size_t wn_utf8_size_before(const char *text, size_t end);

/* Writes 1 to 4 bytes; returns how many. */
size_t wn_utf8_put(uint32_t code_point, char out[4]);

/* GPT-2's table: the character that stands for `byte` in a byte-level vocabulary, U+0021 .. U+0143.
 * Source: bytes_to_unicode of openai/gpt-2, encoder.py: printable Latin-1 stands for itself, the other 68 bytes follow
 * from U+0100 on in their order. */
uint32_t wn_byte_symbol(unsigned char byte);

#endif
