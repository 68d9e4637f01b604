/* The line of stages: the bits of wn_scorer_run, whatever the threads do; it ends on errors and when it is told to.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scoring.h"
#include "support.h"

#include "base/base.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Three turns each, so that a record has several rows; and what cannot be scored between them. */
static const char turns[] =
    "{\"conversations\": [{\"from\": \"human\", \"value\": \"Who was it?\"}, {\"from\": \"gpt\", \"value\": "
    "\"A cat.\"}, {\"from\": \"human\", \"value\": \"What did she do?\"}, {\"from\": \"gpt\", \"value\": "
    "\"She "
    "ran to the park, and there she sat under a tree.\"}, {\"from\": \"human\", \"value\": \"And then?\"}, "
    "{\"from\": \"gpt\", \"value\": \"She went home to sleep.\"}]}\n";
static const char torn[] =
    "{\"conversations\": [{\"from\": \"human\", \"value\": 7}, {\"from\": \"gpt\"}]}\n";
static const char silent[] = "{\"conversations\": [{\"from\": \"human\", \"value\": \"Say it.\"}, {\"from\": "
                             "\"gpt\", \"value\": \"\"}]}\n";

/* `n` records in a file of their own: most as `turns`, every fifth torn, every seventh without an answer. */
static struct wn_corpus *make_corpus(const char *folder, size_t n)
{
    char path[4096];
    char *text = malloc(n * sizeof turns + 1);
    cr_assert_not_null(text);
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        const char *record = i % 5 == 3 ? torn : i % 7 == 5 ? silent : turns;
        memcpy(text + size, record, strlen(record));
        size += strlen(record);
    }
    write_file(folder, "turns.jsonl", text, size, path, sizeof path);
    free(text);
    const char *const paths[] = {path};
    return open_corpus(paths, 1);
}

/* Losses and ids of all tokens, too. */
static void check_tokens(const struct scored *a, const struct scored *b, const char *what)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct wn_row *row = &a->rows[i];
        cr_assert((a->cond[i] == NULL) == (b->cond[i] == NULL), "%s: row %zu", what, i);
        if (a->cond[i] == NULL) {
            continue;
        }
        cr_assert(memcmp(a->cond[i], b->cond[i], row->cond.k * sizeof(float)) == 0 &&
                      memcmp(a->direct[i], b->direct[i], row->direct.k * sizeof(float)) == 0 &&
                      memcmp(a->cond_ids[i], b->cond_ids[i], row->cond.n * sizeof(int32_t)) == 0 &&
                      memcmp(a->direct_ids[i], b->direct_ids[i], row->direct.n * sizeof(int32_t)) == 0,
                  "%s: the tokens or losses of row %zu differ", what, i);
    }
}

static void check_counts(const struct wn_score_counts *a, const struct wn_score_counts *b, const char *what)
{
    cr_assert(a->records == b->records && a->samples == b->samples && a->tokens == b->tokens &&
                  a->wants == b->wants && a->header_tokens == b->header_tokens,
              "%s: %llu tokens and %llu", what, (unsigned long long)a->tokens, (unsigned long long)b->tokens);
    /* The model computes a header once in either way, and every text's rows once. */
    cr_assert_eq(a->rows, b->rows, "%s: %llu rows and %llu", what, (unsigned long long)a->rows,
                 (unsigned long long)b->rows);
    cr_assert_float_eq(a->flops, b->flops, 1e-9 * a->flops); /* float64 sums of units, then of these */
}

/* wn_scorer_run, then lines of 1, 2 and 3 readers with units and batches of these sizes. */
static void check_lines(const char *path, const struct wn_corpus *corpus, const struct recipe *recipe,
                        const uint64_t *units, size_t n_units)
{
    struct wn_error err = {0};
    struct wn_tokenizer *tokenizer = NULL;
    WN_TEST_OK(wn_tokenizer_open(path, &tokenizer, &err));
    static const int32_t heights[] = {64, 2048};
    struct scored base = score_corpus(path, corpus, recipe);
    for (size_t h = 0; h < sizeof heights / sizeof *heights; h++) {
        struct recipe other = *recipe;
        other.batch_rows = heights[h];
        struct wn_model *model = open_model(path, &other);
        for (size_t u = 0; u < n_units; u++) {
            for (other.readers = 1; other.readers <= 3; other.readers++) {
                char what[128];
                other.unit = units[u];
                snprintf(what, sizeof what, "%s, %d readers, units of %llu, batches of %d", recipe->profile,
                         (int)other.readers, (unsigned long long)units[u], (int)heights[h]);
                struct scored scored = score_with(model, tokenizer, corpus, &other);
                check_equal(&base, &scored, what);
                check_tokens(&base, &scored, what);
                check_counts(&base.counts, &scored.counts, what);
                cr_assert_str_eq(base.why, scored.why);
                scored_free(&scored);
            }
        }
        wn_model_close(model);
    }
    scored_free(&base);
    wn_tokenizer_free(tokenizer);
}

Test(line, gives_the_bits_of_the_scorer_for_any_threads_units_and_batches)
{
    WN_TEST_SHARED("data/alpaca_gpt2_ifd_5200.json", data);
    WN_TEST_SHARED("models/stories260k", model);
    static const uint64_t units[] = {1, 7, 64, 1000};
    const char *const paths[] = {data};
    struct wn_corpus *corpus = open_corpus(paths, 1);
    const struct recipe cherry = {.profile = "cherry-alpaca",
                                  .device = "null",
                                  .batch_rows = 512,
                                  .first = 100,
                                  .n = WN_TEST_SANITIZED ? 150 : 600};
    check_lines(model, corpus, &cherry, units, 4);
    struct recipe reverse = {
        .profile = "reflection", .device = "null", .batch_rows = 512, .n = 150, .keep_tokens = true};
    check_lines(model, corpus, &reverse, units + 1, 2);
    reverse.separate = true;
    reverse.n = 20;
    check_lines(model, corpus, &reverse, units + 1, 1);
    wn_corpus_free(corpus);
}

Test(line, keeps_the_order_of_records_with_several_turns_and_of_bad_ones)
{
    WN_TEST_SHARED("models/stories260k", model);
    static const uint64_t units[] = {1, 7, 64, 1000};
    char folder[64];
    make_folder(folder, sizeof folder);
    struct wn_corpus *corpus = make_corpus(folder, 200);
    const struct recipe recipe = {
        .profile = "superfiltering", .device = "null", .batch_rows = 256, .keep_tokens = true};
    check_lines(model, corpus, &recipe, units, 4);
    wn_corpus_free(corpus);
    remove_folder(folder);
}

Test(line, gives_the_bits_of_the_scorer_with_a_real_model)
{
    WN_TEST_SHARED("data/samples_short.json", data);
    WN_TEST_SHARED("models/tiny-llama", llama);
    WN_TEST_SHARED("models/tiny-gpt2", gpt2);
    static const uint64_t units[] = {7};
    const char *const paths[] = {data};
    struct wn_corpus *corpus = open_corpus(paths, 1);
    const struct recipe recipe = {.profile = "reflection",
                                  .max_length = 256,
                                  .threads = 2,
                                  .batch_rows = 256,
                                  .keep_tokens = true,
                                  .n = WN_TEST_SANITIZED ? 20 : 0};
    check_lines(llama, corpus, &recipe, units, 1);
    struct recipe other = recipe;
    other.profile = "cherry-alpaca";
    check_lines(gpt2, corpus, &other, units, 1);
    wn_corpus_free(corpus);
}

Test(line, fills_its_batches_where_more_input_comes)
{
    WN_TEST_SHARED("data/alpaca_gpt2_ifd_5200.json", data);
    WN_TEST_SHARED("models/stories260k", model);
    const char *const paths[] = {data};
    struct wn_corpus *corpus = open_corpus(paths, 1);
    const struct recipe recipe = {.profile = "cherry-alpaca",
                                  .device = "null",
                                  .batch_rows = 1024,
                                  .n = 2000,
                                  .unit = 50,
                                  .readers = 2};
    struct scored scored = score_corpus(model, corpus, &recipe);
    const double full = (double)scored.counts.rows / (1024.0 * (double)scored.counts.batches);
    printf("line: %llu rows in %llu batches (%.2f %% full)\n", (unsigned long long)scored.counts.rows,
           (unsigned long long)scored.counts.batches, 100 * full);
    cr_assert_gt(full,
                 0.9); /* units of 50 records mix in batches; some are cut short while the giver sleeps */
    scored_free(&scored);
    wn_corpus_free(corpus);
}

/* Ends. */

/* A line of its own over a corpus, with a sink that may fail. */
struct trial {
    struct wn_arena *arena;
    struct wn_profile profile;
    struct wn_score_options score;
    struct wn_line *line;
    struct wn_crew *crew;
    uint64_t fails_at; /* records */
    uint64_t unit_fails_at;
    atomic_uint_least64_t records, units;
};

static wn_code trial_put(void *context, const struct wn_record_rows *rows, struct wn_error *err)
{
    struct trial *trial = context;
    WN_CHECK(rows->place.index != trial->fails_at, err, WN_IO, "the sink fails at record %llu",
             (unsigned long long)rows->place.index);
    atomic_fetch_add(&trial->records, 1);
    return WN_OK;
}

static wn_code trial_unit_end(void *context, const struct wn_unit *unit, const struct wn_score_counts *counts,
                              struct wn_error *err)
{
    struct trial *trial = context;
    cr_assert_eq(counts->records, unit->count);
    WN_CHECK(unit->first != trial->unit_fails_at, err, WN_VALIDATION, "the end of the unit at %llu fails",
             (unsigned long long)unit->first);
    atomic_fetch_add(&trial->units, 1);
    return WN_OK;
}

static void trial_stop(void *line)
{
    wn_line_cancel(line);
}

static void trial_begin(struct trial *trial, struct wn_model *model, const struct wn_tokenizer *tokenizer,
                        const struct wn_corpus *corpus, int32_t readers, int32_t units)
{
    struct wn_error err = {0};
    const struct recipe recipe = {.profile = "cherry-alpaca"};
    WN_TEST_OK(wn_arena_new(&trial->arena, &err));
    trial->score = options_of(&recipe, trial->arena, &trial->profile);
    const struct wn_line_options options = {.score = &trial->score,
                                            .readers = readers,
                                            .units = units,
                                            .sink = {trial, trial_put},
                                            .unit_end = trial_unit_end};
    WN_TEST_OK(wn_line_new(&options, corpus, tokenizer, model, &trial->line, &err));
    WN_TEST_OK(wn_crew_new(trial_stop, trial->line, &trial->crew, &err));
    WN_TEST_OK(wn_line_start(trial->line, trial->crew, &err));
}

static wn_code trial_end(struct trial *trial, struct wn_error *err)
{
    bool is_left = false;
    const wn_code code = wn_crew_end(&trial->crew, 60, &is_left, err);
    cr_assert(!is_left, "a stage does not end");
    wn_line_free(trial->line);
    wn_arena_free(trial->arena);
    return code;
}

/* Until the crew reports something, or the line is done. */
static wn_code trial_wait(struct trial *trial, struct wn_error *err)
{
    wn_code code = WN_OK;
    while (code == WN_OK && !wn_line_is_done(trial->line)) {
        usleep(100);
        code = wn_crew_check(trial->crew, 60, err);
    }
    return code;
}

struct parts {
    struct wn_corpus *corpus;
    struct wn_tokenizer *tokenizer;
    struct wn_model *model;
};

static struct parts parts_open(const char *data, const char *path, int32_t batch_rows, const char *device)
{
    struct wn_error err = {0};
    const char *const paths[] = {data};
    const struct recipe recipe = {.device = device, .batch_rows = batch_rows};
    struct parts parts = {.corpus = open_corpus(paths, 1), .model = open_model(path, &recipe)};
    WN_TEST_OK(wn_tokenizer_open(path, &parts.tokenizer, &err));
    return parts;
}

static void parts_close(struct parts *parts)
{
    wn_model_close(parts->model);
    wn_tokenizer_free(parts->tokenizer);
    wn_corpus_free(parts->corpus);
}

/* The model is as good as new for whoever comes next. */
static void check_reusable(const struct parts *parts, const struct scored *expected,
                           const struct recipe *recipe)
{
    struct scored again = score_with(parts->model, parts->tokenizer, parts->corpus, recipe);
    check_equal(expected, &again, "after a line that did not finish");
    scored_free(&again);
}

Test(line, ends_with_the_code_of_a_sink_that_fails)
{
    WN_TEST_SHARED("data/alpaca_gpt2_ifd_5200.json", data);
    WN_TEST_SHARED("models/stories260k", model);
    static const struct {
        uint64_t record, unit;
        wn_code code;
        const char *text;
        uint64_t records, units; /* before */
    } cases[] = {
        {0, UINT64_MAX, WN_IO, "reduction: the sink fails at record 0", 0, 0},
        {137, UINT64_MAX, WN_IO, "reduction: the sink fails at record 137", 137, 1},
        {399, UINT64_MAX, WN_IO, "reduction: the sink fails at record 399", 399, 3},
        {UINT64_MAX, 200, WN_VALIDATION, "reduction: the end of the unit at 200 fails", 300, 2},
    };
    struct parts parts = parts_open(data, model, 256, "null");
    const struct recipe recipe = {.profile = "cherry-alpaca", .n = 50};
    struct scored expected = score_with(parts.model, parts.tokenizer, parts.corpus, &recipe);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wn_error err = {0};
        struct trial trial = {.fails_at = cases[i].record, .unit_fails_at = cases[i].unit};
        trial_begin(&trial, parts.model, parts.tokenizer, parts.corpus, 2, 4);
        for (uint64_t u = 0; u < 4; u++) {
            const struct wn_unit unit = {0, u * 100, 100};
            (void)wn_line_give(trial.line, &unit); /* the line may have failed already */
        }
        wn_line_close(trial.line);
        cr_assert_eq(trial_wait(&trial, &err), cases[i].code);
        cr_assert_str_eq(err.text, cases[i].text);
        cr_assert_eq(trial_end(&trial, &err), cases[i].code);
        cr_assert_eq(atomic_load(&trial.records), cases[i].records);
        cr_assert_eq(atomic_load(&trial.units), cases[i].units);
        check_reusable(&parts, &expected, &recipe);
    }
    scored_free(&expected);
    parts_close(&parts);
}

Test(line, ends_with_a_defect_for_a_unit_beyond_the_corpus)
{
    WN_TEST_SHARED("data/samples_short.json", data);
    WN_TEST_SHARED("models/stories260k", model);
    struct wn_error err = {0};
    struct parts parts = parts_open(data, model, 256, "null");
    struct trial trial = {.fails_at = UINT64_MAX, .unit_fails_at = UINT64_MAX};
    trial_begin(&trial, parts.model, parts.tokenizer, parts.corpus, 1, 1);
    const struct wn_unit unit = {0, 80, 1000};
    cr_assert(wn_line_give(trial.line, &unit));
    cr_assert_eq(trial_wait(&trial, &err), WN_DEFECT);
    cr_assert_not_null(strstr(err.text, "reading: the unit of 1000 records from 80 on lies outside"), "%s",
                       err.text);
    cr_assert_eq(trial_end(&trial, &err), WN_DEFECT);
    parts_close(&parts);
}

Test(line, leaves_at_once_whenever_it_is_cancelled)
{
    WN_TEST_SHARED("data/alpaca_gpt2_ifd_5200.json", data);
    WN_TEST_SHARED("models/stories260k", model);
    struct parts parts =
        parts_open(data, model, 128, "null"); /* long texts are cut, and kept between batches */
    const struct recipe recipe = {.profile = "cherry-alpaca", .n = 50};
    struct scored expected = score_with(parts.model, parts.tokenizer, parts.corpus, &recipe);
    uint32_t seed = 1;
    for (int i = 0; i < (WN_TEST_SANITIZED ? 15 : 60); i++) {
        struct wn_error err = {0};
        struct trial trial = {.fails_at = UINT64_MAX, .unit_fails_at = UINT64_MAX};
        trial_begin(&trial, parts.model, parts.tokenizer, parts.corpus, 1 + i % 3, 60);
        for (uint64_t u = 0; u < 52; u++) {
            const struct wn_unit unit = {0, u * 100, 100};
            cr_assert(wn_line_give(trial.line, &unit));
        }
        seed = seed * 1664525U + 1013904223U;
        usleep((seed >> 8) % 40000);
        if (i % 2 == 0) {
            wn_line_cancel(trial.line);
            struct wn_unit unit = {0, 0, 1};
            cr_assert(!wn_line_give(trial.line, &unit), "a cancelled line takes no unit");
        }
        struct wn_line *const line = trial.line;
        bool is_left = false;
        WN_TEST_OK(wn_crew_end(&trial.crew, 60, &is_left, &err)); /* cancels it too */
        cr_assert(!is_left);
        cr_assert(!wn_line_is_done(line) || atomic_load(&trial.units) == 52, "done after %d units",
                  (int)atomic_load(&trial.units));
        WN_TEST_OK(trial_end(&trial, &err));
        check_reusable(&parts, &expected, &recipe);
    }
    scored_free(&expected);
    parts_close(&parts);
}

Test(line, takes_units_as_they_come_and_never_waits_for_one)
{
    WN_TEST_SHARED("data/samples_short.json", data);
    WN_TEST_SHARED("models/stories260k", model);
    struct wn_error err = {0};
    struct parts parts = parts_open(data, model, 2048, "null");
    struct trial trial = {.fails_at = UINT64_MAX, .unit_fails_at = UINT64_MAX};
    trial_begin(&trial, parts.model, parts.tokenizer, parts.corpus, 2, 1);
    /* Each unit fills a small part of a batch, and ends before the next is given; one is empty. */
    static const struct wn_unit units[] = {{0, 0, 1}, {0, 1, 0}, {0, 1, 3}, {0, 4, 30}};
    for (uint64_t u = 0; u < 4; u++) {
        cr_assert(wn_line_give(trial.line, &units[u]));
        for (int i = 0; i < 100000 && atomic_load(&trial.units) <= u; i++) {
            usleep(100);
        }
        cr_assert_eq(atomic_load(&trial.units), u + 1, "unit %d does not end", (int)u);
    }
    cr_assert(!wn_line_is_done(trial.line));
    wn_line_close(trial.line);
    cr_assert(!wn_line_give(trial.line, &units[0]), "a closed line takes no unit");
    WN_TEST_OK(trial_wait(&trial, &err));
    cr_assert_eq(wn_line_records(trial.line), 34);
    WN_TEST_OK(trial_end(&trial, &err));
    parts_close(&parts);
}

Test(line, refuses_what_the_scorer_refuses)
{
    WN_TEST_SHARED("data/samples_short.json", data);
    WN_TEST_SHARED("models/stories260k", model);
    struct wn_error err = {0};
    struct parts parts = parts_open(data, model, 256, "null");
    struct wn_arena *arena = NULL;
    struct wn_profile profile;
    struct wn_line *line = NULL;
    WN_TEST_OK(wn_arena_new(&arena, &err));
    const struct recipe recipe = {.profile = "cherry-alpaca", .max_length = 100000};
    const struct wn_score_options score = options_of(&recipe, arena, &profile);
    const struct wn_line_options options = {.score = &score, .units = 1, .sink = {NULL, keep_rows}};
    cr_assert_eq(wn_line_new(&options, parts.corpus, parts.tokenizer, parts.model, &line, &err), WN_USAGE);
    wn_arena_free(arena);
    parts_close(&parts);
}

static void count_move(void *context)
{
    ++*(int *)context;
}

Test(line, a_watched_model_moves_with_every_layer)
{
    WN_TEST_SHARED("data/samples_short.json", data);
    WN_TEST_SHARED("models/stories260k", model);
    struct parts parts = parts_open(data, model, 256, "cpu");
    const struct recipe recipe = {.profile = "superfiltering", .n = 20};
    int moves = 0;
    wn_model_watch(parts.model, count_move, &moves);
    struct scored scored = score_with(parts.model, parts.tokenizer, parts.corpus, &recipe);
    const int per_batch = wn_model_info(parts.model)->L + 1;
    cr_assert_geq(moves, (int)scored.counts.batches * per_batch);
    wn_model_watch(parts.model, NULL, NULL);
    const int before = moves;
    struct scored again = score_with(parts.model, parts.tokenizer, parts.corpus, &recipe);
    cr_assert_eq(moves, before);
    scored_free(&again);
    scored_free(&scored);
    parts_close(&parts);
}
