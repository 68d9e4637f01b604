/* The index file: the blocks of a corpus, kept between starts of a run, in frames.
 * SPDX-License-Identifier: Apache-2.0
 *
 * All numbers little-endian. Frames, in this order:
 *   head    u32 version, u32 number of files; of each: u64 plain bytes, u8 compression (0 none, 1 gzip, 2 zstd), u8 1 for
 *           an array
 *   blocks  u64 number of the first block, u32 how many; of each: u16 file, u32 records, u64 offset, u64 bytes, u64
 *           XXH3-64 of the bytes, u64 line of the first record (0 in an array)
 *   end     of each file: u64 records, 32 digits of the XXH3-128 of its bytes; 32 digits of the corpus' hash
 * Reading stops at the first frame that is damaged or contradicts what stands before it; what follows is made again. An
 * end frame behind a damaged one still tells what must come out in the end.
 * Compression and names may change from start to start: plain bytes count.
 */
#include "corpus/inside.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, DIGITS = WN_HASH_TEXT - 1, FILE_SIZE = 10, BLOCK_SIZE = 38, END_SIZE = 8 + DIGITS };
enum kind { KIND_HEAD = 0x69646831, KIND_BLOCKS = 0x69646832, KIND_END = 0x69646833 };
enum { MAX_BLOCKS_FRAME = 12 + 65536 * BLOCK_SIZE }; /* bytes; far more than is ever written */

struct wn_index_file {
    struct wn_frames *frames;
    struct wn_bytes expected; /* payload of the end frame that was read; empty: none */
    bool is_ended;            /* it stands in the file */
};

/* ---- reading ---- */

struct loader {
    const char *path;
    struct wn_corpus *corpus;
    struct wn_index_file *file;
    struct wn_frames_reader *reader;
    struct wn_bytes payload;
    uint64_t end; /* of the frames that are taken over */
    bool has_head;
};

static wn_code fail_other(const struct loader *loader, const char *what, const char *path,
                          unsigned long long then, unsigned long long now, struct wn_error *err)
{
    WN_FAIL(err, WN_RUN,
            "the corpus is not that of this run: %s%s%s was %llu and is %llu (by %s); give the corpus that "
            "the run "
            "was begun with, or choose another --out",
            what, path[0] == 0 ? "" : " of ", path, then, now, loader->path);
}

static wn_code read_head(struct loader *loader, struct wn_span left, bool *out_is_right, struct wn_error *err)
{
    const struct wn_corpus *const corpus = loader->corpus;
    uint32_t version = 0;
    uint32_t n_files = 0;
    *out_is_right = wn_take_u32(&left, &version) && wn_take_u32(&left, &n_files);
    if (!*out_is_right) {
        return WN_OK;
    }
    WN_CHECK(version == VERSION, err, WN_RUN,
             "%s was written by another version of winnow (form %u; this one reads %d): go on with that "
             "version, or "
             "choose another --out",
             loader->path, (unsigned)version, VERSION);
    *out_is_right = left.size == (uint64_t)n_files * FILE_SIZE;
    if (!*out_is_right) {
        return WN_OK;
    }
    if (n_files != corpus->n_files) {
        return fail_other(loader, "the number of files", "", n_files, corpus->n_files, err);
    }
    for (size_t i = 0; i < n_files; i++) {
        const struct wn_corpus_file *const file = &corpus->files[i];
        uint64_t size = 0;
        uint8_t compression = 0;
        uint8_t is_array = 0;
        (void)(wn_take_u64(&left, &size) && wn_take_u8(&left, &compression) && wn_take_u8(&left, &is_array));
        if (size != file->size) {
            return fail_other(loader, "the size in bytes", file->path, size, file->size, err);
        }
        if ((is_array != 0) != file->is_array) {
            return wn_index_file_fail(corpus, i, 0, file->size, err);
        }
    }
    return WN_OK;
}

/* Whether `block` may follow the blocks so far. Its other fields are filled in. */
static bool may_follow(const struct wn_corpus *corpus, struct wn_block *block)
{
    const size_t n = corpus->blocks.n;
    const struct wn_block *const last = n == 0 ? NULL : wn_blocks_at(&corpus->blocks, n - 1);
    if (block->file >= corpus->n_files || block->count == 0 || block->count > WN_BLOCK_RECORDS ||
        block->bytes < block->count) {
        return false;
    }
    const struct wn_corpus_file *const file = &corpus->files[block->file];
    if (block->offset > file->size || block->bytes > file->size - block->offset ||
        (block->line == 0) != file->is_array) {
        return false;
    }
    if (last != NULL && (block->file < last->file ||
                         (block->file == last->file && block->offset < last->offset + last->bytes))) {
        return false;
    }
    block->first = last == NULL ? 0 : last->first + last->count;
    return true;
}

/* All blocks of a frame, or none where one of them cannot be. */
static wn_code read_blocks(struct loader *loader, struct wn_span left, bool *out_is_right,
                           struct wn_error *err)
{
    struct wn_blocks *const blocks = &loader->corpus->blocks;
    const size_t before = blocks->n;
    uint64_t number = 0;
    uint32_t n = 0;
    *out_is_right = wn_take_u64(&left, &number) && wn_take_u32(&left, &n) && number == before && n > 0 &&
                    left.size == (uint64_t)n * BLOCK_SIZE;
    for (uint32_t i = 0; i < n && *out_is_right; i++) {
        struct wn_block block;
        memset(&block, 0, sizeof block);
        *out_is_right = wn_take_u16(&left, &block.file) && wn_take_u32(&left, &block.count) &&
                        wn_take_u64(&left, &block.offset) && wn_take_u64(&left, &block.bytes) &&
                        wn_take_u64(&left, &block.hash) && wn_take_u64(&left, &block.line) &&
                        may_follow(loader->corpus, &block);
        if (*out_is_right) {
            WN_TRY(wn_blocks_add(blocks, &block, err));
        }
    }
    if (!*out_is_right) {
        blocks->n = before;
    }
    return WN_OK;
}

/* Whether an end frame has the size that the number of files asks for, and counts no fewer records than the blocks.
 * *out_is_all: it counts as many. */
static bool keep_end(struct loader *loader, struct wn_span payload, bool *out_is_all)
{
    const struct wn_corpus *const corpus = loader->corpus;
    const size_t n = corpus->blocks.n;
    uint64_t count = 0;
    if (payload.size != corpus->n_files * END_SIZE + DIGITS) {
        return false;
    }
    struct wn_span left = payload;
    for (size_t i = 0; i < corpus->n_files; i++) {
        uint64_t records = 0;
        struct wn_span digits;
        (void)(wn_take_u64(&left, &records) && wn_take(&left, DIGITS, &digits));
        count += records;
    }
    const struct wn_block *const last = n == 0 ? NULL : wn_blocks_at(&corpus->blocks, n - 1);
    const uint64_t n_loaded = last == NULL ? 0 : last->first + last->count;
    *out_is_all = n_loaded == count;
    if (n_loaded > count) {
        return false;
    }
    wn_bytes_clear(&loader->file->expected);
    wn_bytes_add(&loader->file->expected, payload.data, payload.size);
    return true;
}

static wn_code load_frame(struct loader *loader, const struct wn_frame *frame, bool *out_is_right,
                          struct wn_error *err)
{
    struct wn_bytes *const payload = &loader->payload;
    *out_is_right = false;
    const uint64_t most = frame->kind == KIND_BLOCKS
                              ? (uint64_t)MAX_BLOCKS_FRAME
                              : 64 + (uint64_t)loader->corpus->n_files * END_SIZE + 65536 * FILE_SIZE;
    if (frame->size > most) {
        return WN_OK;
    }
    wn_bytes_clear(payload);
    while (payload->size < frame->size && !payload->is_short) {
        static const unsigned char zeros[4096];
        const uint64_t missing = frame->size - payload->size;
        wn_bytes_add(payload, zeros, missing < sizeof zeros ? (size_t)missing : sizeof zeros);
    }
    WN_CHECK(!payload->is_short, err, WN_DEVICE, "out of memory to read %s", loader->path);
    if (frame->size > 0) {
        WN_TRY(wn_frames_payload(loader->reader, frame, payload->data, out_is_right, err));
    }
    return WN_OK;
}

/* Read frame after frame. Behind the first that is not right, only an end frame is looked for. */
static wn_code load(struct loader *loader, struct wn_error *err)
{
    bool is_torn = false;
    bool is_found = false;
    struct wn_frame frame;
    WN_TRY(wn_frames_next(loader->reader, &frame, &is_found, err));
    while (is_found) {
        bool is_right = false;
        is_torn = is_torn || wn_frames_skipped(loader->reader) > 0 || loader->file->is_ended ||
                  (frame.kind == KIND_HEAD) == loader->has_head;
        WN_TRY(load_frame(loader, &frame, &is_right, err));
        const struct wn_span payload = wn_bytes_span(&loader->payload);
        if (is_right && frame.kind == KIND_END && loader->has_head) {
            bool is_all = false;
            is_right = keep_end(loader, payload, &is_all) && is_all;
            loader->file->is_ended = is_right && !is_torn;
        } else if (is_right && !is_torn && frame.kind == KIND_HEAD) {
            WN_TRY(read_head(loader, payload, &is_right, err));
            loader->has_head = is_right;
        } else if (is_right && !is_torn && frame.kind == KIND_BLOCKS) {
            WN_TRY(read_blocks(loader, payload, &is_right, err));
        } else {
            is_right = false;
        }
        is_torn = is_torn || !is_right;
        loader->end = is_torn ? loader->end : frame.offset + frame.size;
        WN_TRY(wn_frames_next(loader->reader, &frame, &is_found, err));
    }
    return WN_OK;
}

/* ---- writing ---- */

static wn_code write_frame(struct wn_index_file *file, enum kind kind, struct wn_bytes *payload,
                           struct wn_error *err)
{
    WN_CHECK(!payload->is_short, err, WN_DEVICE, "out of memory for the index file");
    const struct wn_span span = wn_bytes_span(payload);
    return wn_frames_write(file->frames, kind, &span, 1, NULL, err);
}

static wn_code write_head(struct wn_index_file *file, const struct wn_corpus *corpus, struct wn_error *err)
{
    struct wn_bytes payload = {0};
    wn_bytes_u32(&payload, VERSION);
    wn_bytes_u32(&payload, (uint32_t)corpus->n_files);
    for (size_t i = 0; i < corpus->n_files; i++) {
        const char *const compression = corpus->files[i].compression;
        wn_bytes_u64(&payload, corpus->files[i].size);
        wn_bytes_u8(&payload, strcmp(compression, "none") == 0   ? 0
                              : strcmp(compression, "gzip") == 0 ? 1
                                                                 : 2);
        wn_bytes_u8(&payload, corpus->files[i].is_array ? 1 : 0);
    }
    const wn_code code = write_frame(file, KIND_HEAD, &payload, err);
    wn_bytes_free(&payload);
    return code;
}

wn_code wn_index_file_add(struct wn_index_file *file, const struct wn_blocks *blocks, size_t first,
                          struct wn_error *err)
{
    struct wn_bytes payload = {0};
    wn_bytes_u64(&payload, first);
    wn_bytes_u32(&payload, (uint32_t)(blocks->n - first));
    for (size_t i = first; i < blocks->n; i++) {
        const struct wn_block *const block = wn_blocks_at(blocks, i);
        wn_bytes_u16(&payload, block->file);
        wn_bytes_u32(&payload, block->count);
        wn_bytes_u64(&payload, block->offset);
        wn_bytes_u64(&payload, block->bytes);
        wn_bytes_u64(&payload, block->hash);
        wn_bytes_u64(&payload, block->line);
    }
    const wn_code code = write_frame(file, KIND_BLOCKS, &payload, err);
    wn_bytes_free(&payload);
    return code;
}

static void put_end(const struct wn_corpus *corpus, struct wn_bytes *payload)
{
    for (size_t i = 0; i < corpus->n_files; i++) {
        wn_bytes_u64(payload, corpus->records[i]);
        wn_bytes_add(payload, corpus->hashes[i], DIGITS);
    }
    wn_bytes_add(payload, corpus->hash, DIGITS);
}

static wn_code compare_end(const struct wn_index_file *file, const struct wn_corpus *corpus,
                           const struct wn_bytes *now, struct wn_error *err)
{
    const unsigned char *const then = file->expected.data;
    for (size_t i = 0; i < corpus->n_files; i++) {
        if (memcmp(then + i * END_SIZE, now->data + i * END_SIZE, END_SIZE) != 0) {
            return wn_index_file_fail(corpus, i, 0, corpus->files[i].size, err);
        }
    }
    WN_CHECK(now->size == file->expected.size && memcmp(then, now->data, now->size) == 0, err, WN_RUN,
             "the corpus is not that of this run: the hash of all its files together differs; give the "
             "corpus that the "
             "run was begun with, or choose another --out");
    return WN_OK;
}

wn_code wn_index_file_end(struct wn_index_file *file, const struct wn_corpus *corpus, struct wn_error *err)
{
    struct wn_bytes payload = {0};
    wn_code code = WN_OK;
    put_end(corpus, &payload);
    if (payload.is_short) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for the index file");
        goto done;
    }
    if (file->expected.size > 0) {
        WN_TRY_OR(done, compare_end(file, corpus, &payload, err));
    }
    if (!file->is_ended) {
        WN_TRY_OR(done, write_frame(file, KIND_END, &payload, err));
        file->is_ended = true;
    }
done:
    wn_bytes_free(&payload);
    return code;
}

wn_code wn_index_file_fail(const struct wn_corpus *corpus, size_t file, uint64_t from, uint64_t to,
                           struct wn_error *err)
{
    WN_FAIL(err, WN_RUN,
            "the corpus is not that of this run: bytes %llu to %llu of %s differ; give the corpus that the "
            "run was "
            "begun with, or choose another --out",
            (unsigned long long)from, (unsigned long long)to, corpus->files[file].path);
}

/* ---- opening ---- */

/* The first `end` bytes under the same name, in a file of their own: a job that was stopped and wakes up when another has
 * taken its run over still has the old file open. */
static wn_code prefix_renew(const char *path, uint64_t end, struct wn_error *err)
{
    struct wn_map map = {0};
    struct wn_file *file = NULL;
    wn_code code = WN_OK;
    WN_TRY(wn_map_open(path, WN_IO, &map, err));
    WN_TRY_OR(done, wn_file_create(path, &file, err));
    WN_TRY_OR(done,
              wn_file_write(
                  file, (struct wn_span){map.bytes.data, end < map.bytes.size ? (size_t)end : map.bytes.size},
                  err));
    WN_TRY_OR(done, wn_file_commit(&file, err));
done:
    wn_file_abandon(&file);
    wn_map_close(&map);
    return code;
}

static wn_code open_existing(const char *path, struct wn_corpus *corpus, struct wn_index_file *file,
                             struct wn_error *err)
{
    struct loader loader = {.path = path, .corpus = corpus, .file = file};
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_frames_open(path, &loader.reader, err));
    WN_TRY_OR(done, load(&loader, err));
    if (file->expected.is_short) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory to read %s", path);
        goto done;
    }
    WN_TRY_OR(done, prefix_renew(path, loader.end, err));
    WN_TRY_OR(done, wn_frames_append_to(path, loader.end, &file->frames, err));
    if (!loader.has_head) {
        code = write_head(file, corpus, err);
    }
done:
    wn_frames_reader_close(loader.reader);
    wn_bytes_free(&loader.payload);
    return code;
}

wn_code wn_index_file_open(const char *path, struct wn_corpus *corpus, struct wn_error *err)
{
    struct wn_index_file *const file = calloc(1, sizeof *file);
    WN_CHECK(file != NULL, err, WN_DEVICE, "out of memory to read %s", path);
    corpus->index_file = file;
    if (wn_path_exists(path)) {
        return open_existing(path, corpus, file, err);
    }
    WN_TRY(wn_frames_create(path, &file->frames, NULL, err));
    return write_head(file, corpus, err);
}

wn_code wn_index_file_sync(struct wn_index_file *file, struct wn_error *err)
{
    return wn_frames_sync(file->frames, err);
}

void wn_index_file_close(struct wn_index_file **file)
{
    if (*file == NULL) {
        return;
    }
    wn_frames_close(&(*file)->frames);
    wn_bytes_free(&(*file)->expected);
    free(*file);
    *file = NULL;
}
