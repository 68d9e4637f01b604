/* A mapped file that loses bytes under its reader.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The handler may call only what is safe in a signal handler, and there is no state: what is mapped where is asked of
 * the system when it happens.
 */
#include "base/badmap.h"

#include "winnow/status.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* A line of /proc/self/maps is at most a path of 4,096 bytes, each perhaps written as \ooo, and 73 before it. Longer
 * ones are cut; they are passed over like any other. */
enum { MOST_LINE = 8192, CHUNK = 4096 };

struct line {
    char text[MOST_LINE];
    size_t size;
};

static bool hex_take(const struct line *line, size_t *at, uintptr_t *out)
{
    const size_t from = *at;
    *out = 0;
    for (; *at < line->size; ++*at) {
        const char c = line->text[*at];
        uintptr_t digit = 0;
        if (c >= '0' && c <= '9') {
            digit = (uintptr_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (uintptr_t)(c - 'a') + 10;
        } else {
            break;
        }
        *out = *out * 16 + digit;
    }
    return *at > from;
}

/* Whether the line "FROM-TO PERMISSIONS OFFSET DEVICE INODE   PATH" is that of a file mapped at `address`; then the
 * path is what stands behind *out_path. */
static bool is_map_of(const struct line *line, uintptr_t address, size_t *out_path, bool *out_is_written)
{
    size_t at = 0;
    uintptr_t from = 0;
    uintptr_t to = 0;
    if (!hex_take(line, &at, &from) || at == line->size || line->text[at++] != '-' ||
        !hex_take(line, &at, &to) || address < from || address >= to) {
        return false;
    }
    *out_is_written = at + 2 < line->size && line->text[at + 2] == 'w';
    const char *slash = memchr(line->text + at, '/', line->size - at);
    if (slash == NULL) {
        return false; /* memory of no file: [heap], [stack] or nothing */
    }
    *out_path = (size_t)(slash - line->text);
    return true;
}

/* Reads /proc/self/maps up to the line of `address` and leaves it in *line. */
static bool map_find(uintptr_t address, struct line *line, size_t *out_path, bool *out_is_written)
{
    const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool is_found = false;
    char chunk[CHUNK];
    line->size = 0;
    for (;;) {
        const ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        for (ssize_t i = 0; i < n && !is_found; ++i) {
            if (chunk[i] != '\n') {
                if (line->size < MOST_LINE) {
                    line->text[line->size++] = chunk[i];
                }
                continue;
            }
            is_found = is_map_of(line, address, out_path, out_is_written);
            if (!is_found) {
                line->size = 0;
            }
        }
        if (is_found) {
            break;
        }
    }
    (void)close(fd);
    return is_found;
}

struct message {
    char text[MOST_LINE + 512];
    size_t size;
};

static void message_add(struct message *message, const char *text, size_t size)
{
    const size_t left = sizeof message->text - message->size;
    const size_t n = size < left ? size : left;
    memcpy(message->text + message->size, text, n);
    message->size += n;
}

static void message_write(const struct message *message)
{
    size_t done = 0;
    while (done < message->size) {
        const ssize_t n = write(STDERR_FILENO, message->text + done, message->size - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        done += (size_t)n;
    }
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    (void)context;
    struct line line;
    size_t path = 0;
    bool is_written = false;
    /* BUS_ADRERR is what a missing page of a file gives; others are defects, broken memory or another process. */
    if (info->si_code == BUS_ADRERR && map_find((uintptr_t)info->si_addr, &line, &path, &is_written)) {
        static const char name[] = "winnow: error: ";
        static const char shorter[] =
            " became shorter while it was read, or its disk failed (SIGBUS): do not write to "
            "a file that is being scored; the same command goes on\n";
        static const char full[] =
            " cannot take what is written to it: its file system is full, or its disk failed "
            "(SIGBUS): free space there (see `df`); the same command goes on\n";
        struct message message;
        message.size = 0;
        message_add(&message, name, sizeof name - 1);
        message_add(&message, line.text + path, line.size - path);
        if (is_written) {
            message_add(&message, full, sizeof full - 1);
        } else {
            message_add(&message, shorter, sizeof shorter - 1);
        }
        message_write(&message);
        _exit(WN_IO);
    }
    /* Blocked in here: it is delivered, by its default, when this returns. */
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

void wn_badmap_watch(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    sigfillset(&action.sa_mask);
    (void)sigaction(SIGBUS, &action, NULL);
}
