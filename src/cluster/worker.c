/* The worker of this process: rows of a unit -> a result, laid out for the wire.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/worker.h"

#include "cluster/intake.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A unit has at most two behind it; one place more than can be taken. */
enum { LEASES = 4, UNITS = 2 };

struct wn_worker {
    const struct wn_corpus *corpus; /* borrowed */
    struct wn_line *line;
    struct wn_queue *finished; /* of struct wn_wire_message *; never full: as many places as leases */
    struct wn_arena *arena;    /* of one record; reduction thread */
    struct wn_result *result;  /* of the unit at work; reduction thread */
    struct wn_bytes bulk;      /* of the same */
    struct wn_shard *shard;
    uint64_t epoch;
    uint32_t number;
    bool keep_tokens;
    pthread_mutex_t lease_door;
    double unit_begun; /* when the unit before was finished, or this one given if nothing was in flight */
    uint64_t leases[LEASES]; /* of units given and not finished, in order */
    size_t n_leases;
    double beat, last_message; /* the wire's side */
    bool was_ready;
};

void wn_result_free(struct wn_result *result)
{
    if (result != NULL) {
        wn_bytes_free(&result->rows);
        free(result);
    }
}

/* ---- the reduction thread ---- */

/* The scored tokens of all turns that count, one after another. */
struct tokens {
    const int32_t *ids;
    const float *losses;
};

static wn_code tokens_join(struct wn_arena *arena, const struct wn_record_rows *rows,
                           const struct wn_side_tokens *sides, uint32_t k, struct tokens *out,
                           struct wn_error *err)
{
    *out = (struct tokens){0};
    if (sides == NULL || k == 0) {
        return WN_OK;
    }
    bool any = false;
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        any = any || wn_status_is_scored(rows->rows[i].status);
    }
    int32_t *ids = NULL;
    float *losses = NULL;
    WN_TRY(WN_ARENA_NEW(arena, k, &ids, err));
    WN_TRY(WN_ARENA_NEW(arena, k, &losses, err));
    uint32_t n = 0;
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        const struct wn_side_tokens *side = &sides[i];
        /* The fold sums the turns that could be scored; where there is none, it is the first turn. */
        const bool counts = any ? wn_status_is_scored(rows->rows[i].status) : i == 0;
        if (!counts || side->k == 0) {
            continue;
        }
        WN_CHECK(side->k <= k - n && side->k <= side->n, err, WN_DEFECT,
                 "record %llu: the turns have more token losses than their fold",
                 (unsigned long long)rows->place.index);
        memcpy(ids + n, side->ids + (side->n - side->k), side->k * sizeof *ids);
        memcpy(losses + n, side->losses, side->k * sizeof *losses);
        n += side->k;
    }
    WN_CHECK(n == k, err, WN_DEFECT, "record %llu: %u token losses were given, but the fold has %u",
             (unsigned long long)rows->place.index, n, k);
    *out = (struct tokens){ids, losses};
    return WN_OK;
}

static wn_code record_make(struct wn_arena *arena, const struct wn_record_rows *rows,
                           struct wn_store_record *out_record, struct wn_error *err)
{
    struct tokens cond;
    struct tokens direct;
    struct wn_row fold;
    double turn_mean = 0;
    wn_row_fold(rows->rows, rows->n_rows, &fold, &turn_mean);
    WN_CHECK(fold.status < WN_STATUS_COUNT, err, WN_DEFECT, "record %llu: status %u is not known",
             (unsigned long long)rows->place.index, fold.status);
    WN_TRY(tokens_join(arena, rows, rows->cond, fold.cond.k, &cond, err));
    WN_TRY(tokens_join(arena, rows, rows->direct, fold.direct.k, &direct, err));
    *out_record = (struct wn_store_record){.index = rows->place.index,
                                           .id_hash = rows->place.id_hash,
                                           .offset = rows->place.offset,
                                           .length = rows->place.length,
                                           .file = rows->place.file,
                                           .fold = fold,
                                           .turn_mean = turn_mean,
                                           .rows = rows->rows,
                                           .n_rows = rows->n_rows,
                                           .cond_ids = cond.ids,
                                           .direct_ids = direct.ids,
                                           .cond_losses = cond.losses,
                                           .direct_losses = direct.losses};
    return WN_OK;
}

static wn_code bad_note(struct wn_worker *worker, const struct wn_record_rows *rows, uint32_t status,
                        struct wn_error *err)
{
    struct wn_result *result = worker->result;
    if (result->n_bad == WN_BAD_SHOWN) {
        return WN_OK;
    }
    struct wn_span where;
    struct wn_bad_note *note = &result->bad[result->n_bad++];
    WN_TRY(wn_corpus_where(worker->corpus, &rows->place, worker->arena, &where, err));
    note->record = rows->place.index;
    snprintf(note->text, sizeof note->text, "%.*s: %s%s%.*s", (int)where.size, where.data,
             wn_status_name((int)status), rows->why.size > 0 ? ": " : "",
             (int)(rows->why.size < 300 ? rows->why.size : 300), rows->why.size > 0 ? rows->why.data : "");
    return WN_OK;
}

static wn_code rows_take(void *context, const struct wn_record_rows *rows, struct wn_error *err)
{
    struct wn_worker *worker = context;
    struct wn_store_record record;
    wn_arena_reset(worker->arena);
    if (worker->result == NULL) {
        worker->result = calloc(1, sizeof *worker->result);
        WN_CHECK(worker->result != NULL, err, WN_DEVICE, "out of memory for a result");
    }
    WN_TRY(record_make(worker->arena, rows, &record, err));
    struct wn_unit_head *head = &worker->result->head;
    head->by_status[record.fold.status]++;
    head->ifd_above_one +=
        wn_status_is_scored(record.fold.status) && wn_row_ifd_ppl(&record.fold) > 1 ? 1 : 0;
    wn_rows_put(&worker->result->rows, worker->keep_tokens ? &worker->bulk : NULL, &record);
    WN_CHECK(!worker->result->rows.is_short && !worker->bulk.is_short, err, WN_DEVICE,
             "out of memory for the rows of a unit");
    return wn_status_is_bad(record.fold.status) ? bad_note(worker, rows, record.fold.status, err) : WN_OK;
}

static wn_code bulk_put(struct wn_worker *worker, struct wn_extent *out_extent, struct wn_error *err)
{
    if (worker->bulk.size == 0) {
        return WN_OK;
    }
    const wn_code code = wn_shard_put(worker->shard, wn_bytes_span(&worker->bulk), out_extent, err);
    wn_bytes_clear(&worker->bulk);
    return code;
}

static uint64_t lease_pop(struct wn_worker *worker, double *out_seconds)
{
    const double now = wn_clock();
    pthread_mutex_lock(&worker->lease_door);
    const uint64_t lease = worker->leases[0];
    *out_seconds = now - worker->unit_begun;
    worker->unit_begun = now;
    worker->n_leases--;
    memmove(worker->leases, worker->leases + 1, worker->n_leases * sizeof *worker->leases);
    pthread_mutex_unlock(&worker->lease_door);
    return lease;
}

static wn_code unit_end(void *context, const struct wn_unit *unit, const struct wn_score_counts *counts,
                        struct wn_error *err)
{
    struct wn_worker *worker = context;
    struct wn_result *result = worker->result;
    struct timespec time_now;
    struct wn_wire_message *message = calloc(1, sizeof *message);
    if (message == NULL || result == NULL) {
        free(message);
        WN_FAIL(err, WN_DEVICE, "out of memory for a result");
    }
    clock_gettime(CLOCK_REALTIME, &time_now);
    struct wn_unit_head *head = &result->head;
    const uint64_t lease = lease_pop(worker, &head->seconds);
    head->pass = unit->pass;
    head->worker = worker->number;
    head->rows_kind = WN_ROWS_KIND;
    head->first = unit->first;
    head->count = unit->count;
    head->tokens = counts->tokens;
    head->finished = (double)time_now.tv_sec + (double)time_now.tv_nsec * 1e-9;
    const wn_code code = bulk_put(worker, &head->bulk, err);
    if (code != WN_OK) {
        free(message);
        return code;
    }
    result->counts = *counts;
    result->crc = wn_crc32c(head->bulk.crc, result->rows.data, result->rows.size);
    *message = (struct wn_wire_message){.kind = WN_MESSAGE_RESULT,
                                        .worker = worker->number,
                                        .lease = lease,
                                        .seconds = head->seconds,
                                        .result = result};
    worker->result = NULL;
    if (wn_queue_put(worker->finished, message, 1, 0) != WN_QUEUE_OK) { /* closed: the job is leaving */
        wn_result_free(message->result);
        free(message);
    }
    return WN_OK;
}

/* ---- made and freed ---- */

wn_code wn_worker_new(const struct wn_worker_options *options, const struct wn_corpus *corpus,
                      const struct wn_tokenizer *tokenizer, struct wn_model *model,
                      struct wn_worker **out_worker, struct wn_error *err)
{
    struct wn_worker *worker = calloc(1, sizeof *worker);
    WN_CHECK(worker != NULL, err, WN_DEVICE, "out of memory for a worker");
    pthread_mutex_init(&worker->lease_door, NULL);
    worker->corpus = corpus;
    worker->epoch = options->epoch;
    worker->number = options->number;
    worker->keep_tokens = options->keep_tokens;
    worker->beat = options->beat;
    struct wn_line_options line = options->line;
    line.units = UNITS;
    line.sink = (struct wn_row_sink){worker, rows_take};
    line.unit_end = unit_end;
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_arena_new(&worker->arena, err));
    WN_TRY_OR(done, wn_queue_new(LEASES, &worker->finished, err));
    WN_TRY_OR(done, wn_shard_new(options->run, options->epoch, options->number, &worker->shard, err));
    WN_TRY_OR(done, wn_line_new(&line, corpus, tokenizer, model, &worker->line, err));
    *out_worker = worker;
done:
    if (code != WN_OK) {
        wn_worker_free(worker);
    }
    return code;
}

void wn_worker_free(struct wn_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    void *item = NULL;
    wn_queue_close(worker->finished);
    while (worker->finished != NULL && wn_queue_take(worker->finished, &item, 0) == WN_QUEUE_OK) {
        wn_result_free(((struct wn_wire_message *)item)->result);
        free(item);
    }
    wn_line_free(worker->line);
    wn_queue_free(worker->finished);
    wn_shard_free(&worker->shard);
    wn_result_free(worker->result);
    wn_bytes_free(&worker->bulk);
    wn_arena_free(worker->arena);
    pthread_mutex_destroy(&worker->lease_door);
    free(worker);
}

wn_code wn_worker_start(struct wn_worker *worker, struct wn_crew *crew, struct wn_error *err)
{
    worker->last_message = wn_clock();
    return wn_line_start(worker->line, crew, err);
}

void wn_worker_close(struct wn_worker *worker)
{
    wn_line_close(worker->line);
}

void wn_worker_cancel(struct wn_worker *worker)
{
    wn_line_cancel(worker->line);
    wn_queue_close(worker->finished);
}

wn_code wn_worker_sync(struct wn_worker *worker, struct wn_error *err)
{
    return wn_shard_sync(worker->shard, err);
}

int32_t wn_worker_max_length(const struct wn_worker *worker)
{
    return wn_line_max_length(worker->line);
}

/* ---- the wire ---- */

static bool wire_give(void *context, uint32_t number, uint64_t lease, const struct wn_unit *unit)
{
    struct wn_worker *worker = context;
    pthread_mutex_lock(&worker->lease_door);
    const bool has_place = number == worker->number && worker->n_leases < LEASES - 1;
    if (has_place) {
        worker->unit_begun = worker->n_leases == 0 ? wn_clock() : worker->unit_begun;
        worker->leases[worker->n_leases++] = lease;
    }
    pthread_mutex_unlock(&worker->lease_door);
    if (!has_place) {
        return false;
    }
    if (wn_line_give(worker->line, unit)) {
        return true;
    }
    pthread_mutex_lock(&worker->lease_door);
    worker->n_leases--; /* the last one: nobody but this thread adds */
    pthread_mutex_unlock(&worker->lease_door);
    return false;
}

static wn_code wire_poll(void *context, double seconds, struct wn_wire_message *out_message, bool *out_any,
                         struct wn_error *err)
{
    struct wn_worker *worker = context;
    void *item = NULL;
    (void)err; /* nothing can fail between threads */
    *out_any = true;
    if (!worker->was_ready) {
        worker->was_ready = true;
        *out_message = (struct wn_wire_message){.kind = WN_MESSAGE_READY, .worker = worker->number};
        return WN_OK;
    }
    if (wn_queue_take(worker->finished, &item, seconds) == WN_QUEUE_OK) {
        *out_message = *(struct wn_wire_message *)item;
        free(item);
        worker->last_message = wn_clock();
        return WN_OK;
    }
    const double now = wn_clock();
    *out_any = now - worker->last_message >= worker->beat;
    if (*out_any) {
        worker->last_message = now;
        *out_message = (struct wn_wire_message){.kind = WN_MESSAGE_BEAT,
                                                .worker = worker->number,
                                                .records = wn_line_records(worker->line),
                                                .moves = wn_line_moves(worker->line)};
    }
    return WN_OK;
}

struct wn_wire wn_worker_wire(struct wn_worker *worker)
{
    return (struct wn_wire){worker, wire_give, wire_poll};
}
