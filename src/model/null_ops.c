/* The backend of hashes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/null_ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROW_TILE = 64, KEY_TILE = 64 };

struct wn_device {
    int32_t C, V;
    uint64_t *rows;               /* [N] state of each row */
    uint64_t *slots;              /* [n_slots] state of a kept segment's last row */
    const struct wn_batch *batch; /* borrowed: between begin and end */
};

/* There is nothing to keep of a weight; operations get the address of this one. */
struct wn_weight {
    int unused;
};
static const struct wn_weight no_weight = {0};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9U;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

static float unit(uint64_t x)
{
    return (float)(x >> 40) * 0x1p-24f;
}

static void null_close(struct wn_device *device)
{
    if (device != NULL) {
        free(device->rows);
        free(device->slots);
        free(device);
    }
}

static wn_code null_open(const struct wn_shape *shape, const struct wn_limits *limits,
                         struct wn_device **out_device, struct wn_error *err)
{
    struct wn_device *const device = calloc(1, sizeof *device);
    WN_CHECK(device != NULL, err, WN_DEVICE, "no memory for the null backend");
    device->C = shape->C;
    device->V = shape->V;
    device->rows = calloc((size_t)limits->batch_rows, sizeof *device->rows);
    device->slots = calloc((size_t)limits->n_slots + 1, sizeof *device->slots);
    if (device->rows == NULL || device->slots == NULL) {
        null_close(device);
        WN_FAIL(err, WN_DEVICE, "no memory for the null backend");
    }
    *out_device = device;
    return WN_OK;
}

static void null_numeric(const struct wn_device *device, struct wn_numeric_class *out_numeric)
{
    (void)device;
    *out_numeric = (struct wn_numeric_class){.backend = "null",
                                             .dtype = "f32",
                                             .kernels = "hash 1",
                                             .library = "none",
                                             .row_tile = ROW_TILE,
                                             .key_tile = KEY_TILE};
}

static wn_code null_weight(struct wn_device *device, enum wn_role role, const struct wn_source *sources,
                           size_t n_sources, const struct wn_weight **out_weight, struct wn_error *err)
{
    (void)device;
    (void)role;
    (void)sources;
    (void)n_sources;
    (void)err;
    *out_weight = &no_weight;
    return WN_OK;
}

static wn_code null_begin(struct wn_device *device, const struct wn_plan *plan, struct wn_error *err)
{
    (void)err;
    device->batch = plan->batch;
    return WN_OK;
}

/* The states of all rows, along the segments in order: a parent in this batch stands before its children. */
static void null_embed(struct wn_device *device, const struct wn_embedding *embedding)
{
    const struct wn_batch *const batch = device->batch;
    (void)embedding;
    for (int32_t s = 0; s < batch->n_segments; ++s) {
        const struct wn_segment *const segment = &batch->segments[s];
        uint64_t state = 0;
        if (segment->parent != WN_NONE) {
            const struct wn_segment *const parent = &batch->segments[segment->parent];
            state = device->rows[parent->row + parent->n - 1];
        } else if (segment->kept != WN_NONE) {
            state = device->slots[segment->kept];
        }
        if (segment->noise.scale != 0) {
            state += mix(segment->noise.seed + mix(segment->noise.record + 1));
        }
        for (int32_t i = 0; i < segment->n; ++i) {
            state = mix(state + 0x9e3779b97f4a7c15U * ((uint64_t)batch->ids[segment->row + i] + 1));
            device->rows[segment->row + i] = state;
        }
        for (int32_t i = 0; i < segment->n && (segment->flags & WN_SEGMENT_BIDIRECTIONAL) != 0; ++i) {
            device->rows[segment->row + i] = mix(state + (uint64_t)i + 1);
        }
    }
}

static void null_norm(struct wn_device *device, const struct wn_normalization *norm, enum wn_buffer output)
{
    (void)device;
    (void)norm;
    (void)output;
}

static void null_matmul(struct wn_device *device, const struct wn_product *product)
{
    (void)device;
    (void)product;
}

static void null_attending(struct wn_device *device, const struct wn_attending *attending)
{
    (void)device;
    (void)attending;
}

static void null_gated(struct wn_device *device, enum wn_function function)
{
    (void)device;
    (void)function;
}

static void null_score(struct wn_device *device, const struct wn_weight *head)
{
    (void)device;
    (void)head;
}

static void null_pool(struct wn_device *device)
{
    (void)device;
}

static void pool_want(const struct wn_device *device, const struct wn_want *want, float *out)
{
    for (int32_t c = 0; c < device->C; ++c) {
        double sum = 0;
        double weights = 0;
        for (int32_t i = 0; i < want->target; ++i) {
            const uint64_t state = device->rows[want->row + i];
            const double x = 2.0 * (double)unit(mix(state + (uint64_t)c + 1)) - 1;
            const double weight = want->pool == WN_POOL_MEAN   ? 1
                                  : want->pool == WN_POOL_LAST ? (double)(i == want->target - 1)
                                                               : (double)i + 1;
            sum += weight * x;
            weights += weight;
        }
        out[c] = (float)(sum / weights);
    }
}

static wn_code null_end(struct wn_device *device, struct wn_value *values, float *pools, struct wn_error *err)
{
    const struct wn_batch *const batch = device->batch;
    (void)err;
    for (int32_t w = 0; w < batch->n_wants; ++w) {
        const struct wn_want *const want = &batch->wants[w];
        if (want->kind == WN_WANT_POOL) {
            pool_want(device, want, pools + want->destination * device->C);
            continue;
        }
        const struct wn_head_row *const head = &batch->head_rows[want->row];
        const uint64_t state = head->row != WN_NONE ? device->rows[head->row] : device->slots[head->kept];
        const float loss = 16 * unit(mix(state + (uint64_t)want->target + 1));
        const bool is_loss = want->kind == WN_WANT_LOSS;
        values[want->destination] =
            (struct wn_value){.value = is_loss ? loss : -loss,
                              .entropy = NAN,
                              .greedy = is_loss ? (int32_t)((state >> 8) % (uint64_t)device->V) : WN_NONE};
    }
    for (int32_t s = 0; s < batch->n_segments; ++s) {
        const struct wn_segment *const segment = &batch->segments[s];
        if (segment->keep != WN_NONE) {
            device->slots[segment->keep] = device->rows[segment->row + segment->n - 1];
        }
    }
    device->batch = NULL;
    return WN_OK;
}

static const struct wn_ops null_table = {.size = sizeof(struct wn_ops),
                                         .version = WN_OPS_VERSION,
                                         .name = "null",
                                         .row_tile = ROW_TILE,
                                         .key_tile = KEY_TILE,
                                         .open = null_open,
                                         .close = null_close,
                                         .numeric = null_numeric,
                                         .weight_pack = null_weight,
                                         .batch_begin = null_begin,
                                         .embed = null_embed,
                                         .add_norm = null_norm,
                                         .matmul = null_matmul,
                                         .qkv_post = null_attending,
                                         .attention = null_attending,
                                         .gated_act = null_gated,
                                         .score_rows = null_score,
                                         .pool_rows = null_pool,
                                         .batch_end = null_end};

const struct wn_ops *wn_ops_null(void)
{
    return &null_table;
}
