/* What is said when the system refuses a file, and how to mend it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

Test(file, each_refusal_of_the_system_says_what_and_how_to_mend_it)
{
    static const struct {
        int reason;
        const char *what, *mend;
    } cases[] = {{ENOSPC, "file system is full (", "free space there and run again"},
                 {EDQUOT, "disk quota is used up", "free some of it"},
                 {EROFS, "read-only", "name another place"},
                 {ESTALE, "file server no longer knows this file", "run again"},
                 {EIO, "disk or file server reports an error", "dmesg"},
                 {EACCES, "permission denied", "ls -ld"},
                 {EPERM, "does not allow", "ls -ld"},
                 {ENOTDIR, "not a folder", "name another place"},
                 {EMFILE, "too many files", "ulimit -n"},
                 {EFBIG, "larger than", "ulimit -f"},
                 {ENAMETOOLONG, "too long", "shorter"},
                 {ETIMEDOUT, "does not answer", "run again when it does"},
                 {ENOENT, "no such file", "Put it back"},
                 {EXFULL, "Exchange full", ""}};
    char path[4096];
    snprintf(path, sizeof path, "/tmp/winnow-none-%ld", (long)getpid());
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        struct wn_error err = {.code = WN_OK};
        cr_expect_eq(wn_io_fail(path, "read", cases[i].reason, &err), WN_IO);
        cr_expect_eq(err.code, WN_IO);
        cr_expect(strncmp(err.text, path, strlen(path)) == 0 &&
                      strncmp(err.text + strlen(path), ": cannot be read: ", 18) == 0,
                  "%s", err.text);
        cr_expect(strstr(err.text, cases[i].what) != NULL && strstr(err.text, cases[i].mend) != NULL, "%s",
                  err.text);
    }
    cr_expect_eq(wn_io_fail(path, "read", ENOSPC, NULL), WN_IO);
}

Test(file, a_folder_that_is_gone_is_named)
{
    struct wn_error err = {.code = WN_OK};
    char folder[] = "/tmp/winnow-file-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    char *path = wn_path_join(folder, "scores.h5");
    struct wn_file *file = NULL;
    WN_TEST_OK(wn_file_create(path, &file, &err));
    WN_TEST_OK(wn_file_write(file, wn_span_of("x"), &err));
    cr_assert_eq(unlink(wn_file_temporary(file)), 0);
    cr_assert_eq(rmdir(folder), 0);
    cr_expect_eq(wn_file_commit(&file, &err), WN_IO);
    cr_expect(strstr(err.text, "the folder /tmp/winnow-file-") != NULL && strstr(err.text, "make it") != NULL,
              "%s", err.text);
    cr_expect_null(file);
    cr_expect_eq(wn_folder_sync(path, &err), WN_IO);
    cr_expect_eq(wn_file_create(path, &file, &err), WN_IO);
    cr_expect(strstr(err.text, "the folder /tmp/winnow-file-") != NULL, "%s", err.text);
    free(path);
}

Test(file, what_does_not_fit_is_told_and_the_old_file_stays)
{
    struct wn_error err = {.code = WN_OK};
    char folder[] = "/tmp/winnow-file-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    char *path = wn_path_join(folder, "scores.h5");
    struct wn_file *file = NULL;
    WN_TEST_OK(wn_file_create(path, &file, &err));
    WN_TEST_OK(wn_file_write(file, wn_span_of("old"), &err));
    WN_TEST_OK(wn_file_commit(&file, &err));
    WN_TEST_OK(wn_folder_sync(path, &err));
    WN_TEST_OK(wn_folder_sync("no folder in front", &err));
    WN_TEST_OK(wn_folder_sync("/in the first folder", &err));

    WN_TEST_OK(wn_file_create(path, &file, &err));
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {1000, RLIM_INFINITY};
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    char bytes[600];
    memset(bytes, 'n', sizeof bytes);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    wn_code code = wn_file_write(file, (struct wn_span){bytes, sizeof bytes}, &err);
    code = code == WN_OK ? wn_file_write(file, (struct wn_span){bytes, sizeof bytes}, &err) : code;
    code = code == WN_OK ? wn_file_commit(&file, &err) : code;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    cr_expect_eq(code, WN_IO);
    cr_expect(strstr(err.text, "ulimit -f") != NULL, "%s", err.text);
    wn_file_abandon(&file);
    struct stat info;
    cr_expect(stat(path, &info) == 0 && info.st_size == 3);
    cr_expect(unlink(path) == 0 && rmdir(folder) == 0, "nothing else is left");
    free(path);
}
