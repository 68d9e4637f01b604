/* Inside pack: the queue of items, and the runs that one batch takes from it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Nodes of a queued item stand in depth-first order, so that what is left of an item always begins at one
 * node (the cursor), and what must be kept for it is the path from a root to that node: at most
 * `positions` tokens.
 */
#ifndef WINNOW_PACK_PARTS_H
#define WINNOW_PACK_PARTS_H

#include "pack/pack.h"

#include <stddef.h>

struct wn_queued_node {
    const int32_t *ids; /* borrowed */
    int32_t n;
    int32_t parent;   /* index in depth-first order, or WN_NONE */
    int32_t end;      /* one past the last node of its subtree: it has children where end > own index + 1 */
    int32_t header;   /* or WN_NONE */
    int32_t position; /* path position of its first token */
    uint32_t flags;
    int32_t token_type;
    struct wn_noise noise;
    int32_t first_want, n_wants;
    bool is_whole;   /* never cut: bidirectional, or pooled */
    int32_t laid;    /* tokens in batches handed out, and in the one being made */
    int32_t fresh;   /* of these, tokens in the batch being made */
    int32_t n_slots; /* pieces kept */
    int32_t slot;    /* of the last piece kept, or WN_NONE */
    int32_t segment; /* its last segment in the batch being made, or WN_NONE */
    int32_t row;     /* and that segment's last row */
};

struct wn_queued {
    struct wn_queued *next;
    struct wn_queued_node *nodes; /* [n_nodes] depth first */
    struct wn_item_want *wants;   /* [n_wants] by original node, then token */
    int32_t *cost;                /* [n_nodes] scratch: slots on the path down to a node */
    int32_t n_nodes, n_wants;
    int32_t cursor;    /* first node that is not laid to its end */
    int64_t rows_left; /* tokens not laid */
    bool is_header;    /* kept for good */
    bool is_picked;    /* fits whole in what is left of the batch being made */
    bool is_atomic;    /* all nodes in one batch: the slots cannot hold it cut */
};

/* Tokens [start, start + n) of one node, taken into the batch being made. */
struct wn_run {
    struct wn_queued *item;
    int32_t node, start, n;
};

enum wn_slot_state { WN_SLOT_FREE, WN_SLOT_HELD, WN_SLOT_RELEASED /* by the next batch */ };

struct wn_slot {
    enum wn_slot_state state;
    const struct wn_queued *item; /* HELD: for whom */
    int32_t node;
};

/* A want of the batch being made, with the row that answers it. */
struct wn_keyed_want {
    int64_t key; /* slot, or n_slots + row; POOL: the row */
    struct wn_want want;
};

struct wn_pack {
    struct wn_pack_limits limits;
    int32_t piece;    /* q: tokens of a kept segment at most */
    int32_t capacity; /* slots for items: all but the headers' */
    struct wn_queued **headers;
    int32_t n_headers;
    struct wn_queued *first, *last; /* the queue */
    struct wn_queued *done;         /* laid to the end in the batch being made */
    int64_t waiting;
    struct wn_slot *slots; /* [n_slots] */
    struct wn_run *runs;   /* [N] */
    int32_t n_runs, left;  /* left: rows of the batch being made that are free */
    /* the batch */
    struct wn_batch batch;
    int32_t *ids;                  /* [N] */
    struct wn_segment *segments;   /* [N] */
    struct wn_head_row *head_rows; /* [n_slots + N] */
    int32_t *release;              /* [n_slots] */
    int32_t *counts;               /* [n_slots + N + 1] of wants by key */
    struct wn_keyed_want *keyed;   /* as met */
    struct wn_want *wants;         /* ordered */
    size_t n_keyed, keyed_capacity, wants_capacity;
};

/* item.c: check and copy. A new queued item, owned by the caller. */
wn_code wn_queued_new(const struct wn_pack *pack, const struct wn_item *item, struct wn_queued **out_item,
                      struct wn_error *err);
void wn_queued_free(struct wn_queued *item);

/* fill.c: choose the runs of the next batch from the queue. */
void wn_pack_fill(struct wn_pack *pack);
/* The largest number of slots that any path of what is left of `item` will hold at once, where its nodes
 * were laid up to node `cursor` with `extra` more of its tokens, in pieces of at most q tokens. */
int32_t wn_queued_slots(const struct wn_queued *item, int32_t piece, int32_t cursor, int32_t extra);
static inline int32_t wn_pieces(int32_t n, int32_t piece)
{
    return piece > 0 ? (int32_t)(((int64_t)n + piece - 1) / piece) : (n > 0 ? INT32_MAX / 4 : 0);
}
/* True where something that comes later needs node `node` of the item as it is laid now. */
bool wn_queued_needs(const struct wn_queued *item, int32_t node);

/* emit.c: runs -> segments, head rows and wants of pack->batch. */
wn_code wn_pack_emit(struct wn_pack *pack, struct wn_error *err);

#endif
