/* Profiles: every byte of every text, against the published templates restated here as plain strings.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "help.h"

#define ALPACA_TASK "Below is an instruction that describes a task"
#define ALPACA_REQUEST "Write a response that appropriately completes the request.\n\n### Instruction:\n"
#define VICUNA                                                                                              \
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, " \
    "detailed, "                                                                                            \
    "and polite answers to the user's questions. "
#define GUESS                                                                                            \
    "Below is the response to an instruction, please guess the corresponding instruction for the given " \
    "response.\n"

/* The sample of a record as "status<prompt><answer><lead><counted>[<q_prompt><q_answer>]". */
struct sample_case {
    const char *profile;
    const char *record;
    uint32_t part;
    enum wn_status status;
    const char *prompt, *answer, *lead, *counted; /* counted NULL: the prompt */
    const char *q_prompt, *q_answer;              /* NULL: no reversed direction */
};

#define ROW "{\"instruction\":\"I{input}{output}\",\"input\":\"N{instruction}\",\"output\":\"O {{x}} %s\"}"
#define BARE "{\"instruction\":\"I\",\"output\":\"O\"}"
#define TALK                                                                                            \
    "{\"instruction\":\"I3\",\"input\":\"N3\",\"output\":\"O3\",\"system\":\"S\",\"history\":[[\"I1\"," \
    "\"O1\"],"                                                                                          \
    "[\"I2\",\"O2\"]]}"

static const struct sample_case sample_cases[] = {
    /* one turn, with input and without */
    {"superfiltering", ROW, 0, WN_STATUS_OK, "I{input}{output}\nN{instruction}\n", "O {{x}} %s", "", NULL,
     NULL, NULL},
    {"superfiltering", BARE, 0, WN_STATUS_OK, "I\n", "O", "", NULL, NULL, NULL},
    {"cherry-alpaca", ROW, 0, WN_STATUS_OK,
     ALPACA_TASK ", paired with an input that provides further context. " ALPACA_REQUEST
                 "I{input}{output}\n\n### Input:\nN{instruction}\n\n### Response:",
     "O {{x}} %s", "### Response:", NULL, NULL, NULL},
    {"cherry-alpaca", BARE, 0, WN_STATUS_OK, ALPACA_TASK ". " ALPACA_REQUEST "I\n\n### Response:", "O",
     "### Response:", NULL, NULL, NULL},
    {"cherry-wiz", ROW, 0, WN_STATUS_OK, "I{input}{output}\nInput:N{instruction}\n\n### Response:",
     "O {{x}} %s", "### Response:", "I{input}{output}", NULL, NULL},
    {"cherry-wiz", BARE, 0, WN_STATUS_OK, "I\n\n### Response:", "O", "### Response:", "I", NULL, NULL},
    {"cherry-wiz-vic", ROW, 0, WN_STATUS_OK,
     "I{input}{output}\nN{instruction}\n\n### Response:", "O {{x}} %s", "### Response:", NULL, NULL, NULL},
    {"cherry-wiz-vic", BARE, 0, WN_STATUS_OK, "I\n\n### Response:", "O", "### Response:", NULL, NULL, NULL},
    {"cherry-vicuna", ROW, 0, WN_STATUS_OK,
     VICUNA "USER: I{input}{output}\nInput:\nN{instruction} ASSISTANT:", "O {{x}} %s", "ASSISTANT:", NULL,
     NULL, NULL},
    {"cherry-vicuna", BARE, 0, WN_STATUS_OK, VICUNA "USER: I ASSISTANT:", "O", "ASSISTANT:", NULL, NULL,
     NULL},
    {"reflection", ROW, 0, WN_STATUS_OK,
     VICUNA "USER: I{input}{output}\nInput:\nN{instruction} ASSISTANT:", "O {{x}} %s", "", NULL,
     VICUNA "USER: " GUESS "O {{x}} %s\nGenerate the instruction for the above response. ASSISTANT:",
     "I{input}{output}N{instruction}"},
    {"reflection", BARE, 0, WN_STATUS_OK, VICUNA "USER: I ASSISTANT:", "O", "", NULL,
     VICUNA "USER: " GUESS "O\nGenerate the instruction for the above response. ASSISTANT:", "I"},
    /* a blank input is an input, an empty one is none */
    {"superfiltering", "{\"instruction\":\"\",\"input\":\" \",\"output\":\" \"}", 0, WN_STATUS_OK, "\n \n",
     " ", "", NULL, NULL, NULL},
    {"superfiltering", "{\"instruction\":\"\",\"input\":\"\",\"output\":\"x\"}", 0, WN_STATUS_OK, "\n", "x",
     "", NULL, NULL, NULL},
    /* statuses */
    {"reflection", "{\"instruction\":\"I\",\"output\":\"\"}", 0, WN_STATUS_EMPTY_ANSWER,
     VICUNA "USER: I ASSISTANT:", "", "", NULL, NULL, NULL},
    {"superfiltering", "{\"instruction\":\"I\",\"output\":null}", 0, WN_STATUS_EMPTY_ANSWER, "I\n", "", "",
     NULL, NULL, NULL},
    {"superfiltering", "{\"output\":\"\"}", 0, WN_STATUS_EMPTY_ANSWER, "", "", "", NULL, NULL, NULL},
    {"cherry-wiz", "{\"output\":\"O\"}", 0, WN_STATUS_NO_INSTRUCTION, "", "O", "### Response:", NULL, NULL,
     NULL},
    {"reflection", "{\"instruction\":null,\"input\":\"N\",\"output\":\"O\"}", 0, WN_STATUS_NO_INSTRUCTION, "",
     "O", "", NULL, NULL, NULL},
    /* several turns */
    {"superfiltering", TALK, 0, WN_STATUS_OK, "S\nI1\n", "O1", "", NULL, NULL, NULL},
    {"superfiltering", TALK, 2, WN_STATUS_OK, "S\nI1\nO1\nI2\nO2\nI3\nN3\n", "O3", "", NULL, NULL, NULL},
    {"cherry-alpaca", TALK, 1, WN_STATUS_OK,
     "S\n\n" ALPACA_TASK ". " ALPACA_REQUEST "I1\n\n### Response:O1\n\n" ALPACA_TASK ". " ALPACA_REQUEST
     "I2\n\n### Response:",
     "O2", "### Response:", NULL, NULL, NULL},
    {"cherry-wiz", TALK, 2, WN_STATUS_OK,
     "S\n\nI1\n\n### Response:O1\n\nI2\n\n### Response:O2\n\nI3\nInput:N3\n\n### Response:", "O3",
     "### Response:", "S\n\nI1\n\n### Response:O1\n\nI2\n\n### Response:O2\n\nI3", NULL, NULL},
    {"cherry-wiz-vic", TALK, 1, WN_STATUS_OK, "S\n\nI1\n\n### Response:O1\n\nI2\n\n### Response:", "O2",
     "### Response:", NULL, NULL, NULL},
    {"cherry-vicuna", TALK, 2, WN_STATUS_OK,
     "S " VICUNA "USER: I1 ASSISTANT:O1</s>USER: I2 ASSISTANT:O2</s>USER: I3\nInput:\nN3 ASSISTANT:", "O3",
     "ASSISTANT:", NULL, NULL, NULL},
    {"reflection", TALK, 1, WN_STATUS_OK, "S " VICUNA "USER: I1 ASSISTANT:O1</s>USER: I2 ASSISTANT:", "O2",
     "", NULL, VICUNA "USER: " GUESS "O2\nGenerate the instruction for the above response. ASSISTANT:", "I2"},
    /* tools are context; an answer may follow an answer; nobody asked before the first */
    {"superfiltering",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"U\"},{\"role\":\"tool\",\"content\":\"T\"},{\"role\":"
     "\"assistant\","
     "\"content\":\"A\"},{\"role\":\"assistant\",\"content\":\"B\"},{\"role\":\"user\",\"content\":\"V\"}]}",
     0, WN_STATUS_OK, "U\nT\n", "A", "", NULL, NULL, NULL},
    {"superfiltering",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"U\"},{\"role\":\"assistant\",\"content\":\"A\"},{"
     "\"role\":\"assistant\","
     "\"content\":\"B\"},{\"role\":\"user\",\"content\":\"V\"}]}",
     1, WN_STATUS_OK, "U\nA\n\n", "B", "", NULL, NULL, NULL},
    {"superfiltering",
     "{\"messages\":[{\"role\":\"assistant\",\"content\":\"A\"},{\"role\":\"user\",\"content\":\"U\"},{"
     "\"role\":\"assistant\","
     "\"content\":\"B\"}]}",
     0, WN_STATUS_NO_INSTRUCTION, "", "A", "", NULL, NULL, NULL},
    {"superfiltering",
     "{\"messages\":[{\"role\":\"assistant\",\"content\":\"A\"},{\"role\":\"user\",\"content\":\"U\"},{"
     "\"role\":\"assistant\","
     "\"content\":\"B\"}]}",
     1, WN_STATUS_OK, "\nA\nU\n", "B", "", NULL, NULL, NULL},
    {"superfiltering", "{\"messages\":[{\"role\":\"user\",\"content\":\"U\"}]}", 0, WN_STATUS_EMPTY_ANSWER,
     "U\n", "", "", NULL, NULL, NULL},
    {"superfiltering",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"U\"},{\"role\":\"assistant\",\"content\":\"A\"},{"
     "\"role\":\"user\","
     "\"content\":null},{\"role\":\"assistant\",\"content\":\"B\"}]}",
     1, WN_STATUS_NO_INSTRUCTION, "", "B", "", NULL, NULL, NULL},
};

static void check_text(size_t number, const char *what, struct wn_span got, const char *expected)
{
    cr_assert(wn_span_is(got, expected), "case %zu, %s:\n[%.*s] instead of\n[%s]", number, what,
              (int)got.size, got.data, expected);
}

Test(profiles, every_text_of_every_profile_has_the_published_bytes)
{
    struct wn_error err;
    struct wn_arena *arena = NULL;
    WN_TEST_OK(wn_arena_new(&arena, &err));
    for (size_t i = 0; i < sizeof sample_cases / sizeof sample_cases[0]; i++) {
        const struct sample_case *const c = &sample_cases[i];
        struct wn_corpus *corpus = NULL;
        struct wn_record record;
        struct wn_profile profile;
        struct wn_sample sample;
        WN_TEST_OK(corpus_of(wn_span_of(c->record), WN_FORM_DETECT, &corpus, &err));
        WN_TEST_OK(wn_record_parse(corpus, wn_span_of(c->record), arena, &record, &err));
        WN_TEST_OK(wn_profile_find(c->profile, arena, &profile, &err));
        WN_TEST_OK(wn_profile_sample(&profile, &record, c->part, arena, &sample, &err));
        cr_assert_eq(sample.status, c->status, "case %zu: %s", i, wn_status_name((int)sample.status));
        cr_assert_eq(sample.part, c->part);
        check_text(i, "prompt", sample.prompt, c->prompt);
        check_text(i, "answer", sample.answer, c->answer);
        check_text(i, "lead", sample.lead, c->lead);
        check_text(i, "counted", sample.counted, c->counted == NULL ? c->prompt : c->counted);
        cr_assert_eq(sample.has_reverse, c->q_prompt != NULL, "case %zu", i);
        check_text(i, "q_prompt", sample.q_prompt, c->q_prompt == NULL ? "" : c->q_prompt);
        check_text(i, "q_answer", sample.q_answer, c->q_answer == NULL ? "" : c->q_answer);
        cr_assert_eq(wn_profile_sample(&profile, &record, record.n_turns, arena, &sample, &err), WN_DEFECT);
        wn_corpus_free(corpus);
    }
    wn_arena_free(arena);
}

struct rule_case {
    const char *name;
    int32_t window_constant;
    enum wn_window_counts counts;
    int32_t max_length;
    enum wn_score_column score;
    enum wn_filter filter;
    enum wn_ties ties;
    enum wn_order order;
    const char *headers[2];
};

static const struct rule_case rule_cases[] = {
    {"superfiltering",
     1,
     WN_COUNTS_PROMPT,
     1024,
     WN_SCORE_IFD_PPL,
     WN_FILTER_BELOW_ONE,
     WN_TIES_SMALLER_INDEX,
     WN_ORDER_SCORE,
     {NULL, NULL}},
    {"cherry-alpaca",
     4,
     WN_COUNTS_PROMPT,
     512,
     WN_SCORE_IFD_LOSS,
     WN_FILTER_AT_MOST_ONE,
     WN_TIES_LARGER_INDEX,
     WN_ORDER_POOL,
     {ALPACA_TASK ". " ALPACA_REQUEST,
      ALPACA_TASK ", paired with an input that provides further context. " ALPACA_REQUEST}},
    {"cherry-wiz",
     4,
     WN_COUNTS_INSTRUCTION,
     512,
     WN_SCORE_IFD_LOSS,
     WN_FILTER_AT_MOST_ONE,
     WN_TIES_LARGER_INDEX,
     WN_ORDER_POOL,
     {NULL, NULL}},
    {"cherry-wiz-vic",
     4,
     WN_COUNTS_PROMPT,
     512,
     WN_SCORE_IFD_LOSS,
     WN_FILTER_AT_MOST_ONE,
     WN_TIES_SMALLER_INDEX,
     WN_ORDER_SCORE,
     {NULL, NULL}},
    {"cherry-vicuna",
     6,
     WN_COUNTS_PROMPT,
     512,
     WN_SCORE_IFD_LOSS,
     WN_FILTER_AT_MOST_ONE,
     WN_TIES_SMALLER_INDEX,
     WN_ORDER_SCORE,
     {VICUNA "USER: ", NULL}},
    {"reflection",
     1,
     WN_COUNTS_PROMPT,
     2048,
     WN_SCORE_IFD_PPL,
     WN_FILTER_BELOW_ONE,
     WN_TIES_SMALLER_INDEX,
     WN_ORDER_SCORE,
     {VICUNA "USER: ", NULL}},
};

static void check_rules(const struct rule_case *c, const struct wn_profile *p)
{
    cr_assert(wn_span_is(p->name, c->name));
    cr_assert_eq(p->window_constant, c->window_constant, "%s", c->name);
    cr_assert_eq(p->window_counts, c->counts, "%s", c->name);
    cr_assert_eq(p->max_length, c->max_length, "%s", c->name);
    cr_assert_eq(p->score, c->score, "%s", c->name);
    cr_assert_eq(p->filter, c->filter, "%s", c->name);
    cr_assert_eq(p->ties, c->ties, "%s", c->name);
    cr_assert_eq(p->order, c->order, "%s", c->name);
    cr_assert_eq(p->bos, WN_BOS_MODEL, "%s", c->name);
    struct wn_span texts[2];
    size_t n = 0;
    wn_profile_headers(p, texts, &n);
    cr_assert_eq(n, (size_t)((c->headers[0] != NULL) + (c->headers[1] != NULL)), "%s has %zu headers",
                 c->name, n);
    for (size_t i = 0; i < n; i++) {
        check_text(i, c->name, texts[i], c->headers[i]);
    }
}

Test(profiles, a_profile_that_was_printed_and_read_back_is_the_same)
{
    struct folder folder;
    struct wn_error err;
    struct wn_arena *arena = NULL;
    folder_make(&folder);
    WN_TEST_OK(wn_arena_new(&arena, &err));
    size_t n = 0;
    for (const char *const *name = wn_profile_names(); *name != NULL; name++, n++) {
        struct wn_profile profile;
        struct wn_profile back;
        WN_TEST_OK(wn_profile_find(*name, arena, &profile, &err));
        cr_assert_str_eq(rule_cases[n].name, *name);
        check_rules(&rule_cases[n], &profile);
        char *text = NULL;
        char *again = NULL;
        char path[4096];
        char option[4200];
        WN_TEST_OK(wn_profile_print(&profile, &text, &err));
        folder_write(&folder, "profile.json", wn_span_of(text), path);
        snprintf(option, sizeof option, "file:%s", path);
        WN_TEST_OK(wn_profile_find(option, arena, &back, &err));
        check_rules(&rule_cases[n], &back);
        WN_TEST_OK(wn_profile_print(&back, &again, &err));
        cr_assert_str_eq(text, again);
        free(text);
        free(again);
    }
    cr_assert_eq(n, sizeof rule_cases / sizeof rule_cases[0]);
    wn_arena_free(arena);
    folder_remove(&folder);
}

static const struct {
    const char *text;
    wn_code code;
    const char *says;
} file_cases[] = {
    {"{}", WN_OK, "I\n"},
    {"{\"preamble\":\"P "
     "\",\"prompt\":\"<{instruction}>\",\"prompt_with_input\":\"<{instruction}|{input}>{x}{\"}",
     WN_OK, "P <I>"},
    {"{\"name\":\"mine\",\"max_length\":7,\"bos\":\"none\",\"window_constant\":-3,\"ties\":\"larger_index\"}",
     WN_OK, "I\n"},
    {"[]", WN_MODEL, "a profile is a JSON object, not array"},
    {"{\"prompt\":1}", WN_MODEL, "\"prompt\" must be text, not number"},
    {"{\"promt\":\"\"}", WN_MODEL, "\"promt\" is not known"},
    {"{\"prompt\":\"{instruction}\"}", WN_MODEL, "\"prompt_with_input\" is missing"},
    {"{\"prompt\":\"x\",\"prompt_with_input\":\"{instruction}{input}\"}", WN_MODEL,
     "\"prompt\" needs {instruction}"},
    {"{\"prompt\":\"{instruction}\",\"prompt_with_input\":\"{instruction}\"}", WN_MODEL,
     "needs {instruction} and {input}"},
    {"{\"prompt\":\"{instruction}{output}\",\"prompt_with_input\":\"{instruction}{input}\"}", WN_MODEL,
     "show the model the answer"},
    {"{\"reverse\":\"x\"}", WN_MODEL, "\"reverse\" needs {output}"},
    {"{\"max_length\":0}", WN_MODEL, "\"max_length\" must be a whole number from 1 to"},
    {"{\"max_length\":1.5}", WN_MODEL, "\"max_length\" must be a whole number"},
    {"{\"window_constant\":\"4\"}", WN_MODEL, "\"window_constant\" must be a whole number"},
    {"{\"filter\":\"above\"}", WN_MODEL, "\"filter\" must be \"none\" or \"below_one\" or \"at_most_one\""},
    {"{\"ties\":1}", WN_MODEL, "\"ties\" must be \"smaller_index\" or \"larger_index\""},
    {"{\"name\":\"\"}", WN_MODEL, "\"name\" must not be empty"},
    {"{\"name\":", WN_MODEL, "byte"},
    {"", WN_MODEL, "mine.json"},
};

Test(profiles, a_file_gives_a_profile_or_names_what_is_wrong)
{
    struct folder folder;
    struct wn_error err;
    struct wn_arena *arena = NULL;
    struct wn_corpus *corpus = NULL;
    struct wn_record record;
    folder_make(&folder);
    WN_TEST_OK(wn_arena_new(&arena, &err));
    WN_TEST_OK(corpus_of(wn_span_of(BARE), WN_FORM_DETECT, &corpus, &err));
    WN_TEST_OK(wn_record_parse(corpus, wn_span_of(BARE), arena, &record, &err));
    for (size_t i = 0; i < sizeof file_cases / sizeof file_cases[0]; i++) {
        char path[4096];
        char option[4200];
        struct wn_profile profile;
        folder_write(&folder, "mine.json", wn_span_of(file_cases[i].text), path);
        snprintf(option, sizeof option, "file:%s", path);
        const wn_code code = wn_profile_find(option, arena, &profile, &err);
        cr_assert_eq(code, file_cases[i].code, "case %zu: %d %s", i, (int)code, err.text);
        if (code != WN_OK) {
            cr_assert(strstr(err.text, file_cases[i].says) != NULL && strstr(err.text, path) != NULL,
                      "case %zu: %s", i, err.text);
            cr_log_info("FATAL\tprofile %s\t%d\t%s", file_cases[i].text, (int)code, err.text);
            continue;
        }
        struct wn_sample sample;
        WN_TEST_OK(wn_profile_sample(&profile, &record, 0, arena, &sample, &err));
        check_text(i, "prompt", sample.prompt, file_cases[i].says);
        cr_assert(wn_span_is(profile.name, "mine"), "%.*s", (int)profile.name.size, profile.name.data);
        cr_assert_eq(profile.preamble.data + profile.preamble.size, profile.prompt.data);
    }
    struct wn_profile profile;
    cr_assert_eq(wn_profile_find("superfilter", arena, &profile, &err), WN_USAGE);
    cr_assert_not_null(strstr(err.text, "superfiltering, cherry-alpaca"), "%s", err.text);
    cr_assert_eq(wn_profile_find("file:/nowhere/x.json", arena, &profile, &err), WN_MODEL);
    wn_corpus_free(corpus);
    wn_arena_free(arena);
    folder_remove(&folder);
}
