/* What the commands share: their context, options turned into those of the folders below, JSON and numbers as text.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A command prints its result to stdout and returns; it never prints an error, which is main's (cli.c).
 */
#ifndef WINNOW_CLI_COMMAND_H
#define WINNOW_CLI_COMMAND_H

#include "base/base.h"
#include "cli/options.h"
#include "score/score.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdio.h>

struct wn_context {
    const struct wn_settings *settings;
    struct wn_log log;
    const char *command_line; /* as typed, words quoted where a shell would need it */
    bool has_color;           /* stdout may be coloured */
    bool has_bar;             /* stderr is a terminal, and not quiet */
};

wn_code wn_cmd_score(const struct wn_context *context, struct wn_error *err);
wn_code wn_cmd_select(const struct wn_context *context, struct wn_error *err);
wn_code wn_cmd_check(const struct wn_context *context, struct wn_error *err);
wn_code wn_cmd_explain(const struct wn_context *context, struct wn_error *err);
wn_code wn_cmd_inspect(const struct wn_context *context, struct wn_error *err);
wn_code wn_cmd_compare(const struct wn_context *context, struct wn_error *err);
wn_code wn_cmd_merge(const struct wn_context *context, struct wn_error *err);
/* Where the run is not finished it fails with WN_STOPPED, once that was said: main prints nothing more. */
wn_code wn_cmd_status(const struct wn_context *context, struct wn_error *err);

/* Options of the folders below from the settings. The corpus options borrow from `settings`.
 * WN_USAGE where neither files nor --dataset-info are given, or one of --dataset-info and --dataset without the other. */
wn_code wn_corpus_options_of(const struct wn_settings *settings, struct wn_corpus_options *out_options,
                             struct wn_error *err);
struct wn_model_options wn_model_options_of(const struct wn_context *context);
struct wn_score_options wn_score_options_of(const struct wn_context *context); /* profile is left NULL */
/* --range and --limit as first record and count (0 = all from first). */
void wn_range_of(const struct wn_settings *settings, uint64_t *out_first, uint64_t *out_count);
/* --time-limit in seconds from now, 0 without one. `now`: seconds since 1970. "auto" is SLURM_JOB_END_TIME less
 * WN_TIME_SPARE; at least one second; none where that variable is not set, is no time, or is over: it was inherited. */
enum { WN_TIME_SPARE = 60 };
double wn_time_limit_of(const struct wn_settings *settings, double now);
/* WN_USAGE naming the option where a text that the command needs was not given. */
wn_code wn_need(const char *value, const struct wn_settings *settings, const char *flag,
                struct wn_error *err);

/* Print `take_value` to stdout, indented, with a newline; frees it. NULL (no memory) is WN_DEVICE. */
wn_code wn_json_emit(struct wn_json *take_value, struct wn_error *err);
/* Members that are put only where memory allows; false where it does not, or where the value itself could not be made.
 * The value is used up either way. */
bool wn_json_put(struct wn_json *object, const char *key, struct wn_json *take_value);
bool wn_json_put_text(struct wn_json *object, const char *key, const char *text);
/* {"ok": n, "truncated": n, ...}, all statuses. */
struct wn_json *wn_json_statuses(const uint64_t by_status[WN_STATUS_COUNT]);
/* {"backend": ..., "dtype": ..., ...} */
struct wn_json *wn_json_numeric(const struct wn_numeric_class *numeric);

/* Lines "  ok   4800  92.3 %" for statuses that occur. */
void wn_statuses_write(FILE *to, const uint64_t by_status[WN_STATUS_COUNT], uint64_t n);
/* "12.3 k", "4.56 M", ... with three digits. */
const char *wn_amount_text(double amount, char *out, size_t size);
/* "1,234,567". */
const char *wn_count_text(uint64_t count, char *out, size_t size);
/* "1:02:03" or "0:07". */
const char *wn_duration_text(double seconds, char *out, size_t size);

#endif
