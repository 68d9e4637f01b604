/* Records: from the corpus to a plan, and from a finished plan to the sink. What every way of scoring has in common.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_SCORE_RECORDS_H
#define WINNOW_SCORE_RECORDS_H

#include "score/method.h"
#include "score/score.h"

/* The recipe of a pass in force: window, spans, headers. */
struct wn_recipe_in_force {
    const struct wn_tokenizer *tokenizer; /* borrowed */
    const struct wn_model_info *info;     /* borrowed */
    const struct wn_method *method;
    enum wn_turns turns;
    struct wn_arena *arena;
    struct wn_text_rules rules; /* without an encoder: each taker has one */
};

/* Errors as wn_scorer_new. After an error, too, it must be closed. */
wn_code wn_recipe_open(struct wn_recipe_in_force *recipe, const struct wn_score_options *options,
                       const struct wn_tokenizer *tokenizer, const struct wn_model *model,
                       struct wn_error *err);
void wn_recipe_close(struct wn_recipe_in_force *recipe);

/* What one thread needs to turn records into plans. */
struct wn_record_taker {
    struct wn_corpus_reader *reader;
    struct wn_arena *scratch;
    struct wn_encoder *encoder;
    struct wn_text_rules rules; /* of the recipe, with the encoder of this thread */
    struct wn_method_context context;
    const struct wn_method *method;
};

/* A zeroed taker, which must stay where it is. The recipe outlives it. After an error, too, it must be closed. */
wn_code wn_taker_open(struct wn_record_taker *taker, const struct wn_recipe_in_force *recipe,
                      const struct wn_corpus *corpus, struct wn_error *err);
void wn_taker_close(struct wn_record_taker *taker);

/* Read, parse and encode one record. The plan and its rows live in `arena`, its items in `items`; where that is NULL,
 * in scratch memory, until the next call. */
wn_code wn_taker_take(struct wn_record_taker *taker, uint64_t index, struct wn_arena *items,
                      struct wn_arena *arena, struct wn_record_plan **out_plan, struct wn_error *err);

/* Count a finished plan and give its rows to `sink`. */
wn_code wn_plan_hand_on(const struct wn_record_plan *plan, const struct wn_row_sink *sink,
                        struct wn_score_counts *counts, struct wn_error *err);

#endif
