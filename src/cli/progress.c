/* Progress on stderr: a bar on a terminal, a line every 30 s elsewhere.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/progress.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const double bar_every = 0.1;   /* seconds */
static const double line_every = 30.0; /* seconds */
enum { BAR_CELLS = 24, TEXT_SIZE = 512 };

/* printf behind the `n` bytes in `out`; returns how many are there then, at most size - 1. */
__attribute__((format(printf, 4, 5))) static size_t add(char *out, size_t size, size_t n, const char *format,
                                                        ...)
{
    va_list args;
    va_start(args, format);
    const int more = vsnprintf(out + n, size - n, format, args);
    va_end(args);
    return more < 0 ? n : n + (size_t)more < size ? n + (size_t)more : size - 1;
}

void wn_progress_text(const struct wn_job_progress *state, char *out, size_t size)
{
    if (state->total == 0) {
        snprintf(out, size, "%s", state->stage);
        return;
    }
    char number[2][32];
    const uint64_t fresh = state->done > state->before ? state->done - state->before : 0;
    const double rate = state->seconds > 0 ? (double)fresh / state->seconds : 0;
    const double token_rate = state->seconds > 0 ? (double)state->tokens / state->seconds : 0;
    const uint64_t left = state->total > state->done ? state->total - state->done : 0;
    wn_count_text(state->total, number[0], sizeof number[0]);
    size_t n = 0;
    if (state->total_is_final) {
        /* Not rounded up: 100.0 % is said when all are done. */
        const double share = (double)state->done / (double)state->total;
        n = add(out, size, n, "%.1f %% of %s records", left > 0 ? floor(1000 * share) / 10 : 100.0,
                number[0]);
    } else {
        n = add(out, size, n, "%s of at least %s records",
                wn_count_text(state->done, number[1], sizeof number[1]), number[0]);
    }
    n = add(out, size, n, ", %srecords/s", wn_amount_text(rate, number[0], sizeof number[0]));
    n = add(out, size, n, ", %stokens/s", wn_amount_text(token_rate, number[0], sizeof number[0]));
    if (state->total_is_final) {
        const bool is_known = rate > 0;
        n = add(out, size, n, ", %s left",
                is_known ? wn_duration_text((double)left / rate, number[0], sizeof number[0]) : "?");
    }
    n = add(out, size, n, ", %s bad", wn_count_text(state->bad, number[0], sizeof number[0]));
    for (size_t i = 0; i < state->n_stages && i < WN_JOB_STAGES; i++) {
        n = add(out, size, n, "%s %s %.0f %%", i == 0 ? "; waiting:" : ",", state->stages[i].name,
                100 * state->stages[i].waited_share);
    }
}

/* Columns of the terminal behind stderr; 80 where it does not say. */
static size_t columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void bar_draw(struct wn_progress *progress, const struct wn_job_progress *state)
{
    char text[TEXT_SIZE];
    char bar[BAR_CELLS + 4] = "";
    wn_progress_text(state, text, sizeof text);
    /* A line that the terminal would wrap could not be drawn over: the bar goes first, then the end of the text. */
    const size_t room = columns() - 1;
    if (state->total > 0 && state->total_is_final && BAR_CELLS + 1 + strlen(text) <= room) {
        const size_t filled = state->done < state->total ? BAR_CELLS * state->done / state->total : BAR_CELLS;
        memset(bar, '-', BAR_CELLS);
        memset(bar, '#', filled);
        memcpy(bar + BAR_CELLS, " ", 2);
    }
    if (strlen(text) > room) {
        text[room] = 0;
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

void wn_progress_show(struct wn_progress *progress, const struct wn_job_progress *state)
{
    if (state->message_follows) {
        wn_progress_end(progress);
        return;
    }
    const double now = wn_clock();
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
        char text[TEXT_SIZE];
        progress->last = now;
        wn_progress_text(state, text, sizeof text);
        wn_log_info(&progress->context->log, "%s", text);
    }
}
