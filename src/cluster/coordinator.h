/* The coordinator: who computes which records, as a state machine. Events in, actions out.
 * SPDX-License-Identifier: Apache-2.0
 *
 * It reads no clock, does no I/O and starts no thread: every event carries the time, so the same code runs in one
 * process, over MPI and in a simulation. It knows workers by number, not ranks.
 *
 *   wn_coordinator_event(c, &event, err);
 *   while (wn_coordinator_next(c, &action)) { do it }
 *
 * Rules
 * - Work is what lies in [first, first + count), is known (KNOWN events), and is not done yet. It is handed out from
 *   the front, in units of `target` seconds of predicted work by the worker's measured rate, at least 1 record, at most
 *   `most`; smaller towards the end: at most the records left / (2 x workers). Two units in flight per worker.
 * - A lease runs from the last beat that shows progress: deadline = that beat + max(lease, 10 x the worker's measured
 *   time for one record). A worker silent for 5 beats is suspect: it gets no new unit until it is heard again. Past its
 *   deadline it is lost: its units go to others, first of all, split in halves where they have more than one record. A
 *   record range lost three times at one record is given up: GIVE_UP names it. A lost worker that is heard again works
 *   on as a new one. A gap of more than two beats between two events counts as two beats for these times: this process
 *   slept, and the messages of the workers are still to be read.
 * - Who lost a range does not get it again while others work. A record that was lost once alone in its unit goes to a
 *   worker that has no other unit, so that what happens next is its own doing. A worker that was never ready is awaited
 *   for 10 leases after it was last heard, then it is LOST.
 * - A late answer counts where none of its records is done; then other answers for these records are dropped.
 * - A late answer is held against the accepted one by its CRC: DIFFERS says that they are not equal.
 * - STOP: nothing more is handed out; when no unit is in flight, or at `stop` seconds after it, END with WN_STOPPED.
 * - Everything done, and known to be everything (KNOWN with is_all): END with WN_OK. No worker left that could work and
 *   none that might come: END with WN_RANK.
 */
#ifndef WINNOW_CLUSTER_COORDINATOR_H
#define WINNOW_CLUSTER_COORDINATOR_H

#include "winnow/run.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wn_coordinator_options {
    uint32_t pass;
    uint64_t first, count;         /* records of the job; count 0: to the end of the corpus */
    const struct wn_records *done; /* finished by earlier starts: sorted, disjoint; borrowed during _new */
    size_t n_done;
    uint64_t most;            /* records of a unit, 1 .. 65,536 */
    double target;            /* seconds of predicted work in a unit; 1 is good */
    double lease, beat, stop; /* seconds: 60, 2, 4 */
    uint32_t workers;         /* most workers that may come, >= 1: their numbers are below this */
    uint64_t first_unit;      /* records of a worker's first unit, before its rate is known: 64 */
};

enum wn_event_kind {
    WN_EVENT_TICK,   /* time passes: at least every beat */
    WN_EVENT_KNOWN,  /* records [0, records) of the corpus are known; is_all: there are no more */
    WN_EVENT_READY,  /* `worker` can work: it is new, or was restarted */
    WN_EVENT_BEAT,   /* `worker` is alive; `records`: finished by it since it came; they and `moves` are
                          signs of progress */
    WN_EVENT_RESULT, /* `worker` has finished `lease`: crc of its bytes, seconds it took */
    WN_EVENT_FAILED, /* `worker` gave `lease` back: its unit counts as lost once */
    WN_EVENT_LEFT,   /* `worker` is gone */
    WN_EVENT_STOP,   /* a signal or the time limit */
    WN_EVENT_HOLD,   /* hand nothing out (results cannot be taken in just now) ... */
    WN_EVENT_RESUME  /* ... and again */
};

struct wn_event {
    enum wn_event_kind kind;
    double now; /* seconds of a clock that never goes back */
    uint32_t worker;
    uint64_t lease;   /* RESULT, FAILED */
    uint64_t records; /* KNOWN, BEAT */
    uint64_t moves;   /* BEAT: differs from the last one's where the worker moved inside a record */
    uint32_t crc;     /* RESULT */
    double seconds;   /* RESULT: that the worker took for it */
    bool is_all;      /* KNOWN */
};

enum wn_action_kind {
    WN_ACTION_GIVE,   /* unit to worker under lease */
    WN_ACTION_ACCEPT, /* the result of `lease` by `worker` is the one that counts: journal it */
    WN_ACTION_DROP, /* the result of `lease` by `worker` is not needed; is_different: its CRC is not the accepted one's */
    WN_ACTION_SUSPECT, /* `worker` is silent: for the log */
    WN_ACTION_LOST, /* `worker` is past its deadline: for the log; its late answers will still be looked at */
    WN_ACTION_GIVE_UP, /* records of `unit` get the status error: journal that */
    WN_ACTION_END      /* leave with `code` */
};

struct wn_action {
    enum wn_action_kind kind;
    uint32_t worker;
    uint64_t lease;
    struct wn_unit unit;
    bool is_different;
    wn_code code;
};

struct wn_coordinator;

/* Owned by the caller. WN_DEFECT for options out of range; WN_DEVICE without memory: some 250 bytes a worker,
 * 16 a range finished by an earlier start and 32 a range that is done (ranges that touch are joined). */
wn_code wn_coordinator_new(const struct wn_coordinator_options *options,
                           struct wn_coordinator **out_coordinator, struct wn_error *err);
void wn_coordinator_free(struct wn_coordinator *coordinator); /* NULL is allowed */

/* Take one event; actions that follow from it queue up. Times must not go back (a smaller one counts as the last). An
 * event about a worker or lease that is not known is no error: messages come late and twice. WN_DEVICE. */
wn_code wn_coordinator_event(struct wn_coordinator *coordinator, const struct wn_event *event,
                             struct wn_error *err);
/* The next action, oldest first; false where there is none. After END events do nothing. */
bool wn_coordinator_next(struct wn_coordinator *coordinator, struct wn_action *out_action);

struct wn_coordinator_counts {
    uint64_t done;             /* records of this job that are finished, those of earlier starts among them */
    uint64_t total;            /* of this job as far as known; final when is_all */
    bool is_all;               /* the whole job is known */
    uint64_t in_flight;        /* units */
    uint64_t lost;             /* units that came back unfinished */
    uint64_t different;        /* late answers that are not equal to the accepted one */
    uint64_t given_up;         /* records */
    uint32_t working, suspect; /* workers */
};
struct wn_coordinator_counts wn_coordinator_counts(const struct wn_coordinator *coordinator);

#endif
