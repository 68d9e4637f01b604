/* Opening a corpus: options held against each other, files opened and unpacked, the index begun, the form decided.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "corpus/inside.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 65535 /* a record's file is stored in 16 bits */ };

static wn_code keep_text(struct wn_corpus *corpus, const char *text, const char **out, struct wn_error *err)
{
    struct wn_span copy;
    WN_TRY(wn_arena_copy(corpus->arena, wn_span_of(text), &copy, err));
    *out = copy.data;
    return WN_OK;
}

/* All are opened before the first is unpacked, so that a file that is missing is told at once. */
static wn_code open_files(struct wn_corpus *corpus, const char *const *paths, size_t n_paths,
                          const struct wn_corpus_options *options, struct wn_error *err)
{
    const char *const spool = options->spool;
    WN_CHECK(n_paths <= MAX_FILES, err, WN_USAGE, "%zu input files are given, at most %d are read; join some",
             n_paths, MAX_FILES);
    WN_TRY(WN_ARENA_NEW(corpus->arena, n_paths, &corpus->sources, err));
    WN_TRY(WN_ARENA_NEW(corpus->arena, n_paths, &corpus->files, err));
    WN_TRY(WN_ARENA_NEW(corpus->arena, n_paths, &corpus->bases, err));
    WN_TRY(WN_ARENA_NEW(corpus->arena, n_paths, &corpus->firsts, err));
    WN_TRY(WN_ARENA_NEW(corpus->arena, n_paths, &corpus->records, err));
    WN_TRY(WN_ARENA_NEW(corpus->arena, n_paths, &corpus->hashes, err));
    for (size_t file = 0; file < n_paths; file++) {
        const char *path = NULL;
        WN_TRY(keep_text(corpus, paths[file], &path, err));
        WN_TRY(wn_source_open(path, &corpus->sources[file], err));
        corpus->sources[file].stop = options->stop;
        corpus->n_files = file + 1;
    }
    WN_TRY(wn_spool_name(corpus->sources, n_paths, spool, corpus->arena, err));
    WN_TRY(wn_spool_check_room(corpus->sources, n_paths, spool, err));
    for (size_t file = 0; file < n_paths; file++) {
        struct wn_source *const source = &corpus->sources[file];
        WN_TRY(wn_source_settle(source, spool, err));
        corpus->files[file] = (struct wn_corpus_file){.path = source->path,
                                                      .size = source->bytes.size,
                                                      .is_array = source->is_array,
                                                      .compression = source->compression};
        corpus->bases[file] = corpus->bytes;
        corpus->bytes += source->bytes.size;
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

static wn_code begin(struct wn_corpus *corpus, const struct wn_corpus_options *options, struct wn_error *err)
{
    const char *own_path = NULL;
    WN_TRY(wn_arena_new(&corpus->arena, err));
    if (options->id_key != NULL) {
        WN_TRY(keep_text(corpus, options->id_key, &corpus->id_key, err));
    }
    WN_TRY(set_shape(corpus, options, &own_path, err));
    const char *const *const paths = own_path != NULL ? &own_path : options->paths;
    WN_TRY(open_files(corpus, paths, own_path != NULL ? 1 : options->n_paths, options, err));
    if (options->index != NULL) {
        WN_TRY(wn_index_file_open(options->index, corpus, err));
    }
    return wn_indexer_new(corpus, err);
}

static wn_code finish(struct wn_corpus *corpus, struct wn_error *err)
{
    bool is_done = false;
    while (!is_done) {
        WN_TRY(wn_corpus_step(corpus, &is_done, err));
    }
    return WN_OK;
}

static wn_code open_corpus(const struct wn_corpus_options *options, bool is_whole,
                           struct wn_corpus **out_corpus, struct wn_error *err)
{
    struct wn_corpus *corpus = calloc(1, sizeof *corpus);
    WN_CHECK(corpus != NULL, err, WN_DEVICE, "out of memory for a corpus");
    wn_code code = WN_OK;
    WN_TRY_OR(done, begin(corpus, options, err));
    if (is_whole) {
        WN_TRY_OR(done, finish(corpus, err));
    }
    WN_TRY_OR(done, wn_form_decide(corpus, err));
    *out_corpus = corpus;
    corpus = NULL;
done:
    wn_corpus_free(corpus);
    return code;
}

wn_code wn_corpus_open(const struct wn_corpus_options *options, struct wn_corpus **out_corpus,
                       struct wn_error *err)
{
    return open_corpus(options, true, out_corpus, err);
}

wn_code wn_corpus_begin(const struct wn_corpus_options *options, struct wn_corpus **out_corpus,
                        struct wn_error *err)
{
    return open_corpus(options, false, out_corpus, err);
}

void wn_corpus_free(struct wn_corpus *corpus)
{
    if (corpus == NULL) {
        return;
    }
    wn_indexer_free(corpus->indexer);
    wn_index_file_close(&corpus->index_file);
    for (size_t file = 0; file < corpus->n_files; file++) {
        wn_source_close(&corpus->sources[file]);
    }
    wn_blocks_free(&corpus->blocks);
    wn_arena_free(corpus->arena);
    free(corpus);
}
