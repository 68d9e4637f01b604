/* Where rows go: counted, judged, folded and put into the store, record by record, in order.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLUSTER_INTAKE_H
#define WINNOW_CLUSTER_INTAKE_H

#include "base/base.h"
#include "cluster/cluster.h"
#include "store/store.h"

/* The line of shares is said after so many records, and at the end. */
enum { WN_SHARES_AFTER = 1000, WN_BAD_SHOWN = 5 };

struct wn_intake {
    const struct wn_job *job;
    const struct wn_corpus *corpus;
    const struct wn_scorer *scorer;
    const struct wn_stop *stop;
    struct wn_store *store;
    struct wn_job_result *result; /* counts are kept here */
    struct wn_arena *arena;       /* of one record */
    uint64_t total;               /* records of this job */
    int32_t max_length, positions;
    double begun; /* wn_clock() */
    uint64_t bad;
    bool warned_ifd, warned_cut;
    char first_bad[512];
};

/* Seconds of a clock that never goes back. */
double wn_clock(void);

/* struct wn_row_sink's put, with a struct wn_intake as context. WN_STOPPED after a signal; WN_INPUT for --strict and
 * --max-bad, naming the first bad record. */
wn_code wn_intake_put(void *context, const struct wn_record_rows *rows, struct wn_error *err);

/* One line: the shares of ok, truncated, empty and IFD above 1, and warnings with their likely cause. */
void wn_intake_shares(struct wn_intake *intake);

#endif
