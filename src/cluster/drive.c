/* The loop of the main thread: messages to events, events to actions.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Nothing here waits for a disk or a model: the scribe and the workers have threads of their own.
 */
#include "cluster/drive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double poll_seconds = 0.05;
static const double report_every = 0.1; /* who shows it decides what is drawn */
static const double shares_every = 2.0;

/* Results that are accepted and wait for room at the scribe's. */
struct waiting {
    struct wn_result **items;
    size_t n, capacity;
};

struct loop {
    struct wn_drive *drive;
    struct waiting waiting;
    struct wn_wire_message message; /* the one being handled; its result until somebody takes it */
    double begun, ticked, reported, shared;
    uint64_t known, begin_done;
    bool is_whole, is_stopping, is_held, is_over;
    wn_code code; /* where is_over */
    struct wn_stage_share before[WN_JOB_STAGES];
    size_t n_before;
};

static wn_code event_give(struct loop *loop, struct wn_event event, struct wn_error *err)
{
    event.now = wn_clock();
    return wn_coordinator_event(loop->drive->coordinator, &event, err);
}

/* ---- what comes by itself: time, signals, the index, failures ---- */

static wn_code known_tell(struct loop *loop, struct wn_error *err)
{
    const struct wn_drive *drive = loop->drive;
    /* Whole is read first: what is known may only have grown since. */
    const bool is_whole = wn_corpus_is_whole(drive->corpus);
    const uint64_t known = wn_corpus_known(drive->corpus);
    if (loop->is_whole || (known == loop->known && !is_whole)) {
        return WN_OK;
    }
    loop->known = known;
    loop->is_whole = is_whole;
    if (is_whole) {
        WN_CHECK(drive->job->first < known, err, WN_USAGE,
                 "--range %llu:...: the corpus has only %llu records, counted from 0",
                 (unsigned long long)drive->job->first, (unsigned long long)known);
        wn_scribe_tell(drive->scribe, true, "indexed", "\"records\": %llu, \"is_all\": true",
                       (unsigned long long)known);
    }
    return event_give(loop, (struct wn_event){.kind = WN_EVENT_KNOWN, .records = known, .is_all = is_whole},
                      err);
}

static wn_code time_tell(struct loop *loop, struct wn_error *err)
{
    struct wn_drive *drive = loop->drive;
    WN_TRY(wn_crew_check(drive->stages, drive->hang, err));
    WN_TRY(wn_crew_check(drive->writers, drive->hang, err));
    if (!loop->is_stopping && wn_stop_asked(drive->stop) != 0) {
        loop->is_stopping = true;
        wn_scribe_tell(drive->scribe, true, "stop", "\"by\": \"%s\"",
                       wn_stop_asked(drive->stop) == WN_STOP_TIME ? "time limit" : "signal");
        WN_TRY(event_give(loop, (struct wn_event){.kind = WN_EVENT_STOP}, err));
    }
    WN_TRY(known_tell(loop, err));
    const double now = wn_clock();
    if (now - loop->ticked >= poll_seconds) {
        loop->ticked = now;
        return event_give(loop, (struct wn_event){.kind = WN_EVENT_TICK}, err);
    }
    return WN_OK;
}

/* ---- results ---- */

static wn_code waiting_add(struct waiting *waiting, struct wn_result *result, struct wn_error *err)
{
    if (waiting->n == waiting->capacity) {
        const size_t capacity = waiting->capacity > 0 ? 2 * waiting->capacity : 8;
        struct wn_result **items = realloc(waiting->items, capacity * sizeof(struct wn_result *));
        WN_CHECK(items != NULL, err, WN_DEVICE, "out of memory for %zu results", capacity);
        waiting->items = items;
        waiting->capacity = capacity;
    }
    waiting->items[waiting->n++] = result;
    return WN_OK;
}

/* Give the scribe what it has room for. While something waits nothing is handed out. */
static wn_code waiting_move(struct loop *loop, struct wn_error *err)
{
    struct waiting *waiting = &loop->waiting;
    size_t moved = 0;
    while (moved < waiting->n && wn_scribe_take(loop->drive->scribe, waiting->items[moved])) {
        moved++;
    }
    if (moved > 0) {
        waiting->n -= moved;
        memmove(waiting->items, waiting->items + moved, waiting->n * sizeof(struct wn_result *));
    }
    const bool must_hold = waiting->n > 0;
    if (must_hold == loop->is_held) {
        return WN_OK;
    }
    loop->is_held = must_hold;
    return event_give(loop, (struct wn_event){.kind = must_hold ? WN_EVENT_HOLD : WN_EVENT_RESUME}, err);
}

/* `take_result` is counted, judged and journaled; used up. */
static wn_code result_accept(struct loop *loop, struct wn_result *take_result, struct wn_error *err)
{
    wn_code code = wn_intake_take(loop->drive->intake, take_result, err);
    if (code == WN_OK) {
        code = waiting_add(&loop->waiting, take_result, err);
    }
    if (code != WN_OK) {
        wn_result_free(take_result);
        return code;
    }
    return waiting_move(loop, err);
}

/* Records that no worker could finish: they get the status error, so that the run can end and say so. */
static wn_code error_rows(const struct wn_corpus *corpus, const struct wn_unit *unit,
                          struct wn_result *result, struct wn_error *err)
{
    struct wn_corpus_reader *reader = NULL;
    const struct wn_side none = {.sum = (double)NAN};
    WN_TRY(wn_corpus_reader_new(corpus, &reader, err));
    wn_code code = WN_OK;
    for (uint64_t i = 0; i < unit->count; i++) {
        struct wn_place place;
        struct wn_span bytes;
        WN_TRY_OR(done, wn_corpus_read(reader, unit->first + i, &place, &bytes, err));
        const struct wn_row row = {.record = place.index,
                                   .n_parts = 1,
                                   .status = WN_STATUS_ERROR,
                                   .cond = none,
                                   .direct = none,
                                   .q_cond = none,
                                   .q_direct = none};
        const struct wn_store_record record = {.index = place.index,
                                               .id_hash = place.id_hash,
                                               .offset = place.offset,
                                               .length = place.length,
                                               .file = place.file,
                                               .fold = row,
                                               .turn_mean = (double)NAN,
                                               .rows = &row,
                                               .n_rows = 1};
        wn_rows_put(&result->rows, NULL, &record);
    }
    WN_CHECK(!result->rows.is_short, err, WN_DEVICE, "out of memory for the rows of a unit");
done:
    wn_corpus_reader_free(reader);
    return code;
}

static wn_code give_up(struct loop *loop, const struct wn_unit *unit, struct wn_error *err)
{
    struct wn_result *result = calloc(1, sizeof *result);
    WN_CHECK(result != NULL, err, WN_DEVICE, "out of memory for a result");
    result->head = (struct wn_unit_head){.pass = unit->pass,
                                         .rows_kind = WN_ROWS_KIND,
                                         .first = unit->first,
                                         .count = unit->count,
                                         .by_status[WN_STATUS_ERROR] = unit->count};
    const wn_code code = error_rows(loop->drive->corpus, unit, result, err);
    if (code != WN_OK) {
        wn_result_free(result);
        return code;
    }
    wn_intake_hush(loop->drive->intake);
    wn_log_warn(loop->drive->job->log,
                "record %llu was given up: three workers were lost over it; its status is error",
                (unsigned long long)unit->first);
    return result_accept(loop, result, err);
}

/* ---- actions ---- */

static wn_code unit_give(struct loop *loop, const struct wn_action *action, struct wn_error *err)
{
    const struct wn_drive *drive = loop->drive;
    if (drive->job->log != NULL && drive->job->log->level >= WN_LOG_DEBUG) {
        wn_scribe_tell(drive->scribe, false, "unit", "\"worker\": %u, \"first\": %llu, \"count\": %llu",
                       action->worker, (unsigned long long)action->unit.first,
                       (unsigned long long)action->unit.count);
    }
    if (drive->wire.give(drive->wire.context, action->worker, action->lease, &action->unit)) {
        return WN_OK;
    }
    return event_give(
        loop, (struct wn_event){.kind = WN_EVENT_FAILED, .worker = action->worker, .lease = action->lease},
        err);
}

static struct wn_result *result_pop(struct loop *loop)
{
    struct wn_result *result = loop->message.result;
    loop->message.result = NULL;
    return result;
}

static wn_code action_do(struct loop *loop, const struct wn_action *action, struct wn_error *err)
{
    const struct wn_drive *drive = loop->drive;
    const struct wn_log *log = drive->job->log;
    switch (action->kind) {
    case WN_ACTION_GIVE:
        return unit_give(loop, action, err);
    case WN_ACTION_ACCEPT:
        WN_CHECK(loop->message.result != NULL, err, WN_DEFECT, "a result was accepted that is not there");
        return result_accept(loop, result_pop(loop), err);
    case WN_ACTION_DROP:
        if (action->is_different) {
            wn_intake_hush(drive->intake);
            wn_log_warn(
                log,
                "worker %u gave other values for records %llu to %llu than the worker before it: one of "
                "the two machines computes wrongly",
                action->worker, (unsigned long long)action->unit.first,
                (unsigned long long)(action->unit.first + action->unit.count - 1));
        }
        wn_result_free(result_pop(loop));
        return WN_OK;
    case WN_ACTION_SUSPECT:
    case WN_ACTION_LOST:
        wn_scribe_tell(drive->scribe, false, action->kind == WN_ACTION_LOST ? "lost" : "suspect",
                       "\"worker\": %u", action->worker);
        return WN_OK;
    case WN_ACTION_GIVE_UP:
        return give_up(loop, &action->unit, err);
    case WN_ACTION_END:
        loop->is_over = true;
        loop->code = action->code;
        return WN_OK;
    }
    return WN_OK;
}

static wn_code message_take(struct loop *loop, struct wn_error *err)
{
    static const enum wn_event_kind kinds[] = {[WN_MESSAGE_READY] = WN_EVENT_READY,
                                               [WN_MESSAGE_BEAT] = WN_EVENT_BEAT,
                                               [WN_MESSAGE_RESULT] = WN_EVENT_RESULT,
                                               [WN_MESSAGE_FAILED] = WN_EVENT_FAILED,
                                               [WN_MESSAGE_LEFT] = WN_EVENT_LEFT};
    const struct wn_wire *wire = &loop->drive->wire;
    struct wn_wire_message *message = &loop->message;
    bool any = false;
    WN_TRY(wire->poll(wire->context, poll_seconds, message, &any, err));
    if (!any) {
        return WN_OK;
    }
    return event_give(loop,
                      (struct wn_event){.kind = kinds[message->kind],
                                        .worker = message->worker,
                                        .lease = message->lease,
                                        .records = message->records,
                                        .moves = message->moves,
                                        .seconds = message->seconds,
                                        .crc = message->result != NULL ? message->result->crc : 0},
                      err);
}

/* ---- reports ---- */

/* The part of its time since the last look that each kind of thread waited for others. */
static void shares_fill(struct loop *loop, struct wn_job_progress *progress)
{
    struct wn_stage_share now[WN_JOB_STAGES];
    size_t n = wn_crew_shares(loop->drive->stages, now, WN_JOB_STAGES);
    n += wn_crew_shares(loop->drive->writers, now + n, WN_JOB_STAGES - n);
    progress->n_stages = 0;
    for (size_t i = 0; i < n; i++) {
        const bool is_known = i < loop->n_before && loop->before[i].name == now[i].name;
        const double worked = now[i].work_seconds - (is_known ? loop->before[i].work_seconds : 0);
        const double waited = now[i].wait_seconds - (is_known ? loop->before[i].wait_seconds : 0);
        const double all = worked + waited;
        if (all > 0) { /* else its thread has ended: the index, after a while */
            progress->stages[progress->n_stages++] = (struct wn_job_stage){now[i].name, waited / all};
        }
    }
    memcpy(loop->before, now, sizeof now);
    loop->n_before = n;
}

static void report(struct loop *loop)
{
    const struct wn_drive *drive = loop->drive;
    struct wn_job_progress *progress = drive->intake->progress;
    const double now = wn_clock();
    if (drive->job->progress == NULL || now - loop->reported < report_every) {
        return;
    }
    const struct wn_coordinator_counts counts = wn_coordinator_counts(drive->coordinator);
    loop->reported = now;
    if (now - loop->shared >= shares_every) {
        loop->shared = now;
        shares_fill(loop, progress);
    }
    progress->stage = "scoring";
    progress->done = counts.done;
    progress->total = counts.total;
    progress->total_is_final = counts.is_all;
    progress->tokens = drive->intake->result->counts.tokens;
    progress->seconds = now - loop->begun;
    drive->job->progress(drive->job->progress_context, progress);
}

/* ---- the loop ---- */

static wn_code turn(struct loop *loop, struct wn_error *err)
{
    struct wn_action action;
    WN_TRY(time_tell(loop, err));
    WN_TRY(waiting_move(loop, err));
    WN_TRY(message_take(loop, err));
    while (!loop->is_over && wn_coordinator_next(loop->drive->coordinator, &action)) {
        WN_TRY(action_do(loop, &action, err));
    }
    /* A late answer that nobody asked about any more. */
    wn_result_free(result_pop(loop));
    report(loop);
    return WN_OK;
}

/* What is accepted must reach the journal also where the job ends. */
static wn_code waiting_finish(struct loop *loop, struct wn_error *err)
{
    const double begun = wn_clock();
    while (loop->waiting.n > 0) {
        WN_TRY(wn_crew_check(loop->drive->writers, loop->drive->hang, err));
        WN_CHECK(wn_clock() - begun < loop->drive->hang, err, WN_IO,
                 "the journal took nothing for %.0f s; the same command goes on", loop->drive->hang);
        const struct timespec pause = {0, 10000000};
        nanosleep(&pause, NULL);
        WN_TRY(waiting_move(loop, err));
    }
    return WN_OK;
}

static wn_code end_check(const struct loop *loop, struct wn_error *err)
{
    const struct wn_coordinator_counts counts = wn_coordinator_counts(loop->drive->coordinator);
    char what[96];
    WN_CHECK(loop->code != WN_RANK, err, WN_RANK, "no worker is left; the same command goes on");
    if (loop->code == WN_STOPPED) {
        snprintf(what, sizeof what, "scoring, after %llu of %s%llu records", (unsigned long long)counts.done,
                 counts.is_all ? "" : "at least ", (unsigned long long)counts.total);
        return wn_stop_check(loop->drive->stop, what, err);
    }
    return loop->code;
}

wn_code wn_drive_run(struct wn_drive *drive, struct wn_error *err)
{
    struct loop loop = {.drive = drive, .begun = wn_clock()};
    wn_code code = WN_OK;
    while (!loop.is_over) {
        WN_TRY_OR(done, turn(&loop, err));
    }
    WN_TRY_OR(done, waiting_finish(&loop, err));
    code = end_check(&loop, err);
done:
    wn_result_free(loop.message.result);
    for (size_t i = 0; i < loop.waiting.n; i++) {
        wn_result_free(loop.waiting.items[i]);
    }
    free(loop.waiting.items);
    return code;
}
