/* The selection itself: drop, order, cut, put in order. A pure function of a table.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "select/select.h"

#include "base/base.h"
#include "select/parts.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an order of records looks at. */
struct ordering {
    const struct wn_table *table;
    const struct wn_rule *rule;
};

enum step { STEP_STATUS, STEP_NOT_FINITE, STEP_CUT, STEP_FILTER, STEP_KEPT };

static enum step step_of(const struct wn_table *table, const struct wn_rule *rule, uint64_t i)
{
    const double score = table->score[i];
    if (table->status[i] != WN_STATUS_OK && table->status[i] != WN_STATUS_TRUNCATED) {
        return STEP_STATUS;
    }
    if (!isfinite(score)) {
        return STEP_NOT_FINITE;
    }
    if (rule->drop_cut_direct && table->cut_rule != NULL && table->cut_rule[i] != 0) {
        return STEP_CUT;
    }
    const double value = table->filter != NULL ? table->filter[i] : score; /* NaN passes no filter */
    const bool passes =
        rule->filter == WN_FILTER_NONE || (rule->filter == WN_FILTER_BELOW_ONE ? value < 1.0 : value <= 1.0);
    return passes ? STEP_KEPT : STEP_FILTER;
}

/* The steps that this rule has, with the texts that people read. */
static void drops_name(const struct wn_rule *rule, const uint64_t counts[STEP_KEPT], struct wn_selection *out)
{
    static const char *const filter_texts[2][2] = {
        {"score is above 1", "the preset's own score is not 1 or less"},
        {"score is not below 1", "the preset's own score is not below 1"}};
    const struct wn_drop all[STEP_KEPT] = {
        [STEP_STATUS] = {"status is neither ok nor truncated", counts[STEP_STATUS]},
        [STEP_NOT_FINITE] = {"score is not a finite number", counts[STEP_NOT_FINITE]},
        [STEP_CUT] = {"prompt and direct answer exceed max_length", counts[STEP_CUT]},
        [STEP_FILTER] = {filter_texts[rule->filter == WN_FILTER_BELOW_ONE][wn_rule_filter_differs(rule)],
                         counts[STEP_FILTER]},
    };
    for (size_t i = 0; i < STEP_KEPT; i++) {
        if ((i == STEP_CUT && !rule->drop_cut_direct) ||
            (i == STEP_FILTER && rule->filter == WN_FILTER_NONE)) {
            continue;
        }
        assert(out->n_drops < WN_DROP_STEPS);
        out->drops[out->n_drops] = all[i];
        out->n_drops++;
    }
}

static uint64_t draw_of(uint64_t seed, uint64_t index)
{
    unsigned char bytes[16];
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(seed >> (8 * i));
        bytes[8 + i] = (unsigned char)(index >> (8 * i));
    }
    return wn_hash64((struct wn_span){(const char *)bytes, sizeof bytes});
}

static int by_index(const void *a, const void *b)
{
    const uint64_t i = *(const uint64_t *)a, j = *(const uint64_t *)b;
    return i < j ? -1 : i > j;
}

/* Descending by score, equal scores as the tie rule says. */
static int by_score(const void *a, const void *b, void *context)
{
    const struct ordering *ordering = context;
    const double x = ordering->table->score[*(const uint64_t *)a];
    const double y = ordering->table->score[*(const uint64_t *)b];
    if (x != y) {
        return x > y ? -1 : 1;
    }
    return ordering->rule->ties == WN_TIES_LARGER_INDEX ? by_index(b, a) : by_index(a, b);
}

static int by_draw(const void *a, const void *b, void *context)
{
    const struct ordering *ordering = context;
    const uint64_t x = draw_of(ordering->rule->seed, *(const uint64_t *)a);
    const uint64_t y = draw_of(ordering->rule->seed, *(const uint64_t *)b);
    return x != y ? (x < y ? -1 : 1) : by_index(a, b);
}

static wn_code rule_check(const struct wn_rule *rule, struct wn_error *err)
{
    const double value = rule->value;
    switch (rule->amount) {
    case WN_AMOUNT_RATE:
        WN_CHECK(value > 0 && value <= 1, err, WN_USAGE,
                 "rate %.17g: a rate is above 0 and at most 1 (0.05 = 5 percent)", value);
        break;
    case WN_AMOUNT_NUMBER:
        WN_CHECK(value >= 0 && value <= 9007199254740992.0 && value == floor(value), err, WN_USAGE,
                 "number %.17g: a whole number of records is needed", value);
        break;
    case WN_AMOUNT_ABOVE:
    case WN_AMOUNT_BELOW:
        WN_CHECK(!isnan(value), err, WN_USAGE, "the threshold is not a number");
        break;
    case WN_AMOUNT_ALL:
        break;
    }
    return WN_OK;
}

/* What the amount comes to. Python's int(n * rate): the product in double precision, cut to a whole number.
 */
static uint64_t asked_count(const struct wn_table *table, const struct wn_rule *rule, const uint64_t *kept,
                            uint64_t n)
{
    uint64_t count = 0;
    const uint64_t base = rule->of == WN_OF_VALID ? n : rule->pool != 0 ? rule->pool : table->n;
    switch (rule->amount) {
    case WN_AMOUNT_RATE:
        return (uint64_t)((double)base * rule->value);
    case WN_AMOUNT_NUMBER:
        return (uint64_t)rule->value;
    case WN_AMOUNT_ALL:
        return n;
    case WN_AMOUNT_ABOVE:
    case WN_AMOUNT_BELOW:
        break;
    }
    for (uint64_t i = 0; i < n; i++) {
        const double score = table->score[kept[i]];
        count += rule->amount == WN_AMOUNT_ABOVE ? score > rule->value : score < rule->value;
    }
    return count;
}

static void swap(uint64_t *a, uint64_t *b)
{
    const uint64_t kept = *a;
    *a = *b;
    *b = kept;
}

/* Put the first `count` of the order in front, in any order, without further memory: quicksort that follows one side
 * only. A part that splits badly too often is sorted. */
static void first_gather(uint64_t *kept, uint64_t n, uint64_t count,
                         int (*compare)(const void *, const void *, void *), struct ordering *ordering)
{
    int budget = 8;
    for (uint64_t size = n; size > 1; size /= 2) {
        budget += 2;
    }
    while (n > 1 && count > 0 && count < n) {
        if (n < 32 || budget == 0) {
            qsort_r(kept, (size_t)n, sizeof *kept, compare, ordering);
            return;
        }
        budget--;
        uint64_t *middle = &kept[n / 2], *last = &kept[n - 1];
        if (compare(middle, kept, ordering) < 0) {
            swap(middle, kept);
        }
        if (compare(last, middle, ordering) < 0) {
            swap(last, middle);
            if (compare(middle, kept, ordering) < 0) {
                swap(middle, kept);
            }
        }
        const uint64_t pivot = *middle; /* no two records are equal in an order, so it stands here once */
        uint64_t i = 0, j = n - 1;
        for (;;) {
            while (compare(&kept[i], &pivot, ordering) < 0) {
                i++;
            }
            while (compare(&pivot, &kept[j], ordering) < 0) {
                j--;
            }
            if (i >= j) {
                break;
            }
            swap(&kept[i], &kept[j]);
            i++;
            j--;
        }
        const uint64_t left = j + 1; /* kept[0 .. left) come before the others */
        if (count < left) {
            n = left;
        } else {
            kept += left;
            n -= left;
            count -= left;
        }
    }
}

/* The chosen ones become kept[0 .. count). Below a threshold means the end of the descending order. */
static void take(const struct wn_table *table, const struct wn_rule *rule, uint64_t *kept, uint64_t n,
                 uint64_t count)
{
    struct ordering ordering = {table, rule};
    if (rule->amount == WN_AMOUNT_ALL) {
        return;
    }
    if (rule->random) {
        first_gather(kept, n, count, by_draw, &ordering);
    } else if (rule->amount == WN_AMOUNT_BELOW) {
        first_gather(kept, n, n - count, by_score, &ordering);
        memmove(kept, kept + (n - count), count * sizeof *kept);
    } else {
        first_gather(kept, n, count, by_score, &ordering);
    }
    if (rule->order == WN_ORDER_POOL) {
        qsort(kept, (size_t)count, sizeof *kept, by_index);
    } else {
        qsort_r(kept, (size_t)count, sizeof *kept, by_score, &ordering);
    }
}

/* The cut value and the ties on it. `kept` holds the chosen ones first. */
static void cut_find(const struct wn_table *table, const struct wn_rule *rule, const uint64_t *kept,
                     struct wn_selection *out)
{
    const bool from_below = rule->amount == WN_AMOUNT_BELOW;
    out->cut = (double)NAN;
    if (rule->amount == WN_AMOUNT_ALL) {
        return;
    }
    for (uint64_t i = 0; i < out->n; i++) {
        const double score = table->score[kept[i]];
        if (isnan(out->cut) || (from_below ? score > out->cut : score < out->cut)) {
            out->cut = score;
        }
    }
    for (uint64_t i = 0; i < out->n; i++) {
        out->ties_taken += table->score[kept[i]] == out->cut;
    }
    for (uint64_t i = 0; i < table->n; i++) {
        out->ties_at_cut += table->score[i] == out->cut && step_of(table, rule, i) == STEP_KEPT;
    }
}

wn_code wn_select(const struct wn_table *table, const struct wn_rule *rule,
                  struct wn_selection *out_selection, struct wn_error *err)
{
    WN_TRY(rule_check(rule, err));
    *out_selection = (struct wn_selection){.pool = table->n};
    WN_CHECK(table->n < SIZE_MAX / sizeof(uint64_t) - 1, err, WN_DEVICE, "too many records");
    uint64_t *kept = malloc(((size_t)table->n + 1) * sizeof *kept);
    WN_CHECK(kept != NULL, err, WN_DEVICE, "out of memory for a selection from %llu records",
             (unsigned long long)table->n);
    uint64_t dropped[STEP_KEPT + 1] = {0};
    uint64_t n = 0;
    for (uint64_t i = 0; i < table->n; i++) {
        if (table->status[i] >= WN_STATUS_COUNT) {
            free(kept);
            WN_FAIL(err, WN_INPUT, "record %llu has the unknown status %u", (unsigned long long)i,
                    table->status[i]);
        }
        const enum step step = rule->amount == WN_AMOUNT_ALL ? STEP_KEPT : step_of(table, rule, i);
        out_selection->by_status[table->status[i]]++;
        dropped[step]++;
        if (step == STEP_KEPT) {
            kept[n] = i;
            n++;
        }
    }
    if (rule->amount != WN_AMOUNT_ALL) {
        drops_name(rule, dropped, out_selection);
    }
    out_selection->eligible = n;
    out_selection->asked = asked_count(table, rule, kept, n);
    out_selection->n = out_selection->asked < n ? out_selection->asked : n;
    take(table, rule, kept, n, out_selection->n);
    cut_find(table, rule, kept, out_selection);
    uint64_t *fitted = realloc(kept, ((size_t)out_selection->n + 1) * sizeof *kept);
    out_selection->indices = fitted == NULL ? kept : fitted;
    return WN_OK;
}

void wn_selection_free(struct wn_selection *selection)
{
    free(selection->indices);
    *selection = (struct wn_selection){0};
}
