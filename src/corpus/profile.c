/* The built-in profiles, to the byte, and the search by name.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Sources: Cherry_LLM cherry_seletion/data_analysis.py (alpaca, wiz) and data_analysis_vic.py (wiz-vic, vicuna),
 * Superfiltering code_ifd/data_analysis.py, Reflection_Tuning data_analysis.py.
 */
#include "corpus/inside.h"
#include "corpus/template.h"

#include <stdio.h>
#include <string.h>

/* A profile as text. `prompt` begins with the preamble, so that the two lie side by side in memory. */
struct builtin {
    const char *name, *preamble, *prompt, *prompt_with_input, *lead, *turn_separator, *reverse;
    int32_t window_constant;
    enum wn_window_counts window_counts;
    int32_t max_length;
    enum wn_score_column score;
    enum wn_filter filter;
    enum wn_ties ties;
    enum wn_order order;
};

static const char alpaca[] = "Below is an instruction that describes a task. "
                             "Write a response that appropriately completes the request.\n\n"
                             "### Instruction:\n{instruction}\n\n### Response:";
static const char alpaca_with_input[] =
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:";
static const char wiz[] = "{instruction}\n\n### Response:";
static const char vicuna_preamble[] =
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. ";
static const char vicuna[] =
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. "
    "USER: {instruction} ASSISTANT:";
static const char vicuna_with_input[] = "USER: {instruction}\nInput:\n{input} ASSISTANT:";
static const char guess_instruction[] = "Below is the response to an instruction, please guess the "
                                        "corresponding instruction for the given response.\n"
                                        "{output}\nGenerate the instruction for the above response.";

static const struct builtin builtins[] = {
    {"superfiltering", "", "{instruction}\n", "{instruction}\n{input}\n", "", "\n", "", 1, WN_COUNTS_PROMPT,
     1024, WN_SCORE_IFD_PPL, WN_FILTER_BELOW_ONE, WN_TIES_SMALLER_INDEX, WN_ORDER_SCORE},
    {"cherry-alpaca", "", alpaca, alpaca_with_input, "### Response:", "\n\n", "", 4, WN_COUNTS_PROMPT, 512,
     WN_SCORE_IFD_LOSS, WN_FILTER_AT_MOST_ONE, WN_TIES_LARGER_INDEX, WN_ORDER_POOL},
    {"cherry-wiz", "", wiz, "{instruction}\nInput:{input}\n\n### Response:", "### Response:", "\n\n", "", 4,
     WN_COUNTS_INSTRUCTION, 512, WN_SCORE_IFD_LOSS, WN_FILTER_AT_MOST_ONE, WN_TIES_LARGER_INDEX,
     WN_ORDER_POOL},
    {"cherry-wiz-vic", "", wiz, "{instruction}\n{input}\n\n### Response:", "### Response:", "\n\n", "", 4,
     WN_COUNTS_PROMPT, 512, WN_SCORE_IFD_LOSS, WN_FILTER_AT_MOST_ONE, WN_TIES_SMALLER_INDEX, WN_ORDER_SCORE},
    {"cherry-vicuna", vicuna_preamble, vicuna, vicuna_with_input, "ASSISTANT:", "</s>", "", 6,
     WN_COUNTS_PROMPT, 512, WN_SCORE_IFD_LOSS, WN_FILTER_AT_MOST_ONE, WN_TIES_SMALLER_INDEX, WN_ORDER_SCORE},
    {"reflection", vicuna_preamble, vicuna, vicuna_with_input, "", "</s>", guess_instruction, 1,
     WN_COUNTS_PROMPT, 2048, WN_SCORE_IFD_PPL, WN_FILTER_BELOW_ONE, WN_TIES_SMALLER_INDEX, WN_ORDER_SCORE},
};

static const char *const builtin_names[] = {"superfiltering", "cherry-alpaca", "cherry-wiz", "cherry-wiz-vic",
                                            "cherry-vicuna",  "reflection",    NULL};

const char *const *wn_profile_names(void)
{
    return builtin_names;
}

static struct wn_profile make_builtin(const struct builtin *b)
{
    const size_t preamble = strlen(b->preamble);
    return (struct wn_profile){.name = wn_span_of(b->name),
                               .preamble = {b->prompt, preamble},
                               .prompt = wn_span_of(b->prompt + preamble),
                               .prompt_with_input = wn_span_of(b->prompt_with_input),
                               .lead = wn_span_of(b->lead),
                               .turn_separator = wn_span_of(b->turn_separator),
                               .reverse = wn_span_of(b->reverse),
                               .bos = WN_BOS_MODEL,
                               .window_constant = b->window_constant,
                               .window_counts = b->window_counts,
                               .max_length = b->max_length,
                               .score = b->score,
                               .filter = b->filter,
                               .ties = b->ties,
                               .order = b->order};
}

wn_code wn_profile_find(const char *name, struct wn_arena *arena, struct wn_profile *out_profile,
                        struct wn_error *err)
{
    if (strncmp(name, "file:", 5) == 0) {
        return wn_profile_read(name + 5, arena, out_profile, err);
    }
    char known[256] = "";
    size_t n = 0;
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++) {
        if (strcmp(name, builtins[i].name) == 0) {
            *out_profile = make_builtin(&builtins[i]);
            return WN_OK;
        }
        n += (size_t)snprintf(known + n, sizeof known - n, "%s, ", builtins[i].name);
    }
    WN_FAIL(err, WN_USAGE, "there is no profile \"%s\"; known are %sand file:PATH", name, known);
}

/* The part of a template in front of its first field. */
static size_t fixed_size(struct wn_span text)
{
    const struct wn_piece piece = wn_template_piece(text, 0);
    return piece.field == WN_PIECE_TEXT ? piece.text.size : 0;
}

void wn_profile_headers(const struct wn_profile *profile, struct wn_span out_texts[2], size_t *out_n)
{
    const struct wn_span preamble = profile->preamble;
    const struct wn_span plain = {profile->prompt.data, fixed_size(profile->prompt)};
    const struct wn_span with_input = {profile->prompt_with_input.data,
                                       fixed_size(profile->prompt_with_input)};
    struct wn_span texts[2] = {preamble, preamble};
    if (preamble.size == 0) {
        texts[0] = plain;
        texts[1] = with_input;
    } else {
        if (preamble.data + preamble.size == profile->prompt.data) {
            texts[0].size += plain.size;
        }
        if (wn_span_equal(plain, with_input)) {
            texts[1] = texts[0];
        }
    }
    *out_n = 0;
    for (size_t i = 0; i < 2; i++) {
        if (texts[i].size > 0 && (*out_n == 0 || !wn_span_equal(texts[i], out_texts[0]))) {
            out_texts[(*out_n)++] = texts[i];
        }
    }
}
