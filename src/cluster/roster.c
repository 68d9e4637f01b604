/* The workers of a job: two queues of who can take a unit, a heap of who is due.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/roster.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_LATE = 4 };

wn_code wn_roster_init(struct wn_roster *roster, uint32_t workers, struct wn_error *err)
{
    *roster = (struct wn_roster){0};
    roster->members = calloc(workers, sizeof *roster->members);
    roster->heap = calloc(workers, sizeof *roster->heap);
    WN_CHECK(roster->members != NULL && roster->heap != NULL, err, WN_DEVICE, "no memory for %u workers",
             workers);
    roster->n_members = workers;
    roster->n_in[WN_WORKER_AWAITED] = workers;
    for (uint32_t i = 0; i < workers; i++) {
        roster->heap[i] = i;
        roster->members[i].place = i;
        roster->members[i].queue = WN_NOBODY;
    }
    for (size_t i = 0; i < WN_UNITS_IN_FLIGHT; i++) {
        roster->first[i] = WN_NOBODY;
        roster->last[i] = WN_NOBODY;
    }
    return WN_OK;
}

void wn_roster_free(struct wn_roster *roster)
{
    for (uint32_t i = 0; i < roster->n_members; i++) {
        free(roster->members[i].late);
    }
    free(roster->members);
    free(roster->heap);
    *roster = (struct wn_roster){0};
}

static void queue_leave(struct wn_roster *roster, struct wn_member *member)
{
    if (member->queue == WN_NOBODY) {
        return;
    }
    int32_t *before =
        member->before == WN_NOBODY ? &roster->first[member->queue] : &roster->members[member->before].after;
    int32_t *after =
        member->after == WN_NOBODY ? &roster->last[member->queue] : &roster->members[member->after].before;
    *before = member->after;
    *after = member->before;
    member->queue = WN_NOBODY;
}

void wn_roster_queue(struct wn_roster *roster, struct wn_member *member)
{
    const bool is_alone = member->n_leases > 0 && member->leases[0].is_alone;
    if (member->is_draining && (member->n_leases == 0 || member->state != WN_WORKER_WORKING)) {
        member->is_draining = false;
        roster->n_draining -= 1;
    }
    const bool can_take = member->state == WN_WORKER_WORKING && !member->is_draining && !is_alone &&
                          member->n_leases < WN_UNITS_IN_FLIGHT;
    const int32_t queue = can_take ? (int32_t)member->n_leases : WN_NOBODY;
    if (queue == member->queue) {
        return;
    }
    queue_leave(roster, member);
    if (queue == WN_NOBODY) {
        return;
    }
    const int32_t number = (int32_t)wn_roster_number(roster, member);
    member->queue = queue;
    member->after = WN_NOBODY;
    member->before = roster->last[queue];
    if (member->before == WN_NOBODY) {
        roster->first[queue] = number;
    } else {
        roster->members[member->before].after = number;
    }
    roster->last[queue] = number;
}

void wn_roster_set_state(struct wn_roster *roster, struct wn_member *member, enum wn_worker_state state)
{
    roster->n_in[member->state] -= 1;
    roster->n_in[state] += 1;
    member->state = state;
    wn_roster_queue(roster, member);
}

void wn_roster_set_draining(struct wn_roster *roster, struct wn_member *member, bool is_draining)
{
    if (member->is_draining == is_draining) {
        return;
    }
    roster->n_draining += is_draining ? 1 : UINT32_MAX;
    member->is_draining = is_draining;
    wn_roster_queue(roster, member);
}

void wn_roster_set_due(struct wn_roster *roster, struct wn_member *member, double due)
{
    uint32_t *heap = roster->heap;
    const uint32_t number = wn_roster_number(roster, member);
    const size_t n = roster->n_members;
    size_t i = member->place;
    member->due = due;
    while (i > 0 && roster->members[heap[(i - 1) / 2]].due > due) {
        heap[i] = heap[(i - 1) / 2];
        roster->members[heap[i]].place = i;
        i = (i - 1) / 2;
    }
    for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && roster->members[heap[child + 1]].due < roster->members[heap[child]].due) {
            child += 1;
        }
        if (roster->members[heap[child]].due >= due) {
            break;
        }
        heap[i] = heap[child];
        roster->members[heap[i]].place = i;
        i = child;
    }
    heap[i] = number;
    member->place = i;
}

struct wn_member *wn_roster_earliest(const struct wn_roster *roster)
{
    return &roster->members[roster->heap[0]];
}

int wn_lease_find(const struct wn_lease *leases, uint32_t n, uint64_t id)
{
    for (uint32_t i = 0; i < n; i++) {
        if (leases[i].id == id) {
            return (int)i;
        }
    }
    return WN_NOBODY;
}

void wn_lease_remove(struct wn_lease *leases, uint32_t *n, int index)
{
    const size_t at = (size_t)index;
    memmove(leases + at, leases + at + 1, (*n - at - 1) * sizeof *leases);
    *n -= 1;
}

wn_code wn_member_keep_late(struct wn_member *member, const struct wn_lease *lease, struct wn_error *err)
{
    if (member->n_late == WN_LATE_KEPT) {
        wn_lease_remove(member->late, &member->n_late, 0);
    }
    if (member->n_late == member->late_capacity) {
        const uint32_t capacity = member->late_capacity == 0 ? FIRST_LATE : 2 * member->late_capacity;
        struct wn_lease *late = realloc(member->late, capacity * sizeof *late);
        WN_CHECK(late != NULL, err, WN_DEVICE, "no memory for %u late leases of a worker", capacity);
        member->late = late;
        member->late_capacity = capacity;
    }
    member->late[member->n_late] = *lease;
    member->n_late += 1;
    return WN_OK;
}
