/* A strict cursor over JSON text that stays where it is: for safetensors headers and shard indexes, which may hold
 * 10^5 members and must cost no tree of nodes.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every function skips white space first, moves the cursor past what it read and returns true; or returns false with
 * `problem` (constant text that begins with a verb: "is negative") and the cursor at the byte that is wrong.
 */
#ifndef WINNOW_MODEL_CURSOR_H
#define WINNOW_MODEL_CURSOR_H

#include "winnow/span.h"

#include <stdbool.h>
#include <stdint.h>

enum { WN_CURSOR_DEPTH = 64 /* nesting of a value that is skipped */ };

struct wn_cursor {
    const char *start, *at, *end; /* borrowed */
    const char *problem;          /* constant text of the first failure */
};

struct wn_cursor wn_cursor_of(struct wn_span text);

/* The next byte that is not white space, without moving past it; 0 at the end. */
char wn_cursor_peek(struct wn_cursor *scan);
/* Exactly this character. */
bool wn_cursor_mark(struct wn_cursor *scan, char mark);
/* A string. *out_raw is what stands between the quotes, as written: valid UTF-8 and valid escapes (each \u in 4 hex
 * digits, surrogates in pairs), not decoded. */
bool wn_cursor_string(struct wn_cursor *scan, struct wn_span *out_raw);
/* A whole number from 0 to 2^63 - 1, digits only. */
bool wn_cursor_count(struct wn_cursor *scan, uint64_t *out);
/* Any value, checked and passed over. */
bool wn_cursor_skip(struct wn_cursor *scan);
/* Only white space up to the end. */
bool wn_cursor_finish(struct wn_cursor *scan);

/* Step through an object or array: `first` is true before the first member. Returns 1 where a member follows, 0 after
 * the closing mark, -1 on a problem. */
int wn_cursor_step(struct wn_cursor *scan, bool first, char close);

/* `raw` for a message: printable ASCII, others as '?', cut to fit `size` >= 8 with "..." at the end. Returns out. */
const char *wn_cursor_show(struct wn_span raw, char *out, size_t size);

#endif
