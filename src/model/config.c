/* config.json: five families, in the forms of transformers 4 and 5.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Everything that decides values is read, checked and kept; what cannot be computed here is refused by name.
 * Fields that only training, generation or saving need are not looked at.
 */
#include "model/config.h"

#include "model/checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

enum window_rule { NO_WINDOW, WINDOW_ALL /* Mistral */, WINDOW_BY_LAYER /* Qwen */ };

/* What an absent field means, by family; 0 = derived from other fields. */
struct family {
    const char *name, *architecture;
    int64_t V, C, F, L, H, G, D, positions;
    enum window_rule windows;
    bool reads_attention_bias, has_qkv_bias, reads_mlp_bias, has_qk_norm;
};

static const struct family families[] = {
    {.name = "llama",
     .architecture = "LlamaForCausalLM",
     .V = 32000,
     .C = 4096,
     .F = 11008,
     .L = 32,
     .H = 32,
     .positions = 2048,
     .reads_attention_bias = true,
     .reads_mlp_bias = true},
    {.name = "mistral",
     .architecture = "MistralForCausalLM",
     .V = 32000,
     .C = 4096,
     .F = 14336,
     .L = 32,
     .H = 32,
     .G = 8,
     .positions = 131072,
     .windows = WINDOW_ALL},
    {.name = "qwen2",
     .architecture = "Qwen2ForCausalLM",
     .V = 151936,
     .C = 4096,
     .F = 22016,
     .L = 32,
     .H = 32,
     .G = 32,
     .positions = 32768,
     .windows = WINDOW_BY_LAYER,
     .has_qkv_bias = true},
    {.name = "qwen3",
     .architecture = "Qwen3ForCausalLM",
     .V = 151936,
     .C = 4096,
     .F = 22016,
     .L = 32,
     .H = 32,
     .G = 32,
     .D = 128,
     .positions = 32768,
     .windows = WINDOW_BY_LAYER,
     .reads_attention_bias = true,
     .has_qk_norm = true},
};

static const char gpt2_name[] = "gpt2";
static const char gpt2_architecture[] = "GPT2LMHeadModel";

const struct wn_json *wn_field(const struct wn_fields *fields, const char *name)
{
    const struct wn_json *const value = fields->object == NULL ? NULL : wn_json_get(fields->object, name);
    return value == NULL || wn_json_is(value, WN_JSON_NULL) ? NULL : value;
}

static wn_code fail_type(const struct wn_fields *fields, const char *name, const struct wn_json *value,
                         const char *wanted)
{
    WN_FAIL(fields->err, WN_MODEL, "%s: field '%s%s' is a value of type %s, but must be %s", fields->path,
            fields->within, name, wn_json_type_name(value), wanted);
}

static wn_code fail_absent(const struct wn_fields *fields, const char *name)
{
    WN_FAIL(fields->err, WN_MODEL, "%s: field '%s%s' is missing", fields->path, fields->within, name);
}

wn_code wn_field_integer(const struct wn_fields *fields, const char *name, int64_t low, int64_t high,
                         int64_t fallback, int32_t *out)
{
    const struct wn_json *const value = wn_field(fields, name);
    int64_t integer = fallback;
    if (value == NULL && fallback < low) {
        return fail_absent(fields, name);
    }
    if (value != NULL) {
        if (!wn_json_is(value, WN_JSON_NUMBER)) {
            return fail_type(fields, name, value, "a whole number");
        }
        const double number = wn_json_number(value);
        WN_CHECK(wn_json_integer(value, &integer) && integer >= low && integer <= high, fields->err, WN_MODEL,
                 "%s: field '%s%s' is %.17g, but must be a whole number from %lld to %lld", fields->path,
                 fields->within, name, number, (long long)low, (long long)high);
    }
    *out = (int32_t)integer;
    return WN_OK;
}

wn_code wn_field_number(const struct wn_fields *fields, const char *name, double low, double high,
                        double fallback, double *out)
{
    const struct wn_json *const value = wn_field(fields, name);
    if (value == NULL) {
        if (fallback < low) {
            return fail_absent(fields, name);
        }
        *out = fallback;
        return WN_OK;
    }
    if (!wn_json_is(value, WN_JSON_NUMBER)) {
        return fail_type(fields, name, value, "a number");
    }
    const double number = wn_json_number(value);
    WN_CHECK(number > low && number <= high, fields->err, WN_MODEL,
             "%s: field '%s%s' is %g, but must be above %g and at most %g", fields->path, fields->within,
             name, number, low, high);
    *out = number;
    return WN_OK;
}

wn_code wn_field_boolean(const struct wn_fields *fields, const char *name, bool fallback, bool *out)
{
    const struct wn_json *const value = wn_field(fields, name);
    if (value != NULL && !wn_json_is(value, WN_JSON_BOOLEAN)) {
        return fail_type(fields, name, value, "true or false");
    }
    *out = value == NULL ? fallback : wn_json_boolean(value);
    return WN_OK;
}

wn_code wn_field_text(const struct wn_fields *fields, const char *name, struct wn_span *out)
{
    const struct wn_json *const value = wn_field(fields, name);
    if (value != NULL && !wn_json_is(value, WN_JSON_STRING)) {
        return fail_type(fields, name, value, "text");
    }
    *out = value == NULL ? (struct wn_span){NULL, 0} : wn_json_text(value);
    return WN_OK;
}

static wn_code read_activation(const struct wn_fields *fields, const char *name, const char *fallback,
                               enum wn_activation_kind *out)
{
    /* transformers activations.py; the tanh forms differ only in how their constants are rounded. */
    static const struct {
        const char *name;
        enum wn_activation_kind kind;
    } kinds[] = {{"gelu_new", WN_ACT_GELU_TANH},
                 {"gelu_pytorch_tanh", WN_ACT_GELU_TANH},
                 {"gelu_fast", WN_ACT_GELU_TANH},
                 {"gelu_python_tanh", WN_ACT_GELU_TANH},
                 {"gelu_accurate", WN_ACT_GELU_TANH},
                 {"gelu", WN_ACT_GELU_ERF},
                 {"gelu_python", WN_ACT_GELU_ERF},
                 {"quick_gelu", WN_ACT_GELU_QUICK},
                 {"silu", WN_ACT_SILU},
                 {"swish", WN_ACT_SILU},
                 {"relu", WN_ACT_RELU}};
    struct wn_span text;
    WN_TRY(wn_field_text(fields, name, &text));
    text = text.data == NULL ? wn_span_of(fallback) : text;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
        if (wn_span_is(text, kinds[i].name)) {
            *out = kinds[i].kind;
            return WN_OK;
        }
    }
    char shown[WN_SHOWN_VALUE];
    WN_FAIL(fields->err, WN_MODEL,
            "%s: field '%s': the activation '%s' is not supported (gelu_new, gelu, quick_gelu, silu and relu "
            "are)",
            fields->path, name, wn_cursor_show(text, shown, sizeof shown));
}

/* The class that wrote the checkpoint, where it is named, must be the family's causal language model. */
static wn_code check_architecture(const struct wn_fields *fields, const char *wanted)
{
    const struct wn_json *const list = wn_field(fields, "architectures");
    if (list == NULL) {
        return WN_OK;
    }
    if (!wn_json_is(list, WN_JSON_ARRAY)) {
        return fail_type(fields, "architectures", list, "a list of names");
    }
    for (const struct wn_json *name = wn_json_first(list); name != NULL; name = wn_json_next(name)) {
        if (!wn_json_is(name, WN_JSON_STRING)) {
            return fail_type(fields, "architectures", name, "a list of names");
        }
        /* Case apart: the first published Llama checkpoints write LLaMAForCausalLM. */
        char shown[WN_SHOWN_VALUE];
        WN_CHECK(strcasecmp(wn_json_text(name).data, wanted) == 0, fields->err, WN_MODEL,
                 "%s: field 'architectures' names '%s'; scoring needs the causal language model of this "
                 "family, %s",
                 fields->path, wn_cursor_show(wn_json_text(name), shown, sizeof shown), wanted);
    }
    return WN_OK;
}

/* What would change values and is not computed here, for all families. */
static wn_code check_refused(const struct wn_fields *fields)
{
    const struct wn_json *const quantization = wn_field(fields, "quantization_config");
    if (quantization != NULL) {
        const struct wn_json *const method =
            wn_json_is(quantization, WN_JSON_OBJECT) ? wn_json_get(quantization, "quant_method") : NULL;
        const bool has_name = wn_json_is(method, WN_JSON_STRING);
        char shown[WN_SHOWN_VALUE] = "";
        WN_FAIL(fields->err, WN_MODEL,
                "%s: field 'quantization_config'%s%s: quantised weights are not supported; take the "
                "checkpoint in float32, "
                "float16 or bfloat16",
                fields->path, has_name ? " names " : "",
                has_name ? wn_cursor_show(wn_json_text(method), shown, sizeof shown) : "");
    }
    static const char *const flags[] = {"add_cross_attention", "is_encoder_decoder"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; ++i) {
        bool is_set = false;
        WN_TRY(wn_field_boolean(fields, flags[i], false, &is_set));
        WN_CHECK(!is_set, fields->err, WN_MODEL,
                 "%s: field '%s' is true: models with a second input are not supported", fields->path,
                 flags[i]);
    }
    const struct wn_json *const pruned = wn_field(fields, "pruned_heads");
    WN_CHECK(pruned == NULL || wn_json_count(pruned) == 0, fields->err, WN_MODEL,
             "%s: field 'pruned_heads' is not empty: pruned heads are not supported", fields->path);
    return WN_OK;
}

/* GPT-2's own name of a field, or the general one, which transformers takes as well. */
static wn_code gpt2_integer(const struct wn_fields *fields, const char *name, const char *general,
                            int64_t high, int64_t fallback, int32_t *out)
{
    return wn_field_integer(
        fields, wn_field(fields, name) == NULL && wn_field(fields, general) != NULL ? general : name, 1, high,
        fallback, out);
}

/* models/gpt2/configuration_gpt2.py and modeling_gpt2.py (GPT2Attention.__init__, Conv1D).
 * reorder_and_upcast_attn changes the order of work in half precision only, so it is not read. */
static wn_code read_gpt2(const struct wn_fields *fields, struct wn_config *config)
{
    bool scales = true;
    WN_TRY(check_architecture(fields, gpt2_architecture));
    config->family = gpt2_name;
    WN_TRY(gpt2_integer(fields, "vocab_size", "vocab_size", WN_MAX_VOCABULARY, 50257, &config->V));
    WN_TRY(gpt2_integer(fields, "n_embd", "hidden_size", WN_MAX_CHANNELS, 768, &config->C));
    WN_TRY(gpt2_integer(fields, "n_layer", "num_hidden_layers", WN_MAX_LAYERS, 12, &config->L));
    WN_TRY(gpt2_integer(fields, "n_head", "num_attention_heads", WN_MAX_HEADS, 12, &config->H));
    const bool has_positions = wn_field(fields, "n_positions") != NULL;
    WN_TRY(gpt2_integer(fields, has_positions ? "n_positions" : "max_position_embeddings", "n_ctx",
                        WN_MAX_POSITIONS, 1024, &config->positions));
    WN_TRY(wn_field_integer(fields, "n_inner", 1, WN_MAX_INNER, (int64_t)4 * config->C, &config->F));
    WN_TRY(read_activation(fields, "activation_function", "gelu_new", &config->activation));
    WN_TRY(wn_field_number(fields, "layer_norm_epsilon", 0, 1, 1e-5, &config->norm_eps));
    WN_TRY(wn_field_boolean(fields, "scale_attn_weights", true, &scales));
    WN_TRY(wn_field_boolean(fields, "scale_attn_by_inverse_layer_idx", false, &config->scale_by_layer));
    WN_TRY(wn_field_boolean(fields, "tie_word_embeddings", true, &config->has_tied_head));
    WN_CHECK(config->C % config->H == 0, fields->err, WN_MODEL,
             "%s: field 'n_embd' is %d, but must be a multiple of 'n_head', %d", fields->path, (int)config->C,
             (int)config->H);
    config->G = config->H;
    config->D = config->C / config->H;
    WN_CHECK(config->D <= WN_MAX_HEAD_SIZE, fields->err, WN_MODEL,
             "%s: field 'n_head' makes heads of %d channels; at most %d are supported", fields->path,
             (int)config->D, (int)WN_MAX_HEAD_SIZE);
    config->norm = WN_NORM_LAYER;
    config->mlp = WN_MLP_PLAIN;
    config->rope.kind = WN_ROPE_NONE;
    config->has_position_table = true;
    config->has_qkv_bias = config->has_out_bias = config->has_mlp_bias = true;
    config->is_transposed = true;
    config->attention_scale = scales ? 1 / sqrt((double)config->D) : 1;
    return WN_OK;
}

/* layer_types: one name a layer. `window` is what a sliding layer gets, 0 where there is none. */
static wn_code read_layer_types(const struct wn_fields *fields, const struct wn_json *types, int32_t window,
                                struct wn_config *config)
{
    int32_t layer = 0;
    if (!wn_json_is(types, WN_JSON_ARRAY)) {
        return fail_type(fields, "layer_types", types, "a list of names");
    }
    WN_CHECK(wn_json_count(types) == (size_t)config->L, fields->err, WN_MODEL,
             "%s: field 'layer_types' has %zu entries, but 'num_hidden_layers' is %d", fields->path,
             wn_json_count(types), (int)config->L);
    for (const struct wn_json *type = wn_json_first(types); type != NULL;
         type = wn_json_next(type), ++layer) {
        const struct wn_span text = wn_json_is(type, WN_JSON_STRING) ? wn_json_text(type) : wn_span_of("");
        const bool is_sliding = wn_span_is(text, "sliding_attention");
        char shown[WN_SHOWN_VALUE];
        WN_CHECK(is_sliding || wn_span_is(text, "full_attention"), fields->err, WN_MODEL,
                 "%s: field 'layer_types': entry %d, '%s', is not supported (full_attention and "
                 "sliding_attention are)",
                 fields->path, (int)layer, wn_cursor_show(text, shown, sizeof shown));
        WN_CHECK(!is_sliding || window > 0, fields->err, WN_MODEL,
                 "%s: field 'layer_types': entry %d is sliding_attention, but no window is in use (fields "
                 "'sliding_window', "
                 "'use_sliding_window')",
                 fields->path, (int)layer);
        config->window[layer] = is_sliding ? window : 0;
    }
    return WN_OK;
}

/* A token sees the keys with kv > q - window (masking_utils.py, sliding_window_overlay): `window` keys,
 * itself included. A window that no path can outgrow is none. */
static wn_code read_windows(const struct wn_fields *fields, const struct family *family,
                            struct wn_config *config)
{
    const struct wn_json *const types = wn_field(fields, "layer_types");
    bool uses = true;
    int32_t window = 0;
    int32_t first = 0;
    if (family->windows == WINDOW_BY_LAYER) {
        WN_TRY(wn_field_boolean(fields, "use_sliding_window", false, &uses));
        WN_TRY(wn_field_integer(fields, "max_window_layers", 0, INT32_MAX, 28, &first));
    }
    /* Absent means 4,096, null means none. */
    const bool is_absent = wn_json_get(fields->object, "sliding_window") == NULL;
    if (family->windows != NO_WINDOW && uses && (is_absent || wn_field(fields, "sliding_window") != NULL)) {
        WN_TRY(wn_field_integer(fields, "sliding_window", 1, INT32_MAX, 4096, &window));
    }
    for (int32_t layer = 0; layer < config->L; ++layer) {
        config->window[layer] = layer >= first ? window : 0;
    }
    if (types != NULL) {
        int32_t by_rule[WN_MAX_LAYERS];
        memcpy(by_rule, config->window, sizeof by_rule);
        WN_TRY(read_layer_types(fields, types, window, config));
        /* Llama and Mistral take no heed of layer_types: it must then say what they do anyway. */
        WN_CHECK(
            family->windows == WINDOW_BY_LAYER || memcmp(by_rule, config->window, sizeof by_rule) == 0,
            fields->err, WN_MODEL,
            "%s: field 'layer_types' contradicts 'sliding_window' for a %s model, whose layers are all alike",
            fields->path, family->name);
    }
    for (int32_t layer = 0; layer < config->L; ++layer) {
        config->window[layer] = config->window[layer] >= config->positions ? 0 : config->window[layer];
    }
    return WN_OK;
}

static wn_code read_heads(const struct wn_fields *fields, const struct family *family,
                          struct wn_config *config)
{
    WN_TRY(wn_field_integer(fields, "num_attention_heads", 1, WN_MAX_HEADS, family->H, &config->H));
    /* null means one K and V head for each head; absent means the family's number. */
    const bool is_given = wn_json_get(fields->object, "num_key_value_heads") != NULL;
    const int64_t groups = is_given || family->G == 0 ? config->H : family->G;
    WN_TRY(wn_field_integer(fields, "num_key_value_heads", 1, WN_MAX_HEADS, groups, &config->G));
    WN_CHECK(config->H % config->G == 0, fields->err, WN_MODEL,
             "%s: field 'num_attention_heads' is %d, but must be a multiple of 'num_key_value_heads', %d",
             fields->path, (int)config->H, (int)config->G);
    const bool has_size = wn_field(fields, "head_dim") != NULL || family->D != 0;
    WN_CHECK(has_size || config->C % config->H == 0, fields->err, WN_MODEL,
             "%s: field 'hidden_size' is %d, but must be a multiple of 'num_attention_heads', %d, where "
             "'head_dim' is missing",
             fields->path, (int)config->C, (int)config->H);
    const int64_t size = family->D != 0 ? family->D : config->C / config->H;
    WN_TRY(wn_field_integer(fields, "head_dim", 1, WN_MAX_HEAD_SIZE, size, &config->D));
    WN_CHECK(config->D % 2 == 0 && config->D <= WN_MAX_HEAD_SIZE, fields->err, WN_MODEL,
             "%s: field 'head_dim' (or 'hidden_size' / 'num_attention_heads') is %d, but must be even and at "
             "most %d",
             fields->path, (int)config->D, (int)WN_MAX_HEAD_SIZE);
    return WN_OK;
}

static wn_code read_llama(const struct wn_fields *fields, const struct family *family,
                          struct wn_config *config)
{
    WN_TRY(check_architecture(fields, family->architecture));
    config->family = family->name;
    WN_TRY(wn_field_integer(fields, "vocab_size", 1, WN_MAX_VOCABULARY, family->V, &config->V));
    WN_TRY(wn_field_integer(fields, "hidden_size", 1, WN_MAX_CHANNELS, family->C, &config->C));
    WN_TRY(wn_field_integer(fields, "intermediate_size", 1, WN_MAX_INNER, family->F, &config->F));
    WN_TRY(wn_field_integer(fields, "num_hidden_layers", 1, WN_MAX_LAYERS, family->L, &config->L));
    WN_TRY(wn_field_integer(fields, "max_position_embeddings", 1, WN_MAX_POSITIONS, family->positions,
                            &config->positions));
    WN_TRY(read_heads(fields, family, config));
    WN_TRY(read_activation(fields, "hidden_act", "silu", &config->activation));
    WN_TRY(wn_field_number(fields, "rms_norm_eps", 0, 1, 1e-6, &config->norm_eps));
    WN_TRY(wn_field_boolean(fields, "tie_word_embeddings", false, &config->has_tied_head));
    if (family->reads_attention_bias) {
        WN_TRY(wn_field_boolean(fields, "attention_bias", false, &config->has_qkv_bias));
        config->has_out_bias = config->has_qkv_bias;
    }
    config->has_qkv_bias = config->has_qkv_bias || family->has_qkv_bias;
    if (family->reads_mlp_bias) {
        WN_TRY(wn_field_boolean(fields, "mlp_bias", false, &config->has_mlp_bias));
    }
    config->has_qk_norm = family->has_qk_norm;
    config->norm = WN_NORM_RMS;
    config->mlp = WN_MLP_GATED;
    config->attention_scale = 1 / sqrt((double)config->D);
    WN_TRY(wn_config_rope(fields, config));
    return read_windows(fields, family, config);
}

static wn_code read_family(const struct wn_fields *fields, struct wn_config *config)
{
    struct wn_span type;
    WN_TRY(wn_field_text(fields, "model_type", &type));
    WN_CHECK(type.data != NULL, fields->err, WN_MODEL,
             "%s: field 'model_type' is missing: without it the family of the model is unknown",
             fields->path);
    if (wn_span_is(type, gpt2_name)) {
        WN_TRY(check_refused(fields));
        return read_gpt2(fields, config);
    }
    for (size_t i = 0; i < sizeof families / sizeof *families; ++i) {
        if (wn_span_is(type, families[i].name)) {
            WN_TRY(check_refused(fields));
            return read_llama(fields, &families[i], config);
        }
    }
    char shown[WN_SHOWN_VALUE];
    WN_FAIL(
        fields->err, WN_MODEL,
        "%s: field 'model_type' is '%s', which is not supported (gpt2, llama, mistral, qwen2 and qwen3 are)",
        fields->path, wn_cursor_show(type, shown, sizeof shown));
}

static wn_code read_text(struct wn_span text, const char *path, struct wn_config *config,
                         struct wn_error *err)
{
    struct wn_json *root = NULL;
    struct wn_error inner;
    WN_CHECK(text.size <= WN_MAX_CONFIG_BYTES, err, WN_MODEL,
             "%s: a configuration of %zu bytes is above the limit of %d", path, text.size,
             (int)WN_MAX_CONFIG_BYTES);
    WN_CHECK(text.size > 0, err, WN_MODEL, "%s: the file is empty; copy or download it again", path);
    const wn_code code = wn_json_parse(text, WN_MODEL, &root, &inner);
    WN_CHECK(code == WN_OK, err, code, "%s: is no valid JSON: %.512s; copy or download it again", path,
             inner.text);
    wn_code result;
    if (wn_json_is(root, WN_JSON_OBJECT)) {
        const struct wn_fields fields = {.object = root, .path = path, .within = "", .err = err};
        result = read_family(&fields, config);
    } else {
        result = wn_error_set(err, WN_MODEL, __FILE__, __LINE__,
                              "%s: holds a value of type %s, but must be an object", path,
                              wn_json_type_name(root));
    }
    wn_json_free(root);
    return result;
}

wn_code wn_config_read(const char *folder, struct wn_config *out_config, struct wn_error *err)
{
    struct wn_map map = {.path = NULL};
    struct wn_config config;
    memset(&config, 0, sizeof config);
    char *const path = wn_path_join(folder, "config.json");
    WN_CHECK(path != NULL, err, WN_DEVICE, "no memory for a path");
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_link_check(path, err));
    WN_TRY_OR(done, wn_map_open(path, WN_MODEL, &map, err));
    WN_TRY_OR(done, read_text(map.bytes, path, &config, err));
    *out_config = config;
done:
    wn_map_close(&map);
    free(path);
    return code;
}
