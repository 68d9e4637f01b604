/* XXH3, 64 and 128 bits, in canonical (big-endian) text form.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_BASE_HASH_H
#define WINNOW_BASE_HASH_H

#include "winnow/span.h"
#include "winnow/status.h"

#include <stdint.h>

uint64_t wn_hash64(struct wn_span bytes);

enum { WN_HASH_TEXT = 33 }; /* 32 hexadecimal digits and the ending 0 */

/* A running 128-bit hash, owned by the caller (wn_hasher_free). */
struct wn_hasher;
wn_code wn_hasher_new(struct wn_hasher **out_hasher, struct wn_error *err);
void wn_hasher_add(struct wn_hasher *hasher, const void *bytes, size_t size);
void wn_hasher_text(const struct wn_hasher *hasher, char out_text[WN_HASH_TEXT]);
void wn_hasher_free(struct wn_hasher *hasher);

/* 128-bit hash of one run of bytes, as text. */
void wn_hash128_text(struct wn_span bytes, char out_text[WN_HASH_TEXT]);

#endif
