/* Templates: fixed text with the fields {instruction}, {input} and {output}. Internal to corpus.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CORPUS_TEMPLATE_H
#define WINNOW_CORPUS_TEMPLATE_H

#include "corpus/profile.h"

enum wn_piece_field { WN_PIECE_TEXT, WN_PIECE_INSTRUCTION, WN_PIECE_INPUT, WN_PIECE_OUTPUT };

/* A run of fixed text, or one field. */
struct wn_piece {
    enum wn_piece_field field;
    struct wn_span text; /* the bytes of the template */
};

/* The piece that begins at byte `at` (< template.size): either a field, or the text up to the next one. Braces around
 * anything else are text. */
struct wn_piece wn_template_piece(struct wn_span text, size_t at);

bool wn_template_has(struct wn_span text, enum wn_piece_field field);

/* A profile from a file, as wn_profile_find documents. */
wn_code wn_profile_read(const char *path, struct wn_arena *arena, struct wn_profile *out_profile,
                        struct wn_error *err);

#endif
