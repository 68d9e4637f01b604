/* winnow explain: one record, from its text to its scores.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain.h"
#include "cluster/cluster.h"
#include "store/store.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* All that an explanation holds open. */
struct work {
    const struct wn_context *context;
    struct wn_arena *arena;
    struct wn_explain_source source;
    struct wn_corpus *corpus;
    struct wn_corpus_reader *reader;
    struct wn_tokenizer *tokenizer;
    struct wn_encoder *encoder;
    struct wn_model *model;
    struct wn_scorer *scorer;
    struct wn_record record;
    struct wn_explain explain;
};

/* The scored tokens of one side, in the order of the text: offsets count from the start of the answer. */
static struct wn_explain_token side_token(const struct wn_side_tokens *side, uint32_t i, size_t before_answer,
                                          int which)
{
    const uint32_t at = side->n - side->k + i;
    const struct wn_token_place place = side->places[at];
    const bool is_inside = place.begin <= place.end && place.end <= side->text.size;
    struct wn_explain_token token = {.begin = (int64_t)place.begin - (int64_t)before_answer,
                                     .end = (int64_t)place.end - (int64_t)before_answer,
                                     .id = {-1, -1},
                                     .loss = {NAN, NAN}};
    if (is_inside && place.end > place.begin) {
        token.text = (struct wn_span){side->text.data + place.begin, place.end - place.begin};
    }
    token.id[which] = side->ids[at];
    token.place[which] = at;
    token.loss[which] = side->losses[i];
    return token;
}

/* Merge both sides: tokens that stand for the same bytes of the answer share a line. */
static wn_code tokens_merge(struct wn_arena *arena, const struct wn_side_tokens *cond,
                            const struct wn_side_tokens *direct, struct wn_explain_turn *turn,
                            struct wn_error *err)
{
    WN_TRY(WN_ARENA_NEW(arena, (size_t)cond->k + direct->k + 1, &turn->tokens, err));
    uint32_t a = 0;
    uint32_t b = 0;
    while (a < cond->k || b < direct->k) {
        struct wn_explain_token *out = &turn->tokens[turn->n_tokens++];
        const bool has_a = a < cond->k;
        const bool has_b = b < direct->k;
        const struct wn_explain_token left = has_a ? side_token(cond, a, turn->sample.prompt.size, 0)
                                                   : (struct wn_explain_token){.begin = INT64_MAX};
        const struct wn_explain_token right = has_b ? side_token(direct, b, turn->sample.lead.size, 1)
                                                    : (struct wn_explain_token){.begin = INT64_MAX};
        if (has_a && has_b && left.begin == right.begin && left.end == right.end) {
            *out = left;
            out->id[1] = right.id[1];
            out->place[1] = right.place[1];
            out->loss[1] = right.loss[1];
            a++;
            b++;
        } else if (has_a && (!has_b || left.begin <= right.begin)) {
            *out = left;
            a++;
        } else {
            *out = right;
            b++;
        }
    }
    for (size_t i = 0; i < turn->n_tokens; i++) {
        WN_TRY(wn_arena_copy(arena, turn->tokens[i].text, &turn->tokens[i].text, err));
    }
    return WN_OK;
}

static wn_code tokens_count(struct work *work, struct wn_span text, uint64_t *out_n, struct wn_error *err)
{
    struct wn_tokens tokens;
    const bool special = work->source.profile.bos == WN_BOS_MODEL;
    WN_TRY(wn_encode(work->encoder, text, special, work->arena, &tokens, err));
    *out_n = tokens.n;
    return WN_OK;
}

static wn_code turn_fill(struct work *work, const struct wn_record_rows *rows, uint32_t i,
                         struct wn_error *err)
{
    struct wn_explain_turn *turn = &work->explain.turns[i];
    struct wn_row *row = NULL;
    WN_TRY(WN_ARENA_NEW(work->arena, 1, &row, err));
    *row = rows->rows[i];
    turn->row = row;
    if (work->record.status != WN_STATUS_OK || work->record.n_turns == 0) {
        return WN_OK;
    }
    const bool is_last = work->source.score.turns == WN_TURNS_LAST;
    const uint32_t part = is_last ? work->record.n_turns - 1 : row->part;
    WN_CHECK(part < work->record.n_turns, err, WN_DEFECT, "turn %u of %u was scored", part,
             work->record.n_turns);
    WN_TRY(wn_profile_sample(&work->source.profile, &work->record, part, work->arena, &turn->sample, err));
    WN_TRY(tokens_count(work, turn->sample.prompt, &turn->n_prompt, err));
    WN_TRY(tokens_count(work, turn->sample.counted, &turn->n_counted, err));
    WN_TRY(tokens_count(work, turn->sample.lead, &turn->n_lead, err));
    if (rows->cond != NULL && rows->direct != NULL) {
        WN_TRY(tokens_merge(work->arena, &rows->cond[i], &rows->direct[i], turn, err));
    }
    return WN_OK;
}

/* Copies what it needs: rows are valid during this call only. */
static wn_code rows_take(void *context, const struct wn_record_rows *rows, struct wn_error *err)
{
    struct work *work = context;
    struct wn_explain *explain = &work->explain;
    double turn_mean = 0;
    wn_row_fold(rows->rows, rows->n_rows, &explain->fold, &turn_mean);
    explain->status = explain->fold.status;
    WN_TRY(wn_arena_copy(work->arena, rows->why, &explain->why, err));
    WN_TRY(wn_corpus_where(work->corpus, &rows->place, work->arena, &explain->where, err));
    WN_TRY(WN_ARENA_NEW(work->arena, rows->n_rows, &explain->turns, err));
    explain->n_turns = rows->n_rows;
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        WN_TRY(turn_fill(work, rows, i, err));
    }
    return WN_OK;
}

/* The run's scores.h5 in *out_scores, NULL where it is not finished. */
static wn_code scores_open(const struct work *work, struct wn_scores **out_scores, struct wn_error *err)
{
    char path[PATH_MAX];
    *out_scores = NULL;
    if (work->source.run == NULL ||
        (size_t)snprintf(path, sizeof path, "%s/scores.h5", work->source.run) >= sizeof path ||
        !wn_path_exists(path)) {
        return WN_OK;
    }
    return wn_scores_open(path, out_scores, err);
}

/* The scores are of this very corpus. */
static wn_code corpus_check(const struct work *work, const struct wn_scores *scores, struct wn_error *err)
{
    const char *scored = wn_scores_attribute(scores, wn_attribute_corpus_hash);
    char hash[WN_HASH_TEXT];
    wn_corpus_hash(work->corpus, hash);
    WN_CHECK(scored != NULL && strcmp(hash, scored) == 0, err, WN_RUN,
             "record %llu: this is not the corpus that was scored: it has hash %s and %llu records; %s is of "
             "hash %s: give the files that were scored by --data, or leave the run out and name corpus and "
             "model by --data and --model",
             (unsigned long long)work->explain.index, hash, (unsigned long long)wn_corpus_count(work->corpus),
             wn_scores_path(scores), scored != NULL ? scored : "nothing");
    return WN_OK;
}

/* The run holds record `index`. */
static wn_code range_check(const struct work *work, uint64_t first, uint64_t count, struct wn_error *err)
{
    const uint64_t index = work->explain.index;
    WN_CHECK(
        index >= first && index - first < count, err, WN_USAGE,
        "--index %llu: %s holds the records %llu to %llu, counted from 0; for another record name corpus "
        "and model by --data and --model",
        (unsigned long long)index, work->source.run, (unsigned long long)first,
        (unsigned long long)(first + count - 1));
    return WN_OK;
}

/* The row of scores.h5 is of the same bytes as the record that is explained. */
static wn_code row_check(struct work *work, const struct wn_scores *scores, uint64_t row,
                         struct wn_error *err)
{
    struct wn_place place;
    struct wn_span bytes;
    uint64_t id_hash = 0;
    WN_TRY(wn_corpus_read(work->reader, work->explain.index, &place, &bytes, err));
    WN_TRY(wn_scores_integers(scores, "id_hash", row, 1, &id_hash, err));
    WN_CHECK(
        place.id_hash == id_hash, err, WN_RUN,
        "record %llu of the corpus is not the one that was scored: it has hash %016llx, %s says %016llx: "
        "give the files that were scored by --data",
        (unsigned long long)work->explain.index, (unsigned long long)place.id_hash, wn_scores_path(scores),
        (unsigned long long)id_hash);
    return WN_OK;
}

static wn_code scores_read(struct work *work, const struct wn_scores *scores, struct wn_error *err)
{
    struct wn_explain_stored *stored = &work->explain.stored;
    uint64_t first = 0;
    WN_TRY(corpus_check(work, scores, err));
    WN_TRY(wn_scores_integers(scores, "index", 0, 1, &first, err));
    WN_TRY(range_check(work, first, wn_scores_count(scores), err));
    const uint64_t row = work->explain.index - first;
    WN_TRY(row_check(work, scores, row, err));
    WN_TRY(wn_scores_doubles(scores, "sum_cond", row, 1, &stored->sum_cond, err));
    WN_TRY(wn_scores_doubles(scores, "sum_direct", row, 1, &stored->sum_direct, err));
    WN_TRY(wn_scores_doubles(scores, "ifd_loss", row, 1, &stored->ifd_loss, err));
    WN_TRY(wn_scores_doubles(scores, "ifd_ppl", row, 1, &stored->ifd_ppl, err));
    stored->has_values = true;
    return WN_OK;
}

/* What the run says of the record: its stored scores, or, while it is not finished, that it will be there. */
static wn_code stored_read(struct work *work, struct wn_error *err)
{
    const struct wn_explain_source *source = &work->source;
    const uint64_t n = wn_corpus_count(work->corpus);
    struct wn_scores *scores = NULL;
    if (source->run == NULL) {
        return WN_OK;
    }
    WN_TRY(scores_open(work, &scores, err));
    if (scores == NULL) {
        const uint64_t left = n > source->run_first ? n - source->run_first : 0;
        const bool is_open = source->run_count == 0 || source->run_count > left;
        return range_check(work, source->run_first, is_open ? left : source->run_count, err);
    }
    const wn_code code = scores_read(work, scores, err);
    wn_scores_close(scores);
    return code;
}

static wn_code work_open(struct work *work, struct wn_error *err)
{
    struct wn_explain_source *source = &work->source;
    char folder[PATH_MAX];
    WN_TRY(wn_arena_new(&work->arena, err));
    WN_TRY(wn_explain_source_make(work->context, work->arena, source, err));
    WN_TRY(wn_model_resolve(source->model, folder, sizeof folder, err));
    WN_TRY(wn_corpus_open(&source->corpus, &work->corpus, err));
    const uint64_t n = wn_corpus_count(work->corpus);
    work->explain.index = (uint64_t)work->context->settings->index;
    WN_CHECK(source->run != NULL || work->explain.index < n, err, WN_USAGE,
             "--index %llu: the corpus has %llu records, counted from 0",
             (unsigned long long)work->explain.index, (unsigned long long)n);
    WN_TRY(wn_corpus_reader_new(work->corpus, &work->reader, err));
    WN_TRY(stored_read(work, err));
    WN_TRY(wn_tokenizer_open(folder, &work->tokenizer, err));
    WN_TRY(wn_encoder_new(work->tokenizer, &work->encoder, err));
    WN_TRY(wn_corpus_record(work->reader, work->explain.index, work->arena, &work->record, err));
    WN_TRY(wn_model_fit(source->model, &source->score, &source->model_options, err));
    WN_TRY(wn_model_open(source->model, &source->model_options, &work->model, err));
    return wn_scorer_new(&source->score, work->corpus, work->tokenizer, work->model, &work->scorer, err);
}

static wn_code work_run(struct work *work, struct wn_error *err)
{
    WN_TRY(work_open(work, err));
    const struct wn_model_info *info = wn_model_info(work->model);
    struct wn_explain *explain = &work->explain;
    explain->form = wn_form_name(wn_corpus_form(work->corpus));
    explain->family = info->family;
    explain->source = &work->source;
    explain->numeric = &info->numeric;
    explain->max_length = wn_scorer_max_length(work->scorer);
    explain->positions = info->positions;
    const struct wn_unit unit = {0, explain->index, 1};
    const struct wn_row_sink sink = {work, rows_take};
    WN_TRY(wn_scorer_run(work->scorer, &unit, &sink, err));
    if (work->context->settings->json) {
        return wn_json_emit(wn_explain_json(explain), err);
    }
    wn_explain_print(stdout, explain, work->context->has_color);
    return WN_OK;
}

wn_code wn_cmd_explain(const struct wn_context *context, struct wn_error *err)
{
    struct work work = {.context = context};
    const wn_code code = work_run(&work, err);
    wn_scorer_free(work.scorer);
    wn_model_close(work.model);
    wn_corpus_reader_free(work.reader);
    wn_encoder_free(work.encoder);
    wn_tokenizer_free(work.tokenizer);
    wn_corpus_free(work.corpus);
    wn_arena_free(work.arena);
    return code;
}
