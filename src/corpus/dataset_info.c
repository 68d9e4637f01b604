/* LLaMA-Factory's dataset_info.json: which file a data set is and how its fields are called.
 * SPDX-License-Identifier: Apache-2.0
 *
 * As LLaMA-Factory reads it (src/llamafactory/data/parser.py): without "columns" the usual names hold; with it, a
 * column that is not named is not read. Entries for ranking, KTO and other media cannot be scored and are refused.
 */
#include "corpus/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct info {
    const char *path;
    const char *dataset;
    struct wn_arena *arena;
    struct wn_shape *shape;
};

static const struct {
    const char *name;
    enum wn_field field;
    bool conversation; /* of the sharegpt and openai formattings */
    bool text;         /* of the alpaca formatting */
} columns[] = {
    {"prompt", WN_FIELD_INSTRUCTION, false, true}, {"query", WN_FIELD_INPUT, false, true},
    {"response", WN_FIELD_OUTPUT, false, true},    {"history", WN_FIELD_HISTORY, false, true},
    {"messages", WN_FIELD_MESSAGES, true, false},  {"system", WN_FIELD_SYSTEM, true, true},
};

static const struct {
    const char *name;
    const char *why;
} refused[] = {
    {"chosen", "it holds pairs of answers for preference training"},
    {"rejected", "it holds pairs of answers for preference training"},
    {"kto_tag", "it holds rated answers for preference training"},
    {"images", "its records have images"},
    {"videos", "its records have videos"},
    {"audios", "its records have sound"},
};

static const struct {
    const char *name;
    int tag; /* enum wn_tag, or -1: a field */
    enum wn_field field;
} tags[] = {
    {"role_tag", -1, WN_FIELD_ROLE},
    {"content_tag", -1, WN_FIELD_CONTENT},
    {"user_tag", WN_TAG_USER, WN_FIELD_COUNT},
    {"assistant_tag", WN_TAG_ASSISTANT, WN_FIELD_COUNT},
    {"observation_tag", WN_TAG_OBSERVATION, WN_FIELD_COUNT},
    {"function_tag", WN_TAG_FUNCTION, WN_FIELD_COUNT},
    {"system_tag", WN_TAG_SYSTEM, WN_FIELD_COUNT},
};

/* A text member in the arena; NULL where it is absent or null. */
static wn_code take_text(const struct info *info, const struct wn_json *value, const char *what,
                         const char **out, struct wn_error *err)
{
    *out = NULL;
    if (value == NULL || wn_json_is(value, WN_JSON_NULL)) {
        return WN_OK;
    }
    WN_CHECK(wn_json_is(value, WN_JSON_STRING), err, WN_INPUT,
             "%s: \"%s\" of dataset \"%s\" must be text, not %s", info->path, what, info->dataset,
             wn_json_type_name(value));
    struct wn_span copy;
    WN_TRY(wn_arena_copy(info->arena, wn_json_text(value), &copy, err));
    WN_CHECK(copy.size > 0 && strlen(copy.data) == copy.size, err, WN_INPUT,
             "%s: \"%s\" of dataset \"%s\" is no name: it is empty or holds U+0000", info->path, what,
             info->dataset);
    *out = copy.data;
    return WN_OK;
}

static wn_code read_column(const struct info *info, const struct wn_json *column, struct wn_error *err)
{
    const struct wn_span key = wn_json_key(column);
    struct wn_shape *const shape = info->shape;
    const bool conversation = wn_form_is_conversation(shape->form);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        WN_CHECK(!wn_span_is(key, refused[i].name), err, WN_INPUT,
                 "%s: dataset \"%s\" has the column \"%s\": %s, which is not scored; give a data set of "
                 "prompts and "
                 "answers in text",
                 info->path, info->dataset, refused[i].name, refused[i].why);
    }
    if (wn_span_is(key, "tools")) {
        return WN_OK; /* descriptions of tools are no part of any profile's texts */
    }
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        if (wn_span_is(key, columns[i].name)) {
            WN_CHECK(
                conversation ? columns[i].conversation : columns[i].text, err, WN_INPUT,
                "%s: dataset \"%s\" has the column \"%s\", which does not belong to its formatting; mend "
                "\"formatting\" (alpaca or sharegpt) or the column",
                info->path, info->dataset, columns[i].name);
            return take_text(info, column, columns[i].name, &shape->names[columns[i].field], err);
        }
    }
    WN_FAIL(err, WN_INPUT,
            "%s: dataset \"%s\" has the column \"%.*s\", which is not known; known are prompt, query, "
            "response, history, "
            "system, messages, tools",
            info->path, info->dataset, (int)(key.size < 200 ? key.size : 200), key.data);
}

/* What holds without "columns". */
static void set_usual_names(struct wn_shape *shape)
{
    const bool conversation = wn_form_is_conversation(shape->form);
    shape->names[WN_FIELD_INSTRUCTION] = conversation ? NULL : "instruction";
    shape->names[WN_FIELD_INPUT] = conversation ? NULL : "input";
    shape->names[WN_FIELD_OUTPUT] = conversation ? NULL : "output";
    shape->names[WN_FIELD_MESSAGES] = conversation ? "conversations" : NULL;
}

static wn_code check_names(const struct info *info, struct wn_error *err)
{
    struct wn_shape *const shape = info->shape;
    if (wn_form_is_conversation(shape->form)) {
        if (shape->names[WN_FIELD_MESSAGES] == NULL) {
            shape->names[WN_FIELD_MESSAGES] = "conversations";
        }
        return WN_OK;
    }
    WN_CHECK(shape->names[WN_FIELD_INSTRUCTION] != NULL && shape->names[WN_FIELD_OUTPUT] != NULL, err,
             WN_INPUT,
             "%s: dataset \"%s\" has no column \"%s\": without prompt and response there is nothing to score",
             info->path, info->dataset, shape->names[WN_FIELD_OUTPUT] == NULL ? "response" : "prompt");
    return WN_OK;
}

static wn_code read_columns(const struct info *info, const struct wn_json *entry, struct wn_error *err)
{
    struct wn_shape *const shape = info->shape;
    const bool conversation = wn_form_is_conversation(shape->form);
    const struct wn_json *const list = wn_json_get(entry, "columns");
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        shape->given[columns[i].field] = conversation ? columns[i].conversation : columns[i].text;
    }
    if (list == NULL || wn_json_is(list, WN_JSON_NULL)) {
        set_usual_names(shape);
        return WN_OK;
    }
    WN_CHECK(wn_json_is(list, WN_JSON_OBJECT), err, WN_INPUT,
             "%s: \"columns\" of dataset \"%s\" must be an object, not %s", info->path, info->dataset,
             wn_json_type_name(list));
    for (const struct wn_json *column = wn_json_first(list); column != NULL; column = wn_json_next(column)) {
        WN_TRY(read_column(info, column, err));
    }
    return check_names(info, err);
}

static wn_code read_tags(const struct info *info, const struct wn_json *entry, struct wn_error *err)
{
    const struct wn_json *const list = wn_json_get(entry, "tags");
    struct wn_shape *const shape = info->shape;
    if (list == NULL || wn_json_is(list, WN_JSON_NULL)) {
        return WN_OK;
    }
    WN_CHECK(wn_json_is(list, WN_JSON_OBJECT), err, WN_INPUT,
             "%s: \"tags\" of dataset \"%s\" must be an object, not %s", info->path, info->dataset,
             wn_json_type_name(list));
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        const struct wn_json *const value = wn_json_get(list, tags[i].name);
        const char **const place = tags[i].tag < 0 ? &shape->names[tags[i].field] : &shape->tags[tags[i].tag];
        WN_TRY(take_text(info, value, tags[i].name, place, err));
        if (tags[i].tag < 0) {
            shape->given[tags[i].field] = *place != NULL;
        }
    }
    return WN_OK;
}

static wn_code read_form(const struct info *info, const struct wn_json *entry, struct wn_error *err)
{
    const struct wn_json *const ranking = wn_json_get(entry, "ranking");
    WN_CHECK(!wn_json_is(ranking, WN_JSON_BOOLEAN) || !wn_json_boolean(ranking), err, WN_INPUT,
             "%s: dataset \"%s\" is for ranking: it holds pairs of answers, which are not scored; give a "
             "data set of "
             "prompts and answers",
             info->path, info->dataset);
    const char *formatting = NULL;
    WN_TRY(take_text(info, wn_json_get(entry, "formatting"), "formatting", &formatting, err));
    if (formatting == NULL || strcmp(formatting, "alpaca") == 0) {
        info->shape->form = WN_FORM_ALPACA;
    } else if (strcmp(formatting, "sharegpt") == 0) {
        info->shape->form = WN_FORM_SHAREGPT;
    } else if (strcmp(formatting, "openai") == 0) {
        info->shape->form = WN_FORM_MESSAGES;
    } else {
        WN_FAIL(err, WN_INPUT,
                "%s: formatting \"%s\" of dataset \"%s\" is not known; known are alpaca, sharegpt, openai",
                info->path, formatting, info->dataset);
    }
    return WN_OK;
}

/* The file stands beside dataset_info.json unless its name begins at the root. */
static wn_code find_file(const struct info *info, const struct wn_json *entry, const char **out_path,
                         struct wn_error *err)
{
    const char *name = NULL;
    WN_TRY(take_text(info, wn_json_get(entry, "file_name"), "file_name", &name, err));
    const char *const slash = strrchr(info->path, '/');
    if (name == NULL || name[0] == '/' || slash == NULL) {
        *out_path = name;
        return WN_OK;
    }
    char *path = NULL;
    WN_CHECK(asprintf(&path, "%.*s/%s", (int)(slash - info->path), info->path, name) >= 0, err, WN_DEVICE,
             "out of memory for a path");
    struct wn_span copy;
    const wn_code code = wn_arena_copy(info->arena, wn_span_of(path), &copy, err);
    free(path);
    WN_TRY(code);
    *out_path = copy.data;
    return WN_OK;
}

static wn_code fail_unknown(const struct info *info, const struct wn_json *root, struct wn_error *err)
{
    char names[1024] = "";
    size_t n = 0;
    for (const struct wn_json *m = wn_json_first(root); m != NULL; m = wn_json_next(m)) {
        const struct wn_span key = wn_json_key(m);
        if (wn_json_get(m, "file_name") != NULL && n + key.size + 3 < sizeof names) {
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%.*s", n == 0 ? "" : ", ", (int)key.size,
                                  key.data);
        }
    }
    WN_FAIL(err, WN_USAGE, "%s has no dataset \"%s\"; those with a file are: %s", info->path, info->dataset,
            n == 0 ? "none" : names);
}

static wn_code read_entry(const struct info *info, const struct wn_json *root, const char **out_path,
                          struct wn_error *err)
{
    WN_CHECK(wn_json_is(root, WN_JSON_OBJECT), err, WN_INPUT, "%s must be an object of data sets, not %s",
             info->path, wn_json_type_name(root));
    for (const struct wn_json *m = wn_json_first(root); m != NULL; m = wn_json_next(m)) {
        const struct wn_span key = wn_json_key(m);
        WN_CHECK(wn_json_is(m, WN_JSON_OBJECT), err, WN_INPUT,
                 "%s: dataset \"%.*s\" must be an object, not %s", info->path,
                 (int)(key.size < 200 ? key.size : 200), key.data, wn_json_type_name(m));
    }
    const struct wn_json *const entry = wn_json_get(root, info->dataset);
    if (entry == NULL) {
        return fail_unknown(info, root, err);
    }
    WN_TRY(read_form(info, entry, err));
    WN_TRY(read_columns(info, entry, err));
    WN_TRY(read_tags(info, entry, err));
    return find_file(info, entry, out_path, err);
}

wn_code wn_dataset_info_read(const char *path, const char *dataset, struct wn_arena *arena,
                             struct wn_shape *shape, const char **out_path, struct wn_error *err)
{
    const struct info info = {path, dataset, arena, shape};
    struct wn_map map;
    WN_TRY(wn_map_open(path, WN_INPUT, &map, err));
    struct wn_json *root = NULL;
    struct wn_error bad;
    struct wn_span text = map.bytes;
    const size_t mark = wn_scan_mark(text);
    text = (struct wn_span){text.size == 0 ? "" : text.data + mark, text.size - mark};
    wn_code code = wn_json_parse(text, WN_INPUT, &root, &bad);
    if (code != WN_OK) {
        code = wn_error_set(err, code, bad.file, bad.line, "%s: %s", path, bad.text);
        goto done;
    }
    code = read_entry(&info, root, out_path, err);
done:
    wn_json_free(root);
    wn_map_close(&map);
    return code;
}
