/* Subsets on disk: records byte for byte, the account beside them, and nothing half done.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scored.h"

static struct wn_rule all_in_pool_order(void)
{
    return (struct wn_rule){.by = "ifd_ppl", .amount = WN_AMOUNT_RATE, .value = 1.0, .order = WN_ORDER_POOL};
}

/* Select by `rule` and write; the code of wn_subset_write. */
static wn_code subset_make(const struct scored *s, const struct wn_rule *rule,
                           const struct wn_subset_options *given, struct wn_error *out_err)
{
    struct wn_error err;
    struct wn_table table;
    struct wn_selection selection;
    struct wn_subset_options options = *given;
    options.path = options.path == NULL ? s->out : options.path;
    options.command_line = "winnow select";
    options.version = "0.0.0";
    WN_TEST_OK(wn_table_load(s->scores, rule, &table, &err));
    WN_TEST_OK(wn_select(&table, rule, &selection, &err));
    const wn_code code = wn_subset_write(&options, s->scores, s->corpus, rule, &selection, out_err);
    wn_selection_free(&selection);
    wn_table_free(&table);
    return code;
}

static char *beside(const struct scored *s, const char *name)
{
    static const size_t room = 700;
    char *path = malloc(room);
    snprintf(path, room, "%s/%s", s->folder, name);
    return path;
}

static char *beside_get(const struct scored *s, const char *name)
{
    char *path = beside(s, name);
    char *text = file_get(path);
    free(path);
    return text;
}

static int files_in(const struct scored *s)
{
    char command[400];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", s->folder);
    FILE *pipe = popen(command, "r");
    int n = -1;
    cr_assert(pipe != NULL && fscanf(pipe, "%d", &n) == 1);
    pclose(pipe);
    return n;
}

#define R1 "{\"instruction\": \"a \\u00e4\", \"input\": \"\", \"output\": \"b\\n\"}"
#define R2 "{\"output\":\"x, } ] \\\" y\",\"instruction\":\"ä\",\"extra\":[1, {\"z\": null}]}"
#define P1 "{\n        \"instruction\": \"a\",\n        \"output\": \"b\"\n    }"
#define P2                                                                                                   \
    "{\n        \"instruction\": \"c\",\n        \"nested\": {\n            \"k\": 1.50\n        },\n      " \
    "  \"output\": \"d\"\n    }"

Test(subset, everything_in_pool_order_is_the_input_byte_for_byte)
{
    static const struct {
        const char *name, *text, *expected; /* expected NULL: as the input */
    } cases[] = {
        {"a.json", "[\n    " P1 ",\n    " P2 ",\n    " P1 "\n]", NULL},
        {"a.json", "[\n    " P1 "\n]\n", NULL},
        {"a.json", "[" R1 ", " R2 "]", NULL},
        {"a.json", "[" R1 "," R2 "," R1 "]\n", NULL},
        {"a.json", "  [\n" R1 ",\n" R2 "\n]\n\n", NULL},
        {"a.json", "[\r\n\t" R1 "\r\n\t,\r\n\t" R2 "\r\n]\r\n", NULL},
        {"a.json", "\xef\xbb\xbf[\n" R1 ",\n" R2 "\n]", "[\n" R1 ",\n" R2 "\n]"},
        {"a.jsonl", R1 "\n" R2 "\n" R1 "\n", NULL},
        {"a.jsonl", R1 "\n" R2, R1 "\n" R2 "\n"},
        {"a.jsonl", R1 "\r\n" R2 "\r\n", R1 "\n" R2 "\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scored *s = scored_new();
        struct wn_error err;
        const struct wn_rule rule = all_in_pool_order();
        scored_add(s, cases[i].name, cases[i].text);
        scored_open(s, NULL, 0, NULL);
        WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){0}, &err));
        char *text = file_get(s->out);
        const char *expected = cases[i].expected == NULL ? cases[i].text : cases[i].expected;
        cr_assert_str_eq(text, expected, "case %zu:\n%s\nexpected:\n%s", i, text, expected);
        cr_assert_eq(files_in(s), 6, "case %zu: corpus, scores, subset and three side files are expected", i);
        free(text);
        scored_free(s);
    }
}

Test(subset, compressed_and_mixed_inputs_take_the_form_of_the_first_file)
{
    struct scored *s = scored_new();
    struct wn_error err;
    const struct wn_rule rule = all_in_pool_order();
    scored_add(s, "a.jsonl", R1 "\n");
    scored_add(s, "b.json", "[\n    " P1 ",\n    " P2 "\n]");
    scored_open(s, NULL, 0, NULL);
    WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){0}, &err));
    char *text = file_get(s->out);
    cr_assert_str_eq(text, R1 "\n{\"instruction\": \"a\", \"output\": \"b\"}\n"
                              "{\"instruction\": \"c\", \"nested\": {\"k\": 1.50}, \"output\": \"d\"}\n");
    free(text);
    scored_free(s);

    s = scored_new();
    scored_add(s, "b.json", "[\n    " P1 ",\n    " P2 "\n]");
    scored_add(s, "a.jsonl", R1 "\n");
    scored_open(s, NULL, 0, NULL);
    WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){0}, &err));
    text = file_get(s->out);
    cr_assert_str_eq(text, "[\n    " P1 ",\n    " P2 ",\n    " R1 "\n]");
    free(text);
    scored_free(s);

    s = scored_new();
    scored_add(s, "b.json", "[\n    " P1 ",\n    " P2 "\n]");
    char command[900];
    snprintf(command, sizeof command, "gzip '%s'", s->paths[0]);
    cr_assert_eq(system(command), 0);
    strcat(s->paths[0], ".gz");
    scored_open(s, NULL, 0, NULL);
    WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){0}, &err));
    text = file_get(s->out);
    cr_assert_str_eq(text, "[\n    " P1 ",\n    " P2 "\n]\n");
    free(text);
    scored_free(s);
}

Test(subset, score_order_and_the_index_file_name_the_records)
{
    enum { N = 30 };
    struct scored *s = scored_new();
    struct wn_error err;
    char records[N][80], pool[N * 80] = "", expected[N * 80] = "", lines[N * 8] = "";
    for (int i = 0; i < N; i++) {
        snprintf(records[i], sizeof records[i], "{\"instruction\": \"number %d\", \"output\": \"%d\"}\n", i,
                 i);
        strcat(pool, records[i]);
    }
    for (int score = 6; score >= 5; score--) { /* scored_row: the score rises with i mod 7 */
        for (int i = score; i < N; i += 7) {
            char line[8];
            snprintf(line, sizeof line, "%d\n", i);
            strcat(expected, records[i]);
            strcat(lines, line);
        }
    }
    scored_add(s, "pool.jsonl", pool);
    scored_open(s, NULL, 0, NULL);
    const struct wn_rule rule = {.by = "ifd_ppl", .amount = WN_AMOUNT_ABOVE, .value = exp(1.45 - 2)};
    WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){0}, &err));
    char *text = file_get(s->out), *index = beside_get(s, "picked.index.txt");
    cr_assert_str_eq(text, expected);
    cr_assert_str_eq(index, lines);
    free(text);
    free(index);
    scored_free(s);
}

static struct wn_row field_row(uint64_t i)
{
    struct wn_row row = scored_row(i);
    row.cond.sum = i == 1 ? 900 : 10; /* 90 nats a token: float32 overflows */
    return row;
}

Test(subset, score_fields_follow_the_style_of_each_record_and_replace_old_ones)
{
    /* The second record: exp(90) is infinite in float32, and so is its ratio. float32 of exp(1)
     * is 2.7182817459106445, of exp(2) 7.389056205749512: what torch.exp gives. */
    static const char superfiltering[] =
        "[{\"instruction\": \"a\", \"output\": \"b\", \"ppl_A_direct\": 7.389056205749512, "
        "\"ppl_A_condition\": "
        "2.7182817459106445, \"ifd_ppl\": 0.3678794246815334},\n"
        "{\"instruction\":\"a\",\"ifd_ppl\":Infinity,\"output\":\"b\",\"ppl_A_direct\":7.389056205749512,"
        "\"ppl_A_condition\":Infinity},\n"
        "{\n    \"ppl_A_direct\": 7.389056205749512,\n    \"instruction\": \"a\",\n    \"output\": "
        "{\"ifd_ppl\": 1},\n"
        "    \"ppl_A_condition\": 2.7182817459106445,\n    \"ifd_ppl\": 0.3678794246815334\n}]";
    struct scored *s = scored_new();
    struct wn_error err;
    const struct wn_rule rule = {
        .by = "k_cond", .amount = WN_AMOUNT_RATE, .value = 1, .order = WN_ORDER_POOL};
    scored_add(s, "a.json",
               "[{\"instruction\": \"a\", \"output\": \"b\"},\n"
               "{\"instruction\":\"a\",\"ifd_ppl\":NaN,\"output\":\"b\"},\n"
               "{\n    \"ppl_A_direct\": [\"old, }\"],\n    \"instruction\": \"a\",\n    \"output\": "
               "{\"ifd_ppl\": 1}\n}]");
    scored_open(s, NULL, 0, field_row);
    WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){.fields = WN_FIELDS_SUPERFILTERING}, &err));
    char *text = file_get(s->out);
    cr_assert_str_eq(text, superfiltering, "%s", text);
    free(text);
    WN_TEST_OK(
        subset_make(s, &rule, &(struct wn_subset_options){.fields = WN_FIELDS_OWN, .replace = true}, &err));
    text = file_get(s->out);
    struct wn_json *root = NULL;
    WN_TEST_OK(wn_json_parse(wn_span_of(text), WN_INPUT, &root, &err));
    uint64_t i = 0;
    for (const struct wn_json *r = wn_json_first(root); r != NULL; r = wn_json_next(r)) {
        const struct wn_row row = field_row(i);
        cr_assert_eq(wn_json_number(wn_json_get(r, "winnow_index")), (double)i);
        cr_assert(wn_span_is(wn_json_text(wn_json_get(r, "winnow_status")), "ok"));
        cr_assert_eq(wn_json_number(wn_json_get(r, "winnow_loss_cond")), wn_side_loss(&row.cond));
        cr_assert_eq(wn_json_number(wn_json_get(r, "winnow_ifd_ppl")), wn_row_ifd_ppl(&row));
        cr_assert_eq(wn_json_number(wn_json_get(r, "winnow_rank")), i == 1 ? 0 : i == 0 ? 1 : 2);
        i++;
    }
    cr_assert_eq(i, 3);
    wn_json_free(root);
    free(text);
    scored_free(s);
}

static double number_at(const struct wn_json *object, const char *key)
{
    const struct wn_json *value = wn_json_get(object, key);
    cr_assert(wn_json_is(value, WN_JSON_NUMBER), "the manifest has no number %s", key);
    return wn_json_number(value);
}

static struct wn_row status_row(uint64_t i)
{
    struct wn_row row = scored_row(i);
    row.status = (uint32_t)(i % 4 == 3 ? i / 4 % WN_STATUS_COUNT : i % 2);
    row.cond.sum = i % 11 == 5 ? 1e5 : row.cond.sum;
    return row;
}

Test(subset, the_manifest_adds_up_and_names_rule_hashes_and_command)
{
    enum { N = 120 };
    struct scored *s = scored_new();
    struct wn_error err;
    char pool[N * 64] = "";
    for (int i = 0; i < N; i++) {
        strcat(pool, "{\"instruction\": \"a\", \"output\": \"b\"}\n");
    }
    const struct wn_store_attribute attributes[] = {{"profile", "superfiltering"}, {"model_hash", "abc"}};
    scored_add(s, "pool.jsonl", pool);
    scored_open(s, attributes, 2, status_row);
    struct wn_rule rule;
    WN_TEST_OK(wn_rule_preset("superfiltering", &rule, &err));
    rule.value = 0.25;
    WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){0}, &err));
    char *text = beside_get(s, "picked.manifest.json"), *subset = file_get(s->out);
    struct wn_json *m = NULL;
    WN_TEST_OK(wn_json_parse(wn_span_of(text), WN_INPUT, &m, &err));
    double statuses = 0, dropped = 0;
    for (const struct wn_json *v = wn_json_first(wn_json_get(m, "by_status")); v != NULL;
         v = wn_json_next(v)) {
        statuses += wn_json_number(v);
    }
    for (const struct wn_json *v = wn_json_first(wn_json_get(m, "dropped")); v != NULL; v = wn_json_next(v)) {
        dropped += number_at(v, "dropped");
    }
    cr_assert(number_at(m, "pool") == N && statuses == N && dropped > 0);
    cr_assert_eq(dropped + number_at(m, "eligible"), N);
    cr_assert(number_at(m, "chosen") == 30 && number_at(m, "asked") == 30 && number_at(m, "ties_taken") >= 1);
    char digest[33], hash[33];
    WN_TEST_OK(wn_scores_digest(s->scores, digest, &err));
    const struct wn_json *scores = wn_json_get(m, "scores"), *written = wn_json_get(m, "subset");
    cr_assert(wn_span_is(wn_json_text(wn_json_get(scores, "digest")), digest));
    cr_assert(wn_span_is(wn_json_text(wn_json_get(scores, "model_hash")), "abc"));
    wn_hash128_text(wn_span_of(subset), hash);
    cr_assert(wn_span_is(wn_json_text(wn_json_get(written, "hash")), hash));
    wn_corpus_hash(s->corpus, hash);
    cr_assert(wn_span_is(wn_json_text(wn_json_get(wn_json_get(m, "corpus"), "hash")), hash));
    cr_assert(wn_span_is(wn_json_text(wn_json_get(m, "command_line")), "winnow select"));
    cr_assert(wn_span_is(wn_json_text(wn_json_get(wn_json_get(m, "rule"), "by")), "ifd_ppl"));
    wn_json_free(m);
    free(text);
    free(subset);
    scored_free(s);
}

Test(subset, dataset_info_gets_an_entry_and_loses_none)
{
    static const char before[] = "{\n  \"other\": {\n    \"file_name\": \"other.json\"  },\n"
                                 "  \"picked\": {\"file_name\": \"picked.json\", \"old\": true}\n}\n";
    static const struct {
        const char *name, *text, *expected;
    } cases[] = {
        {"a.json", "[" R1 "," R2 "]",
         "{\n  \"picked\": {\n    \"file_name\": \"picked.json\",\n    \"columns\": {\n      \"prompt\": "
         "\"instruction\",\n"
         "      \"query\": \"input\",\n      \"response\": \"output\"\n    }\n  }\n}\n"},
        {"a.jsonl", "{\"question\": \"q\", \"answer\": \"a\"}\n",
         "{\n  \"picked\": {\n    \"file_name\": \"picked.json\",\n    \"columns\": {\n      \"prompt\": "
         "\"question\",\n"
         "      \"response\": \"answer\"\n    }\n  }\n}\n"},
        {"a.jsonl",
         "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": "
         "\"a\"}]}\n",
         "{\n  \"picked\": {\n    \"file_name\": \"picked.json\",\n    \"formatting\": \"sharegpt\",\n    "
         "\"columns\": {\n"
         "      \"messages\": \"messages\"\n    },\n    \"tags\": {\n      \"role_tag\": \"role\",\n      "
         "\"content_tag\": "
         "\"content\",\n      \"user_tag\": \"user\",\n      \"assistant_tag\": \"assistant\",\n      "
         "\"system_tag\": \"system\",\n"
         "      \"observation_tag\": \"tool\",\n      \"function_tag\": \"function_call\"\n    }\n  }\n}\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scored *s = scored_new();
        struct wn_error err;
        const struct wn_rule rule = all_in_pool_order();
        scored_add(s, cases[i].name, cases[i].text);
        scored_open(s, NULL, 0, NULL);
        WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){0}, &err));
        char *text = beside_get(s, "dataset_info.json");
        cr_assert_str_eq(text, cases[i].expected, "%s", text);
        free(text);
        char *path = beside(s, "dataset_info.json");
        file_put(path, before, strlen(before));
        WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){.replace = true}, &err));
        text = file_get(path);
        cr_assert(strncmp(text, before, (size_t)(strstr(before, "{\"file_name\": \"picked") - before)) == 0 &&
                      strstr(text, "\"old\"") == NULL,
                  "%s", text);
        file_put(path, "[1]", 3);
        cr_assert_eq(subset_make(s, &rule, &(struct wn_subset_options){.replace = true}, &err), WN_INPUT);
        file_put(path, "{\"picked\": {\"file_name\": \"elsewhere.json\"}}", 43);
        cr_assert_eq(subset_make(s, &rule, &(struct wn_subset_options){.replace = true}, &err), WN_USAGE);
        free(text);
        free(path);
        scored_free(s);
    }
}

Test(subset, an_entry_of_the_users_own_is_replaced_only_with_force)
{
    static const char before[] = "\xef\xbb\xbf{\"mine\": {\"file_name\": \"mine.json\"}, \"picked\": "
                                 "{\"file_name\": \"picked.json\", \"tags\": \"mine\"}}\n";
    struct scored *s = scored_new();
    struct wn_error err;
    const struct wn_rule rule = all_in_pool_order();
    scored_add(s, "a.json", "[" R1 "]");
    scored_open(s, NULL, 0, NULL);
    char *path = beside(s, "dataset_info.json");
    file_put(path, before, strlen(before));
    const int files = files_in(s);
    cr_assert_eq(subset_make(s, &rule, &(struct wn_subset_options){0}, &err), WN_USAGE);
    cr_assert(strstr(err.text, path) != NULL && strstr(err.text, "\"picked\"") != NULL &&
                  strstr(err.text, "--force") != NULL && strstr(err.text, "another name") != NULL,
              "%s", err.text);
    char *text = file_get(path);
    cr_assert_str_eq(text, before);
    cr_assert_eq(files_in(s), files, "something was left behind");
    free(text);
    WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){.replace = true}, &err));
    text = file_get(path);
    cr_assert(strncmp(text, before, (size_t)(strstr(before, "{\"file_name\": \"picked") - before)) == 0 &&
                  strstr(text, "tags") == NULL && strstr(text, "\"columns\"") != NULL,
              "%s", text);
    free(text);
    free(path);
    scored_free(s);
}

Test(subset, links_stay_and_their_files_are_replaced)
{
    static const char mine[] = "{\"mine\": {\"file_name\": \"mine.json\"}}";
    struct scored *s = scored_new();
    struct wn_error err;
    const struct wn_rule rule = all_in_pool_order();
    scored_add(s, "a.json", "[" R1 "]");
    scored_open(s, NULL, 0, NULL);
    char *info = beside(s, "dataset_info.json"), *real = beside(s, "real.json"),
         *list = beside(s, "list.json");
    file_put(real, "old", 3);
    file_put(list, mine, strlen(mine));
    cr_assert(symlink("real.json", s->out) == 0 && symlink("list.json", info) == 0);
    cr_assert_eq(subset_make(s, &rule, &(struct wn_subset_options){0}, &err), WN_USAGE);
    WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){.replace = true}, &err));
    char *text = file_get(real), *entries = file_get(list), where[16];
    cr_assert_str_eq(text, "[" R1 "]");
    cr_assert(strstr(entries, "\"mine\"") != NULL && strstr(entries, "\"picked\"") != NULL, "%s", entries);
    cr_assert(readlink(s->out, where, sizeof where) == 9 && readlink(info, where, sizeof where) == 9);
    free(text);
    free(entries);
    free(info);
    free(real);
    free(list);
    scored_free(s);
}

Test(subset, the_entry_that_was_scored_is_taken_over)
{
    struct scored *s = scored_new();
    struct wn_error err;
    const struct wn_rule rule = all_in_pool_order();
    scored_add(s, "a.json", "[{\"q\": \"x\", \"a\": \"y\"}]");
    char *info = beside(s, "info.json");
    static const char entry[] =
        "{\"mine\": {\"file_name\": \"a.json\", \"columns\": {\"prompt\": \"q\", \"response\": \"a\"}}}";
    file_put(info, entry, strlen(entry));
    s->options.dataset_info = info;
    s->options.dataset = "mine";
    const size_t n = s->n_files;
    s->n_files = 0; /* the file is named by the entry */
    scored_open(s, NULL, 0, NULL);
    s->n_files = n;
    WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){.corpus = &s->options}, &err));
    char *text = beside_get(s, "dataset_info.json");
    cr_assert_str_eq(
        text,
        "{\n  \"picked\": {\"file_name\": \"picked.json\", \"columns\": {\"prompt\": \"q\", \"response\": "
        "\"a\"}}\n}\n",
        "%s", text);
    free(text);
    free(info);
    scored_free(s);
}

Test(subset, nothing_is_overwritten_that_may_not_be)
{
    struct scored *s = scored_new();
    struct wn_error err;
    const struct wn_rule rule = all_in_pool_order();
    scored_add(s, "a.json", "[" R1 "]");
    scored_open(s, NULL, 0, NULL);
    const int before = files_in(s);
    char *slash = beside(s, ""), *packed = beside(s, "x.json.gz"), *info = beside(s, "dataset_info.json");
    char *missing = beside(s, "no/such/folder.json");
    const struct {
        const char *path, *says;
        wn_code code;
    } cases[] = {
        {s->paths[0], "never overwritten", WN_USAGE}, {s->scores_path, "never overwritten", WN_USAGE},
        {slash, "give it a name", WN_USAGE},          {packed, "without .gz", WN_USAGE},
        {info, "list of data sets", WN_USAGE},        {missing, "no/such", WN_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const wn_code code =
            subset_make(s, &rule, &(struct wn_subset_options){.path = cases[i].path, .replace = true}, &err);
        cr_assert_eq(code, cases[i].code, "%s: %d: %s", cases[i].path, (int)code, err.text);
        cr_assert(strstr(err.text, cases[i].says) != NULL, "%s", err.text);
        cr_assert_eq(files_in(s), before, "%s: something was left behind", cases[i].path);
    }
    char *corpus = file_get(s->paths[0]);
    cr_assert_str_eq(corpus, "[" R1 "]");
    free(corpus);
    WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){0}, &err));
    cr_assert_eq(subset_make(s, &rule, &(struct wn_subset_options){0}, &err), WN_USAGE);
    cr_assert(strstr(err.text, "exists already") != NULL, "%s", err.text);
    WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){.replace = true}, &err));
    free(slash);
    free(packed);
    free(info);
    free(missing);
    scored_free(s);
}

Test(subset, another_corpus_than_the_scored_one_is_refused)
{
    struct scored *s = scored_new();
    struct wn_error err;
    const struct wn_rule rule = all_in_pool_order();
    scored_add(s, "a.jsonl", R1 "\n" R2 "\n");
    scored_open(s, NULL, 0, NULL);
    wn_corpus_free(s->corpus);
    file_put(s->paths[0], R2 "\n" R1 "\n", strlen(R2 "\n" R1 "\n"));
    WN_TEST_OK(wn_corpus_open(&s->options, &s->corpus, &err));
    const int before = files_in(s);
    cr_assert_eq(subset_make(s, &rule, &(struct wn_subset_options){0}, &err), WN_RUN);
    cr_assert(strstr(err.text, "not the corpus that was scored") != NULL, "%s", err.text);
    cr_assert_eq(files_in(s), before);
    scored_free(s);
}

Test(subset, an_empty_selection_is_an_empty_list)
{
    static const struct {
        const char *name, *text, *expected;
    } cases[] = {{"a.json", "[" R1 "]", "[]\n"}, {"a.jsonl", R1 "\n", ""}};
    for (size_t i = 0; i < 2; i++) {
        struct scored *s = scored_new();
        struct wn_error err;
        const struct wn_rule rule = {.by = "ifd_ppl", .amount = WN_AMOUNT_ABOVE, .value = 1e9};
        scored_add(s, cases[i].name, cases[i].text);
        scored_open(s, NULL, 0, NULL);
        WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){.fields = WN_FIELDS_OWN}, &err));
        char *text = file_get(s->out), *index = beside_get(s, "picked.index.txt");
        cr_assert_str_eq(text, cases[i].expected);
        cr_assert_str_eq(index, "");
        free(text);
        free(index);
        scored_free(s);
    }
}

/* Real files in the forms that users bring: all of each in pool order gives the file again. */
Test(subset, real_files_come_back_byte_for_byte)
{
    static const char *const names[] = {"data/formats/alpaca_en_demo.json",
                                        "data/formats/glaive_toolcall_en_demo.json",
                                        "data/formats/alpaca_zh_demo.json", "data/samples_188.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        WN_TEST_SHARED(names[i], path);
        struct scored *s = scored_new();
        struct wn_error err;
        const struct wn_rule rule = all_in_pool_order();
        char *before = file_get(path);
        scored_add(s, "pool.json", before);
        scored_open(s, NULL, 0, NULL);
        WN_TEST_OK(subset_make(s, &rule, &(struct wn_subset_options){0}, &err));
        char *after = file_get(s->out);
        cr_assert_str_eq(after, before, "%s", names[i]);
        free(before);
        free(after);
        scored_free(s);
    }
}
