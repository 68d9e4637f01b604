/* A corpus of several files for the tests of the index: an array, lines, and lines compressed, of several blocks.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TESTS_CORPUS_POOL_H
#define WINNOW_TESTS_CORPUS_POOL_H

#include "corpus/inside.h"
#include "help.h"

enum { POOL_FILES = 3 };

struct pool {
    struct folder folder;
    char paths[POOL_FILES][4096]; /* a.json, b.jsonl, c.jsonl.gz */
    char index[4096];             /* where an index file may stand */
    char spool[4096];
};

/* 1,500 records in an array, 2,600 in lines (with blank lines, and objects over several lines), 1,100 compressed. */
void pool_make(struct pool *pool);
void pool_remove(const struct pool *pool);
/* wn_corpus_begin over `n` of the files, in this order, with the index file. */
wn_code pool_begin(const struct pool *pool, const size_t *order, size_t n, struct wn_corpus **out_corpus,
                   struct wn_error *err);
/* The same for all files in order, then all steps. On failure there is no corpus. */
wn_code pool_whole(const struct pool *pool, struct wn_corpus **out_corpus, struct wn_error *err);
wn_code pool_finish(struct wn_corpus *corpus, struct wn_error *err);
/* Hash of everything that a whole corpus says: files, hashes, blocks, and each record's place. */
void pool_print(const struct wn_corpus *corpus, char out_text[WN_HASH_TEXT]);
/* A span of text that is freed by the caller: `n` records in form alpaca, as an array or as lines. */
struct wn_span pool_records(size_t n, bool is_array);

#endif
