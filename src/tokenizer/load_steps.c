/* Normalizers and pre-tokenizers of tokenizer.json, flattened into steps.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tokenizer/load.h"
#include "tokenizer/unicode.h"

#include <stdio.h>

/* Source: encoder.py of openai/gpt-2. */
static const char gpt2_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static wn_code component_type(const struct wn_loader *loader, const struct wn_json *value, const char *where,
                              int depth, struct wn_span *out_type)
{
    WN_CHECK(wn_json_is(value, WN_JSON_OBJECT), loader->err, WN_MODEL, "%s: %s is %s where an object belongs",
             loader->path, where, wn_json_type_name(value));
    WN_CHECK(depth < WN_TOKENIZER_NESTING, loader->err, WN_MODEL, "%s: %s nests more than %d sequences",
             loader->path, where, WN_TOKENIZER_NESTING);
    return wn_load_text(loader, value, where, "type", out_type);
}

static wn_code unsupported(const struct wn_loader *loader, const char *where, struct wn_span type)
{
    WN_FAIL(loader->err, WN_MODEL, "%s: %s: the component '%.*s' is not supported", loader->path, where,
            (int)(type.size < 100 ? type.size : 100), type.data);
}

/* --- Normalizers --- */

static wn_code normal_add(const struct wn_loader *loader, enum wn_normal_kind kind, struct wn_normal **out)
{
    struct wn_tokenizer *tokenizer = loader->tokenizer;
    WN_CHECK(tokenizer->n_normals < WN_TOKENIZER_STEPS, loader->err, WN_MODEL,
             "%s: normalizer has more than %d steps", loader->path, WN_TOKENIZER_STEPS);
    *out = &tokenizer->normals[tokenizer->n_normals++];
    (*out)->kind = kind;
    return WN_OK;
}

static wn_code load_bert(const struct wn_loader *loader, const struct wn_json *value, const char *where)
{
    bool clean = false;
    bool chinese = false;
    bool lowercase = false;
    bool accents = false;
    struct wn_normal *normal = NULL;
    WN_TRY(wn_load_bool(loader, value, where, "clean_text", &clean));
    WN_TRY(wn_load_bool(loader, value, where, "handle_chinese_chars", &chinese));
    WN_TRY(wn_load_bool(loader, value, where, "lowercase", &lowercase));
    WN_TRY(wn_load_bool_or(loader, value, where, "strip_accents", lowercase, &accents));
    if (clean) {
        WN_TRY(normal_add(loader, WN_NORMAL_CLEAN, &normal));
    }
    if (chinese) {
        WN_TRY(normal_add(loader, WN_NORMAL_CHINESE, &normal));
    }
    if (accents) {
        WN_TRY(normal_add(loader, WN_NORMAL_NFD, &normal));
        WN_TRY(normal_add(loader, WN_NORMAL_STRIP_NONSPACING, &normal));
    }
    return lowercase ? normal_add(loader, WN_NORMAL_LOWERCASE, &normal) : WN_OK;
}

/* Normalizers with fields of their own; the caller has read the type. */
static wn_code load_normal_fields(const struct wn_loader *loader, const struct wn_json *value,
                                  const char *where, struct wn_span type)
{
    struct wn_normal *normal = NULL;
    struct wn_span text;
    if (wn_span_is(type, "Prepend")) {
        WN_TRY(normal_add(loader, WN_NORMAL_PREPEND, &normal));
        WN_TRY(wn_load_text(loader, value, where, "prepend", &text));
        return wn_load_copy(loader, text, &normal->content);
    }
    if (wn_span_is(type, "Replace")) {
        WN_TRY(normal_add(loader, WN_NORMAL_REPLACE, &normal));
        WN_TRY(wn_load_text(loader, value, where, "content", &text));
        WN_TRY(wn_load_copy(loader, text, &normal->content));
        return wn_load_pattern(loader, value, where, &normal->pattern);
    }
    if (wn_span_is(type, "Strip")) {
        WN_TRY(normal_add(loader, WN_NORMAL_STRIP, &normal));
        WN_TRY(wn_load_bool(loader, value, where, "strip_left", &normal->left));
        return wn_load_bool(loader, value, where, "strip_right", &normal->right);
    }
    if (wn_span_is(type, "BertNormalizer")) {
        return load_bert(loader, value, where);
    }
    return unsupported(loader, where, type);
}

wn_code wn_load_normalizer(const struct wn_loader *loader, const struct wn_json *value, const char *where,
                           int depth)
{
    static const struct {
        const char *name;
        enum wn_normal_kind kind;
    } plain[] = {{"NFC", WN_NORMAL_NFC},
                 {"NFD", WN_NORMAL_NFD},
                 {"NFKC", WN_NORMAL_NFKC},
                 {"NFKD", WN_NORMAL_NFKD},
                 {"Lowercase", WN_NORMAL_LOWERCASE},
                 {"StripAccents", WN_NORMAL_STRIP_ACCENTS},
                 {"Nmt", WN_NORMAL_NMT},
                 {"ByteLevel", WN_NORMAL_BYTE_LEVEL}};
    if (value == NULL || wn_json_is(value, WN_JSON_NULL)) {
        return WN_OK;
    }
    struct wn_span type;
    WN_TRY(component_type(loader, value, where, depth, &type));
    if (wn_span_is(type, "Sequence")) {
        const struct wn_json *items = NULL;
        WN_TRY(wn_load_array(loader, value, where, "normalizers", &items));
        size_t i = 0;
        for (const struct wn_json *item = wn_json_first(items); item != NULL;
             item = wn_json_next(item), i++) {
            char inner[256];
            (void)snprintf(inner, sizeof inner, "%.200s.normalizers[%zu]", where, i);
            WN_CHECK(wn_json_is(item, WN_JSON_OBJECT), loader->err, WN_MODEL, "%s: %s is not an object",
                     loader->path, inner);
            WN_TRY(wn_load_normalizer(loader, item, inner, depth + 1));
        }
        return WN_OK;
    }
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (wn_span_is(type, plain[i].name)) {
            struct wn_normal *normal = NULL;
            return normal_add(loader, plain[i].kind, &normal);
        }
    }
    return load_normal_fields(loader, value, where, type);
}

/* --- Pre-tokenizers --- */

static wn_code step_add(const struct wn_loader *loader, enum wn_pretoken_kind kind,
                        enum wn_split_behavior behavior, struct wn_pretoken **out)
{
    struct wn_tokenizer *tokenizer = loader->tokenizer;
    WN_CHECK(tokenizer->n_pretokens < WN_TOKENIZER_STEPS, loader->err, WN_MODEL,
             "%s: pre_tokenizer has more than %d steps", loader->path, WN_TOKENIZER_STEPS);
    *out = &tokenizer->pretokens[tokenizer->n_pretokens++];
    (*out)->kind = kind;
    (*out)->behavior = behavior;
    return WN_OK;
}

wn_code wn_load_byte_level(const struct wn_loader *loader, bool add_prefix_space, bool use_regex,
                           const char *where)
{
    struct wn_pretoken *step = NULL;
    if (add_prefix_space) {
        WN_TRY(step_add(loader, WN_PRETOKEN_PREFIX_SPACE, WN_ISOLATED, &step));
    }
    if (use_regex) {
        WN_TRY(step_add(loader, WN_PRETOKEN_SPLIT, WN_ISOLATED, &step));
        WN_TRY(wn_load_locate(
            loader, wn_pattern_compile(wn_span_of(gpt2_pattern), true, &step->pattern, loader->err), where));
    }
    return step_add(loader, WN_PRETOKEN_BYTE_LEVEL, WN_ISOLATED, &step);
}

static wn_code load_behavior(const struct wn_loader *loader, const struct wn_json *value, const char *where,
                             enum wn_split_behavior *out)
{
    static const struct {
        const char *name;
        enum wn_split_behavior behavior;
    } names[] = {{"Removed", WN_REMOVED},
                 {"Isolated", WN_ISOLATED},
                 {"MergedWithPrevious", WN_MERGED_WITH_PREVIOUS},
                 {"MergedWithNext", WN_MERGED_WITH_NEXT},
                 {"Contiguous", WN_CONTIGUOUS}};
    struct wn_span text;
    WN_TRY(wn_load_text(loader, value, where, "behavior", &text));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (wn_span_is(text, names[i].name)) {
            *out = names[i].behavior;
            return WN_OK;
        }
    }
    WN_FAIL(loader->err, WN_MODEL, "%s: %s.behavior '%.*s' is not known", loader->path, where,
            (int)(text.size < 100 ? text.size : 100), text.data);
}

/* A field that holds one character. */
static wn_code load_character(const struct wn_loader *loader, const struct wn_json *value, const char *where,
                              const char *key, uint32_t *out)
{
    struct wn_span text;
    WN_TRY(wn_load_text(loader, value, where, key, &text));
    size_t size = 0;
    if (text.size > 0) {
        *out = wn_utf8_get(text.data, &size);
    }
    WN_CHECK(text.size > 0 && size == text.size, loader->err, WN_MODEL, "%s: %s.%s is not one character",
             loader->path, where, key);
    return WN_OK;
}

static wn_code load_metaspace(const struct wn_loader *loader, const struct wn_json *value, const char *where)
{
    struct wn_pretoken *step = NULL;
    bool adds = true;
    bool splits = true;
    WN_TRY(step_add(loader, WN_PRETOKEN_METASPACE, WN_ISOLATED, &step));
    WN_TRY(load_character(loader, value, where, "replacement", &step->character));
    WN_TRY(wn_load_bool_or(loader, value, where, "add_prefix_space", true, &adds));
    WN_TRY(wn_load_bool_or(loader, value, where, "split", true, &splits));
    struct wn_span scheme = wn_span_of("always");
    if (wn_json_get(value, "prepend_scheme") != NULL) {
        WN_TRY(wn_load_text(loader, value, where, "prepend_scheme", &scheme));
    }
    if (wn_span_is(scheme, "always") || wn_span_is(scheme, "first")) {
        step->scheme = wn_span_is(scheme, "always") ? WN_PREPEND_ALWAYS : WN_PREPEND_FIRST;
    } else {
        WN_CHECK(wn_span_is(scheme, "never"), loader->err, WN_MODEL,
                 "%s: %s.prepend_scheme '%.*s' is not known", loader->path, where,
                 (int)(scheme.size < 100 ? scheme.size : 100), scheme.data);
        step->scheme = WN_PREPEND_NEVER;
    }
    WN_CHECK(adds || step->scheme == WN_PREPEND_NEVER, loader->err, WN_MODEL,
             "%s: %s.add_prefix_space is false, which its prepend_scheme contradicts", loader->path, where);
    if (splits) {
        const uint32_t character = step->character;
        WN_TRY(step_add(loader, WN_PRETOKEN_CHARACTER, WN_MERGED_WITH_NEXT, &step));
        step->character = character;
    }
    return WN_OK;
}

static wn_code load_split(const struct wn_loader *loader, const struct wn_json *value, const char *where)
{
    struct wn_pretoken *step = NULL;
    WN_TRY(step_add(loader, WN_PRETOKEN_SPLIT, WN_ISOLATED, &step));
    WN_TRY(load_behavior(loader, value, where, &step->behavior));
    WN_TRY(wn_load_bool(loader, value, where, "invert", &step->invert));
    return wn_load_pattern(loader, value, where, &step->pattern);
}

static wn_code load_fixed_length(const struct wn_loader *loader, const struct wn_json *value,
                                 const char *where)
{
    struct wn_pretoken *step = NULL;
    int64_t length = 5;
    const struct wn_json *field = wn_json_get(value, "length");
    WN_CHECK(field == NULL || (wn_json_integer(field, &length) && length > 0), loader->err, WN_MODEL,
             "%s: %s.length is not a whole number above 0", loader->path, where);
    WN_TRY(step_add(loader, WN_PRETOKEN_FIXED_LENGTH, WN_ISOLATED, &step));
    step->length = (size_t)length;
    return WN_OK;
}

static wn_code load_pretoken(const struct wn_loader *loader, const struct wn_json *value, const char *where,
                             struct wn_span type)
{
    struct wn_pretoken *step = NULL;
    bool flag = false;
    bool use_regex = true;
    if (wn_span_is(type, "ByteLevel")) {
        WN_TRY(wn_load_bool(loader, value, where, "add_prefix_space", &flag));
        WN_TRY(wn_load_bool_or(loader, value, where, "use_regex", true, &use_regex));
        return wn_load_byte_level(loader, flag, use_regex, where);
    }
    if (wn_span_is(type, "Split")) {
        return load_split(loader, value, where);
    }
    if (wn_span_is(type, "Metaspace")) {
        return load_metaspace(loader, value, where);
    }
    if (wn_span_is(type, "Digits")) {
        WN_TRY(wn_load_bool(loader, value, where, "individual_digits", &flag));
        return step_add(loader, WN_PRETOKEN_NUMERIC, flag ? WN_ISOLATED : WN_CONTIGUOUS, &step);
    }
    if (wn_span_is(type, "Punctuation")) {
        WN_TRY(step_add(loader, WN_PRETOKEN_PUNCTUATION, WN_ISOLATED, &step));
        return wn_json_get(value, "behavior") != NULL ? load_behavior(loader, value, where, &step->behavior)
                                                      : WN_OK;
    }
    if (wn_span_is(type, "Whitespace")) {
        return step_add(loader, WN_PRETOKEN_WORDS, WN_REMOVED, &step);
    }
    if (wn_span_is(type, "WhitespaceSplit")) {
        return step_add(loader, WN_PRETOKEN_WHITE, WN_REMOVED, &step);
    }
    if (wn_span_is(type, "BertPreTokenizer")) {
        WN_TRY(step_add(loader, WN_PRETOKEN_WHITE, WN_REMOVED, &step));
        return step_add(loader, WN_PRETOKEN_PUNCTUATION, WN_ISOLATED, &step);
    }
    if (wn_span_is(type, "CharDelimiterSplit") || wn_span_is(type, "Delimiter")) {
        WN_TRY(step_add(loader, WN_PRETOKEN_CHARACTER, WN_REMOVED, &step));
        return load_character(loader, value, where, "delimiter", &step->character);
    }
    if (wn_span_is(type, "FixedLength")) {
        return load_fixed_length(loader, value, where);
    }
    return unsupported(loader, where, type);
}

wn_code wn_load_pretokenizer(const struct wn_loader *loader, const struct wn_json *value, const char *where,
                             int depth)
{
    if (value == NULL || wn_json_is(value, WN_JSON_NULL)) {
        return WN_OK;
    }
    struct wn_span type;
    WN_TRY(component_type(loader, value, where, depth, &type));
    if (!wn_span_is(type, "Sequence")) {
        return load_pretoken(loader, value, where, type);
    }
    const struct wn_json *items = NULL;
    WN_TRY(wn_load_array(loader, value, where, "pretokenizers", &items));
    size_t i = 0;
    for (const struct wn_json *item = wn_json_first(items); item != NULL; item = wn_json_next(item), i++) {
        char inner[256];
        (void)snprintf(inner, sizeof inner, "%.200s.pretokenizers[%zu]", where, i);
        WN_CHECK(wn_json_is(item, WN_JSON_OBJECT), loader->err, WN_MODEL, "%s: %s is not an object",
                 loader->path, inner);
        WN_TRY(wn_load_pretokenizer(loader, item, inner, depth + 1));
    }
    return WN_OK;
}
