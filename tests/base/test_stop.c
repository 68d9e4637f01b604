/* Signals that ask a run to stop.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

static void wait_until_asked(const struct wn_stop *stop)
{
    for (int i = 0; i < 5000 && wn_stop_asked(stop) == 0; i++) {
        usleep(1000);
    }
}

Test(stop, a_signal_is_kept_and_told_as_an_error_that_names_it)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    static const char *const names[] = {"SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"};
    for (int i = 0; i < 4; i++) {
        struct wn_stop *stop = NULL;
        struct wn_error err = {.code = WN_OK};
        WN_TEST_OK(wn_stop_begin(&stop, &err));
        cr_expect_eq(wn_stop_check(stop, "counting", &err), WN_OK);
        kill(getpid(), numbers[i]);
        wait_until_asked(stop);
        cr_expect_eq(wn_stop_asked(stop), numbers[i]);
        cr_expect_eq(wn_stop_check(stop, "counting", &err), WN_STOPPED);
        cr_expect(strstr(err.text, names[i]) != NULL && strstr(err.text, "counting") != NULL, "%s", err.text);
        wn_stop_end(&stop);
        cr_expect_null(stop);
    }
}

Test(stop, the_second_signal_ends_the_process, .signal = SIGINT)
{
    struct wn_stop *stop = NULL;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(wn_stop_begin(&stop, &err));
    kill(getpid(), SIGINT);
    wait_until_asked(stop);
    kill(getpid(), SIGINT);
    sleep(5);
    cr_assert_fail("the process went on");
}

Test(stop, the_caller_has_its_own_mask_back)
{
    struct wn_stop *stop = NULL;
    struct wn_error err = {.code = WN_OK};
    sigset_t mask;
    WN_TEST_OK(wn_stop_begin(&stop, &err));
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    cr_expect(sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGTERM) == 1);
    wn_stop_end(&stop);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    cr_expect(sigismember(&mask, SIGINT) == 0 && sigismember(&mask, SIGTERM) == 0);
}

Test(stop, repeated_hangups_and_user_signals_stop_once_and_do_not_end_the_process)
{
    struct wn_stop *stop = NULL;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(wn_stop_begin(&stop, &err));
    kill(getpid(), SIGUSR1);
    wait_until_asked(stop);
    for (int i = 0; i < 20; i++) {
        kill(getpid(), i % 2 == 0 ? SIGHUP : SIGUSR1);
        usleep(1000);
    }
    cr_expect_eq(wn_stop_asked(stop), SIGUSR1);
    wn_stop_end(&stop);
}

Test(stop, a_hangup_that_the_caller_ignores_stays_ignored)
{
    struct wn_stop *stop = NULL;
    struct wn_error err = {.code = WN_OK};
    signal(SIGHUP, SIG_IGN);
    WN_TEST_OK(wn_stop_begin(&stop, &err));
    kill(getpid(), SIGHUP);
    usleep(20000);
    cr_expect_eq(wn_stop_asked(stop), 0, "nohup would not hold");
    wn_stop_end(&stop);
}

Test(stop, nothing_held_means_nothing_asked)
{
    struct wn_error err = {.code = WN_OK};
    cr_expect_eq(wn_stop_asked(NULL), 0);
    cr_expect_eq(wn_stop_check(NULL, "counting", &err), WN_OK);
}

Test(stop, a_time_limit_asks_when_it_is_reached_and_says_so)
{
    struct wn_stop *stop = NULL;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(wn_stop_begin(&stop, &err));
    wn_stop_at(stop, 0.05);
    cr_expect_eq(wn_stop_check(stop, "counting", &err), WN_OK);
    wait_until_asked(stop);
    cr_expect_eq(wn_stop_asked(stop), WN_STOP_TIME);
    cr_expect_eq(wn_stop_check(stop, "counting", &err), WN_STOPPED);
    cr_expect_str_eq(err.text, "stopped: the time limit is reached while counting; the same command goes on");
    wn_stop_at(stop, 1000); /* a later limit takes its place */
    cr_expect_eq(wn_stop_asked(stop), 0);
    static const double never[] = {1e9, 1e300, INFINITY, (double)NAN};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; ++i) {
        wn_stop_at(stop, 0);
        cr_expect_eq(wn_stop_asked(stop), WN_STOP_TIME);
        wn_stop_at(stop, never[i]);
        cr_expect_eq(wn_stop_asked(stop), 0, "%g s", never[i]);
    }
    wn_stop_at(stop, -5);
    cr_expect_eq(wn_stop_asked(stop), WN_STOP_TIME);
    kill(getpid(), SIGTERM);
    for (int i = 0; i < 5000 && wn_stop_asked(stop) == WN_STOP_TIME; i++) {
        usleep(1000);
    }
    cr_expect_eq(wn_stop_asked(stop), SIGTERM, "a signal is told before the time");
    wn_stop_end(&stop);
    wn_stop_at(NULL, 0);
    cr_expect_eq(wn_stop_asked(NULL), 0);
}
