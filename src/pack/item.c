/* Queued items: every rule of pack.h is checked once, here; nodes are brought into depth-first order.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pack/parts.h"

#include <stdlib.h>

void wn_queued_free(struct wn_queued *item)
{
    if (item != NULL) {
        free(item->nodes);
        free(item->wants);
        free(item->cost);
        free(item);
    }
}

static wn_code check_node(const struct wn_pack *pack, const struct wn_item *item, int32_t i,
                          struct wn_error *err)
{
    const struct wn_node *node = &item->nodes[i];
    WN_CHECK(node->n >= 1 && node->ids != NULL, err, WN_DEFECT, "pack: node %d has no tokens", i);
    WN_CHECK(node->parent >= WN_NONE && node->parent < i, err, WN_DEFECT,
             "pack: the parent %d of node %d does not stand before it", node->parent, i);
    WN_CHECK(node->header >= WN_NONE && node->header < pack->n_headers, err, WN_DEFECT,
             "pack: node %d names header %d of %d", i, node->header, pack->n_headers);
    WN_CHECK(node->header == WN_NONE || node->parent == WN_NONE, err, WN_DEFECT,
             "pack: node %d has a parent and a header", i);
    if (node->flags & WN_SEGMENT_BIDIRECTIONAL) {
        WN_CHECK(node->parent == WN_NONE && node->header == WN_NONE, err, WN_DEFECT,
                 "pack: the bidirectional node %d is not a root", i);
    }
    if (node->parent != WN_NONE) {
        WN_CHECK(!(item->nodes[node->parent].flags & WN_SEGMENT_BIDIRECTIONAL), err, WN_DEFECT,
                 "pack: the bidirectional node %d has a child", node->parent);
    }
    return WN_OK;
}

static wn_code check_want(const struct wn_item *item, int32_t w, struct wn_error *err)
{
    const struct wn_item_want *want = &item->wants[w];
    WN_CHECK(want->node >= 0 && want->node < item->n_nodes, err, WN_DEFECT,
             "pack: want %d names node %d of %d", w, want->node, item->n_nodes);
    if (w > 0) {
        const struct wn_item_want *before = want - 1;
        WN_CHECK(before->node < want->node || (before->node == want->node && before->token <= want->token),
                 err, WN_DEFECT, "pack: want %d is out of order", w);
    }
    const struct wn_node *node = &item->nodes[want->node];
    WN_CHECK(want->token >= 0 && want->destination >= 0, err, WN_DEFECT,
             "pack: want %d has a negative token or destination", w);
    WN_CHECK(want->kind <= WN_WANT_POOL, err, WN_DEFECT, "pack: want %d is of unknown kind %u", w,
             want->kind);
    if (want->kind == WN_WANT_LOSS) {
        WN_CHECK(want->token <= node->n, err, WN_DEFECT, "pack: want %d asks token %d of %d", w, want->token,
                 node->n);
        WN_CHECK(want->token > 0 || node->parent != WN_NONE || node->header != WN_NONE, err, WN_DEFECT,
                 "pack: want %d asks the loss of the first token of a root, which nothing predicts", w);
    } else {
        const int32_t rows = want->kind == WN_WANT_POOL ? want->target : 1;
        WN_CHECK(rows >= 1 && want->token <= node->n - rows, err, WN_DEFECT,
                 "pack: want %d asks rows %d to %d of a node of %d", w, want->token, want->token + rows,
                 node->n);
    }
    return WN_OK;
}

/* Depth-first places of all nodes: place[i] of original node i, end[place] one past its subtree. A child
 * stands after its parent and siblings keep their order. */
static void order_nodes(const struct wn_item *item, int32_t *place, int32_t *end, int32_t *child,
                        int32_t *sibling)
{
    int32_t root = WN_NONE;
    for (int32_t i = 0; i < item->n_nodes; i++) {
        child[i] = WN_NONE;
    }
    for (int32_t i = item->n_nodes - 1; i >= 0; i--) {
        const int32_t parent = item->nodes[i].parent;
        int32_t *list = parent == WN_NONE ? &root : &child[parent];
        sibling[i] = *list;
        *list = i;
    }
    int32_t next = 0;
    for (int32_t at = root; at != WN_NONE;) {
        place[at] = next++;
        if (child[at] != WN_NONE) {
            at = child[at];
            continue;
        }
        while (at != WN_NONE) {
            end[place[at]] = next;
            if (sibling[at] != WN_NONE) {
                at = sibling[at];
                break;
            }
            at = item->nodes[at].parent;
        }
    }
}

/* Fill the nodes from their originals; `scratch` has room for 4 x n_nodes. */
static void copy_nodes(const struct wn_pack *pack, const struct wn_item *item, int32_t *scratch,
                       struct wn_queued *queued)
{
    const size_t n = (size_t)item->n_nodes;
    int32_t *place = scratch;
    int32_t *end = scratch + n;
    order_nodes(item, place, end, scratch + 2 * n, scratch + 3 * n);
    for (int32_t i = 0; i < item->n_nodes; i++) {
        const struct wn_node *from = &item->nodes[i];
        struct wn_queued_node *to = &queued->nodes[place[i]];
        to->ids = from->ids;
        to->n = from->n;
        to->end = end[place[i]];
        to->header = from->header;
        to->flags = from->flags;
        to->token_type = from->token_type;
        to->noise = from->noise;
        to->is_whole = (from->flags & WN_SEGMENT_BIDIRECTIONAL) != 0;
        to->slot = WN_NONE;
        to->segment = WN_NONE;
        to->parent = WN_NONE;
        if (from->parent != WN_NONE) {
            const struct wn_queued_node *parent = &queued->nodes[place[from->parent]];
            to->parent = place[from->parent];
            to->position =
                parent->position > INT32_MAX - parent->n ? INT32_MAX : parent->position + parent->n;
        } else if (from->header != WN_NONE) {
            to->position = pack->headers[from->header]->nodes[0].n;
        }
        queued->rows_left += from->n;
    }
    for (int32_t w = 0; w < item->n_wants; w++) {
        struct wn_queued_node *node = &queued->nodes[place[item->wants[w].node]];
        if (node->n_wants++ == 0) {
            node->first_want = w;
        }
        queued->wants[w] = item->wants[w];
        if (item->wants[w].kind == WN_WANT_POOL && item->wants[w].target > 1) {
            node->is_whole = true;
        }
        if (item->wants[w].kind == WN_WANT_LOSS && item->wants[w].token < node->n) {
            queued->wants[w].target = node->ids[item->wants[w].token];
        }
    }
}

/* Whether the item can be laid at all, and whether only whole. */
static wn_code check_room(const struct wn_pack *pack, struct wn_queued *queued, struct wn_error *err)
{
    const int32_t n_rows = pack->limits.batch_rows;
    const bool fits = queued->rows_left <= n_rows;
    for (int32_t i = 0; i < queued->n_nodes; i++) {
        const struct wn_queued_node *node = &queued->nodes[i];
        WN_CHECK((int64_t)node->position + node->n <= pack->limits.positions, err, WN_DEFECT,
                 "pack: a path of %lld tokens is longer than the %d positions",
                 (long long)node->position + (long long)node->n, pack->limits.positions);
        WN_CHECK(!node->is_whole || node->n <= n_rows, err, WN_DEFECT,
                 "pack: a node of %d tokens that may not be cut is longer than the batch (%d rows)", node->n,
                 n_rows);
    }
    const bool can_cut = pack->piece > 0 && wn_queued_slots(queued, pack->piece, 0, 0) <= pack->capacity;
    WN_CHECK(
        fits || can_cut, err, WN_DEFECT,
        "pack: an item of %lld tokens fits neither in one batch (%d rows) nor, cut, in %d slots of %d rows",
        (long long)queued->rows_left, n_rows, pack->capacity, pack->limits.slot_rows);
    queued->is_atomic = !can_cut;
    return WN_OK;
}

wn_code wn_queued_new(const struct wn_pack *pack, const struct wn_item *item, struct wn_queued **out_item,
                      struct wn_error *err)
{
    WN_CHECK(item->n_nodes >= 1 && item->n_wants >= 0, err, WN_DEFECT, "pack: an item without nodes");
    for (int32_t i = 0; i < item->n_nodes; i++) {
        WN_TRY(check_node(pack, item, i, err));
    }
    for (int32_t w = 0; w < item->n_wants; w++) {
        WN_TRY(check_want(item, w, err));
    }
    const size_t n = (size_t)item->n_nodes;
    struct wn_queued *queued = calloc(1, sizeof *queued);
    int32_t *scratch = calloc(n, 4 * sizeof *scratch);
    wn_code code = WN_OK;
    if (queued != NULL) {
        queued->nodes = calloc(n, sizeof *queued->nodes);
        queued->wants = calloc((size_t)item->n_wants + 1, sizeof *queued->wants);
        queued->cost = calloc(n, sizeof *queued->cost);
    }
    if (queued == NULL || scratch == NULL || queued->nodes == NULL || queued->wants == NULL ||
        queued->cost == NULL) {
        code =
            wn_error_set(err, WN_DEVICE, __FILE__, __LINE__,
                         "out of memory for an item of %d nodes and %d wants", item->n_nodes, item->n_wants);
        goto done;
    }
    queued->n_nodes = item->n_nodes;
    queued->n_wants = item->n_wants;
    copy_nodes(pack, item, scratch, queued);
    WN_TRY_OR(done, check_room(pack, queued, err));
    *out_item = queued;
done:
    free(scratch);
    if (code != WN_OK) {
        wn_queued_free(queued);
    }
    return code;
}
