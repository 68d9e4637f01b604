/* The wire: what moves between the coordinator and its workers, whatever carries it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A transport is a struct wn_wire. Nothing in it waits for a worker: `give` hands over or says no, `poll` waits for a
 * message up to a time. A result is told when its rows have come over completely, so a worker that dies in between has
 * finished nothing.
 */
#ifndef WINNOW_CLUSTER_WIRE_H
#define WINNOW_CLUSTER_WIRE_H

#include "base/base.h"
#include "score/score.h"
#include "store/store.h"
#include "winnow/run.h"

#include <stdbool.h>
#include <stdint.h>

enum { WN_BAD_SHOWN = 5, WN_BAD_TEXT = 448 };

/* What is said about a bad record. */
struct wn_bad_note {
    uint64_t record;
    char text[WN_BAD_TEXT]; /* "line 7 of a.jsonl: parse_error: ..." */
};

/* A unit that a worker has finished. Owned by who holds the pointer (wn_result_free). */
struct wn_result {
    struct wn_unit_head head; /* complete, the extent of its bulk too */
    struct wn_bytes rows;     /* store/rows.h */
    uint32_t crc;             /* CRC-32C of the rows; of those of bulk bytes the extent's, mixed in */
    struct wn_score_counts counts;
    struct wn_bad_note bad[WN_BAD_SHOWN]; /* the first few bad records */
    uint32_t n_bad;
};
void wn_result_free(struct wn_result *result); /* NULL is allowed */

enum wn_message_kind {
    WN_MESSAGE_READY,
    WN_MESSAGE_BEAT,
    WN_MESSAGE_RESULT,
    WN_MESSAGE_FAILED,
    WN_MESSAGE_LEFT
};

struct wn_wire_message {
    enum wn_message_kind kind;
    uint32_t worker;
    uint64_t lease;           /* RESULT, FAILED */
    uint64_t records, moves;  /* BEAT: finished since it came; steps of its model */
    double seconds;           /* RESULT: that it took */
    struct wn_result *result; /* RESULT: the receiver's */
};

struct wn_wire {
    void *context;
    /* False where the worker cannot take it: then the lease counts as given back. */
    bool (*give)(void *context, uint32_t worker, uint64_t lease, const struct wn_unit *unit);
    /* The next message; *out_any is false where none came within `seconds`. A failure ends the job. */
    wn_code (*poll)(void *context, double seconds, struct wn_wire_message *out_message, bool *out_any,
                    struct wn_error *err);
};

#endif
