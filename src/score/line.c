/* The face of the line: its parts made, started, stopped and freed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "score/line.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Threads that read, where it was not said how many. One keeps a model on few cores busy, and takes no core from it that
 * it needs; a device that computes by itself, and many cores, want more. */
static size_t readers_choose(int32_t asked, const char *backend)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t cores = n > 0 ? (size_t)n : 1;
    const size_t most = strcmp(backend, "null") == 0 ? 2 : 4;
    const size_t chosen = cores / 4 < most ? cores / 4 : most;
    const size_t wanted = asked > 0 ? (size_t)asked : chosen;
    return wanted < 1 ? 1 : wanted < LINE_MOST_READERS ? wanted : LINE_MOST_READERS;
}

static wn_code readers_make(struct wn_line *line, size_t n, struct wn_error *err)
{
    line->readers = calloc(n, sizeof *line->readers);
    WN_CHECK(line->readers != NULL, err, WN_DEVICE, "out of memory for %zu readers", n);
    line->n_readers = n;
    for (size_t i = 0; i < n; i++) {
        line->readers[i].line = line;
        WN_TRY(wn_taker_open(&line->readers[i].taker, &line->recipe, line->corpus, err));
    }
    return WN_OK;
}

static wn_code loads_make(struct wn_line *line, struct wn_error *err)
{
    WN_TRY(wn_queue_new(LINE_LOADS, &line->idle, err));
    WN_TRY(wn_queue_new(LINE_LOADS, &line->ready, err));
    for (size_t i = 0; i < LINE_LOADS; i++) {
        (void)wn_queue_put(line->idle, &line->loads[i], 1, 0); /* there is a place for every load */
    }
    return WN_OK;
}

static wn_code line_fill(struct wn_line *line, const struct wn_line_options *options,
                         const struct wn_tokenizer *tokenizer, struct wn_model *model, struct wn_error *err)
{
    const struct wn_model_info *info = wn_model_info(model);
    const struct wn_text_rules *rules = &line->recipe.rules;
    const size_t n_readers = readers_choose(options->readers, info->numeric.backend);
    /* Groups enough for the texts of the batches underway, however short: then batches are full. */
    const struct wn_front_limits limits = {.units = options->units > 0 ? (size_t)options->units : 1,
                                           .groups = 64 + 2 * n_readers + (size_t)info->batch_rows / 8,
                                           .ahead = 2 * n_readers + 2,
                                           .bytes = (size_t)24 << 20,
                                           .full_rows = info->batch_rows};
    WN_TRY(wn_recipe_open(&line->recipe, options->score, tokenizer, model, err));
    WN_TRY(readers_make(line, n_readers, err));
    WN_TRY(wn_front_new(&limits, &line->front, err));
    WN_TRY(wn_shelf_new(info->batch_rows, &line->shelf, err));
    WN_TRY(wn_feed_new(info, rules->headers, rules->n_headers, wn_text_rules_path(rules), &line->feed, err));
    WN_TRY(loads_make(line, err));
    return wn_runner_open(&line->runner, model, err);
}

wn_code wn_line_new(const struct wn_line_options *options, const struct wn_corpus *corpus,
                    const struct wn_tokenizer *tokenizer, struct wn_model *model, struct wn_line **out_line,
                    struct wn_error *err)
{
    struct wn_line *line = calloc(1, sizeof *line);
    WN_CHECK(line != NULL, err, WN_DEVICE, "out of memory for the stages");
    line->corpus = corpus;
    line->sink = options->sink;
    line->unit_end = options->unit_end;
    line->separate = options->score->separate;
    atomic_init(&line->records, 0);
    atomic_init(&line->moves, 0);
    atomic_init(&line->is_cancelled, false);
    atomic_init(&line->is_done, false);
    const wn_code code = line_fill(line, options, tokenizer, model, err);
    if (code != WN_OK) {
        wn_line_free(line);
        return code;
    }
    *out_line = line;
    return WN_OK;
}

wn_code wn_line_start(struct wn_line *line, struct wn_crew *crew, struct wn_error *err)
{
    for (size_t i = 0; i < line->n_readers; i++) {
        WN_TRY(wn_crew_start(crew, "reading", WN_IO, wn_line_read, &line->readers[i], err));
    }
    WN_TRY(wn_crew_start(crew, "packing", WN_DEFECT, wn_line_pack, line, err));
    WN_TRY(wn_crew_start(crew, "model", WN_DEVICE, wn_line_model, line, err));
    return wn_crew_start(crew, "reduction", WN_IO, wn_line_reduce, line, err);
}

bool wn_line_give(struct wn_line *line, const struct wn_unit *unit)
{
    return wn_front_give(line->front, unit);
}

void wn_line_close(struct wn_line *line)
{
    wn_front_close(line->front);
}

void wn_line_cancel(struct wn_line *line)
{
    atomic_store(&line->is_cancelled, true);
    wn_front_cancel(line->front);
    wn_shelf_cancel(line->shelf);
    wn_queue_close(line->idle);
    wn_queue_close(line->ready);
}

bool wn_line_is_done(const struct wn_line *line)
{
    return atomic_load(&line->is_done);
}

uint64_t wn_line_records(const struct wn_line *line)
{
    return atomic_load_explicit(&line->records, memory_order_relaxed);
}

uint64_t wn_line_moves(const struct wn_line *line)
{
    return atomic_load_explicit(&line->moves, memory_order_relaxed);
}

int32_t wn_line_max_length(const struct wn_line *line)
{
    return line->recipe.rules.max_length;
}

void wn_line_free(struct wn_line *line)
{
    if (line == NULL) {
        return;
    }
    wn_runner_close(&line->runner);
    wn_queue_free(line->ready);
    wn_queue_free(line->idle);
    for (size_t i = 0; i < LINE_LOADS; i++) {
        wn_load_clear(&line->loads[i]);
    }
    wn_feed_free(line->feed);
    wn_shelf_free(line->shelf);
    wn_front_free(line->front);
    for (size_t i = 0; i < line->n_readers; i++) {
        wn_taker_close(&line->readers[i].taker);
    }
    free(line->readers);
    wn_recipe_close(&line->recipe);
    free(line);
}
