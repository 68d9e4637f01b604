/* Translating a pattern: the reader, what it writes, and what both files of the translation use.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TOKENIZER_PATTERN_H
#define WINNOW_TOKENIZER_PATTERN_H

#include "tokenizer/parts.h"

enum { WN_PATTERN_DEPTH = 64 };

struct wn_string {
    char *data;
    size_t size, capacity;
};

struct wn_reader {
    struct wn_span source;
    size_t at;
    bool fold;  /* (?i) is on */
    bool kinds; /* kinds of characters are asked for */
    int depth;
    int classes; /* that are open here */
    struct wn_error *err;
};

/* A kind as it is said inside a class and outside of one. */
struct wn_said {
    char inside[160];
    bool is_plain; /* may stand in a class of others */
};

/* \w in a class; outside of one Oniguruma counts the superscripts and fractions of Latin-1 too, and so does \b. */
#define WN_PATTERN_WORD_INSIDE "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define WN_PATTERN_WORD WN_PATTERN_WORD_INSIDE "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

wn_code wn_put(struct wn_reader *reader, struct wn_string *out, const char *text, size_t size);
wn_code wn_put_text(struct wn_reader *reader, struct wn_string *out, const char *text);
/* A character that stands for itself, in or out of a class. */
wn_code wn_put_character(struct wn_reader *reader, struct wn_string *out, uint32_t c);
/* WN_MODEL: the pattern uses `what`, which is not supported. */
wn_code wn_pattern_refuse(const struct wn_reader *reader, const char *what);

bool wn_reader_at_end(const struct wn_reader *reader);
char wn_reader_peek(const struct wn_reader *reader, size_t ahead); /* 0 past the end */
bool wn_reader_take(struct wn_reader *reader, const char *text);   /* steps over `text` where it is next */

/* An escape that means the same in and out of a class: a character (true in *out_is_character) or a kind. The reader
 * stands behind the backslash. */
wn_code wn_read_escape(struct wn_reader *reader, bool *out_is_character, uint32_t *out_c,
                       struct wn_said *said);
/* A class; the reader stands behind its `[`. Plain: *out is what stands between brackets; else an atom. */
wn_code wn_read_class(struct wn_reader *reader, struct wn_string *out, bool *out_is_plain);

#endif
