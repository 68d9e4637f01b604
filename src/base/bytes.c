/* A growing run of bytes, and little-endian numbers in it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

/* Room for `size` bytes more. False where there is no memory; from then on nothing is added, so that what stands there
 * is the beginning of what was meant, never a text with a hole. */
static bool reserve(struct wn_bytes *bytes, size_t size)
{
    if (bytes->is_short) {
        return false;
    }
    if (size <= bytes->capacity - bytes->size) {
        return true;
    }
    size_t wanted = 0;
    if (__builtin_add_overflow(bytes->size, size, &wanted)) {
        bytes->is_short = true;
        return false;
    }
    size_t capacity = bytes->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : bytes->capacity;
    while (capacity < wanted) {
        capacity = capacity > SIZE_MAX / 2 ? wanted : capacity * 2;
    }
    unsigned char *data = realloc(bytes->data, capacity);
    if (data == NULL) {
        bytes->is_short = true;
        return false;
    }
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

void wn_bytes_add(struct wn_bytes *bytes, const void *data, size_t size)
{
    if (size > 0 && reserve(bytes, size)) {
        memcpy(bytes->data + bytes->size, data, size);
        bytes->size += size;
    }
}

static void add_number(struct wn_bytes *bytes, uint64_t value, size_t size)
{
    unsigned char text[sizeof value];
    for (size_t i = 0; i < size; ++i) {
        text[i] = (unsigned char)(value >> (8 * i));
    }
    wn_bytes_add(bytes, text, size);
}

void wn_bytes_u8(struct wn_bytes *bytes, uint8_t value)
{
    add_number(bytes, value, sizeof value);
}

void wn_bytes_u16(struct wn_bytes *bytes, uint16_t value)
{
    add_number(bytes, value, sizeof value);
}

void wn_bytes_u32(struct wn_bytes *bytes, uint32_t value)
{
    add_number(bytes, value, sizeof value);
}

void wn_bytes_u64(struct wn_bytes *bytes, uint64_t value)
{
    add_number(bytes, value, sizeof value);
}

void wn_bytes_f32(struct wn_bytes *bytes, float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    wn_bytes_u32(bytes, bits);
}

void wn_bytes_f64(struct wn_bytes *bytes, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    wn_bytes_u64(bytes, bits);
}

void wn_bytes_text(struct wn_bytes *bytes, struct wn_span text)
{
    size_t size = 0;
    if (text.size > UINT32_MAX || __builtin_add_overflow(text.size, sizeof(uint32_t), &size)) {
        bytes->is_short = true;
        return;
    }
    /* Both or neither, so that a length is never without its bytes. */
    if (reserve(bytes, size)) {
        wn_bytes_u32(bytes, (uint32_t)text.size);
        wn_bytes_add(bytes, text.data, text.size);
    }
}

void wn_bytes_clear(struct wn_bytes *bytes)
{
    bytes->size = 0;
    bytes->is_short = false;
}

void wn_bytes_free(struct wn_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct wn_bytes){.data = NULL};
}

bool wn_take(struct wn_span *left, size_t size, struct wn_span *out)
{
    if (size > left->size) {
        return false;
    }
    *out = (struct wn_span){left->data, size};
    if (size > 0) {
        *left = (struct wn_span){left->data + size, left->size - size};
    }
    return true;
}

static bool take_number(struct wn_span *left, size_t size, uint64_t *out)
{
    struct wn_span text;
    if (!wn_take(left, size, &text)) {
        return false;
    }
    *out = 0;
    for (size_t i = 0; i < size; ++i) {
        *out |= (uint64_t)(unsigned char)text.data[i] << (8 * i);
    }
    return true;
}

bool wn_take_u8(struct wn_span *left, uint8_t *out)
{
    uint64_t value = 0;
    if (!take_number(left, sizeof *out, &value)) {
        return false;
    }
    *out = (uint8_t)value;
    return true;
}

bool wn_take_u16(struct wn_span *left, uint16_t *out)
{
    uint64_t value = 0;
    if (!take_number(left, sizeof *out, &value)) {
        return false;
    }
    *out = (uint16_t)value;
    return true;
}

bool wn_take_u32(struct wn_span *left, uint32_t *out)
{
    uint64_t value = 0;
    if (!take_number(left, sizeof *out, &value)) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

bool wn_take_u64(struct wn_span *left, uint64_t *out)
{
    return take_number(left, sizeof *out, out);
}

bool wn_take_f32(struct wn_span *left, float *out)
{
    uint32_t bits = 0;
    if (!wn_take_u32(left, &bits)) {
        return false;
    }
    memcpy(out, &bits, sizeof *out);
    return true;
}

bool wn_take_f64(struct wn_span *left, double *out)
{
    uint64_t bits = 0;
    if (!wn_take_u64(left, &bits)) {
        return false;
    }
    memcpy(out, &bits, sizeof *out);
    return true;
}

bool wn_take_text(struct wn_span *left, struct wn_span *out)
{
    struct wn_span rest = *left;
    uint32_t size = 0;
    if (!wn_take_u32(&rest, &size) || !wn_take(&rest, size, out)) {
        return false;
    }
    *left = rest;
    return true;
}
