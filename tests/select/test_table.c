/* Scores as JSON lines and CSV: which rows, which fields, and that the numbers read back as the same bits.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scored.h"

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 31)) * UINT64_C(0x9e3779b97f4a7c15);
    return x ^ (x >> 29);
}

/* Scores with many digits, some of them equal, some above 1, some missing. */
static struct wn_row varied_row(uint64_t i)
{
    struct wn_row row = scored_row(i);
    row.cond.sum = i % 9 == 0 ? 15 : 12 + (double)(mix(i) % 100000) / 9973.0;
    row.status = i % 11 == 3 ? WN_STATUS_EMPTY_ANSWER : i % 7 == 2 ? WN_STATUS_TRUNCATED : WN_STATUS_OK;
    if (i % 11 == 3) {
        row.cond = row.direct = (struct wn_side){.sum = NAN};
    }
    return row;
}

static struct scored *corpus_new(size_t n)
{
    struct scored *s = scored_new();
    char *text = calloc(n + 1, 120);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        static const char *const ids[] = {"\"plain\"", "\"a,b \\\"c\\\"\\n\"", "12", "null", "\"größe\""};
        used += (size_t)sprintf(text + used, "{\"id\": %s, \"instruction\": \"q%zu\", \"output\": \"a\"}\n",
                                ids[i % 5], i);
    }
    scored_add(s, "pool.jsonl", text);
    free(text);
    scored_open(s, NULL, 0, varied_row);
    return s;
}

static struct wn_selection choose(const struct scored *s, const struct wn_rule *rule)
{
    struct wn_error err;
    struct wn_table table;
    struct wn_selection selection;
    WN_TEST_OK(wn_table_load(s->scores, rule, &table, &err));
    WN_TEST_OK(wn_select(&table, rule, &selection, &err));
    wn_table_free(&table);
    return selection;
}

static char *table_get(const struct scored *s, const struct wn_score_table_options *given, const char *name,
                       const struct wn_selection *selection)
{
    struct wn_error err;
    char path[400];
    path_in(path, s->folder, name);
    struct wn_score_table_options options = *given;
    options.path = path;
    WN_TEST_OK(
        wn_score_table_write(&options, s->scores, given->id_key == NULL ? NULL : s->corpus, selection, &err));
    return file_get(path);
}

Test(table, rows_have_the_fields_that_are_promised)
{
    struct scored *s = corpus_new(5);
    const struct wn_rule rule = {.by = "ifd_ppl", .amount = WN_AMOUNT_NUMBER, .value = 2};
    struct wn_selection selection = choose(s, &rule);
    char *text = table_get(s, &(struct wn_score_table_options){.id_key = "id"}, "a.jsonl", NULL);
    cr_assert(strstr(text, "{\"index\": 1, \"id\": \"a,b \\\"c\\\"\\n\", \"rank\": ") != NULL, "%s", text);
    cr_assert(strstr(text, "{\"index\": 2, \"id\": \"12\", \"rank\": ") != NULL, "%s", text);
    cr_assert(strstr(text, "\"status\": \"truncated\", \"n_cond\": 20, ") != NULL, "%s", text);
    cr_assert(
        strstr(
            text,
            "{\"index\": 3, \"id\": null, \"rank\": null, \"status\": \"empty_answer\", \"n_cond\": 0, ") !=
            NULL,
        "%s", text);
    cr_assert(strstr(text, "\"sum_cond\": null") != NULL && strstr(text, "\"ifd_ppl_turn_mean\": ") != NULL);
    cr_assert(strstr(text, "offset") == NULL && strstr(text, "id_hash") == NULL);
    free(text);
    text = table_get(s, &(struct wn_score_table_options){.is_csv = true, .id_key = "id"}, "a.csv", NULL);
    cr_assert(strncmp(text, "index,id,rank,status,n_cond,", 28) == 0, "%s", text);
    cr_assert(strstr(text, "\r\n1,\"a,b \"\"c\"\"\n\",") != NULL, "%s", text);
    cr_assert(strstr(text, "\r\n3,,,empty_answer,0,0,0,,,,") != NULL, "%s", text);
    free(text);
    text = table_get(s, &(struct wn_score_table_options){.is_csv = true, .published_names = true}, "b.csv",
                     &selection);
    char expected[400];
    const double direct = exp(2), cond[] = {exp(varied_row(selection.indices[0]).cond.sum / 10),
                                            exp(varied_row(selection.indices[1]).cond.sum / 10)};
    snprintf(expected, sizeof expected,
             "index,rank,status,ppl_A_direct,ppl_A_condition,ifd_ppl\r\n%d,0,%s,%.17g,%.17g,",
             (int)selection.indices[0], wn_status_name((int)varied_row(selection.indices[0]).status), direct,
             cond[0]);
    cr_assert(strncmp(text, expected, strlen(expected)) == 0, "%s\nexpected:\n%s", text, expected);
    free(text);
    text = table_get(s, &(struct wn_score_table_options){.published_names = true}, "b.jsonl", NULL);
    cr_assert(strstr(text, "\"status\": \"empty_answer\", \"ppl_A_direct\": NaN, \"ppl_A_condition\": NaN, "
                           "\"ifd_ppl\": NaN}") != NULL,
              "%s", text);
    free(text);
    wn_selection_free(&selection);
    scored_free(s);
}

Test(table, chosen_rows_stand_in_the_order_of_the_choice)
{
    struct scored *s = corpus_new(300);
    static const enum wn_order orders[] = {WN_ORDER_SCORE, WN_ORDER_POOL};
    for (int o = 0; o < 2; o++) {
        const struct wn_rule rule = {
            .by = "ifd_ppl", .amount = WN_AMOUNT_RATE, .value = 0.3, .order = orders[o]};
        struct wn_selection selection = choose(s, &rule);
        cr_assert_eq(selection.n, 90);
        char *text = table_get(s, &(struct wn_score_table_options){.replace = true, .id_key = "id"},
                               "a.jsonl", &selection);
        char *left = text;
        for (uint64_t i = 0; i < selection.n; i++) {
            char start[60];
            snprintf(start, sizeof start, "{\"index\": %d, \"id\": ", (int)selection.indices[i]);
            cr_assert(strncmp(left, start, strlen(start)) == 0, "row %d: %.60s, expected %s", (int)i, left,
                      start);
            left = strchr(left, '\n') + 1;
        }
        cr_assert_eq(*left, '\0');
        free(text);
        wn_selection_free(&selection);
    }
    scored_free(s);
}

Test(table, the_published_rule_over_the_table_chooses_what_the_preset_chooses)
{
    struct scored *s = corpus_new(2000);
    static const char *const rates[] = {"0.05", "0.1", "0.37", "1"};
    struct wn_error err;
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        for (int names = 0; names < 2; names++) {
            char command[1500], index[400];
            struct wn_rule rule;
            WN_TEST_OK(wn_rule_preset("superfiltering", &rule, &err));
            rule.value = strtod(rates[r], NULL);
            struct wn_selection selection = choose(s, &rule);
            const struct wn_score_table_options options = {.published_names = names == 1, .replace = true};
            free(table_get(s, &options, "all.jsonl", NULL));
            path_in(index, s->folder, "chosen.txt");
            FILE *file = fopen(index, "w");
            for (uint64_t i = 0; i < selection.n; i++) {
                fprintf(file, "%d\n", (int)selection.indices[i]);
            }
            fclose(file);
            snprintf(command, sizeof command,
                     "/usr/bin/python3 '%s/tests/select/published_rule.py' '%s/all.jsonl' %s '%s'",
                     WINNOW_SOURCE_DIR, s->folder, rates[r], index);
            cr_assert_gt(selection.n, 50);
            cr_assert_eq(system(command), 0, "rate %s", rates[r]);
            wn_selection_free(&selection);
        }
    }
    scored_free(s);
}

Test(table, nothing_that_was_read_is_overwritten)
{
    struct scored *s = corpus_new(5);
    struct wn_error err;
    struct wn_score_table_options options = {
        .path = s->paths[0], .inputs = s->list, .n_inputs = 1, .replace = true};
    cr_assert_eq(wn_score_table_write(&options, s->scores, NULL, NULL, &err), WN_USAGE);
    cr_assert(strstr(err.text, "never overwritten") != NULL, "%s", err.text);
    options.path = s->scores_path;
    cr_assert_eq(wn_score_table_write(&options, s->scores, NULL, NULL, &err), WN_USAGE);
    free(table_get(s, &(struct wn_score_table_options){0}, "a.jsonl", NULL));
    char path[400];
    path_in(path, s->folder, "a.jsonl");
    options = (struct wn_score_table_options){.path = path};
    cr_assert_eq(wn_score_table_write(&options, s->scores, NULL, NULL, &err), WN_USAGE);
    cr_assert(strstr(err.text, "--force") != NULL, "%s", err.text);
    scored_free(s);
}

Test(table, all_records_can_be_a_subset_too)
{
    struct scored *s = corpus_new(40);
    const struct wn_rule rule = {.by = "ifd_ppl", .amount = WN_AMOUNT_ALL, .order = WN_ORDER_POOL};
    struct wn_selection selection = choose(s, &rule);
    struct wn_error err;
    cr_assert(selection.n == 40 && selection.eligible == 40 && selection.n_drops == 0);
    const struct wn_subset_options options = {.path = s->out, .command_line = "", .version = "0"};
    WN_TEST_OK(wn_subset_write(&options, s->scores, s->corpus, &rule, &selection, &err));
    char *text = file_get(s->out), *pool = file_get(s->paths[0]), *table = NULL;
    cr_assert_str_eq(text, pool);
    WN_TEST_OK(wn_selection_print(&rule, &selection, &table, &err));
    cr_assert(strstr(table, "all records") != NULL);
    free(table);
    free(text);
    free(pool);
    wn_selection_free(&selection);
    scored_free(s);
}
