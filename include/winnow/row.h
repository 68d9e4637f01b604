/* The row: scores of one sample, of fixed size. A record's columns are a fold over its rows.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Sums are float64 nats beside their token counts, so every ratio (IFD by loss, by perplexity, r-IFD, PMI) is a
 * formula over columns and never needs a second run. What was not computed: counts and positions 0, sums NaN.
 */
#ifndef WINNOW_ROW_H
#define WINNOW_ROW_H

#include <stdbool.h>
#include <stdint.h>

/* The enum stored as /samples/status; the numbers are part of the file format. */
enum wn_status {
    WN_STATUS_OK = 0,
    WN_STATUS_TRUNCATED = 1,          /* a text was cut and both losses exist */
    WN_STATUS_EMPTY_ANSWER = 2,       /* answer missing, null or "" */
    WN_STATUS_NO_ANSWER_TOKENS = 3,   /* at least one of the two texts has no scored token */
    WN_STATUS_NAN = 4,                /* a loss was not finite */
    WN_STATUS_PARSE_ERROR = 5,        /* not JSON, or a field of the wrong type */
    WN_STATUS_NO_INSTRUCTION = 6,     /* the key is missing or null: direct columns only */
    WN_STATUS_UNSUPPORTED = 7,        /* content this program cannot score (images, unknown roles) */
    WN_STATUS_OVERLENGTH_SKIPPED = 8, /* longer than the model, where cutting is not the method's rule */
    WN_STATUS_ERROR = 9,              /* given up after repeated failures */
    WN_STATUS_COUNT
};

/* "ok", "truncated", ... as written into the file; NULL for a number out of range. */
const char *wn_status_name(int status);
/* True for ok and truncated: both losses exist, so the ratios do. */
bool wn_status_is_scored(uint32_t status);

/* One text of a pair. */
struct wn_side {
    uint32_t n;     /* tokens after truncation */
    uint32_t first; /* position of the first answer token (0 where the whole text is labelled) */
    uint32_t k;     /* losses summed */
    uint32_t cut;   /* 1 where the text was truncated */
    double sum;     /* nats; NaN where k is 0 */
};

/* Row of the loss methods: IFD, and r-IFD with the q_ sides. */
struct wn_row {
    uint64_t record;      /* global index */
    uint32_t part;        /* number of the assistant turn among the record's scored turns, 0-based */
    uint32_t n_parts;     /* of this record in this pass, >= 1 */
    uint32_t status;      /* enum wn_status */
    uint32_t has_reverse; /* 1 where q_cond and q_direct are computed */
    uint32_t
        counted; /* tokens that the direct window was reduced by: those of the counted text (the prompt, or the
                         bare instruction), at most max_length; 0 where nothing was computed */
    struct wn_side cond, direct, q_cond, q_direct;
};

/* Fold the rows of one record (n >= 1, ordered by part) into one: sums over turns that could be scored, first_* and
 * counted of the first such turn; status truncated if any of these was cut, else ok; with none, the first turn's.
 * *out_turn_mean receives the mean over scored turns of exp(loss_cond - loss_direct), NaN with none. */
void wn_row_fold(const struct wn_row *rows, uint32_t n, struct wn_row *out, double *out_turn_mean);

/* sum / k, or NaN where k is 0. */
double wn_side_loss(const struct wn_side *side);
double wn_row_ifd_loss(const struct wn_row *row); /* loss_cond / loss_direct; NaN unless ok or truncated */
double
wn_row_ifd_ppl(const struct wn_row *row); /* exp(loss_cond - loss_direct); NaN unless ok or truncated */

#endif
