/* The workers of a job as the coordinator sees them: states, leases, who wants work, who is due.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two queues hold the workers that can take a unit: those that have none and those that have one. A heap holds, for each
 * worker, a time not later than its next deadline; who comes up in it is looked at and put back. So a message costs no
 * more than O(log workers).
 */
#ifndef WINNOW_CLUSTER_ROSTER_H
#define WINNOW_CLUSTER_ROSTER_H

#include "winnow/run.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WN_UNITS_IN_FLIGHT = 2, WN_LATE_KEPT = 64, WN_NOBODY = -1 };

enum wn_worker_state {
    WN_WORKER_AWAITED, /* was never ready; may come */
    WN_WORKER_WORKING,
    WN_WORKER_SUSPECT, /* silent */
    WN_WORKER_LOST,    /* past its deadline; may be heard again */
    WN_WORKER_GONE,    /* left; only READY brings it back */
    WN_WORKER_STATES
};

struct wn_lease {
    uint64_t id;
    struct wn_unit unit;
    uint32_t losses; /* of the unit as one record, before this lease */
    bool is_again;   /* others had these records before */
    bool is_alone;   /* the worker gets nothing beside it */
};

struct wn_member {
    enum wn_worker_state state;
    bool was_ready;
    bool is_draining; /* gets nothing until it has no unit: a record waits that must be alone */
    uint32_t n_leases;
    struct wn_lease leases[WN_UNITS_IN_FLIGHT]; /* the oldest first */
    struct wn_lease *late; /* lost ones whose answer may still come; the newest WN_LATE_KEPT */
    uint32_t n_late, late_capacity;
    double heard_at, progress_at, moved_at;
    double rate;     /* records per second of its results; 0: not measured */
    double patience; /* seconds a record took by its beats; 0: not measured */
    uint64_t size;   /* records of its next unit */
    uint64_t beat_records, beat_moves;
    double due;
    size_t place; /* in the heap */
    int32_t queue;
    int32_t before, after; /* in the queue */
};

struct wn_roster {
    struct wn_member *members;
    uint32_t n_members;
    uint32_t n_in[WN_WORKER_STATES];
    uint32_t n_draining;
    uint32_t *heap; /* member numbers, the earliest `due` first */
    int32_t first[WN_UNITS_IN_FLIGHT], last[WN_UNITS_IN_FLIGHT]; /* queues by units in flight */
};

/* All awaited, due at time 0. WN_DEVICE. */
wn_code wn_roster_init(struct wn_roster *roster, uint32_t workers, struct wn_error *err);
void wn_roster_free(struct wn_roster *roster);

void wn_roster_set_state(struct wn_roster *roster, struct wn_member *member, enum wn_worker_state state);
void wn_roster_set_draining(struct wn_roster *roster, struct wn_member *member, bool is_draining);
/* Put a member into the queue where it belongs, at the end if it was not there; after any change of its leases. */
void wn_roster_queue(struct wn_roster *roster, struct wn_member *member);

/* Set when a member is to be looked at. */
void wn_roster_set_due(struct wn_roster *roster, struct wn_member *member, double due);
/* The member that is due first. */
struct wn_member *wn_roster_earliest(const struct wn_roster *roster);

static inline uint32_t wn_roster_number(const struct wn_roster *roster, const struct wn_member *member)
{
    return (uint32_t)(member - roster->members);
}

/* Index of lease `id` in `leases`, WN_NOBODY where it is not there. */
int wn_lease_find(const struct wn_lease *leases, uint32_t n, uint64_t id);
void wn_lease_remove(struct wn_lease *leases, uint32_t *n, int index);
/* Keep a lost lease for a late answer. WN_DEVICE. */
wn_code wn_member_keep_late(struct wn_member *member, const struct wn_lease *lease, struct wn_error *err);

#endif
