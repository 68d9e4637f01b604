/* Conversations: a list of messages with role and text, as ShareGPT, FastChat, OpenAI and LLaMA-Factory write them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The text of a message is a string, or a list of text parts, joined without anything between them. The calls of tools
 * that an assistant's message carries are a tool's message of their own behind it: context, never an answer.
 */
#include "corpus/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A message being read: its place for messages to people. */
struct at {
    struct wn_parse *parse;
    const char *list; /* name of the list */
    size_t number;
};

static const struct wn_json *first_of(const struct wn_json *object, const char *given,
                                      const char *const names[2], const char **out_name)
{
    if (given != NULL) {
        *out_name = given;
        return wn_json_get(object, given);
    }
    *out_name = names[0];
    const struct wn_json *const value = wn_json_get(object, names[0]);
    if (value != NULL) {
        return value;
    }
    const struct wn_json *const other = wn_json_get(object, names[1]);
    if (other != NULL) {
        *out_name = names[1];
    }
    return other;
}

static wn_code find_role(const struct at *at, const struct wn_json *message, enum wn_role *out_role,
                         struct wn_error *err)
{
    static const char *const names[2] = {"role", "from"};
    const struct wn_shape *const shape = at->parse->shape;
    const char *name = NULL;
    const struct wn_json *const value = first_of(message, shape->names[WN_FIELD_ROLE], names, &name);
    if (value == NULL || !wn_json_is(value, WN_JSON_STRING)) {
        return wn_parse_bad(at->parse, WN_STATUS_PARSE_ERROR, err, "field \"%.100s[%zu].%.100s\" %s%s",
                            at->list, at->number, name, value == NULL ? "is missing" : "must be text, not ",
                            value == NULL ? "" : wn_json_type_name(value));
    }
    const struct wn_span role = wn_json_text(value);
    if (!wn_role_find(shape, role, out_role)) {
        return wn_parse_bad(
            at->parse, WN_STATUS_UNSUPPORTED, err,
            "field \"%.100s[%zu].%.100s\" is \"%.*s\"; known roles are user (human), assistant (gpt, model, "
            "bot, chatgpt), system, tool (observation, function_call, function_response)",
            at->list, at->number, name, (int)(role.size < 60 ? role.size : 60), role.data);
    }
    return WN_OK;
}

/* The text of one part, or bad. */
static wn_code read_part(const struct at *at, const struct wn_json *part, const char *where,
                         struct wn_span *out_text, struct wn_error *err)
{
    bool has_text = false;
    *out_text = (struct wn_span){"", 0};
    if (wn_json_is(part, WN_JSON_STRING)) {
        return wn_parse_text(at->parse, part, where, &has_text, out_text, err);
    }
    if (!wn_json_is(part, WN_JSON_OBJECT)) {
        return wn_parse_bad(at->parse, WN_STATUS_PARSE_ERROR, err, "field \"%s\" must be a text part, not %s",
                            where, wn_json_type_name(part));
    }
    const struct wn_json *const type = wn_json_get(part, "type");
    if (type != NULL && wn_json_is(type, WN_JSON_STRING)) {
        const struct wn_span name = wn_json_text(type);
        if (!wn_span_is(name, "text") && !wn_span_is(name, "input_text") &&
            !wn_span_is(name, "output_text")) {
            return wn_parse_bad(at->parse, WN_STATUS_UNSUPPORTED, err,
                                "field \"%s\" is a part of type \"%.*s\"; only text is scored", where,
                                (int)(name.size < 60 ? name.size : 60), name.data);
        }
    } else if (type != NULL && !wn_json_is(type, WN_JSON_NULL)) {
        return wn_parse_bad(at->parse, WN_STATUS_PARSE_ERROR, err, "field \"%s.type\" must be text, not %s",
                            where, wn_json_type_name(type));
    }
    static const char *const names[2] = {"text", "value"};
    const char *name = NULL;
    const struct wn_json *const value = first_of(part, NULL, names, &name);
    if (value == NULL) {
        return wn_parse_bad(at->parse, WN_STATUS_PARSE_ERROR, err, "field \"%s\" is a part without text",
                            where);
    }
    char inside[400];
    (void)snprintf(inside, sizeof inside, "%.300s.%s", where, name);
    return wn_parse_text(at->parse, value, inside, &has_text, out_text, err);
}

/* Parts joined without anything between them. */
static wn_code read_parts(const struct at *at, const struct wn_json *list, const char *where,
                          struct wn_span *out_text, struct wn_error *err)
{
    const size_t n = wn_json_count(list);
    struct wn_span *texts = NULL;
    WN_TRY(WN_ARENA_NEW(at->parse->arena, n, &texts, err));
    size_t size = 0;
    size_t number = 0;
    for (const struct wn_json *part = wn_json_first(list); part != NULL;
         part = wn_json_next(part), number++) {
        char inside[320];
        (void)snprintf(inside, sizeof inside, "%.280s[%zu]", where, number);
        WN_TRY(read_part(at, part, inside, &texts[number], err));
        if (!wn_parse_good(at->parse)) {
            return WN_OK;
        }
        size += texts[number].size;
    }
    if (n == 1) {
        *out_text = texts[0];
        return WN_OK;
    }
    char *joined = NULL;
    WN_TRY(WN_ARENA_NEW(at->parse->arena, size + 1, &joined, err));
    size_t filled = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(joined + filled, texts[i].data, texts[i].size);
        filled += texts[i].size;
    }
    *out_text = (struct wn_span){joined, size};
    return WN_OK;
}

static wn_code read_content(const struct at *at, const struct wn_json *message, bool *out_has_text,
                            struct wn_span *out_text, struct wn_error *err)
{
    static const char *const names[2] = {"content", "value"};
    const char *name = NULL;
    const struct wn_json *const value =
        first_of(message, at->parse->shape->names[WN_FIELD_CONTENT], names, &name);
    char where[300];
    (void)snprintf(where, sizeof where, "%.100s[%zu].%.100s", at->list, at->number, name);
    if (value != NULL && wn_json_is(value, WN_JSON_ARRAY)) {
        *out_has_text = true;
        return read_parts(at, value, where, out_text, err);
    }
    return wn_parse_text(at->parse, value, where, out_has_text, out_text, err);
}

/* Calls of tools, as OpenAI writes them beside the content; NULL where there are none. */
static const struct wn_json *find_calls(const struct wn_json *message)
{
    const struct wn_json *const calls = wn_json_get(message, "tool_calls");
    if (calls != NULL && wn_json_is(calls, WN_JSON_ARRAY) && wn_json_count(calls) > 0) {
        return calls;
    }
    const struct wn_json *const call = wn_json_get(message, "function_call");
    return call != NULL && wn_json_is(call, WN_JSON_OBJECT) ? call : NULL;
}

static wn_code add_calls(const struct at *at, const struct wn_json *calls, struct wn_error *err)
{
    char *text = NULL;
    struct wn_message message = {.role = WN_ROLE_TOOL, .has_text = true};
    WN_TRY(wn_json_print(calls, false, &text, err));
    const wn_code code = wn_arena_copy(at->parse->arena, wn_span_of(text), &message.text, err);
    free(text);
    WN_TRY(code);
    wn_parse_add(at->parse, message);
    return WN_OK;
}

static wn_code add_message(const struct at *at, const struct wn_json *value, struct wn_error *err)
{
    if (!wn_json_is(value, WN_JSON_OBJECT)) {
        return wn_parse_bad(at->parse, WN_STATUS_PARSE_ERROR, err,
                            "field \"%.100s[%zu]\" must be a message, not %s", at->list, at->number,
                            wn_json_type_name(value));
    }
    struct wn_message message = {.role = WN_ROLE_USER};
    WN_TRY(find_role(at, value, &message.role, err));
    WN_TRY(read_content(at, value, &message.has_text, &message.text, err));
    if (!wn_parse_good(at->parse)) {
        return WN_OK;
    }
    const struct wn_json *const calls = message.role == WN_ROLE_ASSISTANT ? find_calls(value) : NULL;
    if (calls == NULL || message.text.size > 0) {
        wn_parse_add(at->parse, message);
    }
    return calls == NULL ? WN_OK : add_calls(at, calls, err);
}

/* A record of another form must not pass as a conversation without an answer. */
static wn_code check_absent(struct wn_parse *parse, const struct wn_json *root, struct wn_error *err)
{
    static const char *const others[] = {"instruction", "output", "prompt", "messages", "conversations"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(others[i], parse->shape->names[WN_FIELD_MESSAGES]) != 0 &&
            wn_json_get(root, others[i]) != NULL) {
            return wn_parse_bad(
                parse, WN_STATUS_UNSUPPORTED, err,
                "field \"%.100s\" is missing and \"%s\" is there, but the corpus is read in form %s; give "
                "files of one form",
                parse->shape->names[WN_FIELD_MESSAGES], others[i], wn_form_name(parse->shape->form));
        }
    }
    return WN_OK;
}

/* The list of messages; NULL where it is absent or bad. */
static wn_code find_list(struct wn_parse *parse, const struct wn_json *root, const struct wn_json **out_list,
                         struct wn_error *err)
{
    const char *const name = parse->shape->names[WN_FIELD_MESSAGES];
    const struct wn_json *const list = wn_json_get(root, name);
    *out_list = NULL;
    if (list == NULL) {
        return check_absent(parse, root, err);
    }
    if (wn_json_is(list, WN_JSON_ARRAY)) {
        *out_list = list;
        return WN_OK;
    }
    return wn_json_is(list, WN_JSON_NULL)
               ? WN_OK
               : wn_parse_bad(parse, WN_STATUS_PARSE_ERROR, err, "field \"%.100s\" must be an array, not %s",
                              name, wn_json_type_name(list));
}

static wn_code add_system(struct wn_parse *parse, const struct wn_json *root, struct wn_error *err)
{
    const char *const name = parse->shape->names[WN_FIELD_SYSTEM];
    const struct wn_json *const system = name == NULL ? NULL : wn_json_get(root, name);
    if (system == NULL) {
        return WN_OK;
    }
    struct wn_message message = {.role = WN_ROLE_SYSTEM};
    WN_TRY(wn_parse_text(parse, system, name, &message.has_text, &message.text, err));
    wn_parse_add(parse, message);
    return WN_OK;
}

wn_code wn_parse_conversation(struct wn_parse *parse, const struct wn_json *root, struct wn_error *err)
{
    const struct wn_json *list = NULL;
    WN_TRY(find_list(parse, root, &list, err));
    /* Each message may bring its calls; the system text and a missing answer are two more. */
    WN_TRY(wn_parse_room(parse, 2 * (list == NULL ? 0 : wn_json_count(list)) + 2, err));
    WN_TRY(add_system(parse, root, err));
    struct at at = {parse, parse->shape->names[WN_FIELD_MESSAGES], 0};
    const struct wn_json *value = list == NULL ? NULL : wn_json_first(list);
    while (value != NULL && wn_parse_good(parse)) {
        WN_TRY(add_message(&at, value, err));
        value = wn_json_next(value);
        at.number++;
    }
    if (parse->record->n_turns == 0 && wn_parse_good(parse)) {
        wn_parse_add(parse, (struct wn_message){.role = WN_ROLE_ASSISTANT, .text = {"", 0}});
    }
    return WN_OK;
}
