/* Runs -> the batch: segments with their parents and slots, rows that meet the LM head, wants ordered by row.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A loss is asked in the batch that computes the row which predicts it, even where the token itself comes
 * later: so a kept hidden state is only needed below a header, and every row meets the head once.
 */
#include "pack/parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int32_t take_slot(struct wn_pack *pack, const struct wn_queued *item, int32_t node)
{
    for (int32_t i = 0; i < pack->limits.n_slots; i++) {
        if (pack->slots[i].state == WN_SLOT_FREE) {
            pack->slots[i] = (struct wn_slot){WN_SLOT_HELD, item, node};
            return i;
        }
    }
    assert(false); /* the fill plans no more slots than there are */
    return WN_NONE;
}

/* The parent of a node's next piece: its own last piece, its parent's, or its header's. */
static void set_parent(const struct wn_pack *pack, const struct wn_queued *item, int32_t number,
                       int32_t start, struct wn_segment *segment)
{
    const struct wn_queued_node *node = &item->nodes[number];
    const struct wn_queued_node *parent = NULL;
    if (start > 0) {
        parent = node;
    } else if (node->parent != WN_NONE) {
        parent = &item->nodes[node->parent];
    } else if (node->header != WN_NONE) {
        parent = &pack->headers[node->header]->nodes[0];
    }
    segment->parent = WN_NONE;
    segment->kept = WN_NONE;
    if (parent != NULL && parent->segment != WN_NONE) {
        segment->parent = parent->segment;
    } else if (parent != NULL) {
        assert(parent->slot != WN_NONE);
        segment->kept = parent->slot;
    }
}

/* The segments of one run: one, or pieces that fit in slots where something later needs it. */
static void emit_segments(struct wn_pack *pack, const struct wn_run *run)
{
    struct wn_queued *item = run->item;
    struct wn_queued_node *node = &item->nodes[run->node];
    const bool is_kept = wn_queued_needs(item, run->node);
    const int32_t most = is_kept ? pack->piece : run->n;
    struct wn_batch *batch = &pack->batch;
    for (int32_t done = 0; done < run->n; done += most) {
        const int32_t n = run->n - done < most ? run->n - done : most;
        const int32_t start = run->start + done;
        struct wn_segment *segment = &pack->segments[batch->n_segments];
        *segment = (struct wn_segment){.row = batch->n_rows,
                                       .n = n,
                                       .position = node->position + start,
                                       .keep = WN_NONE,
                                       .flags = node->flags,
                                       .token_type = node->token_type,
                                       .noise = node->noise};
        set_parent(pack, item, run->node, start, segment);
        if (is_kept) {
            segment->keep = take_slot(pack, item, run->node);
            node->slot = segment->keep;
            node->n_slots++;
        }
        node->segment = batch->n_segments++;
        node->row = segment->row + n - 1;
        memcpy(pack->ids + segment->row, node->ids + start, (size_t)n * sizeof *pack->ids);
        batch->n_rows += n;
    }
}

static wn_code add_want(struct wn_pack *pack, const struct wn_item_want *want, int64_t key,
                        struct wn_error *err)
{
    if (pack->n_keyed == pack->keyed_capacity) {
        const size_t capacity = pack->keyed_capacity == 0 ? 1024 : 2 * pack->keyed_capacity;
        struct wn_keyed_want *more = realloc(pack->keyed, capacity * sizeof *more);
        WN_CHECK(more != NULL, err, WN_DEVICE, "out of memory for %zu wants of a batch", capacity);
        pack->keyed = more;
        pack->keyed_capacity = capacity;
    }
    pack->keyed[pack->n_keyed++] = (struct wn_keyed_want){key,
                                                          {.target = want->target,
                                                           .kind = want->kind,
                                                           .pool = want->pool,
                                                           .inverse_temperature = want->inverse_temperature,
                                                           .destination = want->destination}};
    return WN_OK;
}

/* Wants for the first token of node `number`, which the row of `key` predicts. */
static wn_code add_first_token(struct wn_pack *pack, const struct wn_queued *item, int32_t number,
                               int64_t key, struct wn_error *err)
{
    const struct wn_queued_node *node = &item->nodes[number];
    const struct wn_item_want *wants = item->wants + node->first_want;
    for (int32_t w = 0; w < node->n_wants && wants[w].token == 0; w++) {
        if (wants[w].kind == WN_WANT_LOSS) {
            WN_TRY(add_want(pack, &wants[w], key, err));
        }
    }
    return WN_OK;
}

/* All wants that the rows of one run answer. */
static wn_code emit_wants(struct wn_pack *pack, const struct wn_run *run, int32_t row, struct wn_error *err)
{
    const struct wn_queued *item = run->item;
    const struct wn_queued_node *node = &item->nodes[run->node];
    const struct wn_item_want *wants = item->wants + node->first_want;
    const int64_t n_slots = pack->limits.n_slots;
    if (node->header != WN_NONE && run->start == 0) {
        const struct wn_queued_node *header = &pack->headers[node->header]->nodes[0];
        const int64_t key = header->segment != WN_NONE ? n_slots + header->row : header->slot;
        WN_TRY(add_first_token(pack, item, run->node, key, err));
    }
    for (int32_t w = 0; w < node->n_wants; w++) {
        const int32_t at = wants[w].token - (wants[w].kind == WN_WANT_LOSS) - run->start;
        if (at >= 0 && at < run->n && (wants[w].kind != WN_WANT_LOSS || wants[w].token > 0)) {
            WN_TRY(add_want(pack, &wants[w], n_slots + row + at, err));
        }
    }
    if (run->start + run->n == node->n) {
        for (int32_t j = run->node + 1; j < node->end; j = item->nodes[j].end) {
            WN_TRY(add_first_token(pack, item, j, n_slots + node->row, err));
        }
    }
    return WN_OK;
}

/* Order the wants by key (stable), and name each row once. Pooled ranges come last, as met: by row. */
static wn_code order_wants(struct wn_pack *pack, struct wn_error *err)
{
    struct wn_batch *batch = &pack->batch;
    const int32_t n_slots = pack->limits.n_slots;
    const size_t n_keys = (size_t)n_slots + (size_t)batch->n_rows;
    WN_CHECK(pack->n_keyed <= INT32_MAX, err, WN_DEFECT, "pack: %zu wants in one batch", pack->n_keyed);
    if (pack->wants_capacity < pack->keyed_capacity) {
        struct wn_want *more = realloc(pack->wants, pack->keyed_capacity * sizeof *more);
        WN_CHECK(more != NULL, err, WN_DEVICE, "out of memory for %zu wants of a batch",
                 pack->keyed_capacity);
        pack->wants = more;
        pack->wants_capacity = pack->keyed_capacity;
    }
    memset(pack->counts, 0, n_keys * sizeof *pack->counts);
    int32_t n_head_wants = 0;
    for (size_t w = 0; w < pack->n_keyed; w++) {
        if (pack->keyed[w].want.kind != WN_WANT_POOL) {
            pack->counts[pack->keyed[w].key]++;
            n_head_wants++;
        }
    }
    batch->n_head_rows = 0;
    int32_t next = 0;
    for (size_t k = 0; k < n_keys; k++) {
        const int32_t n = pack->counts[k];
        if (n > 0) {
            const int32_t at = (int32_t)k;
            pack->head_rows[batch->n_head_rows++] = at < n_slots
                                                        ? (struct wn_head_row){WN_NONE, at}
                                                        : (struct wn_head_row){at - n_slots, WN_NONE};
            for (int32_t w = 0; w < n; w++) { /* the head row's number waits where its wants will stand */
                pack->wants[next + w].row = batch->n_head_rows - 1;
            }
        }
        pack->counts[k] = next;
        next += n;
    }
    int32_t pool = n_head_wants;
    for (size_t w = 0; w < pack->n_keyed; w++) {
        const struct wn_keyed_want *keyed = &pack->keyed[w];
        const bool is_pool = keyed->want.kind == WN_WANT_POOL;
        const int32_t at = is_pool ? pool++ : pack->counts[keyed->key]++;
        const int32_t row = is_pool ? (int32_t)(keyed->key - n_slots) : pack->wants[at].row;
        pack->wants[at] = keyed->want;
        pack->wants[at].row = row;
    }
    batch->n_wants = (int32_t)pack->n_keyed;
    return WN_OK;
}

wn_code wn_pack_emit(struct wn_pack *pack, struct wn_error *err)
{
    struct wn_batch *batch = &pack->batch;
    batch->n_rows = 0;
    batch->n_segments = 0;
    pack->n_keyed = 0;
    for (int32_t r = 0; r < pack->n_runs; r++) {
        const int32_t row = batch->n_rows;
        emit_segments(pack, &pack->runs[r]);
        WN_TRY(emit_wants(pack, &pack->runs[r], row, err));
    }
    WN_TRY(order_wants(pack, err));
    batch->ids = pack->ids;
    batch->segments = pack->segments;
    batch->head_rows = pack->head_rows;
    batch->wants = pack->wants;
    return WN_OK;
}
