/* The index: all files opened, their records counted into blocks, their bytes hashed, the form decided.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A block has at most WN_BLOCK_RECORDS records and is closed by the record that takes it to WN_BLOCK_BYTES, so the
 * index needs 56 bytes for about a megabyte of corpus, and no record is ever cut.
 */
#include "corpus/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_FILES = 65535,  /* a record's file is stored in 16 bits */
    AHEAD = 8 << 20,    /* bytes asked for before they are scanned */
    FORM_RECORDS = 1000 /* records that are asked for the form */
};

/* State of one pass over all files. */
struct indexer {
    struct wn_corpus *corpus;
    struct wn_hasher *file_hasher;
    struct wn_hasher *corpus_hasher;
    struct wn_block block; /* the one being filled; count 0: none */
    uint64_t hashed;       /* bytes of this file given to the hashers */
    uint64_t line;         /* 1-based line of the byte `lined` */
    uint64_t lined;
    uint64_t asked; /* bytes of this file that were asked for */
};

static uint64_t count_lines(struct wn_span bytes, uint64_t from, uint64_t to)
{
    uint64_t n = 0;
    const char *at = bytes.data + from;
    const char *const end = bytes.data + to;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        n++;
        at++;
    }
    return n;
}

static void hash_up_to(struct indexer *indexer, const struct wn_source *source, uint64_t to)
{
    if (to > indexer->hashed) {
        const size_t size = (size_t)(to - indexer->hashed);
        wn_hasher_add(indexer->file_hasher, source->bytes.data + indexer->hashed, size);
        wn_hasher_add(indexer->corpus_hasher, source->bytes.data + indexer->hashed, size);
        indexer->hashed = to;
    }
}

static wn_code close_block(struct indexer *indexer, const struct wn_source *source, struct wn_error *err)
{
    struct wn_block *const block = &indexer->block;
    struct wn_corpus *const corpus = indexer->corpus;
    if (block->count == 0) {
        return WN_OK;
    }
    if (corpus->n_blocks == corpus->max_blocks) {
        const size_t max = corpus->max_blocks == 0 ? 64 : corpus->max_blocks * 2;
        size_t size = 0;
        struct wn_block *const blocks =
            wn_mul_size(max, sizeof *blocks, &size) ? realloc(corpus->blocks, size) : NULL;
        WN_CHECK(blocks != NULL, err, WN_DEVICE, "out of memory for the index of %s (%zu blocks)",
                 source->path, max);
        corpus->blocks = blocks;
        corpus->max_blocks = max;
    }
    block->hash = wn_hash64((struct wn_span){source->bytes.data + block->offset, (size_t)block->bytes});
    corpus->blocks[corpus->n_blocks++] = *block;
    hash_up_to(indexer, source, block->offset + block->bytes);
    block->count = 0;
    return WN_OK;
}

static void open_block(struct indexer *indexer, const struct wn_source *source, size_t file, uint64_t offset)
{
    memset(&indexer->block, 0, sizeof indexer->block);
    indexer->block.offset = offset;
    indexer->block.first = indexer->corpus->count;
    indexer->block.file = (uint16_t)file;
    if (!source->is_array) {
        indexer->line += count_lines(source->bytes, indexer->lined, offset);
        indexer->lined = offset;
        indexer->block.line = indexer->line;
    }
}

static wn_code add_record(struct indexer *indexer, size_t file, struct wn_span record, struct wn_error *err)
{
    const struct wn_source *const source = &indexer->corpus->sources[file];
    const uint64_t offset = (uint64_t)(record.data - source->bytes.data);
    if (indexer->block.count == 0) {
        open_block(indexer, source, file, offset);
    }
    indexer->block.count++;
    indexer->block.bytes = offset + record.size - indexer->block.offset;
    indexer->corpus->count++;
    if (indexer->block.count == WN_BLOCK_RECORDS || indexer->block.bytes >= WN_BLOCK_BYTES) {
        return close_block(indexer, source, err);
    }
    return WN_OK;
}

static void ask_ahead(struct indexer *indexer, const struct wn_source *source, uint64_t at)
{
    if (source->map.bytes.size > 0 && at + AHEAD / 2 >= indexer->asked) {
        wn_map_will_read(&source->map, (size_t)indexer->asked, AHEAD);
        indexer->asked += AHEAD;
    }
}

static wn_code index_file(struct indexer *indexer, size_t file, struct wn_error *err)
{
    struct wn_corpus *const corpus = indexer->corpus;
    const struct wn_source *const source = &corpus->sources[file];
    struct wn_corpus_file *const entry = &corpus->files[file];
    struct wn_scan scan = {source->path, source->bytes, 0, 0, 0, source->is_array};
    bool found = false;
    indexer->hashed = indexer->lined = indexer->asked = 0;
    indexer->line = 1;
    corpus->firsts[file] = corpus->count;
    ask_ahead(indexer, source, 0);
    WN_TRY(wn_scan_begin(&scan, &found, err));
    while (found) {
        struct wn_span record;
        WN_TRY(wn_scan_value(&scan, &record, err));
        WN_TRY(add_record(indexer, file, record, err));
        ask_ahead(indexer, source, scan.at);
        WN_TRY(wn_scan_step(&scan, &found, err));
    }
    WN_TRY(close_block(indexer, source, err));
    hash_up_to(indexer, source, source->bytes.size);
    *entry = (struct wn_corpus_file){.path = source->path,
                                     .size = source->bytes.size,
                                     .records = corpus->count - corpus->firsts[file],
                                     .is_array = source->is_array,
                                     .compression = source->compression};
    wn_hasher_text(indexer->file_hasher, entry->hash);
    return WN_OK;
}

static wn_code index_files(struct wn_corpus *corpus, struct wn_error *err)
{
    struct indexer indexer;
    memset(&indexer, 0, sizeof indexer);
    indexer.corpus = corpus;
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_hasher_new(&indexer.corpus_hasher, err));
    for (size_t file = 0; file < corpus->n_files; file++) {
        WN_TRY_OR(done, wn_hasher_new(&indexer.file_hasher, err));
        WN_TRY_OR(done, index_file(&indexer, file, err));
        wn_hasher_free(indexer.file_hasher);
        indexer.file_hasher = NULL;
    }
    wn_hasher_text(indexer.corpus_hasher, corpus->hash);
done:
    wn_hasher_free(indexer.file_hasher);
    wn_hasher_free(indexer.corpus_hasher);
    return code;
}

/* ---- opening ---- */

static wn_code keep_text(struct wn_corpus *corpus, const char *text, const char **out, struct wn_error *err)
{
    struct wn_span copy;
    WN_TRY(wn_arena_copy(corpus->arena, wn_span_of(text), &copy, err));
    *out = copy.data;
    return WN_OK;
}

static const char *base_name(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* The name of a plain copy: FILE.plain, with the file's number in front where an earlier file has the same name. */
static wn_code spool_name(const char *const *paths, size_t file, char **out_name, struct wn_error *err)
{
    bool is_taken = false;
    for (size_t i = 0; i < file; i++) {
        is_taken = is_taken || strcmp(base_name(paths[i]), base_name(paths[file])) == 0;
    }
    const int n = is_taken ? asprintf(out_name, "%zu-%s.plain", file, base_name(paths[file]))
                           : asprintf(out_name, "%s.plain", base_name(paths[file]));
    WN_CHECK(n >= 0, err, WN_DEVICE, "out of memory for a path");
    return WN_OK;
}

static wn_code open_file(struct wn_corpus *corpus, const char *const *paths, size_t file, const char *spool,
                         struct wn_error *err)
{
    const char *path = NULL;
    char *name = NULL;
    WN_TRY(keep_text(corpus, paths[file], &path, err));
    if (spool != NULL) {
        WN_TRY(spool_name(paths, file, &name, err));
    }
    const wn_code code = wn_source_open(path, spool, name, corpus->arena, &corpus->sources[file], err);
    free(name);
    return code;
}

static wn_code open_files(struct wn_corpus *corpus, const char *const *paths, size_t n_paths,
                          const char *spool, struct wn_error *err)
{
    WN_CHECK(n_paths <= MAX_FILES, err, WN_USAGE, "%zu input files are given, at most %d are read; join some",
             n_paths, MAX_FILES);
    WN_TRY(WN_ARENA_NEW(corpus->arena, n_paths, &corpus->sources, err));
    WN_TRY(WN_ARENA_NEW(corpus->arena, n_paths, &corpus->files, err));
    WN_TRY(WN_ARENA_NEW(corpus->arena, n_paths, &corpus->firsts, err));
    for (size_t file = 0; file < n_paths; file++) {
        WN_TRY(open_file(corpus, paths, file, spool, err));
        corpus->n_files = file + 1;
    }
    return WN_OK;
}

/* An entry of dataset_info.json: its form and names in the shape, its file in *out_path. */
static wn_code set_dataset(struct wn_corpus *corpus, const struct wn_corpus_options *options,
                           const char **out_path, struct wn_error *err)
{
    const struct wn_shape *const shape = &corpus->shape;
    const char *const info = options->dataset_info;
    const char *const dataset = options->dataset;
    WN_CHECK(dataset != NULL, err, WN_USAGE, "--dataset-info %s needs --dataset NAME", info);
    WN_TRY(wn_dataset_info_read(info, dataset, corpus->arena, &corpus->shape, out_path, err));
    WN_CHECK(options->form == WN_FORM_DETECT || options->form == shape->form, err, WN_USAGE,
             "dataset \"%s\" of %s has form %s, but %s is asked for; leave one of the two out", dataset, info,
             wn_form_name(shape->form), wn_form_name(options->form));
    WN_CHECK(*out_path == NULL || options->n_paths == 0, err, WN_USAGE,
             "dataset \"%s\" of %s names its own file (%s); leave %s out, or describe its fields with --map",
             dataset, info, *out_path, options->paths[0]);
    WN_CHECK(*out_path != NULL || options->n_paths > 0, err, WN_USAGE,
             "dataset \"%s\" of %s names no file of this machine (no file_name); download it and give the "
             "file beside "
             "--dataset-info",
             dataset, info);
    return WN_OK;
}

static wn_code set_shape(struct wn_corpus *corpus, const struct wn_corpus_options *options,
                         const char **out_path, struct wn_error *err)
{
    struct wn_shape *const shape = &corpus->shape;
    *out_path = NULL;
    shape->form = options->form;
    if (options->dataset_info != NULL) {
        WN_TRY(set_dataset(corpus, options, out_path, err));
    } else {
        WN_CHECK(options->dataset == NULL, err, WN_USAGE, "--dataset %s needs --dataset-info FILE",
                 options->dataset);
        WN_CHECK(options->n_paths > 0, err, WN_USAGE, "no input file is given");
    }
    for (size_t i = 0; i < options->n_map; i++) {
        WN_TRY(wn_shape_map(shape, options->map[i], corpus->arena, err));
    }
    return wn_shape_check(shape, err);
}

/* ---- the form ---- */

/* What the records looked at so far have told. */
struct form_search {
    struct wn_span first_bad; /* why the first record that is no object is bad; arena */
    struct wn_place bad_place;
    uint64_t n_objects;
    struct wn_json *object; /* the first object, owned */
    struct wn_place object_place;
    uint64_t found; /* the record that decided */
};

static wn_code look_at(struct wn_corpus *corpus, struct form_search *search, const struct wn_place *place,
                       struct wn_span bytes, bool *out_done, struct wn_error *err)
{
    struct wn_json *root = NULL;
    struct wn_error bad;
    *out_done = false;
    const wn_code code = wn_json_parse(bytes, WN_INPUT, &root, &bad);
    if (code == WN_DEVICE) {
        WN_FAIL(err, code, "%s", bad.text);
    }
    if (code != WN_OK || !wn_json_is(root, WN_JSON_OBJECT)) {
        if (search->first_bad.data == NULL) {
            search->bad_place = *place;
            const char *const why = code != WN_OK ? bad.text : "it is no object";
            const wn_code copied = wn_arena_copy(corpus->arena, wn_span_of(why), &search->first_bad, err);
            wn_json_free(root);
            return copied;
        }
        wn_json_free(root);
        return WN_OK;
    }
    search->n_objects++;
    search->found = place->index;
    *out_done = wn_shape_guess(&corpus->shape, root);
    if (search->object == NULL) {
        search->object = root;
        search->object_place = *place;
    } else {
        wn_json_free(root);
    }
    return WN_OK;
}

static wn_code fail_form(const struct wn_corpus *corpus, const struct form_search *search,
                         struct wn_error *err)
{
    struct wn_span where;
    if (search->object != NULL) {
        WN_TRY(wn_corpus_where(corpus, &search->object_place, corpus->arena, &where, err));
        return wn_shape_fail(search->object, where.data, corpus->files[search->object_place.file].path,
                             corpus->count == 1, err);
    }
    WN_TRY(wn_corpus_where(corpus, &search->bad_place, corpus->arena, &where, err));
    WN_FAIL(err, WN_INPUT, "no record could be read; the first: %s: %s", where.data, search->first_bad.data);
}

static wn_code describe_form(struct wn_corpus *corpus, const struct form_search *search, bool is_guessed,
                             struct wn_error *err)
{
    const struct wn_shape *const shape = &corpus->shape;
    const char *const *const n = shape->names;
    char names[1024];
    if (wn_form_is_conversation(shape->form)) {
        (void)snprintf(names, sizeof names, "messages in \"%s\"", n[WN_FIELD_MESSAGES]);
    } else {
        (void)snprintf(names, sizeof names, "instruction in \"%s\", input in \"%s\", output in \"%s\"",
                       n[WN_FIELD_INSTRUCTION], n[WN_FIELD_INPUT] == NULL ? "" : n[WN_FIELD_INPUT],
                       n[WN_FIELD_OUTPUT]);
        if (n[WN_FIELD_INPUT] == NULL) {
            (void)snprintf(names, sizeof names, "instruction in \"%s\", output in \"%s\"",
                           n[WN_FIELD_INSTRUCTION], n[WN_FIELD_OUTPUT]);
        }
    }
    char text[1400];
    if (is_guessed) {
        (void)snprintf(text, sizeof text, "%s (%s; told by record %llu)", wn_form_name(shape->form), names,
                       (unsigned long long)search->found);
    } else {
        (void)snprintf(text, sizeof text, "%s (%s; as given)", wn_form_name(shape->form), names);
    }
    return keep_text(corpus, text, &corpus->form_text, err);
}

static wn_code decide_form(struct wn_corpus *corpus, struct wn_error *err)
{
    const bool must_guess = corpus->shape.form == WN_FORM_DETECT;
    struct form_search search;
    memset(&search, 0, sizeof search);
    struct wn_corpus_reader *reader = NULL;
    wn_code code = WN_OK;
    bool is_done = false;
    WN_TRY_OR(done, wn_corpus_reader_new(corpus, &reader, err));
    for (uint64_t i = 0; i < corpus->count && !is_done && search.n_objects < FORM_RECORDS; i++) {
        struct wn_place place;
        struct wn_span bytes;
        WN_TRY_OR(done, wn_corpus_read(reader, i, &place, &bytes, err));
        WN_TRY_OR(done, look_at(corpus, &search, &place, bytes, &is_done, err));
    }
    if (!is_done && must_guess) {
        code = fail_form(corpus, &search, err);
        goto done;
    }
    wn_shape_complete(&corpus->shape);
    code = describe_form(corpus, &search, must_guess, err);
done:
    wn_json_free(search.object);
    wn_corpus_reader_free(reader);
    return code;
}

static wn_code check_some(const struct wn_corpus *corpus, struct wn_error *err)
{
    if (corpus->count > 0) {
        return WN_OK;
    }
    const char *const path = corpus->files[0].path;
    WN_CHECK(corpus->n_files > 1, err, WN_INPUT,
             "%s holds no record; give a JSON array of objects, or one object a line", path);
    WN_FAIL(err, WN_INPUT,
            "none of the %zu files holds a record (the first is %s); give JSON arrays of objects, or one "
            "object a line",
            corpus->n_files, path);
}

static wn_code open_all(struct wn_corpus *corpus, const struct wn_corpus_options *options,
                        struct wn_error *err)
{
    const char *own_path = NULL;
    WN_TRY(wn_arena_new(&corpus->arena, err));
    WN_TRY(set_shape(corpus, options, &own_path, err));
    const char *const *const paths = own_path != NULL ? &own_path : options->paths;
    WN_TRY(open_files(corpus, paths, own_path != NULL ? 1 : options->n_paths, options->spool, err));
    WN_TRY(index_files(corpus, err));
    WN_TRY(check_some(corpus, err));
    return decide_form(corpus, err);
}

wn_code wn_corpus_open(const struct wn_corpus_options *options, struct wn_corpus **out_corpus,
                       struct wn_error *err)
{
    struct wn_corpus *const corpus = calloc(1, sizeof *corpus);
    WN_CHECK(corpus != NULL, err, WN_DEVICE, "out of memory for a corpus");
    const wn_code code = open_all(corpus, options, err);
    if (code != WN_OK) {
        wn_corpus_free(corpus);
        return code;
    }
    *out_corpus = corpus;
    return WN_OK;
}

void wn_corpus_free(struct wn_corpus *corpus)
{
    if (corpus == NULL) {
        return;
    }
    for (size_t file = 0; file < corpus->n_files; file++) {
        wn_source_close(&corpus->sources[file]);
    }
    free(corpus->blocks);
    wn_arena_free(corpus->arena);
    free(corpus);
}
