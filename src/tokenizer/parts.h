/* The parts a tokenizer is made of, as its files share them; nothing outside this folder sees them.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   text --added.c--> runs --normalize.c--> text --added.c--> runs --pretoken.c--> pieces --bpe.c--> tokens
 *
 * A view is a run of text and, byte by byte, where it came from in the text that was given. Everything that the
 * loader makes lives in the tokenizer's arena, but for compiled patterns (wn_pattern_free).
 */
#ifndef WINNOW_TOKENIZER_PARTS_H
#define WINNOW_TOKENIZER_PARTS_H

#define PCRE2_CODE_UNIT_WIDTH 8

#include "tokenizer/tokenizer.h"
#include "winnow/arena.h"

#include <pcre2.h>

enum {
    WN_TOKENIZER_ID_LIMIT = 1 << 24, /* ids are below this; a file that states more is refused */
    WN_TOKENIZER_NESTING = 8,        /* Sequences within Sequences */
    WN_TOKENIZER_STEPS = 64          /* normalizers or pre-tokenizers in a row */
};

/* A run of text. With places == NULL byte i came from byte base + i. */
struct wn_view {
    const char *data;
    size_t size;
    const struct wn_token_place *places; /* [size], or NULL */
    uint32_t base;
};

static inline struct wn_view wn_view_part(struct wn_view view, size_t begin, size_t end)
{
    return (struct wn_view){view.data + begin, end - begin, view.places != NULL ? view.places + begin : NULL,
                            view.base + (uint32_t)begin};
}

/* Where bytes [begin, end), begin < end, came from. */
static inline struct wn_token_place wn_view_place(const struct wn_view *view, size_t begin, size_t end)
{
    if (view->places != NULL) {
        return (struct wn_token_place){view->places[begin].begin, view->places[end - 1].end};
    }
    return (struct wn_token_place){view->base + (uint32_t)begin, view->base + (uint32_t)end};
}

/* Room for `count` elements of `size` bytes in *data, at least doubled; WN_DEVICE without memory. */
wn_code wn_grow(void **data, size_t *capacity, size_t count, size_t size, struct wn_error *err);

/* Text under construction, with its places. Owned; wn_text_free. */
struct wn_text {
    char *data;
    struct wn_token_place *places;
    size_t size, capacity, places_capacity;
};

wn_code wn_text_reserve(struct wn_text *text, size_t more, struct wn_error *err);
/* Appends bytes that all came from `place`. */
wn_code wn_text_add(struct wn_text *text, const char *data, size_t size, struct wn_token_place place,
                    struct wn_error *err);
/* Appends bytes [begin, end) of a view, each with its own place. */
wn_code wn_text_copy(struct wn_text *text, const struct wn_view *view, size_t begin, size_t end,
                     struct wn_error *err);
struct wn_view wn_text_view(const struct wn_text *text);
void wn_text_free(struct wn_text *text);

/* --- Patterns (pattern.c translates, match.c compiles and matches) --- */

struct wn_pattern {
    struct wn_span literal; /* not empty: this text itself is looked for */
    pcre2_code *code;       /* else */
    bool has_jit;
    bool reads_stand_ins; /* asks for kinds of characters: match on stand-ins (unicode.h) */
};

/* Oniguruma's `source` (Ruby syntax, UTF-8) in PCRE2's words, in new memory (*out_text, free). WN_MODEL, naming the
 * construct, for what has no counterpart. */
wn_code wn_pattern_translate(struct wn_span source, char **out_text, size_t *out_size, bool *out_kinds,
                             struct wn_error *err);
wn_code wn_pattern_compile(struct wn_span source, bool is_regex, struct wn_pattern *out_pattern,
                           struct wn_error *err);
void wn_pattern_free(struct wn_pattern *pattern);

/* The search for all matches of a pattern in one subject, as Oniguruma's find_iter makes it: an empty match right
 * behind the match before it is passed over. */
struct wn_matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};
wn_code wn_matcher_open(struct wn_matcher *matcher, struct wn_error *err);
void wn_matcher_close(struct wn_matcher *matcher);

struct wn_search {
    const char *subject;
    size_t size;
    size_t at;       /* where the search goes on */
    size_t last_end; /* of the match before, or SIZE_MAX */
    size_t begin, end;
    bool found;
};
/* The next match in search->begin, ->end, or found = false. WN_DEVICE where the matcher gives up. */
wn_code wn_search_next(const struct wn_matcher *matcher, const struct wn_pattern *pattern,
                       struct wn_search *search, struct wn_error *err);

/* --- Normalizers (normalize.c, nf.c) --- */

enum wn_normal_kind {
    WN_NORMAL_PREPEND,
    WN_NORMAL_REPLACE,
    WN_NORMAL_NFC,
    WN_NORMAL_NFD,
    WN_NORMAL_NFKC,
    WN_NORMAL_NFKD,
    WN_NORMAL_LOWERCASE,
    WN_NORMAL_STRIP,
    WN_NORMAL_STRIP_ACCENTS,
    WN_NORMAL_STRIP_NONSPACING, /* BertNormalizer's accents, after NFD */
    WN_NORMAL_NMT,
    WN_NORMAL_CLEAN,   /* BertNormalizer's clean_text */
    WN_NORMAL_CHINESE, /* BertNormalizer's handle_chinese_chars */
    WN_NORMAL_BYTE_LEVEL
};

struct wn_normal {
    enum wn_normal_kind kind;
    struct wn_span content; /* PREPEND, REPLACE */
    struct wn_pattern pattern;
    bool left, right; /* STRIP */
};

/* --- Pre-tokenizers (pretoken.c) --- */

enum wn_split_behavior {
    WN_REMOVED,
    WN_ISOLATED,
    WN_MERGED_WITH_PREVIOUS,
    WN_MERGED_WITH_NEXT,
    WN_CONTIGUOUS
};
enum wn_prepend_scheme { WN_PREPEND_FIRST, WN_PREPEND_NEVER, WN_PREPEND_ALWAYS };

enum wn_pretoken_kind {
    WN_PRETOKEN_SPLIT,   /* by a pattern */
    WN_PRETOKEN_NUMERIC, /* by kinds of characters: */
    WN_PRETOKEN_PUNCTUATION,
    WN_PRETOKEN_WHITE,
    WN_PRETOKEN_CHARACTER, /* by one character */
    WN_PRETOKEN_WORDS,     /* Whitespace: \w+ | [^\w\s]+ */
    WN_PRETOKEN_FIXED_LENGTH,
    WN_PRETOKEN_PREFIX_SPACE, /* changes of text: ByteLevel's add_prefix_space */
    WN_PRETOKEN_METASPACE,
    WN_PRETOKEN_BYTE_LEVEL /* bytes become symbols */
};

struct wn_pretoken {
    enum wn_pretoken_kind kind;
    enum wn_split_behavior behavior;
    bool invert;
    struct wn_pattern pattern;
    uint32_t character; /* CHARACTER, METASPACE */
    size_t length;      /* FIXED_LENGTH, in characters */
    enum wn_prepend_scheme scheme;
};

struct wn_piece {
    size_t begin, end; /* bytes of the view, begin < end */
};

/* --- Vocabulary and merges (table.c) --- */

struct wn_vocab {
    struct wn_span *texts; /* [n_ids]; data == NULL where an id has no text */
    size_t n_ids;          /* highest id + 1 */
    size_t n;              /* entries */
    uint32_t *slots;       /* [mask + 1] id + 1, 0 is empty */
    size_t mask;
    size_t longest; /* bytes */
};

/* Room for ids below `n_ids` and `n` entries, in `arena`. */
wn_code wn_vocab_open(struct wn_vocab *vocab, size_t n_ids, size_t n, struct wn_arena *arena,
                      struct wn_error *err);
/* False where the text or the id is there already. */
bool wn_vocab_add(struct wn_vocab *vocab, struct wn_span text, uint32_t id);
int32_t wn_vocab_find(const struct wn_vocab *vocab, struct wn_span text); /* -1 where there is none */

struct wn_merge {
    uint64_t pair; /* left id in the upper half; WN_NO_PAIR marks an empty slot */
    uint32_t rank;
    int32_t id;
};
#define WN_NO_PAIR UINT64_MAX

struct wn_merges {
    struct wn_merge *slots; /* [mask + 1] */
    size_t mask;
    size_t n;
};

wn_code wn_merges_open(struct wn_merges *merges, size_t n, struct wn_arena *arena, struct wn_error *err);
/* A pair given twice keeps the later rank, as in Hugging Face. */
void wn_merges_add(struct wn_merges *merges, int32_t left, int32_t right, uint32_t rank, int32_t id);
const struct wn_merge *wn_merges_find(const struct wn_merges *merges, int32_t left,
                                      int32_t right); /* or NULL */

/* --- The model (bpe.c, wordpiece.c) --- */

struct wn_bpe {
    struct wn_vocab vocab;
    struct wn_merges merges;
    bool is_word_piece;
    size_t max_characters; /* WordPiece: longer words are unknown */
    int32_t unknown;       /* id, or -1 where none is named */
    bool lacks_unknown;    /* one is named that the vocabulary does not have: a text that needs it fails */
    struct wn_span prefix; /* continuing_subword_prefix */
    struct wn_span suffix; /* end_of_word_suffix */
    bool fuse_unknown;
    bool byte_fallback;
    bool ignore_merges;
    bool on_bytes;         /* pieces are raw bytes and byte_ids starts them: the fast form of byte level */
    bool splits_at_marker; /* no merge crosses into U+2581 from another character: words may be cut there */
    int32_t byte_ids[256]; /* on_bytes: id of each byte's symbol; byte_fallback: of <0x..>, -1 = none */
};

/* --- Added tokens (added.c) --- */

struct wn_added {
    struct wn_span content; /* as given */
    struct wn_span pattern; /* what is looked for: normalized where the token is */
    int32_t id;
    bool single_word, strip_left, strip_right, normalized, special;
};

struct wn_trie_node {
    int32_t child, sibling; /* node, or -1 */
    int32_t token;          /* index of the added token that ends here, or -1 */
    unsigned char byte;
};

struct wn_trie {
    struct wn_trie_node *nodes;
    size_t n, capacity;
    int32_t roots[256]; /* node of a first byte, or -1 */
};

/* A run of text that is an added token, or is not. */
struct wn_run {
    size_t begin, end;
    int32_t token; /* index of the added token, or -1 */
};

struct wn_runs {
    struct wn_run *items;
    size_t n, capacity;
};

/* Adds tokens[index].pattern. WN_MODEL where it is empty or there already. Nodes are owned: free(trie->nodes). */
wn_code wn_trie_add(struct wn_trie *trie, struct wn_span pattern, int32_t index, struct wn_error *err);
/* Cuts `text` at the added tokens that `trie` finds, as AddedVocabulary::find_matches does. */
wn_code wn_added_cut(const struct wn_trie *trie, const struct wn_added *tokens, const char *text, size_t size,
                     struct wn_runs *out_runs, struct wn_error *err);

/* --- The tokenizer --- */

struct wn_tokenizer {
    struct wn_arena *arena;
    struct wn_tokenizer_info info;
    struct wn_bpe model;
    struct wn_normal normals[WN_TOKENIZER_STEPS];
    size_t n_normals;
    struct wn_pretoken pretokens[WN_TOKENIZER_STEPS];
    size_t n_pretokens;
    struct wn_added *added; /* [n_added] */
    size_t n_added;
    struct wn_vocab added_names; /* content -> index in `added` */
    struct wn_span *pieces;      /* [info.max_id + 1] text of each id, data == NULL where there is none */
    struct wn_trie raw_trie, normalized_trie;
    int32_t *prefix; /* special tokens in front, info.n_prefix of them */
    int32_t *suffix;
};

/* --- The encoder's scratch --- */

struct wn_token {
    int32_t id;
    uint32_t begin, end; /* bytes of the piece */
};

struct wn_cache_entry {
    uint64_t hash;  /* of the word; 0 is an empty slot */
    uint32_t word;  /* offset in bytes */
    uint32_t size;  /* of the word */
    uint32_t first; /* offset in tokens */
    uint32_t n;
};

/* Words seen before and their tokens. Emptied when full. */
struct wn_cache {
    struct wn_cache_entry *entries;
    char *bytes;
    size_t n_bytes, bytes_capacity;
    struct wn_token *tokens;
    size_t n_tokens, tokens_capacity;
    size_t n;
};

wn_code wn_cache_open(struct wn_cache *cache, struct wn_error *err);
void wn_cache_close(struct wn_cache *cache);
/* The tokens of `word` in *out_tokens and their number in *out_n, or false. `*out_hash` serves wn_cache_put. */
bool wn_cache_get(const struct wn_cache *cache, struct wn_span word, uint64_t *out_hash,
                  const struct wn_token **out_tokens, size_t *out_n);
void wn_cache_put(struct wn_cache *cache, struct wn_span word, uint64_t hash, const struct wn_token *tokens,
                  size_t n);

struct wn_symbol {
    int32_t id;
    uint32_t begin, end; /* bytes of the piece */
    int32_t previous, next;
    bool gone;
};

struct wn_word {
    struct wn_symbol *symbols;
    size_t n, capacity;
    uint64_t *heap;
    size_t n_heap, heap_capacity;
    char *text; /* a word with prefix or suffix, or in byte symbols */
    size_t text_capacity;
};

/* The model's tokens of one piece in word->symbols (id, begin, end), word->n of them. */
wn_code wn_bpe_word(const struct wn_bpe *bpe, struct wn_span piece, struct wn_word *word,
                    struct wn_error *err);
wn_code wn_word_piece(const struct wn_bpe *bpe, struct wn_span piece, struct wn_word *word,
                      struct wn_error *err);
/* Appends a symbol. */
wn_code wn_word_add(struct wn_word *word, int32_t id, size_t begin, size_t end, struct wn_error *err);

struct wn_pieces {
    struct wn_piece *items;
    size_t n, capacity;
};

struct wn_match {
    size_t begin, end;
    bool is_match;
};

struct wn_encoder {
    const struct wn_tokenizer *tokenizer;
    struct wn_matcher matcher;
    struct wn_cache cache;
    struct wn_word word;
    struct wn_runs raw_runs, normalized_runs;
    struct wn_text normal_texts[2];
    struct wn_text piece_texts[2];
    struct wn_pieces pieces[2];
    struct wn_match *matches;
    size_t n_matches, matches_capacity;
    char *stand_ins; /* the view's text for patterns */
    size_t stand_ins_capacity;
    uint32_t *characters; /* of a normal form's chunk */
    size_t characters_capacity;
    int32_t *ids;
    size_t n, ids_capacity;
    struct wn_token_place *places;
    size_t places_capacity;
};

/* Runs the tokenizer's normalizers over `view`; *out_view lives until the next call or is `view` itself. */
wn_code wn_normalize(struct wn_encoder *encoder, struct wn_view view, struct wn_view *out_view,
                     struct wn_error *err);
/* NFC, NFD, NFKC, NFKD of `view`, appended to `out`. */
wn_code wn_normal_form(struct wn_encoder *encoder, enum wn_normal_kind form, struct wn_view view,
                       struct wn_text *out, struct wn_error *err);
/* The text that patterns which ask for kinds of characters see: stand-ins (unicode.h) where PCRE2's tables differ, the
 * same bytes long. *out_text is view->data where there are none, else lives until the next call. */
wn_code wn_stand_ins(struct wn_encoder *encoder, const struct wn_view *view, const char **out_text,
                     struct wn_error *err);
/* Cuts `view` into pieces: *out_view is their text, *out_pieces where they stand in it. */
wn_code wn_pretokenize(struct wn_encoder *encoder, struct wn_view view, struct wn_view *out_view,
                       const struct wn_pieces **out_pieces, struct wn_error *err);
/* Appends bytes [begin, end) of `view` as GPT-2's byte symbols. */
wn_code wn_text_add_symbols(struct wn_text *text, const struct wn_view *view, size_t begin, size_t end,
                            struct wn_error *err);

/* An encoder for a tokenizer still being loaded: no cache is needed to normalize. */
wn_code wn_encoder_open(const struct wn_tokenizer *tokenizer, struct wn_encoder *encoder,
                        struct wn_error *err);
void wn_encoder_close(struct wn_encoder *encoder);

#endif
