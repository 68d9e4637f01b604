/* A crew: named threads that work on one thing, end together, and are watched.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/crew.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct wn_stage {
    struct wn_stage *next;
    struct wn_crew *crew;
    const char *name; /* constant text */
    wn_code hang_code;
    wn_stage_run run;
    void *context;
    pthread_t thread;
    atomic_int_least64_t beat; /* when it last moved, ns of CLOCK_MONOTONIC */
    atomic_bool is_waiting;
    bool is_done;       /* under the crew's mutex, like the next three */
    int64_t since;      /* when it began to wait or to work */
    int64_t work, wait; /* ns before that */
};

struct wn_crew {
    pthread_mutex_t mutex;
    pthread_cond_t one_done;
    void (*stop)(void *context);
    void *context;
    bool is_stopped;
    struct wn_stage *first, **end; /* in the order of their start */
    size_t n_left;                 /* threads that are not done */
    int64_t last_check, watched_since;
    struct wn_error failure; /* the first of a stage; WN_OK: none */
};

static double seconds_of(int64_t ns)
{
    return (double)ns * 1e-9;
}

wn_code wn_crew_new(void (*stop)(void *context), void *context, struct wn_crew **out_crew,
                    struct wn_error *err)
{
    struct wn_crew *crew = calloc(1, sizeof *crew);
    WN_CHECK(crew != NULL, err, WN_DEVICE, "out of memory for the threads");
    crew->stop = stop;
    crew->context = context;
    crew->end = &crew->first;
    crew->last_check = crew->watched_since = wn_clock_ns();
    pthread_condattr_t attributes;
    bool ok = pthread_condattr_init(&attributes) == 0;
    if (ok) {
        ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
             pthread_cond_init(&crew->one_done, &attributes) == 0;
        pthread_condattr_destroy(&attributes);
    }
    if (ok && pthread_mutex_init(&crew->mutex, NULL) != 0) {
        pthread_cond_destroy(&crew->one_done);
        ok = false;
    }
    if (!ok) {
        free(crew);
        WN_FAIL(err, WN_DEVICE, "the system gives no lock for the threads");
    }
    *out_crew = crew;
    return WN_OK;
}

/* Call `stop` unless somebody has: outside the mutex, as it may take locks of its own. */
static void crew_stop(struct wn_crew *crew)
{
    pthread_mutex_lock(&crew->mutex);
    const bool is_first = !crew->is_stopped;
    crew->is_stopped = true;
    pthread_mutex_unlock(&crew->mutex);
    if (is_first && crew->stop != NULL) {
        crew->stop(crew->context);
    }
}

/* The first failure is the cause, what others say after it follows from it. Only being stopped is no cause: any true
 * failure takes its place. */
static void failure_keep(struct wn_crew *crew, const char *name, wn_code code, const struct wn_error *err)
{
    pthread_mutex_lock(&crew->mutex);
    if (crew->failure.code == WN_OK || (crew->failure.code == WN_STOPPED && code != WN_STOPPED)) {
        const bool has_text = err->code != WN_OK && err->file != NULL;
        (void)wn_error_set(&crew->failure, code, has_text ? err->file : __FILE__,
                           has_text ? err->line : __LINE__, "%s: %s", name,
                           has_text ? err->text : wn_code_text(code));
    }
    pthread_mutex_unlock(&crew->mutex);
}

/* The time up to now belongs to what the stage did. The mutex is held. */
static void share_close(struct wn_stage *stage, bool was_waiting)
{
    const int64_t now = wn_clock_ns();
    *(was_waiting ? &stage->wait : &stage->work) += now - stage->since;
    stage->since = now;
}

static void *stage_main(void *argument)
{
    struct wn_stage *stage = argument;
    struct wn_crew *crew = stage->crew;
    (void)pthread_setname_np(pthread_self(), stage->name);
    wn_stage_work(stage);
    struct wn_error err = {.code = WN_OK};
    const wn_code code = stage->run(stage, stage->context, &err);
    if (code != WN_OK) {
        failure_keep(crew, stage->name, code, &err);
        crew_stop(crew);
    }
    pthread_mutex_lock(&crew->mutex);
    share_close(stage, atomic_load(&stage->is_waiting));
    stage->is_done = true;
    crew->n_left--;
    pthread_cond_broadcast(&crew->one_done);
    pthread_mutex_unlock(&crew->mutex);
    return NULL;
}

wn_code wn_crew_start(struct wn_crew *crew, const char *name, wn_code hang_code, wn_stage_run run,
                      void *context, struct wn_error *err)
{
    struct wn_stage *stage = calloc(1, sizeof *stage);
    WN_CHECK(stage != NULL, err, WN_DEVICE, "out of memory for the thread \"%s\"", name);
    stage->crew = crew;
    stage->name = name;
    stage->hang_code = hang_code;
    stage->run = run;
    stage->context = context;
    stage->since = wn_clock_ns();
    atomic_init(&stage->beat, stage->since);
    atomic_init(&stage->is_waiting, false);
    pthread_mutex_lock(&crew->mutex);
    const int reason = pthread_create(&stage->thread, NULL, stage_main, stage);
    if (reason == 0) {
        *crew->end = stage;
        crew->end = &stage->next;
        crew->n_left++;
    }
    pthread_mutex_unlock(&crew->mutex);
    if (reason != 0) {
        free(stage);
        WN_FAIL(err, WN_DEVICE, "no thread \"%s\" can be made: %s; see `ulimit -u`", name, strerror(reason));
    }
    return WN_OK;
}

void wn_stage_beat(struct wn_stage *stage)
{
    if (stage != NULL) {
        atomic_store_explicit(&stage->beat, wn_clock_ns(), memory_order_relaxed);
    }
}

void wn_stage_wait(struct wn_stage *stage)
{
    if (stage == NULL) {
        return;
    }
    pthread_mutex_lock(&stage->crew->mutex);
    share_close(stage, atomic_exchange(&stage->is_waiting, true));
    pthread_mutex_unlock(&stage->crew->mutex);
}

void wn_stage_work(struct wn_stage *stage)
{
    if (stage == NULL) {
        return;
    }
    /* The beat comes first: who sees the stage at work sees this beat too, not the one before the wait. */
    wn_stage_beat(stage);
    pthread_mutex_lock(&stage->crew->mutex);
    share_close(stage, atomic_exchange(&stage->is_waiting, false));
    pthread_mutex_unlock(&stage->crew->mutex);
}

static const char *hang_cause(wn_code hang_code)
{
    switch (hang_code) {
    case WN_IO:
        return "a file system may not answer: see whether `ls` and `df` come back where the files are; when "
               "it "
               "answers, the same command goes on";
    case WN_DEVICE:
        return "the device may be lost, or the machine is short of memory and swaps: see `dmesg` and `free "
               "-h`; "
               "the same command goes on";
    case WN_RANK:
        return "another process may be gone: see the output of the launcher; the same command goes on";
    default:
        return "this may be a defect of the program: please report it; the same command goes on";
    }
}

/* The stage that has hung longest, for longer than `limit` ns, and for how long; NULL if none. The mutex is held. */
static const struct wn_stage *hang_find(const struct wn_crew *crew, int64_t now, int64_t limit,
                                        int64_t *out_ns)
{
    const struct wn_stage *found = NULL;
    for (const struct wn_stage *stage = crew->first; stage != NULL; stage = stage->next) {
        if (stage->is_done || atomic_load(&stage->is_waiting)) {
            continue;
        }
        const int64_t beat = atomic_load(&stage->beat);
        const int64_t still = now - (beat > crew->watched_since ? beat : crew->watched_since);
        if (still > limit) {
            found = stage;
            limit = still;
            *out_ns = still;
        }
    }
    return found;
}

wn_code wn_crew_check(struct wn_crew *crew, double limit, struct wn_error *err)
{
    const int64_t now = wn_clock_ns();
    const double limit_ns = limit > 0 && limit < 1e9 ? limit * 1e9 : (double)INT64_MAX / 2;
    pthread_mutex_lock(&crew->mutex);
    /* Where this thread did not come here for so long, the whole process may have been held (a suspended job, Ctrl-Z):
     * that is no hang of a stage. */
    if ((double)(now - crew->last_check) > limit_ns / 2) {
        crew->watched_since = now;
    }
    crew->last_check = now;
    wn_code code = crew->failure.code;
    if (code != WN_OK) {
        (void)wn_error_set(err, code, crew->failure.file, crew->failure.line, "%s", crew->failure.text);
    } else {
        int64_t still = 0;
        const struct wn_stage *stage = hang_find(crew, now, (int64_t)limit_ns, &still);
        if (stage != NULL) {
            code = wn_error_set(err, stage->hang_code, __FILE__, __LINE__, "%s: has not moved for %.*f s; %s",
                                stage->name, still < 10000000000 ? 1 : 0, seconds_of(still),
                                hang_cause(stage->hang_code));
        }
    }
    pthread_mutex_unlock(&crew->mutex);
    return code;
}

/* Wait until all are done, or the time is over. The mutex is held. */
static void wait_for_all(struct wn_crew *crew, double seconds)
{
    const bool is_for_ever = !(seconds >= 0 && seconds < 1e9);
    const int64_t at = wn_clock_ns() + (is_for_ever ? 0 : (int64_t)(seconds * 1e9));
    const struct timespec deadline = {(time_t)(at / 1000000000), (long)(at % 1000000000)};
    int reason = 0;
    while (crew->n_left > 0 && reason == 0) {
        reason = is_for_ever ? pthread_cond_wait(&crew->one_done, &crew->mutex)
                             : pthread_cond_timedwait(&crew->one_done, &crew->mutex, &deadline);
    }
}

/* The names of the threads that are left, each once, into `out`; the hang code of the first. The mutex is held. */
static wn_code left_name(const struct wn_crew *crew, char *out, size_t size)
{
    wn_code code = WN_OK;
    size_t used = 0;
    out[0] = '\0';
    for (const struct wn_stage *stage = crew->first; stage != NULL; stage = stage->next) {
        bool is_new = !stage->is_done;
        for (const struct wn_stage *other = crew->first; is_new && other != stage; other = other->next) {
            is_new = other->is_done || strcmp(other->name, stage->name) != 0;
        }
        if (is_new && used + strlen(stage->name) + 3 < size) {
            strcpy(out + used, used > 0 ? ", " : "");
            strcat(out + used, stage->name);
            used += strlen(out + used);
            code = code == WN_OK ? stage->hang_code : code;
        }
    }
    return code;
}

wn_code wn_crew_end(struct wn_crew **crew, double seconds, bool *out_left, struct wn_error *err)
{
    struct wn_crew *const c = *crew;
    *crew = NULL;
    if (out_left != NULL) {
        *out_left = false;
    }
    if (c == NULL) {
        return WN_OK;
    }
    crew_stop(c);
    pthread_mutex_lock(&c->mutex);
    wait_for_all(c, seconds);
    const bool is_left = c->n_left > 0;
    wn_code code = c->failure.code;
    if (code != WN_OK) {
        (void)wn_error_set(err, code, c->failure.file, c->failure.line, "%s", c->failure.text);
    } else if (is_left) {
        char names[256];
        const wn_code hang_code = left_name(c, names, sizeof names);
        code = wn_error_set(err, hang_code, __FILE__, __LINE__, "%s: has not ended within %g s; %s", names,
                            seconds, hang_cause(hang_code));
    }
    for (struct wn_stage *stage = c->first; is_left && stage != NULL; stage = stage->next) {
        (void)pthread_detach(stage->thread);
    }
    pthread_mutex_unlock(&c->mutex);
    if (is_left) {
        if (out_left != NULL) {
            *out_left = true;
        }
        return code; /* those left still use all of it */
    }
    struct wn_stage *next = NULL;
    for (struct wn_stage *stage = c->first; stage != NULL; stage = next) {
        next = stage->next;
        pthread_join(stage->thread, NULL);
        free(stage);
    }
    pthread_cond_destroy(&c->one_done);
    pthread_mutex_destroy(&c->mutex);
    free(c);
    return code;
}

size_t wn_crew_shares(const struct wn_crew *crew, struct wn_stage_share *out_shares, size_t most)
{
    size_t n = 0;
    /* A crew is always made by wn_crew_new, so its lock may be taken through a pointer that promises not to change what
     * it holds. */
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&crew->mutex;
    pthread_mutex_lock(lock);
    const int64_t now = wn_clock_ns();
    for (const struct wn_stage *stage = crew->first; stage != NULL; stage = stage->next) {
        size_t i = 0;
        while (i < n && strcmp(out_shares[i].name, stage->name) != 0) {
            ++i;
        }
        if (i == most) {
            continue;
        }
        if (i == n) {
            out_shares[n++] = (struct wn_stage_share){.name = stage->name};
        }
        const bool is_waiting = atomic_load(&stage->is_waiting);
        const int64_t rest = stage->is_done ? 0 : now - stage->since;
        out_shares[i].work_seconds += seconds_of(stage->work + (is_waiting ? 0 : rest));
        out_shares[i].wait_seconds += seconds_of(stage->wait + (is_waiting ? rest : 0));
        out_shares[i].threads++;
    }
    pthread_mutex_unlock(lock);
    return n;
}
