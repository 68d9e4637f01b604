/* RUN/lock: one job at a time in a run directory, over any number of hosts that see it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The lock is a file with the holder's host, pid, start of the process, boot id, pid namespace, job and restart count
 * of the scheduler, and an epoch: 1 at the first start, one more at each take-over and each later start. A thread
 * touches it every few seconds. It is stale without a touch for `stale` seconds by the clock of the file system that
 * holds it, or at once where the holder is known dead: same host, boot and pid namespace, and the pid is gone or began
 * at another time; same host and another boot; same scheduler job with a lower restart count.
 *
 * Fencing: a holder that was stopped and woken after a take-over finds another epoch in the file. Whoever writes asks
 * wn_lock_check before it writes.
 */
#ifndef WINNOW_STORE_LOCK_H
#define WINNOW_STORE_LOCK_H

#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

struct wn_lock_holder {
    char host[256], boot[64], space[64]; /* boot id; pid namespace */
    char job[64];                        /* scheduler's job, "" without */
    int64_t restart;                     /* how often the scheduler restarted it */
    int64_t pid;
    uint64_t started; /* start of the process in clock ticks since boot, /proc/PID/stat field 22 */
    uint64_t epoch;
    char since[21]; /* UTC, "2025-01-31T12:00:00Z" */
};

struct wn_lock_options {
    double touch, stale;    /* seconds; 0 = 5 and 60 */
    uint64_t least_epoch;   /* the epoch is higher than this */
};

struct wn_lock;

/* Take RUN/lock. The epoch is higher than any that the file named and than any journal in RUN. WN_RUN at once where
 * somebody else holds it, naming host, pid, job and how long ago it was touched; WN_IO. *out_taken_over (may be NULL)
 * tells that a stale lock was taken over. Two that take over at the same time: one wins, the other finds out before
 * this returns or at its first wn_lock_check. */
wn_code wn_lock_take(const char *run, const struct wn_lock_options *options, struct wn_lock **out_lock,
                     bool *out_taken_over, struct wn_error *err);
uint64_t wn_lock_epoch(const struct wn_lock *lock);
/* Reads the file. WN_RUN where another epoch or holder stands in it, naming it, or where it is gone from its folder:
 * whoever took the run over may have finished. WN_IO where the folder has vanished or the file cannot be read. Any
 * thread. */
wn_code wn_lock_check(struct wn_lock *lock, struct wn_error *err);
/* End the thread; remove the file if it is still ours. *lock may be NULL. */
void wn_lock_release(struct wn_lock **lock);

/* Who holds it, for `status` and messages: *out_is_held is false where there is no lock or it is stale. WN_IO. */
wn_code wn_lock_look(const char *run, struct wn_lock_holder *out_holder, bool *out_is_held,
                     struct wn_error *err);

#endif
