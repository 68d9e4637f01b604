/* Journals: written whole, known by their names, joined when they are many, removed when all is done.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "units.h"

#include <sys/wait.h>

/* ---- writing ---- */

Test(journal, epoch_that_another_job_took_is_refused)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_journal *second = NULL;
    struct wn_journal *journal = journal_new(place.folder, 4);
    unit_put(journal, 0, 10);
    cr_assert_eq(wn_journal_create(place.folder, 4, RUN_HASH, &second, &err), WN_RUN);
    cr_assert_not_null(strstr(err.text, "journal-4.bin"), "%s", err.text);
    cr_assert_null(second);
    unit_put(journal, 10, 10);
    wn_journal_close(&journal);
    wn_journal_close(&journal); /* closing what is closed does nothing */
    struct wn_replay *replay = replay_new(place.folder);
    cr_assert_eq(replay_is_true(replay), 20);
    wn_replay_close(replay);
    place_free(&place);
}

Test(journal, unit_that_contradicts_itself_is_a_defect)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_bytes rows = {0};
    const struct wn_unit_head good = unit_make(5, 10, &rows);
    struct wn_unit_head bad[4] = {good, good, good, good};
    bad[0].by_status[0]++;
    bad[1].count = 0;
    memset(bad[1].by_status, 0, sizeof bad[1].by_status);
    bad[2].first = UINT64_MAX - 5;
    bad[3].ifd_above_one = 11;
    struct wn_journal *journal = journal_new(place.folder, 1);
    const uint64_t before = wn_journal_size(journal);
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(wn_journal_unit(journal, &bad[i], wn_bytes_span(&rows), &err), WN_DEFECT, "case %zu", i);
    }
    cr_assert_eq(wn_journal_size(journal), before);
    wn_journal_close(&journal);
    wn_bytes_free(&rows);
    place_free(&place);
}

Test(journal, folder_that_is_not_there_is_an_io_error)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_journal *journal = NULL;
    uint64_t epoch = 0;
    char path[512];
    path_in(&place, "none", path);
    cr_assert_eq(wn_journal_create(path, 1, RUN_HASH, &journal, &err), WN_IO);
    cr_assert_eq(wn_journals_highest(path, &epoch, &err), WN_IO);
    WN_TEST_OK(wn_journals_remove(path, &err));
    place_free(&place);
}

/* ---- names ---- */

Test(journal, highest_epoch_is_read_from_names_of_journals_only)
{
    static const char *const others[] = {
        "journal-.bin",   "journal-07.bin", "journal-9.bin.tmp.12", "journal-8.bin.old",
        "journal--3.bin", "journal-11.bi",  "xjournal-12.bin",      "journal-99999999999999999999.bin"};
    const struct place place = place_new();
    struct wn_error err;
    uint64_t epoch = 7;
    char path[512];
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        path_in(&place, others[i], path);
        file_write(path, "", 0);
    }
    WN_TEST_OK(wn_journals_highest(place.folder, &epoch, &err));
    cr_assert_eq(epoch, 0);
    struct wn_journal *journal = journal_new(place.folder, 10);
    wn_journal_close(&journal);
    journal = journal_new(place.folder, 9);
    wn_journal_close(&journal);
    WN_TEST_OK(wn_journals_highest(place.folder, &epoch, &err));
    cr_assert_eq(epoch, 10);
    place_free(&place);
}

Test(journal, removal_takes_journals_and_shards_and_nothing_else)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_extent extent;
    struct wn_shard *shard = NULL;
    char path[512];
    struct wn_journal *journal = journal_new(place.folder, 1);
    wn_journal_close(&journal);
    journal = journal_new(place.folder, 12);
    wn_journal_close(&journal);
    WN_TEST_OK(wn_shard_new(place.folder, 1, 0, &shard, &err));
    WN_TEST_OK(wn_shard_put(shard, wn_span_of("bulk"), &extent, &err));
    wn_shard_free(&shard);
    path_in(&place, "journal-12.bin.tmp.4711", path);
    file_write(path, "half", 4);
    path_in(&place, "run.json", path);
    file_write(path, "{}", 2);
    path_in(&place, "journal-notes.txt", path);
    file_write(path, "mine", 4);
    WN_TEST_OK(wn_journals_remove(place.folder, &err));
    cr_assert_eq(place_count(&place), 2);
    WN_TEST_OK(wn_journals_remove(place.folder, &err));
    cr_assert_eq(place_count(&place), 2);
    place_free(&place);
}

/* ---- events ---- */

struct lines {
    char text[4000];
    size_t n;
};

static void collect(void *context, struct wn_span line)
{
    struct lines *lines = context;
    cr_assert_lt(lines->n + line.size + 1, sizeof lines->text);
    memcpy(lines->text + lines->n, line.data, line.size);
    lines->n += line.size;
    lines->text[lines->n++] = ' ';
    lines->text[lines->n] = '\0';
}

static struct lines events_of(struct wn_replay *replay)
{
    struct wn_error err;
    struct lines lines = {.n = 0};
    WN_TEST_OK(wn_replay_events(replay, &lines, collect, &err));
    return lines;
}

/* One journal for each epoch [from, to]: unit [10 e, 10 e + 10), event "e<epoch>", and a damaged frame in epoch 3. */
static void many_journals(const struct place *place, uint64_t from, uint64_t to)
{
    struct wn_error err;
    for (uint64_t e = from; e <= to; e++) {
        char name[32];
        struct wn_journal *journal = journal_new(place->folder, e);
        snprintf(name, sizeof name, "e%d", (int)e);
        unit_put(journal, 10 * e, 10);
        WN_TEST_OK(wn_journal_event(journal, wn_span_of(name), &err));
        if (e == 3) {
            const uint64_t at = wn_journal_size(journal);
            unit_put(journal, 5000, 10);
            char path[512];
            path_in(place, "journal-3.bin", path);
            const int fd = open(path, O_WRONLY | O_CLOEXEC);
            cr_assert(fd >= 0 && pwrite(fd, "damaged", 7, (off_t)at + 300) == 7);
            close(fd);
        }
        WN_TEST_OK(wn_journal_sync(journal, &err));
        wn_journal_close(&journal);
    }
}

Test(journal, events_come_in_order_of_their_journals)
{
    const struct place place = place_new();
    many_journals(&place, 9, 11);
    many_journals(&place, 2, 2);
    struct wn_replay *replay = replay_new(place.folder);
    cr_assert_str_eq(events_of(replay).text, "e2 e9 e10 e11 ");
    wn_replay_close(replay);
    place_free(&place);
}

/* ---- joining ---- */

static struct wn_replay *replay_joined(const struct place *place)
{
    const struct wn_replay_options options = {
        .run = place->folder, .run_hash = RUN_HASH, .may_compact = true};
    return replay_with(&options);
}

static void all_of_nine(struct wn_replay *replay)
{
    size_t n = 0;
    const struct wn_records *done = wn_replay_done(replay, &n);
    cr_assert(n == 1 && done[0].first == 10 && done[0].count == 90, "%zu ranges", n);
    cr_assert_eq(replay_is_true(replay), 90);
    cr_assert_str_eq(events_of(replay).text, "e1 e2 e3 e4 e5 e6 e7 e8 e9 ");
    cr_assert_eq(wn_replay_counts(replay).highest_epoch, 9);
}

Test(journal, eight_journals_stay_and_nine_become_one)
{
    const struct place place = place_new();
    struct wn_error err;
    many_journals(&place, 1, 8);
    struct wn_replay *replay = replay_joined(&place);
    cr_assert_eq(wn_replay_counts(replay).journals, 8);
    cr_assert_gt(wn_replay_counts(replay).damaged_bytes, 0);
    wn_replay_close(replay);
    cr_assert_eq(place_count(&place), 8);
    many_journals(&place, 9, 9);
    replay = replay_new(place.folder);
    all_of_nine(replay);
    cr_assert_eq(wn_replay_counts(replay).journals, 9, "looking on joins nothing");
    wn_replay_close(replay);
    cr_assert_eq(place_count(&place), 9);

    replay = replay_joined(&place);
    all_of_nine(replay);
    cr_assert_eq(wn_replay_counts(replay).journals, 1);
    cr_assert_eq(wn_replay_counts(replay).damaged_bytes, 0, "only right frames are carried over");
    wn_replay_close(replay);
    cr_assert_eq(place_count(&place), 1);

    /* It goes on: later journals beside the joined one, and joined again. */
    struct wn_journal *journal = NULL;
    cr_assert_eq(wn_journal_create(place.folder, 9, RUN_HASH, &journal, &err), WN_RUN);
    many_journals(&place, 10, 17);
    replay = replay_joined(&place);
    cr_assert_eq(replay_is_true(replay), 170);
    cr_assert_eq(wn_replay_counts(replay).journals, 1);
    wn_replay_close(replay);
    cr_assert_eq(place_count(&place), 1);
    place_free(&place);
}

/* The states that a kill may leave: `has_part` a temporary file, `is_renamed` the joined journal in its place, `gone`
 * how many of the others are removed. */
Test(journal, a_kill_at_any_step_of_joining_loses_nothing)
{
    static const struct {
        const char *what;
        bool has_part, is_renamed;
        int gone;
    } cases[] = {
        {"while the temporary file is written", true, false, 0},
        {"after the rename", false, true, 0},
        {"after the first removal", false, true, 1},
        {"before the last removal", false, true, 7},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        const struct place joined = place_new();
        const struct place place = place_new();
        char from[512];
        char to[512];
        size_t size = 0;
        many_journals(&joined, 1, 9);
        many_journals(&place, 1, 9);
        wn_replay_close(replay_joined(&joined));
        path_in(&joined, "journal-9.bin", from);
        char *bytes = file_read(from, &size);
        path_in(&place, cases[c].has_part ? "journal-9.bin.tmp.77" : "journal-9.bin", to);
        file_write(to, bytes, cases[c].has_part ? size / 2 : size);
        for (int e = 1; e <= cases[c].gone; e++) {
            char name[32];
            snprintf(name, sizeof name, "journal-%d.bin", e);
            path_in(&place, name, to);
            cr_assert_eq(unlink(to), 0);
        }
        struct wn_replay *replay = replay_new(place.folder);
        all_of_nine(replay);
        wn_replay_close(replay);
        replay = replay_joined(&place);
        all_of_nine(replay);
        wn_replay_close(replay);
        cr_assert_eq(place_count(&place), 1, "%s: one journal and nothing else is left", cases[c].what);
        free(bytes);
        place_free(&place);
        place_free(&joined);
    }
}

/* Kills by time over the joining of 9 journals of 0.5 MB. */
Test(journal, kills_by_time_while_joining_lose_nothing)
{
    enum { KILLS = 20 };
    for (int kill_at = 0; kill_at < KILLS; kill_at++) {
        const struct place place = place_new();
        for (uint64_t e = 1; e <= 9; e++) {
            struct wn_journal *journal = journal_new(place.folder, e);
            unit_put(journal, 1000 * e, 1000);
            wn_journal_close(&journal);
        }
        fflush(NULL);
        const pid_t child = fork();
        if (child == 0) {
            wn_replay_close(replay_joined(&place));
            _exit(0);
        }
        usleep((useconds_t)kill_at * 400);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        struct wn_replay *replay = replay_new(place.folder);
        cr_assert_eq(wn_replay_counts(replay).records, 9000, "kill %d", kill_at);
        wn_replay_close(replay);
        replay = replay_joined(&place);
        cr_assert_eq(replay_is_true(replay), 9000, "kill %d", kill_at);
        wn_replay_close(replay);
        cr_assert_eq(place_count(&place), 1);
        place_free(&place);
    }
}

Test(journal, journals_of_another_run_are_not_joined)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_replay *replay = NULL;
    struct wn_journal *journal = NULL;
    many_journals(&place, 1, 8);
    WN_TEST_OK(wn_journal_create(place.folder, 9, "ffffffffffffffffffffffffffffffff", &journal, &err));
    wn_journal_close(&journal);
    const struct wn_replay_options options = {.run = place.folder, .run_hash = RUN_HASH, .may_compact = true};
    cr_assert_eq(wn_replay_open(&options, &replay, &err), WN_RUN);
    cr_assert_not_null(strstr(err.text, "journal-9.bin"), "%s", err.text);
    cr_assert_eq(place_count(&place), 9);
    place_free(&place);
}

Test(journal, journal_of_another_format_is_refused)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_frames *frames = NULL;
    struct wn_replay *replay = NULL;
    char path[512];
    const char version[4] = {2, 0, 0, 0};
    const struct wn_span part = {version, sizeof version};
    path_in(&place, "journal-1.bin", path);
    WN_TEST_OK(wn_frames_create(path, &frames, NULL, &err));
    WN_TEST_OK(wn_frames_write(frames, 1, &part, 1, NULL, &err));
    wn_frames_close(&frames);
    const struct wn_replay_options options = {.run = place.folder, .run_hash = RUN_HASH};
    cr_assert_eq(wn_replay_open(&options, &replay, &err), WN_RUN);
    cr_assert_not_null(strstr(err.text, "format 2"), "%s", err.text);
    place_free(&place);
}
