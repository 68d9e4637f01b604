/* The worker of this process: a line of stages, its results, and the wire that leads to it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * It takes units with their leases, scores them in order, packs their rows as bytes (bulk goes to its shard), and lays
 * results out for the wire. Who coordinates sees only the wire.
 */
#ifndef WINNOW_CLUSTER_WORKER_H
#define WINNOW_CLUSTER_WORKER_H

#include "cluster/wire.h"

struct wn_worker_options {
    const char *run; /* directory; for the shard */
    uint64_t epoch;
    uint32_t number; /* of this worker */
    bool keep_tokens;
    double beat; /* seconds */
    struct wn_line_options
        line; /* sink and unit_end are filled here; `score` borrowed while the worker lives */
};

struct wn_worker;

wn_code wn_worker_new(const struct wn_worker_options *options, const struct wn_corpus *corpus,
                      const struct wn_tokenizer *tokenizer, struct wn_model *model,
                      struct wn_worker **out_worker, struct wn_error *err);
/* Start its stages in the crew. */
wn_code wn_worker_start(struct wn_worker *worker, struct wn_crew *crew, struct wn_error *err);
/* No more units, all that were given are finished: the stages end. */
void wn_worker_close(struct wn_worker *worker);
void wn_worker_cancel(struct wn_worker *worker); /* the stages end at once; any thread */
/* The bulk bytes of results told so far are on disk. Any thread but one at a time. */
wn_code wn_worker_sync(struct wn_worker *worker, struct wn_error *err);
int32_t wn_worker_max_length(const struct wn_worker *worker);
void wn_worker_free(struct wn_worker *worker); /* after its stages have ended; NULL is allowed */

/* The transport of a job in one process: this worker and no other. Used from one thread. */
struct wn_wire wn_worker_wire(struct wn_worker *worker);

#endif
