/* Selection on tables: every preset and rule against a plain restatement of what the published scripts do.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "select/select.h"

#include "base/base.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 31)) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ (x >> 29);
}

/* The restatement: which records pass, then N times "the best that is left". No sort, no code of the program.
 */
struct plain {
    bool *passes;
    uint64_t *picked; /* in output order */
    uint64_t n_passing, n_picked, asked;
};

static bool plain_passes(const struct wn_table *t, const struct wn_rule *r, uint64_t i)
{
    const double s = t->score[i];
    if (t->status[i] > 1 || s != s || s == INFINITY || s == -INFINITY) {
        return false;
    }
    if (r->preset != NULL && strcmp(r->preset, "superfiltering") == 0) {
        return s < 1.0; /* select_data.py: float(...) < filter_threash */
    }
    if (r->preset != NULL) { /* data_by_IFD.py: continue where mean_rate > 1; select_from_ifd_json.py: <= 1 */
        return !(t->cut_rule != NULL && t->cut_rule[i]) && !(s > 1.0);
    }
    return true;
}

/* The best record left; with equal scores the one that the tie rule names. */
static uint64_t plain_best(const struct wn_table *t, const bool *left, bool last_wins, bool is_below)
{
    uint64_t best = UINT64_MAX;
    for (uint64_t i = 0; i < t->n; i++) {
        if (!left[i]) {
            continue;
        }
        const bool is_better =
            best == UINT64_MAX || (is_below ? t->score[i] < t->score[best] : t->score[i] > t->score[best]);
        if (is_better || (last_wins && t->score[i] == t->score[best])) {
            best = i;
        }
    }
    return best;
}

static struct plain plain_select(const struct wn_table *t, const struct wn_rule *r)
{
    struct plain p = {calloc(t->n + 1, sizeof(bool)), calloc(t->n + 1, sizeof(uint64_t)), 0, 0, 0};
    bool *left = calloc(t->n + 1, sizeof *left), *taken = calloc(t->n + 1, sizeof *taken);
    const bool last_wins = r->ties == WN_TIES_LARGER_INDEX;
    for (uint64_t i = 0; i < t->n; i++) {
        p.passes[i] = left[i] = plain_passes(t, r, i);
        p.n_passing += p.passes[i];
        p.asked += p.passes[i] && ((r->amount == WN_AMOUNT_ABOVE && t->score[i] > r->value) ||
                                   (r->amount == WN_AMOUNT_BELOW && t->score[i] < r->value));
    }
    if (r->amount == WN_AMOUNT_NUMBER) {
        p.asked = (uint64_t)r->value;
    } else if (r->amount == WN_AMOUNT_RATE) {
        const uint64_t base = r->of == WN_OF_VALID ? p.n_passing : r->pool != 0 ? r->pool : t->n;
        p.asked = (uint64_t)floor((double)base * r->value);
    }
    while (p.n_picked < p.asked && p.n_picked < p.n_passing) {
        /* below a threshold: those under it, still listed from the highest down */
        const uint64_t best = plain_best(t, left, last_wins, false);
        left[best] = false;
        if (r->amount == WN_AMOUNT_BELOW && !(t->score[best] < r->value)) {
            continue;
        }
        taken[best] = true;
        p.picked[p.n_picked] = best;
        p.n_picked++;
    }
    if (r->order == WN_ORDER_POOL) {
        p.n_picked = 0;
        for (uint64_t i = 0; i < t->n; i++) {
            if (taken[i]) {
                p.picked[p.n_picked] = i;
                p.n_picked++;
            }
        }
    }
    free(left);
    free(taken);
    return p;
}

static void plain_free(struct plain *p)
{
    free(p->passes);
    free(p->picked);
}

/* Counts that must hold for every selection. */
static void sums_hold(const struct wn_table *t, const struct wn_selection *s)
{
    uint64_t statuses = 0, dropped = 0;
    for (int i = 0; i < WN_STATUS_COUNT; i++) {
        statuses += s->by_status[i];
    }
    for (size_t i = 0; i < s->n_drops; i++) {
        dropped += s->drops[i].dropped;
    }
    cr_assert_eq(s->pool, t->n);
    cr_assert_eq(statuses, s->pool);
    cr_assert_eq(dropped + s->eligible, s->pool);
    cr_assert_eq(s->n, s->asked < s->eligible ? s->asked : s->eligible);
    cr_assert_leq(s->ties_taken, s->ties_at_cut);
}

static void equals_restatement(const struct wn_table *t, const struct wn_rule *r, const char *what)
{
    struct wn_error err;
    struct wn_selection s;
    WN_TEST_OK(wn_select(t, r, &s, &err));
    struct plain p = plain_select(t, r);
    sums_hold(t, &s);
    cr_assert_eq(s.eligible, p.n_passing, "%s: eligible %llu, expected %llu", what,
                 (unsigned long long)s.eligible, (unsigned long long)p.n_passing);
    cr_assert_eq(s.asked, p.asked, "%s: asked %llu, expected %llu", what, (unsigned long long)s.asked,
                 (unsigned long long)p.asked);
    cr_assert_eq(s.n, p.n_picked, "%s: chosen %llu, expected %llu", what, (unsigned long long)s.n,
                 (unsigned long long)p.n_picked);
    double cut = NAN;
    uint64_t ties = 0, taken = 0;
    for (uint64_t i = 0; i < s.n; i++) {
        cr_assert_eq(s.indices[i], p.picked[i], "%s: place %llu is record %llu, expected %llu", what,
                     (unsigned long long)i, (unsigned long long)s.indices[i],
                     (unsigned long long)p.picked[i]);
        const double score = t->score[p.picked[i]];
        const bool is_further = r->amount == WN_AMOUNT_BELOW ? score > cut : score < cut;
        cut = isnan(cut) || is_further ? score : cut;
    }
    for (uint64_t i = 0; i < t->n; i++) {
        ties += p.passes[i] && t->score[i] == cut;
    }
    for (uint64_t i = 0; i < s.n; i++) {
        taken += t->score[p.picked[i]] == cut;
    }
    cr_assert(s.cut == cut || (isnan(s.cut) && isnan(cut)), "%s: cut %.17g, expected %.17g", what, s.cut,
              cut);
    cr_assert(s.ties_at_cut == ties && s.ties_taken == taken, "%s: ties", what);
    plain_free(&p);
    wn_selection_free(&s);
}

static const double edge_scores[] = {
    1.0,   1.0 - DBL_EPSILON / 2, 1.0 + DBL_EPSILON, 0.0, -0.0, 0.5, 0.5, 0.25, 7.0, INFINITY, -INFINITY, NAN,
    1e-300};
enum { N_EDGES = sizeof edge_scores / sizeof edge_scores[0], SMALL = 24 };

static const char *const rule_names[] = {"superfiltering", "cherry", "cherry-vic", "own"};

static struct wn_rule rule_named(const char *name)
{
    struct wn_error err;
    struct wn_rule rule = {.by = "ifd_ppl"};
    if (strcmp(name, "own") != 0) {
        WN_TEST_OK(wn_rule_preset(name, &rule, &err));
    }
    return rule;
}

Test(select, small_tables_of_edge_values_equal_the_restatement_for_every_rule)
{
    static const double amounts[][2] = {
        {WN_AMOUNT_RATE, 0.05},  {WN_AMOUNT_RATE, 0.3},  {WN_AMOUNT_RATE, 0.5},  {WN_AMOUNT_RATE, 1.0},
        {WN_AMOUNT_RATE, 1e-9},  {WN_AMOUNT_NUMBER, 0},  {WN_AMOUNT_NUMBER, 1},  {WN_AMOUNT_NUMBER, 5},
        {WN_AMOUNT_NUMBER, 1e6}, {WN_AMOUNT_ABOVE, 0.5}, {WN_AMOUNT_ABOVE, 1.0}, {WN_AMOUNT_ABOVE, -1},
        {WN_AMOUNT_BELOW, 0.5},  {WN_AMOUNT_BELOW, 1.0}, {WN_AMOUNT_BELOW, 0},   {WN_AMOUNT_BELOW, INFINITY},
        {WN_AMOUNT_ABOVE, 1e9}};
    for (uint64_t round = 0; round < 400; round++) {
        double score[SMALL];
        uint8_t status[SMALL], cut[SMALL];
        const uint64_t n = mix(round) % (SMALL + 1);
        for (uint64_t i = 0; i < n; i++) {
            const uint64_t r = mix(round * 1000 + i);
            score[i] = edge_scores[r % N_EDGES];
            status[i] = (uint8_t)(r >> 20 & 3 ? r >> 24 & 1 : (r >> 24) % WN_STATUS_COUNT);
            cut[i] = (r >> 40) % 8 == 0;
        }
        const struct wn_table table = {n, status, score, cut, NULL};
        for (size_t k = 0; k < sizeof rule_names / sizeof rule_names[0]; k++) {
            for (size_t a = 0; a < sizeof amounts / sizeof amounts[0]; a++) {
                struct wn_rule rule = rule_named(rule_names[k]);
                rule.amount = (enum wn_amount)amounts[a][0];
                rule.value = amounts[a][1];
                char what[100];
                snprintf(what, sizeof what, "%s, round %llu, amount %zu", rule_names[k],
                         (unsigned long long)round, a);
                equals_restatement(&table, &rule, what);
                rule.of = rule.of == WN_OF_POOL ? WN_OF_VALID : WN_OF_POOL;
                rule.ties = round % 2 == 0 ? WN_TIES_LARGER_INDEX : WN_TIES_SMALLER_INDEX;
                rule.order = round % 3 == 0 ? WN_ORDER_POOL : WN_ORDER_SCORE;
                rule.pool = round % 5 == 0 ? 52002 : 0;
                equals_restatement(&table, &rule, what);
            }
        }
    }
}

Test(select, one_value_is_kept_or_dropped_as_each_preset_says)
{
    static const struct {
        double score;
        bool kept[4]; /* superfiltering, cherry, cherry-vic, own */
    } cases[] = {
        {0.0, {true, true, true, true}},        {0.5, {true, true, true, true}},
        {1.0, {false, true, true, true}},       {1.0 + DBL_EPSILON, {false, false, false, true}},
        {12453.8, {false, false, false, true}}, {INFINITY, {false, false, false, false}},
        {NAN, {false, false, false, false}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        for (uint8_t status = 0; status < WN_STATUS_COUNT; status++) {
            for (size_t k = 0; k < 4; k++) {
                const uint8_t cut = 0;
                const struct wn_table table = {1, &status, &cases[c].score, &cut, NULL};
                struct wn_rule rule = rule_named(rule_names[k]);
                struct wn_selection s;
                struct wn_error err;
                rule.value = 1.0;
                WN_TEST_OK(wn_select(&table, &rule, &s, &err));
                const uint64_t want = cases[c].kept[k] && status <= WN_STATUS_TRUNCATED;
                cr_assert_eq(s.n, want, "%s: score %g, status %s", rule_names[k], cases[c].score,
                             wn_status_name(status));
                cr_assert_eq(s.by_status[status], 1);
                wn_selection_free(&s);
            }
        }
    }
}

/* ifd_ppl of the published rows, NaN where the file says so. */
static size_t rows_read(const char *path, double **out)
{
    struct wn_error err;
    struct wn_map map;
    struct wn_json *root = NULL;
    WN_TEST_OK(wn_map_open(path, WN_INPUT, &map, &err));
    WN_TEST_OK(wn_json_parse(map.bytes, WN_INPUT, &root, &err));
    const size_t n = wn_json_count(root);
    *out = malloc((n + 1) * sizeof **out);
    size_t i = 0;
    for (const struct wn_json *row = wn_json_first(root); row != NULL; row = wn_json_next(row)) {
        (*out)[i] = wn_json_number(wn_json_get(row, "ifd_ppl"));
        i++;
    }
    wn_json_free(root);
    wn_map_close(&map);
    return n;
}

Test(select, the_published_5200_rows_given_twice_equal_the_restatement_for_every_preset)
{
    static const double amounts[][2] = {{WN_AMOUNT_NUMBER, 1},
                                        {WN_AMOUNT_NUMBER, 259},
                                        {WN_AMOUNT_NUMBER, 1041},
                                        {WN_AMOUNT_RATE, 0.0501},
                                        {WN_AMOUNT_RATE, 0.1}};
    WN_TEST_SHARED("data/alpaca_gpt2_ifd_5200.json", path);
    double *rows = NULL;
    const size_t n = rows_read(path, &rows);
    cr_assert_eq(n, 5200);
    size_t n_nan = 0, above = 0;
    for (size_t i = 0; i < n; i++) {
        n_nan += isnan(rows[i]) != 0;
        above += rows[i] > 1;
    }
    cr_assert(n_nan == 91 && above == 470, "%zu NaN, %zu above 1", n_nan, above);
    double *score = malloc(2 * n * sizeof *score);
    uint8_t *status = calloc(2 * n, 1), *cut = calloc(2 * n, 1);
    for (int beside = 0; beside < 2; beside++) { /* twins beside each other, then one pool behind the other */
        for (size_t i = 0; i < 2 * n; i++) {
            score[i] = rows[beside == 0 ? i / 2 : i % n];
            status[i] = isnan(score[i]) ? (uint8_t)(i % 3 == 0 ? WN_STATUS_OK : WN_STATUS_NO_ANSWER_TOKENS)
                                        : (uint8_t)(i % 7 == 0);
            cut[i] = i % 50 == 0;
        }
        const struct wn_table table = {2 * n, status, score, cut, NULL};
        for (size_t k = 0; k < 4; k++) {
            for (size_t a = 0; a < sizeof amounts / sizeof amounts[0]; a++) {
                struct wn_rule rule = rule_named(rule_names[k]);
                rule.amount = (enum wn_amount)amounts[a][0];
                rule.value = amounts[a][1];
                equals_restatement(&table, &rule, rule_names[k]);
            }
        }
    }
    free(score);
    free(status);
    free(cut);
    free(rows);
}

Test(select, a_tie_across_the_cut_is_counted_and_split_by_the_tie_rule)
{
    const double score[] = {0.9, 0.5, 0.5, 0.5, 0.5, 0.1};
    const uint8_t status[6] = {0};
    const struct wn_table table = {6, status, score, NULL, NULL};
    static const struct {
        const char *name;
        uint64_t indices[3];
    } cases[] = {{"superfiltering", {0, 1, 2}}, {"cherry", {0, 3, 4}}, {"cherry-vic", {0, 1, 2}}};
    for (size_t k = 0; k < 3; k++) {
        struct wn_error err;
        struct wn_selection s;
        struct wn_rule rule = rule_named(cases[k].name);
        rule.amount = WN_AMOUNT_NUMBER;
        rule.value = 3;
        WN_TEST_OK(wn_select(&table, &rule, &s, &err));
        cr_assert(s.n == 3 && s.cut == 0.5 && s.ties_at_cut == 4 && s.ties_taken == 2, "%s", cases[k].name);
        for (size_t i = 0; i < 3; i++) {
            cr_assert_eq(s.indices[i], cases[k].indices[i], "%s", cases[k].name);
        }
        wn_selection_free(&s);
    }
}

Test(select, rates_come_to_what_python_int_gives)
{
    static const struct {
        uint64_t pool;
        double rate;
        uint64_t n;
    } cases[] = {{52002, 0.05, 2600}, {52002, 0.1, 5200}, {100, 0.29, 28}, {100, 0.57, 56},
                 {10, 0.7, 7},        {1000, 0.001, 1},   {10, 0.0999, 0}, {3, 1.0, 3}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct wn_error err;
        struct wn_selection s;
        const struct wn_rule rule = {.by = "ifd_ppl", .value = cases[c].rate, .pool = cases[c].pool};
        WN_TEST_OK(wn_select(&(struct wn_table){0}, &rule, &s, &err));
        cr_assert_eq(s.asked, cases[c].n, "int(%llu * %g) = %llu", (unsigned long long)cases[c].pool,
                     cases[c].rate, (unsigned long long)s.asked);
        cr_assert(s.n == 0 && isnan(s.cut) && s.ties_at_cut == 0);
        wn_selection_free(&s);
    }
}

Test(select, amounts_out_of_range_are_wrong_use)
{
    static const double bad[][2] = {
        {WN_AMOUNT_RATE, 0},    {WN_AMOUNT_RATE, -0.1},  {WN_AMOUNT_RATE, 1.0001}, {WN_AMOUNT_RATE, NAN},
        {WN_AMOUNT_NUMBER, -1}, {WN_AMOUNT_NUMBER, 1.5}, {WN_AMOUNT_NUMBER, NAN},  {WN_AMOUNT_NUMBER, 1e30},
        {WN_AMOUNT_ABOVE, NAN}, {WN_AMOUNT_BELOW, NAN}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wn_error err;
        struct wn_selection s;
        const struct wn_rule rule = {
            .by = "ifd_ppl", .amount = (enum wn_amount)bad[i][0], .value = bad[i][1]};
        cr_assert_eq(wn_select(&(struct wn_table){0}, &rule, &s, &err), WN_USAGE, "case %zu", i);
    }
    struct wn_error err;
    struct wn_rule rule;
    cr_assert_eq(wn_rule_preset("cherries", &rule, &err), WN_USAGE);
    cr_assert(strstr(err.text, "superfiltering, cherry and cherry-vic") != NULL, "%s", err.text);
}

enum { POOL = 2000 };

static void random_draw(const struct wn_table *table, struct wn_rule rule, double number, uint64_t seed,
                        struct wn_selection *out)
{
    struct wn_error err;
    rule.random = true;
    rule.seed = seed;
    rule.amount = WN_AMOUNT_NUMBER;
    rule.value = number;
    WN_TEST_OK(wn_select(table, &rule, out, &err));
    sums_hold(table, out);
}

static void flags_set(const struct wn_selection *s, bool flags[POOL])
{
    memset(flags, 0, POOL * sizeof *flags);
    for (uint64_t i = 0; i < s->n; i++) {
        cr_assert(s->indices[i] < POOL && !flags[s->indices[i]], "record %llu was drawn twice",
                  (unsigned long long)s->indices[i]);
        flags[s->indices[i]] = true;
    }
}

Test(select, a_random_draw_is_eligible_repeatable_nested_and_in_the_order_of_the_rule)
{
    double score[POOL];
    uint8_t status[POOL];
    for (uint64_t i = 0; i < POOL; i++) {
        score[i] = (double)(mix(i) % 1500) / 1000.0;
        status[i] = (uint8_t)(i % 9 == 8 ? 3 : 0);
    }
    const struct wn_table table = {POOL, status, score, NULL, NULL};
    for (size_t k = 0; k < 3; k++) {
        const struct wn_rule rule = rule_named(rule_names[k]);
        struct wn_selection a, b, c, larger;
        bool flags[POOL], more[POOL];
        random_draw(&table, rule, 101, 7, &a);
        random_draw(&table, rule, 101, 7, &b);
        random_draw(&table, rule, 101, 8, &c);
        random_draw(&table, rule, 333, 7, &larger);
        cr_assert_eq(a.n, 101);
        cr_assert_arr_eq(a.indices, b.indices, a.n * sizeof *a.indices);
        flags_set(&c, more);
        flags_set(&a, flags);
        cr_assert_neq(memcmp(flags, more, sizeof flags), 0, "another seed gave the same draw");
        flags_set(&larger, more);
        for (uint64_t i = 0; i < POOL; i++) {
            cr_assert(!flags[i] || (more[i] && status[i] == 0 && score[i] <= 1.0));
        }
        for (uint64_t i = 1; i < a.n; i++) {
            const uint64_t x = a.indices[i - 1], y = a.indices[i];
            cr_assert(rule.order == WN_ORDER_POOL ? x < y : score[x] >= score[y], "%s: place %llu",
                      rule_names[k], (unsigned long long)i);
        }
        wn_selection_free(&a);
        wn_selection_free(&b);
        wn_selection_free(&c);
        wn_selection_free(&larger);
    }
}

/* 400 draws of 100 from 2,000: each record is expected 20 times with a standard deviation of 4.4. The largest
 * of 2,000 such deviations is about 3.5; 6 would happen once in 10^6 runs, and the seeds are fixed. Halves of
 * the pool and of the scores must come out even within 6 deviations of their sum (97). */
Test(select, random_draws_favour_nobody)
{
    enum { DRAWS = 400, SIZE = 100 };
    double score[POOL];
    uint8_t status[POOL] = {0};
    int counts[POOL] = {0};
    for (uint64_t i = 0; i < POOL; i++) {
        score[i] = (double)i;
    }
    const struct wn_table table = {POOL, status, score, NULL, NULL};
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        struct wn_selection s;
        random_draw(&table, rule_named("own"), SIZE, seed, &s);
        for (uint64_t i = 0; i < s.n; i++) {
            counts[s.indices[i]]++;
        }
        wn_selection_free(&s);
    }
    int first_half = 0;
    for (int i = 0; i < POOL; i++) {
        cr_assert_lt(abs(counts[i] - DRAWS * SIZE / POOL), 27, "record %d was drawn %d times", i, counts[i]);
        first_half += i < POOL / 2 ? counts[i] : 0;
    }
    cr_assert_lt(abs(first_half - DRAWS * SIZE / 2), 590, "%d from the first half", first_half);
}

Test(select, the_table_for_people_is_aligned_and_adds_up)
{
    const double score[] = {0.9, 0.5, 0.5, 1.5, NAN, 0.3};
    const uint8_t status[] = {0, 1, 0, 0, 3, 5};
    const struct wn_table table = {6, status, score, NULL, NULL};
    struct wn_error err;
    struct wn_selection s;
    struct wn_rule rule = rule_named("superfiltering");
    rule.amount = WN_AMOUNT_NUMBER;
    rule.value = 2;
    WN_TEST_OK(wn_select(&table, &rule, &s, &err));
    char *text = NULL;
    WN_TEST_OK(wn_selection_print(&rule, &s, &text, &err));
    static const char *const expected[] = {"pool                                                      6\n",
                                           "  status truncated                                        1\n",
                                           "- status is neither ok nor truncated                      2\n",
                                           "- score is not below 1                                    1\n",
                                           "eligible                                                  3\n",
                                           "score at the cut                                        0.5\n",
                                           "eligible with exactly this score                          2\n",
                                           "of these chosen                                           1\n"};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        cr_assert(strstr(text, expected[i]) != NULL, "missing: %sin\n%s", expected[i], text);
    }
    free(text);
    wn_selection_free(&s);
}
