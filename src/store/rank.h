/* The rank column: the place of every record by its score, in bounded memory. Private to store.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   WN_TRY(wn_ranker_new(path, n, larger_index_first, WN_RANK_LIMIT, &ranker, err));
 *   for each record in order: WN_TRY(wn_ranker_put(ranker, score, err));
 *   WN_TRY(wn_ranker_finish(ranker, context, visit, err));      and wn_ranker_free in any case
 *
 * Up to `limit` records that have a score are sorted in memory, 16 bytes each. Beyond, sorted runs go to a temporary
 * file without a name; the runs are merged, each record's place goes to the part of the file that belongs to its range
 * of record numbers, and the ranges are put in order of the records one by one: 32 bytes of file for each record.
 */
#ifndef WINNOW_STORE_RANK_H
#define WINNOW_STORE_RANK_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WN_RANK_LIMIT = 4 * 1024 * 1024 };

struct wn_ranker;

/* For `n` records. `path`: a file in whose folder the temporary file may stand (it need not exist). `limit` > 0. */
wn_code wn_ranker_new(const char *path, uint64_t n, bool larger_index_first, size_t limit,
                      struct wn_ranker **out_ranker, struct wn_error *err);
void wn_ranker_free(struct wn_ranker **ranker); /* *ranker may be NULL */

/* The score of the next record, NaN where it cannot be ranked; at most n calls. WN_IO where the disk is full. */
wn_code wn_ranker_put(struct wn_ranker *ranker, double score, struct wn_error *err);

/* Takes the ranks of the next `n` records, in order of the records; false ends the work. */
typedef bool wn_rank_visit(void *context, const uint64_t *ranks, size_t n);

/* All n scores are there: visit all ranks. 0 is the highest score, equal scores by record number as the tie rule says,
 * all ones for NaN. WN_IO where the disk is full; *out_refused is true where `visit` said no (WN_OK is given then). */
wn_code wn_ranker_finish(struct wn_ranker *ranker, void *context, wn_rank_visit *visit, bool *out_refused,
                         struct wn_error *err);

/* Another limit than WN_RANK_LIMIT for the ranks of a store, before its first record; for tests. */
wn_code wn_store_rank_limit(struct wn_store *store, size_t limit, struct wn_error *err);

#endif
