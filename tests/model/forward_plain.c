/* Random networks and a float64 forward pass: see forward_plain.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forward_plain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t next(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *random >> 33;
}

int plain_below(uint64_t *random, int bound)
{
    return (int)(next(random) % (uint64_t)bound);
}

struct wn_config plain_gpt2(void)
{
    return (struct wn_config){
        .family = "gpt2",
        .L = 3,
        .C = 60,
        .H = 4,
        .G = 4,
        .D = 15,
        .F = 250,
        .V = 701,
        .positions = 400,
        .norm = WN_NORM_LAYER,
        .norm_eps = 1e-5,
        .mlp = WN_MLP_PLAIN,
        .activation = WN_ACT_GELU_TANH,
        .has_position_table = true,
        .has_qkv_bias = true,
        .has_out_bias = true,
        .has_mlp_bias = true,
        .has_tied_head = true,
        .is_transposed = true,
        .attention_scale = 1.0 / sqrt(15.0),
    };
}

struct wn_config plain_llama(void)
{
    return (struct wn_config){
        .family = "llama",
        .L = 2,
        .C = 72,
        .H = 6,
        .G = 2,
        .D = 22,
        .F = 101,
        .V = 1301,
        .positions = 400,
        .norm = WN_NORM_RMS,
        .norm_eps = 1e-6,
        .mlp = WN_MLP_GATED,
        .activation = WN_ACT_SILU,
        .rope = {.kind = WN_ROPE_DEFAULT, .theta = 10000.0, .factor = 1.0},
        .attention_scale = 1.0 / sqrt(22.0),
    };
}

/* Round to the type and give the bits in memory. */
static void put(enum wn_dtype dtype, float value, void *data, size_t i)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, 4);
    if (dtype == WN_F32) {
        memcpy((char *)data + 4 * i, &value, 4);
        return;
    }
    uint16_t half = (uint16_t)(bits >> 16); /* bf16, cut */
    if (dtype == WN_F16) {                  /* normal numbers only: the values here are not that small */
        const uint32_t exponent = (bits >> 23) & 255;
        half = (uint16_t)(((bits >> 16) & 0x8000U) |
                          (exponent < 113 ? 0 : (exponent - 112) << 10 | ((bits >> 13) & 1023U)));
    }
    memcpy((char *)data + 2 * i, &half, 2);
}

double plain_at(const struct wn_tensor *tensor, size_t i)
{
    if (tensor->dtype == WN_F32) {
        float value;
        memcpy(&value, (const char *)tensor->data + 4 * i, 4);
        return (double)value;
    }
    uint16_t half;
    memcpy(&half, (const char *)tensor->data + 2 * i, 2);
    if (tensor->dtype == WN_BF16) {
        const uint32_t bits = (uint32_t)half << 16;
        float value;
        memcpy(&value, &bits, 4);
        return (double)value;
    }
    const int exponent = (half >> 10) & 31;
    const double fraction = half & 1023;
    const double size = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024.0 + fraction, exponent - 25);
    return (half & 0x8000) != 0 ? -size : size;
}

static void tensor_add(struct plain_model *model, enum wn_dtype dtype, double centre, double spread,
                       int64_t rows, int64_t columns, const char *name)
{
    struct wn_tensor *tensor = &model->tensors[model->n_tensors++];
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    tensor->dtype = dtype;
    tensor->n_dims = rows == 0 ? 1 : 2;
    tensor->shape[0] = rows == 0 ? columns : rows;
    tensor->shape[1] = columns;
    const size_t n = (size_t)((rows == 0 ? 1 : rows) * columns);
    tensor->size = n * (dtype == WN_F32 ? 4 : 2);
    char *data = malloc(tensor->size + 1);
    tensor->data = data + 1; /* unaligned, as in a file */
    for (size_t i = 0; i < n; i++) {
        double sum = -6.0; /* near enough to a normal number */
        for (int k = 0; k < 12; k++) {
            sum += (double)next(&model->random) / 2147483648.0;
        }
        put(dtype, (float)(centre + spread * sum), (void *)(data + 1), i);
    }
}

static void matrix_add(struct plain_model *model, enum wn_dtype dtype, const char *stem, int64_t inputs,
                       int64_t outputs, bool has_bias)
{
    char name[WN_TENSOR_NAME];
    const bool is_turned = model->config.is_transposed;
    snprintf(name, sizeof name, "%s.weight", stem);
    tensor_add(model, dtype, 0.0, 1.2 / sqrt((double)inputs), is_turned ? inputs : outputs,
               is_turned ? outputs : inputs, name);
    if (has_bias) {
        snprintf(name, sizeof name, "%s.bias", stem);
        tensor_add(model, dtype, 0.0, 0.2, 0, outputs, name);
    }
}

static void norm_add(struct plain_model *model, enum wn_dtype dtype, const char *stem, int64_t n,
                     bool has_bias)
{
    char name[WN_TENSOR_NAME];
    snprintf(name, sizeof name, "%s.weight", stem);
    tensor_add(model, dtype, 1.0, 0.2, 0, n, name);
    if (has_bias) {
        snprintf(name, sizeof name, "%s.bias", stem);
        tensor_add(model, dtype, 0.0, 0.2, 0, n, name);
    }
}

void plain_fill(struct plain_model *model, const struct wn_config *config, enum wn_dtype dtype, uint64_t seed)
{
    memset(model, 0, sizeof *model);
    model->config = *config;
    model->random = seed;
    const bool is_gpt2 = strcmp(config->family, "gpt2") == 0;
    const int64_t C = config->C;
    const int64_t queries = (int64_t)config->H * config->D;
    const int64_t keys = (int64_t)config->G * config->D;
    char stem[96];
    tensor_add(model, dtype, 0.0, 0.5, config->V, C, is_gpt2 ? "wte.weight" : "embed_tokens.weight");
    if (config->has_position_table) {
        tensor_add(model, dtype, 0.0, 0.3, config->positions, C, "wpe.weight");
    }
    for (int l = 0; l < config->L; l++) {
#define STEM(part) (snprintf(stem, sizeof stem, "%s.%d.%s", is_gpt2 ? "h" : "layers", l, part), stem)
        norm_add(model, dtype, STEM(is_gpt2 ? "ln_1" : "input_layernorm"), C, is_gpt2);
        norm_add(model, dtype, STEM(is_gpt2 ? "ln_2" : "post_attention_layernorm"), C, is_gpt2);
        if (is_gpt2) {
            matrix_add(model, dtype, STEM("attn.c_attn"), C, queries + 2 * keys, config->has_qkv_bias);
        } else {
            matrix_add(model, dtype, STEM("self_attn.q_proj"), C, queries, config->has_qkv_bias);
            matrix_add(model, dtype, STEM("self_attn.k_proj"), C, keys, config->has_qkv_bias);
            matrix_add(model, dtype, STEM("self_attn.v_proj"), C, keys, config->has_qkv_bias);
            matrix_add(model, dtype, STEM("mlp.gate_proj"), C, config->F, config->has_mlp_bias);
        }
        if (config->has_qk_norm) {
            norm_add(model, dtype, STEM("self_attn.q_norm"), config->D, false);
            norm_add(model, dtype, STEM("self_attn.k_norm"), config->D, false);
        }
        matrix_add(model, dtype, STEM(is_gpt2 ? "attn.c_proj" : "self_attn.o_proj"), queries, C,
                   config->has_out_bias);
        matrix_add(model, dtype, STEM(is_gpt2 ? "mlp.c_fc" : "mlp.up_proj"), C, config->F,
                   config->has_mlp_bias);
        matrix_add(model, dtype, STEM(is_gpt2 ? "mlp.c_proj" : "mlp.down_proj"), config->F, C,
                   config->has_mlp_bias);
    }
    norm_add(model, dtype, is_gpt2 ? "ln_f" : "norm", C, is_gpt2);
    if (!config->has_tied_head) {
        tensor_add(model, dtype, 0.0, 0.4, config->V, C, "lm_head.weight");
    }
}

void plain_free(struct plain_model *model)
{
    for (size_t i = 0; i < model->n_tensors; i++) {
        free((char *)(uintptr_t)model->tensors[i].data - 1);
    }
}

const struct wn_tensor *plain_tensor(const struct plain_model *model, const char *name)
{
    for (size_t i = 0; i < model->n_tensors; i++) {
        if (strcmp(model->tensors[i].name, name) == 0) {
            return &model->tensors[i];
        }
    }
    return NULL;
}

/* The tensor "STEM.KIND", NULL where there is none. */
static const struct wn_tensor *named(const struct plain_model *model, const char *stem, const char *kind)
{
    char name[WN_TENSOR_NAME];
    snprintf(name, sizeof name, "%s.%s", stem, kind);
    return plain_tensor(model, name);
}

/* y[outputs] = x[inputs] W + b */
static void product(const struct plain_model *model, const char *stem, const double *x, int inputs,
                    int outputs, double *y)
{
    const struct wn_tensor *weight = named(model, stem, "weight");
    const struct wn_tensor *bias = named(model, stem, "bias");
    for (int o = 0; o < outputs; o++) {
        double sum = bias != NULL ? plain_at(bias, (size_t)o) : 0.0;
        for (int i = 0; i < inputs; i++) {
            const size_t at = model->config.is_transposed ? (size_t)i * (size_t)outputs + (size_t)o
                                                          : (size_t)o * (size_t)inputs + (size_t)i;
            sum += x[i] * plain_at(weight, at);
        }
        y[o] = sum;
    }
}

static void normalize(const struct plain_model *model, const char *stem, bool is_layer, const double *x,
                      int n, double *y)
{
    const struct wn_tensor *weight = named(model, stem, "weight");
    const struct wn_tensor *bias = named(model, stem, "bias");
    double mean = 0.0;
    for (int i = 0; is_layer && i < n; i++) {
        mean += x[i] / n;
    }
    double variance = 0.0;
    for (int i = 0; i < n; i++) {
        variance += (x[i] - mean) * (x[i] - mean) / n;
    }
    for (int i = 0; i < n; i++) {
        y[i] = (x[i] - mean) / sqrt(variance + model->config.norm_eps) * plain_at(weight, (size_t)i) +
               (bias != NULL ? plain_at(bias, (size_t)i) : 0.0);
    }
}

static double activation(enum wn_activation_kind kind, double x)
{
    switch (kind) {
    case WN_ACT_GELU_TANH:
        return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
    case WN_ACT_GELU_ERF:
        return 0.5 * x * (1.0 + erf(x / sqrt(2.0)));
    case WN_ACT_GELU_QUICK:
        return x / (1.0 + exp(-1.702 * x));
    case WN_ACT_SILU:
        return x / (1.0 + exp(-x));
    default:
        return x > 0.0 ? x : 0.0;
    }
}

/* Inverse frequency of pair i. */
static double frequency(const struct wn_rope *rope, int D, int i)
{
    const double plain = pow(rope->theta, -2.0 * i / D);
    if (rope->kind == WN_ROPE_LINEAR) {
        return plain / rope->factor;
    }
    if (rope->kind == WN_ROPE_LLAMA3) {
        const double turns = rope->original_positions * plain / (2.0 * acos(-1.0));
        double share = (turns - rope->low_freq_factor) / (rope->high_freq_factor - rope->low_freq_factor);
        share = share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
        return plain * ((1.0 - share) / rope->factor + share);
    }
    if (rope->kind == WN_ROPE_YARN) {
        const double scale = D / (2.0 * log(rope->theta));
        double low = scale * log(rope->original_positions / (rope->beta_fast * 2.0 * acos(-1.0)));
        double high = scale * log(rope->original_positions / (rope->beta_slow * 2.0 * acos(-1.0)));
        low = fmax(rope->truncate ? floor(low) : low, 0.0);
        high = fmin(rope->truncate ? ceil(high) : high, D - 1.0);
        const double ramp = fmin(fmax((i - low) / (high - low), 0.0), 1.0);
        return plain * (1.0 - ramp) + plain / rope->factor * ramp;
    }
    return plain;
}

static void rotate(const struct wn_rope *rope, int D, int position, double *x)
{
    double factor = 1.0;
    if (rope->kind == WN_ROPE_YARN) {
        factor = rope->attention_factor != 0.0 ? rope->attention_factor : 0.1 * log(rope->factor) + 1.0;
    }
    for (int i = 0; rope->kind != WN_ROPE_NONE && i < D / 2; i++) {
        /* float32 by definition: what models were trained with */
        const double angle = (double)((float)position * (float)frequency(rope, D, i));
        const double a = x[i];
        const double b = x[i + D / 2];
        x[i] = factor * (a * cos(angle) - b * sin(angle));
        x[i + D / 2] = factor * (b * cos(angle) + a * sin(angle));
    }
}

/* attended[n][H D] of qkv[n][(H + 2 G) D] */
static void attend(const struct plain_model *model, int l, int n, bool is_bidirectional, const double *qkv,
                   double *attended)
{
    const struct wn_config *c = &model->config;
    const int width = (c->H + 2 * c->G) * c->D;
    const int window = c->window[l];
    double *p = malloc((size_t)n * sizeof *p);
    for (int i = 0; i < n; i++) {
        for (int h = 0; h < c->H; h++) {
            const double *q = qkv + (size_t)i * (size_t)width + (size_t)h * (size_t)c->D;
            const int key_head = c->H + h * c->G / c->H;
            double max = -INFINITY;
            double sum = 0.0;
            for (int j = 0; j < n; j++) {
                const bool is_seen = (is_bidirectional || j <= i) && (window == 0 || abs(i - j) < window);
                const double *k = qkv + (size_t)j * (size_t)width + (size_t)key_head * (size_t)c->D;
                p[j] = 0.0;
                for (int d = 0; d < c->D; d++) {
                    p[j] += q[d] * k[d];
                }
                p[j] = is_seen ? p[j] * c->attention_scale / (c->scale_by_layer ? l + 1 : 1) : -INFINITY;
                max = fmax(max, p[j]);
            }
            for (int j = 0; j < n; j++) {
                p[j] = exp(p[j] - max);
                sum += p[j];
            }
            double *out = attended + ((size_t)i * (size_t)c->H + (size_t)h) * (size_t)c->D;
            memset(out, 0, (size_t)c->D * sizeof *out);
            for (int j = 0; j < n; j++) {
                const double *v = qkv + (size_t)j * (size_t)width + (size_t)(key_head + c->G) * (size_t)c->D;
                for (int d = 0; d < c->D; d++) {
                    out[d] += p[j] / sum * v[d];
                }
            }
        }
    }
    free(p);
}

static void layer(const struct plain_model *model, int l, int n, bool is_bidirectional, double *stream)
{
    const struct wn_config *c = &model->config;
    const bool is_gpt2 = strcmp(c->family, "gpt2") == 0;
    const int queries = c->H * c->D;
    const int keys = c->G * c->D;
    const int width = queries + 2 * keys;
    const int wide = c->F > c->C ? c->F : c->C;
    double *qkv = malloc((size_t)n * (size_t)width * sizeof *qkv);
    double *attended = malloc((size_t)n * (size_t)queries * sizeof *attended);
    double *x = malloc((size_t)c->C * sizeof *x);
    double *y = malloc((size_t)wide * sizeof *y);
    double *z = malloc((size_t)wide * sizeof *z);
    char stem[96];
    for (int i = 0; i < n; i++) {
        double *row = qkv + (size_t)i * (size_t)width;
        normalize(model, STEM(is_gpt2 ? "ln_1" : "input_layernorm"), is_gpt2,
                  stream + (size_t)i * (size_t)c->C, c->C, x);
        if (is_gpt2) {
            product(model, STEM("attn.c_attn"), x, c->C, width, row);
        } else {
            product(model, STEM("self_attn.q_proj"), x, c->C, queries, row);
            product(model, STEM("self_attn.k_proj"), x, c->C, keys, row + queries);
            product(model, STEM("self_attn.v_proj"), x, c->C, keys, row + queries + keys);
        }
        for (int h = 0; h < c->H + c->G; h++) {
            double *head = row + h * c->D;
            if (c->has_qk_norm) {
                normalize(model, STEM(h < c->H ? "self_attn.q_norm" : "self_attn.k_norm"), false, head, c->D,
                          z);
                memcpy(head, z, (size_t)c->D * sizeof *z);
            }
            rotate(&c->rope, c->D, i, head);
        }
    }
    attend(model, l, n, is_bidirectional, qkv, attended);
    for (int i = 0; i < n; i++) {
        double *row = stream + (size_t)i * (size_t)c->C;
        product(model, STEM(is_gpt2 ? "attn.c_proj" : "self_attn.o_proj"),
                attended + (size_t)i * (size_t)queries, queries, c->C, y);
        for (int j = 0; j < c->C; j++) {
            row[j] += y[j];
        }
        normalize(model, STEM(is_gpt2 ? "ln_2" : "post_attention_layernorm"), is_gpt2, row, c->C, x);
        product(model, STEM(is_gpt2 ? "mlp.c_fc" : "mlp.up_proj"), x, c->C, c->F, y);
        if (!is_gpt2) {
            product(model, STEM("mlp.gate_proj"), x, c->C, c->F, z);
        }
        for (int j = 0; j < c->F; j++) {
            y[j] = is_gpt2 ? activation(c->activation, y[j]) : activation(c->activation, z[j]) * y[j];
        }
        product(model, STEM(is_gpt2 ? "mlp.c_proj" : "mlp.down_proj"), y, c->F, c->C, z);
        for (int j = 0; j < c->C; j++) {
            row[j] += z[j];
        }
    }
    free(qkv);
    free(attended);
    free(x);
    free(y);
    free(z);
}

/* What the row of hidden state x says of the next token. */
static void head(const struct plain_model *model, const double *x, int next_id, double inverse_temperature,
                 int i, const struct plain_out *out)
{
    const struct wn_config *c = &model->config;
    const bool is_gpt2 = strcmp(c->family, "gpt2") == 0;
    const struct wn_tensor *weight = plain_tensor(model, !c->has_tied_head ? "lm_head.weight"
                                                         : is_gpt2         ? "wte.weight"
                                                                           : "embed_tokens.weight");
    double *z = malloc((size_t)c->V * sizeof *z);
    double max = -INFINITY;
    int best = 0;
    for (int v = 0; v < c->V; v++) {
        double sum = 0.0;
        for (int j = 0; j < c->C; j++) {
            sum += x[j] * plain_at(weight, (size_t)v * (size_t)c->C + (size_t)j);
        }
        if (out->logits != NULL) {
            out->logits[(size_t)(i - 1) * (size_t)c->V + (size_t)v] = sum;
        }
        z[v] = sum * inverse_temperature;
        best = z[v] > max ? v : best;
        max = fmax(max, z[v]);
    }
    double total = 0.0;
    for (int v = 0; v < c->V; v++) {
        total += exp(z[v] - max);
    }
    const double log_total = max + log(total);
    double entropy = 0.0;
    for (int v = 0; v < c->V; v++) {
        entropy -= exp(z[v] - log_total) * (z[v] - log_total);
    }
    if (out->losses != NULL && next_id >= 0) {
        out->losses[i] = log_total - z[next_id];
    }
    if (out->entropies != NULL && next_id >= 0) {
        out->entropies[i] = entropy;
        out->greedy[i] = best;
    }
    free(z);
}

void plain_forward(const struct plain_model *model, const int32_t *ids, int n, double inverse_temperature,
                   bool is_bidirectional, const struct plain_out *out)
{
    const struct wn_config *c = &model->config;
    const bool is_gpt2 = strcmp(c->family, "gpt2") == 0;
    const struct wn_tensor *tokens = plain_tensor(model, is_gpt2 ? "wte.weight" : "embed_tokens.weight");
    const struct wn_tensor *positions = plain_tensor(model, "wpe.weight");
    const size_t C = (size_t)c->C;
    double *stream = malloc((size_t)n * C * sizeof *stream);
    double *x = malloc(C * sizeof *x);
    for (size_t i = 0; i < (size_t)n; i++) {
        for (size_t j = 0; j < C; j++) {
            stream[i * C + j] = plain_at(tokens, (size_t)ids[i] * C + j) +
                                (positions != NULL ? plain_at(positions, i * C + j) : 0.0);
        }
    }
    for (int l = 0; l < c->L; l++) {
        layer(model, l, n, is_bidirectional, stream);
    }
    for (int i = 0; i < n; i++) {
        normalize(model, is_gpt2 ? "ln_f" : "norm", is_gpt2, stream + (size_t)i * C, c->C, x);
        if (out->hidden != NULL) {
            memcpy(out->hidden + (size_t)i * C, x, C * sizeof *x);
        }
        if (out->losses != NULL || out->logits != NULL) {
            head(model, x, i + 1 < n ? ids[i + 1] : -1, inverse_temperature, i + 1, out);
        }
    }
    free(stream);
    free(x);
}
