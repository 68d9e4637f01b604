/* Inside model: tensors of a checkpoint -> packed weights, layer by layer.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_MODEL_WEIGHTS_H
#define WINNOW_MODEL_WEIGHTS_H

#include "model/layers.h"
#include "model/parts.h"
#include "winnow/ops.h"

#include <stddef.h>

/* What is outside the layers. */
struct wn_outer_weights {
    struct wn_embedding embedding;
    const struct wn_weight *head;
    const struct wn_weight *final_weight, *final_bias; /* bias: NULL where the norm has none */
};

struct wn_weight_reader {
    const struct wn_config *config;
    const struct wn_tensor *tensors; /* borrowed, as are their data, while weights are packed */
    size_t n_tensors;
    const struct wn_ops *ops;
    struct wn_device *device;
};

/* Pack the weights of layer `l` into `layer` (as wn_layer_new made it): Q, K and V side by side in one
 * product, gate and up likewise. WN_MODEL: a tensor is missing or has another shape, by name; WN_DEVICE: no
 * memory. */
wn_code wn_weights_layer(const struct wn_weight_reader *reader, int32_t l, struct wn_layer *layer,
                         struct wn_error *err);
wn_code wn_weights_outer(const struct wn_weight_reader *reader, struct wn_outer_weights *out_weights,
                         struct wn_error *err);

#endif
