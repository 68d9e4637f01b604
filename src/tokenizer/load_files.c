/* A folder with vocab.json and merges.txt, as GPT-2 was published: byte-level BPE.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Added tokens are those of added_tokens.json ({text: id}) and of tokenizer_config.json (added_tokens_decoder), by id;
 * and <|endoftext|> where the vocabulary has it. With only tokenizer_config.json's word the flags are its own.
 */
#include "tokenizer/load.h"

#include <stdlib.h>
#include <string.h>

static const char end_of_text[] = "<|endoftext|>";

struct files {
    struct wn_map vocab, merges, added, config;
    struct wn_json *vocab_json, *added_json, *config_json;
    char *path;
};

static wn_code open_one(const char *folder, const char *name, bool is_optional, struct wn_map *map,
                        struct wn_error *err)
{
    char *path = wn_path_join(folder, name);
    WN_CHECK(path != NULL, err, WN_DEVICE, "no memory for a path");
    wn_code code = WN_OK;
    if (!is_optional || wn_path_exists(path)) {
        code = wn_map_open(path, WN_MODEL, map, err);
    }
    free(path);
    return code;
}

/* Parses what is mapped; *out stays NULL where nothing is. */
static wn_code parse(const struct wn_map *map, struct wn_json **out, struct wn_error *err)
{
    if (map->path == NULL) {
        return WN_OK;
    }
    const struct wn_loader loader = {NULL, map->path, err};
    WN_TRY(wn_load_locate(&loader, wn_json_parse(map->bytes, WN_MODEL, out, err), "not JSON"));
    WN_CHECK(wn_json_is(*out, WN_JSON_OBJECT), err, WN_MODEL, "%s: is not a JSON object", map->path);
    return WN_OK;
}

static int added_compare(const void *a, const void *b)
{
    const struct wn_added *x = a;
    const struct wn_added *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static wn_code from_config(const struct wn_loader *loader, const struct wn_json *decoder,
                           struct wn_added *list, size_t *n)
{
    static const char where[] = "added_tokens_decoder";
    for (const struct wn_json *entry = wn_json_first(decoder); entry != NULL; entry = wn_json_next(entry)) {
        struct wn_added *token = &list[(*n)++];
        char *end = NULL;
        const struct wn_span key = wn_json_key(entry);
        char digits[16] = {0};
        WN_CHECK(key.size > 0 && key.size < sizeof digits, loader->err, WN_MODEL,
                 "%s: %s has a key that is no id", loader->path, where);
        memcpy(digits, key.data, key.size);
        const long id = strtol(digits, &end, 10);
        WN_CHECK(*end == '\0' && id >= 0 && id < WN_TOKENIZER_ID_LIMIT, loader->err, WN_MODEL,
                 "%s: %s has the key '%s', which is no id", loader->path, where, digits);
        token->id = (int32_t)id;
        WN_TRY(wn_load_text(loader, entry, where, "content", &token->content));
        WN_TRY(wn_load_bool_or(loader, entry, where, "single_word", false, &token->single_word));
        WN_TRY(wn_load_bool_or(loader, entry, where, "lstrip", false, &token->strip_left));
        WN_TRY(wn_load_bool_or(loader, entry, where, "rstrip", false, &token->strip_right));
        WN_TRY(wn_load_bool_or(loader, entry, where, "special", false, &token->special));
        WN_TRY(wn_load_bool_or(loader, entry, where, "normalized", !token->special, &token->normalized));
    }
    return WN_OK;
}

static bool list_has(const struct wn_added *list, size_t n, struct wn_span content)
{
    for (size_t i = 0; i < n; i++) {
        if (wn_span_equal(list[i].content, content)) {
            return true;
        }
    }
    return false;
}

static wn_code from_added(const struct wn_loader *loader, const struct wn_json *object, struct wn_added *list,
                          size_t *n)
{
    const size_t n_config = *n;
    for (const struct wn_json *entry = wn_json_first(object); entry != NULL; entry = wn_json_next(entry)) {
        struct wn_added token = {.content = wn_json_key(entry), .special = true};
        WN_TRY(wn_load_id(loader, entry, "added_tokens.json", &token.id));
        if (!list_has(list, n_config, token.content)) {
            list[(*n)++] = token;
        }
    }
    return WN_OK;
}

/* The ids that the files state must be the ones that come out: there is no other word on them. */
static wn_code check_ids(const struct wn_loader *loader, const struct wn_added *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const int32_t id = wn_tokenizer_id(loader->tokenizer, list[i].content);
        WN_CHECK(id == list[i].id || list[i].content.size == 0, loader->err, WN_MODEL,
                 "%s: the added token '%.*s' has the id %d, but follows from the vocabulary as %d",
                 loader->path, (int)(list[i].content.size < 100 ? list[i].content.size : 100),
                 list[i].content.data, (int)list[i].id, (int)id);
    }
    return WN_OK;
}

static wn_code load_added_files(const struct wn_loader *loader, const struct files *files)
{
    const struct wn_json *decoder =
        files->config_json != NULL ? wn_json_get(files->config_json, "added_tokens_decoder") : NULL;
    const size_t most = (wn_json_is(decoder, WN_JSON_OBJECT) ? wn_json_count(decoder) : 0) +
                        (files->added_json != NULL ? wn_json_count(files->added_json) : 0) + 1;
    struct wn_added *list = calloc(most, sizeof *list);
    WN_CHECK(list != NULL, loader->err, WN_DEVICE, "no memory for %zu added tokens", most);
    size_t n = 0;
    wn_code code = WN_OK;
    if (wn_json_is(decoder, WN_JSON_OBJECT)) {
        WN_TRY_OR(done, from_config(loader, decoder, list, &n));
    }
    if (files->added_json != NULL) {
        WN_TRY_OR(done, from_added(loader, files->added_json, list, &n));
    }
    const struct wn_span end = wn_span_of(end_of_text);
    const int32_t end_id = wn_vocab_find(&loader->tokenizer->model.vocab, end);
    if (end_id >= 0 && !list_has(list, n, end)) {
        list[n++] = (struct wn_added){.content = end, .id = end_id, .special = true};
    }
    qsort(list, n, sizeof *list, added_compare);
    WN_TRY_OR(done, wn_load_added_list(loader, list, n));
    code = check_ids(loader, list, n);
done:
    free(list);
    return code;
}

static wn_code hash_files(const struct files *files, char out_text[WN_HASH_TEXT], struct wn_error *err)
{
    const struct wn_map *maps[] = {&files->vocab, &files->merges, &files->added, &files->config};
    struct wn_hasher *hasher = NULL;
    WN_TRY(wn_hasher_new(&hasher, err));
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        if (maps[i]->path != NULL) {
            wn_hasher_add(hasher, maps[i]->bytes.data, maps[i]->bytes.size);
        }
    }
    wn_hasher_text(hasher, out_text);
    wn_hasher_free(hasher);
    return WN_OK;
}

static wn_code load(struct wn_tokenizer *tokenizer, const char *folder, struct files *files,
                    struct wn_error *err)
{
    WN_TRY(open_one(folder, "vocab.json", false, &files->vocab, err));
    WN_TRY(open_one(folder, "merges.txt", false, &files->merges, err));
    WN_TRY(open_one(folder, "added_tokens.json", true, &files->added, err));
    WN_TRY(open_one(folder, "tokenizer_config.json", true, &files->config, err));
    WN_TRY(parse(&files->vocab, &files->vocab_json, err));
    WN_TRY(parse(&files->added, &files->added_json, err));
    WN_TRY(parse(&files->config, &files->config_json, err));
    WN_CHECK(wn_utf8_valid(files->merges.bytes, NULL), err, WN_MODEL, "%s: is not UTF-8", files->merges.path);
    const struct wn_loader vocab = {tokenizer, files->vocab.path, err};
    const struct wn_loader merges = {tokenizer, files->merges.path, err};
    const struct wn_loader added = {tokenizer, folder, err};
    tokenizer->model.unknown = -1;
    WN_TRY(wn_load_vocab(&vocab, files->vocab_json, "the vocabulary"));
    WN_TRY(wn_load_merges_text(&merges, files->merges.bytes));
    WN_TRY(wn_load_byte_level(&vocab, false, true, "pre_tokenizer"));
    WN_TRY(load_added_files(&added, files));
    WN_TRY(hash_files(files, tokenizer->info.hash, err));
    return wn_load_finish(&vocab);
}

wn_code wn_load_files(struct wn_tokenizer *tokenizer, const char *folder, struct wn_error *err)
{
    struct files files = {0};
    const wn_code code = load(tokenizer, folder, &files, err);
    wn_json_free(files.vocab_json);
    wn_json_free(files.added_json);
    wn_json_free(files.config_json);
    wn_map_close(&files.vocab);
    wn_map_close(&files.merges);
    wn_map_close(&files.added);
    wn_map_close(&files.config);
    return code;
}
