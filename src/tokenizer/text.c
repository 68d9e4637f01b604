/* Text under construction with the place each byte came from; growing arrays.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tokenizer/parts.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

wn_code wn_grow(void **data, size_t *capacity, size_t count, size_t size, struct wn_error *err)
{
    if (count <= *capacity && *data != NULL) {
        return WN_OK;
    }
    size_t want = *capacity < 32 ? 64 : *capacity * 2;
    if (want < count) {
        want = count;
    }
    size_t bytes = 0;
    WN_CHECK(wn_mul_size(want, size, &bytes), err, WN_DEVICE,
             "a text is too long for memory: %zu x %zu bytes", want, size);
    void *grown = realloc(*data, bytes);
    WN_CHECK(grown != NULL, err, WN_DEVICE, "no memory for %zu bytes of a text's tokens", bytes);
    *data = grown;
    *capacity = want;
    return WN_OK;
}

wn_code wn_text_reserve(struct wn_text *text, size_t more, struct wn_error *err)
{
    WN_TRY(wn_grow((void **)&text->data, &text->capacity, text->size + more, 1, err));
    return wn_grow((void **)&text->places, &text->places_capacity, text->size + more, sizeof *text->places,
                   err);
}

wn_code wn_text_add(struct wn_text *text, const char *data, size_t size, struct wn_token_place place,
                    struct wn_error *err)
{
    WN_TRY(wn_text_reserve(text, size, err));
    for (size_t i = 0; i < size; i++) {
        text->data[text->size + i] = data[i];
        text->places[text->size + i] = place;
    }
    text->size += size;
    return WN_OK;
}

wn_code wn_text_copy(struct wn_text *text, const struct wn_view *view, size_t begin, size_t end,
                     struct wn_error *err)
{
    const size_t size = end - begin;
    WN_TRY(wn_text_reserve(text, size, err));
    if (size == 0) {
        return WN_OK;
    }
    memcpy(text->data + text->size, view->data + begin, size);
    if (view->places != NULL) {
        memcpy(text->places + text->size, view->places + begin, size * sizeof *text->places);
    } else {
        for (size_t i = 0; i < size; i++) {
            const uint32_t at = view->base + (uint32_t)(begin + i);
            text->places[text->size + i] = (struct wn_token_place){at, at + 1};
        }
    }
    text->size += size;
    return WN_OK;
}

wn_code wn_text_add_symbols(struct wn_text *text, const struct wn_view *view, size_t begin, size_t end,
                            struct wn_error *err)
{
    WN_TRY(wn_text_reserve(text, 2 * (end - begin), err));
    for (size_t i = begin; i < end; i++) {
        char bytes[4];
        const size_t size = wn_utf8_put(wn_byte_symbol((unsigned char)view->data[i]), bytes);
        WN_TRY(wn_text_add(text, bytes, size, wn_view_place(view, i, i + 1), err));
    }
    return WN_OK;
}

struct wn_view wn_text_view(const struct wn_text *text)
{
    return (struct wn_view){text->data, text->size, text->places, 0};
}

void wn_text_free(struct wn_text *text)
{
    free(text->data);
    free(text->places);
    *text = (struct wn_text){0};
}
