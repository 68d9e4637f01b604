/* Added tokens and the post-processor's special tokens.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The id of an added token is its id in the vocabulary, else the next free one; what the file states as its id is not
 * asked, for Hugging Face does not either (tokenizer/added_vocabulary.rs, add_tokens).
 */
#include "tokenizer/load.h"

#include <stdlib.h>
#include <string.h>

static bool same_flags(const struct wn_added *a, const struct wn_added *b)
{
    return a->single_word == b->single_word && a->strip_left == b->strip_left &&
           a->strip_right == b->strip_right && a->normalized == b->normalized && a->special == b->special;
}

/* Keeps the last of several tokens of one id: the others stay without a pattern. */
static void drop_same_id(struct wn_tokenizer *tokenizer, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (tokenizer->added[i].id == tokenizer->added[index].id) {
            tokenizer->added[i].pattern = (struct wn_span){NULL, 0};
        }
    }
}

/* The text that is looked for: the content, normalized where the token is. */
static wn_code pattern_make(const struct wn_loader *loader, struct wn_encoder *encoder,
                            struct wn_added *token)
{
    token->pattern = token->content;
    if (!token->normalized || loader->tokenizer->n_normals == 0) {
        return WN_OK;
    }
    struct wn_view view = {token->content.data, token->content.size, NULL, 0};
    WN_TRY(wn_load_locate(loader, wn_normalize(encoder, view, &view, loader->err), "added_tokens"));
    WN_CHECK(view.size > 0, loader->err, WN_MODEL, "%s: added_tokens: '%.*s' is empty once it is normalized",
             loader->path, (int)(token->content.size < 200 ? token->content.size : 200), token->content.data);
    return wn_load_copy(loader, (struct wn_span){view.data, view.size}, &token->pattern);
}

static wn_code token_take(const struct wn_loader *loader, const struct wn_added *given, int32_t *next_id)
{
    struct wn_tokenizer *tokenizer = loader->tokenizer;
    const int32_t known = wn_vocab_find(&tokenizer->added_names, given->content);
    if (given->content.size == 0 || (known >= 0 && same_flags(&tokenizer->added[known], given))) {
        return WN_OK;
    }
    struct wn_added token = *given;
    WN_TRY(wn_load_copy(loader, given->content, &token.content));
    token.pattern = token.content;
    if (known >= 0) { /* the later flags hold */
        token.id = tokenizer->added[known].id;
        tokenizer->added[known] = token;
        return WN_OK;
    }
    token.id = wn_vocab_find(&tokenizer->model.vocab, token.content);
    const bool is_new = token.id < 0;
    if (is_new) {
        token.id = (*next_id)++;
        WN_CHECK(token.id < WN_TOKENIZER_ID_LIMIT, loader->err, WN_MODEL,
                 "%s: added_tokens: more than %d ids", loader->path, WN_TOKENIZER_ID_LIMIT);
    }
    const size_t index = tokenizer->n_added++;
    tokenizer->added[index] = token;
    (void)wn_vocab_add(&tokenizer->added_names, token.content, (uint32_t)index);
    if (is_new ? (size_t)token.id < tokenizer->model.vocab.n_ids
               : (size_t)token.id >= tokenizer->model.vocab.n) {
        drop_same_id(tokenizer, index); /* only a vocabulary with holes comes here */
    }
    return WN_OK;
}

static wn_code tries_make(const struct wn_loader *loader, struct wn_encoder *encoder)
{
    struct wn_tokenizer *tokenizer = loader->tokenizer;
    for (size_t i = 0; i < tokenizer->n_added; i++) {
        struct wn_added *token = &tokenizer->added[i];
        if (token->pattern.size == 0) {
            continue;
        }
        struct wn_trie *trie = token->normalized ? &tokenizer->normalized_trie : &tokenizer->raw_trie;
        WN_TRY(pattern_make(loader, encoder, token));
        WN_TRY(wn_load_locate(loader, wn_trie_add(trie, token->pattern, (int32_t)i, loader->err),
                              "added_tokens"));
    }
    return WN_OK;
}

wn_code wn_load_added_list(const struct wn_loader *loader, const struct wn_added *list, size_t n)
{
    struct wn_tokenizer *tokenizer = loader->tokenizer;
    int32_t next_id = (int32_t)tokenizer->model.vocab.n;
    WN_TRY(WN_ARENA_NEW(tokenizer->arena, n, &tokenizer->added, loader->err));
    WN_TRY(wn_vocab_open(&tokenizer->added_names, n, n, tokenizer->arena, loader->err));
    for (size_t i = 0; i < n; i++) {
        WN_TRY(token_take(loader, &list[i], &next_id));
    }
    struct wn_encoder encoder;
    wn_code code = wn_encoder_open(tokenizer, &encoder, loader->err);
    if (code == WN_OK) {
        code = tries_make(loader, &encoder);
    }
    wn_encoder_close(&encoder);
    return code;
}

wn_code wn_load_added(const struct wn_loader *loader, const struct wn_json *value)
{
    static const char where[] = "added_tokens";
    if (value == NULL || wn_json_is(value, WN_JSON_NULL)) {
        return wn_load_added_list(loader, NULL, 0);
    }
    WN_CHECK(wn_json_is(value, WN_JSON_ARRAY), loader->err, WN_MODEL, "%s: %s is not an array", loader->path,
             where);
    struct wn_added *list = calloc(wn_json_count(value) + 1, sizeof *list);
    WN_CHECK(list != NULL, loader->err, WN_DEVICE, "no memory for %zu added tokens", wn_json_count(value));
    wn_code code = WN_OK;
    size_t n = 0;
    for (const struct wn_json *item = wn_json_first(value); item != NULL; item = wn_json_next(item), n++) {
        struct wn_added *token = &list[n];
        WN_TRY_OR(done, wn_load_text(loader, item, where, "content", &token->content));
        WN_TRY_OR(done, wn_load_id(loader, wn_json_get(item, "id"), "added_tokens.id", &token->id));
        WN_TRY_OR(done, wn_load_bool(loader, item, where, "single_word", &token->single_word));
        WN_TRY_OR(done, wn_load_bool(loader, item, where, "lstrip", &token->strip_left));
        WN_TRY_OR(done, wn_load_bool(loader, item, where, "rstrip", &token->strip_right));
        WN_TRY_OR(done, wn_load_bool(loader, item, where, "normalized", &token->normalized));
        WN_TRY_OR(done, wn_load_bool(loader, item, where, "special", &token->special));
    }
    code = wn_load_added_list(loader, list, n);
done:
    free(list);
    return code;
}

/* --- Post-processors: all that is kept of them are the ids in front and behind --- */

/* Puts ids around what is there: in front of the prefix, or behind the suffix. */
static wn_code special_put(const struct wn_loader *loader, bool in_front, const int32_t *ids, size_t n)
{
    struct wn_tokenizer *tokenizer = loader->tokenizer;
    int32_t **list = in_front ? &tokenizer->prefix : &tokenizer->suffix;
    int32_t *count = in_front ? &tokenizer->info.n_prefix : &tokenizer->info.n_suffix;
    WN_CHECK(n + (size_t)*count <= 64, loader->err, WN_MODEL,
             "%s: post_processor adds more than 64 special tokens", loader->path);
    int32_t *joined = NULL;
    WN_TRY(WN_ARENA_NEW(tokenizer->arena, n + (size_t)*count, &joined, loader->err));
    for (size_t i = 0; i < n; i++) {
        joined[in_front ? i : (size_t)*count + i] = ids[i];
    }
    for (size_t i = 0; i < (size_t)*count; i++) {
        joined[in_front ? n + i : i] = (*list)[i];
    }
    *list = joined;
    *count += (int32_t)n;
    return WN_OK;
}

/* The ids of a template's special token, appended to ids[*n]. */
static wn_code special_ids(const struct wn_loader *loader, const struct wn_json *processor,
                           struct wn_span name, const char *where, int32_t ids[64], size_t *n)
{
    const struct wn_json *all = wn_json_get(processor, "special_tokens");
    const struct wn_json *entry = wn_json_is(all, WN_JSON_OBJECT) ? wn_json_first(all) : NULL;
    while (entry != NULL && !wn_span_equal(wn_json_key(entry), name)) {
        entry = wn_json_next(entry);
    }
    WN_CHECK(entry != NULL, loader->err, WN_MODEL, "%s: %s.special_tokens does not have '%.*s'", loader->path,
             where, (int)(name.size < 100 ? name.size : 100), name.data);
    const struct wn_json *list = NULL;
    WN_TRY(wn_load_array(loader, entry, where, "ids", &list));
    for (const struct wn_json *id = wn_json_first(list); id != NULL; id = wn_json_next(id)) {
        WN_CHECK(*n < 64, loader->err, WN_MODEL, "%s: %s adds more than 64 special tokens", loader->path,
                 where);
        WN_TRY(wn_load_id(loader, id, where, &ids[(*n)++]));
    }
    return WN_OK;
}

static wn_code load_template(const struct wn_loader *loader, const struct wn_json *value, const char *where)
{
    const struct wn_json *pieces = NULL;
    int32_t ids[2][64];
    size_t n[2] = {0, 0};
    size_t sequences = 0;
    WN_TRY(wn_load_array(loader, value, where, "single", &pieces));
    for (const struct wn_json *piece = wn_json_first(pieces); piece != NULL; piece = wn_json_next(piece)) {
        const struct wn_json *special =
            wn_json_is(piece, WN_JSON_OBJECT) ? wn_json_get(piece, "SpecialToken") : NULL;
        const struct wn_json *sequence =
            wn_json_is(piece, WN_JSON_OBJECT) ? wn_json_get(piece, "Sequence") : NULL;
        struct wn_span id;
        WN_CHECK(special != NULL || sequence != NULL, loader->err, WN_MODEL,
                 "%s: %s.single holds neither a SpecialToken nor a Sequence", loader->path, where);
        WN_TRY(wn_load_text(loader, special != NULL ? special : sequence, where, "id", &id));
        if (special != NULL) {
            const size_t side = sequences > 0;
            WN_TRY(special_ids(loader, value, id, where, ids[side], &n[side]));
        } else {
            WN_CHECK(wn_span_is(id, "A"), loader->err, WN_MODEL, "%s: %s.single uses the sequence '%.*s'",
                     loader->path, where, (int)(id.size < 100 ? id.size : 100), id.data);
            sequences++;
        }
    }
    WN_CHECK(sequences == 1, loader->err, WN_MODEL, "%s: %s.single has %zu sequences where one belongs",
             loader->path, where, sequences);
    WN_TRY(special_put(loader, true, ids[0], n[0]));
    return special_put(loader, false, ids[1], n[1]);
}

/* RobertaProcessing and BertProcessing: "cls": [text, id] in front, "sep": [text, id] behind. */
static wn_code load_pair(const struct wn_loader *loader, const struct wn_json *value, const char *where)
{
    static const char *const keys[] = {"cls", "sep"};
    for (int i = 0; i < 2; i++) {
        const struct wn_json *pair = NULL;
        int32_t id = 0;
        WN_TRY(wn_load_array(loader, value, where, keys[i], &pair));
        const struct wn_json *first = wn_json_first(pair);
        WN_TRY(wn_load_id(loader, first != NULL ? wn_json_next(first) : NULL, where, &id));
        WN_TRY(special_put(loader, i == 0, &id, 1));
    }
    return WN_OK;
}

wn_code wn_load_processor(const struct wn_loader *loader, const struct wn_json *value, const char *where,
                          int depth)
{
    if (value == NULL || wn_json_is(value, WN_JSON_NULL)) {
        return WN_OK;
    }
    struct wn_span type;
    WN_CHECK(depth < WN_TOKENIZER_NESTING, loader->err, WN_MODEL, "%s: %s nests more than %d sequences",
             loader->path, where, WN_TOKENIZER_NESTING);
    WN_TRY(wn_load_text(loader, value, where, "type", &type));
    if (wn_span_is(type, "ByteLevel")) {
        return WN_OK; /* changes offsets only */
    }
    if (wn_span_is(type, "TemplateProcessing")) {
        return load_template(loader, value, where);
    }
    if (wn_span_is(type, "RobertaProcessing") || wn_span_is(type, "BertProcessing")) {
        return load_pair(loader, value, where);
    }
    WN_CHECK(wn_span_is(type, "Sequence"), loader->err, WN_MODEL,
             "%s: %s: the component '%.*s' is not supported", loader->path, where,
             (int)(type.size < 100 ? type.size : 100), type.data);
    const struct wn_json *items = NULL;
    WN_TRY(wn_load_array(loader, value, where, "processors", &items));
    for (const struct wn_json *item = wn_json_first(items); item != NULL; item = wn_json_next(item)) {
        WN_TRY(wn_load_processor(loader, item, where, depth + 1));
    }
    return WN_OK;
}
