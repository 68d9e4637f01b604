/* A set of records as disjoint ranges in a treap.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Seidel and Aragon, "Randomized Search Trees", 1996: ordered by first record from left to right and by priority from
 * top to bottom; the priorities come from a counter through a mixing function, so that runs repeat.
 */
#include "cluster/ranges.h"

#include <stdlib.h>

struct wn_range_node {
    struct wn_range range;
    uint32_t left, right, priority;
};

enum { FIRST_CAPACITY = 64 };

/* The output function of splitmix64. */
static uint32_t next_priority(struct wn_ranges *ranges)
{
    ranges->seed += 0x9e3779b97f4a7c15u;
    uint64_t x = ranges->seed;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(x >> 32);
}

/* All of `left` lies before all of `right`. */
static uint32_t tree_merge(struct wn_range_node *nodes, uint32_t left, uint32_t right)
{
    if (left == 0 || right == 0) {
        return left == 0 ? right : left;
    }
    if (nodes[left].priority > nodes[right].priority) {
        nodes[left].right = tree_merge(nodes, nodes[left].right, right);
        return left;
    }
    nodes[right].left = tree_merge(nodes, left, nodes[right].left);
    return right;
}

static void tree_split(struct wn_range_node *nodes, uint32_t tree, uint64_t first, uint32_t *out_before,
                       uint32_t *out_after)
{
    while (tree != 0) {
        if (nodes[tree].range.first < first) {
            *out_before = tree;
            out_before = &nodes[tree].right;
            tree = nodes[tree].right;
        } else {
            *out_after = tree;
            out_after = &nodes[tree].left;
            tree = nodes[tree].left;
        }
    }
    *out_before = 0;
    *out_after = 0;
}

static wn_code node_new(struct wn_ranges *ranges, uint32_t *out_node, struct wn_error *err)
{
    if (ranges->unused != 0) {
        *out_node = ranges->unused;
        ranges->unused = ranges->nodes[ranges->unused].left;
        return WN_OK;
    }
    if (ranges->n_nodes >= ranges->capacity) {
        WN_CHECK(ranges->capacity < UINT32_MAX / 2, err, WN_DEVICE,
                 "the records that are done lie in more than %u separate ranges", ranges->capacity);
        const uint32_t capacity = ranges->capacity == 0 ? FIRST_CAPACITY : 2 * ranges->capacity;
        struct wn_range_node *nodes = realloc(ranges->nodes, (size_t)capacity * sizeof *nodes);
        WN_CHECK(nodes != NULL, err, WN_DEVICE, "no memory for %u ranges of records", capacity);
        ranges->nodes = nodes;
        ranges->capacity = capacity;
        if (ranges->n_nodes == 0) {
            nodes[0] = (struct wn_range_node){{0, 0}, 0, 0, 0};
            ranges->n_nodes = 1;
        }
    }
    *out_node = ranges->n_nodes;
    ranges->n_nodes += 1;
    return WN_OK;
}

static wn_code tree_insert(struct wn_ranges *ranges, struct wn_range range, struct wn_error *err)
{
    uint32_t node = 0;
    WN_TRY(node_new(ranges, &node, err));
    struct wn_range_node *nodes = ranges->nodes;
    nodes[node] = (struct wn_range_node){range, 0, 0, next_priority(ranges)};
    uint32_t *link = &ranges->root;
    while (*link != 0 && nodes[*link].priority >= nodes[node].priority) {
        link = range.first < nodes[*link].range.first ? &nodes[*link].left : &nodes[*link].right;
    }
    tree_split(nodes, *link, range.first, &nodes[node].left, &nodes[node].right);
    *link = node;
    return WN_OK;
}

/* Remove the range that begins at `first`, which is there. */
static void tree_remove(struct wn_ranges *ranges, uint64_t first)
{
    struct wn_range_node *nodes = ranges->nodes;
    uint32_t *link = &ranges->root;
    while (nodes[*link].range.first != first) {
        link = first < nodes[*link].range.first ? &nodes[*link].left : &nodes[*link].right;
    }
    const uint32_t node = *link;
    *link = tree_merge(nodes, nodes[node].left, nodes[node].right);
    nodes[node].left = ranges->unused;
    ranges->unused = node;
}

/* The first range that ends after `record`, 0 for none: ranges are disjoint, so their ends are in order as well. */
static uint32_t tree_find(const struct wn_ranges *ranges, uint64_t record)
{
    uint32_t found = 0;
    for (uint32_t node = ranges->root; node != 0;) {
        if (ranges->nodes[node].range.end > record) {
            found = node;
            node = ranges->nodes[node].left;
        } else {
            node = ranges->nodes[node].right;
        }
    }
    return found;
}

/* The first range that begins after `record`, 0 for none. */
static uint32_t tree_find_after(const struct wn_ranges *ranges, uint64_t record)
{
    uint32_t found = 0;
    for (uint32_t node = ranges->root; node != 0;) {
        if (ranges->nodes[node].range.first > record) {
            found = node;
            node = ranges->nodes[node].left;
        } else {
            node = ranges->nodes[node].right;
        }
    }
    return found;
}

void wn_ranges_free(struct wn_ranges *ranges)
{
    free(ranges->nodes);
    *ranges = (struct wn_ranges){0};
}

wn_code wn_ranges_add(struct wn_ranges *ranges, uint64_t first, uint64_t end, struct wn_error *err)
{
    if (first >= end) {
        return WN_OK;
    }
    /* The first range that touches [first, end) on the left, overlaps it or touches it on the right. */
    const uint32_t node = tree_find(ranges, first > 0 ? first - 1 : 0);
    if (node == 0 || ranges->nodes[node].range.first > end) {
        WN_TRY(tree_insert(ranges, (struct wn_range){first, end}, err));
        ranges->records += end - first;
        return WN_OK;
    }
    struct wn_range *range = &ranges->nodes[node].range;
    ranges->records -= range->end - range->first;
    range->first = first < range->first ? first : range->first;
    range->end = end > range->end ? end : range->end;
    for (;;) {
        const uint32_t next = tree_find_after(ranges, range->first);
        if (next == 0 || ranges->nodes[next].range.first > range->end) {
            break;
        }
        const struct wn_range joined = ranges->nodes[next].range;
        ranges->records -= joined.end - joined.first;
        range->end = joined.end > range->end ? joined.end : range->end;
        tree_remove(ranges, joined.first);
    }
    ranges->records += range->end - range->first;
    return WN_OK;
}

bool wn_ranges_find(const struct wn_ranges *ranges, uint64_t record, struct wn_range *out_range)
{
    const uint32_t node = tree_find(ranges, record);
    if (node != 0) {
        *out_range = ranges->nodes[node].range;
    }
    return node != 0;
}

bool wn_ranges_meet(const struct wn_ranges *ranges, uint64_t first, uint64_t end)
{
    struct wn_range range;
    return wn_ranges_find(ranges, first, &range) && range.first < end;
}
