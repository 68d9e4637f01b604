/* Replay: what the journals of a run hold.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every journal is walked once, in order of epochs; a unit that is right becomes an entry of fixed size. The entries
 * are then sorted by their first record, and what lies under an earlier one is trimmed or dropped. Payloads are read
 * again when they are asked for.
 */
#include "store/replay.h"

#include "store/shard.h"
#include "store/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double recent_window = 60; /* seconds */

struct entry {
    uint64_t first, count; /* what is taken of it */
    uint64_t skip;         /* records before that */
    uint64_t offset, size; /* of the payload */
    double finished;
    uint32_t crc;
    uint32_t journal; /* index */
};

struct journal {
    char *path; /* owned */
    struct wn_frames_reader *reader;
};

struct wn_replay {
    struct wn_replay_options options; /* run and run_hash point to the copies below */
    char *run, *run_hash;
    uint64_t run_id;
    struct journal *journals; /* [n_journals] */
    size_t n_journals;
    struct entry *entries; /* [n_entries] */
    size_t n_entries, capacity;
    struct wn_records *done; /* [n_done] */
    size_t n_done;
    struct wn_extents *extents;
    struct wn_buffer rows, bulk;
    struct wn_replay_counts counts;
};

/* ---- scanning ---- */

struct scan {
    struct wn_replay *replay;
    uint32_t journal;
};

static bool is_wanted(struct wn_replay *replay, uint64_t run_id, const struct wn_unit_head *head)
{
    const struct wn_replay_options *o = &replay->options;
    if ((replay->run_hash != NULL && run_id != replay->run_id) || head->rows_kind != WN_ROWS_KIND ||
        head->first < o->first ||
        (o->count > 0 &&
         (head->first - o->first >= o->count || head->count > o->count - (head->first - o->first)))) {
        return false;
    }
    return !o->has_bulk || o->heads_only || head->bulk.size == 0 ||
           wn_extents_read(replay->extents, &head->bulk, NULL);
}

static wn_code entry_add(struct wn_replay *replay, const struct entry *entry, struct wn_error *err)
{
    if (replay->n_entries == replay->capacity) {
        const size_t capacity = replay->capacity < 64 ? 64 : replay->capacity + replay->capacity / 2;
        struct entry *entries = reallocarray(replay->entries, capacity, sizeof *entries);
        WN_CHECK(entries != NULL, err, WN_DEVICE, "out of memory for the units of the journals of %s",
                 replay->run);
        replay->entries = entries;
        replay->capacity = capacity;
    }
    replay->entries[replay->n_entries++] = *entry;
    return WN_OK;
}

static wn_code unit_visit(struct scan *scan, const struct wn_frame *frame, struct wn_span payload,
                          struct wn_error *err)
{
    struct wn_replay *replay = scan->replay;
    struct wn_unit_head head;
    uint64_t run_id = 0;
    const bool is_head = wn_head_take(&payload, &run_id, &head);
    if (is_head && head.pass != replay->options.pass) {
        return WN_OK;
    }
    if (!is_head || !is_wanted(replay, run_id, &head)) {
        replay->counts.dropped_units++;
        return WN_OK;
    }
    const struct entry entry = {.first = head.first,
                                .count = head.count,
                                .offset = frame->offset,
                                .size = frame->size,
                                .finished = isfinite(head.finished) ? head.finished : (double)NAN,
                                .crc = frame->crc,
                                .journal = scan->journal};
    return entry_add(replay, &entry, err);
}

static wn_code scan_visit(void *context, const struct wn_frame *frame, struct wn_span payload,
                          struct wn_error *err)
{
    struct scan *scan = context;
    if (frame->kind == WN_FRAME_UNIT) {
        return unit_visit(scan, frame, payload, err);
    }
    struct wn_run_frame run;
    return frame->kind == WN_FRAME_RUN && wn_run_frame_take(payload, &run)
               ? wn_run_frame_check(&run, scan->replay->journals[scan->journal].path, scan->replay->run_hash,
                                    err)
               : WN_OK;
}

static wn_code journal_scan(struct wn_replay *replay, uint64_t epoch, struct wn_error *err)
{
    struct journal *journal = &replay->journals[replay->n_journals];
    journal->path = wn_journal_path(replay->run, epoch);
    WN_CHECK(journal->path != NULL, err, WN_DEVICE, "out of memory for a path");
    replay->n_journals++;
    WN_TRY(wn_frames_open(journal->path, &journal->reader, err));
    struct scan scan = {.replay = replay, .journal = (uint32_t)(replay->n_journals - 1)};
    struct wn_walk walk = {.reader = journal->reader,
                           .buffer = &replay->rows,
                           .kinds = (1u << WN_FRAME_RUN) | (1u << WN_FRAME_UNIT) |
                                    (replay->options.heads_only ? 0u : 1u << WN_FRAME_EVENT),
                           .heads_only = replay->options.heads_only,
                           .context = &scan,
                           .visit = scan_visit};
    WN_TRY(wn_walk(&walk, err));
    replay->counts.damaged_bytes += walk.damaged;
    return WN_OK;
}

/* ---- accounts ---- */

static wn_code entry_payload(struct wn_replay *replay, const struct entry *entry, size_t size,
                             bool *out_is_right, struct wn_error *err)
{
    struct wn_frames_reader *reader = replay->journals[entry->journal].reader;
    WN_TRY(wn_buffer_reserve(&replay->rows, size, err));
    if (size < entry->size) {
        *out_is_right = true;
        return wn_frames_bytes(reader, entry->offset, replay->rows.data, size, err);
    }
    const struct wn_frame frame = {
        .kind = WN_FRAME_UNIT, .offset = entry->offset, .size = entry->size, .crc = entry->crc};
    return wn_frames_payload(reader, &frame, replay->rows.data, out_is_right, err);
}

/* Head, and rows where `with_rows`, into replay->rows. *out_is_right is false where they are damaged, which they were
 * not when the journal was walked over, unless only heads were read. */
static wn_code entry_read(struct wn_replay *replay, const struct entry *entry, bool with_rows,
                          struct wn_unit_head *out_head, struct wn_span *out_rows, bool *out_is_right,
                          struct wn_error *err)
{
    const size_t size = with_rows ? (size_t)entry->size : WN_HEAD_BYTES;
    uint64_t run_id = 0;
    WN_TRY(entry_payload(replay, entry, size, out_is_right, err));
    *out_rows = (struct wn_span){replay->rows.data, size};
    *out_is_right = *out_is_right && wn_head_take(out_rows, &run_id, out_head);
    return WN_OK;
}

static double positive(double value)
{
    return isfinite(value) && value > 0 ? value : 0;
}

/* Make the account of a whole unit that of the records [skip, skip + count) alone: what belongs to records is counted
 * again, work is shared out. False where the rows are not what the head says. */
static wn_code head_trim(const struct entry *entry, struct wn_span rows, struct wn_unit_head *head,
                         bool *out_is_right, struct wn_error *err)
{
    struct wn_arena *arena = NULL;
    struct wn_error ignored;
    struct wn_unit_head part = *head;
    const double share = (double)entry->count / (double)head->count;
    WN_TRY(wn_arena_new(&arena, err));
    memset(part.by_status, 0, sizeof part.by_status);
    part.ifd_above_one = 0;
    part.count = entry->count;
    part.tokens = (uint64_t)((double)head->tokens * share);
    part.seconds = head->seconds * share;
    *out_is_right = true;
    for (uint64_t i = 0; *out_is_right && i < entry->skip + entry->count; ++i) {
        struct wn_store_record record;
        *out_is_right = wn_rows_take(&rows, NULL, head->first + i, arena, &record, &ignored) == WN_OK;
        if (*out_is_right && i >= entry->skip) {
            part.by_status[record.fold.status]++;
            part.ifd_above_one += wn_row_ifd_ppl(&record.fold) > 1 ? 1 : 0;
        }
        wn_arena_reset(arena);
    }
    wn_arena_free(arena);
    *out_is_right = *out_is_right && rows.size == 0;
    *head = part;
    return WN_OK;
}

static void count_head(struct wn_replay_counts *counts, const struct wn_unit_head *head)
{
    counts->records += head->count;
    for (int i = 0; i < WN_STATUS_COUNT; ++i) {
        counts->by_status[i] += head->by_status[i];
    }
    counts->ifd_above_one += head->ifd_above_one;
    counts->tokens += head->tokens;
    counts->seconds += positive(head->seconds);
    counts->units++;
    if (isfinite(head->finished)) {
        counts->first_finished = fmin(counts->first_finished, head->finished);
        counts->last_finished = fmax(counts->last_finished, head->finished);
    }
}

/* The records that were finished within the last minute before the latest unit, but for the first of these units: how
 * long that one took is not known from the others. Where units are so long that none is left, all of them by the time
 * that they took. */
static void count_recent(struct wn_replay *replay)
{
    struct wn_replay_counts *counts = &replay->counts;
    const double from = counts->last_finished - recent_window;
    double first = counts->last_finished;
    for (size_t i = 0; i < replay->n_entries; ++i) {
        const double finished = replay->entries[i].finished;
        first = finished >= from && finished < first ? finished : first;
    }
    for (size_t i = 0; i < replay->n_entries; ++i) {
        const struct entry *entry = &replay->entries[i];
        counts->recent_records += entry->finished > first ? (double)entry->count : 0;
    }
    counts->recent_seconds = counts->last_finished - first;
    if (!(counts->recent_records > 0)) {
        counts->recent_records = (double)counts->records;
        counts->recent_seconds = counts->seconds;
    }
}

/* ---- what covers what ---- */

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    if (x->first != y->first) {
        return x->first < y->first ? -1 : 1;
    }
    if (x->journal != y->journal) {
        return x->journal < y->journal ? -1 : 1;
    }
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Keep what `entry` adds behind record *end, or nothing of it. */
static wn_code entry_place(struct wn_replay *replay, struct entry *entry, uint64_t *end, bool *out_is_kept,
                           struct wn_error *err)
{
    struct wn_unit_head head;
    struct wn_span rows;
    bool is_right = false;
    const uint64_t entry_end = entry->first + entry->count;
    *out_is_kept = false;
    if (entry_end <= *end) {
        return WN_OK;
    }
    if (entry->first < *end) {
        entry->skip = *end - entry->first;
        entry->count -= entry->skip;
        entry->first = *end;
    }
    WN_TRY(entry_read(replay, entry, entry->skip > 0, &head, &rows, &is_right, err));
    if (is_right && entry->skip > 0) {
        WN_TRY(head_trim(entry, rows, &head, &is_right, err));
    }
    if (!is_right) {
        replay->counts.dropped_units++;
        return WN_OK;
    }
    count_head(&replay->counts, &head);
    *end = entry_end;
    *out_is_kept = true;
    return WN_OK;
}

/* Sort the entries and keep those that make up the done ranges. */
static wn_code entries_settle(struct wn_replay *replay, struct wn_error *err)
{
    uint64_t end = 0;
    size_t n = 0;
    if (replay->n_entries == 0) {
        return WN_OK;
    }
    qsort(replay->entries, replay->n_entries, sizeof *replay->entries, compare_entries);
    for (size_t i = 0; i < replay->n_entries; ++i) {
        struct entry entry = replay->entries[i];
        bool is_kept = false;
        WN_TRY(entry_place(replay, &entry, &end, &is_kept, err));
        if (is_kept) {
            replay->entries[n++] = entry;
        }
    }
    replay->n_entries = n;
    count_recent(replay);
    return WN_OK;
}

static wn_code ranges_make(struct wn_replay *replay, struct wn_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < replay->n_entries; ++i) {
        const struct entry *e = &replay->entries[i];
        n += i == 0 || e[-1].first + e[-1].count != e->first ? 1 : 0;
    }
    if (n == 0) {
        return WN_OK;
    }
    replay->done = calloc(n, sizeof *replay->done);
    WN_CHECK(replay->done != NULL, err, WN_DEVICE, "out of memory for what is done of %s", replay->run);
    for (size_t i = 0; i < replay->n_entries; ++i) {
        const struct entry *e = &replay->entries[i];
        if (i == 0 || e[-1].first + e[-1].count != e->first) {
            replay->done[replay->n_done++].first = e->first;
        }
        replay->done[replay->n_done - 1].count += e->count;
    }
    return WN_OK;
}

/* ---- opening ---- */

static void forget(struct wn_replay *replay)
{
    for (size_t i = 0; i < replay->n_journals; ++i) {
        wn_frames_reader_close(replay->journals[i].reader);
        free(replay->journals[i].path);
    }
    free(replay->journals);
    free(replay->done);
    replay->journals = NULL;
    replay->done = NULL;
    replay->n_journals = replay->n_entries = replay->n_done = 0;
    replay->counts = (struct wn_replay_counts){.first_finished = (double)NAN, .last_finished = (double)NAN};
}

/* Join the journals where they have become many. A run can go on without, so a failure is told and no more: where a
 * journal cannot be read, reading it will say so again. */
static wn_code journals_list(struct wn_replay *replay, uint64_t **out_epochs, size_t *out_n, size_t *out_from,
                             struct wn_error *err)
{
    const struct wn_replay_options *o = &replay->options;
    struct wn_error why;
    WN_TRY(wn_journals_list(replay->run, out_epochs, out_n, err));
    WN_TRY(wn_journals_trim(replay->run, *out_epochs, *out_n, o->may_compact, out_from, err));
    if (!o->may_compact || replay->run_hash == NULL || *out_n - *out_from <= WN_JOURNALS_MOST) {
        return WN_OK;
    }
    const wn_code code =
        wn_journals_join(replay->run, replay->run_hash, *out_epochs + *out_from, *out_n - *out_from, &why);
    if (code == WN_OK) {
        *out_from = *out_n - 1;
    } else {
        wn_log_warn(o->log, "the journals of %s stay as they are: %s", replay->run, why.text);
    }
    return WN_OK;
}

/* *out_again: a journal was joined into another by the job that holds the run while this looked on. */
static wn_code journals_scan(struct wn_replay *replay, const uint64_t *epochs, size_t n, bool *out_again,
                             struct wn_error *err)
{
    if (n == 0) {
        return WN_OK;
    }
    replay->counts.highest_epoch = epochs[n - 1];
    replay->journals = calloc(n, sizeof *replay->journals);
    WN_CHECK(replay->journals != NULL, err, WN_DEVICE, "out of memory for a list of journals");
    for (size_t i = 0; i < n; ++i) {
        const wn_code code = journal_scan(replay, epochs[i], err);
        *out_again = code == WN_IO && !wn_path_exists(replay->journals[replay->n_journals - 1].path);
        WN_TRY(code);
    }
    replay->counts.journals = n;
    return WN_OK;
}

static wn_code scan_once(struct wn_replay *replay, bool *out_again, struct wn_error *err)
{
    uint64_t *epochs = NULL;
    size_t n = 0;
    size_t from = 0;
    *out_again = false;
    forget(replay);
    wn_code code = journals_list(replay, &epochs, &n, &from, err);
    if (code == WN_OK) {
        code = journals_scan(replay, n > 0 ? epochs + from : NULL, n - from, out_again, err);
    }
    free(epochs);
    WN_TRY(code);
    WN_TRY(entries_settle(replay, err));
    return ranges_make(replay, err);
}

static wn_code replay_new(const struct wn_replay_options *options, struct wn_replay **out_replay,
                          struct wn_error *err)
{
    struct wn_replay *replay = calloc(1, sizeof *replay);
    WN_CHECK(replay != NULL, err, WN_DEVICE, "out of memory for a replay");
    replay->options = *options;
    replay->run = strdup(options->run);
    replay->run_hash = options->run_hash != NULL ? strdup(options->run_hash) : NULL;
    if (replay->run == NULL || (options->run_hash != NULL && replay->run_hash == NULL)) {
        wn_replay_close(replay);
        WN_FAIL(err, WN_DEVICE, "out of memory for a replay");
    }
    replay->options.run = replay->run;
    replay->options.run_hash = replay->run_hash;
    replay->run_id = replay->run_hash != NULL ? wn_journal_run_id(replay->run_hash) : 0;
    const wn_code code = wn_extents_new(replay->run, &replay->extents, err);
    if (code != WN_OK) {
        wn_replay_close(replay);
        return code;
    }
    *out_replay = replay;
    return WN_OK;
}

wn_code wn_replay_open(const struct wn_replay_options *options, struct wn_replay **out_replay,
                       struct wn_error *err)
{
    enum { ATTEMPTS = 5 };
    struct wn_replay *replay = NULL;
    WN_TRY(replay_new(options, &replay, err));
    bool again = true;
    wn_code code = WN_OK;
    for (int i = 0; i < ATTEMPTS && again; ++i) {
        code = scan_once(replay, &again, err);
    }
    if (code != WN_OK) {
        wn_replay_close(replay);
        return code;
    }
    const struct wn_replay_counts *counts = &replay->counts;
    if (counts->damaged_bytes > 0) {
        wn_log_info(options->log, "%s: %llu bytes of the journals were cut off or are damaged: passed over",
                    options->run, (unsigned long long)counts->damaged_bytes);
    }
    if (counts->dropped_units > 0) {
        wn_log_warn(options->log, "%s: %llu finished units cannot be used and are done again", options->run,
                    (unsigned long long)counts->dropped_units);
    }
    *out_replay = replay;
    return WN_OK;
}

void wn_replay_close(struct wn_replay *replay)
{
    if (replay == NULL) {
        return;
    }
    forget(replay);
    wn_extents_free(replay->extents);
    free(replay->entries);
    free(replay->rows.data);
    free(replay->bulk.data);
    free(replay->run);
    free(replay->run_hash);
    free(replay);
}

/* ---- asking ---- */

const struct wn_records *wn_replay_done(const struct wn_replay *replay, size_t *out_n)
{
    *out_n = replay->n_done;
    return replay->done;
}

struct wn_replay_counts wn_replay_counts(const struct wn_replay *replay)
{
    return replay->counts;
}

size_t wn_replay_n_units(const struct wn_replay *replay)
{
    return replay->n_entries;
}

struct wn_replay_unit wn_replay_unit(const struct wn_replay *replay, size_t i)
{
    const struct entry *entry = &replay->entries[i];
    return (struct wn_replay_unit){.first = entry->first, .count = entry->count, .skip = entry->skip};
}

wn_code wn_replay_read(struct wn_replay *replay, size_t i, struct wn_unit_head *out_head,
                       struct wn_span *out_rows, struct wn_span *out_bulk, struct wn_error *err)
{
    const struct entry *entry = &replay->entries[i];
    const char *path = replay->journals[entry->journal].path;
    struct wn_unit_head head = {0};
    bool is_right = false;
    WN_TRY(entry_read(replay, entry, true, &head, out_rows, &is_right, err));
    WN_CHECK(is_right, err, WN_IO,
             "%s: the unit of records %llu to %llu at byte %llu is damaged; run again: it is done again",
             path, (unsigned long long)entry->first, (unsigned long long)(entry->first + entry->count),
             (unsigned long long)entry->offset);
    struct wn_span bulk = {0};
    if (out_bulk != NULL && replay->options.has_bulk && head.bulk.size > 0) {
        const bool fits = wn_extents_fits(replay->extents, &head.bulk);
        if (fits) {
            WN_TRY(wn_buffer_reserve(&replay->bulk, head.bulk.size, err));
        }
        WN_CHECK(fits && wn_extents_read(replay->extents, &head.bulk, replay->bulk.data), err, WN_IO,
                 "%s/shards/%llu-%lu.bin: what belongs to records %llu to %llu is damaged; run again: it is "
                 "done again",
                 replay->run, (unsigned long long)head.bulk.epoch, (unsigned long)head.bulk.rank,
                 (unsigned long long)entry->first, (unsigned long long)(entry->first + entry->count));
        bulk = (struct wn_span){replay->bulk.data, (size_t)head.bulk.size};
    }
    if (out_bulk != NULL) {
        *out_bulk = bulk;
    }
    if (out_head != NULL) {
        *out_head = head;
    }
    return WN_OK;
}

struct events {
    void *context;
    void (*visit)(void *context, struct wn_span line);
};

static wn_code events_visit(void *context, const struct wn_frame *frame, struct wn_span payload,
                            struct wn_error *err)
{
    const struct events *events = context;
    (void)frame;
    (void)err;
    events->visit(events->context, payload);
    return WN_OK;
}

wn_code wn_replay_events(struct wn_replay *replay, void *context,
                         void (*visit)(void *context, struct wn_span line), struct wn_error *err)
{
    struct events events = {.context = context, .visit = visit};
    for (size_t i = 0; i < replay->n_journals; ++i) {
        struct wn_frames_reader *reader = NULL;
        WN_TRY(wn_frames_open(replay->journals[i].path, &reader, err));
        struct wn_walk walk = {.reader = reader,
                               .buffer = &replay->rows,
                               .kinds = 1u << WN_FRAME_EVENT,
                               .context = &events,
                               .visit = events_visit};
        const wn_code code = wn_walk(&walk, err);
        wn_frames_reader_close(reader);
        WN_TRY(code);
    }
    return WN_OK;
}
