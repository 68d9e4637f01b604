/* A growing run of bytes, and little-endian numbers in it.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   struct wn_bytes bytes = {0};
 *   wn_bytes_u32(&bytes, 7); wn_bytes_add(&bytes, text, n);
 *   WN_CHECK(!bytes.is_short, err, WN_DEVICE, ...);      asked once, at the end
 *   wn_bytes_free(&bytes);
 * Reading back goes through a wn_span that shrinks: wn_take_u32(&left, &value) is false where too little is left.
 */
#ifndef WINNOW_BASE_BYTES_H
#define WINNOW_BASE_BYTES_H

#include "winnow/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wn_bytes {
    unsigned char *data; /* owned */
    size_t size, capacity;
    bool is_short; /* memory ran out: what was added since is not there */
};

void wn_bytes_add(struct wn_bytes *bytes, const void *data, size_t size);
void wn_bytes_u8(struct wn_bytes *bytes, uint8_t value);
void wn_bytes_u16(struct wn_bytes *bytes, uint16_t value);
void wn_bytes_u32(struct wn_bytes *bytes, uint32_t value);
void wn_bytes_u64(struct wn_bytes *bytes, uint64_t value);
void wn_bytes_f32(struct wn_bytes *bytes, float value);          /* its bits */
void wn_bytes_f64(struct wn_bytes *bytes, double value);         /* its bits */
void wn_bytes_text(struct wn_bytes *bytes, struct wn_span text); /* u32 length, then the bytes */
static inline struct wn_span wn_bytes_span(const struct wn_bytes *bytes)
{
    return (struct wn_span){(const char *)bytes->data, bytes->size};
}
void wn_bytes_clear(struct wn_bytes *bytes); /* empty; keeps the memory */
void wn_bytes_free(struct wn_bytes *bytes);

/* Take a value off the front of *left. False, and nothing taken, where too little is left. */
bool wn_take(struct wn_span *left, size_t size, struct wn_span *out); /* borrowed */
bool wn_take_u8(struct wn_span *left, uint8_t *out);
bool wn_take_u16(struct wn_span *left, uint16_t *out);
bool wn_take_u32(struct wn_span *left, uint32_t *out);
bool wn_take_u64(struct wn_span *left, uint64_t *out);
bool wn_take_f32(struct wn_span *left, float *out);
bool wn_take_f64(struct wn_span *left, double *out);
bool wn_take_text(struct wn_span *left, struct wn_span *out);

#endif
