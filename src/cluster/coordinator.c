/* The coordinator: events change the roster and the backlog, then deadlines, the end and the hand-out are looked at.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/coordinator.h"

#include "cluster/backlog.h"
#include "cluster/checks.h"
#include "cluster/roster.h"

#include <math.h>
#include <stdlib.h>

enum {
    MOST_IN_UNIT = 65536,
    SILENT_BEATS = 5,    /* then a worker is suspect */
    PATIENCE = 10,       /* times its measured time for one record */
    AWAITED_LEASES = 10, /* a worker that was never ready and is silent is awaited for so many leases */
    GROWTH = 4,          /* of a worker's unit, from one to the next */
    FIRST_ACTIONS = 64
};

/* A gap between two events longer than this many beats is not held against the workers: this process slept. */
static const double most_gap_beats = 2.0;
/* Weight of the newest measurement. */
static const double newest = 0.5;
static const double least_seconds = 1e-9;

struct wn_coordinator {
    struct wn_coordinator_options options; /* done: NULL */
    struct wn_backlog backlog;
    struct wn_roster roster;
    struct wn_checks checks; /* CRCs of accepted units that others may answer, too */
    struct wn_action *actions;
    size_t action_first, n_actions, action_capacity; /* a ring; the capacity is a power of two */
    double now, time; /* of the caller; of the deadlines, which passes no gap */
    double stop_at;
    bool has_begun, is_held, is_stopping, has_ended;
    uint64_t last_lease;
    uint64_t in_flight, records_in_flight, lost, different, given_up;
};

static wn_code actions_grow(struct wn_coordinator *c, struct wn_error *err)
{
    const size_t capacity = c->action_capacity == 0 ? FIRST_ACTIONS : 2 * c->action_capacity;
    struct wn_action *actions = calloc(capacity, sizeof *actions);
    WN_CHECK(actions != NULL, err, WN_DEVICE, "no memory for %zu actions", capacity);
    for (size_t i = 0; i < c->n_actions; i++) {
        actions[i] = c->actions[(c->action_first + i) & (c->action_capacity - 1)];
    }
    free(c->actions);
    c->actions = actions;
    c->action_capacity = capacity;
    c->action_first = 0;
    return WN_OK;
}

static wn_code act(struct wn_coordinator *c, struct wn_action action, struct wn_error *err)
{
    if (c->n_actions == c->action_capacity) {
        WN_TRY(actions_grow(c, err));
    }
    action.unit.pass = c->options.pass;
    c->actions[(c->action_first + c->n_actions) & (c->action_capacity - 1)] = action;
    c->n_actions += 1;
    return WN_OK;
}

static wn_code act_end(struct wn_coordinator *c, wn_code code, struct wn_error *err)
{
    c->has_ended = true;
    return act(c, (struct wn_action){.kind = WN_ACTION_END, .code = code}, err);
}

static double deadline_of(const struct wn_coordinator *c, const struct wn_member *member)
{
    const struct wn_coordinator_options *o = &c->options;
    if (member->n_leases == 0) {
        return member->heard_at + fmax(o->lease, SILENT_BEATS * o->beat);
    }
    const double by_results = member->rate > 0.0 ? 1.0 / member->rate : 0.0;
    return fmax(member->progress_at, member->moved_at) +
           fmax(o->lease, PATIENCE * fmax(by_results, member->patience));
}

/* The next time at which a member's silence means something. */
static double due_of(const struct wn_coordinator *c, const struct wn_member *member)
{
    switch (member->state) {
    case WN_WORKER_AWAITED:
        return member->heard_at + AWAITED_LEASES * c->options.lease;
    case WN_WORKER_WORKING:
        return fmin(member->heard_at + SILENT_BEATS * c->options.beat, deadline_of(c, member));
    case WN_WORKER_SUSPECT:
        return deadline_of(c, member);
    default:
        return INFINITY;
    }
}

/* The heap may hold a time that is too early, never one too late. */
static void reschedule(struct wn_coordinator *c, struct wn_member *member)
{
    const double due = due_of(c, member);
    if (due < member->due) {
        wn_roster_set_due(&c->roster, member, due);
    }
}

/* A worker comes, or comes back: nothing of it is known. */
static void renew(struct wn_coordinator *c, struct wn_member *member)
{
    member->was_ready = true;
    member->rate = 0.0;
    member->patience = 0.0;
    member->size = c->options.first_unit;
    member->progress_at = c->time;
    member->heard_at = c->time;
    wn_roster_set_state(&c->roster, member, WN_WORKER_WORKING);
}

static void hear(struct wn_coordinator *c, struct wn_member *member)
{
    member->heard_at = c->time;
    if (member->state == WN_WORKER_SUSPECT) {
        wn_roster_set_state(&c->roster, member, WN_WORKER_WORKING);
    } else if (member->state == WN_WORKER_LOST && member->was_ready) {
        renew(c, member);
    } else if (member->state == WN_WORKER_LOST) {
        wn_roster_set_state(&c->roster, member, WN_WORKER_AWAITED);
    }
}

/* A unit comes back unfinished. */
static wn_code return_unit(struct wn_coordinator *c, const struct wn_member *member,
                           const struct wn_lease *lease, struct wn_error *err)
{
    c->in_flight -= 1;
    c->records_in_flight -= lease->unit.count;
    c->lost += 1;
    const uint32_t number = wn_roster_number(&c->roster, member);
    bool is_given_up = false;
    WN_TRY(wn_backlog_return(&c->backlog, &lease->unit, lease->losses, number, &is_given_up, err));
    if (!is_given_up) {
        return WN_OK;
    }
    c->given_up += lease->unit.count;
    return act(c,
               (struct wn_action){
                   .kind = WN_ACTION_GIVE_UP, .worker = number, .lease = lease->id, .unit = lease->unit},
               err);
}

static wn_code lose_units(struct wn_coordinator *c, struct wn_member *member, struct wn_error *err)
{
    const uint32_t n = member->n_leases;
    member->n_leases = 0;
    for (uint32_t i = 0; i < n; i++) {
        WN_TRY(wn_member_keep_late(member, &member->leases[i], err));
        WN_TRY(return_unit(c, member, &member->leases[i], err));
    }
    wn_roster_queue(&c->roster, member);
    return WN_OK;
}

static void measure(struct wn_coordinator *c, struct wn_member *member, uint64_t records, double seconds)
{
    if (!isfinite(seconds)) {
        return;
    }
    const double rate = (double)records / fmax(seconds, least_seconds);
    member->rate = member->rate > 0.0 ? newest * rate + (1.0 - newest) * member->rate : rate;
    const uint64_t grown = GROWTH * member->size;
    const uint64_t most = grown < c->options.most ? grown : c->options.most;
    const double wanted = member->rate * c->options.target;
    member->size = wanted < 1.0 ? 1 : wanted < (double)most ? (uint64_t)wanted : most;
}

/* Hold a result against what is done, and say whether it counts. */
static wn_code judge(struct wn_coordinator *c, const struct wn_event *event, const struct wn_lease *lease,
                     bool is_late, struct wn_error *err)
{
    const struct wn_unit *unit = &lease->unit;
    struct wn_action action = {
        .kind = WN_ACTION_ACCEPT, .worker = event->worker, .lease = lease->id, .unit = *unit};
    if (wn_ranges_meet(&c->backlog.done, unit->first, unit->first + unit->count)) {
        uint32_t crc = 0;
        action.kind = WN_ACTION_DROP;
        action.is_different = wn_checks_find(&c->checks, unit, &crc) && crc != event->crc;
        c->different += action.is_different ? 1 : 0;
        return act(c, action, err);
    }
    if (lease->is_again || is_late) {
        WN_TRY(wn_checks_add(&c->checks, unit, event->crc, err));
    }
    WN_TRY(wn_backlog_finish(&c->backlog, unit, err));
    return act(c, action, err);
}

/* RESULT and FAILED. */
static wn_code on_answer(struct wn_coordinator *c, struct wn_member *member, const struct wn_event *event,
                         struct wn_error *err)
{
    const bool is_result = event->kind == WN_EVENT_RESULT;
    int index = wn_lease_find(member->leases, member->n_leases, event->lease);
    if (index != WN_NOBODY) {
        const struct wn_lease lease = member->leases[index];
        wn_lease_remove(member->leases, &member->n_leases, index);
        member->progress_at = c->time;
        wn_roster_queue(&c->roster, member);
        if (!is_result) {
            return return_unit(c, member, &lease, err);
        }
        c->in_flight -= 1;
        c->records_in_flight -= lease.unit.count;
        measure(c, member, lease.unit.count, event->seconds);
        return judge(c, event, &lease, false, err);
    }
    index = wn_lease_find(member->late, member->n_late, event->lease);
    if (index == WN_NOBODY) {
        return WN_OK;
    }
    const struct wn_lease lease = member->late[index];
    wn_lease_remove(member->late, &member->n_late, index);
    return is_result ? judge(c, event, &lease, true, err) : WN_OK;
}

static void on_beat(struct wn_coordinator *c, struct wn_member *member, uint64_t records, uint64_t moves)
{
    if (moves != member->beat_moves) { /* inside a record: alive, but nothing to measure */
        member->beat_moves = moves;
        member->moved_at = c->time;
    }
    if (records == member->beat_records) {
        return;
    }
    if (records > member->beat_records && member->n_leases > 0) {
        const double sample = (c->time - member->progress_at) / (double)(records - member->beat_records);
        member->patience =
            member->patience > 0.0 ? newest * sample + (1.0 - newest) * member->patience : sample;
    }
    member->beat_records = records;
    member->progress_at = c->time;
}

static wn_code on_worker(struct wn_coordinator *c, const struct wn_event *event, struct wn_error *err)
{
    if (event->worker >= c->roster.n_members) {
        return WN_OK;
    }
    struct wn_member *member = &c->roster.members[event->worker];
    switch (event->kind) {
    case WN_EVENT_READY:
        WN_TRY(lose_units(c, member, err));
        member->beat_records = 0;
        renew(c, member);
        break;
    case WN_EVENT_LEFT:
        wn_roster_set_state(&c->roster, member, WN_WORKER_GONE);
        WN_TRY(lose_units(c, member, err));
        break;
    case WN_EVENT_BEAT:
        hear(c, member);
        on_beat(c, member, event->records, event->moves);
        break;
    default:
        hear(c, member);
        WN_TRY(on_answer(c, member, event, err));
        break;
    }
    reschedule(c, member);
    return WN_OK;
}

static wn_code on_event(struct wn_coordinator *c, const struct wn_event *event, struct wn_error *err)
{
    switch (event->kind) {
    case WN_EVENT_TICK:
        return WN_OK;
    case WN_EVENT_KNOWN:
        return wn_backlog_know(&c->backlog, event->records, event->is_all, err);
    case WN_EVENT_STOP:
        c->stop_at = c->is_stopping ? c->stop_at : c->now;
        c->is_stopping = true;
        return WN_OK;
    case WN_EVENT_HOLD:
        c->is_held = true;
        return WN_OK;
    case WN_EVENT_RESUME:
        c->is_held = false;
        return WN_OK;
    default:
        return on_worker(c, event, err);
    }
}

/* Look at the workers whose time has come. */
static wn_code pass_deadlines(struct wn_coordinator *c, struct wn_error *err)
{
    for (;;) {
        struct wn_member *member = wn_roster_earliest(&c->roster);
        if (member->due > c->time) {
            return WN_OK;
        }
        const double due = due_of(c, member);
        if (due > c->time) {
            wn_roster_set_due(&c->roster, member, due);
            continue;
        }
        struct wn_action action = {.worker = wn_roster_number(&c->roster, member)};
        if (member->state == WN_WORKER_WORKING && deadline_of(c, member) > c->time) {
            action.kind = WN_ACTION_SUSPECT;
            WN_TRY(act(c, action, err));
            wn_roster_set_state(&c->roster, member, WN_WORKER_SUSPECT);
        } else {
            action.kind = WN_ACTION_LOST;
            WN_TRY(act(c, action, err));
            wn_roster_set_state(&c->roster, member, WN_WORKER_LOST);
            WN_TRY(lose_units(c, member, err));
        }
    }
}

static uint64_t records_left(const struct wn_coordinator *c)
{
    const uint64_t open = c->backlog.known - c->backlog.first - c->backlog.done.records;
    return open > c->records_in_flight ? open - c->records_in_flight : 0;
}

/* Most records of the next unit: by the worker's rate, smaller towards the end. While the end is not known, a small
 * rest is not yet an end. */
static uint64_t size_for(const struct wn_coordinator *c, const struct wn_member *member)
{
    uint64_t taper = records_left(c) / (2 * (uint64_t)c->roster.n_in[WN_WORKER_WORKING]);
    if (!c->backlog.is_all && taper < c->options.first_unit) {
        taper = c->options.first_unit;
    }
    const uint64_t size = taper < member->size ? taper : member->size;
    return size > 0 ? size : 1;
}

/* A few known records are kept back while units are in flight, since more will be known when these come back. */
static bool may_take_fresh(const struct wn_coordinator *c)
{
    const uint64_t fresh = wn_backlog_fresh(&c->backlog);
    return fresh > 0 && (c->backlog.is_all || fresh >= c->options.first_unit || c->in_flight == 0);
}

static wn_code give(struct wn_coordinator *c, struct wn_member *member, bool *out_given, struct wn_error *err)
{
    const struct wn_ask ask = {.worker = wn_roster_number(&c->roster, member),
                               .is_idle = member->n_leases == 0,
                               .may_avoid = c->roster.n_in[WN_WORKER_WORKING] > 1,
                               .may_take_fresh = may_take_fresh(c),
                               .most = size_for(c, member)};
    struct wn_taken taken;
    WN_TRY(wn_backlog_take(&c->backlog, &ask, out_given, &taken, err));
    if (!*out_given) {
        return WN_OK;
    }
    if (member->n_leases == 0) {
        member->progress_at = c->time;
    }
    c->last_lease += 1;
    taken.unit.pass = c->options.pass;
    member->leases[member->n_leases] = (struct wn_lease){.id = c->last_lease,
                                                         .unit = taken.unit,
                                                         .losses = taken.losses,
                                                         .is_again = taken.is_again,
                                                         .is_alone = taken.is_alone};
    member->n_leases += 1;
    c->in_flight += 1;
    c->records_in_flight += taken.unit.count;
    wn_roster_queue(&c->roster, member);
    reschedule(c, member);
    return act(c,
               (struct wn_action){
                   .kind = WN_ACTION_GIVE, .worker = ask.worker, .lease = c->last_lease, .unit = taken.unit},
               err);
}

/* Hand out to those who have `in_flight` units. */
static wn_code hand_out_to(struct wn_coordinator *c, uint32_t in_flight, struct wn_error *err)
{
    const struct wn_item_heap *alone = &c->backlog.alone;
    for (int32_t next = c->roster.first[in_flight]; next != WN_NOBODY;) {
        struct wn_member *member = &c->roster.members[next];
        const uint32_t number = (uint32_t)next;
        const bool waits_alone = alone->n > 0 && (in_flight == 0 || alone->n > c->roster.n_draining);
        if (!waits_alone && c->backlog.again.n == 0 && !may_take_fresh(c)) {
            break;
        }
        next = member->after;
        if (in_flight > 0 && waits_alone &&
            (alone->items[0].avoid != number || c->roster.n_in[WN_WORKER_WORKING] == 1)) {
            wn_roster_set_draining(&c->roster, member, true);
            continue;
        }
        bool is_given = false;
        WN_TRY(give(c, member, &is_given, err));
    }
    return WN_OK;
}

static wn_code hand_out(struct wn_coordinator *c, struct wn_error *err)
{
    if (c->has_ended || c->is_held || c->is_stopping) {
        return WN_OK;
    }
    for (uint32_t in_flight = 0; in_flight < WN_UNITS_IN_FLIGHT; in_flight++) {
        WN_TRY(hand_out_to(c, in_flight, err));
    }
    return WN_OK;
}

static wn_code look_for_end(struct wn_coordinator *c, struct wn_error *err)
{
    if (wn_backlog_is_done(&c->backlog)) {
        return act_end(c, WN_OK, err);
    }
    if (c->is_stopping) {
        const bool is_over = c->in_flight == 0 || c->now >= c->stop_at + c->options.stop;
        return is_over ? act_end(c, WN_STOPPED, err) : WN_OK;
    }
    const uint32_t *n_in = c->roster.n_in;
    if (n_in[WN_WORKER_AWAITED] + n_in[WN_WORKER_WORKING] + n_in[WN_WORKER_SUSPECT] == 0) {
        return act_end(c, WN_RANK, err);
    }
    return WN_OK;
}

static wn_code check_options(const struct wn_coordinator_options *o, struct wn_error *err)
{
    WN_CHECK(o->most >= 1 && o->most <= MOST_IN_UNIT, err, WN_DEFECT, "a unit of at most %llu records",
             (unsigned long long)o->most);
    WN_CHECK(o->workers >= 1 && o->workers <= INT32_MAX, err, WN_DEFECT, "%u workers", o->workers);
    WN_CHECK(o->first_unit >= 1, err, WN_DEFECT, "a first unit without records");
    WN_CHECK(o->target > 0.0 && isfinite(o->target) && o->lease > 0.0 && isfinite(o->lease) &&
                 o->beat > 0.0 && isfinite(o->beat) && o->stop >= 0.0 && isfinite(o->stop),
             err, WN_DEFECT, "times of target %g, lease %g, beat %g, stop %g seconds", o->target, o->lease,
             o->beat, o->stop);
    WN_CHECK(o->count <= UINT64_MAX - o->first, err, WN_DEFECT, "records %llu to %llu + %llu",
             (unsigned long long)o->first, (unsigned long long)o->first, (unsigned long long)o->count);
    WN_CHECK(o->n_done == 0 || o->done != NULL, err, WN_DEFECT, "finished ranges without their list");
    uint64_t end = 0;
    for (size_t i = 0; i < o->n_done; i++) {
        WN_CHECK(o->done[i].first >= end && o->done[i].count <= UINT64_MAX - o->done[i].first, err, WN_DEFECT,
                 "finished range %zu is not after the one before it", i);
        end = o->done[i].first + o->done[i].count;
    }
    return WN_OK;
}

wn_code wn_coordinator_new(const struct wn_coordinator_options *options,
                           struct wn_coordinator **out_coordinator, struct wn_error *err)
{
    WN_TRY(check_options(options, err));
    wn_code code = WN_OK;
    struct wn_coordinator *c = calloc(1, sizeof *c);
    WN_CHECK(c != NULL, err, WN_DEVICE, "no memory for the coordinator");
    c->options = *options;
    c->options.done = NULL;
    c->options.first_unit = options->first_unit < options->most ? options->first_unit : options->most;
    WN_TRY_OR(done, wn_backlog_init(&c->backlog, options, err));
    WN_TRY_OR(done, wn_roster_init(&c->roster, options->workers, err));
    *out_coordinator = c;
    return WN_OK;
done:
    wn_coordinator_free(c);
    return code;
}

void wn_coordinator_free(struct wn_coordinator *coordinator)
{
    if (coordinator == NULL) {
        return;
    }
    wn_backlog_free(&coordinator->backlog);
    wn_roster_free(&coordinator->roster);
    wn_checks_free(&coordinator->checks);
    free(coordinator->actions);
    free(coordinator);
}

/* Both clocks go on. */
static void advance(struct wn_coordinator *c, double now)
{
    if (!c->has_begun) {
        c->has_begun = true;
        c->now = now;
    } else if (now > c->now) {
        c->time += fmin(now - c->now, most_gap_beats * c->options.beat);
        c->now = now;
    }
}

wn_code wn_coordinator_event(struct wn_coordinator *coordinator, const struct wn_event *event,
                             struct wn_error *err)
{
    if (coordinator->has_ended) {
        return WN_OK;
    }
    advance(coordinator, event->now);
    WN_TRY(on_event(coordinator, event, err));
    WN_TRY(pass_deadlines(coordinator, err));
    WN_TRY(look_for_end(coordinator, err));
    return hand_out(coordinator, err);
}

bool wn_coordinator_next(struct wn_coordinator *coordinator, struct wn_action *out_action)
{
    if (coordinator->n_actions == 0) {
        return false;
    }
    *out_action = coordinator->actions[coordinator->action_first];
    coordinator->action_first = (coordinator->action_first + 1) & (coordinator->action_capacity - 1);
    coordinator->n_actions -= 1;
    return true;
}

struct wn_coordinator_counts wn_coordinator_counts(const struct wn_coordinator *coordinator)
{
    const struct wn_coordinator *c = coordinator;
    return (struct wn_coordinator_counts){
        .done = c->backlog.done.records,
        .total = c->backlog.known - c->backlog.first,
        .is_all = c->backlog.is_all,
        .in_flight = c->in_flight,
        .lost = c->lost,
        .different = c->different,
        .given_up = c->given_up,
        .working = c->roster.n_in[WN_WORKER_WORKING],
        .suspect = c->roster.n_in[WN_WORKER_SUSPECT],
    };
}
