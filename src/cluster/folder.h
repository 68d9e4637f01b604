/* The run directory: whose it is, and what of it goes when a run fails.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLUSTER_FOLDER_H
#define WINNOW_CLUSTER_FOLDER_H

#include "base/base.h"
#include "cluster/recipe.h"

#include <stdbool.h>

struct wn_folder {
    char run_json[WN_JOB_PATH], scores[WN_JOB_PATH], corpus[WN_JOB_PATH];
    const char *path; /* borrowed */
    bool has_run;     /* run.json is there: the directory has an owner */
    bool has_scores;
    bool was_looked_at; /* and found to be new, empty or a run */
    bool was_made;      /* by this process */
    bool is_ours;       /* claimed by this process, and nothing finished in it */
    struct wn_file
        *claim; /* run.json in the making: says whose the directory is while the corpus is unpacked */
};

/* Look at `path`. WN_USAGE where it is a file or a directory with other things in it; nothing is touched. A start that was
 * killed may have left run.json.tmp.PID, scores.h5.tmp.PID and, beside the first, corpus/ with plain copies: these are no
 * other things. */
wn_code wn_folder_look(const char *path, struct wn_folder *out_folder, struct wn_error *err);
/* Make it where it is not there and, unless it has a run, begin run.json in it (`claim`); what dead processes were writing
 * there is removed. wn_folder_claim or wn_folder_tidy ends what is begun. WN_IO. */
wn_code wn_folder_make(struct wn_folder *folder, struct wn_error *err);
/* Where run.json exists: WN_RUN unless it is of the same recipe; then what dead processes were writing is removed. Else
 * write it. With `dry_run` nothing is changed. */
wn_code wn_folder_claim(struct wn_folder *folder, const struct wn_recipe *recipe, bool dry_run,
                        struct wn_error *err);
/* After a failure: take away run.json, RUN/corpus and the directory itself, as far as this run made them. With
 * `keep_run` a directory that was claimed stays as it is. */
void wn_folder_tidy(struct wn_folder *folder, bool keep_run);

#endif
