/* See stream.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "score/stream.h"

#include "score/feed.h"
#include "score/ring.h"

#include <stdlib.h>

struct wn_stream {
    const struct wn_method *method;
    struct wn_feed *feed;
    struct wn_ring *ring;
    struct wn_load load;
    struct wn_runner runner;
    bool separate;
};

wn_code wn_stream_new(struct wn_model *model, const struct wn_method *method, const struct wn_header *headers,
                      int32_t n_headers, int32_t path, bool separate, struct wn_stream **out_stream,
                      struct wn_error *err)
{
    const struct wn_model_info *info = wn_model_info(model);
    struct wn_stream *stream = calloc(1, sizeof *stream);
    WN_CHECK(stream != NULL, err, WN_DEVICE, "out of memory for a stream");
    wn_code code = WN_OK;
    stream->method = method;
    stream->separate = separate;
    WN_TRY_OR(done, wn_feed_new(info, headers, n_headers, path, &stream->feed, err));
    WN_TRY_OR(done, wn_ring_new(info->batch_rows, &stream->ring, err));
    WN_TRY_OR(done, wn_runner_open(&stream->runner, model, err));
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
    wn_runner_close(&stream->runner);
    wn_load_clear(&stream->load);
    wn_ring_free(stream->ring);
    wn_feed_free(stream->feed);
    free(stream);
}

bool wn_stream_has_room(const struct wn_stream *stream, int64_t n_values)
{
    return wn_ring_has_room(stream->ring, n_values);
}

bool wn_stream_is_hungry(const struct wn_stream *stream)
{
    return wn_feed_is_hungry(stream->feed) && !wn_ring_is_crowded(stream->ring);
}

size_t wn_stream_pending(const struct wn_stream *stream)
{
    return wn_ring_pending(stream->ring);
}

struct wn_run_counts wn_stream_counts(const struct wn_stream *stream)
{
    return stream->runner.counts;
}

wn_code wn_stream_push(struct wn_stream *stream, struct wn_record_plan *plan, struct wn_error *err)
{
    uint64_t base = 0;
    WN_TRY(wn_ring_place(stream->ring, plan, &base, err));
    for (int32_t i = 0; i < plan->n_items; i++) {
        WN_TRY(wn_feed_add(stream->feed, &plan->items[i], base, err));
        for (bool ran = stream->separate; ran;) {
            WN_TRY(wn_stream_step(stream, true, &ran, err));
        }
    }
    return WN_OK;
}

wn_code wn_stream_step(struct wn_stream *stream, bool flush, bool *out_ran, struct wn_error *err)
{
    struct wn_load *load = &stream->load;
    WN_TRY(wn_feed_next(stream->feed, flush, load, out_ran, err));
    if (*out_ran) {
        WN_TRY(wn_runner_run(&stream->runner, load, err));
        wn_ring_land(stream->ring, load->numbers, load->values, (size_t)load->batch.n_wants);
    }
    return WN_OK;
}

struct wn_record_plan *wn_stream_drop(struct wn_stream *stream)
{
    return wn_ring_leave(stream->ring);
}

struct wn_record_plan *wn_stream_pop(struct wn_stream *stream)
{
    const struct wn_value *values = NULL;
    struct wn_record_plan *plan = wn_ring_oldest(stream->ring, &values);
    if (plan != NULL) {
        stream->method->reduce(plan, values);
        (void)wn_ring_leave(stream->ring);
    }
    return plan;
}
