/* The run directory: whose it is, what is refused, what is taken away after a failure.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "cluster/folder.h"
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char root[64], run[128], file[192];
};

static void place_make(struct place *place)
{
    snprintf(place->root, sizeof place->root, "/tmp/winnow-folder-XXXXXX");
    cr_assert_not_null(mkdtemp(place->root));
    snprintf(place->run, sizeof place->run, "%s/run", place->root);
    snprintf(place->file, sizeof place->file, "%s/run/mine.txt", place->root);
}

static void place_remove(const struct place *place)
{
    static const char *const names[] = {"run/mine.txt",
                                        "run/run.json",
                                        "run/scores.h5",
                                        "run/index.bin",
                                        "run/corpus/a.plain",
                                        "run/corpus/mine",
                                        "run/lock",
                                        "run/journal-1.bin",
                                        "run/corpus",
                                        "run/run.json.tmp.7",
                                        "run"};
    char path[192];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", place->root, names[i]);
        (void)(unlink(path) == 0 || rmdir(path) == 0);
    }
    cr_expect_eq(rmdir(place->root), 0, "something is left in %s", place->root);
}

static void touch(const char *path)
{
    const int file = open(path, O_CREAT | O_WRONLY, 0666);
    cr_assert_geq(file, 0);
    close(file);
}

static void touch_in(const struct place *place, const char *name)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s", place->run, name);
    touch(path);
}

static bool is_there(const struct place *place, const char *name)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s", place->run, name);
    return wn_path_exists(path);
}

Test(folder, new_and_empty_directories_are_taken_and_go_again_if_they_were_made)
{
    struct place place;
    struct wn_folder folder;
    struct wn_error err = {.code = WN_OK};
    place_make(&place);
    for (int has_directory = 0; has_directory < 2; has_directory++) {
        if (has_directory == 1) {
            mkdir(place.run, 0777);
        }
        WN_TEST_OK(wn_folder_look(place.run, &folder, &err));
        cr_expect_not(folder.has_run || folder.has_scores || folder.was_made);
        WN_TEST_OK(wn_folder_take(&folder, &err));
        cr_expect_eq(folder.was_made, has_directory == 0);
        cr_expect(is_there(&place, "lock"));
        wn_folder_leave(&folder, true);
        cr_expect_eq(wn_path_exists(place.run), has_directory == 1);
        cr_expect_not(is_there(&place, "lock"));
    }
    place_remove(&place);
}

Test(folder, a_directory_with_other_things_is_refused_and_stays)
{
    struct place place;
    struct wn_folder folder;
    struct wn_error err = {.code = WN_OK};
    place_make(&place);
    mkdir(place.run, 0777);
    touch(place.file);
    cr_expect_eq(wn_folder_look(place.run, &folder, &err), WN_USAGE);
    cr_expect(strstr(err.text, "mine.txt") != NULL && strstr(err.text, "--out") != NULL, "%s", err.text);
    wn_folder_leave(&folder, false);
    cr_expect(wn_path_exists(place.file));
    cr_expect_eq(wn_folder_look(place.file, &folder, &err), WN_USAGE);
    cr_expect(strstr(err.text, "is a file") != NULL, "%s", err.text);
    place_remove(&place);
}

/* What stands in a directory without run.json, and whether a run may begin in it. */
static const struct {
    const char *names[4];
    const char *told; /* NULL: it may */
} contents[] = {
    {{"lock"}, NULL},
    {{"lock", "index.bin", "journal-1.bin"}, NULL},
    {{"lock", "run.json.tmp.7"}, NULL},
    {{"lock", "corpus/a.plain"}, NULL},
    {{"index.bin"}, "index.bin"},
    {{"journal-1.bin"}, "journal-1.bin"},
    {{"corpus/a.plain"}, "corpus"},
    {{"lock", "corpus/mine"}, "corpus/mine"},
    {{"lock", "mine.txt"}, "mine.txt"},
};

Test(folder, a_start_that_was_killed_before_run_json_is_known_by_its_lock)
{
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        struct place place;
        struct wn_folder folder;
        struct wn_error err = {.code = WN_OK};
        place_make(&place);
        mkdir(place.run, 0777);
        for (size_t k = 0; k < 4 && contents[i].names[k] != NULL; k++) {
            if (strncmp(contents[i].names[k], "corpus/", 7) == 0) {
                char path[192];
                snprintf(path, sizeof path, "%s/corpus", place.run);
                mkdir(path, 0777);
            }
            touch_in(&place, contents[i].names[k]);
        }
        const wn_code code = wn_folder_look(place.run, &folder, &err);
        if (contents[i].told == NULL) {
            cr_expect_eq(code, WN_OK, "case %zu: %s", i, err.text);
        } else {
            cr_expect_eq(code, WN_USAGE, "case %zu", i);
            cr_expect(strstr(err.text, contents[i].told) != NULL, "case %zu: %s", i, err.text);
        }
        for (size_t k = 0; k < 4 && contents[i].names[k] != NULL; k++) {
            cr_expect(is_there(&place, contents[i].names[k]), "case %zu: to look changes nothing", i);
        }
        place_remove(&place);
    }
}

Test(folder, what_dead_processes_were_writing_goes_when_the_lock_is_taken)
{
    struct place place;
    struct wn_folder folder;
    struct wn_error err = {.code = WN_OK};
    place_make(&place);
    mkdir(place.run, 0777);
    touch_in(&place, "run.json");
    touch_in(&place, "run.json.tmp.7");
    touch_in(&place, "journal-1.bin");
    WN_TEST_OK(wn_folder_look(place.run, &folder, &err));
    WN_TEST_OK(wn_folder_take(&folder, &err));
    cr_expect_not(is_there(&place, "run.json.tmp.7"));
    cr_expect(is_there(&place, "run.json") && is_there(&place, "journal-1.bin"));
    wn_folder_leave(&folder, true);
    cr_expect(is_there(&place, "run.json") && is_there(&place, "journal-1.bin"));
    place_remove(&place);
}

Test(folder, leaving_takes_away_a_run_that_is_not_kept_and_never_one_with_scores)
{
    for (int has_scores = 0; has_scores < 2; has_scores++) {
        struct place place;
        struct wn_folder folder;
        struct wn_error err = {.code = WN_OK};
        place_make(&place);
        WN_TEST_OK(wn_folder_look(place.run, &folder, &err));
        WN_TEST_OK(wn_folder_take(&folder, &err));
        mkdir(folder.corpus, 0777);
        touch_in(&place, "corpus/a.plain");
        touch_in(&place, "run.json");
        touch_in(&place, "index.bin");
        touch_in(&place, "journal-1.bin");
        folder.has_run = true;
        if (has_scores == 1) {
            touch(folder.scores);
            folder.has_scores = true;
        }
        wn_folder_leave(&folder, false);
        cr_expect_eq(wn_path_exists(place.run), has_scores == 1, "nothing is left");
        cr_expect_eq(is_there(&place, "corpus/a.plain"), has_scores == 1);
        place_remove(&place);
    }
}

Test(folder, a_second_job_is_refused_at_once_and_named)
{
    struct place place;
    struct wn_folder first;
    struct wn_folder second;
    struct wn_error err = {.code = WN_OK};
    char number[32];
    place_make(&place);
    WN_TEST_OK(wn_folder_look(place.run, &first, &err));
    WN_TEST_OK(wn_folder_take(&first, &err));
    WN_TEST_OK(wn_folder_look(place.run, &second, &err));
    cr_expect_eq(wn_folder_take(&second, &err), WN_RUN);
    snprintf(number, sizeof number, "%ld", (long)getpid());
    cr_expect(strstr(err.text, number) != NULL, "%s", err.text);
    wn_folder_leave(&second, false);
    cr_expect(is_there(&place, "lock"), "who was refused takes nothing away");
    wn_folder_leave(&first, false);
    place_remove(&place);
}
