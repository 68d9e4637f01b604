/* XXH3 behind our own names.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

struct wn_hasher {
    XXH3_state_t *state;
};

uint64_t wn_hash64(struct wn_span bytes)
{
    return XXH3_64bits(bytes.data, bytes.size);
}

static void write_text(XXH128_hash_t hash, char out_text[WN_HASH_TEXT])
{
    snprintf(out_text, WN_HASH_TEXT, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

void wn_hash128_text(struct wn_span bytes, char out_text[WN_HASH_TEXT])
{
    write_text(XXH3_128bits(bytes.data, bytes.size), out_text);
}

wn_code wn_hasher_new(struct wn_hasher **out_hasher, struct wn_error *err)
{
    struct wn_hasher *hasher = malloc(sizeof *hasher);
    WN_CHECK(hasher != NULL, err, WN_DEVICE, "out of memory for a hash");
    hasher->state = XXH3_createState();
    if (hasher->state == NULL) {
        free(hasher);
        WN_FAIL(err, WN_DEVICE, "out of memory for a hash");
    }
    XXH3_128bits_reset(hasher->state);
    *out_hasher = hasher;
    return WN_OK;
}

void wn_hasher_add(struct wn_hasher *hasher, const void *bytes, size_t size)
{
    if (size > 0) {
        XXH3_128bits_update(hasher->state, bytes, size);
    }
}

void wn_hasher_text(const struct wn_hasher *hasher, char out_text[WN_HASH_TEXT])
{
    write_text(XXH3_128bits_digest(hasher->state), out_text);
}

void wn_hasher_free(struct wn_hasher *hasher)
{
    if (hasher != NULL) {
        XXH3_freeState(hasher->state);
        free(hasher);
    }
}
