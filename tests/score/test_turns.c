/* Several turns against single texts made by hand, through the library's face; options of spans and windows.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scoring.h"
#include "support.h"

#include "winnow/winnow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char dialogues[] = "{\"conversations\": [{\"from\": \"human\", \"value\": \"Who was it?\"}, "
                                "{\"from\": \"gpt\", \"value\": \"A cat.\"}, "
                                "{\"from\": \"human\", \"value\": \"What did she do?\"}, {\"from\": \"gpt\", "
                                "\"value\": \"She ran to the park.\"}, "
                                "{\"from\": \"human\", \"value\": \"And then?\"}, {\"from\": \"gpt\", "
                                "\"value\": \"She went home to sleep.\"}]}\n";

static const char messages[] = "{\"messages\": [{\"role\": \"user\", \"content\": \"Who was it?\"}, "
                               "{\"role\": \"assistant\", \"content\": \"A cat.\"}, "
                               "{\"role\": \"user\", \"content\": \"What did she do?\"}, "
                               "{\"role\": \"assistant\", \"content\": \"She ran to the park.\"}, "
                               "{\"role\": \"user\", \"content\": \"And then?\"}, "
                               "{\"role\": \"assistant\", \"content\": \"She went home to sleep.\"}]}\n";

#define WHO                                                                                                 \
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, " \
    "detailed, and polite answers to the user's questions. "

static const struct {
    const char *profile;
    const char *prompts[3];
} expected[] = {
    {"superfiltering",
     {"Who was it?\n", "Who was it?\nA cat.\nWhat did she do?\n",
      "Who was it?\nA cat.\nWhat did she do?\nShe ran to the park.\nAnd then?\n"}},
    {"cherry-vicuna",
     {WHO "USER: Who was it? ASSISTANT:",
      WHO "USER: Who was it? ASSISTANT:A cat.</s>USER: What did she do? ASSISTANT:",
      WHO "USER: Who was it? ASSISTANT:A cat.</s>USER: What did she do? ASSISTANT:She ran to the "
          "park.</s>USER: And "
          "then? ASSISTANT:"}},
    {"cherry-wiz",
     {"Who was it?\n\n### Response:",
      "Who was it?\n\n### Response:A cat.\n\nWhat did she do?\n\n### Response:",
      "Who was it?\n\n### Response:A cat.\n\nWhat did she do?\n\n### Response:She ran to the park.\n\nAnd "
      "then?\n\n### "
      "Response:"}},
};

static const char *const answers[3] = {"A cat.", "She ran to the park.", "She went home to sleep."};

static void same_side(const struct winnow_side *api, const struct wn_side *row, const char *what,
                      uint32_t turn)
{
    cr_assert(api->n == row->n && api->first == row->first && api->k == row->k && api->cut == row->cut,
              "%s turn %u: n %u and %u, first %u and %u", what, turn, api->n, row->n, api->first, row->first);
    cr_assert(memcmp(&api->sum, &row->sum, sizeof row->sum) == 0, "%s turn %u: sums %.17g and %.17g", what,
              turn, api->sum, row->sum);
}

/* Rows of all turns, each against the library's scores of a prompt written out by hand: equal bits. */
static void check_form(const char *text, size_t size, const char *model, size_t e)
{
    char folder[64], path[4096];
    make_folder(folder, sizeof folder);
    write_file(folder, "turns.jsonl", text, size, path, sizeof path);
    const char *const paths[] = {path};
    struct wn_corpus *corpus = open_corpus(paths, 1);
    struct recipe recipe = {.profile = expected[e].profile};
    struct scored all = score_corpus(model, corpus, &recipe);
    recipe.turns = WN_TURNS_FIRST;
    struct scored first = score_corpus(model, corpus, &recipe);
    recipe.turns = WN_TURNS_LAST;
    struct scored last = score_corpus(model, corpus, &recipe);
    cr_assert_eq(all.n, 3);
    cr_assert(first.n == 1 && last.n == 1 && first.rows[0].n_parts == 1);
    winnow_handle *handle = NULL;
    winnow_error error = {0};
    const winnow_options options = {.size = sizeof options, .profile = expected[e].profile, .threads = 1};
    cr_assert_eq(winnow_open(model, &options, &handle, &error), WINNOW_OK, "%s", error.text);
    for (uint32_t t = 0; t < 3; t++) {
        winnow_scores scores;
        cr_assert_eq(winnow_score(handle, expected[e].prompts[t], answers[t], &scores, &error), WINNOW_OK,
                     "%s", error.text);
        same_side(&scores.cond, &all.rows[t].cond, expected[e].profile, t);
        same_side(&scores.direct, &all.rows[t].direct, expected[e].profile, t);
        cr_assert_eq(scores.status, (int)all.rows[t].status);
        cr_assert(winnow_ifd_ppl(&scores) == wn_row_ifd_ppl(&all.rows[t]));
        cr_assert(winnow_ifd_loss(&scores) == wn_row_ifd_loss(&all.rows[t]));
        double sum = 0;
        for (uint32_t i = 0; i < scores.cond.k; i++) {
            sum += (double)scores.cond.losses[i];
        }
        cr_assert(sum == scores.cond.sum);
        cr_assert_eq(scores.cond.ends[scores.cond.n - 1],
                     strlen(expected[e].prompts[t]) + strlen(answers[t]));
    }
    cr_assert(memcmp(&first.rows[0].cond, &all.rows[0].cond, sizeof first.rows[0].cond) == 0);
    cr_assert(memcmp(&last.rows[0].direct, &all.rows[2].direct, sizeof last.rows[0].direct) == 0);
    winnow_close(handle);
    scored_free(&all);
    scored_free(&first);
    scored_free(&last);
    wn_corpus_free(corpus);
    remove_folder(folder);
}

Test(turns, every_turn_scores_as_its_texts_written_out_by_hand)
{
    WN_TEST_SHARED("models/stories260k", model);
    for (size_t e = 0; e < sizeof expected / sizeof *expected; e++) {
        check_form(dialogues, sizeof dialogues - 1, model, e);
        check_form(messages, sizeof messages - 1, model, e);
    }
}

Test(library, samples_texts_and_errors)
{
    WN_TEST_SHARED("models/stories260k", model);
    winnow_handle *handle = NULL;
    winnow_error error = {0};
    winnow_scores a, b;
    winnow_side side;
    cr_assert_eq(winnow_open(model, NULL, &handle, &error), WINNOW_OK, "%s", error.text);
    cr_assert_eq(winnow_score_sample(handle, "Tell a tale.", "Of a dog.", "Once upon a time there was a dog.",
                                     &a, &error),
                 0);
    const double sum = a.cond.sum;
    const double direct = a.direct.sum;
    const uint32_t k = a.direct.k;
    cr_assert_eq(
        winnow_score(handle, "Tell a tale.\nOf a dog.\n", "Once upon a time there was a dog.", &b, &error),
        0);
    cr_assert(sum == b.cond.sum && direct == b.direct.sum);
    cr_assert_eq(winnow_score_text(handle, "Once upon a time there was a dog.", &side, &error), 0);
    cr_assert(side.sum == direct && side.k == k);
    cr_assert_eq(winnow_score_sample(handle, "Say nothing.", NULL, "", &a, &error), 0);
    cr_assert_eq(a.status, WINNOW_STATUS_EMPTY_ANSWER);
    cr_assert(isnan(winnow_ifd_ppl(&a)) && isnan(a.cond.sum) && a.cond.ids == NULL);
    cr_assert_eq(winnow_score_text(handle, "", &side, &error), 0);
    cr_assert_eq(side.k, 0);
    cr_assert_eq(winnow_score(handle, "x", "\xff\xfe", &a, &error), WINNOW_INPUT, "%s", error.text);
    cr_assert_eq(
        winnow_score(handle, "Tell a tale.\nOf a dog.\n", "Once upon a time there was a dog.", &b, &error),
        0);
    cr_assert(sum == b.cond.sum);
    winnow_close(handle);
    winnow_close(NULL);
    cr_assert_eq(winnow_open("/nowhere/at/all", NULL, &handle, &error), WINNOW_MODEL);
    cr_assert_gt(strlen(error.text), 10);
    winnow_options options = {.size = sizeof options, .profile = "no such profile"};
    cr_assert_eq(winnow_open(model, &options, &handle, &error), WINNOW_USAGE);
    options = (winnow_options){.size = sizeof options, .max_length = 100000};
    cr_assert_eq(winnow_open(model, &options, &handle, &error), WINNOW_USAGE);
    cr_assert_not_null(strstr(error.text, "512 positions"), "%s", error.text);
    options = (winnow_options){.size = 3};
    cr_assert_eq(winnow_open(model, &options, NULL, &error), WINNOW_USAGE);
    cr_assert_str_eq(winnow_version(), WINNOW_VERSION);
}

/* One Alpaca record, scored by a recipe. */
static struct wn_row score_one(const char *model, const char *record, const struct recipe *recipe, char *why,
                               size_t size)
{
    char folder[64], path[4096];
    make_folder(folder, sizeof folder);
    write_file(folder, "one.jsonl", record, strlen(record), path, sizeof path);
    const char *const paths[] = {path};
    struct wn_corpus *corpus = open_corpus(paths, 1);
    struct scored scored = score_corpus(model, corpus, recipe);
    const struct wn_row row = scored.rows[0];
    snprintf(why, size, "%s", scored.why);
    scored_free(&scored);
    wn_corpus_free(corpus);
    remove_folder(folder);
    return row;
}

Test(options, statuses_follow_the_record)
{
    WN_TEST_SHARED("models/tiny-gpt2", model);
    const struct {
        const char *record;
        enum wn_status status;
        bool has_cond, has_direct;
    } cases[] = {
        {"{\"instruction\": \"Go.\", \"input\": \"\", \"output\": \"I went there.\"}\n", WN_STATUS_OK, true,
         true},
        {"{\"instruction\": \"\", \"input\": \"\", \"output\": \"I went there.\"}\n", WN_STATUS_OK, true,
         true},
        {"{\"instruction\": null, \"input\": \"\", \"output\": \"I went there.\"}\n",
         WN_STATUS_NO_INSTRUCTION, false, true},
        {"{\"instruction\": \"Go.\", \"input\": \"\", \"output\": \"\"}\n", WN_STATUS_EMPTY_ANSWER, false,
         false},
        {"{\"instruction\": \"Go.\", \"input\": \"\", \"output\": null}\n", WN_STATUS_EMPTY_ANSWER, false,
         false},
        {"{\"instruction\": \"Go.\", \"input\": \"\", \"output\": \"6\"}\n", WN_STATUS_NO_ANSWER_TOKENS, true,
         false},
        {"{\"instruction\": \"Go.\", \"input\": \"\", \"output\": 6}\n", WN_STATUS_PARSE_ERROR, false, false},
        {"{\"instruction\": \"Go.\", \"input\": [], \"output\": \"x\"}\n", WN_STATUS_PARSE_ERROR, false,
         false},
    };
    const struct recipe recipe = {.profile = "superfiltering"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[256];
        const struct wn_row row = score_one(model, cases[i].record, &recipe, why, sizeof why);
        cr_assert_eq(row.status, cases[i].status, "case %zu: %s", i, wn_status_name((int)row.status));
        cr_assert_eq(row.cond.k > 0, cases[i].has_cond, "case %zu: cond", i);
        cr_assert_eq(row.direct.k > 0, cases[i].has_direct, "case %zu: direct", i);
        cr_assert_eq(isnan(row.cond.sum), !cases[i].has_cond);
        cr_assert_eq(isnan(row.direct.sum), !cases[i].has_direct);
        cr_assert_eq(why[0] != '\0', cases[i].status == WN_STATUS_PARSE_ERROR, "case %zu: why is '%s'", i,
                     why);
    }
}

Test(options, aligned_split_and_window_do_what_they_say)
{
    WN_TEST_SHARED("models/tiny-gpt2", gpt2);
    WN_TEST_SHARED("models/tiny-llama", llama);
    static const char record[] =
        "{\"instruction\": \"Go on.\\n\", \"input\": \"\", \"output\": \"\\n\\nSo we did, all of us.\"}\n";
    char why[256];
    struct recipe recipe = {.profile = "superfiltering"};
    const struct wn_row plain = score_one(gpt2, record, &recipe, why, sizeof why);
    recipe.aligned = true;
    const struct wn_row aligned = score_one(gpt2, record, &recipe, why, sizeof why);
    cr_assert_eq(aligned.cond.k, plain.cond.k - 1);
    cr_assert_eq(aligned.direct.k, plain.direct.k);
    cr_assert_eq(aligned.cond.first, plain.cond.first);
    cr_assert_lt(aligned.cond.sum, plain.cond.sum);
    /* With a BOS both texts score every answer token already. */
    recipe.aligned = false;
    const struct wn_row with_bos = score_one(llama, record, &recipe, why, sizeof why);
    recipe.aligned = true;
    const struct wn_row same = score_one(llama, record, &recipe, why, sizeof why);
    cr_assert(rows_equal(&with_bos, &same));
    cr_assert_eq(with_bos.direct.k, with_bos.direct.n - 1);
    /* By offsets the span begins at the first token that holds a byte of the answer. */
    recipe = (struct recipe){.profile = "superfiltering", .split = WN_SPLIT_OFFSETS, .keep_tokens = true};
    const struct wn_row offsets = score_one(gpt2, record, &recipe, why, sizeof why);
    cr_assert_eq(offsets.cond.n, plain.cond.n);
    cr_assert_leq(offsets.cond.first, plain.cond.first);
    /* The direct window of a cut text: the published constant, and the tokens of the lead (here: none, no
     * BOS). */
    static const char long_record[] =
        "{\"instruction\": \"Go on.\", \"input\": \"\", \"output\": \"one two three four five six "
        "seven eight nine ten eleven twelve thirteen fourteen fifteen\"}\n";
    recipe = (struct recipe){.profile = "superfiltering", .max_length = 16};
    const struct wn_row published = score_one(gpt2, long_record, &recipe, why, sizeof why);
    recipe.direct_window = WN_WINDOW_HEADER;
    const struct wn_row header = score_one(gpt2, long_record, &recipe, why, sizeof why);
    cr_assert_eq(published.status, WN_STATUS_TRUNCATED);
    cr_assert_eq(published.cond.n, 16);
    cr_assert_eq(published.direct.n, 16 - published.cond.first + 1);
    cr_assert_eq(header.direct.n, 16 - published.cond.first);
    recipe.profile = "cherry-alpaca";
    recipe.max_length = 100;
    const struct wn_row cherry = score_one(llama, long_record, &recipe, why, sizeof why);
    cr_assert(!cherry.direct.cut ||
              cherry.direct.n - cherry.direct.first == cherry.cond.n - cherry.cond.first);
    /* What the direct window was reduced by: the prompt up to max_length, in cherry-wiz the bare instruction. */
    cr_assert_eq(published.counted, published.cond.first);
    cr_assert_eq(cherry.counted, cherry.cond.first < 100 ? cherry.cond.first : 100);
    recipe = (struct recipe){.profile = "cherry-wiz", .max_length = 20};
    const struct wn_row wiz = score_one(llama, long_record, &recipe, why, sizeof why);
    cr_assert(wiz.counted > 0 && wiz.counted < wiz.cond.first);
    cr_assert(wiz.direct.cut == 1 && wiz.direct.n == 20 - wiz.counted + 4);
    const struct wn_row none =
        score_one(llama, "{\"instruction\": \"Go on.\", \"output\": \"\"}\n", &recipe, why, sizeof why);
    cr_assert(none.status == WN_STATUS_EMPTY_ANSWER && none.counted == 0);
}
