/* What a run computes from what, as run.json and as the attributes of scores.h5.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/recipe.h"

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *turns_name(enum wn_turns turns)
{
    return turns == WN_TURNS_FIRST ? "first" : turns == WN_TURNS_LAST ? "last" : "all";
}

static bool add_text(struct wn_json *object, const char *key, const char *text)
{
    return wn_json_add_text(object, key, wn_span_of(text != NULL ? text : ""));
}

/* The options that change numbers, resolved. */
static struct wn_json *options_make(const struct wn_recipe *recipe)
{
    const struct wn_job *job = recipe->job;
    const struct wn_score_options *score = &job->score;
    struct wn_json *options = wn_json_new_object();
    struct wn_json *map = wn_json_new_array();
    bool ok = options != NULL && map != NULL;
    for (size_t i = 0; ok && i < job->corpus.n_map; i++) {
        ok = wn_json_append_text(map, wn_span_of(job->corpus.map[i]));
    }
    ok = ok && wn_json_add_integer(options, "max_length", recipe->max_length) &&
         add_text(options, "turns", turns_name(score->turns)) &&
         add_text(options, "split", score->split == WN_SPLIT_OFFSETS ? "offsets" : "prefix") &&
         add_text(options, "direct_window",
                  score->direct_window == WN_WINDOW_HEADER ? "header" : "published") &&
         wn_json_add_boolean(options, "aligned", score->aligned) &&
         wn_json_add_boolean(options, "keep_token_losses", score->keep_tokens) &&
         wn_json_add_integer(options, "first", (int64_t)job->first) &&
         wn_json_add_integer(options, "count", (int64_t)job->count) &&
         wn_json_add_integer(options, "shard", (int64_t)job->shard) &&
         wn_json_add_integer(options, "shards", (int64_t)job->shards) &&
         add_text(options, "id_key", job->corpus.id_key) &&
         add_text(options, "form", wn_form_name(wn_corpus_form(recipe->corpus))) &&
         add_text(options, "dataset", job->corpus.dataset) &&
         add_text(options, "dataset_info", job->corpus.dataset_info);
    if (!ok) {
        wn_json_free(map);
    }
    if (!ok || !wn_json_add_value(options, "map", map)) {
        wn_json_free(options);
        return NULL;
    }
    return options;
}

/* One file of the corpus: as it was found at the start (`is_whole` false), where its time and stored size are recorded
 * for people, or as the whole index knows it. Content decides, not this. */
static struct wn_json *file_make(const struct wn_corpus_file *file, bool is_whole)
{
    char absolute[PATH_MAX];
    struct stat info;
    struct wn_json *object = wn_json_new_object();
    const char *path = realpath(file->path, absolute) != NULL ? absolute : file->path;
    bool ok = object != NULL && add_text(object, "path", path) &&
              wn_json_add_integer(object, "size", (int64_t)file->size) &&
              add_text(object, "container", file->is_array ? "array" : "lines") &&
              add_text(object, "compression", file->compression);
    if (ok && is_whole) {
        ok = wn_json_add_integer(object, "records", (int64_t)file->records) &&
             add_text(object, "hash", file->hash);
    } else if (ok && stat(file->path, &info) == 0) {
        ok = wn_json_add_integer(object, "stored_size", (int64_t)info.st_size) &&
             wn_json_add_integer(object, "modified", (int64_t)info.st_mtim.tv_sec);
    }
    if (!ok) {
        wn_json_free(object);
        return NULL;
    }
    return object;
}

static struct wn_json *files_make(const struct wn_corpus *corpus, bool is_whole)
{
    struct wn_json *files = wn_json_new_array();
    for (size_t i = 0; files != NULL && i < wn_corpus_n_files(corpus); i++) {
        const struct wn_corpus_file file = wn_corpus_file(corpus, i);
        struct wn_json *object = file_make(&file, is_whole);
        if (object == NULL || !wn_json_append_value(files, object)) {
            wn_json_free(files);
            return NULL;
        }
    }
    return files;
}

static struct wn_json *model_make(const struct wn_recipe *recipe)
{
    struct wn_json *model = wn_json_new_object();
    if (model == NULL || !add_text(model, "given", recipe->job->model) ||
        !add_text(model, "path", recipe->model_folder) || !add_text(model, "family", recipe->model->family) ||
        !wn_json_add_integer(model, "parameters", recipe->model->parameters) ||
        !add_text(model, "hash", recipe->model->hash)) {
        wn_json_free(model);
        return NULL;
    }
    return model;
}

static struct wn_json *numeric_make(const struct wn_numeric_class *numeric)
{
    struct wn_json *object = wn_json_new_object();
    if (object == NULL || !add_text(object, "backend", numeric->backend) ||
        !add_text(object, "dtype", numeric->dtype) || !add_text(object, "kernels", numeric->kernels) ||
        !add_text(object, "library", numeric->library) ||
        !wn_json_add_integer(object, "row_tile", numeric->row_tile) ||
        !wn_json_add_integer(object, "key_tile", numeric->key_tile)) {
        wn_json_free(object);
        return NULL;
    }
    return object;
}

/* `take_value` into `object`; used up either way. False where it could not be made or put there. */
static bool put(struct wn_json *object, const char *key, struct wn_json *take_value)
{
    return take_value != NULL && wn_json_add_value(object, key, take_value);
}

static struct wn_json *tokenizer_make(const struct wn_tokenizer_info *info)
{
    struct wn_json *tokenizer = wn_json_new_object();
    if (tokenizer == NULL || !add_text(tokenizer, "kind", info->kind) ||
        !add_text(tokenizer, "hash", info->hash)) {
        wn_json_free(tokenizer);
        return NULL;
    }
    return tokenizer;
}

static wn_code passes_make(const struct wn_recipe *recipe, struct wn_json **out_passes, struct wn_error *err)
{
    struct wn_json *profile = NULL;
    WN_TRY(wn_json_parse(wn_span_of(recipe->profile_json), WN_DEFECT, &profile, err));
    struct wn_json *pass = wn_json_new_object();
    struct wn_json *passes = wn_json_new_array();
    /* The profile is used up by the first line, whatever becomes of it. */
    bool ok = put(pass, "profile", profile) && add_text(pass, "profile_given", recipe->job->profile) &&
              put(pass, "model", model_make(recipe)) &&
              put(pass, "tokenizer", tokenizer_make(&recipe->tokenizer)) && add_text(pass, "method", "ifd") &&
              put(pass, "numeric", numeric_make(&recipe->model->numeric)) &&
              put(pass, "needs", wn_json_new_array());
    if (!ok) {
        wn_json_free(pass);
    }
    if (!ok || !wn_json_append_value(passes, pass)) {
        wn_json_free(passes);
        WN_FAIL(err, WN_DEVICE, "out of memory for run.json");
    }
    *out_passes = passes;
    return WN_OK;
}

wn_code wn_recipe_print(const struct wn_recipe *recipe, char **out_text, struct wn_error *err)
{
    struct wn_json *passes = NULL;
    WN_TRY(passes_make(recipe, &passes, err));
    char time_text[21];
    wn_time_text(time_text);
    struct wn_json *root = wn_json_new_object();
    const bool ok =
        put(root, "passes", passes) && add_text(root, "schema", "winnow-run") &&
        wn_json_add_integer(root, "schema_version", WN_RUN_SCHEMA_VERSION) &&
        add_text(root, "tool_version", recipe->job->version) &&
        add_text(root, "command_line", recipe->job->command_line) && add_text(root, "begun", time_text) &&
        put(root, "inputs", files_make(recipe->corpus, false)) && put(root, "options", options_make(recipe));
    wn_code code = WN_OK;
    if (ok) {
        code = wn_json_print(root, true, out_text, err);
    } else {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for run.json");
    }
    wn_json_free(root);
    return code;
}

/* One thing that both files must agree on: a path of keys, "0" the first element, and what it is to people. */
struct agreed {
    const char *keys[4];
    const char *what;
};

static const struct agreed agreed[] = {
    /* The backend first: the one of tests hashes no weights. */
    {{"passes", "0", "numeric", "backend"}, "the device's backend"},
    {{"passes", "0", "model", "hash"}, "the model (hash of its weights and configuration)"},
    {{"passes", "0", "tokenizer", "hash"}, "the tokenizer (hash)"},
    {{"passes", "0", "method"}, "--method"},
    {{"passes", "0", "profile"}, "--profile"},
    {{"passes", "0", "numeric", "dtype"}, "--dtype"},
    {{"passes", "0", "numeric", "kernels"}, "the kernel set"},
    {{"passes", "0", "numeric", "library"}, "the library of the products"},
    {{"passes", "0", "numeric", "row_tile"}, "the row tile"},
    {{"passes", "0", "numeric", "key_tile"}, "the key tile"},
    {{"options", "max_length"}, "--max-length"},
    {{"options", "turns"}, "--turns"},
    {{"options", "split"}, "--split"},
    {{"options", "direct_window"}, "--direct-window"},
    {{"options", "aligned"}, "--aligned"},
    {{"options", "keep_token_losses"}, "--keep-token-losses"},
    {{"options", "first"}, "the first record of --range"},
    {{"options", "count"}, "the number of records of --range and --limit"},
    {{"options", "shard"}, "--shard K/N: K"},
    {{"options", "shards"}, "--shard K/N: N"},
    {{"options", "id_key"}, "--id-key"},
    {{"options", "form"}, "--form"},
    {{"options", "dataset"}, "--dataset"},
    {{"options", "map"}, "--map"},
};

static const struct wn_json *reach(const struct wn_json *root, const struct agreed *way)
{
    const struct wn_json *value = root;
    for (size_t i = 0; i < 4 && way->keys[i] != NULL && value != NULL; i++) {
        if (wn_json_is(value, WN_JSON_ARRAY)) {
            value = wn_json_first(value);
        } else {
            value = wn_json_is(value, WN_JSON_OBJECT) ? wn_json_get(value, way->keys[i]) : NULL;
        }
    }
    return value;
}

enum { SHOWN_CHARACTERS = 80, SHOWN_BYTES = 4 * SHOWN_CHARACTERS + sizeof "..." };

/* `value` as text, at most 80 characters of it; "nothing" where it is not there. */
static wn_code value_show(const struct wn_json *value, char out[SHOWN_BYTES], struct wn_error *err)
{
    char *text = NULL;
    size_t end = 0;
    if (value == NULL) {
        snprintf(out, SHOWN_BYTES, "nothing");
        return WN_OK;
    }
    WN_TRY(wn_json_print(value, false, &text, err));
    for (size_t shown = 0; text[end] != 0; end++) {
        const bool is_first_byte = ((unsigned char)text[end] & 0xC0) != 0x80;
        if (is_first_byte && shown++ == SHOWN_CHARACTERS) {
            break;
        }
    }
    snprintf(out, SHOWN_BYTES, "%.*s%s", (int)end, text, text[end] != 0 ? "..." : "");
    free(text);
    return WN_OK;
}

/* The first key of `a` that `b` has not, or has with another value; an empty span where there is none. */
static wn_code member_differing(const struct wn_json *a, const struct wn_json *b, struct wn_span *out_key,
                                struct wn_error *err)
{
    *out_key = (struct wn_span){NULL, 0};
    for (const struct wn_json *at = wn_json_first(a); at != NULL && out_key->data == NULL;
         at = wn_json_next(at)) {
        const struct wn_span key = wn_json_key(at);
        const struct wn_json *other = wn_json_get(b, key.data);
        char *left = NULL;
        char *right = NULL;
        wn_code code = wn_json_print(at, false, &left, err);
        if (code == WN_OK && other != NULL) {
            code = wn_json_print(other, false, &right, err);
        }
        if (code == WN_OK && (right == NULL || strcmp(left, right) != 0)) {
            *out_key = key;
        }
        free(left);
        free(right);
        WN_TRY(code);
    }
    return WN_OK;
}

/* Two profiles that differ, told by their names or by the first member that differs: whole they fill a screen. */
static wn_code profile_fail(const struct wn_json *old, const struct wn_json *now, const char *path,
                            struct wn_error *err)
{
    static const char mend[] = "choose another --out, or remove that directory";
    struct wn_span key = wn_span_of("name");
    char there[SHOWN_BYTES], here[SHOWN_BYTES], name[SHOWN_BYTES];
    WN_CHECK(wn_json_is(old, WN_JSON_OBJECT) && wn_json_is(now, WN_JSON_OBJECT), err, WN_RUN,
             "%s: its profile is damaged; %s", path, mend);
    WN_TRY(value_show(wn_json_get(now, "name"), name, err));
    WN_TRY(value_show(wn_json_get(old, "name"), there, err));
    WN_CHECK(strcmp(there, name) == 0, err, WN_RUN, "%s: this run differs in --profile: %s there, %s now; %s",
             path, there, name, mend);
    WN_TRY(member_differing(old, now, &key, err));
    if (key.data == NULL) {
        WN_TRY(member_differing(now, old, &key, err));
    }
    const char *member = key.data != NULL ? key.data : "name";
    WN_TRY(value_show(wn_json_get(old, member), there, err));
    WN_TRY(value_show(wn_json_get(now, member), here, err));
    WN_FAIL(err, WN_RUN, "%s: this run differs in --profile: \"%.80s\" of profile %s is %s there, %s now; %s",
            path, key.data != NULL ? member : "the order of its members", name, there, here, mend);
}

static wn_code agreed_compare(const struct agreed *way, const struct wn_json *old, const struct wn_json *now,
                              const char *path, struct wn_error *err)
{
    const struct wn_json *old_value = reach(old, way);
    WN_CHECK(old_value != NULL, err, WN_RUN, "%s: says nothing about %s; choose another --out", path,
             way->what);
    char *old_text = NULL;
    char *now_text = NULL;
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_json_print(old_value, false, &old_text, err));
    WN_TRY_OR(done, wn_json_print(reach(now, way), false, &now_text, err));
    /* No limit is kept as 0. */
    const bool is_count = way->keys[1] != NULL && strcmp(way->keys[1], "count") == 0;
    const char *const then = is_count && strcmp(old_text, "0") == 0 ? "all" : old_text;
    const char *const here = is_count && strcmp(now_text, "0") == 0 ? "all" : now_text;
    if (strcmp(old_text, now_text) != 0 && strcmp(way->what, "--profile") == 0) {
        code = profile_fail(old_value, reach(now, way), path, err);
    } else if (strcmp(old_text, now_text) != 0) {
        code = wn_error_set(
            err, WN_RUN, __FILE__, __LINE__,
            "%s: this run differs in %s: %.600s there, %.600s now; choose another --out, or remove that "
            "directory",
            path, way->what, then, here);
    }
done:
    free(old_text);
    free(now_text);
    return code;
}

wn_code wn_recipe_compare(const struct wn_recipe *recipe, const char *path, struct wn_span old,
                          struct wn_error *err)
{
    struct wn_json *old_root = NULL;
    struct wn_json *now_root = NULL;
    char *now_text = NULL;
    struct wn_error inner;
    const wn_code parsed = wn_json_parse(old, WN_RUN, &old_root, &inner);
    WN_CHECK(parsed == WN_OK, err, WN_RUN,
             "%s: is damaged: %.500s; choose another --out, or remove that directory", path, inner.text);
    wn_code code = WN_OK;
    /* Printed and read again, so that both sides went through the same reader. */
    WN_TRY_OR(done, wn_recipe_print(recipe, &now_text, err));
    WN_TRY_OR(done, wn_json_parse(wn_span_of(now_text), WN_DEFECT, &now_root, err));
    for (size_t i = 0; i < sizeof agreed / sizeof *agreed && code == WN_OK; i++) {
        code = agreed_compare(&agreed[i], old_root, now_root, path, err);
    }
done:
    wn_json_free(old_root);
    wn_json_free(now_root);
    free(now_text);
    return code;
}

wn_code wn_recipe_fill(struct wn_recipe *recipe, struct wn_error *err)
{
    struct wn_json *options = options_make(recipe);
    wn_code code = WN_OK;
    if (options == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for the recipe");
        goto done;
    }
    WN_TRY_OR(done, wn_json_print(options, false, &recipe->options_json, err));
    WN_TRY_OR(done, wn_profile_print(recipe->profile, &recipe->profile_json, err));
done:
    wn_json_free(options);
    return code;
}

wn_code wn_recipe_finish(struct wn_recipe *recipe, struct wn_error *err)
{
    WN_CHECK(wn_corpus_is_whole(recipe->corpus), err, WN_DEFECT, "the corpus is hashed before it is known");
    wn_corpus_hash(recipe->corpus, recipe->corpus_hash);
    struct wn_json *files = files_make(recipe->corpus, true);
    WN_CHECK(files != NULL, err, WN_DEVICE, "out of memory for the recipe");
    const wn_code code = wn_json_print(files, false, &recipe->corpus_files_json, err);
    wn_json_free(files);
    return code;
}

void wn_recipe_free(struct wn_recipe *recipe)
{
    free(recipe->profile_json);
    free(recipe->options_json);
    free(recipe->corpus_files_json);
    recipe->profile_json = recipe->options_json = recipe->corpus_files_json = NULL;
}
