/* CPU backend: the operations of winnow/ops.h, each a list of items for the model threads.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/activation.h"
#include "kernels/cpu.h"
#include "kernels/embed.h"
#include "kernels/norm.h"
#include "kernels/pool.h"
#include "kernels/rope.h"

#include <string.h>

enum { R = WN_CPU_ROW_TILE };

/* One operation at work: its items find here what they need. */
struct job {
    struct wn_device *device;
    const void *what; /* the operation's own description */
    enum wn_buffer output;
    enum wn_function function;
};

static void job_run(struct job *job, wn_work *work, int64_t n_items)
{
    if (!atomic_load(&job->device->is_failed)) {
        wn_workers_run(job->device->workers, work, job, n_items);
    }
}

static float *buffer_row(const struct wn_device *device, enum wn_buffer buffer, int64_t row)
{
    return device->buffers[buffer] + (size_t)row * (size_t)wn_cpu_columns(&device->shape, buffer);
}

static void embed_tile(void *context, int64_t item, int32_t thread)
{
    (void)thread;
    const struct job *job = context;
    const struct wn_device *device = job->device;
    const struct wn_embedding *embedding = job->what;
    const struct wn_batch *batch = device->plan->batch;
    const int32_t C = device->shape.C;
    const float *tokens = wn_cpu_floats(embedding->tokens);
    const float *positions = wn_cpu_floats(embedding->positions);
    const float *types = wn_cpu_floats(embedding->types);
    for (int64_t r = item * R; r < (item + 1) * R; r++) {
        float *y = buffer_row(device, WN_BUFFER_STREAM, r);
        if (r >= batch->n_rows) {
            memset(y, 0, (size_t)C * sizeof *y);
            continue;
        }
        const struct wn_segment *segment = &batch->segments[device->row_segment[r]];
        const int32_t at = segment->position + (int32_t)(r - segment->row);
        wn_embed_row(C, tokens + (size_t)batch->ids[r] * (size_t)C,
                     positions == NULL ? NULL : positions + (size_t)at * (size_t)C,
                     types == NULL ? NULL : types + (size_t)segment->token_type * (size_t)C, &segment->noise,
                     at, y);
    }
}

void wn_cpu_embed(struct wn_device *device, const struct wn_embedding *embedding)
{
    struct job job = {.device = device, .what = embedding};
    job_run(&job, embed_tile, device->n_tiles);
}

static void norm_tile(void *context, int64_t item, int32_t thread)
{
    (void)thread;
    const struct job *job = context;
    const struct wn_normalization *norm = job->what;
    for (int64_t r = item * R; r < (item + 1) * R; r++) {
        wn_norm_row(norm->kind, norm->eps, job->device->shape.C, buffer_row(job->device, WN_BUFFER_STREAM, r),
                    wn_cpu_floats(norm->weight), wn_cpu_floats(norm->bias),
                    buffer_row(job->device, job->output, r));
    }
}

void wn_cpu_add_norm(struct wn_device *device, const struct wn_normalization *norm, enum wn_buffer output)
{
    struct job job = {.device = device, .what = norm, .output = output};
    job_run(&job, norm_tile, device->n_tiles);
}

/* Item = (column block, row tile), block by block, so that threads share a block's weights. */
static void product_tile(void *context, int64_t item, int32_t thread)
{
    const struct job *job = context;
    struct wn_device *device = job->device;
    const struct wn_product *product = job->what;
    const struct wn_weight *weight = product->weight;
    const int32_t block = (int32_t)(item / device->n_tiles);
    const int64_t row = item % device->n_tiles * R;
    float *tile = device->threads[thread].tile;
    struct wn_error error;
    if (device->kernel->run(weight->plan, thread, buffer_row(device, product->input, row),
                            wn_cpu_block(weight, block), tile, &error) != WN_OK) {
        wn_cpu_fail(device, &error);
        return;
    }
    const int32_t first = block * weight->width;
    const int32_t n = weight->outputs - first < weight->width ? weight->outputs - first : weight->width;
    const float *bias = product->bias == NULL ? NULL : wn_cpu_floats(product->bias) + first;
    for (int32_t r = 0; r < R; r++) {
        const float *x = tile + (size_t)r * (size_t)weight->width;
        float *y = buffer_row(device, product->output, row + r) + first;
        if (product->adds) {
            wn_add_row(n, x, bias, y);
        } else {
            wn_activate_row(product->function, n, x, bias, y);
        }
    }
}

void wn_cpu_matmul(struct wn_device *device, const struct wn_product *product)
{
    struct job job = {.device = device, .what = product};
    job_run(&job, product_tile, (int64_t)product->weight->n_blocks * device->n_tiles);
}

/* Norm and rotation of n heads of one row, from x to y. */
static void heads_turn(const struct wn_device *device, const struct wn_attending *attending, int32_t n,
                       const struct wn_weight *norm, int32_t position, const float *x, float *y, float *line)
{
    const int32_t D = device->shape.D;
    const size_t half = (size_t)D / 2;
    const size_t turn =
        attending->rotary == WN_NONE
            ? 0
            : ((size_t)attending->rotary * (size_t)device->limits.max_path + (size_t)position) * half;
    for (int32_t h = 0; h < n; h++, x += D, y += D) {
        const float *normed = x;
        if (norm != NULL) {
            float *to = attending->rotary == WN_NONE ? y : line;
            wn_norm_row(WN_NORM_OF_SQUARES, attending->norm_eps, D, x, wn_cpu_floats(norm), NULL, to);
            normed = to;
        }
        if (attending->rotary != WN_NONE) {
            wn_rope(D, device->cosines + turn, device->sines + turn, normed, y);
        } else if (norm == NULL) {
            memcpy(y, x, (size_t)D * sizeof *y);
        }
    }
}

static void post_tile(void *context, int64_t item, int32_t thread)
{
    const struct job *job = context;
    const struct wn_device *device = job->device;
    const struct wn_attending *attending = job->what;
    const struct wn_shape *shape = &device->shape;
    const struct wn_batch *batch = device->plan->batch;
    const size_t queries = (size_t)shape->H * (size_t)shape->D;
    const size_t keys = (size_t)shape->G * (size_t)shape->D;
    float *line = device->threads[thread].line;
    for (int64_t r = item * R; r < (item + 1) * R && r < batch->n_rows; r++) {
        const struct wn_segment *segment = &batch->segments[device->row_segment[r]];
        const int32_t i = (int32_t)(r - segment->row);
        const float *x = buffer_row(device, WN_BUFFER_QKV, r);
        const float *k = x + queries;
        if (device->has_rotated) {
            float *y = device->rotated + (size_t)r * (queries + keys);
            const int32_t position = segment->position + i;
            heads_turn(device, attending, shape->H, attending->query_norm, position, x, y, line);
            heads_turn(device, attending, shape->G, attending->key_norm, position, x + queries, y + queries,
                       line);
            k = y + queries;
        }
        if (segment->keep != WN_NONE) {
            const size_t at = wn_cpu_slot_offset(device, segment->keep, attending->layer) + (size_t)i * keys;
            memcpy(device->slots.k + at, k, keys * sizeof *k);
            memcpy(device->slots.v + at, x + queries + keys, keys * sizeof *x);
        }
    }
}

void wn_cpu_qkv_post(struct wn_device *device, const struct wn_attending *attending)
{
    device->has_rotated =
        attending->rotary != WN_NONE || attending->query_norm != NULL || attending->key_norm != NULL;
    struct job job = {.device = device, .what = attending};
    job_run(&job, post_tile, device->n_tiles);
}

/* Where the keys and values of a piece lie for key head g. */
static struct wn_attention_piece piece_view(const struct wn_device *device, const struct wn_piece *piece,
                                            int32_t layer, int32_t g)
{
    const struct wn_shape *shape = &device->shape;
    const size_t queries = (size_t)shape->H * (size_t)shape->D;
    const size_t keys = (size_t)shape->G * (size_t)shape->D;
    const size_t head = (size_t)g * (size_t)shape->D;
    struct wn_attention_piece view = {.n = piece->n, .position = piece->position};
    if (piece->slot != WN_NONE) {
        const size_t at = wn_cpu_slot_offset(device, piece->slot, layer) + head;
        view.k = device->slots.k + at;
        view.v = device->slots.v + at;
        view.k_stride = keys;
        view.v_stride = keys;
        return view;
    }
    const float *row = buffer_row(device, WN_BUFFER_QKV, piece->row);
    view.v = row + queries + keys + head;
    view.v_stride = queries + 2 * keys;
    view.k = device->has_rotated ? device->rotated + (size_t)piece->row * (queries + keys) + queries + head
                                 : row + queries + head;
    view.k_stride = device->has_rotated ? queries + keys : queries + 2 * keys;
    return view;
}

/* Item = (query tile, key head). */
static void attention_item(void *context, int64_t item, int32_t thread)
{
    const struct job *job = context;
    const struct wn_device *device = job->device;
    const struct wn_attending *attending = job->what;
    const struct wn_shape *shape = &device->shape;
    const struct wn_plan *plan = device->plan;
    const struct wn_cpu_query *query = &device->queries[item / shape->G];
    const struct wn_segment *segment = &plan->batch->segments[query->segment];
    const int32_t g = (int32_t)(item % shape->G);
    const int32_t shared = shape->H / shape->G;
    const int64_t row = segment->row + query->first;
    struct wn_attention_piece *pieces = device->threads[thread].pieces;
    int32_t n_pieces = 0;
    for (int64_t p = plan->first_piece[query->segment]; p < plan->first_piece[query->segment + 1]; p++) {
        pieces[n_pieces++] = piece_view(device, &plan->pieces[p], attending->layer, g);
    }
    const size_t head = (size_t)g * (size_t)shared * (size_t)shape->D;
    const size_t rotated = (size_t)(shape->H + shape->G) * (size_t)shape->D;
    const int32_t left = segment->n - query->first;
    const struct wn_attention_tile tile = {
        .D = shape->D,
        .n_rows = left < R ? left : R,
        .n_heads = shared,
        .q = head + (device->has_rotated ? device->rotated + (size_t)row * rotated
                                         : buffer_row(device, WN_BUFFER_QKV, row)),
        .q_stride = device->has_rotated ? rotated : (size_t)wn_cpu_columns(shape, WN_BUFFER_QKV),
        .out = head + buffer_row(device, WN_BUFFER_ATTENDED, row),
        .out_stride = (size_t)wn_cpu_columns(shape, WN_BUFFER_ATTENDED),
        .position = segment->position + query->first,
        .scale = attending->scale,
        .window = attending->window,
        .is_causal = (segment->flags & WN_SEGMENT_BIDIRECTIONAL) == 0,
        .n_pieces = n_pieces,
        .pieces = pieces,
    };
    wn_attention_run(&tile, device->threads[thread].attention);
}

void wn_cpu_attention(struct wn_device *device, const struct wn_attending *attending)
{
    struct job job = {.device = device, .what = attending};
    job_run(&job, attention_item, device->n_queries * device->shape.G);
}

static void gate_tile(void *context, int64_t item, int32_t thread)
{
    (void)thread;
    const struct job *job = context;
    const int32_t F = job->device->shape.F;
    for (int64_t r = item * R; r < (item + 1) * R; r++) {
        const float *inner = buffer_row(job->device, WN_BUFFER_INNER, r);
        wn_gate_row(job->function, F, inner, inner + F, buffer_row(job->device, WN_BUFFER_GATED, r));
    }
}

void wn_cpu_gated_act(struct wn_device *device, enum wn_function function)
{
    struct job job = {.device = device, .function = function};
    job_run(&job, gate_tile, device->n_tiles);
}

/* rows[R][C] = the final hidden states of head rows first .. , zeros past the last. */
static void head_rows_gather(const struct wn_device *device, int32_t first, float *rows)
{
    const struct wn_batch *batch = device->plan->batch;
    const size_t C = (size_t)device->shape.C;
    for (int32_t i = 0; i < R; i++, rows += C) {
        if (first + i >= batch->n_head_rows) {
            memset(rows, 0, C * sizeof *rows);
            continue;
        }
        const struct wn_head_row *row = &batch->head_rows[first + i];
        memcpy(rows,
               row->kept != WN_NONE ? device->slots.final + (size_t)row->kept * C
                                    : device->buffers[WN_BUFFER_FINAL] + (size_t)row->row * C,
               C * sizeof *rows);
    }
}

/* Take logits[n] of ids first .. into what head row h is asked for. */
static void logits_take(const struct wn_device *device, int32_t h, int32_t chunk, int32_t first, int32_t n,
                        const float *logits, float *line)
{
    const struct wn_batch *batch = device->plan->batch;
    for (int32_t s = device->row_score[h]; s < device->row_score[h + 1]; s++) {
        wn_score_add(&device->states[(size_t)s * (size_t)device->n_chunks + (size_t)chunk],
                     device->score_scale[s], first, n, logits, line);
    }
    for (int32_t i = device->row_want[h]; i < device->row_want[h + 1]; i++) {
        const int32_t w = device->want_order[i];
        const int32_t target = batch->wants[w].target;
        if (target >= first && target < first + n) {
            device->want_logit[w] = logits[target - first];
        }
    }
}

/* Item = (chunk of vocabulary blocks, tile of head rows). */
static void score_item(void *context, int64_t item, int32_t thread)
{
    const struct job *job = context;
    struct wn_device *device = job->device;
    const struct wn_weight *head = job->what;
    const int32_t n_head_rows = device->plan->batch->n_head_rows;
    const int32_t n_tiles = (n_head_rows - 1) / R + 1;
    const int32_t chunk = (int32_t)(item / n_tiles);
    const int32_t row = (int32_t)(item % n_tiles) * R;
    const struct wn_cpu_thread *side = &device->threads[thread];
    head_rows_gather(device, row, side->rows);
    for (int32_t b = chunk * WN_CPU_CHUNK; b < (chunk + 1) * WN_CPU_CHUNK && b < head->n_blocks; b++) {
        struct wn_error error;
        if (device->kernel->run(head->plan, thread, side->rows, wn_cpu_block(head, b), side->tile, &error) !=
            WN_OK) {
            wn_cpu_fail(device, &error);
            return;
        }
        const int32_t first = b * head->width;
        const int32_t n = head->outputs - first < head->width ? head->outputs - first : head->width;
        for (int32_t i = 0; i < R && row + i < n_head_rows; i++) {
            logits_take(device, row + i, chunk, first, n, side->tile + (size_t)i * (size_t)head->width,
                        side->line);
        }
    }
}

void wn_cpu_score_rows(struct wn_device *device, const struct wn_weight *head)
{
    const int32_t n_head_rows = device->plan->batch->n_head_rows;
    if (n_head_rows > 0) {
        struct job job = {.device = device, .what = head};
        job_run(&job, score_item, (int64_t)device->n_chunks * ((n_head_rows - 1) / R + 1));
    }
}

void wn_cpu_pool_rows(struct wn_device *device)
{
    if (atomic_load(&device->is_failed)) {
        return;
    }
    const struct wn_batch *batch = device->plan->batch;
    const int32_t C = device->shape.C;
    float *pooled = device->pooled;
    for (int32_t w = 0; w < batch->n_wants; w++) {
        const struct wn_want *want = &batch->wants[w];
        if (want->kind == WN_WANT_POOL) {
            wn_pool((enum wn_pool_kind)want->pool, want->target, C,
                    buffer_row(device, WN_BUFFER_FINAL, want->row), pooled);
            pooled += C;
        }
    }
}
