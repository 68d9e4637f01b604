/* Profiles: a named recipe from a conversation to the texts that are scored. Part of the face of corpus.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Conditioned text = prompt + answer; the first answer token is number (tokens of the prompt encoded alone, untruncated).
 * Direct text = lead + answer, its first answer token number (tokens of the lead alone), or 0 where there is no lead.
 * Windows: the conditioned text is cut to max_length tokens; the direct text to
 *   max_length - min(tokens of `counted`, max_length) + window_constant.
 * Neither window ever exceeds the model's positions.
 * Sources: Cherry_LLM cherry_seletion/data_analysis.py and data_analysis_vic.py, Superfiltering
 * code_ifd/data_analysis.py, Reflection_Tuning data_analysis.py.
 */
#ifndef WINNOW_CORPUS_PROFILE_H
#define WINNOW_CORPUS_PROFILE_H

#include "winnow/arena.h"
#include "winnow/row.h"
#include "winnow/span.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

enum wn_bos { WN_BOS_MODEL /* as the tokenizer's post-processor says */, WN_BOS_NONE };
enum wn_window_counts { WN_COUNTS_PROMPT, WN_COUNTS_INSTRUCTION /* cherry-wiz: the bare instruction */ };
enum wn_score_column { WN_SCORE_IFD_PPL, WN_SCORE_IFD_LOSS };
enum wn_filter {
    WN_FILTER_NONE,
    WN_FILTER_BELOW_ONE /* score < 1 */,
    WN_FILTER_AT_MOST_ONE /* score <= 1 */
};
enum wn_ties { WN_TIES_SMALLER_INDEX, WN_TIES_LARGER_INDEX };
enum wn_order { WN_ORDER_SCORE /* descending */, WN_ORDER_POOL };

/* Spans of a built-in profile are constant; of a file profile they live in the arena given to wn_profile_find. The bytes
 * of `prompt` stand directly behind those of `preamble` in memory, so that both together are one span.
 *
 * The prompt of a sample = system text + preamble + turns. A turn = prompt (or prompt_with_input) filled in + answer, with
 * turn_separator between turns; the last turn, the one that is scored, is without its answer. The system text (system
 * messages in front of the first other message) is followed by turn_separator, or by one space where there is a
 * preamble. The instruction of a turn = the texts of its user's messages and of tools, in order, with "\n" between them. */
struct wn_profile {
    struct wn_span name;
    struct wn_span preamble;          /* put once before the first turn (vicuna) */
    struct wn_span prompt;            /* with {instruction} */
    struct wn_span prompt_with_input; /* with {instruction} and {input} */
    struct wn_span lead;              /* of the direct text */
    struct wn_span turn_separator;
    struct wn_span reverse; /* with {output}; empty: no reversed direction (r-IFD) */
    enum wn_bos bos;
    int32_t window_constant;
    enum wn_window_counts window_counts;
    int32_t max_length;
    enum wn_score_column score;
    enum wn_filter filter;
    enum wn_ties ties;
    enum wn_order order;
};

/* By name ("superfiltering", "cherry-alpaca", ...) or "file:PATH". WN_USAGE for an unknown name (the known ones are
 * listed); WN_MODEL for a bad file, naming the field.
 * A file is one JSON object with the fields that wn_profile_print prints. A field that is missing has superfiltering's
 * value, with two exceptions: the name is then that of the file without ".json", and of prompt and prompt_with_input
 * either both are given or none. prompt needs {instruction}; prompt_with_input needs {instruction} and {input}; reverse
 * needs {output}, or is empty; {output} in a prompt is refused. Other braces are text. */
wn_code wn_profile_find(const char *name, struct wn_arena *arena, struct wn_profile *out_profile,
                        struct wn_error *err);
/* The profile as the JSON object that file:PATH reads, indented; new memory (free). */
wn_code wn_profile_print(const struct wn_profile *profile, char **out_text, struct wn_error *err);
/* The names of the built-in profiles, NULL at the end. */
const char *const *wn_profile_names(void);

struct wn_record; /* corpus.h */

/* The texts of one sample: of one assistant turn of a record. */
struct wn_sample {
    uint32_t part; /* the turn's number, 0-based */
    enum wn_status
        status; /* OK; EMPTY_ANSWER (wins over the next): missing, null or ""; NO_INSTRUCTION: the turn's
                                user messages have no text (missing or null), or no user has spoken before it */
    struct wn_span prompt; /* earlier turns and this turn's prompt; empty where there is no instruction */
    struct wn_span answer;
    struct wn_span lead; /* of the direct text */
    struct wn_span
        counted; /* the text whose tokens the direct window is reduced by: the prompt, or (instruction) the
                                prompt with this turn's template replaced by its bare instruction and no preamble */
    bool has_reverse;        /* only where the status is OK */
    struct wn_span q_prompt; /* reversed direction: guess the instruction from the answer */
    struct wn_span q_answer; /* instruction + input */
};

/* Render turn `part` (< record->n_turns) of a record; fields are put in in one pass (braces inside them stay). */
wn_code wn_profile_sample(const struct wn_profile *profile, const struct wn_record *record, uint32_t part,
                          struct wn_arena *arena, struct wn_sample *out_sample, struct wn_error *err);

/* Bytes at the start of every sample's prompt that do not depend on the record: what a shared header may come from.
 * Two candidates exist where prompts with and without input differ; *out_texts has *out_n of them (0, 1 or 2). A record
 * with a system text begins with neither. */
void wn_profile_headers(const struct wn_profile *profile, struct wn_span out_texts[2], size_t *out_n);

#endif
