/* The header of one safetensors file: which tensors stand where. Nothing of the data is read.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Rules (the format's README and src/tensor.rs): a file begins with the header's length (u64, little-endian),
 * then that many bytes of JSON, then the data. Offsets count from the end of the header. The tensors cover
 * the data without hole, overlap or rest; sizes are shape x type. Beyond that: no key stands twice,
 * `__metadata__` holds text only, fields that the format does not know are refused, counts are bounded
 * (parts.h). A tensor of no bytes is allowed wherever a tensor begins or ends; it never fits a tensor that a
 * model uses.
 */
#ifndef WINNOW_MODEL_SAFETENSORS_H
#define WINNOW_MODEL_SAFETENSORS_H

#include "model/cursor.h"
#include "winnow/span.h"
#include "winnow/status.h"

#include <stdint.h>

/* One tensor of a header. 40 bytes, less than the shortest text that describes one, so that a table of them
 * stays below the header's own size. */
struct wn_stored {
    const char *name;   /* borrowed: the mapped file; as written, not decoded */
    uint32_t name_size; /* bytes */
    uint16_t file;      /* index of the shard */
    uint8_t type;       /* index of a type name: wn_stored_type */
    uint8_t n_dims;
    uint64_t begin, end; /* bytes from the start of the data */
    uint32_t shape_at;   /* bytes from the start of the file to the '[' of the shape */
};

/* A growing list of them, owned by the caller (free(list.items)). */
struct wn_stored_list {
    struct wn_stored *items;
    size_t n, room;
};

/* Append the tensors of one file to `list` with `file` as their shard, and check all rules above within the
 * file. `path` is for messages. *out_data is the data behind the header. WN_MODEL naming tensor and field,
 * WN_DEVICE without memory; the list then holds no promise but to be freed. */
wn_code wn_stored_read(struct wn_span bytes, const char *path, uint16_t file, struct wn_stored_list *list,
                       struct wn_span *out_data, struct wn_error *err);

const char *wn_stored_type(const struct wn_stored *stored); /* "F32", "BF16", ... */
struct wn_span wn_stored_name(const struct wn_stored *stored);
/* The dimensions, `stored->n_dims` of them, into shape (at most `room`), read again from the checked header.
 */
void wn_stored_shape(const struct wn_stored *stored, struct wn_span bytes, int64_t *shape, int room);

/* memcmp order with the shorter first, as for qsort. */
int wn_span_compare(struct wn_span a, struct wn_span b);

#endif
