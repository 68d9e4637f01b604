/* The tensors of a checkpoint held against its configuration.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One table per form of network says which tensors there are and in which shape. What the table does not name
 * is ignored by an exact pattern or refused.
 */
#include "model/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN = 160, SHAPE_TEXT = 160 };

/* A dimension, as the configuration names it. */
enum dim { END, DIM_V, DIM_C, DIM_3C, DIM_F, DIM_P, DIM_HD, DIM_GD, DIM_D };
/* When a tensor is there. */
enum when { ALWAYS, IF_QKV_BIAS, IF_OUT_BIAS, IF_MLP_BIAS, IF_QK_NORM, IF_OWN_HEAD };

struct expected {
    const char *name; /* behind "h.l." or "layers.l." where is_layer */
    bool is_layer;
    enum when when;
    enum dim shape[3];
};

/* transformers models/gpt2/modeling_gpt2.py: Conv1D keeps its weight as [in][out]. */
static const struct expected gpt2_tensors[] = {
    {"wte.weight", false, ALWAYS, {DIM_V, DIM_C}},
    {"wpe.weight", false, ALWAYS, {DIM_P, DIM_C}},
    {"ln_1.weight", true, ALWAYS, {DIM_C}},
    {"ln_1.bias", true, ALWAYS, {DIM_C}},
    {"attn.c_attn.weight", true, ALWAYS, {DIM_C, DIM_3C}},
    {"attn.c_attn.bias", true, ALWAYS, {DIM_3C}},
    {"attn.c_proj.weight", true, ALWAYS, {DIM_C, DIM_C}},
    {"attn.c_proj.bias", true, ALWAYS, {DIM_C}},
    {"ln_2.weight", true, ALWAYS, {DIM_C}},
    {"ln_2.bias", true, ALWAYS, {DIM_C}},
    {"mlp.c_fc.weight", true, ALWAYS, {DIM_C, DIM_F}},
    {"mlp.c_fc.bias", true, ALWAYS, {DIM_F}},
    {"mlp.c_proj.weight", true, ALWAYS, {DIM_F, DIM_C}},
    {"mlp.c_proj.bias", true, ALWAYS, {DIM_C}},
    {"ln_f.weight", false, ALWAYS, {DIM_C}},
    {"ln_f.bias", false, ALWAYS, {DIM_C}},
    {"lm_head.weight", false, IF_OWN_HEAD, {DIM_V, DIM_C}},
};

/* transformers models/{llama,mistral,qwen2,qwen3}: Linear keeps its weight as [out][in]. */
static const struct expected llama_tensors[] = {
    {"embed_tokens.weight", false, ALWAYS, {DIM_V, DIM_C}},
    {"input_layernorm.weight", true, ALWAYS, {DIM_C}},
    {"self_attn.q_proj.weight", true, ALWAYS, {DIM_HD, DIM_C}},
    {"self_attn.k_proj.weight", true, ALWAYS, {DIM_GD, DIM_C}},
    {"self_attn.v_proj.weight", true, ALWAYS, {DIM_GD, DIM_C}},
    {"self_attn.o_proj.weight", true, ALWAYS, {DIM_C, DIM_HD}},
    {"self_attn.q_proj.bias", true, IF_QKV_BIAS, {DIM_HD}},
    {"self_attn.k_proj.bias", true, IF_QKV_BIAS, {DIM_GD}},
    {"self_attn.v_proj.bias", true, IF_QKV_BIAS, {DIM_GD}},
    {"self_attn.o_proj.bias", true, IF_OUT_BIAS, {DIM_C}},
    {"self_attn.q_norm.weight", true, IF_QK_NORM, {DIM_D}},
    {"self_attn.k_norm.weight", true, IF_QK_NORM, {DIM_D}},
    {"post_attention_layernorm.weight", true, ALWAYS, {DIM_C}},
    {"mlp.gate_proj.weight", true, ALWAYS, {DIM_F, DIM_C}},
    {"mlp.up_proj.weight", true, ALWAYS, {DIM_F, DIM_C}},
    {"mlp.down_proj.weight", true, ALWAYS, {DIM_C, DIM_F}},
    {"mlp.gate_proj.bias", true, IF_MLP_BIAS, {DIM_F}},
    {"mlp.up_proj.bias", true, IF_MLP_BIAS, {DIM_F}},
    {"mlp.down_proj.bias", true, IF_MLP_BIAS, {DIM_C}},
    {"norm.weight", false, ALWAYS, {DIM_C}},
    {"lm_head.weight", false, IF_OWN_HEAD, {DIM_V, DIM_C}},
};

struct table {
    const struct expected *items;
    size_t n;
    const char *prefix; /* of the family's base model */
    const char *layers; /* what stands before a layer's number */
};

struct check {
    struct wn_checkpoint *checkpoint;
    const struct wn_config *config;
    struct table table;
    bool *is_used; /* [list.n] */
    struct wn_error *err;
};

static struct table table_of(const struct wn_config *config)
{
    return strcmp(config->family, "gpt2") == 0
               ? (struct table){gpt2_tensors, sizeof gpt2_tensors / sizeof *gpt2_tensors, "transformer.",
                                "h."}
               : (struct table){llama_tensors, sizeof llama_tensors / sizeof *llama_tensors, "model.",
                                "layers."};
}

static int64_t dim_value(const struct wn_config *config, enum dim dim)
{
    switch (dim) {
    case DIM_V:
        return config->V;
    case DIM_C:
        return config->C;
    case DIM_3C:
        return (int64_t)3 * config->C;
    case DIM_F:
        return config->F;
    case DIM_P:
        return config->positions;
    case DIM_HD:
        return (int64_t)config->H * config->D;
    case DIM_GD:
        return (int64_t)config->G * config->D;
    case DIM_D:
        return config->D;
    case END:
        break;
    }
    return 0;
}

/* The fields of config.json that a dimension comes from, for messages. */
static const char *dim_field(const struct check *check, enum dim dim)
{
    const bool is_gpt2 = check->table.items == gpt2_tensors;
    switch (dim) {
    case DIM_V:
        return "vocab_size";
    case DIM_C:
        return is_gpt2 ? "n_embd" : "hidden_size";
    case DIM_3C:
        return "3 x n_embd";
    case DIM_F:
        return is_gpt2 ? "n_inner (or 4 x n_embd)" : "intermediate_size";
    case DIM_P:
        return "n_positions";
    case DIM_HD:
        return "num_attention_heads x head_dim";
    case DIM_GD:
        return "num_key_value_heads x head_dim";
    case DIM_D:
        return "head_dim";
    case END:
        break;
    }
    return "";
}

static bool is_expected(const struct wn_config *config, enum when when)
{
    switch (when) {
    case IF_QKV_BIAS:
        return config->has_qkv_bias;
    case IF_OUT_BIAS:
        return config->has_out_bias;
    case IF_MLP_BIAS:
        return config->has_mlp_bias;
    case IF_QK_NORM:
        return config->has_qk_norm;
    case IF_OWN_HEAD:
        return !config->has_tied_head;
    case ALWAYS:
        break;
    }
    return true;
}

/* The name without the base prefix. */
static struct wn_span canonical(const struct check *check, const struct wn_stored *stored)
{
    const struct wn_span name = wn_stored_name(stored);
    const size_t n = strlen(check->table.prefix);
    const bool has = name.size > n && memcmp(name.data, check->table.prefix, n) == 0;
    return has ? (struct wn_span){name.data + n, name.size - n} : name;
}

/* The entry with exactly this name, or NULL. The list is sorted by name as stored. */
static struct wn_stored *stored_find(const struct check *check, const char *prefix, const char *name)
{
    char full[WN_TENSOR_NAME + 16];
    (void)snprintf(full, sizeof full, "%s%s", prefix, name);
    const struct wn_stored_list *const list = &check->checkpoint->list;
    size_t low = 0;
    size_t high = list->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = wn_span_compare(wn_stored_name(&list->items[middle]), wn_span_of(full));
        if (order == 0) {
            return &list->items[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static void shape_text(const int64_t *shape, int n, char out[SHAPE_TEXT])
{
    size_t used = 0;
    for (int i = 0; i < n && used < SHAPE_TEXT - 24; ++i) {
        used += (size_t)snprintf(out + used, SHAPE_TEXT - used, "%s%" PRId64, i == 0 ? "" : ", ", shape[i]);
    }
    out[used] = '\0';
}

/* The stored tensor of a canonical name, with or without the prefix; *out is NULL where there is none. The
 * head is no part of the base model, so it never has the prefix. */
static wn_code tensor_find(const struct check *check, const char *name, struct wn_stored **out)
{
    struct wn_stored *const plain = stored_find(check, "", name);
    const bool may_prefix = strcmp(name, "lm_head.weight") != 0;
    struct wn_stored *const prefixed = may_prefix ? stored_find(check, check->table.prefix, name) : NULL;
    *out = plain != NULL ? plain : prefixed;
    WN_CHECK(plain == NULL || prefixed == NULL, check->err, WN_MODEL,
             "%s: tensor '%s' is there twice, with and without the prefix '%s': which of the two is meant is "
             "unknown; save "
             "the model again",
             check->checkpoint->maps[plain->file].path, name, check->table.prefix);
    return WN_OK;
}

static wn_code fail_absent(const struct check *check, const char *name)
{
    const char *const folder = check->checkpoint->folder;
    WN_CHECK(strcmp(name, "lm_head.weight") != 0, check->err, WN_MODEL,
             "%s: tensor 'lm_head.weight' is missing and config.json does not tie it to the embedding (field "
             "'tie_word_embeddings' is false): copy the whole checkpoint, or set the field to true if the "
             "two are shared",
             folder);
    WN_FAIL(check->err, WN_MODEL,
            "%s: tensor '%s' is missing from the weights, but config.json asks for it (%s has %d layers): "
            "the checkpoint is "
            "incomplete, or config.json belongs to another one",
            folder, name, check->config->family, (int)check->config->L);
}

/* The canonical name and the shape of an expected tensor; its type and bytes are left out. */
static struct wn_tensor tensor_expect(const struct wn_config *config, const struct expected *expected,
                                      int32_t layer)
{
    struct wn_tensor tensor = {.dtype = WN_F32, .data = NULL};
    if (expected->is_layer) {
        (void)snprintf(tensor.name, sizeof tensor.name, "%s%d.%s", table_of(config).layers, (int)layer,
                       expected->name);
    } else {
        (void)snprintf(tensor.name, sizeof tensor.name, "%s", expected->name);
    }
    for (; expected->shape[tensor.n_dims] != END; ++tensor.n_dims) {
        tensor.shape[tensor.n_dims] = dim_value(config, expected->shape[tensor.n_dims]);
    }
    return tensor;
}

static const char *const type_names[] = {[WN_F32] = "F32", [WN_F16] = "F16", [WN_BF16] = "BF16"};
enum { N_TYPE_NAMES = 3 };

/* One expected tensor: found, of a type and shape that fit, added to the list of what is used. */
static wn_code tensor_take(const struct check *check, const struct expected *expected, int32_t layer)
{
    struct wn_checkpoint *const checkpoint = check->checkpoint;
    struct wn_tensor tensor = tensor_expect(check->config, expected, layer);
    const char *const name = tensor.name;
    struct wn_stored *stored = NULL;
    WN_TRY(tensor_find(check, name, &stored));
    if (stored == NULL) {
        return fail_absent(check, name);
    }
    const char *const path = checkpoint->maps[stored->file].path;
    const char *const type = wn_stored_type(stored);
    int dtype = 0;
    while (dtype < N_TYPE_NAMES && strcmp(type, type_names[dtype]) != 0) {
        ++dtype;
    }
    WN_CHECK(dtype < N_TYPE_NAMES, check->err, WN_MODEL,
             "%s: tensor '%s': field 'dtype' is %s; weights must be F32, F16 or BF16: save the model again "
             "in one of these",
             path, name, type);
    int64_t shape[WN_MAX_STORED_DIMS] = {0};
    wn_stored_shape(stored, checkpoint->maps[stored->file].bytes, shape, WN_MAX_STORED_DIMS);
    bool fits = tensor.n_dims == stored->n_dims;
    for (int32_t i = 0; fits && i < tensor.n_dims; ++i) {
        fits = shape[i] == tensor.shape[i];
    }
    char has[SHAPE_TEXT];
    char asks[SHAPE_TEXT];
    shape_text(shape, stored->n_dims, has);
    shape_text(tensor.shape, tensor.n_dims, asks);
    WN_CHECK(fits, check->err, WN_MODEL,
             "%s: tensor '%s': field 'shape' is [%s], but config.json makes it [%s] (%s%s%s): config.json "
             "belongs to another "
             "checkpoint, or one of the two is damaged",
             path, name, has, asks, dim_field(check, expected->shape[0]), tensor.n_dims > 1 ? ", " : "",
             tensor.n_dims > 1 ? dim_field(check, expected->shape[1]) : "");
    tensor.dtype = (enum wn_dtype)dtype;
    tensor.data = checkpoint->data[stored->file].data + stored->begin;
    tensor.size = (size_t)(stored->end - stored->begin);
    check->is_used[stored - checkpoint->list.items] = true;
    checkpoint->tensors[checkpoint->n_tensors++] = tensor;
    return WN_OK;
}

static wn_code tensors_take(const struct check *check)
{
    const struct wn_config *const config = check->config;
    const size_t room = check->table.n * ((size_t)config->L + 1);
    free(check->checkpoint->tensors);
    check->checkpoint->n_tensors = 0;
    check->checkpoint->tensors = calloc(room, sizeof *check->checkpoint->tensors);
    WN_CHECK(check->checkpoint->tensors != NULL, check->err, WN_DEVICE, "no memory for %zu tensors", room);
    for (size_t i = 0; i < check->table.n; ++i) {
        const struct expected *const expected = &check->table.items[i];
        if (!is_expected(config, expected->when)) {
            continue;
        }
        for (int32_t layer = 0; layer < (expected->is_layer ? config->L : 1); ++layer) {
            WN_TRY(tensor_take(check, expected, layer));
        }
    }
    return WN_OK;
}

/* A head that is tied may be stored all the same; it must then be the embedding. */
static wn_code head_check(const struct check *check)
{
    struct wn_checkpoint *const checkpoint = check->checkpoint;
    const struct wn_stored *const head = stored_find(check, "", "lm_head.weight");
    if (head == NULL || !check->config->has_tied_head) {
        return WN_OK;
    }
    const struct wn_tensor *const embedding = &checkpoint->tensors[0]; /* the first of both tables */
    const size_t size = (size_t)(head->end - head->begin);
    const char *const data = checkpoint->data[head->file].data + head->begin;
    int64_t shape[WN_MAX_STORED_DIMS] = {0};
    wn_stored_shape(head, checkpoint->maps[head->file].bytes, shape, WN_MAX_STORED_DIMS);
    const bool is_same = head->n_dims == 2 && shape[0] == embedding->shape[0] &&
                         shape[1] == embedding->shape[1] &&
                         strcmp(wn_stored_type(head), type_names[embedding->dtype]) == 0 &&
                         size == embedding->size && memcmp(data, embedding->data, size) == 0;
    WN_CHECK(is_same, check->err, WN_MODEL,
             "%s: tensor 'lm_head.weight' differs from '%s', but config.json ties the two (field "
             "'tie_word_embeddings'): set "
             "the field to false if the model has a head of its own",
             checkpoint->maps[head->file].path, embedding->name);
    return WN_OK;
}

/* "h.N." with N < L at the start of `name`: the size of that, or 0. */
static size_t layer_size(const struct check *check, struct wn_span name)
{
    const size_t n = strlen(check->table.layers);
    if (name.size <= n || memcmp(name.data, check->table.layers, n) != 0) {
        return 0;
    }
    int32_t layer = 0;
    size_t at = n;
    while (at < name.size && name.data[at] >= '0' && name.data[at] <= '9' && at - n < 5) {
        layer = layer * 10 + (name.data[at++] - '0');
    }
    const bool is_number = at > n && (at == n + 1 || name.data[n] != '0');
    return is_number && layer < check->config->L && at < name.size && name.data[at] == '.' ? at + 1 : 0;
}

static const char equal_head[] = "lm_head.weight (equal to the embedding)";

/* Buffers that old checkpoints carry and that hold nothing learnt, by exact pattern; and a head that head_check
 * has found equal to the embedding. */
static const char *ignored_as(const struct check *check, const struct wn_stored *stored)
{
    const struct wn_span name = canonical(check, stored);
    const size_t n = layer_size(check, name);
    if (check->config->has_tied_head && wn_span_is(wn_stored_name(stored), "lm_head.weight")) {
        return equal_head;
    }
    if (check->table.items == gpt2_tensors) {
        const struct wn_span rest = {name.data + n, name.size - n};
        return n == 0                                 ? NULL
               : wn_span_is(rest, "attn.bias")        ? "h.N.attn.bias"
               : wn_span_is(rest, "attn.masked_bias") ? "h.N.attn.masked_bias"
                                                      : NULL;
    }
    static const char buffer[] = "rotary_emb.inv_freq";
    const size_t size = sizeof buffer - 1;
    const bool ends = name.size >= size && memcmp(name.data + name.size - size, buffer, size) == 0;
    return ends && (name.size == size || name.data[name.size - size - 1] == '.') ? "*.rotary_emb.inv_freq"
                                                                                 : NULL;
}

static void ignored_log(const size_t *counts, const char *const *patterns, size_t n, const struct wn_log *log)
{
    char text[256] = "";
    size_t used = 0;
    for (size_t p = 0; p < n; ++p) {
        if (counts[p] > 0) {
            used +=
                (size_t)snprintf(text + used, sizeof text - used, "%s%s", used == 0 ? "" : ", ", patterns[p]);
        }
        if (counts[p] > 1) {
            used += (size_t)snprintf(text + used, sizeof text - used, " (%zu)", counts[p]);
        }
    }
    if (used > 0) {
        wn_log_info(log, "model: tensors that need not be read: %s", text);
    }
}

/* What is not used must be ignored for a reason. */
static wn_code rest_check(const struct check *check, const struct wn_log *log)
{
    static const char *const patterns[] = {"h.N.attn.bias", "h.N.attn.masked_bias", "*.rotary_emb.inv_freq",
                                           equal_head};
    enum { N_PATTERNS = sizeof patterns / sizeof *patterns };
    size_t counts[N_PATTERNS] = {0};
    struct wn_checkpoint *const checkpoint = check->checkpoint;
    const struct wn_stored_list *const list = &checkpoint->list;
    free(checkpoint->ignored);
    checkpoint->n_ignored = 0;
    checkpoint->ignored = calloc(list->n + 1, sizeof *checkpoint->ignored);
    WN_CHECK(checkpoint->ignored != NULL, check->err, WN_DEVICE, "no memory for the tensor table");
    for (size_t i = 0; i < list->n; ++i) {
        if (check->is_used[i]) {
            continue;
        }
        const char *const pattern = ignored_as(check, &list->items[i]);
        char shown[SHOWN];
        WN_CHECK(pattern != NULL, check->err, WN_MODEL,
                 "%s: tensor '%s' is unknown: a %s model of %d layers with this config.json has no such "
                 "tensor; the checkpoint "
                 "is of another kind, or config.json belongs to another one",
                 checkpoint->maps[list->items[i].file].path,
                 wn_cursor_show(wn_stored_name(&list->items[i]), shown, sizeof shown), check->config->family,
                 (int)check->config->L);
        for (size_t p = 0; p < N_PATTERNS; ++p) {
            counts[p] += strcmp(pattern, patterns[p]) == 0;
        }
        checkpoint->ignored[checkpoint->n_ignored++] = i;
    }
    ignored_log(counts, patterns, N_PATTERNS, log);
    return WN_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct wn_tensor *)a)->name, ((const struct wn_tensor *)b)->name);
}

wn_code wn_checkpoint_check(struct wn_checkpoint *checkpoint, const struct wn_config *config,
                            const struct wn_log *log, struct wn_error *err)
{
    const struct check check = {.checkpoint = checkpoint,
                                .config = config,
                                .table = table_of(config),
                                .is_used = calloc(checkpoint->list.n + 1, sizeof(bool)),
                                .err = err};
    WN_CHECK(check.is_used != NULL, err, WN_DEVICE, "no memory for the tensor table");
    wn_code code = WN_OK;
    WN_TRY_OR(done, tensors_take(&check));
    WN_TRY_OR(done, head_check(&check));
    WN_TRY_OR(done, rest_check(&check, log));
    qsort(checkpoint->tensors, checkpoint->n_tensors, sizeof *checkpoint->tensors, compare_names);
done:
    free(check.is_used);
    if (code != WN_OK) {
        checkpoint->n_tensors = 0;
        checkpoint->n_ignored = 0;
    }
    return code;
}

wn_code wn_config_tensors(const struct wn_config *config, struct wn_tensor **out_tensors, size_t *out_n,
                          struct wn_error *err)
{
    const struct table table = table_of(config);
    struct wn_tensor *const tensors = calloc(table.n * ((size_t)config->L + 1), sizeof *tensors);
    WN_CHECK(tensors != NULL, err, WN_DEVICE, "no memory for the tensor table");
    size_t n = 0;
    for (size_t i = 0; i < table.n; ++i) {
        const int32_t layers = !is_expected(config, table.items[i].when) ? 0
                               : table.items[i].is_layer                 ? config->L
                                                                         : 1;
        for (int32_t layer = 0; layer < layers; ++layer) {
            tensors[n++] = tensor_expect(config, &table.items[i], layer);
        }
    }
    *out_tensors = tensors;
    *out_n = n;
    return WN_OK;
}
