/* Forms: the names under which records keep their fields, given by the user or guessed from a record.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Names are fixed once for the whole corpus, so that a record which lacks a field is seen to lack it and never falls
 * back on another field of a similar name. Only the names of role and text inside a message may differ from message
 * to message (role or from; content or value).
 */
#include "corpus/inside.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const form_names[] = {[WN_FORM_DETECT] = "detect",
                                         [WN_FORM_ALPACA] = "alpaca",
                                         [WN_FORM_SHAREGPT] = "sharegpt",
                                         [WN_FORM_MESSAGES] = "messages",
                                         [WN_FORM_PAIR] = "pair"};

/* What people call a field, best first. */
static const char *const list_names[] = {"messages", "conversations", "conversation",
                                         "dialogue", "dialog",        NULL};
static const char *const pair_prompts[] = {"prompt", "question", "query", "problem", NULL};
static const char *const pair_answers[] = {"completion", "response", "output", "answer",
                                           "solution",   "target",   NULL};
static const char *const alpaca_answers[] = {"output", "response", "completion", "answer", "target", NULL};

/* Names of fields in --map. */
static const struct {
    const char *name;
    enum wn_field field;
} map_names[] = {{"instruction", WN_FIELD_INSTRUCTION},
                 {"prompt", WN_FIELD_INSTRUCTION},
                 {"input", WN_FIELD_INPUT},
                 {"query", WN_FIELD_INPUT},
                 {"output", WN_FIELD_OUTPUT},
                 {"response", WN_FIELD_OUTPUT},
                 {"completion", WN_FIELD_OUTPUT},
                 {"answer", WN_FIELD_OUTPUT},
                 {"system", WN_FIELD_SYSTEM},
                 {"history", WN_FIELD_HISTORY},
                 {"messages", WN_FIELD_MESSAGES},
                 {"conversations", WN_FIELD_MESSAGES},
                 {"role", WN_FIELD_ROLE},
                 {"from", WN_FIELD_ROLE},
                 {"content", WN_FIELD_CONTENT},
                 {"value", WN_FIELD_CONTENT}};

/* The usual names of roles, compared without regard to case. */
static const struct {
    const char *name;
    enum wn_role role;
} role_names[] = {
    {"user", WN_ROLE_USER},          {"human", WN_ROLE_USER},
    {"prompter", WN_ROLE_USER},      {"assistant", WN_ROLE_ASSISTANT},
    {"gpt", WN_ROLE_ASSISTANT},      {"model", WN_ROLE_ASSISTANT},
    {"bot", WN_ROLE_ASSISTANT},      {"chatgpt", WN_ROLE_ASSISTANT},
    {"chatbot", WN_ROLE_ASSISTANT},  {"bard", WN_ROLE_ASSISTANT},
    {"bing", WN_ROLE_ASSISTANT},     {"ai", WN_ROLE_ASSISTANT},
    {"system", WN_ROLE_SYSTEM},      {"developer", WN_ROLE_SYSTEM},
    {"tool", WN_ROLE_TOOL},          {"function", WN_ROLE_TOOL},
    {"ipython", WN_ROLE_TOOL},       {"observation", WN_ROLE_TOOL},
    {"function_call", WN_ROLE_TOOL}, {"function_response", WN_ROLE_TOOL},
    {"tool_call", WN_ROLE_TOOL},     {"tool_response", WN_ROLE_TOOL},
    {"function-call", WN_ROLE_TOOL}, {"function-response", WN_ROLE_TOOL},
};

static const enum wn_role tag_roles[WN_TAG_COUNT] = {
    [WN_TAG_USER] = WN_ROLE_USER,        [WN_TAG_ASSISTANT] = WN_ROLE_ASSISTANT,
    [WN_TAG_OBSERVATION] = WN_ROLE_TOOL, [WN_TAG_FUNCTION] = WN_ROLE_TOOL,
    [WN_TAG_SYSTEM] = WN_ROLE_SYSTEM,
};

const char *wn_form_name(enum wn_form form)
{
    return form_names[form];
}

enum wn_form wn_form_find(const char *name)
{
    for (int form = WN_FORM_ALPACA; form <= WN_FORM_PAIR; form++) {
        if (strcmp(name, form_names[form]) == 0) {
            return (enum wn_form)form;
        }
    }
    return WN_FORM_DETECT;
}

bool wn_form_is_conversation(enum wn_form form)
{
    return form == WN_FORM_SHAREGPT || form == WN_FORM_MESSAGES;
}

bool wn_role_find(const struct wn_shape *shape, struct wn_span name, enum wn_role *out_role)
{
    for (size_t i = 0; i < WN_TAG_COUNT; i++) {
        if (shape->tags[i] != NULL && wn_span_is(name, shape->tags[i])) {
            *out_role = tag_roles[i];
            return true;
        }
    }
    for (size_t i = 0; i < sizeof role_names / sizeof role_names[0]; i++) {
        if (strlen(role_names[i].name) == name.size &&
            strncasecmp(role_names[i].name, name.data, name.size) == 0) {
            *out_role = role_names[i].role;
            return true;
        }
    }
    return false;
}

/* A field may stand in --map under several names; the first is its own. */
static const char *map_name(enum wn_field field)
{
    size_t i = 0;
    while (map_names[i].field != field) {
        i++;
    }
    return map_names[i].name;
}

wn_code wn_shape_map(struct wn_shape *shape, const char *map, struct wn_arena *arena, struct wn_error *err)
{
    const char *const equals = strchr(map, '=');
    WN_CHECK(equals != NULL, err, WN_USAGE,
             "--map %s: write FIELD=NAME, for instance --map output=answer; --map input= reads no input",
             map);
    const struct wn_span field = {map, (size_t)(equals - map)};
    for (size_t i = 0; i < sizeof map_names / sizeof map_names[0]; i++) {
        if (!wn_span_is(field, map_names[i].name)) {
            continue;
        }
        const enum wn_field place = map_names[i].field;
        WN_CHECK(equals[1] != 0 || place == WN_FIELD_INPUT || place == WN_FIELD_SYSTEM ||
                     place == WN_FIELD_HISTORY,
                 err, WN_USAGE,
                 "--map %s: the field needs a name; only input, system and history can be left out", map);
        struct wn_span name = {NULL, 0};
        if (equals[1] != 0) {
            WN_TRY(wn_arena_copy(arena, wn_span_of(equals + 1), &name, err));
        }
        WN_CHECK(!shape->mapped[place], err, WN_USAGE,
                 "--map %s: the field \"%s\" is mapped twice; map each field once", map, map_name(place));
        shape->names[place] = name.data;
        shape->given[place] = true;
        shape->mapped[place] = true;
        return WN_OK;
    }
    WN_FAIL(err, WN_USAGE,
            "--map %s: there is no field of this name; the fields are instruction (prompt), input (query), "
            "output "
            "(response, completion, answer), system, history, messages (conversations), role (from), content "
            "(value)",
            map);
}

static bool is_given(const struct wn_shape *shape, bool conversation)
{
    static const enum wn_field text[] = {WN_FIELD_INSTRUCTION, WN_FIELD_INPUT, WN_FIELD_OUTPUT,
                                         WN_FIELD_HISTORY};
    static const enum wn_field talk[] = {WN_FIELD_MESSAGES, WN_FIELD_ROLE, WN_FIELD_CONTENT};
    bool found = false;
    for (size_t i = 0; !conversation && i < sizeof text / sizeof text[0]; i++) {
        found = found || shape->given[text[i]];
    }
    for (size_t i = 0; conversation && i < sizeof talk / sizeof talk[0]; i++) {
        found = found || shape->given[talk[i]];
    }
    return found;
}

wn_code wn_shape_check(const struct wn_shape *shape, struct wn_error *err)
{
    const bool text = is_given(shape, false);
    const bool talk = is_given(shape, true);
    WN_CHECK(!(text && talk), err, WN_USAGE,
             "--map names fields of two forms; give instruction, input, output, history, or messages, role, "
             "content");
    WN_CHECK(
        !text || !wn_form_is_conversation(shape->form), err, WN_USAGE,
        "form %s has no fields instruction, input, output or history; map messages, role, content, system",
        wn_form_name(shape->form));
    WN_CHECK(
        !talk || shape->form == WN_FORM_DETECT || wn_form_is_conversation(shape->form), err, WN_USAGE,
        "form %s has no fields messages, role or content; map instruction, input, output, system, history",
        wn_form_name(shape->form));
    return WN_OK;
}

static const char *first_present(const struct wn_json *record, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (wn_json_get(record, names[i]) != NULL) {
            return names[i];
        }
    }
    return NULL;
}

static void guess_name(struct wn_shape *shape, enum wn_field field, const char *name)
{
    if (!shape->given[field] && name != NULL) {
        shape->names[field] = name;
    }
}

/* A list of messages under a usual or the given name; its elements tell sharegpt from messages. */
static bool guess_conversation(struct wn_shape *shape, const struct wn_json *record)
{
    const char *name = shape->given[WN_FIELD_MESSAGES] ? shape->names[WN_FIELD_MESSAGES] : NULL;
    for (size_t i = 0; name == NULL && list_names[i] != NULL; i++) {
        const struct wn_json *const list = wn_json_get(record, list_names[i]);
        const bool is_list = wn_json_is(list, WN_JSON_ARRAY);
        if (is_list && (wn_json_count(list) == 0 || wn_json_is(wn_json_first(list), WN_JSON_OBJECT))) {
            name = list_names[i];
        }
    }
    const struct wn_json *const list = name == NULL ? NULL : wn_json_get(record, name);
    if (!wn_json_is(list, WN_JSON_ARRAY)) {
        return false;
    }
    guess_name(shape, WN_FIELD_MESSAGES, name);
    if (shape->form == WN_FORM_DETECT) {
        const struct wn_json *const first = wn_json_first(list);
        const bool has_role = wn_json_is(first, WN_JSON_OBJECT) && wn_json_get(first, "role") != NULL;
        const bool has_from = wn_json_is(first, WN_JSON_OBJECT) && wn_json_get(first, "from") != NULL;
        const bool is_messages = has_role || (!has_from && strcmp(name, "messages") == 0);
        shape->form = is_messages ? WN_FORM_MESSAGES : WN_FORM_SHAREGPT;
    }
    return true;
}

static bool guess_pair(struct wn_shape *shape, const struct wn_json *record)
{
    const char *const prompt = first_present(record, pair_prompts);
    const char *const answer = first_present(record, pair_answers);
    if (prompt == NULL || answer == NULL) {
        return false;
    }
    guess_name(shape, WN_FIELD_INSTRUCTION, prompt);
    guess_name(shape, WN_FIELD_OUTPUT, answer);
    shape->form = WN_FORM_PAIR;
    return true;
}

static bool guess_alpaca(struct wn_shape *shape, const struct wn_json *record)
{
    const char *const answer = first_present(record, alpaca_answers);
    const bool has_instruction = wn_json_get(record, "instruction") != NULL;
    if (!has_instruction && wn_json_get(record, "output") == NULL) {
        return false;
    }
    /* Self-instruct keeps its answers in a list; taking the first alone would change the pool. */
    if (answer == NULL && wn_json_get(record, "instances") != NULL) {
        return false;
    }
    guess_name(shape, WN_FIELD_OUTPUT, answer);
    /* The Dolly form: instruction, context, response. */
    if (answer != NULL && strcmp(answer, "response") == 0 && wn_json_get(record, "context") != NULL &&
        wn_json_get(record, "input") == NULL) {
        guess_name(shape, WN_FIELD_INPUT, "context");
    }
    shape->form = WN_FORM_ALPACA;
    return true;
}

bool wn_shape_guess(struct wn_shape *shape, const struct wn_json *record)
{
    if (shape->form == WN_FORM_DETECT) {
        if (is_given(shape, false)) {
            guess_name(shape, WN_FIELD_OUTPUT, first_present(record, alpaca_answers));
            shape->form = WN_FORM_ALPACA;
            return true;
        }
        if (guess_conversation(shape, record)) {
            return true;
        }
        if (is_given(shape, true)) {
            return false;
        }
        const bool has_instruction = wn_json_get(record, "instruction") != NULL;
        return (!has_instruction && guess_pair(shape, record)) || guess_alpaca(shape, record);
    }
    if (wn_form_is_conversation(shape->form)) {
        return guess_conversation(shape, record);
    }
    return shape->form == WN_FORM_PAIR ? guess_pair(shape, record) : guess_alpaca(shape, record);
}

/* A usual name is not taken twice: --map instruction=input leaves no input. */
static void complete_name(struct wn_shape *shape, enum wn_field field, const char *name)
{
    if (shape->given[field] || shape->names[field] != NULL) {
        return;
    }
    for (size_t i = 0; i < WN_FIELD_COUNT; i++) {
        if (shape->names[i] != NULL && strcmp(shape->names[i], name) == 0) {
            return;
        }
    }
    shape->names[field] = name;
}

void wn_shape_complete(struct wn_shape *shape)
{
    complete_name(shape, WN_FIELD_SYSTEM, "system");
    if (wn_form_is_conversation(shape->form)) {
        complete_name(shape, WN_FIELD_MESSAGES,
                      shape->form == WN_FORM_SHAREGPT ? "conversations" : "messages");
        return;
    }
    const bool is_pair = shape->form == WN_FORM_PAIR;
    complete_name(shape, WN_FIELD_INSTRUCTION, is_pair ? "prompt" : "instruction");
    complete_name(shape, WN_FIELD_OUTPUT, is_pair ? "completion" : "output");
    if (!is_pair) {
        complete_name(shape, WN_FIELD_INPUT, "input");
        complete_name(shape, WN_FIELD_HISTORY, "history");
    }
}

wn_code wn_shape_fail(const struct wn_json *record, const char *where, const char *path, bool is_alone,
                      struct wn_error *err)
{
    char keys[512] = "";
    size_t n = 0;
    for (const struct wn_json *m = wn_json_first(record); m != NULL; m = wn_json_next(m)) {
        const struct wn_span key = wn_json_key(m);
        if (wn_json_is(m, WN_JSON_ARRAY) && wn_json_is(wn_json_first(m), WN_JSON_OBJECT)) {
            WN_CHECK(!wn_span_is(key, "instances"), err, WN_INPUT,
                     "%s: \"instances\" holds the inputs and outputs in a list (self-instruct); write one "
                     "record for each: "
                     "jq -c '{instruction} + .instances[]' '%s' > '%s.flat.jsonl'",
                     where, path, path);
            WN_CHECK(!is_alone, err, WN_INPUT,
                     "%s: this is one object around the records, which stand in its field \"%.*s\"; give the "
                     "list alone: "
                     "jq -c '.[\"%.*s\"][]' '%s' > '%s.flat.jsonl'",
                     where, (int)key.size, key.data, (int)key.size, key.data, path, path);
            WN_FAIL(err, WN_INPUT,
                    "%s has none of the known forms; if its field \"%.*s\" holds the messages, say --map "
                    "messages=%.*s "
                    "(and --map role=NAME --map content=NAME where these have other names)",
                    where, (int)key.size, key.data, (int)key.size, key.data);
        }
        if (key.size < 100 && n + key.size + 6 < sizeof keys) {
            n += (size_t)snprintf(keys + n, sizeof keys - n, "%s\"%.*s\"", n == 0 ? "" : ", ", (int)key.size,
                                  key.data);
        }
    }
    WN_FAIL(err, WN_INPUT,
            "%s has none of the known forms; its fields are %s. Known are instruction and output (alpaca), "
            "conversations "
            "(sharegpt), messages, prompt and completion or response (pair); name others with --map, for "
            "instance --map "
            "instruction=NAME --map output=NAME",
            where, n == 0 ? "none" : keys);
}
