/* Inside model: what the two readers (config.json, safetensors) give to the rest, which knows no file format.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_MODEL_PARTS_H
#define WINNOW_MODEL_PARTS_H

#include "winnow/span.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

enum wn_dtype { WN_F32, WN_F16, WN_BF16 };

enum { WN_MAX_LAYERS = 1024, WN_MAX_DIMS = 4, WN_TENSOR_NAME = 128 };

/* Limits on what a checkpoint states. */
enum {
    WN_MAX_HEADER = 100000000, /* bytes of a safetensors header: the format's own limit */
    WN_MAX_TENSORS = 131072,   /* tensors of a checkpoint, over all shards */
    WN_MAX_STORED_DIMS = 8,    /* dimensions of any tensor in a file */
    WN_MAX_METADATA = 65536,   /* entries of __metadata__ */
    WN_MAX_SHARDS = 4096,
    WN_MAX_INDEX_BYTES = 1 << 26,  /* model.safetensors.index.json */
    WN_MAX_CONFIG_BYTES = 1 << 24, /* config.json */
    WN_MAX_VOCABULARY = 1 << 24,
    WN_MAX_CHANNELS = 1 << 18,
    WN_MAX_INNER = 1 << 22,
    WN_MAX_HEADS = 4096,
    WN_MAX_HEAD_SIZE = 4096,
    WN_MAX_POSITIONS = 1 << 24
};

enum wn_norm_kind { WN_NORM_LAYER /* LayerNorm with bias */, WN_NORM_RMS };
enum wn_mlp_kind { WN_MLP_PLAIN /* up, activation, down */, WN_MLP_GATED /* act(gate) x up, down */ };
enum wn_activation_kind {
    WN_ACT_GELU_TANH,  /* gelu_new, gelu_pytorch_tanh */
    WN_ACT_GELU_ERF,   /* gelu */
    WN_ACT_GELU_QUICK, /* quick_gelu: x sigmoid(1.702 x) */
    WN_ACT_SILU,
    WN_ACT_RELU
};
enum wn_rope_kind { WN_ROPE_NONE, WN_ROPE_DEFAULT, WN_ROPE_LINEAR, WN_ROPE_LLAMA3, WN_ROPE_YARN };

struct wn_rope {
    enum wn_rope_kind kind;
    double theta, factor;
    double low_freq_factor, high_freq_factor; /* llama3 */
    double beta_fast, beta_slow;              /* yarn */
    double attention_factor;       /* yarn: 0 = computed from factor (and mscale, mscale_all_dim) */
    double mscale, mscale_all_dim; /* yarn: 0 = not given */
    bool truncate;                 /* yarn: round the correction range */
    int32_t original_positions;
};

/* config.json, checked: every number in range. Family differences are data here, never branches later. */
struct wn_config {
    const char *family; /* constant text: "gpt2", "llama", "mistral", "qwen2", "qwen3" */
    int32_t L, C, H, G, D, F, V, positions;
    enum wn_norm_kind norm;
    double norm_eps;
    enum wn_mlp_kind mlp;
    enum wn_activation_kind activation;
    struct wn_rope rope;
    bool has_position_table; /* GPT-2: learned positions */
    bool has_qkv_bias, has_out_bias, has_mlp_bias, has_qk_norm, has_tied_head;
    bool is_transposed;            /* GPT-2 stores weights [in][out] (Conv1D); others [out][in] */
    double attention_scale;        /* 1 / sqrt(D), or 1 where scale_attn_weights is false */
    bool scale_by_layer;           /* GPT-2 scale_attn_by_inverse_layer_idx: scale / (layer + 1) */
    int32_t window[WN_MAX_LAYERS]; /* keys a token sees, itself included; 0 = all */
};

/* A tensor of the checkpoint, by its canonical name: without the base prefix "transformer." or "model.". */
struct wn_tensor {
    char name[WN_TENSOR_NAME];
    enum wn_dtype dtype;
    int32_t n_dims;
    int64_t shape[WN_MAX_DIMS];
    const void *data; /* borrowed: the mapped file; little-endian, not necessarily aligned */
    size_t size;      /* bytes = product of shape x size of dtype, checked */
};

/* All tensors of a checkpoint, sorted by name; one owner of the mapped files. */
struct wn_checkpoint;
/* `folder`: resolved. model.safetensors, or shards by model.safetensors.index.json (the single file goes first, where
 * both are there). WN_MODEL naming file, tensor and field. Nothing is read but headers. */
wn_code wn_checkpoint_open(const char *folder, struct wn_checkpoint **out_checkpoint, struct wn_error *err);
void wn_checkpoint_close(struct wn_checkpoint *checkpoint);
/* The tensors that the configuration uses, sorted by name; none before wn_checkpoint_check gave WN_OK. */
size_t wn_checkpoint_tensors(const struct wn_checkpoint *checkpoint, const struct wn_tensor **out_tensors);

/* Read and check config.json of `folder`. */
wn_code wn_config_read(const char *folder, struct wn_config *out_config, struct wn_error *err);

/* Hold every tensor's shape against the configuration, drop what is ignored by exact pattern (listed in `log`), refuse
 * what is unknown or missing. On WN_OK every tensor that weights.c asks for exists with the right shape. */
struct wn_log;
wn_code wn_checkpoint_check(struct wn_checkpoint *checkpoint, const struct wn_config *config,
                            const struct wn_log *log, struct wn_error *err);

/* The tensors that `config` asks for: canonical names and shapes, dtype WN_F32, data NULL, size 0. In new memory
 * (free). For counting parameters, and for a backend that needs no weights. WN_DEVICE without memory. */
wn_code wn_config_tensors(const struct wn_config *config, struct wn_tensor **out_tensors, size_t *out_n,
                          struct wn_error *err);

/* Parameters of `tensors`, and those of the body: without embedding, positions and head. Added to what is there. */
void wn_parameters_count(const struct wn_tensor *tensors, size_t n, int64_t *parameters, int64_t *body);

/* XXH3-128 over the used configuration fields and all used tensors (canonical name, type, shape, bytes), after
 * wn_checkpoint_check; `checkpoint` NULL: over the configuration alone. The same for one file or shards, with or
 * without the base prefix. Reads every byte of the weights. WN_DEVICE without memory. */
wn_code wn_checkpoint_hash(const struct wn_checkpoint *checkpoint, const struct wn_config *config,
                           char out_text[33], struct wn_error *err);

/* Canonical tensor names after wn_checkpoint_check, l = layer:
 *   GPT-2: wte.weight wpe.weight h.l.ln_1.{weight,bias} h.l.attn.c_attn.{weight,bias} h.l.attn.c_proj.{weight,bias}
 *          h.l.ln_2.{weight,bias} h.l.mlp.c_fc.{weight,bias} h.l.mlp.c_proj.{weight,bias} ln_f.{weight,bias} lm_head.weight
 *   others: embed_tokens.weight layers.l.input_layernorm.weight layers.l.self_attn.{q,k,v,o}_proj.{weight,bias}
 *          layers.l.self_attn.{q,k}_norm.weight layers.l.post_attention_layernorm.weight
 *          layers.l.mlp.{gate,up,down}_proj.{weight,bias} norm.weight lm_head.weight
 */

#endif
