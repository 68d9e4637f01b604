/* Runs tests written for Criterion one after another, each in a forked process, without Criterion's own runner: that one
 * needs memory at fixed addresses, which the thread sanitizer keeps for itself.
 * SPDX-License-Identifier: Apache-2.0
 *
 * usage: PROGRAM [PATTERN]   only the tests whose "suite/name" agrees with the shell pattern; prints TAP
 *
 * What the test macros call is made here: criterion_* and cr_* are names of Criterion's interface. They take no object,
 * so the little that is known of the running test stands at file scope.
 */
#include <criterion/criterion.h>

#include <fnmatch.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CODE_FAILED = 1, CODE_SKIPPED = 77, LONGEST = 900 };

/* The linker's names for the first and behind the last of the tests. */
extern struct criterion_test *__start_cr_tst[];
extern struct criterion_test *__stop_cr_tst[];

struct criterion_options criterion_options;
static const struct criterion_test *running;
static atomic_bool has_failed;

/* ---- what the macros call ---- */

void criterion_internal_test_setup(void)
{
    if (running->data->init != NULL) {
        running->data->init();
    }
}

void criterion_internal_test_main(void (*function)(void))
{
    function();
}

void criterion_internal_test_teardown(void)
{
    if (running->data->fini != NULL) {
        running->data->fini();
    }
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
    if (!stats->passed) {
        printf("# %s:%u: %s\n", stats->file, stats->line, stats->message != NULL ? stats->message : "");
        (void)fflush(stdout);
    }
}

void cri_asserts_passed_incr(void)
{
}

void criterion_continue_test(void)
{
    atomic_store(&has_failed, true);
}

_Noreturn void criterion_abort_test(void)
{
    exit(CODE_FAILED);
}

__attribute__((format(printf, 1, 2))) _Noreturn void criterion_skip_test(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("# skipped: ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    exit(CODE_SKIPPED);
}

char *cr_translate_assert_msg(int index, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, index);
    if (asprintf(&text, "assertion %d: %s", index, va_arg(arguments, const char *)) < 0) {
        text = NULL;
    }
    va_end(arguments);
    return text;
}

int cr_asprintf(char **out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int n = vasprintf(out, format, arguments);
    va_end(arguments);
    if (n < 0) {
        *out = NULL;
    }
    return n;
}

void cr_asprintf_free(char *text)
{
    free(text);
}

/* ---- running ---- */

/* The exit code of the test's process, or 128 + the signal that ended it. */
static int run_forked(const struct criterion_test *test)
{
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        running = test;
        (void)alarm(LONGEST);
        test->test();
        exit(atomic_load(&has_failed) ? CODE_FAILED : 0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return CODE_FAILED;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int n_words, char **words)
{
    int number = 0;
    int failed = 0;
    for (struct criterion_test **at = __start_cr_tst; at < __stop_cr_tst; ++at) {
        const struct criterion_test *test = *at;
        if (test == NULL || (n_words > 1 && fnmatch(words[1], test->data->identifier_, 0) != 0)) {
            continue;
        }
        const int code = run_forked(test);
        const int wanted = test->data->signal != 0 ? 128 + test->data->signal : test->data->exit_code;
        const bool is_good = code == wanted || code == CODE_SKIPPED;
        failed += is_good ? 0 : 1;
        printf("%sok %d - %s%s", is_good ? "" : "not ", ++number, test->data->identifier_,
               code == CODE_SKIPPED ? " # SKIP the shared data is not part of this tree" : "");
        printf(is_good ? "\n" : " (code %d)\n", code);
    }
    printf("1..%d\n", number);
    return failed == 0 && number > 0 ? 0 : 1;
}
