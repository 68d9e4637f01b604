/* Where the recipe of `winnow explain` comes from.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A member of run.json and the file it is in, for messages. */
struct place {
    const char *path;
    const struct wn_json *object;
};

static wn_code member(const struct place *at, const char *key, enum wn_json_type type,
                      const struct wn_json **out, struct wn_error *err)
{
    const struct wn_json *value =
        wn_json_is(at->object, WN_JSON_OBJECT) ? wn_json_get(at->object, key) : NULL;
    WN_CHECK(wn_json_is(value, type), err, WN_RUN,
             "%s: has no good \"%s\"; name corpus and model by --data and --model", at->path, key);
    *out = value;
    return WN_OK;
}

static wn_code text_member(const struct place *at, const char *key, struct wn_arena *arena, const char **out,
                           struct wn_error *err)
{
    const struct wn_json *value = NULL;
    struct wn_span copy;
    WN_TRY(member(at, key, WN_JSON_STRING, &value, err));
    WN_TRY(wn_arena_copy(arena, wn_json_text(value), &copy, err));
    *out = copy.data;
    return WN_OK;
}

static wn_code integer_member(const struct place *at, const char *key, int64_t *out, struct wn_error *err)
{
    const struct wn_json *value = NULL;
    WN_TRY(member(at, key, WN_JSON_NUMBER, &value, err));
    WN_CHECK(wn_json_integer(value, out) && *out >= 0, err, WN_RUN, "%s: \"%s\" is no count", at->path, key);
    return WN_OK;
}

/* Texts of an array: of its strings, or of the member `key` of its objects. */
static wn_code texts_member(const struct place *at, const char *array, const char *key,
                            struct wn_arena *arena, const char *const **out, size_t *out_n,
                            struct wn_error *err)
{
    const struct wn_json *list = NULL;
    const char **texts = NULL;
    size_t n = 0;
    WN_TRY(member(at, array, WN_JSON_ARRAY, &list, err));
    WN_TRY(WN_ARENA_NEW(arena, wn_json_count(list) + 1, &texts, err));
    for (const struct wn_json *item = wn_json_first(list); item != NULL; item = wn_json_next(item)) {
        const struct wn_json *text = key == NULL                        ? item
                                     : wn_json_is(item, WN_JSON_OBJECT) ? wn_json_get(item, key)
                                                                        : NULL;
        struct wn_span copy;
        WN_CHECK(wn_json_is(text, WN_JSON_STRING), err, WN_RUN, "%s: \"%s\" is damaged", at->path, array);
        WN_TRY(wn_arena_copy(arena, wn_json_text(text), &copy, err));
        texts[n++] = copy.data;
    }
    *out = texts;
    *out_n = n;
    return WN_OK;
}

/* A recorded recipe that is not a built-in one is read the way a user's file is. */
static wn_code recorded_profile(const struct place *pass, struct wn_arena *arena, struct wn_profile *out,
                                struct wn_error *err)
{
    const struct wn_json *value = NULL;
    WN_TRY(member(pass, "profile", WN_JSON_OBJECT, &value, err));
    const struct wn_json *name = wn_json_get(value, "name");
    const char *const *names = wn_profile_names();
    for (size_t i = 0; wn_json_is(name, WN_JSON_STRING) && names[i] != NULL; i++) {
        if (wn_span_is(wn_json_text(name), names[i])) {
            return wn_profile_find(names[i], arena, out, err);
        }
    }
    const char *folder = getenv("TMPDIR");
    char *text = NULL;
    char path[4096];
    WN_TRY(wn_json_print(value, false, &text, err));
    snprintf(path, sizeof path, "file:%s/winnow-profile-XXXXXX",
             folder != NULL && folder[0] != 0 ? folder : "/tmp");
    const int file = mkstemp(path + strlen("file:"));
    wn_code code = WN_OK;
    if (file < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text)) {
        code = wn_error_set(err, WN_IO, __FILE__, __LINE__, "%s: cannot be written", path + strlen("file:"));
    } else {
        code = wn_profile_find(path, arena, out, err);
    }
    if (file >= 0) {
        (void)close(file);
        (void)unlink(path + strlen("file:"));
    }
    free(text);
    return code;
}

static bool is(const char *text, const char *word)
{
    return strcmp(text, word) == 0;
}

static wn_code options_take(const struct place *root, struct wn_arena *arena,
                            struct wn_explain_source *source, struct wn_error *err)
{
    struct place options = {root->path, NULL};
    const char *text = NULL;
    int64_t number = 0;
    struct wn_score_options *score = &source->score;
    struct wn_corpus_options *corpus = &source->corpus;
    const struct wn_json *aligned = NULL;
    WN_TRY(member(root, "options", WN_JSON_OBJECT, &options.object, err));
    WN_TRY(integer_member(&options, "max_length", &number, err));
    score->max_length = (int32_t)number;
    WN_TRY(text_member(&options, "turns", arena, &text, err));
    score->turns = is(text, "first") ? WN_TURNS_FIRST : is(text, "last") ? WN_TURNS_LAST : WN_TURNS_ALL;
    WN_TRY(text_member(&options, "split", arena, &text, err));
    score->split = is(text, "offsets") ? WN_SPLIT_OFFSETS : WN_SPLIT_PREFIX;
    WN_TRY(text_member(&options, "direct_window", arena, &text, err));
    score->direct_window = is(text, "header") ? WN_WINDOW_HEADER : WN_WINDOW_PUBLISHED;
    WN_TRY(member(&options, "aligned", WN_JSON_BOOLEAN, &aligned, err));
    score->aligned = wn_json_boolean(aligned);
    WN_TRY(integer_member(&options, "first", &number, err));
    source->run_first = (uint64_t)number;
    WN_TRY(integer_member(&options, "count", &number, err));
    source->run_count = (uint64_t)number;
    WN_TRY(text_member(&options, "form", arena, &text, err));
    corpus->form = wn_form_find(text);
    WN_TRY(text_member(&options, "id_key", arena, &corpus->id_key, err));
    corpus->id_key = corpus->id_key[0] != 0 ? corpus->id_key : NULL;
    WN_TRY(texts_member(&options, "map", NULL, arena, &corpus->map, &corpus->n_map, err));
    WN_TRY(text_member(&options, "dataset", arena, &text, err));
    if (text[0] == 0) {
        return texts_member(root, "inputs", "path", arena, &corpus->paths, &corpus->n_paths, err);
    }
    corpus->dataset = text;
    corpus->form = WN_FORM_DETECT;
    return text_member(&options, "dataset_info", arena, &corpus->dataset_info, err);
}

static wn_code run_take(const struct place *root, struct wn_arena *arena, struct wn_explain_source *source,
                        struct wn_error *err)
{
    const struct wn_json *passes = NULL;
    struct place at = {root->path, NULL};
    WN_TRY(options_take(root, arena, source, err));
    WN_TRY(member(root, "passes", WN_JSON_ARRAY, &passes, err));
    const struct place pass = {root->path, wn_json_first(passes)};
    WN_TRY(member(&pass, "model", WN_JSON_OBJECT, &at.object, err));
    WN_TRY(text_member(&at, "path", arena, &source->model, err));
    WN_TRY(member(&pass, "numeric", WN_JSON_OBJECT, &at.object, err));
    WN_TRY(text_member(&at, "dtype", arena, &source->model_options.dtype, err));
    WN_TRY(text_member(&at, "backend", arena, &source->model_options.device, err));
    return recorded_profile(&pass, arena, &source->profile, err);
}

static wn_code run_read(const char *run, struct wn_arena *arena, struct wn_explain_source *source,
                        struct wn_error *err)
{
    struct wn_map map = {0};
    struct wn_json *json = NULL;
    char *path = wn_path_join(run, "run.json");
    wn_code code = WN_OK;
    WN_CHECK(path != NULL, err, WN_DEVICE, "out of memory for a path");
    if (!wn_path_exists(path)) {
        code = wn_error_set(
            err, WN_USAGE, __FILE__, __LINE__,
            "%s: is no run directory (it has no run.json); name one, or corpus and model by --data and "
            "--model",
            run);
        goto done;
    }
    WN_TRY_OR(done, wn_map_open(path, WN_RUN, &map, err));
    struct wn_error inner;
    if (wn_json_parse(map.bytes, WN_RUN, &json, &inner) != WN_OK) {
        code = wn_error_set(err, WN_RUN, __FILE__, __LINE__,
                            "%s: is damaged: %.500s; name corpus and model by --data and --model", path,
                            inner.text);
        goto done;
    }
    const struct place root = {path, json};
    code = run_take(&root, arena, source, err);
done:
    wn_json_free(json);
    wn_map_close(&map);
    free(path);
    return code;
}

/* Flags typed beside RUN stand above what the run recorded. */
static wn_code flags_take(const struct wn_context *context, struct wn_arena *arena,
                          struct wn_explain_source *source, struct wn_error *err)
{
    const struct wn_settings *settings = context->settings;
    const struct wn_score_options typed = wn_score_options_of(context);
    const bool all = source->run == NULL;
    if (all || settings->data.n > 0 || settings->dataset_info != NULL) {
        const struct wn_corpus_options before = source->corpus;
        WN_TRY(wn_corpus_options_of(settings, &source->corpus, err));
        if (!all && !wn_settings_given(settings, "form")) {
            source->corpus.form = before.form;
        }
        if (!all && !wn_settings_given(settings, "map")) {
            source->corpus.map = before.map;
            source->corpus.n_map = before.n_map;
        }
    }
    if (settings->model != NULL) {
        source->model = settings->model;
    }
    if (all || wn_settings_given(settings, "profile")) {
        WN_TRY(wn_profile_find(settings->profile, arena, &source->profile, err));
    }
    source->score.max_length = settings->max_length > 0 ? typed.max_length : source->score.max_length;
    source->score.turns = wn_settings_given(settings, "turns") ? typed.turns : source->score.turns;
    source->score.split = wn_settings_given(settings, "split") ? typed.split : source->score.split;
    if (wn_settings_given(settings, "direct-window")) {
        source->score.direct_window = typed.direct_window;
    }
    source->score.aligned = source->score.aligned || typed.aligned;
    if (all || wn_settings_given(settings, "dtype")) {
        source->model_options.dtype = settings->dtype;
    }
    if (all || wn_settings_given(settings, "device")) {
        source->model_options.device = settings->device;
    }
    return WN_OK;
}

wn_code wn_explain_source_make(const struct wn_context *context, struct wn_arena *arena,
                               struct wn_explain_source *out_source, struct wn_error *err)
{
    const struct wn_settings *settings = context->settings;
    memset(out_source, 0, sizeof *out_source);
    out_source->model_options = wn_model_options_of(context);
    WN_CHECK(wn_settings_given(settings, "index"), err, WN_USAGE,
             "`winnow explain` needs --index I, the record's number counted from 0");
    WN_CHECK(settings->operands.n <= 1, err, WN_USAGE, "`winnow explain` takes one run; what is %s?",
             settings->operands.items[1]);
    if (settings->operands.n == 1) {
        out_source->run = settings->operands.items[0];
        WN_TRY(run_read(out_source->run, arena, out_source, err));
    }
    WN_TRY(flags_take(context, arena, out_source, err));
    WN_TRY(wn_need(out_source->model, settings, "--model M (or a run directory)", err));
    out_source->score.profile = &out_source->profile;
    out_source->score.keep_tokens = true;
    out_source->score.log = &context->log;
    return WN_OK;
}
