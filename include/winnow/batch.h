/* The batch contract: a forest of segments laid into row tiles, and what is wanted of its rows.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A row is one token of one segment. Two sizes decide a batch:
 *   R  row tile (64, 128 or 256; fixed per backend and dtype, part of the numeric class). Results are defined on
 *      it: the values of a row depend on its own inputs only, never on its tile neighbours, its place in the tile
 *      or the number of tiles.
 *   N  batch height, a multiple of R. Only the tiles in use are computed, the last one padded. N changes no bit.
 *
 * Segments are laid one after another with no gap: segment s owns rows [row, row + n). A segment's parent stands
 * before it in the same batch, or was kept by an earlier batch, or is none (a root). A token attends to all tokens
 * of its segment's ancestors and to those before it in its own segment (all of them where WN_SEGMENT_BIDIRECTIONAL).
 * Keys are tiled from the start of each segment (key tile T, part of the numeric class), ancestors from the root on,
 * so that a long segment cut at multiples of T into a chain gives the same bits, in one batch or over many.
 * No mask ever multiplies a value of another segment (NaN x 0 leaks): tiles do not cross segments.
 *
 * Kept segments: `keep` names a slot of the model's pool; K and V of the segment's rows and the final hidden state
 * of its last row stay there until a later batch lists the slot in `release` (released before that batch's own
 * `keep`s are written; a kept parent must stay kept while a descendant is alive). Who fills batches (pack.h) plans
 * the slots; the backend only obeys.
 */
#ifndef WINNOW_BATCH_H
#define WINNOW_BATCH_H

#include <stdint.h>

enum { WN_NONE = -1 };

enum wn_segment_flags {
    WN_SEGMENT_CAUSAL = 0,
    WN_SEGMENT_BIDIRECTIONAL = 1 /* encoders: a root without children */
};

/* Counter-based noise on the input embeddings: uniform(-1, 1) x scale of (seed, record, token, dimension).
 * scale = 0 means none. A backend that lacks it refuses by name when opened with it. */
struct wn_noise {
    uint64_t seed;
    uint64_t record;
    float scale;
};

struct wn_segment {
    int32_t row;        /* first row in this batch */
    int32_t n;          /* tokens, >= 1 */
    int32_t parent;     /* index of an earlier segment of this batch, or WN_NONE */
    int32_t kept;       /* slot of a kept parent, or WN_NONE; at most one of parent and kept is given */
    int32_t position;   /* path position of the first token: the tokens of all ancestors */
    int32_t keep;       /* slot that receives this segment, or WN_NONE */
    uint32_t flags;     /* enum wn_segment_flags */
    int32_t token_type; /* encoders; else 0 */
    struct wn_noise noise;
};

enum wn_want_kind {
    WN_WANT_LOSS,   /* -log softmax(logits x inverse_temperature)[target], nats; greedy hit; entropy */
    WN_WANT_LOGIT,  /* the raw logit of `target`: one want per listed id */
    WN_WANT_POOL    /* a pooled final hidden state, d floats: see wn_pool */
};

enum wn_pool_kind { WN_POOL_MEAN, WN_POOL_LAST, WN_POOL_POSITION_WEIGHTED /* weights 1..n over the range */ };

/* A row that meets the LM head, named once however many wants point at it. */
struct wn_head_row {
    int32_t row;  /* row of this batch, or WN_NONE */
    int32_t kept; /* slot whose last hidden state is meant, or WN_NONE; exactly one of the two is given */
};

struct wn_want {
    int32_t row;    /* index into head_rows (POOL: first row of a range in this batch) */
    int32_t target; /* token id (POOL: rows in the range) */
    uint16_t kind;  /* enum wn_want_kind */
    uint16_t pool;  /* enum wn_pool_kind, for POOL */
    float inverse_temperature; /* 1 unless asked for; > 0 */
    int64_t destination;       /* index into the caller's results (POOL: index of a vector of d floats) */
};

/* Read-only for the model; arrays are owned by who filled the batch and stay valid until its results are read. */
struct wn_batch {
    int32_t n_rows;               /* sum of segment lengths, 1 .. N */
    const int32_t *ids;           /* [n_rows] token ids, 0 <= id < V: checked by the tokenizer, asserted here */
    int32_t n_segments;
    const struct wn_segment *segments;
    int32_t n_head_rows;
    const struct wn_head_row *head_rows;
    int32_t n_wants;
    const struct wn_want *wants;  /* ordered by row */
    int32_t n_release;
    const int32_t *release;       /* slots to free before this batch starts */
};

/* The answer to one LOSS or LOGIT want. */
struct wn_value {
    float value;    /* nats, or the logit */
    float entropy;  /* nats, of the distribution at that row; NaN where it was not asked for */
    int32_t greedy; /* LOSS: the arg max of the row, lowest id among equals */
};

#endif
