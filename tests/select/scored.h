/* A corpus in a temporary folder and scores for it, for the tests of select.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TESTS_SELECT_SCORED_H
#define WINNOW_TESTS_SELECT_SCORED_H

#include "base/base.h"
#include "select/select.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SCORED_FILES = 4 };

struct scored {
    char folder[256];
    char paths[MAX_SCORED_FILES][400], scores_path[400], out[400];
    const char *list[MAX_SCORED_FILES];
    size_t n_files;
    struct wn_corpus_options options;
    struct wn_corpus *corpus;
    struct wn_scores *scores;
};

static inline void file_put(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL && fwrite(text, 1, size, file) == size && fclose(file) == 0, "%s", path);
}

/* The bytes of a file, with a 0 behind them; free. */
static inline char *file_get(const char *path)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s is missing", path);
    cr_assert_eq(fseek(file, 0, SEEK_END), 0);
    const size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(size + 1);
    cr_assert(text != NULL && fread(text, 1, size, file) == size);
    text[size] = '\0';
    fclose(file);
    return text;
}

/* FOLDER/NAME in out[400]. */
static inline void path_in(char out[400], const char *folder, const char *name)
{
    out[0] = '\0';
    strncat(out, folder, 300);
    strncat(out, "/", 2);
    strncat(out, name, 90);
}

static inline struct scored *scored_new(void)
{
    struct scored *s = calloc(1, sizeof *s);
    const char *base = getenv("TMPDIR");
    snprintf(s->folder, sizeof s->folder, "%s/winnow-select-XXXXXX", base == NULL ? "/tmp" : base);
    cr_assert_not_null(mkdtemp(s->folder));
    path_in(s->scores_path, s->folder, "scores.h5");
    path_in(s->out, s->folder, "picked.json");
    return s;
}

static inline void scored_add(struct scored *s, const char *name, const char *text)
{
    char *path = s->paths[s->n_files];
    path_in(path, s->folder, name);
    file_put(path, text, strlen(text));
    s->list[s->n_files] = path;
    s->n_files++;
}

/* The row of record i: loss_cond = 1 + i mod 7 / 10, loss_direct = 2. */
static inline struct wn_row scored_row(uint64_t i)
{
    struct wn_row row = {.record = i, .n_parts = 1, .status = WN_STATUS_OK};
    row.cond = (struct wn_side){.n = 20, .first = 10, .k = 10, .sum = 10 + (double)(i % 7)};
    row.direct = (struct wn_side){.n = 11, .first = 0, .k = 10, .sum = 20};
    return row;
}

/* Open the corpus and make scores.h5 for it. `row` may change a record's row; attributes beside the corpus'
 * hash. */
static inline void scored_open(struct scored *s, const struct wn_store_attribute *more, size_t n_more,
                               struct wn_row (*row)(uint64_t))
{
    struct wn_error err;
    struct wn_corpus_reader *reader = NULL;
    struct wn_store *store = NULL;
    s->options.paths = s->list;
    s->options.n_paths = s->n_files;
    WN_TEST_OK(wn_corpus_open(&s->options, &s->corpus, &err));
    WN_TEST_OK(wn_corpus_reader_new(s->corpus, &reader, &err));
    char hash[33];
    wn_corpus_hash(s->corpus, hash);
    struct wn_store_attribute attributes[16] = {{wn_attribute_corpus_hash, hash}};
    for (size_t i = 0; i < n_more; i++) {
        attributes[1 + i] = more[i];
    }
    const struct wn_store_options options = {.attributes = attributes, .n_attributes = 1 + n_more};
    const uint64_t n = wn_corpus_count(s->corpus);
    WN_TEST_OK(wn_store_create(s->scores_path, n, &options, &store, &err));
    for (uint64_t i = 0; i < n; i++) {
        struct wn_place place;
        struct wn_span bytes;
        WN_TEST_OK(wn_corpus_read(reader, i, &place, &bytes, &err));
        const struct wn_row made = row == NULL ? scored_row(i) : row(i);
        const struct wn_store_record record = {.index = i,
                                               .id_hash = place.id_hash,
                                               .offset = place.offset,
                                               .length = place.length,
                                               .file = place.file,
                                               .fold = made,
                                               .turn_mean = wn_row_ifd_ppl(&made),
                                               .rows = &made,
                                               .n_rows = 1};
        WN_TEST_OK(wn_store_put(store, &record, &err));
    }
    WN_TEST_OK(wn_store_finish(&store, NULL, 0, &err));
    wn_corpus_reader_free(reader);
    WN_TEST_OK(wn_scores_open(s->scores_path, &s->scores, &err));
}

static inline void scored_free(struct scored *s)
{
    char command[400];
    wn_scores_close(s->scores);
    wn_corpus_free(s->corpus);
    snprintf(command, sizeof command, "rm -rf '%s'", s->folder);
    cr_assert_eq(system(command), 0);
    free(s);
}

#endif
