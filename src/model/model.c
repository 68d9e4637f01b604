/* The face of model: a checkpoint folder and a backend behind one handle.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/model.h"

#include "base/base.h"
#include "kernels/ops_cpu.h"
#include "model/forward.h"
#include "model/host.h"
#include "model/null_ops.h"
#include "model/parts.h"

#include <limits.h>
#include <stdlib.h>

enum {
    MAX_THREADS = 4096,
    MAX_BATCH_ROWS = 1 << 20,
    WANTED_ROWS = 1024,      /* N is at least this, where memory allows */
    MOST_WANTED_ROWS = 4096, /* and at most this, however long the paths are */
    SLOT_ROWS = 256
};

struct wn_model {
    struct wn_model_info info;
    struct wn_network *network;
};

enum device { DEVICE_CPU, DEVICE_NULL };

static int32_t round_up(int32_t n, int32_t to)
{
    return (n + to - 1) / to * to;
}

static int32_t least(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static bool is_one_of(const char *text, const char *const *names)
{
    while (*names != NULL && strcmp(text, *names) != 0) {
        ++names;
    }
    return *names != NULL;
}

/* Options that are wrong whatever the model is. */
static wn_code options_check(const struct wn_model_options *options, enum device *out_device,
                             struct wn_error *err)
{
    static const char *const devices[] = {"auto", "cpu", "cuda", "null", NULL};
    static const char *const dtypes[] = {"auto", "f32", "bf16", "f16", NULL};
    const char *const device = options->device == NULL ? "auto" : options->device;
    const char *const dtype = options->dtype == NULL ? "auto" : options->dtype;
    WN_CHECK(is_one_of(device, devices), err, WN_USAGE, "device '%s': must be auto, cpu or cuda", device);
    WN_CHECK(is_one_of(dtype, dtypes), err, WN_USAGE, "dtype '%s': must be auto, f32, bf16 or f16", dtype);
    WN_CHECK(options->threads >= 0 && options->threads <= MAX_THREADS, err, WN_USAGE,
             "threads %d: must be from 1 to %d, or 0 for all cores", (int)options->threads, (int)MAX_THREADS);
    WN_CHECK(options->batch_rows >= 0 && options->batch_rows <= MAX_BATCH_ROWS, err, WN_USAGE,
             "batch rows %d: must be from 1 to %d, or 0 for a choice by memory", (int)options->batch_rows,
             (int)MAX_BATCH_ROWS);
    WN_CHECK(options->max_path >= 0 && options->extra_slots >= 0, err, WN_USAGE,
             "longest path %d, extra slots %d: neither may be negative", (int)options->max_path,
             (int)options->extra_slots);
    WN_CHECK(strcmp(device, "cuda") != 0, err, WN_DEVICE,
             "device cuda: this build has no CUDA backend; use --device cpu, or auto");
    WN_CHECK(strcmp(dtype, "auto") == 0 || strcmp(dtype, "f32") == 0, err, WN_USAGE,
             "dtype %s: the CPU backend computes in f32 in this version; use --dtype f32, or auto", dtype);
    *out_device = strcmp(device, "null") == 0 ? DEVICE_NULL : DEVICE_CPU;
    return WN_OK;
}

wn_code wn_model_options_check(const struct wn_model_options *options, struct wn_error *err)
{
    enum device device = DEVICE_CPU;
    return options_check(options, &device, err);
}

/* Bytes that a row of a batch takes in the backend's buffers (ops.h, enum wn_buffer), and a row of a slot. */
static double row_bytes(const struct wn_config *c)
{
    const double inner = c->mlp == WN_MLP_GATED ? 3.0 * c->F : 2.0 * c->F;
    return 4 * (3.0 * c->C + (2.0 * c->H + 2.0 * c->G) * c->D + inner);
}

/* N: enough to keep all threads at work and to hold a usual path whole, no more than a quarter of the free
 * memory. */
static int32_t batch_rows_choose(const struct wn_config *config, const struct wn_network_limits *limits,
                                 int32_t R)
{
    int32_t N = least(limits->max_path, MOST_WANTED_ROWS);
    const int32_t busy = least(limits->threads, MOST_WANTED_ROWS / R) * R * 2;
    N = N < WANTED_ROWS ? WANTED_ROWS : N;
    N = round_up(N < busy ? busy : N, R);
    const double room = (double)wn_host_memory() / 4;
    while (N > R && (double)N * row_bytes(config) > room) {
        N = round_up(N / 2, R);
    }
    return N;
}

/* Slots for the shared headers, and, where a path does not fit a batch, for all its pieces but the last. Pieces are cut
 * at multiples of the key tile (pack.h), and every header begins one: so n headers that have together as many tokens
 * as fill k pieces need at most k + n - 1. */
static wn_code limits_choose(const struct wn_model_options *options, const struct wn_config *config,
                             const struct wn_ops *ops, struct wn_network_limits *limits, struct wn_error *err)
{
    const int32_t R = ops->row_tile;
    const int32_t T = ops->key_tile;
    WN_CHECK(options->max_path <= config->positions, err, WN_USAGE,
             "longest path %d: the model has only %d positions; give at most that", (int)options->max_path,
             (int)config->positions);
    limits->max_path = options->max_path == 0 ? config->positions : options->max_path;
    limits->threads = options->threads == 0 ? wn_host_threads() : options->threads;
    limits->batch_rows =
        options->batch_rows == 0 ? batch_rows_choose(config, limits, R) : round_up(options->batch_rows, R);
    limits->slot_rows = round_up(least(limits->max_path, SLOT_ROWS), T);
    const int32_t usable = least(limits->slot_rows, limits->batch_rows) / T * T;
    const int32_t piece = usable < 1 ? limits->slot_rows : usable;
    const int32_t shared = least(limits->max_path, WN_MODEL_HEADER_TOKENS);
    const int32_t header = round_up(shared, piece) / piece + WN_MODEL_HEADERS - 1;
    const int32_t chain =
        limits->batch_rows >= limits->max_path ? 0 : round_up(limits->max_path, piece) / piece - 1;
    WN_CHECK(options->extra_slots <= INT32_MAX - header - chain, err, WN_USAGE, "extra slots %d: too many",
             (int)options->extra_slots);
    limits->n_slots = header + chain + options->extra_slots;
    return WN_OK;
}

static void info_fill(struct wn_model_info *info, const struct wn_config *c,
                      const struct wn_network_limits *limits)
{
    info->family = c->family;
    info->L = c->L;
    info->C = c->C;
    info->H = c->H;
    info->G = c->G;
    info->D = c->D;
    info->F = c->F;
    info->V = c->V;
    info->positions = c->positions;
    info->n_slots = limits->n_slots;
    info->slot_rows = limits->slot_rows;
    info->threads = limits->threads;
}

/* Weights from the folder, or, for the backend that needs none, names and shapes alone. */
static wn_code network_open(struct wn_model *model, const char *folder, const struct wn_config *config,
                            const struct wn_network_limits *limits, enum device device,
                            const struct wn_log *log, struct wn_error *err)
{
    struct wn_checkpoint *checkpoint = NULL;
    struct wn_tensor *expected = NULL;
    size_t n = 0;
    const struct wn_tensor *tensors = NULL;
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_config_tensors(config, &expected, &n, err));
    wn_parameters_count(expected, n, &model->info.parameters, &model->info.body_parameters);
    tensors = expected;
    if (device != DEVICE_NULL) {
        WN_TRY_OR(done, wn_checkpoint_open(folder, &checkpoint, err));
        WN_TRY_OR(done, wn_checkpoint_check(checkpoint, config, log, err));
        n = wn_checkpoint_tensors(checkpoint, &tensors);
    }
    WN_TRY_OR(done, wn_checkpoint_hash(checkpoint, config, model->info.hash, err));
    WN_TRY_OR(done, wn_network_new(config, tensors, n, device == DEVICE_NULL ? wn_ops_null() : wn_ops_cpu(),
                                   limits, &model->network, err));
    wn_network_numeric(model->network, &model->info.numeric);
    model->info.batch_rows = wn_network_batch_rows(model->network);
done:
    wn_checkpoint_close(checkpoint);
    free(expected);
    return code;
}

wn_code wn_model_open(const char *path, const struct wn_model_options *options, struct wn_model **out_model,
                      struct wn_error *err)
{
    char folder[PATH_MAX];
    struct wn_config config;
    struct wn_network_limits limits = {0};
    enum device device = DEVICE_CPU;
    WN_TRY(options_check(options, &device, err));
    WN_TRY(wn_model_resolve(path, folder, sizeof folder, err));
    WN_TRY(wn_config_read(folder, &config, err));
    WN_TRY(
        limits_choose(options, &config, device == DEVICE_NULL ? wn_ops_null() : wn_ops_cpu(), &limits, err));
    struct wn_model *model = calloc(1, sizeof *model);
    WN_CHECK(model != NULL, err, WN_DEVICE, "no memory for a model");
    info_fill(&model->info, &config, &limits);
    const wn_code code = network_open(model, folder, &config, &limits, device, options->log, err);
    if (code != WN_OK) {
        wn_model_close(model);
        return code;
    }
    wn_log_info(options->log, "model: %s: %s, %lld parameters, %s, %d threads, batches of %d rows", folder,
                model->info.family, (long long)model->info.parameters, model->info.numeric.backend,
                (int)model->info.threads, (int)model->info.batch_rows);
    if (device == DEVICE_CPU && (options->device == NULL || strcmp(options->device, "auto") == 0)) {
        wn_log_info(options->log, "device: cpu (this build has no CUDA backend)");
    }
    *out_model = model;
    return WN_OK;
}

void wn_model_close(struct wn_model *model)
{
    if (model != NULL) {
        wn_network_free(model->network);
        free(model);
    }
}

const struct wn_model_info *wn_model_info(const struct wn_model *model)
{
    return &model->info;
}

wn_code wn_model_forward(struct wn_model *model, const struct wn_batch *batch, struct wn_value *values,
                         size_t n_values, float *pools, size_t n_pools, struct wn_error *err)
{
    return wn_network_forward(model->network, batch, values, n_values, pools, n_pools, err);
}

void wn_model_watch(struct wn_model *model, void (*moved)(void *context), void *context)
{
    wn_network_watch(model->network, moved, context);
}

double wn_model_flops(const struct wn_model_info *info, int64_t n, int64_t p, int64_t w)
{
    const double pairs = (double)n * (double)p + (double)n * ((double)n + 1) / 2;
    const double attention = 4.0 * info->H * info->D * info->L * pairs;
    return 2.0 * (double)info->body_parameters * (double)n + 2.0 * info->C * (double)info->V * (double)w +
           attention;
}
