/* The nearest known word, for what was mistyped.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/options.h"

#include <string.h>

enum { LONGEST = 64 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits from a to b: insert, drop, replace, and swap of two neighbours (restricted Damerau-Levenshtein). Three rows of
 * the usual table are kept: two back, one back, this. */
static size_t distance(const char *a, const char *b)
{
    const size_t n_a = strlen(a);
    const size_t n_b = strlen(b);
    size_t rows[3][LONGEST + 1];
    for (size_t j = 0; j <= n_b; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= n_a; i++) {
        size_t *row = rows[i % 3];
        const size_t *back = rows[(i + 2) % 3];
        const size_t *back2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            const size_t replace = back[j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0);
            row[j] = least(replace, least(back[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = least(row[j], back2[j - 2] + 1);
            }
        }
    }
    return rows[n_a % 3][n_b];
}

const char *wn_nearest(const char *word, const char *const *known, size_t n_known)
{
    const size_t size = strlen(word);
    if (size == 0 || size > LONGEST) {
        return NULL;
    }
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < n_known; i++) {
        if (strlen(known[i]) > LONGEST) {
            continue;
        }
        /* A beginning of three letters or more counts as one edit: --keep means --keep-token-losses. */
        const size_t d = size >= 3 && strncmp(known[i], word, size) == 0 ? 1 : distance(word, known[i]);
        if (d < best_distance) {
            best = known[i];
            best_distance = d;
        }
    }
    /* Beyond a third of the word (at least two edits) a guess helps nobody. */
    const size_t limit = size / 3 > 2 ? size / 3 : 2;
    return best_distance <= limit && best_distance < size ? best : NULL;
}
