/* Copying the columns of one scores.h5 behind those of another. Private to store.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_STORE_MERGE_H
#define WINNOW_STORE_MERGE_H

#include "store/columns.h"

/* All rows of `scores` behind what `store` has: /samples but for the ranks, which are made at the end from the scores,
 * /turns, and /tokens with their offsets moved on. Elements are copied as they stand on disk, 65,536 at a time. Record
 * numbers must grow by 1 from the first row's. WN_INPUT or WN_IO where the file is damaged; then only
 * wn_store_abandon is allowed. */
wn_code wn_merge_copy(struct wn_store *store, const struct wn_scores *scores, struct wn_error *err);

#endif
