/* Replay: damage costs the unit that it hits and nothing else; what overlaps is given out once; bulk is held against its
 * shard.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "units.h"

/* ---- damage ---- */

enum { UNITS = 8, UNIT_RECORDS = 8 };

/* A journal of about 10 KB: run, units [8 i, 8 i + 8), an event in the middle. ends[i]: where unit i ends. */
static void small_journal(const struct place *place, uint64_t begins[UNITS], uint64_t ends[UNITS])
{
    struct wn_error err;
    struct wn_journal *journal = journal_new(place->folder, 1);
    for (uint64_t i = 0; i < UNITS; i++) {
        begins[i] = wn_journal_size(journal);
        unit_put(journal, i * UNIT_RECORDS, UNIT_RECORDS);
        ends[i] = wn_journal_size(journal);
        if (i == UNITS / 2) {
            WN_TEST_OK(wn_journal_event(journal, wn_span_of("{\"event\":\"half\"}"), &err));
        }
    }
    WN_TEST_OK(wn_journal_sync(journal, &err));
    wn_journal_close(&journal);
}

Test(replay, each_bit_flipped_costs_its_unit_alone)
{
    const struct place place = place_new();
    uint64_t begins[UNITS];
    uint64_t ends[UNITS];
    char path[512];
    size_t size = 0;
    struct wn_error err;
    struct wn_bytes expected[UNITS];
    memset(expected, 0, sizeof expected);
    small_journal(&place, begins, ends);
    path_in(&place, "journal-1.bin", path);
    char *bytes = file_read(path, &size);
    cr_assert(size > 8000 && size < 20000, "%zu bytes", size);
    for (uint64_t i = 0; i < UNITS; i++) {
        (void)unit_make(i * UNIT_RECORDS, UNIT_RECORDS, &expected[i]);
    }
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    const size_t step = WN_TEST_SANITIZED ? 7 : 1;
    for (size_t bit = 0; bit < 8 * size; bit += step) {
        const size_t at = bit / 8;
        const char flipped = (char)((unsigned char)bytes[at] ^ (1u << bit % 8));
        cr_assert_eq(pwrite(fd, &flipped, 1, (off_t)at), 1);
        struct wn_replay *replay = replay_new(place.folder);
        size_t n = 0;
        for (uint64_t i = 0; i < UNITS; i++) {
            if (at >= begins[i] && at < ends[i]) {
                continue; /* its unit is lost */
            }
            struct wn_unit_head head;
            struct wn_span rows;
            cr_assert_lt(n, wn_replay_n_units(replay), "bit %zu of byte %zu", bit % 8, at);
            WN_TEST_OK(wn_replay_read(replay, n++, &head, &rows, NULL, &err));
            cr_assert_eq(head.first, i * UNIT_RECORDS, "bit %zu of byte %zu", bit % 8, at);
            cr_assert(wn_span_equal(rows, wn_bytes_span(&expected[i])));
        }
        cr_assert_eq(wn_replay_n_units(replay), n, "bit %zu of byte %zu: a damaged unit was accepted",
                     bit % 8, at);
        cr_assert_gt(wn_replay_counts(replay).damaged_bytes, 0);
        wn_replay_close(replay);
        cr_assert_eq(pwrite(fd, &bytes[at], 1, (off_t)at), 1);
    }
    close(fd);
    for (size_t i = 0; i < UNITS; i++) {
        wn_bytes_free(&expected[i]);
    }
    free(bytes);
    place_free(&place);
}

Test(replay, cut_at_every_byte_of_the_last_three_frames_keeps_what_is_whole)
{
    const struct place place = place_new();
    uint64_t begins[UNITS];
    uint64_t ends[UNITS];
    char path[512];
    size_t size = 0;
    small_journal(&place, begins, ends);
    path_in(&place, "journal-1.bin", path);
    char *bytes = file_read(path, &size);
    for (size_t cut = size; cut >= begins[UNITS - 3]; cut--) {
        cr_assert_eq(truncate(path, (off_t)cut), 0);
        struct wn_replay *replay = replay_new(place.folder);
        uint64_t whole = 0;
        while (whole < UNITS && ends[whole] <= cut) {
            whole++;
        }
        cr_assert_eq(wn_replay_counts(replay).records, whole * UNIT_RECORDS, "cut at byte %zu", cut);
        if (cut % 16 == 0) {
            cr_assert_eq(replay_is_true(replay), whole * UNIT_RECORDS);
        }
        wn_replay_close(replay);
    }
    /* Nothing at all, and a run frame that is not whole, are journals of nothing. */
    for (size_t cut = 0; cut < begins[0]; cut++) {
        file_write(path, bytes, cut);
        struct wn_replay *replay = replay_new(place.folder);
        cr_assert_eq(replay_is_true(replay), 0);
        wn_replay_close(replay);
    }
    free(bytes);
    place_free(&place);
}

Test(replay, foreign_bytes_between_frames_are_passed_over)
{
    const struct place place = place_new();
    uint64_t begins[UNITS];
    uint64_t ends[UNITS];
    char path[512];
    size_t size = 0;
    small_journal(&place, begins, ends);
    path_in(&place, "journal-1.bin", path);
    char *bytes = file_read(path, &size);
    char *more = malloc(size + 5000);
    memcpy(more, bytes, ends[2]);
    memset(more + ends[2], 'W', 5000);
    memcpy(more + ends[2] + 5000, bytes + ends[2], size - ends[2]);
    file_write(path, more, size + 5000);
    struct wn_replay *replay = replay_new(place.folder);
    cr_assert_eq(replay_is_true(replay), UNITS * UNIT_RECORDS);
    cr_assert_eq(wn_replay_counts(replay).damaged_bytes, 5000);
    wn_replay_close(replay);
    free(more);
    free(bytes);
    place_free(&place);
}

/* ---- what overlaps ---- */

struct piece {
    uint64_t epoch, first, count;
};

struct overlap_case {
    const char *what;
    struct piece pieces[6]; /* in the order written; count 0 ends */
    struct wn_replay_unit units[6];
};

static const struct overlap_case overlaps[] = {
    {"in order", {{1, 0, 10}, {1, 10, 5}}, {{0, 10, 0}, {10, 5, 0}}},
    {"out of order", {{1, 30, 10}, {1, 0, 10}, {1, 10, 5}}, {{0, 10, 0}, {10, 5, 0}, {30, 10, 0}}},
    {"the same unit twice", {{1, 0, 10}, {1, 0, 10}, {2, 0, 10}}, {{0, 10, 0}}},
    {"a longer one from the same record", {{1, 0, 10}, {2, 0, 25}}, {{0, 10, 0}, {10, 15, 10}}},
    {"half under another", {{1, 0, 10}, {2, 5, 15}}, {{0, 10, 0}, {10, 10, 5}}},
    {"wholly under another", {{1, 0, 40}, {2, 5, 15}}, {{0, 40, 0}}},
    {"the earlier one is the later in records", {{1, 10, 20}, {2, 0, 15}}, {{0, 15, 0}, {15, 15, 5}}},
    {"three in a row", {{1, 0, 10}, {2, 4, 10}, {3, 8, 10}}, {{0, 10, 0}, {10, 4, 6}, {14, 4, 6}}},
    {"epochs with gaps", {{2, 50, 10}, {7, 20, 10}, {9, 0, 10}}, {{0, 10, 0}, {20, 10, 0}, {50, 10, 0}}},
    {"two-digit epochs in their order", {{2, 0, 5}, {10, 0, 9}}, {{0, 5, 0}, {5, 4, 5}}},
};

static void overlap_write(const struct place *place, const struct piece *pieces)
{
    struct wn_journal *journal = NULL;
    uint64_t epoch = 0;
    for (size_t i = 0; i < 6 && pieces[i].count > 0; i++) {
        if (pieces[i].epoch != epoch) {
            wn_journal_close(&journal);
            epoch = pieces[i].epoch;
            journal = journal_new(place->folder, epoch);
        }
        unit_put(journal, pieces[i].first, pieces[i].count);
    }
    wn_journal_close(&journal);
}

Test(replay, each_record_is_given_out_once)
{
    for (size_t c = 0; c < sizeof overlaps / sizeof overlaps[0]; c++) {
        const struct overlap_case *o = &overlaps[c];
        const struct place place = place_new();
        overlap_write(&place, o->pieces);
        for (int heads_only = 0; heads_only < 2; heads_only++) {
            const struct wn_replay_options options = {
                .run = place.folder, .run_hash = RUN_HASH, .heads_only = heads_only != 0};
            struct wn_replay *replay = replay_with(&options);
            size_t n = 0;
            for (; n < 6 && o->units[n].count > 0; n++) {
                cr_assert_lt(n, wn_replay_n_units(replay), "%s", o->what);
                const struct wn_replay_unit unit = wn_replay_unit(replay, n);
                cr_assert(unit.first == o->units[n].first && unit.count == o->units[n].count &&
                              unit.skip == o->units[n].skip,
                          "%s: unit %zu is %d + %d, skip %d", o->what, n, (int)unit.first, (int)unit.count,
                          (int)unit.skip);
            }
            cr_assert_eq(wn_replay_n_units(replay), n, "%s", o->what);
            (void)replay_is_true(replay);
            cr_assert_eq(wn_replay_counts(replay).dropped_units, 0, "%s", o->what);
            wn_replay_close(replay);
        }
        place_free(&place);
    }
}

Test(replay, random_units_over_many_epochs_are_given_out_once)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const struct place place = place_new();
        bool is_done[400] = {false};
        uint64_t n_done = 0;
        for (uint64_t epoch = 1; epoch <= 5; epoch++) {
            struct wn_journal *journal = journal_new(place.folder, epoch);
            for (uint64_t i = 0; i < 6; i++) {
                const uint64_t first = mix(seed * 1000 + epoch * 10 + i) % 360;
                const uint64_t count = mix(seed * 1001 + epoch * 11 + i) % 40 + 1;
                unit_put(journal, first, count);
                for (uint64_t r = first; r < first + count; r++) {
                    n_done += !is_done[r];
                    is_done[r] = true;
                }
            }
            wn_journal_close(&journal);
        }
        struct wn_replay *replay = replay_new(place.folder);
        cr_assert_eq(replay_is_true(replay), n_done, "seed %d", (int)seed);
        size_t n = 0;
        const struct wn_records *done = wn_replay_done(replay, &n);
        for (size_t i = 0; i < n; i++) {
            cr_assert(i == 0 || done[i - 1].first + done[i - 1].count < done[i].first);
            for (uint64_t r = done[i].first; r < done[i].first + done[i].count; r++) {
                cr_assert(is_done[r]);
            }
        }
        wn_replay_close(replay);
        place_free(&place);
    }
}

/* ---- whose units ---- */

static wn_code open_code(const struct wn_replay_options *options, struct wn_error *err)
{
    struct wn_replay *replay = NULL;
    const wn_code code = wn_replay_open(options, &replay, err);
    wn_replay_close(replay);
    return code;
}

Test(replay, journal_of_another_run_is_refused_by_name)
{
    const struct place place = place_new();
    struct wn_error err;
    const struct piece pieces[6] = {{4, 0, 10}};
    overlap_write(&place, pieces);
    struct wn_replay_options options = {.run = place.folder, .run_hash = "ffffffffffffffffffffffffffffffff"};
    cr_assert_eq(open_code(&options, &err), WN_RUN);
    cr_assert_not_null(strstr(err.text, "journal-4.bin: belongs to another run"), "%s", err.text);
    options.heads_only = true;
    cr_assert_eq(open_code(&options, &err), WN_RUN);
    options.run_hash = NULL;
    cr_assert_eq(open_code(&options, &err), WN_OK);

    /* Its units are known as another run's even where the frame that says so is damaged. */
    char path[512];
    path_in(&place, "journal-4.bin", path);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert_eq(pwrite(fd, "?", 1, 30), 1);
    close(fd);
    options.run_hash = "ffffffffffffffffffffffffffffffff";
    struct wn_replay *replay = replay_with(&options);
    cr_assert_eq(wn_replay_counts(replay).records, 0);
    cr_assert_eq(wn_replay_counts(replay).dropped_units, 1);
    wn_replay_close(replay);
    options.run_hash = RUN_HASH;
    replay = replay_with(&options);
    cr_assert_eq(replay_is_true(replay), 10);
    wn_replay_close(replay);
    place_free(&place);
}

Test(replay, units_of_another_pass_format_or_range_are_not_taken)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_bytes rows = {0};
    struct wn_journal *journal = journal_new(place.folder, 1);
    static const struct {
        uint32_t pass, kind;
        uint64_t first, count;
    } units[] = {{0, WN_ROWS_KIND, 100, 10}, {1, WN_ROWS_KIND, 110, 10}, {0, WN_ROWS_KIND + 1, 120, 10},
                 {0, WN_ROWS_KIND, 90, 10},  {0, WN_ROWS_KIND, 195, 10}, {0, WN_ROWS_KIND, 190, 10}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        struct wn_unit_head head = unit_make(units[i].first, units[i].count, &rows);
        head.pass = units[i].pass;
        head.rows_kind = units[i].kind;
        WN_TEST_OK(wn_journal_unit(journal, &head, wn_bytes_span(&rows), &err));
    }
    wn_journal_close(&journal);
    const struct wn_replay_options options = {
        .run = place.folder, .run_hash = RUN_HASH, .first = 100, .count = 100};
    struct wn_replay *replay = replay_with(&options);
    cr_assert_eq(replay_is_true(replay), 20);
    size_t n = 0;
    const struct wn_records *done = wn_replay_done(replay, &n);
    cr_assert(n == 2 && done[0].first == 100 && done[1].first == 190);
    cr_assert_eq(wn_replay_counts(replay).dropped_units, 3);
    wn_replay_close(replay);
    const struct wn_replay_options second = {.run = place.folder, .run_hash = RUN_HASH, .pass = 1};
    replay = replay_with(&second);
    cr_assert_eq(wn_replay_counts(replay).records, 10);
    wn_replay_close(replay);
    wn_bytes_free(&rows);
    place_free(&place);
}

Test(replay, run_without_journals_has_nothing_done)
{
    const struct place place = place_new();
    struct wn_replay *replay = replay_new(place.folder);
    const struct wn_replay_counts counts = wn_replay_counts(replay);
    size_t n = 7;
    (void)wn_replay_done(replay, &n);
    cr_assert(n == 0 && wn_replay_n_units(replay) == 0 && counts.records == 0 && counts.highest_epoch == 0);
    cr_assert(isnan(counts.first_finished) && isnan(counts.last_finished));
    wn_replay_close(replay);
    place_free(&place);
    struct wn_error err;
    const struct wn_replay_options options = {.run = place.folder, .run_hash = RUN_HASH};
    cr_assert_eq(open_code(&options, &err), WN_IO, "a folder that is not there");
}

Test(replay, counts_tell_times_and_the_recent_rate)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_bytes rows = {0};
    struct wn_journal *journal = journal_new(place.folder, 3);
    for (uint64_t i = 0; i < 20; i++) {
        struct wn_unit_head head = unit_make(i * 5, 5, &rows);
        head.finished = 1000 + 10.0 * (double)i;
        head.seconds = i == 4 ? (double)NAN : 2;
        WN_TEST_OK(wn_journal_unit(journal, &head, wn_bytes_span(&rows), &err));
    }
    wn_journal_close(&journal);
    struct wn_replay *replay = replay_new(place.folder);
    const struct wn_replay_counts counts = wn_replay_counts(replay);
    cr_assert_eq(replay_is_true(replay), 100);
    cr_assert(counts.units == 20 && counts.journals == 1 && counts.highest_epoch == 3);
    cr_assert_eq(counts.tokens, 100 * 100);
    cr_assert_float_eq(counts.seconds, 38, 1e-9, "19 units of 2 s, one unknown");
    cr_assert(counts.first_finished == 1000 && counts.last_finished == 1190);
    cr_assert_float_eq(counts.recent_records / counts.recent_seconds, 0.5, 1e-9, "5 records in 10 s");
    wn_replay_close(replay);
    wn_bytes_free(&rows);
    place_free(&place);
}

Test(replay, one_long_unit_gives_a_rate_too)
{
    const struct place place = place_new();
    const struct piece pieces[6] = {{1, 0, 10}};
    overlap_write(&place, pieces);
    struct wn_replay *replay = replay_new(place.folder);
    const struct wn_replay_counts counts = wn_replay_counts(replay);
    cr_assert_float_eq(counts.recent_records / counts.recent_seconds, 20, 1e-9, "10 records in 0.5 s");
    wn_replay_close(replay);
    place_free(&place);
}

/* ---- bulk ---- */

enum { BULK_UNITS = 4 };

/* Units with bulk: two by worker 0, two by worker 1; unit 3 has none. */
static void bulk_run(const struct place *place, struct wn_extent extents[BULK_UNITS])
{
    struct wn_error err;
    struct wn_bytes rows = {0};
    struct wn_shard *shards[2] = {NULL, NULL};
    struct wn_journal *journal = journal_new(place->folder, 6);
    for (uint32_t r = 0; r < 2; r++) {
        WN_TEST_OK(wn_shard_new(place->folder, 6, r, &shards[r], &err));
        WN_TEST_OK(wn_shard_sync(shards[r], &err));
    }
    for (uint64_t i = 0; i < BULK_UNITS; i++) {
        char text[1000];
        memset(text, (int)('a' + i), sizeof text);
        struct wn_unit_head head = unit_make(i * 10, 10, &rows);
        const struct wn_span bulk = {text, i == 3 ? 0 : 100 * (i + 1)};
        WN_TEST_OK(wn_shard_put(shards[i % 2], bulk, &head.bulk, &err));
        extents[i] = head.bulk;
        WN_TEST_OK(wn_journal_unit(journal, &head, wn_bytes_span(&rows), &err));
    }
    for (uint32_t r = 0; r < 2; r++) {
        WN_TEST_OK(wn_shard_sync(shards[r], &err));
        wn_shard_free(&shards[r]);
        cr_assert_null(shards[r]);
    }
    wn_journal_close(&journal);
    wn_bytes_free(&rows);
}

static uint64_t bulk_records(const struct place *place, bool has_bulk, uint64_t dropped)
{
    const struct wn_replay_options options = {
        .run = place->folder, .run_hash = RUN_HASH, .has_bulk = has_bulk};
    struct wn_replay *replay = replay_with(&options);
    cr_assert_eq(wn_replay_counts(replay).dropped_units, dropped);
    const uint64_t n = replay_is_true(replay);
    wn_replay_close(replay);
    return n;
}

Test(replay, bulk_is_read_back_and_a_unit_whose_bulk_is_wrong_is_dropped)
{
    const struct place place = place_new();
    struct wn_extent extents[BULK_UNITS];
    struct wn_error err;
    char path[512];
    size_t size = 0;
    bulk_run(&place, extents);
    const struct wn_replay_options options = {.run = place.folder, .run_hash = RUN_HASH, .has_bulk = true};
    struct wn_replay *replay = replay_with(&options);
    cr_assert_eq(replay_is_true(replay), 40);
    for (size_t i = 0; i < BULK_UNITS; i++) {
        struct wn_unit_head head;
        struct wn_span rows;
        struct wn_span bulk;
        WN_TEST_OK(wn_replay_read(replay, i, &head, &rows, &bulk, &err));
        cr_assert_eq(bulk.size, i == 3 ? 0 : 100 * (i + 1));
        for (size_t b = 0; b < bulk.size; b++) {
            cr_assert_eq(bulk.data[b], (char)('a' + i));
        }
    }
    /* Damaged after it was checked: told, never handed on. */
    path_in(&place, "shards/6-0.bin", path);
    char *bytes = file_read(path, &size);
    bytes[extents[2].offset + 50] ^= 1;
    file_write(path, bytes, size);
    struct wn_unit_head head;
    struct wn_span rows;
    struct wn_span bulk;
    cr_assert_eq(wn_replay_read(replay, 2, &head, &rows, &bulk, &err), WN_IO);
    cr_assert_not_null(strstr(err.text, "6-0.bin"), "%s", err.text);
    wn_replay_close(replay);

    cr_assert_eq(bulk_records(&place, true, 1), 30, "one wrong bit");
    cr_assert_eq(bulk_records(&place, false, 0), 40, "not asked for");
    bytes[extents[2].offset + 50] ^= 1;
    file_write(path, bytes, size - 1);
    cr_assert_eq(bulk_records(&place, true, 1), 30, "one byte short");
    file_write(path, bytes, extents[2].offset - 24);
    cr_assert_eq(bulk_records(&place, true, 1), 30, "a frame short");
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(bulk_records(&place, true, 2), 20, "no shard");
    free(bytes);
    place_free(&place);
}

Test(replay, extent_with_absurd_numbers_drops_its_unit)
{
    static const struct wn_extent absurd[] = {
        {.epoch = 6, .offset = UINT64_MAX, .size = 10},
        {.epoch = 6, .offset = 24, .size = UINT64_MAX},
        {.epoch = 6, .offset = UINT64_MAX - 5, .size = UINT64_MAX - 5},
        {.epoch = 7, .offset = 24, .size = 10},
        {.epoch = 6, .rank = 4000000000u, .offset = 24, .size = 10},
    };
    const struct place place = place_new();
    struct wn_extent extents[BULK_UNITS];
    struct wn_error err;
    struct wn_bytes rows = {0};
    bulk_run(&place, extents);
    struct wn_journal *journal = journal_new(place.folder, 7);
    for (uint64_t i = 0; i < sizeof absurd / sizeof absurd[0]; i++) {
        struct wn_unit_head head = unit_make(100 + 10 * i, 10, &rows);
        head.bulk = absurd[i];
        WN_TEST_OK(wn_journal_unit(journal, &head, wn_bytes_span(&rows), &err));
    }
    wn_journal_close(&journal);
    cr_assert_eq(bulk_records(&place, true, sizeof absurd / sizeof absurd[0]), 40);
    /* By heads alone they are not looked at, so whoever reads one is told then, before memory is asked for. */
    const struct wn_replay_options options = {
        .run = place.folder, .run_hash = RUN_HASH, .has_bulk = true, .heads_only = true};
    struct wn_replay *replay = replay_with(&options);
    cr_assert_eq(wn_replay_n_units(replay), BULK_UNITS + sizeof absurd / sizeof absurd[0]);
    for (size_t i = BULK_UNITS; i < wn_replay_n_units(replay); i++) {
        struct wn_unit_head head;
        struct wn_span got;
        struct wn_span bulk;
        cr_assert_eq(wn_replay_read(replay, i, &head, &got, &bulk, &err), WN_IO, "unit %zu", i);
    }
    wn_replay_close(replay);
    wn_bytes_free(&rows);
    place_free(&place);
}

Test(replay, shard_of_another_job_is_never_written_into)
{
    const struct place place = place_new();
    struct wn_extent extents[BULK_UNITS];
    struct wn_error err;
    struct wn_shard *shard = NULL;
    bulk_run(&place, extents);
    WN_TEST_OK(wn_shard_new(place.folder, 6, 1, &shard, &err));
    cr_assert_eq(wn_shard_put(shard, wn_span_of("bulk"), &extents[0], &err), WN_RUN);
    wn_shard_free(&shard);
    cr_assert_eq(bulk_records(&place, true, 0), 40);
    place_free(&place);
}
