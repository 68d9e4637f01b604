/* The columns of /samples and /turns: name, type, units, description and where each value comes from. Private
 * to store. SPDX-License-Identifier: Apache-2.0
 *
 * A new column is one line of the table in schema.c; writer, reader, digest and documentation test follow it.
 */
#ifndef WINNOW_STORE_SCHEMA_H
#define WINNOW_STORE_SCHEMA_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Element types on disk: little endian, fixed size. */
enum wn_type {
    WN_TYPE_STATUS, /* enum over u8 with the names of enum wn_status */
    WN_TYPE_U16,
    WN_TYPE_U32,
    WN_TYPE_U64,
    WN_TYPE_I32,
    WN_TYPE_F32,
    WN_TYPE_F64,
    WN_TYPE_COUNT
};

size_t wn_type_size(enum wn_type type);      /* bytes of one element */
const char *wn_type_name(enum wn_type type); /* "u64", "status", ...: part of the digest */
bool wn_type_is_real(enum wn_type type);     /* f32 or f64 */

/* Where a value of a row comes from. The side's fields are of the side that the column names. */
enum wn_field {
    WN_FIELD_INDEX,
    WN_FIELD_ID_HASH,
    WN_FIELD_FILE,
    WN_FIELD_OFFSET,
    WN_FIELD_LENGTH,
    WN_FIELD_STATUS,
    WN_FIELD_PART,
    WN_FIELD_N,
    WN_FIELD_FIRST,
    WN_FIELD_K,
    WN_FIELD_SUM,
    WN_FIELD_LOSS,
    WN_FIELD_PPL,
    WN_FIELD_COUNTED, /* the first releases' files do not have it: readers do without */
    WN_FIELD_IFD_LOSS,
    WN_FIELD_IFD_PPL,
    WN_FIELD_TURN_MEAN,
    WN_FIELD_RIFD_LOSS,
    WN_FIELD_RIFD_PPL,
    WN_FIELD_RANK /* known only when all records are there; the writer fills it */
};

enum wn_side_name { WN_SIDE_NONE, WN_SIDE_COND, WN_SIDE_DIRECT, WN_SIDE_Q_COND, WN_SIDE_Q_DIRECT };

struct wn_column {
    const char *name;
    const char *units;       /* "1" for a pure number */
    const char *description; /* one sentence */
    enum wn_type type;
    enum wn_field field;
    enum wn_side_name side;
    bool is_reverse;  /* only in files with the reversed direction */
    bool is_in_turns; /* also a column of /turns */
    bool is_in_samples;
};

/* All columns in the order of the format; *out_n of them. */
const struct wn_column *wn_schema_columns(size_t *out_n);
/* A column of /samples by name; NULL for an unknown one. */
const struct wn_column *wn_schema_find(const char *name);

/* The value of a column for one record (for /turns: a record whose `fold` is the turn's row), as the bits of
 * the element in the low bytes: integers as they are, f64 as its IEEE bits with every NaN made the same one.
 */
uint64_t wn_column_bits(const struct wn_column *column, const struct wn_store_record *record);

uint64_t wn_f64_bits(double value); /* every NaN becomes 0x7ff8000000000000: equal inputs give equal files */
uint32_t wn_f32_bits(float value);  /* every NaN becomes 0x7fc00000 */

/* The score that `rank` orders by, NaN where the record is not rankable (status neither ok nor truncated, or
 * a score that is not finite). */
double wn_record_score(const struct wn_store_record *record, bool by_loss);

#endif
