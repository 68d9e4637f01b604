/* The stages of the line: reading, packing, the model, reduction.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A stage returns WN_OK when the line ends or is cancelled; an error of its own is what the crew keeps.
 */
#include "score/line.h"

static bool is_cancelled(const struct wn_line *line)
{
    return atomic_load_explicit(&line->is_cancelled, memory_order_relaxed);
}

/* Reading. */

static wn_code group_read(struct wn_stage *stage, struct wn_line_reader *reader, struct wn_group *group,
                          struct wn_error *err)
{
    const struct wn_unit *unit = &group->unit;
    const uint64_t known = wn_corpus_known(reader->line->corpus);
    WN_CHECK(unit->first <= known && unit->count <= known - unit->first, err, WN_DEFECT,
             "the unit of %llu records from %llu on lies outside the %llu that are known",
             (unsigned long long)unit->count, (unsigned long long)unit->first, (unsigned long long)known);
    for (uint32_t i = 0; i < group->count && !is_cancelled(reader->line); i++) {
        struct wn_record_plan **plan = &group->plans[i];
        WN_TRY(wn_taker_take(&reader->taker, group->first + i, group->items, group->arena, plan, err));
        (*plan)->owner = group;
        wn_stage_beat(stage);
    }
    return WN_OK;
}

wn_code wn_line_read(struct wn_stage *stage, void *context, struct wn_error *err)
{
    struct wn_line_reader *reader = context;
    struct wn_line *line = reader->line;
    for (;;) {
        struct wn_group *group = NULL;
        WN_TRY(wn_front_begin(line->front, stage, &group, err));
        if (group == NULL) {
            return WN_OK;
        }
        WN_TRY(group_read(stage, reader, group, err));
        if (is_cancelled(line)) { /* the group may be half read */
            return WN_OK;
        }
        wn_front_deliver(line->front, group);
    }
}

/* Packing. */

/* One batch more for the model; *out_made is false where nothing waits, or the line was cancelled. */
static wn_code load_make(struct wn_stage *stage, struct wn_line *line, bool *out_made, struct wn_error *err)
{
    *out_made = false;
    if (wn_feed_waiting(line->feed) == 0) {
        return WN_OK;
    }
    void *item = NULL;
    if (wn_queue_take(line->idle, &item, 0) != WN_QUEUE_OK) {
        wn_stage_wait(stage);
        const enum wn_queue_answer answer = wn_queue_take(line->idle, &item, -1);
        wn_stage_work(stage);
        if (answer != WN_QUEUE_OK) {
            return WN_OK;
        }
    }
    struct wn_load *load = item;
    WN_TRY(wn_feed_next(line->feed, true, load, out_made, err));
    WN_CHECK(*out_made, err, WN_DEFECT, "packing: %lld rows wait, and no batch can be made of them",
             (long long)wn_feed_waiting(line->feed));
    wn_front_sent(line->front);
    /* There is a place for every load; where the queue is closed, the line was cancelled. */
    *out_made = wn_queue_put(line->ready, load, 1, 0) == WN_QUEUE_OK;
    wn_stage_beat(stage);
    return WN_OK;
}

static wn_code loads_make_all(struct wn_stage *stage, struct wn_line *line, struct wn_error *err)
{
    for (bool made = true; made;) {
        WN_TRY(load_make(stage, line, &made, err));
    }
    return WN_OK;
}

/* Find room on the shelf: what is in the way is handed out, and then waited for. *out_placed is false where the line was
 * cancelled. */
static wn_code plan_place(struct wn_stage *stage, struct wn_line *line, struct wn_record_plan *plan,
                          uint64_t *out_base, bool *out_placed, struct wn_error *err)
{
    WN_TRY(wn_shelf_place(line->shelf, plan, out_base, out_placed, err));
    while (!*out_placed) {
        bool made = false;
        WN_TRY(load_make(stage, line, &made, err));
        if (!made && !wn_shelf_wait_room(line->shelf, stage, plan)) {
            return WN_OK;
        }
        WN_TRY(wn_shelf_place(line->shelf, plan, out_base, out_placed, err));
    }
    return WN_OK;
}

static wn_code plan_pack(struct wn_stage *stage, struct wn_line *line, struct wn_record_plan *plan,
                         struct wn_error *err)
{
    uint64_t base = 0;
    bool is_placed = false;
    WN_TRY(plan_place(stage, line, plan, &base, &is_placed, err));
    for (int32_t i = 0; is_placed && i < plan->n_items; i++) {
        WN_TRY(wn_feed_add(line->feed, &plan->items[i], base, err));
        if (line->separate) {
            WN_TRY(loads_make_all(stage, line, err));
        }
    }
    for (bool made = true; made && !wn_feed_is_hungry(line->feed);) {
        WN_TRY(load_make(stage, line, &made, err));
    }
    wn_stage_beat(stage);
    return WN_OK;
}

static wn_code group_pack(struct wn_stage *stage, struct wn_line *line, struct wn_group *group,
                          struct wn_error *err)
{
    for (uint32_t i = 0; i < group->count; i++) {
        if (is_cancelled(
                line)) { /* without its end, no unit of which records are missing is ever called done */
            return WN_OK;
        }
        WN_TRY(plan_pack(stage, line, group->plans[i], err));
    }
    wn_front_packed(line->front, group);
    uint64_t base = 0;
    bool is_placed = false;
    return plan_place(stage, line, &group->end, &base, &is_placed, err); /* from here on it is reduction's */
}

wn_code wn_line_pack(struct wn_stage *stage, void *context, struct wn_error *err)
{
    struct wn_line *line = context;
    struct wn_group *group = NULL;
    enum wn_front_answer answer = WN_FRONT_END;
    do {
        answer = wn_front_take(line->front, stage, wn_feed_waiting(line->feed), &group);
        if (answer == WN_FRONT_GROUP) {
            WN_TRY(group_pack(stage, line, group, err));
        } else if (answer == WN_FRONT_MAKE) {
            bool made = false;
            WN_TRY(load_make(stage, line, &made, err));
        }
    } while (answer != WN_FRONT_END);
    if (!is_cancelled(line)) { /* a cancelled line is never done, even where nothing is pending */
        wn_shelf_end(line->shelf);
        wn_queue_close(line->ready);
    }
    return WN_OK;
}

/* The model. */

static void model_moved(void *context)
{
    struct wn_line *line = context;
    atomic_fetch_add_explicit(&line->moves, 1, memory_order_relaxed);
    wn_stage_beat(line->model_stage);
}

static wn_code loads_run(struct wn_stage *stage, struct wn_line *line, struct wn_error *err)
{
    for (;;) {
        void *item = NULL;
        wn_stage_wait(stage);
        const enum wn_queue_answer answer = wn_queue_take(line->ready, &item, -1);
        wn_stage_work(stage);
        if (answer != WN_QUEUE_OK || is_cancelled(line)) {
            return WN_OK;
        }
        struct wn_load *load = item;
        WN_TRY(wn_runner_run(&line->runner, load, err));
        wn_shelf_land(line->shelf, load, &line->runner.counts);
        (void)wn_queue_put(line->idle, load, 1, 0); /* there is a place for every load */
        wn_front_ran(line->front);
    }
}

wn_code wn_line_model(struct wn_stage *stage, void *context, struct wn_error *err)
{
    struct wn_line *line = context;
    line->model_stage = stage;
    wn_model_watch(line->runner.model, model_moved, line);
    const wn_code code = loads_run(stage, line, err);
    wn_model_watch(line->runner.model, NULL, NULL);
    return code;
}

/* Reduction. */

/* The unit is done: `counts` are of it alone, but for what the model did, which is all since the last one's end. */
static wn_code unit_finish(struct wn_line *line, const struct wn_unit *unit, struct wn_score_counts *counts,
                           struct wn_run_counts *told, struct wn_error *err)
{
    const struct wn_run_counts now = wn_shelf_counts(line->shelf);
    counts->batches = now.batches - told->batches;
    counts->rows = now.rows - told->rows;
    counts->seconds_model = now.seconds_model - told->seconds_model;
    *told = now;
    const struct wn_score_counts of_unit = *counts;
    *counts = (struct wn_score_counts){0};
    return line->unit_end == NULL ? WN_OK : line->unit_end(line->sink.context, unit, &of_unit, err);
}

/* All plans of the group were handed on. */
static wn_code group_finish(struct wn_line *line, struct wn_group *group, struct wn_score_counts *counts,
                            struct wn_run_counts *told, struct wn_error *err)
{
    const struct wn_unit unit = group->unit;
    const bool ends_unit = group->ends_unit;
    wn_front_recycle(line->front, group); /* from here on it is reading's */
    return ends_unit ? unit_finish(line, &unit, counts, told, err) : WN_OK;
}

wn_code wn_line_reduce(struct wn_stage *stage, void *context, struct wn_error *err)
{
    struct wn_line *line = context;
    struct wn_score_counts counts = {0};
    struct wn_run_counts told = {0};
    struct wn_record_plan *plan = NULL;
    const struct wn_value *values = NULL;
    enum wn_shelf_answer answer = wn_shelf_wait_plan(line->shelf, stage, &plan, &values);
    while (answer == WN_SHELF_PLAN) {
        if (wn_plan_is_end(plan)) {
            wn_shelf_leave(line->shelf);
            WN_TRY(group_finish(line, plan->owner, &counts, &told, err));
        } else {
            line->recipe.method->reduce(plan, values);
            wn_shelf_leave(line->shelf);
            WN_TRY(wn_plan_hand_on(plan, &line->sink, &counts, err));
            atomic_fetch_add_explicit(&line->records, 1, memory_order_relaxed);
        }
        wn_stage_beat(stage);
        answer = wn_shelf_wait_plan(line->shelf, stage, &plan, &values);
    }
    atomic_store(&line->is_done, answer == WN_SHELF_END);
    return WN_OK;
}
