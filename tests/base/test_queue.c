/* The bounded queue between threads.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

static double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static struct wn_queue *queue_make(size_t room)
{
    struct wn_error err = {.code = WN_OK};
    struct wn_queue *queue = NULL;
    WN_TEST_OK(wn_queue_new(room, &queue, &err));
    return queue;
}

Test(queue, items_come_in_order_and_room_is_counted_in_weights)
{
    struct wn_queue *queue = queue_make(10);
    int items[4];
    void *item = NULL;
    cr_expect_eq(wn_queue_take(queue, &item, 0), WN_QUEUE_LATE);
    cr_expect_eq(wn_queue_put(queue, &items[0], 25, 0), WN_QUEUE_OK, "too heavy, but nothing else is there");
    cr_expect_eq(wn_queue_put(queue, &items[1], 1, 0), WN_QUEUE_LATE);
    cr_expect_eq(wn_queue_take(queue, &item, 0), WN_QUEUE_OK);
    cr_expect_eq(item, &items[0]);
    cr_expect_eq(wn_queue_put(queue, &items[0], 4, 0), WN_QUEUE_OK);
    cr_expect_eq(wn_queue_put(queue, &items[1], 6, 0), WN_QUEUE_OK);
    cr_expect_eq(wn_queue_put(queue, &items[2], 1, 0), WN_QUEUE_LATE, "exactly full");
    cr_expect_eq(wn_queue_put(queue, &items[2], SIZE_MAX, 0), WN_QUEUE_LATE);
    const struct wn_queue_counts counts = wn_queue_counts(queue);
    cr_expect(counts.items == 3 && counts.held == 2 && counts.weight == 10);
    cr_expect_eq(wn_queue_take(queue, &item, -1), WN_QUEUE_OK);
    cr_expect_eq(item, &items[0]);
    cr_expect_eq(wn_queue_put(queue, &items[2], 5, 0), WN_QUEUE_LATE);
    cr_expect_eq(wn_queue_put(queue, &items[2], 4, 0), WN_QUEUE_OK);
    cr_expect_eq(wn_queue_take(queue, &item, 1), WN_QUEUE_OK);
    cr_expect_eq(item, &items[1]);
    cr_expect_eq(wn_queue_take(queue, &item, 1), WN_QUEUE_OK);
    cr_expect_eq(item, &items[2]);
    wn_queue_free(queue);
    wn_queue_free(NULL);
}

Test(queue, closing_refuses_puts_and_gives_out_what_is_left)
{
    struct wn_queue *queue = queue_make(4);
    int items[3];
    void *item = NULL;
    for (int i = 0; i < 3; ++i) {
        cr_expect_eq(wn_queue_put(queue, &items[i], 1, 0), WN_QUEUE_OK);
    }
    cr_expect_not(wn_queue_is_closed(queue));
    wn_queue_close(queue);
    wn_queue_close(queue);
    wn_queue_close(NULL);
    cr_expect(wn_queue_is_closed(queue));
    cr_expect_eq(wn_queue_put(queue, &items[0], 1, -1), WN_QUEUE_CLOSED);
    for (int i = 0; i < 3; ++i) {
        cr_expect_eq(wn_queue_take(queue, &item, -1), WN_QUEUE_OK);
        cr_expect_eq(item, &items[i]);
    }
    cr_expect_eq(wn_queue_take(queue, &item, -1), WN_QUEUE_CLOSED);
    cr_expect_eq(wn_queue_take(queue, &item, 0), WN_QUEUE_CLOSED);
    wn_queue_free(queue);
}

Test(queue, never_holds_more_items_than_it_has_places)
{
    struct wn_queue *queue = queue_make(SIZE_MAX);
    int item = 0;
    for (size_t i = 0; i < 65536; ++i) {
        cr_assert_eq(wn_queue_put(queue, &item, 1, 0), WN_QUEUE_OK);
    }
    cr_expect_eq(wn_queue_put(queue, &item, 1, 0), WN_QUEUE_LATE);
    wn_queue_free(queue);
}

Test(queue, waits_as_long_as_asked_and_says_how_long_it_was)
{
    struct wn_queue *queue = queue_make(1);
    int item = 0;
    void *taken = NULL;
    double began = clock_seconds();
    cr_expect_eq(wn_queue_take(queue, &taken, 0.08), WN_QUEUE_LATE);
    double waited = clock_seconds() - began;
    cr_expect(waited >= 0.08 && waited < 5, "%g s", waited);
    cr_expect_eq(wn_queue_put(queue, &item, 1, 0.05), WN_QUEUE_OK);
    began = clock_seconds();
    cr_expect_eq(wn_queue_put(queue, &item, 1, 0.05), WN_QUEUE_LATE);
    waited = clock_seconds() - began;
    cr_expect(waited >= 0.05 && waited < 5, "%g s", waited);
    const struct wn_queue_counts counts = wn_queue_counts(queue);
    cr_expect(counts.empty_seconds >= 0.08 && counts.empty_seconds < 5, "%g s", counts.empty_seconds);
    cr_expect(counts.full_seconds >= 0.05 && counts.full_seconds < 5, "%g s", counts.full_seconds);
    wn_queue_free(queue);
}

/* ---- several threads ---- */

enum { SIDES = 4, EACH = WN_TEST_SANITIZED ? 3000 : 20000, ROOM = 64 };

struct crowd {
    struct wn_queue *queue;
    uint32_t *seen;    /* how often each item was taken */
    double seconds;    /* to wait in one call */
    atomic_int number; /* the next putter's */
    atomic_int late;
    atomic_bool is_over_full;
};

static void *putter(void *context)
{
    struct crowd *crowd = context;
    const size_t number = (size_t)atomic_fetch_add(&crowd->number, 1);
    for (size_t i = 0; i < EACH; ++i) {
        uint32_t *item = &crowd->seen[number * EACH + i];
        const size_t weight = 1 + (number * 31 + i * 7) % 40;
        enum wn_queue_answer answer = WN_QUEUE_LATE;
        while ((answer = wn_queue_put(crowd->queue, item, weight, crowd->seconds)) == WN_QUEUE_LATE) {
            atomic_fetch_add(&crowd->late, 1);
        }
        if (answer != WN_QUEUE_OK) {
            return NULL;
        }
    }
    return crowd;
}

static void *taker(void *context)
{
    struct crowd *crowd = context;
    size_t last[SIDES] = {0};
    for (;;) {
        void *item = NULL;
        const enum wn_queue_answer answer = wn_queue_take(crowd->queue, &item, crowd->seconds);
        if (answer == WN_QUEUE_CLOSED) {
            return crowd;
        }
        if (answer == WN_QUEUE_LATE) {
            continue;
        }
        uint32_t *seen = item;
        ++*seen;
        const size_t index = (size_t)(seen - crowd->seen);
        const size_t from = index / EACH;
        if (index % EACH + 1 <= last[from]) {
            return NULL; /* what one thread put comes in its order to each taker */
        }
        last[from] = index % EACH + 1;
        if (wn_queue_counts(crowd->queue).weight > ROOM) {
            atomic_store(&crowd->is_over_full, true);
        }
    }
}

static void crowd_run(double seconds)
{
    struct crowd crowd = {.queue = queue_make(ROOM), .seconds = seconds};
    crowd.seen = calloc((size_t)SIDES * EACH, sizeof *crowd.seen);
    cr_assert_not_null(crowd.seen);
    pthread_t putters[SIDES], takers[SIDES];
    for (int i = 0; i < SIDES; ++i) {
        cr_assert_eq(pthread_create(&putters[i], NULL, putter, &crowd), 0);
        cr_assert_eq(pthread_create(&takers[i], NULL, taker, &crowd), 0);
    }
    void *answer = NULL;
    for (int i = 0; i < SIDES; ++i) {
        pthread_join(putters[i], &answer);
        cr_expect_not_null(answer, "a put was refused");
    }
    wn_queue_close(crowd.queue);
    for (int i = 0; i < SIDES; ++i) {
        pthread_join(takers[i], &answer);
        cr_expect_not_null(answer, "out of order");
    }
    for (size_t i = 0; i < (size_t)SIDES * EACH; ++i) {
        cr_assert_eq(crowd.seen[i], 1, "item %zu was taken %u times", i, crowd.seen[i]);
    }
    const struct wn_queue_counts counts = wn_queue_counts(crowd.queue);
    cr_expect(counts.items == (uint64_t)SIDES * EACH && counts.held == 0 && counts.weight == 0);
    cr_expect_not(atomic_load(&crowd.is_over_full));
    free(crowd.seen);
    wn_queue_free(crowd.queue);
}

Test(queue, many_threads_lose_and_double_nothing)
{
    crowd_run(-1);
}

Test(queue, many_threads_that_do_not_wait_long_lose_and_double_nothing)
{
    crowd_run(0.00005);
}

static void *waiting_put(void *context)
{
    int item = 0;
    return wn_queue_put(context, &item, 1, -1) == WN_QUEUE_CLOSED ? context : NULL;
}

static void *waiting_take(void *context)
{
    void *item = NULL;
    return wn_queue_take(context, &item, -1) == WN_QUEUE_CLOSED ? context : NULL;
}

Test(queue, closing_wakes_all_who_wait)
{
    for (int side = 0; side < 2; ++side) {
        struct wn_queue *queue = queue_make(1);
        int item = 0;
        if (side == 0) {
            cr_assert_eq(wn_queue_put(queue, &item, 1, 0), WN_QUEUE_OK);
        }
        pthread_t threads[SIDES];
        for (int i = 0; i < SIDES; ++i) {
            cr_assert_eq(pthread_create(&threads[i], NULL, side == 0 ? waiting_put : waiting_take, queue), 0);
        }
        usleep(20000);
        wn_queue_close(queue);
        for (int i = 0; i < SIDES; ++i) {
            void *answer = NULL;
            pthread_join(threads[i], &answer);
            cr_expect_eq(answer, queue);
        }
        wn_queue_free(queue);
    }
}

struct stream {
    struct wn_queue *queue;
    atomic_bool is_over;
    int item;
};

static void *light_putter(void *context)
{
    struct stream *stream = context;
    while (!atomic_load(&stream->is_over) &&
           wn_queue_put(stream->queue, &stream->item, 1, -1) == WN_QUEUE_OK) {
    }
    return NULL;
}

static void *slow_taker(void *context)
{
    struct stream *stream = context;
    void *item = NULL;
    while (wn_queue_take(stream->queue, &item, -1) == WN_QUEUE_OK) {
        usleep(200);
    }
    return NULL;
}

Test(queue, a_heavy_item_is_not_overtaken_for_ever_by_light_ones)
{
    struct stream stream = {.queue = queue_make(8)};
    pthread_t putters[3], takers[2];
    for (int i = 0; i < 3; ++i) {
        cr_assert_eq(pthread_create(&putters[i], NULL, light_putter, &stream), 0);
    }
    for (int i = 0; i < 2; ++i) {
        cr_assert_eq(pthread_create(&takers[i], NULL, slow_taker, &stream), 0);
    }
    usleep(10000);
    for (int i = 0; i < 20; ++i) {
        /* The whole room: it must be empty for it. Ten seconds is far more than eight items take. */
        cr_assert_eq(wn_queue_put(stream.queue, &stream.item, 8, 10), WN_QUEUE_OK, "heavy item %d", i);
    }
    atomic_store(&stream.is_over, true);
    for (int i = 0; i < 3; ++i) {
        pthread_join(putters[i], NULL);
    }
    wn_queue_close(stream.queue);
    for (int i = 0; i < 2; ++i) {
        pthread_join(takers[i], NULL);
    }
    wn_queue_free(stream.queue);
}

static void *late_heavy_putter(void *context)
{
    struct stream *stream = context;
    return wn_queue_put(stream->queue, &stream->item, 8, 0.3) == WN_QUEUE_LATE ? context : NULL;
}

Test(queue, who_waits_first_is_not_passed_and_lets_the_next_go_when_it_is_late)
{
    struct stream stream = {.queue = queue_make(8)};
    pthread_t heavy;
    cr_assert_eq(wn_queue_put(stream.queue, &stream.item, 4, 0), WN_QUEUE_OK);
    cr_assert_eq(pthread_create(&heavy, NULL, late_heavy_putter, &stream), 0);
    while (wn_queue_counts(stream.queue).full_seconds <= 0) {
        usleep(1000);
    }
    cr_expect_eq(wn_queue_put(stream.queue, &stream.item, 1, 0), WN_QUEUE_LATE,
                 "there is room, but not our turn");
    const double began = clock_seconds();
    cr_expect_eq(wn_queue_put(stream.queue, &stream.item, 1, 8), WN_QUEUE_OK);
    /* It goes on when the heavy one gives up after 0.3 s, not at the end of its own time. */
    cr_expect(clock_seconds() - began < 5, "%g s", clock_seconds() - began);
    void *answer = NULL;
    pthread_join(heavy, &answer);
    cr_expect_not_null(answer);
    wn_queue_free(stream.queue);
}
