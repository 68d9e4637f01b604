/* The rotary settings of config.json.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two forms: rope_theta at the top with rope_scaling {type or rope_type, ...} (transformers 4), or
 * rope_parameters {rope_type, rope_theta, ...} (transformers 5). Order and defaults as in transformers 5.23,
 * modeling_rope_utils.py (convert_rope_params_to_dict, standardize_rope_params, _compute_*_parameters):
 * rope_scaling before rope_parameters; a theta inside before the one at the top;
 * original_max_position_embeddings at the top before the one inside.
 */
#include "model/config.h"

static const double max_theta = 1e15;
static const double max_factor = 1e6;

static wn_code rope_kind(const struct wn_fields *rope, enum wn_rope_kind *out)
{
    static const struct {
        const char *name;
        enum wn_rope_kind kind;
    } kinds[] = {{"default", WN_ROPE_DEFAULT},
                 {"linear", WN_ROPE_LINEAR},
                 {"llama3", WN_ROPE_LLAMA3},
                 {"yarn", WN_ROPE_YARN}};
    struct wn_span type;
    const char *field = "rope_type";
    WN_TRY(wn_field_text(rope, field, &type));
    if (type.data == NULL) {
        field = "type";
        WN_TRY(wn_field_text(rope, field, &type));
    }
    *out = WN_ROPE_DEFAULT;
    if (type.data == NULL) {
        /* A factor without a type is a setting that something else would apply and this program would not. */
        WN_CHECK(wn_field(rope, "factor") == NULL, rope->err, WN_MODEL,
                 "%s: field '%srope_type' is missing beside '%sfactor': which scaling is meant is unknown",
                 rope->path, rope->within, rope->within);
        return WN_OK;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
        if (wn_span_is(type, kinds[i].name)) {
            *out = kinds[i].kind;
            return WN_OK;
        }
    }
    char shown[WN_SHOWN_VALUE];
    WN_FAIL(rope->err, WN_MODEL,
            "%s: field '%s%s': the rotary type '%s' is not supported (default, linear, llama3 and yarn are)",
            rope->path, rope->within, field, wn_cursor_show(type, shown, sizeof shown));
}

static wn_code check_partial(const struct wn_fields *fields)
{
    double factor = 1;
    WN_TRY(wn_field_number(fields, "partial_rotary_factor", 0, 1, 1, &factor));
    WN_CHECK(factor == 1, fields->err, WN_MODEL,
             "%s: field '%spartial_rotary_factor' is %g: rotation of a part of each head is not supported",
             fields->path, fields->within, factor);
    return WN_OK;
}

static wn_code read_yarn(const struct wn_fields *rope, struct wn_config *config)
{
    struct wn_rope *const r = &config->rope;
    /* `or 32`, `or 1`: a 0 means the default, too. */
    WN_TRY(wn_field_number(rope, "beta_fast", -1, max_factor, 32, &r->beta_fast));
    WN_TRY(wn_field_number(rope, "beta_slow", -1, max_factor, 1, &r->beta_slow));
    r->beta_fast = r->beta_fast == 0 ? 32 : r->beta_fast;
    r->beta_slow = r->beta_slow == 0 ? 1 : r->beta_slow;
    WN_CHECK(r->beta_slow > 0 && r->beta_fast >= r->beta_slow, rope->err, WN_MODEL,
             "%s: field '%sbeta_fast' is %g and '%sbeta_slow' %g: they must be above 0, fast not below slow",
             rope->path, rope->within, r->beta_fast, rope->within, r->beta_slow);
    WN_TRY(wn_field_number(rope, "attention_factor", 0, max_factor, 0, &r->attention_factor));
    WN_TRY(wn_field_number(rope, "mscale", -1e-9, max_factor, 0, &r->mscale));
    WN_TRY(wn_field_number(rope, "mscale_all_dim", -1e-9, max_factor, 0, &r->mscale_all_dim));
    return wn_field_boolean(rope, "truncate", true, &r->truncate);
}

static wn_code read_llama3(const struct wn_fields *rope, struct wn_config *config)
{
    struct wn_rope *const r = &config->rope;
    WN_TRY(wn_field_number(rope, "low_freq_factor", 0, max_factor, -1, &r->low_freq_factor));
    WN_TRY(wn_field_number(rope, "high_freq_factor", 0, max_factor, -1, &r->high_freq_factor));
    WN_CHECK(r->high_freq_factor > r->low_freq_factor, rope->err, WN_MODEL,
             "%s: field '%shigh_freq_factor' is %g, but must be above '%slow_freq_factor', %g", rope->path,
             rope->within, r->high_freq_factor, rope->within, r->low_freq_factor);
    return WN_OK;
}

static wn_code read_scaling(const struct wn_fields *top, const struct wn_fields *rope,
                            struct wn_config *config)
{
    struct wn_rope *const r = &config->rope;
    const bool has_original = r->kind == WN_ROPE_LLAMA3 || r->kind == WN_ROPE_YARN;
    if (r->kind == WN_ROPE_DEFAULT) {
        return WN_OK;
    }
    if (has_original) {
        const char *const name = "original_max_position_embeddings";
        const struct wn_fields *const where = wn_field(top, name) != NULL ? top : rope;
        WN_TRY(wn_field_integer(where, name, 1, WN_MAX_POSITIONS, config->positions, &r->original_positions));
    }
    /* yarn alone may leave the factor to the ratio of the two lengths. */
    const double ratio =
        r->kind == WN_ROPE_YARN ? (double)config->positions / (double)r->original_positions : -1;
    WN_TRY(wn_field_number(rope, "factor", 0, max_factor, ratio, &r->factor));
    if (r->kind == WN_ROPE_YARN) {
        return read_yarn(rope, config);
    }
    return r->kind == WN_ROPE_LLAMA3 ? read_llama3(rope, config) : WN_OK;
}

wn_code wn_config_rope(const struct wn_fields *fields, struct wn_config *config)
{
    const struct wn_json *scaling = wn_field(fields, "rope_scaling");
    const struct wn_json *parameters = wn_field(fields, "rope_parameters");
    WN_CHECK(scaling == NULL || wn_json_is(scaling, WN_JSON_OBJECT), fields->err, WN_MODEL,
             "%s: field 'rope_scaling' is a %s, but must be an object", fields->path,
             wn_json_type_name(scaling));
    WN_CHECK(parameters == NULL || wn_json_is(parameters, WN_JSON_OBJECT), fields->err, WN_MODEL,
             "%s: field 'rope_parameters' is a %s, but must be an object", fields->path,
             wn_json_type_name(parameters));
    const bool is_scaling = scaling != NULL && wn_json_count(scaling) > 0;
    const struct wn_fields rope = {.object = is_scaling ? scaling : parameters,
                                   .path = fields->path,
                                   .within = is_scaling ? "rope_scaling." : "rope_parameters.",
                                   .err = fields->err};
    static const char *const nested[] = {"full_attention", "sliding_attention", "chunked_attention"};
    for (size_t i = 0; i < sizeof nested / sizeof *nested; ++i) {
        WN_CHECK(wn_field(&rope, nested[i]) == NULL, fields->err, WN_MODEL,
                 "%s: field '%s%s': rotary settings by kind of layer are not supported", fields->path,
                 rope.within, nested[i]);
    }
    WN_CHECK(wn_field(&rope, "mrope_section") == NULL, fields->err, WN_MODEL,
             "%s: field '%smrope_section': rotary positions of images (mrope) are not supported",
             fields->path, rope.within);
    WN_TRY(check_partial(fields));
    WN_TRY(check_partial(&rope));
    WN_TRY(rope_kind(&rope, &config->rope.kind));
    WN_TRY(wn_field_number(fields, "rope_theta", 1, max_theta, 10000, &config->rope.theta));
    WN_TRY(wn_field_number(&rope, "rope_theta", 1, max_theta, config->rope.theta, &config->rope.theta));
    config->rope.factor = 1;
    return read_scaling(fields, &rope, config);
}
