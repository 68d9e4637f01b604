/* The lock: one holder at a time, the dead are known, and a woken holder finds out.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "units.h"

#include "store/holder.h"

#include <sys/wait.h>
#include <time.h>

static const struct wn_lock_options usual = {0};

static wn_code take(const struct place *place, struct wn_lock **out_lock, bool *out_over,
                    struct wn_error *err)
{
    return wn_lock_take(place->folder, &usual, out_lock, out_over, err);
}

static void lock_path(const struct place *place, char path[512])
{
    path_in(place, "lock", path);
}

/* Date the lock `seconds` back. */
static void lock_age(const struct place *place, int seconds)
{
    char path[512];
    struct timespec times[2];
    lock_path(place, path);
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static double lock_time(const struct place *place)
{
    char path[512];
    struct stat info;
    lock_path(place, path);
    cr_assert_eq(stat(path, &info), 0);
    return (double)info.st_mtim.tv_sec + 1e-9 * (double)info.st_mtim.tv_nsec;
}

/* A lock as `holder` would have left it. */
static void lock_write(const struct place *place, const struct wn_lock_holder *holder)
{
    char path[512];
    char text[WN_HOLDER_TEXT];
    size_t size = 0;
    struct wn_error err;
    WN_TEST_OK(wn_holder_print(holder, "0011223344556677", text, &size, &err));
    lock_path(place, path);
    file_write(path, text, size);
}

static struct wn_lock_holder self(void)
{
    struct wn_lock_holder holder;
    wn_holder_self(&holder);
    holder.epoch = 5;
    return holder;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- taking ---- */

Test(lock, second_holder_is_refused_at_once_with_a_text_that_names_the_first)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_lock *lock = NULL;
    struct wn_lock *second = NULL;
    bool over = true;
    char wanted[600];
    WN_TEST_OK(take(&place, &lock, &over, &err));
    cr_assert(!over && wn_lock_epoch(lock) == 1);
    WN_TEST_OK(wn_lock_check(lock, &err));
    const double begin = seconds_now();
    cr_assert_eq(take(&place, &second, &over, &err), WN_RUN);
    cr_assert_lt(seconds_now() - begin, 1.0);
    const struct wn_lock_holder holder = self();
    snprintf(wanted, sizeof wanted, "%s: is held by host %s, pid %ld", place.folder, holder.host,
             (long)getpid());
    cr_assert_not_null(strstr(err.text, wanted), "%s", err.text);
    snprintf(wanted, sizeof wanted,
             "which touched its lock 0 s ago; wait for it or stop it first; if it is surely "
             "gone, remove %s/lock",
             place.folder);
    cr_assert_not_null(strstr(err.text, wanted), "%s", err.text);
    WN_TEST_OK(wn_lock_check(lock, &err));
    cr_assert_eq(place_count(&place), 1, "no temporary files are left");
    wn_lock_release(&lock);
    cr_assert_null(lock);
    wn_lock_release(&lock);
    cr_assert_eq(place_count(&place), 0);
    place_free(&place);
}

Test(lock, epoch_is_above_every_journal_and_the_least_asked_for)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_lock *lock = NULL;
    struct wn_journal *journal = journal_new(place.folder, 7);
    wn_journal_close(&journal);
    WN_TEST_OK(take(&place, &lock, NULL, &err));
    cr_assert_eq(wn_lock_epoch(lock), 8);
    wn_lock_release(&lock);
    const struct wn_lock_options options = {.least_epoch = 20};
    WN_TEST_OK(wn_lock_take(place.folder, &options, &lock, NULL, &err));
    cr_assert_geq(wn_lock_epoch(lock), 20);
    wn_lock_release(&lock);
    struct wn_lock_holder holder = self();
    holder.epoch = 40;
    lock_write(&place, &holder);
    lock_age(&place, 100);
    WN_TEST_OK(take(&place, &lock, NULL, &err));
    cr_assert_eq(wn_lock_epoch(lock), 41);
    wn_lock_release(&lock);
    place_free(&place);
}

Test(lock, process_that_died_holding_it_is_followed_at_once)
{
    for (int is_zombie = 0; is_zombie < 2; is_zombie++) {
        const struct place place = place_new();
        struct wn_error err;
        struct wn_lock *lock = NULL;
        bool over = false;
        siginfo_t info;
        fflush(NULL);
        const pid_t child = fork();
        if (child == 0) {
            _exit(take(&place, &lock, NULL, &err) == WN_OK ? 0 : 1);
        }
        cr_assert_eq(waitid(P_PID, (id_t)child, &info, WEXITED | (is_zombie ? WNOWAIT : 0)), 0);
        cr_assert_eq(info.si_status, 0);
        const double begin = seconds_now();
        WN_TEST_OK(take(&place, &lock, &over, &err));
        cr_assert_lt(seconds_now() - begin, 1.0);
        cr_assert(over && wn_lock_epoch(lock) == 2);
        WN_TEST_OK(wn_lock_check(lock, &err));
        wn_lock_release(&lock);
        place_free(&place);
    }
}

/* Who stands in a lock just touched, seen from here, and whether that one is known dead. */
struct holder_case {
    const char *what;
    bool is_taken;
    void (*change)(struct wn_lock_holder *holder);
};

static void change_nothing(struct wn_lock_holder *holder)
{
    (void)holder;
}

static void change_start(struct wn_lock_holder *holder)
{
    holder->started--;
}

static void forget_start(struct wn_lock_holder *holder)
{
    holder->started = 0;
}

static void change_boot(struct wn_lock_holder *holder)
{
    snprintf(holder->boot, sizeof holder->boot, "another-boot");
}

static void forget_boot(struct wn_lock_holder *holder)
{
    holder->boot[0] = '\0';
    holder->pid = 4194999; /* above what Linux gives out */
}

static void change_space(struct wn_lock_holder *holder)
{
    snprintf(holder->space, sizeof holder->space, "pid:[1]");
    holder->pid = 4194999;
}

static void change_pid(struct wn_lock_holder *holder)
{
    holder->pid = 4194999;
}

static void change_host(struct wn_lock_holder *holder)
{
    snprintf(holder->host, sizeof holder->host, "far-away");
    holder->pid = 4194999;
}

static void change_restart(struct wn_lock_holder *holder)
{
    change_host(holder);
    snprintf(holder->job, sizeof holder->job, "991");
    holder->restart = 1;
}

static void same_restart(struct wn_lock_holder *holder)
{
    change_restart(holder);
    holder->restart = 2;
}

static void other_job(struct wn_lock_holder *holder)
{
    change_restart(holder);
    snprintf(holder->job, sizeof holder->job, "990");
}

Test(lock, only_who_is_surely_dead_is_followed_while_the_lock_is_fresh)
{
    static const struct holder_case cases[] = {
        {"this process", false, change_nothing},
        {"our pid, begun at another time", true, change_start},
        {"our pid, start not known", false, forget_start},
        {"a pid that is gone", true, change_pid},
        {"this host before it was booted again", true, change_boot},
        {"this host, boot not known", false, forget_boot},
        {"a container on this host", false, change_space},
        {"another host", false, change_host},
        {"this Slurm job before its restart", true, change_restart},
        {"this Slurm job, same restart", false, same_restart},
        {"another Slurm job", false, other_job},
    };
    setenv("SLURM_JOB_ID", "991", 1);
    setenv("SLURM_RESTART_COUNT", "2", 1);
    unsetenv("SLURM_ARRAY_JOB_ID");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct place place = place_new();
        struct wn_error err;
        struct wn_lock *lock = NULL;
        bool over = false;
        bool is_held = false;
        struct wn_lock_holder holder = self();
        struct wn_lock_holder seen;
        holder.job[0] = '\0';
        cases[i].change(&holder);
        lock_write(&place, &holder);
        WN_TEST_OK(wn_lock_look(place.folder, &seen, &is_held, &err));
        cr_assert(is_held == !cases[i].is_taken && seen.epoch == 5 && strcmp(seen.host, holder.host) == 0,
                  "%s", cases[i].what);
        const wn_code code = take(&place, &lock, &over, &err);
        cr_assert_eq(code, cases[i].is_taken ? WN_OK : WN_RUN, "%s: %d", cases[i].what, (int)code);
        cr_assert_eq(over, cases[i].is_taken);
        if (lock != NULL) {
            cr_assert_eq(wn_lock_epoch(lock), 6);
            wn_lock_release(&lock);
            cr_assert_eq(place_count(&place), 0);
        } else {
            lock_age(&place, 61);
            WN_TEST_OK(take(&place, &lock, &over, &err));
            cr_assert(over && wn_lock_epoch(lock) == 6, "%s, without a touch for 61 s", cases[i].what);
            wn_lock_release(&lock);
        }
        place_free(&place);
    }
}

Test(lock, slurm_job_is_named_with_its_array_task)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_lock *lock = NULL;
    struct wn_lock *second = NULL;
    setenv("SLURM_JOB_ID", "991", 1);
    setenv("SLURM_ARRAY_JOB_ID", "980", 1);
    setenv("SLURM_ARRAY_TASK_ID", "4", 1);
    WN_TEST_OK(take(&place, &lock, NULL, &err));
    cr_assert_eq(take(&place, &second, NULL, &err), WN_RUN);
    cr_assert_not_null(strstr(err.text, "(Slurm job 980_4)"), "%s", err.text);
    wn_lock_release(&lock);
    unsetenv("SLURM_ARRAY_TASK_ID");
    WN_TEST_OK(take(&place, &lock, NULL, &err));
    cr_assert_eq(take(&place, &second, NULL, &err), WN_RUN);
    cr_assert_not_null(strstr(err.text, "(Slurm job 991)"), "%s", err.text);
    wn_lock_release(&lock);
    place_free(&place);
}

Test(lock, unreadable_lock_is_held_while_fresh_and_stale_after)
{
    static const char *const texts[] = {
        "",
        "{\"host\":\"n1\",\"pid\":",
        "not json",
        "[1,2]",
        "{\"host\":\"a\",\"boot\":\"\",\"space\":\"\",\"job\":\"\",\"since\":\"\",\"pid\":-1,\"restart\":0,"
        "\"started\":0,\"epoch\":1}",
        "{\"host\":\"a\",\"boot\":\"\",\"space\":\"\",\"job\":\"\",\"since\":\"\",\"pid\":1,\"restart\":0,"
        "\"started\":0,\"epoch\":1e300}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct place place = place_new();
        struct wn_error err;
        struct wn_lock *lock = NULL;
        struct wn_lock_holder holder;
        bool is_held = false;
        char path[512];
        lock_path(&place, path);
        file_write(path, texts[i], strlen(texts[i]));
        cr_assert_eq(take(&place, &lock, NULL, &err), WN_RUN, "%s", texts[i]);
        cr_assert_not_null(strstr(err.text, "cannot be read"), "%s", err.text);
        WN_TEST_OK(wn_lock_look(place.folder, &holder, &is_held, &err));
        cr_assert(is_held && holder.host[0] == '\0');
        lock_age(&place, 61);
        WN_TEST_OK(wn_lock_look(place.folder, &holder, &is_held, &err));
        cr_assert(!is_held);
        WN_TEST_OK(take(&place, &lock, NULL, &err));
        cr_assert_eq(wn_lock_epoch(lock), 1);
        wn_lock_release(&lock);
        place_free(&place);
    }
}

Test(lock, absurd_epoch_is_refused_not_counted_on)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_lock *lock = NULL;
    struct wn_lock_holder holder = self();
    holder.epoch = (UINT64_C(1) << 53) - 1;
    lock_write(&place, &holder);
    lock_age(&place, 100);
    const wn_code code = take(&place, &lock, NULL, &err);
    cr_assert(code == WN_IO, "code %d", (int)code);
    place_free(&place);
}

/* ---- holding ---- */

Test(lock, woken_holder_finds_that_it_was_taken_over)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_lock *slept = NULL;
    struct wn_lock *lock = NULL;
    bool over = false;
    const struct wn_lock_options options = {.touch = 1000};
    WN_TEST_OK(wn_lock_take(place.folder, &options, &slept, NULL, &err));
    lock_age(&place, 61);
    WN_TEST_OK(take(&place, &lock, &over, &err));
    cr_assert(over && wn_lock_epoch(lock) == 2);
    cr_assert_eq(wn_lock_check(slept, &err), WN_RUN);
    char wanted[100];
    snprintf(wanted, sizeof wanted, "pid %ld as start 2", (long)getpid());
    cr_assert_not_null(strstr(err.text, wanted), "%s", err.text);
    wn_lock_release(&slept);
    WN_TEST_OK(wn_lock_check(lock, &err));
    cr_assert_eq(place_count(&place), 1, "releasing removes only one's own lock");
    wn_lock_release(&lock);
    cr_assert_eq(place_count(&place), 0);
    place_free(&place);
}

Test(lock, touches_keep_it_fresh_and_never_touch_a_lock_that_replaced_it)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_lock *lock = NULL;
    const struct wn_lock_options options = {.touch = 0.02};
    WN_TEST_OK(wn_lock_take(place.folder, &options, &lock, NULL, &err));
    lock_age(&place, 1000);
    const double old = lock_time(&place);
    for (int i = 0; i < 500 && lock_time(&place) < old + 900; i++) {
        usleep(10000);
    }
    cr_assert_gt(lock_time(&place), old + 900, "touched");

    char path[512];
    char part[512];
    lock_path(&place, path);
    path_in(&place, "other", part);
    file_write(part, "somebody else's", 15);
    cr_assert_eq(rename(part, path), 0);
    lock_age(&place, 1000);
    const double before = lock_time(&place);
    usleep(200000);
    cr_assert_eq(lock_time(&place), before);
    cr_assert_eq(wn_lock_check(lock, &err), WN_RUN);
    wn_lock_release(&lock);
    cr_assert_eq(place_count(&place), 1);
    place_free(&place);
}

Test(lock, release_does_not_wait_for_the_next_touch)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_lock *lock = NULL;
    WN_TEST_OK(take(&place, &lock, NULL, &err));
    const double begin = seconds_now();
    wn_lock_release(&lock);
    cr_assert_lt(seconds_now() - begin, 1.0);
    place_free(&place);
}

Test(lock, vanished_lock_means_another_job_and_a_vanished_folder_is_an_io_error)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_lock *lock = NULL;
    struct wn_lock_holder holder;
    bool is_held = true;
    char path[512];
    WN_TEST_OK(take(&place, &lock, NULL, &err));
    lock_path(&place, path);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(wn_lock_check(lock, &err), WN_RUN);
    cr_assert_not_null(strstr(err.text, "vanished"), "%s", err.text);
    place_free(&place);
    cr_assert_eq(wn_lock_check(lock, &err), WN_IO);
    wn_lock_release(&lock);
    cr_assert_eq(take(&place, &lock, NULL, &err), WN_IO);
    cr_assert_not_null(strstr(err.text, place.folder), "%s", err.text);
    cr_assert_eq(wn_lock_look(place.folder, &holder, &is_held, &err), WN_IO);
}

Test(lock, folder_that_may_not_be_written_is_an_io_error)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_lock *lock = NULL;
    cr_assert_eq(chmod(place.folder, 0500), 0);
    if (geteuid() == 0) {
        printf("SKIPPED: root may write everywhere\n");
    } else {
        cr_assert_eq(take(&place, &lock, NULL, &err), WN_IO);
    }
    cr_assert_eq(chmod(place.folder, 0700), 0);
    place_free(&place);
}

Test(lock, looking_tells_who_holds_it)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_lock *lock = NULL;
    struct wn_lock_holder holder;
    bool is_held = true;
    WN_TEST_OK(wn_lock_look(place.folder, &holder, &is_held, &err));
    cr_assert(!is_held && holder.pid == 0);
    WN_TEST_OK(take(&place, &lock, NULL, &err));
    WN_TEST_OK(wn_lock_look(place.folder, &holder, &is_held, &err));
    cr_assert(is_held && holder.pid == getpid() && holder.epoch == 1 && strlen(holder.since) == 20);
    cr_assert(holder.boot[0] != '\0' && holder.space[0] != '\0' && holder.started > 0);
    wn_lock_release(&lock);
    place_free(&place);
}

Test(lock, what_killed_jobs_left_beside_it_is_removed)
{
    static const char *const names[] = {"lock.tmp.12.00ff", "lock.probe.12.00ff"};
    const struct place place = place_new();
    struct wn_error err;
    struct wn_lock *lock = NULL;
    const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    char path[512];
    for (size_t i = 0; i < 2; i++) {
        path_in(&place, names[i], path);
        file_write(path, "", 0);
        cr_assert_eq(utimensat(AT_FDCWD, path, old, 0), 0);
    }
    path_in(&place, "lock.tmp.13.00ff", path);
    file_write(path, "", 0); /* of a job that starts at this moment */
    WN_TEST_OK(take(&place, &lock, NULL, &err));
    cr_assert_eq(place_count(&place), 2);
    wn_lock_release(&lock);
    place_free(&place);
}

/* ---- races ---- */

/* Take the lock when `go` closes, say so on `ready`, and when `check` closes exit with 1 if it is held for sure. */
static void racer(const struct place *place, int go, int ready, int check)
{
    struct wn_error err;
    struct wn_lock *lock = NULL;
    char byte = 0;
    (void)!read(go, &byte, 1);
    const wn_code code = take(place, &lock, NULL, &err);
    (void)!write(ready, code == WN_OK || code == WN_RUN ? "r" : "x", 1);
    (void)!read(check, &byte, 1);
    _exit(code == WN_OK && wn_lock_check(lock, &err) == WN_OK ? 1 : 0);
}

static int race(const struct place *place)
{
    int go[2];
    int ready[2];
    int check[2];
    pid_t children[2];
    cr_assert(pipe(go) == 0 && pipe(ready) == 0 && pipe(check) == 0);
    fflush(NULL);
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            close(go[1]);
            close(check[1]);
            racer(place, go[0], ready[1], check[0]);
        }
    }
    close(go[1]);
    for (int i = 0; i < 2; i++) {
        char byte = 0;
        cr_assert(read(ready[0], &byte, 1) == 1 && byte == 'r', "a racer failed otherwise than by WN_RUN");
    }
    close(check[1]);
    int holders = 0;
    for (int i = 0; i < 2; i++) {
        int status = 0;
        waitpid(children[i], &status, 0);
        cr_assert(WIFEXITED(status));
        holders += WEXITSTATUS(status);
    }
    close(go[0]);
    close(check[0]);
    close(ready[0]);
    close(ready[1]);
    return holders;
}

Test(lock, of_two_that_race_exactly_one_holds)
{
    for (int i = 0; i < 50; i++) {
        const struct place place = place_new();
        if (i % 5 != 0) { /* a stale lock to take over; else none */
            struct wn_lock_holder holder = self();
            change_host(&holder);
            lock_write(&place, &holder);
            lock_age(&place, 61 + i);
        }
        cr_assert_eq(race(&place), 1, "round %d", i);
        place_free(&place);
    }
}
