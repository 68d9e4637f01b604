/* Columns on their way into scores.h5, and the file that is being made. Private to store.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A stream gathers one chunk of elements and hands it to HDF5 whole. Functions that give a bool leave HDF5's error
 * stack as it is for wn_h5_fail.
 */
#ifndef WINNOW_STORE_COLUMNS_H
#define WINNOW_STORE_COLUMNS_H

#include "store/h5.h"
#include "store/rank.h"
#include "store/schema.h"

#define WN_STREAM_GROWS UINT64_MAX /* as a total: not known before the end */

enum { WN_STORE_COLUMNS = 64 }; /* at most, of a group */

/* One dataset. It is created with its first full chunk, or at the end with what there is, so that a short column has a
 * small chunk and no room to grow. */
struct wn_column_writer {
    const struct wn_column *column; /* NULL for the arrays of /tokens */
    const char *name, *units, *description;
    enum wn_type type;
    hid_t group, dataset;
    bool is_created;
    size_t capacity, filled; /* elements */
    uint64_t total;          /* elements in the end; WN_STREAM_GROWS */
    uint64_t written;
    unsigned char *buffer; /* owned, until wn_column_writer_finish or wn_column_writer_free */
};

/* Name, texts and type are set; `total` elements will come. WN_DEVICE. */
wn_code wn_column_writer_open(struct wn_column_writer *stream, hid_t group, uint64_t total,
                              struct wn_error *err);
/* The next element, its bits in the low bytes. */
bool wn_column_writer_put(struct wn_column_writer *stream, uint64_t bits);
/* The next `n` elements as they stand on disk. */
bool wn_column_writer_add(struct wn_column_writer *stream, const unsigned char *elements, size_t n);
/* Nothing follows: write what is left, close the dataset, free the buffer. */
bool wn_column_writer_finish(struct wn_column_writer *stream);
void wn_column_writer_free(struct wn_column_writer *stream);

/* The columns of /samples or /turns. */
struct wn_column_set {
    hid_t group; /* negative: not made */
    struct wn_column_writer streams[WN_STORE_COLUMNS];
    size_t n_streams;
};

/* CSR: the scored tokens of record i are elements offsets[i] .. offsets[i + 1] - 1. */
struct wn_token_set {
    hid_t group;
    struct wn_column_writer offsets, ids, losses;
    uint64_t end;
};

struct wn_store {
    struct wn_file *file;
    char *path;
    hid_t h5, tokens_group;
    bool has_reverse, has_tokens, rank_by_loss, larger_index_first;
    struct wn_column_set samples, turns;
    struct wn_token_set cond, direct;
    struct wn_ranker *ranker;
    uint64_t n, put;
    uint64_t first; /* number of the first record; known at the first put */
};

/* Make the group /turns and its columns. */
wn_code wn_store_turns_open(struct wn_store *store, struct wn_error *err);

#endif
