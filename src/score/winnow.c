/* The library's face (winnow/winnow.h) over the parts that the program uses: so both give the same bits.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "winnow/winnow.h"

#include "score/method.h"
#include "score/stream.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct winnow_handle {
    struct wn_arena *arena, *scratch, *results;
    struct wn_tokenizer *tokenizer;
    struct wn_encoder *encoder;
    struct wn_model *model;
    struct wn_profile profile;
    struct wn_text_rules rules;
    struct wn_method_context context;
    struct wn_stream *stream;
};

static int report(wn_code code, const struct wn_error *err, winnow_error *error)
{
    if (code != WN_OK && error != NULL) {
        error->code = (int)code;
        snprintf(error->text, sizeof error->text, "%s", err->text);
    }
    return (int)code;
}

const char *winnow_version(void)
{
    return WINNOW_VERSION;
}

/* Options of a caller whose header may be older: what it does not know is zero. */
static wn_code read_options(const winnow_options *options, winnow_options *out, struct wn_error *err)
{
    *out = (winnow_options){0};
    if (options != NULL) {
        WN_CHECK(options->size >= sizeof options->size && options->size <= sizeof *out, err, WN_USAGE,
                 "winnow_options.size is %zu: must be sizeof(winnow_options), at most %zu for this library",
                 options->size, sizeof *out);
        memcpy(out, options, options->size);
    }
    if (out->profile == NULL) {
        out->profile = "superfiltering";
    }
    return WN_OK;
}

static wn_code open_parts(winnow_handle *handle, const char *path, const winnow_options *options,
                          struct wn_error *err)
{
    char folder[PATH_MAX];
    const struct wn_model_options model = {.dtype = options->dtype != NULL ? options->dtype : "auto",
                                           .device = options->device != NULL ? options->device : "auto",
                                           .threads = options->threads,
                                           .batch_rows = options->batch_rows};
    WN_TRY(wn_arena_new(&handle->arena, err));
    WN_TRY(wn_arena_new(&handle->scratch, err));
    WN_TRY(wn_arena_new(&handle->results, err));
    WN_TRY(wn_profile_find(options->profile, handle->arena, &handle->profile, err));
    WN_TRY(wn_model_resolve(path, folder, sizeof folder, err));
    WN_TRY(wn_tokenizer_open(folder, &handle->tokenizer, err));
    WN_TRY(wn_encoder_new(handle->tokenizer, &handle->encoder, err));
    WN_TRY(wn_model_open(path, &model, &handle->model, err));
    const struct wn_model_info *info = wn_model_info(handle->model);
    const struct wn_tokenizer_info tokens = wn_tokenizer_info(handle->tokenizer);
    WN_CHECK(tokens.max_id < info->V, err, WN_MODEL,
             "%s: the tokenizer gives ids up to %d, the model has only %d embeddings", path, tokens.max_id,
             info->V);
    const struct wn_score_options score = {
        .profile = &handle->profile, .max_length = options->max_length, .keep_tokens = true};
    WN_TRY(wn_text_rules_make(&score, handle->tokenizer, handle->encoder, info->positions, handle->arena,
                              &handle->rules, err));
    handle->context = (struct wn_method_context){.rules = &handle->rules};
    return wn_stream_new(handle->model, wn_method_find("ifd"), handle->rules.headers, handle->rules.n_headers,
                         wn_text_rules_path(&handle->rules), false, &handle->stream, err);
}

int winnow_open(const char *model, const winnow_options *options, winnow_handle **out_handle,
                winnow_error *error)
{
    struct wn_error err = {0};
    winnow_options read;
    if (model == NULL || out_handle == NULL) {
        const wn_code wrong =
            wn_error_set(&err, WN_USAGE, __FILE__, __LINE__, "winnow_open: model or out_handle is NULL");
        return report(wrong, &err, error);
    }
    wn_code code = read_options(options, &read, &err);
    if (code != WN_OK) {
        return report(code, &err, error);
    }
    winnow_handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL) {
        return report(wn_error_set(&err, WN_DEVICE, __FILE__, __LINE__, "out of memory for a handle"), &err,
                      error);
    }
    code = open_parts(handle, model, &read, &err);
    if (code != WN_OK) {
        winnow_close(handle);
        return report(code, &err, error);
    }
    *out_handle = handle;
    return WINNOW_OK;
}

void winnow_close(winnow_handle *handle)
{
    if (handle == NULL) {
        return;
    }
    wn_stream_free(handle->stream);
    wn_model_close(handle->model);
    wn_encoder_free(handle->encoder);
    wn_tokenizer_free(handle->tokenizer);
    wn_arena_free(handle->results);
    wn_arena_free(handle->scratch);
    wn_arena_free(handle->arena);
    free(handle);
}

/* A plan of one row, empty. */
static wn_code begin_plan(winnow_handle *handle, struct wn_record_plan **out_plan,
                          struct wn_plan_builder *out_builder, struct wn_error *err)
{
    wn_arena_reset(handle->results);
    WN_TRY(WN_ARENA_NEW(handle->results, 1, out_plan, err));
    const struct wn_plan_memory memory = {handle->scratch, handle->scratch, handle->results};
    return wn_ifd_begin(&handle->context, 1, &memory, *out_plan, out_builder, err);
}

static wn_code run_plan(winnow_handle *handle, struct wn_record_plan *plan, struct wn_error *err)
{
    WN_TRY(wn_stream_push(handle->stream, plan, err));
    for (bool ran = true; ran;) {
        WN_TRY(wn_stream_step(handle->stream, true, &ran, err));
    }
    WN_CHECK(wn_stream_pop(handle->stream) == plan, err, WN_DEFECT, "scoring: a text was not finished");
    return WN_OK;
}

static wn_code fill_side(winnow_handle *handle, const struct wn_side *side,
                         const struct wn_side_tokens *tokens, winnow_side *out, struct wn_error *err)
{
    *out =
        (winnow_side){.n = side->n, .first = side->first, .k = side->k, .cut = side->cut, .sum = side->sum};
    if (tokens->ids == NULL) {
        return WN_OK;
    }
    uint32_t *ends = NULL;
    WN_TRY(WN_ARENA_NEW(handle->results, side->n, &ends, err));
    for (uint32_t i = 0; i < side->n; i++) {
        ends[i] = tokens->places[i].end;
    }
    out->ids = tokens->ids;
    out->ends = ends;
    out->losses = tokens->losses;
    return WN_OK;
}

static wn_code score(winnow_handle *handle, const struct wn_sample *sample, winnow_scores *out,
                     struct wn_error *err)
{
    struct wn_record_plan *plan = NULL;
    struct wn_plan_builder builder;
    WN_TRY(begin_plan(handle, &plan, &builder, err));
    WN_TRY(wn_ifd_add(&builder, 0, sample, err));
    WN_TRY(run_plan(handle, plan, err));
    out->status = (int)plan->rows[0].status;
    WN_TRY(fill_side(handle, &plan->rows[0].cond, &plan->cond[0], &out->cond, err));
    return fill_side(handle, &plan->rows[0].direct, &plan->direct[0], &out->direct, err);
}

static wn_code score_text(winnow_handle *handle, struct wn_span text, winnow_side *out, struct wn_error *err)
{
    struct wn_record_plan *plan = NULL;
    struct wn_plan_builder builder;
    struct wn_text encoded;
    WN_TRY(begin_plan(handle, &plan, &builder, err));
    WN_TRY(wn_text_encode(&handle->rules, text, handle->scratch, handle->results, &encoded, err));
    WN_TRY(wn_ifd_add_side(&builder, &encoded, &plan->rows[0].direct, &plan->direct[0], err));
    WN_TRY(run_plan(handle, plan, err));
    return fill_side(handle, &plan->rows[0].direct, &plan->direct[0], out, err);
}

/* WN_USAGE where one of what a function needs is NULL. */
static wn_code need(const char *function, bool is_complete, struct wn_error *err)
{
    WN_CHECK(is_complete, err, WN_USAGE, "%s: the handle, a text or the place for the result is NULL",
             function);
    return WN_OK;
}

int winnow_score(winnow_handle *handle, const char *prompt, const char *answer, winnow_scores *out_scores,
                 winnow_error *error)
{
    struct wn_error err = {0};
    const bool is_complete = handle != NULL && prompt != NULL && answer != NULL && out_scores != NULL;
    if (need("winnow_score", is_complete, &err) != WN_OK) {
        return report(WN_USAGE, &err, error);
    }
    wn_arena_reset(handle->scratch);
    const struct wn_span context = wn_span_of(prompt);
    const struct wn_sample sample = {.status = answer[0] != '\0' ? WN_STATUS_OK : WN_STATUS_EMPTY_ANSWER,
                                     .prompt = context,
                                     .answer = wn_span_of(answer),
                                     .lead = handle->profile.lead,
                                     .counted = context};
    return report(score(handle, &sample, out_scores, &err), &err, error);
}

int winnow_score_sample(winnow_handle *handle, const char *instruction, const char *input, const char *answer,
                        winnow_scores *out_scores, winnow_error *error)
{
    struct wn_error err = {0};
    const bool is_complete = handle != NULL && instruction != NULL && answer != NULL && out_scores != NULL;
    if (need("winnow_score_sample", is_complete, &err) != WN_OK) {
        return report(WN_USAGE, &err, error);
    }
    wn_arena_reset(handle->scratch);
    const struct wn_message messages[2] = {
        {.role = WN_ROLE_USER,
         .has_text = true,
         .text = wn_span_of(instruction),
         .input = wn_span_of(input != NULL ? input : "")},
        {.role = WN_ROLE_ASSISTANT, .has_text = true, .text = wn_span_of(answer), .input = {"", 0}}};
    const struct wn_record record = {
        .status = WN_STATUS_OK, .messages = messages, .n_messages = 2, .n_turns = 1};
    struct wn_sample sample;
    wn_code code = wn_profile_sample(&handle->profile, &record, 0, handle->scratch, &sample, &err);
    if (code == WN_OK) {
        sample.has_reverse = false;
        code = score(handle, &sample, out_scores, &err);
    }
    return report(code, &err, error);
}

int winnow_score_text(winnow_handle *handle, const char *text, winnow_side *out_side, winnow_error *error)
{
    struct wn_error err = {0};
    if (need("winnow_score_text", handle != NULL && text != NULL && out_side != NULL, &err) != WN_OK) {
        return report(WN_USAGE, &err, error);
    }
    wn_arena_reset(handle->scratch);
    return report(score_text(handle, wn_span_of(text), out_side, &err), &err, error);
}

static double loss(const winnow_side *side)
{
    return side->k > 0 ? side->sum / side->k : (double)NAN;
}

static int is_scored(const winnow_scores *scores)
{
    return scores->status == WINNOW_STATUS_OK || scores->status == WINNOW_STATUS_TRUNCATED;
}

double winnow_ifd_loss(const winnow_scores *scores)
{
    return is_scored(scores) ? loss(&scores->cond) / loss(&scores->direct) : (double)NAN;
}

double winnow_ifd_ppl(const winnow_scores *scores)
{
    return is_scored(scores) ? exp(loss(&scores->cond) - loss(&scores->direct)) : (double)NAN;
}
