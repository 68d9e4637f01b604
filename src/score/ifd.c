/* IFD, and r-IFD with the reversed side: the losses of an answer with and without its prompt.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One row per scored turn; up to four sequences a row. Sums are float64 sums of float32 losses in token
 * order. Sources: Cherry_LLM (arXiv 2308.12032), Superfiltering (arXiv 2402.00530), Reflection_Tuning; see
 * docs/methods.md.
 */
#include "score/method.h"

#include <math.h>

static const struct wn_side no_side = {.sum = (double)NAN};

wn_code wn_ifd_begin(const struct wn_method_context *context, uint32_t n_rows,
                     const struct wn_plan_memory *memory, struct wn_record_plan *plan,
                     struct wn_plan_builder *out_builder, struct wn_error *err)
{
    struct wn_plan_builder builder = {.context = context, .plan = plan, .memory = *memory};
    struct wn_arena *arena = memory->arena;
    WN_TRY(WN_ARENA_NEW(arena, n_rows, &plan->rows, err));
    WN_TRY(WN_ARENA_NEW(arena, (size_t)n_rows * 4, &plan->sides, err));
    WN_TRY(WN_ARENA_NEW(memory->items, (size_t)n_rows * 4, &builder.items, err));
    if (context->rules->keep_tokens) {
        WN_TRY(WN_ARENA_NEW(arena, n_rows, &plan->cond, err));
        WN_TRY(WN_ARENA_NEW(arena, n_rows, &plan->direct, err));
    }
    plan->items = builder.items;
    plan->n_rows = n_rows;
    for (uint32_t i = 0; i < n_rows; i++) {
        plan->rows[i] = (struct wn_row){.part = i,
                                        .n_parts = n_rows,
                                        .cond = no_side,
                                        .direct = no_side,
                                        .q_cond = no_side,
                                        .q_direct = no_side};
    }
    *out_builder = builder;
    return WN_OK;
}

/* One sequence -> one item: a root, or a child of a shared header. The last token is only predicted, never
 * computed. */
static wn_code add_item(struct wn_plan_builder *builder, const struct wn_text *text, struct wn_error *err)
{
    struct wn_record_plan *plan = builder->plan;
    const struct wn_text_rules *rules = builder->context->rules;
    const int32_t skipped = text->header == WN_NONE ? 0 : rules->headers[text->header].n;
    struct wn_node *node = NULL;
    struct wn_item_want *wants = NULL;
    WN_TRY(WN_ARENA_NEW(builder->memory.items, 1, &node, err));
    WN_TRY(WN_ARENA_NEW(builder->memory.items, (size_t)text->k, &wants, err));
    *node = (struct wn_node){.ids = text->ids + skipped,
                             .n = text->n - 1 - skipped,
                             .parent = WN_NONE,
                             .header = text->header,
                             .flags = WN_SEGMENT_CAUSAL};
    for (int32_t i = 0; i < text->k; i++) {
        const int32_t token = text->start + i;
        wants[i] = (struct wn_item_want){.token = token - skipped,
                                         .target = text->ids[token],
                                         .kind = WN_WANT_LOSS,
                                         .inverse_temperature = 1.0F,
                                         .destination = plan->n_values + i};
    }
    builder->items[plan->n_items++] = (struct wn_item){node, 1, wants, text->k};
    plan->tokens += (uint64_t)text->n;
    plan->header_tokens += (uint64_t)skipped;
    if (builder->context->info != NULL) {
        plan->flops += wn_model_flops(builder->context->info, text->n, 0, text->k);
    }
    return WN_OK;
}

wn_code wn_ifd_add_side(struct wn_plan_builder *builder, const struct wn_text *text, struct wn_side *side,
                        struct wn_side_tokens *tokens, struct wn_error *err)
{
    struct wn_record_plan *plan = builder->plan;
    *side = (struct wn_side){.n = (uint32_t)text->n,
                             .first = (uint32_t)text->first,
                             .k = (uint32_t)text->k,
                             .cut = text->is_cut ? 1 : 0,
                             .sum = (double)NAN};
    struct wn_side_plan *part = &plan->sides[plan->n_sides++];
    *part = (struct wn_side_plan){.side = side, .tokens = tokens, .first = plan->n_values, .k = side->k};
    if (tokens != NULL) {
        WN_TRY(WN_ARENA_NEW(builder->memory.arena, side->k, &part->losses, err));
        *tokens =
            (struct wn_side_tokens){text->ids, text->places, text->text, part->losses, side->n, side->k};
    }
    if (text->k > 0) {
        WN_TRY(add_item(builder, text, err));
        plan->n_values += text->k;
    }
    return WN_OK;
}

wn_code wn_ifd_add(struct wn_plan_builder *builder, uint32_t number, const struct wn_sample *sample,
                   struct wn_error *err)
{
    struct wn_record_plan *plan = builder->plan;
    struct wn_row *row = &plan->rows[number];
    row->status = sample->status;
    if (sample->status != WN_STATUS_OK && sample->status != WN_STATUS_NO_INSTRUCTION) {
        return WN_OK;
    }
    struct wn_sample_texts texts;
    WN_TRY(wn_sample_encode(builder->context->rules, sample, builder->memory.scratch, builder->memory.arena,
                            &texts, err));
    row->counted = (uint32_t)texts.counted;
    struct wn_side_tokens *const cond = plan->cond == NULL ? NULL : &plan->cond[number];
    struct wn_side_tokens *const direct = plan->direct == NULL ? NULL : &plan->direct[number];
    if (sample->status == WN_STATUS_OK) {
        WN_TRY(wn_ifd_add_side(builder, &texts.cond, &row->cond, cond, err));
    }
    WN_TRY(wn_ifd_add_side(builder, &texts.direct, &row->direct, direct, err));
    if (sample->status == WN_STATUS_OK && sample->has_reverse) {
        row->has_reverse = 1;
        WN_TRY(wn_ifd_add_side(builder, &texts.q_cond, &row->q_cond, NULL, err));
        WN_TRY(wn_ifd_add_side(builder, &texts.q_direct, &row->q_direct, NULL, err));
    }
    return WN_OK;
}

/* A record that cannot be scored: one row with its status. */
static wn_code prepare_bad(const struct wn_method_context *context, enum wn_status status, struct wn_span why,
                           const struct wn_plan_memory *memory, struct wn_record_plan *plan,
                           struct wn_error *err)
{
    struct wn_plan_builder builder;
    *plan = (struct wn_record_plan){0};
    WN_TRY(wn_ifd_begin(context, 1, memory, plan, &builder, err));
    plan->rows[0].status = status;
    return wn_arena_copy(memory->arena, why, &plan->why, err);
}

static wn_code prepare_turns(const struct wn_method_context *context, const struct wn_record *record,
                             const struct wn_plan_memory *memory, struct wn_record_plan *plan,
                             struct wn_error *err)
{
    const uint32_t first = context->turns == WN_TURNS_LAST ? record->n_turns - 1 : 0;
    const uint32_t n = context->turns == WN_TURNS_ALL ? record->n_turns : 1;
    struct wn_plan_builder builder;
    WN_TRY(wn_ifd_begin(context, n, memory, plan, &builder, err));
    for (uint32_t i = 0; i < n; i++) {
        struct wn_sample sample;
        WN_TRY(wn_profile_sample(&context->rules->profile, record, first + i, memory->scratch, &sample, err));
        WN_TRY(wn_ifd_add(&builder, i, &sample, err));
    }
    return WN_OK;
}

wn_code wn_ifd_prepare(const struct wn_method_context *context, const struct wn_record *record,
                       const struct wn_plan_memory *memory, struct wn_record_plan *out_plan,
                       struct wn_error *err)
{
    struct wn_record_plan plan = {0};
    if (record->status != WN_STATUS_OK) {
        WN_TRY(prepare_bad(context, record->status, record->why, memory, &plan, err));
    } else {
        struct wn_error inner = {0};
        const wn_code code = prepare_turns(context, record, memory, &plan, &inner);
        if (code == WN_INPUT) { /* the tokenizer cannot read a text: this record's own fault */
            WN_TRY(prepare_bad(context, WN_STATUS_PARSE_ERROR, wn_span_of(inner.text), memory, &plan, err));
        } else if (code != WN_OK) {
            if (err != NULL) {
                *err = inner;
            }
            return code;
        }
    }
    plan.place = record->place;
    for (uint32_t i = 0; i < plan.n_rows; i++) {
        plan.rows[i].record = record->place.index;
    }
    *out_plan = plan;
    return WN_OK;
}

/* Design: nan where a loss is not finite; no_answer_tokens where one of the two has none; truncated where
 * either was cut and both exist. The reversed side never changes the status. */
static void finish_row(struct wn_row *row)
{
    if (row->status != WN_STATUS_OK && row->status != WN_STATUS_NO_INSTRUCTION) {
        return;
    }
    const bool cond_bad = row->cond.k > 0 && !isfinite(row->cond.sum);
    const bool direct_bad = row->direct.k > 0 && !isfinite(row->direct.sum);
    if (cond_bad || direct_bad) {
        row->status = WN_STATUS_NAN;
    } else if (row->status == WN_STATUS_OK && (row->cond.k == 0 || row->direct.k == 0)) {
        row->status = WN_STATUS_NO_ANSWER_TOKENS;
    } else if (row->status == WN_STATUS_OK && (row->cond.cut || row->direct.cut)) {
        row->status = WN_STATUS_TRUNCATED;
    }
}

void wn_ifd_reduce(struct wn_record_plan *plan, const struct wn_value *values)
{
    for (uint32_t s = 0; s < plan->n_sides; s++) {
        const struct wn_side_plan *part = &plan->sides[s];
        double sum = 0;
        for (uint32_t i = 0; i < part->k; i++) {
            const float loss = values[part->first + i].value;
            sum += (double)loss;
            if (part->losses != NULL) {
                part->losses[i] = loss;
            }
        }
        part->side->sum = part->k > 0 ? sum : (double)NAN;
    }
    for (uint32_t i = 0; i < plan->n_rows; i++) {
        finish_row(&plan->rows[i]);
    }
}
