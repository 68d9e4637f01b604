/* A crew: named threads that work on one thing, end together, and are watched.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   wn_crew_new(stop, context, &crew, err)            `stop` closes the queues between the stages
 *   wn_crew_start(crew, "packing", WN_DEFECT, run, context, err)
 *   wn_crew_check(crew, limit, err)                   now and then, from the thread that made the crew
 *   wn_crew_end(&crew, seconds, err)                  waits for all
 *
 * A stage says when it waits for others (wn_stage_wait ... wn_stage_work) and that it moves (wn_stage_beat). A stage
 * that works and has not moved for longer than the limit hangs: a file system that does not answer, a device that is
 * lost. Nothing can be done about its thread, so what it uses must stay allocated until the process ends.
 */
#ifndef WINNOW_BASE_CREW_H
#define WINNOW_BASE_CREW_H

#include "winnow/status.h"

#include <stdbool.h>
#include <stddef.h>

struct wn_crew;
struct wn_stage;

/* What a stage does, until it is done or its queue is closed. A failure is kept by the crew, which calls `stop` once so
 * that the others end too. The first failure is the one told, but WN_STOPPED gives way to any other. */
typedef wn_code (*wn_stage_run)(struct wn_stage *stage, void *context, struct wn_error *err);

/* `stop` may be called from any thread of the crew, once at most, and must not wait. Owned by the caller
 * (wn_crew_end). */
wn_code wn_crew_new(void (*stop)(void *context), void *context, struct wn_crew **out_crew,
                    struct wn_error *err);

/* A thread more. `name` is constant text of at most 15 bytes: that of the thread, and in messages. `hang_code` is what
 * a hang of it means: WN_IO where it waits for files, WN_DEVICE for the model. WN_DEVICE where no thread can be made. */
wn_code wn_crew_start(struct wn_crew *crew, const char *name, wn_code hang_code, wn_stage_run run,
                      void *context, struct wn_error *err);

/* From inside a stage; `stage` may be NULL (nothing happens then). */
void wn_stage_beat(struct wn_stage *stage); /* it moves */
void wn_stage_wait(struct wn_stage *stage); /* waits for other stages from here on: that is no hang */
void wn_stage_work(struct wn_stage *stage); /* works again; counts as a beat */

/* The first failure of a stage, with "STAGE: " in front of its text; else a hang of more than `limit` seconds as the
 * stage's hang code, saying which stage, for how long, and what may be the cause; else WN_OK. No hang is looked for where
 * `limit` is not above 0. Ask at least four times per limit, from one thread: where more than half of it passed since the
 * last time, the whole process may have been held (a suspended job), and the time before counts for no hang. */
wn_code wn_crew_check(struct wn_crew *crew, double limit, struct wn_error *err);

/* Call `stop` if nobody has, wait at most `seconds` (negative: for ever) for all threads to end, free the crew and set
 * *crew (which may be NULL) to NULL. The answer is the first failure. Where threads are left after the time, *out_left
 * (may be NULL) is true, the answer is the hang code of the first of them if nothing failed before, and what its stages
 * use must never be freed: the process is about to end. */
wn_code wn_crew_end(struct wn_crew **crew, double seconds, bool *out_left, struct wn_error *err);

/* How a stage spent its time, for the progress line. */
struct wn_stage_share {
    const char *name;
    double work_seconds, wait_seconds; /* summed over stages of the same name */
    int threads;
};
/* At most `most` shares in order of the first start of each name; returns how many. */
size_t wn_crew_shares(const struct wn_crew *crew, struct wn_stage_share *out_shares, size_t most);

#endif
