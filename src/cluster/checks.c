/* CRCs of accepted units: open addressing, at most half full.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/checks.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

/* The entry of a unit, or the empty one where it belongs; there is always an empty one. */
static struct wn_check_entry *find_entry(const struct wn_checks *checks, uint64_t first, uint64_t count)
{
    uint64_t hash = (first * 0x9e3779b97f4a7c15u) ^ (count * 0xbf58476d1ce4e5b9u);
    hash ^= hash >> 32;
    for (size_t i = (size_t)hash & (checks->capacity - 1);; i = (i + 1) & (checks->capacity - 1)) {
        struct wn_check_entry *entry = &checks->entries[i];
        if (entry->count == 0 || (entry->first == first && entry->count == count)) {
            return entry;
        }
    }
}

void wn_checks_free(struct wn_checks *checks)
{
    free(checks->entries);
    *checks = (struct wn_checks){0};
}

static wn_code grow(struct wn_checks *checks, struct wn_error *err)
{
    struct wn_checks grown = {.n = checks->n,
                              .capacity = checks->capacity == 0 ? FIRST_CAPACITY : 2 * checks->capacity};
    grown.entries = calloc(grown.capacity, sizeof *grown.entries);
    WN_CHECK(grown.entries != NULL, err, WN_DEVICE, "no memory for the CRCs of %zu units", grown.capacity);
    for (size_t i = 0; i < checks->capacity; i++) {
        const struct wn_check_entry *entry = &checks->entries[i];
        if (entry->count > 0) {
            *find_entry(&grown, entry->first, entry->count) = *entry;
        }
    }
    free(checks->entries);
    *checks = grown;
    return WN_OK;
}

wn_code wn_checks_add(struct wn_checks *checks, const struct wn_unit *unit, uint32_t crc,
                      struct wn_error *err)
{
    if (2 * checks->n >= checks->capacity) {
        WN_TRY(grow(checks, err));
    }
    struct wn_check_entry *entry = find_entry(checks, unit->first, unit->count);
    checks->n += entry->count == 0 ? 1 : 0;
    *entry = (struct wn_check_entry){unit->first, (uint32_t)unit->count, crc};
    return WN_OK;
}

bool wn_checks_find(const struct wn_checks *checks, const struct wn_unit *unit, uint32_t *out_crc)
{
    if (checks->n == 0) {
        return false;
    }
    const struct wn_check_entry *entry = find_entry(checks, unit->first, unit->count);
    *out_crc = entry->crc;
    return entry->count > 0;
}
