/* Rows as bytes: what a worker sends, a journal keeps and scores.h5 is made from.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One record after another, little-endian, self-delimiting: its place (its number is counted from the unit's first),
 * then its rows. A row keeps what struct wn_row holds and not what follows from it. Token ids and losses are bulk: they
 * stand in bytes of their own, in the same order.
 */
#ifndef WINNOW_STORE_ROWS_H
#define WINNOW_STORE_ROWS_H

#include "base/base.h"
#include "store/store.h"
#include "winnow/arena.h"

/* The format is part of the journal's version. */
enum { WN_ROWS_KIND = 1 };

/* Append a record; fold and turn_mean are not kept: they are made again from the rows. Where `bulk` is not NULL the
 * record's token ids and losses are appended to it (fold.cond.k and fold.direct.k of them, none where the pointers are
 * NULL). Memory that runs out shows in bytes->is_short. */
void wn_rows_put(struct wn_bytes *bytes, struct wn_bytes *bulk, const struct wn_store_record *record);

/* Take the next record off the front of *left (and of *bulk where that is not NULL). Its arrays live in `arena`.
 * `index` is its number. WN_IO where the bytes are no rows. */
wn_code wn_rows_take(struct wn_span *left, struct wn_span *bulk, uint64_t index, struct wn_arena *arena,
                     struct wn_store_record *out_record, struct wn_error *err);

#endif
