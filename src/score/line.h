/* Inside the line: what its stages share.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   units -> front: chunks by ticket -> reading -> front: groups in order -> packing -> loads -> model -> shelf -> reduction
 *
 * The front holds units and groups, the shelf the ring of values; each has one lock. Where one is held, the only other
 * lock that is taken is the crew's (wn_stage_wait, wn_stage_work).
 *
 * Nobody waits for ever. Reading waits for units and for memory that packing and reduction give back. Packing waits for
 * groups, for a load that the model has done with, and for room on the shelf; before it waits for room or for what
 * cannot come, it hands out all it holds. The model waits for loads, reduction for values. So whatever waits, all that
 * was handed out gets done, and gives room, groups and loads back.
 */
#ifndef WINNOW_SCORE_LINE_H
#define WINNOW_SCORE_LINE_H

#include "base/base.h"
#include "score/feed.h"
#include "score/records.h"
#include "score/ring.h"

#include <stdatomic.h>

/* LINE_LOADS: one in the model, one ready, one being made. */
enum { LINE_CHUNK = 64, LINE_LOADS = 3, LINE_MOST_READERS = 64 };

/* Neighbouring records of one unit. */
struct wn_group {
    struct wn_group *next; /* in the list of free groups */
    struct wn_group *made; /* in the list of all */
    struct wn_arena *arena;
    struct wn_arena *items; /* while it is read and packed */
    uint64_t ticket, first;
    uint32_t count;
    bool ends_unit;
    struct wn_unit unit;
    struct wn_record_plan *plans[LINE_CHUNK]; /* [count] arena */
    struct wn_record_plan end;                /* placed behind the plans: no rows, no values */
    size_t bytes;                             /* of its arena, when it was read */
};

/* The end of a group, as it comes to reduction. */
static inline bool wn_plan_is_end(const struct wn_record_plan *plan)
{
    return plan->n_rows == 0;
}

/* The front (line_front.c). */

struct wn_front;

struct wn_front_limits {
    size_t units;      /* that may be queued */
    size_t groups;     /* that exist at most */
    size_t ahead;      /* that are read or wait to be packed at most */
    size_t bytes;      /* that groups hold, beyond which no new one is begun */
    int64_t full_rows; /* of a batch */
};

wn_code wn_front_new(const struct wn_front_limits *limits, struct wn_front **out_front, struct wn_error *err);
void wn_front_free(struct wn_front *front); /* NULL is allowed; frees all groups */
bool wn_front_give(struct wn_front *front, const struct wn_unit *unit);
void wn_front_close(struct wn_front *front);  /* no more units */
void wn_front_cancel(struct wn_front *front); /* all who wait here leave */

/* Reading. The next chunk to read, as an empty group; NULL when no more comes. WN_DEVICE without memory. */
wn_code wn_front_begin(struct wn_front *front, struct wn_stage *stage, struct wn_group **out_group,
                       struct wn_error *err);
void wn_front_deliver(struct wn_front *front, struct wn_group *group); /* read: packing gets it in its turn */

/* Packing. */
enum wn_front_answer {
    WN_FRONT_GROUP, /* *out_group is the next in order; give its items back with wn_front_packed */
    WN_FRONT_MAKE,  /* make a batch of what waits now, full or not */
    WN_FRONT_END    /* no more comes, or the line was cancelled */
};
/* `rows` wait to be put into batches. Where groups come, they come first; a batch that is not full is asked for only
 * when the model idles and no group is being read or can be. */
enum wn_front_answer wn_front_take(struct wn_front *front, struct wn_stage *stage, int64_t rows,
                                   struct wn_group **out_group);
void wn_front_packed(struct wn_front *front, struct wn_group *group);
void wn_front_sent(struct wn_front *front); /* a load more for the model */

/* The model has done with a load. */
void wn_front_ran(struct wn_front *front);

/* Reduction: all plans of the group were handed on. */
void wn_front_recycle(struct wn_front *front, struct wn_group *group);

/* The shelf (line_shelf.c). */

struct wn_shelf;

wn_code wn_shelf_new(int32_t batch_rows, struct wn_shelf **out_shelf, struct wn_error *err);
void wn_shelf_free(struct wn_shelf *shelf); /* NULL is allowed */
void wn_shelf_cancel(struct wn_shelf *shelf);

/* Packing. Take in a plan: *out_placed is false where there is no room, or the line was cancelled. */
wn_code wn_shelf_place(struct wn_shelf *shelf, struct wn_record_plan *plan, uint64_t *out_base,
                       bool *out_placed, struct wn_error *err);
/* Wait until there is room for `plan`; false where the line was cancelled. */
bool wn_shelf_wait_room(struct wn_shelf *shelf, struct wn_stage *stage, const struct wn_record_plan *plan);
void wn_shelf_end(struct wn_shelf *shelf); /* no more plans come */

/* The model: the values of a load, and what the model has done so far. */
void wn_shelf_land(struct wn_shelf *shelf, const struct wn_load *load, const struct wn_run_counts *counts);

enum wn_shelf_answer { WN_SHELF_PLAN, WN_SHELF_END, WN_SHELF_CANCELLED };
/* Reduction. The oldest plan, when its values are there; it stays until wn_shelf_leave. */
enum wn_shelf_answer wn_shelf_wait_plan(struct wn_shelf *shelf, struct wn_stage *stage,
                                        struct wn_record_plan **out_plan, const struct wn_value **out_values);
void wn_shelf_leave(struct wn_shelf *shelf);
struct wn_run_counts wn_shelf_counts(struct wn_shelf *shelf);

struct wn_line {
    const struct wn_corpus *corpus; /* borrowed */
    struct wn_row_sink sink;
    wn_code (*unit_end)(void *context, const struct wn_unit *unit, const struct wn_score_counts *counts,
                        struct wn_error *err);
    bool separate;
    struct wn_recipe_in_force recipe;
    struct wn_front *front;
    struct wn_shelf *shelf;
    struct wn_feed *feed;
    struct wn_load loads[LINE_LOADS];
    struct wn_queue *idle, *ready; /* loads on their way back from and to the model */
    struct wn_runner runner;
    struct wn_line_reader *readers; /* [n_readers] */
    size_t n_readers;
    atomic_uint_least64_t records;
    atomic_uint_least64_t moves;  /* of the model */
    struct wn_stage *model_stage; /* the model's thread's own */
    atomic_bool is_cancelled, is_done;
};

struct wn_line_reader {
    struct wn_line *line;
    struct wn_record_taker taker;
};

/* The stages (line_stages.c), for wn_crew_start. */
wn_code wn_line_read(struct wn_stage *stage, void *reader, struct wn_error *err);
wn_code wn_line_pack(struct wn_stage *stage, void *line, struct wn_error *err);
wn_code wn_line_model(struct wn_stage *stage, void *line, struct wn_error *err);
wn_code wn_line_reduce(struct wn_stage *stage, void *line, struct wn_error *err);

#endif
