/* The scribe: journal and log, in a thread of their own.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/scribe.h"

#include "cluster/intake.h"
#include "cluster/recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes that may wait, and how old the look at the lock may be that a write relies on. */
enum { ROOM = 64 << 20, LINE = 1024 };
static const double look_every = 1.0;

/* A result, or a line. */
struct entry {
    struct wn_result *result;
    bool in_journal;
    char line[]; /* ends with a newline */
};

struct wn_scribe {
    struct wn_scribe_options options;
    struct wn_journal *journal;
    struct wn_queue *queue;
    char *log_path;
    int log;
    double begun, looked, synced; /* wn_clock() */
    bool is_dirty;
    atomic_bool is_cancelled;
    atomic_uint_fast64_t units;
};

static void entry_free(struct entry *entry)
{
    if (entry != NULL) {
        wn_result_free(entry->result);
        free(entry);
    }
}

/* ---- the thread ---- */

static wn_code look(struct wn_scribe *scribe, struct wn_error *err)
{
    WN_TRY(wn_lock_check(scribe->options.lock, err));
    scribe->looked = wn_clock();
    return WN_OK;
}

static wn_code sync_all(struct wn_scribe *scribe, struct wn_error *err)
{
    WN_TRY(look(scribe, err));
    if (scribe->options.sync_first != NULL) {
        WN_TRY(scribe->options.sync_first(scribe->options.context, err));
    }
    WN_TRY(wn_journal_sync(scribe->journal, err));
    scribe->synced = wn_clock();
    scribe->is_dirty = false;
    return WN_OK;
}

static wn_code line_write(struct wn_scribe *scribe, const struct entry *entry, struct wn_error *err)
{
    const struct wn_span line = wn_span_of(entry->line);
    /* The log is for people: a line that cannot be written is no reason to end a run whose journal can. */
    const ssize_t written = write(scribe->log, line.data, line.size);
    (void)written;
    return entry->in_journal
               ? wn_journal_event(scribe->journal, (struct wn_span){line.data, line.size - 1}, err)
               : WN_OK;
}

static wn_code entry_write(struct wn_scribe *scribe, const struct entry *entry, struct wn_error *err)
{
    if (wn_clock() - scribe->looked > look_every) {
        WN_TRY(look(scribe, err));
    }
    scribe->is_dirty = scribe->is_dirty || entry->result != NULL || entry->in_journal;
    if (entry->result == NULL) {
        return line_write(scribe, entry, err);
    }
    WN_TRY(wn_journal_unit(scribe->journal, &entry->result->head, wn_bytes_span(&entry->result->rows), err));
    atomic_fetch_add(&scribe->units, 1);
    return WN_OK;
}

static wn_code scribe_run(struct wn_stage *stage, void *context, struct wn_error *err)
{
    struct wn_scribe *scribe = context;
    for (;;) {
        void *item = NULL;
        const double due = scribe->synced + scribe->options.sync - wn_clock();
        wn_stage_wait(stage);
        const enum wn_queue_answer answer = wn_queue_take(scribe->queue, &item,
                                                          !scribe->is_dirty ? 1.0
                                                          : due > 0         ? due
                                                                            : 0);
        wn_stage_work(stage);
        struct entry *entry = answer == WN_QUEUE_OK ? item : NULL;
        if (atomic_load(&scribe->is_cancelled)) {
            entry_free(entry);
            return WN_OK;
        }
        wn_code code = entry != NULL ? entry_write(scribe, entry, err) : WN_OK;
        entry_free(entry);
        const bool is_end = answer == WN_QUEUE_CLOSED;
        if (code == WN_OK && scribe->is_dirty &&
            (is_end || wn_clock() - scribe->synced >= scribe->options.sync)) {
            code = sync_all(scribe, err);
        }
        if (code != WN_OK || is_end) {
            return code;
        }
    }
}

/* ---- the other threads ---- */

wn_code wn_scribe_new(const struct wn_scribe_options *options, struct wn_scribe **out_scribe,
                      struct wn_error *err)
{
    struct wn_scribe *scribe = calloc(1, sizeof *scribe);
    WN_CHECK(scribe != NULL, err, WN_DEVICE, "out of memory for the journal");
    scribe->options = *options;
    scribe->log = -1;
    scribe->begun = scribe->synced = wn_clock();
    atomic_init(&scribe->is_cancelled, false);
    atomic_init(&scribe->units, 0);
    scribe->log_path = wn_path_join(options->run, "log.jsonl");
    wn_code code = WN_OK;
    if (scribe->log_path == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for the journal");
        goto done;
    }
    WN_TRY_OR(done, wn_queue_new(ROOM, &scribe->queue, err));
    WN_TRY_OR(done, look(scribe, err));
    WN_TRY_OR(done, wn_journal_create(options->run, wn_lock_epoch(options->lock), options->run_hash,
                                      &scribe->journal, err));
    scribe->log = open(scribe->log_path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (scribe->log < 0) {
        code = wn_io_fail(scribe->log_path, "opened", errno, err);
        goto done;
    }
    *out_scribe = scribe;
done:
    if (code != WN_OK) {
        wn_scribe_free(scribe);
    }
    return code;
}

wn_code wn_scribe_start(struct wn_scribe *scribe, struct wn_crew *crew, struct wn_error *err)
{
    return wn_crew_start(crew, "journal", WN_IO, scribe_run, scribe, err);
}

bool wn_scribe_take(struct wn_scribe *scribe, struct wn_result *result)
{
    struct entry *entry = calloc(1, sizeof *entry + 1);
    if (entry == NULL) {
        return false;
    }
    entry->result = result;
    if (wn_queue_put(scribe->queue, entry, result->rows.size + sizeof *result, 0) != WN_QUEUE_OK) {
        free(entry);
        return false;
    }
    return true;
}

void wn_scribe_tell(struct wn_scribe *scribe, bool in_journal, const char *name, const char *members, ...)
{
    struct entry *entry = calloc(1, sizeof *entry + LINE + 2);
    if (entry == NULL) {
        return;
    }
    char more[LINE - 200] = "";
    char now[21];
    va_list arguments;
    va_start(arguments, members);
    const int n = members != NULL ? vsnprintf(more, sizeof more, members, arguments) : 0;
    va_end(arguments);
    if (n < 0 || (size_t)n >= sizeof more) {
        more[0] = 0; /* half a member is no JSON */
    }
    wn_time_text(now);
    entry->in_journal = in_journal;
    snprintf(entry->line, LINE + 2, "{\"event\": \"%.40s\", \"t\": %.3f, \"time\": \"%s\"%s%s}\n", name,
             wn_clock() - scribe->begun, now, more[0] != 0 ? ", " : "", more);
    if (wn_queue_put(scribe->queue, entry, LINE, 0) != WN_QUEUE_OK) {
        free(entry);
    }
}

void wn_scribe_close(struct wn_scribe *scribe)
{
    wn_queue_close(scribe->queue);
}

void wn_scribe_cancel(struct wn_scribe *scribe)
{
    atomic_store(&scribe->is_cancelled, true);
    wn_queue_close(scribe->queue);
}

uint64_t wn_scribe_units(const struct wn_scribe *scribe)
{
    return atomic_load(&scribe->units);
}

void wn_scribe_free(struct wn_scribe *scribe)
{
    if (scribe == NULL) {
        return;
    }
    void *item = NULL;
    wn_queue_close(scribe->queue);
    while (scribe->queue != NULL && wn_queue_take(scribe->queue, &item, 0) == WN_QUEUE_OK) {
        entry_free(item);
    }
    wn_queue_free(scribe->queue);
    wn_journal_close(&scribe->journal);
    if (scribe->log >= 0) {
        close(scribe->log);
    }
    free(scribe->log_path);
    free(scribe);
}
