/* Text to ids: added tokens, normalization, pieces, the model, special tokens around.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The order is Hugging Face's: added tokens that are not normalized are found in the text as given; each run between
 * them is normalized, and the normalized ones are found in that.
 */
#include "base/base.h"
#include "tokenizer/parts.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

static const char marker[] = "\xE2\x96\x81"; /* U+2581 */

wn_code wn_encoder_open(const struct wn_tokenizer *tokenizer, struct wn_encoder *encoder,
                        struct wn_error *err)
{
    *encoder = (struct wn_encoder){.tokenizer = tokenizer};
    return wn_matcher_open(&encoder->matcher, err);
}

void wn_encoder_close(struct wn_encoder *encoder)
{
    wn_matcher_close(&encoder->matcher);
    wn_cache_close(&encoder->cache);
    free(encoder->word.symbols);
    free(encoder->word.heap);
    free(encoder->word.text);
    free(encoder->raw_runs.items);
    free(encoder->normalized_runs.items);
    for (int i = 0; i < 2; i++) {
        wn_text_free(&encoder->normal_texts[i]);
        wn_text_free(&encoder->piece_texts[i]);
        free(encoder->pieces[i].items);
    }
    free(encoder->matches);
    free(encoder->stand_ins);
    free(encoder->characters);
    free(encoder->ids);
    free(encoder->places);
}

wn_code wn_encoder_new(const struct wn_tokenizer *tokenizer, struct wn_encoder **out_encoder,
                       struct wn_error *err)
{
    struct wn_encoder *encoder = malloc(sizeof *encoder);
    WN_CHECK(encoder != NULL, err, WN_DEVICE, "no memory for an encoder");
    wn_code code = wn_encoder_open(tokenizer, encoder, err);
    if (code == WN_OK) {
        code = wn_cache_open(&encoder->cache, err);
    }
    if (code != WN_OK) {
        wn_encoder_free(encoder);
        return code;
    }
    *out_encoder = encoder;
    return WN_OK;
}

void wn_encoder_free(struct wn_encoder *encoder)
{
    if (encoder != NULL) {
        wn_encoder_close(encoder);
        free(encoder);
    }
}

static wn_code token_add(struct wn_encoder *encoder, int32_t id, struct wn_token_place place,
                         struct wn_error *err)
{
    WN_TRY(
        wn_grow((void **)&encoder->ids, &encoder->ids_capacity, encoder->n + 1, sizeof *encoder->ids, err));
    WN_TRY(wn_grow((void **)&encoder->places, &encoder->places_capacity, encoder->n + 1,
                   sizeof *encoder->places, err));
    encoder->ids[encoder->n] = id;
    encoder->places[encoder->n++] = place;
    return WN_OK;
}

/* The tokens of bytes [begin, end) of the view. */
static wn_code word_encode(struct wn_encoder *encoder, const struct wn_view *view, size_t begin, size_t end,
                           struct wn_error *err)
{
    const struct wn_bpe *model = &encoder->tokenizer->model;
    const struct wn_span text = {view->data + begin, end - begin};
    const struct wn_token *tokens = NULL;
    size_t n = 0;
    uint64_t hash = 0;
    if (wn_cache_get(&encoder->cache, text, &hash, &tokens, &n)) {
        for (size_t i = 0; i < n; i++) {
            WN_TRY(token_add(encoder, tokens[i].id,
                             wn_view_place(view, begin + tokens[i].begin, begin + tokens[i].end), err));
        }
        return WN_OK;
    }
    struct wn_word *word = &encoder->word;
    WN_TRY(model->is_word_piece ? wn_word_piece(model, text, word, err)
                                : wn_bpe_word(model, text, word, err));
    struct wn_token kept[128];
    for (size_t i = 0; i < word->n; i++) {
        const struct wn_symbol *symbol = &word->symbols[i];
        if (i < 128) {
            kept[i] = (struct wn_token){symbol->id, symbol->begin, symbol->end};
        }
        WN_TRY(token_add(encoder, symbol->id, wn_view_place(view, begin + symbol->begin, begin + symbol->end),
                         err));
    }
    wn_cache_put(&encoder->cache, text, hash, kept, word->n);
    return WN_OK;
}

/* A piece without pre-tokenizer can be the whole text: it is cut before each U+2581 that follows another character,
 * where the loader found that no merge crosses there, so that words meet the cache. */
static wn_code piece_encode(struct wn_encoder *encoder, const struct wn_view *view,
                            const struct wn_piece *piece, struct wn_error *err)
{
    if (!encoder->tokenizer->model.splits_at_marker) {
        return word_encode(encoder, view, piece->begin, piece->end, err);
    }
    size_t begin = piece->begin;
    size_t from = begin;
    bool is_marker = true; /* no cut at the start */
    while (from < piece->end) {
        const bool was_marker = is_marker;
        is_marker = view->data[from] == marker[0] && view->data[from + 1] == marker[1] &&
                    view->data[from + 2] == marker[2];
        if (is_marker && !was_marker) {
            WN_TRY(word_encode(encoder, view, begin, from, err));
            begin = from;
        }
        from += wn_utf8_size(view->data[from]);
    }
    return word_encode(encoder, view, begin, piece->end, err);
}

static wn_code plain_encode(struct wn_encoder *encoder, struct wn_view view, struct wn_error *err)
{
    struct wn_view text;
    const struct wn_pieces *pieces = NULL;
    WN_TRY(wn_pretokenize(encoder, view, &text, &pieces, err));
    for (size_t i = 0; i < pieces->n; i++) {
        WN_TRY(piece_encode(encoder, &text, &pieces->items[i], err));
    }
    return WN_OK;
}

/* One run of raw text between added tokens. */
static wn_code run_encode(struct wn_encoder *encoder, struct wn_view view, struct wn_error *err)
{
    const struct wn_tokenizer *tokenizer = encoder->tokenizer;
    WN_TRY(wn_normalize(encoder, view, &view, err));
    WN_TRY(wn_added_cut(&tokenizer->normalized_trie, tokenizer->added, view.data, view.size,
                        &encoder->normalized_runs, err));
    for (size_t i = 0; i < encoder->normalized_runs.n; i++) {
        const struct wn_run run = encoder->normalized_runs.items[i];
        if (run.token >= 0) {
            WN_TRY(token_add(encoder, tokenizer->added[run.token].id,
                             wn_view_place(&view, run.begin, run.end), err));
        } else {
            WN_TRY(plain_encode(encoder, wn_view_part(view, run.begin, run.end), err));
        }
    }
    return WN_OK;
}

static wn_code text_encode(struct wn_encoder *encoder, struct wn_span text, struct wn_error *err)
{
    const struct wn_tokenizer *tokenizer = encoder->tokenizer;
    const struct wn_view view = {text.data, text.size, NULL, 0};
    WN_TRY(
        wn_added_cut(&tokenizer->raw_trie, tokenizer->added, text.data, text.size, &encoder->raw_runs, err));
    for (size_t i = 0; i < encoder->raw_runs.n; i++) {
        const struct wn_run run = encoder->raw_runs.items[i];
        if (run.token >= 0) {
            WN_TRY(token_add(encoder, tokenizer->added[run.token].id,
                             wn_view_place(&view, run.begin, run.end), err));
        } else {
            WN_TRY(run_encode(encoder, wn_view_part(view, run.begin, run.end), err));
        }
    }
    return WN_OK;
}

static wn_code special_add(struct wn_encoder *encoder, const int32_t *ids, int32_t n, uint32_t at,
                           struct wn_error *err)
{
    for (int32_t i = 0; i < n; i++) {
        WN_TRY(token_add(encoder, ids[i], (struct wn_token_place){at, at}, err));
    }
    return WN_OK;
}

wn_code wn_encode(struct wn_encoder *encoder, struct wn_span text, bool special, struct wn_arena *arena,
                  struct wn_tokens *out_tokens, struct wn_error *err)
{
    const struct wn_tokenizer *tokenizer = encoder->tokenizer;
    size_t bad = 0;
    WN_CHECK(text.size < INT32_MAX, err, WN_INPUT,
             "the text has %zu bytes; the most that can be tokenized is %d", text.size, INT32_MAX - 1);
    WN_CHECK(wn_utf8_valid(text, &bad), err, WN_INPUT, "the text is not valid UTF-8 at byte %zu", bad);
    encoder->n = 0;
    if (special) {
        WN_TRY(special_add(encoder, tokenizer->prefix, tokenizer->info.n_prefix, 0, err));
    }
    WN_TRY(text_encode(encoder, text, err));
    if (special) {
        WN_TRY(special_add(encoder, tokenizer->suffix, tokenizer->info.n_suffix, (uint32_t)text.size, err));
    }
    struct wn_tokens tokens = {.n = encoder->n};
    WN_TRY(WN_ARENA_NEW(arena, tokens.n, &tokens.ids, err));
    WN_TRY(WN_ARENA_NEW(arena, tokens.n, &tokens.places, err));
    if (tokens.n > 0) {
        memcpy(tokens.ids, encoder->ids, tokens.n * sizeof *tokens.ids);
        memcpy(tokens.places, encoder->places, tokens.n * sizeof *tokens.places);
    }
    *out_tokens = tokens;
    return WN_OK;
}
