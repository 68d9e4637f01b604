/* The feed: items of plans in, loads out, through pack.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   wn_feed_add(feed, &item, base)   while wn_feed_is_hungry
 *   wn_feed_next(feed, flush, load)  until it gives none
 */
#ifndef WINNOW_SCORE_FEED_H
#define WINNOW_SCORE_FEED_H

#include "pack/pack.h"
#include "score/load.h"

struct wn_feed;

/* `path`: the longest path that items ask for. The headers are copied. Errors as wn_pack_new. */
wn_code wn_feed_new(const struct wn_model_info *info, const struct wn_header *headers, int32_t n_headers,
                    int32_t path, struct wn_feed **out_feed, struct wn_error *err);
void wn_feed_free(struct wn_feed *feed); /* NULL is allowed */

/* Queue one item whose destinations count from the value of number `base`; it is copied except ids (see wn_node). */
wn_code wn_feed_add(struct wn_feed *feed, const struct wn_item *item, uint64_t base, struct wn_error *err);
/* True while it pays to add more before the next load: so pack has a choice of what fits. */
bool wn_feed_is_hungry(const struct wn_feed *feed);
int64_t wn_feed_waiting(const struct wn_feed *feed); /* rows queued and not in a load yet */
/* Fill `load` with the next batch; *out_made is false where none is full and `flush` is false, or nothing is left. */
wn_code wn_feed_next(struct wn_feed *feed, bool flush, struct wn_load *load, bool *out_made,
                     struct wn_error *err);

#endif
