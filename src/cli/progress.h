/* Progress on stderr: a bar on a terminal, a line every 30 s elsewhere.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLI_PROGRESS_H
#define WINNOW_CLI_PROGRESS_H

#include "cli/command.h"
#include "cluster/cluster.h"

/* Zeroed but for `context`. */
struct wn_progress {
    const struct wn_context *context;
    double last;       /* clock at the last line or bar */
    bool has_begun;    /* `last` is set */
    bool is_shown;     /* a bar stands on the terminal */
    const char *stage; /* the last one seen */
};

/* Show `state` if it is time to. Cheap enough to call for every record. */
void wn_progress_show(struct wn_progress *progress, const struct wn_job_progress *state);
/* Take the bar away. */
void wn_progress_end(struct wn_progress *progress);
/* The line itself, without a newline: share done, rates, time left, bad records, who waits. The rates are those of this
 * start: records finished by earlier ones took no time now. */
void wn_progress_text(const struct wn_job_progress *state, char *out, size_t size);

#endif
