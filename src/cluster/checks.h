/* CRCs of accepted units, for answers that come late: a hash table by unit.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Start with a zeroed struct.
 */
#ifndef WINNOW_CLUSTER_CHECKS_H
#define WINNOW_CLUSTER_CHECKS_H

#include "winnow/run.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wn_check_entry {
    uint64_t first;
    uint32_t count; /* 0: empty */
    uint32_t crc;
};

struct wn_checks {
    struct wn_check_entry *entries;
    size_t n, capacity; /* a power of two */
};

void wn_checks_free(struct wn_checks *checks);
/* WN_DEVICE without memory: at most 64 bytes a unit. */
wn_code wn_checks_add(struct wn_checks *checks, const struct wn_unit *unit, uint32_t crc,
                      struct wn_error *err);
/* The CRC of exactly this unit; false where it was not added. */
bool wn_checks_find(const struct wn_checks *checks, const struct wn_unit *unit, uint32_t *out_crc);

#endif
