/* scores.h5: written once, whole, by a temporary name; read by select, inspect and anyone with h5py.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Layout, units and enums: docs/file-format.md and schema.h. Datasets depend on inputs and recipe alone; what
 * differs between runs (times, hosts) stands in /provenance with fixed length.
 */
#ifndef WINNOW_STORE_STORE_H
#define WINNOW_STORE_STORE_H

#include "store/journal.h"
#include "store/lock.h"
#include "winnow/row.h"
#include "winnow/span.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names of the root attributes, all of them text. Written by the store itself: schema, schema_version,
 * n_records, score, ties. The others come from the caller, in wn_store_options.attributes, under exactly
 * these names; select and inspect read them. */
extern const char wn_attribute_schema[];         /* "schema": "winnow.scores" */
extern const char wn_attribute_schema_version[]; /* "schema_version": "1" */
extern const char wn_attribute_n_records[];      /* "n_records": decimal */
extern const char wn_attribute_score[];          /* "score": "ifd_ppl" or "ifd_loss", what rank orders by */
extern const char wn_attribute_ties[];           /* "ties": "smaller index first" or "larger index first" */
extern const char wn_attribute_tool_version[];   /* "tool_version": of winnow */
extern const char wn_attribute_profile[];        /* "profile": its name */
extern const char wn_attribute_profile_json[];   /* "profile_json": wn_profile_print */
extern const char wn_attribute_max_length[];     /* "max_length": the window in force, decimal tokens */
extern const char
    wn_attribute_corpus_hash[]; /* "corpus_hash": wn_corpus_hash; a selection refuses another corpus */
extern const char wn_attribute_corpus_files[]; /* "corpus_files": JSON array of {path, size, records, hash} */
extern const char wn_attribute_model_path[];   /* "model_path": the resolved checkpoint */
extern const char wn_attribute_model_hash[];   /* "model_hash" */
extern const char wn_attribute_tokenizer_hash[]; /* "tokenizer_hash" */
extern const char wn_attribute_backend[];        /* "backend": and the four below: struct wn_numeric_class */
extern const char wn_attribute_dtype[];          /* "dtype" */
extern const char wn_attribute_kernels[];        /* "kernels" */
extern const char wn_attribute_library[];        /* "library" */
extern const char wn_attribute_row_tile[];       /* "row_tile": decimal */
extern const char wn_attribute_key_tile[];       /* "key_tile": decimal */
extern const char wn_attribute_options[]; /* "options": JSON object of the options that change numbers */

/* One record as it is stored. */
struct wn_store_record {
    uint64_t index, id_hash, offset;
    uint32_t length;
    uint16_t file;
    struct wn_row fold;        /* wn_row_fold of its rows */
    double turn_mean;          /* ifd_ppl_turn_mean */
    const struct wn_row *rows; /* [n_rows]: written under /turns where n_rows > 1 */
    uint32_t n_rows;
    const int32_t *cond_ids, *direct_ids;     /* [k] scored tokens, or NULL */
    const float *cond_losses, *direct_losses; /* [k] */
};

/* Root attributes: UTF-8 text by name, of any length. */
struct wn_store_attribute {
    const char *name; /* without '/' */
    const char *text;
};

struct wn_store_options {
    bool has_reverse;                            /* q_ columns and rifd_* */
    bool has_tokens;                             /* /tokens */
    bool rank_by_loss;                           /* rank by ifd_loss; else ifd_ppl */
    bool larger_index_first;                     /* tie rule of rank */
    const struct wn_store_attribute *attributes; /* same for equal runs: recipe, hashes, inputs */
    size_t n_attributes;
    const struct wn_store_attribute *provenance; /* may differ between runs: host, time, command line */
    size_t n_provenance;
};

struct wn_store;

/* A new file for `n` records, under a temporary name until wn_store_finish; `options` and its texts are
 * needed during this call only. WN_IO; WN_DEFECT for an attribute given twice, or that the store writes
 * itself with another value. */
wn_code wn_store_create(const char *path, uint64_t n, const struct wn_store_options *options,
                        struct wn_store **out_store, struct wn_error *err);
/* The next record, in index order without a gap; the first may have any number (a run over a range of the corpus).
 * Buffered by chunks. WN_DEFECT for a record out of order or one too many. After a failure only wn_store_abandon is allowed. */
wn_code wn_store_put(struct wn_store *store, const struct wn_store_record *record, struct wn_error *err);
/* All n records are there (else WN_DEFECT): make the rank column, close, sync, rename; frees the store, sets
 * *store to NULL either way. `provenance` adds to what was given at the start: what is known only now. Memory is
 * bounded: records beyond 4 M are ranked by an external merge sort through an unlinked temporary file in the folder of
 * `path`, of 32 bytes a record. */
wn_code wn_store_finish(struct wn_store **store, const struct wn_store_attribute *provenance,
                        size_t n_provenance, struct wn_error *err);
void wn_store_abandon(struct wn_store **store); /* removes the temporary file */

/* Reading. `path`: a scores.h5 or a run directory that holds one. A file not written by winnow is refused
 * (WN_INPUT), a damaged one is WN_IO; nothing in it is trusted: shapes and types are checked. */
struct wn_scores;
wn_code wn_scores_open(const char *path, struct wn_scores **out_scores, struct wn_error *err);
void wn_scores_close(struct wn_scores *scores);
const char *wn_scores_path(const struct wn_scores *scores); /* of the file itself */
uint64_t wn_scores_count(const struct wn_scores *scores);
/* Text of a root attribute, or of "provenance/NAME", living with `scores`; NULL if absent. */
const char *wn_scores_attribute(const struct wn_scores *scores, const char *name);
bool wn_scores_has(const struct wn_scores *scores, const char *column);
/* Column `column` of /samples, rows [first, first + n), converted to double or integer (status: its number).
 * A rank of all ones is NaN as a double. WN_USAGE for an unknown column (the known ones are listed), or for
 * the integers of a column of real numbers; WN_DEFECT for rows that the file has not. Fastest in blocks that
 * start at multiples of 65,536. */
wn_code wn_scores_doubles(const struct wn_scores *scores, const char *column, uint64_t first, size_t n,
                          double *out, struct wn_error *err);
wn_code wn_scores_integers(const struct wn_scores *scores, const char *column, uint64_t first, size_t n,
                           uint64_t *out, struct wn_error *err);
/* Names of the columns of /samples, in the order of the schema, NULL at the end. */
const char *const *wn_scores_columns(const struct wn_scores *scores);

/* Join runs of neighbouring ranges of one corpus (`score --shard` or --range) into one file, equal in all its datasets to
 * that of a run over all of them: same recipe attributes but for the range, no gap, no overlap, in any order given.
 * WN_USAGE naming the runs and the records that are missing or in two of them, or where `out_path` is one of the inputs;
 * WN_RUN naming two runs and what differs. Any other `out_path` that exists is replaced. */
wn_code wn_scores_merge(const char *const *paths, size_t n_paths, const char *out_path, struct wn_error *err);

/* XXH3-128 over names, types and unpacked values of all datasets outside /provenance, as text. */
wn_code wn_scores_digest(const struct wn_scores *scores, char out_text[33], struct wn_error *err);
/* Version of the HDF5 library in use, "1.10.8". */
void wn_store_library(char *out_text, size_t size);

#include "store/rows.h"

#endif
