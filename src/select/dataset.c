/* The subset's entry in dataset_info.json, as LLaMA-Factory reads it (src/llamafactory/data/parser.py).
 * SPDX-License-Identifier: Apache-2.0
 *
 * The entry of the data set that was scored is taken over where there was one; else the fields are named as
 * they stand in the chosen records. With "columns" given, a column that is not named is not read, so all that
 * exist are named.
 */
#include "select/parts.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>

/* A column of an entry: its name there, its name in --map, and what records call it, best first (the order in
 * which the corpus guesses). */
struct column {
    const char *name;
    const char *maps[4];
    const char *keys[8];
};

static const struct column alpaca_columns[] = {
    {"prompt", {"instruction", "prompt"}, {"instruction"}},
    {"query", {"input", "query"}, {"input", "context"}},
    {"response",
     {"output", "response", "completion", "answer"},
     {"output", "response", "completion", "answer", "target"}},
    {"system", {"system"}, {"system"}},
    {"history", {"history"}, {"history"}},
    {"tools", {NULL}, {"tools"}},
};

static const struct column pair_columns[] = {
    {"prompt", {"instruction", "prompt"}, {"prompt", "question", "query", "problem"}},
    {"response",
     {"output", "response", "completion", "answer"},
     {"completion", "response", "output", "answer", "solution", "target"}},
    {"system", {"system"}, {"system"}},
};

static const struct column message_columns[] = {
    {"messages",
     {"messages", "conversations"},
     {"messages", "conversations", "conversation", "dialogue", "dialog"}},
    {"system", {"system"}, {"system"}},
    {"tools", {NULL}, {"tools"}},
};

/* The name that --map gives: NULL where it says nothing; "" where it leaves the field out. */
static const char *map_find(const struct wn_corpus_options *options, const struct column *column)
{
    for (size_t i = options == NULL ? 0 : options->n_map; i > 0; i--) {
        const char *equals = strchr(options->map[i - 1], '=');
        for (size_t m = 0; equals != NULL && m < 4 && column->maps[m] != NULL; m++) {
            const struct wn_span field = {options->map[i - 1], (size_t)(equals - options->map[i - 1])};
            if (wn_span_is(field, column->maps[m])) {
                return equals + 1;
            }
        }
    }
    return NULL;
}

/* The first of the column's keys that any of the records has; NULL for none. */
static wn_code key_find(const struct column *column, const struct wn_span *records, uint64_t n,
                        const char **out_key, struct wn_error *err)
{
    size_t n_keys = 0;
    while (n_keys < 8 && column->keys[n_keys] != NULL) {
        n_keys++;
    }
    uint32_t found = 0;
    for (uint64_t i = 0; i < n && (found & 1U) == 0; i++) {
        uint32_t bits = 0;
        WN_TRY(wn_object_has(records[i], column->keys, n_keys, &bits, err));
        found |= bits;
    }
    *out_key = NULL;
    for (size_t i = n_keys; i > 0; i--) {
        *out_key = (found >> (i - 1) & 1U) != 0 ? column->keys[i - 1] : *out_key;
    }
    return WN_OK;
}

static bool text_add(struct wn_json *object, const char *key, const char *text)
{
    return wn_json_add_text(object, key, wn_span_of(text));
}

/* The names of roles as the first records write them; conversations of one data set agree on them. */
static bool tags_add(struct wn_json *entry, const char *messages, enum wn_form form, struct wn_span record)
{
    static const char *const users[] = {"user", "human", "prompter", NULL};
    static const char *const answers[] = {"assistant", "gpt", "model", "bot", "chatgpt", "chatbot", NULL};
    struct wn_json *root = NULL;
    const char *role_tag = form == WN_FORM_SHAREGPT ? "from" : "role";
    const char *content_tag = form == WN_FORM_SHAREGPT ? "value" : "content";
    const char *user = form == WN_FORM_SHAREGPT ? "human" : "user";
    const char *answer = form == WN_FORM_SHAREGPT ? "gpt" : "assistant";
    if (record.size > 0 && wn_json_parse(record, WN_INPUT, &root, NULL) != WN_OK) {
        root = NULL;
    }
    const struct wn_json *list = root == NULL ? NULL : wn_json_get(root, messages);
    const struct wn_json *first = wn_json_is(list, WN_JSON_ARRAY) ? wn_json_first(list) : NULL;
    for (const struct wn_json *m = first; m != NULL; m = wn_json_next(m)) {
        if (!wn_json_is(m, WN_JSON_OBJECT)) {
            continue;
        }
        role_tag = wn_json_get(m, "role") != NULL   ? "role"
                   : wn_json_get(m, "from") != NULL ? "from"
                                                    : role_tag;
        content_tag = wn_json_get(m, "content") != NULL ? "content"
                      : wn_json_get(m, "value") != NULL ? "value"
                                                        : content_tag;
        const struct wn_json *role = wn_json_get(m, role_tag);
        for (size_t i = 0; wn_json_is(role, WN_JSON_STRING) && users[i] != NULL; i++) {
            user = wn_span_is(wn_json_text(role), users[i]) ? users[i] : user;
        }
        for (size_t i = 0; wn_json_is(role, WN_JSON_STRING) && answers[i] != NULL; i++) {
            answer = wn_span_is(wn_json_text(role), answers[i]) ? answers[i] : answer;
        }
    }
    wn_json_free(root);
    struct wn_json *tags = wn_json_new_object();
    const bool ok = tags != NULL && text_add(tags, "role_tag", role_tag) &&
                    text_add(tags, "content_tag", content_tag) && text_add(tags, "user_tag", user) &&
                    text_add(tags, "assistant_tag", answer) && text_add(tags, "system_tag", "system") &&
                    text_add(tags, "observation_tag", form == WN_FORM_SHAREGPT ? "observation" : "tool") &&
                    text_add(tags, "function_tag", "function_call");
    if (!ok) {
        wn_json_free(tags);
        return false;
    }
    return wn_json_add_value(entry, "tags", tags);
}

static wn_code columns_add(struct wn_json *entry, const struct wn_subset_options *options, enum wn_form form,
                           const struct wn_span *records, uint64_t n, struct wn_error *err)
{
    const bool is_conversation = form == WN_FORM_SHAREGPT || form == WN_FORM_MESSAGES;
    const struct column *columns = is_conversation        ? message_columns
                                   : form == WN_FORM_PAIR ? pair_columns
                                                          : alpaca_columns;
    const size_t n_columns = is_conversation        ? sizeof message_columns / sizeof *columns
                             : form == WN_FORM_PAIR ? sizeof pair_columns / sizeof *columns
                                                    : sizeof alpaca_columns / sizeof *columns;
    struct wn_json *object = wn_json_new_object();
    const char *messages = NULL;
    wn_code code = object != NULL ? WN_OK : WN_DEVICE;
    for (size_t i = 0; i < n_columns && code == WN_OK; i++) {
        const char *key = map_find(options->corpus, &columns[i]);
        if (key == NULL) {
            code = key_find(&columns[i], records, n, &key, err);
        }
        const bool is_needed = i == 0 || strcmp(columns[i].name, "response") == 0;
        key = key == NULL && is_needed ? columns[i].keys[0]
                                       : key; /* an empty subset has no records to look at */
        if (code == WN_OK && key != NULL && *key != '\0' && !text_add(object, columns[i].name, key)) {
            code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for dataset_info.json");
        }
        messages = i == 0 ? key : messages;
    }
    if (code != WN_OK) {
        wn_json_free(object);
        return code;
    }
    bool ok = wn_json_add_value(entry, "columns", object);
    if (ok && is_conversation) {
        ok = tags_add(entry, messages, form, n > 0 ? records[0] : (struct wn_span){NULL, 0});
    }
    WN_CHECK(ok, err, WN_DEVICE, "out of memory for dataset_info.json");
    return WN_OK;
}

/* A new entry from the form of the records. */
static wn_code entry_make(const struct wn_subset_options *options, const struct wn_corpus *corpus,
                          const struct wn_names *names, const struct wn_span *records, uint64_t n,
                          struct wn_bytes *out, struct wn_error *err)
{
    const enum wn_form form = wn_corpus_form(corpus);
    struct wn_json *entry = wn_json_new_object();
    char *text = NULL;
    wn_code code = WN_OK;
    bool ok = entry != NULL && text_add(entry, "file_name", names->base);
    if (ok && (form == WN_FORM_SHAREGPT || form == WN_FORM_MESSAGES)) {
        ok = text_add(entry, "formatting", "sharegpt");
    }
    if (ok) {
        WN_TRY_OR(done, columns_add(entry, options, form, records, n, err));
        WN_TRY_OR(done, wn_json_print(entry, true, &text, err));
        ok = wn_json_tidy(text, 1, out);
    }
    if (!ok) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for dataset_info.json");
    }
done:
    free(text);
    wn_json_free(entry);
    return code;
}

/* The object in a dataset_info.json, parsed once so that the byte work below meets valid JSON. */
static wn_code info_open(const char *path, struct wn_map *out_map, struct wn_span *out_object,
                         struct wn_error *err)
{
    WN_TRY(wn_map_open(path, WN_INPUT, out_map, err));
    struct wn_span text = out_map->bytes;
    if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) { /* a BOM is no part of JSON */
        text.data += 3;
        text.size -= 3;
    }
    struct wn_json *root = NULL;
    struct wn_error inner = {.text = ""};
    const wn_code code = wn_json_parse(text, WN_INPUT, &root, &inner);
    const bool is_object = code == WN_OK && wn_json_is(root, WN_JSON_OBJECT);
    wn_json_free(root);
    if (!is_object) {
        wn_map_close(out_map);
        WN_FAIL(err, WN_INPUT,
                "%s: is not a JSON object (%.500s), so the subset cannot be entered there: mend it, or write "
                "the subset into another folder",
                path, code == WN_OK ? "another kind of value" : inner.text);
    }
    while (text.size > 0 && text.data[0] != '{') {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && text.data[text.size - 1] != '}') {
        text.size--;
    }
    *out_object = text;
    return WN_OK;
}

/* The entry of the data set that was scored, with the new file name. */
static wn_code entry_copy(const struct wn_corpus_options *from, const struct wn_names *names,
                          struct wn_bytes *out, struct wn_error *err)
{
    struct wn_map map = {{NULL, 0}, NULL};
    struct wn_span object, value;
    struct wn_json *name = wn_json_new_object();
    char *text = NULL;
    wn_code code = WN_OK;
    WN_TRY_OR(done, info_open(from->dataset_info, &map, &object, err));
    WN_TRY_OR(done, wn_object_value(object, from->dataset, &value, err));
    if (name == NULL || !text_add(name, "file_name", names->base)) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for dataset_info.json");
        goto done;
    }
    WN_TRY_OR(done, wn_json_print(name, false, &text, err));
    struct wn_span quoted = {NULL, 0};
    WN_TRY_OR(done, wn_object_value(wn_span_of(text), "file_name", &quoted, err));
    /* The checksum of the old file does not hold for the new one. */
    const struct wn_member members[] = {{"file_name", quoted}, {"file_sha1", wn_span_of("null")}};
    struct wn_span sha1 = {NULL, 0};
    WN_TRY_OR(done, wn_object_value(value, "file_sha1", &sha1, err));
    code = wn_object_set(value, members, sha1.size > 0 ? 2 : 1, out, err);
done:
    free(text);
    wn_json_free(name);
    wn_map_close(&map);
    return code;
}

/* An entry of the subset's name may be replaced only where it is the subset's own, and only if the caller says so. */
static wn_code entry_check(const struct wn_names *names, struct wn_span old, bool replace,
                           struct wn_error *err)
{
    struct wn_json *parsed = NULL;
    WN_TRY(wn_json_parse(old, WN_INPUT, &parsed, err));
    const struct wn_json *file = wn_json_is(parsed, WN_JSON_OBJECT) ? wn_json_get(parsed, "file_name") : NULL;
    const bool is_own = wn_json_is(file, WN_JSON_STRING) && wn_span_is(wn_json_text(file), names->base);
    wn_json_free(parsed);
    WN_CHECK(is_own, err, WN_USAGE, "%s has an entry \"%s\" of another file: give the subset another name",
             names->dataset_info, names->entry);
    WN_CHECK(
        replace, err, WN_USAGE,
        "%s has an entry \"%s\" already: give the subset another name, or say --force to replace the entry",
        names->dataset_info, names->entry);
    return WN_OK;
}

/* Put the entry into the existing file's text. */
static wn_code info_merge(const struct wn_names *names, struct wn_span entry, bool replace,
                          struct wn_bytes *out, struct wn_error *err)
{
    struct wn_map map = {{NULL, 0}, NULL};
    struct wn_span object, old;
    WN_TRY(info_open(names->dataset_info, &map, &object, err));
    wn_code code = wn_object_value(object, names->entry, &old, err);
    if (code == WN_OK && old.size > 0) {
        code = entry_check(names, old, replace, err);
    }
    const struct wn_member member = {names->entry, entry};
    bool ok = true;
    if (code == WN_OK) {
        const struct wn_span before = {map.bytes.data, (size_t)(object.data - map.bytes.data)};
        const char *end = object.data + object.size;
        const struct wn_span after = {end, (size_t)(map.bytes.data + map.bytes.size - end)};
        ok = wn_bytes_append(out, before);
        code = wn_object_set(object, &member, 1, out, err);
        ok = ok && wn_bytes_append(out, after);
    }
    wn_map_close(&map);
    WN_CHECK(code != WN_OK || ok, err, WN_DEVICE, "out of memory for dataset_info.json");
    return code;
}

wn_code wn_dataset_info_make(const struct wn_subset_options *options, const struct wn_corpus *corpus,
                             const struct wn_names *names, const struct wn_span *records, uint64_t n,
                             struct wn_bytes *out, struct wn_error *err)
{
    const struct wn_corpus_options *from = options->corpus;
    struct wn_bytes entry = {0};
    wn_code code = from != NULL && from->dataset_info != NULL && from->dataset != NULL
                       ? entry_copy(from, names, &entry, err)
                       : entry_make(options, corpus, names, records, n, &entry, err);
    const struct wn_span text = wn_bytes_span(&entry);
    if (code == WN_OK && wn_path_exists(names->dataset_info)) {
        code = info_merge(names, text, options->replace, out, err);
    } else if (code == WN_OK &&
               !(wn_bytes_append(out, wn_span_of("{\n  \"")) &&
                 wn_bytes_append(out, wn_span_of(names->entry)) && wn_bytes_append(out, wn_span_of("\": ")) &&
                 wn_bytes_append(out, text) && wn_bytes_append(out, wn_span_of("\n}\n")))) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for dataset_info.json");
    }
    wn_bytes_free(&entry);
    return code;
}
