/* The front of the line: units in, chunks to the readers by ticket, groups to packing in that order.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A ticket is only given together with the memory for its chunk: a group, and an arena for the items. So the oldest
 * chunk that packing waits for can always be read, and no more than `ahead` of them stand in order.
 */
#include "score/line.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* An arena that has grown beyond this is given back, so that one large record does not cost memory for ever. */
static const size_t most_kept = (size_t)2 << 20;

struct wn_front {
    pthread_mutex_t mutex;
    pthread_cond_t for_readers, for_packing;
    struct wn_front_limits limits;
    struct wn_unit *units; /* [limits.units] ring */
    size_t first_unit, n_units;
    struct wn_unit current; /* being read: records that no ticket was given for begin at `next` */
    uint64_t next;
    bool has_current;
    uint64_t next_ticket, next_out;
    struct wn_group **order; /* [limits.ahead] delivered, at their ticket modulo that */
    struct wn_group *free_groups, *all_groups;
    struct wn_arena **items; /* [n_items] free ones; NULL: not made */
    size_t n_items;          /* at most limits.ahead */
    size_t n_out;            /* groups that are not free */
    size_t bytes;            /* that they hold */
    size_t n_reading;        /* chunks being read */
    size_t n_running;        /* loads on their way to the model, and in it */
    bool is_closed, is_cancelled;
};

static wn_code front_fill(struct wn_front *front, struct wn_error *err)
{
    const struct wn_front_limits *limits = &front->limits;
    front->units = calloc(limits->units, sizeof *front->units);
    front->order = calloc(limits->ahead, sizeof *front->order);
    front->items = calloc(limits->ahead, sizeof *front->items);
    WN_CHECK(front->units != NULL && front->order != NULL && front->items != NULL, err, WN_DEVICE,
             "out of memory for %zu units", limits->units);
    front->n_items = limits->ahead;
    return WN_OK;
}

wn_code wn_front_new(const struct wn_front_limits *limits, struct wn_front **out_front, struct wn_error *err)
{
    assert(limits->units >= 1 && limits->groups >= 1 && limits->ahead >= 1);
    struct wn_front *front = calloc(1, sizeof *front);
    WN_CHECK(front != NULL, err, WN_DEVICE, "out of memory for the units");
    front->limits = *limits;
    pthread_mutex_init(&front->mutex, NULL); /* without attributes none of these can fail on this system */
    pthread_cond_init(&front->for_readers, NULL);
    pthread_cond_init(&front->for_packing, NULL);
    const wn_code code = front_fill(front, err);
    if (code != WN_OK) {
        wn_front_free(front);
        return code;
    }
    *out_front = front;
    return WN_OK;
}

void wn_front_free(struct wn_front *front)
{
    if (front == NULL) {
        return;
    }
    while (front->all_groups != NULL) {
        struct wn_group *group = front->all_groups;
        front->all_groups = group->made;
        wn_arena_free(group->arena);
        wn_arena_free(group->items);
        free(group);
    }
    for (size_t i = 0; front->items != NULL && i < front->n_items; i++) {
        wn_arena_free(front->items[i]);
    }
    pthread_cond_destroy(&front->for_packing);
    pthread_cond_destroy(&front->for_readers);
    pthread_mutex_destroy(&front->mutex);
    free(front->items);
    free(front->order);
    free(front->units);
    free(front);
}

bool wn_front_give(struct wn_front *front, const struct wn_unit *unit)
{
    pthread_mutex_lock(&front->mutex);
    const bool is_taken = !front->is_closed && front->n_units < front->limits.units;
    if (is_taken) {
        front->units[(front->first_unit + front->n_units++) % front->limits.units] = *unit;
        pthread_cond_broadcast(&front->for_readers);
    }
    pthread_mutex_unlock(&front->mutex);
    return is_taken;
}

void wn_front_close(struct wn_front *front)
{
    pthread_mutex_lock(&front->mutex);
    front->is_closed = true;
    pthread_cond_broadcast(&front->for_readers);
    pthread_cond_broadcast(&front->for_packing);
    pthread_mutex_unlock(&front->mutex);
}

void wn_front_cancel(struct wn_front *front)
{
    pthread_mutex_lock(&front->mutex);
    front->is_closed = true;
    front->is_cancelled = true;
    pthread_cond_broadcast(&front->for_readers);
    pthread_cond_broadcast(&front->for_packing);
    pthread_mutex_unlock(&front->mutex);
}

static bool has_chunk(const struct wn_front *front)
{
    return front->has_current || front->n_units > 0;
}

/* Whether there is memory for one more chunk. One is always allowed. */
static bool has_memory(const struct wn_front *front)
{
    return front->n_items > 0 && front->n_out < front->limits.groups &&
           (front->bytes < front->limits.bytes || front->n_out == 0);
}

/* A group with empty arenas. */
static wn_code group_get(struct wn_front *front, struct wn_group **out_group, struct wn_error *err)
{
    struct wn_group *group = front->free_groups;
    if (group == NULL) {
        group = calloc(1, sizeof *group);
        WN_CHECK(group != NULL, err, WN_DEVICE, "out of memory for a group of records");
        group->made = front->all_groups;
        front->all_groups = group;
    } else {
        front->free_groups = group->next;
    }
    front->n_out++;
    if (group->arena == NULL) {
        WN_TRY(wn_arena_new(&group->arena, err));
    }
    group->items = front->items[--front->n_items];
    if (group->items == NULL) {
        WN_TRY(wn_arena_new(&group->items, err));
    }
    *out_group = group;
    return WN_OK;
}

/* The next records of the unit at hand, at most a chunk. */
static void chunk_cut(struct wn_front *front, struct wn_group *group)
{
    if (!front->has_current) {
        front->current = front->units[front->first_unit];
        front->first_unit = (front->first_unit + 1) % front->limits.units;
        front->n_units--;
        front->next = front->current.first;
        front->has_current = true;
    }
    const uint64_t left = front->current.first + front->current.count - front->next;
    group->unit = front->current;
    group->first = front->next;
    group->count = left < LINE_CHUNK ? (uint32_t)left : LINE_CHUNK;
    group->ends_unit = group->count == left;
    group->end = (struct wn_record_plan){.owner = group};
    group->ticket = front->next_ticket++;
    front->next += group->count;
    front->has_current = !group->ends_unit;
}

wn_code wn_front_begin(struct wn_front *front, struct wn_stage *stage, struct wn_group **out_group,
                       struct wn_error *err)
{
    wn_code code = WN_OK;
    *out_group = NULL;
    pthread_mutex_lock(&front->mutex);
    if (!(has_chunk(front) && has_memory(front))) {
        wn_stage_wait(stage);
    }
    while (!front->is_cancelled && !(has_chunk(front) && has_memory(front)) &&
           !(front->is_closed && !has_chunk(front))) {
        pthread_cond_wait(&front->for_readers, &front->mutex);
    }
    wn_stage_work(stage);
    if (!front->is_cancelled && has_chunk(front)) {
        code = group_get(front, out_group, err);
        if (code == WN_OK) {
            chunk_cut(front, *out_group);
            front->n_reading++;
        }
    }
    pthread_mutex_unlock(&front->mutex);
    return code;
}

void wn_front_deliver(struct wn_front *front, struct wn_group *group)
{
    pthread_mutex_lock(&front->mutex);
    group->bytes = wn_arena_used(group->arena);
    front->bytes += group->bytes;
    front->n_reading--;
    front->order[group->ticket % front->limits.ahead] = group;
    pthread_cond_broadcast(&front->for_packing);
    pthread_mutex_unlock(&front->mutex);
}

/* What packing must do, where it need not wait. */
static bool answer_find(const struct wn_front *front, int64_t rows, enum wn_front_answer *out_answer)
{
    const bool comes = front->n_reading > 0 || (has_chunk(front) && has_memory(front));
    const bool idles = front->n_running == 0;
    if (front->is_cancelled) {
        *out_answer = WN_FRONT_END;
    } else if (front->order[front->next_out % front->limits.ahead] != NULL) {
        *out_answer = WN_FRONT_GROUP;
    } else if (rows > 0 && ((idles && (rows >= front->limits.full_rows || !comes)) ||
                            (front->is_closed && !comes && !has_chunk(front)))) {
        *out_answer = WN_FRONT_MAKE;
    } else if (front->is_closed && !comes && !has_chunk(front)) {
        *out_answer = WN_FRONT_END;
    } else {
        return false;
    }
    return true;
}

enum wn_front_answer wn_front_take(struct wn_front *front, struct wn_stage *stage, int64_t rows,
                                   struct wn_group **out_group)
{
    enum wn_front_answer answer = WN_FRONT_END;
    pthread_mutex_lock(&front->mutex);
    if (!answer_find(front, rows, &answer)) {
        wn_stage_wait(stage);
        while (!answer_find(front, rows, &answer)) {
            pthread_cond_wait(&front->for_packing, &front->mutex);
        }
        wn_stage_work(stage);
    }
    if (answer == WN_FRONT_GROUP) {
        struct wn_group **place = &front->order[front->next_out++ % front->limits.ahead];
        *out_group = *place;
        *place = NULL;
    }
    pthread_mutex_unlock(&front->mutex);
    return answer;
}

/* An arena for its next use; NULL where it is given back. */
static struct wn_arena *arena_empty(struct wn_arena *arena)
{
    if (wn_arena_used(arena) > most_kept) {
        wn_arena_free(arena);
        return NULL;
    }
    wn_arena_reset(arena);
    return arena;
}

void wn_front_packed(struct wn_front *front, struct wn_group *group)
{
    struct wn_arena *items = arena_empty(group->items);
    pthread_mutex_lock(&front->mutex);
    group->items = NULL;
    front->items[front->n_items++] = items;
    pthread_cond_broadcast(&front->for_readers);
    pthread_mutex_unlock(&front->mutex);
}

void wn_front_sent(struct wn_front *front)
{
    pthread_mutex_lock(&front->mutex);
    front->n_running++;
    pthread_mutex_unlock(&front->mutex);
}

void wn_front_ran(struct wn_front *front)
{
    pthread_mutex_lock(&front->mutex);
    front->n_running--;
    pthread_cond_broadcast(&front->for_packing);
    pthread_mutex_unlock(&front->mutex);
}

void wn_front_recycle(struct wn_front *front, struct wn_group *group)
{
    group->arena = arena_empty(group->arena);
    pthread_mutex_lock(&front->mutex);
    front->bytes -= group->bytes;
    front->n_out--;
    group->next = front->free_groups;
    front->free_groups = group;
    pthread_cond_broadcast(&front->for_readers);
    pthread_cond_broadcast(&front->for_packing); /* a chunk that had no memory comes now, or none ever will */
    pthread_mutex_unlock(&front->mutex);
}
