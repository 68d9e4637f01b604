/* The work of a job: which records are known, done, to be done again, and what is handed out next.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Records are handed out once from the front (the cursor); what was lost comes back as items, which go first. An item
 * never grows, so two units are disjoint, equal, or one lies in the other.
 */
#ifndef WINNOW_CLUSTER_BACKLOG_H
#define WINNOW_CLUSTER_BACKLOG_H

#include "cluster/coordinator.h"
#include "cluster/ranges.h"

enum { WN_LOSSES_MOST = 3, WN_NO_WORKER = UINT32_MAX };

/* Records to be done again. */
struct wn_item {
    uint64_t first;
    uint32_t count;
    uint32_t avoid;  /* the worker that had them last */
    uint32_t losses; /* times they were lost as one record */
};

struct wn_item_heap {
    struct wn_item *items; /* the lowest record first */
    size_t n, capacity;
};

struct wn_backlog {
    uint64_t first, limit; /* the job as asked for: [first, limit) */
    uint64_t known;        /* end of what is known of it */
    uint64_t cursor;       /* all from here on was never handed out */
    bool is_all;           /* the job ends at `known` */
    struct wn_ranges done; /* below `known` */
    struct wn_range *earlier;
    size_t n_earlier, next_earlier; /* of earlier starts; those before `next_earlier` are in `done` */
    struct wn_item_heap again;
    struct wn_item_heap
        alone; /* single records that were lost once: each is given to a worker that has nothing else,
                                * so that the next loss is its own */
};

/* What a worker asks for. */
struct wn_ask {
    uint32_t worker;
    bool is_idle;        /* has no unit: may take a record that must be alone */
    bool may_avoid;      /* there are other workers for what this one lost */
    bool may_take_fresh; /* from the cursor */
    uint64_t most;       /* records */
};

struct wn_taken {
    struct wn_unit unit;
    uint32_t losses;
    bool is_again, is_alone;
};

/* `options` were checked by wn_coordinator_new. WN_DEVICE. */
wn_code wn_backlog_init(struct wn_backlog *backlog, const struct wn_coordinator_options *options,
                        struct wn_error *err);
void wn_backlog_free(struct wn_backlog *backlog);

/* The corpus has at least `records`; is_all: exactly. */
wn_code wn_backlog_know(struct wn_backlog *backlog, uint64_t records, bool is_all, struct wn_error *err);
wn_code wn_backlog_finish(struct wn_backlog *backlog, const struct wn_unit *unit, struct wn_error *err);

/* A unit comes back unfinished from `worker`: what is not done of it is to be done again, in halves. Where it is one
 * record and was lost too often, *out_is_given_up is set and the record counts as done. */
wn_code wn_backlog_return(struct wn_backlog *backlog, const struct wn_unit *unit, uint32_t losses,
                          uint32_t worker, bool *out_is_given_up, struct wn_error *err);

/* The next unit for a worker; *out_found false where there is nothing for it. */
wn_code wn_backlog_take(struct wn_backlog *backlog, const struct wn_ask *ask, bool *out_found,
                        struct wn_taken *out_taken, struct wn_error *err);

/* Known records that were never handed out, earlier done ones among them. */
uint64_t wn_backlog_fresh(const struct wn_backlog *backlog);
bool wn_backlog_is_done(const struct wn_backlog *backlog);

#endif
