/* Formulas over columns, and the table that a rule is given.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scored.h"

static struct scored *numbers_open(size_t n)
{
    struct scored *s = scored_new();
    char *text = calloc(n + 1, 64);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        used += (size_t)snprintf(text + used, 64, "{\"instruction\": \"i%zu\", \"output\": \"o\"}\n", i);
    }
    scored_add(s, "pool.jsonl", text);
    free(text);
    scored_open(s, NULL, 0, NULL);
    return s;
}

Test(formula, values_equal_the_same_expression_in_c)
{
    struct scored *s = numbers_open(20);
    double out[20];
    for (uint64_t i = 0; i < 20; i++) {
        const double c = (10 + (double)(i % 7)) / 10, d = 2, x = (double)i;
        const struct {
            const char *formula;
            double value;
        } cases[] = {
            {"loss_cond", c},
            {"  loss_cond  ", c},
            {"ifd_ppl", exp(c - d)},
            {"exp(loss_cond - loss_direct)", exp(c - d)},
            {"loss_cond / loss_direct", c / d},
            {"-loss_cond", -c},
            {"- - loss_cond", c},
            {"2 - -3", 5},
            {"1 - 2 - 3", -4},
            {"8 / 4 / 2", 1},
            {"2 + 3 * 4", 14},
            {"(2 + 3) * 4", 20},
            {"-2 * -3", 6},
            {"1.5e1 + .5", 15.5},
            {"2e-1", 0.2},
            {"sqrt(k_cond * 10) + abs(-3)", sqrt(100.0) + 3},
            {"log(sum_direct)", log(20.0)},
            {"min(index, 5)", x < 5 ? x : 5},
            {"max(index, 5, 3 * 3)", x > 9 ? x : 9},
            {"min(max(index, 3), 7) / (1 + k_cond)", (x < 3   ? 3
                                                      : x > 7 ? 7
                                                              : x) /
                                                         11},
            {"status", 0},
            {"max(log(0 - 1), 1)", NAN},
            {"min(1, log(0 - 1))", NAN},
            {"((((((((loss_cond))))))))", c},
        };
        for (size_t f = 0; f < sizeof cases / sizeof cases[0]; f++) {
            struct wn_error err;
            WN_TEST_OK(wn_formula_values(s->scores, cases[f].formula, out, &err));
            const double want = cases[f].value;
            cr_assert(out[i] == want || (isnan(out[i]) && isnan(want)), "%s at %d: %.17g, expected %.17g",
                      cases[f].formula, (int)i, out[i], want);
        }
    }
    scored_free(s);
}

Test(formula, columns_longer_than_a_block_are_whole)
{
    enum { N = 65536 + 77 };
    struct scored *s = numbers_open(N);
    double *out = malloc(N * sizeof *out);
    struct wn_error err;
    WN_TEST_OK(wn_formula_values(s->scores, "2 * index + loss_cond", out, &err));
    for (uint64_t i = 0; i < N; i++) {
        cr_assert_eq(out[i], 2 * (double)i + (10 + (double)(i % 7)) / 10);
    }
    free(out);
    scored_free(s);
}

Test(formula, mistakes_are_named_by_place)
{
    static const struct {
        const char *formula, *says;
    } cases[] = {
        {"", "character 1: the formula ends"},
        {"loss_cond -", "character 12: the formula ends"},
        {"loss_con", "character 1: there is no column \"loss_con\"; the columns are index"},
        {"1 + loss_dir", "character 5: there is no column"},
        {"loss_cond loss_direct", "character 11: an operator"},
        {"(loss_cond", "character 11: a closing parenthesis"},
        {"loss_cond)", "character 10: an operator"},
        {"pow(2, 3)", "character 1: there is no such function"},
        {"exp(1, 2)", "one value"},
        {"min(1)", "two values or more"},
        {"exp()", "character 5: a number"},
        {"1..2", "not a number"},
        {"2 ^ 3", "character 3: an operator"},
        {"nan", "there is no column \"nan\""},
        {"0x10", "character 2: an operator"},
        {"rifd_ppl", "there is no column"},
        {"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1", "nested too deep"},
    };
    struct scored *s = numbers_open(2);
    double out[2];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wn_error err;
        cr_assert_eq(wn_formula_values(s->scores, cases[i].formula, out, &err), WN_USAGE, "%s",
                     cases[i].formula);
        cr_assert(strstr(err.text, cases[i].says) != NULL, "%s: %s", cases[i].formula, err.text);
    }
    char *length = calloc(5000, 1);
    memset(length, '-', 20);
    for (size_t i = 0; i < 1000; i++) {
        strcat(length, "+1");
    }
    struct wn_error err;
    cr_assert_eq(wn_formula_values(s->scores, length, out, &err), WN_USAGE);
    cr_assert(strstr(err.text, "too long") != NULL, "%s", err.text);
    free(length);
    scored_free(s);
}

/* Rows for the rule of data_by_IFD.py with max_length 100: {n_cond, first_cond, n_direct, first_direct,
 * status, tokens of the bare instruction}. */
static const uint32_t cut_rows[][6] = {
    {60, 20, 43, 3, 0, 15},   /* 20 + 40 <= 100 */
    {100, 20, 83, 3, 1, 15},  /* 20 + 80 = 100: kept */
    {100, 20, 84, 3, 1, 15},  /* 20 + 81 > 100: the header has 3 tokens, its window 4 */
    {100, 20, 84, 4, 1, 21},  /* 20 + 80 = 100: as with Llama's tokenizer; 21 + 80 > 100 */
    {100, 120, 4, 3, 3, 100}, /* the prompt fills the window: no answer token */
    {90, 20, 84, 3, 1, 19},   /* only the direct text was cut */
};
enum { N_CUT_ROWS = sizeof cut_rows / sizeof cut_rows[0] };

static struct wn_row cut_row(uint64_t i)
{
    const uint32_t *c = cut_rows[i];
    struct wn_row row = {.record = i, .n_parts = 1, .status = c[4]};
    row.cond = (struct wn_side){.n = c[0], .first = c[1], .k = c[0] > c[1] ? c[0] - c[1] : 0, .sum = 10};
    row.direct = (struct wn_side){.n = c[2], .first = c[3], .k = c[2] - c[3], .sum = 20};
    row.counted = c[5];
    return row;
}

/* The same where the prompt is what is counted. */
static struct wn_row prompt_row(uint64_t i)
{
    struct wn_row row = cut_row(i);
    row.counted = cut_rows[i][1] < 100 ? cut_rows[i][1] : 100;
    return row;
}

/* Record 1 has an IFD above 1. */
static struct wn_row high_row(uint64_t i)
{
    struct wn_row row = scored_row(i);
    row.cond.sum = i == 1 ? 30 : 10;
    return row;
}

/* Make the scores a file of an early version: without the column `counted`. */
static void counted_remove(struct scored *s)
{
    char command[900];
    struct wn_error err;
    wn_scores_close(s->scores);
    snprintf(command, sizeof command,
             "/usr/bin/python3 -c 'import h5py; f = h5py.File(\"%s\", \"r+\"); del f[\"samples/counted\"]'",
             s->scores_path);
    cr_assert_eq(system(command), 0);
    WN_TEST_OK(wn_scores_open(s->scores_path, &s->scores, &err));
    cr_assert_not(wn_scores_has(s->scores, "counted"));
    cr_assert(wn_scores_has(s->scores, "ifd_loss"));
}

static void cut_case(const struct wn_store_attribute *attributes, size_t n, struct wn_row (*row)(uint64_t),
                     const uint8_t want[N_CUT_ROWS])
{
    struct scored *s = scored_new();
    struct wn_error err;
    struct wn_rule rule;
    struct wn_table table;
    scored_add(s, "pool.json",
               "[{\"instruction\":\"a\",\"output\":\"b\"},{\"instruction\":\"a\",\"output\":\"b\"},"
               "{\"instruction\":\"a\",\"output\":\"b\"},{\"instruction\":\"a\",\"output\":\"b\"},"
               "{\"instruction\":\"a\",\"output\":\"b\"},{\"instruction\":\"a\",\"output\":\"b\"}]");
    scored_open(s, attributes, n, row != NULL ? row : cut_row);
    if (row == NULL) {
        counted_remove(s);
    }
    WN_TEST_OK(wn_rule_preset("cherry", &rule, &err));
    WN_TEST_OK(wn_table_load(s->scores, &rule, &table, &err));
    cr_assert_eq(table.n, N_CUT_ROWS);
    for (size_t i = 0; i < N_CUT_ROWS; i++) {
        cr_assert_eq(table.cut_rule[i], want[i], "row %zu: %d", i, table.cut_rule[i]);
        cr_assert_eq(table.status[i], cut_rows[i][4]);
    }
    wn_table_free(&table);
    scored_free(s);
}

Test(table, the_rule_on_cut_direct_texts_is_that_of_data_by_ifd)
{
    const struct wn_store_attribute alpaca[] = {{"max_length", "100"}, {"profile", "cherry-alpaca"}};
    const struct wn_store_attribute wiz[] = {{"max_length", "100"}, {"profile", "cherry-wiz"}};
    const struct wn_store_attribute file[] = {
        {"max_length", "100"},
        {"profile", "mine"},
        {"profile_json", "{\"window_counts\": \"instruction\", \"window_constant\": 4}"}};
    cut_case(alpaca, 2, prompt_row, (const uint8_t[]){0, 0, 1, 0, 1, 1});
    cut_case(wiz, 2, cut_row, (const uint8_t[]){0, 0, 0, 1, 1, 0});
    cut_case(file, 3, cut_row, (const uint8_t[]){0, 0, 0, 1, 1, 0});
    if (system("/usr/bin/python3 -c 'import h5py' 2>/dev/null") != 0) {
        cr_skip_test("no h5py (Debian: python3-h5py)");
    }
    /* In files of early versions, where the instruction is counted, a row is dropped only where the columns
     * prove that its direct text was cut. */
    cut_case(alpaca, 2, NULL, (const uint8_t[]){0, 0, 1, 0, 1, 1});
    cut_case(wiz, 2, NULL, (const uint8_t[]){0, 0, 0, 0, 0, 1});
    cut_case(file, 3, NULL, (const uint8_t[]){0, 0, 0, 0, 0, 1});
}

Test(table, a_preset_filters_by_its_own_score_whatever_ranks)
{
    struct scored *s = scored_new();
    struct wn_error err;
    struct wn_rule rule;
    struct wn_table table;
    struct wn_selection selection;
    const struct wn_store_attribute attributes[] = {{"profile", "superfiltering"}};
    scored_add(s, "pool.json",
               "[{\"instruction\":\"a\",\"output\":\"b\"},{\"instruction\":\"a\",\"output\":\"b\"},"
               "{\"instruction\":\"a\",\"output\":\"b\"},{\"instruction\":\"a\",\"output\":\"b\"}]");
    scored_open(s, attributes, 1, high_row);
    WN_TEST_OK(wn_rule_preset("superfiltering", &rule, &err));
    rule.by = "k_cond"; /* 10 everywhere: no filter < 1 passes it */
    rule.value = 1;
    WN_TEST_OK(wn_table_load(s->scores, &rule, &table, &err));
    WN_TEST_OK(wn_select(&table, &rule, &selection, &err));
    cr_assert(selection.n == 3 && selection.eligible == 3, "%llu", (unsigned long long)selection.n);
    cr_assert(selection.indices[0] == 0 && selection.indices[1] == 2 && selection.indices[2] == 3);
    cr_assert_str_eq(selection.drops[selection.n_drops - 1].rule, "the preset's own score is not below 1");
    cr_assert_eq(selection.drops[selection.n_drops - 1].dropped, 1);
    wn_selection_free(&selection);
    wn_table_free(&table);
    scored_free(s);
}

Test(table, presets_refuse_scores_whose_direct_text_is_another)
{
    static const struct {
        const char *profile, *preset;
        wn_code code;
    } cases[] = {
        {"superfiltering", "superfiltering", WN_OK},
        {"superfiltering", "cherry", WN_RUN},
        {"superfiltering", "cherry-vic", WN_RUN},
        {"reflection", "superfiltering", WN_OK},
        {"reflection", "cherry", WN_RUN},
        {"cherry-alpaca", "superfiltering", WN_RUN},
        {"cherry-alpaca", "cherry", WN_OK},
        {"cherry-wiz", "cherry", WN_OK},
        {"cherry-vicuna", "cherry-vic", WN_OK},
        {"cherry-wiz-vic", "cherry-vic", WN_OK},
        {"my-own", "cherry", WN_OK},
        {"my-own", "superfiltering", WN_OK},
        {"chat", "superfiltering", WN_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct wn_store_attribute attributes[] = {{"max_length", "512"}, {"profile", cases[i].profile}};
        struct scored *s = scored_new();
        struct wn_error err;
        struct wn_rule rule;
        struct wn_table table;
        scored_add(s, "pool.json", "[{\"instruction\":\"a\",\"output\":\"b\"}]");
        scored_open(s, attributes, 2, NULL);
        WN_TEST_OK(wn_rule_preset(cases[i].preset, &rule, &err));
        const wn_code code = wn_table_load(s->scores, &rule, &table, &err);
        cr_assert_eq(code, cases[i].code, "%s on %s: %d", cases[i].preset, cases[i].profile, (int)code);
        cr_assert(code == WN_OK || strstr(err.text, cases[i].profile) != NULL, "%s", err.text);
        if (code == WN_OK) {
            wn_table_free(&table);
        }
        scored_free(s);
    }
}

Test(table, a_preset_that_needs_max_length_says_so)
{
    struct scored *s = scored_new();
    struct wn_error err;
    struct wn_rule rule;
    struct wn_table table;
    scored_add(s, "pool.json", "[{\"instruction\":\"a\",\"output\":\"b\"}]");
    scored_open(s, NULL, 0, NULL);
    WN_TEST_OK(wn_rule_preset("cherry", &rule, &err));
    cr_assert_eq(wn_table_load(s->scores, &rule, &table, &err), WN_INPUT);
    cr_assert(strstr(err.text, "max_length") != NULL, "%s", err.text);
    WN_TEST_OK(wn_rule_own(s->scores, &rule, &err));
    cr_assert(strcmp(rule.by, "ifd_ppl") == 0 && rule.ties == WN_TIES_SMALLER_INDEX && rule.preset == NULL);
    rule.by = "no_such";
    cr_assert_eq(wn_table_load(s->scores, &rule, &table, &err), WN_USAGE);
    scored_free(s);
}
