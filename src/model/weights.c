/* Tensors -> packed weights: see weights.h. Names stand in two tables; nothing else knows them.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/weights.h"

#include <stdio.h>
#include <string.h>

/* Canonical names (parts.h) without ".weight" and ".bias"; those of a layer follow "PREFIX.l.". */
struct names {
    const char *tokens, *positions, *final_norm;
    const char *prefix, *before_attention, *before_mlp;
    const char *qkv[3]; /* one that holds all three, or three */
    const char *out;
    const char *up[2]; /* up; or gate, up */
    const char *down;
};

static const struct names gpt2_names = {
    .tokens = "wte",
    .positions = "wpe",
    .final_norm = "ln_f",
    .prefix = "h",
    .before_attention = "ln_1",
    .before_mlp = "ln_2",
    .qkv = {"attn.c_attn"},
    .out = "attn.c_proj",
    .up = {"mlp.c_fc"},
    .down = "mlp.c_proj",
};

static const struct names llama_names = {
    .tokens = "embed_tokens",
    .final_norm = "norm",
    .prefix = "layers",
    .before_attention = "input_layernorm",
    .before_mlp = "post_attention_layernorm",
    .qkv = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
    .out = "self_attn.o_proj",
    .up = {"mlp.gate_proj", "mlp.up_proj"},
    .down = "mlp.down_proj",
};

static const struct names *names_of(const struct wn_config *config)
{
    return strcmp(config->family, "gpt2") == 0 ? &gpt2_names : &llama_names;
}

static const struct wn_tensor *tensor_find(const struct wn_weight_reader *reader, const char *name)
{
    for (size_t i = 0; i < reader->n_tensors; i++) {
        if (strcmp(reader->tensors[i].name, name) == 0) {
            return &reader->tensors[i];
        }
    }
    return NULL;
}

static enum wn_element element_of(enum wn_dtype dtype)
{
    switch (dtype) {
    case WN_F16:
        return WN_ELEMENT_F16;
    case WN_BF16:
        return WN_ELEMENT_BF16;
    default:
        return WN_ELEMENT_F32;
    }
}

/* The whole tensor `name` as a matrix of rows x columns, or as a vector where rows is 0. */
static wn_code source_find(const struct wn_weight_reader *reader, const char *name, int64_t rows,
                           int64_t columns, struct wn_source *out_source, struct wn_error *err)
{
    const struct wn_tensor *tensor = tensor_find(reader, name);
    WN_CHECK(tensor != NULL, err, WN_MODEL, "the checkpoint has no tensor %s", name);
    const bool is_right =
        rows == 0 ? tensor->n_dims == 1 && tensor->shape[0] == columns
                  : tensor->n_dims == 2 && tensor->shape[0] == rows && tensor->shape[1] == columns;
    WN_CHECK(is_right, err, WN_MODEL,
             "tensor %s has another shape than config.json says: %lld x %lld expected", name,
             (long long)(rows == 0 ? 1 : rows), (long long)columns);
    *out_source = (struct wn_source){
        .data = tensor->data,
        .element = element_of(tensor->dtype),
        .columns = columns,
        .n_rows = rows == 0 ? 1 : rows,
        .n_columns = columns,
    };
    return WN_OK;
}

static wn_code pack(const struct wn_weight_reader *reader, enum wn_role role, const struct wn_source *sources,
                    size_t n, const struct wn_weight **out_weight, struct wn_error *err)
{
    return reader->ops->weight_pack(reader->device, role, sources, n, out_weight, err);
}

static wn_code name_make(const char *stem, int32_t l, const char *part, const char *kind,
                         char out[WN_TENSOR_NAME], struct wn_error *err)
{
    const int n = stem == NULL ? snprintf(out, WN_TENSOR_NAME, "%s.%s", part, kind)
                               : snprintf(out, WN_TENSOR_NAME, "%s.%d.%s.%s", stem, l, part, kind);
    WN_CHECK(n > 0 && n < WN_TENSOR_NAME, err, WN_DEFECT, "a tensor's name is too long");
    return WN_OK;
}

/* A vector of n numbers; stem NULL: outside the layers. */
static wn_code vector_pack(const struct wn_weight_reader *reader, const char *stem, int32_t l,
                           const char *part, const char *kind, int64_t n, const struct wn_weight **out_weight,
                           struct wn_error *err)
{
    char name[WN_TENSOR_NAME];
    struct wn_source source;
    WN_TRY(name_make(stem, l, part, kind, name, err));
    WN_TRY(source_find(reader, name, 0, n, &source, err));
    return pack(reader, WN_ROLE_VECTOR, &source, 1, out_weight, err);
}

/* What a product is made of: parts side by side, each with its number of outputs. */
struct parts {
    const char *const *names;
    int64_t outputs[3];
    size_t n;
    int64_t inputs;
    bool has_bias;
};

/* Weight and, where there is one, bias of part i. */
static wn_code part_find(const struct wn_weight_reader *reader, int32_t l, const struct parts *parts,
                         size_t i, struct wn_source *out_weight, struct wn_source *out_bias,
                         struct wn_error *err)
{
    const char *prefix = names_of(reader->config)->prefix;
    const bool is_transposed = reader->config->is_transposed;
    const int64_t outputs = parts->outputs[i];
    char name[WN_TENSOR_NAME];
    WN_TRY(name_make(prefix, l, parts->names[i], "weight", name, err));
    WN_TRY(source_find(reader, name, is_transposed ? parts->inputs : outputs,
                       is_transposed ? outputs : parts->inputs, out_weight, err));
    out_weight->is_transposed = is_transposed;
    if (parts->has_bias) {
        WN_TRY(name_make(prefix, l, parts->names[i], "bias", name, err));
        WN_TRY(source_find(reader, name, 0, outputs, out_bias, err));
    }
    return WN_OK;
}

static wn_code product_pack(const struct wn_weight_reader *reader, int32_t l, const struct parts *parts,
                            struct wn_product *product, struct wn_error *err)
{
    struct wn_source weights[3];
    struct wn_source biases[3];
    for (size_t i = 0; i < parts->n; i++) {
        WN_TRY(part_find(reader, l, parts, i, &weights[i], &biases[i], err));
    }
    WN_TRY(pack(reader, WN_ROLE_PRODUCT, weights, parts->n, &product->weight, err));
    if (parts->has_bias) {
        WN_TRY(pack(reader, WN_ROLE_VECTOR, biases, parts->n, &product->bias, err));
    }
    return WN_OK;
}

static wn_code norm_pack(const struct wn_weight_reader *reader, const char *stem, int32_t l, const char *part,
                         struct wn_normalization *norm, struct wn_error *err)
{
    const int64_t C = reader->config->C;
    WN_TRY(vector_pack(reader, stem, l, part, "weight", C, &norm->weight, err));
    if (norm->kind == WN_NORM_OF_LAYER) {
        WN_TRY(vector_pack(reader, stem, l, part, "bias", C, &norm->bias, err));
    }
    return WN_OK;
}

static wn_code attention_pack(const struct wn_weight_reader *reader, int32_t l, struct wn_layer *layer,
                              struct wn_error *err)
{
    const struct wn_config *config = reader->config;
    const struct names *names = names_of(config);
    const int64_t queries = (int64_t)config->H * config->D;
    const int64_t keys = (int64_t)config->G * config->D;
    struct parts qkv = {names->qkv, {queries, keys, keys}, 3, config->C, config->has_qkv_bias};
    if (names->qkv[1] == NULL) {
        qkv.outputs[0] = queries + 2 * keys;
        qkv.n = 1;
    }
    WN_TRY(product_pack(reader, l, &qkv, &layer->qkv, err));
    if (config->has_qk_norm) {
        WN_TRY(vector_pack(reader, names->prefix, l, "self_attn.q_norm", "weight", config->D,
                           &layer->attending.query_norm, err));
        WN_TRY(vector_pack(reader, names->prefix, l, "self_attn.k_norm", "weight", config->D,
                           &layer->attending.key_norm, err));
    }
    const struct parts out = {&names->out, {config->C}, 1, queries, config->has_out_bias};
    return product_pack(reader, l, &out, &layer->out, err);
}

wn_code wn_weights_layer(const struct wn_weight_reader *reader, int32_t l, struct wn_layer *layer,
                         struct wn_error *err)
{
    const struct wn_config *config = reader->config;
    const struct names *names = names_of(config);
    WN_TRY(norm_pack(reader, names->prefix, l, names->before_attention, &layer->before_attention, err));
    WN_TRY(attention_pack(reader, l, layer, err));
    WN_TRY(norm_pack(reader, names->prefix, l, names->before_mlp, &layer->before_mlp, err));
    const struct parts up = {
        names->up, {config->F, config->F}, layer->is_gated ? 2 : 1, config->C, config->has_mlp_bias};
    WN_TRY(product_pack(reader, l, &up, &layer->up, err));
    const struct parts down = {&names->down, {config->C}, 1, config->F, config->has_mlp_bias};
    return product_pack(reader, l, &down, &layer->down, err);
}

static wn_code table_pack(const struct wn_weight_reader *reader, const char *part, enum wn_role role,
                          int64_t rows, const struct wn_weight **out_weight, struct wn_error *err)
{
    char name[WN_TENSOR_NAME];
    struct wn_source source;
    WN_TRY(name_make(NULL, 0, part, "weight", name, err));
    WN_TRY(source_find(reader, name, rows, reader->config->C, &source, err));
    return pack(reader, role, &source, 1, out_weight, err);
}

wn_code wn_weights_outer(const struct wn_weight_reader *reader, struct wn_outer_weights *out_weights,
                         struct wn_error *err)
{
    const struct wn_config *config = reader->config;
    const struct names *names = names_of(config);
    struct wn_outer_weights weights = {0};
    WN_TRY(table_pack(reader, names->tokens, WN_ROLE_TABLE, config->V, &weights.embedding.tokens, err));
    if (config->has_position_table) {
        WN_TRY(table_pack(reader, names->positions, WN_ROLE_TABLE, config->positions,
                          &weights.embedding.positions, err));
    }
    WN_TRY(table_pack(reader, config->has_tied_head ? names->tokens : "lm_head", WN_ROLE_HEAD, config->V,
                      &weights.head, err));
    struct wn_normalization norm = wn_layer_final_norm(config);
    WN_TRY(norm_pack(reader, NULL, 0, names->final_norm, &norm, err));
    weights.final_weight = norm.weight;
    weights.final_bias = norm.bias;
    *out_weights = weights;
    return WN_OK;
}
