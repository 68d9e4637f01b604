/* Arena: memory that is released all at once. There are two kinds in use: the run's and the batch's.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   | block 0: used ...... free | block 1: used .. free |      blocks double in size, up to 64 MiB
 *
 * - wn_arena_alloc never returns NULL with WN_OK, not even for 0 bytes.
 * - wn_arena_reset keeps the largest block, so a loop over records stops allocating after its first rounds.
 * - A pointer from an arena is valid until reset or free. One arena serves one thread at a time.
 */
#ifndef WINNOW_ARENA_H
#define WINNOW_ARENA_H

#include "winnow/span.h"
#include "winnow/status.h"

#include <stddef.h>

struct wn_arena;

/* A new, empty arena in *out_arena, owned by the caller (wn_arena_free). WN_DEVICE without memory. */
wn_code wn_arena_new(struct wn_arena **out_arena, struct wn_error *err);
void wn_arena_free(struct wn_arena *arena); /* NULL is allowed */
void wn_arena_reset(struct wn_arena *arena);

/* `count` elements of `size` bytes each, zeroed, aligned to 64 bytes, in *out. The product is checked.
 * WN_DEVICE without memory or where it overflows. */
wn_code wn_arena_alloc(struct wn_arena *arena, size_t count, size_t size, void **out, struct wn_error *err);

/* A copy of `text`, followed by one 0 byte that its size does not count. */
wn_code wn_arena_copy(struct wn_arena *arena, struct wn_span text, struct wn_span *out, struct wn_error *err);

/* Bytes handed out since the last reset, for tests of flat memory. */
size_t wn_arena_used(const struct wn_arena *arena);

/* out = a + b, out = a * b; return false on overflow and leave *out alone. For sizes that a file states. */
static inline bool wn_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool wn_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* Typed allocation: struct foo *p; WN_TRY(WN_ARENA_NEW(arena, n, &p, err)); */
#define WN_ARENA_NEW(arena, count, out, err) wn_arena_alloc((arena), (count), sizeof **(out), (void **)(out), (err))

#endif
