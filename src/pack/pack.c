/* The face of pack: the queue, the slots and their release from batch to batch.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pack/parts.h"

#include <stdlib.h>
#include <string.h>

static wn_code check_limits(const struct wn_pack_limits *limits, struct wn_error *err)
{
    WN_CHECK(limits->key_tile >= 1 && limits->batch_rows >= limits->key_tile, err, WN_DEFECT,
             "pack: a batch of %d rows is smaller than the key tile of %d", limits->batch_rows,
             limits->key_tile);
    WN_CHECK(limits->positions >= 1 && limits->n_slots >= 0 && limits->slot_rows >= 0, err, WN_DEFECT,
             "pack: %d positions, %d slots of %d rows", limits->positions, limits->n_slots,
             limits->slot_rows);
    return WN_OK;
}

static wn_code make_headers(struct wn_pack *pack, const struct wn_header *headers, int32_t n,
                            struct wn_error *err)
{
    if (n == 0) {
        return WN_OK;
    }
    WN_CHECK(pack->piece > 0, err, WN_DEFECT, "pack: headers need slots of at least %d rows, not %d",
             pack->limits.key_tile, pack->limits.slot_rows);
    pack->headers = calloc((size_t)n, sizeof(struct wn_queued *));
    WN_CHECK(pack->headers != NULL, err, WN_DEVICE, "out of memory for %d headers", n);
    for (int32_t i = 0; i < n; i++) {
        WN_CHECK(headers[i].n >= 1 && headers[i].n < pack->limits.positions, err, WN_DEFECT,
                 "pack: header %d has %d tokens, of %d positions", i, headers[i].n, pack->limits.positions);
        const size_t size = (size_t)headers[i].n * sizeof(int32_t);
        struct wn_queued *header = calloc(1, sizeof *header);
        struct wn_queued_node *node = calloc(1, sizeof *node);
        int32_t *ids = malloc(size);
        if (header == NULL || node == NULL || ids == NULL) {
            free(header);
            free(node);
            free(ids);
            WN_FAIL(err, WN_DEVICE, "out of memory for a header of %d tokens", headers[i].n);
        }
        memcpy(ids, headers[i].ids, size);
        *node = (struct wn_queued_node){.ids = ids,
                                        .n = headers[i].n,
                                        .parent = WN_NONE,
                                        .end = 1,
                                        .header = WN_NONE,
                                        .slot = WN_NONE,
                                        .segment = WN_NONE};
        header->nodes = node;
        header->n_nodes = 1;
        header->rows_left = headers[i].n;
        header->is_header = true;
        pack->headers[i] = header;
        pack->n_headers = i + 1;
        pack->capacity -= wn_pieces(headers[i].n, pack->piece);
    }
    WN_CHECK(pack->capacity >= 0, err, WN_DEFECT, "pack: %d slots of %d rows cannot hold %d headers",
             pack->limits.n_slots, pack->limits.slot_rows, n);
    return WN_OK;
}

static wn_code make_arrays(struct wn_pack *pack, struct wn_error *err)
{
    const size_t rows = (size_t)pack->limits.batch_rows;
    const size_t slots = (size_t)pack->limits.n_slots;
    pack->slots = calloc(slots + 1, sizeof *pack->slots);
    pack->runs = calloc(rows, sizeof *pack->runs);
    pack->ids = calloc(rows, sizeof *pack->ids);
    pack->segments = calloc(rows, sizeof *pack->segments);
    pack->head_rows = calloc(slots + rows, sizeof *pack->head_rows);
    pack->release = calloc(slots + 1, sizeof *pack->release);
    pack->counts = calloc(slots + rows + 1, sizeof *pack->counts);
    const bool is_complete = pack->slots != NULL && pack->runs != NULL && pack->ids != NULL &&
                             pack->segments != NULL && pack->head_rows != NULL && pack->release != NULL &&
                             pack->counts != NULL;
    WN_CHECK(is_complete, err, WN_DEVICE, "out of memory for batches of %zu rows", rows);
    return WN_OK;
}

wn_code wn_pack_new(const struct wn_pack_limits *limits, const struct wn_header *headers, int32_t n_headers,
                    struct wn_pack **out_pack, struct wn_error *err)
{
    WN_TRY(check_limits(limits, err));
    struct wn_pack *pack = calloc(1, sizeof *pack);
    WN_CHECK(pack != NULL, err, WN_DEVICE, "out of memory for a pack");
    wn_code code = WN_OK;
    pack->limits = *limits;
    const int32_t rows = limits->slot_rows < limits->batch_rows ? limits->slot_rows : limits->batch_rows;
    pack->piece = limits->n_slots > 0 ? rows / limits->key_tile * limits->key_tile : 0;
    pack->capacity = limits->n_slots;
    WN_TRY_OR(done, make_headers(pack, headers, n_headers, err));
    if (limits->positions > limits->batch_rows &&
        (pack->piece == 0 || wn_pieces(limits->positions, pack->piece) - 1 > pack->capacity)) {
        code = wn_error_set(
            err, WN_DEFECT, __FILE__, __LINE__,
            "pack: a path of %d tokens fits neither in one batch (%d rows) nor in %d slots of %d rows "
            "beside the headers",
            limits->positions, limits->batch_rows, pack->capacity, limits->slot_rows);
        goto done;
    }
    WN_TRY_OR(done, make_arrays(pack, err));
    *out_pack = pack;
done:
    if (code != WN_OK) {
        wn_pack_free(pack);
    }
    return code;
}

static void free_list(struct wn_queued *item)
{
    while (item != NULL) {
        struct wn_queued *next = item->next;
        wn_queued_free(item);
        item = next;
    }
}

void wn_pack_free(struct wn_pack *pack)
{
    if (pack == NULL) {
        return;
    }
    free_list(pack->first);
    free_list(pack->done);
    for (int32_t i = 0; i < pack->n_headers; i++) {
        free((void *)pack->headers[i]->nodes[0].ids); /* copied in make_headers */
        wn_queued_free(pack->headers[i]);
    }
    free(pack->headers);
    free(pack->slots);
    free(pack->runs);
    free(pack->ids);
    free(pack->segments);
    free(pack->head_rows);
    free(pack->release);
    free(pack->counts);
    free(pack->keyed);
    free(pack->wants);
    free(pack);
}

wn_code wn_pack_add(struct wn_pack *pack, const struct wn_item *item, struct wn_error *err)
{
    struct wn_queued *queued = NULL;
    WN_TRY(wn_queued_new(pack, item, &queued, err));
    if (pack->last != NULL) {
        pack->last->next = queued;
    } else {
        pack->first = queued;
    }
    pack->last = queued;
    pack->waiting += queued->rows_left;
    return WN_OK;
}

int64_t wn_pack_waiting(const struct wn_pack *pack)
{
    return pack->waiting;
}

/* Free the slots that nothing needs since the last batch, and say so in this one. */
static void release_slots(struct wn_pack *pack)
{
    pack->batch.n_release = 0;
    pack->batch.release = pack->release;
    for (int32_t i = 0; i < pack->limits.n_slots; i++) {
        if (pack->slots[i].state == WN_SLOT_RELEASED) {
            pack->slots[i] = (struct wn_slot){WN_SLOT_FREE, NULL, WN_NONE};
            pack->release[pack->batch.n_release++] = i;
        }
    }
}

/* The batch is made: nothing of it is "in this batch" any more, and what no later one needs can go. */
static void end_batch(struct wn_pack *pack)
{
    for (int32_t r = 0; r < pack->n_runs; r++) {
        struct wn_queued_node *node = &pack->runs[r].item->nodes[pack->runs[r].node];
        node->fresh = 0;
        node->segment = WN_NONE;
    }
    for (int32_t i = 0; i < pack->limits.n_slots; i++) {
        struct wn_slot *slot = &pack->slots[i];
        if (slot->state == WN_SLOT_HELD && !wn_queued_needs(slot->item, slot->node)) {
            *slot = (struct wn_slot){WN_SLOT_RELEASED, NULL, WN_NONE};
        }
    }
    free_list(pack->done);
    pack->done = NULL;
}

wn_code wn_pack_next(struct wn_pack *pack, bool flush, const struct wn_batch **out_batch,
                     struct wn_error *err)
{
    if (pack->first == NULL || (!flush && pack->waiting < pack->limits.batch_rows)) {
        *out_batch = NULL;
        return WN_OK;
    }
    release_slots(pack);
    wn_pack_fill(pack);
    WN_TRY(wn_pack_emit(pack, err));
    end_batch(pack);
    *out_batch = &pack->batch;
    return WN_OK;
}

void wn_pack_end(struct wn_pack *pack, const struct wn_batch **out_batch)
{
    for (int32_t i = 0; i < pack->limits.n_slots; i++) {
        if (pack->slots[i].state == WN_SLOT_HELD) {
            pack->slots[i] = (struct wn_slot){WN_SLOT_RELEASED, NULL, WN_NONE};
        }
    }
    release_slots(pack);
    pack->ids[0] = 0;
    pack->segments[0] = (struct wn_segment){.n = 1, .parent = WN_NONE, .kept = WN_NONE, .keep = WN_NONE};
    pack->batch.n_rows = 1;
    pack->batch.ids = pack->ids;
    pack->batch.n_segments = 1;
    pack->batch.segments = pack->segments;
    pack->batch.n_head_rows = 0;
    pack->batch.n_wants = 0;
    *out_batch = pack->batch.n_release > 0 ? &pack->batch : NULL;
}
