/* The index pass: records counted into blocks and their bytes hashed, block by block, so that it can go on while records
 * that are known already are read.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A block has at most WN_BLOCK_RECORDS records and is closed by the record that takes it to WN_BLOCK_BYTES, so the
 * index needs 56 bytes for about a megabyte of corpus, and no record is ever cut. Each block is hashed right behind its
 * scan, while its bytes are in the cache, and then leaves the memory.
 * Blocks that an index file gave are held against the bytes' hash instead of being scanned.
 */
#include "corpus/inside.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    AHEAD = 8 << 20,           /* bytes asked for before they are scanned */
    BEHIND = 4 << 20,          /* bytes that are given back at a time */
    BATCH = 64,                /* blocks a frame, once work is under way */
    BATCH_WAIT = 500 * 1000000 /* nanoseconds after which a smaller batch is written */
};

struct wn_indexer {
    struct wn_corpus *corpus;
    size_t file;   /* the one being indexed; n_files: all are through */
    bool is_open;  /* `scan` stands in that file */
    bool is_ahead; /* ... before a record */
    struct wn_scan scan;
    struct wn_hasher *hasher; /* of the file */
    uint64_t hashed;          /* bytes of this file given to the hasher */
    uint64_t asked, released; /* bytes of this file that were asked for and given back */
    uint64_t count;           /* records so far, known or not */
    size_t n_loaded;          /* blocks that the index file gave */
    size_t n_checked;         /* of them, those held against the bytes */
    size_t n_written;         /* blocks in the index file */
    size_t batch;             /* blocks to be written together */
    int64_t written_at;
};

static void hash_up_to(struct wn_indexer *indexer, const struct wn_source *source, uint64_t to)
{
    if (to > indexer->hashed) {
        wn_hasher_add(indexer->hasher, source->bytes.data + indexer->hashed, (size_t)(to - indexer->hashed));
        indexer->hashed = to;
    }
}

static void ask_ahead(struct wn_indexer *indexer, const struct wn_source *source)
{
    if (source->map.bytes.size > 0 && indexer->scan.at + AHEAD / 2 >= indexer->asked) {
        wn_map_will_read(&source->map, (size_t)indexer->asked, AHEAD);
        indexer->asked += AHEAD;
    }
}

static void release_behind(struct wn_indexer *indexer, const struct wn_source *source)
{
    if (indexer->hashed - indexer->released >= BEHIND) {
        wn_source_release(source, indexer->released, indexer->hashed - indexer->released);
        indexer->released = indexer->hashed;
    }
}

/* ---- what is known ---- */

/* Let readers see the first `n` blocks. */
static void publish(struct wn_corpus *corpus, size_t n)
{
    if (n == 0) {
        return;
    }
    const struct wn_block *const last = wn_blocks_at(&corpus->blocks, n - 1);
    atomic_store_explicit(&corpus->blocks.n_known, n, memory_order_release);
    atomic_store_explicit(&corpus->bytes_known, corpus->bases[last->file] + last->offset + last->bytes,
                          memory_order_relaxed);
    atomic_store_explicit(&corpus->known, last->first + last->count, memory_order_release);
}

static bool waited_long(const struct wn_indexer *indexer)
{
    return wn_clock_ns() - indexer->written_at >= BATCH_WAIT;
}

/* Write and publish the blocks that are not yet known, where enough of them wait or `is_all`. The first block goes at
 * once, so that work can begin. */
static wn_code flush(struct wn_indexer *indexer, bool is_all, struct wn_error *err)
{
    struct wn_corpus *const corpus = indexer->corpus;
    const size_t n = corpus->blocks.n;
    if (corpus->index_file != NULL && n > indexer->n_written) {
        if (!is_all && n - indexer->n_written < indexer->batch && !waited_long(indexer)) {
            return WN_OK;
        }
        WN_TRY(wn_index_file_add(corpus->index_file, &corpus->blocks, indexer->n_written, err));
        indexer->n_written = n;
        indexer->batch = indexer->batch * 2 < BATCH ? indexer->batch * 2 : BATCH;
        indexer->written_at = wn_clock_ns();
    }
    publish(corpus, n);
    return WN_OK;
}

/* ---- one block ---- */

/* Records from here on as one block, scanned and hashed. */
static wn_code scan_block(struct wn_indexer *indexer, struct wn_error *err)
{
    struct wn_corpus *const corpus = indexer->corpus;
    const struct wn_source *const source = &corpus->sources[indexer->file];
    struct wn_scan *const scan = &indexer->scan;
    struct wn_block block = {.offset = scan->at,
                             .first = indexer->count,
                             .line = source->is_array ? 0 : scan->line,
                             .file = (uint16_t)indexer->file};
    bool is_full = false;
    while (indexer->is_ahead && !is_full) {
        struct wn_span record;
        WN_TRY(wn_scan_value(scan, &record, err));
        block.count++;
        block.bytes = scan->at - block.offset;
        is_full = block.count == WN_BLOCK_RECORDS || block.bytes >= WN_BLOCK_BYTES;
        WN_TRY(wn_scan_step(scan, &indexer->is_ahead, err));
    }
    block.hash = wn_hash64((struct wn_span){source->bytes.data + block.offset, (size_t)block.bytes});
    hash_up_to(indexer, source, block.offset + block.bytes);
    WN_TRY(wn_blocks_add(&corpus->blocks, &block, err));
    indexer->count += block.count;
    return flush(indexer, false, err);
}

static uint64_t count_lines(struct wn_span bytes)
{
    uint64_t n = 0;
    const char *at = bytes.data;
    const char *const end = bytes.data + bytes.size;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        n++;
        at++;
    }
    return n;
}

/* The next block that the index file gave, held against the bytes. Its hash says that it is the block that was scanned
 * then; its place must be the one where the next record begins. */
static wn_code check_block(struct wn_indexer *indexer, struct wn_error *err)
{
    struct wn_corpus *const corpus = indexer->corpus;
    const struct wn_source *const source = &corpus->sources[indexer->file];
    const struct wn_block *const block = wn_blocks_at(&corpus->blocks, indexer->n_checked);
    struct wn_scan *const scan = &indexer->scan;
    if (block->file != indexer->file) {
        /* It has a record where the index has only blanks to the end of the file. */
        return wn_index_file_fail(corpus, indexer->file, scan->at, source->bytes.size, err);
    }
    const struct wn_span bytes = {source->bytes.data + block->offset, (size_t)block->bytes};
    if (block->offset != scan->at || (!source->is_array && block->line != scan->line) ||
        wn_hash64(bytes) != block->hash) {
        const uint64_t from = scan->at < block->offset ? scan->at : block->offset;
        return wn_index_file_fail(corpus, indexer->file, from, block->offset + block->bytes, err);
    }
    hash_up_to(indexer, source, block->offset + block->bytes);
    scan->at = (size_t)(block->offset + block->bytes);
    scan->number += block->count;
    scan->line += source->is_array ? 0 : count_lines(bytes);
    indexer->count += block->count;
    indexer->n_checked++;
    const wn_code code = wn_scan_step(scan, &indexer->is_ahead, err);
    if (code == WN_INPUT && indexer->n_checked < indexer->n_loaded) {
        const struct wn_block *const next = wn_blocks_at(&corpus->blocks, indexer->n_checked);
        return wn_index_file_fail(corpus, indexer->file, block->offset + block->bytes,
                                  next->file == indexer->file ? next->offset : source->bytes.size, err);
    }
    WN_TRY(code);
    publish(corpus, indexer->n_checked);
    return WN_OK;
}

/* ---- files, one behind the other ---- */

static wn_code file_begin(struct wn_indexer *indexer, struct wn_error *err)
{
    struct wn_corpus *const corpus = indexer->corpus;
    const struct wn_source *const source = &corpus->sources[indexer->file];
    WN_TRY(wn_source_check(source, err));
    WN_TRY(wn_hasher_new(&indexer->hasher, err));
    indexer->hashed = indexer->asked = indexer->released = 0;
    indexer->scan =
        (struct wn_scan){.path = source->path, .bytes = source->bytes, .is_array = source->is_array};
    indexer->is_open = true;
    corpus->firsts[indexer->file] = indexer->count;
    ask_ahead(indexer, source);
    return wn_scan_begin(&indexer->scan, &indexer->is_ahead, err);
}

static wn_code file_end(struct wn_indexer *indexer, struct wn_error *err)
{
    struct wn_corpus *const corpus = indexer->corpus;
    const struct wn_source *const source = &corpus->sources[indexer->file];
    if (indexer->n_checked < indexer->n_loaded) {
        const struct wn_block *const block = wn_blocks_at(&corpus->blocks, indexer->n_checked);
        if (block->file == indexer->file) {
            return wn_index_file_fail(corpus, indexer->file, block->offset, block->offset + block->bytes,
                                      err);
        }
    }
    hash_up_to(indexer, source, source->bytes.size);
    wn_source_release(source, indexer->released, source->bytes.size - indexer->released);
    corpus->records[indexer->file] = indexer->count - corpus->firsts[indexer->file];
    wn_hasher_text(indexer->hasher, corpus->hashes[indexer->file]);
    wn_hasher_free(indexer->hasher);
    indexer->hasher = NULL;
    indexer->is_open = false;
    indexer->file++;
    return WN_OK;
}

static wn_code pass_end(struct wn_indexer *indexer, struct wn_error *err)
{
    struct wn_corpus *const corpus = indexer->corpus;
    struct wn_hasher *hasher = NULL;
    WN_TRY(flush(indexer, true, err));
    WN_TRY(wn_hasher_new(&hasher, err));
    for (size_t file = 0; file < corpus->n_files; file++) {
        wn_hasher_add(hasher, corpus->hashes[file], WN_HASH_TEXT - 1);
    }
    wn_hasher_text(hasher, corpus->hash);
    wn_hasher_free(hasher);
    if (corpus->index_file != NULL) {
        WN_TRY(wn_index_file_end(corpus->index_file, corpus, err));
    }
    atomic_store_explicit(&corpus->bytes_known, corpus->bytes, memory_order_relaxed);
    atomic_store_explicit(&corpus->is_whole, true, memory_order_release);
    return WN_OK;
}

/* Close the files that are through and open the next ones, until a record is ahead or nothing is left. */
static wn_code go_to_record(struct wn_indexer *indexer, struct wn_error *err)
{
    while (indexer->file < indexer->corpus->n_files) {
        if (!indexer->is_open) {
            WN_TRY(file_begin(indexer, err));
        }
        if (indexer->is_ahead) {
            return WN_OK;
        }
        WN_TRY(file_end(indexer, err));
    }
    return pass_end(indexer, err);
}

wn_code wn_indexer_new(struct wn_corpus *corpus, struct wn_error *err)
{
    struct wn_indexer *const indexer = calloc(1, sizeof *indexer);
    WN_CHECK(indexer != NULL, err, WN_DEVICE, "out of memory for the index");
    indexer->corpus = corpus;
    indexer->n_loaded = indexer->n_written = corpus->blocks.n;
    indexer->batch = 1;
    indexer->written_at = wn_clock_ns();
    corpus->indexer = indexer;
    return WN_OK;
}

void wn_indexer_free(struct wn_indexer *indexer)
{
    if (indexer != NULL) {
        wn_hasher_free(indexer->hasher);
        free(indexer);
    }
}

wn_code wn_corpus_step(struct wn_corpus *corpus, bool *out_done, struct wn_error *err)
{
    struct wn_indexer *const indexer = corpus->indexer;
    *out_done = wn_corpus_is_whole(corpus);
    if (*out_done) {
        return WN_OK;
    }
    WN_TRY(go_to_record(indexer, err));
    if (indexer->file < corpus->n_files) {
        const struct wn_source *const source = &corpus->sources[indexer->file];
        WN_TRY(wn_source_check(source, err));
        ask_ahead(indexer, source);
        WN_TRY(indexer->n_checked < indexer->n_loaded ? check_block(indexer, err) : scan_block(indexer, err));
        release_behind(indexer, source);
        WN_TRY(go_to_record(indexer, err));
    }
    *out_done = wn_corpus_is_whole(corpus);
    return WN_OK;
}

wn_code wn_corpus_index_sync(struct wn_corpus *corpus, struct wn_error *err)
{
    return corpus->index_file == NULL ? WN_OK : wn_index_file_sync(corpus->index_file, err);
}
