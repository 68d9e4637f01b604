/* The work of a job: a cursor, the records done, and heaps of what is to be done again.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/backlog.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 64, MOST_PASSED_OVER = 16 };

static wn_code heap_push(struct wn_item_heap *heap, const struct wn_item *item, struct wn_error *err)
{
    if (heap->n == heap->capacity) {
        const size_t capacity = heap->capacity == 0 ? FIRST_CAPACITY : 2 * heap->capacity;
        struct wn_item *items = realloc(heap->items, capacity * sizeof *items);
        WN_CHECK(items != NULL, err, WN_DEVICE, "no memory for %zu units to be done again", capacity);
        heap->items = items;
        heap->capacity = capacity;
    }
    size_t i = heap->n;
    heap->n += 1;
    while (i > 0 && heap->items[(i - 1) / 2].first > item->first) {
        heap->items[i] = heap->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->items[i] = *item;
    return WN_OK;
}

static struct wn_item heap_pop(struct wn_item_heap *heap)
{
    const struct wn_item top = heap->items[0];
    heap->n -= 1;
    const struct wn_item last = heap->items[heap->n];
    size_t i = 0;
    for (size_t child = 1; child < heap->n; child = 2 * i + 1) {
        if (child + 1 < heap->n && heap->items[child + 1].first < heap->items[child].first) {
            child += 1;
        }
        if (heap->items[child].first >= last.first) {
            break;
        }
        heap->items[i] = heap->items[child];
        i = child;
    }
    heap->items[i] = last;
    return top;
}

static struct wn_item_heap *heap_of(struct wn_backlog *backlog, const struct wn_item *item)
{
    return item->losses > 0 ? &backlog->alone : &backlog->again;
}

wn_code wn_backlog_init(struct wn_backlog *backlog, const struct wn_coordinator_options *options,
                        struct wn_error *err)
{
    *backlog = (struct wn_backlog){0};
    backlog->first = options->first;
    backlog->limit = options->count == 0 ? UINT64_MAX : options->first + options->count;
    backlog->known = options->first;
    backlog->cursor = options->first;
    if (options->n_done == 0) {
        return WN_OK;
    }
    backlog->earlier = calloc(options->n_done, sizeof *backlog->earlier);
    WN_CHECK(backlog->earlier != NULL, err, WN_DEVICE, "no memory for %zu finished ranges", options->n_done);
    for (size_t i = 0; i < options->n_done; i++) {
        const uint64_t end = options->done[i].first + options->done[i].count;
        backlog->earlier[i] = (struct wn_range){options->done[i].first, end};
    }
    backlog->n_earlier = options->n_done;
    return WN_OK;
}

void wn_backlog_free(struct wn_backlog *backlog)
{
    wn_ranges_free(&backlog->done);
    free(backlog->earlier);
    free(backlog->again.items);
    free(backlog->alone.items);
    *backlog = (struct wn_backlog){0};
}

/* Count what earlier starts finished in [from, backlog->known). */
static wn_code take_earlier(struct wn_backlog *backlog, uint64_t from, struct wn_error *err)
{
    for (; backlog->next_earlier < backlog->n_earlier; backlog->next_earlier++) {
        const struct wn_range range = backlog->earlier[backlog->next_earlier];
        const uint64_t first = range.first > from ? range.first : from;
        const uint64_t end = range.end < backlog->known ? range.end : backlog->known;
        WN_TRY(wn_ranges_add(&backlog->done, first, end, err));
        if (range.end > backlog->known) {
            break; /* its rest comes when more is known */
        }
    }
    return WN_OK;
}

wn_code wn_backlog_know(struct wn_backlog *backlog, uint64_t records, bool is_all, struct wn_error *err)
{
    if (backlog->is_all) {
        return WN_OK;
    }
    const uint64_t known = records < backlog->limit ? records : backlog->limit;
    backlog->is_all = is_all || known == backlog->limit;
    if (known <= backlog->known) {
        return WN_OK;
    }
    const uint64_t from = backlog->known;
    backlog->known = known;
    return take_earlier(backlog, from, err);
}

wn_code wn_backlog_finish(struct wn_backlog *backlog, const struct wn_unit *unit, struct wn_error *err)
{
    return wn_ranges_add(&backlog->done, unit->first, unit->first + unit->count, err);
}

/* The first part of [first, end) that is not done; false where all is done. */
static bool find_gap(const struct wn_backlog *backlog, uint64_t first, uint64_t end, struct wn_range *out_gap)
{
    struct wn_range done;
    while (wn_ranges_find(&backlog->done, first, &done) && done.first <= first) {
        first = done.end;
    }
    *out_gap = (struct wn_range){first, end};
    if (wn_ranges_find(&backlog->done, first, &done) && done.first < end) {
        out_gap->end = done.first;
    }
    return first < end;
}

wn_code wn_backlog_return(struct wn_backlog *backlog, const struct wn_unit *unit, uint32_t losses,
                          uint32_t worker, bool *out_is_given_up, struct wn_error *err)
{
    *out_is_given_up = false;
    const uint64_t end = unit->first + unit->count;
    struct wn_range gap;
    for (uint64_t at = unit->first; find_gap(backlog, at, end, &gap); at = gap.end) {
        const uint64_t count = gap.end - gap.first;
        struct wn_item item = {gap.first, (uint32_t)count, worker, 0};
        if (unit->count == 1) {
            item.losses = losses + 1;
            if (item.losses >= WN_LOSSES_MOST) {
                *out_is_given_up = true;
                return wn_backlog_finish(backlog, unit, err);
            }
        } else if (count > 1) {
            item.count = (uint32_t)(count / 2);
            const struct wn_item rest = {gap.first + item.count, (uint32_t)(count - item.count), worker, 0};
            WN_TRY(heap_push(&backlog->again, &rest, err));
        }
        WN_TRY(heap_push(heap_of(backlog, &item), &item, err));
    }
    return WN_OK;
}

/* Take up to ask->most records of the lowest item of `heap` that is still to be done and that the worker may have. */
static wn_code take_item(struct wn_backlog *backlog, struct wn_item_heap *heap, const struct wn_ask *ask,
                         bool *out_found, struct wn_item *out_item, struct wn_error *err)
{
    struct wn_item passed_over[MOST_PASSED_OVER];
    size_t n_passed_over = 0;
    *out_found = false;
    while (!*out_found && heap->n > 0 && n_passed_over < MOST_PASSED_OVER) {
        struct wn_item item = heap_pop(heap);
        const uint64_t end = item.first + item.count;
        struct wn_range gap;
        if (!find_gap(backlog, item.first, end, &gap)) {
            continue; /* a late answer brought it */
        }
        if (ask->may_avoid && item.avoid == ask->worker) {
            passed_over[n_passed_over++] = item;
            continue;
        }
        const uint64_t count = gap.end - gap.first < ask->most ? gap.end - gap.first : ask->most;
        struct wn_item rest = item;
        rest.first = gap.first + count;
        rest.count = (uint32_t)(end - rest.first);
        if (rest.count > 0) {
            WN_TRY(heap_push(heap, &rest, err));
        }
        item.first = gap.first;
        item.count = (uint32_t)count;
        *out_item = item;
        *out_found = true;
    }
    for (size_t i = 0; i < n_passed_over; i++) {
        WN_TRY(heap_push(heap, &passed_over[i], err));
    }
    return WN_OK;
}

static bool take_fresh(struct wn_backlog *backlog, const struct wn_ask *ask, struct wn_unit *out_unit)
{
    struct wn_range gap;
    if (!find_gap(backlog, backlog->cursor, backlog->known, &gap)) {
        backlog->cursor = backlog->known;
        return false;
    }
    const uint64_t count = gap.end - gap.first < ask->most ? gap.end - gap.first : ask->most;
    out_unit->first = gap.first;
    out_unit->count = count;
    backlog->cursor = gap.first + count;
    return true;
}

wn_code wn_backlog_take(struct wn_backlog *backlog, const struct wn_ask *ask, bool *out_found,
                        struct wn_taken *out_taken, struct wn_error *err)
{
    struct wn_item item = {0};
    *out_taken = (struct wn_taken){0};
    *out_found = false;
    if (ask->is_idle) {
        WN_TRY(take_item(backlog, &backlog->alone, ask, out_found, &item, err));
        out_taken->is_alone = *out_found;
    }
    if (!*out_found) {
        WN_TRY(take_item(backlog, &backlog->again, ask, out_found, &item, err));
    }
    if (*out_found) {
        out_taken->is_again = true;
        out_taken->losses = item.losses;
        out_taken->unit.first = item.first;
        out_taken->unit.count = item.count;
        return WN_OK;
    }
    if (ask->may_take_fresh) {
        *out_found = take_fresh(backlog, ask, &out_taken->unit);
    }
    return WN_OK;
}

uint64_t wn_backlog_fresh(const struct wn_backlog *backlog)
{
    return backlog->known - backlog->cursor;
}

bool wn_backlog_is_done(const struct wn_backlog *backlog)
{
    return backlog->is_all && backlog->done.records == backlog->known - backlog->first;
}
