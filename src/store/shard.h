/* Reading extents of shards: the bulk bytes that a journal's units name. Private to store.
 * SPDX-License-Identifier: Apache-2.0
 *
 * An extent is right where its bytes lie in the file and have its checksum. A shard that is missing, short or cannot be
 * read is no error here: the unit that names it is computed again.
 */
#ifndef WINNOW_STORE_SHARD_H
#define WINNOW_STORE_SHARD_H

#include "store/journal.h"

struct wn_extents;

/* `run` is copied. WN_DEVICE. */
wn_code wn_extents_new(const char *run, struct wn_extents **out_extents, struct wn_error *err);
void wn_extents_free(struct wn_extents *extents); /* NULL is allowed */
/* Whether the file is at least as long as the extent says. */
bool wn_extents_fits(struct wn_extents *extents, const struct wn_extent *extent);
/* Read the extent into `out` (extent->size bytes), or nowhere where `out` is NULL. True where it is right. */
bool wn_extents_read(struct wn_extents *extents, const struct wn_extent *extent, char *out);

#endif
