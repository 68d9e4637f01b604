/* See stream.h.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Values stand in a ring: a plan's values are one stretch of it, and plans leave in the order they came.
 * The owner of each place is noted, so that a batch's wants find their plans.
 */
#include "score/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAST_VALUES = 16384, FIRST_PENDING = 256, BATCHES_AHEAD = 2, MOST_PENDING = 16384 };

struct pending {
    struct wn_record_plan *plan;
    uint64_t base; /* first value, counted from the stream's start: its place is this modulo n_values */
    int64_t left;  /* values that are not there yet */
};

struct wn_stream {
    struct wn_model *model;
    const struct wn_method *method;
    struct wn_pack *pack;
    int32_t batch_rows;
    bool separate;
    struct wn_value *values; /* [n_values] the ring */
    uint64_t *owners;        /* [n_values] number of the plan */
    size_t n_values;
    uint64_t value_end;      /* values given out since the start */
    struct pending *pending; /* [n_places] ring of plans first .. end - 1 */
    size_t n_places;
    uint64_t first, end;
    struct wn_value *gathered; /* [n_gathered] one plan's values in a row */
    size_t n_gathered;
    struct wn_item_want *wants; /* [n_wants] one item's, with their places */
    size_t n_wants;
    struct wn_stream_counts counts;
};

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* `*array` with room for `n` elements of `size`; what is in it stays. */
static wn_code grow(void **array, size_t n, size_t size, struct wn_error *err)
{
    size_t bytes = 0;
    void *more = wn_mul_size(n, size, &bytes) ? realloc(*array, bytes) : NULL;
    WN_CHECK(more != NULL, err, WN_DEVICE, "out of memory for %zu values", n);
    *array = more;
    return WN_OK;
}

static wn_code set_values(struct wn_stream *stream, size_t n, struct wn_error *err)
{
    WN_TRY(grow((void **)&stream->values, n, sizeof *stream->values, err));
    WN_TRY(grow((void **)&stream->owners, n, sizeof *stream->owners, err));
    stream->n_values = n;
    return WN_OK;
}

wn_code wn_stream_new(struct wn_model *model, const struct wn_method *method, const struct wn_header *headers,
                      int32_t n_headers, int32_t path, bool separate, struct wn_stream **out_stream,
                      struct wn_error *err)
{
    const struct wn_model_info *info = wn_model_info(model);
    const struct wn_pack_limits limits = {.batch_rows = info->batch_rows,
                                          .key_tile = info->numeric.key_tile,
                                          .positions = path,
                                          .n_slots = info->n_slots,
                                          .slot_rows = info->slot_rows};
    struct wn_stream *stream = calloc(1, sizeof *stream);
    WN_CHECK(stream != NULL, err, WN_DEVICE, "out of memory for a stream");
    wn_code code = WN_OK;
    stream->model = model;
    stream->method = method;
    stream->separate = separate;
    stream->batch_rows = info->batch_rows;
    const size_t wanted = (size_t)info->batch_rows * 8;
    WN_TRY_OR(done, wn_pack_new(&limits, headers, n_headers, &stream->pack, err));
    WN_TRY_OR(done, set_values(stream, wanted > LEAST_VALUES ? wanted : LEAST_VALUES, err));
    WN_TRY_OR(done, grow((void **)&stream->pending, FIRST_PENDING, sizeof *stream->pending, err));
    stream->n_places = FIRST_PENDING;
    *out_stream = stream;
done:
    if (code != WN_OK) {
        wn_stream_free(stream);
    }
    return code;
}

void wn_stream_free(struct wn_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    if (stream->pack != NULL) {
        const struct wn_batch *last = NULL;
        wn_pack_end(stream->pack, &last);
        if (last != NULL) { /* where it fails, the model has reported worse before */
            (void)wn_model_forward(stream->model, last, stream->values, stream->n_values, NULL, 0, NULL);
        }
    }
    wn_pack_free(stream->pack);
    free(stream->values);
    free(stream->owners);
    free(stream->pending);
    free(stream->gathered);
    free(stream->wants);
    free(stream);
}

static struct pending *place_of(const struct wn_stream *stream, uint64_t number)
{
    return &stream->pending[number % stream->n_places];
}

static size_t values_held(const struct wn_stream *stream)
{
    return stream->first == stream->end ? 0
                                        : (size_t)(stream->value_end - place_of(stream, stream->first)->base);
}

bool wn_stream_has_room(const struct wn_stream *stream, int64_t n_values)
{
    return stream->first == stream->end || (size_t)n_values <= stream->n_values - values_held(stream);
}

bool wn_stream_is_hungry(const struct wn_stream *stream)
{
    return wn_pack_waiting(stream->pack) < (int64_t)stream->batch_rows * BATCHES_AHEAD &&
           wn_stream_pending(stream) < MOST_PENDING;
}

size_t wn_stream_pending(const struct wn_stream *stream)
{
    return (size_t)(stream->end - stream->first);
}

struct wn_stream_counts wn_stream_counts(const struct wn_stream *stream)
{
    return stream->counts;
}

/* A place for one more plan: twice the ring where it is full, plans moved to their new places. */
static wn_code make_place(struct wn_stream *stream, struct wn_error *err)
{
    if (wn_stream_pending(stream) < stream->n_places) {
        return WN_OK;
    }
    const size_t n = 2 * stream->n_places;
    struct pending *more = calloc(n, sizeof *more);
    WN_CHECK(more != NULL, err, WN_DEVICE, "out of memory for %zu records at once", n);
    for (uint64_t i = stream->first; i < stream->end; i++) {
        more[i % n] = *place_of(stream, i);
    }
    free(stream->pending);
    stream->pending = more;
    stream->n_places = n;
    return WN_OK;
}

/* Queue one item, with its wants' destinations turned into places of the ring. */
static wn_code add_item(struct wn_stream *stream, const struct wn_item *item, uint64_t base,
                        struct wn_error *err)
{
    const size_t n = (size_t)item->n_wants;
    if (stream->n_wants < n) {
        WN_TRY(grow((void **)&stream->wants, n, sizeof *stream->wants, err));
        stream->n_wants = n;
    }
    for (size_t w = 0; w < n; w++) {
        const size_t place = (size_t)((base + (uint64_t)item->wants[w].destination) % stream->n_values);
        stream->wants[w] = item->wants[w];
        stream->wants[w].destination = (int64_t)place;
        stream->owners[place] = stream->end - 1;
    }
    const struct wn_item placed = {item->nodes, item->n_nodes, stream->wants, item->n_wants};
    return wn_pack_add(stream->pack, &placed, err);
}

wn_code wn_stream_push(struct wn_stream *stream, struct wn_record_plan *plan, struct wn_error *err)
{
    assert(wn_stream_has_room(stream, plan->n_values));
    if ((size_t)plan->n_values > stream->n_values) { /* nothing is pending: no place is in use */
        WN_TRY(set_values(stream, (size_t)plan->n_values, err));
    }
    if ((size_t)plan->n_values > stream->n_gathered) {
        WN_TRY(grow((void **)&stream->gathered, (size_t)plan->n_values, sizeof *stream->gathered, err));
        stream->n_gathered = (size_t)plan->n_values;
    }
    WN_TRY(make_place(stream, err));
    const uint64_t base = stream->value_end;
    *place_of(stream, stream->end++) = (struct pending){plan, base, plan->n_values};
    stream->value_end += (uint64_t)plan->n_values;
    for (int32_t i = 0; i < plan->n_items; i++) {
        WN_TRY(add_item(stream, &plan->items[i], base, err));
        for (bool ran = stream->separate; ran;) {
            WN_TRY(wn_stream_step(stream, true, &ran, err));
        }
    }
    return WN_OK;
}

wn_code wn_stream_step(struct wn_stream *stream, bool flush, bool *out_ran, struct wn_error *err)
{
    const struct wn_batch *batch = NULL;
    WN_TRY(wn_pack_next(stream->pack, flush, &batch, err));
    *out_ran = batch != NULL;
    if (batch == NULL) {
        return WN_OK;
    }
    const double begun = seconds_now();
    WN_TRY(wn_model_forward(stream->model, batch, stream->values, stream->n_values, NULL, 0, err));
    stream->counts.seconds_model += seconds_now() - begun;
    stream->counts.rows += (uint64_t)batch->n_rows;
    stream->counts.batches++;
    for (int32_t w = 0; w < batch->n_wants; w++) {
        place_of(stream, stream->owners[batch->wants[w].destination])->left--;
    }
    return WN_OK;
}

struct wn_record_plan *wn_stream_drop(struct wn_stream *stream)
{
    return stream->first == stream->end ? NULL : place_of(stream, stream->first++)->plan;
}

struct wn_record_plan *wn_stream_pop(struct wn_stream *stream)
{
    if (stream->first == stream->end || place_of(stream, stream->first)->left > 0) {
        return NULL;
    }
    const struct pending done = *place_of(stream, stream->first);
    const size_t n = (size_t)done.plan->n_values;
    const size_t at = (size_t)(done.base % stream->n_values);
    const struct wn_value *values = stream->values + at;
    if (at + n > stream->n_values) { /* the stretch goes round the end of the ring */
        const size_t tail = stream->n_values - at;
        memcpy(stream->gathered, values, tail * sizeof *values);
        memcpy(stream->gathered + tail, stream->values, (n - tail) * sizeof *values);
        values = stream->gathered;
    }
    stream->method->reduce(done.plan, values);
    stream->first++;
    return done.plan;
}
