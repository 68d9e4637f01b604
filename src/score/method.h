/* Methods: what a record is turned into and what its values mean. A method is one row of a table.
 * SPDX-License-Identifier: Apache-2.0
 *
 * records.c reads records and hands rows on; stream.c and line.c run sequences; none knows a method. To add one:
 * write its file with `prepare` and `reduce`, and add its row to wn_methods.
 */
#ifndef WINNOW_SCORE_METHOD_H
#define WINNOW_SCORE_METHOD_H

#include "score/text.h"
#include "winnow/batch.h"

/* A run of losses that belongs to one side of a row: values [first, first + k) of the plan. */
struct wn_side_plan {
    struct wn_side *side;
    struct wn_side_tokens *tokens; /* NULL unless kept */
    float *losses;                 /* [k] where tokens are kept: what tokens->losses points to */
    int64_t first;
    uint32_t k;
};

/* What one record asks for and what will be known of it. Lives in the arena given to `prepare`. */
struct wn_record_plan {
    struct wn_place place;
    struct wn_span why;
    struct wn_row *rows; /* [n_rows] */
    uint32_t n_rows;
    struct wn_side_plan *sides;
    uint32_t n_sides;
    struct wn_side_tokens *cond, *direct; /* [n_rows] where tokens are kept */
    const struct wn_item
        *items; /* destinations count from 0; only the ids outlive the call that takes them */
    int32_t n_items;
    int64_t n_values;
    uint64_t tokens, header_tokens; /* asked for; held by a shared header */
    double flops;
    void *owner; /* for who made the plan: not read by stream or method */
};

/* The recipe of one pass, for methods. */
struct wn_method_context {
    const struct wn_text_rules *rules;
    const struct wn_model_info *info; /* for the count of useful work; NULL: not counted */
    enum wn_turns turns;
};

/* Where the parts of a plan live. One arena may serve as scratch and items. */
struct wn_plan_memory {
    struct wn_arena *scratch; /* until the plan is made */
    struct wn_arena *items;   /* until its items were queued: nodes and wants */
    struct wn_arena *arena;   /* until its rows were handed on: all else, the ids too */
};

struct wn_method {
    const char *name;
    /* Turn a record into a plan. A bad record is a plan with a status and no items. */
    wn_code (*prepare)(const struct wn_method_context *context, const struct wn_record *record,
                       const struct wn_plan_memory *memory, struct wn_record_plan *out_plan,
                       struct wn_error *err);
    /* Fill the plan's rows from its values[n_values]. */
    void (*reduce)(struct wn_record_plan *plan, const struct wn_value *values);
};

/* By name; NULL for an unknown one. */
const struct wn_method *wn_method_find(const char *name);

/* ifd.c, also for the library face: append one sample to a plan whose rows and sides have room. */
struct wn_plan_builder {
    const struct wn_method_context *context;
    struct wn_record_plan *plan;
    struct wn_item *items; /* room for 4 a row */
    struct wn_plan_memory memory;
};
wn_code wn_ifd_begin(const struct wn_method_context *context, uint32_t n_rows,
                     const struct wn_plan_memory *memory, struct wn_record_plan *plan,
                     struct wn_plan_builder *out_builder, struct wn_error *err);
wn_code wn_ifd_add(struct wn_plan_builder *builder, uint32_t number, const struct wn_sample *sample,
                   struct wn_error *err);
/* One text as one side of a row, with its tokens where that is not NULL. */
wn_code wn_ifd_add_side(struct wn_plan_builder *builder, const struct wn_text *text, struct wn_side *side,
                        struct wn_side_tokens *tokens, struct wn_error *err);
void wn_ifd_reduce(struct wn_record_plan *plan, const struct wn_value *values);
wn_code wn_ifd_prepare(const struct wn_method_context *context, const struct wn_record *record,
                       const struct wn_plan_memory *memory, struct wn_record_plan *out_plan,
                       struct wn_error *err);

#endif
