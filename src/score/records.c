/* See records.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "score/records.h"

wn_code wn_recipe_open(struct wn_recipe_in_force *recipe, const struct wn_score_options *options,
                       const struct wn_tokenizer *tokenizer, const struct wn_model *model,
                       struct wn_error *err)
{
    const struct wn_model_info *info = wn_model_info(model);
    const struct wn_tokenizer_info tokens = wn_tokenizer_info(tokenizer);
    *recipe = (struct wn_recipe_in_force){
        .tokenizer = tokenizer, .info = info, .method = wn_method_find("ifd"), .turns = options->turns};
    WN_CHECK(
        tokens.max_id < info->V, err, WN_MODEL,
        "the tokenizer gives ids up to %d, the model has only %d embeddings: they do not belong together",
        tokens.max_id, info->V);
    WN_TRY(wn_arena_new(&recipe->arena, err));
    struct wn_encoder *encoder = NULL;
    WN_TRY(wn_encoder_new(tokenizer, &encoder, err));
    const wn_code code =
        wn_text_rules_make(options, tokenizer, encoder, info->positions, recipe->arena, &recipe->rules, err);
    wn_encoder_free(encoder);
    recipe->rules.encoder = NULL;
    return code;
}

void wn_recipe_close(struct wn_recipe_in_force *recipe)
{
    wn_arena_free(recipe->arena);
    *recipe = (struct wn_recipe_in_force){0};
}

wn_code wn_taker_open(struct wn_record_taker *taker, const struct wn_recipe_in_force *recipe,
                      const struct wn_corpus *corpus, struct wn_error *err)
{
    WN_TRY(wn_arena_new(&taker->scratch, err));
    WN_TRY(wn_corpus_reader_new(corpus, &taker->reader, err));
    WN_TRY(wn_encoder_new(recipe->tokenizer, &taker->encoder, err));
    taker->rules = recipe->rules;
    taker->rules.encoder = taker->encoder;
    taker->context = (struct wn_method_context){&taker->rules, recipe->info, recipe->turns};
    taker->method = recipe->method;
    return WN_OK;
}

void wn_taker_close(struct wn_record_taker *taker)
{
    wn_encoder_free(taker->encoder);
    wn_corpus_reader_free(taker->reader);
    wn_arena_free(taker->scratch);
    *taker = (struct wn_record_taker){0};
}

wn_code wn_taker_take(struct wn_record_taker *taker, uint64_t index, struct wn_arena *items,
                      struct wn_arena *arena, struct wn_record_plan **out_plan, struct wn_error *err)
{
    const struct wn_plan_memory memory = {taker->scratch, items != NULL ? items : taker->scratch, arena};
    struct wn_record record;
    struct wn_record_plan *plan = NULL;
    wn_arena_reset(taker->scratch);
    WN_TRY(wn_corpus_record(taker->reader, index, taker->scratch, &record, err));
    WN_TRY(WN_ARENA_NEW(arena, 1, &plan, err));
    WN_TRY(taker->method->prepare(&taker->context, &record, &memory, plan, err));
    *out_plan = plan;
    return WN_OK;
}

wn_code wn_plan_hand_on(const struct wn_record_plan *plan, const struct wn_row_sink *sink,
                        struct wn_score_counts *counts, struct wn_error *err)
{
    const struct wn_record_rows rows = {.place = plan->place,
                                        .rows = plan->rows,
                                        .n_rows = plan->n_rows,
                                        .why = plan->why,
                                        .cond = plan->cond,
                                        .direct = plan->direct};
    counts->records++;
    counts->samples += plan->n_rows;
    counts->tokens += plan->tokens;
    counts->header_tokens += plan->header_tokens;
    counts->wants += (uint64_t)plan->n_values;
    counts->flops += plan->flops;
    return sink->put(sink->context, &rows, err);
}
