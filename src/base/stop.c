/* Signals that ask a run to stop, read by one thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/stop.h"

#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct wn_stop {
    sigset_t waited, before;
    pthread_t thread;
    atomic_int asked;
    atomic_int_least64_t deadline; /* ns of CLOCK_MONOTONIC */
    atomic_bool is_over;           /* the next signal only wakes the thread, which then ends */
};

static void *wait_for_signals(void *context)
{
    struct wn_stop *stop = context;
    int number = 0;
    if (atomic_load(&stop->asked) == 0) {
        if (sigwait(&stop->waited, &number) != 0 || atomic_load(&stop->is_over)) {
            return NULL;
        }
        atomic_store(&stop->asked, number);
    }
    /* Whoever asks twice does not want to wait: the second signal meets its default and ends the process. */
    while (sigwait(&stop->waited, &number) == 0 && !atomic_load(&stop->is_over)) {
        if (number != SIGINT && number != SIGTERM) {
            continue;
        }
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, number);
        signal(number, SIG_DFL);
        pthread_sigmask(SIG_UNBLOCK, &one, NULL);
        raise(number);
    }
    return NULL;
}

wn_code wn_stop_begin(struct wn_stop **out_stop, struct wn_error *err)
{
    struct wn_stop *stop = calloc(1, sizeof *stop);
    WN_CHECK(stop != NULL, err, WN_DEVICE, "out of memory for the signals");
    atomic_init(&stop->asked, 0);
    atomic_init(&stop->deadline, INT64_MAX);
    atomic_init(&stop->is_over, false);
    sigemptyset(&stop->waited);
    sigaddset(&stop->waited, SIGINT);
    sigaddset(&stop->waited, SIGTERM);
    sigaddset(&stop->waited, SIGUSR1);
    /* A blocked signal is delivered to sigwait even where it is ignored. */
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) != 0 || hangup.sa_handler != SIG_IGN) {
        sigaddset(&stop->waited, SIGHUP);
    }
    pthread_sigmask(SIG_BLOCK, &stop->waited, &stop->before);
    /* A signal that waits already is obeyed at the first check, however soon the work ends. */
    const struct timespec now = {0, 0};
    const int waiting = sigtimedwait(&stop->waited, NULL, &now);
    if (waiting > 0) {
        atomic_store(&stop->asked, waiting);
    }
    const int reason = pthread_create(&stop->thread, NULL, wait_for_signals, stop);
    if (reason != 0) {
        pthread_sigmask(SIG_SETMASK, &stop->before, NULL);
        free(stop);
        WN_FAIL(err, WN_DEVICE, "no thread can be made: %s; see `ulimit -u`", strerror(reason));
    }
    *out_stop = stop;
    return WN_OK;
}

void wn_stop_at(struct wn_stop *stop, double seconds_from_now)
{
    if (stop == NULL) {
        return;
    }
    const bool is_never = !(seconds_from_now < 1e9);
    const double seconds = seconds_from_now > 0 ? seconds_from_now : 0;
    atomic_store(&stop->deadline, is_never ? INT64_MAX : wn_clock_ns() + (int64_t)(seconds * 1e9));
}

int wn_stop_asked(const struct wn_stop *stop)
{
    if (stop == NULL) {
        return 0;
    }
    const int asked = atomic_load_explicit(&stop->asked, memory_order_relaxed);
    if (asked != 0) {
        return asked;
    }
    const int64_t deadline = atomic_load_explicit(&stop->deadline, memory_order_relaxed);
    return deadline != INT64_MAX && wn_clock_ns() >= deadline ? WN_STOP_TIME : 0;
}

wn_code wn_stop_check(const struct wn_stop *stop, const char *what, struct wn_error *err)
{
    const int number = wn_stop_asked(stop);
    WN_CHECK(number != WN_STOP_TIME, err, WN_STOPPED,
             "stopped: the time limit is reached while %s; the same command goes on", what);
    WN_CHECK(number == 0, err, WN_STOPPED, "stopped by SIG%s while %s; the same command goes on",
             sigabbrev_np(number), what);
    return WN_OK;
}

void wn_stop_end(struct wn_stop **stop)
{
    if (*stop == NULL) {
        return;
    }
    /* Not by pthread_cancel: it would leave the thread's frames without their end, which sanitizers report. */
    atomic_store(&(*stop)->is_over, true);
    pthread_kill((*stop)->thread, SIGUSR1);
    pthread_join((*stop)->thread, NULL);
    pthread_sigmask(SIG_SETMASK, &(*stop)->before, NULL);
    free(*stop);
    *stop = NULL;
}
