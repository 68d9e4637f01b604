/* config.json: both forms, the defaults of each family, and what each wrong value is refused with.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoints.h"
#include "model/parts.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static wn_code read_text(const char *text, struct wn_config *config, struct wn_error *err)
{
    char folder[TEST_PATH];
    test_folder_make(folder);
    test_write_text(folder, "config.json", text);
    const wn_code code = wn_config_read(folder, config, err);
    test_folder_remove(folder);
    return code;
}

static struct wn_config read_good(const char *text)
{
    struct wn_config config;
    struct wn_error err = {.text = ""};
    memset(&config, 0xff, sizeof config);
    WN_TEST_OK(read_text(text, &config, &err));
    return config;
}

/* Absent fields: the defaults of transformers' configuration classes. */
Test(config, an_absent_field_has_the_familys_default)
{
    static const struct {
        const char *family;
        int32_t V, C, F, L, H, G, D, positions, window_0, window_last;
        bool tied, qkv_bias, qk_norm;
        double eps;
    } cases[] = {
        {"gpt2", 50257, 768, 3072, 12, 12, 12, 64, 1024, 0, 0, true, true, false, 1e-5},
        {"llama", 32000, 4096, 11008, 32, 32, 32, 128, 2048, 0, 0, false, false, false, 1e-6},
        {"mistral", 32000, 4096, 14336, 32, 32, 8, 128, 131072, 4096, 4096, false, false, false, 1e-6},
        {"qwen2", 151936, 4096, 22016, 32, 32, 32, 128, 32768, 0, 0, false, true, false, 1e-6},
        {"qwen3", 151936, 4096, 22016, 32, 32, 32, 128, 32768, 0, 0, false, false, true, 1e-6}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char text[64];
        (void)snprintf(text, sizeof text, "{\"model_type\": \"%s\"}", cases[i].family);
        const struct wn_config c = read_good(text);
        cr_expect_str_eq(c.family, cases[i].family);
        cr_expect(c.V == cases[i].V && c.C == cases[i].C && c.F == cases[i].F && c.L == cases[i].L &&
                      c.H == cases[i].H && c.G == cases[i].G && c.D == cases[i].D &&
                      c.positions == cases[i].positions,
                  "%s: V %d C %d F %d L %d H %d G %d D %d positions %d", c.family, c.V, c.C, c.F, c.L, c.H,
                  c.G, c.D, c.positions);
        cr_expect(c.window[0] == cases[i].window_0 && c.window[c.L - 1] == cases[i].window_last,
                  "%s: windows %d %d", c.family, c.window[0], c.window[c.L - 1]);
        cr_expect(c.has_tied_head == cases[i].tied && c.has_qkv_bias == cases[i].qkv_bias &&
                      c.has_qk_norm == cases[i].qk_norm && c.norm_eps == cases[i].eps,
                  "%s", c.family);
        const bool is_gpt2 = i == 0;
        cr_expect(c.has_out_bias == is_gpt2 && c.has_mlp_bias == is_gpt2 && c.is_transposed == is_gpt2 &&
                      c.has_position_table == is_gpt2 && !c.scale_by_layer,
                  "%s", c.family);
        cr_expect(c.rope.kind == (is_gpt2 ? WN_ROPE_NONE : WN_ROPE_DEFAULT) &&
                      (is_gpt2 || c.rope.theta == 10000),
                  "%s", c.family);
        cr_expect(c.activation == (is_gpt2 ? WN_ACT_GELU_TANH : WN_ACT_SILU), "%s", c.family);
        cr_expect(c.attention_scale == 1 / sqrt(c.D), "%s", c.family);
    }
}

Test(config, gpt2_fields_take_effect)
{
    const struct wn_config c =
        read_good("{\"model_type\": \"gpt2\", \"architectures\": null, \"vocab_size\": 11, \"n_embd\": 12, "
                  "\"n_layer\": 3, \"n_head\": 2,"
                  " \"n_positions\": 9, \"n_ctx\": 7, \"n_inner\": 20, \"activation_function\": \"relu\", "
                  "\"layer_norm_epsilon\": 1e-4,"
                  " \"scale_attn_weights\": false, \"scale_attn_by_inverse_layer_idx\": true, "
                  "\"reorder_and_upcast_attn\": true,"
                  " \"tie_word_embeddings\": false, \"add_cross_attention\": false, \"pruned_heads\": {}}");
    cr_expect(c.V == 11 && c.C == 12 && c.L == 3 && c.H == 2 && c.G == 2 && c.D == 6 && c.positions == 9 &&
              c.F == 20);
    cr_expect(c.activation == WN_ACT_RELU && c.norm_eps == 1e-4 && c.attention_scale == 1 &&
              c.scale_by_layer);
    cr_expect(!c.has_tied_head && c.norm == WN_NORM_LAYER && c.mlp == WN_MLP_PLAIN);
    /* transformers takes the general names as well. */
    const struct wn_config d =
        read_good("{\"model_type\": \"gpt2\", \"hidden_size\": 12, \"num_hidden_layers\": 3,"
                  " \"num_attention_heads\": 2, \"max_position_embeddings\": 9}");
    cr_expect(d.C == 12 && d.L == 3 && d.H == 2 && d.positions == 9 && d.F == 48);
    cr_expect(read_good("{\"model_type\": \"gpt2\", \"n_ctx\": 77}").positions == 77);
}

Test(config, biases_belong_to_the_families_that_read_them)
{
    static const struct {
        const char *family;
        bool qkv, out, mlp;
    } cases[] = {{"llama", true, true, true},
                 {"mistral", false, false, false},
                 {"qwen2", true, false, false},
                 {"qwen3", true, true, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char text[128];
        (void)snprintf(text, sizeof text,
                       "{\"model_type\": \"%s\", \"attention_bias\": true, \"mlp_bias\": true}",
                       cases[i].family);
        const struct wn_config c = read_good(text);
        cr_expect(c.has_qkv_bias == cases[i].qkv && c.has_out_bias == cases[i].out &&
                      c.has_mlp_bias == cases[i].mlp,
                  "%s", c.family);
    }
}

Test(config, heads_have_their_own_size_and_number_where_given)
{
    struct wn_config c =
        read_good("{\"model_type\": \"llama\", \"hidden_size\": 64, \"num_attention_heads\": 4,"
                  " \"head_dim\": 32, \"num_key_value_heads\": 1}");
    cr_expect(c.D == 32 && c.G == 1 && c.H == 4);
    c = read_good(
        "{\"model_type\": \"llama\", \"hidden_size\": 64, \"num_attention_heads\": 4, \"head_dim\": null}");
    cr_expect(c.D == 16 && c.G == 4);
    c = read_good("{\"model_type\": \"mistral\", \"num_key_value_heads\": null}");
    cr_expect(c.G == 32 && c.D == 128);
    c = read_good(
        "{\"model_type\": \"llama\", \"hidden_size\": 30, \"num_attention_heads\": 4, \"head_dim\": 8}");
    cr_expect(c.D == 8);
}

/* Windows of the first four layers of a model of four. */
Test(config, windows_follow_the_familys_rule)
{
    static const struct {
        const char *family, *fields;
        int32_t windows[4];
    } cases[] = {
        {"mistral", "\"sliding_window\": 48", {48, 48, 48, 48}},
        {"mistral", "\"sliding_window\": null", {0, 0, 0, 0}},
        {"mistral",
         "\"x\": 0",
         {0, 0, 0, 0}}, /* 4,096 keys are more than the 512 positions: the same as all */
        {"mistral", "\"sliding_window\": 511", {511, 511, 511, 511}},
        {"mistral", "\"sliding_window\": 512", {0, 0, 0, 0}},
        {"llama", "\"sliding_window\": 48", {0, 0, 0, 0}},
        {"qwen2", "\"sliding_window\": 48", {0, 0, 0, 0}},
        {"qwen2", "\"sliding_window\": 48, \"use_sliding_window\": true", {0, 0, 0, 0}},
        {"qwen2",
         "\"sliding_window\": 48, \"use_sliding_window\": true, \"max_window_layers\": 2",
         {0, 0, 48, 48}},
        {"qwen2",
         "\"sliding_window\": 48, \"use_sliding_window\": true, \"max_window_layers\": 0",
         {48, 48, 48, 48}},
        {"qwen3",
         "\"sliding_window\": 48, \"use_sliding_window\": true, \"max_window_layers\": 3",
         {0, 0, 0, 48}},
        {"qwen3",
         "\"sliding_window\": 48, \"use_sliding_window\": true, \"layer_types\": [\"sliding_attention\", "
         "\"full_attention\","
         " \"full_attention\", \"sliding_attention\"]",
         {48, 0, 0, 48}},
        {"qwen2",
         "\"layer_types\": [\"full_attention\", \"full_attention\", \"full_attention\", \"full_attention\"]",
         {0, 0, 0, 0}},
        {"mistral",
         "\"sliding_window\": 48, \"layer_types\": [\"sliding_attention\", \"sliding_attention\", "
         "\"sliding_attention\","
         " \"sliding_attention\"]",
         {48, 48, 48, 48}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char text[512];
        (void)snprintf(
            text, sizeof text,
            "{\"model_type\": \"%s\", \"num_hidden_layers\": 4, \"max_position_embeddings\": 512, %s}",
            cases[i].family, cases[i].fields);
        const struct wn_config c = read_good(text);
        for (int layer = 0; layer < 4; ++layer) {
            cr_expect(c.window[layer] == cases[i].windows[layer], "case %zu, layer %d: %d", i, layer,
                      c.window[layer]);
        }
    }
}

Test(config, rotary_settings_are_read_in_both_forms)
{
    static const struct {
        const char *fields;
        struct wn_rope rope;
    } cases[] = {
        {"\"rope_theta\": 500000.0", {.kind = WN_ROPE_DEFAULT, .theta = 500000, .factor = 1}},
        {"\"rope_theta\": 500000.0, \"rope_scaling\": null",
         {.kind = WN_ROPE_DEFAULT, .theta = 500000, .factor = 1}},
        {"\"rope_scaling\": {}, \"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 3, "
         "\"rope_theta\": 7}",
         {.kind = WN_ROPE_LINEAR, .theta = 7, .factor = 3}},
        {"\"rope_theta\": 5.0, \"rope_parameters\": {\"rope_theta\": 6.0, \"rope_type\": \"default\"}",
         {.kind = WN_ROPE_DEFAULT, .theta = 6, .factor = 1}},
        {"\"rope_scaling\": {\"type\": \"linear\", \"factor\": 4.0}",
         {.kind = WN_ROPE_LINEAR, .theta = 10000, .factor = 4}},
        {"\"rope_scaling\": {\"type\": \"x\", \"rope_type\": \"linear\", \"factor\": 4.0}",
         {.kind = WN_ROPE_LINEAR, .theta = 10000, .factor = 4}},
        {"\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, "
         "\"high_freq_factor\": 4.0,"
         " \"original_max_position_embeddings\": 64}",
         {.kind = WN_ROPE_LLAMA3,
          .theta = 10000,
          .factor = 8,
          .low_freq_factor = 1,
          .high_freq_factor = 4,
          .original_positions = 64}},
        {"\"rope_parameters\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1, "
         "\"high_freq_factor\": 4,"
         " \"rope_theta\": 3}",
         {.kind = WN_ROPE_LLAMA3,
          .theta = 3,
          .factor = 8,
          .low_freq_factor = 1,
          .high_freq_factor = 4,
          .original_positions = 2048}},
        {"\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": "
         "1024}",
         {.kind = WN_ROPE_YARN,
          .theta = 10000,
          .factor = 4,
          .beta_fast = 32,
          .beta_slow = 1,
          .truncate = true,
          .original_positions = 1024}},
        {"\"original_max_position_embeddings\": 256, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": "
         "null, \"beta_fast\": 16,"
         " \"beta_slow\": 0, \"attention_factor\": 1.5, \"mscale\": 0.7, \"mscale_all_dim\": 1, "
         "\"truncate\": false,"
         " \"original_max_position_embeddings\": 1024}",
         {.kind = WN_ROPE_YARN,
          .theta = 10000,
          .factor = 8,
          .beta_fast = 16,
          .beta_slow = 1,
          .attention_factor = 1.5,
          .mscale = 0.7,
          .mscale_all_dim = 1,
          .truncate = false,
          .original_positions = 256}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char text[512];
        (void)snprintf(text, sizeof text, "{\"model_type\": \"llama\", \"partial_rotary_factor\": 1.0, %s}",
                       cases[i].fields);
        const struct wn_rope r = read_good(text).rope;
        const struct wn_rope *const w = &cases[i].rope;
        cr_expect(r.kind == w->kind && r.theta == w->theta && r.factor == w->factor &&
                      r.original_positions == w->original_positions && r.truncate == w->truncate,
                  "case %zu: kind %d theta %g factor %g original %d", i, (int)r.kind, r.theta, r.factor,
                  r.original_positions);
        cr_expect(r.low_freq_factor == w->low_freq_factor && r.high_freq_factor == w->high_freq_factor &&
                      r.beta_fast == w->beta_fast && r.beta_slow == w->beta_slow &&
                      r.attention_factor == w->attention_factor && r.mscale == w->mscale &&
                      r.mscale_all_dim == w->mscale_all_dim,
                  "case %zu", i);
    }
}

Test(config, activations_go_by_every_name_in_use)
{
    static const struct {
        const char *name;
        enum wn_activation_kind kind;
    } cases[] = {{"gelu_new", WN_ACT_GELU_TANH},
                 {"gelu_pytorch_tanh", WN_ACT_GELU_TANH},
                 {"gelu_fast", WN_ACT_GELU_TANH},
                 {"gelu", WN_ACT_GELU_ERF},
                 {"gelu_python", WN_ACT_GELU_ERF},
                 {"quick_gelu", WN_ACT_GELU_QUICK},
                 {"silu", WN_ACT_SILU},
                 {"swish", WN_ACT_SILU},
                 {"relu", WN_ACT_RELU}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char text[128];
        (void)snprintf(text, sizeof text, "{\"model_type\": \"qwen3\", \"hidden_act\": \"%s\"}",
                       cases[i].name);
        cr_expect(read_good(text).activation == cases[i].kind, "%s", cases[i].name);
    }
}

/* Each is the small Llama with one edit, and must be refused naming the field. */
static const struct {
    const char *name, *find, *replace, *says[2];
} refused[] = {
    {"unknown family", "\"llama\"", "\"mamba\"", {"model_type", "mamba"}},
    {"family missing", "\"model_type\": \"llama\", ", "", {"model_type", "missing"}},
    {"family is a number", "\"llama\"", "5", {"model_type", "number"}},
    {"another class",
     "LlamaForCausalLM",
     "LlamaForSequenceClassification",
     {"architectures", "LlamaForSequenceClassification"}},
    {"class of another family",
     "LlamaForCausalLM",
     "MistralForCausalLM",
     {"architectures", "MistralForCausalLM"}},
    {"class as text", "[\"LlamaForCausalLM\"]", "\"LlamaForCausalLM\"", {"architectures", "list"}},
    {"class as a number", "\"LlamaForCausalLM\"", "3", {"architectures"}},
    {"layers 0",
     "\"num_hidden_layers\": 1",
     "\"num_hidden_layers\": 0",
     {"num_hidden_layers", "from 1 to 1024"}},
    {"layers above the limit",
     "\"num_hidden_layers\": 1",
     "\"num_hidden_layers\": 1025",
     {"num_hidden_layers", "1025"}},
    {"layers negative", "\"num_hidden_layers\": 1", "\"num_hidden_layers\": -1", {"num_hidden_layers"}},
    {"layers fractional",
     "\"num_hidden_layers\": 1",
     "\"num_hidden_layers\": 1.5",
     {"num_hidden_layers", "1.5"}},
    {"layers as text",
     "\"num_hidden_layers\": 1",
     "\"num_hidden_layers\": \"1\"",
     {"num_hidden_layers", "type text"}},
    {"layers above 2^53",
     "\"num_hidden_layers\": 1",
     "\"num_hidden_layers\": 9007199254740993",
     {"num_hidden_layers"}},
    {"layers infinite", "\"num_hidden_layers\": 1", "\"num_hidden_layers\": 1e999", {"config.json"}},
    {"layers NaN", "\"num_hidden_layers\": 1", "\"num_hidden_layers\": NaN", {"num_hidden_layers"}},
    {"layers true", "\"num_hidden_layers\": 1", "\"num_hidden_layers\": true", {"num_hidden_layers"}},
    {"layers contradict the tensors",
     "\"num_hidden_layers\": 1",
     "\"num_hidden_layers\": 2",
     {"layers.1.input_layernorm.weight", "missing"}},
    {"vocabulary contradicts the tensors",
     "\"vocab_size\": 8",
     "\"vocab_size\": 9",
     {"embed_tokens.weight", "vocab_size"}},
    {"vocabulary absurd", "\"vocab_size\": 8", "\"vocab_size\": 4398046511105", {"vocab_size"}},
    {"channels contradict the tensors", "\"hidden_size\": 4", "\"hidden_size\": 8", {"shape", "hidden_size"}},
    {"inner size contradicts the tensors",
     "\"intermediate_size\": 6",
     "\"intermediate_size\": 7",
     {"shape", "intermediate_size"}},
    {"heads contradict the tensors",
     "\"num_attention_heads\": 2",
     "\"num_attention_heads\": 1",
     {"shape", "head_dim"}},
    {"heads do not divide the channels",
     "\"num_attention_heads\": 2, \"num_key_value_heads\": 1",
     "\"num_attention_heads\": 3, \"num_key_value_heads\": 1",
     {"hidden_size", "num_attention_heads"}},
    {"key heads do not divide the heads",
     "\"num_key_value_heads\": 1",
     "\"num_key_value_heads\": 3",
     {"num_key_value_heads"}},
    {"odd head size", "\"hidden_size\": 4,", "\"hidden_size\": 4, \"head_dim\": 3,", {"head_dim", "even"}},
    {"head size contradicts the tensors",
     "\"hidden_size\": 4,",
     "\"hidden_size\": 4, \"head_dim\": 4,",
     {"shape", "head_dim"}},
    {"head size above the limit",
     "\"hidden_size\": 4,",
     "\"hidden_size\": 4, \"head_dim\": 8192,",
     {"head_dim"}},
    {"positions 0",
     "\"max_position_embeddings\": 32",
     "\"max_position_embeddings\": 0",
     {"max_position_embeddings"}},
    {"positions absurd",
     "\"max_position_embeddings\": 32",
     "\"max_position_embeddings\": 1e18",
     {"max_position_embeddings"}},
    {"eps 0", "1e-05", "0", {"rms_norm_eps"}},
    {"eps negative", "1e-05", "-1e-5", {"rms_norm_eps"}},
    {"eps NaN", "1e-05", "NaN", {"rms_norm_eps"}},
    {"eps infinite", "1e-05", "Infinity", {"rms_norm_eps"}},
    {"eps as text", "1e-05", "\"1e-5\"", {"rms_norm_eps"}},
    {"theta 0", "\"rope_theta\": 10000.0", "\"rope_theta\": 0", {"rope_theta"}},
    {"theta negative", "\"rope_theta\": 10000.0", "\"rope_theta\": -1e4", {"rope_theta"}},
    {"theta infinite", "\"rope_theta\": 10000.0", "\"rope_theta\": Infinity", {"rope_theta"}},
    {"activation unknown", "\"silu\"", "\"mish\"", {"hidden_act", "mish"}},
    {"activation as a number", "\"silu\"", "1", {"hidden_act"}},
    {"tie as text",
     "\"tie_word_embeddings\": false",
     "\"tie_word_embeddings\": \"false\"",
     {"tie_word_embeddings", "true or false"}},
    {"tie as a number",
     "\"tie_word_embeddings\": false",
     "\"tie_word_embeddings\": 0",
     {"tie_word_embeddings"}},
    {"bias without its tensors",
     "\"silu\"",
     "\"silu\", \"attention_bias\": true",
     {"q_proj.bias", "missing"}},
    {"MLP bias without its tensors",
     "\"silu\"",
     "\"silu\", \"mlp_bias\": true",
     {"gate_proj.bias", "missing"}},
    {"quantised",
     "\"silu\"",
     "\"silu\", \"quantization_config\": {\"quant_method\": \"gptq\"}",
     {"quantization_config", "gptq"}},
    {"quantised, unnamed", "\"silu\"", "\"silu\", \"quantization_config\": true", {"quantization_config"}},
    {"cross attention", "\"silu\"", "\"silu\", \"add_cross_attention\": true", {"add_cross_attention"}},
    {"encoder and decoder", "\"silu\"", "\"silu\", \"is_encoder_decoder\": true", {"is_encoder_decoder"}},
    {"pruned heads", "\"silu\"", "\"silu\", \"pruned_heads\": {\"0\": [1]}", {"pruned_heads"}},
    {"rope dynamic",
     "\"silu\"",
     "\"silu\", \"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}",
     {"rope_scaling.type", "dynamic"}},
    {"rope longrope",
     "\"silu\"",
     "\"silu\", \"rope_parameters\": {\"rope_type\": \"longrope\"}",
     {"rope_parameters.rope_type", "longrope"}},
    {"rope type missing",
     "\"silu\"",
     "\"silu\", \"rope_scaling\": {\"factor\": 2}",
     {"rope_scaling.rope_type", "missing"}},
    {"rope factor missing",
     "\"silu\"",
     "\"silu\", \"rope_scaling\": {\"type\": \"linear\"}",
     {"rope_scaling.factor", "missing"}},
    {"rope factor 0",
     "\"silu\"",
     "\"silu\", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 0}",
     {"rope_scaling.factor"}},
    {"rope factor as text",
     "\"silu\"",
     "\"silu\", \"rope_scaling\": {\"type\": \"linear\", \"factor\": \"2\"}",
     {"rope_scaling.factor"}},
    {"rope is text", "\"silu\"", "\"silu\", \"rope_scaling\": \"linear\"", {"rope_scaling", "object"}},
    {"rope parameters are a list",
     "\"silu\"",
     "\"silu\", \"rope_parameters\": []",
     {"rope_parameters", "object"}},
    {"rope by kind of layer",
     "\"silu\"",
     "\"silu\", \"rope_parameters\": {\"full_attention\": {}}",
     {"rope_parameters.full_attention"}},
    {"rope of images",
     "\"silu\"",
     "\"silu\", \"rope_scaling\": {\"type\": \"default\", \"mrope_section\": [1]}",
     {"mrope"}},
    {"rope partial",
     "\"silu\"",
     "\"silu\", \"partial_rotary_factor\": 0.5",
     {"partial_rotary_factor", "0.5"}},
    {"rope partial within",
     "\"silu\"",
     "\"silu\", \"rope_parameters\": {\"partial_rotary_factor\": 0.25}",
     {"rope_parameters.partial_rotary_factor"}},
    {"llama3 without its factors",
     "\"silu\"",
     "\"silu\", \"rope_scaling\": {\"type\": \"llama3\", \"factor\": 8}",
     {"low_freq_factor", "missing"}},
    {"llama3 with equal factors",
     "\"silu\"",
     "\"silu\", \"rope_scaling\": {\"type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4, "
     "\"high_freq_factor\": 4}",
     {"high_freq_factor"}},
    {"llama3 original length 0",
     "\"silu\"",
     "\"silu\", \"rope_scaling\": {\"type\": \"llama3\", \"factor\": 8, "
     "\"original_max_position_embeddings\": 0}",
     {"original_max_position_embeddings"}},
    {"yarn with betas swapped",
     "\"silu\"",
     "\"silu\", \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 8, \"beta_fast\": 1, \"beta_slow\": 32}",
     {"beta_fast", "beta_slow"}},
    {"yarn attention factor 0",
     "\"silu\"",
     "\"silu\", \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 8, \"attention_factor\": 0}",
     {"attention_factor"}},
    {"layer types too few", "\"silu\"", "\"silu\", \"layer_types\": []", {"layer_types", "0 entries"}},
    {"layer type unknown",
     "\"silu\"",
     "\"silu\", \"layer_types\": [\"chunked_attention\"]",
     {"layer_types", "chunked_attention"}},
    {"layer type a number", "\"silu\"", "\"silu\", \"layer_types\": [1]", {"layer_types"}},
    {"layer types are text",
     "\"silu\"",
     "\"silu\", \"layer_types\": \"full_attention\"",
     {"layer_types", "list"}},
    {"sliding without a window",
     "\"silu\"",
     "\"silu\", \"layer_types\": [\"sliding_attention\"]",
     {"layer_types", "sliding_window"}},
    {"key twice", "\"silu\"", "\"silu\", \"hidden_act\": \"silu\"", {"config.json"}},
    {"not JSON", "\"silu\"", "silu", {"config.json", "JSON"}},
    {"cut in the middle", ", \"torch_dtype\": \"float32\"}", "", {"config.json", "JSON"}},
    {"text behind", "\"float32\"}", "\"float32\"} x", {"config.json", "JSON"}},
    {"bad UTF-8", "\"silu\"", "\"si\xfflu\"", {"config.json"}},
};

Test(config, every_wrong_value_is_refused_naming_its_field)
{
    char folder[TEST_PATH];
    size_t size = 0;
    char *const header = test_llama_header(&size);
    test_folder_make(folder);
    test_write_tensors(folder, "model.safetensors", header, NULL, size);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; ++i) {
        char *const text = test_replace(test_llama_config, refused[i].find, refused[i].replace);
        test_write_text(folder, "config.json", text);
        test_expect_refused(refused[i].name, folder, refused[i].says, 2);
        free(text);
    }
    free(header);
    test_folder_remove(folder);
}

Test(config, files_that_hold_no_object_are_refused)
{
    static const char *const texts[] = {"", "null", "[]", "3", "\"gpt2\"", "{", "\0{}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
        struct wn_config config;
        struct wn_error err = {.text = ""};
        cr_expect(read_text(texts[i], &config, &err) == WN_MODEL, "case %zu", i);
        cr_expect(strstr(err.text, "config.json") != NULL, "case %zu: %s", i, err.text);
    }
    /* Nesting far beyond what any configuration needs. */
    char *const deep = malloc(200001);
    struct wn_config config;
    struct wn_error err = {.text = ""};
    memset(deep, '[', 200000);
    deep[200000] = '\0';
    cr_expect(read_text(deep, &config, &err) == WN_MODEL);
    cr_expect(strstr(err.text, "config.json") != NULL, "%s", err.text);
    free(deep);
}

Test(config, a_config_without_file_or_of_17_mebibytes_is_refused)
{
    char folder[TEST_PATH];
    struct wn_config config;
    struct wn_error err = {.text = ""};
    test_folder_make(folder);
    cr_expect(wn_config_read(folder, &config, &err) == WN_MODEL);
    cr_expect(strstr(err.text, "config.json") != NULL, "%s", err.text);
    char path[TEST_PATH];
    test_write_text(folder, "config.json", "{}");
    test_join(folder, "config.json", path);
    cr_assert(truncate(path, 17 << 20) == 0);
    cr_expect(wn_config_read(folder, &config, &err) == WN_MODEL);
    cr_expect(strstr(err.text, "limit") != NULL, "%s", err.text);
    test_folder_remove(folder);
}
