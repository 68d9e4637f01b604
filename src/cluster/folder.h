/* The run directory: whose it is, and what of it goes when a run fails.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLUSTER_FOLDER_H
#define WINNOW_CLUSTER_FOLDER_H

#include "base/base.h"
#include "cluster/recipe.h"
#include "store/store.h"

#include <stdbool.h>

struct wn_folder {
    char run_json[WN_JOB_PATH], scores[WN_JOB_PATH], corpus[WN_JOB_PATH], index[WN_JOB_PATH];
    const char *path; /* borrowed */
    bool has_run;     /* run.json is there: the directory has an owner */
    bool has_scores;
    bool had_run;         /* run.json was there when the lock was taken */
    bool was_made;        /* by this process */
    bool was_taken_over;  /* a stale lock was */
    struct wn_lock *lock; /* NULL until it is taken */
};

/* Look at `path`. WN_USAGE where it is a file or a directory with other things in it; nothing is touched. A directory
 * without run.json that holds a lock was begun by a start that was killed: what a run writes is then no other thing. */
wn_code wn_folder_look(const char *path, struct wn_folder *out_folder, struct wn_error *err);
/* Make it where it is not there, take its lock, look again, and remove what dead processes were writing in it. WN_RUN
 * where another job holds it; WN_IO. Not for a run whose scores are there. */
wn_code wn_folder_take(struct wn_folder *folder, struct wn_error *err);
/* Where run.json exists: WN_RUN unless it is of the same recipe. Else write it, unless `dry_run`. Fills
 * recipe->run_hash where there is a run.json. */
wn_code wn_folder_claim(struct wn_folder *folder, struct wn_recipe *recipe, bool dry_run,
                        struct wn_error *err);
/* Give the lock back. Where not `keep_run`, or where there is no run.json, take away before it what this start made or an earlier one left: all that a
 * run writes, and the directory if it was made here. Never a run with scores, nor one that another job took over. */
void wn_folder_leave(struct wn_folder *folder, bool keep_run);

#endif
