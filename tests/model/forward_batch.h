/* Batches made by hand: segments with their tokens, and a loss wanted of every token that has one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TESTS_FORWARD_BATCH_H
#define WINNOW_TESTS_FORWARD_BATCH_H

#include "winnow/batch.h"

#include <stddef.h>

enum { HAND_ROWS = 4096, HAND_SEGMENTS = 256, HAND_RELEASES = 64 };

struct hand {
    int32_t ids[HAND_ROWS];
    struct wn_segment segments[HAND_SEGMENTS];
    struct wn_head_row head_rows[HAND_ROWS];
    struct wn_want wants[HAND_ROWS];
    int32_t release[HAND_RELEASES];
    struct wn_batch batch;
};

void hand_clear(struct hand *hand);

/* Where a segment hangs: parent (index in this batch), or kept slot, or neither. */
struct hand_place {
    int32_t parent, kept, keep;
    int32_t position; /* of its first token */
    uint32_t flags;
};
static const struct hand_place hand_root = {WN_NONE, WN_NONE, WN_NONE, 0, WN_SEGMENT_CAUSAL};

/* Add a segment of ids[n] and want the loss of each token, token i at destination + i; nothing is wanted of
 * the first token of a root, nor where destination is negative. Gives the segment's index. */
int32_t hand_add(struct hand *hand, struct hand_place place, const int32_t *ids, int32_t n,
                 int64_t destination);

#endif
