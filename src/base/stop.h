/* Signals that ask a run to stop, read by one thread.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   wn_stop_begin(&stop, err)   before any other thread is made, so that all inherit the mask
 *   wn_stop_at(stop, seconds)   a time limit too
 *   wn_stop_asked(stop)         0, the number of the signal, or WN_STOP_TIME
 *   wn_stop_end(&stop)          gives the caller its own mask back
 */
#ifndef WINNOW_BASE_STOP_H
#define WINNOW_BASE_STOP_H

#include "winnow/status.h"

struct wn_stop;

enum { WN_STOP_TIME = -1 }; /* what wn_stop_asked answers when the time limit is reached */

/* Hold SIGINT, SIGTERM, SIGHUP and SIGUSR1 in this thread and those it makes; SIGHUP not where it is ignored (nohup).
 * The first of them asks. After it a SIGINT or SIGTERM ends the process by its own default; SIGHUP and SIGUSR1, which
 * schedulers and terminals send more than once, change nothing. WN_DEVICE where no thread can be made. */
wn_code wn_stop_begin(struct wn_stop **out_stop, struct wn_error *err);
/* `stop` may be NULL in the next three: nothing is asked then. */
/* From `seconds_from_now` on it counts as asked, by the monotonic clock. At once where that is not above 0; never where
 * it is 1e9 or more, or not a number. A later call takes the place of an earlier one. From any thread. */
void wn_stop_at(struct wn_stop *stop, double seconds_from_now);
/* 0, the number of the signal, or WN_STOP_TIME where no signal came before. */
int wn_stop_asked(const struct wn_stop *stop);
/* The same as an error: WN_STOPPED with the signal's name or the time limit, and `what` was being done; or WN_OK. */
wn_code wn_stop_check(const struct wn_stop *stop, const char *what, struct wn_error *err);
void wn_stop_end(struct wn_stop **stop); /* *stop may be NULL */

#endif
