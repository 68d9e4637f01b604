/* Who holds a lock.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/holder.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- this process ---- */

/* Printable ASCII without quotes, so that names can stand in messages and in any terminal. */
static void clean(char *text)
{
    for (; *text != '\0'; ++text) {
        if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\') {
            *text = '?';
        }
    }
}

/* The first line of a small file; "" where it cannot be read. */
static void read_line(const char *path, char *out, size_t size)
{
    out[0] = '\0';
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    const ssize_t n = read(fd, out, size - 1);
    (void)close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

enum process { PROCESS_GONE, PROCESS_THERE, PROCESS_UNKNOWN };

/* Field 22 of /proc/PID/stat: the start in clock ticks since boot. The name in field 2 may hold anything, so fields are
 * counted behind its last bracket. A process that has ended but was not waited for is gone. */
static enum process process_look(int64_t pid, uint64_t *out_started)
{
    char path[64];
    char text[1024];
    *out_started = 0;
    if (pid <= 0 || pid > INT32_MAX) {
        return PROCESS_UNKNOWN;
    }
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH) {
        return PROCESS_GONE;
    }
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    read_line(path, text, sizeof text);
    const char *next = strrchr(text, ')');
    if (next == NULL || next[1] != ' ') {
        return PROCESS_UNKNOWN;
    }
    next += 2;
    if (*next == 'Z' || *next == 'X') {
        return PROCESS_GONE;
    }
    for (int field = 3; field < 22; ++field) {
        next = strchr(next, ' ');
        if (next == NULL) {
            return PROCESS_UNKNOWN;
        }
        ++next;
    }
    *out_started = strtoull(next, NULL, 10);
    return *out_started > 0 ? PROCESS_THERE : PROCESS_UNKNOWN;
}

static void scheduler_job(struct wn_lock_holder *out)
{
    const char *job = getenv("SLURM_JOB_ID");
    const char *array = getenv("SLURM_ARRAY_JOB_ID");
    const char *task = getenv("SLURM_ARRAY_TASK_ID");
    const char *restart = getenv("SLURM_RESTART_COUNT");
    if (job == NULL || *job == '\0') {
        return;
    }
    if (array != NULL && task != NULL && *array != '\0' && *task != '\0') {
        snprintf(out->job, sizeof out->job, "%s_%s", array, task);
    } else {
        snprintf(out->job, sizeof out->job, "%s", job);
    }
    clean(out->job);
    if (restart != NULL) {
        char *end = NULL;
        const long long count = strtoll(restart, &end, 10);
        out->restart = end != restart && *end == '\0' && count > 0 && count < INT32_MAX ? count : 0;
    }
}

void wn_holder_self(struct wn_lock_holder *out_holder)
{
    struct wn_lock_holder *const h = out_holder;
    *h = (struct wn_lock_holder){.pid = (int64_t)getpid()};
    if (gethostname(h->host, sizeof h->host) != 0) {
        h->host[0] = '\0';
    }
    h->host[sizeof h->host - 1] = '\0';
    clean(h->host);
    read_line("/proc/sys/kernel/random/boot_id", h->boot, sizeof h->boot);
    clean(h->boot);
    const ssize_t n = readlink("/proc/self/ns/pid", h->space, sizeof h->space - 1);
    h->space[n > 0 ? n : 0] = '\0';
    clean(h->space);
    (void)process_look(h->pid, &h->started);
    scheduler_job(h);
    const time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc) == NULL ||
        strftime(h->since, sizeof h->since, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) {
        h->since[0] = '\0';
    }
}

/* ---- text ---- */

wn_code wn_holder_print(const struct wn_lock_holder *holder, const char key[WN_HOLDER_KEY],
                        char out_text[WN_HOLDER_TEXT], size_t *out_size, struct wn_error *err)
{
    struct wn_json *object = wn_json_new_object();
    char *text = NULL;
    wn_code code = WN_OK;
    const bool ok = object != NULL && wn_json_add_text(object, "host", wn_span_of(holder->host)) &&
                    wn_json_add_integer(object, "pid", holder->pid) &&
                    wn_json_add_text(object, "boot", wn_span_of(holder->boot)) &&
                    wn_json_add_text(object, "space", wn_span_of(holder->space)) &&
                    wn_json_add_integer(object, "started", (int64_t)holder->started) &&
                    wn_json_add_text(object, "job", wn_span_of(holder->job)) &&
                    wn_json_add_integer(object, "restart", holder->restart) &&
                    wn_json_add_integer(object, "epoch", (int64_t)holder->epoch) &&
                    wn_json_add_text(object, "since", wn_span_of(holder->since)) &&
                    wn_json_add_text(object, "key", wn_span_of(key));
    if (!ok) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for a lock");
    }
    WN_TRY_OR(done, code);
    WN_TRY_OR(done, wn_json_print(object, false, &text, err));
    const int n = snprintf(out_text, WN_HOLDER_TEXT, "%s\n", text);
    if (n < 0 || n >= WN_HOLDER_TEXT) {
        code = wn_error_set(err, WN_DEFECT, __FILE__, __LINE__, "a lock of more than %d bytes",
                            (int)WN_HOLDER_TEXT);
    }
    *out_size = n > 0 ? (size_t)n : 0;
done:
    free(text);
    wn_json_free(object);
    return code;
}

static bool take_text(const struct wn_json *object, const char *key, char *out, size_t size)
{
    const struct wn_json *value = wn_json_get(object, key);
    if (!wn_json_is(value, WN_JSON_STRING)) {
        return false;
    }
    const struct wn_span text = wn_json_text(value);
    if (text.size >= size || (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)) {
        return false;
    }
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    clean(out);
    return true;
}

static bool take_integer(const struct wn_json *object, const char *key, int64_t *out)
{
    const struct wn_json *value = wn_json_get(object, key);
    return value != NULL && wn_json_integer(value, out) && *out >= 0;
}

bool wn_holder_parse(struct wn_span text, struct wn_lock_holder *out_holder)
{
    struct wn_lock_holder h = {0};
    struct wn_json *object = NULL;
    struct wn_error ignored;
    int64_t started = 0;
    int64_t epoch = 0;
    *out_holder = h;
    if (text.size == 0 || wn_json_parse(text, WN_IO, &object, &ignored) != WN_OK) {
        return false;
    }
    const bool ok = wn_json_is(object, WN_JSON_OBJECT) && take_text(object, "host", h.host, sizeof h.host) &&
                    take_text(object, "boot", h.boot, sizeof h.boot) &&
                    take_text(object, "space", h.space, sizeof h.space) &&
                    take_text(object, "job", h.job, sizeof h.job) &&
                    take_text(object, "since", h.since, sizeof h.since) &&
                    take_integer(object, "pid", &h.pid) && take_integer(object, "restart", &h.restart) &&
                    take_integer(object, "started", &started) && take_integer(object, "epoch", &epoch);
    wn_json_free(object);
    if (!ok) {
        return false;
    }
    h.started = (uint64_t)started;
    h.epoch = (uint64_t)epoch;
    *out_holder = h;
    return true;
}

/* ---- judgement ---- */

static bool is_same(const char *a, const char *b)
{
    return *a != '\0' && strcmp(a, b) == 0;
}

bool wn_holder_is_dead(const struct wn_lock_holder *holder, const struct wn_lock_holder *self)
{
    /* A scheduler starts a job again only when its processes are gone. */
    if (is_same(holder->job, self->job) && holder->restart < self->restart) {
        return true;
    }
    if (!is_same(holder->host, self->host) || holder->boot[0] == '\0' || self->boot[0] == '\0') {
        return false;
    }
    if (strcmp(holder->boot, self->boot) != 0) {
        return true;
    }
    if (!is_same(holder->space, self->space)) {
        return false; /* a container on this host: its numbers mean nothing here */
    }
    uint64_t started = 0;
    const enum process process = process_look(holder->pid, &started);
    return process == PROCESS_GONE ||
           (process == PROCESS_THERE && holder->started > 0 && started != holder->started);
}

void wn_holder_name(const struct wn_lock_holder *holder, char *out_text, size_t size)
{
    const char *host = holder->host[0] != '\0' ? holder->host : "(unknown)";
    if (holder->job[0] != '\0') {
        snprintf(out_text, size, "host %s, pid %lld (Slurm job %s)", host, (long long)holder->pid,
                 holder->job);
    } else {
        snprintf(out_text, size, "host %s, pid %lld", host, (long long)holder->pid);
    }
}
