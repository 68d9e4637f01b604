/* Units of made-up rows for the tests of journals and replay: record i always has the same rows.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TESTS_STORE_UNITS_H
#define WINNOW_TESTS_STORE_UNITS_H

#include "table.h"

#include <fcntl.h>
#include <signal.h>

#define RUN_HASH "0123456789abcdef0123456789abcdef"

enum { UNIT_SEED = 5 };

/* The unit [first, first + count) as a head and rows (wn_bytes_free). */
static inline struct wn_unit_head unit_make(uint64_t first, uint64_t count, struct wn_bytes *rows)
{
    struct wn_unit_head head = {.rows_kind = WN_ROWS_KIND,
                                .worker = 3,
                                .first = first,
                                .count = count,
                                .tokens = 100 * count,
                                .seconds = 0.5,
                                .finished = 1e9 + (double)first};
    wn_bytes_clear(rows);
    for (uint64_t i = first; i < first + count; i++) {
        struct wn_row parts[MAX_PARTS];
        const struct wn_store_record record = record_make(i, UNIT_SEED, parts);
        wn_rows_put(rows, NULL, &record);
        head.by_status[record.fold.status]++;
        head.ifd_above_one += wn_row_ifd_ppl(&record.fold) > 1;
    }
    cr_assert(!rows->is_short);
    return head;
}

static inline void unit_put(struct wn_journal *journal, uint64_t first, uint64_t count)
{
    struct wn_error err;
    struct wn_bytes rows = {0};
    const struct wn_unit_head head = unit_make(first, count, &rows);
    WN_TEST_OK(wn_journal_unit(journal, &head, wn_bytes_span(&rows), &err));
    wn_bytes_free(&rows);
}

static inline struct wn_journal *journal_new(const char *run, uint64_t epoch)
{
    struct wn_error err;
    struct wn_journal *journal = NULL;
    WN_TEST_OK(wn_journal_create(run, epoch, RUN_HASH, &journal, &err));
    return journal;
}

static inline struct wn_replay *replay_with(const struct wn_replay_options *options)
{
    struct wn_error err;
    struct wn_replay *replay = NULL;
    WN_TEST_OK(wn_replay_open(options, &replay, &err));
    return replay;
}

static inline struct wn_replay *replay_new(const char *run)
{
    const struct wn_replay_options options = {.run = run, .run_hash = RUN_HASH};
    return replay_with(&options);
}

/* Every unit reads, its rows are those of its records, the units make up the ranges, and the counts are those of the
 * records. Returns the number of records. */
static inline uint64_t replay_is_true(struct wn_replay *replay)
{
    struct wn_error err;
    struct wn_bytes rows = {0};
    struct wn_bytes part = {0};
    size_t n_done = 0;
    uint64_t total = 0;
    const struct wn_records *done = wn_replay_done(replay, &n_done);
    struct wn_replay_counts brute = {0};
    size_t r = 0;
    uint64_t next = n_done > 0 ? done[0].first : 0;
    for (size_t i = 0; i < wn_replay_n_units(replay); i++) {
        const struct wn_replay_unit unit = wn_replay_unit(replay, i);
        struct wn_unit_head head;
        struct wn_span got;
        if (next == done[r].first + done[r].count) {
            next = done[++r].first;
        }
        cr_assert(unit.first == next && unit.count > 0, "unit %zu", i);
        next = unit.first + unit.count;
        WN_TEST_OK(wn_replay_read(replay, i, &head, &got, NULL, &err));
        cr_assert_eq(head.first + unit.skip, unit.first);
        cr_assert_leq(unit.skip + unit.count, head.count);
        (void)unit_make(head.first, head.count, &rows);
        cr_assert(wn_span_equal(got, wn_bytes_span(&rows)), "rows of unit %zu", i);
        const struct wn_unit_head counted = unit_make(unit.first, unit.count, &part);
        for (int s = 0; s < WN_STATUS_COUNT; s++) {
            brute.by_status[s] += counted.by_status[s];
        }
        brute.ifd_above_one += counted.ifd_above_one;
        total += unit.count;
    }
    const struct wn_replay_counts counts = wn_replay_counts(replay);
    cr_assert_eq(counts.records, total);
    cr_assert_eq(counts.ifd_above_one, brute.ifd_above_one);
    cr_assert(memcmp(counts.by_status, brute.by_status, sizeof brute.by_status) == 0, "counts by status");
    cr_assert(n_done == 0 ? total == 0 : r + 1 == n_done && next == done[r].first + done[r].count);
    wn_bytes_free(&rows);
    wn_bytes_free(&part);
    return total;
}

/* A whole file in new memory. */
static inline char *file_read(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    fseek(file, 0, SEEK_END);
    *out_size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*out_size + 1);
    cr_assert(bytes != NULL && fread(bytes, 1, *out_size, file) == *out_size);
    bytes[*out_size] = '\0';
    fclose(file);
    return bytes;
}

static inline void file_write(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, "%s", path);
}

static inline void path_in(const struct place *place, const char *name, char out[512])
{
    snprintf(out, 512, "%s/%s", place->folder, name);
}

/* Copy the file `from` of the folder to `to`. */
static inline void file_copy(const struct place *place, const char *from, const char *to)
{
    char path[512];
    size_t size = 0;
    path_in(place, from, path);
    char *bytes = file_read(path, &size);
    path_in(place, to, path);
    file_write(path, bytes, size);
    free(bytes);
}

#endif
