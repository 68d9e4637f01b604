/* See scoring.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scoring.h"

#include "support.h"

#include "base/base.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

struct wn_corpus *open_corpus(const char *const *paths, size_t n)
{
    struct wn_error err = {0};
    struct wn_corpus *corpus = NULL;
    const struct wn_corpus_options options = {.paths = paths, .n_paths = n};
    WN_TEST_OK(wn_corpus_open(&options, &corpus, &err));
    return corpus;
}

static void *copy(const void *bytes, size_t size)
{
    void *out = malloc(size + 1);
    cr_assert(out != NULL);
    if (size > 0) {
        memcpy(out, bytes, size);
    }
    return out;
}

static void keep_tokens(struct scored *scored, const struct wn_record_rows *rows)
{
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        const size_t at = scored->n + i;
        cr_assert_eq(rows->cond[i].k, rows->rows[i].cond.k);
        cr_assert_eq(rows->direct[i].n, rows->rows[i].direct.n);
        scored->cond[at] = copy(rows->cond[i].losses, rows->cond[i].k * sizeof(float));
        scored->direct[at] = copy(rows->direct[i].losses, rows->direct[i].k * sizeof(float));
        scored->cond_ids[at] = copy(rows->cond[i].ids, rows->cond[i].n * sizeof(int32_t));
        scored->direct_ids[at] = copy(rows->direct[i].ids, rows->direct[i].n * sizeof(int32_t));
        for (uint32_t t = 0; t < rows->direct[i].n; t++) {
            cr_assert_leq(rows->direct[i].places[t].end, rows->direct[i].text.size);
        }
    }
}

static void *more(void *array, size_t n, size_t size)
{
    void *out = realloc(array, n * size);
    cr_assert(out != NULL);
    return out;
}

wn_code keep_rows(void *context, const struct wn_record_rows *rows, struct wn_error *err)
{
    (void)err;
    struct scored *scored = context;
    cr_assert(rows->n_rows >= 1);
    cr_assert(scored->any_order || rows->place.index == scored->next, "record %llu came where %llu was due",
              (unsigned long long)rows->place.index, (unsigned long long)scored->next);
    scored->next = rows->place.index + 1;
    if (scored->n + rows->n_rows > scored->room) {
        scored->room = 2 * (scored->n + rows->n_rows);
        scored->rows = more(scored->rows, scored->room, sizeof *scored->rows);
        scored->cond = more(scored->cond, scored->room, sizeof *scored->cond);
        scored->direct = more(scored->direct, scored->room, sizeof *scored->direct);
        scored->cond_ids = more(scored->cond_ids, scored->room, sizeof *scored->cond_ids);
        scored->direct_ids = more(scored->direct_ids, scored->room, sizeof *scored->direct_ids);
    }
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        const size_t at = scored->n + i;
        cr_assert_eq(rows->rows[i].record, rows->place.index);
        cr_assert_eq(rows->rows[i].part, i);
        cr_assert_eq(rows->rows[i].n_parts, rows->n_rows);
        scored->rows[at] = rows->rows[i];
        scored->cond[at] = scored->direct[at] = NULL;
        scored->cond_ids[at] = scored->direct_ids[at] = NULL;
    }
    if (rows->cond != NULL) {
        keep_tokens(scored, rows);
    }
    if (rows->why.size > 0) {
        snprintf(scored->why, sizeof scored->why, "%.*s", (int)rows->why.size, rows->why.data);
    }
    scored->n += rows->n_rows;
    return WN_OK;
}

static int by_record(const void *a, const void *b)
{
    const struct wn_row *left = a;
    const struct wn_row *right = b;
    if (left->record != right->record) {
        return left->record < right->record ? -1 : 1;
    }
    return left->part < right->part ? -1 : left->part > right->part;
}

struct wn_score_options options_of(const struct recipe *recipe, struct wn_arena *arena,
                                   struct wn_profile *profile)
{
    struct wn_error err = {0};
    WN_TEST_OK(wn_profile_find(recipe->profile, arena, profile, &err));
    return (struct wn_score_options){.profile = profile,
                                     .max_length = recipe->max_length,
                                     .turns = recipe->turns,
                                     .split = recipe->split,
                                     .direct_window = recipe->direct_window,
                                     .aligned = recipe->aligned,
                                     .keep_tokens = recipe->keep_tokens,
                                     .separate = recipe->separate};
}

/* What is to be scored, in units. */
struct units {
    uint64_t first, n, size, count;
    bool backwards;
};

static struct wn_unit unit_of(const struct units *units, uint64_t u)
{
    const uint64_t at = (units->backwards ? units->count - 1 - u : u) * units->size;
    const uint64_t left = units->n - at;
    return (struct wn_unit){0, units->first + at, units->size < left ? units->size : left};
}

static wn_code unit_ended(void *context, const struct wn_unit *unit, const struct wn_score_counts *counts,
                          struct wn_error *err)
{
    (void)err;
    struct scored *scored = context;
    cr_assert(scored->any_order || unit->first == scored->next_unit);
    cr_assert_eq(counts->records, unit->count);
    scored->next_unit = unit->first + unit->count;
    scored->n_units++;
    scored->counts.records += counts->records;
    scored->counts.samples += counts->samples;
    scored->counts.tokens += counts->tokens;
    scored->counts.wants += counts->wants;
    scored->counts.header_tokens += counts->header_tokens;
    scored->counts.flops += counts->flops;
    scored->counts.batches += counts->batches;
    scored->counts.rows += counts->rows;
    scored->counts.seconds_model += counts->seconds_model;
    return WN_OK;
}

static void line_stop(void *line)
{
    wn_line_cancel(line);
}

static void score_through_line(const struct wn_line_options *options, struct wn_model *model,
                               const struct wn_tokenizer *tokenizer, const struct wn_corpus *corpus,
                               const struct units *units)
{
    struct wn_error err = {0};
    struct wn_line *line = NULL;
    struct wn_crew *crew = NULL;
    WN_TEST_OK(wn_line_new(options, corpus, tokenizer, model, &line, &err));
    WN_TEST_OK(wn_crew_new(line_stop, line, &crew, &err));
    WN_TEST_OK(wn_line_start(line, crew, &err));
    for (uint64_t u = 0; u < units->count;) {
        const struct wn_unit unit = unit_of(units, u);
        if (wn_line_give(line, &unit)) {
            u++;
            continue;
        }
        WN_TEST_OK(wn_crew_check(crew, 60, &err));
        usleep(200);
    }
    wn_line_close(line);
    while (!wn_line_is_done(line)) {
        WN_TEST_OK(wn_crew_check(crew, 60, &err));
        usleep(200);
    }
    WN_TEST_OK(wn_crew_end(&crew, 60, NULL, &err));
    cr_assert_eq(wn_line_records(line), units->n);
    wn_line_free(line);
}

static void score_alone(const struct wn_score_options *options, struct wn_model *model,
                        const struct wn_tokenizer *tokenizer, const struct wn_corpus *corpus,
                        const struct units *units, struct scored *scored)
{
    struct wn_error err = {0};
    struct wn_scorer *scorer = NULL;
    const struct wn_row_sink sink = {scored, keep_rows};
    WN_TEST_OK(wn_scorer_new(options, corpus, tokenizer, model, &scorer, &err));
    for (uint64_t u = 0; u < units->count; u++) {
        const struct wn_unit unit = unit_of(units, u);
        WN_TEST_OK(wn_scorer_run(scorer, &unit, &sink, &err));
    }
    scored->counts = wn_scorer_counts(scorer);
    wn_scorer_free(scorer);
}

struct scored score_with(struct wn_model *model, const struct wn_tokenizer *tokenizer,
                         const struct wn_corpus *corpus, const struct recipe *recipe)
{
    struct wn_error err = {0};
    struct wn_arena *arena = NULL;
    struct wn_profile profile;
    struct scored scored = {
        .any_order = recipe->backwards, .next = recipe->first, .next_unit = recipe->first};
    WN_TEST_OK(wn_arena_new(&arena, &err));
    const struct wn_score_options options = options_of(recipe, arena, &profile);
    const uint64_t n = recipe->n > 0 ? recipe->n : wn_corpus_count(corpus) - recipe->first;
    const uint64_t size = recipe->unit > 0 ? recipe->unit : n;
    const struct units units = {recipe->first, n, size, (n + size - 1) / size, recipe->backwards};
    if (recipe->readers > 0) {
        const struct wn_line_options line = {.score = &options,
                                             .readers = recipe->readers,
                                             .units = 2,
                                             .sink = {&scored, keep_rows},
                                             .unit_end = unit_ended};
        score_through_line(&line, model, tokenizer, corpus, &units);
        cr_assert_eq(scored.n_units, units.count);
    } else {
        score_alone(&options, model, tokenizer, corpus, &units, &scored);
    }
    if (recipe->backwards) {
        qsort(scored.rows, scored.n, sizeof *scored.rows, by_record);
    }
    cr_assert_eq(scored.counts.records, n);
    wn_arena_free(arena);
    return scored;
}

struct wn_model *open_model(const char *path, const struct recipe *recipe)
{
    struct wn_error err = {0};
    struct wn_model *model = NULL;
    const struct wn_model_options options = {.dtype = "f32",
                                             .device = recipe->device != NULL ? recipe->device : "cpu",
                                             .threads = recipe->threads > 0 ? recipe->threads : 1,
                                             .batch_rows = recipe->batch_rows,
                                             .extra_slots = recipe->extra_slots};
    WN_TEST_OK(wn_model_open(path, &options, &model, &err));
    return model;
}

struct scored score_corpus(const char *path, const struct wn_corpus *corpus, const struct recipe *recipe)
{
    struct wn_error err = {0};
    struct wn_tokenizer *tokenizer = NULL;
    struct wn_model *model = open_model(path, recipe);
    WN_TEST_OK(wn_tokenizer_open(path, &tokenizer, &err));
    const struct scored scored = score_with(model, tokenizer, corpus, recipe);
    wn_tokenizer_free(tokenizer);
    wn_model_close(model);
    return scored;
}

void scored_free(struct scored *scored)
{
    for (size_t i = 0; i < scored->n; i++) {
        free(scored->cond[i]);
        free(scored->direct[i]);
        free(scored->cond_ids[i]);
        free(scored->direct_ids[i]);
    }
    free(scored->rows);
    free(scored->cond);
    free(scored->direct);
    free(scored->cond_ids);
    free(scored->direct_ids);
}

static bool sides_equal(const struct wn_side *a, const struct wn_side *b)
{
    return a->n == b->n && a->first == b->first && a->k == b->k && a->cut == b->cut &&
           memcmp(&a->sum, &b->sum, sizeof a->sum) == 0;
}

bool rows_equal(const struct wn_row *a, const struct wn_row *b)
{
    return a->part == b->part && a->n_parts == b->n_parts && a->status == b->status &&
           a->has_reverse == b->has_reverse && a->counted == b->counted && sides_equal(&a->cond, &b->cond) &&
           sides_equal(&a->direct, &b->direct) && sides_equal(&a->q_cond, &b->q_cond) &&
           sides_equal(&a->q_direct, &b->q_direct);
}

void check_equal(const struct scored *a, const struct scored *b, const char *what)
{
    cr_assert_eq(a->n, b->n, "%s: %zu rows and %zu", what, a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        cr_assert_eq(a->rows[i].record, b->rows[i].record);
        cr_assert(rows_equal(&a->rows[i], &b->rows[i]),
                  "%s: row %zu differs: sums %.17g %.17g and %.17g %.17g, status %u and %u", what, i,
                  a->rows[i].cond.sum, a->rows[i].direct.sum, b->rows[i].cond.sum, b->rows[i].direct.sum,
                  a->rows[i].status, b->rows[i].status);
    }
}

void make_folder(char *out, size_t size)
{
    snprintf(out, size, "/tmp/winnow-test-score-XXXXXX");
    cr_assert_not_null(mkdtemp(out));
}

void write_file(const char *folder, const char *name, const char *bytes, size_t size, char *out_path,
                size_t out_size)
{
    snprintf(out_path, out_size, "%s/%s", folder, name);
    FILE *file = fopen(out_path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

void remove_folder(const char *folder)
{
    DIR *listing = opendir(folder);
    cr_assert_not_null(listing);
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        char path[8192];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') {
            cr_assert_eq(unlink(path), 0, "%s stays behind", path);
        }
    }
    closedir(listing);
    cr_assert_eq(rmdir(folder), 0);
}
