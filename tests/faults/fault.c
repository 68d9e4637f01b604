/* Faults on order: a library that is put before the C library (LD_PRELOAD) and kills, fails, delays or stops a program
 * at a named call on a named file.
 * SPDX-License-Identifier: Apache-2.0
 *
 * WINNOW_FAULT="call[@thread]:pattern:nth:action[,...]"
 *   call     write  write, writev, pwrite, pwritev and fflush with something to write
 *            sync   fsync, fdatasync            open    open for reading      create  open with O_CREAT
 *            rename (by the new name)           link    link (new name)       unlink  unlink, remove
 *            cut    ftruncate                   read    read, pread           mkdir
 *            flock  flock, fcntl locks          touch   futimens, utimensat   name    pthread_setname_np (thread name)
 *            memory malloc, calloc, realloc (pattern is not looked at)
 *   thread   shell pattern for the name of the calling thread
 *   pattern  shell pattern: for the last part of the path, or for all of it where the pattern has a slash
 *   nth      3: the third such call; 3+: from the third on
 *   action   kill-before, kill-inside (half of the bytes are written; as kill-after where nothing is written),
 *            kill-after, the name of an errno, short (half of the bytes, then as usual), sleep=SECONDS, hang,
 *            stop (SIGSTOP to the process, then as usual)
 * WINNOW_FAULT_SEEN=FILE   a line for each fault that came
 * WINNOW_FAULT_TRACE=FILE  a line for each call that is watched: "call path bytes"
 *
 * The calls are made as system calls, so nothing has to be looked up while a program starts. What is to be done with
 * them is in orders.c.
 */
#include "orders.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The answer of a call that writes nothing. */
static long finish(struct verdict verdict, long result)
{
    if (verdict.action == KILL_INSIDE || verdict.action == KILL_AFTER) {
        wn_fault_die();
    }
    return result;
}

static bool fails(struct verdict verdict)
{
    if (verdict.action == FAIL) {
        errno = verdict.error;
        return true;
    }
    return false;
}

/* ---- calls that write ---- */

static size_t total_of(const struct iovec *parts, int n)
{
    size_t total = 0;
    for (int i = 0; i < n; ++i) {
        total += parts[i].iov_len;
    }
    return total;
}

/* Write `parts` at `offset` (negative: where the file stands), by one call. */
static ssize_t parts_write(int fd, const struct iovec *parts, int n, off_t offset)
{
    const long result = offset < 0 ? syscall(SYS_writev, fd, parts, n)
                                   : syscall(SYS_pwritev, fd, parts, n, (unsigned long)offset, 0UL);
    return (ssize_t)result;
}

/* The same with no more than `most` bytes. */
static ssize_t some_write(int fd, const struct iovec *parts, int n, off_t offset, size_t most)
{
    size_t written = 0;
    for (int i = 0; i < n && written < most; ++i) {
        const size_t left = most - written;
        const struct iovec one = {parts[i].iov_base, parts[i].iov_len < left ? parts[i].iov_len : left};
        const ssize_t result = parts_write(fd, &one, 1, offset < 0 ? offset : offset + (off_t)written);
        if (result < 0) {
            return written > 0 ? (ssize_t)written : result;
        }
        written += (size_t)result;
    }
    return (ssize_t)written;
}

static ssize_t judged_write(int fd, const struct iovec *parts, int n, off_t offset)
{
    const size_t size = total_of(parts, n);
    const struct verdict verdict = wn_fault_judge_fd(WRITE, fd, size);
    if (fails(verdict)) {
        return -1;
    }
    if (verdict.action == SHORT || verdict.action == KILL_INSIDE) {
        const ssize_t half = some_write(fd, parts, n, offset, (size + 1) / 2);
        return (ssize_t)finish(verdict, half);
    }
    return (ssize_t)finish(verdict, parts_write(fd, parts, n, offset));
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    const struct iovec part = {(void *)(uintptr_t)bytes, size};
    return judged_write(fd, &part, 1, -1);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    return judged_write(fd, parts, n, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    const struct iovec part = {(void *)(uintptr_t)bytes, size};
    return judged_write(fd, &part, 1, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    return pwrite(fd, bytes, size, (off_t)offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t offset)
{
    return judged_write(fd, parts, n, offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int n, off64_t offset)
{
    return pwritev(fd, parts, n, (off_t)offset);
}

/* The C library writes its streams by calls of its own, which nobody can come between. */
int fflush(FILE *stream)
{
    int (*real)(FILE *) = NULL;
    void *const found = dlsym(RTLD_NEXT, "fflush");
    memcpy(&real, &found, sizeof real);
    if (stream == NULL || __fpending(stream) == 0) {
        return real(stream);
    }
    const struct verdict verdict = wn_fault_judge_fd(WRITE, fileno(stream), __fpending(stream));
    if (fails(verdict)) {
        __fpurge(stream);
        return EOF;
    }
    if (verdict.action == KILL_INSIDE) {
        (void)syscall(SYS_write, fileno(stream), stream->_IO_write_base, __fpending(stream) / 2);
    }
    return (int)finish(verdict, real(stream));
}

/* ---- calls on an open file ---- */

static int judged_sync(int fd, long number)
{
    const struct verdict verdict = wn_fault_judge_fd(SYNC, fd, 0);
    return fails(verdict) ? -1 : (int)finish(verdict, syscall(number, fd));
}

int fsync(int fd)
{
    return judged_sync(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return judged_sync(fd, SYS_fdatasync);
}

int ftruncate(int fd, off_t size)
{
    const struct verdict verdict = wn_fault_judge_fd(CUT, fd, (size_t)size);
    return fails(verdict) ? -1 : (int)finish(verdict, syscall(SYS_ftruncate, fd, size));
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, (off_t)size);
}

int flock(int fd, int operation)
{
    const struct verdict verdict = wn_fault_judge_fd(FLOCK, fd, 0);
    return fails(verdict) ? -1 : (int)finish(verdict, syscall(SYS_flock, fd, operation));
}

int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *const argument = va_arg(arguments, void *);
    va_end(arguments);
    const bool locks =
        command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW;
    const struct verdict verdict = locks ? wn_fault_judge_fd(FLOCK, fd, 0) : (struct verdict){NONE, 0};
    return fails(verdict) ? -1 : (int)finish(verdict, syscall(SYS_fcntl, fd, command, argument));
}

int fcntl64(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *const argument = va_arg(arguments, void *);
    va_end(arguments);
    return fcntl(fd, command, argument);
}

int futimens(int fd, const struct timespec times[2])
{
    const struct verdict verdict = wn_fault_judge_fd(TOUCH, fd, 0);
    return fails(verdict) ? -1 : (int)finish(verdict, syscall(SYS_utimensat, fd, NULL, times, 0));
}

ssize_t read(int fd, void *bytes, size_t size)
{
    const struct verdict verdict = wn_fault_judge_fd(READ, fd, size);
    const size_t wanted = verdict.action == SHORT ? (size + 1) / 2 : size;
    return fails(verdict) ? -1 : (ssize_t)finish(verdict, syscall(SYS_read, fd, bytes, wanted));
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
    const struct verdict verdict = wn_fault_judge_fd(READ, fd, size);
    const size_t wanted = verdict.action == SHORT ? (size + 1) / 2 : size;
    return fails(verdict) ? -1 : (ssize_t)finish(verdict, syscall(SYS_pread64, fd, bytes, wanted, offset));
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t offset)
{
    return pread(fd, bytes, size, (off_t)offset);
}

/* ---- calls on a path ---- */

static int judged_open(int folder, const char *path, int flags, mode_t mode)
{
    const struct verdict verdict = wn_fault_judge_at((flags & O_CREAT) != 0 ? CREATE : OPEN, folder, path);
    return fails(verdict) ? -1 : (int)finish(verdict, syscall(SYS_openat, folder, path, flags, mode));
}

#define OPEN_MODE(last, out_mode)                   \
    do {                                            \
        if ((flags & (O_CREAT | O_TMPFILE)) != 0) { \
            va_list arguments;                      \
            va_start(arguments, last);              \
            (out_mode) = va_arg(arguments, mode_t); \
            va_end(arguments);                      \
        }                                           \
    } while (0)

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    OPEN_MODE(flags, mode);
    return judged_open(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    OPEN_MODE(flags, mode);
    return judged_open(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    mode_t mode = 0;
    OPEN_MODE(flags, mode);
    return judged_open(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...)
{
    mode_t mode = 0;
    OPEN_MODE(flags, mode);
    return judged_open(folder, path, flags, mode);
}

int rename(const char *from, const char *to)
{
    const struct verdict verdict = wn_fault_judge(RENAME, to, 0);
    return fails(verdict) ? -1 : (int)finish(verdict, syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to));
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    const struct verdict verdict = wn_fault_judge_at(RENAME, to_folder, to);
    return fails(verdict) ? -1
                          : (int)finish(verdict, syscall(SYS_renameat, from_folder, from, to_folder, to));
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    const struct verdict verdict = wn_fault_judge_at(RENAME, to_folder, to);
    return fails(verdict)
               ? -1
               : (int)finish(verdict, syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}

int link(const char *from, const char *to)
{
    const struct verdict verdict = wn_fault_judge(LINK, to, 0);
    return fails(verdict) ? -1 : (int)finish(verdict, syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    const struct verdict verdict = wn_fault_judge_at(LINK, to_folder, to);
    return fails(verdict)
               ? -1
               : (int)finish(verdict, syscall(SYS_linkat, from_folder, from, to_folder, to, flags));
}

int unlinkat(int folder, const char *path, int flags)
{
    const struct verdict verdict = wn_fault_judge_at(UNLINK, folder, path);
    return fails(verdict) ? -1 : (int)finish(verdict, syscall(SYS_unlinkat, folder, path, flags));
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int remove(const char *path)
{
    const int result = unlinkat(AT_FDCWD, path, 0);
    return result != 0 && errno == EISDIR ? unlinkat(AT_FDCWD, path, AT_REMOVEDIR) : result;
}

int mkdir(const char *path, mode_t mode)
{
    const struct verdict verdict = wn_fault_judge(MKDIR, path, 0);
    return fails(verdict) ? -1 : (int)finish(verdict, syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int utimensat(int folder, const char *path, const struct timespec times[2], int flags)
{
    const struct verdict verdict = wn_fault_judge_at(TOUCH, folder, path);
    return fails(verdict) ? -1 : (int)finish(verdict, syscall(SYS_utimensat, folder, path, times, flags));
}

/* ---- threads and memory ---- */

int pthread_setname_np(pthread_t thread, const char *name)
{
    const struct verdict verdict = wn_fault_judge(NAME, name, 0);
    if (verdict.action == FAIL) {
        return verdict.error;
    }
    if (pthread_equal(thread, pthread_self()) != 0) {
        return finish(verdict, prctl(PR_SET_NAME, name)) != 0 ? errno : 0;
    }
    int (*real)(pthread_t, const char *) = NULL;
    void *const found = dlsym(RTLD_NEXT, "pthread_setname_np");
    memcpy(&real, &found, sizeof real);
    return (int)finish(verdict, real(thread, name));
}

/* The C library's own names for the same functions: to look them up would need memory. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool memory_fails(size_t size)
{
    return wn_fault_has_memory() && fails(wn_fault_judge(MEMORY, "", size));
}

void *malloc(size_t size)
{
    return memory_fails(size) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return memory_fails(n) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return memory_fails(size) ? NULL : __libc_realloc(old, size);
}
