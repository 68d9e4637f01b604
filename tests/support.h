/* Helps shared by the tests: what is skipped and why, a temporary folder, first differences.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TESTS_SUPPORT_H
#define WINNOW_TESTS_SUPPORT_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

/* 1 in a build whose memory accesses are checked, which takes about ten times as long: tests that repeat one thing many
 * times may repeat it less there, and say so. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WN_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define WN_TEST_SANITIZED 1
#endif
#endif
#ifndef WN_TEST_SANITIZED
#define WN_TEST_SANITIZED 0
#endif

/* Path of a file of the shared facts in `out`; false, with a SKIPPED line, where this tree has none. */
static inline bool wn_test_shared(const char *relative, char *out, size_t size)
{
    const int n = snprintf(out, size, "%s/%s", WINNOW_SHARED_DIR, relative);
    if (n > 0 && (size_t)n < size && access(out, R_OK) == 0) {
        return true;
    }
    printf("SKIPPED: no %s here (the shared goldens are not part of a user's clone)\n", relative);
    return false;
}

#define WN_TEST_SHARED(relative, name)                                \
    char name[4096];                                                  \
    if (!wn_test_shared((relative), name, sizeof name)) {             \
        cr_skip_test("the shared goldens are not part of this tree"); \
    }

/* Fails the test with the error's own text unless the call gives WN_OK. */
#define WN_TEST_OK(call)                                                                          \
    do {                                                                                          \
        const wn_code wn_test_code = (call);                                                      \
        cr_assert_eq(wn_test_code, WN_OK, "%s: code %d: %s", #call, (int)wn_test_code, err.text); \
    } while (0)

#endif
