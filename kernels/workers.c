/* The model threads: see workers.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct worker {
    struct wn_workers *workers;
    pthread_t thread;
    int32_t number;
};

struct wn_workers {
    pthread_mutex_t lock; /* guards round, busy, is_closing and the list's description */
    pthread_cond_t begin, end;
    int64_t round; /* grows by one for each list */
    int32_t busy;  /* threads that have not finished the current list */
    bool is_closing;
    wn_work *work;
    void *context;
    int64_t n_items;
    atomic_int_fast64_t next; /* item not taken yet */
    int32_t n_started;        /* threads beside the caller's */
    struct worker *started;
};

static void items_run(struct wn_workers *workers, int32_t thread)
{
    for (;;) {
        const int64_t item = atomic_fetch_add_explicit(&workers->next, 1, memory_order_relaxed);
        if (item >= workers->n_items) {
            return;
        }
        workers->work(workers->context, item, thread);
    }
}

static void *worker_main(void *argument)
{
    const struct worker *worker = argument;
    struct wn_workers *workers = worker->workers;
    int64_t done = 0;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (workers->round == done && !workers->is_closing) {
            pthread_cond_wait(&workers->begin, &workers->lock);
        }
        if (workers->is_closing) {
            break;
        }
        done = workers->round;
        pthread_mutex_unlock(&workers->lock);
        items_run(workers, worker->number);
        pthread_mutex_lock(&workers->lock);
        workers->busy--;
        if (workers->busy == 0) {
            pthread_cond_signal(&workers->end);
        }
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

static wn_code threads_start(struct wn_workers *workers, int32_t wanted, struct wn_error *err)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (workers->n_started < wanted && failed == 0) {
        struct worker *worker = &workers->started[workers->n_started];
        worker->workers = workers;
        worker->number = workers->n_started + 1;
        failed = pthread_create(&worker->thread, NULL, worker_main, worker);
        workers->n_started += failed == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    WN_CHECK(failed == 0, err, WN_DEVICE,
             "thread %d of %d could not be started: %s; --threads asks for fewer", workers->n_started + 2,
             wanted + 1, strerror(failed));
    return WN_OK;
}

wn_code wn_workers_new(int32_t threads, struct wn_workers **out_workers, struct wn_error *err)
{
    struct wn_workers *workers = calloc(1, sizeof *workers);
    struct worker *started = calloc((size_t)threads, sizeof *started);
    if (workers == NULL || started == NULL) {
        free(workers);
        free(started);
        WN_FAIL(err, WN_DEVICE, "no memory for %d threads", threads);
    }
    workers->started = started;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->begin, NULL);
    pthread_cond_init(&workers->end, NULL);
    atomic_init(&workers->next, 0);
    const wn_code code = threads_start(workers, threads - 1, err);
    if (code != WN_OK) {
        wn_workers_free(workers);
        return code;
    }
    *out_workers = workers;
    return WN_OK;
}

void wn_workers_free(struct wn_workers *workers)
{
    if (workers == NULL) {
        return;
    }
    pthread_mutex_lock(&workers->lock);
    workers->is_closing = true;
    pthread_cond_broadcast(&workers->begin);
    pthread_mutex_unlock(&workers->lock);
    for (int32_t i = 0; i < workers->n_started; i++) {
        pthread_join(workers->started[i].thread, NULL);
    }
    pthread_cond_destroy(&workers->begin);
    pthread_cond_destroy(&workers->end);
    pthread_mutex_destroy(&workers->lock);
    free(workers->started);
    free(workers);
}

int32_t wn_workers_count(const struct wn_workers *workers)
{
    return workers->n_started + 1;
}

void wn_workers_run(struct wn_workers *workers, wn_work *work, void *context, int64_t n_items)
{
    pthread_mutex_lock(&workers->lock);
    workers->work = work;
    workers->context = context;
    workers->n_items = n_items;
    atomic_store_explicit(&workers->next, 0, memory_order_relaxed);
    const bool is_shared = n_items > 1 && workers->n_started > 0;
    if (is_shared) {
        workers->busy = workers->n_started;
        workers->round++;
        pthread_cond_broadcast(&workers->begin);
    }
    pthread_mutex_unlock(&workers->lock);
    items_run(workers, 0);
    if (is_shared) {
        pthread_mutex_lock(&workers->lock);
        while (workers->busy > 0) {
            pthread_cond_wait(&workers->end, &workers->lock);
        }
        pthread_mutex_unlock(&workers->lock);
    }
}
