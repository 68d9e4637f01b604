/* Pre-tokenizers: a view cut into pieces, step by step.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A step either cuts every piece at its matches, or writes all pieces anew into a text of its own. Between two
 * matches the rest counts as one part; what becomes of matches and rests says the behavior. Source: tokenizers
 * tokenizer/normalizer.rs (split) and pre_tokenizers/.
 */
#include "tokenizer/parts.h"
#include "tokenizer/unicode.h"

#include <string.h>

static wn_code piece_add(struct wn_pieces *pieces, size_t begin, size_t end, struct wn_error *err)
{
    if (begin == end) {
        return WN_OK;
    }
    WN_TRY(wn_grow((void **)&pieces->items, &pieces->capacity, pieces->n + 1, sizeof *pieces->items, err));
    pieces->items[pieces->n++] = (struct wn_piece){begin, end};
    return WN_OK;
}

static wn_code match_add(struct wn_encoder *encoder, size_t begin, size_t end, bool is_match,
                         struct wn_error *err)
{
    WN_TRY(wn_grow((void **)&encoder->matches, &encoder->matches_capacity, encoder->n_matches + 1,
                   sizeof *encoder->matches, err));
    encoder->matches[encoder->n_matches++] = (struct wn_match){begin, end, is_match};
    return WN_OK;
}

/* --- Finding matches: they and the rests between them cover [0, size) of the piece --- */

static wn_code matches_of_pattern(struct wn_encoder *encoder, const struct wn_pattern *pattern,
                                  const char *subject, size_t size, struct wn_error *err)
{
    struct wn_search search = {.subject = subject, .size = size, .last_end = SIZE_MAX};
    size_t done = 0;
    for (;;) {
        WN_TRY(wn_search_next(&encoder->matcher, pattern, &search, err));
        if (!search.found) {
            break;
        }
        if (done != search.begin) {
            WN_TRY(match_add(encoder, done, search.begin, false, err));
        }
        WN_TRY(match_add(encoder, search.begin, search.end, true, err));
        done = search.end;
    }
    return done != size ? match_add(encoder, done, size, false, err) : WN_OK;
}

static bool is_of_kind(const struct wn_pretoken *step, uint32_t c)
{
    switch (step->kind) {
    case WN_PRETOKEN_NUMERIC:
        return wn_ranges_have(&wn_unicode_numeric, c);
    case WN_PRETOKEN_PUNCTUATION:
        return wn_ranges_have(&wn_unicode_punctuation, c);
    case WN_PRETOKEN_WHITE:
        return wn_unicode_is_white(c);
    default:
        return c == step->character;
    }
}

static wn_code matches_of_characters(struct wn_encoder *encoder, const struct wn_pretoken *step,
                                     const char *text, size_t size, struct wn_error *err)
{
    size_t done = 0;
    for (size_t at = 0; at < size;) {
        size_t bytes = 0;
        if (is_of_kind(step, wn_utf8_get(text + at, &bytes))) {
            if (done < at) {
                WN_TRY(match_add(encoder, done, at, false, err));
            }
            WN_TRY(match_add(encoder, at, at + bytes, true, err));
            done = at + bytes;
        }
        at += bytes;
    }
    return done < size ? match_add(encoder, done, size, false, err) : WN_OK;
}

/* Runs of word characters and runs of what is neither word nor white are kept: white is the match. */
static wn_code matches_of_words(struct wn_encoder *encoder, const char *text, size_t size,
                                struct wn_error *err)
{
    int before = -1;
    size_t begin = 0;
    for (size_t at = 0; at < size;) {
        size_t bytes = 0;
        const uint32_t c = wn_utf8_get(text + at, &bytes);
        const int kind = wn_ranges_have(&wn_unicode_word, c) ? 0 : wn_unicode_is_white(c) ? 1 : 2;
        if (kind != before && at > 0) {
            WN_TRY(match_add(encoder, begin, at, before == 1, err));
            begin = at;
        }
        before = kind;
        at += bytes;
    }
    return match_add(encoder, begin, size, before == 1, err);
}

static wn_code matches_of_length(struct wn_encoder *encoder, size_t length, const char *text, size_t size,
                                 struct wn_error *err)
{
    size_t begin = 0;
    size_t n = 0;
    for (size_t at = 0; at < size; at += wn_utf8_size(text[at])) {
        if (n == length) {
            WN_TRY(match_add(encoder, begin, at, true, err));
            begin = at;
            n = 0;
        }
        n++;
    }
    return match_add(encoder, begin, size, true, err);
}

/* --- What becomes of the matches --- */

/* Joins a part to the one before it where `joins` says so; the parts become pieces at `base`. */
static wn_code fold_forward(const struct wn_match *matches, size_t n, enum wn_split_behavior behavior,
                            size_t base, struct wn_pieces *out, struct wn_error *err)
{
    bool was_match = false;
    size_t begin = 0;
    size_t end = 0;
    for (size_t i = 0; i < n; i++) {
        const bool is_match = matches[i].is_match;
        const bool joins =
            i > 0 && (behavior == WN_CONTIGUOUS ? is_match == was_match : is_match && !was_match);
        if (!joins) {
            WN_TRY(piece_add(out, base + begin, base + end, err));
            begin = matches[i].begin;
        }
        end = matches[i].end;
        was_match = is_match;
    }
    return piece_add(out, base + begin, base + end, err);
}

/* A match joins the part behind it unless that is a match too. */
static wn_code fold_to_next(const struct wn_match *matches, size_t n, size_t base, struct wn_pieces *out,
                            struct wn_error *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t last = i;
        if (matches[i].is_match && i + 1 < n && !matches[i + 1].is_match) {
            last = i + 1;
        }
        WN_TRY(piece_add(out, base + matches[i].begin, base + matches[last].end, err));
        i = last;
    }
    return WN_OK;
}

static wn_code fold(struct wn_encoder *encoder, const struct wn_pretoken *step, size_t base,
                    struct wn_pieces *out, struct wn_error *err)
{
    struct wn_match *matches = encoder->matches;
    const size_t n = encoder->n_matches;
    for (size_t i = 0; step->invert && i < n; i++) {
        matches[i].is_match = !matches[i].is_match;
    }
    switch (step->behavior) {
    case WN_CONTIGUOUS:
    case WN_MERGED_WITH_PREVIOUS:
        return fold_forward(matches, n, step->behavior, base, out, err);
    case WN_MERGED_WITH_NEXT:
        return fold_to_next(matches, n, base, out, err);
    case WN_REMOVED:
    case WN_ISOLATED:
    default:
        for (size_t i = 0; i < n; i++) {
            if (step->behavior == WN_ISOLATED || !matches[i].is_match) {
                WN_TRY(piece_add(out, base + matches[i].begin, base + matches[i].end, err));
            }
        }
        return WN_OK;
    }
}

/* --- Steps that write the text anew --- */

static wn_code write_metaspace(const struct wn_pretoken *step, const struct wn_view *view,
                               const struct wn_piece *piece, struct wn_text *out, struct wn_error *err)
{
    char mark[4];
    const size_t mark_size = wn_utf8_put(step->character, mark);
    const char *text = view->data + piece->begin;
    const size_t size = piece->end - piece->begin;
    const bool is_marked = text[0] == ' ' || (size >= mark_size && memcmp(text, mark, mark_size) == 0);
    const struct wn_token_place first =
        wn_view_place(view, piece->begin, piece->begin + wn_utf8_size(text[0]));
    if (!is_marked &&
        (step->scheme == WN_PREPEND_ALWAYS || (step->scheme == WN_PREPEND_FIRST && first.begin == 0))) {
        WN_TRY(wn_text_add(out, mark, mark_size, first, err));
    }
    size_t done = piece->begin;
    for (;;) {
        const char *space = memchr(view->data + done, ' ', piece->end - done);
        if (space == NULL) {
            return wn_text_copy(out, view, done, piece->end, err);
        }
        const size_t at = (size_t)(space - view->data);
        WN_TRY(wn_text_copy(out, view, done, at, err));
        WN_TRY(wn_text_add(out, mark, mark_size, wn_view_place(view, at, at + 1), err));
        done = at + 1;
    }
}

static wn_code write_piece(const struct wn_pretoken *step, const struct wn_view *view,
                           const struct wn_piece *piece, struct wn_text *out, struct wn_error *err)
{
    if (step->kind == WN_PRETOKEN_METASPACE) {
        return write_metaspace(step, view, piece, out, err);
    }
    if (step->kind == WN_PRETOKEN_BYTE_LEVEL) {
        return wn_text_add_symbols(out, view, piece->begin, piece->end, err);
    }
    if (view->data[piece->begin] != ' ') {
        const size_t size = wn_utf8_size(view->data[piece->begin]);
        WN_TRY(wn_text_add(out, " ", 1, wn_view_place(view, piece->begin, piece->begin + size), err));
    }
    return wn_text_copy(out, view, piece->begin, piece->end, err);
}

static wn_code rewrite(const struct wn_pretoken *step, struct wn_view *view, const struct wn_pieces *from,
                       struct wn_pieces *to, struct wn_text *out, struct wn_error *err)
{
    out->size = 0;
    for (size_t i = 0; i < from->n; i++) {
        const size_t begin = out->size;
        WN_TRY(write_piece(step, view, &from->items[i], out, err));
        WN_TRY(piece_add(to, begin, out->size, err));
    }
    *view = wn_text_view(out);
    return WN_OK;
}

/* --- Steps that cut --- */

static wn_code cut(struct wn_encoder *encoder, const struct wn_pretoken *step, const struct wn_view *view,
                   const struct wn_pieces *from, struct wn_pieces *to, struct wn_error *err)
{
    const char *subject = view->data;
    if (step->kind == WN_PRETOKEN_SPLIT && step->pattern.reads_stand_ins) {
        WN_TRY(wn_stand_ins(encoder, view, &subject, err));
    }
    for (size_t i = 0; i < from->n; i++) {
        const size_t begin = from->items[i].begin;
        const size_t size = from->items[i].end - begin;
        encoder->n_matches = 0;
        if (step->kind == WN_PRETOKEN_SPLIT) {
            WN_TRY(matches_of_pattern(encoder, &step->pattern, subject + begin, size, err));
        } else if (step->kind == WN_PRETOKEN_WORDS) {
            WN_TRY(matches_of_words(encoder, view->data + begin, size, err));
        } else if (step->kind == WN_PRETOKEN_FIXED_LENGTH) {
            WN_TRY(matches_of_length(encoder, step->length, view->data + begin, size, err));
        } else {
            WN_TRY(matches_of_characters(encoder, step, view->data + begin, size, err));
        }
        WN_TRY(fold(encoder, step, begin, to, err));
    }
    return WN_OK;
}

wn_code wn_pretokenize(struct wn_encoder *encoder, struct wn_view view, struct wn_view *out_view,
                       const struct wn_pieces **out_pieces, struct wn_error *err)
{
    const struct wn_tokenizer *tokenizer = encoder->tokenizer;
    int now = 0;
    int text = 0;
    encoder->pieces[0].n = 0;
    WN_TRY(piece_add(&encoder->pieces[0], 0, view.size, err));
    for (size_t i = 0; i < tokenizer->n_pretokens; i++) {
        const struct wn_pretoken *step = &tokenizer->pretokens[i];
        const struct wn_pieces *from = &encoder->pieces[now];
        struct wn_pieces *to = &encoder->pieces[1 - now];
        to->n = 0;
        if (step->kind >= WN_PRETOKEN_PREFIX_SPACE) {
            WN_TRY(rewrite(step, &view, from, to, &encoder->piece_texts[text], err));
            text = 1 - text;
        } else {
            WN_TRY(cut(encoder, step, &view, from, to, err));
        }
        now = 1 - now;
    }
    *out_view = view;
    *out_pieces = &encoder->pieces[now];
    return WN_OK;
}
