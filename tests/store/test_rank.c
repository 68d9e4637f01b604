/* Ranks by an external merge: the same as by counting, for any limit of memory, and a full disk is an error.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "table.h"

#include "store/rank.h"

#include <signal.h>
#include <sys/resource.h>

enum { LIMIT = 1000 };

struct ranks {
    uint64_t *values;
    size_t n;
};

static bool keep(void *context, const uint64_t *ranks, size_t n)
{
    struct ranks *kept = context;
    memcpy(kept->values + kept->n, ranks, n * sizeof *ranks);
    kept->n += n;
    return true;
}

static wn_code rank_all(const char *path, const double *scores, size_t n, bool larger, size_t limit,
                        uint64_t *out, struct wn_error *err)
{
    struct wn_ranker *ranker = NULL;
    struct ranks kept = {out, 0};
    bool is_refused = false;
    wn_code code = wn_ranker_new(path, n, larger, limit, &ranker, err);
    for (size_t i = 0; i < n && code == WN_OK; i++) {
        code = wn_ranker_put(ranker, scores[i], err);
    }
    if (code == WN_OK) {
        code = wn_ranker_finish(ranker, &kept, keep, &is_refused, err);
    }
    wn_ranker_free(&ranker);
    cr_assert(code != WN_OK || (kept.n == n && !is_refused));
    return code;
}

struct scored {
    double score;
    size_t index;
};

static int larger_first(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    return x->score != y->score ? (x->score > y->score ? -1 : 1) : (x->index > y->index ? -1 : 1);
}

static int smaller_first(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    return x->score != y->score ? (x->score > y->score ? -1 : 1) : (x->index < y->index ? -1 : 1);
}

/* The ranks stated with the library's sort. */
static void rank_restated(const double *scores, size_t n, bool larger, uint64_t *out)
{
    struct scored *order = malloc((n + 1) * sizeof *order);
    size_t rankable = 0;
    for (size_t i = 0; i < n; i++) {
        out[i] = UINT64_MAX;
        if (!isnan(scores[i])) {
            order[rankable] = (struct scored){scores[i], i};
            rankable++;
        }
    }
    qsort(order, rankable, sizeof *order, larger ? larger_first : smaller_first);
    for (size_t i = 0; i < rankable; i++) {
        out[order[i].index] = i;
    }
    free(order);
}

/* Score i of one kind of table. */
static double score_of(int kind, size_t i, size_t n)
{
    switch (kind) {
    case 0:
        return (double)mix(i) / 1e19; /* all different */
    case 1:
        return (double)(mix(i) % 7) - 3; /* few values, below 0 too */
    case 2:
        return mix(i) % 3 == 0 ? (double)NAN : (double)(mix(i) % 1000);
    case 3:
        return (double)i; /* rising */
    case 4:
        return (double)(n - i); /* falling */
    case 5:
        return i % 2 == 0 ? 0.0 : -0.0; /* one score */
    case 6:
        return (double)NAN;
    default:
        return i < n / 2 ? (double)i : (double)(n - i); /* an organ pipe, bad for medians of three */
    }
}

Test(rank, an_external_merge_ranks_as_a_sort_in_memory_does)
{
    static const size_t sizes[] = {0, 1, LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT, 25 * LIMIT + 17, 131073};
    const struct place place = place_new();
    struct wn_error err;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const size_t n = sizes[s];
        double *scores = malloc((n + 1) * sizeof *scores);
        uint64_t *got = malloc((n + 1) * sizeof *got), *want = malloc((n + 1) * sizeof *want);
        for (int kind = 0; kind < 8; kind++) {
            for (size_t i = 0; i < n; i++) {
                scores[i] = score_of(kind, i, n);
            }
            for (int larger = 0; larger < 2; larger++) {
                rank_restated(scores, n, larger, want);
                WN_TEST_OK(rank_all(place.path, scores, n, larger, LIMIT, got, &err));
                for (size_t i = 0; i < n; i++) {
                    cr_assert_eq(got[i], want[i],
                                 "size %zu, kind %d, larger %d: rank[%zu] = %llu, expected %llu", n, kind,
                                 larger, i, (unsigned long long)got[i], (unsigned long long)want[i]);
                }
            }
        }
        free(scores);
        free(got);
        free(want);
    }
    cr_assert_eq(place_count(&place), 0, "the temporary file has a name");
    place_free(&place);
}

Test(rank, the_smallest_limits_work_too)
{
    const struct place place = place_new();
    struct wn_error err;
    enum { N = 300 };
    double scores[N];
    uint64_t got[N], want[N];
    for (size_t i = 0; i < N; i++) {
        scores[i] = score_of(1, i, N);
    }
    rank_restated(scores, N, false, want);
    for (size_t limit = 1; limit < 40; limit++) {
        WN_TEST_OK(rank_all(place.path, scores, N, false, limit, got, &err));
        cr_assert_arr_eq(got, want, sizeof got, "limit %zu", limit);
    }
    place_free(&place);
}

Test(rank, a_store_with_little_memory_for_ranks_writes_the_same_file)
{
    const struct place place = place_new();
    const struct wn_store_options options = {.has_reverse = true};
    char plain[33], outside[33];
    struct wn_error err;
    struct wn_store *store = NULL;
    enum { N = 7 * LIMIT + 3 };
    table_write(place.path, N, &options, 5);
    digest_of(place.path, plain);
    WN_TEST_OK(wn_store_create(place.path, N, &options, &store, &err));
    WN_TEST_OK(wn_store_rank_limit(store, LIMIT, &err));
    for (uint64_t i = 0; i < N; i++) {
        struct wn_row rows[MAX_PARTS];
        const struct wn_store_record record = record_make(i, 5, rows);
        WN_TEST_OK(wn_store_put(store, &record, &err));
    }
    WN_TEST_OK(wn_store_finish(&store, NULL, 0, &err));
    digest_of(place.path, outside);
    cr_assert_str_eq(plain, outside);
    cr_assert_eq(place_count(&place), 1);
    place_free(&place);
}

Test(rank, a_full_disk_is_code_5_and_says_what_is_needed)
{
    const struct place place = place_new();
    enum { N = 5 * LIMIT };
    static double scores[N];
    static uint64_t got[N];
    for (size_t i = 0; i < N; i++) {
        scores[i] = score_of(0, i, N);
    }
    signal(SIGXFSZ, SIG_IGN);
    int refused = 0;
    for (rlim_t limit = 0; limit < (rlim_t)N * 40; limit += 9973) {
        struct rlimit old;
        struct wn_error err;
        cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
        const struct rlimit small = {limit, old.rlim_max};
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        const wn_code code = rank_all(place.path, scores, N, false, LIMIT, got, &err);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        if (code == WN_OK) {
            break;
        }
        refused++;
        cr_assert_eq(code, WN_IO);
        cr_assert(strstr(err.text, "File too large") != NULL && strstr(err.text, "160000 bytes") != NULL &&
                      strstr(err.text, "run the same command again") != NULL,
                  "%s", err.text);
    }
    cr_assert_gt(refused, 5);
    place_free(&place);
}
