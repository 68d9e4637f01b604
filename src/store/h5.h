/* The one header with hdf5.h: small wrappers that the writer, the reader and the digest share. Private to
 * store. SPDX-License-Identifier: Apache-2.0
 *
 * HDF5 prints nothing by itself: its innermost message goes into wn_error. One thread at a time uses these
 * functions.
 */
#ifndef WINNOW_STORE_H5_H
#define WINNOW_STORE_H5_H

#define H5_USE_110_API 1 /* the same declarations with every later library */
#include <hdf5.h>

#include "store/schema.h"

enum {
    WN_STORE_CHUNK = 65536,              /* elements of one chunk, and of one block of reading and writing */
    WN_STORE_CACHE = WN_STORE_CHUNK * 8, /* bytes of the largest chunk */
    WN_STORE_GROUPS = 4                  /* depth of groups that a file may have */
};

/* Before the first use of the library: no printing; no work at exit, where the library would write again to a
 * file that could not be written before (1.10.8 then ends in a segmentation fault). */
void wn_h5_start(void);

/* WN_IO with "PATH: WHAT: innermost message of HDF5", and what to do where the disk is full or the file is
 * held. */
wn_code wn_h5_fail(const char *path, const char *what, struct wn_error *err);
/* The same for a file that could not be opened for reading: unless HDF5 names another cause, it is cut or damaged. */
wn_code wn_h5_fail_open(const char *path, struct wn_error *err);

/* File access: no locks (NFS and Lustre often refuse them, and the file is complete before anyone sees it),
 * closing closes all, formats of HDF5 1.8 to 1.10. `cache`: bytes of unpacked chunks kept for each dataset; 0 where
 * whole chunks are written, WN_STORE_CACHE for reading. Negative on failure; H5Pclose. */
hid_t wn_h5_access(size_t cache);

/* A group without time stamps; negative on failure; H5Gclose. */
hid_t wn_h5_group_new(hid_t parent, const char *name);
/* An attribute: fixed-length UTF-8 text of `width` bytes, at least the text's (0 is 1), zero padded. */
bool wn_h5_text_write(hid_t object, const char *name, const char *text, size_t width);

/* The type on disk; negative on failure; H5Tclose. */
hid_t wn_h5_type(enum wn_type type);

/* Facts of a dataset that was checked: 1-D, one of our types, chunked or contiguous within the file, only the
 * filters shuffle, deflate and fletcher32 (no plug-in is ever loaded), and no more elements than its bytes
 * can hold. */
struct wn_h5_shape {
    enum wn_type type;
    uint64_t n;
};

/* WN_INPUT where the dataset called `name` (for messages) is not of our kind; WN_IO where HDF5 fails. */
wn_code wn_h5_dataset_check(hid_t dataset, const char *path, const char *name, struct wn_h5_shape *out_shape,
                            struct wn_error *err);
/* Elements [first, first + n) as they stand on disk (little endian) into out[n x size of the type]. */
wn_code wn_h5_read(hid_t dataset, enum wn_type type, uint64_t first, size_t n, void *out);

struct wn_scores_column {
    const struct wn_column *column;
    hid_t dataset;
};

struct wn_scores_text {
    char *name; /* of a root attribute, or "provenance/NAME" */
    char *text;
};

struct wn_scores {
    char *path;
    hid_t file;
    uint64_t n;
    struct wn_scores_column *columns; /* [n_columns] */
    const char **names;               /* [n_columns + 1], NULL at the end */
    size_t n_columns;
    struct wn_scores_text *texts;
    size_t n_texts;
};

#endif
