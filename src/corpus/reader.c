/* Reading records by number, and the small questions a corpus answers.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A reader keeps the spans of one block. The next record is in it, or begins the next block; any other costs one
 * block's scan. The block's hash is held against the index each time, so bytes that changed are never scored.
 */
#include "corpus/inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wn_corpus_reader {
    const struct wn_corpus *corpus;
    const struct wn_block *block; /* whose spans are held; NULL: none */
    struct wn_span spans[WN_BLOCK_RECORDS];
};

uint64_t wn_corpus_known(const struct wn_corpus *corpus)
{
    return atomic_load_explicit(&corpus->known, memory_order_acquire);
}

bool wn_corpus_is_whole(const struct wn_corpus *corpus)
{
    return atomic_load_explicit(&corpus->is_whole, memory_order_acquire);
}

uint64_t wn_corpus_bytes(const struct wn_corpus *corpus)
{
    return corpus->bytes;
}

uint64_t wn_corpus_bytes_known(const struct wn_corpus *corpus)
{
    return atomic_load_explicit(&corpus->bytes_known, memory_order_relaxed);
}

uint64_t wn_corpus_count(const struct wn_corpus *corpus)
{
    return wn_corpus_known(corpus);
}

enum wn_form wn_corpus_form(const struct wn_corpus *corpus)
{
    return corpus->shape.form;
}

const char *wn_corpus_form_text(const struct wn_corpus *corpus)
{
    return corpus->form_text;
}

size_t wn_corpus_n_files(const struct wn_corpus *corpus)
{
    return corpus->n_files;
}

struct wn_corpus_file wn_corpus_file(const struct wn_corpus *corpus, size_t file)
{
    assert(file < corpus->n_files);
    struct wn_corpus_file entry = corpus->files[file];
    if (wn_corpus_is_whole(corpus)) {
        entry.records = corpus->records[file];
        memcpy(entry.hash, corpus->hashes[file], WN_HASH_TEXT);
    }
    return entry;
}

void wn_corpus_hash(const struct wn_corpus *corpus, char out_text[33])
{
    memcpy(out_text, corpus->hash, WN_HASH_TEXT);
}

const struct wn_block *wn_block_find(const struct wn_corpus *corpus, uint64_t index)
{
    size_t low = 0;
    size_t high = atomic_load_explicit(&corpus->blocks.n_known, memory_order_acquire);
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (wn_blocks_at(&corpus->blocks, middle)->first <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return wn_blocks_at(&corpus->blocks, low);
}

static wn_code fail_changed(const struct wn_source *source, const struct wn_block *block,
                            struct wn_error *err)
{
    WN_FAIL(err, WN_INPUT,
            "%s has changed since it was opened (between bytes %llu and %llu); do not write to a corpus that "
            "is being "
            "scored, and run again",
            source->path, (unsigned long long)block->offset,
            (unsigned long long)(block->offset + block->bytes));
}

wn_code wn_block_scan(const struct wn_corpus *corpus, const struct wn_block *block, struct wn_span *out_spans,
                      struct wn_error *err)
{
    const struct wn_source *const source = &corpus->sources[block->file];
    WN_TRY(wn_source_check(source, err));
    const struct wn_span bytes = {source->bytes.data + block->offset, (size_t)block->bytes};
    if (wn_hash64(bytes) != block->hash) {
        return fail_changed(source, block, err);
    }
    struct wn_scan scan = {.path = source->path,
                           .bytes = {source->bytes.data, (size_t)(block->offset + block->bytes)},
                           .at = (size_t)block->offset,
                           .number = block->first,
                           .is_array = source->is_array,
                           .line = 1};
    bool found = true;
    for (uint32_t i = 0; i < block->count; i++) {
        struct wn_error changed;
        if (!found || wn_scan_value(&scan, &out_spans[i], &changed) != WN_OK ||
            (i + 1 < block->count && wn_scan_step(&scan, &found, &changed) != WN_OK)) {
            return fail_changed(source, block, err);
        }
    }
    /* A count that an index file gave may be wrong while the bytes are right. */
    return scan.at == scan.bytes.size ? WN_OK : fail_changed(source, block, err);
}

wn_code wn_corpus_reader_new(const struct wn_corpus *corpus, struct wn_corpus_reader **out_reader,
                             struct wn_error *err)
{
    struct wn_corpus_reader *const reader = malloc(sizeof *reader);
    WN_CHECK(reader != NULL, err, WN_DEVICE, "out of memory for a reader");
    reader->corpus = corpus;
    reader->block = NULL;
    *out_reader = reader;
    return WN_OK;
}

void wn_corpus_reader_free(struct wn_corpus_reader *reader)
{
    free(reader);
}

const struct wn_corpus *wn_reader_corpus(const struct wn_corpus_reader *reader)
{
    return reader->corpus;
}

/* The reader goes to another block: the pages of this one need not stay in memory. */
static void leave_block(struct wn_corpus_reader *reader)
{
    const struct wn_block *const block = reader->block;
    if (block != NULL) {
        wn_source_release(&reader->corpus->sources[block->file], block->offset, block->bytes);
        reader->block = NULL;
    }
}

wn_code wn_corpus_read(struct wn_corpus_reader *reader, uint64_t index, struct wn_place *out_place,
                       struct wn_span *out_bytes, struct wn_error *err)
{
    const struct wn_corpus *const corpus = reader->corpus;
    const uint64_t known = wn_corpus_known(corpus);
    WN_CHECK(index < known, err, WN_DEFECT, "record %llu was asked for, the corpus has %llu",
             (unsigned long long)index, (unsigned long long)known);
    const struct wn_block *block = reader->block;
    if (block == NULL || index < block->first || index >= block->first + block->count) {
        leave_block(reader);
        block = wn_block_find(corpus, index);
        WN_TRY(wn_block_scan(corpus, block, reader->spans, err));
        reader->block = block;
    }
    const struct wn_span bytes = reader->spans[index - block->first];
    uint64_t id_hash = 0;
    if (corpus->id_key != NULL) {
        WN_TRY(wn_id_hash(bytes, corpus->id_key, &id_hash, err));
    } else {
        id_hash = wn_hash64(bytes);
    }
    *out_place = (struct wn_place){.index = index,
                                   .offset = (uint64_t)(bytes.data - corpus->sources[block->file].bytes.data),
                                   .id_hash = id_hash,
                                   .length = (uint32_t)bytes.size,
                                   .file = block->file};
    *out_bytes = bytes;
    return WN_OK;
}

/* 1-based number of the line that begins before byte `offset`, counted from the nearest block. */
static uint64_t find_line(const struct wn_corpus *corpus, const struct wn_place *place)
{
    const struct wn_source *const source = &corpus->sources[place->file];
    const struct wn_block *const block = wn_block_find(corpus, place->index);
    uint64_t line = 1;
    uint64_t at = 0;
    if (block->file == place->file && block->offset <= place->offset) {
        line = block->line;
        at = block->offset;
    }
    const char *byte = source->bytes.data + at;
    const char *const end = source->bytes.data + place->offset;
    while (byte < end && (byte = memchr(byte, '\n', (size_t)(end - byte))) != NULL) {
        line++;
        byte++;
    }
    return line;
}

wn_code wn_corpus_where(const struct wn_corpus *corpus, const struct wn_place *place, struct wn_arena *arena,
                        struct wn_span *out_text, struct wn_error *err)
{
    const char *const path = corpus->files[place->file].path;
    char *text = NULL;
    int n = 0;
    WN_TRY(wn_source_check(&corpus->sources[place->file], err));
    if (corpus->files[place->file].is_array) {
        n = asprintf(&text, "record %llu of %s (bytes %llu to %llu)",
                     (unsigned long long)(place->index - corpus->firsts[place->file]), path,
                     (unsigned long long)place->offset, (unsigned long long)(place->offset + place->length));
    } else {
        n = asprintf(&text, "line %llu of %s", (unsigned long long)find_line(corpus, place), path);
    }
    WN_CHECK(n >= 0, err, WN_DEVICE, "out of memory for a message");
    const wn_code code = wn_arena_copy(arena, wn_span_of(text), out_text, err);
    free(text);
    return code;
}
