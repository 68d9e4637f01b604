/* Arena: a list of blocks, newest first, each twice the size of the one before.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "winnow/arena.h"

#include <stdint.h>
#include <stdlib.h>

enum { ALIGNMENT = 64, FIRST_BLOCK = 64 * 1024 };
static const size_t largest_block = (size_t)64 << 20;

struct block {
    struct block *older;
    size_t size, used; /* bytes after the header */
    unsigned char *bytes;
};

struct wn_arena {
    struct block *newest;
    size_t used; /* over all blocks */
};

wn_code wn_arena_new(struct wn_arena **out_arena, struct wn_error *err)
{
    struct wn_arena *arena = calloc(1, sizeof *arena);
    WN_CHECK(arena != NULL, err, WN_DEVICE, "out of memory for an arena");
    *out_arena = arena;
    return WN_OK;
}

static void free_block(struct block *block)
{
    free(block->bytes);
    free(block);
}

void wn_arena_free(struct wn_arena *arena)
{
    if (arena == NULL) {
        return;
    }
    while (arena->newest != NULL) {
        struct block *older = arena->newest->older;
        free_block(arena->newest);
        arena->newest = older;
    }
    free(arena);
}

void wn_arena_reset(struct wn_arena *arena)
{
    /* The newest is the largest but for single oversized requests, which are not worth keeping. */
    struct block *kept = arena->newest;
    if (kept == NULL) {
        return;
    }
    while (kept->older != NULL) {
        struct block *older = kept->older;
        kept->older = older->older;
        free_block(older);
    }
    if (kept->size > largest_block) {
        free_block(kept);
        kept = NULL;
    } else {
        kept->used = 0;
    }
    arena->newest = kept;
    arena->used = 0;
}

static struct block *add_block(struct wn_arena *arena, size_t size)
{
    size_t wanted = arena->newest != NULL ? 2 * arena->newest->size : FIRST_BLOCK;
    if (wanted > largest_block) {
        wanted = largest_block;
    }
    if (wanted < size) {
        wanted = size;
    }
    struct block *block = calloc(1, sizeof *block);
    if (block == NULL) {
        return NULL;
    }
    block->bytes = aligned_alloc(ALIGNMENT, wanted);
    if (block->bytes == NULL) {
        free(block);
        return NULL;
    }
    block->size = wanted;
    block->older = arena->newest;
    arena->newest = block;
    return block;
}

wn_code wn_arena_alloc(struct wn_arena *arena, size_t count, size_t size, void **out, struct wn_error *err)
{
    size_t bytes = 0;
    size_t rounded = 0;
    WN_CHECK(wn_mul_size(count, size, &bytes) && wn_add_size(bytes, ALIGNMENT, &rounded), err, WN_DEVICE,
             "out of memory: %zu elements of %zu bytes", count, size);
    rounded = (bytes == 0 ? 1 : bytes) + ALIGNMENT - 1;
    rounded -= rounded % ALIGNMENT;
    struct block *block = arena->newest;
    if (block == NULL || block->size - block->used < rounded) {
        block = add_block(arena, rounded);
        WN_CHECK(block != NULL, err, WN_DEVICE, "out of memory: %zu bytes", rounded);
    }
    void *memory = block->bytes + block->used;
    memset(memory, 0, rounded);
    block->used += rounded;
    arena->used += rounded;
    *out = memory;
    return WN_OK;
}

wn_code wn_arena_copy(struct wn_arena *arena, struct wn_span text, struct wn_span *out, struct wn_error *err)
{
    char *copy = NULL;
    size_t size = 0;
    WN_CHECK(wn_add_size(text.size, 1, &size), err, WN_DEVICE, "out of memory: a text of %zu bytes",
             text.size);
    WN_TRY(WN_ARENA_NEW(arena, size, &copy, err));
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    *out = (struct wn_span){copy, text.size};
    return WN_OK;
}

size_t wn_arena_used(const struct wn_arena *arena)
{
    return arena->used;
}
