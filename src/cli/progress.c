/* Progress on stderr: a bar on a terminal, a line every 30 s elsewhere.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/progress.h"

#include <string.h>
#include <time.h>

static const double bar_every = 0.1;   /* seconds */
static const double line_every = 30.0; /* seconds */
enum { BAR_CELLS = 24 };

static double clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void wn_progress_text(const struct wn_progress_state *state, char *out, size_t size)
{
    if (state->total == 0) {
        snprintf(out, size, "%s", state->stage);
        return;
    }
    char records[32];
    char tokens[32];
    char left[32] = "?";
    const double rate = state->seconds > 0 ? (double)state->done / state->seconds : 0;
    const double token_rate = state->seconds > 0 ? (double)state->tokens / state->seconds : 0;
    if (rate > 0) {
        wn_duration_text((double)(state->total - state->done) / rate, left, sizeof left);
    }
    snprintf(out, size, "%.1f %% of %llu records, %srecords/s, %stokens/s, %s left, %llu bad",
             100.0 * (double)state->done / (double)state->total, (unsigned long long)state->total,
             wn_amount_text(rate, records, sizeof records), wn_amount_text(token_rate, tokens, sizeof tokens),
             left, (unsigned long long)state->bad);
}

static void bar_draw(struct wn_progress *progress, const struct wn_progress_state *state)
{
    char text[200];
    char bar[BAR_CELLS + 4] = "";
    wn_progress_text(state, text, sizeof text);
    if (state->total > 0) {
        const int filled = (int)(BAR_CELLS * state->done / state->total);
        memset(bar, '-', BAR_CELLS);
        memset(bar, '#', (size_t)filled);
        memcpy(bar + BAR_CELLS, " ", 2);
    }
    /* Erase to the end of the line, so that a shorter text leaves nothing of a longer one. */
    fprintf(stderr, "\r%s%s\x1b[K", bar, text);
    fflush(stderr);
    progress->is_shown = true;
}

void wn_progress_end(struct wn_progress *progress)
{
    if (progress->is_shown) {
        fputs("\r\x1b[K", stderr);
        fflush(stderr);
        progress->is_shown = false;
    }
}

void wn_progress_show(struct wn_progress *progress, const struct wn_progress_state *state)
{
    if (state->message_follows) {
        wn_progress_end(progress);
        return;
    }
    const double now = clock_now();
    const bool is_new_stage = progress->stage != state->stage;
    progress->stage = state->stage;
    if (progress->context->has_bar) {
        if (is_new_stage || now - progress->last >= bar_every) {
            progress->last = now;
            bar_draw(progress, state);
            if (state->total == 0) {
                /* What a stage says about itself must not be written behind its name. */
                fputc('\r', stderr);
            }
        }
        return;
    }
    if (!progress->has_begun) {
        progress->has_begun = true;
        progress->last = now;
    } else if (now - progress->last >= line_every) {
        char text[200];
        progress->last = now;
        wn_progress_text(state, text, sizeof text);
        wn_log_info(&progress->context->log, "%s", text);
    }
}
