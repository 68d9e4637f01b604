/* Inside base: hold a text against the grammar of JSON before cJSON sees it, and rewrite what cJSON would lose.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Rewriting uses bytes that never occur in valid UTF-8, so nothing in a file can be mistaken for them:
 *   escaped U+0000 in a string        -> C0 80
 *   NaN, Infinity, -Infinity (bare)   -> a string of C0 81 and one letter: N, P, M
 */
#ifndef WINNOW_BASE_JSON_CHECK_H
#define WINNOW_BASE_JSON_CHECK_H

#include "winnow/span.h"

#include <stdbool.h>

struct wn_json_fault {
    size_t byte;      /* offset in the text, 0-based */
    const char *what; /* constant text */
};

/* Room that `text` may need when rewritten, the ending 0 included. */
size_t wn_json_rewritten_size(struct wn_span text);

/* Check `text` and write what cJSON shall parse into `out` (room as above), ended by 0; *out_size is its length. False
 * with *fault where the text is not one JSON value. */
bool wn_json_check(struct wn_span text, char *out, size_t *out_size, struct wn_json_fault *fault);

#endif
