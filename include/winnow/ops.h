/* The backend table: what a device does for the forward pass, at the grain of the fastest backend.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Order of calls
 *   open, weight_pack for every weight, then for each batch
 *   batch_begin, embed,
 *     for each layer: add_norm, matmul (Q, K, V), qkv_post, attention, matmul (out, adds),
 *                     add_norm, matmul (up), [gated_act], matmul (down, adds),
 *   add_norm (final), score_rows, pool_rows, batch_end;
 *   close.
 *
 * Rules
 * - The operations between batch_begin and batch_end only enqueue: no allocation, no wait, no return value.
 *   The first error sticks to the device, makes the rest of the batch do nothing, and is what batch_end
 *   returns. The CPU works the same way and has finished when an operation returns.
 * - Named activations (enum wn_buffer) belong to the backend; nobody else sees their layout. Their values are
 *   float32 on the CPU. Which type they have on a device follows from the model's dtype, not from the
 *   backend.
 * - No operation reads and writes the same buffer, except matmul with `adds`, onto the stream.
 * - Rows: a row's values depend on its own inputs only. Rows past n_rows in the last tile of R are computed
 *   from zeros and read by nobody.
 * - A backend may leave rows undefined that nothing needs: in the last layer those after qkv_post that no
 *   head row, no pool and no kept segment's last row names.
 * - Shapes: N rows, C channels, H query heads, G key/value heads, D head size, F inner size, V vocabulary;
 *   all matrices row-major with rows as tokens.
 */
#ifndef WINNOW_OPS_H
#define WINNOW_OPS_H

#include "winnow/batch.h"
#include "winnow/run.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WN_OPS_VERSION = 1 };

struct wn_device; /* an open backend with its weights, buffers and kept slots */
struct wn_weight; /* a packed weight; owned by its device */

/* Activations of one batch, [N][columns]. */
enum wn_buffer {
    WN_BUFFER_STREAM,   /* C: residual stream, float32 in every dtype */
    WN_BUFFER_NORMED,   /* C */
    WN_BUFFER_QKV,      /* (H + 2 G) D: queries of all heads, then keys, then values */
    WN_BUFFER_ATTENDED, /* H D */
    WN_BUFFER_INNER,    /* F, or 2 F where the MLP is gated: gate, then up */
    WN_BUFFER_GATED,    /* F */
    WN_BUFFER_FINAL,    /* C: final hidden state, after the last norm */
    WN_BUFFER_COUNT
};

enum wn_element { WN_ELEMENT_F32, WN_ELEMENT_F16, WN_ELEMENT_BF16 };

/* Pointwise functions. sigmoid(z) = 1 / (1 + exp(-z)). */
enum wn_function {
    WN_FUNCTION_NONE,
    WN_FUNCTION_GELU_TANH,  /* x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)) = the tanh form of GELU */
    WN_FUNCTION_GELU_ERF,   /* x / 2 (1 + erf(x / sqrt 2)) */
    WN_FUNCTION_GELU_QUICK, /* x sigmoid(1.702 x) */
    WN_FUNCTION_SILU,       /* x sigmoid(x) */
    WN_FUNCTION_RELU        /* max(x, 0) */
};

enum wn_norm {
    WN_NORM_OF_LAYER,  /* (x - mean) / sqrt(var + eps) weight + bias; var: mean of squared differences */
    WN_NORM_OF_SQUARES /* x / sqrt(mean(x^2) + eps) weight (RMS) */
};

/* The model's shape, all that open needs to size buffers. Rotary: `rotary_cos`, `rotary_sin` are n_rotary
 * tables, one after another, each [max_path][D / 2], in float32; copied by open. */
struct wn_shape {
    int32_t L, C, H, G, D, F, V;
    bool is_gated; /* INNER holds 2 F columns */
    int32_t n_rotary;
    const float *rotary_cos, *rotary_sin;
};

/* What one device may use. batch_rows is a multiple of row_tile. */
struct wn_limits {
    int32_t batch_rows; /* N */
    int32_t threads;    /* CPU only; >= 1 */
    int32_t n_slots, slot_rows;
    int32_t max_path; /* longest path, tokens */
};

/* A tensor, or a slice of one: rows [first_row, first_row + n_rows), columns likewise, of a row-major matrix
 * of `columns` columns. A vector is a matrix of one row. `data` may be unaligned; NULL stands for zeros.
 * Borrowed only during weight_pack. Sizes were checked by the caller. */
struct wn_source {
    const void *data;
    enum wn_element element;
    int64_t columns;
    int64_t first_row, n_rows;
    int64_t first_column, n_columns;
    bool is_transposed; /* rows of the tensor are inputs (GPT-2's Conv1D); else rows are outputs */
};

enum wn_role {
    WN_ROLE_PRODUCT, /* y = x W: sources are set side by side along the outputs; all have the same inputs */
    WN_ROLE_HEAD,    /* the same, for score_rows: one source, outputs = vocabulary */
    WN_ROLE_TABLE,   /* rows looked up by embed: one source, rows as they stand */
    WN_ROLE_VECTOR   /* bias, norm weight: sources set one after another */
};

/* Where the keys of a segment's path lie: pieces from the root on, the segment itself last. */
struct wn_piece {
    int32_t slot;     /* kept slot, or WN_NONE */
    int32_t row;      /* first row in this batch where slot is WN_NONE */
    int32_t n;        /* rows, >= 1 */
    int32_t position; /* path position of its first token */
};

/* A batch that was held against its contract. Borrowed from batch_begin to batch_end. */
struct wn_plan {
    const struct wn_batch *batch;
    const struct wn_piece *pieces;
    const int64_t
        *first_piece; /* [n_segments + 1]: pieces of segment s are [first_piece[s], first_piece[s + 1]) */
};

struct wn_embedding {
    const struct wn_weight *tokens;    /* [V][C] */
    const struct wn_weight *positions; /* [positions][C], or NULL */
    const struct wn_weight *types;     /* [types][C], or NULL */
};

struct wn_normalization {
    enum wn_norm kind;
    double eps;
    const struct wn_weight *weight; /* [C] */
    const struct wn_weight *bias;   /* [C], or NULL */
};

struct wn_product {
    const struct wn_weight *weight;
    const struct wn_weight *bias; /* [outputs], or NULL */
    enum wn_function function;
    enum wn_buffer input, output;
    /* output += ...; output is WN_BUFFER_STREAM and function is none. The sum is complete when the next
     * add_norm reads it: a backend may keep it aside until then. */
    bool adds;
};

/* One layer's attention, as data. */
struct wn_attending {
    int32_t layer;
    /* Keys a token sees, itself included, in path positions (bidirectional: to either side); 0 = all. */
    int32_t window;
    int32_t rotary;                                /* number of the rotary table, or WN_NONE */
    float scale;                                   /* of the scores */
    const struct wn_weight *query_norm, *key_norm; /* [D] RMS weights over each head, or NULL */
    double norm_eps;
};

struct wn_ops {
    uint32_t size;    /* of this struct as the backend knows it */
    uint32_t version; /* WN_OPS_VERSION */
    const char *name; /* "cpu", "cuda" */
    int32_t row_tile; /* R, rows */
    int32_t key_tile; /* T, keys */

    /* Create everything: threads or streams, plans, buffers, the pool of slots. WN_DEVICE: no memory, no
     * device; also for a feature this backend lacks, by name. On failure nothing is left open. */
    wn_code (*open)(const struct wn_shape *shape, const struct wn_limits *limits,
                    struct wn_device **out_device, struct wn_error *err);
    void (*close)(struct wn_device *device); /* frees all weights too; NULL is allowed */
    void (*numeric)(const struct wn_device *device, struct wn_numeric_class *out_numeric);

    /* Bring a weight into the form the operations want. WN_DEVICE without memory. */
    wn_code (*weight_pack)(struct wn_device *device, enum wn_role role, const struct wn_source *sources,
                           size_t n_sources, const struct wn_weight **out_weight, struct wn_error *err);

    /* Free the slots of batch->release, upload, and build the attention work list once. WN_DEVICE without
     * memory. */
    wn_code (*batch_begin)(struct wn_device *device, const struct wn_plan *plan, struct wn_error *err);

    /* stream[r] = tokens[id] + positions[path position] + types[token type] + noise
     * noise of dimension c = scale u, u in (-1, 1): 64-bit mixing of (seed, record, path position, c), see
     * embed.h */
    void (*embed)(struct wn_device *device, const struct wn_embedding *embedding);

    /* output = norm(stream), the stream with all that was added so far */
    void (*add_norm)(struct wn_device *device, const struct wn_normalization *norm, enum wn_buffer output);

    /* output = function(input weight + bias), or output += input weight + bias */
    void (*matmul)(struct wn_device *device, const struct wn_product *product);

    /* From QKV: q = rotate(norm(q)), k = rotate(norm(k)), v. Norm and rotation only where given.
     * rotate, for i < D / 2: (x_i, x_{i + D/2}) -> (x_i cos - x_{i + D/2} sin, x_{i + D/2} cos + x_i sin),
     * with cos and sin of the token's path position. K and V of kept segments go to their slots. */
    void (*qkv_post)(struct wn_device *device, const struct wn_attending *attending);

    /* attended[h] = sum_j softmax_j(scale q_h . k_j) v_j over the keys of the path that the token sees; query
     * head h uses key head h G / H. Online softmax, key tiles of T from the start of each piece, in path
     * order. */
    void (*attention)(struct wn_device *device, const struct wn_attending *attending);

    /* gated = function(gate) x up, [gate, up] = inner */
    void (*gated_act)(struct wn_device *device, enum wn_function function);

    /* For every wanted head row h (final hidden state of a row of this batch or of a kept slot), logits = h
     * W: LOSS with inverse temperature t: log sum_i exp(t logits_i) - t logits_target; entropy of softmax(t
     * logits); arg max, lowest id among equals, NaN never winning. LOGIT: logits_target, entropy NaN, greedy
     * WN_NONE. */
    void (*score_rows)(struct wn_device *device, const struct wn_weight *head);

    /* POOL wants over rows [row, row + n) of the final hidden state x: mean = sum x_i / n; last = x_n;
     * position-weighted = sum i x_i / sum i, i = 1..n */
    void (*pool_rows)(struct wn_device *device);

    /* Keep the final hidden state of kept segments' last rows, wait, and give what was wanted at each want's
     * destination: values[], and pools[][C]. Either may be NULL where no want names it. The first error
     * sticks. */
    wn_code (*batch_end)(struct wn_device *device, struct wn_value *values, float *pools,
                         struct wn_error *err);
};

#endif
