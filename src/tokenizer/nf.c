/* Unicode normal forms, chunk by chunk, so that every byte keeps the place it came from.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A chunk starts at a character that no form can join to the one before it (the first of its decomposition has class
 * 0, is no mark and no Hangul vowel or tail) and ends before the next such one; a chunk that the form leaves alone
 * keeps its places byte by byte, one that changes maps as a whole. Hugging Face normalizes with tables of about
 * Unicode 9: characters that are newer (wn_unicode_inert) are left alone and join nothing. Source: Unicode Standard
 * Annex 15; utf8proc gives decompositions, classes and compositions.
 */
#include "tokenizer/parts.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MOST_OF_ONE = 32 }; /* characters of one full decomposition: at most 18 (U+FDFA) */

struct form {
    bool composes;
    bool is_compatible;
    uint32_t plain_below; /* characters below are their own form and start a chunk */
};

static const struct form forms[] = {
    {true, false, 0x300}, {false, false, 0xC0}, {true, true, 0xA0}, {false, true, 0xA0}};

/* The full decomposition of one character in out[0 .. result). */
static size_t decompose(const struct form *form, uint32_t c, utf8proc_int32_t out[MOST_OF_ONE])
{
    int boundary = 0;
    const utf8proc_option_t options = (utf8proc_option_t)(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE |
                                                          (form->is_compatible ? UTF8PROC_COMPAT : 0));
    const utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)c, out, MOST_OF_ONE, options, &boundary);
    if (n <= 0 || n > MOST_OF_ONE) {
        out[0] = (utf8proc_int32_t)c;
        return 1;
    }
    return (size_t)n;
}

static unsigned class_of(uint32_t c)
{
    return wn_ranges_have(&wn_unicode_inert, c)
               ? 0
               : (unsigned)utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
}

/* True where no form joins `c` to what is before it. */
static bool starts_chunk(const struct form *form, uint32_t c)
{
    if (c < form->plain_below || wn_ranges_have(&wn_unicode_inert, c)) {
        return true;
    }
    utf8proc_int32_t parts[MOST_OF_ONE];
    (void)decompose(form, c, parts);
    const utf8proc_property_t *property = utf8proc_get_property(parts[0]);
    return property->combining_class == 0 && property->category != UTF8PROC_CATEGORY_MN &&
           property->category != UTF8PROC_CATEGORY_MC && property->category != UTF8PROC_CATEGORY_ME &&
           (parts[0] < 0x1160 || parts[0] > 0x11FF);
}

/* Where the chunk at `begin` ends. */
static size_t chunk_end(const struct form *form, const struct wn_view *view, size_t begin)
{
    size_t size = 0;
    const uint32_t first = wn_utf8_get(view->data + begin, &size);
    size_t at = begin + size;
    if (wn_ranges_have(&wn_unicode_inert, first)) {
        return at;
    }
    while (at < view->size && !starts_chunk(form, wn_utf8_get(view->data + at, &size))) {
        at += size;
    }
    return at;
}

struct marked {
    uint32_t c, at;
    unsigned order;
};

static int marked_compare(const void *a, const void *b)
{
    const struct marked *x = a;
    const struct marked *y = b;
    if (x->order != y->order) {
        return x->order < y->order ? -1 : 1;
    }
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Sorts each run of characters of classes above 0 by class, keeping the order of equals. */
static wn_code order_marks(uint32_t *characters, size_t n, struct wn_error *err)
{
    for (size_t begin = 0; begin < n;) {
        size_t end = begin;
        bool is_sorted = true;
        while (end < n && class_of(characters[end]) > 0) {
            is_sorted &= end == begin || class_of(characters[end - 1]) <= class_of(characters[end]);
            end++;
        }
        if (!is_sorted) {
            struct marked *marks = malloc((end - begin) * sizeof *marks);
            WN_CHECK(marks != NULL, err, WN_DEVICE, "no memory to order %zu combining marks", end - begin);
            for (size_t i = begin; i < end; i++) {
                marks[i - begin] = (struct marked){characters[i], (uint32_t)i, class_of(characters[i])};
            }
            qsort(marks, end - begin, sizeof *marks, marked_compare);
            for (size_t i = begin; i < end; i++) {
                characters[i] = marks[i - begin].c;
            }
            free(marks);
        }
        begin = end > begin ? end : begin + 1;
    }
    return WN_OK;
}

/* The chunk's form in encoder->characters; how many in *out_n. */
static wn_code chunk_form(struct wn_encoder *encoder, const struct form *form, const char *text, size_t size,
                          size_t *out_n, struct wn_error *err)
{
    size_t n = 0;
    for (size_t at = 0; at < size;) {
        size_t bytes = 0;
        const uint32_t c = wn_utf8_get(text + at, &bytes);
        utf8proc_int32_t parts[MOST_OF_ONE];
        const size_t n_parts = decompose(form, c, parts);
        WN_TRY(wn_grow((void **)&encoder->characters, &encoder->characters_capacity, n + n_parts,
                       sizeof *encoder->characters, err));
        for (size_t i = 0; i < n_parts; i++) {
            encoder->characters[n++] = (uint32_t)parts[i];
        }
        at += bytes;
    }
    WN_TRY(order_marks(encoder->characters, n, err));
    *out_n = n;
    if (form->composes) {
        const utf8proc_ssize_t composed =
            utf8proc_normalize_utf32((utf8proc_int32_t *)encoder->characters, (utf8proc_ssize_t)n,
                                     (utf8proc_option_t)(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
        WN_CHECK(composed >= 0, err, WN_DEFECT, "a normal form could not be composed");
        *out_n = (size_t)composed;
    }
    return WN_OK;
}

/* True where characters[0 .. n) spell the bytes of the chunk. */
static bool spells(const uint32_t *characters, size_t n, const char *text, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        char bytes[4];
        const size_t more = wn_utf8_put(characters[i], bytes);
        if (at + more > size || memcmp(bytes, text + at, more) != 0) {
            return false;
        }
        at += more;
    }
    return at == size;
}

static wn_code chunk_add(struct wn_encoder *encoder, const struct form *form, const struct wn_view *view,
                         const struct wn_piece *chunk, struct wn_text *out, struct wn_error *err)
{
    size_t n = 0;
    const size_t size = chunk->end - chunk->begin;
    WN_TRY(chunk_form(encoder, form, view->data + chunk->begin, size, &n, err));
    if (spells(encoder->characters, n, view->data + chunk->begin, size)) {
        return wn_text_copy(out, view, chunk->begin, chunk->end, err);
    }
    const struct wn_token_place place = wn_view_place(view, chunk->begin, chunk->end);
    for (size_t i = 0; i < n; i++) {
        char bytes[4];
        const size_t more = wn_utf8_put(encoder->characters[i], bytes);
        WN_TRY(wn_text_add(out, bytes, more, place, err));
    }
    return WN_OK;
}

wn_code wn_normal_form(struct wn_encoder *encoder, enum wn_normal_kind kind, struct wn_view view,
                       struct wn_text *out, struct wn_error *err)
{
    const struct form *form = &forms[kind == WN_NORMAL_NFC    ? 0
                                     : kind == WN_NORMAL_NFD  ? 1
                                     : kind == WN_NORMAL_NFKC ? 2
                                                              : 3];
    for (size_t at = 0; at < view.size;) {
        size_t plain = at; /* single characters below plain_below, nothing joining behind them */
        while (plain < view.size) {
            size_t size = 0;
            const uint32_t c = wn_utf8_get(view.data + plain, &size);
            const size_t next = plain + size;
            size_t ignored = 0;
            if (c >= form->plain_below ||
                (next < view.size && wn_utf8_get(view.data + next, &ignored) >= form->plain_below)) {
                break;
            }
            plain = next;
        }
        WN_TRY(wn_text_copy(out, &view, at, plain, err));
        at = plain;
        if (at < view.size) {
            const struct wn_piece chunk = {at, chunk_end(form, &view, at)};
            size_t size = 0;
            if (wn_ranges_have(&wn_unicode_inert, wn_utf8_get(view.data + at, &size))) {
                WN_TRY(wn_text_copy(out, &view, chunk.begin, chunk.end, err));
            } else {
                WN_TRY(chunk_add(encoder, form, &view, &chunk, out, err));
            }
            at = chunk.end;
        }
    }
    return WN_OK;
}
