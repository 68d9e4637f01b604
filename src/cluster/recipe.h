/* What a run computes from what, as run.json and as the attributes of scores.h5.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLUSTER_RECIPE_H
#define WINNOW_CLUSTER_RECIPE_H

#include "cluster/cluster.h"

#include <limits.h>

enum { WN_RUN_SCHEMA_VERSION = 2 };

/* A job with everything resolved. Borrowed but for the texts, which wn_recipe_free frees. */
struct wn_recipe {
    const struct wn_job *job;
    const struct wn_corpus *corpus;
    const struct wn_profile *profile;
    const struct wn_model_info *model;
    struct wn_tokenizer_info tokenizer;
    int32_t max_length;          /* the window in force */
    uint64_t first, count;       /* records scored; known when the index is whole */
    char model_folder[PATH_MAX]; /* links resolved */
    char run_hash[33];           /* of the bytes of run.json: what journals of this run name */
    char corpus_hash[33];
    char *profile_json, *options_json, *corpus_files_json; /* one line each */
};

/* Fill the texts of a recipe whose other members are set, but those of a whole index. */
wn_code wn_recipe_fill(struct wn_recipe *recipe, struct wn_error *err);
/* corpus_hash and corpus_files_json, of a corpus whose index is whole. */
wn_code wn_recipe_finish(struct wn_recipe *recipe, struct wn_error *err);
void wn_recipe_free(struct wn_recipe *recipe);

/* run.json as text in new memory (free). */
wn_code wn_recipe_print(const struct wn_recipe *recipe, char **out_text, struct wn_error *err);
/* Hold the run.json text `old` (of file `path`) against the recipe. WN_RUN naming the first difference. */
wn_code wn_recipe_compare(const struct wn_recipe *recipe, const char *path, struct wn_span old,
                          struct wn_error *err);

#endif
