/* CPU backend: packing of weights.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/convert.h"
#include "kernels/cpu.h"

#include <stdlib.h>
#include <string.h>

int32_t wn_cpu_block_width(int32_t outputs)
{
    const int32_t n = (outputs - 1) / WN_CPU_BLOCK + 1;
    const int32_t even = (outputs - 1) / n + 1;
    return (even - 1) / WN_CPU_BLOCK_MULTIPLE * WN_CPU_BLOCK_MULTIPLE + WN_CPU_BLOCK_MULTIPLE;
}

static wn_code plan_find(struct wn_device *device, int32_t K, int32_t N,
                         const struct wn_matmul_plan **out_plan, struct wn_error *err)
{
    for (const struct wn_cpu_plan *entry = device->plans; entry != NULL; entry = entry->next) {
        if (entry->K == K && entry->N == N) {
            *out_plan = entry->plan;
            return WN_OK;
        }
    }
    struct wn_cpu_plan *entry = calloc(1, sizeof *entry);
    WN_CHECK(entry != NULL, err, WN_DEVICE, "no memory for a matrix product's plan");
    entry->K = K;
    entry->N = N;
    const wn_code code =
        device->kernel->plan_new(WN_CPU_ROW_TILE, K, N, device->limits.threads, &entry->plan, err);
    if (code != WN_OK) {
        free(entry);
        return code;
    }
    entry->next = device->plans;
    device->plans = entry;
    *out_plan = entry->plan;
    return WN_OK;
}

/* A slice that holds only outputs [first, first + n) of `source`. */
static struct wn_source outputs_of(const struct wn_source *source, int64_t first, int64_t n)
{
    struct wn_source slice = *source;
    if (source->is_transposed) {
        slice.first_column += first;
        slice.n_columns = n;
    } else {
        slice.first_row += first;
        slice.n_rows = n;
    }
    return slice;
}

/* matrix[K][width] = columns [first, first + width) of all sources side by side, zeros past the last. */
static void block_gather(const struct wn_source *sources, size_t n_sources, int64_t first, int64_t width,
                         int64_t inputs, float *matrix)
{
    memset(matrix, 0, (size_t)(inputs * width) * sizeof *matrix);
    int64_t start = 0; /* first column of the source */
    for (size_t s = 0; s < n_sources; s++) {
        const int64_t n = wn_source_outputs(&sources[s]);
        const int64_t from = first > start ? first : start;
        const int64_t to = first + width < start + n ? first + width : start + n;
        if (from < to) {
            const struct wn_source slice = outputs_of(&sources[s], from - start, to - from);
            wn_convert_matrix(&slice, matrix + (from - first), (size_t)width);
        }
        start += n;
    }
}

struct packing {
    struct wn_device *device;
    struct wn_weight *weight;
    const struct wn_source *sources;
    size_t n_sources;
};

static void block_pack(void *context, int64_t item, int32_t thread)
{
    (void)thread;
    const struct packing *packing = context;
    const struct wn_weight *weight = packing->weight;
    struct wn_error error;
    float *matrix = NULL;
    wn_code code =
        wn_cpu_floats_new((size_t)weight->inputs, (size_t)weight->width, "a weight's block", &matrix, &error);
    if (code == WN_OK) {
        block_gather(packing->sources, packing->n_sources, item * weight->width, weight->width,
                     weight->inputs, matrix);
        code = packing->device->kernel->pack(weight->plan, matrix,
                                             weight->data + (size_t)item * weight->block_size, &error);
    }
    free(matrix);
    if (code != WN_OK) {
        wn_cpu_fail(packing->device, &error);
    }
}

static wn_code product_pack(struct wn_device *device, struct wn_weight *weight,
                            const struct wn_source *sources, size_t n_sources, struct wn_error *err)
{
    weight->width = wn_cpu_block_width(weight->outputs);
    weight->n_blocks = (weight->outputs - 1) / weight->width + 1;
    WN_TRY(plan_find(device, weight->inputs, weight->width, &weight->plan, err));
    weight->block_size = (device->kernel->packed_size(weight->plan) + 63) / 64 * 64;
    float *data = NULL;
    WN_TRY(wn_cpu_floats_new(weight->block_size / sizeof(float), (size_t)weight->n_blocks, "packed weights",
                             &data, err));
    weight->data = (unsigned char *)data;
    struct packing packing = {device, weight, sources, n_sources};
    wn_workers_run(device->workers, block_pack, &packing, weight->n_blocks);
    if (atomic_load(&device->is_failed)) {
        return wn_cpu_failure(device, err);
    }
    return WN_OK;
}

/* Tables and vectors: float32 rows as they stand. */
static wn_code table_pack(struct wn_weight *weight, const struct wn_source *sources, size_t n_sources,
                          struct wn_error *err)
{
    float *data = NULL;
    WN_TRY(
        wn_cpu_floats_new((size_t)weight->inputs, (size_t)weight->outputs, "a table of weights", &data, err));
    weight->data = (unsigned char *)data;
    for (size_t s = 0; s < n_sources; s++) {
        struct wn_source rows = sources[s];
        rows.is_transposed = true; /* as they stand */
        wn_convert_matrix(&rows, data, (size_t)rows.n_columns);
        data += (size_t)rows.n_rows * (size_t)rows.n_columns;
    }
    return WN_OK;
}

static wn_code sources_check(enum wn_role role, const struct wn_source *sources, size_t n_sources,
                             int64_t *out_inputs, int64_t *out_outputs, struct wn_error *err)
{
    const bool is_product = role == WN_ROLE_PRODUCT || role == WN_ROLE_HEAD;
    WN_CHECK(n_sources >= 1, err, WN_DEFECT, "weight_pack: no source");
    int64_t inputs = is_product ? wn_source_inputs(&sources[0]) : sources[0].n_rows;
    int64_t outputs = 0;
    for (size_t s = 0; s < n_sources; s++) {
        const struct wn_source *source = &sources[s];
        WN_CHECK(source->n_rows >= 1 && source->n_columns >= 1 && source->first_row >= 0 &&
                     source->first_column >= 0 && source->first_column + source->n_columns <= source->columns,
                 err, WN_DEFECT, "weight_pack: source %zu is no slice of its tensor", s);
        WN_CHECK(!is_product || wn_source_inputs(source) == inputs, err, WN_DEFECT,
                 "weight_pack: source %zu has other inputs than the first", s);
        outputs += is_product ? wn_source_outputs(source) : source->n_columns;
    }
    WN_CHECK(inputs <= INT32_MAX && outputs <= INT32_MAX - WN_CPU_BLOCK, err, WN_DEFECT,
             "weight_pack: %lld x %lld is too large", (long long)inputs, (long long)outputs);
    *out_inputs = inputs;
    *out_outputs = outputs;
    return WN_OK;
}

wn_code wn_cpu_weight_pack(struct wn_device *device, enum wn_role role, const struct wn_source *sources,
                           size_t n_sources, const struct wn_weight **out_weight, struct wn_error *err)
{
    int64_t inputs = 0;
    int64_t outputs = 0;
    WN_TRY(sources_check(role, sources, n_sources, &inputs, &outputs, err));
    struct wn_weight *weight = calloc(1, sizeof *weight);
    WN_CHECK(weight != NULL, err, WN_DEVICE, "no memory for a weight");
    weight->next = device->weights; /* freed with the device, whole or not */
    device->weights = weight;
    weight->role = role;
    weight->inputs = (int32_t)inputs;
    weight->outputs = (int32_t)outputs;
    if (role == WN_ROLE_PRODUCT || role == WN_ROLE_HEAD) {
        WN_TRY(product_pack(device, weight, sources, n_sources, err));
    } else {
        WN_TRY(table_pack(weight, sources, n_sources, err));
    }
    *out_weight = weight;
    return WN_OK;
}

void wn_cpu_weights_free(struct wn_device *device)
{
    while (device->weights != NULL) {
        struct wn_weight *weight = device->weights;
        device->weights = weight->next;
        free(weight->data);
        free(weight);
    }
    while (device->plans != NULL) {
        struct wn_cpu_plan *entry = device->plans;
        device->plans = entry->next;
        device->kernel->plan_free(entry->plan);
        free(entry);
    }
}
