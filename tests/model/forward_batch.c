/* Batches made by hand: see forward_batch.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forward_batch.h"

#include <string.h>

void hand_clear(struct hand *hand)
{
    memset(hand, 0, sizeof *hand);
    hand->batch = (struct wn_batch){
        .ids = hand->ids,
        .segments = hand->segments,
        .head_rows = hand->head_rows,
        .wants = hand->wants,
        .release = hand->release,
    };
}

static void loss_want(struct hand *hand, struct wn_head_row row, int32_t target, int64_t destination)
{
    struct wn_batch *batch = &hand->batch;
    hand->head_rows[batch->n_head_rows] = row;
    hand->wants[batch->n_wants++] = (struct wn_want){.row = batch->n_head_rows++,
                                                     .target = target,
                                                     .kind = WN_WANT_LOSS,
                                                     .inverse_temperature = 1.0F,
                                                     .destination = destination};
}

int32_t hand_add(struct hand *hand, struct hand_place place, const int32_t *ids, int32_t n,
                 int64_t destination)
{
    struct wn_batch *batch = &hand->batch;
    const int32_t row = batch->n_rows;
    memcpy(hand->ids + row, ids, (size_t)n * sizeof *ids);
    hand->segments[batch->n_segments] = (struct wn_segment){.row = row,
                                                            .n = n,
                                                            .parent = place.parent,
                                                            .kept = place.kept,
                                                            .position = place.position,
                                                            .keep = place.keep,
                                                            .flags = place.flags};
    batch->n_rows += n;
    if (destination >= 0) {
        if (place.parent != WN_NONE) {
            const struct wn_segment *parent = &hand->segments[place.parent];
            loss_want(hand, (struct wn_head_row){parent->row + parent->n - 1, WN_NONE}, ids[0], destination);
        } else if (place.kept != WN_NONE) {
            loss_want(hand, (struct wn_head_row){WN_NONE, place.kept}, ids[0], destination);
        }
        for (int32_t i = 1; i < n; i++) {
            loss_want(hand, (struct wn_head_row){row + i - 1, WN_NONE}, ids[i], destination + i);
        }
    }
    return batch->n_segments++;
}
