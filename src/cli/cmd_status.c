/* winnow status: how far a run is, from any shell.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Code 0: done, WN_STOPPED: not finished, whatever is printed. It reads files only and takes no lock.
 */
#include "cli/command.h"
#include "cluster/cluster.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct watch {
    const struct wn_context *context;
    const char *run;
    char *command_line; /* that began the run, owned; NULL where it is not known */
    struct wn_stop *stop;
    struct wn_run_status status;
    size_t lines; /* of the block that stands on the terminal */
    bool is_terminal;
};

static const char *state_of(const struct wn_run_status *status)
{
    return status->is_done       ? "done"
           : status->is_held     ? "working"
           : status->has_started ? "not running"
                                 : "not started";
}

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

/* The command line in run.json: what goes on with the run. */
static void command_line_read(struct watch *watch)
{
    struct wn_map map = {0};
    struct wn_json *root = NULL;
    struct wn_error ignored;
    char *path = wn_path_join(watch->run, "run.json");
    if (path != NULL && wn_map_open(path, WN_IO, &map, &ignored) == WN_OK &&
        wn_json_parse(map.bytes, WN_RUN, &root, &ignored) == WN_OK && wn_json_is(root, WN_JSON_OBJECT)) {
        const struct wn_json *line = wn_json_get(root, "command_line");
        free(watch->command_line);
        watch->command_line = wn_json_is(line, WN_JSON_STRING) ? strdup(wn_json_text(line).data) : NULL;
    }
    wn_json_free(root);
    wn_map_close(&map);
    free(path);
}

/* ---- for programs ---- */

static struct wn_json *holder_json(const struct wn_lock_holder *holder)
{
    struct wn_json *object = wn_json_new_object();
    if (object == NULL || !wn_json_put_text(object, "host", holder->host) ||
        !wn_json_add_integer(object, "pid", holder->pid) || !wn_json_put_text(object, "job", holder->job) ||
        !wn_json_put_text(object, "since", holder->since) ||
        !wn_json_add_integer(object, "epoch", (int64_t)holder->epoch)) {
        wn_json_free(object);
        return NULL;
    }
    return object;
}

static struct wn_json *status_json(const struct watch *watch)
{
    const struct wn_run_status *status = &watch->status;
    struct wn_json *root = wn_json_new_object();
    bool ok = root != NULL && wn_json_put_text(root, "run", watch->run) &&
              wn_json_put_text(root, "state", state_of(status)) &&
              wn_json_add_boolean(root, "is_done", status->is_done) &&
              wn_json_add_boolean(root, "is_working", status->is_held) &&
              wn_json_add_integer(root, "done", (int64_t)status->done) &&
              wn_json_add_integer(root, "total", (int64_t)status->total) &&
              wn_json_add_boolean(root, "total_is_final", status->total_is_final) &&
              wn_json_put(root, "status", wn_json_statuses(status->by_status)) &&
              wn_json_add_integer(root, "bad", (int64_t)status->bad) &&
              wn_json_add_integer(root, "ifd_above_one", (int64_t)status->ifd_above_one) &&
              wn_json_add_number(root, "records_per_second", status->rate) &&
              wn_json_add_number(root, "seconds_left", status->seconds_left) &&
              wn_json_add_number(root, "last_finished", status->last_finished) &&
              wn_json_put_text(root, "begun", status->begun) &&
              wn_json_put_text(root, "model", status->model) &&
              wn_json_put_text(root, "profile", status->profile) &&
              wn_json_put_text(root, "command_line", watch->command_line);
    if (ok && !status->is_done) {
        /* Known by the journals, which go when the scores are there. */
        ok = wn_json_add_integer(root, "starts", (int64_t)status->starts) &&
             wn_json_add_integer(root, "tokens", (int64_t)status->tokens);
    }
    if (ok && status->is_held) {
        ok = wn_json_put(root, "holder", holder_json(&status->holder));
    }
    if (!ok) {
        wn_json_free(root);
        return NULL;
    }
    return root;
}

/* Indented once; one line each time under --watch. */
static wn_code json_write(const struct watch *watch, struct wn_error *err)
{
    struct wn_json *root = status_json(watch);
    if (!watch->context->settings->watch) {
        return wn_json_emit(root, err);
    }
    WN_CHECK(root != NULL, err, WN_DEVICE, "out of memory for the result");
    char *text = NULL;
    const wn_code code = wn_json_print(root, false, &text, err);
    wn_json_free(root);
    if (code == WN_OK) {
        printf("%s\n", text);
        free(text);
    }
    return code;
}

/* ---- for people ---- */

/* "12,345 of 52,002 (23.7 %)" */
static void records_write(FILE *to, const struct wn_run_status *status)
{
    char done[32];
    char total[32];
    wn_count_text(status->done, done, sizeof done);
    wn_count_text(status->total, total, sizeof total);
    if (status->is_done) {
        fprintf(to, "%s", total);
    } else if (status->total == 0) {
        fprintf(to, "%s finished", done);
    } else if (!status->total_is_final) {
        fprintf(to, "%s of at least %s", done, total);
    } else {
        const double share = 100.0 * (double)status->done / (double)status->total;
        fprintf(to, "%s of %s (%.1f %%)", done, total,
                status->done < status->total ? floor(share * 10) / 10 : 100.0);
    }
}

static void speed_write(FILE *to, const struct wn_run_status *status)
{
    char text[32];
    fprintf(to, "%srecords/s", wn_amount_text(status->rate, text, sizeof text));
    if (status->seconds_left >= 0) {
        fprintf(to, ", %s left", wn_duration_text(status->seconds_left, text, sizeof text));
    }
}

static void state_write(FILE *to, const struct watch *watch)
{
    const struct wn_run_status *status = &watch->status;
    char ago[32];
    wn_duration_text(now() - status->last_finished, ago, sizeof ago);
    fputs(state_of(status), to);
    if (status->is_held) {
        fprintf(to, " on %s, pid %" PRId64 "%s%s, since %s", status->holder.host, status->holder.pid,
                status->holder.job[0] != 0 ? ", job " : "", status->holder.job, status->holder.since);
    }
    if (status->is_held && isfinite(status->last_finished)) {
        fprintf(to, "; the last record was finished %s ago", ago);
    }
    if (!status->is_held && !status->is_done) {
        if (isfinite(status->last_finished)) {
            fprintf(to, ": the last record was finished %s ago", ago);
        } else {
            fputs(": no record is finished yet", to);
        }
        fprintf(to, "; the same command goes on%s%s", watch->command_line != NULL ? ": " : "",
                watch->command_line != NULL ? watch->command_line : "");
    }
}

static void block_write(FILE *to, const struct watch *watch)
{
    const struct wn_run_status *status = &watch->status;
    char number[32];
    fprintf(to, "run          %s\nstate        ", watch->run);
    state_write(to, watch);
    if (status->model[0] != 0) {
        fprintf(to, "\nmodel        %s, profile %s", status->model, status->profile);
    }
    fputs("\nrecords      ", to);
    records_write(to, status);
    fputc('\n', to);
    wn_statuses_write(to, status->by_status, status->done);
    fprintf(to, "IFD above 1  %s\n", wn_count_text(status->ifd_above_one, number, sizeof number));
    if (isfinite(status->rate) && !status->is_done) {
        fputs(status->is_held ? "speed        " : "last speed   ", to);
        speed_write(to, status);
        fputc('\n', to);
    }
    if (status->begun[0] != 0) {
        fprintf(to, "begun        %s", status->begun);
        if (!status->is_done && status->starts > 1) {
            fprintf(to, ", started %s times", wn_count_text(status->starts, number, sizeof number));
        }
        fputc('\n', to);
    }
}

/* One line, where nothing can be drawn over. */
static void line_write(FILE *to, const struct watch *watch)
{
    const struct wn_run_status *status = &watch->status;
    char number[32];
    fprintf(to, "%s: records ", state_of(status));
    records_write(to, status);
    if (isfinite(status->rate) && status->is_held) {
        fputs(", ", to);
        speed_write(to, status);
    }
    fprintf(to, ", %s bad\n", wn_count_text(status->bad, number, sizeof number));
}

/* Lines of a terminal of so many columns that `text` fills: a long line is wrapped, a character is a column. */
static size_t lines_of(const char *text, size_t columns)
{
    size_t lines = 0;
    size_t column = 0;
    for (; *text != 0; text++) {
        if (*text == '\n') {
            lines++;
            column = 0;
        } else if (((unsigned char)*text & 0xC0u) != 0x80) {
            lines += column == columns ? 1 : 0;
            column = column == columns ? 1 : column + 1;
        }
    }
    return lines;
}

/* The block over the one before. */
static wn_code draw(struct watch *watch, struct wn_error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (to != NULL) {
        block_write(to, watch);
    }
    if (to == NULL || fclose(to) != 0) {
        free(text);
        WN_FAIL(err, WN_DEVICE, "out of memory for the status");
    }
    if (watch->lines > 0) {
        printf("\x1b[%zuA\r\x1b[J", watch->lines);
    }
    fputs(text, stdout);
    struct winsize window;
    const bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    watch->lines = lines_of(text, is_known ? window.ws_col : 80);
    free(text);
    return WN_OK;
}

static wn_code show(struct watch *watch, struct wn_error *err)
{
    const struct wn_settings *settings = watch->context->settings;
    if (settings->json) {
        return json_write(watch, err);
    }
    if (settings->quiet) {
        return WN_OK;
    }
    if (!settings->watch) {
        block_write(stdout, watch);
    } else if (watch->is_terminal) {
        return draw(watch, err);
    } else {
        line_write(stdout, watch);
    }
    return WN_OK;
}

/* True when the time is over, false when the user wants no more. */
static bool sleep_for(const struct watch *watch, double seconds)
{
    const double slice = 0.05;
    for (double left = seconds; left > 0; left -= slice) {
        if (wn_stop_asked(watch->stop) != 0) {
            return false;
        }
        const double part = left < slice ? left : slice;
        const struct timespec time = {0, (long)(part * 1e9)};
        nanosleep(&time, NULL);
    }
    return wn_stop_asked(watch->stop) == 0;
}

static wn_code watch_run(struct watch *watch, struct wn_error *err)
{
    const struct wn_settings *settings = watch->context->settings;
    bool goes_on = true;
    while (goes_on) {
        WN_TRY(wn_run_status_read(watch->run, &watch->status, err));
        if (watch->command_line == NULL) {
            command_line_read(watch);
        }
        WN_TRY(show(watch, err));
        /* A reader at the end of a pipe sees each line when it is written; one that went away ends the watch. */
        if (fflush(stdout) != 0 || ferror(stdout)) {
            break;
        }
        goes_on = settings->watch && !watch->status.is_done && sleep_for(watch, settings->interval);
    }
    if (!watch->status.is_done) {
        /* No text: it was said above. */
        return wn_error_set(err, WN_STOPPED, __FILE__, __LINE__, "%s", "");
    }
    return WN_OK;
}

wn_code wn_cmd_status(const struct wn_context *context, struct wn_error *err)
{
    const struct wn_settings *settings = context->settings;
    const char *terminal = getenv("TERM");
    WN_CHECK(settings->operands.n >= 1, err, WN_USAGE, "`winnow status` needs a run: winnow status %s",
             settings->command->synopsis);
    WN_CHECK(settings->operands.n == 1, err, WN_USAGE, "`winnow status` looks at one run; %s is one too many",
             settings->operands.items[1]);
    WN_CHECK(settings->watch || !wn_settings_typed(settings, "interval"), err, WN_USAGE,
             "--interval belongs to --watch");
    struct watch watch = {.context = context,
                          .run = settings->operands.items[0],
                          .is_terminal = isatty(STDOUT_FILENO) == 1 && terminal != NULL &&
                                         strcmp(terminal, "dumb") != 0};
    if (settings->watch) {
        WN_TRY(wn_stop_begin(&watch.stop, err));
    }
    const wn_code code = watch_run(&watch, err);
    wn_stop_end(&watch.stop);
    free(watch.command_line);
    return code;
}
