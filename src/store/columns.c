/* Streams of elements: one chunk in memory, whole chunks to HDF5.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/columns.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

static hid_t plan_new(const struct wn_column_writer *stream, bool is_last)
{
    const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
    bool ok = plan >= 0 && H5Pset_obj_track_times(plan, false) >= 0;
    const uint64_t n = is_last ? stream->filled : WN_STORE_CHUNK;
    if (ok && n > 0) { /* an empty dataset cannot have chunks */
        const hsize_t chunk = n < WN_STORE_CHUNK ? n : WN_STORE_CHUNK;
        ok = H5Pset_chunk(plan, 1, &chunk) >= 0 && H5Pset_shuffle(plan) >= 0 &&
             H5Pset_deflate(plan, 1) >= 0 && H5Pset_fletcher32(plan) >= 0;
    }
    return ok ? plan : H5I_INVALID_HID;
}

static bool stream_create(struct wn_column_writer *stream, bool is_last)
{
    const hid_t plan = plan_new(stream, is_last);
    const hid_t type = wn_h5_type(stream->type);
    const bool is_known = stream->total != WN_STREAM_GROWS;
    const hsize_t n = is_known ? stream->total : stream->filled;
    const hsize_t limit = is_known || is_last ? n : H5S_UNLIMITED;
    const hid_t space = H5Screate_simple(1, &n, &limit);
    if (plan < 0 || type < 0 || space < 0) {
        return false;
    }
    stream->dataset = H5Dcreate2(stream->group, stream->name, type, space, H5P_DEFAULT, plan, H5P_DEFAULT);
    stream->is_created = stream->dataset >= 0;
    const bool ok =
        stream->is_created &&
        wn_h5_text_write(stream->dataset, "units", stream->units, strlen(stream->units)) &&
        wn_h5_text_write(stream->dataset, "description", stream->description, strlen(stream->description));
    if (ok) {
        H5Sclose(space);
        H5Tclose(type);
        H5Pclose(plan);
    }
    return ok;
}

/* Write the buffer behind what is written. `is_last`: nothing follows. */
static bool stream_flush(struct wn_column_writer *stream, bool is_last)
{
    if (!stream->is_created && !stream_create(stream, is_last)) {
        return false;
    }
    if (stream->filled == 0) {
        return true;
    }
    const hsize_t start = stream->written, count = stream->filled, end = start + count;
    if (stream->total == WN_STREAM_GROWS && start > 0 && H5Dset_extent(stream->dataset, &end) < 0) {
        return false;
    }
    const hid_t type = wn_h5_type(stream->type);
    const hid_t to = H5Dget_space(stream->dataset);
    const hid_t from = H5Screate_simple(1, &count, NULL);
    if (type < 0 || to < 0 || from < 0 ||
        H5Sselect_hyperslab(to, H5S_SELECT_SET, &start, NULL, &count, NULL) < 0 ||
        H5Dwrite(stream->dataset, type, from, to, H5P_DEFAULT, stream->buffer) < 0) {
        return false;
    }
    H5Sclose(from);
    H5Sclose(to);
    H5Tclose(type);
    stream->written += stream->filled;
    stream->filled = 0;
    return true;
}

bool wn_column_writer_put(struct wn_column_writer *stream, uint64_t bits)
{
    const size_t size = wn_type_size(stream->type);
    const uint64_t little = htole64(bits); /* the low bytes come first */
    unsigned char *at = stream->buffer + stream->filled * size;
    switch (size) {
    case 8:
        memcpy(at, &little, 8);
        break;
    case 4:
        memcpy(at, &little, 4);
        break;
    default:
        memcpy(at, &little, size);
        break;
    }
    stream->filled++;
    return stream->filled < stream->capacity || stream_flush(stream, false);
}

bool wn_column_writer_add(struct wn_column_writer *stream, const unsigned char *elements, size_t n)
{
    const size_t size = wn_type_size(stream->type);
    while (n > 0) {
        const size_t room = stream->capacity - stream->filled;
        const size_t count = n < room ? n : room;
        memcpy(stream->buffer + stream->filled * size, elements, count * size);
        stream->filled += count;
        if (stream->filled == stream->capacity && !stream_flush(stream, false)) {
            return false;
        }
        elements += count * size;
        n -= count;
    }
    return true;
}

wn_code wn_column_writer_open(struct wn_column_writer *stream, hid_t group, uint64_t total,
                              struct wn_error *err)
{
    stream->group = group;
    stream->dataset = H5I_INVALID_HID;
    stream->total = total;
    stream->capacity = total < WN_STORE_CHUNK ? (size_t)total + 1 : WN_STORE_CHUNK;
    stream->buffer = malloc(stream->capacity * wn_type_size(stream->type));
    WN_CHECK(stream->buffer != NULL, err, WN_DEVICE, "out of memory for the columns of scores.h5");
    return WN_OK;
}

bool wn_column_writer_finish(struct wn_column_writer *stream)
{
    const bool ok = stream_flush(stream, true) && H5Dclose(stream->dataset) >= 0;
    wn_column_writer_free(stream);
    return ok;
}

void wn_column_writer_free(struct wn_column_writer *stream)
{
    free(stream->buffer);
    stream->buffer = NULL;
}
