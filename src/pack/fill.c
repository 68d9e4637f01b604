/* Filling: which tokens of which items go into the next batch.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The queue's first item comes first. It is laid to its end where it fits; else it is cut where the slots
 * allow: at most one item is cut at the end of a batch, and after the cut the rest of it can always be
 * finished in pieces of q tokens (wn_queued_slots), so that no later choice can run out of slots. What is
 * then left of the batch goes to later items that fit in it whole.
 */
#include "pack/parts.h"

#include <assert.h>

enum { MOST_CUTS_TRIED = 64 };

bool wn_queued_needs(const struct wn_queued *item, int32_t node)
{
    return item->is_header || item->nodes[node].end > item->cursor;
}

int32_t wn_queued_slots(const struct wn_queued *item, int32_t piece, int32_t cursor, int32_t extra)
{
    int32_t most = 0;
    for (int32_t j = 0; j < item->n_nodes; j++) {
        const struct wn_queued_node *node = &item->nodes[j];
        if (node->end <= cursor) {
            continue; /* nothing of its subtree is left */
        }
        const int32_t rest = node->n - node->laid;
        const bool is_leaf = node->end == j + 1;
        int32_t own = node->n_slots;
        if (j < cursor) {
            own += wn_pieces(rest, piece);
        } else if (node->is_whole) {
            own += is_leaf ? 0 : wn_pieces(rest, piece);
        } else {
            const int32_t now = j == cursor ? extra : 0;
            own += wn_pieces(now, piece) + wn_pieces(rest - now, piece) - (is_leaf && rest > now ? 1 : 0);
        }
        item->cost[j] = own + (node->parent == WN_NONE ? 0 : item->cost[node->parent]);
        if (j >= cursor && item->cost[j] > most) {
            most = item->cost[j];
        }
    }
    return most;
}

/* Slots that items may take in this batch. */
static int32_t slots_free(const struct wn_pack *pack)
{
    int32_t n = 0;
    for (int32_t i = 0; i < pack->limits.n_slots; i++) {
        n += pack->slots[i].state == WN_SLOT_FREE;
    }
    for (int32_t i = 0; i < pack->n_headers; i++) { /* kept for headers that are not laid yet */
        const struct wn_queued_node *header = &pack->headers[i]->nodes[0];
        n -= wn_pieces(header->n, pack->piece) - header->n_slots;
    }
    return n;
}

static void lay(struct wn_pack *pack, struct wn_queued *item, int32_t node, int32_t n)
{
    struct wn_queued_node *at = &item->nodes[node];
    pack->runs[pack->n_runs++] = (struct wn_run){item, node, at->laid, n};
    at->laid += n;
    at->fresh += n;
    item->rows_left -= n;
    pack->left -= n;
    if (!item->is_header) {
        pack->waiting -= n;
    }
}

/* Lay all nodes up to `cursor` and `extra` tokens of that one. */
static void lay_until(struct wn_pack *pack, struct wn_queued *item, int32_t cursor, int32_t extra)
{
    for (int32_t j = item->cursor; j < cursor; j++) {
        lay(pack, item, j, item->nodes[j].n - item->nodes[j].laid);
    }
    if (extra > 0) {
        lay(pack, item, cursor, extra);
    }
    item->cursor = cursor;
}

/* True where the slots can keep what a cut at this place needs, now and until the item's end. */
static bool can_cut(const struct wn_pack *pack, const struct wn_queued *item, int32_t cursor, int32_t extra,
                    int32_t n_free)
{
    int32_t kept_now = wn_pieces(extra, pack->piece);
    for (int32_t j = item->cursor; j < cursor; j++) {
        const struct wn_queued_node *node = &item->nodes[j];
        if (node->end > cursor) {
            kept_now += wn_pieces(node->n - node->laid, pack->piece);
        }
    }
    return kept_now <= n_free && wn_queued_slots(item, pack->piece, cursor, extra) <= pack->capacity;
}

static bool headers_laid(const struct wn_pack *pack, const struct wn_queued *item)
{
    for (int32_t j = 0; j < item->n_nodes; j++) {
        const int32_t header = item->nodes[j].header;
        if (header != WN_NONE && pack->headers[header]->rows_left > 0) {
            return false;
        }
    }
    return true;
}

/* Pick later items that fit whole in `left` rows, the largest first; return the rows that stay unused. */
static int32_t pick_later(struct wn_pack *pack, int32_t left)
{
    for (struct wn_queued *item = pack->first; item != NULL; item = item->next) {
        item->is_picked = false;
    }
    while (left > 0) {
        struct wn_queued *best = NULL;
        for (struct wn_queued *item = pack->first->next; item != NULL; item = item->next) {
            if (!item->is_picked && item->rows_left <= left &&
                (best == NULL || item->rows_left > best->rows_left) && headers_laid(pack, item)) {
                best = item;
            }
        }
        if (best == NULL) {
            break;
        }
        best->is_picked = true;
        left -= (int32_t)best->rows_left;
    }
    return left;
}

/* The place where an item is cut, and the rows that stay unused with it. */
struct cut {
    int32_t cursor, extra, unused;
    int32_t n_tried;
};

/* Try one cut after which `room` rows are left; true where it is good enough to end the search. */
static bool try_cut(struct wn_pack *pack, const struct wn_queued *item, int32_t n_free, struct cut place,
                    int32_t room, struct cut *best)
{
    if (!can_cut(pack, item, place.cursor, place.extra, n_free)) {
        return false;
    }
    place.unused = pick_later(pack, room);
    place.n_tried = best->n_tried + 1;
    if (place.unused < best->unused) {
        *best = place;
    }
    best->n_tried = place.n_tried;
    return best->unused == 0 || best->n_tried == MOST_CUTS_TRIED;
}

/* Lay a part of the queue's first item, which does not fit whole: of the cuts that the slots allow, the
 * one after which later items fill the batch best, and of equal ones the latest. Nothing of it may be laid
 * only where the batch holds something already, so that it goes on at the latest in the next batch. */
static void lay_part(struct wn_pack *pack, struct wn_queued *item)
{
    const int32_t tile = pack->limits.key_tile;
    const int32_t n_free = slots_free(pack);
    struct cut best = {item->cursor, 0, INT32_MAX, 0};
    int32_t room = pack->left;
    int32_t cursor = item->cursor;
    while (item->nodes[cursor].n - item->nodes[cursor].laid <= room) {
        room -= item->nodes[cursor].n - item->nodes[cursor].laid;
        cursor++;
    }
    for (bool is_found = false; !is_found; cursor--) {
        const struct wn_queued_node *node = &item->nodes[cursor];
        const int32_t rest = node->n - node->laid;
        const int32_t most = node->is_whole ? 0 : (room < rest ? room : rest - 1) / tile * tile;
        for (int32_t extra = most; extra > 0 && !is_found; extra -= tile) {
            is_found = try_cut(pack, item, n_free, (struct cut){cursor, extra, 0, 0}, room - extra, &best);
        }
        if (cursor == item->cursor) {
            if (!is_found && pack->n_runs > 0 && pick_later(pack, pack->left) < best.unused) {
                best = (struct cut){item->cursor, 0, 0, 0};
            }
            break;
        }
        is_found = is_found || try_cut(pack, item, n_free, (struct cut){cursor, 0, 0, 0}, room, &best);
        room += item->nodes[cursor - 1].n - item->nodes[cursor - 1].laid;
    }
    lay_until(pack, item, best.cursor, best.extra);
}

/* Lay what the item needs of headers, in pieces of q tokens but for the last; false where room is short. */
static bool lay_headers(struct wn_pack *pack, const struct wn_queued *item)
{
    for (int32_t j = 0; j < item->n_nodes; j++) {
        const int32_t number = item->nodes[j].header;
        if (number == WN_NONE || pack->headers[number]->rows_left == 0) {
            continue;
        }
        struct wn_queued *header = pack->headers[number];
        const int32_t rest = header->nodes[0].n - header->nodes[0].laid;
        const int32_t n = rest <= pack->left ? rest : pack->left / pack->piece * pack->piece;
        if (n > 0) {
            lay(pack, header, 0, n);
        }
        if (n < rest) {
            return false;
        }
    }
    return true;
}

/* Lay what is left of an item, and move it from the queue (where it stands behind `before`) to the done list. */
static void lay_rest(struct wn_pack *pack, struct wn_queued *item, struct wn_queued *before)
{
    lay_until(pack, item, item->n_nodes, 0);
    if (before == NULL) {
        pack->first = item->next;
    } else {
        before->next = item->next;
    }
    if (pack->last == item) {
        pack->last = before;
    }
    item->next = pack->done;
    pack->done = item;
}

void wn_pack_fill(struct wn_pack *pack)
{
    pack->n_runs = 0;
    pack->left = pack->limits.batch_rows;
    while (pack->first != NULL && pack->left > 0 && lay_headers(pack, pack->first)) {
        struct wn_queued *item = pack->first;
        if (item->rows_left > pack->left) {
            if (!item->is_atomic) {
                lay_part(pack, item);
            }
            break;
        }
        lay_rest(pack, item, NULL);
    }
    if (pack->first != NULL) {
        pick_later(pack, pack->left);
    }
    struct wn_queued *before = pack->first;
    while (before != NULL && before->next != NULL) {
        if (before->next->is_picked) {
            lay_rest(pack, before->next, before);
        } else {
            before = before->next;
        }
    }
    assert(pack->n_runs > 0 || pack->first == NULL);
}
