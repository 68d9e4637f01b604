/* Orders for faults: reading them, counting calls, doing what is to be done before a call.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A library that stands in for others has no object to keep its orders in, hence the few variables of file scope; they
 * are written once, before main, but for the counters, which are atomic. All calls are made as system calls, so that
 * none comes back here.
 */
#include "orders.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *const call_names[N_CALLS] = {"write", "sync",   "open", "create", "rename",
                                                "link",  "unlink", "cut",  "read",   "mkdir",
                                                "flock", "touch",  "name", "memory"};

struct named {
    const char *name;
    int value;
};
static const struct named plain_actions[] = {{"kill-before", KILL_BEFORE},
                                             {"kill-inside", KILL_INSIDE},
                                             {"kill-after", KILL_AFTER},
                                             {"short", SHORT},
                                             {"hang", HANG},
                                             {"stop", STOP}};
static const struct named errors[] = {
    {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EIO", EIO},       {"ESTALE", ESTALE},
    {"EROFS", EROFS},   {"ENOLCK", ENOLCK}, {"ENOSYS", ENOSYS}, {"EINTR", EINTR},
    {"ENOMEM", ENOMEM}, {"EACCES", EACCES}, {"ENOENT", ENOENT}, {"EXDEV", EXDEV},
    {"EPERM", EPERM},   {"EMFILE", EMFILE}, {"EINVAL", EINVAL}, {"EAGAIN", EAGAIN}};

enum { MOST_ORDERS = 16, TEXT = 256 };

struct order {
    enum call call;
    char thread[TEXT]; /* "": any */
    char pattern[TEXT];
    unsigned long nth;
    bool is_from_nth_on;
    enum action action;
    int error;
    double seconds;
};

static struct order orders[MOST_ORDERS];
static atomic_ulong counts[MOST_ORDERS];
static size_t n_orders;
static bool has_memory_order;
static const char *seen_path, *trace_path; /* NULL: not asked for */

/* ---- reading the orders ---- */

static _Noreturn void refuse(const char *text)
{
    (void)fprintf(stderr, "fault hook: WINNOW_FAULT is wrong at \"%s\"\n", text);
    _exit(125);
}

static bool find_named(const struct named *table, size_t n, const char *name, int *out_value)
{
    for (size_t i = 0; i < n; ++i) {
        if (strcmp(table[i].name, name) == 0) {
            *out_value = table[i].value;
            return true;
        }
    }
    return false;
}

/* Take the text up to `end` off the front. */
static void part_take(char **left, char end, char out[TEXT])
{
    char *stop = strchr(*left, end);
    if (stop == NULL || stop - *left >= TEXT) {
        refuse(*left);
    }
    memcpy(out, *left, (size_t)(stop - *left));
    out[stop - *left] = '\0';
    *left = stop + 1;
}

static void order_read(char *text, struct order *out)
{
    char call[TEXT];
    char nth[TEXT];
    char *left = text;
    part_take(&left, ':', call);
    part_take(&left, ':', out->pattern);
    part_take(&left, ':', nth);
    char *thread = strchr(call, '@');
    if (thread != NULL) {
        *thread = '\0';
        strcpy(out->thread, thread + 1);
    }
    size_t i = 0;
    while (i < N_CALLS && strcmp(call_names[i], call) != 0) {
        ++i;
    }
    char *end = NULL;
    out->nth = strtoul(nth, &end, 10);
    out->is_from_nth_on = strcmp(end, "+") == 0;
    if (i == N_CALLS || out->nth == 0 || (*end != '\0' && !out->is_from_nth_on)) {
        refuse(text);
    }
    out->call = (enum call)i;
    int value = 0;
    if (find_named(plain_actions, sizeof plain_actions / sizeof plain_actions[0], left, &value)) {
        out->action = (enum action)value;
    } else if (find_named(errors, sizeof errors / sizeof errors[0], left, &value)) {
        out->action = FAIL;
        out->error = value;
    } else if (strncmp(left, "sleep=", 6) == 0) {
        out->action = SLEEP;
        out->seconds = strtod(left + 6, NULL);
    } else {
        refuse(left);
    }
}

__attribute__((constructor)) static void orders_read(void)
{
    seen_path = getenv("WINNOW_FAULT_SEEN");
    trace_path = getenv("WINNOW_FAULT_TRACE");
    const char *given = getenv("WINNOW_FAULT");
    char *text = given != NULL ? strdup(given) : NULL;
    size_t n = 0;
    bool has_memory = false;
    char *rest = NULL;
    for (char *one = text != NULL ? strtok_r(text, ",", &rest) : NULL; one != NULL;
         one = strtok_r(NULL, ",", &rest)) {
        if (n == MOST_ORDERS) {
            refuse(one);
        }
        order_read(one, &orders[n]);
        has_memory = has_memory || orders[n].call == MEMORY;
        ++n;
    }
    free(text);
    n_orders = n;
    has_memory_order = has_memory;
}

/* ---- deciding ---- */

_Noreturn void wn_fault_die(void)
{
    for (;;) {
        (void)kill(getpid(), SIGKILL);
    }
}

static void rest_for(double seconds)
{
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static void line_append(const char *path, const char *line, size_t size)
{
    const int saved = errno;
    const long fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd >= 0) {
        (void)syscall(SYS_write, fd, line, size);
        (void)syscall(SYS_close, fd);
    }
    errno = saved;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static void trace(enum call call, const char *path, size_t size)
{
    char line[PATH_MAX + TEXT];
    const int n = snprintf(line, sizeof line, "%s %s %zu\n", call_names[call], path, size);
    if (n > 0) {
        line_append(trace_path, line, (size_t)n);
    }
}

static bool concerns(const struct order *order, enum call call, const char *path)
{
    if (order->call != call) {
        return false;
    }
    if (order->thread[0] != '\0') {
        char name[17] = "";
        (void)prctl(PR_GET_NAME, name);
        if (fnmatch(order->thread, name, 0) != 0) {
            return false;
        }
    }
    const char *shown = strchr(order->pattern, '/') != NULL ? path : last_part(path);
    return call == MEMORY || fnmatch(order->pattern, shown, 0) == 0;
}

/* Count the call and do what is to be done before it; the answer is what is left to do. */
struct verdict wn_fault_judge(enum call call, const char *path, size_t size)
{
    if (trace_path != NULL && call != MEMORY) {
        trace(call, path, size);
    }
    for (size_t i = 0; i < n_orders; ++i) {
        const struct order *order = &orders[i];
        if (!concerns(order, call, path)) {
            continue;
        }
        const unsigned long count = atomic_fetch_add(&counts[i], 1) + 1;
        if (count != order->nth && !(order->is_from_nth_on && count > order->nth)) {
            continue;
        }
        if (seen_path != NULL) {
            char line[TEXT * 2];
            const int n =
                snprintf(line, sizeof line, "%s %.200s %lu\n", call_names[call], last_part(path), count);
            line_append(seen_path, line, n > 0 ? (size_t)n : 0);
        }
        switch (order->action) {
        case KILL_BEFORE:
            wn_fault_die();
        case HANG:
            for (;;) {
                rest_for(1000);
            }
        case SLEEP:
            rest_for(order->seconds);
            return (struct verdict){NONE, 0};
        case STOP:
            (void)kill(getpid(), SIGSTOP);
            return (struct verdict){NONE, 0};
        default:
            return (struct verdict){order->action, order->error};
        }
    }
    return (struct verdict){NONE, 0};
}

/* The path of an open file, "" where it has none. Leaves errno alone. */
static void fd_path(int fd, char path[PATH_MAX])
{
    const int saved = errno;
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    errno = saved;
}

struct verdict wn_fault_judge_fd(enum call call, int fd, size_t size)
{
    if (n_orders == 0 && trace_path == NULL) {
        return (struct verdict){NONE, 0};
    }
    char path[PATH_MAX];
    fd_path(fd, path);
    return wn_fault_judge(call, path, size);
}

struct verdict wn_fault_judge_at(enum call call, int folder, const char *path)
{
    char whole[2 * PATH_MAX];
    if (folder == AT_FDCWD || path == NULL || path[0] == '/') {
        return wn_fault_judge(call, path != NULL ? path : "", 0);
    }
    fd_path(folder, whole);
    const size_t n = strlen(whole);
    (void)snprintf(whole + n, sizeof whole - n, "/%s", path);
    return wn_fault_judge(call, whole, 0);
}

bool wn_fault_has_memory(void)
{
    return has_memory_order;
}
