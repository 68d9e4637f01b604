/* Inside model: the layer table, made from the configuration. What a family is, is in this table, as data.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_MODEL_LAYERS_H
#define WINNOW_MODEL_LAYERS_H

#include "model/parts.h"
#include "winnow/ops.h"

/* One layer as the backend's operations want it; weights.h fills in the weights. */
struct wn_layer {
    struct wn_normalization before_attention, before_mlp;
    struct wn_product qkv, out;
    struct wn_attending attending;
    struct wn_product up, down; /* up: gate and up side by side where is_gated */
    bool is_gated;
    enum wn_function gate; /* of gated_act */
};

/* Layer number `l` of `config`, without weights. */
struct wn_layer wn_layer_new(const struct wn_config *config, int32_t l);

/* The final norm, without weights. */
struct wn_normalization wn_layer_final_norm(const struct wn_config *config);

/* What the backend must know of the shape, without rotary tables. */
struct wn_shape wn_layer_shape(const struct wn_config *config);

/* cosine, sine [rows][D / 2] of the angles of path positions 0 .. rows - 1, D even. Inverse frequencies,
 * angles and results are rounded to float32 at the places where Hugging Face transformers rounds them (4.45
 * to 5.23: modeling_rope_utils.py: default, linear, llama3, yarn), whose YaRN scales cosine and sine by the
 * attention factor. */
void wn_layer_rotary(const struct wn_rope *rope, int32_t D, int32_t rows, float *cosine, float *sine);

#endif
