/* The shelf of the line: the ring of values, between packing, the model and reduction.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Reduction reads a plan's values without the lock: they are complete, and stay where they are until the plan leaves.
 */
#include "score/line.h"

#include <pthread.h>
#include <stdlib.h>

struct wn_shelf {
    pthread_mutex_t mutex;
    pthread_cond_t for_packing, for_reduction;
    struct wn_ring *ring;
    struct wn_run_counts counts;
    bool is_ended, is_cancelled;
};

wn_code wn_shelf_new(int32_t batch_rows, struct wn_shelf **out_shelf, struct wn_error *err)
{
    struct wn_shelf *shelf = calloc(1, sizeof *shelf);
    WN_CHECK(shelf != NULL, err, WN_DEVICE, "out of memory for the values");
    pthread_mutex_init(&shelf->mutex, NULL); /* without attributes none of these can fail on this system */
    pthread_cond_init(&shelf->for_packing, NULL);
    pthread_cond_init(&shelf->for_reduction, NULL);
    const wn_code code = wn_ring_new(batch_rows, &shelf->ring, err);
    if (code != WN_OK) {
        wn_shelf_free(shelf);
        return code;
    }
    *out_shelf = shelf;
    return WN_OK;
}

void wn_shelf_free(struct wn_shelf *shelf)
{
    if (shelf != NULL) {
        pthread_cond_destroy(&shelf->for_reduction);
        pthread_cond_destroy(&shelf->for_packing);
        pthread_mutex_destroy(&shelf->mutex);
        wn_ring_free(shelf->ring);
        free(shelf);
    }
}

void wn_shelf_cancel(struct wn_shelf *shelf)
{
    pthread_mutex_lock(&shelf->mutex);
    shelf->is_cancelled = true;
    pthread_cond_broadcast(&shelf->for_packing);
    pthread_cond_broadcast(&shelf->for_reduction);
    pthread_mutex_unlock(&shelf->mutex);
}

/* Reduction has something to do now, or may end. The mutex is held. */
static void reduction_wake(struct wn_shelf *shelf)
{
    const struct wn_value *values = NULL;
    if (shelf->is_ended || wn_ring_oldest(shelf->ring, &values) != NULL) {
        pthread_cond_signal(&shelf->for_reduction);
    }
}

wn_code wn_shelf_place(struct wn_shelf *shelf, struct wn_record_plan *plan, uint64_t *out_base,
                       bool *out_placed, struct wn_error *err)
{
    wn_code code = WN_OK;
    pthread_mutex_lock(&shelf->mutex);
    *out_placed = !shelf->is_cancelled && wn_ring_has_room(shelf->ring, plan->n_values);
    if (*out_placed) {
        code = wn_ring_place(shelf->ring, plan, out_base, err);
        reduction_wake(shelf); /* a plan without values is finished already */
    }
    pthread_mutex_unlock(&shelf->mutex);
    return code;
}

bool wn_shelf_wait_room(struct wn_shelf *shelf, struct wn_stage *stage, const struct wn_record_plan *plan)
{
    wn_stage_wait(stage);
    pthread_mutex_lock(&shelf->mutex);
    while (!shelf->is_cancelled && !wn_ring_has_room(shelf->ring, plan->n_values)) {
        pthread_cond_wait(&shelf->for_packing, &shelf->mutex);
    }
    const bool goes_on = !shelf->is_cancelled;
    pthread_mutex_unlock(&shelf->mutex);
    wn_stage_work(stage);
    return goes_on;
}

void wn_shelf_end(struct wn_shelf *shelf)
{
    pthread_mutex_lock(&shelf->mutex);
    shelf->is_ended = true;
    reduction_wake(shelf);
    pthread_mutex_unlock(&shelf->mutex);
}

void wn_shelf_land(struct wn_shelf *shelf, const struct wn_load *load, const struct wn_run_counts *counts)
{
    pthread_mutex_lock(&shelf->mutex);
    wn_ring_land(shelf->ring, load->numbers, load->values, (size_t)load->batch.n_wants);
    shelf->counts = *counts;
    reduction_wake(shelf);
    pthread_mutex_unlock(&shelf->mutex);
}

/* What reduction must do, where it need not wait. The mutex is held. */
static bool answer_find(const struct wn_shelf *shelf, enum wn_shelf_answer *out_answer,
                        struct wn_record_plan **out_plan, const struct wn_value **out_values)
{
    *out_plan = shelf->is_cancelled ? NULL : wn_ring_oldest(shelf->ring, out_values);
    *out_answer = shelf->is_cancelled ? WN_SHELF_CANCELLED : *out_plan != NULL ? WN_SHELF_PLAN : WN_SHELF_END;
    return *out_answer != WN_SHELF_END || (shelf->is_ended && wn_ring_pending(shelf->ring) == 0);
}

enum wn_shelf_answer wn_shelf_wait_plan(struct wn_shelf *shelf, struct wn_stage *stage,
                                        struct wn_record_plan **out_plan, const struct wn_value **out_values)
{
    enum wn_shelf_answer answer = WN_SHELF_END;
    pthread_mutex_lock(&shelf->mutex);
    if (!answer_find(shelf, &answer, out_plan, out_values)) {
        wn_stage_wait(stage);
        while (!answer_find(shelf, &answer, out_plan, out_values)) {
            pthread_cond_wait(&shelf->for_reduction, &shelf->mutex);
        }
        wn_stage_work(stage);
    }
    pthread_mutex_unlock(&shelf->mutex);
    return answer;
}

void wn_shelf_leave(struct wn_shelf *shelf)
{
    pthread_mutex_lock(&shelf->mutex);
    (void)wn_ring_leave(shelf->ring);
    pthread_cond_signal(&shelf->for_packing);
    pthread_mutex_unlock(&shelf->mutex);
}

struct wn_run_counts wn_shelf_counts(struct wn_shelf *shelf)
{
    pthread_mutex_lock(&shelf->mutex);
    const struct wn_run_counts counts = shelf->counts;
    pthread_mutex_unlock(&shelf->mutex);
    return counts;
}
