/* A bounded queue between threads: items in the order they were put, room counted in weights.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A stage takes from the queue before it and puts into the queue behind it. Closing a queue ends both sides: a put
 * fails at once, takers get what is left and then false. So a line of stages drains itself from the front, and a
 * stage that fails closes both its queues without losing what others hold.
 */
#ifndef WINNOW_BASE_QUEUE_H
#define WINNOW_BASE_QUEUE_H

#include "winnow/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wn_queue;

/* `room`: sum of the weights held at most, >= 1. An item heavier than that is let in when the queue is empty.
 * Owned by the caller (wn_queue_free); the items are not the queue's. WN_DEVICE without memory. */
wn_code wn_queue_new(size_t room, struct wn_queue **out_queue, struct wn_error *err);
/* NULL is allowed. No thread may be inside, and items that are left are the caller's: take them before. */
void wn_queue_free(struct wn_queue *queue);

enum wn_queue_answer {
    WN_QUEUE_OK,
    WN_QUEUE_CLOSED, /* put: nothing was put; take: closed and empty */
    WN_QUEUE_LATE    /* the time is over: nothing was put or taken */
};

/* `item` is not NULL, `weight` >= 1. `seconds`: how long to wait for room or an item; 0 = not at all, negative = for
 * ever. WN_DEVICE is impossible: places are made with the queue, one for each unit of room up to 65,536, and more items
 * than that are never held. */
enum wn_queue_answer wn_queue_put(struct wn_queue *queue, void *item, size_t weight, double seconds);
enum wn_queue_answer wn_queue_take(struct wn_queue *queue, void **out_item, double seconds);

void wn_queue_close(struct wn_queue *queue); /* NULL is allowed; more than once too */
bool wn_queue_is_closed(const struct wn_queue *queue);

struct wn_queue_counts {
    uint64_t items;       /* put so far */
    size_t held, weight;  /* now */
    double full_seconds;  /* that putters waited for room */
    double empty_seconds; /* that takers waited for items */
};
struct wn_queue_counts wn_queue_counts(const struct wn_queue *queue);

#endif
