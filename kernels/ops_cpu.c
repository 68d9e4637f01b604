/* CPU backend: the table, open and close. See ops_cpu.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/ops_cpu.h"

#include "kernels/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

wn_code wn_cpu_floats_new(size_t a, size_t b, const char *what, float **out, struct wn_error *err)
{
    size_t n = 0;
    size_t size = 0;
    const bool is_counted = !__builtin_mul_overflow(a, b, &n) &&
                            !__builtin_mul_overflow(n, sizeof(float), &size) &&
                            !__builtin_add_overflow(size, (size_t)64, &size);
    float *floats = is_counted ? aligned_alloc(64, size / 64 * 64) : NULL;
    WN_CHECK(floats != NULL, err, WN_DEVICE,
             "no memory for %s: %zu x %zu numbers of 4 bytes; a smaller --batch-rows "
             "or --max-length asks for less",
             what, a, b);
    *out = floats;
    return WN_OK;
}

void wn_cpu_fail(struct wn_device *device, const struct wn_error *error)
{
    if (!atomic_flag_test_and_set(&device->has_error)) {
        device->error = *error;
        atomic_store(&device->is_failed, true);
    }
}

wn_code wn_cpu_failure(const struct wn_device *device, struct wn_error *err)
{
    return wn_error_set(err, device->error.code, device->error.file, device->error.line, "%s",
                        device->error.text);
}

int32_t wn_cpu_columns(const struct wn_shape *shape, enum wn_buffer buffer)
{
    switch (buffer) {
    case WN_BUFFER_QKV:
        return (shape->H + 2 * shape->G) * shape->D;
    case WN_BUFFER_ATTENDED:
        return shape->H * shape->D;
    case WN_BUFFER_INNER:
        return shape->is_gated ? 2 * shape->F : shape->F;
    case WN_BUFFER_GATED:
        return shape->is_gated ? shape->F : 0;
    default:
        return shape->C;
    }
}

static void cpu_close(struct wn_device *device)
{
    if (device == NULL) {
        return;
    }
    wn_workers_free(device->workers);
    wn_cpu_weights_free(device);
    wn_cpu_batch_free(device);
    for (int32_t t = 0; device->threads != NULL && t < device->limits.threads; t++) {
        free(device->threads[t].tile);
        free(device->threads[t].rows);
        free(device->threads[t].line);
        free(device->threads[t].attention);
        free(device->threads[t].pieces);
    }
    free(device->threads);
    for (int b = 0; b < WN_BUFFER_COUNT; b++) {
        free(device->buffers[b]);
    }
    free(device->rotated);
    free(device->cosines);
    free(device->sines);
    free(device->slots.k);
    free(device->slots.v);
    free(device->slots.final);
    free(device->row_segment);
    free(device);
}

static wn_code threads_new(struct wn_device *device, struct wn_error *err)
{
    const struct wn_shape *shape = &device->shape;
    const size_t line = (size_t)(shape->D > WN_CPU_BLOCK ? shape->D : WN_CPU_BLOCK);
    const size_t scratch = wn_attention_scratch(shape->D, WN_CPU_ROW_TILE, shape->H / shape->G);
    device->threads = calloc((size_t)device->limits.threads, sizeof *device->threads);
    WN_CHECK(device->threads != NULL, err, WN_DEVICE, "no memory for %d threads", device->limits.threads);
    for (int32_t t = 0; t < device->limits.threads; t++) {
        struct wn_cpu_thread *thread = &device->threads[t];
        WN_TRY(wn_cpu_floats_new(WN_CPU_ROW_TILE, WN_CPU_BLOCK, "a thread's tile", &thread->tile, err));
        WN_TRY(
            wn_cpu_floats_new(WN_CPU_ROW_TILE, (size_t)shape->C, "a thread's head rows", &thread->rows, err));
        WN_TRY(wn_cpu_floats_new(line, 1, "a thread's scratch", &thread->line, err));
        WN_TRY(wn_cpu_floats_new(scratch, 1, "a thread's attention scratch", &thread->attention, err));
    }
    return WN_OK;
}

static wn_code buffers_new(struct wn_device *device, struct wn_error *err)
{
    static const char *const names[WN_BUFFER_COUNT] = {
        "stream", "normed", "queries, keys and values", "attended", "inner", "gated", "final"};
    const struct wn_shape *shape = &device->shape;
    const size_t N = (size_t)device->limits.batch_rows;
    for (int b = 0; b < WN_BUFFER_COUNT; b++) {
        const size_t columns = (size_t)wn_cpu_columns(shape, (enum wn_buffer)b);
        if (columns > 0) {
            WN_TRY(wn_cpu_floats_new(N, columns, names[b], &device->buffers[b], err));
        }
    }
    WN_TRY(wn_cpu_floats_new(N, (size_t)(shape->H + shape->G) * (size_t)shape->D, "rotated queries and keys",
                             &device->rotated, err));
    device->row_segment = calloc(N, sizeof *device->row_segment);
    WN_CHECK(device->row_segment != NULL, err, WN_DEVICE, "no memory for %zu rows", N);
    return WN_OK;
}

static wn_code rotary_new(struct wn_device *device, const struct wn_shape *shape, struct wn_error *err)
{
    if (shape->n_rotary == 0) {
        return WN_OK;
    }
    const size_t rows = (size_t)shape->n_rotary * (size_t)device->limits.max_path;
    const size_t half = (size_t)shape->D / 2;
    WN_TRY(wn_cpu_floats_new(rows, half, "rotary tables", &device->cosines, err));
    WN_TRY(wn_cpu_floats_new(rows, half, "rotary tables", &device->sines, err));
    memcpy(device->cosines, shape->rotary_cos, rows * half * sizeof(float));
    memcpy(device->sines, shape->rotary_sin, rows * half * sizeof(float));
    return WN_OK;
}

/* The pool is not cleared: a slot's rows are written before they are read, and memory never used is never
 * taken. */
static wn_code slots_new(struct wn_device *device, struct wn_error *err)
{
    const struct wn_shape *shape = &device->shape;
    const struct wn_limits *limits = &device->limits;
    if (limits->n_slots == 0) {
        return WN_OK;
    }
    const size_t row = (size_t)shape->G * (size_t)shape->D;
    const size_t rows = (size_t)limits->n_slots * (size_t)limits->slot_rows;
    size_t layer_rows = 0;
    WN_CHECK(!__builtin_mul_overflow(rows, (size_t)shape->L, &layer_rows), err, WN_DEVICE,
             "no memory for %d slots of %d rows", limits->n_slots, limits->slot_rows);
    WN_TRY(wn_cpu_floats_new(layer_rows, row, "keys of kept segments", &device->slots.k, err));
    WN_TRY(wn_cpu_floats_new(layer_rows, row, "values of kept segments", &device->slots.v, err));
    WN_TRY(wn_cpu_floats_new((size_t)limits->n_slots, (size_t)shape->C, "kept hidden states",
                             &device->slots.final, err));
    return WN_OK;
}

static wn_code parts_new(struct wn_device *device, const struct wn_shape *shape, struct wn_error *err)
{
    WN_TRY(wn_workers_new(device->limits.threads, &device->workers, err));
    WN_TRY(threads_new(device, err));
    WN_TRY(buffers_new(device, err));
    WN_TRY(rotary_new(device, shape, err));
    return slots_new(device, err);
}

static wn_code device_new(const struct wn_matmul_kernel *kernel, const struct wn_shape *shape,
                          const struct wn_limits *limits, struct wn_device **out_device, struct wn_error *err)
{
    WN_CHECK(
        limits->batch_rows >= 1 && limits->batch_rows % WN_CPU_ROW_TILE == 0 && limits->threads >= 1 &&
            limits->n_slots >= 0 && (limits->n_slots == 0 || limits->slot_rows >= 1) && limits->max_path >= 1,
        err, WN_DEFECT, "cpu: limits out of range: %d rows, %d threads, %d slots of %d rows, paths of %d",
        limits->batch_rows, limits->threads, limits->n_slots, limits->slot_rows, limits->max_path);
    const int64_t columns = ((int64_t)shape->H + 2 * (int64_t)shape->G) * shape->D;
    WN_CHECK(columns < INT32_MAX / 2 && shape->F < INT32_MAX / 4 && shape->V < INT32_MAX / 2, err, WN_DEVICE,
             "cpu: a layer of %d + 2 x %d heads of %d, inner size %d and vocabulary %d is too wide", shape->H,
             shape->G, shape->D, shape->F, shape->V);
    struct wn_device *device = calloc(1, sizeof *device);
    WN_CHECK(device != NULL, err, WN_DEVICE, "no memory for the CPU backend");
    device->kernel = kernel;
    device->shape = *shape;
    device->shape.rotary_cos = NULL; /* borrowed only during this call */
    device->shape.rotary_sin = NULL;
    device->limits = *limits;
    device->n_chunks = ((shape->V - 1) / wn_cpu_block_width(shape->V)) / WN_CPU_CHUNK + 1;
    atomic_flag_clear(&device->has_error);
    atomic_init(&device->is_failed, false);
    const wn_code code = parts_new(device, shape, err);
    if (code != WN_OK) {
        cpu_close(device);
        return code;
    }
    *out_device = device;
    return WN_OK;
}

const struct wn_matmul_kernel *wn_matmul_fast(void)
{
#ifdef WINNOW_ONEDNN
    return wn_matmul_onednn();
#else
    return wn_matmul_reference();
#endif
}

static wn_code fast_open(const struct wn_shape *shape, const struct wn_limits *limits,
                         struct wn_device **out_device, struct wn_error *err)
{
    return device_new(wn_matmul_fast(), shape, limits, out_device, err);
}

static wn_code reference_open(const struct wn_shape *shape, const struct wn_limits *limits,
                              struct wn_device **out_device, struct wn_error *err)
{
    return device_new(wn_matmul_reference(), shape, limits, out_device, err);
}

static void cpu_numeric(const struct wn_device *device, struct wn_numeric_class *out_numeric)
{
    memset(out_numeric, 0, sizeof *out_numeric);
    snprintf(out_numeric->backend, sizeof out_numeric->backend, "cpu");
    snprintf(out_numeric->dtype, sizeof out_numeric->dtype, "f32");
    device->kernel->numeric(out_numeric);
    out_numeric->row_tile = WN_CPU_ROW_TILE;
    out_numeric->key_tile = WN_KEY_TILE;
}

const struct wn_ops *wn_ops_cpu(void)
{
    static const struct wn_ops table = {
        .size = sizeof(struct wn_ops),
        .version = WN_OPS_VERSION,
        .name = "cpu",
        .row_tile = WN_CPU_ROW_TILE,
        .key_tile = WN_KEY_TILE,
        .open = fast_open,
        .close = cpu_close,
        .numeric = cpu_numeric,
        .weight_pack = wn_cpu_weight_pack,
        .batch_begin = wn_cpu_batch_begin,
        .embed = wn_cpu_embed,
        .add_norm = wn_cpu_add_norm,
        .matmul = wn_cpu_matmul,
        .qkv_post = wn_cpu_qkv_post,
        .attention = wn_cpu_attention,
        .gated_act = wn_cpu_gated_act,
        .score_rows = wn_cpu_score_rows,
        .pool_rows = wn_cpu_pool_rows,
        .batch_end = wn_cpu_batch_end,
    };
    return &table;
}

const struct wn_ops *wn_ops_cpu_reference(void)
{
    static const struct wn_ops table = {
        .size = sizeof(struct wn_ops),
        .version = WN_OPS_VERSION,
        .name = "cpu",
        .row_tile = WN_CPU_ROW_TILE,
        .key_tile = WN_KEY_TILE,
        .open = reference_open,
        .close = cpu_close,
        .numeric = cpu_numeric,
        .weight_pack = wn_cpu_weight_pack,
        .batch_begin = wn_cpu_batch_begin,
        .embed = wn_cpu_embed,
        .add_norm = wn_cpu_add_norm,
        .matmul = wn_cpu_matmul,
        .qkv_post = wn_cpu_qkv_post,
        .attention = wn_cpu_attention,
        .gated_act = wn_cpu_gated_act,
        .score_rows = wn_cpu_score_rows,
        .pool_rows = wn_cpu_pool_rows,
        .batch_end = wn_cpu_batch_end,
    };
    return &table;
}
