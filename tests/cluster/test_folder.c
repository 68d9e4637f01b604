/* The run directory: whose it is, what is refused, what is taken away after a failure.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "cluster/folder.h"
#include "support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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
    static const char *const names[] = {"run/mine.txt",        "run/run.json",       "run/scores.h5",
                                        "run/scores.h5.tmp.7", "run/corpus/a.plain", "run/corpus/mine",
                                        "run/run.json.tmp.1",  "run/corpus",         "run"};
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

Test(folder, new_and_empty_directories_are_taken)
{
    struct place place;
    struct wn_folder folder;
    struct wn_error err = {.code = WN_OK};
    place_make(&place);
    WN_TEST_OK(wn_folder_look(place.run, &folder, &err));
    cr_expect_not(folder.has_run || folder.has_scores || folder.was_made);
    WN_TEST_OK(wn_folder_make(&folder, &err));
    cr_expect(folder.was_made && wn_path_exists(place.run));
    wn_file_abandon(&folder.claim);
    WN_TEST_OK(wn_folder_look(place.run, &folder, &err));
    WN_TEST_OK(wn_folder_make(&folder, &err));
    cr_expect_not(folder.was_made, "an existing directory was not made here");
    wn_folder_tidy(&folder, false);
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
    wn_folder_tidy(&folder, false);
    cr_expect(wn_path_exists(place.file));
    cr_expect_eq(wn_folder_look(place.file, &folder, &err), WN_USAGE);
    cr_expect(strstr(err.text, "is a file") != NULL, "%s", err.text);
    place_remove(&place);
}

Test(folder, leftovers_of_a_killed_start_do_not_count)
{
    struct place place;
    struct wn_folder folder;
    struct wn_error err = {.code = WN_OK};
    char path[192];
    place_make(&place);
    mkdir(place.run, 0777);
    snprintf(path, sizeof path, "%s/scores.h5.tmp.7", place.run);
    touch(path);
    WN_TEST_OK(wn_folder_look(place.run, &folder, &err));
    place_remove(&place);
}

/* The number of a process that is gone. */
static long dead_process(void)
{
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        _exit(0);
    }
    cr_assert_eq(waitpid(child, NULL, 0), child);
    return (long)child;
}

Test(folder, a_start_killed_while_unpacking_is_taken_over_and_what_is_dead_goes)
{
    struct place place;
    struct wn_folder folder;
    struct wn_error err = {.code = WN_OK};
    const long dead = dead_process();
    char begun[192], plain[192], whole[192], alive[192];
    place_make(&place);
    mkdir(place.run, 0777);
    snprintf(begun, sizeof begun, "%s/run.json.tmp.%ld", place.run, dead);
    snprintf(whole, sizeof whole, "%s/corpus", place.run);
    mkdir(whole, 0777);
    snprintf(whole, sizeof whole, "%s/corpus/a.plain", place.run);
    snprintf(plain, sizeof plain, "%s/corpus/b.gz.plain.tmp.%ld", place.run, dead);
    snprintf(alive, sizeof alive, "%s/run.json.tmp.1", place.run); /* process 1 is always there */
    touch(begun);
    touch(whole);
    touch(plain);
    touch(alive);
    WN_TEST_OK(wn_folder_look(place.run, &folder, &err));
    cr_expect(wn_path_exists(begun) && wn_path_exists(plain), "to look changes nothing");
    WN_TEST_OK(wn_folder_make(&folder, &err));
    cr_expect_not(wn_path_exists(begun) || wn_path_exists(plain));
    cr_expect(wn_path_exists(whole) && wn_path_exists(alive));
    wn_folder_tidy(&folder, false);
    cr_expect_not(wn_path_exists(whole));
    cr_expect(wn_path_exists(alive));
    place_remove(&place);
}

Test(folder, a_corpus_folder_is_ours_only_beside_a_begun_run_and_with_plain_copies_alone)
{
    static const char *const names[] = {"corpus/a.plain", "corpus/mine"};
    for (int i = 0; i < 2; i++) {
        struct place place;
        struct wn_folder folder;
        struct wn_error err = {.code = WN_OK};
        char path[192];
        place_make(&place);
        mkdir(place.run, 0777);
        snprintf(path, sizeof path, "%s/corpus", place.run);
        mkdir(path, 0777);
        if (i == 1) {
            snprintf(path, sizeof path, "%s/run.json.tmp.1", place.run);
            touch(path);
        }
        snprintf(path, sizeof path, "%s/%s", place.run, names[i]);
        touch(path);
        cr_expect_eq(wn_folder_look(place.run, &folder, &err), WN_USAGE);
        cr_expect(strstr(err.text, i == 0 ? "corpus" : names[i]) != NULL, "%s", err.text);
        wn_folder_tidy(&folder, false);
        cr_expect(wn_path_exists(path));
        place_remove(&place);
    }
}

Test(folder, tidy_takes_away_what_the_run_made_and_keeps_a_claimed_run_that_was_stopped)
{
    struct place place;
    struct wn_folder folder;
    struct wn_error err = {.code = WN_OK};
    char path[192];
    place_make(&place);
    WN_TEST_OK(wn_folder_look(place.run, &folder, &err));
    WN_TEST_OK(wn_folder_make(&folder, &err));
    mkdir(folder.corpus, 0777);
    snprintf(path, sizeof path, "%s/corpus/a.plain", place.run);
    touch(path);
    touch(folder.run_json);
    folder.is_ours = true;
    wn_folder_tidy(&folder, true);
    cr_expect(wn_path_exists(path) && wn_path_exists(folder.run_json));
    wn_folder_tidy(&folder, false);
    cr_expect_not(wn_path_exists(place.run), "nothing is left");
    place_remove(&place);
}

Test(folder, tidy_never_touches_a_finished_or_foreign_run)
{
    struct place place;
    struct wn_folder folder;
    struct wn_error err = {.code = WN_OK};
    place_make(&place);
    mkdir(place.run, 0777);
    WN_TEST_OK(wn_folder_look(place.run, &folder, &err));
    touch(folder.run_json);
    touch(folder.scores);
    WN_TEST_OK(wn_folder_look(place.run, &folder, &err));
    cr_expect(folder.has_run && folder.has_scores);
    wn_folder_tidy(&folder, false);
    cr_expect(wn_path_exists(folder.run_json) && wn_path_exists(folder.scores));
    place_remove(&place);
}
