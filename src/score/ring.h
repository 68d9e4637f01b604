/* The ring: what plans asked for and is not there yet. Values in, finished plans out, in the order they came.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every value has a number, counted from the start. A plan's values are one stretch of numbers and of memory. One
 * thread at a time; but the values of the oldest plan stay where they are, complete, until it leaves.
 */
#ifndef WINNOW_SCORE_RING_H
#define WINNOW_SCORE_RING_H

#include "score/method.h"

struct wn_ring;

/* Room for about as many values as eight batches of `batch_rows` ask for. WN_DEVICE without memory. */
wn_code wn_ring_new(int32_t batch_rows, struct wn_ring **out_ring, struct wn_error *err);
void wn_ring_free(struct wn_ring *ring); /* NULL is allowed */

/* False where earlier plans are in the way; true where none is there. */
bool wn_ring_has_room(const struct wn_ring *ring, int64_t n_values);
/* Take in a plan that there is room for; its values are numbered from *out_base on. It must stay where it is until it
 * leaves. WN_DEVICE without memory, for one larger than the ring. */
wn_code wn_ring_place(struct wn_ring *ring, struct wn_record_plan *plan, uint64_t *out_base,
                      struct wn_error *err);
/* These values are there now: each number once. */
void wn_ring_land(struct wn_ring *ring, const int64_t *numbers, const struct wn_value *values, size_t n);
/* The oldest plan with its values, where all of them are there; else NULL. */
struct wn_record_plan *wn_ring_oldest(const struct wn_ring *ring, const struct wn_value **out_values);
/* Take the oldest plan off, finished or not; NULL where none is left. */
struct wn_record_plan *wn_ring_leave(struct wn_ring *ring);
size_t wn_ring_pending(const struct wn_ring *ring);
/* Many plans wait: finish some before more come, however few values they ask for. */
bool wn_ring_is_crowded(const struct wn_ring *ring);

#endif
