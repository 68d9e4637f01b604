/* The loop of the main thread: messages to events, events to actions, until the job is done or must end.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLUSTER_DRIVE_H
#define WINNOW_CLUSTER_DRIVE_H

#include "cluster/coordinator.h"
#include "cluster/intake.h"
#include "cluster/scribe.h"
#include "cluster/worker.h"

/* The thread that makes the index grow. */
struct wn_index_thread;
wn_code wn_index_thread_new(struct wn_corpus *corpus, struct wn_index_thread **out_indexer,
                            struct wn_error *err);
wn_code wn_index_thread_start(struct wn_index_thread *indexer, struct wn_crew *crew, struct wn_error *err);
void wn_index_thread_cancel(struct wn_index_thread *indexer);
void wn_index_thread_free(struct wn_index_thread *indexer);

struct wn_drive {
    const struct wn_job *job;
    const struct wn_stop *stop;
    struct wn_corpus *corpus;
    struct wn_coordinator *coordinator;
    struct wn_wire wire;
    struct wn_scribe *scribe;
    struct wn_crew *stages, *writers; /* the worker and the index; the scribe */
    struct wn_intake *intake;
    double hang; /* seconds without a move that end the run */
};

/* Until everything is done (WN_OK), a signal or the time limit (WN_STOPPED), or a failure: of a stage, by its name;
 * WN_INPUT by the rule of bad records; WN_USAGE where the corpus ends before job->first. Nothing is closed here. */
wn_code wn_drive_run(struct wn_drive *drive, struct wn_error *err);

#endif
