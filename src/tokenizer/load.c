/* Reading fields of tokenizer.json, with messages that say where.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tokenizer/load.h"

#include <stdio.h>

wn_code wn_load_locate(const struct wn_loader *loader, wn_code code, const char *where)
{
    if (code == WN_OK || loader->err == NULL) {
        return code;
    }
    char text[1024];
    (void)snprintf(text, sizeof text, "%.1000s", loader->err->text);
    const int line = loader->err->line;
    const char *file = loader->err->file;
    return wn_error_set(loader->err, code, file, line, "%s: %s: %s", loader->path, where, text);
}

static wn_code field(const struct wn_loader *loader, const struct wn_json *object, const char *where,
                     const char *key, enum wn_json_type type, const char *type_name,
                     const struct wn_json **out)
{
    *out = wn_json_is(object, WN_JSON_OBJECT) ? wn_json_get(object, key) : NULL;
    WN_CHECK(*out != NULL, loader->err, WN_MODEL, "%s: %s has no field \"%s\"", loader->path, where, key);
    WN_CHECK(wn_json_is(*out, type), loader->err, WN_MODEL, "%s: %s.%s is %s where %s belongs", loader->path,
             where, key, wn_json_type_name(*out), type_name);
    return WN_OK;
}

wn_code wn_load_text(const struct wn_loader *loader, const struct wn_json *object, const char *where,
                     const char *key, struct wn_span *out)
{
    const struct wn_json *value = NULL;
    WN_TRY(field(loader, object, where, key, WN_JSON_STRING, "text", &value));
    *out = wn_json_text(value);
    return WN_OK;
}

wn_code wn_load_bool(const struct wn_loader *loader, const struct wn_json *object, const char *where,
                     const char *key, bool *out)
{
    const struct wn_json *value = NULL;
    WN_TRY(field(loader, object, where, key, WN_JSON_BOOLEAN, "a boolean", &value));
    *out = wn_json_boolean(value);
    return WN_OK;
}

wn_code wn_load_bool_or(const struct wn_loader *loader, const struct wn_json *object, const char *where,
                        const char *key, bool fallback, bool *out)
{
    const struct wn_json *value = wn_json_get(object, key);
    if (value == NULL || wn_json_is(value, WN_JSON_NULL)) {
        *out = fallback;
        return WN_OK;
    }
    return wn_load_bool(loader, object, where, key, out);
}

wn_code wn_load_array(const struct wn_loader *loader, const struct wn_json *object, const char *where,
                      const char *key, const struct wn_json **out)
{
    return field(loader, object, where, key, WN_JSON_ARRAY, "an array", out);
}

wn_code wn_load_id(const struct wn_loader *loader, const struct wn_json *value, const char *where,
                   int32_t *out)
{
    int64_t id = 0;
    WN_CHECK(value != NULL && wn_json_integer(value, &id), loader->err, WN_MODEL,
             "%s: %s: an id must be a whole number", loader->path, where);
    WN_CHECK(id >= 0 && id < WN_TOKENIZER_ID_LIMIT, loader->err, WN_MODEL,
             "%s: %s: the id %lld is not within 0 .. %d", loader->path, where, (long long)id,
             WN_TOKENIZER_ID_LIMIT - 1);
    *out = (int32_t)id;
    return WN_OK;
}

wn_code wn_load_copy(const struct wn_loader *loader, struct wn_span text, struct wn_span *out)
{
    return wn_arena_copy(loader->tokenizer->arena, text, out, loader->err);
}

wn_code wn_load_pattern(const struct wn_loader *loader, const struct wn_json *object, const char *where,
                        struct wn_pattern *out)
{
    const struct wn_json *value = NULL;
    WN_TRY(field(loader, object, where, "pattern", WN_JSON_OBJECT, "an object", &value));
    const struct wn_json *regex = wn_json_get(value, "Regex");
    const struct wn_json *text = regex != NULL ? regex : wn_json_get(value, "String");
    WN_CHECK(text != NULL && wn_json_is(text, WN_JSON_STRING) && wn_json_count(value) == 1, loader->err,
             WN_MODEL, "%s: %s.pattern is neither a \"String\" nor a \"Regex\"", loader->path, where);
    struct wn_span source;
    WN_TRY(wn_load_copy(loader, wn_json_text(text), &source));
    return wn_load_locate(loader, wn_pattern_compile(source, regex != NULL, out, loader->err), where);
}
