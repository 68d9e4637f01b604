/* From the journals of a run to its scores.h5.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLUSTER_ASSEMBLE_H
#define WINNOW_CLUSTER_ASSEMBLE_H

#include "cluster/recipe.h"
#include "store/store.h"

/* What the file says beside the rows. */
struct wn_assembly {
    const struct wn_recipe *recipe; /* finished: wn_recipe_finish */
    const char *run, *scores;       /* the directory; the file to make */
    struct wn_lock *lock;           /* asked before the file gets its name */
    const struct wn_stop *stop;
    const char *begun; /* of this start */
    double seconds;    /* that this start has scored for */
    /* Called now and then; may be NULL. */
    void (*progress)(void *context, uint64_t done);
    void *context;
};

/* Read the units of all journals in the order of their records and write scores.h5. Memory: one unit, and what the store
 * takes. Each record is held against the corpus (its hash and place), which is read once more: WN_RUN where they differ. WN_IO where records are missing; WN_STOPPED; WN_IO; WN_RUN where another job has taken the run over. */
wn_code wn_scores_assemble(const struct wn_assembly *assembly, struct wn_error *err);

#endif
