/* Vocabulary and merges as open-addressing tables: text -> id, (left, right) -> (rank, id).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "tokenizer/parts.h"

/* Slots for n entries: a power of two, at most half full; 0 on overflow. */
static size_t slots_for(size_t n)
{
    size_t slots = 16;
    while (slots / 2 < n) {
        if (slots > SIZE_MAX / 4) {
            return 0;
        }
        slots *= 2;
    }
    return slots;
}

wn_code wn_vocab_open(struct wn_vocab *vocab, size_t n_ids, size_t n, struct wn_arena *arena,
                      struct wn_error *err)
{
    const size_t slots = slots_for(n);
    WN_CHECK(slots > 0 && n <= WN_TOKENIZER_ID_LIMIT, err, WN_MODEL,
             "the vocabulary of %zu entries is too large", n);
    *vocab = (struct wn_vocab){.n_ids = n_ids, .mask = slots - 1};
    WN_TRY(WN_ARENA_NEW(arena, n_ids, &vocab->texts, err));
    return WN_ARENA_NEW(arena, slots, &vocab->slots, err);
}

static size_t vocab_slot(const struct wn_vocab *vocab, struct wn_span text)
{
    size_t at = (size_t)wn_hash64(text) & vocab->mask;
    while (vocab->slots[at] != 0 && !wn_span_equal(vocab->texts[vocab->slots[at] - 1], text)) {
        at = (at + 1) & vocab->mask;
    }
    return at;
}

bool wn_vocab_add(struct wn_vocab *vocab, struct wn_span text, uint32_t id)
{
    const size_t at = vocab_slot(vocab, text);
    if (vocab->slots[at] != 0 || vocab->texts[id].data != NULL) {
        return false;
    }
    vocab->slots[at] = id + 1;
    vocab->texts[id] = text;
    vocab->n++;
    if (text.size > vocab->longest) {
        vocab->longest = text.size;
    }
    return true;
}

int32_t wn_vocab_find(const struct wn_vocab *vocab, struct wn_span text)
{
    if (vocab->slots == NULL || text.size > vocab->longest) {
        return -1;
    }
    return (int32_t)vocab->slots[vocab_slot(vocab, text)] - 1;
}

static uint64_t pair_of(int32_t left, int32_t right)
{
    return ((uint64_t)(uint32_t)left << 32) | (uint32_t)right;
}

static size_t merge_slot(const struct wn_merges *merges, uint64_t pair)
{
    uint64_t mixed = pair * 0x9E3779B97F4A7C15u; /* the golden ratio: ids are dense, this spreads them */
    mixed ^= mixed >> 29;
    size_t at = (size_t)mixed & merges->mask;
    while (merges->slots[at].pair != WN_NO_PAIR && merges->slots[at].pair != pair) {
        at = (at + 1) & merges->mask;
    }
    return at;
}

wn_code wn_merges_open(struct wn_merges *merges, size_t n, struct wn_arena *arena, struct wn_error *err)
{
    const size_t slots = slots_for(n);
    WN_CHECK(slots > 0, err, WN_MODEL, "%zu merges are too many", n);
    *merges = (struct wn_merges){.mask = slots - 1};
    WN_TRY(WN_ARENA_NEW(arena, slots, &merges->slots, err));
    for (size_t i = 0; i < slots; i++) {
        merges->slots[i].pair = WN_NO_PAIR;
    }
    return WN_OK;
}

void wn_merges_add(struct wn_merges *merges, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
    const uint64_t pair = pair_of(left, right);
    struct wn_merge *slot = &merges->slots[merge_slot(merges, pair)];
    merges->n += slot->pair == WN_NO_PAIR;
    *slot = (struct wn_merge){pair, rank, id};
}

const struct wn_merge *wn_merges_find(const struct wn_merges *merges, int32_t left, int32_t right)
{
    const struct wn_merge *slot = &merges->slots[merge_slot(merges, pair_of(left, right))];
    return slot->pair == WN_NO_PAIR ? NULL : slot;
}
