/* A regular file, mapped read-only. Links are followed; anything but a regular file is refused.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_BASE_MAPFILE_H
#define WINNOW_BASE_MAPFILE_H

#include "winnow/span.h"
#include "winnow/status.h"

struct wn_map {
    struct wn_span bytes; /* the file's bytes; valid until wn_map_close */
    char *path;           /* owned */
};

/* `code` is what failure is reported as: WN_INPUT for a corpus, WN_MODEL for a checkpoint, WN_IO otherwise. */
wn_code wn_map_open(const char *path, wn_code code, struct wn_map *out_map, struct wn_error *err);
void wn_map_close(struct wn_map *map); /* a zeroed map is allowed */

/* Hint: the bytes [offset, offset + size) are read next, in order. */
void wn_map_will_read(const struct wn_map *map, size_t offset, size_t size);

/* Hint: the bytes [offset, offset + size) are not needed again soon. The whole pages among them leave the memory of the
 * process, and are read again where they are used after all. So a file larger than the memory can be read through. */
void wn_map_release(const struct wn_map *map, size_t offset, size_t size);

#endif
