/* The scorer: records of a unit -> plans -> stream -> rows, in record order.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Memory is flat: what a record needs only until it is queued lives in a scratch arena, reset for every
 * record; ids and rows live in the arena of a group of neighbouring records, which is used again when all
 * of them have been handed on.
 */
#include "score/records.h"
#include "score/score.h"
#include "score/stream.h"

#include <stdlib.h>

enum { GROUP_RECORDS = 64, GROUP_BYTES = 4 << 20 };

struct group {
    struct group *next; /* in the list of free groups */
    struct wn_arena *arena;
    uint32_t n_records, n_open;
};

struct wn_scorer {
    const struct wn_corpus *corpus; /* borrowed */
    struct wn_recipe_in_force recipe;
    struct wn_record_taker taker;
    struct wn_stream *stream;
    struct group *current, *free_groups;
    struct wn_score_counts counts;
};

wn_code wn_scorer_new(const struct wn_score_options *options, const struct wn_corpus *corpus,
                      const struct wn_tokenizer *tokenizer, struct wn_model *model,
                      struct wn_scorer **out_scorer, struct wn_error *err)
{
    struct wn_scorer *scorer = calloc(1, sizeof *scorer);
    WN_CHECK(scorer != NULL, err, WN_DEVICE, "out of memory for a scorer");
    wn_code code = WN_OK;
    scorer->corpus = corpus;
    WN_TRY_OR(done, wn_recipe_open(&scorer->recipe, options, tokenizer, model, err));
    WN_TRY_OR(done, wn_taker_open(&scorer->taker, &scorer->recipe, corpus, err));
    const struct wn_text_rules *rules = &scorer->recipe.rules;
    WN_TRY_OR(done, wn_stream_new(model, scorer->recipe.method, rules->headers, rules->n_headers,
                                  wn_text_rules_path(rules), options->separate, &scorer->stream, err));
    *out_scorer = scorer;
done:
    if (code != WN_OK) {
        wn_scorer_free(scorer);
    }
    return code;
}

static void group_free(struct group *group)
{
    if (group != NULL) {
        wn_arena_free(group->arena);
        free(group);
    }
}

void wn_scorer_free(struct wn_scorer *scorer)
{
    if (scorer == NULL) {
        return;
    }
    /* After an error plans may be pending: only they know their groups. */
    struct wn_record_plan *plan = scorer->stream != NULL ? wn_stream_drop(scorer->stream) : NULL;
    while (plan != NULL) {
        struct group *group = plan->owner;
        if (--group->n_open == 0 && group != scorer->current) {
            group_free(group);
        }
        plan = wn_stream_drop(scorer->stream);
    }
    wn_stream_free(scorer->stream);
    group_free(scorer->current);
    while (scorer->free_groups != NULL) {
        struct group *next = scorer->free_groups->next;
        group_free(scorer->free_groups);
        scorer->free_groups = next;
    }
    wn_taker_close(&scorer->taker);
    wn_recipe_close(&scorer->recipe);
    free(scorer);
}

int32_t wn_scorer_max_length(const struct wn_scorer *scorer)
{
    return scorer->recipe.rules.max_length;
}

struct wn_score_counts wn_scorer_counts(const struct wn_scorer *scorer)
{
    const struct wn_run_counts stream = wn_stream_counts(scorer->stream);
    struct wn_score_counts counts = scorer->counts;
    counts.batches = stream.batches;
    counts.rows = stream.rows;
    counts.seconds_model = stream.seconds_model;
    return counts;
}

/* The group that takes the next record. */
static wn_code group_next(struct wn_scorer *scorer, struct wn_error *err)
{
    struct group *group = scorer->current;
    if (group != NULL && group->n_records < GROUP_RECORDS && wn_arena_used(group->arena) < GROUP_BYTES) {
        return WN_OK;
    }
    if (group != NULL && group->n_open == 0) { /* all handed on already */
        wn_arena_reset(group->arena);
        group->n_records = 0;
        return WN_OK;
    }
    struct group *fresh = scorer->free_groups;
    if (fresh != NULL) {
        scorer->free_groups = fresh->next;
        *fresh = (struct group){.arena = fresh->arena};
    } else {
        fresh = calloc(1, sizeof *fresh);
        WN_CHECK(fresh != NULL, err, WN_DEVICE, "out of memory for a group of records");
        const wn_code code = wn_arena_new(&fresh->arena, err);
        if (code != WN_OK) {
            free(fresh);
            return code;
        }
    }
    scorer->current = fresh;
    return WN_OK;
}

static void group_leave(struct wn_scorer *scorer, struct group *group)
{
    if (--group->n_open == 0 && group != scorer->current) {
        wn_arena_reset(group->arena);
        group->next = scorer->free_groups;
        scorer->free_groups = group;
    }
}

/* Hand on what is finished, in record order. */
static wn_code hand_on(struct wn_scorer *scorer, const struct wn_row_sink *sink, struct wn_error *err)
{
    for (struct wn_record_plan *plan = wn_stream_pop(scorer->stream); plan != NULL;
         plan = wn_stream_pop(scorer->stream)) {
        const wn_code code = wn_plan_hand_on(plan, sink, &scorer->counts, err);
        group_leave(scorer, plan->owner);
        WN_TRY(code);
    }
    return WN_OK;
}

/* Read, parse, encode and queue one record. */
static wn_code take_record(struct wn_scorer *scorer, uint64_t index, const struct wn_row_sink *sink,
                           struct wn_error *err)
{
    struct wn_record_plan *plan = NULL;
    WN_TRY(group_next(scorer, err));
    struct group *group = scorer->current;
    WN_TRY(wn_taker_take(&scorer->taker, index, NULL, group->arena, &plan, err));
    plan->owner = group;
    while (!wn_stream_has_room(scorer->stream, plan->n_values)) {
        bool ran = false;
        WN_TRY(wn_stream_step(scorer->stream, true, &ran, err));
        WN_TRY(hand_on(scorer, sink, err));
    }
    group->n_records++;
    group->n_open++;
    return wn_stream_push(scorer->stream, plan, err);
}

wn_code wn_scorer_run(struct wn_scorer *scorer, const struct wn_unit *unit, const struct wn_row_sink *sink,
                      struct wn_error *err)
{
    const uint64_t n = wn_corpus_count(scorer->corpus);
    WN_CHECK(unit->first <= n && unit->count <= n - unit->first, err, WN_DEFECT,
             "the unit of %llu records from %llu on lies outside the corpus of %llu",
             (unsigned long long)unit->count, (unsigned long long)unit->first, (unsigned long long)n);
    uint64_t next = unit->first;
    const uint64_t end = unit->first + unit->count;
    while (next < end || wn_stream_pending(scorer->stream) > 0) {
        if (next < end && wn_stream_is_hungry(scorer->stream)) {
            WN_TRY(take_record(scorer, next, sink, err));
            next++;
        } else {
            bool ran = false;
            WN_TRY(wn_stream_step(scorer->stream, true, &ran, err));
            WN_CHECK(ran, err, WN_DEFECT, "scoring: %zu records are pending, and no batch is left to run",
                     wn_stream_pending(scorer->stream));
        }
        WN_TRY(hand_on(scorer, sink, err));
    }
    return WN_OK;
}
