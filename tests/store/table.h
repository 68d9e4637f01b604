/* Tables of made-up scores for the tests of store.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TESTS_STORE_TABLE_H
#define WINNOW_TESTS_STORE_TABLE_H

#include "store/store.h"

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of its own for one test, removed with all it holds. */
struct place {
    char folder[256];
    char path[512];
};

static inline struct place place_new(void)
{
    struct place place;
    const char *base = getenv("TMPDIR");
    snprintf(place.folder, sizeof place.folder, "%s/winnow-store-XXXXXX", base == NULL ? "/tmp" : base);
    cr_assert_not_null(mkdtemp(place.folder));
    snprintf(place.path, sizeof place.path, "%s/scores.h5", place.folder);
    return place;
}

static inline void place_free(const struct place *place)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s'", place->folder);
    cr_assert_eq(system(command), 0);
}

static inline int place_count(const struct place *place)
{
    char command[400];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", place->folder);
    FILE *pipe = popen(command, "r");
    int n = -1;
    cr_assert(pipe != NULL && fscanf(pipe, "%d", &n) == 1);
    pclose(pipe);
    return n;
}

static inline uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 31)) * UINT64_C(0x9e3779b97f4a7c15);
    return x ^ (x >> 29);
}

static inline struct wn_side side_make(uint64_t seed)
{
    const uint32_t k = (uint32_t)(mix(seed) % 50 + 1);
    return (struct wn_side){.n = k + 7,
                            .first = 7,
                            .k = k,
                            .cut = 0,
                            .sum = (double)k * (0.5 + (double)(mix(seed + 1) % 40) / 8.0)};
}

static inline struct wn_row row_make(uint64_t index, uint32_t part, uint32_t n_parts, uint64_t seed)
{
    const uint64_t s = seed + index * 977 + part * 31;
    struct wn_row row = {.record = index, .part = part, .n_parts = n_parts, .has_reverse = 1};
    row.counted = (uint32_t)(mix(s + 10) % 600);
    row.cond = side_make(s);
    row.direct = side_make(s + 2);
    row.q_cond = side_make(s + 4);
    row.q_direct = side_make(s + 6);
    row.status = (uint32_t)(mix(s + 8) % 4 == 0 ? mix(s + 9) % WN_STATUS_COUNT : mix(s + 9) % 2);
    if (row.status == WN_STATUS_EMPTY_ANSWER || row.status == WN_STATUS_PARSE_ERROR) {
        const struct wn_side none = {0, 0, 0, 0, NAN};
        row.cond = row.direct = row.q_cond = row.q_direct = none;
        row.counted = 0;
    }
    if (index % 10 == 3) {
        row.status = WN_STATUS_NAN;
        row.cond.sum = row.q_cond.sum = -NAN; /* the sign of a NaN must not reach the file */
    }
    return row;
}

enum { MAX_PARTS = 3 };

/* Record `index` of a table; every fifth has three turns. `rows` is where its rows go. */
static inline struct wn_store_record record_make(uint64_t index, uint64_t seed, struct wn_row rows[MAX_PARTS])
{
    const uint32_t n = index % 5 == 4 ? MAX_PARTS : 1;
    for (uint32_t i = 0; i < n; i++) {
        rows[i] = row_make(index, i, n, seed);
    }
    struct wn_store_record record = {.index = index,
                                     .id_hash = mix(index + seed),
                                     .offset = index * 100 + (UINT64_C(1) << 40),
                                     .length = (uint32_t)(index % 1000 + 2),
                                     .file = (uint16_t)(index % 3),
                                     .rows = rows,
                                     .n_rows = n};
    wn_row_fold(rows, n, &record.fold, &record.turn_mean);
    return record;
}

static inline void table_write(const char *path, uint64_t n, const struct wn_store_options *options,
                               uint64_t seed)
{
    struct wn_error err;
    struct wn_store *store = NULL;
    WN_TEST_OK(wn_store_create(path, n, options, &store, &err));
    for (uint64_t i = 0; i < n; i++) {
        struct wn_row rows[MAX_PARTS];
        struct wn_store_record record = record_make(i, seed, rows);
        int32_t ids[512];
        float losses[512];
        for (int k = 0; k < 512; k++) {
            ids[k] = (int32_t)(i * 3 + (uint64_t)k);
            losses[k] = (float)k / 8.0F;
        }
        if (options->has_tokens) {
            record.cond_ids = record.direct_ids = ids;
            record.cond_losses = record.direct_losses = losses;
        }
        WN_TEST_OK(wn_store_put(store, &record, &err));
    }
    WN_TEST_OK(wn_store_finish(&store, NULL, 0, &err));
    cr_assert_null(store);
}

static inline void digest_of(const char *path, char out_text[33])
{
    struct wn_error err;
    struct wn_scores *scores = NULL;
    WN_TEST_OK(wn_scores_open(path, &scores, &err));
    WN_TEST_OK(wn_scores_digest(scores, out_text, &err));
    wn_scores_close(scores);
}

#endif
