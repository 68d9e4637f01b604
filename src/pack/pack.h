/* Items (small trees of token runs with wants) -> batches (forests of segments), in the order given.
 * SPDX-License-Identifier: Apache-2.0
 *
 * An item is what must be computed together: one text is a single node; NUGGETS is a root with children;
 * several answers to one prompt share their prompt. Nodes longer than what is left of a batch are cut into
 * chains at multiples of the key tile and kept between batches, so no item is ever too long for a batch;
 * batches are filled to the brim: where the next item cannot go on, later ones that fit whole are taken
 * first. How items fall into batches changes no bit of any value (see batch.h).
 *
 *   wn_pack_add(pack, &item)  until enough rows wait, or items run out
 *   wn_pack_next(pack, flush, &batch)  until it gives none; after each forward the batch is done with
 *
 * A pack owns all kept slots of its model, from the first batch to the one that wn_pack_end gives: packs
 * may follow one another on one model, but not take turns.
 */
#ifndef WINNOW_PACK_PACK_H
#define WINNOW_PACK_PACK_H

#include "winnow/batch.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

struct wn_node {
    const int32_t *ids; /* [n]; borrowed until the item's last batch was handed out */
    int32_t n;          /* >= 1 */
    int32_t parent;     /* an earlier node of the item, or WN_NONE */
    int32_t header; /* number of the shared header that is its parent (then parent is WN_NONE), or WN_NONE */
    uint32_t flags; /* enum wn_segment_flags; a bidirectional node is never cut */
    int32_t token_type;
    struct wn_noise noise;
};

/* Loss of token `token` of node `node` (its target is that token's own id): asked of the row before it,
 * which is the parent's last row where token is 0. The first token of a root has no loss. Where token is
 * the node's n, the loss of `target` as the token after the node's last: so a text's last token need not
 * be computed only to be predicted. For LOGIT and POOL `token` is the row; a pooled range lies in one
 * node, which is then never cut. */
struct wn_item_want {
    int32_t node, token;
    int32_t target; /* LOGIT, and LOSS of token n: the id; POOL: rows in the range */
    uint16_t kind, pool;
    float inverse_temperature;
    int64_t destination;
};

struct wn_item {
    const struct wn_node *nodes;
    int32_t n_nodes;
    const struct wn_item_want *wants; /* ordered by node, then token */
    int32_t n_wants;
};

/* Ids that many items begin with, computed once and kept in slots of their own. */
struct wn_header {
    const int32_t *ids; /* [n]; copied */
    int32_t n;          /* >= 1 */
};

struct wn_pack_limits {
    int32_t batch_rows; /* N, >= T */
    int32_t key_tile;   /* T, >= 1 */
    int32_t positions;  /* longest path */
    int32_t n_slots, slot_rows;
};

struct wn_pack;

/* `headers` may be none. WN_DEVICE without memory; WN_DEFECT for limits that cannot hold the headers and
 * one path of `positions` tokens: that needs N >= positions, or slots for the headers and for all pieces
 * of a path but its last (a piece has at most q = T x floor(min(slot_rows, N) / T) tokens). */
wn_code wn_pack_new(const struct wn_pack_limits *limits, const struct wn_header *headers, int32_t n_headers,
                    struct wn_pack **out_pack, struct wn_error *err);
void wn_pack_free(struct wn_pack *pack); /* NULL is allowed */

/* Queue an item; its arrays are copied except ids. WN_DEFECT for an item that breaks the rules above: a
 * path longer than the positions (score cuts before), a node that may not be cut and is longer than N, or
 * a tree that neither fits in one batch nor, cut, in the slots. */
wn_code wn_pack_add(struct wn_pack *pack, const struct wn_item *item, struct wn_error *err);
/* Rows queued and not handed out yet: add more while this is below one batch (two give it a choice). */
int64_t wn_pack_waiting(const struct wn_pack *pack);

/* The next batch in *out_batch, valid until the next call; NULL where none is full and `flush` is false,
 * or nothing is left. Batches must be run in the order given: later ones use what earlier ones kept.
 * WN_DEVICE without memory. */
wn_code wn_pack_next(struct wn_pack *pack, bool flush, const struct wn_batch **out_batch,
                     struct wn_error *err);

/* The last batch: one row of id 0 without wants, that releases every slot the pack still holds, so that
 * another pack can use the model; NULL where none is held. What is queued is given up; only wn_pack_free
 * may follow. */
void wn_pack_end(struct wn_pack *pack, const struct wn_batch **out_batch);

#endif
