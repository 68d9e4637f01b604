/* CPU backend: what belongs to one batch, from its plan to its results.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Room for `wanted` elements of `size` bytes at *memory, which holds `room` or nothing; old contents are
 * lost. Never less than `room`, which several lists share. */
static wn_code room_for(void *memory, int64_t wanted, int64_t room, size_t size, struct wn_error *err)
{
    void **place = memory;
    if (wanted <= room && *place != NULL) {
        return WN_OK;
    }
    free(*place);
    const size_t n = (size_t)larger(larger(wanted, room), 1);
    *place = calloc(n, size);
    WN_CHECK(*place != NULL, err, WN_DEVICE, "no memory for %lld entries of a batch's lists",
             (long long)wanted);
    return WN_OK;
}

void wn_cpu_batch_free(struct wn_device *device)
{
    free(device->queries);
    free(device->row_want);
    free(device->row_score);
    free(device->want_order);
    free(device->want_score);
    free(device->want_logit);
    free(device->score_scale);
    free(device->states);
    free(device->pooled);
}

/* Query tiles of all segments, rows' segments, and room for the longest list of pieces. */
static wn_code queries_list(struct wn_device *device, struct wn_error *err)
{
    const struct wn_plan *plan = device->plan;
    const struct wn_batch *batch = plan->batch;
    int64_t n = 0;
    int64_t most_pieces = 0;
    for (int32_t s = 0; s < batch->n_segments; s++) {
        n += (batch->segments[s].n - 1) / WN_CPU_ROW_TILE + 1;
        most_pieces = larger(most_pieces, plan->first_piece[s + 1] - plan->first_piece[s]);
    }
    WN_TRY(room_for(&device->queries, n, device->query_room, sizeof *device->queries, err));
    device->query_room = larger(device->query_room, n);
    for (int32_t t = 0; t < device->limits.threads; t++) {
        struct wn_cpu_thread *thread = &device->threads[t];
        WN_TRY(room_for(&thread->pieces, most_pieces, device->piece_room, sizeof *thread->pieces, err));
    }
    device->piece_room = larger(device->piece_room, most_pieces);
    device->n_queries = 0;
    for (int32_t s = 0; s < batch->n_segments; s++) {
        const struct wn_segment *segment = &batch->segments[s];
        for (int32_t i = 0; i < segment->n; i++) {
            device->row_segment[segment->row + i] = s;
            if (i % WN_CPU_ROW_TILE == 0) {
                device->queries[device->n_queries++] = (struct wn_cpu_query){s, i};
            }
        }
    }
    return WN_OK;
}

/* Wants by head row: a counting sort that keeps their order. POOL wants stay out. */
static void wants_sort(struct wn_device *device)
{
    const struct wn_batch *batch = device->plan->batch;
    int32_t *starts = device->row_want;
    memset(starts, 0, (size_t)(batch->n_head_rows + 1) * sizeof *starts);
    for (int32_t w = 0; w < batch->n_wants; w++) {
        if (batch->wants[w].kind != WN_WANT_POOL) {
            starts[batch->wants[w].row + 1]++;
        }
    }
    for (int32_t h = 0; h < batch->n_head_rows; h++) {
        starts[h + 1] += starts[h];
    }
    for (int32_t w = batch->n_wants - 1; w >= 0;
         w--) { /* from the back: starts end up as ends, then move down */
        if (batch->wants[w].kind != WN_WANT_POOL) {
            device->want_order[--starts[batch->wants[w].row + 1]] = w;
        }
    }
    int32_t total = 0;
    for (int32_t w = 0; w < batch->n_wants; w++) {
        total += batch->wants[w].kind != WN_WANT_POOL;
    }
    for (int32_t h = 0; h < batch->n_head_rows; h++) {
        starts[h] = starts[h + 1];
    }
    starts[batch->n_head_rows] = total;
}

/* A score for each inverse temperature that the LOSS wants of a head row name. */
static int64_t scores_list(struct wn_device *device)
{
    const struct wn_batch *batch = device->plan->batch;
    int32_t n = 0;
    for (int32_t h = 0; h < batch->n_head_rows; h++) {
        device->row_score[h] = n;
        for (int32_t i = device->row_want[h]; i < device->row_want[h + 1]; i++) {
            const struct wn_want *want = &batch->wants[device->want_order[i]];
            if (want->kind != WN_WANT_LOSS) {
                continue;
            }
            int32_t at = device->row_score[h];
            while (at < n && device->score_scale[at] != want->inverse_temperature) {
                at++;
            }
            device->score_scale[at] = want->inverse_temperature;
            device->want_score[device->want_order[i]] = at;
            n = at == n ? n + 1 : n;
        }
    }
    device->row_score[batch->n_head_rows] = n;
    return n;
}

static wn_code wants_list(struct wn_device *device, struct wn_error *err)
{
    const struct wn_batch *batch = device->plan->batch;
    const int64_t n_rows = (int64_t)batch->n_head_rows + 1;
    const int64_t n_wants = batch->n_wants;
    WN_TRY(room_for(&device->row_want, n_rows, device->head_room, sizeof *device->row_want, err));
    WN_TRY(room_for(&device->row_score, n_rows, device->head_room, sizeof *device->row_score, err));
    device->head_room = larger(device->head_room, n_rows);
    WN_TRY(room_for(&device->want_order, n_wants, device->want_room, sizeof *device->want_order, err));
    WN_TRY(room_for(&device->want_score, n_wants, device->want_room, sizeof *device->want_score, err));
    WN_TRY(room_for(&device->want_logit, n_wants, device->want_room, sizeof *device->want_logit, err));
    WN_TRY(room_for(&device->score_scale, n_wants, device->want_room, sizeof *device->score_scale, err));
    device->want_room = larger(device->want_room, n_wants);
    wants_sort(device);
    const int64_t n_states = scores_list(device) * device->n_chunks;
    WN_TRY(room_for(&device->states, n_states, device->score_room, sizeof *device->states, err));
    device->score_room = larger(device->score_room, n_states);
    for (int64_t i = 0; i < n_states; i++) {
        device->states[i] = wn_score_new();
    }
    int64_t n_pooled = 0;
    for (int32_t w = 0; w < batch->n_wants; w++) {
        n_pooled += batch->wants[w].kind == WN_WANT_POOL ? device->shape.C : 0;
    }
    WN_TRY(room_for(&device->pooled, n_pooled, device->pool_room, sizeof *device->pooled, err));
    device->pool_room = larger(device->pool_room, n_pooled);
    return WN_OK;
}

wn_code wn_cpu_batch_begin(struct wn_device *device, const struct wn_plan *plan, struct wn_error *err)
{
    WN_CHECK(!atomic_load(&device->is_failed), err, WN_DEVICE, "an earlier batch failed: %s",
             device->error.text);
    device->plan = plan;
    device->n_tiles = (plan->batch->n_rows - 1) / WN_CPU_ROW_TILE + 1;
    WN_TRY(queries_list(device, err));
    WN_TRY(wants_list(device, err));
    /* Attention writes no padding rows, so what is left of an earlier batch there is cleared. */
    const size_t columns = (size_t)wn_cpu_columns(&device->shape, WN_BUFFER_ATTENDED);
    const size_t from = (size_t)plan->batch->n_rows;
    const size_t to = (size_t)device->n_tiles * WN_CPU_ROW_TILE;
    memset(device->buffers[WN_BUFFER_ATTENDED] + from * columns, 0, (to - from) * columns * sizeof(float));
    return WN_OK;
}

/* The final hidden state of each kept segment's last row goes to its slot. */
static void finals_keep(struct wn_device *device)
{
    const struct wn_batch *batch = device->plan->batch;
    const size_t C = (size_t)device->shape.C;
    for (int32_t s = 0; s < batch->n_segments; s++) {
        const struct wn_segment *segment = &batch->segments[s];
        if (segment->keep != WN_NONE) {
            const float *last =
                device->buffers[WN_BUFFER_FINAL] + (size_t)(segment->row + segment->n - 1) * C;
            memcpy(device->slots.final + (size_t)segment->keep * C, last, C * sizeof *last);
        }
    }
}

static struct wn_value loss_of(const struct wn_device *device, int32_t w)
{
    const size_t n_chunks = (size_t)device->n_chunks;
    const int32_t s = device->want_score[w];
    struct wn_score score = device->states[(size_t)s * n_chunks];
    for (size_t c = 1; c < n_chunks; c++) {
        wn_score_merge(&score, &device->states[(size_t)s * n_chunks + c]);
    }
    return (struct wn_value){wn_score_loss(&score, device->score_scale[s], device->want_logit[w]),
                             wn_score_entropy(&score), score.greedy};
}

wn_code wn_cpu_batch_end(struct wn_device *device, struct wn_value *values, float *pools,
                         struct wn_error *err)
{
    if (atomic_load(&device->is_failed)) {
        return wn_cpu_failure(device, err);
    }
    finals_keep(device);
    const struct wn_batch *batch = device->plan->batch;
    const size_t C = (size_t)device->shape.C;
    const float *pooled = device->pooled;
    for (int32_t w = 0; w < batch->n_wants; w++) {
        const struct wn_want *want = &batch->wants[w];
        if (want->kind == WN_WANT_POOL) {
            memcpy(pools + (size_t)want->destination * C, pooled, C * sizeof *pooled);
            pooled += C;
        } else if (want->kind == WN_WANT_LOSS) {
            values[want->destination] = loss_of(device, w);
        } else {
            values[want->destination] = (struct wn_value){device->want_logit[w], NAN, WN_NONE};
        }
    }
    device->plan = NULL;
    return WN_OK;
}
