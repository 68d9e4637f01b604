/* A world of virtual workers on a virtual clock.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { QUEUE = 256, OPEN = 0, ACCEPTED, GIVEN_UP, EARLIER };

enum happening_kind { DELIVER, ARRIVE, WORK, BEAT, TICK, GROW, FAULT, WAKE, START, SIGNAL, HOLD, RESUME };

struct happening {
    double at;
    uint64_t serial; /* breaks ties in the order of making */
    enum happening_kind kind;
    uint32_t worker, life;
    uint64_t lease;
    struct wn_event event;
};

/* What the world knows of a lease. */
struct lease_note {
    struct wn_unit unit;
    uint32_t worker, crc;
    bool is_active, is_judged;
};

struct virtual_worker {
    bool is_alive, is_hung, beats_on; /* beats_on: only its device hangs */
    uint32_t life;                    /* grows with death, hanging and waking: old happenings are void */
    uint64_t queue[QUEUE];
    uint32_t n_queue;
    double begun_at, record_seconds;
    uint64_t finished;
    uint32_t n_active; /* leases in the coordinator's eyes */
};

struct world {
    const struct world_plan *plan;
    struct world_result *result;
    struct wn_coordinator *coordinator;
    struct happening *heap;
    size_t n_heap, heap_capacity;
    struct lease_note *leases; /* by id */
    size_t lease_capacity;
    uint64_t n_leases, serial, random, known, end;
    struct virtual_worker *workers;
    uint8_t *state, *n_holders, *n_lost_alone;
    bool *is_poison;
    uint64_t *accepted_by;
    uint64_t n_done;
    double now, last_said, stopped_at;
    uint32_t ends;
    bool was_stopped, is_held;
};

uint64_t world_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t x = *state;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static double chance(struct world *w)
{
    return (double)(world_random(&w->random) >> 11) * 0x1p-53;
}

#define RULE(w, cond, ...)                                                           \
    do {                                                                             \
        if (!(cond) && (w)->result->trouble[0] == '\0') {                            \
            snprintf((w)->result->trouble, sizeof(w)->result->trouble, __VA_ARGS__); \
        }                                                                            \
    } while (0)

static void *need(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static bool is_before(const struct happening *a, const struct happening *b)
{
    return a->at < b->at || (a->at == b->at && a->serial < b->serial);
}

static void push(struct world *w, struct happening h)
{
    if (w->n_heap == w->heap_capacity) {
        w->heap_capacity = w->heap_capacity == 0 ? 1024 : 2 * w->heap_capacity;
        w->heap = need(realloc(w->heap, w->heap_capacity * sizeof *w->heap));
    }
    h.serial = w->serial++;
    size_t i = w->n_heap++;
    for (; i > 0 && is_before(&h, &w->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        w->heap[i] = w->heap[(i - 1) / 2];
    }
    w->heap[i] = h;
}

static struct happening pop(struct world *w)
{
    const struct happening top = w->heap[0];
    const struct happening last = w->heap[--w->n_heap];
    size_t i = 0;
    for (size_t child = 1; child < w->n_heap; child = 2 * i + 1) {
        if (child + 1 < w->n_heap && is_before(&w->heap[child + 1], &w->heap[child])) {
            child += 1;
        }
        if (!is_before(&w->heap[child], &last)) {
            break;
        }
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

static double travel(struct world *w)
{
    const double delay = w->plan->delay * chance(w);
    return chance(w) < w->plan->odd ? 100.0 * delay : delay;
}

/* A message on its way to the coordinator. READY and LEFT come from the transport and are never lost. */
static void send(struct world *w, struct wn_event event)
{
    const bool is_sure = event.kind == WN_EVENT_READY || event.kind == WN_EVENT_LEFT;
    if (!is_sure && chance(w) < w->plan->lose) {
        return;
    }
    push(w, (struct happening){.at = w->now + travel(w), .kind = DELIVER, .event = event});
    if (chance(w) < w->plan->twice) {
        push(w, (struct happening){.at = w->now + travel(w), .kind = DELIVER, .event = event});
    }
}

static void begin_work(struct world *w, uint32_t number)
{
    struct virtual_worker *worker = &w->workers[number];
    if (!worker->is_alive || worker->is_hung || worker->n_queue == 0) {
        return;
    }
    const double seconds = worker->record_seconds * (double)w->leases[worker->queue[0]].unit.count;
    worker->begun_at = w->now;
    push(w, (struct happening){.at = w->now + seconds * (0.5 + chance(w)),
                               .kind = WORK,
                               .worker = number,
                               .life = worker->life});
}

static void die(struct world *w, uint32_t number)
{
    struct virtual_worker *worker = &w->workers[number];
    worker->is_alive = false;
    worker->life += 1;
    worker->n_queue = 0;
    if (chance(w) < 0.5) {
        send(w, (struct wn_event){.kind = WN_EVENT_LEFT, .worker = number});
    }
    if (chance(w) < 0.9) {
        push(w, (struct happening){.at = w->now + 200.0 * chance(w), .kind = START, .worker = number});
    }
}

static void start(struct world *w, uint32_t number)
{
    struct virtual_worker *worker = &w->workers[number];
    worker->is_alive = true;
    worker->is_hung = false;
    worker->life += 1;
    worker->finished = 0;
    send(w, (struct wn_event){.kind = WN_EVENT_READY, .worker = number});
    push(w, (struct happening){.at = w->now + w->plan->options.beat * chance(w),
                               .kind = BEAT,
                               .worker = number,
                               .life = worker->life});
}

static void finish_unit(struct world *w, uint32_t number)
{
    struct virtual_worker *worker = &w->workers[number];
    const uint64_t id = worker->queue[0];
    struct lease_note *note = &w->leases[id];
    bool is_poisoned = false;
    for (uint64_t r = note->unit.first; r < note->unit.first + note->unit.count; r++) {
        is_poisoned = is_poisoned || w->is_poison[r];
    }
    if (is_poisoned && chance(w) < 0.5) {
        die(w, number);
        return;
    }
    worker->n_queue -= 1;
    memmove(worker->queue, worker->queue + 1, worker->n_queue * sizeof worker->queue[0]);
    if (is_poisoned) {
        send(w, (struct wn_event){.kind = WN_EVENT_FAILED, .worker = number, .lease = id});
    } else {
        worker->finished += note->unit.count;
        note->crc = (uint32_t)(note->unit.first * 31 + note->unit.count);
        note->crc += chance(w) < w->plan->corrupt ? 1 : 0;
        send(w, (struct wn_event){.kind = WN_EVENT_RESULT,
                                  .worker = number,
                                  .lease = id,
                                  .crc = note->crc,
                                  .seconds = w->now - worker->begun_at});
    }
    begin_work(w, number);
}

static void beat(struct world *w, uint32_t number)
{
    struct virtual_worker *worker = &w->workers[number];
    uint64_t records = worker->finished;
    if (worker->n_queue > 0 && !worker->is_hung) {
        const uint64_t count = w->leases[worker->queue[0]].unit.count;
        const double part = (w->now - worker->begun_at) / (2.0 * worker->record_seconds);
        records += part < (double)(count - 1) ? (uint64_t)part : count - 1;
    }
    send(w, (struct wn_event){.kind = WN_EVENT_BEAT, .worker = number, .records = records});
    push(w, (struct happening){
                .at = w->now + w->plan->options.beat, .kind = BEAT, .worker = number, .life = worker->life});
}

static void fault(struct world *w)
{
    const uint32_t number = (uint32_t)(world_random(&w->random) % w->plan->options.workers);
    struct virtual_worker *worker = &w->workers[number];
    if (worker->is_alive && !worker->is_hung) {
        if (chance(w) < 0.4) {
            die(w, number);
        } else {
            worker->is_hung = true;
            worker->beats_on = chance(w) < 0.5;
            worker->life += 1;
            push(w,
                 (struct happening){
                     .at = w->now + 300.0 * chance(w), .kind = WAKE, .worker = number, .life = worker->life});
            if (worker->beats_on) {
                beat(w, number);
            }
        }
    }
    if (w->now < w->plan->faults_until) {
        push(w, (struct happening){.at = w->now + 2.0 * chance(w) * w->plan->fault_every, .kind = FAULT});
    }
}

/* The coordinator holds a lease for lost from here on. */
static void note_loss(struct world *w, uint64_t id)
{
    struct lease_note *note = &w->leases[id];
    if (!note->is_active) {
        return;
    }
    note->is_active = false;
    w->workers[note->worker].n_active -= 1;
    for (uint64_t r = note->unit.first; r < note->unit.first + note->unit.count; r++) {
        w->n_holders[r] -= 1;
    }
    if (note->unit.count == 1) {
        w->n_lost_alone[note->unit.first] += 1;
    }
}

static void note_losses(struct world *w, uint32_t number)
{
    if (w->workers[number].n_active == 0) {
        return;
    }
    for (uint64_t id = w->n_leases; id > 0; id--) {
        if (w->leases[id].worker == number) {
            note_loss(w, id);
        }
        if (w->workers[number].n_active == 0) {
            return;
        }
    }
}

static void on_give(struct world *w, const struct wn_action *action)
{
    const struct wn_unit *unit = &action->unit;
    const struct wn_coordinator_options *o = &w->plan->options;
    w->result->gives += 1;
    RULE(w, action->lease == w->n_leases + 1, "lease %llu is not the next",
         (unsigned long long)action->lease);
    RULE(w, unit->count >= 1 && unit->count <= o->most, "a unit of %llu", (unsigned long long)unit->count);
    RULE(w, unit->first >= o->first && unit->first + unit->count <= (w->known < w->end ? w->known : w->end),
         "%llu+%llu is not known", (unsigned long long)unit->first, (unsigned long long)unit->count);
    RULE(w, !w->is_held && !w->was_stopped, "hands out while held or stopped");
    if (w->result->trouble[0] != '\0') {
        return;
    }
    if (action->lease >= w->lease_capacity) {
        w->lease_capacity = w->lease_capacity == 0 ? 1024 : 2 * w->lease_capacity;
        w->leases = need(realloc(w->leases, w->lease_capacity * sizeof *w->leases));
    }
    w->n_leases = action->lease;
    w->leases[action->lease] = (struct lease_note){*unit, action->worker, 0, true, false};
    w->workers[action->worker].n_active += 1;
    RULE(w, w->workers[action->worker].n_active <= 2, "three units for worker %u", action->worker);
    for (uint64_t r = unit->first; r < unit->first + unit->count; r++) {
        RULE(w, w->state[r] == OPEN, "done record %llu is given again", (unsigned long long)r);
        RULE(w, w->n_holders[r] == 0, "record %llu is given twice", (unsigned long long)r);
        w->n_holders[r] += 1;
    }
    if (chance(w) >= w->plan->lose) {
        push(w,
             (struct happening){
                 .at = w->now + travel(w), .kind = ARRIVE, .worker = action->worker, .lease = action->lease});
    }
}

static void on_judged(struct world *w, const struct wn_action *action, const struct wn_event *event)
{
    struct lease_note *note = &w->leases[action->lease];
    RULE(w, event->kind == WN_EVENT_RESULT && event->lease == action->lease, "an answer that nobody gave");
    RULE(w, note->worker == action->worker && !note->is_judged, "lease %llu is judged twice",
         (unsigned long long)action->lease);
    RULE(w, note->unit.first == action->unit.first && note->unit.count == action->unit.count, "another unit");
    note->is_judged = true;
    w->result->answered_late += note->is_active ? 0 : 1;
    if (note->is_active) {
        const uint8_t before = w->n_lost_alone[note->unit.first];
        note_loss(w, action->lease);
        w->n_lost_alone[note->unit.first] = before;
    }
    bool is_open = true;
    for (uint64_t r = note->unit.first; r < note->unit.first + note->unit.count; r++) {
        is_open = is_open && w->state[r] == OPEN;
    }
    if (action->kind == WN_ACTION_ACCEPT) {
        RULE(w, is_open, "records %llu+%llu are accepted twice", (unsigned long long)note->unit.first,
             (unsigned long long)note->unit.count);
        for (uint64_t r = note->unit.first; r < note->unit.first + note->unit.count; r++) {
            w->state[r] = ACCEPTED;
            w->accepted_by[r] = action->lease;
        }
        w->n_done += note->unit.count;
        w->result->accepts += 1;
        return;
    }
    RULE(w, !is_open, "records %llu+%llu are dropped, none of them done",
         (unsigned long long)note->unit.first, (unsigned long long)note->unit.count);
    const struct lease_note *other = &w->leases[w->accepted_by[note->unit.first]];
    const bool is_same_unit = w->state[note->unit.first] == ACCEPTED &&
                              other->unit.first == note->unit.first && other->unit.count == note->unit.count;
    RULE(w, action->is_different == (is_same_unit && other->crc != note->crc), "a wrong is_different");
    w->result->drops += 1;
    w->result->different += action->is_different ? 1 : 0;
}

static void on_end(struct world *w, wn_code code)
{
    const struct world_plan *plan = w->plan;
    w->ends += 1;
    w->result->code = code;
    w->result->virtual_seconds = w->now;
    RULE(w, w->ends == 1, "ended twice");
    RULE(w, code == WN_OK || code == WN_RANK || (code == WN_STOPPED && w->was_stopped), "ended with %d",
         (int)code);
    if (code == WN_OK) {
        RULE(w, w->known >= w->end, "ended with records to come");
        for (uint64_t r = plan->options.first; r < w->end; r++) {
            RULE(w, w->state[r] != OPEN, "ended without record %llu", (unsigned long long)r);
            RULE(w, !w->is_poison[r] || w->state[r] != ACCEPTED, "record %llu cannot be done",
                 (unsigned long long)r);
        }
    }
    if (code == WN_RANK) {
        RULE(w, wn_coordinator_counts(w->coordinator).working == 0, "ended with workers");
    }
}

static void on_action(struct world *w, const struct wn_action *action, const struct wn_event *event)
{
    switch (action->kind) {
    case WN_ACTION_GIVE:
        on_give(w, action);
        break;
    case WN_ACTION_ACCEPT:
    case WN_ACTION_DROP:
        on_judged(w, action, event);
        break;
    case WN_ACTION_SUSPECT:
        w->result->suspect += 1;
        break;
    case WN_ACTION_LOST:
        w->result->lost += 1;
        note_losses(w, action->worker);
        break;
    case WN_ACTION_GIVE_UP:
        RULE(w, action->unit.count == 1, "more than a record given up");
        RULE(w, w->state[action->unit.first] == OPEN, "a done record given up");
        RULE(w, w->n_lost_alone[action->unit.first] == 3, "given up after %d losses",
             w->n_lost_alone[action->unit.first]);
        w->state[action->unit.first] = GIVEN_UP;
        w->n_done += 1;
        w->result->given_up += 1;
        break;
    default:
        on_end(w, action->code);
        break;
    }
}

static void tell(struct world *w, struct wn_event event)
{
    struct wn_error err;
    struct timespec a, b;
    event.now = w->now;
    w->last_said = w->now;
    if (w->ends == 0 && (event.kind == WN_EVENT_LEFT || event.kind == WN_EVENT_READY)) {
        note_losses(w, event.worker);
    }
    if (w->ends == 0 && event.kind == WN_EVENT_FAILED && w->leases[event.lease].worker == event.worker) {
        note_loss(w, event.lease);
    }
    clock_gettime(CLOCK_MONOTONIC, &a);
    const wn_code code = wn_coordinator_event(w->coordinator, &event, &err);
    clock_gettime(CLOCK_MONOTONIC, &b);
    w->result->coordinator_seconds += (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    w->result->events += 1;
    RULE(w, code == WN_OK, "event: %.200s", err.text);
    struct wn_action action;
    while (wn_coordinator_next(w->coordinator, &action) && w->result->trouble[0] == '\0') {
        RULE(w, w->ends == 0, "an action after the end");
        on_action(w, &action, &event);
    }
    const struct wn_coordinator_counts counts = wn_coordinator_counts(w->coordinator);
    RULE(w, w->ends > 0 || counts.done == w->n_done, "%llu done, not %llu", (unsigned long long)counts.done,
         (unsigned long long)w->n_done);
}

/* More of the corpus is known. */
static void grow(struct world *w)
{
    const struct world_plan *plan = w->plan;
    uint64_t known = w->known + plan->known_step;
    known = plan->known_step == 0 || known > plan->records ? plan->records : known;
    for (uint64_t r = w->known; r < known; r++) {
        w->n_done += w->state[r] == EARLIER && r >= plan->options.first && r < w->end ? 1 : 0;
    }
    w->known = known;
    tell(w, (struct wn_event){.kind = WN_EVENT_KNOWN, .records = known, .is_all = known == plan->records});
    if (known < plan->records) {
        push(w, (struct happening){.at = w->now + 0.1, .kind = GROW});
    }
}

static void happen_to_worker(struct world *w, const struct happening *h)
{
    struct virtual_worker *worker = &w->workers[h->worker];
    if (h->kind == START) {
        start(w, h->worker);
    } else if (h->kind == ARRIVE) {
        if (worker->is_alive && worker->n_queue < QUEUE) {
            worker->queue[worker->n_queue++] = h->lease;
            if (worker->n_queue == 1) {
                begin_work(w, h->worker);
            }
        }
    } else if (h->life != worker->life) {
        return;
    } else if (h->kind == WORK) {
        finish_unit(w, h->worker);
    } else if (h->kind == BEAT) {
        beat(w, h->worker);
    } else if (h->kind == WAKE) {
        worker->is_hung = false;
        worker->life += 1;
        begin_work(w, h->worker);
        beat(w, h->worker);
    }
}

static void happen(struct world *w, const struct happening *h)
{
    w->now = h->at;
    switch (h->kind) {
    case DELIVER:
        tell(w, h->event);
        break;
    case TICK:
        tell(w, (struct wn_event){.kind = WN_EVENT_TICK});
        push(w, (struct happening){.at = w->now + 0.5 * w->plan->options.beat, .kind = TICK});
        break;
    case GROW:
        grow(w);
        break;
    case FAULT:
        fault(w);
        break;
    case SIGNAL:
        w->was_stopped = true;
        w->stopped_at = w->now;
        tell(w, (struct wn_event){.kind = WN_EVENT_STOP});
        break;
    case HOLD:
        w->is_held = true;
        tell(w, (struct wn_event){.kind = WN_EVENT_HOLD});
        push(w, (struct happening){.at = w->now + 3.0 * chance(w), .kind = RESUME});
        break;
    case RESUME:
        w->is_held = false;
        tell(w, (struct wn_event){.kind = WN_EVENT_RESUME});
        push(w, (struct happening){.at = w->now + 30.0 * chance(w), .kind = HOLD});
        break;
    default:
        happen_to_worker(w, h);
        break;
    }
}

static void make(struct world *w)
{
    const struct world_plan *plan = w->plan;
    const struct wn_coordinator_options *o = &plan->options;
    w->random = plan->seed;
    w->end = o->count == 0 || o->first + o->count > plan->records ? plan->records : o->first + o->count;
    w->end = w->end < o->first ? o->first : w->end;
    w->known = 0;
    w->workers = need(calloc(o->workers, sizeof *w->workers));
    w->state = need(calloc(plan->records + 1, 1));
    w->n_holders = need(calloc(plan->records + 1, 1));
    w->n_lost_alone = need(calloc(plan->records + 1, 1));
    w->is_poison = need(calloc(plan->records + 1, sizeof *w->is_poison));
    w->accepted_by = need(calloc(plan->records + 1, sizeof *w->accepted_by));
    w->leases = need(calloc(1, sizeof *w->leases));
    w->lease_capacity = 1;
    for (size_t i = 0; i < o->n_done; i++) {
        for (uint64_t r = o->done[i].first; r < o->done[i].first + o->done[i].count && r < plan->records;
             r++) {
            w->state[r] = EARLIER;
        }
    }
    for (uint64_t r = 0; plan->poison > 0.0 && r < plan->records; r++) {
        w->is_poison[r] = w->state[r] == OPEN && chance(w) < plan->poison;
    }
    for (uint32_t i = 0; i < o->workers; i++) {
        const double factor = chance(w) < plan->slow ? 50.0 : 0.5 + chance(w);
        w->workers[i].record_seconds = plan->record_seconds * factor;
        if (chance(w) >= plan->never) {
            push(w, (struct happening){.at = 5.0 * chance(w), .kind = START, .worker = i});
        }
    }
    push(w, (struct happening){.kind = TICK});
    push(w, (struct happening){.at = 0.1, .kind = GROW});
    if (plan->fault_every > 0.0) {
        push(w, (struct happening){.at = plan->fault_every, .kind = FAULT});
    }
    if (plan->stop_at > 0.0) {
        push(w, (struct happening){.at = plan->stop_at, .kind = SIGNAL});
    }
    if (plan->has_holds) {
        push(w, (struct happening){.at = 3.0, .kind = HOLD});
    }
}

void world_run(const struct world_plan *plan, struct world_result *out_result)
{
    static const double longest = 200000.0;
    *out_result = (struct world_result){0};
    struct world w = {.plan = plan, .result = out_result};
    struct wn_error err;
    make(&w);
    RULE(&w, wn_coordinator_new(&plan->options, &w.coordinator, &err) == WN_OK, "new: %.200s", err.text);
    uint32_t after = 0;
    while (out_result->trouble[0] == '\0' && after < 200) {
        const struct happening h = pop(&w);
        happen(&w, &h);
        after += w.ends;
        RULE(&w, w.now < longest, "no end");
        RULE(&w,
             w.ends > 0 || !w.was_stopped || w.now <= w.stopped_at + plan->options.stop + plan->options.beat,
             "does not stop");
    }
    wn_coordinator_free(w.coordinator);
    free(w.heap);
    free(w.leases);
    free(w.workers);
    free(w.state);
    free(w.n_holders);
    free(w.n_lost_alone);
    free(w.is_poison);
    free(w.accepted_by);
}
