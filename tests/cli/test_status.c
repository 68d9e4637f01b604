/* How far a run is, and what it will write: on run directories made for it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/cluster.h"
#include "store/schema.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char run_hash[] = "00112233445566778899aabbccddeeff";

static void folder_make(char out[64])
{
    snprintf(out, 64, "/tmp/winnow-status-XXXXXX");
    cr_assert_not_null(mkdtemp(out));
}

static void folder_remove(const char *folder)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

static void file_write(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *to = fopen(path, "w");
    cr_assert_not_null(to);
    cr_assert_geq(fputs(text, to), 0);
    cr_assert_eq(fclose(to), 0);
}

/* run.json as far as status reads it. */
static void run_json_write(const char *folder, uint64_t first, uint64_t count, uint64_t shard,
                           uint64_t shards)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"passes\": [{\"profile_given\": \"cherry-alpaca\", \"model\": {\"given\": \"./gpt2\"}}], "
             "\"begun\": "
             "\"2025-01-31T12:00:00Z\", \"options\": {\"first\": %llu, \"count\": %llu, \"shard\": %llu, "
             "\"shards\": "
             "%llu}}",
             (unsigned long long)first, (unsigned long long)count, (unsigned long long)shard,
             (unsigned long long)shards);
    file_write(folder, "run.json", text);
}

static void unit_put(struct wn_journal *journal, uint64_t first, uint64_t count, uint64_t bad,
                     double finished)
{
    struct wn_error err = {.code = WN_OK};
    struct wn_unit_head head = {.rows_kind = WN_ROWS_KIND,
                                .first = first,
                                .count = count,
                                .ifd_above_one = 1,
                                .tokens = 10 * count,
                                .seconds = 1,
                                .finished = finished};
    head.by_status[WN_STATUS_OK] = count - bad;
    head.by_status[WN_STATUS_NAN] = bad;
    WN_TEST_OK(wn_journal_unit(journal, &head, wn_span_of("rows"), &err));
}

static struct wn_journal *journal_make(const char *folder, uint64_t epoch)
{
    struct wn_error err = {.code = WN_OK};
    struct wn_journal *journal = NULL;
    WN_TEST_OK(wn_journal_create(folder, epoch, run_hash, &journal, &err));
    return journal;
}

static void event_put(struct wn_journal *journal, const char *line)
{
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(wn_journal_event(journal, wn_span_of(line), &err));
}

static struct wn_run_status look(const char *folder)
{
    struct wn_error err = {.code = WN_OK};
    struct wn_run_status status;
    WN_TEST_OK(wn_run_status_read(folder, &status, &err));
    return status;
}

Test(status, a_run_without_a_record_has_not_started)
{
    char folder[64];
    folder_make(folder);
    run_json_write(folder, 0, 0, 0, 0);
    const struct wn_run_status status = look(folder);
    cr_expect(!status.is_done && !status.is_held && !status.has_started);
    cr_expect(status.done == 0 && status.total == 0 && !status.total_is_final);
    cr_expect(isnan(status.rate) && isnan(status.seconds_left) && isnan(status.last_finished));
    cr_expect_str_eq(status.model, "./gpt2");
    cr_expect_str_eq(status.profile, "cherry-alpaca");
    cr_expect_str_eq(status.begun, "2025-01-31T12:00:00Z");
    folder_remove(folder);
}

Test(status, units_of_all_starts_are_counted_and_the_rate_is_that_of_the_last_minute)
{
    char folder[64];
    folder_make(folder);
    run_json_write(folder, 0, 0, 0, 0);
    struct wn_journal *first = journal_make(folder, 1);
    unit_put(first, 0, 100, 3, 1000);
    wn_journal_close(&first);
    struct wn_journal *second = journal_make(folder, 2);
    event_put(second, "{\"event\": \"indexed\", \"records\": 1000, \"is_all\": true}");
    for (uint64_t i = 1; i < 7; i++) {
        unit_put(second, 100 * i, 100, 0, 5000 + 5 * (double)i);
    }
    wn_journal_close(&second);
    struct wn_run_status status = look(folder);
    cr_expect(status.has_started && !status.is_held && !status.is_done);
    cr_expect(status.done == 700 && status.total == 1000 && status.total_is_final);
    cr_expect(status.bad == 3 && status.by_status[WN_STATUS_OK] == 697 && status.ifd_above_one == 7);
    cr_expect(status.tokens == 7000 && status.starts == 2);
    cr_expect_float_eq(status.last_finished, 5030, 0);
    /* 100 records each 5 s; the first unit of the minute may or may not be counted by its own time. */
    cr_expect(status.rate >= 19 && status.rate <= 25, "%g", status.rate);
    cr_expect(isnan(status.seconds_left), "nobody works on it");

    struct wn_lock *lock = NULL;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(wn_lock_take(folder, &(struct wn_lock_options){0}, &lock, NULL, &err));
    status = look(folder);
    cr_expect(status.is_held && status.holder.pid == (int64_t)getpid());
    cr_expect_float_eq(status.seconds_left, 300 / status.rate, 1e-9); /* the same division twice */
    wn_lock_release(&lock);
    status = look(folder);
    cr_expect_not(status.is_held);
    folder_remove(folder);
}

Test(status, a_torn_journal_tells_what_it_holds)
{
    char folder[64];
    char path[128];
    struct stat info;
    folder_make(folder);
    run_json_write(folder, 0, 0, 0, 0);
    struct wn_journal *journal = journal_make(folder, 1);
    unit_put(journal, 0, 10, 0, 1000);
    unit_put(journal, 10, 10, 0, 1001);
    wn_journal_close(&journal);
    snprintf(path, sizeof path, "%s/journal-1.bin", folder);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(truncate(path, info.st_size - 3), 0);
    cr_expect_eq(look(folder).done, 10u);
    folder_remove(folder);
}

Test(status, the_total_follows_range_limit_shard_and_what_is_indexed)
{
    static const struct {
        uint64_t first, count, shard, shards, indexed;
        bool is_all;
        uint64_t total;
        bool is_final;
    } cases[] = {
        {0, 0, 0, 0, 500, false, 500, false},   {0, 0, 0, 0, 500, true, 500, true},
        {100, 0, 0, 0, 500, true, 400, true},   {100, 50, 0, 0, 500, false, 50, true},
        {100, 50, 0, 0, 120, false, 20, false}, {100, 50, 0, 0, 120, true, 20, true},
        {600, 0, 0, 0, 500, false, 0, false},   {0, 0, 1, 3, 1000, true, 333, true},
        {0, 0, 2, 3, 1000, true, 333, true},    {0, 0, 3, 3, 1000, true, 334, true},
        {0, 0, 3, 3, 1000, false, 0, false},    {10, 100, 2, 4, 1000, false, 25, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char folder[64];
        char line[128];
        folder_make(folder);
        run_json_write(folder, cases[i].first, cases[i].count, cases[i].shard, cases[i].shards);
        struct wn_journal *journal = journal_make(folder, 1);
        snprintf(line, sizeof line, "{\"event\": \"indexed\", \"records\": %llu, \"is_all\": %s}",
                 (unsigned long long)cases[i].indexed, cases[i].is_all ? "true" : "false");
        event_put(journal, "{\"event\": \"indexed\", \"records\": 7, \"is_all\": false}");
        event_put(journal, line);
        event_put(journal, "{\"event\": \"stop\", \"records\": 3}");
        event_put(journal, "no JSON at all");
        wn_journal_close(&journal);
        const struct wn_run_status status = look(folder);
        cr_expect(status.total == cases[i].total && status.total_is_final == cases[i].is_final,
                  "case %zu: %llu, %d", i, (unsigned long long)status.total, status.total_is_final);
        folder_remove(folder);
    }
}

Test(status, a_later_start_that_indexes_again_does_not_take_the_total_back)
{
    char folder[64];
    folder_make(folder);
    run_json_write(folder, 0, 0, 0, 0);
    struct wn_journal *journal = journal_make(folder, 1);
    event_put(journal, "{\"event\": \"indexed\", \"records\": 1000, \"is_all\": true}");
    wn_journal_close(&journal);
    journal = journal_make(folder, 2);
    event_put(journal, "{\"event\": \"indexed\", \"records\": 10, \"is_all\": false}");
    wn_journal_close(&journal);
    const struct wn_run_status status = look(folder);
    cr_expect(status.total == 1000 && status.total_is_final);
    folder_remove(folder);
}

Test(status, what_is_no_run_is_wrong_use_and_a_damaged_one_is_named)
{
    char folder[64];
    char path[128];
    struct wn_run_status status;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"passes\": []}",
        "{\"passes\": [{}]}",
        "{\"passes\": [{}], \"options\": {\"first\": -1}}",
        "{\"passes\": [{}], \"options\": {\"shard\": 4, \"shards\": 3}}",
        "{\"passes\": [{}], \"options\": {\"shard\": 1, \"shards\": 9007199254740991}}"};
    struct wn_error err = {.code = WN_OK};
    folder_make(folder);
    cr_expect_eq(wn_run_status_read(folder, &status, &err), WN_USAGE);
    cr_expect(strstr(err.text, "no run directory") != NULL, "%s", err.text);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        file_write(folder, "run.json", bad[i]);
        cr_expect_eq(wn_run_status_read(folder, &status, &err), WN_RUN, "%s", bad[i]);
        cr_expect(strstr(err.text, "run.json is damaged") != NULL, "%s", err.text);
    }
    snprintf(path, sizeof path, "%s/run.json", folder);
    cr_expect_eq(wn_run_status_read(path, &status, &err), WN_USAGE);
    cr_expect(strstr(err.text, "is a file") != NULL, "%s", err.text);
    snprintf(path, sizeof path, "%s/nothing", folder);
    cr_expect_eq(wn_run_status_read(path, &status, &err), WN_USAGE);
    cr_expect(strstr(err.text, "does not exist") != NULL, "%s", err.text);
    folder_remove(folder);
}

Test(status, a_run_whose_scores_are_there_is_done_with_their_counts)
{
    char folder[64];
    char path[128];
    struct wn_error err = {.code = WN_OK};
    struct wn_store *store = NULL;
    const struct wn_store_options options = {0};
    folder_make(folder);
    run_json_write(folder, 0, 0, 0, 0);
    snprintf(path, sizeof path, "%s/scores.h5", folder);
    WN_TEST_OK(wn_store_create(path, 5, &options, &store, &err));
    for (uint64_t i = 0; i < 5; i++) {
        /* Losses of 2 nats with and 1 without the prompt: an IFD above 1. The last two have none. */
        struct wn_store_record record = {.index = i, .turn_mean = (double)NAN};
        const struct wn_side none = {.sum = (double)NAN};
        record.fold.status = i == 3 ? WN_STATUS_PARSE_ERROR : i == 4 ? WN_STATUS_EMPTY_ANSWER : WN_STATUS_OK;
        record.fold.cond = i < 3 ? (struct wn_side){4, 2, 2, 0, i == 0 ? 1 : 4} : none;
        record.fold.direct = i < 3 ? (struct wn_side){2, 0, 2, 0, 2} : none;
        record.fold.q_cond = record.fold.q_direct = none;
        WN_TEST_OK(wn_store_put(store, &record, &err));
    }
    WN_TEST_OK(wn_store_finish(&store, NULL, 0, &err));
    const struct wn_run_status status = look(folder);
    cr_expect(status.is_done && status.has_started && !status.is_held);
    cr_expect(status.done == 5 && status.total == 5 && status.total_is_final);
    cr_expect(status.bad == 1 && status.ifd_above_one == 2 && status.by_status[WN_STATUS_OK] == 3);
    cr_expect_str_eq(status.model, "./gpt2");
    folder_remove(folder);
}

/* ---- what a run writes ---- */

static struct wn_space space_of(const char *out, struct wn_space_need need)
{
    struct wn_error err = {.code = WN_OK};
    struct wn_space space;
    WN_TEST_OK(wn_space_estimate(out, &need, &space, &err));
    return space;
}

/* Bytes of one row of /samples or /turns, without and with the reversed direction. */
static uint64_t columns_bytes(bool of_turns, bool has_reverse)
{
    size_t n = 0;
    uint64_t bytes = 0;
    const struct wn_column *columns = wn_schema_columns(&n);
    for (size_t i = 0; i < n; i++) {
        const bool is_there = of_turns ? columns[i].is_in_turns : columns[i].is_in_samples;
        bytes += is_there && (has_reverse || !columns[i].is_reverse) ? wn_type_size(columns[i].type) : 0;
    }
    return bytes;
}

Test(space, bytes_of_a_record_are_those_of_the_formats)
{
    enum { N = 1000000 };
    for (unsigned reverse = 0; reverse < 2; reverse++) {
        const unsigned what = reverse == 1 ? WN_SPACE_REVERSE : 0;
        const struct wn_space a = space_of("/tmp", (struct wn_space_need){N, N, 0, 0, 0, what});
        const struct wn_space b = space_of("/tmp", (struct wn_space_need){N + 1, N + 1, 0, 0, 0, what});
        const struct wn_space c = space_of("/tmp", (struct wn_space_need){N, N + 1, 0, 0, 0, what});
        const struct wn_space t =
            space_of("/tmp", (struct wn_space_need){N, N + 1, 0, 0, 0, what | WN_SPACE_TURNS});
        const struct wn_space u =
            space_of("/tmp", (struct wn_space_need){N, N, 0, 0, 0, what | WN_SPACE_TURNS});
        cr_expect_eq(b.scores - a.scores, columns_bytes(false, reverse == 1));
        cr_expect_eq(t.scores - u.scores, columns_bytes(true, reverse == 1));

        struct wn_row rows[2] = {{.has_reverse = reverse}, {.has_reverse = reverse, .part = 1}};
        struct wn_store_record record = {.rows = rows, .n_rows = 1};
        struct wn_bytes one = {0};
        struct wn_bytes two = {0};
        wn_rows_put(&one, NULL, &record);
        record.n_rows = 2;
        wn_rows_put(&two, NULL, &record);
        cr_expect_eq(c.journal - a.journal, two.size - one.size);
        /* Each record pays its share of the unit's head too. */
        cr_expect(b.journal - a.journal >= one.size && b.journal - a.journal <= one.size + 32);
        wn_bytes_free(&one);
        wn_bytes_free(&two);
    }
}

Test(space, parts_are_there_when_they_are_needed_and_add_up)
{
    const struct wn_space small = space_of("/tmp", (struct wn_space_need){1000, 1000, 0, 0, 1 << 20, 0});
    cr_expect(small.bulk == 0 && small.plain == 0 && small.temporary == 0);
    cr_expect(small.journal > 0 && small.scores > 0 && small.index > 0);
    const struct wn_space large =
        space_of("/tmp", (struct wn_space_need){10000000, 10000000, 500000000, 7000000000, 7000000000, 0});
    cr_expect_eq(large.plain, 7000000000u);
    cr_expect_eq(large.temporary, 320000000u);
    cr_expect(large.bulk >= 4000000000u && large.scores >= 4000000000u + 1390000000u);
    const uint64_t sum =
        large.journal + large.scores + large.index + large.plain + large.bulk + large.temporary;
    cr_expect(large.bytes >= sum && large.bytes <= sum + 1000000);
    cr_expect(large.files > small.files && large.files < 20);
    /* Numbers that no disk holds do not go round. */
    const struct wn_space huge = space_of(
        "/tmp", (struct wn_space_need){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0});
    cr_expect_eq(huge.bytes, UINT64_MAX);
}

Test(space, the_folder_looked_at_is_the_nearest_that_exists)
{
    char folder[64];
    char path[160];
    struct wn_error err = {.code = WN_OK};
    struct wn_space space;
    const struct wn_space_need need = {10, 10, 0, 0, 100, 0};
    folder_make(folder);
    snprintf(path, sizeof path, "%s/not//there/yet/", folder);
    space = space_of(path, need);
    cr_expect_str_eq(space.folder, folder);
    cr_expect(space.bytes_free > 0);
    cr_expect_str_eq(space_of("nothing-of-this-name/run", need).folder, ".");
    cr_expect_str_eq(space_of("/nothing-of-this-name", need).folder, "/");
    file_write(folder, "file", "x");
    snprintf(path, sizeof path, "%s/file", folder);
    cr_expect_eq(wn_space_estimate(path, &need, &space, &err), WN_USAGE);
    cr_expect(strstr(err.text, "is a file") != NULL, "%s", err.text);
    snprintf(path, sizeof path, "%s/file/run", folder);
    cr_expect_neq(wn_space_estimate(path, &need, &space, &err), WN_OK);
    folder_remove(folder);
}
