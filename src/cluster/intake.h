/* Where results are taken in: counted and judged, record by record, before they are journaled.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLUSTER_INTAKE_H
#define WINNOW_CLUSTER_INTAKE_H

#include "base/base.h"
#include "cluster/cluster.h"
#include "cluster/wire.h"

/* The line of shares is said after so many records, and at the end. */
enum { WN_SHARES_AFTER = 1000 };

struct wn_intake {
    const struct wn_job *job;
    struct wn_job_result *result;     /* counts are kept here, those of earlier starts among them */
    struct wn_arena *arena;           /* of one record */
    struct wn_job_progress *progress; /* what the next report will say; `bad` is kept here */
    int32_t max_length, positions;
    uint64_t shown; /* bad records that were named */
    bool warned_ifd, warned_cut, said_shares;
    char first_bad[WN_BAD_TEXT];
};

/* Count the records of a result in their order. WN_INPUT for --strict and --max-bad, naming the first bad record: then
 * the result is not to be journaled. WN_IO where its rows are none. */
wn_code wn_intake_take(struct wn_intake *intake, const struct wn_result *result, struct wn_error *err);

/* One line: the shares of ok, truncated, empty and IFD above 1, and warnings with their likely cause. */
void wn_intake_shares(struct wn_intake *intake);

/* A line of the log comes: take a progress bar away. */
void wn_intake_hush(struct wn_intake *intake);

#endif
