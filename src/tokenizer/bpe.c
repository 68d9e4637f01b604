/* Byte pair encoding of one piece: the symbols it starts from, then the merges.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The pair of the lowest rank is merged first, the leftmost of several, until none is left: Sennrich, Haddow and
 * Birch (2016), section 3.2, as Hugging Face tokenizers models/bpe does it. Short words look through all pairs; long
 * ones keep them in a heap, so that n characters take n log n.
 */
#include "tokenizer/parts.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

enum { SHORT_WORD = 24 }; /* symbols up to which looking through all pairs is the faster way */

wn_code wn_word_add(struct wn_word *word, int32_t id, size_t begin, size_t end, struct wn_error *err)
{
    WN_TRY(wn_grow((void **)&word->symbols, &word->capacity, word->n + 1, sizeof *word->symbols, err));
    word->symbols[word->n++] = (struct wn_symbol){.id = id, .begin = (uint32_t)begin, .end = (uint32_t)end};
    return WN_OK;
}

/* --- First symbols --- */

struct unknown {
    bool is_pending;
    size_t begin, end;
};

static wn_code unknown_flush(const struct wn_bpe *bpe, struct unknown *unknown, struct wn_word *word,
                             struct wn_error *err)
{
    if (!unknown->is_pending) {
        return WN_OK;
    }
    unknown->is_pending = false;
    return wn_word_add(word, bpe->unknown, unknown->begin, unknown->end, err);
}

/* prefix + character + suffix in word->text. */
static wn_code dress(const struct wn_bpe *bpe, struct wn_span character, bool is_first, bool is_last,
                     struct wn_word *word, struct wn_span *out, struct wn_error *err)
{
    const struct wn_span parts[] = {is_first ? (struct wn_span){NULL, 0} : bpe->prefix, character,
                                    is_last ? bpe->suffix : (struct wn_span){NULL, 0}};
    size_t size = 0;
    WN_TRY(wn_grow((void **)&word->text, &word->text_capacity,
                   bpe->prefix.size + character.size + bpe->suffix.size, 1, err));
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].size > 0) {
            memcpy(word->text + size, parts[i].data, parts[i].size);
            size += parts[i].size;
        }
    }
    *out = (struct wn_span){word->text, size};
    return WN_OK;
}

/* A character without a token as <0x..> of its bytes; false where one of those is missing. The bytes of a prefix or
 * suffix count with the character. */
static wn_code fall_back(const struct wn_bpe *bpe, struct wn_span text, size_t begin, size_t end,
                         struct wn_word *word, bool *out_done, struct wn_error *err)
{
    *out_done = false;
    for (size_t i = 0; i < text.size; i++) {
        if (bpe->byte_ids[(unsigned char)text.data[i]] < 0) {
            return WN_OK;
        }
    }
    for (size_t i = 0; i < text.size; i++) {
        const size_t from = begin + i < end ? begin + i : end - 1;
        WN_TRY(wn_word_add(word, bpe->byte_ids[(unsigned char)text.data[i]], from, from + 1, err));
    }
    *out_done = true;
    return WN_OK;
}

/* The symbols of a piece, one a character. A character that is unknown waits (fuse_unknown: with those after it) until
 * the next one that is known; bytes that fall back do not end the wait: so Hugging Face does it. */
static wn_code symbols_of_characters(const struct wn_bpe *bpe, struct wn_span piece, struct wn_word *word,
                                     struct wn_error *err)
{
    struct unknown unknown = {0};
    const bool is_dressed = bpe->prefix.size + bpe->suffix.size > 0;
    for (size_t at = 0; at < piece.size;) {
        const size_t size = wn_utf8_size(piece.data[at]);
        const size_t end = at + size;
        struct wn_span text = {piece.data + at, size};
        if (is_dressed) {
            WN_TRY(dress(bpe, text, at == 0, end == piece.size, word, &text, err));
        }
        const int32_t id = wn_vocab_find(&bpe->vocab, text);
        bool is_done = false;
        if (id >= 0) {
            WN_TRY(unknown_flush(bpe, &unknown, word, err));
            WN_TRY(wn_word_add(word, id, at, end, err));
            is_done = true;
        } else if (bpe->byte_fallback) {
            WN_TRY(fall_back(bpe, text, at, end, word, &is_done, err));
        }
        WN_CHECK(is_done || !bpe->lacks_unknown, err, WN_MODEL,
                 "the text has a character that is not in the vocabulary, and neither is the tokenizer's "
                 "unknown token");
        if (!is_done && bpe->unknown >= 0) {
            if (unknown.is_pending && !bpe->fuse_unknown) {
                WN_TRY(unknown_flush(bpe, &unknown, word, err));
            }
            unknown.begin = unknown.is_pending ? unknown.begin : at;
            unknown.end = end;
            unknown.is_pending = true;
        }
        at = end;
    }
    return unknown_flush(bpe, &unknown, word, err);
}

/* --- Merges --- */

static void merge_short(const struct wn_bpe *bpe, struct wn_word *word)
{
    uint32_t ranks[SHORT_WORD];
    int32_t ids[SHORT_WORD];
    struct wn_symbol *symbols = word->symbols;
    size_t n = word->n;
    for (size_t i = 0; i + 1 < n; i++) {
        const struct wn_merge *merge = wn_merges_find(&bpe->merges, symbols[i].id, symbols[i + 1].id);
        ranks[i] = merge != NULL ? merge->rank : UINT32_MAX;
        ids[i] = merge != NULL ? merge->id : -1;
    }
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++) {
            best = ranks[i] < ranks[best] ? i : best;
        }
        if (ranks[best] == UINT32_MAX) {
            break;
        }
        symbols[best].id = ids[best];
        symbols[best].end = symbols[best + 1].end;
        n--;
        memmove(symbols + best + 1, symbols + best + 2, (n - best - 1) * sizeof *symbols);
        if (n > best + 1) {
            memmove(ranks + best, ranks + best + 1, (n - best - 1) * sizeof *ranks);
            memmove(ids + best, ids + best + 1, (n - best - 1) * sizeof *ids);
        }
        for (size_t i = best > 0 ? best - 1 : 0; i <= best && i + 1 < n; i++) {
            const struct wn_merge *merge = wn_merges_find(&bpe->merges, symbols[i].id, symbols[i + 1].id);
            ranks[i] = merge != NULL ? merge->rank : UINT32_MAX;
            ids[i] = merge != NULL ? merge->id : -1;
        }
    }
    word->n = n;
}

/* The heap orders (rank, place of the left symbol), both in one number. */
static void heap_push(struct wn_word *word, uint64_t item)
{
    size_t at = word->n_heap++;
    while (at > 0 && word->heap[(at - 1) / 2] > item) {
        word->heap[at] = word->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    word->heap[at] = item;
}

static uint64_t heap_pop(struct wn_word *word)
{
    const uint64_t top = word->heap[0];
    const uint64_t item = word->heap[--word->n_heap];
    size_t at = 0;
    for (size_t child = 1; child < word->n_heap; child = 2 * at + 1) {
        if (child + 1 < word->n_heap && word->heap[child + 1] < word->heap[child]) {
            child++;
        }
        if (word->heap[child] >= item) {
            break;
        }
        word->heap[at] = word->heap[child];
        at = child;
    }
    word->heap[at] = item;
    return top;
}

static wn_code heap_offer(const struct wn_bpe *bpe, struct wn_word *word, int32_t left, struct wn_error *err)
{
    if (left < 0 || word->symbols[left].next < 0) {
        return WN_OK;
    }
    const struct wn_merge *merge =
        wn_merges_find(&bpe->merges, word->symbols[left].id, word->symbols[word->symbols[left].next].id);
    if (merge == NULL) {
        return WN_OK;
    }
    WN_TRY(wn_grow((void **)&word->heap, &word->heap_capacity, word->n_heap + 1, sizeof *word->heap, err));
    heap_push(word, ((uint64_t)merge->rank << 32) | (uint32_t)left);
    return WN_OK;
}

static wn_code merge_long(const struct wn_bpe *bpe, struct wn_word *word, struct wn_error *err)
{
    struct wn_symbol *symbols = word->symbols;
    word->n_heap = 0;
    for (size_t i = 0; i < word->n; i++) {
        symbols[i].previous = (int32_t)i - 1;
        symbols[i].next = i + 1 < word->n ? (int32_t)i + 1 : -1;
        symbols[i].gone = false;
    }
    for (size_t i = 0; i < word->n; i++) {
        WN_TRY(heap_offer(bpe, word, (int32_t)i, err));
    }
    while (word->n_heap > 0) {
        const uint64_t item = heap_pop(word);
        struct wn_symbol *left = &symbols[(uint32_t)item];
        if (left->gone || left->next < 0) {
            continue;
        }
        struct wn_symbol *right = &symbols[left->next];
        const struct wn_merge *merge = wn_merges_find(&bpe->merges, left->id, right->id);
        if (merge == NULL || merge->rank != item >> 32) {
            continue; /* one of the two was merged since */
        }
        left->id = merge->id;
        left->end = right->end;
        left->next = right->next;
        right->gone = true;
        if (left->next >= 0) {
            symbols[left->next].previous = (int32_t)(uint32_t)item;
        }
        WN_TRY(heap_offer(bpe, word, left->previous, err));
        WN_TRY(heap_offer(bpe, word, (int32_t)(uint32_t)item, err));
    }
    size_t n = 0;
    for (size_t i = 0; i < word->n; i++) {
        if (!symbols[i].gone) {
            symbols[n++] = symbols[i];
        }
    }
    word->n = n;
    return WN_OK;
}

/* The piece's text as the vocabulary spells it. */
static wn_code spelling(const struct wn_bpe *bpe, struct wn_span piece, struct wn_word *word,
                        struct wn_span *out, struct wn_error *err)
{
    *out = piece;
    if (!bpe->on_bytes) {
        return WN_OK;
    }
    WN_TRY(wn_grow((void **)&word->text, &word->text_capacity, 2 * piece.size + 4, 1, err));
    size_t size = 0;
    for (size_t i = 0; i < piece.size; i++) {
        size += wn_utf8_put(wn_byte_symbol((unsigned char)piece.data[i]), word->text + size);
    }
    *out = (struct wn_span){word->text, size};
    return WN_OK;
}

wn_code wn_bpe_word(const struct wn_bpe *bpe, struct wn_span piece, struct wn_word *word,
                    struct wn_error *err)
{
    word->n = 0;
    if (bpe->ignore_merges && piece.size <= bpe->vocab.longest) {
        struct wn_span text;
        WN_TRY(spelling(bpe, piece, word, &text, err));
        const int32_t id = wn_vocab_find(&bpe->vocab, text);
        if (id >= 0) {
            return wn_word_add(word, id, 0, piece.size, err);
        }
    }
    if (bpe->on_bytes) {
        for (size_t i = 0; i < piece.size; i++) {
            WN_TRY(wn_word_add(word, bpe->byte_ids[(unsigned char)piece.data[i]], i, i + 1, err));
        }
    } else {
        WN_TRY(symbols_of_characters(bpe, piece, word, err));
    }
    if (word->n <= SHORT_WORD) {
        merge_short(bpe, word);
        return WN_OK;
    }
    return merge_long(bpe, word, err);
}
