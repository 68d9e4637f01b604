/* Progress on stderr: a bar on a terminal, a line every 30 s elsewhere.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLI_PROGRESS_H
#define WINNOW_CLI_PROGRESS_H

#include "cli/command.h"

/* Zeroed but for `context`. */
struct wn_progress {
    const struct wn_context *context;
    double last;       /* clock at the last line or bar */
    bool has_begun;    /* `last` is set */
    bool is_shown;     /* a bar stands on the terminal */
    const char *stage; /* the last one seen */
};

struct wn_progress_state {
    const char *stage;
    uint64_t done, total, bad, tokens;
    double seconds;       /* since scoring began */
    bool message_follows; /* take the bar away: a line of the log comes */
};

/* Show `state` if it is time to. Cheap enough to call for every record. */
void wn_progress_show(struct wn_progress *progress, const struct wn_progress_state *state);
/* Take the bar away. */
void wn_progress_end(struct wn_progress *progress);
/* The line itself, without a newline: rate, done share, time left, bad records. */
void wn_progress_text(const struct wn_progress_state *state, char *out, size_t size);

#endif
