/* A bounded queue between threads.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each side is a line of its own: who waits longest is served first, so a heavy item is not overtaken for ever by light
 * ones, and no taker starves. A line lives on the stacks of those who wait in it.
 */
#include "base/queue.h"

#include "base/clock.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_PLACES = 65536 };

/* Longer waits are for ever: 30 years do not fit the arithmetic of every clock. */
static const double for_ever = 1e9;

struct place {
    void *item;
    size_t weight;
};

struct waiter {
    struct waiter *next;
};

/* Those who wait for room, or for items. */
struct line {
    pthread_cond_t moved; /* the first may go on, or the queue is closed */
    struct waiter *first, *last;
    size_t n;
    double seconds;   /* that those who left have waited */
    double began_sum; /* when those still there came, summed */
};

struct wn_queue {
    pthread_mutex_t mutex;
    struct line putters, takers;
    struct place *places; /* a ring of n_places */
    size_t n_places, oldest, held, weight, room;
    uint64_t items;
    bool is_closed;
};

static struct timespec deadline_after(double seconds)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    const time_t whole = (time_t)seconds;
    at.tv_sec += whole;
    at.tv_nsec += (long)((seconds - (double)whole) * 1e9);
    if (at.tv_nsec >= 1000000000L) {
        at.tv_nsec -= 1000000000L;
        at.tv_sec += 1;
    }
    return at;
}

static bool line_begin(struct line *line)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    const bool ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                    pthread_cond_init(&line->moved, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return ok;
}

static void line_join(struct line *line, struct waiter *waiter, double now)
{
    waiter->next = NULL;
    if (line->first == NULL) {
        line->first = waiter;
    } else {
        line->last->next = waiter;
    }
    line->last = waiter;
    line->n++;
    line->began_sum += now;
}

static void line_leave(struct line *line, const struct waiter *waiter, double began)
{
    struct waiter *before = NULL;
    struct waiter *here = line->first;
    while (here != waiter) {
        before = here;
        here = here->next;
    }
    if (before == NULL) {
        line->first = waiter->next;
    } else {
        before->next = waiter->next;
    }
    if (line->last == waiter) {
        line->last = before;
    }
    line->n--;
    line->began_sum = line->n == 0 ? 0 : line->began_sum - began;
    line->seconds += wn_clock() - began;
}

static void line_wake(struct line *line)
{
    if (line->n > 0) {
        pthread_cond_broadcast(&line->moved);
    }
}

static double line_seconds(const struct line *line, double now)
{
    return line->seconds + ((double)line->n * now - line->began_sum);
}

static void queue_release(struct wn_queue *queue)
{
    free(queue->places);
    free(queue);
}

wn_code wn_queue_new(size_t room, struct wn_queue **out_queue, struct wn_error *err)
{
    assert(room >= 1);
    struct wn_queue *queue = calloc(1, sizeof *queue);
    WN_CHECK(queue != NULL, err, WN_DEVICE, "out of memory for a queue");
    queue->room = room;
    queue->n_places = room < MOST_PLACES ? room : MOST_PLACES;
    queue->places = calloc(queue->n_places, sizeof *queue->places);
    if (queue->places == NULL) {
        queue_release(queue);
        WN_FAIL(err, WN_DEVICE, "out of memory for a queue");
    }
    const bool has_putters = line_begin(&queue->putters);
    const bool has_takers = line_begin(&queue->takers);
    if (!has_putters || !has_takers || pthread_mutex_init(&queue->mutex, NULL) != 0) {
        if (has_putters) {
            pthread_cond_destroy(&queue->putters.moved);
        }
        if (has_takers) {
            pthread_cond_destroy(&queue->takers.moved);
        }
        queue_release(queue);
        WN_FAIL(err, WN_DEVICE, "the system gives no lock for a queue");
    }
    *out_queue = queue;
    return WN_OK;
}

void wn_queue_free(struct wn_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    pthread_cond_destroy(&queue->putters.moved);
    pthread_cond_destroy(&queue->takers.moved);
    pthread_mutex_destroy(&queue->mutex);
    queue_release(queue);
}

static bool has_room(const struct wn_queue *queue, size_t weight)
{
    if (queue->held == 0) {
        return true;
    }
    return queue->held < queue->n_places && queue->weight < queue->room &&
           weight <= queue->room - queue->weight;
}

static bool has_item(const struct wn_queue *queue)
{
    return queue->held > 0;
}

/* Whether the side of `line` may go on once it is its turn. */
static bool may_go(const struct wn_queue *queue, const struct line *line, size_t weight)
{
    return line == &queue->putters ? has_room(queue, weight) : has_item(queue);
}

/* What ends waiting for good: a put at once, a take when nothing is left. */
static bool is_over(const struct wn_queue *queue, const struct line *line)
{
    return queue->is_closed && (line == &queue->putters || queue->held == 0);
}

/* Whether someone who just came may go without standing in line: for putters nobody else may be there, for takers there
 * must be an item more than those who wait for one. */
static bool may_pass(const struct wn_queue *queue, const struct line *line, size_t weight)
{
    return line == &queue->putters ? line->n == 0 && has_room(queue, weight) : queue->held > line->n;
}

/* Stand in line until it is our turn, the queue is over, or the time is. The mutex is held. */
static enum wn_queue_answer stand(struct wn_queue *queue, struct line *line, size_t weight, double seconds)
{
    const bool is_for_ever = !(seconds >= 0 && seconds < for_ever);
    const struct timespec deadline = deadline_after(is_for_ever ? 0 : seconds);
    const double began = wn_clock();
    struct waiter self;
    line_join(line, &self, began);
    enum wn_queue_answer answer = WN_QUEUE_OK;
    while (!is_over(queue, line) && (line->first != &self || !may_go(queue, line, weight))) {
        const int reason = is_for_ever ? pthread_cond_wait(&line->moved, &queue->mutex)
                                       : pthread_cond_timedwait(&line->moved, &queue->mutex, &deadline);
        if (reason == 0) {
            continue;
        }
        /* Late; but what came in the same moment is not refused. */
        if (line->first != &self || !may_go(queue, line, weight)) {
            answer = WN_QUEUE_LATE;
        }
        break;
    }
    line_leave(line, &self, began);
    if (is_over(queue, line)) {
        return WN_QUEUE_CLOSED;
    }
    if (answer == WN_QUEUE_LATE) {
        line_wake(line); /* who stands behind may be lighter */
    }
    return answer;
}

static enum wn_queue_answer turn_wait(struct wn_queue *queue, struct line *line, size_t weight,
                                      double seconds)
{
    if (is_over(queue, line)) {
        return WN_QUEUE_CLOSED;
    }
    if (may_pass(queue, line, weight)) {
        return WN_QUEUE_OK;
    }
    return seconds == 0 ? WN_QUEUE_LATE : stand(queue, line, weight, seconds);
}

enum wn_queue_answer wn_queue_put(struct wn_queue *queue, void *item, size_t weight, double seconds)
{
    assert(item != NULL && weight >= 1);
    pthread_mutex_lock(&queue->mutex);
    const enum wn_queue_answer answer = turn_wait(queue, &queue->putters, weight, seconds);
    if (answer == WN_QUEUE_OK) {
        queue->places[(queue->oldest + queue->held) % queue->n_places] = (struct place){item, weight};
        queue->held++;
        queue->weight += weight;
        queue->items++;
        line_wake(&queue->takers);
        line_wake(&queue->putters);
    }
    pthread_mutex_unlock(&queue->mutex);
    return answer;
}

enum wn_queue_answer wn_queue_take(struct wn_queue *queue, void **out_item, double seconds)
{
    pthread_mutex_lock(&queue->mutex);
    const enum wn_queue_answer answer = turn_wait(queue, &queue->takers, 0, seconds);
    if (answer == WN_QUEUE_OK) {
        const struct place place = queue->places[queue->oldest];
        queue->oldest = (queue->oldest + 1) % queue->n_places;
        queue->held--;
        queue->weight -= place.weight;
        *out_item = place.item;
        line_wake(&queue->putters);
        line_wake(&queue->takers);
    }
    pthread_mutex_unlock(&queue->mutex);
    return answer;
}

void wn_queue_close(struct wn_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    pthread_mutex_lock(&queue->mutex);
    queue->is_closed = true;
    line_wake(&queue->putters);
    line_wake(&queue->takers);
    pthread_mutex_unlock(&queue->mutex);
}

/* A queue is always made by wn_queue_new, so its lock may be taken through a pointer that promises not to change what
 * it holds. */
static pthread_mutex_t *lock_of(const struct wn_queue *queue)
{
    return (pthread_mutex_t *)(uintptr_t)&queue->mutex;
}

bool wn_queue_is_closed(const struct wn_queue *queue)
{
    pthread_mutex_lock(lock_of(queue));
    const bool is_closed = queue->is_closed;
    pthread_mutex_unlock(lock_of(queue));
    return is_closed;
}

struct wn_queue_counts wn_queue_counts(const struct wn_queue *queue)
{
    pthread_mutex_lock(lock_of(queue));
    const double now = wn_clock();
    const struct wn_queue_counts counts = {.items = queue->items,
                                           .held = queue->held,
                                           .weight = queue->weight,
                                           .full_seconds = line_seconds(&queue->putters, now),
                                           .empty_seconds = line_seconds(&queue->takers, now)};
    pthread_mutex_unlock(lock_of(queue));
    return counts;
}
