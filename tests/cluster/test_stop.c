/* Signals that ask a run to stop.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/stop.h"
#include "support.h"

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
    static const int numbers[] = {SIGINT, SIGTERM};
    static const char *const names[] = {"SIGINT", "SIGTERM"};
    for (int i = 0; i < 2; i++) {
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
