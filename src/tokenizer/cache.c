/* Words seen before and their tokens: natural text repeats itself, so most words are met again.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "tokenizer/parts.h"

#include <stdlib.h>
#include <string.h>

enum {
    CACHE_SLOTS = 1 << 16,
    CACHE_WORDS = CACHE_SLOTS / 2,
    CACHE_WORD_BYTES = 128, /* longer words are rarely met again */
    CACHE_BYTES = CACHE_WORDS * 32,
    CACHE_TOKENS = CACHE_WORDS * 8
};

wn_code wn_cache_open(struct wn_cache *cache, struct wn_error *err)
{
    *cache = (struct wn_cache){.bytes_capacity = CACHE_BYTES, .tokens_capacity = CACHE_TOKENS};
    cache->entries = calloc(CACHE_SLOTS, sizeof *cache->entries);
    cache->bytes = malloc(CACHE_BYTES);
    cache->tokens = malloc(CACHE_TOKENS * sizeof *cache->tokens);
    WN_CHECK(cache->entries != NULL && cache->bytes != NULL && cache->tokens != NULL, err, WN_DEVICE,
             "no memory for an encoder's word cache");
    return WN_OK;
}

void wn_cache_close(struct wn_cache *cache)
{
    free(cache->entries);
    free(cache->bytes);
    free(cache->tokens);
    *cache = (struct wn_cache){0};
}

/* The word's slot, or the empty one where it belongs. */
static struct wn_cache_entry *slot_of(const struct wn_cache *cache, struct wn_span word, uint64_t hash)
{
    size_t at = (size_t)(hash >> 32) & (CACHE_SLOTS - 1);
    for (;;) {
        struct wn_cache_entry *entry = &cache->entries[at];
        if (entry->hash == 0 || (entry->hash == hash && entry->size == word.size &&
                                 memcmp(cache->bytes + entry->word, word.data, word.size) == 0)) {
            return entry;
        }
        at = (at + 1) & (CACHE_SLOTS - 1);
    }
}

bool wn_cache_get(const struct wn_cache *cache, struct wn_span word, uint64_t *out_hash,
                  const struct wn_token **out_tokens, size_t *out_n)
{
    if (word.size > CACHE_WORD_BYTES) {
        *out_hash = 0;
        return false;
    }
    *out_hash = wn_hash64(word) | 1; /* 0 marks an empty slot */
    const struct wn_cache_entry *entry = slot_of(cache, word, *out_hash);
    if (entry->hash == 0) {
        return false;
    }
    *out_tokens = cache->tokens + entry->first;
    *out_n = entry->n;
    return true;
}

void wn_cache_put(struct wn_cache *cache, struct wn_span word, uint64_t hash, const struct wn_token *tokens,
                  size_t n)
{
    if (word.size > CACHE_WORD_BYTES || n > CACHE_WORD_BYTES) {
        return;
    }
    if (cache->n >= CACHE_WORDS || cache->n_bytes + word.size > cache->bytes_capacity ||
        cache->n_tokens + n > cache->tokens_capacity) {
        memset(cache->entries, 0, CACHE_SLOTS * sizeof *cache->entries);
        cache->n = 0;
        cache->n_bytes = 0;
        cache->n_tokens = 0;
    }
    struct wn_cache_entry *entry = slot_of(cache, word, hash);
    *entry = (struct wn_cache_entry){.hash = hash,
                                     .word = (uint32_t)cache->n_bytes,
                                     .size = (uint32_t)word.size,
                                     .first = (uint32_t)cache->n_tokens,
                                     .n = (uint32_t)n};
    memcpy(cache->bytes + cache->n_bytes, word.data, word.size);
    if (n > 0) {
        memcpy(cache->tokens + cache->n_tokens, tokens, n * sizeof *tokens);
    }
    cache->n_bytes += word.size;
    cache->n_tokens += n;
    cache->n++;
}
