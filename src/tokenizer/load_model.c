/* The model section: vocabulary, merges and their options.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tokenizer/load.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

/* --- Vocabulary --- */

/* Copies a key; a reader of JSON gives U+0000 in a key as C0 80. Returns the size. */
static size_t key_copy(struct wn_span key, char *out)
{
    size_t size = 0;
    for (size_t i = 0; i < key.size; i++) {
        const bool is_zero = (unsigned char)key.data[i] == 0xC0 && i + 1 < key.size;
        out[size++] = is_zero ? '\0' : key.data[i];
        i += is_zero;
    }
    return size;
}

wn_code wn_load_vocab(const struct wn_loader *loader, const struct wn_json *object, const char *where)
{
    size_t bytes = 0;
    int32_t highest = -1;
    const size_t n = wn_json_count(object);
    WN_CHECK(n > 0, loader->err, WN_MODEL, "%s: %s is empty", loader->path, where);
    for (const struct wn_json *entry = wn_json_first(object); entry != NULL; entry = wn_json_next(entry)) {
        int32_t id = 0;
        WN_TRY(wn_load_id(loader, entry, where, &id));
        highest = id > highest ? id : highest;
        bytes += wn_json_key(entry).size;
    }
    struct wn_vocab *vocab = &loader->tokenizer->model.vocab;
    struct wn_arena *arena = loader->tokenizer->arena;
    WN_TRY(wn_load_locate(loader, wn_vocab_open(vocab, (size_t)highest + 1, n, arena, loader->err), where));
    char *texts = NULL;
    WN_TRY(WN_ARENA_NEW(arena, bytes + 1, &texts, loader->err));
    for (const struct wn_json *entry = wn_json_first(object); entry != NULL; entry = wn_json_next(entry)) {
        const size_t size = key_copy(wn_json_key(entry), texts);
        int32_t id = 0;
        WN_TRY(wn_load_id(loader, entry, where, &id));
        WN_CHECK(wn_vocab_add(vocab, (struct wn_span){texts, size}, (uint32_t)id), loader->err, WN_MODEL,
                 "%s: %s gives the id %d twice", loader->path, where, (int)id);
        texts += size;
    }
    return WN_OK;
}

/* --- Merges --- */

struct merging {
    const struct wn_loader *loader;
    char *text; /* of a merged token */
    size_t capacity;
    uint32_t rank;
    bool crosses; /* a merged token has U+2581 behind another character */
};

static bool has_inner_marker(struct wn_span text)
{
    bool was_marker = true;
    for (size_t at = 0; at < text.size;) {
        size_t size = 0;
        const bool is_marker = wn_utf8_get(text.data + at, &size) == 0x2581;
        if (is_marker && !was_marker) {
            return true;
        }
        was_marker = is_marker;
        at += size;
    }
    return false;
}

static wn_code merge_token(const struct merging *merging, struct wn_span text, int32_t *out_id)
{
    *out_id = wn_vocab_find(&merging->loader->tokenizer->model.vocab, text);
    WN_CHECK(*out_id >= 0, merging->loader->err, WN_MODEL,
             "%s: merge %u needs the token '%.*s', which the vocabulary does not have", merging->loader->path,
             merging->rank, (int)(text.size < 200 ? text.size : 200), text.data);
    return WN_OK;
}

static wn_code merge_add(struct merging *merging, struct wn_span left, struct wn_span right)
{
    const struct wn_bpe *model = &merging->loader->tokenizer->model;
    int32_t left_id = 0;
    int32_t right_id = 0;
    int32_t id = 0;
    WN_TRY(merge_token(merging, left, &left_id));
    WN_TRY(merge_token(merging, right, &right_id));
    WN_CHECK(right.size >= model->prefix.size, merging->loader->err, WN_MODEL,
             "%s: the right side of merge %u is shorter than continuing_subword_prefix",
             merging->loader->path, merging->rank);
    const size_t tail = right.size - model->prefix.size;
    WN_TRY(
        wn_grow((void **)&merging->text, &merging->capacity, left.size + tail + 1, 1, merging->loader->err));
    if (left.size > 0) {
        memcpy(merging->text, left.data, left.size);
    }
    if (tail > 0) {
        memcpy(merging->text + left.size, right.data + model->prefix.size, tail);
    }
    const struct wn_span text = {merging->text, left.size + tail};
    WN_TRY(merge_token(merging, text, &id));
    merging->crosses |= has_inner_marker(text);
    wn_merges_add(&merging->loader->tokenizer->model.merges, left_id, right_id, merging->rank++, id);
    return WN_OK;
}

/* "a b", with one space; a line that begins with #version is no merge. */
static wn_code merge_add_line(struct merging *merging, struct wn_span line)
{
    static const char version[] = "#version";
    if (line.size >= sizeof version - 1 && memcmp(line.data, version, sizeof version - 1) == 0) {
        return WN_OK;
    }
    const char *space = line.size > 0 ? memchr(line.data, ' ', line.size) : NULL;
    const size_t at = space != NULL ? (size_t)(space - line.data) : line.size;
    WN_CHECK(space != NULL && memchr(space + 1, ' ', line.size - at - 1) == NULL, merging->loader->err,
             WN_MODEL, "%s: merge %u is not two tokens with one space between", merging->loader->path,
             merging->rank);
    return merge_add(merging, (struct wn_span){line.data, at},
                     (struct wn_span){space + 1, line.size - at - 1});
}

static wn_code merge_add_pair(struct merging *merging, const struct wn_json *pair)
{
    const struct wn_json *left = wn_json_is(pair, WN_JSON_ARRAY) ? wn_json_first(pair) : NULL;
    const struct wn_json *right = left != NULL ? wn_json_next(left) : NULL;
    WN_CHECK(wn_json_is(left, WN_JSON_STRING) && wn_json_is(right, WN_JSON_STRING) &&
                 wn_json_count(pair) == 2,
             merging->loader->err, WN_MODEL, "%s: merge %u is not a pair of texts", merging->loader->path,
             merging->rank);
    return merge_add(merging, wn_json_text(left), wn_json_text(right));
}

static void merging_end(struct merging *merging)
{
    merging->loader->tokenizer->model.splits_at_marker = !merging->crosses;
    free(merging->text);
}

wn_code wn_load_merges_array(const struct wn_loader *loader, const struct wn_json *array)
{
    struct wn_tokenizer *tokenizer = loader->tokenizer;
    WN_TRY(wn_merges_open(&tokenizer->model.merges, wn_json_count(array), tokenizer->arena, loader->err));
    const bool is_legacy = wn_json_is(wn_json_first(array), WN_JSON_STRING);
    struct merging merging = {.loader = loader};
    wn_code code = WN_OK;
    for (const struct wn_json *item = wn_json_first(array); item != NULL && code == WN_OK;
         item = wn_json_next(item)) {
        if (is_legacy && wn_json_is(item, WN_JSON_STRING)) {
            code = merge_add_line(&merging, wn_json_text(item));
        } else {
            code = merge_add_pair(&merging, item);
        }
    }
    merging_end(&merging);
    return code;
}

wn_code wn_load_merges_text(const struct wn_loader *loader, struct wn_span text)
{
    struct wn_tokenizer *tokenizer = loader->tokenizer;
    size_t lines = 1;
    for (size_t i = 0; i < text.size; i++) {
        lines += text.data[i] == '\n';
    }
    WN_TRY(wn_merges_open(&tokenizer->model.merges, lines, tokenizer->arena, loader->err));
    struct merging merging = {.loader = loader};
    wn_code code = WN_OK;
    for (size_t at = 0; at < text.size && code == WN_OK;) {
        const char *newline = memchr(text.data + at, '\n', text.size - at);
        const size_t end = newline != NULL ? (size_t)(newline - text.data) : text.size;
        size_t size = end - at;
        if (size > 0 && text.data[end - 1] == '\r') {
            size--;
        }
        if (size > 0) {
            code = merge_add_line(&merging, (struct wn_span){text.data + at, size});
        }
        at = end + 1;
    }
    merging_end(&merging);
    return code;
}

/* --- Options --- */

/* An optional text: an empty span where it is missing or null. */
static wn_code option_text(const struct wn_loader *loader, const struct wn_json *model, const char *key,
                           struct wn_span *out)
{
    const struct wn_json *value = wn_json_get(model, key);
    *out = (struct wn_span){NULL, 0};
    if (value == NULL || wn_json_is(value, WN_JSON_NULL)) {
        return WN_OK;
    }
    struct wn_span text;
    WN_TRY(wn_load_text(loader, model, "model", key, &text));
    return wn_load_copy(loader, text, out);
}

static wn_code load_bpe(const struct wn_loader *loader, const struct wn_json *json)
{
    struct wn_bpe *model = &loader->tokenizer->model;
    const struct wn_json *dropout = wn_json_get(json, "dropout");
    WN_CHECK(dropout == NULL || wn_json_is(dropout, WN_JSON_NULL) ||
                 (wn_json_is(dropout, WN_JSON_NUMBER) && wn_json_number(dropout) >= 0.0 &&
                  wn_json_number(dropout) <= 0.0),
             loader->err, WN_MODEL, "%s: model.dropout is not null or 0: ids would be random; set it to null",
             loader->path);
    WN_TRY(wn_load_bool_or(loader, json, "model", "fuse_unk", false, &model->fuse_unknown));
    WN_TRY(wn_load_bool_or(loader, json, "model", "byte_fallback", false, &model->byte_fallback));
    WN_TRY(wn_load_bool_or(loader, json, "model", "ignore_merges", false, &model->ignore_merges));
    WN_TRY(option_text(loader, json, "continuing_subword_prefix", &model->prefix));
    WN_TRY(option_text(loader, json, "end_of_word_suffix", &model->suffix));
    const struct wn_json *merges = NULL;
    WN_TRY(wn_load_array(loader, json, "model", "merges", &merges));
    return wn_load_merges_array(loader, merges);
}

static wn_code load_word_piece(const struct wn_loader *loader, const struct wn_json *json)
{
    struct wn_bpe *model = &loader->tokenizer->model;
    struct wn_span prefix;
    int64_t most = 0;
    model->is_word_piece = true;
    WN_TRY(wn_load_text(loader, json, "model", "continuing_subword_prefix", &prefix));
    WN_TRY(wn_load_copy(loader, prefix, &model->prefix));
    const struct wn_json *value = wn_json_get(json, "max_input_chars_per_word");
    WN_CHECK(value != NULL && wn_json_integer(value, &most) && most >= 0, loader->err, WN_MODEL,
             "%s: model.max_input_chars_per_word is not a whole number", loader->path);
    model->max_characters = (size_t)most;
    return WN_OK;
}

wn_code wn_load_model(const struct wn_loader *loader, const struct wn_json *json)
{
    struct wn_bpe *model = &loader->tokenizer->model;
    WN_CHECK(wn_json_is(json, WN_JSON_OBJECT), loader->err, WN_MODEL,
             "%s: has no \"model\" object; is it a tokenizer.json?", loader->path);
    struct wn_span type = wn_span_of(wn_json_get(json, "merges") != NULL                     ? "BPE"
                                     : wn_json_get(json, "max_input_chars_per_word") != NULL ? "WordPiece"
                                                                                             : "");
    if (wn_json_get(json, "type") != NULL) { /* old files have none */
        WN_TRY(wn_load_text(loader, json, "model", "type", &type));
    }
    const bool is_bpe = wn_span_is(type, "BPE");
    WN_CHECK(is_bpe || wn_span_is(type, "WordPiece"), loader->err, WN_MODEL,
             "%s: model.type '%.*s' is not supported (BPE and WordPiece are)", loader->path,
             (int)(type.size < 100 ? type.size : 100), type.data);
    const struct wn_json *vocab = wn_json_get(json, "vocab");
    WN_CHECK(wn_json_is(vocab, WN_JSON_OBJECT), loader->err, WN_MODEL, "%s: model.vocab is not an object",
             loader->path);
    WN_TRY(wn_load_vocab(loader, vocab, "model.vocab"));
    WN_TRY(is_bpe ? load_bpe(loader, json) : load_word_piece(loader, json));
    struct wn_span unknown;
    model->unknown = -1;
    WN_TRY(option_text(loader, json, "unk_token", &unknown));
    if (unknown.data != NULL) {
        model->unknown = wn_vocab_find(&model->vocab, unknown);
        model->lacks_unknown = model->unknown < 0;
    }
    return WN_OK;
}
