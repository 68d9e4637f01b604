/* RUN/lock.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The lock is made by link(2), which is exclusive on every file system, or by exclusive creation where links are not
 * supported; it is taken over by rename(2). Either way it appears with its whole text. The toucher touches the file
 * through the descriptor it was made with, so that it can never keep somebody else's lock fresh.
 */
#include "store/lock.h"

#include "base/base.h"
#include "store/holder.h"
#include "store/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Numbers above are not kept exactly in JSON. */
static const uint64_t most_epoch = (UINT64_C(1) << 53) - 1;

enum { TOUCH_DEFAULT = 5, STALE_DEFAULT = 60, ATTEMPTS = 8, PAUSE_MS = 50 };

struct wn_lock {
    char *run, *path; /* RUN, RUN/lock */
    struct wn_lock_holder holder;
    char text[WN_HOLDER_TEXT]; /* what the file holds while it is ours */
    size_t text_size;
    int fd; /* of the file while it is ours */
    double touch, stale;
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_ending; /* under the mutex */
};

/* What stands in RUN/lock at one moment. */
struct look {
    bool is_there, is_readable; /* readable: it names a holder */
    struct wn_lock_holder holder;
    char text[WN_HOLDER_TEXT];
    size_t text_size;
    struct stat info;
};

static double seconds_of(struct timespec time)
{
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* A name for a file of ours beside the lock, RUN/lock.KIND.PID.RANDOM, in new memory. */
static wn_code name_make(const char *path, const char *kind, char **out_name, struct wn_error *err)
{
    uint64_t number = 0;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        number = (uint64_t)now.tv_nsec;
    }
    WN_CHECK(
        asprintf(out_name, "%s.%s.%ld.%016llx", path, kind, (long)getpid(), (unsigned long long)number) >= 0,
        err, WN_DEVICE, "out of memory for a path");
    return WN_OK;
}

/* ---- looking ---- */

/* Read the lock. What cannot be a lock of ours (too long, not JSON) is there but names nobody. WN_IO. */
static wn_code look_at(const char *path, struct look *out, struct wn_error *err)
{
    memset(out, 0, sizeof *out);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? WN_OK : wn_io_fail(path, "opened", errno, err);
    }
    ssize_t n = 0;
    do {
        n = pread(fd, out->text, sizeof out->text, 0);
    } while (n < 0 && errno == EINTR);
    const int reason = n < 0 || fstat(fd, &out->info) != 0 ? errno : 0;
    (void)close(fd);
    if (reason != 0) {
        return wn_io_fail(path, "read", reason, err);
    }
    out->is_there = true;
    out->text_size = (size_t)n;
    out->is_readable = wn_holder_parse((struct wn_span){out->text, out->text_size}, &out->holder);
    return WN_OK;
}

static bool look_is(const struct look *look, const struct wn_lock *lock)
{
    return look->is_there && lock->text_size > 0 && look->text_size == lock->text_size &&
           memcmp(look->text, lock->text, lock->text_size) == 0;
}

static bool look_is_same(const struct look *a, const struct look *b)
{
    return a->is_there && b->is_there && a->info.st_ino == b->info.st_ino &&
           a->info.st_dev == b->info.st_dev && a->text_size == b->text_size &&
           memcmp(a->text, b->text, a->text_size) == 0 && a->info.st_mtim.tv_sec == b->info.st_mtim.tv_sec &&
           a->info.st_mtim.tv_nsec == b->info.st_mtim.tv_nsec;
}

/* The time now by the clock of the file system that holds the lock: that of a file made there. */
static wn_code clock_of(const char *path, double *out_now, struct wn_error *err)
{
    char *probe = NULL;
    WN_TRY(name_make(path, "probe", &probe, err));
    wn_code code = WN_OK;
    struct stat info;
    const int fd = open(probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0 || fstat(fd, &info) != 0) {
        code = wn_io_fail(path, "taken", errno, err);
    } else {
        *out_now = seconds_of(info.st_mtim);
    }
    if (fd >= 0) {
        (void)unlink(probe);
        (void)close(fd);
    }
    free(probe);
    return code;
}

/* A touch in the future (a clock set back) counts as now. */
static double age_of(const struct look *look, double now)
{
    const double age = now - seconds_of(look->info.st_mtim);
    return age > 0 ? age : 0;
}

static bool is_held(const struct look *look, double age, double stale, const struct wn_lock_holder *self)
{
    return look->is_there && age <= stale && !(look->is_readable && wn_holder_is_dead(&look->holder, self));
}

static wn_code fail_held(const struct wn_lock *lock, const struct look *look, double age,
                         struct wn_error *err)
{
    char name[512];
    WN_CHECK(
        look->is_readable, err, WN_RUN,
        "%s: is held by somebody whose lock cannot be read, touched %.0f s ago; wait for that job or stop "
        "it first; if it is surely gone, remove %s",
        lock->run, age, lock->path);
    wn_holder_name(&look->holder, name, sizeof name);
    WN_FAIL(
        err, WN_RUN,
        "%s: is held by %s, which touched its lock %.0f s ago; wait for it or stop it first; if it is surely "
        "gone, remove %s",
        lock->run, name, age, lock->path);
}

/* ---- touching ---- */

static void *touch_repeatedly(void *context)
{
    struct wn_lock *lock = context;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    pthread_mutex_lock(&lock->mutex);
    while (!lock->is_ending) {
        const double wanted = seconds_of(next) + lock->touch;
        next.tv_sec = (time_t)wanted;
        next.tv_nsec = (long)((wanted - (double)next.tv_sec) * 1e9);
        int result = 0;
        while (!lock->is_ending && result == 0) {
            result = pthread_cond_timedwait(&lock->changed, &lock->mutex, &next);
        }
        if (!lock->is_ending) {
            pthread_mutex_unlock(&lock->mutex);
            /* A failure shows at the next wn_lock_check, or as an old time: nothing is to be done here. */
            (void)futimens(lock->fd, NULL);
            clock_gettime(CLOCK_MONOTONIC, &next);
            pthread_mutex_lock(&lock->mutex);
        }
    }
    pthread_mutex_unlock(&lock->mutex);
    return NULL;
}

/* The thread takes no signals: they belong to the one thread that waits for them. */
static wn_code toucher_start(struct wn_lock *lock, struct wn_error *err)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int reason = pthread_create(&lock->thread, NULL, touch_repeatedly, lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    WN_CHECK(reason == 0, err, WN_DEVICE, "%s: no thread to keep the lock fresh: %s", lock->path,
             strerror(reason));
    lock->has_thread = true;
    return WN_OK;
}

/* ---- taking ---- */

/* Write our text with `epoch` into a new file beside the lock; it stays open as lock->fd. */
static wn_code text_write(struct wn_lock *lock, uint64_t epoch, const char *path, struct wn_error *err)
{
    char key[WN_HOLDER_KEY];
    const char *dot = strrchr(path, '.');
    snprintf(key, sizeof key, "%s", dot != NULL ? dot + 1 : "");
    lock->holder.epoch = epoch;
    WN_TRY(wn_holder_print(&lock->holder, key, lock->text, &lock->text_size, err));
    if (lock->fd >= 0) {
        (void)close(lock->fd);
    }
    lock->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (lock->fd < 0) {
        return wn_io_fail(lock->path, "made", errno, err);
    }
    errno = 0;
    if (pwrite(lock->fd, lock->text, lock->text_size, 0) != (ssize_t)lock->text_size) {
        const int reason = errno != 0 ? errno : ENOSPC;
        (void)unlink(path);
        return wn_io_fail(lock->path, "written", reason, err);
    }
    return WN_OK;
}

/* Exclusive creation under the final name, where the file system has no links. */
static wn_code place_exclusively(struct wn_lock *lock, bool *out_taken, struct wn_error *err)
{
    const int fd = open(lock->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) {
        return errno == EEXIST ? WN_OK : wn_io_fail(lock->path, "made", errno, err);
    }
    (void)close(lock->fd);
    lock->fd = fd;
    errno = 0;
    if (pwrite(fd, lock->text, lock->text_size, 0) != (ssize_t)lock->text_size) {
        const int reason = errno != 0 ? errno : ENOSPC;
        (void)unlink(lock->path);
        return wn_io_fail(lock->path, "written", reason, err);
    }
    *out_taken = true;
    return WN_OK;
}

static bool lacks_links(int reason)
{
    return reason == EPERM || reason == ENOTSUP || reason == EOPNOTSUPP || reason == EMLINK ||
           reason == ENOSYS || reason == EACCES;
}

/* Make RUN/lock out of `part`, which holds our text; *out_taken stays false where there is one already. */
static wn_code place_new(struct wn_lock *lock, const char *part, bool *out_taken, struct wn_error *err)
{
    struct stat info;
    if (link(part, lock->path) == 0) {
        *out_taken = true;
        return WN_OK;
    }
    const int reason = errno;
    /* Over a network the answer to a link that was made may be lost, and asking again says that it exists. */
    if (fstat(lock->fd, &info) == 0 && info.st_nlink == 2) {
        *out_taken = true;
        return WN_OK;
    }
    if (reason == EEXIST) {
        return WN_OK;
    }
    return lacks_links(reason) ? place_exclusively(lock, out_taken, err)
                               : wn_io_fail(lock->path, "made", reason, err);
}

static void pause_briefly(void)
{
    struct timespec left = {0, PAUSE_MS * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* Put `part` in the place of the stale lock `old`, unless that one has changed, and see who won. */
static wn_code place_over(struct wn_lock *lock, const char *part, const struct look *old, bool *out_taken,
                          struct wn_error *err)
{
    struct look now;
    WN_TRY(look_at(lock->path, &now, err));
    if (!look_is_same(&now, old)) {
        return WN_OK;
    }
    if (rename(part, lock->path) != 0) {
        return wn_io_fail(lock->path, "taken over", errno, err);
    }
    /* Another who saw the same stale lock may do the same at this moment: the last one has it. */
    pause_briefly();
    WN_TRY(look_at(lock->path, &now, err));
    *out_taken = look_is(&now, lock);
    return WN_OK;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* One attempt: *out_taken stays false where the lock changed under our hands and is to be looked at again. */
static wn_code take_once(struct wn_lock *lock, uint64_t least_epoch, bool *out_taken, bool *out_taken_over,
                         struct wn_error *err)
{
    uint64_t highest = 0;
    double now = 0;
    char *part = NULL;
    struct look look;
    WN_TRY(look_at(lock->path, &look, err));
    WN_TRY(clock_of(lock->path, &now, err));
    const double age = look.is_there ? age_of(&look, now) : 0;
    if (is_held(&look, age, lock->stale, &lock->holder)) {
        return fail_held(lock, &look, age, err);
    }
    WN_TRY(wn_journals_highest(lock->run, &highest, err));
    const uint64_t before = larger(larger(highest, least_epoch), look.holder.epoch);
    WN_CHECK(
        before < most_epoch, err, WN_IO,
        "%s: the lock or the name of a journal there says that the run was started %llu times, which cannot "
        "be; remove that file if no job works there",
        lock->run, (unsigned long long)before);
    WN_TRY(name_make(lock->path, "tmp", &part, err));
    wn_code code = text_write(lock, before + 1, part, err);
    if (code == WN_OK) {
        code = look.is_there ? place_over(lock, part, &look, out_taken, err)
                             : place_new(lock, part, out_taken, err);
        *out_taken_over = *out_taken && look.is_there;
        (void)unlink(part);
    }
    free(part);
    return code;
}

/* What killed processes left beside the lock: files of ours that are old. */
static void leftovers_remove(const struct wn_lock *lock)
{
    DIR *folder = opendir(lock->run);
    struct stat ours;
    if (folder == NULL || fstat(lock->fd, &ours) != 0) {
        if (folder != NULL) {
            closedir(folder);
        }
        return;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        struct stat info;
        const char *name = entry->d_name;
        if ((strncmp(name, "lock.tmp.", 9) == 0 || strncmp(name, "lock.probe.", 11) == 0) &&
            fstatat(dirfd(folder), name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) &&
            seconds_of(ours.st_mtim) - seconds_of(info.st_mtim) > lock->stale) {
            (void)unlinkat(dirfd(folder), name, 0);
        }
    }
    closedir(folder);
}

static void lock_free(struct wn_lock *lock)
{
    if (lock->fd >= 0) {
        (void)close(lock->fd);
    }
    pthread_cond_destroy(&lock->changed);
    pthread_mutex_destroy(&lock->mutex);
    free(lock->run);
    free(lock->path);
    free(lock);
}

static wn_code lock_new(const char *run, const struct wn_lock_options *options, struct wn_lock **out_lock,
                        struct wn_error *err)
{
    struct wn_lock *lock = calloc(1, sizeof *lock);
    WN_CHECK(lock != NULL, err, WN_DEVICE, "out of memory for a lock");
    lock->fd = -1;
    lock->touch = options->touch > 0 ? options->touch : TOUCH_DEFAULT;
    lock->stale = options->stale > 0 ? options->stale : STALE_DEFAULT;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&lock->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&lock->mutex, NULL);
    lock->run = strdup(run);
    lock->path = wn_path_join(run, "lock");
    if (lock->run == NULL || lock->path == NULL) {
        lock_free(lock);
        WN_FAIL(err, WN_DEVICE, "out of memory for a lock");
    }
    wn_holder_self(&lock->holder);
    *out_lock = lock;
    return WN_OK;
}

wn_code wn_lock_take(const char *run, const struct wn_lock_options *options, struct wn_lock **out_lock,
                     bool *out_taken_over, struct wn_error *err)
{
    wn_code code = WN_OK;
    struct wn_lock *lock = NULL;
    bool is_taken = false;
    bool is_over = false;
    WN_TRY(lock_new(run, options, &lock, err));
    for (int i = 0; i < ATTEMPTS && !is_taken; ++i) {
        WN_TRY_OR(done, take_once(lock, options->least_epoch, &is_taken, &is_over, err));
    }
    if (!is_taken) {
        code = wn_error_set(err, WN_RUN, __FILE__, __LINE__,
                            "%s: other jobs take this run at the same time; start one of them only", run);
    }
    WN_TRY_OR(done, code);
    WN_TRY_OR(done, toucher_start(lock, err));
    leftovers_remove(lock);
    if (out_taken_over != NULL) {
        *out_taken_over = is_over;
    }
    *out_lock = lock;
    return WN_OK;
done:
    wn_lock_release(&lock); /* a lock that was placed before something failed goes again */
    return code;
}

/* ---- holding ---- */

uint64_t wn_lock_epoch(const struct wn_lock *lock)
{
    return lock->holder.epoch;
}

wn_code wn_lock_check(struct wn_lock *lock, struct wn_error *err)
{
    struct look look;
    char name[512];
    WN_TRY(look_at(lock->path, &look, err));
    if (!look.is_there) {
        /* A job that took the run over and finished takes its lock away too. */
        WN_CHECK(wn_path_exists(lock->run), err, WN_IO, "%s: has vanished: the run folder is gone; run again",
                 lock->path);
        WN_FAIL(err, WN_RUN,
                "%s: has vanished while this job held it: another job took the run over, or somebody removed it; this "
                "one leaves and writes nothing more",
                lock->path);
    }
    if (look_is(&look, lock)) {
        return WN_OK;
    }
    WN_CHECK(
        look.is_readable, err, WN_RUN,
        "%s: was overwritten while this job held it; this job writes no more; run again when no other job "
        "works there",
        lock->path);
    wn_holder_name(&look.holder, name, sizeof name);
    WN_FAIL(err, WN_RUN,
            "%s: was taken over by %s as start %llu, because this job (start %llu) had not touched its lock; "
            "this "
            "job writes no more",
            lock->run, name, (unsigned long long)look.holder.epoch, (unsigned long long)lock->holder.epoch);
}

void wn_lock_release(struct wn_lock **lock)
{
    struct wn_lock *const l = *lock;
    if (l == NULL) {
        return;
    }
    if (l->has_thread) {
        pthread_mutex_lock(&l->mutex);
        l->is_ending = true;
        pthread_cond_signal(&l->changed);
        pthread_mutex_unlock(&l->mutex);
        pthread_join(l->thread, NULL);
    }
    struct look look;
    if (look_at(l->path, &look, NULL) == WN_OK && look_is(&look, l)) {
        (void)unlink(l->path);
    }
    lock_free(l);
    *lock = NULL;
}

wn_code wn_lock_look(const char *run, struct wn_lock_holder *out_holder, bool *out_is_held,
                     struct wn_error *err)
{
    struct look look = {.is_there = false};
    struct wn_lock_holder self;
    struct stat info;
    char *path = wn_path_join(run, "lock");
    WN_CHECK(path != NULL, err, WN_DEVICE, "out of memory for a path");
    memset(out_holder, 0, sizeof *out_holder);
    *out_is_held = false;
    wn_code code = stat(run, &info) == 0 ? look_at(path, &look, err) : wn_io_fail(run, "read", errno, err);
    if (code == WN_OK && look.is_there) {
        double now = 0;
        /* Who may only read the folder goes by the clock of this machine. */
        if (clock_of(path, &now, NULL) != WN_OK) {
            struct timespec time;
            clock_gettime(CLOCK_REALTIME, &time);
            now = seconds_of(time);
        }
        wn_holder_self(&self);
        *out_holder = look.holder;
        *out_is_held = is_held(&look, age_of(&look, now), STALE_DEFAULT, &self);
    }
    free(path);
    return code;
}
