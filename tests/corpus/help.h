/* Helps of the corpus tests: a temporary folder, corpora from bytes, messages as one line.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TESTS_CORPUS_HELP_H
#define WINNOW_TESTS_CORPUS_HELP_H

#include "base/base.h"
#include "corpus/corpus.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

/* A literal, U+0000 in it or not, as a span: in an initializer, and in an expression. */
#define BYTES(literal)                 \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }
#define SPAN(literal) ((struct wn_span)BYTES(literal))

/* A temporary folder of this test; removed with all files in it by folder_remove. */
struct folder {
    char path[64];
};

void folder_make(struct folder *folder);
void folder_remove(const struct folder *folder);
/* FOLDER/name in `out` (4,096 bytes). */
void folder_path(const struct folder *folder, const char *name, char *out);
/* Write a file and give its path in `out` (4,096 bytes). */
void folder_write(const struct folder *folder, const char *name, struct wn_span bytes, char *out);
/* Files in the folder, counted. */
size_t folder_count(const struct folder *folder);

/* Everything in a file, in new memory (free). */
char *file_read(const char *path, size_t *out_size);

/* A corpus of one unnamed file that holds these bytes. The caller frees it. */
wn_code corpus_of(struct wn_span bytes, enum wn_form form, struct wn_corpus **out_corpus,
                  struct wn_error *err);

/* Status, reason and messages of a record as one line, for comparison: "ok U(text|input) A(text) S(-) T()"; "-" is
 * a missing text; for a bad record "parse_error: why". In `arena`. */
const char *record_line(const struct wn_record *record, struct wn_arena *arena);

/* gzip and zstd, in new memory (free). */
char *pack_gzip(struct wn_span bytes, size_t *out_size);
char *pack_zstd(struct wn_span bytes, size_t *out_size);

#endif
