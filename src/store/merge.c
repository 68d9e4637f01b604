/* Joining the scores of neighbouring ranges of one corpus into one file.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The inputs must share one recipe and lie one behind the other. The attributes that name the range are made again, as
 * a run over all of it has them. One input is open at a time, beside the first, whose attributes the others are held
 * against.
 */
#include "store/merge.h"

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What the attribute `options` says about the range; 0 where it says nothing. */
struct range_options {
    int64_t first, count, shard, shards;
};

struct part {
    const char *path; /* as given */
    uint64_t first, n;
    struct range_options options;
};

struct join {
    struct part *parts; /* [n_parts], in order of their records; empty ones in front */
    size_t n_parts;
    struct wn_scores *whole; /* the first input: its recipe is that of all */
    const char *whole_path;
    bool has_reverse, has_tokens;
    char *options_text, *parts_text;
};

/* Attributes that a part must share, with their names for people; those first that tell most. */
static const struct {
    const char *name, *what;
} recipe[] = {
    {wn_attribute_corpus_hash, "the corpus (hash of its content)"},
    {wn_attribute_model_hash, "the model (hash)"},
    {wn_attribute_tokenizer_hash, "the tokenizer (hash)"},
    {wn_attribute_profile, "the profile"},
    {wn_attribute_profile_json, "the profile's recipe"},
    {wn_attribute_max_length, "--max-length"},
    {wn_attribute_backend, "the backend"},
    {wn_attribute_dtype, "--dtype"},
    {wn_attribute_kernels, "the kernel set"},
    {wn_attribute_library, "the library of the products"},
    {wn_attribute_row_tile, "the row tile"},
    {wn_attribute_key_tile, "the key tile"},
};

/* Members of `options` that may differ: the range, and where a file stands. */
static const char *const free_options[] = {"first", "count", "shard", "shards", "dataset_info"};

enum { SHOWN = 80 };

static wn_code fail_recipe(const struct join *join, const char *path, const char *what, const char *there,
                           const char *here, struct wn_error *err)
{
    WN_FAIL(
        err, WN_RUN,
        "%s and %s are not parts of one run: %s is %.*s there, %.*s here; only runs of one corpus, model and "
        "recipe can be joined",
        join->whole_path, path, what, SHOWN, there == NULL ? "nothing" : there, SHOWN,
        here == NULL ? "nothing" : here);
}

static wn_code attribute_compare(const struct join *join, const struct wn_scores *scores, const char *path,
                                 const char *name, const char *what, struct wn_error *err)
{
    const char *there = wn_scores_attribute(join->whole, name);
    const char *here = wn_scores_attribute(scores, name);
    const bool is_equal = there == NULL || here == NULL ? there == here : strcmp(there, here) == 0;
    return is_equal ? WN_OK : fail_recipe(join, path, what, there, here, err);
}

/* Attributes that are compared elsewhere, follow from the range, or say where something stood. */
static bool is_own_attribute(const char *name)
{
    static const char *const own[] = {wn_attribute_n_records, wn_attribute_corpus_files,
                                      wn_attribute_model_path, wn_attribute_tool_version,
                                      wn_attribute_options};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strcmp(name, own[i]) == 0) {
            return true;
        }
    }
    return strchr(name, '/') != NULL; /* provenance */
}

/* The text of member `key`, new memory; *out_text is NULL where there is none. */
static wn_code member_print(const struct wn_json *object, const char *key, char **out_text,
                            struct wn_error *err)
{
    const struct wn_json *value = wn_json_get(object, key);
    *out_text = NULL;
    return value == NULL ? WN_OK : wn_json_print(value, false, out_text, err);
}

/* Every member of `from` that decides numbers stands in both objects with one value. */
static wn_code members_compare(const struct join *join, const char *path, const struct wn_json *from,
                               const struct wn_json *there, const struct wn_json *here, struct wn_error *err)
{
    for (const struct wn_json *at = wn_json_first(from); at != NULL; at = wn_json_next(at)) {
        const char *key = wn_json_key(at).data;
        bool is_free = false;
        for (size_t i = 0; i < sizeof free_options / sizeof free_options[0]; i++) {
            is_free = is_free || strcmp(key, free_options[i]) == 0;
        }
        char *left = NULL, *right = NULL, what[128];
        wn_code code = is_free ? WN_OK : member_print(there, key, &left, err);
        if (code == WN_OK && !is_free) {
            code = member_print(here, key, &right, err);
        }
        if (code == WN_OK && !is_free && (left == NULL || right == NULL || strcmp(left, right) != 0)) {
            snprintf(what, sizeof what, "the option %.100s", key);
            code = fail_recipe(join, path, what, left, right, err);
        }
        free(left);
        free(right);
        WN_TRY(code);
    }
    return WN_OK;
}

static int64_t whole_number(const struct wn_json *object, const char *key)
{
    int64_t number = 0;
    return wn_json_integer(wn_json_get(object, key), &number) ? number : 0;
}

/* The attribute `options` as an object; WN_INPUT where it is none. */
static wn_code options_parse(const struct wn_scores *scores, struct wn_json **out_root, struct wn_error *err)
{
    const char *text = wn_scores_attribute(scores, wn_attribute_options);
    *out_root = NULL;
    if (text == NULL) {
        *out_root = wn_json_new_object();
        WN_CHECK(*out_root != NULL, err, WN_DEVICE, "out of memory for options");
        return WN_OK;
    }
    if (wn_json_parse(wn_span_of(text), WN_INPUT, out_root, NULL) != WN_OK ||
        !wn_json_is(*out_root, WN_JSON_OBJECT)) {
        wn_json_free(*out_root);
        *out_root = NULL;
        WN_FAIL(err, WN_INPUT, "%s: its attribute options is damaged; make the file again",
                wn_scores_path(scores));
    }
    return WN_OK;
}

static wn_code options_compare(const struct join *join, const struct wn_scores *scores, struct part *part,
                               struct wn_error *err)
{
    struct wn_json *there = NULL, *here = NULL;
    wn_code code = WN_OK;
    WN_TRY_OR(done, options_parse(join->whole, &there, err));
    WN_TRY_OR(done, options_parse(scores, &here, err));
    WN_TRY_OR(done, members_compare(join, part->path, there, there, here, err));
    WN_TRY_OR(done, members_compare(join, part->path, here, there, here, err));
    part->options = (struct range_options){whole_number(here, "first"), whole_number(here, "count"),
                                           whole_number(here, "shard"), whole_number(here, "shards")};
done:
    wn_json_free(there);
    wn_json_free(here);
    return code;
}

static bool has_tokens(const struct wn_scores *scores)
{
    return H5Lexists(scores->file, "/tokens", H5P_DEFAULT) > 0;
}

static wn_code recipe_compare(const struct join *join, const struct wn_scores *scores, struct part *part,
                              struct wn_error *err)
{
    for (size_t i = 0; i < sizeof recipe / sizeof recipe[0]; i++) {
        WN_TRY(attribute_compare(join, scores, part->path, recipe[i].name, recipe[i].what, err));
    }
    WN_TRY(options_compare(join, scores, part, err));
    const struct wn_scores *const sides[] = {join->whole, scores};
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < sides[s]->n_texts; i++) {
            const char *name = sides[s]->texts[i].name;
            if (!is_own_attribute(name)) {
                WN_TRY(attribute_compare(join, scores, part->path, name, name, err));
            }
        }
    }
    const bool reverse = wn_scores_has(scores, "rifd_loss"), tokens = has_tokens(scores);
    if (reverse != join->has_reverse) {
        return fail_recipe(join, part->path, "the reversed direction",
                           join->has_reverse ? "scored" : "not scored", reverse ? "scored" : "not scored",
                           err);
    }
    if (tokens != join->has_tokens) {
        return fail_recipe(join, part->path, "the token losses", join->has_tokens ? "kept" : "not kept",
                           tokens ? "kept" : "not kept", err);
    }
    return WN_OK;
}

static wn_code part_look(const struct join *join, const struct wn_scores *scores, struct part *part,
                         struct wn_error *err)
{
    uint64_t last = 0;
    WN_TRY(recipe_compare(join, scores, part, err));
    part->first = 0;
    part->n = wn_scores_count(scores);
    if (part->n > 0) {
        WN_TRY(wn_scores_integers(scores, "index", 0, 1, &part->first, err));
        WN_TRY(wn_scores_integers(scores, "index", part->n - 1, 1, &last, err));
        WN_CHECK(part->n < INT64_MAX && part->first <= INT64_MAX && last == part->first + (part->n - 1), err,
                 WN_INPUT,
                 "%s: its record numbers do not grow by 1 a row: the file is damaged; make it again",
                 wn_scores_path(scores));
    }
    return WN_OK;
}

static int compare_parts(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    const bool x_is_empty = x->n == 0, y_is_empty = y->n == 0;
    if (x_is_empty != y_is_empty) {
        return x_is_empty ? -1 : 1;
    }
    return x->first != y->first ? (x->first < y->first ? -1 : 1) : (x->n > y->n) - (x->n < y->n);
}

static wn_code parts_order(struct join *join, struct wn_error *err)
{
    qsort(join->parts, join->n_parts, sizeof *join->parts, compare_parts);
    for (size_t i = 1; i < join->n_parts; i++) {
        const struct part *a = &join->parts[i - 1], *b = &join->parts[i];
        const uint64_t end = a->first + a->n;
        if (a->n == 0 || b->first == end) {
            continue;
        }
        const bool is_gap = b->first > end;
        const uint64_t from = is_gap ? end : b->first;
        const uint64_t b_end = b->first + b->n;
        const uint64_t to = is_gap ? b->first : end < b_end ? end : b_end;
        WN_FAIL(err, WN_USAGE,
                "%s ends with record %llu and %s begins with record %llu: the records %llu to %llu are %s",
                a->path, (unsigned long long)(end - 1), b->path, (unsigned long long)b->first,
                (unsigned long long)from, (unsigned long long)(to - 1),
                is_gap ? "in none of them; give the run of that range too"
                       : "in both; leave one of the two out");
    }
    return WN_OK;
}

/* Records of the corpus, from the attribute corpus_files; 0 where it does not say. */
static uint64_t corpus_records(const struct wn_scores *scores)
{
    const char *text = wn_scores_attribute(scores, wn_attribute_corpus_files);
    struct wn_json *files = NULL;
    uint64_t total = 0;
    if (text == NULL || wn_json_parse(wn_span_of(text), WN_INPUT, &files, NULL) != WN_OK) {
        return 0;
    }
    for (const struct wn_json *at = wn_json_first(files); at != NULL; at = wn_json_next(at)) {
        const int64_t records = wn_json_is(at, WN_JSON_OBJECT) ? whole_number(at, "records") : 0;
        total += records > 0 ? (uint64_t)records : 0;
    }
    wn_json_free(files);
    return total;
}

/* True where the parts are all the shards of one range, which then is the range of the whole. */
static bool are_all_shards(const struct join *join)
{
    const struct range_options *first = &join->parts[0].options;
    bool ok = first->shards > 0 && (uint64_t)first->shards == join->n_parts;
    for (size_t i = 1; i < join->n_parts && ok; i++) {
        const struct range_options *other = &join->parts[i].options;
        ok = other->first == first->first && other->count == first->count && other->shards == first->shards;
        for (size_t j = 0; j < i && ok; j++) {
            ok = join->parts[j].options.shard != other->shard;
        }
    }
    return ok;
}

/* `options` of a run over all parts: --shard and --range as they would have been. */
static wn_code options_make(struct join *join, uint64_t first, uint64_t n, struct wn_error *err)
{
    if (wn_scores_attribute(join->whole, wn_attribute_options) == NULL) {
        return WN_OK;
    }
    struct range_options range = {.first = (int64_t)first, .count = (int64_t)n};
    if (are_all_shards(join)) {
        range.first = join->parts[0].options.first;
        range.count = join->parts[0].options.count;
    } else if (first + n == corpus_records(join->whole)) {
        range.count = 0; /* to the end */
    }
    struct wn_json *old = NULL, *made = wn_json_new_object();
    wn_code code = WN_OK;
    WN_TRY_OR(done, options_parse(join->whole, &old, err));
    bool ok = made != NULL;
    for (const struct wn_json *at = wn_json_first(old); at != NULL && ok; at = wn_json_next(at)) {
        const char *key = wn_json_key(at).data;
        const int64_t numbers[] = {range.first, range.count, 0, 0};
        size_t i = 0;
        while (i < 4 && strcmp(key, free_options[i]) != 0) {
            i++;
        }
        if (i < 4) {
            ok = wn_json_add_integer(made, key, numbers[i]);
            continue;
        }
        char *text = NULL;
        struct wn_json *copy = NULL;
        WN_TRY_OR(done, wn_json_print(at, false, &text, err));
        code = wn_json_parse(wn_span_of(text), WN_DEFECT, &copy, err);
        free(text);
        WN_TRY_OR(done, code);
        ok = wn_json_add_value(made, key, copy);
    }
    if (ok) {
        code = wn_json_print(made, false, &join->options_text, err);
    } else {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for options");
    }
done:
    wn_json_free(old);
    wn_json_free(made);
    return code;
}

/* What was joined, for /provenance. */
static wn_code parts_print(struct join *join, struct wn_error *err)
{
    struct wn_json *list = wn_json_new_array();
    bool ok = list != NULL;
    for (size_t i = 0; i < join->n_parts && ok; i++) {
        const struct part *part = &join->parts[i];
        struct wn_json *entry = wn_json_new_object();
        ok = entry != NULL && wn_json_add_text(entry, "path", wn_span_of(part->path)) &&
             wn_json_add_integer(entry, "first", (int64_t)part->first) &&
             wn_json_add_integer(entry, "count", (int64_t)part->n);
        if (!ok) {
            wn_json_free(entry);
        }
        ok = ok && wn_json_append_value(list, entry);
    }
    wn_code code = WN_OK;
    if (ok) {
        code = wn_json_print(list, false, &join->parts_text, err);
    } else {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for the list of parts");
    }
    wn_json_free(list);
    return code;
}

static wn_code store_open(const struct join *join, const char *out_path, uint64_t n,
                          struct wn_store **out_store, struct wn_error *err)
{
    const struct wn_scores *whole = join->whole;
    const char *score = wn_scores_attribute(whole, wn_attribute_score);
    const char *ties = wn_scores_attribute(whole, wn_attribute_ties);
    WN_CHECK(score != NULL && ties != NULL, err, WN_INPUT, "%s: does not say what its profile ranks by",
             wn_scores_path(whole));
    struct wn_store_attribute *attributes = calloc(whole->n_texts + 1, sizeof *attributes);
    WN_CHECK(attributes != NULL, err, WN_DEVICE, "out of memory for attributes");
    size_t n_attributes = 0;
    for (size_t i = 0; i < whole->n_texts; i++) {
        const struct wn_scores_text *text = &whole->texts[i];
        const bool is_options = strcmp(text->name, wn_attribute_options) == 0;
        if (strchr(text->name, '/') == NULL && strcmp(text->name, wn_attribute_n_records) != 0) {
            attributes[n_attributes] =
                (struct wn_store_attribute){text->name, is_options ? join->options_text : text->text};
            n_attributes++;
        }
    }
    const struct wn_store_attribute provenance = {"merged_from", join->parts_text};
    const struct wn_store_options options = {.has_reverse = join->has_reverse,
                                             .has_tokens = join->has_tokens,
                                             .rank_by_loss = strcmp(score, "ifd_loss") == 0,
                                             .larger_index_first = strncmp(ties, "larger", 6) == 0,
                                             .attributes = attributes,
                                             .n_attributes = n_attributes,
                                             .provenance = &provenance,
                                             .n_provenance = 1};
    const wn_code code = wn_store_create(out_path, n, &options, out_store, err);
    free(attributes);
    return code;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static wn_code parts_look(struct join *join, const char *out_path, struct wn_error *err)
{
    for (size_t i = 0; i < join->n_parts; i++) {
        struct wn_scores *scores = NULL;
        WN_TRY(wn_scores_open(join->parts[i].path, &scores, err));
        wn_code code = WN_OK;
        if (is_same_file(wn_scores_path(scores), out_path)) {
            code = wn_error_set(err, WN_USAGE, __FILE__, __LINE__,
                                "%s: is an input and is never overwritten: give the joined file another name",
                                out_path);
        }
        if (code == WN_OK) {
            code = part_look(join, scores, &join->parts[i], err);
        }
        wn_scores_close(scores);
        WN_TRY(code);
    }
    return parts_order(join, err);
}

static wn_code part_copy(const struct part *part, struct wn_store *store, struct wn_error *err)
{
    struct wn_scores *scores = NULL;
    uint64_t first = part->first;
    WN_TRY(wn_scores_open(part->path, &scores, err));
    wn_code code = WN_OK;
    if (wn_scores_count(scores) == part->n && part->n > 0) {
        code = wn_scores_integers(scores, "index", 0, 1, &first, err);
    }
    if (code == WN_OK && (wn_scores_count(scores) != part->n || first != part->first)) {
        code = wn_error_set(err, WN_IO, __FILE__, __LINE__,
                            "%s: changed while it was read: run the same command again when it is at rest",
                            wn_scores_path(scores));
    }
    if (code == WN_OK) {
        code = wn_merge_copy(store, scores, err);
    }
    wn_scores_close(scores);
    return code;
}

static wn_code join_run(struct join *join, const char *out_path, struct wn_error *err)
{
    struct wn_store *store = NULL;
    uint64_t n = 0, first = 0;
    wn_code code = WN_OK;
    WN_TRY(wn_scores_open(join->whole_path, &join->whole, err));
    join->has_reverse = wn_scores_has(join->whole, "rifd_loss");
    join->has_tokens = has_tokens(join->whole);
    WN_TRY(parts_look(join, out_path, err));
    for (size_t i = 0; i < join->n_parts; i++) {
        const struct part *part = &join->parts[i];
        first = n == 0 ? part->first : first;
        WN_CHECK(part->n < INT64_MAX - n, err, WN_USAGE, "%s: more records than a file can hold", part->path);
        n += part->n;
    }
    WN_TRY(options_make(join, first, n, err));
    WN_TRY(parts_print(join, err));
    WN_TRY(store_open(join, out_path, n, &store, err));
    for (size_t i = 0; i < join->n_parts; i++) {
        WN_TRY_OR(done, part_copy(&join->parts[i], store, err));
    }
    code = wn_store_finish(&store, NULL, 0, err);
done:
    wn_store_abandon(&store);
    return code;
}

wn_code wn_scores_merge(const char *const *paths, size_t n_paths, const char *out_path, struct wn_error *err)
{
    WN_CHECK(n_paths > 0, err, WN_USAGE, "there is nothing to join: name the runs of all parts");
    struct join join = {.n_parts = n_paths, .whole_path = paths[0]};
    join.parts = calloc(n_paths, sizeof *join.parts);
    WN_CHECK(join.parts != NULL, err, WN_DEVICE, "out of memory for %zu runs", n_paths);
    for (size_t i = 0; i < n_paths; i++) {
        join.parts[i].path = paths[i];
    }
    const wn_code code = join_run(&join, out_path, err);
    wn_scores_close(join.whole);
    free(join.options_text);
    free(join.parts_text);
    free(join.parts);
    return code;
}
