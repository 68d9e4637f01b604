/* Signals that ask a run to stop, read by one thread.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   wn_stop_begin(&stop, err)   before any other thread is made, so that all inherit the mask
 *   wn_stop_asked(stop)         0, or the number of the signal
 *   wn_stop_end(&stop)          gives the caller its own mask back
 */
#ifndef WINNOW_BASE_STOP_H
#define WINNOW_BASE_STOP_H

#include "winnow/status.h"

struct wn_stop;

/* Hold SIGINT, SIGTERM, SIGHUP and SIGUSR1 in this thread and those it makes; SIGHUP not where it is ignored (nohup).
 * The first of them asks. After it a SIGINT or SIGTERM ends the process by its own default; SIGHUP and SIGUSR1, which
 * schedulers and terminals send more than once, change nothing. WN_DEVICE where no thread can be made. */
wn_code wn_stop_begin(struct wn_stop **out_stop, struct wn_error *err);
/* `stop` may be NULL in the next two: nothing is asked then. */
int wn_stop_asked(const struct wn_stop *stop);
/* The same as an error: WN_STOPPED with the signal's name and `what` was being done, or WN_OK. */
wn_code wn_stop_check(const struct wn_stop *stop, const char *what, struct wn_error *err);
void wn_stop_end(struct wn_stop **stop); /* *stop may be NULL */

#endif
