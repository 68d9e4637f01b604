/* From the texts of a sample to token sequences: windows, spans, headers.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A text is context + answer, tokenized whole. Its first answer token is number `first`; tokens max(first,
 * 1) .. n - 1 are scored (nothing predicts token 0). Sources: as corpus/profile.h names them; the special
 * cases are the published code's, with the decisions of docs/methods.md.
 */
#ifndef WINNOW_SCORE_TEXT_H
#define WINNOW_SCORE_TEXT_H

#include "corpus/corpus.h"
#include "pack/pack.h"
#include "score/score.h"
#include "tokenizer/tokenizer.h"
#include "winnow/arena.h"
#include "winnow/row.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

/* As many headers, and as many of their tokens together, as a model keeps room for. */
enum { WN_MOST_HEADERS = WN_MODEL_HEADERS, WN_LEAST_HEADER = 16, WN_MOST_HEADER = WN_MODEL_HEADER_TOKENS };

/* How one pass makes sequences; the same for all its records. */
struct wn_text_rules {
    struct wn_encoder *encoder; /* borrowed; one thread at a time */
    struct wn_profile profile;  /* spans borrowed */
    enum wn_split split;
    enum wn_direct_window direct_window;
    bool is_aligned, keep_tokens;
    bool has_special;   /* special tokens are put in front */
    int32_t n_prefix;   /* how many; 0 without has_special */
    int32_t n_suffix;   /* put behind by the tokenizer and taken off again; 0 without has_special */
    int32_t max_length; /* the window in force */
    int32_t positions;
    int32_t n_lead;                            /* tokens of the lead alone, special ones counted */
    struct wn_header headers[WN_MOST_HEADERS]; /* ids in the arena given to wn_text_rules_make */
    int32_t n_headers;
};

/* One sequence. */
struct wn_text {
    const int32_t *ids; /* [n] */
    int32_t n;          /* tokens after truncation */
    int32_t first;      /* of the answer; may lie beyond the end */
    int32_t start;      /* first token that is scored */
    int32_t k;          /* how many are: tokens n - k .. n - 1 */
    bool is_cut;
    int32_t header;                      /* number of the header that its ids begin with, or WN_NONE */
    const struct wn_token_place *places; /* [n], where tokens are kept; else NULL */
    struct wn_span text;                 /* where tokens are kept */
};

/* All sequences of a sample. What is not computed has n = 0 and k = 0. */
struct wn_sample_texts {
    struct wn_text cond, direct, q_cond, q_direct;
    int32_t counted; /* tokens that the direct window was reduced by, at most max_length */
};

/* Fill `rules`: encode what all records share. The header ids live in `arena`. `encoder` is of `tokenizer`.
 * WN_USAGE for a max_length above `positions`. */
wn_code wn_text_rules_make(const struct wn_score_options *options, const struct wn_tokenizer *tokenizer,
                           struct wn_encoder *encoder, int32_t positions, struct wn_arena *arena,
                           struct wn_text_rules *out_rules, struct wn_error *err);

/* Longest path that these rules ask of a model, <= positions. */
int32_t wn_text_rules_path(const struct wn_text_rules *rules);

/* The sequences of one sample (status OK or NO_INSTRUCTION). Results live in `arena`, what is needed on
 * the way in `scratch` (not reset here). */
wn_code wn_sample_encode(const struct wn_text_rules *rules, const struct wn_sample *sample,
                         struct wn_arena *scratch, struct wn_arena *arena, struct wn_sample_texts *out_texts,
                         struct wn_error *err);

/* One text by itself, all of it labelled, cut to max_length. */
wn_code wn_text_encode(const struct wn_text_rules *rules, struct wn_span text, struct wn_arena *scratch,
                       struct wn_arena *arena, struct wn_text *out_text, struct wn_error *err);

#endif
