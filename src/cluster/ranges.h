/* A set of records kept as disjoint ranges in order; ranges that touch are one range.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A balanced search tree by first record (a treap: its shape is that of a tree filled in random order), so adding and
 * looking up cost O(log ranges). Start with a zeroed struct.
 */
#ifndef WINNOW_CLUSTER_RANGES_H
#define WINNOW_CLUSTER_RANGES_H

#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

/* [first, end) */
struct wn_range {
    uint64_t first, end;
};

struct wn_range_node;

struct wn_ranges {
    struct wn_range_node *nodes; /* [0] stands for no node */
    uint32_t root, unused;       /* `unused`: a chain of nodes that were removed */
    uint32_t n_nodes, capacity;
    uint64_t seed;    /* of the random order */
    uint64_t records; /* in all ranges */
};

void wn_ranges_free(struct wn_ranges *ranges);

/* Add [first, end), which may overlap what is there. WN_DEVICE without memory: 32 bytes a range. */
wn_code wn_ranges_add(struct wn_ranges *ranges, uint64_t first, uint64_t end, struct wn_error *err);

/* The range that holds `record`, else the next one after it; false where there is none. */
bool wn_ranges_find(const struct wn_ranges *ranges, uint64_t record, struct wn_range *out_range);

/* True where any record of [first, end) is in the set. */
bool wn_ranges_meet(const struct wn_ranges *ranges, uint64_t first, uint64_t end);

#endif
