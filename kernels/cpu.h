/* Inside the CPU backend: its device, shared by ops_cpu.c (open and close), ops_cpu_weight.c, ops_cpu_batch.c
 * (what belongs to one batch) and ops_cpu_run.c (the operations).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_KERNELS_CPU_H
#define WINNOW_KERNELS_CPU_H

#include "kernels/attention.h"
#include "kernels/matmul.h"
#include "kernels/score.h"
#include "kernels/workers.h"
#include "winnow/ops.h"

#include <stdatomic.h>

enum {
    WN_CPU_ROW_TILE = 64,       /* R: larger tiles measured no faster, smaller ones slower */
    WN_CPU_BLOCK = 1024,        /* most columns of one product: a tile's result stays in the level-2 cache */
    WN_CPU_BLOCK_MULTIPLE = 16, /* floats of the widest vector */
    WN_CPU_CHUNK = 8            /* column blocks of the head that one item takes */
};

struct wn_weight {
    enum wn_role role;
    int32_t inputs, outputs; /* TABLE: rows, columns; VECTOR: 1, length */
    int32_t width;           /* columns of a block, the last one padded with zeros */
    int32_t n_blocks;
    size_t block_size; /* bytes, a multiple of 64 */
    const struct wn_matmul_plan *plan;
    unsigned char *data; /* owned */
    struct wn_weight *next;
};

/* Products of one shape share a plan. */
struct wn_cpu_plan {
    int32_t K, N;
    struct wn_matmul_plan *plan; /* owned */
    struct wn_cpu_plan *next;
};

struct wn_cpu_thread {
    float *tile;                       /* [R][WN_CPU_BLOCK]: result of one product */
    float *rows;                       /* [R][C]: head rows, gathered */
    float *line;                       /* [max(WN_CPU_BLOCK, D)] */
    float *attention;                  /* wn_attention_scratch */
    struct wn_attention_piece *pieces; /* [most pieces of a path in this batch] */
};

/* The pool of kept segments; rows of a slot and layer begin at wn_cpu_slot_offset. */
struct wn_cpu_slots {
    float *k, *v; /* [n_slots][L][slot_rows][G D] */
    float *final; /* [n_slots][C] */
};

/* One query tile of a segment. */
struct wn_cpu_query {
    int32_t segment;
    int32_t first; /* row within the segment */
};

struct wn_device {
    const struct wn_matmul_kernel *kernel;
    struct wn_shape shape;
    struct wn_limits limits;
    struct wn_workers *workers;
    struct wn_weight *weights;
    struct wn_cpu_plan *plans;
    struct wn_cpu_thread *threads; /* [limits.threads] */
    float *buffers[WN_BUFFER_COUNT];
    float *rotated; /* [N][(H + G) D]: queries and keys after norm and rotation */
    float *cosines, *sines;
    struct wn_cpu_slots slots;

    /* of the current batch */
    const struct wn_plan *plan;
    int32_t n_tiles;
    int32_t *row_segment; /* [N] */
    struct wn_cpu_query *queries;
    int64_t n_queries, query_room;
    int64_t piece_room;
    bool has_rotated;    /* the current layer's queries and keys are in `rotated`, else in QKV */
    int32_t *row_want;   /* [n_head_rows + 1]: wants of head row h are wants[row_want[h] ..] */
    int32_t *row_score;  /* [n_head_rows + 1] */
    int32_t *want_order; /* want indices by head row */
    int32_t *want_score; /* [n_wants]: index of its score, LOSS only */
    float *want_logit;   /* [n_wants] */
    float *score_scale;  /* [n_scores]: inverse temperature; a score is one of a head row with one of those */
    struct wn_score *states; /* [n_scores][n_chunks] */
    int32_t n_chunks;
    float *pooled; /* [POOL wants, in their order][C] */
    int64_t head_room, want_room, score_room, pool_room;

    atomic_flag has_error; /* set by whoever meets the first error and then fills `error` */
    atomic_bool is_failed; /* operations do nothing */
    struct wn_error error;
};

/* The first error sticks: any thread may report one; wn_cpu_failure gives it to the caller once threads are
 * done. */
void wn_cpu_fail(struct wn_device *device, const struct wn_error *error);
wn_code wn_cpu_failure(const struct wn_device *device, struct wn_error *err);

/* Columns of a named activation. */
int32_t wn_cpu_columns(const struct wn_shape *shape, enum wn_buffer buffer);

static inline const float *wn_cpu_floats(const struct wn_weight *weight)
{
    return weight == NULL ? NULL : (const float *)(const void *)weight->data;
}

static inline const float *wn_cpu_block(const struct wn_weight *weight, int32_t block)
{
    return (const float *)(const void *)(weight->data + (size_t)block * weight->block_size);
}

/* Row 0 of slot `slot` in layer `layer`, within slots.k or slots.v. */
static inline size_t wn_cpu_slot_offset(const struct wn_device *device, int32_t slot, int32_t layer)
{
    const struct wn_shape *shape = &device->shape;
    return ((size_t)slot * (size_t)shape->L + (size_t)layer) * (size_t)device->limits.slot_rows *
           ((size_t)shape->G * (size_t)shape->D);
}

/* The operations, for the table. */
void wn_cpu_embed(struct wn_device *device, const struct wn_embedding *embedding);
void wn_cpu_add_norm(struct wn_device *device, const struct wn_normalization *norm, enum wn_buffer output);
void wn_cpu_matmul(struct wn_device *device, const struct wn_product *product);
void wn_cpu_qkv_post(struct wn_device *device, const struct wn_attending *attending);
void wn_cpu_attention(struct wn_device *device, const struct wn_attending *attending);
void wn_cpu_gated_act(struct wn_device *device, enum wn_function function);
void wn_cpu_score_rows(struct wn_device *device, const struct wn_weight *head);
void wn_cpu_pool_rows(struct wn_device *device);

/* A batch: ops_cpu_batch.c. */
wn_code wn_cpu_batch_begin(struct wn_device *device, const struct wn_plan *plan, struct wn_error *err);
wn_code wn_cpu_batch_end(struct wn_device *device, struct wn_value *values, float *pools,
                         struct wn_error *err);
void wn_cpu_batch_free(struct wn_device *device);

/* Weights: ops_cpu_weight.c. A weight of `outputs` columns is cut into blocks of equal width. */
int32_t wn_cpu_block_width(int32_t outputs);
wn_code wn_cpu_weight_pack(struct wn_device *device, enum wn_role role, const struct wn_source *sources,
                           size_t n_sources, const struct wn_weight **out_weight, struct wn_error *err);
void wn_cpu_weights_free(struct wn_device *device);

/* New floats, aligned to 64 bytes, not cleared; the product a b is checked. WN_DEVICE naming `what`. */
wn_code wn_cpu_floats_new(size_t a, size_t b, const char *what, float **out, struct wn_error *err);

#endif
