/* Members of a JSON object set in its own bytes: all that is not set stays as it was written.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The scanner expects valid JSON (the corpus parsed it) but never leaves the bytes it was given.
 */
#include "select/parts.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>

bool wn_bytes_append(struct wn_bytes *bytes, struct wn_span more)
{
    wn_bytes_add(bytes, more.data, more.size);
    return !bytes->is_short;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t space_skip(struct wn_span text, size_t at)
{
    while (at < text.size && is_space(text.data[at])) {
        at++;
    }
    return at;
}

/* `at` stands on a quote; the byte behind the closing one, or text.size. */
static size_t string_end(struct wn_span text, size_t at)
{
    for (at++; at < text.size; at++) {
        if (text.data[at] == '\\') {
            at++;
        } else if (text.data[at] == '"') {
            return at + 1;
        }
    }
    return text.size;
}

/* The byte behind the value that starts at `at`: up to the comma or brace that ends the member. */
static size_t value_end(struct wn_span text, size_t at)
{
    size_t depth = 0;
    while (at < text.size) {
        const char c = text.data[at];
        if (c == '"') {
            at = string_end(text, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}')) {
            break;
        }
        depth += c == '{' || c == '[';
        depth -= depth > 0 && (c == '}' || c == ']');
        at++;
    }
    while (at > 0 && is_space(text.data[at - 1])) {
        at--;
    }
    return at;
}

/* One member: key with its quotes, and value, as places in the object. */
struct place {
    size_t key, key_end, value, value_end;
};

/* The member that starts at or behind `at`; false at the closing brace. `at` moves behind the value. */
static bool member_next(struct wn_span object, size_t *at, struct place *out)
{
    size_t i = space_skip(object, *at);
    if (i < object.size && object.data[i] == ',') {
        i = space_skip(object, i + 1);
    }
    if (i >= object.size || object.data[i] != '"') {
        return false;
    }
    out->key = i;
    out->key_end = string_end(object, i);
    i = space_skip(object, out->key_end);
    if (i >= object.size || object.data[i] != ':') {
        return false;
    }
    out->value = space_skip(object, i + 1);
    out->value_end = value_end(object, out->value);
    *at = out->value_end;
    return out->value_end > out->value && out->value_end < object.size;
}

/* True where the key at `place` says `key`, escapes undone. */
static bool key_is(struct wn_span object, const struct place *place, const char *key)
{
    const struct wn_span quoted = {object.data + place->key, place->key_end - place->key};
    if (memchr(quoted.data, '\\', quoted.size) == NULL) {
        return quoted.size >= 2 && wn_span_is((struct wn_span){quoted.data + 1, quoted.size - 2}, key);
    }
    struct wn_json *root = NULL;
    if (wn_json_parse(quoted, WN_INPUT, &root, NULL) != WN_OK) {
        return false;
    }
    const bool is_same = wn_span_is(wn_json_text(root), key);
    wn_json_free(root);
    return is_same;
}

static wn_code object_check(struct wn_span object, struct wn_error *err)
{
    WN_CHECK(object.size >= 2 && object.data[0] == '{' && object.data[object.size - 1] == '}', err, WN_INPUT,
             "a record is not a JSON object: no fields can be added to it");
    return WN_OK;
}

wn_code wn_object_has(struct wn_span object, const char *const *keys, size_t n, uint32_t *out_bits,
                      struct wn_error *err)
{
    WN_TRY(object_check(object, err));
    struct place place;
    *out_bits = 0;
    for (size_t at = 1; member_next(object, &at, &place);) {
        for (size_t i = 0; i < n; i++) {
            *out_bits |= key_is(object, &place, keys[i]) ? UINT32_C(1) << i : 0;
        }
    }
    return WN_OK;
}

wn_code wn_object_value(struct wn_span object, const char *key, struct wn_span *out_value,
                        struct wn_error *err)
{
    WN_TRY(object_check(object, err));
    struct place place;
    *out_value = (struct wn_span){NULL, 0};
    for (size_t at = 1; member_next(object, &at, &place);) {
        if (key_is(object, &place, key)) {
            *out_value = (struct wn_span){object.data + place.value, place.value_end - place.value};
        }
    }
    return WN_OK;
}

bool wn_json_tidy(const char *text, int depth, struct wn_bytes *out)
{
    bool ok = true;
    for (const char *at = text; *at != '\0' && ok; at++) {
        if (*at == '\t') { /* in strings a tab is escaped, so a bare one is layout */
            ok = wn_bytes_append(out, wn_span_of(at > text && at[-1] == ':' ? " " : "  "));
            continue;
        }
        ok = wn_bytes_append(out, (struct wn_span){at, 1});
        for (int i = 0; *at == '\n' && i < depth && ok; i++) {
            ok = wn_bytes_append(out, wn_span_of("  "));
        }
    }
    return ok;
}

/* How members stand apart in this object. */
struct spacing {
    struct wn_span before_key;  /* white space in front of a key behind a comma */
    struct wn_span after_colon; /* white space between colon and value */
    size_t end;                 /* behind the last value, or behind the opening brace */
    bool is_empty;
};

/* The white space in front of the second key tells what stands behind a comma. With one member only, an
 * indented object repeats what stands in front of its key, and a one-line object has a space where the colon
 * has one. */
static struct spacing spacing_find(struct wn_span object)
{
    struct spacing spacing = {.end = 1, .is_empty = true};
    struct place place;
    size_t count = 0;
    for (size_t at = 1, before = 1; member_next(object, &at, &place); before = at) {
        size_t start = before;
        if (count > 0) {
            const char *comma = memchr(object.data + before, ',', place.key - before);
            start = comma == NULL ? place.key : (size_t)(comma - object.data) + 1;
        }
        if (count < 2) {
            spacing.before_key = (struct wn_span){object.data + start, place.key - start};
        }
        if (count == 0) {
            const size_t colon = space_skip(object, place.key_end);
            spacing.after_colon = (struct wn_span){object.data + colon + 1, place.value - colon - 1};
            if (memchr(spacing.before_key.data, '\n', spacing.before_key.size) == NULL) {
                spacing.before_key = spacing.after_colon;
            }
        }
        spacing.end = place.value_end;
        spacing.is_empty = false;
        count++;
    }
    if (count == 0) {
        spacing.after_colon = wn_span_of(" ");
        spacing.before_key = wn_span_of("");
    }
    return spacing;
}

static bool member_append(struct wn_bytes *out, const struct spacing *spacing, bool needs_comma,
                          const struct wn_member *member)
{
    /* In an object that was empty the first member has no comma in front, the others a comma and a space. */
    const struct wn_span before = spacing->is_empty && needs_comma ? wn_span_of(" ") : spacing->before_key;
    return (!needs_comma || wn_bytes_append(out, wn_span_of(","))) && wn_bytes_append(out, before) &&
           wn_bytes_append(out, wn_span_of("\"")) && wn_bytes_append(out, wn_span_of(member->key)) &&
           wn_bytes_append(out, wn_span_of("\":")) && wn_bytes_append(out, spacing->after_colon) &&
           wn_bytes_append(out, member->value);
}

wn_code wn_object_set(struct wn_span object, const struct wn_member *members, size_t n, struct wn_bytes *out,
                      struct wn_error *err)
{
    WN_TRY(object_check(object, err));
    const struct spacing spacing = spacing_find(object);
    bool ok = true;
    uint64_t done = 0; /* bit i: members[i] stands */
    size_t copied = 0;
    struct place place;
    for (size_t at = 1; ok && member_next(object, &at, &place);) {
        for (size_t i = 0; i < n && ok; i++) {
            if (key_is(object, &place, members[i].key)) {
                ok = wn_bytes_append(out, (struct wn_span){object.data + copied, place.value - copied}) &&
                     wn_bytes_append(out, members[i].value);
                copied = place.value_end;
                done |= UINT64_C(1) << i;
            }
        }
    }
    ok = ok && wn_bytes_append(out, (struct wn_span){object.data + copied, spacing.end - copied});
    bool needs_comma = !spacing.is_empty;
    for (size_t i = 0; i < n && ok; i++) {
        if ((done >> i & 1) == 0) {
            ok = member_append(out, &spacing, needs_comma, &members[i]);
            needs_comma = true;
        }
    }
    ok = ok && wn_bytes_append(out, (struct wn_span){object.data + spacing.end, object.size - spacing.end});
    WN_CHECK(ok, err, WN_DEVICE, "out of memory for a record");
    return WN_OK;
}
