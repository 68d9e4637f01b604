/* A corpus of several files for the tests of the index.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pool.h"

#include <sys/stat.h>

struct wn_span pool_records(size_t n, bool is_array)
{
    char *const text = malloc(n * 100 + 16);
    size_t size = 0;
    text[size++] = is_array ? '[' : '\n';
    for (size_t i = 0; i < n; i++) {
        const char *const behind = is_array ? (i + 1 < n ? ",\n" : "]\n") : i % 7 == 0 ? "\n\n" : "\n";
        const char *const inside = i % 11 == 0 ? "\n" : " ";
        size +=
            (size_t)sprintf(text + size, "{\"instruction\":%s\"i \\\"%zu\\\" {\", \"output\":%s\"%.*s\"}%s",
                            inside, i, inside, (int)(i % 13), "o]}[{oooooooo", behind);
    }
    return (struct wn_span){text, size};
}

void pool_make(struct pool *pool)
{
    static const char *const names[POOL_FILES] = {"a.json", "b.jsonl", "c.jsonl.gz"};
    static const size_t records[POOL_FILES] = {1500, 2600, 1100};
    folder_make(&pool->folder);
    for (size_t i = 0; i < POOL_FILES; i++) {
        const struct wn_span text = pool_records(records[i], i == 0);
        size_t size = text.size;
        char *const packed = i == 2 ? pack_gzip(text, &size) : NULL;
        const struct wn_span bytes = {packed != NULL ? packed : text.data, size};
        folder_write(&pool->folder, names[i], bytes, pool->paths[i]);
        free(packed);
        free((void *)(uintptr_t)text.data);
    }
    folder_path(&pool->folder, "index.bin", pool->index);
    folder_path(&pool->folder, "spool", pool->spool);
}

void pool_remove(const struct pool *pool)
{
    struct folder spool;
    strcpy(spool.path, pool->folder.path);
    strcat(spool.path, "/spool");
    if (wn_path_exists(spool.path)) {
        folder_remove(&spool);
    }
    folder_remove(&pool->folder);
}

wn_code pool_begin(const struct pool *pool, const size_t *order, size_t n, struct wn_corpus **out_corpus,
                   struct wn_error *err)
{
    const char *paths[POOL_FILES + 1];
    for (size_t i = 0; i < n; i++) {
        paths[i] = pool->paths[order[i]];
    }
    const struct wn_corpus_options options = {
        .paths = paths, .n_paths = n, .spool = pool->spool, .index = pool->index};
    return wn_corpus_begin(&options, out_corpus, err);
}

wn_code pool_finish(struct wn_corpus *corpus, struct wn_error *err)
{
    bool is_done = false;
    wn_code code = WN_OK;
    while (code == WN_OK && !is_done) {
        const uint64_t known = wn_corpus_known(corpus);
        const uint64_t bytes = wn_corpus_bytes_known(corpus);
        code = wn_corpus_step(corpus, &is_done, err);
        cr_assert(wn_corpus_known(corpus) >= known && wn_corpus_bytes_known(corpus) >= bytes);
        cr_assert(wn_corpus_bytes_known(corpus) <= wn_corpus_bytes(corpus));
        cr_assert(code != WN_OK || is_done == wn_corpus_is_whole(corpus));
    }
    return code;
}

wn_code pool_whole(const struct pool *pool, struct wn_corpus **out_corpus, struct wn_error *err)
{
    static const size_t order[POOL_FILES] = {0, 1, 2};
    wn_code code = pool_begin(pool, order, POOL_FILES, out_corpus, err);
    if (code == WN_OK) {
        code = pool_finish(*out_corpus, err);
        if (code != WN_OK) {
            wn_corpus_free(*out_corpus);
        }
    }
    return code;
}

void pool_print(const struct wn_corpus *corpus, char out_text[WN_HASH_TEXT])
{
    struct wn_error err;
    struct wn_hasher *hasher = NULL;
    struct wn_corpus_reader *reader = NULL;
    cr_assert(wn_corpus_is_whole(corpus));
    cr_assert_eq(wn_corpus_bytes(corpus), wn_corpus_bytes_known(corpus));
    WN_TEST_OK(wn_hasher_new(&hasher, &err));
    WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
    for (size_t i = 0; i < wn_corpus_n_files(corpus); i++) {
        const struct wn_corpus_file file = wn_corpus_file(corpus, i);
        wn_hasher_add(hasher, &file.records, sizeof file.records);
        wn_hasher_add(hasher, file.hash, sizeof file.hash);
    }
    for (size_t i = 0; i < corpus->blocks.n; i++) {
        struct wn_block block;
        memset(&block, 0, sizeof block);
        const struct wn_block *const from = wn_blocks_at(&corpus->blocks, i);
        block.offset = from->offset;
        block.bytes = from->bytes;
        block.first = from->first;
        block.hash = from->hash;
        block.line = from->line;
        block.count = from->count;
        block.file = from->file;
        wn_hasher_add(hasher, &block, sizeof block);
    }
    for (uint64_t i = 0; i < wn_corpus_count(corpus); i++) {
        struct wn_place place;
        struct wn_span bytes;
        WN_TEST_OK(wn_corpus_read(reader, i, &place, &bytes, &err));
        cr_assert_eq(place.index, i);
        const uint64_t numbers[4] = {place.offset, place.id_hash, place.length, place.file};
        wn_hasher_add(hasher, numbers, sizeof numbers);
    }
    char hash[WN_HASH_TEXT];
    wn_corpus_hash(corpus, hash);
    wn_hasher_add(hasher, hash, sizeof hash);
    wn_hasher_text(hasher, out_text);
    wn_corpus_reader_free(reader);
    wn_hasher_free(hasher);
}
