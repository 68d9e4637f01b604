/* The forward pass: one loop over the layer table. See forward.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/forward.h"

#include "model/layers.h"
#include "model/paths.h"
#include "model/weights.h"

#include <stdlib.h>

struct wn_network {
    const struct wn_ops *ops;
    struct wn_device *device;
    struct wn_paths *paths;
    int32_t batch_rows;
    int32_t n_layers;
    struct wn_layer *layers; /* [n_layers] */
    struct wn_embedding embedding;
    struct wn_normalization final_norm;
    const struct wn_weight *head;
    void (*moved)(void *context); /* NULL: nobody watches */
    void *moved_context;
};

static wn_code limits_check(const struct wn_config *config, const struct wn_ops *ops,
                            const struct wn_network_limits *limits, struct wn_error *err)
{
    WN_CHECK(ops->version == WN_OPS_VERSION && ops->size >= sizeof(struct wn_ops), err, WN_DEVICE,
             "backend %s speaks version %u of the table, this program %d: install both from one build",
             ops->name, ops->version, WN_OPS_VERSION);
    WN_CHECK(
        limits->batch_rows >= 1 && limits->batch_rows <= INT32_MAX - ops->row_tile && limits->threads >= 1 &&
            limits->n_slots >= 0 && (limits->n_slots == 0 || limits->slot_rows >= 1) &&
            limits->max_path >= 1 && limits->max_path <= config->positions,
        err, WN_DEFECT, "network: limits out of range: %d rows, %d threads, %d slots of %d rows, paths of %d",
        limits->batch_rows, limits->threads, limits->n_slots, limits->slot_rows, limits->max_path);
    WN_CHECK(config->G >= 1 && config->H % config->G == 0 &&
                 (config->rope.kind == WN_ROPE_NONE || config->D % 2 == 0),
             err, WN_DEFECT, "network: %d heads, %d key heads, head size %d", config->H, config->G,
             config->D);
    return WN_OK;
}

/* Opens the backend with the rotary table of this configuration. */
static wn_code device_open(struct wn_network *network, const struct wn_config *config,
                           const struct wn_limits *limits, struct wn_error *err)
{
    struct wn_shape shape = wn_layer_shape(config);
    if (shape.n_rotary == 0) {
        return network->ops->open(&shape, limits, &network->device, err);
    }
    const size_t n = (size_t)limits->max_path * ((size_t)config->D / 2);
    float *cosine = calloc(n, sizeof *cosine);
    float *sine = calloc(n, sizeof *sine);
    wn_code code = WN_OK;
    if (cosine == NULL || sine == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "no memory for rotary tables of %d positions",
                            limits->max_path);
    } else {
        wn_layer_rotary(&config->rope, config->D, limits->max_path, cosine, sine);
        shape.rotary_cos = cosine;
        shape.rotary_sin = sine;
        code = network->ops->open(&shape, limits, &network->device, err);
    }
    free(cosine);
    free(sine);
    return code;
}

static wn_code weights_read(struct wn_network *network, const struct wn_weight_reader *reader,
                            struct wn_error *err)
{
    const struct wn_config *config = reader->config;
    network->layers = calloc((size_t)config->L, sizeof *network->layers);
    WN_CHECK(network->layers != NULL, err, WN_DEVICE, "no memory for %d layers", config->L);
    network->n_layers = config->L;
    for (int32_t l = 0; l < config->L; l++) {
        network->layers[l] = wn_layer_new(config, l);
        WN_TRY(wn_weights_layer(reader, l, &network->layers[l], err));
    }
    struct wn_outer_weights outer;
    WN_TRY(wn_weights_outer(reader, &outer, err));
    network->embedding = outer.embedding;
    network->head = outer.head;
    network->final_norm = wn_layer_final_norm(config);
    network->final_norm.weight = outer.final_weight;
    network->final_norm.bias = outer.final_bias;
    return WN_OK;
}

static wn_code network_fill(struct wn_network *network, struct wn_weight_reader *reader,
                            const struct wn_network_limits *limits, struct wn_error *err)
{
    const struct wn_config *config = reader->config;
    const int32_t R = network->ops->row_tile;
    network->batch_rows = (limits->batch_rows + R - 1) / R * R;
    const struct wn_limits device_limits = {
        .batch_rows = network->batch_rows,
        .threads = limits->threads,
        .n_slots = limits->n_slots,
        .slot_rows = limits->slot_rows,
        .max_path = limits->max_path,
    };
    const struct wn_paths_limits paths_limits = {
        .batch_rows = network->batch_rows,
        .n_slots = limits->n_slots,
        .slot_rows = limits->slot_rows,
        .max_path = limits->max_path,
        .V = config->V,
    };
    WN_TRY(wn_paths_new(&paths_limits, &network->paths, err));
    WN_TRY(device_open(network, config, &device_limits, err));
    reader->device = network->device;
    return weights_read(network, reader, err);
}

wn_code wn_network_new(const struct wn_config *config, const struct wn_tensor *tensors, size_t n_tensors,
                       const struct wn_ops *ops, const struct wn_network_limits *limits,
                       struct wn_network **out_network, struct wn_error *err)
{
    WN_TRY(limits_check(config, ops, limits, err));
    struct wn_network *network = calloc(1, sizeof *network);
    WN_CHECK(network != NULL, err, WN_DEVICE, "no memory for a network");
    network->ops = ops;
    struct wn_weight_reader reader = {config, tensors, n_tensors, ops, NULL};
    const wn_code code = network_fill(network, &reader, limits, err);
    if (code != WN_OK) {
        wn_network_free(network);
        return code;
    }
    *out_network = network;
    return WN_OK;
}

void wn_network_free(struct wn_network *network)
{
    if (network != NULL) {
        if (network->device != NULL) {
            network->ops->close(network->device);
        }
        wn_paths_free(network->paths);
        free(network->layers);
        free(network);
    }
}

void wn_network_numeric(const struct wn_network *network, struct wn_numeric_class *out_numeric)
{
    network->ops->numeric(network->device, out_numeric);
}

int32_t wn_network_batch_rows(const struct wn_network *network)
{
    return network->batch_rows;
}

void wn_network_watch(struct wn_network *network, void (*moved)(void *context), void *context)
{
    network->moved = moved;
    network->moved_context = context;
}

static void tell_moved(const struct wn_network *network)
{
    if (network->moved != NULL) {
        network->moved(network->moved_context);
    }
}

static void layer_run(const struct wn_ops *ops, struct wn_device *device, const struct wn_layer *layer)
{
    ops->add_norm(device, &layer->before_attention, WN_BUFFER_NORMED);
    ops->matmul(device, &layer->qkv);
    ops->qkv_post(device, &layer->attending);
    ops->attention(device, &layer->attending);
    ops->matmul(device, &layer->out);
    ops->add_norm(device, &layer->before_mlp, WN_BUFFER_NORMED);
    ops->matmul(device, &layer->up);
    if (layer->is_gated) {
        ops->gated_act(device, layer->gate);
    }
    ops->matmul(device, &layer->down);
}

wn_code wn_network_forward(struct wn_network *network, const struct wn_batch *batch, struct wn_value *values,
                           size_t n_values, float *pools, size_t n_pools, struct wn_error *err)
{
    const struct wn_ops *ops = network->ops;
    struct wn_device *device = network->device;
    const struct wn_plan *plan = NULL;
    WN_TRY(wn_paths_plan(network->paths, batch, n_values, n_pools, &plan, err));
    WN_TRY(ops->batch_begin(device, plan, err));
    ops->embed(device, &network->embedding);
    for (int32_t l = 0; l < network->n_layers; l++) {
        layer_run(ops, device, &network->layers[l]);
        tell_moved(network);
    }
    ops->add_norm(device, &network->final_norm, WN_BUFFER_FINAL);
    ops->score_rows(device, network->head);
    ops->pool_rows(device);
    WN_TRY(ops->batch_end(device, values, pools, err));
    wn_paths_commit(network->paths);
    tell_moved(network);
    return WN_OK;
}
