/* The scribe: the one thread that writes the journal and the log, and syncs them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A disk that takes ten seconds for a sync must not keep units from being handed out: results wait here, in a queue
 * that is bounded by bytes. Before it writes, and before each sync, the scribe reads the lock again: a job whose run
 * was taken over by another writes nothing more.
 */
#ifndef WINNOW_CLUSTER_SCRIBE_H
#define WINNOW_CLUSTER_SCRIBE_H

#include "cluster/wire.h"

struct wn_scribe_options {
    const char *run;
    struct wn_lock *lock;
    const char *run_hash; /* of run.json */
    double sync;          /* seconds */
    /* Called before the journal is synced: what its units refer to must be on disk first. May be NULL. */
    wn_code (*sync_first)(void *context, struct wn_error *err);
    void *context;
};

struct wn_scribe;

/* Makes RUN/journal-EPOCH.bin and opens RUN/log.jsonl. */
wn_code wn_scribe_new(const struct wn_scribe_options *options, struct wn_scribe **out_scribe,
                      struct wn_error *err);
/* Its thread, "journal", in a crew of its own. */
wn_code wn_scribe_start(struct wn_scribe *scribe, struct wn_crew *crew, struct wn_error *err);

/* A result to journal: used up where the answer is true. False where there is no room, or the scribe has ended: ask
 * again later. Never waits. */
bool wn_scribe_take(struct wn_scribe *scribe, struct wn_result *result);
/* One event for log.jsonl as {"t": seconds since the start, "time": ..., "event": NAME, members}, where `members` is
 * JSON text such as "\"records\": 5", or NULL. With `in_journal` it goes there too: status reads it. Lost only where
 * there is no room; never waits. */
void wn_scribe_tell(struct wn_scribe *scribe, bool in_journal, const char *name, const char *members, ...)
    __attribute__((format(printf, 4, 5)));

/* No more comes: what is queued is written and synced, then the thread ends. */
void wn_scribe_close(struct wn_scribe *scribe);
/* The thread ends at once, without a last sync. */
void wn_scribe_cancel(struct wn_scribe *scribe);
uint64_t wn_scribe_units(const struct wn_scribe *scribe); /* written to the journal so far; any thread */
void wn_scribe_free(struct wn_scribe *scribe);            /* after its thread has ended; NULL is allowed */

#endif
