/* The index in steps and the file that keeps it: cut, damaged, of another corpus, read while it grows.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pool.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

static void open_at_once(const struct pool *pool, char out_print[WN_HASH_TEXT])
{
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    const char *const paths[] = {pool->paths[0], pool->paths[1], pool->paths[2]};
    const struct wn_corpus_options options = {.paths = paths, .n_paths = 3, .spool = pool->spool};
    WN_TEST_OK(wn_corpus_open(&options, &corpus, &err));
    cr_assert_eq(wn_corpus_count(corpus), 5200);
    cr_assert_eq(corpus->blocks.n, 2 + 3 + 2);
    pool_print(corpus, out_print);
    wn_corpus_free(corpus);
}

static void expect_print(const struct wn_corpus *corpus, const char *expected, const char *what, size_t i)
{
    char print[WN_HASH_TEXT];
    pool_print(corpus, print);
    cr_assert_str_eq(print, expected, "%s %zu", what, i);
}

Test(index, grown_in_steps_with_or_without_a_file_equals_opened_at_once)
{
    struct pool pool;
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    char expected[WN_HASH_TEXT];
    pool_make(&pool);
    open_at_once(&pool, expected);
    for (size_t i = 0; i < 3; i++) {
        if (i == 0) {
            const char *const paths[] = {pool.paths[0], pool.paths[1], pool.paths[2]};
            const struct wn_corpus_options options = {.paths = paths, .n_paths = 3};
            WN_TEST_OK(wn_corpus_begin(&options, &corpus, &err));
            WN_TEST_OK(pool_finish(corpus, &err));
            WN_TEST_OK(wn_corpus_index_sync(corpus, &err));
        } else {
            WN_TEST_OK(pool_whole(&pool, &corpus, &err));
            WN_TEST_OK(wn_corpus_index_sync(corpus, &err));
        }
        expect_print(corpus, expected, "start", i);
        bool is_done = false;
        WN_TEST_OK(wn_corpus_step(corpus, &is_done, &err));
        cr_assert(is_done, "a step too many is no harm");
        wn_corpus_free(corpus);
    }
    pool_remove(&pool);
}

Test(index, lines_are_numbered_over_blocks_blank_lines_and_objects_of_several_lines)
{
    struct pool pool;
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    pool_make(&pool);
    for (int start = 0; start < 2; start++) {
        WN_TEST_OK(pool_whole(&pool, &corpus, &err));
        for (size_t i = 0; i < corpus->blocks.n; i++) {
            const struct wn_block *const block = wn_blocks_at(&corpus->blocks, i);
            const struct wn_source *const source = &corpus->sources[block->file];
            uint64_t line = 1;
            for (size_t k = 0; k < block->offset; k++) {
                line += source->bytes.data[k] == '\n' ? 1 : 0;
            }
            cr_assert_eq(block->line, source->is_array ? 0 : line, "block %zu", i);
        }
        wn_corpus_free(corpus);
    }
    pool_remove(&pool);
}

Test(index, cut_at_any_byte_it_is_completed_to_the_same)
{
    struct pool pool;
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    char expected[WN_HASH_TEXT];
    size_t size = 0;
    pool_make(&pool);
    open_at_once(&pool, expected);
    WN_TEST_OK(pool_whole(&pool, &corpus, &err));
    wn_corpus_free(corpus);
    char *const bytes = file_read(pool.index, &size);
    cr_assert(size > 400 && size < 2000, "%zu", size);
    for (size_t cut = 0; cut <= size; cut += WN_TEST_SANITIZED ? 7 : 1) {
        char path[4096];
        folder_write(&pool.folder, "index.bin", (struct wn_span){bytes, cut}, path);
        WN_TEST_OK(pool_whole(&pool, &corpus, &err));
        expect_print(corpus, expected, "cut at byte", cut);
        wn_corpus_free(corpus);
        /* What was completed is a whole file: it is only read at the next start. */
        size_t completed = 0;
        size_t again = 0;
        free(file_read(pool.index, &completed));
        WN_TEST_OK(pool_whole(&pool, &corpus, &err));
        cr_assert_eq(corpus->blocks.n, 7);
        wn_corpus_free(corpus);
        free(file_read(pool.index, &again));
        cr_assert_eq(again, completed, "cut at byte %zu", cut);
    }
    free(bytes);
    pool_remove(&pool);
}

Test(index, no_flipped_bit_gives_another_index)
{
    struct pool pool;
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    char expected[WN_HASH_TEXT];
    size_t size = 0;
    pool_make(&pool);
    open_at_once(&pool, expected);
    WN_TEST_OK(pool_whole(&pool, &corpus, &err));
    wn_corpus_free(corpus);
    char *const bytes = file_read(pool.index, &size);
    for (size_t bit = 0; bit < size * 8; bit += WN_TEST_SANITIZED ? 61 : 1) {
        char path[4096];
        const char kept = bytes[bit / 8];
        bytes[bit / 8] = (char)(kept ^ (1 << (bit % 8)));
        folder_write(&pool.folder, "index.bin", (struct wn_span){bytes, size}, path);
        bytes[bit / 8] = kept;
        const wn_code code = pool_whole(&pool, &corpus, &err);
        cr_assert(code == WN_OK || code == WN_RUN, "bit %zu: %d %s", bit, (int)code, err.text);
        if (code == WN_OK) {
            expect_print(corpus, expected, "bit", bit);
            wn_corpus_free(corpus);
        }
    }
    free(bytes);
    pool_remove(&pool);
}

/* ---- contradictions with right checksums ---- */

static void put_block(struct wn_bytes *out, uint16_t file, uint32_t count, uint64_t offset, uint64_t bytes,
                      uint64_t hash, uint64_t line)
{
    wn_bytes_u16(out, file);
    wn_bytes_u32(out, count);
    wn_bytes_u64(out, offset);
    wn_bytes_u64(out, bytes);
    wn_bytes_u64(out, hash);
    wn_bytes_u64(out, line);
}

struct bad_block {
    const char *what;
    uint64_t number;
    uint32_t n;
    uint16_t file;
    uint32_t count;
    uint64_t offset, bytes, line;
    bool is_run; /* it looks right until it is held against the bytes */
};

static const struct bad_block bad_blocks[] = {
    {"number", 1, 1, 0, 1, 1, 20, 0, false},
    {"none", 0, 0, 0, 1, 1, 20, 0, false},
    {"two announced, one there", 0, 2, 0, 1, 1, 20, 0, false},
    {"very many announced", 0, UINT32_MAX, 0, 1, 1, 20, 0, false},
    {"file", 0, 1, 3, 1, 1, 20, 0, false},
    {"no record", 0, 1, 0, 0, 1, 20, 0, false},
    {"too many records", 0, 1, 0, 1025, 1, 5000, 0, false},
    {"more records than bytes", 0, 1, 0, 21, 1, 20, 0, false},
    {"behind the end", 0, 1, 0, 1, UINT64_MAX, 20, 0, false},
    {"over the end", 0, 1, 0, 1, 1, UINT64_MAX, 0, false},
    {"sum that overflows", 0, 1, 0, 1, UINT64_MAX - 10, 20, 0, false},
    {"a line in an array", 0, 1, 0, 1, 1, 20, 1, false},
    {"no line", 0, 1, 1, 1, 1, 20, 0, false},
    {"other bytes", 0, 1, 0, 1, 1, 20, 0, true},
    {"another place", 0, 1, 0, 1, 7, 20, 0, true},
    {"a file left out", 0, 1, 1, 1, 1, 20, 2, true},
};

Test(index, blocks_that_contradict_themselves_are_not_believed)
{
    struct pool pool;
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    char expected[WN_HASH_TEXT];
    size_t size = 0;
    pool_make(&pool);
    open_at_once(&pool, expected);
    WN_TEST_OK(pool_whole(&pool, &corpus, &err));
    wn_corpus_free(corpus);
    char *const bytes = file_read(pool.index, &size);
    const size_t head = WN_FRAME_HEADER + 8 + POOL_FILES * 10;
    for (size_t i = 0; i < sizeof bad_blocks / sizeof bad_blocks[0]; i++) {
        const struct bad_block *const bad = &bad_blocks[i];
        char path[4096];
        struct wn_frames *frames = NULL;
        struct wn_bytes payload = {0};
        folder_write(&pool.folder, "index.bin", (struct wn_span){bytes, head}, path);
        wn_bytes_u64(&payload, bad->number);
        wn_bytes_u32(&payload, bad->n);
        put_block(&payload, bad->file, bad->count, bad->offset, bad->bytes, 5, bad->line);
        WN_TEST_OK(wn_frames_append_to(path, head, &frames, &err));
        const struct wn_span span = wn_bytes_span(&payload);
        WN_TEST_OK(wn_frames_write(frames, 0x69646832, &span, 1, NULL, &err));
        wn_frames_close(&frames);
        wn_bytes_free(&payload);
        const wn_code code = pool_whole(&pool, &corpus, &err);
        cr_assert_eq(code, bad->is_run ? WN_RUN : WN_OK, "%s: %d %s", bad->what, (int)code, err.text);
        if (code == WN_OK) {
            expect_print(corpus, expected, bad->what, i);
            wn_corpus_free(corpus);
        }
    }
    free(bytes);
    pool_remove(&pool);
}

Test(index, a_file_of_another_version_is_refused)
{
    struct pool pool;
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    struct wn_frames *frames = NULL;
    static const char head[8] = {9, 0, 0, 0, 3, 0, 0, 0};
    const struct wn_span span = {head, sizeof head};
    pool_make(&pool);
    WN_TEST_OK(wn_frames_create(pool.index, &frames, NULL, &err));
    WN_TEST_OK(wn_frames_write(frames, 0x69646831, &span, 1, NULL, &err));
    wn_frames_close(&frames);
    cr_assert_eq(pool_whole(&pool, &corpus, &err), WN_RUN);
    cr_assert_not_null(strstr(err.text, "another version"), "%s", err.text);
    pool_remove(&pool);
}

/* ---- the corpus has changed, or only seems to ---- */

static void change_byte(const char *path, long offset, char byte)
{
    FILE *const file = fopen(path, "r+");
    cr_assert(file != NULL && fseek(file, offset, offset < 0 ? SEEK_END : SEEK_SET) == 0);
    cr_assert(fputc(byte, file) == byte && fclose(file) == 0);
}

Test(index, names_times_and_compression_do_not_count)
{
    struct pool pool;
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    char expected[WN_HASH_TEXT];
    pool_make(&pool);
    open_at_once(&pool, expected);
    WN_TEST_OK(pool_whole(&pool, &corpus, &err));
    wn_corpus_free(corpus);
    char old[4096];
    strcpy(old, pool.paths[0]);
    folder_path(&pool.folder, "renamed", pool.paths[0]);
    cr_assert_eq(rename(old, pool.paths[0]), 0);
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    cr_assert_eq(utimensat(AT_FDCWD, pool.paths[1], times, 0), 0);
    const struct wn_span text = pool_records(1100, false);
    folder_write(&pool.folder, "c.jsonl", text, pool.paths[2]);
    WN_TEST_OK(pool_whole(&pool, &corpus, &err));
    cr_assert_str_eq(wn_corpus_file(corpus, 2).compression, "none");
    expect_print(corpus, expected, "moved", 0);
    wn_corpus_free(corpus);
    free((void *)(uintptr_t)text.data);
    pool_remove(&pool);
}

struct change {
    const char *what;
    size_t file;
    long offset; /* of the byte changed; from the end where negative */
    char byte;
    size_t order[POOL_FILES];
    size_t n;
    const char *says; /* part of the message */
};

static const struct change changes[] = {
    {"a byte of the first block", 0, 30, '7', {0, 1, 2}, 3, "a.json differ"},
    {"the bracket of the array", 0, 0, ' ', {0, 1, 2}, 3, "a.json differ"},
    {"a byte of the last block", 0, -8, '7', {0, 1, 2}, 3, "a.json differ"},
    {"a byte of the second file", 1, 100000, '}', {0, 1, 2}, 3, "b.jsonl differ"},
    {"the end of the last line", 1, -1, ' ', {0, 1, 2}, 3, "b.jsonl differ"},
    {"a record appended", 1, LONG_MAX, 0, {0, 1, 2}, 3, "b.jsonl was"},
    {"other order of files", 0, 0, '[', {1, 0, 2}, 3, "size in bytes of "},
    {"a file less", 0, 0, '[', {0, 1, 2}, 2, "number of files was 3 and is 2"},
};

/* Both with the index whole and with one that stops behind its first blocks. */
Test(index, another_corpus_is_refused_by_name)
{
    for (size_t i = 0; i < 2 * sizeof changes / sizeof changes[0]; i++) {
        const struct change *const c = &changes[i / 2];
        struct pool pool;
        struct wn_error err;
        struct wn_corpus *corpus = NULL;
        pool_make(&pool);
        WN_TEST_OK(pool_whole(&pool, &corpus, &err));
        wn_corpus_free(corpus);
        if (i % 2 == 1) {
            struct stat info;
            cr_assert(stat(pool.index, &info) == 0 && truncate(pool.index, info.st_size - 1) == 0);
        }
        if (c->offset == LONG_MAX) {
            FILE *const file = fopen(pool.paths[c->file], "a");
            cr_assert(file != NULL && fputs("{\"output\":1}\n", file) >= 0 && fclose(file) == 0);
        } else {
            change_byte(pool.paths[c->file], c->offset, c->byte);
        }
        wn_code code = pool_begin(&pool, c->order, c->n, &corpus, &err);
        if (code == WN_OK) {
            code = pool_finish(corpus, &err);
            wn_corpus_free(corpus);
        }
        if (i % 2 == 1 && c->offset == -1) {
            /* A blank behind the last record is in no block, and the end frame is lost: the records are the same. */
            cr_assert_eq(code, WN_OK, "%s", err.text);
        } else {
            cr_assert_eq(code, WN_RUN, "%s: %d", c->what, (int)code);
            cr_assert(strstr(err.text, c->says) != NULL && strstr(err.text, "--out") != NULL, "%s: %s",
                      c->what, err.text);
        }
        pool_remove(&pool);
    }
}

Test(index, a_record_is_known_only_when_its_frame_is_written)
{
    struct pool pool;
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    static const size_t order[POOL_FILES] = {0, 1, 2};
    pool_make(&pool);
    WN_TEST_OK(pool_begin(&pool, order, POOL_FILES, &corpus, &err));
    cr_assert_eq(wn_corpus_known(corpus), 1024, "the first block is known at once");
    cr_assert_eq(wn_corpus_file(corpus, 0).records, 0, "not yet final");
    bool is_done = false;
    while (!is_done) {
        struct pool copy = pool;
        struct wn_corpus *other = NULL;
        size_t size = 0;
        char *const bytes = file_read(pool.index, &size);
        folder_write(&pool.folder, "copy.bin", (struct wn_span){bytes, size}, copy.index);
        free(bytes);
        WN_TEST_OK(pool_begin(&copy, order, POOL_FILES, &other, &err));
        const size_t n = other->blocks.n;
        const struct wn_block *const last = wn_blocks_at(&other->blocks, n - 1);
        cr_assert_eq(last->first + last->count, wn_corpus_known(corpus));
        wn_corpus_free(other);
        WN_TEST_OK(wn_corpus_step(corpus, &is_done, &err));
    }
    wn_corpus_free(corpus);
    pool_remove(&pool);
}

Test(index, a_torn_array_is_found_when_the_index_gets_there)
{
    struct pool pool;
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    struct stat info;
    static const size_t order[1] = {0};
    pool_make(&pool);
    cr_assert(stat(pool.paths[0], &info) == 0 && truncate(pool.paths[0], info.st_size - 5) == 0);
    for (int start = 0; start < 2; start++) {
        WN_TEST_OK(pool_begin(&pool, order, 1, &corpus, &err));
        cr_assert_eq(wn_corpus_known(corpus), 1024);
        cr_assert_eq(pool_finish(corpus, &err), WN_INPUT);
        cr_assert_not_null(strstr(err.text, "the file was cut"), "%s", err.text);
        cr_assert_eq(wn_corpus_known(corpus), 1024);
        wn_corpus_free(corpus);
    }
    pool_remove(&pool);
}

/* ---- threads ---- */

struct follower {
    const struct wn_corpus *corpus;
    uint64_t sum; /* of all id hashes */
};

static void *follow(void *context)
{
    struct follower *const follower = context;
    struct wn_error err;
    struct wn_corpus_reader *reader = NULL;
    WN_TEST_OK(wn_corpus_reader_new(follower->corpus, &reader, &err));
    uint64_t next = 0;
    bool is_whole = false;
    while (!is_whole || next < wn_corpus_known(follower->corpus)) {
        is_whole = wn_corpus_is_whole(follower->corpus);
        const uint64_t known = wn_corpus_known(follower->corpus);
        for (; next < known; next++) {
            struct wn_place place;
            struct wn_span bytes;
            WN_TEST_OK(wn_corpus_read(reader, next, &place, &bytes, &err));
            follower->sum += place.id_hash;
            /* Any earlier one, too: the search goes over pages that are being filled behind. */
            if (next % 2048 == 2047) {
                WN_TEST_OK(wn_corpus_read(reader, next / 2, &place, &bytes, &err));
            }
        }
        (void)wn_corpus_file(follower->corpus, 0);
        (void)wn_corpus_bytes_known(follower->corpus);
    }
    wn_corpus_reader_free(reader);
    return NULL;
}

static void *sync_often(void *context)
{
    struct wn_corpus *const corpus = context;
    struct wn_error err;
    while (!wn_corpus_is_whole(corpus)) {
        WN_TEST_OK(wn_corpus_index_sync(corpus, &err));
    }
    return NULL;
}

Test(index, records_are_read_by_other_threads_while_it_grows)
{
    struct pool pool;
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    static const size_t order[1] = {0};
    pool_make(&pool);
    /* 400 blocks: more than the first page of the index holds. */
    const struct wn_span text = pool_records(400 * 1024, true);
    folder_write(&pool.folder, "a.json", text, pool.paths[0]);
    free((void *)(uintptr_t)text.data);
    uint64_t sums[2] = {0, 0};
    for (int start = 0; start < 2; start++) {
        WN_TEST_OK(pool_begin(&pool, order, 1, &corpus, &err));
        struct follower followers[2] = {{corpus, 0}, {corpus, 0}};
        pthread_t threads[3];
        for (int i = 0; i < 2; i++) {
            cr_assert_eq(pthread_create(&threads[i], NULL, follow, &followers[i]), 0);
        }
        cr_assert_eq(pthread_create(&threads[2], NULL, sync_often, corpus), 0);
        WN_TEST_OK(pool_finish(corpus, &err));
        for (int i = 0; i < 3; i++) {
            cr_assert_eq(pthread_join(threads[i], NULL), 0);
        }
        cr_assert_eq(followers[0].sum, followers[1].sum);
        cr_assert_eq(corpus->blocks.n, 400);
        sums[start] = followers[0].sum;
        wn_corpus_free(corpus);
    }
    cr_assert_eq(sums[0], sums[1]);
    pool_remove(&pool);
}
