/* See load.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "score/load.h"

#include "base/base.h"

#include "winnow/arena.h"

#include <stdlib.h>
#include <string.h>

/* `*array` with room for at least `n` elements of `size`; what was in it is lost. */
static wn_code make_room(void **array, size_t *room, size_t n, size_t size, struct wn_error *err)
{
    if (n <= *room) {
        return WN_OK;
    }
    const size_t more = n < 2 * *room ? 2 * *room : n;
    size_t bytes = 0;
    void *fresh = wn_mul_size(more, size, &bytes) ? malloc(bytes) : NULL;
    WN_CHECK(fresh != NULL, err, WN_DEVICE, "out of memory for a batch of %zu elements", more);
    free(*array);
    *array = fresh;
    *room = more;
    return WN_OK;
}

static wn_code copy_array(void **array, size_t *room, const void *from, int32_t n, size_t size,
                          struct wn_error *err)
{
    WN_TRY(make_room(array, room, (size_t)n, size, err));
    if (n > 0) {
        memcpy(*array, from, (size_t)n * size);
    }
    return WN_OK;
}

wn_code wn_load_fill(struct wn_load *load, const struct wn_batch *batch, struct wn_error *err)
{
    WN_TRY(copy_array((void **)&load->ids, &load->n_ids, batch->ids, batch->n_rows, sizeof *load->ids, err));
    WN_TRY(copy_array((void **)&load->segments, &load->n_segments, batch->segments, batch->n_segments,
                      sizeof *load->segments, err));
    WN_TRY(copy_array((void **)&load->head_rows, &load->n_head_rows, batch->head_rows, batch->n_head_rows,
                      sizeof *load->head_rows, err));
    WN_TRY(copy_array((void **)&load->wants, &load->n_wants, batch->wants, batch->n_wants,
                      sizeof *load->wants, err));
    WN_TRY(copy_array((void **)&load->release, &load->n_release, batch->release, batch->n_release,
                      sizeof *load->release, err));
    const size_t n = (size_t)batch->n_wants;
    WN_TRY(make_room((void **)&load->numbers, &load->n_numbers, n, sizeof *load->numbers, err));
    WN_TRY(make_room((void **)&load->values, &load->n_values, n, sizeof *load->values, err));
    for (size_t w = 0; w < n; w++) {
        load->numbers[w] = load->wants[w].destination;
        load->wants[w].destination = (int64_t)w;
    }
    load->batch = *batch;
    load->batch.ids = load->ids;
    load->batch.segments = load->segments;
    load->batch.head_rows = load->head_rows;
    load->batch.wants = load->wants;
    load->batch.release = load->release;
    return WN_OK;
}

void wn_load_clear(struct wn_load *load)
{
    free(load->ids);
    free(load->segments);
    free(load->head_rows);
    free(load->wants);
    free(load->release);
    free(load->numbers);
    free(load->values);
    *load = (struct wn_load){0};
}

wn_code wn_runner_open(struct wn_runner *runner, struct wn_model *model, struct wn_error *err)
{
    const int32_t n = wn_model_info(model)->n_slots;
    *runner = (struct wn_runner){.model = model, .n_slots = n};
    runner->is_kept = calloc((size_t)n + 1, sizeof *runner->is_kept);
    WN_CHECK(runner->is_kept != NULL, err, WN_DEVICE, "out of memory for %d slots", n);
    return WN_OK;
}

wn_code wn_runner_run(struct wn_runner *runner, struct wn_load *load, struct wn_error *err)
{
    const struct wn_batch *batch = &load->batch;
    const double begun = wn_clock();
    WN_TRY(wn_model_forward(runner->model, batch, load->values, (size_t)batch->n_wants, NULL, 0, err));
    runner->counts.seconds_model += wn_clock() - begun;
    runner->counts.rows += (uint64_t)batch->n_rows;
    runner->counts.batches++;
    for (int32_t i = 0; i < batch->n_release; i++) {
        runner->is_kept[batch->release[i]] = false;
    }
    for (int32_t s = 0; s < batch->n_segments; s++) {
        if (batch->segments[s].keep != WN_NONE) {
            runner->is_kept[batch->segments[s].keep] = true;
        }
    }
    return WN_OK;
}

/* One row of id 0 without wants, that releases what is kept. */
static void release_all(const struct wn_runner *runner, int32_t *release)
{
    static const int32_t ids[1] = {0};
    static const struct wn_segment segment = {.n = 1, .parent = WN_NONE, .kept = WN_NONE, .keep = WN_NONE};
    struct wn_batch last = {
        .n_rows = 1, .ids = ids, .n_segments = 1, .segments = &segment, .release = release};
    for (int32_t i = 0; i < runner->n_slots; i++) {
        if (runner->is_kept[i]) {
            release[last.n_release++] = i;
        }
    }
    if (last.n_release > 0) { /* where it fails, the model has reported worse before */
        (void)wn_model_forward(runner->model, &last, NULL, 0, NULL, 0, NULL);
    }
}

void wn_runner_close(struct wn_runner *runner)
{
    if (runner->is_kept == NULL) {
        return;
    }
    int32_t *release = calloc((size_t)runner->n_slots + 1, sizeof *release);
    if (release != NULL) {
        release_all(runner, release);
    }
    free(release);
    free(runner->is_kept);
    *runner = (struct wn_runner){0};
}
