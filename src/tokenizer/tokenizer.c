/* Opening a tokenizer, what it says of itself, its vocabulary.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tokenizer/load.h"
#include "tokenizer/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Byte-level pieces can stay raw bytes where the symbols are made last and each has its token: the step falls away and
 * the model starts from bytes. */
static void bytes_detect(struct wn_tokenizer *tokenizer)
{
    struct wn_bpe *model = &tokenizer->model;
    const size_t n = tokenizer->n_pretokens;
    if (model->is_word_piece || model->prefix.size + model->suffix.size > 0 || n == 0 ||
        tokenizer->pretokens[n - 1].kind != WN_PRETOKEN_BYTE_LEVEL) {
        return;
    }
    int32_t ids[256];
    for (int byte = 0; byte < 256; byte++) {
        char symbol[4];
        const size_t size = wn_utf8_put(wn_byte_symbol((unsigned char)byte), symbol);
        ids[byte] = wn_vocab_find(&model->vocab, (struct wn_span){symbol, size});
        if (ids[byte] < 0) {
            return;
        }
    }
    memcpy(model->byte_ids, ids, sizeof ids);
    model->on_bytes = true;
    tokenizer->n_pretokens--;
}

/* The ids of <0x00> .. <0xFF>; true where all are there. */
static bool fallback_fill(struct wn_bpe *model)
{
    bool is_complete = true;
    for (int byte = 0; byte < 256; byte++) {
        char name[8];
        (void)snprintf(name, sizeof name, "<0x%02X>", (unsigned)byte);
        model->byte_ids[byte] = wn_vocab_find(&model->vocab, wn_span_of(name));
        is_complete &= model->byte_ids[byte] >= 0;
    }
    return is_complete;
}

static const char *kind_of(const struct wn_tokenizer *tokenizer)
{
    const struct wn_bpe *model = &tokenizer->model;
    if (model->is_word_piece) {
        return "WordPiece";
    }
    bool has_symbols = model->on_bytes;
    for (size_t i = 0; i < tokenizer->n_pretokens; i++) {
        has_symbols |= tokenizer->pretokens[i].kind == WN_PRETOKEN_BYTE_LEVEL;
    }
    for (size_t i = 0; i < tokenizer->n_normals; i++) {
        has_symbols |= tokenizer->normals[i].kind == WN_NORMAL_BYTE_LEVEL;
    }
    return has_symbols ? "byte-level BPE" : model->byte_fallback ? "BPE with byte fallback" : "BPE";
}

/* The text of every id, an added token's before the vocabulary's. */
static wn_code pieces_fill(struct wn_tokenizer *tokenizer, struct wn_error *err)
{
    const struct wn_vocab *vocab = &tokenizer->model.vocab;
    WN_TRY(WN_ARENA_NEW(tokenizer->arena, (size_t)tokenizer->info.max_id + 1, &tokenizer->pieces, err));
    memcpy(tokenizer->pieces, vocab->texts, vocab->n_ids * sizeof *vocab->texts);
    for (size_t i = 0; i < tokenizer->n_added; i++) {
        tokenizer->pieces[tokenizer->added[i].id] = tokenizer->added[i].content;
    }
    tokenizer->info.n_vocab = 0;
    for (int32_t id = 0; id <= tokenizer->info.max_id; id++) {
        tokenizer->info.n_vocab += tokenizer->pieces[id].data != NULL;
    }
    return WN_OK;
}

wn_code wn_load_finish(const struct wn_loader *loader)
{
    struct wn_tokenizer *tokenizer = loader->tokenizer;
    struct wn_bpe *model = &tokenizer->model;
    int32_t highest = (int32_t)model->vocab.n_ids - 1;
    for (size_t i = 0; i < tokenizer->n_added; i++) {
        highest = tokenizer->added[i].id > highest ? tokenizer->added[i].id : highest;
    }
    for (int32_t i = 0; i < tokenizer->info.n_prefix; i++) {
        highest = tokenizer->prefix[i] > highest ? tokenizer->prefix[i] : highest;
    }
    for (int32_t i = 0; i < tokenizer->info.n_suffix; i++) {
        highest = tokenizer->suffix[i] > highest ? tokenizer->suffix[i] : highest;
    }
    tokenizer->info.max_id = highest;
    tokenizer->info.kind = kind_of(tokenizer);
    /* A character that is dropped would let what stands around it merge. */
    const bool drops_nothing = (fallback_fill(model) && model->byte_fallback) || model->unknown >= 0;
    bytes_detect(tokenizer);
    model->splits_at_marker = model->splits_at_marker && drops_nothing && !model->on_bytes &&
                              !model->is_word_piece && !model->ignore_merges &&
                              model->prefix.size + model->suffix.size == 0 &&
                              wn_vocab_find(&model->vocab, wn_span_of("\xE2\x96\x81")) >= 0;
    return pieces_fill(tokenizer, loader->err);
}

static wn_code load_root(const struct wn_loader *loader, const struct wn_json *root)
{
    WN_CHECK(wn_json_is(root, WN_JSON_OBJECT), loader->err, WN_MODEL, "%s: is not a JSON object",
             loader->path);
    const struct wn_json *version = wn_json_get(root, "version");
    WN_CHECK(version == NULL ||
                 (wn_json_is(version, WN_JSON_STRING) && wn_span_is(wn_json_text(version), "1.0")),
             loader->err, WN_MODEL, "%s: version is not \"1.0\", the only one known", loader->path);
    WN_TRY(wn_load_model(loader, wn_json_get(root, "model")));
    WN_TRY(wn_load_normalizer(loader, wn_json_get(root, "normalizer"), "normalizer", 0));
    WN_TRY(wn_load_pretokenizer(loader, wn_json_get(root, "pre_tokenizer"), "pre_tokenizer", 0));
    WN_TRY(wn_load_processor(loader, wn_json_get(root, "post_processor"), "post_processor", 0));
    WN_TRY(wn_load_added(loader, wn_json_get(root, "added_tokens")));
    return wn_load_finish(loader);
}

static wn_code load_file(struct wn_tokenizer *tokenizer, const char *path, struct wn_error *err)
{
    struct wn_map map = {0};
    WN_TRY(wn_map_open(path, WN_MODEL, &map, err));
    const struct wn_loader loader = {tokenizer, path, err};
    struct wn_json *root = NULL;
    wn_code code = wn_load_locate(&loader, wn_json_parse(map.bytes, WN_MODEL, &root, err), "not JSON");
    if (code == WN_OK) {
        code = load_root(&loader, root);
        wn_json_free(root);
    }
    if (code == WN_OK) {
        wn_hash128_text(map.bytes, tokenizer->info.hash);
    }
    wn_map_close(&map);
    return code;
}

static wn_code load_path(struct wn_tokenizer *tokenizer, const char *path, struct wn_error *err)
{
    char *file = wn_path_join(path, "tokenizer.json");
    char *vocab = wn_path_join(path, "vocab.json");
    char *merges = wn_path_join(path, "merges.txt");
    wn_code code = WN_DEVICE;
    if (file == NULL || vocab == NULL || merges == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "no memory for a path");
    } else if (wn_path_exists(file)) {
        code = load_file(tokenizer, file, err);
    } else if (wn_path_exists(vocab) && wn_path_exists(merges)) {
        code = wn_load_files(tokenizer, path, err);
    } else {
        char *inside = wn_path_join(path, ".");
        if (inside != NULL && wn_path_exists(inside)) {
            code = wn_error_set(
                err, WN_MODEL, __FILE__, __LINE__,
                "%s: has neither tokenizer.json nor vocab.json with merges.txt; save the tokenizer "
                "there with transformers (AutoTokenizer, save_pretrained)",
                path);
        } else {
            code = load_file(tokenizer, path, err);
        }
        free(inside);
    }
    free(file);
    free(vocab);
    free(merges);
    return code;
}

wn_code wn_tokenizer_open(const char *path, struct wn_tokenizer **out_tokenizer, struct wn_error *err)
{
    struct wn_tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    WN_CHECK(tokenizer != NULL, err, WN_DEVICE, "no memory for a tokenizer");
    wn_code code = wn_arena_new(&tokenizer->arena, err);
    if (code == WN_OK) {
        code = load_path(tokenizer, path, err);
    }
    if (code != WN_OK) {
        wn_tokenizer_free(tokenizer);
        return code;
    }
    *out_tokenizer = tokenizer;
    return WN_OK;
}

void wn_tokenizer_free(struct wn_tokenizer *tokenizer)
{
    if (tokenizer == NULL) {
        return;
    }
    for (size_t i = 0; i < WN_TOKENIZER_STEPS; i++) {
        wn_pattern_free(&tokenizer->normals[i].pattern);
        wn_pattern_free(&tokenizer->pretokens[i].pattern);
    }
    free(tokenizer->raw_trie.nodes);
    free(tokenizer->normalized_trie.nodes);
    wn_arena_free(tokenizer->arena);
    free(tokenizer);
}

struct wn_tokenizer_info wn_tokenizer_info(const struct wn_tokenizer *tokenizer)
{
    return tokenizer->info;
}

struct wn_span wn_tokenizer_piece(const struct wn_tokenizer *tokenizer, int32_t id)
{
    if (id < 0 || id > tokenizer->info.max_id) {
        return (struct wn_span){NULL, 0};
    }
    return tokenizer->pieces[id];
}

int32_t wn_tokenizer_id(const struct wn_tokenizer *tokenizer, struct wn_span piece)
{
    const int32_t added = wn_vocab_find(&tokenizer->added_names, piece);
    return added >= 0 ? tokenizer->added[added].id : wn_vocab_find(&tokenizer->model.vocab, piece);
}
