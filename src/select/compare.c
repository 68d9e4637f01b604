/* Two files of scores of one corpus held against each other.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Four numbers a record: both values, an order, and what the sort of that order needs. Each value gives way to its rank
 * once Pearson's figure and the tops are known.
 */
#include "select/select.h"

#include "base/base.h"
#include "select/parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Record numbers of one file: first .. first + n - 1. */
struct span_of_records {
    uint64_t first, n;
};

struct pairs {
    double *a, *b; /* [n] values of the records that both have; later their ranks */
    uint64_t *order;
    uint64_t n;
};

static wn_code records_span(const struct wn_scores *scores, struct span_of_records *out, struct wn_error *err)
{
    *out = (struct span_of_records){0, wn_scores_count(scores)};
    return out->n == 0 ? WN_OK : wn_scores_integers(scores, "index", 0, 1, &out->first, err);
}

static wn_code corpus_check(const struct wn_scores *a, const struct wn_scores *b, struct wn_error *err)
{
    const char *x = wn_scores_attribute(a, wn_attribute_corpus_hash);
    const char *y = wn_scores_attribute(b, wn_attribute_corpus_hash);
    WN_CHECK(x != NULL && y != NULL, err, WN_RUN, "%s: does not say which corpus was scored",
             wn_scores_path(x == NULL ? a : b));
    WN_CHECK(
        strcmp(x, y) == 0, err, WN_RUN,
        "%s and %s are scores of different corpora (hash %s there, %s here): only scores of the same records "
        "can be compared",
        wn_scores_path(a), wn_scores_path(b), x, y);
    return WN_OK;
}

/* The values of all records of `scores` in new memory. */
static wn_code values_load(const struct wn_scores *scores, const char *column, uint64_t n,
                           double **out_values, struct wn_error *err)
{
    WN_CHECK(n < SIZE_MAX / 64, err, WN_DEVICE, "too many records");
    double *values = malloc(((size_t)n + 1) * sizeof *values);
    WN_CHECK(values != NULL, err, WN_DEVICE, "out of memory for %" PRIu64 " scores", n);
    const wn_code code = wn_formula_values(scores, column, values, err);
    if (code != WN_OK) {
        free(values);
        return code;
    }
    *out_values = values;
    return WN_OK;
}

/* The values of the records that both files have and that are finite in both, at the front of both arrays. */
static wn_code pairs_load(const struct wn_scores *a, const struct wn_scores *b, const char *column,
                          struct pairs *pairs, struct wn_compare_result *result, struct wn_error *err)
{
    struct span_of_records x, y;
    WN_TRY(records_span(a, &x, err));
    WN_TRY(records_span(b, &y, err));
    WN_CHECK(x.first <= UINT64_MAX - x.n && y.first <= UINT64_MAX - y.n, err, WN_INPUT,
             "%s: its record numbers cannot be right: the file is damaged", wn_scores_path(a));
    const uint64_t first = x.first > y.first ? x.first : y.first;
    const uint64_t x_end = x.first + x.n, y_end = y.first + y.n;
    const uint64_t end = x_end < y_end ? x_end : y_end;
    result->n_a = x.n;
    result->n_b = y.n;
    result->n_common = end > first ? end - first : 0;
    WN_CHECK(result->n_common > 0, err, WN_RUN,
             "%s and %s have no record in common: they hold %" PRIu64 " records from number %" PRIu64
             " on, and %" PRIu64 " from number %" PRIu64 " on",
             wn_scores_path(a), wn_scores_path(b), x.n, x.first, y.n, y.first);
    WN_TRY(values_load(a, column, x.n, &pairs->a, err));
    WN_TRY(values_load(b, column, y.n, &pairs->b, err));
    const double *from_a = pairs->a + (first - x.first), *from_b = pairs->b + (first - y.first);
    for (uint64_t i = 0; i < result->n_common; i++) {
        const double left = from_a[i], right = from_b[i];
        if (isfinite(left) && isfinite(right)) {
            pairs->a[pairs->n] = left; /* never in front of what is still to be read */
            pairs->b[pairs->n] = right;
            pairs->n++;
        }
    }
    result->n_both = pairs->n;
    pairs->order = malloc((pairs->n + 1) * sizeof *pairs->order);
    WN_CHECK(pairs->order != NULL, err, WN_DEVICE, "out of memory for %" PRIu64 " scores", pairs->n);
    return WN_OK;
}

/* Two passes, so that large values with small differences lose nothing; NaN where a side is constant. */
static double pearson(const double *a, const double *b, uint64_t n)
{
    double mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;
    for (uint64_t i = 0; i < n; i++) { /* running means: no sum that could overflow */
        mean_a += (a[i] - mean_a) / (double)(i + 1);
        mean_b += (b[i] - mean_b) / (double)(i + 1);
    }
    for (uint64_t i = 0; i < n; i++) {
        const double x = a[i] - mean_a, y = b[i] - mean_b;
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    /* One root where the product allows it: equal sides then give 1 exactly. */
    const double product = aa * bb;
    const double scale = isnormal(product) ? sqrt(product) : sqrt(aa) * sqrt(bb);
    const double r = ab / scale;
    return n < 2 || aa == 0 || bb == 0 ? (double)NAN : r > 1 ? 1 : r < -1 ? -1 : r;
}

/* Descending by value, equal values by smaller number. */
static int compare_values(const void *a, const void *b, void *context)
{
    const double *values = context;
    const uint64_t i = *(const uint64_t *)a, j = *(const uint64_t *)b;
    if (values[i] != values[j]) {
        return values[i] > values[j] ? -1 : 1;
    }
    return i < j ? -1 : i > j;
}

/* The order of `values`; the first `top` of it are marked with `bit`; then every value becomes its rank, equal values
 * the mean of their places. */
static void side_rank(struct pairs *pairs, double *values, uint64_t top, uint8_t *marks, uint8_t bit)
{
    uint64_t *order = pairs->order;
    const uint64_t n = pairs->n;
    for (uint64_t i = 0; i < n; i++) {
        order[i] = i;
    }
    qsort_r(order, (size_t)n, sizeof *order, compare_values, values);
    for (uint64_t i = 0; i < top; i++) {
        marks[order[i]] |= bit;
    }
    for (uint64_t i = 0; i < n;) {
        uint64_t end = i + 1;
        while (end < n && values[order[end]] == values[order[i]]) {
            end++;
        }
        const double mean = (double)i + (double)(end - 1 - i) / 2;
        for (; i < end; i++) {
            values[order[i]] = mean;
        }
    }
}

static wn_code top_set(const struct wn_compare_options *options, struct wn_compare_result *result,
                       struct wn_error *err)
{
    const double value = options->value;
    if (options->amount == WN_AMOUNT_RATE) {
        WN_CHECK(value > 0 && value <= 1, err, WN_USAGE,
                 "top %.17g: a rate is above 0 and at most 1 (0.1 = 10 percent)", value);
        result->top = (uint64_t)((double)result->n_both * value);
        return WN_OK;
    }
    WN_CHECK(options->amount == WN_AMOUNT_NUMBER && value >= 0 && value <= 9007199254740992.0 &&
                 value == floor(value),
             err, WN_USAGE, "top %.17g: a rate or a whole number of records is needed", value);
    result->top = value < (double)result->n_both ? (uint64_t)value : result->n_both;
    return WN_OK;
}

static wn_code figures_make(struct pairs *pairs, struct wn_compare_result *result, struct wn_error *err)
{
    uint8_t *marks = calloc((size_t)pairs->n + 1, 1);
    WN_CHECK(marks != NULL, err, WN_DEVICE, "out of memory for %" PRIu64 " scores", pairs->n);
    result->pearson = pearson(pairs->a, pairs->b, pairs->n);
    side_rank(pairs, pairs->a, result->top, marks, 1);
    side_rank(pairs, pairs->b, result->top, marks, 2);
    result->spearman = pearson(pairs->a, pairs->b, pairs->n);
    uint64_t shared = 0;
    for (uint64_t i = 0; i < pairs->n; i++) {
        shared += marks[i] == 3;
    }
    result->overlap = result->top == 0 ? (double)NAN : (double)shared / (double)result->top;
    free(marks);
    return WN_OK;
}

wn_code wn_scores_compare(const struct wn_scores *a, const struct wn_scores *b,
                          const struct wn_compare_options *options, struct wn_compare_result *out_result,
                          struct wn_error *err)
{
    struct pairs pairs = {0};
    wn_code code = WN_OK;
    *out_result =
        (struct wn_compare_result){.spearman = (double)NAN, .pearson = (double)NAN, .overlap = (double)NAN};
    WN_TRY(corpus_check(a, b, err));
    WN_TRY_OR(done, pairs_load(a, b, options->column, &pairs, out_result, err));
    WN_TRY_OR(done, top_set(options, out_result, err));
    code = figures_make(&pairs, out_result, err);
done:
    free(pairs.a);
    free(pairs.b);
    free(pairs.order);
    return code;
}
