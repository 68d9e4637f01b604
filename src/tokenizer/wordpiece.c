/* WordPiece: the longest entry that fits, again and again; a word that cannot be covered is unknown as a whole.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Source: Hugging Face tokenizers models/wordpiece; BERT's tokenization.py (WordpieceTokenizer).
 */
#include "tokenizer/parts.h"
#include "tokenizer/unicode.h"

#include <string.h>

static size_t characters_of(struct wn_span text)
{
    size_t n = 0;
    for (size_t at = 0; at < text.size; at += wn_utf8_size(text.data[at])) {
        n++;
    }
    return n;
}

/* The id of the longest entry at `begin`, its end in *out_end; -1 where there is none. */
static int32_t longest_at(const struct wn_bpe *bpe, struct wn_span piece, size_t begin, char *buffer,
                          size_t *out_end)
{
    const size_t front = begin > 0 ? bpe->prefix.size : 0;
    if (front > 0) {
        memcpy(buffer, bpe->prefix.data, front);
    }
    size_t end = piece.size;
    if (end - begin > bpe->vocab.longest) { /* no entry is longer: start at a character within */
        end = begin + bpe->vocab.longest;
        while (end > begin && ((unsigned char)piece.data[end] & 0xC0u) == 0x80u) {
            end--;
        }
    }
    memcpy(buffer + front, piece.data + begin, end - begin);
    while (end > begin) {
        const int32_t id = wn_vocab_find(&bpe->vocab, (struct wn_span){buffer, front + end - begin});
        if (id >= 0) {
            *out_end = end;
            return id;
        }
        end -= wn_utf8_size_before(piece.data, end);
    }
    return -1;
}

static wn_code unknown_word(const struct wn_bpe *bpe, struct wn_span piece, struct wn_word *word,
                            struct wn_error *err)
{
    WN_CHECK(
        bpe->unknown >= 0, err, WN_MODEL,
        "the text has a word that is not in the vocabulary, and neither is the tokenizer's unknown token");
    word->n = 0;
    return wn_word_add(word, bpe->unknown, 0, piece.size, err);
}

wn_code wn_word_piece(const struct wn_bpe *bpe, struct wn_span piece, struct wn_word *word,
                      struct wn_error *err)
{
    word->n = 0;
    if (characters_of(piece) > bpe->max_characters) {
        return unknown_word(bpe, piece, word, err);
    }
    WN_TRY(wn_grow((void **)&word->text, &word->text_capacity, bpe->prefix.size + piece.size, 1, err));
    size_t end = 0;
    for (size_t begin = 0; begin < piece.size; begin = end) {
        const int32_t id = longest_at(bpe, piece, begin, word->text, &end);
        if (id < 0) {
            return unknown_word(bpe, piece, word, err);
        }
        WN_TRY(wn_word_add(word, id, begin, end, err));
    }
    return WN_OK;
}
