/* The stream: plans in, values out, through feed and model, in one thread.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   wn_stream_push(stream, plan)        where wn_stream_has_room
 *   wn_stream_step(stream, flush, &ran) while enough waits
 *   while ((plan = wn_stream_pop(stream)) != NULL)  finished plans, in the order pushed
 *
 * After an error the stream can only be freed.
 */
#ifndef WINNOW_SCORE_STREAM_H
#define WINNOW_SCORE_STREAM_H

#include "model/model.h"
#include "score/load.h"
#include "score/method.h"

struct wn_stream;

/* `path`: the longest path that plans ask for. With `separate` every item is run in batches of its own.
 * `model` is borrowed, and used by no other stream until this one is freed. */
wn_code wn_stream_new(struct wn_model *model, const struct wn_method *method, const struct wn_header *headers,
                      int32_t n_headers, int32_t path, bool separate, struct wn_stream **out_stream,
                      struct wn_error *err);
void wn_stream_free(struct wn_stream *stream); /* NULL is allowed; gives the model's slots back */

/* False where values of earlier plans are in the way: step with `flush` and pop. True where nothing is
 * pending. */
bool wn_stream_has_room(const struct wn_stream *stream, int64_t n_values);
/* Queue a plan that there is room for. It must stay where it is until popped; its items need not. */
wn_code wn_stream_push(struct wn_stream *stream, struct wn_record_plan *plan, struct wn_error *err);
/* True while it pays to push more before the next step; where it is false, a step with `flush` always runs
 * a batch. */
bool wn_stream_is_hungry(const struct wn_stream *stream);
/* Run one batch; *out_ran is false where there was none to run (see wn_pack_next). */
wn_code wn_stream_step(struct wn_stream *stream, bool flush, bool *out_ran, struct wn_error *err);
/* The oldest plan, if all its values are there: its rows are filled. Else NULL. */
struct wn_record_plan *wn_stream_pop(struct wn_stream *stream);
/* Take the oldest plan off unfinished, before freeing a stream that failed; NULL where none is left. */
struct wn_record_plan *wn_stream_drop(struct wn_stream *stream);
size_t wn_stream_pending(const struct wn_stream *stream);
struct wn_run_counts wn_stream_counts(const struct wn_stream *stream);

#endif
