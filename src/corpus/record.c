/* One record: its JSON, its fields, and the messages they stand for. Bad records are statuses with a reason.
 * SPDX-License-Identifier: Apache-2.0
 *
 * All texts are copied into the arena, so nothing of the parsed JSON outlives the call.
 */
#include "corpus/inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

wn_code wn_parse_bad(struct wn_parse *parse, enum wn_status status, struct wn_error *err, const char *format,
                     ...)
{
    if (!wn_parse_good(parse)) {
        return WN_OK;
    }
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    parse->record->status = status;
    return wn_arena_copy(parse->arena, wn_span_of(text), &parse->record->why, err);
}

bool wn_parse_good(const struct wn_parse *parse)
{
    return parse->record->status == WN_STATUS_OK;
}

wn_code wn_parse_text(struct wn_parse *parse, const struct wn_json *value, const char *where,
                      bool *out_has_text, struct wn_span *out_text, struct wn_error *err)
{
    *out_has_text = false;
    *out_text = (struct wn_span){"", 0};
    if (value == NULL || wn_json_is(value, WN_JSON_NULL)) {
        return WN_OK;
    }
    if (!wn_json_is(value, WN_JSON_STRING)) {
        return wn_parse_bad(parse, WN_STATUS_PARSE_ERROR, err, "field \"%s\" must be text, not %s", where,
                            wn_json_type_name(value));
    }
    *out_has_text = true;
    return wn_arena_copy(parse->arena, wn_json_text(value), out_text, err);
}

wn_code wn_parse_room(struct wn_parse *parse, size_t n, struct wn_error *err)
{
    parse->max_messages = n;
    return WN_ARENA_NEW(parse->arena, n, &parse->messages, err);
}

void wn_parse_add(struct wn_parse *parse, struct wn_message message)
{
    struct wn_record *const record = parse->record;
    if (message.input.data == NULL) {
        message.input = (struct wn_span){"", 0};
    }
    record->n_turns += message.role == WN_ROLE_ASSISTANT ? 1 : 0;
    parse->messages[record->n_messages++] = message;
}

static const struct wn_json *field_of(const struct wn_parse *parse, const struct wn_json *root,
                                      enum wn_field field)
{
    const char *const name = parse->shape->names[field];
    return name == NULL ? NULL : wn_json_get(root, name);
}

static wn_code add_text(struct wn_parse *parse, enum wn_role role, const struct wn_json *value,
                        const char *where, struct wn_error *err)
{
    struct wn_message message = {.role = role};
    WN_TRY(wn_parse_text(parse, value, where, &message.has_text, &message.text, err));
    wn_parse_add(parse, message);
    return WN_OK;
}

/* [[question, answer], ...]: earlier turns. */
static wn_code add_history(struct wn_parse *parse, const struct wn_json *history, struct wn_error *err)
{
    const char *const name = parse->shape->names[WN_FIELD_HISTORY];
    size_t number = 0;
    for (const struct wn_json *pair = wn_json_first(history); pair != NULL;
         pair = wn_json_next(pair), number++) {
        if (!wn_json_is(pair, WN_JSON_ARRAY) || wn_json_count(pair) != 2) {
            return wn_parse_bad(parse, WN_STATUS_PARSE_ERROR, err,
                                "field \"%s[%zu]\" must be an array of a question and an answer", name,
                                number);
        }
        char where[256];
        const struct wn_json *const question = wn_json_first(pair);
        (void)snprintf(where, sizeof where, "%.200s[%zu][0]", name, number);
        WN_TRY(add_text(parse, WN_ROLE_USER, question, where, err));
        (void)snprintf(where, sizeof where, "%.200s[%zu][1]", name, number);
        WN_TRY(add_text(parse, WN_ROLE_ASSISTANT, wn_json_next(question), where, err));
    }
    return WN_OK;
}

/* A record with none of the form's fields may be a record of another form: it must not pass as an empty answer. */
static wn_code check_form(struct wn_parse *parse, const struct wn_json *root, struct wn_error *err)
{
    const struct wn_json *const list = wn_json_get(root, "messages") != NULL
                                           ? wn_json_get(root, "messages")
                                           : wn_json_get(root, "conversations");
    if (wn_json_is(list, WN_JSON_ARRAY)) {
        return wn_parse_bad(
            parse, WN_STATUS_UNSUPPORTED, err,
            "the record holds a list of messages, but the corpus is read in form %s; give files of one form",
            wn_form_name(parse->shape->form));
    }
    if (wn_json_get(root, "instances") != NULL) {
        return wn_parse_bad(
            parse, WN_STATUS_UNSUPPORTED, err,
            "field \"instances\" holds several inputs and outputs; write one record for each");
    }
    return WN_OK;
}

/* The earlier turns; NULL where they are absent or bad. */
static wn_code find_history(struct wn_parse *parse, const struct wn_json *root,
                            const struct wn_json **out_history, struct wn_error *err)
{
    const struct wn_json *const history = field_of(parse, root, WN_FIELD_HISTORY);
    *out_history = NULL;
    if (history == NULL || wn_json_is(history, WN_JSON_NULL)) {
        return WN_OK;
    }
    if (!wn_json_is(history, WN_JSON_ARRAY)) {
        return wn_parse_bad(parse, WN_STATUS_PARSE_ERROR, err, "field \"%s\" must be an array, not %s",
                            parse->shape->names[WN_FIELD_HISTORY], wn_json_type_name(history));
    }
    *out_history = history;
    return WN_OK;
}

/* Forms alpaca and pair. */
static wn_code parse_fields(struct wn_parse *parse, const struct wn_json *root, struct wn_error *err)
{
    const char *const *const names = parse->shape->names;
    const struct wn_json *const input = field_of(parse, root, WN_FIELD_INPUT);
    const struct wn_json *const output = field_of(parse, root, WN_FIELD_OUTPUT);
    const struct wn_json *const system = field_of(parse, root, WN_FIELD_SYSTEM);
    const struct wn_json *history = NULL;
    WN_TRY(output == NULL ? check_form(parse, root, err) : WN_OK);
    WN_TRY(find_history(parse, root, &history, err));
    WN_TRY(wn_parse_room(parse, 2 * (history == NULL ? 0 : wn_json_count(history)) + 3, err));
    WN_TRY(system == NULL ? WN_OK : add_text(parse, WN_ROLE_SYSTEM, system, names[WN_FIELD_SYSTEM], err));
    WN_TRY(history == NULL ? WN_OK : add_history(parse, history, err));
    struct wn_message user = {.role = WN_ROLE_USER};
    bool has_input = false;
    WN_TRY(wn_parse_text(parse, field_of(parse, root, WN_FIELD_INSTRUCTION), names[WN_FIELD_INSTRUCTION],
                         &user.has_text, &user.text, err));
    WN_TRY(wn_parse_text(parse, input, names[WN_FIELD_INPUT], &has_input, &user.input, err));
    wn_parse_add(parse, user);
    return add_text(parse, WN_ROLE_ASSISTANT, output, names[WN_FIELD_OUTPUT], err);
}

static wn_code parse_root(struct wn_parse *parse, const struct wn_json *root, struct wn_error *err)
{
    if (!wn_json_is(root, WN_JSON_OBJECT)) {
        return wn_parse_bad(parse, WN_STATUS_PARSE_ERROR, err, "the record must be an object, not %s",
                            wn_json_type_name(root));
    }
    return wn_form_is_conversation(parse->shape->form) ? wn_parse_conversation(parse, root, err)
                                                       : parse_fields(parse, root, err);
}

wn_code wn_record_parse(const struct wn_corpus *corpus, struct wn_span bytes, struct wn_arena *arena,
                        struct wn_record *out_record, struct wn_error *err)
{
    memset(out_record, 0, sizeof *out_record);
    out_record->status = WN_STATUS_OK;
    out_record->why = (struct wn_span){"", 0};
    struct wn_parse parse = {.shape = &corpus->shape, .arena = arena, .record = out_record};
    struct wn_json *root = NULL;
    struct wn_error bad;
    wn_code code = wn_json_parse(bytes, WN_INPUT, &root, &bad);
    if (code == WN_INPUT && wn_scan_mark(bytes) > 0) {
        code = wn_parse_bad(
            &parse, WN_STATUS_PARSE_ERROR, err,
            "a byte order mark (EF BB BF) inside the file, before the record (byte 0); remove it");
    } else if (code == WN_INPUT) {
        code = wn_parse_bad(&parse, WN_STATUS_PARSE_ERROR, err, "%.900s", bad.text);
    } else if (code != WN_OK) {
        WN_FAIL(err, code, "%s", bad.text);
    } else {
        code = parse_root(&parse, root, err);
    }
    wn_json_free(root);
    if (wn_parse_good(&parse)) {
        out_record->messages = parse.messages;
    } else {
        out_record->n_messages = 0;
        out_record->n_turns = 0;
    }
    return code;
}

wn_code wn_corpus_record(struct wn_corpus_reader *reader, uint64_t index, struct wn_arena *arena,
                         struct wn_record *out_record, struct wn_error *err)
{
    struct wn_place place;
    struct wn_span bytes;
    WN_TRY(wn_corpus_read(reader, index, &place, &bytes, err));
    WN_TRY(wn_record_parse(wn_reader_corpus(reader), bytes, arena, out_record, err));
    out_record->place = place;
    return WN_OK;
}
