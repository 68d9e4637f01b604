/* Wrappers of HDF5: errors as text, types, checked datasets.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/h5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Slots of the table of chunks in memory, a small prime: a dataset has one chunk there. */
enum { CACHE_SLOTS = 3 };

static const char mend_damage[] =
    "; the file is cut short or damaged: copy it again or run `winnow score` again";

void wn_h5_start(void)
{
    (void)H5dont_atexit(); /* fails, harmlessly, where the library is already in use */
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

struct message {
    char text[512];
};

/* The walk goes upward, so its first entry is the innermost. */
static herr_t keep_innermost(unsigned n, const H5E_error2_t *entry, void *context)
{
    struct message *message = context;
    if (n == 0 && entry->desc != NULL) {
        snprintf(message->text, sizeof message->text, "%s", entry->desc);
    }
    return 0;
}

/* "unable to write: errno = 28, error message = 'No space left on device', buf = 0x..." -> the quoted reason:
 * the rest holds addresses. */
static void shorten(struct message *message)
{
    static const char mark[] = "error message = '";
    char *start = strstr(message->text, mark);
    if (start == NULL) {
        return;
    }
    start += sizeof mark - 1;
    char *end = strchr(start, '\'');
    const size_t n = end == NULL ? strlen(start) : (size_t)(end - start);
    memmove(message->text, start, n);
    message->text[n] = '\0';
}

/* What to do about `text`, the innermost message; `otherwise` where it names no cause that we know. "lock" alone would
 * not do: HDF5 names the superblock "sblock" where a file was cut. */
static const char *mend_find(const char *text, const char *otherwise)
{
    if (strstr(text, "No space") != NULL || strstr(text, "quota") != NULL ||
        strstr(text, "File too large") != NULL) {
        return "; free space there and run the same command again";
    }
    if (strstr(text, "unable to lock") != NULL) {
        return "; this file system refuses locks: set HDF5_USE_FILE_LOCKING=FALSE and run again";
    }
    return strstr(text, "truncated file") != NULL ? mend_damage : otherwise;
}

/* The number of the system's error that `text` names, 0 without. */
static int reason_find(const char *text)
{
    static const char mark[] = "errno = ";
    const char *start = strstr(text, mark);
    return start != NULL ? (int)strtol(start + sizeof mark - 1, NULL, 10) : 0;
}

static wn_code fail(const char *path, const char *what, const char *otherwise, struct wn_error *err)
{
    static const char cannot[] = "cannot be ";
    struct message message = {"no reason given"};
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &message);
    const int reason = reason_find(message.text);
    if (reason > 0 && otherwise[0] == 0 && strncmp(what, cannot, sizeof cannot - 1) == 0) {
        return wn_io_fail(path, what + sizeof cannot - 1, reason, err);
    }
    const char *mend = mend_find(message.text, otherwise);
    shorten(&message);
    WN_FAIL(err, WN_IO, "%s: %s: HDF5: %s%s", path, what, message.text, mend);
}

wn_code wn_h5_fail(const char *path, const char *what, struct wn_error *err)
{
    return fail(path, what, "", err);
}

wn_code wn_h5_fail_open(const char *path, struct wn_error *err)
{
    return fail(path, "cannot be opened", mend_damage, err);
}

hid_t wn_h5_access(size_t cache)
{
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access < 0) {
        return access;
    }
    bool ok = H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0;
    ok = ok && H5Pset_cache(access, 0, CACHE_SLOTS, cache, 1.0) >= 0;
    ok = ok && H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V110) >= 0;
#if H5_VERSION_GE(1, 10, 7)
    ok = ok && H5Pset_file_locking(access, false, true) >= 0;
#endif
    if (!ok) {
        H5Pclose(access);
        return H5I_INVALID_HID;
    }
    return access;
}

static hid_t status_type(void)
{
    const hid_t type = H5Tenum_create(H5T_STD_U8LE);
    for (int i = 0; type >= 0 && i < WN_STATUS_COUNT; i++) {
        const uint8_t value = (uint8_t)i;
        if (H5Tenum_insert(type, wn_status_name(i), &value) < 0) {
            H5Tclose(type);
            return H5I_INVALID_HID;
        }
    }
    return type;
}

hid_t wn_h5_type(enum wn_type type)
{
    switch (type) {
    case WN_TYPE_STATUS:
        return status_type();
    case WN_TYPE_U16:
        return H5Tcopy(H5T_STD_U16LE);
    case WN_TYPE_U32:
        return H5Tcopy(H5T_STD_U32LE);
    case WN_TYPE_U64:
        return H5Tcopy(H5T_STD_U64LE);
    case WN_TYPE_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case WN_TYPE_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case WN_TYPE_F64:
    case WN_TYPE_COUNT:
        break;
    }
    return H5Tcopy(H5T_IEEE_F64LE);
}

/* WN_TYPE_COUNT where it is none of ours. */
static enum wn_type type_find(hid_t dataset)
{
    const hid_t stored = H5Dget_type(dataset);
    int found = WN_TYPE_COUNT;
    for (int i = 0; stored >= 0 && i < WN_TYPE_COUNT && found == WN_TYPE_COUNT; i++) {
        const hid_t ours = wn_h5_type((enum wn_type)i);
        if (ours >= 0) {
            found = H5Tequal(stored, ours) > 0 ? i : found;
            H5Tclose(ours);
        }
    }
    if (stored >= 0) {
        H5Tclose(stored);
    }
    return (enum wn_type)found;
}

/* NULL where the layout and the filters are ones we write, else what is wrong. */
static const char *plan_fault(hid_t plan)
{
    const H5D_layout_t layout = H5Pget_layout(plan);
    if (layout != H5D_CHUNKED && layout != H5D_CONTIGUOUS) {
        return "its layout is neither chunked nor contiguous";
    }
    if (H5Pget_external_count(plan) != 0) {
        return "its bytes stand in another file";
    }
    hsize_t chunk = 1;
    if (layout == H5D_CHUNKED && (H5Pget_chunk(plan, 1, &chunk) != 1 || chunk > WN_STORE_CHUNK)) {
        return "its chunks are larger than 65,536 elements";
    }
    const int n_filters = H5Pget_nfilters(plan);
    for (int i = 0; i < n_filters; i++) {
        unsigned flags = 0;
        size_t n_values = 0;
        const H5Z_filter_t filter = H5Pget_filter2(plan, (unsigned)i, &flags, &n_values, NULL, 0, NULL, NULL);
        if (filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_FLETCHER32) {
            return "it has a filter that this format does not use";
        }
    }
    return n_filters < 0 ? "its filters cannot be read" : NULL;
}

/* The number of elements of a 1-D dataset; false for any other shape. */
static bool extent_get(hid_t dataset, uint64_t *out_n)
{
    const hid_t space = H5Dget_space(dataset);
    hsize_t n = 0;
    const bool ok = space >= 0 && H5Sget_simple_extent_type(space) == H5S_SIMPLE &&
                    H5Sget_simple_extent_ndims(space) == 1 && H5Sget_simple_extent_dims(space, &n, NULL) == 1;
    if (space >= 0) {
        H5Sclose(space);
    }
    *out_n = n;
    return ok;
}

/* True where every chunk is there and went through all filters. The index of chunks has no checksum in this
 * format: a damaged one may say that a chunk's checksum is not to be looked at, or lose a chunk, which then
 * reads as zeros. */
static bool chunks_are_whole(hid_t dataset, uint64_t n)
{
    const hid_t plan = H5Dget_create_plist(dataset);
    hsize_t chunk = 0;
    bool ok = plan >= 0;
    if (ok && H5Pget_layout(plan) == H5D_CHUNKED) {
        ok = H5Pget_chunk(plan, 1, &chunk) == 1 && chunk > 0;
        for (hsize_t first = 0; ok && first < n; first += chunk) {
            unsigned skipped = 0;
            haddr_t address = HADDR_UNDEF;
            hsize_t size = 0,
                    found = 0; /* size: by walking the index; found: by searching it, as reading does */
            ok = H5Dget_chunk_storage_size(dataset, &first, &found) >= 0 && found > 0;
            ok = ok && H5Dget_chunk_info_by_coord(dataset, &first, &skipped, &address, &size) >= 0 &&
                 skipped == 0 && address != HADDR_UNDEF && size == found;
        }
    }
    if (plan >= 0) {
        H5Pclose(plan);
    }
    return ok;
}

wn_code wn_h5_dataset_check(hid_t dataset, const char *path, const char *name, struct wn_h5_shape *out_shape,
                            struct wn_error *err)
{
    uint64_t n = 0;
    WN_CHECK(extent_get(dataset, &n), err, WN_INPUT, "%s: dataset %s is not one-dimensional", path, name);
    const enum wn_type type = type_find(dataset);
    WN_CHECK(type != WN_TYPE_COUNT, err, WN_INPUT, "%s: dataset %s has a type that this format does not use",
             path, name);
    const hid_t plan = H5Dget_create_plist(dataset);
    WN_CHECK(plan >= 0, err, WN_IO, "%s: dataset %s: its layout cannot be read", path, name);
    const char *fault = plan_fault(plan);
    H5Pclose(plan);
    WN_CHECK(fault == NULL, err, WN_INPUT, "%s: dataset %s: %s", path, name, fault);
    /* Deflate reaches 1,032:1 at most, so fewer bytes than that cannot hold what the header promises. */
    const uint64_t stored = H5Dget_storage_size(dataset);
    WN_CHECK(n <= UINT64_MAX / 16 && n * wn_type_size(type) / 1100 <= stored, err, WN_IO,
             "%s: dataset %s promises %llu elements but holds %llu bytes: the file is damaged; make it again",
             path, name, (unsigned long long)n, (unsigned long long)stored);
    WN_CHECK(chunks_are_whole(dataset, n), err, WN_IO,
             "%s: dataset %s: a chunk is missing or damaged; make the file again", path, name);
    *out_shape = (struct wn_h5_shape){type, n};
    return WN_OK;
}

wn_code wn_h5_read(hid_t dataset, enum wn_type type, uint64_t first, size_t n, void *out)
{
    if (n == 0) {
        return WN_OK;
    }
    const hsize_t start = first, count = n;
    const hid_t stored = wn_h5_type(type);
    const hid_t from = H5Dget_space(dataset);
    const hid_t to = H5Screate_simple(1, &count, NULL);
    bool ok = stored >= 0 && from >= 0 && to >= 0;
    ok = ok && H5Sselect_hyperslab(from, H5S_SELECT_SET, &start, NULL, &count, NULL) >= 0;
    ok = ok && H5Dread(dataset, stored, to, from, H5P_DEFAULT, out) >= 0;
    if (ok) { /* on failure the error stack stays for the message: closing would clear it */
        H5Sclose(to);
        H5Sclose(from);
        H5Tclose(stored);
    }
    return ok ? WN_OK : WN_IO;
}

hid_t wn_h5_group_new(hid_t parent, const char *name)
{
    const hid_t plan = H5Pcreate(H5P_GROUP_CREATE);
    if (plan < 0 || H5Pset_obj_track_times(plan, false) < 0) {
        return H5I_INVALID_HID;
    }
    const hid_t group = H5Gcreate2(parent, name, H5P_DEFAULT, plan, H5P_DEFAULT);
    if (group >= 0) {
        H5Pclose(plan);
    }
    return group;
}

bool wn_h5_text_write(hid_t object, const char *name, const char *text, size_t width)
{
    const size_t size = width > 0 ? width : 1;
    char *padded = calloc(size, 1);
    if (padded == NULL) {
        return false;
    }
    memcpy(padded, text, strlen(text));
    const hid_t type = H5Tcopy(H5T_C_S1);
    const hid_t space = H5Screate(H5S_SCALAR);
    bool ok = type >= 0 && space >= 0 && H5Tset_size(type, size) >= 0 &&
              H5Tset_cset(type, H5T_CSET_UTF8) >= 0 && H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0;
    const hid_t attribute = ok ? H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
    ok = attribute >= 0 && H5Awrite(attribute, type, padded) >= 0 && H5Aclose(attribute) >= 0;
    if (ok) {
        H5Sclose(space);
        H5Tclose(type);
    }
    free(padded);
    return ok;
}
