/* Text -> token ids with byte offsets, equal to Hugging Face tokenizers for any valid UTF-8.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One wn_tokenizer is read-only and shared by threads; each thread has an encoder of its own (scratch memory, PCRE2
 * match data, word cache).
 */
#ifndef WINNOW_TOKENIZER_TOKENIZER_H
#define WINNOW_TOKENIZER_TOKENIZER_H

#include "winnow/arena.h"
#include "winnow/span.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

struct wn_tokenizer;
struct wn_encoder;

/* From a checkpoint folder (tokenizer.json, else vocab.json + merges.txt) or a tokenizer.json by name; owned by the
 * caller. WN_MODEL for an unknown component (named) or a damaged file: hostile until checked. */
wn_code wn_tokenizer_open(const char *path, struct wn_tokenizer **out_tokenizer, struct wn_error *err);
void wn_tokenizer_free(struct wn_tokenizer *tokenizer);

struct wn_tokenizer_info {
    char hash
        [33]; /* XXH3-128 of what decides ids: the bytes of tokenizer.json; else of vocab.json, merges.txt,
                       * and added_tokens.json and tokenizer_config.json where they are */
    int32_t max_id;   /* the highest id it can give; must be below the embedding's rows */
    int32_t n_vocab;  /* entries, added tokens included */
    const char *kind; /* "byte-level BPE", "BPE with byte fallback", ... constant text */
    int32_t n_prefix; /* special tokens the post-processor puts in front (BOS) */
    int32_t n_suffix; /* and behind */
};
struct wn_tokenizer_info wn_tokenizer_info(const struct wn_tokenizer *tokenizer);

/* The vocabulary's text of an id (byte-level symbols, as the file has it), or an empty span; lives with the tokenizer. */
struct wn_span wn_tokenizer_piece(const struct wn_tokenizer *tokenizer, int32_t id);
/* The id of a token given by its exact vocabulary text, or -1. */
int32_t wn_tokenizer_id(const struct wn_tokenizer *tokenizer, struct wn_span piece);

wn_code wn_encoder_new(const struct wn_tokenizer *tokenizer, struct wn_encoder **out_encoder,
                       struct wn_error *err);
void wn_encoder_free(struct wn_encoder *encoder);

/* Where a token stands in the text given, in bytes. Tokens that cover part of a character (byte level, byte fallback)
 * have the offsets of the bytes they stand for; special tokens put in by the post-processor have begin = end = 0
 * (suffix: the text's size). Text that normalization changed maps to the bytes it came from; text that was put in (a
 * prepended U+2581 or space) shares the place of the character behind it.
 * Hugging Face's offsets (characters, trim_offsets false) say the same but in these cases: a token that is part of a
 * character gets the whole character there; text that NFC and its kin or a regex replacement made of several
 * characters gets only the first or last of them; characters dropped for want of an unknown token shift the rest of
 * their word there. */
struct wn_token_place {
    uint32_t begin, end;
};

struct wn_tokens {
    int32_t *ids;                  /* [n], arena */
    struct wn_token_place *places; /* [n], arena */
    size_t n;
};

/* Encode `text` (valid UTF-8, any U+0000 kept, below 2 GiB). With `special` the post-processor runs (BOS where it adds
 * one). Text that spells an added token becomes that token, as in Hugging Face. A character without a token, in a
 * model that names no unknown token, is dropped, as in Hugging Face. Results live in `arena`.
 * WN_INPUT where the text is not valid UTF-8 or too long; WN_MODEL where it needs an unknown token that the tokenizer
 * names but its vocabulary lacks; WN_DEVICE without memory, or where a pattern gives up on the text. */
wn_code wn_encode(struct wn_encoder *encoder, struct wn_span text, bool special, struct wn_arena *arena,
                  struct wn_tokens *out_tokens, struct wn_error *err);

#endif
