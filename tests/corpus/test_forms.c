/* Forms: what the fields of a record become, and what makes a record bad.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "help.h"

/* The first record of a file in some form, as one line. */
struct form_case {
    const char *bytes;
    enum wn_form asked, form;
    const char *line;
};

static const struct form_case form_cases[] = {
    /* alpaca */
    {"{\"instruction\":\"a\",\"input\":\"b\",\"output\":\"c\"}", WN_FORM_DETECT, WN_FORM_ALPACA,
     "ok U(a|b) A(c)"},
    {"{\"instruction\":\"a\",\"output\":\"c\"}", WN_FORM_DETECT, WN_FORM_ALPACA, "ok U(a) A(c)"},
    {"{\"instruction\":\"a\",\"input\":null,\"output\":\"c\",\"system\":null,\"history\":null}",
     WN_FORM_DETECT, WN_FORM_ALPACA, "ok S(-) U(a) A(c)"},
    {"{\"instruction\":\"\",\"input\":\"\",\"output\":\"\"}", WN_FORM_DETECT, WN_FORM_ALPACA, "ok U() A()"},
    {"{\"instruction\":null,\"output\":\"c\"}", WN_FORM_DETECT, WN_FORM_ALPACA, "ok U(-) A(c)"},
    {"{\"input\":\"b\",\"output\":\"c\"}", WN_FORM_DETECT, WN_FORM_ALPACA, "ok U(-|b) A(c)"},
    {"{\"instruction\":\"a\"}", WN_FORM_DETECT, WN_FORM_ALPACA, "ok U(a) A(-)"},
    {"{\"instruction\":\"a\",\"output\":\"c\",\"system\":\"s\",\"history\":[[\"q\",\"r\"],[\"t\",null]]}",
     WN_FORM_DETECT, WN_FORM_ALPACA, "ok S(s) U(q) A(r) U(t) A(-) U(a) A(c)"},
    {"{\"instruction\":\"a\",\"response\":\"c\",\"context\":\"b\"}", WN_FORM_DETECT, WN_FORM_ALPACA,
     "ok U(a|b) A(c)"},
    {"{\"instruction\":\"a\",\"output\":\"c\",\"Output\":5,\"id\":9007199254740993,\"p\":NaN,\"q\":-"
     "Infinity}",
     WN_FORM_DETECT, WN_FORM_ALPACA, "ok U(a) A(c)"},
    /* pair */
    {"{\"prompt\":\"a\",\"completion\":\"c\"}", WN_FORM_DETECT, WN_FORM_PAIR, "ok U(a) A(c)"},
    {"{\"prompt\":\"a\",\"response\":\"c\",\"input\":\"x\"}", WN_FORM_DETECT, WN_FORM_PAIR, "ok U(a) A(c)"},
    {"{\"question\":\"a\",\"answer\":\"c\"}", WN_FORM_DETECT, WN_FORM_PAIR, "ok U(a) A(c)"},
    {"{\"prompt\":\"a\",\"output\":\"c\"}", WN_FORM_DETECT, WN_FORM_PAIR, "ok U(a) A(c)"},
    {"{\"prompt\":\"a\",\"completion\":null}", WN_FORM_PAIR, WN_FORM_PAIR, "ok U(a) A(-)"},
    /* sharegpt */
    {"{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":\"gpt\",\"value\":\"c\"}]}",
     WN_FORM_DETECT, WN_FORM_SHAREGPT, "ok U(a) A(c)"},
    {"{\"system\":\"s\",\"tools\":\"[]\",\"conversations\":[{\"from\":\"user\",\"value\":\"a\"},{\"from\":"
     "\"function_call\","
     "\"value\":\"f\"},{\"from\":\"observation\",\"value\":\"o\"},{\"from\":\"chatgpt\",\"value\":\"c\"}]}",
     WN_FORM_DETECT, WN_FORM_SHAREGPT, "ok S(s) U(a) T(f) T(o) A(c)"},
    {"{\"conversations\":[{\"from\":\"System\",\"value\":\"s\"},{\"from\":\"Human\",\"value\":\"a\"},{"
     "\"from\":\"bot\","
     "\"value\":\"c\"},{\"from\":\"model\",\"value\":\"d\"},{\"from\":\"tool\",\"value\":\"e\"}]}",
     WN_FORM_DETECT, WN_FORM_SHAREGPT, "ok S(s) U(a) A(c) A(d) T(e)"},
    {"{\"conversations\":[]}", WN_FORM_DETECT, WN_FORM_SHAREGPT, "ok A(-)"},
    {"{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"}]}", WN_FORM_DETECT, WN_FORM_SHAREGPT,
     "ok U(a) A(-)"},
    {"{\"conversations\":[{\"role\":\"user\",\"content\":\"a\"}]}", WN_FORM_DETECT, WN_FORM_MESSAGES,
     "ok U(a) A(-)"},
    /* messages */
    {"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"c\"}]}",
     WN_FORM_DETECT, WN_FORM_MESSAGES, "ok U(a) A(c)"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
     "\"value\":\"b\"},"
     "\"c\"]},{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"d\"}]}]}",
     WN_FORM_DETECT, WN_FORM_MESSAGES, "ok U(abc) A(d)"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":null},{\"role\":\"assistant\",\"content\":[]}]}",
     WN_FORM_DETECT, WN_FORM_MESSAGES, "ok U(-) A()"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":null,\"tool_"
     "calls\":[{\"id\":1}]},"
     "{\"role\":\"tool\",\"content\":\"r\"},{\"role\":\"assistant\",\"content\":\"c\",\"tool_calls\":[]}]}",
     WN_FORM_DETECT, WN_FORM_MESSAGES, "ok U(a) T([{\"id\":1}]) T(r) A(c)"},
    {"{\"messages\":null}", WN_FORM_MESSAGES, WN_FORM_MESSAGES, "ok A(-)"},
    /* text stays as it is */
    {"{\"instruction\":\"\\u0061\\n\\t\\ud83d\\ude42\",\"output\":\"\xEF\xBB\xBF{instruction}\\r\\n\"}",
     WN_FORM_DETECT, WN_FORM_ALPACA, "ok U(a\n\t\xF0\x9F\x99\x82) A(\xEF\xBB\xBF{instruction}\r\n)"},
    /* bad records: the form is asked for */
    {"{\"instruction\":\"a\",\"output\":5}", WN_FORM_ALPACA, WN_FORM_ALPACA,
     "parse_error: field \"output\" must be text, not number"},
    {"{\"instruction\":[\"a\"],\"output\":\"c\"}", WN_FORM_ALPACA, WN_FORM_ALPACA,
     "parse_error: field \"instruction\" must be text, not array"},
    {"{\"instruction\":\"a\",\"input\":true,\"output\":\"c\"}", WN_FORM_ALPACA, WN_FORM_ALPACA,
     "parse_error: field \"input\" must be text, not boolean"},
    {"{\"instruction\":\"a\",\"output\":{}}", WN_FORM_ALPACA, WN_FORM_ALPACA,
     "parse_error: field \"output\" must be text, not object"},
    {"{\"instruction\":\"a\",\"output\":NaN}", WN_FORM_ALPACA, WN_FORM_ALPACA,
     "parse_error: field \"output\" must be text, not number"},
    {"{\"instruction\":\"a\",\"system\":1,\"output\":\"c\"}", WN_FORM_ALPACA, WN_FORM_ALPACA,
     "parse_error: field \"system\" must be text, not number"},
    {"{\"instruction\":\"a\",\"history\":{},\"output\":\"c\"}", WN_FORM_ALPACA, WN_FORM_ALPACA,
     "parse_error: field \"history\" must be an array, not object"},
    {"{\"instruction\":\"a\",\"history\":[[\"q\"]],\"output\":\"c\"}", WN_FORM_ALPACA, WN_FORM_ALPACA,
     "parse_error: field \"history[0]\" must be an array of a question and an answer"},
    {"{\"instruction\":\"a\",\"history\":[[\"q\",\"r\"],[\"q\",2]],\"output\":\"c\"}", WN_FORM_ALPACA,
     WN_FORM_ALPACA, "parse_error: field \"history[1][1]\" must be text, not number"},
    {"{\"instruction\":\"a\",\"instances\":[{\"output\":\"c\"}]}", WN_FORM_ALPACA, WN_FORM_ALPACA,
     "unsupported: field \"instances\" holds several inputs and outputs; write one record for each"},
    {"{\"messages\":[]}", WN_FORM_ALPACA, WN_FORM_ALPACA,
     "unsupported: the record holds a list of messages, but the corpus is read in form alpaca; give files of "
     "one form"},
    {"{\"instruction\":\"a\",\"output\":\"c\"}", WN_FORM_MESSAGES, WN_FORM_MESSAGES,
     "unsupported: field \"messages\" is missing and \"instruction\" is there, but the corpus is read in "
     "form messages; "
     "give files of one form"},
    {"{\"messages\":{}}", WN_FORM_MESSAGES, WN_FORM_MESSAGES,
     "parse_error: field \"messages\" must be an array, not object"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},7]}", WN_FORM_MESSAGES, WN_FORM_MESSAGES,
     "parse_error: field \"messages[1]\" must be a message, not number"},
    {"{\"messages\":[{\"content\":\"a\"}]}", WN_FORM_MESSAGES, WN_FORM_MESSAGES,
     "parse_error: field \"messages[0].role\" is missing"},
    {"{\"messages\":[{\"role\":null,\"content\":\"a\"}]}", WN_FORM_MESSAGES, WN_FORM_MESSAGES,
     "parse_error: field \"messages[0].role\" must be text, not null"},
    {"{\"messages\":[{\"role\":\"narrator\",\"content\":\"a\"}]}", WN_FORM_MESSAGES, WN_FORM_MESSAGES,
     "unsupported: field \"messages[0].role\" is \"narrator\"; known roles are user (human), assistant (gpt, "
     "model, bot, "
     "chatgpt), system, tool (observation, function_call, function_response)"},
    {"{\"conversations\":[{\"from\":\"human\",\"value\":3}]}", WN_FORM_SHAREGPT, WN_FORM_SHAREGPT,
     "parse_error: field \"conversations[0].value\" must be text, not number"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}]}",
     WN_FORM_MESSAGES, WN_FORM_MESSAGES,
     "unsupported: field \"messages[0].content[0]\" is a part of type \"image_url\"; only text is scored"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]}", WN_FORM_MESSAGES,
     WN_FORM_MESSAGES, "parse_error: field \"messages[0].content[0]\" is a part without text"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":1}]}]}", WN_FORM_MESSAGES,
     WN_FORM_MESSAGES, "parse_error: field \"messages[0].content[0].text\" must be text, not number"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":[4]}]}", WN_FORM_MESSAGES, WN_FORM_MESSAGES,
     "parse_error: field \"messages[0].content[0]\" must be a text part, not number"},
};

Test(forms, every_form_becomes_messages_and_every_bad_field_is_named)
{
    struct wn_arena *arena = NULL;
    struct wn_error err;
    WN_TEST_OK(wn_arena_new(&arena, &err));
    for (size_t i = 0; i < sizeof form_cases / sizeof form_cases[0]; i++) {
        const struct form_case *const c = &form_cases[i];
        struct wn_corpus *corpus = NULL;
        struct wn_corpus_reader *reader = NULL;
        struct wn_record record;
        WN_TEST_OK(corpus_of(wn_span_of(c->bytes), c->asked, &corpus, &err));
        cr_assert_eq(wn_corpus_form(corpus), c->form, "%s is %s", c->bytes,
                     wn_form_name(wn_corpus_form(corpus)));
        WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
        WN_TEST_OK(wn_corpus_record(reader, 0, arena, &record, &err));
        cr_assert_str_eq(record_line(&record, arena), c->line, "%s", c->bytes);
        uint32_t answers = 0;
        for (size_t k = 0; k < record.n_messages; k++) {
            answers += record.messages[k].role == WN_ROLE_ASSISTANT;
        }
        cr_assert_eq(record.n_turns, answers);
        cr_assert(record.n_turns > 0 || record.status != WN_STATUS_OK);
        wn_corpus_reader_free(reader);
        wn_corpus_free(corpus);
    }
    wn_arena_free(arena);
}

Test(forms, text_with_nul_is_kept_whole)
{
    struct wn_arena *arena = NULL;
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    struct wn_record record;
    WN_TEST_OK(wn_arena_new(&arena, &err));
    const struct wn_span bytes =
        wn_span_of("{\"instruction\":\"\\u0000\",\"input\":\"a\\u0000b\",\"output\":\"\\u0001x\\u0000\"}");
    WN_TEST_OK(corpus_of(bytes, WN_FORM_DETECT, &corpus, &err));
    WN_TEST_OK(wn_record_parse(corpus, bytes, arena, &record, &err));
    cr_assert(wn_span_equal(record.messages[0].text, SPAN("\0")));
    cr_assert(wn_span_equal(record.messages[0].input, SPAN("a\0b")));
    cr_assert(wn_span_equal(record.messages[1].text, SPAN("\x01x\0")));
    wn_corpus_free(corpus);
    wn_arena_free(arena);
}

Test(forms, names_of_forms_are_found_again)
{
    for (int form = WN_FORM_ALPACA; form <= WN_FORM_PAIR; form++) {
        cr_assert_eq(wn_form_find(wn_form_name((enum wn_form)form)), (enum wn_form)form);
    }
    cr_assert_eq(wn_form_find("detect"), WN_FORM_DETECT);
    cr_assert_eq(wn_form_find("alpacas"), WN_FORM_DETECT);
}

/* --map, alone or with a form. */
struct map_case {
    const char *bytes;
    enum wn_form form;
    const char *map[4];
    wn_code code;
    const char *line; /* the first record, or a part of the message */
};

static const struct map_case map_cases[] = {
    {"{\"q\":\"a\",\"a\":\"c\"}", WN_FORM_DETECT, {"instruction=q", "output=a"}, WN_OK, "ok U(a) A(c)"},
    {"{\"q\":\"a\",\"a\":\"c\"}", WN_FORM_PAIR, {"prompt=q", "response=a"}, WN_OK, "ok U(a) A(c)"},
    {"{\"q\":\"a\",\"answer\":\"c\"}", WN_FORM_DETECT, {"instruction=q"}, WN_OK, "ok U(a) A(c)"},
    {"{\"input\":\"a\",\"target\":\"c\"}",
     WN_FORM_DETECT,
     {"instruction=input", "output=target"},
     WN_OK,
     "ok U(a) A(c)"},
    {"{\"instruction\":\"a\",\"input\":\"b\",\"output\":\"c\"}",
     WN_FORM_DETECT,
     {"input="},
     WN_OK,
     "ok U(a) A(c)"},
    {"{\"instruction\":\"a\",\"output\":\"c\",\"sys\":\"s\"}",
     WN_FORM_DETECT,
     {"system=sys"},
     WN_OK,
     "ok S(s) U(a) A(c)"},
    {"{\"turns\":[{\"who\":\"user\",\"what\":\"a\"},{\"who\":\"ai\",\"what\":\"c\"}]}",
     WN_FORM_DETECT,
     {"messages=turns", "role=who", "content=what"},
     WN_OK,
     "ok U(a) A(c)"},
    {"{\"output\":\"c\"}", WN_FORM_DETECT, {"answers=a"}, WN_USAGE, "there is no field of this name"},
    {"{\"output\":\"c\"}", WN_FORM_DETECT, {"output"}, WN_USAGE, "write FIELD=NAME"},
    {"{\"output\":\"c\"}",
     WN_FORM_DETECT,
     {"input=context", "input=category"},
     WN_USAGE,
     "--map input=category: the field \"input\" is mapped twice"},
    {"{\"output\":\"c\"}",
     WN_FORM_DETECT,
     {"output=c", "answer=c"},
     WN_USAGE,
     "--map answer=c: the field \"output\" is mapped twice"},
    {"{\"output\":\"c\"}", WN_FORM_DETECT, {"output="}, WN_USAGE, "needs a name"},
    {"{\"output\":\"c\"}", WN_FORM_MESSAGES, {"output=x"}, WN_USAGE, "form messages has no fields"},
    {"{\"output\":\"c\"}", WN_FORM_ALPACA, {"messages=x"}, WN_USAGE, "form alpaca has no fields"},
    {"{\"output\":\"c\"}", WN_FORM_DETECT, {"messages=x", "output=y"}, WN_USAGE, "two forms"},
};

Test(forms, map_gives_fields_other_names)
{
    struct folder folder;
    struct wn_arena *arena = NULL;
    struct wn_error err;
    folder_make(&folder);
    WN_TEST_OK(wn_arena_new(&arena, &err));
    for (size_t i = 0; i < sizeof map_cases / sizeof map_cases[0]; i++) {
        const struct map_case *const c = &map_cases[i];
        char path[4096];
        folder_write(&folder, "map.jsonl", wn_span_of(c->bytes), path);
        size_t n_map = 0;
        while (n_map < 4 && c->map[n_map] != NULL) {
            n_map++;
        }
        const char *const paths[] = {path};
        const struct wn_corpus_options options = {
            .paths = paths, .n_paths = 1, .form = c->form, .map = c->map, .n_map = n_map};
        struct wn_corpus *corpus = NULL;
        const wn_code code = wn_corpus_open(&options, &corpus, &err);
        cr_assert_eq(code, c->code, "case %zu: %d %s", i, (int)code, err.text);
        if (code != WN_OK) {
            cr_assert_not_null(strstr(err.text, c->line), "case %zu: %s", i, err.text);
            continue;
        }
        struct wn_record record;
        WN_TEST_OK(wn_record_parse(corpus, wn_span_of(c->bytes), arena, &record, &err));
        cr_assert_str_eq(record_line(&record, arena), c->line, "case %zu", i);
        wn_corpus_free(corpus);
    }
    wn_arena_free(arena);
    folder_remove(&folder);
}

Test(forms, the_form_is_told_by_the_first_record_that_tells_it)
{
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    WN_TEST_OK(corpus_of(
        wn_span_of(
            "not json\n{\"id\":1}\n17\n{\"prompt\":\"a\",\"completion\":\"c\"}\n{\"instruction\":\"x\"}\n"),
        WN_FORM_DETECT, &corpus, &err));
    cr_assert_eq(wn_corpus_form(corpus), WN_FORM_PAIR);
    cr_assert_str_eq(wn_corpus_form_text(corpus),
                     "pair (instruction in \"prompt\", output in \"completion\"; told by record 3)");
    wn_corpus_free(corpus);
    WN_TEST_OK(corpus_of(wn_span_of("{\"output\":\"c\"}"), WN_FORM_ALPACA, &corpus, &err));
    cr_assert_not_null(strstr(wn_corpus_form_text(corpus), "as given"), "%s", wn_corpus_form_text(corpus));
    wn_corpus_free(corpus);
}
