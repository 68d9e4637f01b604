/* Loads: batches that own what they hold, run on the model in the order they were made.
 * SPDX-License-Identifier: Apache-2.0
 *
 * pack's batch lives until the next one is made; a load is its copy, so that one can be made while another runs. Its
 * wants name places of the load's own values; `numbers` says which values of the stream they are.
 */
#ifndef WINNOW_SCORE_LOAD_H
#define WINNOW_SCORE_LOAD_H

#include "model/model.h"
#include "winnow/batch.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed before its first use; used again and again, it keeps its arrays. */
struct wn_load {
    struct wn_batch batch;   /* of the arrays below; want w has destination w */
    int64_t *numbers;        /* [n_wants] destinations as pack was given them */
    struct wn_value *values; /* [n_wants] answers */
    int32_t *ids;
    struct wn_segment *segments;
    struct wn_head_row *head_rows;
    struct wn_want *wants;
    int32_t *release;
    /* elements that there is room for */
    size_t n_ids, n_segments, n_head_rows, n_wants, n_numbers, n_values, n_release;
};

/* Copy `batch`. WN_DEVICE without memory. */
wn_code wn_load_fill(struct wn_load *load, const struct wn_batch *batch, struct wn_error *err);
void wn_load_clear(struct wn_load *load); /* frees its arrays */

struct wn_run_counts {
    uint64_t rows, batches;
    double seconds_model;
};

/* A model at work for one stream: it knows which slots are kept. */
struct wn_runner {
    struct wn_model *model; /* borrowed */
    bool *is_kept;          /* [n_slots] */
    int32_t n_slots;
    struct wn_run_counts counts;
};

wn_code wn_runner_open(struct wn_runner *runner, struct wn_model *model, struct wn_error *err);
/* Run one load: its values are filled. Errors as wn_model_forward. */
wn_code wn_runner_run(struct wn_runner *runner, struct wn_load *load, struct wn_error *err);
/* Give back every slot that loads kept, also where some made after them never ran, so that another stream can use the
 * model. Nothing where the runner was not opened. */
void wn_runner_close(struct wn_runner *runner);

#endif
