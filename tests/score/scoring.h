/* Helps for tests of scoring: a corpus, a model and a recipe in; all rows out.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TESTS_SCORING_H
#define WINNOW_TESTS_SCORING_H

#include "score/score.h"

#include <stddef.h>

/* All rows of a corpus, in the order they were handed on. */
struct scored {
    struct wn_row *rows;
    size_t n, room;
    uint64_t next; /* record that must come next */
    bool any_order;
    /* with keep_tokens: of every row */
    float **cond, **direct;           /* [k] losses */
    int32_t **cond_ids, **direct_ids; /* [n] */
    struct wn_score_counts counts;
    char why[256];               /* of the last bad record */
    uint64_t n_units, next_unit; /* through a line: units that ended, and where the next one must begin */
};

struct recipe {
    const char *profile;
    int32_t max_length, threads, batch_rows, extra_slots;
    uint64_t unit;     /* records a unit; 0 = all */
    uint64_t first, n; /* 0 records = all */
    bool backwards;    /* units from the last to the first */
    bool separate, aligned, keep_tokens;
    enum wn_turns turns;
    enum wn_split split;
    enum wn_direct_window direct_window;
    const char *device;
    int32_t readers; /* through a line with as many; 0 = wn_scorer_run */
};

struct wn_corpus *open_corpus(const char *const *paths, size_t n);
/* Open everything, score, close everything. */
struct scored score_corpus(const char *model, const struct wn_corpus *corpus, const struct recipe *recipe);
/* The same with a model and a tokenizer that are open. */
struct scored score_with(struct wn_model *model, const struct wn_tokenizer *tokenizer,
                         const struct wn_corpus *corpus, const struct recipe *recipe);
struct wn_model *open_model(const char *path, const struct recipe *recipe);
void scored_free(struct scored *scored);

/* A row sink that keeps all rows in a struct scored. */
wn_code keep_rows(void *scored, const struct wn_record_rows *rows, struct wn_error *err);
/* The options of a recipe; `profile` is filled, and lives in `arena`. */
struct wn_score_options options_of(const struct recipe *recipe, struct wn_arena *arena,
                                   struct wn_profile *profile);

/* Bits of all that is in a row but its record number. */
bool rows_equal(const struct wn_row *a, const struct wn_row *b);
/* Fails naming the first row that differs. */
void check_equal(const struct scored *a, const struct scored *b, const char *what);

/* A new folder under /tmp; a file in it; all gone with remove_folder. */
void make_folder(char *out, size_t size);
void write_file(const char *folder, const char *name, const char *bytes, size_t size, char *out_path,
                size_t out_size);
void remove_folder(const char *folder);

#endif
