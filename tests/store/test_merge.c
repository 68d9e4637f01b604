/* Joined parts are the whole: digest and attributes, and what cannot be joined is named.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "table.h"

enum { N = 70000, MAX_PATHS = 8 };

/* How a part differs from the usual one. */
struct shape {
    uint64_t first, n;
    const char *profile, *options; /* NULL: as usual */
    bool has_tokens;
    int64_t shard, shards;
};

static void options_print(const struct shape *shape, uint64_t total, char out[300])
{
    const bool is_shard = shape->shards > 0;
    const uint64_t end = shape->first + shape->n;
    snprintf(
        out, 300,
        "{\"max_length\":512,\"turns\":\"all\",\"first\":%llu,\"count\":%llu,\"shard\":%lld,\"shards\":%lld,"
        "\"dataset_info\":\"%s\",\"map\":[]}",
        is_shard ? 0ULL : (unsigned long long)shape->first,
        is_shard || end == total ? 0ULL : (unsigned long long)shape->n, (long long)shape->shard,
        (long long)shape->shards, shape->shards > 0 ? "elsewhere" : "");
}

/* Records [first, first + n) of the table of `total` records. */
static void part_write(const char *path, const struct shape *shape, uint64_t total)
{
    char options_text[300], files[100];
    options_print(shape, total, options_text);
    snprintf(files, sizeof files, "[{\"path\":\"a\",\"records\":%llu},{\"path\":\"b\",\"records\":1000}]",
             (unsigned long long)total - 1000);
    const struct wn_store_attribute attributes[] = {
        {wn_attribute_corpus_hash, "00ff"},
        {wn_attribute_corpus_files, files},
        {wn_attribute_model_path, path}, /* where the model stood does not count */
        {wn_attribute_profile, shape->profile == NULL ? "reflection" : shape->profile},
        {wn_attribute_options, shape->options == NULL ? options_text : shape->options},
    };
    const struct wn_store_options options = {
        .has_reverse = true, .has_tokens = shape->has_tokens, .attributes = attributes, .n_attributes = 5};
    struct wn_error err;
    struct wn_store *store = NULL;
    WN_TEST_OK(wn_store_create(path, shape->n, &options, &store, &err));
    for (uint64_t i = shape->first; i < shape->first + shape->n; i++) {
        struct wn_row rows[MAX_PARTS];
        struct wn_store_record record = record_make(i, 3, rows);
        int32_t ids[512];
        float losses[512];
        for (int k = 0; k < 512 && shape->has_tokens; k++) {
            ids[k] = (int32_t)(i * 3 + (uint64_t)k);
            losses[k] = (float)k / 8.0F;
        }
        if (shape->has_tokens) {
            record.cond_ids = record.direct_ids = ids;
            record.cond_losses = record.direct_losses = losses;
        }
        WN_TEST_OK(wn_store_put(store, &record, &err));
    }
    WN_TEST_OK(wn_store_finish(&store, NULL, 0, &err));
}

/* The parts in files of one folder, and their paths. */
struct parts {
    struct place place;
    char paths[MAX_PATHS][600], out[600];
    const char *list[MAX_PATHS];
    size_t n;
};

static struct parts *parts_new(const struct shape *shapes, size_t n, uint64_t total)
{
    struct parts *parts = calloc(1, sizeof *parts);
    parts->place = place_new();
    snprintf(parts->out, sizeof parts->out, "%s/joined.h5", parts->place.folder);
    for (size_t i = 0; i < n; i++) {
        snprintf(parts->paths[i], sizeof parts->paths[i], "%s/part%zu.h5", parts->place.folder, i);
        part_write(parts->paths[i], &shapes[i], total);
        parts->list[i] = parts->paths[i];
    }
    parts->n = n;
    return parts;
}

static void parts_free(struct parts *parts)
{
    place_free(&parts->place);
    free(parts);
}

static void attribute_check(const char *path, const char *name, const char *want)
{
    struct wn_error err;
    struct wn_scores *scores = NULL;
    WN_TEST_OK(wn_scores_open(path, &scores, &err));
    const char *text = wn_scores_attribute(scores, name);
    cr_assert(text != NULL && strcmp(text, want) == 0, "%s is %s, expected %s", name,
              text == NULL ? "nothing" : text, want);
    wn_scores_close(scores);
}

static void joined_equals_whole(const struct shape *shapes, size_t n, const struct shape *whole,
                                uint64_t total)
{
    struct parts *parts = parts_new(shapes, n, total);
    struct wn_error err;
    char want[33], got[33], options[300], count[32];
    part_write(parts->place.path, whole, total);
    digest_of(parts->place.path, want);
    WN_TEST_OK(wn_scores_merge(parts->list, parts->n, parts->out, &err));
    digest_of(parts->out, got);
    cr_assert_str_eq(got, want);
    options_print(whole, total, options);
    if (shapes[0].shards > 0) { /* where the first part's dataset_info stood is kept as it is */
        struct shape other = *whole;
        other.shards = 1;
        options_print(&other, total, options);
        memcpy(strstr(options, "\"shards\":1"), "\"shards\":0", 10);
    }
    attribute_check(parts->out, wn_attribute_options, options);
    snprintf(count, sizeof count, "%llu", (unsigned long long)whole->n);
    attribute_check(parts->out, wn_attribute_n_records, count);
    attribute_check(parts->out, wn_attribute_profile, "reflection");
    parts_free(parts);
}

Test(merge, joined_shards_equal_the_unsharded_run)
{
    /* ends on and beside the chunk of 65,536 records; the shards are given out of order, one of them is empty */
    static const struct shape shards[] = {{.first = 65536, .n = 4464, .shard = 3, .shards = 4},
                                          {.first = 0, .n = 20001, .shard = 1, .shards = 4},
                                          {.first = 70000, .n = 0, .shard = 4, .shards = 4},
                                          {.first = 20001, .n = 45535, .shard = 2, .shards = 4}};
    joined_equals_whole(shards, 4, &(struct shape){.first = 0, .n = N}, N);
}

Test(merge, joined_ranges_equal_the_run_over_their_union)
{
    static const struct shape ranges[] = {{.first = 1100, .n = 900, .has_tokens = true},
                                          {.first = 2000, .n = 1, .has_tokens = true},
                                          {.first = 100, .n = 1000, .has_tokens = true}};
    joined_equals_whole(ranges, 3, &(struct shape){.first = 100, .n = 1901, .has_tokens = true}, 5000);
    joined_equals_whole(ranges, 3, &(struct shape){.first = 100, .n = 1901, .has_tokens = true}, 2001);
    joined_equals_whole(ranges, 1, &(struct shape){.first = 1100, .n = 900, .has_tokens = true}, 5000);
}

Test(merge, what_cannot_be_joined_is_named)
{
    static const char other[] = "{\"max_length\":256,\"turns\":\"all\",\"first\":0,\"count\":100,\"shard\":0,"
                                "\"shards\":0,\"dataset_info\":\"\",\"map\":[]}";
    static const char more[] = "{\"max_length\":512,\"turns\":\"all\",\"first\":0,\"count\":100,\"shard\":0,"
                               "\"shards\":0,\"dataset_info\":\"\",\"map\":[],\"aligned\":true}";
    const struct {
        struct shape a, b;
        wn_code code;
        const char *text;
    } cases[] = {
        {{.n = 100}, {.first = 150, .n = 50}, WN_USAGE, "the records 100 to 149 are in none of them"},
        {{.n = 100}, {.first = 90, .n = 50}, WN_USAGE, "the records 90 to 99 are in both"},
        {{.n = 100}, {.first = 10, .n = 20}, WN_USAGE, "the records 10 to 29 are in both"},
        {{.n = 100}, {.n = 100}, WN_USAGE, "the records 0 to 99 are in both"},
        {{.n = 100},
         {.first = 100, .n = 50, .profile = "superfiltering"},
         WN_RUN,
         "the profile is reflection there"},
        {{.n = 100},
         {.first = 100, .n = 50, .options = other},
         WN_RUN,
         "the option max_length is 512 there, 256 here"},
        {{.n = 100},
         {.first = 100, .n = 50, .options = more},
         WN_RUN,
         "the option aligned is nothing there, true"},
        {{.n = 100}, {.first = 100, .n = 50, .options = "[1"}, WN_INPUT, "options is damaged"},
        {{.n = 100},
         {.first = 100, .n = 50, .has_tokens = true},
         WN_RUN,
         "the token losses is not kept there"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct shape shapes[] = {cases[i].a, cases[i].b};
        struct parts *parts = parts_new(shapes, 2, 5000);
        struct wn_error err;
        const wn_code code = wn_scores_merge(parts->list, 2, parts->out, &err);
        cr_assert_eq(code, cases[i].code, "case %zu: code %d: %s", i, (int)code, err.text);
        cr_assert(strstr(err.text, cases[i].text) != NULL, "case %zu: %s", i, err.text);
        cr_assert(strstr(err.text, "part1.h5") != NULL, "case %zu: %s", i, err.text);
        cr_assert_eq(place_count(&parts->place), 2, "case %zu: something was left behind", i);
        parts_free(parts);
    }
}

Test(merge, an_input_is_never_overwritten)
{
    static const struct shape shapes[] = {{.n = 100}, {.first = 100, .n = 50}};
    struct parts *parts = parts_new(shapes, 2, 5000);
    struct wn_error err;
    char before[33], after[33];
    digest_of(parts->paths[1], before);
    cr_assert_eq(wn_scores_merge(parts->list, 2, parts->paths[1], &err), WN_USAGE);
    cr_assert(strstr(err.text, "never overwritten") != NULL, "%s", err.text);
    digest_of(parts->paths[1], after);
    cr_assert_str_eq(before, after);
    cr_assert_eq(wn_scores_merge(parts->list, 0, parts->out, &err), WN_USAGE);
    parts_free(parts);
}
