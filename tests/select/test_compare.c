/* Two files of scores of one corpus: correlations and the overlap of the tops.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scored.h"

#include <float.h>

struct pair {
    char folder[256], paths[2][400];
    struct wn_scores *a, *b;
};

/* Losses of one side: loss_cond[i] = values[i] of record first + i; a NaN has the status nan. */
static struct wn_scores *side_make(const char *path, const char *hash, uint64_t first, const double *values,
                                   size_t n)
{
    const struct wn_store_attribute attributes[] = {{wn_attribute_corpus_hash, hash}};
    const struct wn_store_options options = {.attributes = attributes, .n_attributes = 1};
    struct wn_error err;
    struct wn_store *store = NULL;
    struct wn_scores *scores = NULL;
    WN_TEST_OK(wn_store_create(path, n, &options, &store, &err));
    for (size_t i = 0; i < n; i++) {
        struct wn_row row = {.record = first + i, .n_parts = 1, .status = WN_STATUS_OK};
        row.cond = (struct wn_side){.n = 9, .first = 1, .k = 1, .sum = values[i]};
        row.direct = (struct wn_side){.n = 9, .first = 1, .k = 1, .sum = 1};
        const struct wn_store_record record = {
            .index = first + i, .fold = row, .turn_mean = NAN, .rows = &row, .n_rows = 1};
        WN_TEST_OK(wn_store_put(store, &record, &err));
    }
    WN_TEST_OK(wn_store_finish(&store, NULL, 0, &err));
    WN_TEST_OK(wn_scores_open(path, &scores, &err));
    return scores;
}

static struct pair pair_new(uint64_t first_a, const double *a, size_t n_a, uint64_t first_b, const double *b,
                            size_t n_b, const char *hash_b)
{
    struct pair pair;
    const char *base = getenv("TMPDIR");
    snprintf(pair.folder, sizeof pair.folder, "%s/winnow-compare-XXXXXX", base == NULL ? "/tmp" : base);
    cr_assert_not_null(mkdtemp(pair.folder));
    path_in(pair.paths[0], pair.folder, "a.h5");
    path_in(pair.paths[1], pair.folder, "b.h5");
    pair.a = side_make(pair.paths[0], "00ff", first_a, a, n_a);
    pair.b = side_make(pair.paths[1], hash_b, first_b, b, n_b);
    return pair;
}

static void pair_free(struct pair *pair)
{
    wn_scores_close(pair->a);
    wn_scores_close(pair->b);
    unlink(pair->paths[0]);
    unlink(pair->paths[1]);
    rmdir(pair->folder);
}

static bool is_near(double got, double want)
{
    return isnan(want) ? isnan(got) != 0
                       : fabs(got - want) <= 1e-13; /* a few roundings of a sum of 10 terms */
}

Test(compare, figures_equal_those_worked_out_by_hand)
{
    /* Spearman by scipy.stats.spearmanr (mean ranks), Pearson by numpy.corrcoef. */
    const struct {
        double a[10], b[10];
        size_t n;
        enum wn_amount amount;
        double top;
        uint64_t n_both, k;
        double spearman, pearson, overlap;
    } cases[] = {
        {{1, 2, 3, 4, 5}, {2, 4, 6, 8, 10}, 5, WN_AMOUNT_NUMBER, 2, 5, 2, 1, 1, 1},
        {{1, 2, 3, 4, 5}, {5, 4, 3, 2, 1}, 5, WN_AMOUNT_RATE, 0.4, 5, 2, -1, -1, 0},
        {{1, 2, 3, 4, 5}, {1, 4, 9, 16, 25}, 5, WN_AMOUNT_RATE, 1, 5, 5, 1, 0.9811049102515929, 1},
        {{1, 2, 2, 3},
         {1, 1, 2, 2},
         4,
         WN_AMOUNT_NUMBER,
         2,
         4,
         2,
         0.7071067811865475,
         0.7071067811865475,
         0.5},
        {{1, NAN, 3, 4, 9}, {1, 5, NAN, 2, 3}, 5, WN_AMOUNT_NUMBER, 9, 3, 3, 1, 0.9897433186107870, 1},
        {{1, 1, 1}, {1, 2, 3}, 3, WN_AMOUNT_NUMBER, 0, 3, 0, NAN, NAN, NAN},
        {{1, 1, 1, 1},
         {4, 3, 2, 1},
         4,
         WN_AMOUNT_NUMBER,
         2,
         4,
         2,
         NAN,
         NAN,
         1}, /* equal values: smaller number */
        {{7}, {8}, 1, WN_AMOUNT_RATE, 0.5, 1, 0, NAN, NAN, NAN},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct pair pair = pair_new(0, cases[c].a, cases[c].n, 0, cases[c].b, cases[c].n, "00ff");
        const struct wn_compare_options options = {"loss_cond", cases[c].amount, cases[c].top};
        struct wn_compare_result result;
        struct wn_error err;
        WN_TEST_OK(wn_scores_compare(pair.a, pair.b, &options, &result, &err));
        cr_assert(result.n_a == cases[c].n && result.n_b == cases[c].n && result.n_common == cases[c].n);
        cr_assert_eq(result.n_both, cases[c].n_both, "case %zu", c);
        cr_assert_eq(result.top, cases[c].k, "case %zu", c);
        cr_assert(is_near(result.spearman, cases[c].spearman), "case %zu: Spearman %.17g", c,
                  result.spearman);
        cr_assert(is_near(result.pearson, cases[c].pearson), "case %zu: Pearson %.17g", c, result.pearson);
        cr_assert(is_near(result.overlap, cases[c].overlap), "case %zu: overlap %.17g", c, result.overlap);
        pair_free(&pair);
    }
}

Test(compare, ranges_are_joined_by_record_number)
{
    const double a[] = {9, 9, 1, 2, 3}, b[] = {1, 2, 3, -5, -6, -7}; /* records 10 to 14, and 12 to 17 */
    struct pair pair = pair_new(10, a, 5, 12, b, 6, "00ff");
    const struct wn_compare_options options = {"loss_cond * 2", WN_AMOUNT_NUMBER, 1};
    struct wn_compare_result result;
    struct wn_error err;
    WN_TEST_OK(wn_scores_compare(pair.a, pair.b, &options, &result, &err));
    cr_assert(result.n_a == 5 && result.n_b == 6 && result.n_common == 3 && result.n_both == 3);
    cr_assert(result.spearman == 1 && result.overlap == 1);
    WN_TEST_OK(wn_scores_compare(pair.b, pair.a, &options, &result, &err));
    cr_assert(result.n_a == 6 && result.n_common == 3 && result.spearman == 1);
    pair_free(&pair);
}

Test(compare, what_cannot_be_compared_is_told)
{
    const double values[] = {1, 2, 3};
    const struct {
        uint64_t first_b;
        const char *hash, *column, *text;
        enum wn_amount amount;
        double top;
        wn_code code;
    } cases[] = {
        {0, "other", "loss_cond", "different corpora", WN_AMOUNT_NUMBER, 1, WN_RUN},
        {3, "00ff", "loss_cond", "no record in common", WN_AMOUNT_NUMBER, 1, WN_RUN},
        {0, "00ff", "loss_cnd", "there is no column \"loss_cnd\"", WN_AMOUNT_NUMBER, 1, WN_USAGE},
        {0, "00ff", "loss_cond", "a rate is above 0", WN_AMOUNT_RATE, 1.5, WN_USAGE},
        {0, "00ff", "loss_cond", "a whole number", WN_AMOUNT_NUMBER, 1.5, WN_USAGE},
        {0, "00ff", "loss_cond", "a whole number", WN_AMOUNT_ABOVE, 1, WN_USAGE},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct pair pair = pair_new(0, values, 3, cases[c].first_b, values, 3, cases[c].hash);
        const struct wn_compare_options options = {cases[c].column, cases[c].amount, cases[c].top};
        struct wn_compare_result result;
        struct wn_error err;
        cr_assert_eq(wn_scores_compare(pair.a, pair.b, &options, &result, &err), cases[c].code, "case %zu",
                     c);
        cr_assert(strstr(err.text, cases[c].text) != NULL, "case %zu: %s", c, err.text);
        pair_free(&pair);
    }
}
