/* See feed.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "score/feed.h"

#include "winnow/arena.h"

#include <stdlib.h>

enum { BATCHES_AHEAD = 2 };

struct wn_feed {
    struct wn_pack *pack;
    int32_t batch_rows;
    struct wn_item_want *wants; /* [n_wants] one item's, with their numbers */
    size_t n_wants;
};

wn_code wn_feed_new(const struct wn_model_info *info, const struct wn_header *headers, int32_t n_headers,
                    int32_t path, struct wn_feed **out_feed, struct wn_error *err)
{
    const struct wn_pack_limits limits = {.batch_rows = info->batch_rows,
                                          .key_tile = info->numeric.key_tile,
                                          .positions = path,
                                          .n_slots = info->n_slots,
                                          .slot_rows = info->slot_rows};
    struct wn_feed *feed = calloc(1, sizeof *feed);
    WN_CHECK(feed != NULL, err, WN_DEVICE, "out of memory for a queue of texts");
    feed->batch_rows = info->batch_rows;
    const wn_code code = wn_pack_new(&limits, headers, n_headers, &feed->pack, err);
    if (code != WN_OK) {
        wn_feed_free(feed);
        return code;
    }
    *out_feed = feed;
    return WN_OK;
}

void wn_feed_free(struct wn_feed *feed)
{
    if (feed != NULL) {
        wn_pack_free(feed->pack);
        free(feed->wants);
        free(feed);
    }
}

wn_code wn_feed_add(struct wn_feed *feed, const struct wn_item *item, uint64_t base, struct wn_error *err)
{
    const size_t n = (size_t)item->n_wants;
    if (feed->n_wants < n) {
        size_t bytes = 0;
        struct wn_item_want *more = wn_mul_size(n, sizeof *more, &bytes) ? realloc(feed->wants, bytes) : NULL;
        WN_CHECK(more != NULL, err, WN_DEVICE, "out of memory for %zu values", n);
        feed->wants = more;
        feed->n_wants = n;
    }
    for (size_t w = 0; w < n; w++) {
        feed->wants[w] = item->wants[w];
        feed->wants[w].destination = (int64_t)(base + (uint64_t)item->wants[w].destination);
    }
    const struct wn_item numbered = {item->nodes, item->n_nodes, feed->wants, item->n_wants};
    return wn_pack_add(feed->pack, &numbered, err);
}

bool wn_feed_is_hungry(const struct wn_feed *feed)
{
    return wn_pack_waiting(feed->pack) < (int64_t)feed->batch_rows * BATCHES_AHEAD;
}

int64_t wn_feed_waiting(const struct wn_feed *feed)
{
    return wn_pack_waiting(feed->pack);
}

wn_code wn_feed_next(struct wn_feed *feed, bool flush, struct wn_load *load, bool *out_made,
                     struct wn_error *err)
{
    const struct wn_batch *batch = NULL;
    WN_TRY(wn_pack_next(feed->pack, flush, &batch, err));
    *out_made = batch != NULL;
    return batch == NULL ? WN_OK : wn_load_fill(load, batch, err);
}
