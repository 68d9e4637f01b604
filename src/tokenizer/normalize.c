/* Normalizers: each turns a view into another, and every byte keeps the place it came from.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Text put in takes the place of the character it is put before (as Hugging Face does); text that replaces takes the
 * place of what it replaces.
 */
#include "tokenizer/parts.h"
#include "tokenizer/unicode.h"

#include <string.h>

static wn_code do_prepend(const struct wn_normal *normal, struct wn_view view, struct wn_text *out,
                          struct wn_error *err)
{
    if (view.size > 0) {
        const struct wn_token_place place = wn_view_place(&view, 0, wn_utf8_size(view.data[0]));
        WN_TRY(wn_text_add(out, normal->content.data, normal->content.size, place, err));
    }
    return wn_text_copy(out, &view, 0, view.size, err);
}

static wn_code do_replace(struct wn_encoder *encoder, const struct wn_normal *normal, struct wn_view view,
                          struct wn_text *out, struct wn_error *err)
{
    size_t done = 0;
    if (view.size == 0) {
        return WN_OK;
    }
    const char *subject = view.data;
    if (normal->pattern.reads_stand_ins) {
        WN_TRY(wn_stand_ins(encoder, &view, &subject, err));
    }
    struct wn_search search = {.subject = subject, .size = view.size, .last_end = SIZE_MAX};
    for (;;) {
        WN_TRY(wn_search_next(&encoder->matcher, &normal->pattern, &search, err));
        if (!search.found) {
            return wn_text_copy(out, &view, done, view.size, err);
        }
        WN_TRY(wn_text_copy(out, &view, done, search.begin, err));
        struct wn_token_place place = {0, 0};
        if (search.end > search.begin) {
            place = wn_view_place(&view, search.begin, search.end);
        } else if (search.begin > 0) { /* put in between: after the byte before */
            place = wn_view_place(&view, search.begin - 1, search.begin);
        }
        WN_TRY(wn_text_add(out, normal->content.data, normal->content.size, place, err));
        done = search.end;
    }
}

/* What becomes of one character: its replacement in out[0 .. result), 0 where it goes. */
static size_t map_character(enum wn_normal_kind kind, uint32_t c, uint32_t out[3])
{
    out[0] = c;
    switch (kind) {
    case WN_NORMAL_LOWERCASE:
        return wn_unicode_lower(c, out);
    case WN_NORMAL_STRIP_ACCENTS:
        return wn_ranges_have(&wn_unicode_combining, c) ? 0 : 1;
    case WN_NORMAL_STRIP_NONSPACING:
        return wn_ranges_have(&wn_unicode_nonspacing, c) ? 0 : 1;
    case WN_NORMAL_CLEAN:
        if (wn_ranges_have(&wn_unicode_control, c)) {
            return 0;
        }
        out[0] = wn_unicode_is_white(c) ? ' ' : c;
        return 1;
    case WN_NORMAL_CHINESE:
        if ((c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
            (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
            (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
            (c >= 0x2F800 && c <= 0x2FA1F)) {
            out[0] = ' ';
            out[1] = c;
            out[2] = ' ';
            return 3;
        }
        return 1;
    case WN_NORMAL_NMT:
        if ((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
            c == 0x9F) {
            return 0;
        }
        if (c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
            c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD) {
            out[0] = ' ';
        }
        return 1;
    default:
        return 1;
    }
}

static wn_code do_map(enum wn_normal_kind kind, struct wn_view view, struct wn_text *out,
                      struct wn_error *err)
{
    size_t kept = 0; /* bytes up to `at` that stay and are not copied yet begin here */
    for (size_t at = 0; at < view.size;) {
        size_t size = 0;
        uint32_t mapped[3];
        const uint32_t c = wn_utf8_get(view.data + at, &size);
        const size_t n = map_character(kind, c, mapped);
        if (n != 1 || mapped[0] != c) {
            WN_TRY(wn_text_copy(out, &view, kept, at, err));
            kept = at + size;
            const struct wn_token_place place = wn_view_place(&view, at, at + size);
            for (size_t i = 0; i < n; i++) {
                char bytes[4];
                const size_t more = wn_utf8_put(mapped[i], bytes);
                WN_TRY(wn_text_add(out, bytes, more, place, err));
            }
        }
        at += size;
    }
    return wn_text_copy(out, &view, kept, view.size, err);
}

static struct wn_view do_strip(const struct wn_normal *normal, struct wn_view view)
{
    size_t begin = 0;
    size_t end = view.size;
    size_t size = 0;
    while (normal->left && begin < end && wn_unicode_is_white(wn_utf8_get(view.data + begin, &size))) {
        begin += size;
    }
    while (normal->right && end > begin) {
        const size_t last = wn_utf8_size_before(view.data, end);
        if (!wn_unicode_is_white(wn_utf8_get(view.data + end - last, &size))) {
            break;
        }
        end -= last;
    }
    return wn_view_part(view, begin, end);
}

static bool is_below(struct wn_view view, unsigned char limit)
{
    for (size_t i = 0; i < view.size; i++) {
        if ((unsigned char)view.data[i] >= limit) {
            return false;
        }
    }
    return true;
}

static bool is_form(enum wn_normal_kind kind)
{
    return kind == WN_NORMAL_NFC || kind == WN_NORMAL_NFD || kind == WN_NORMAL_NFKC || kind == WN_NORMAL_NFKD;
}

/* One normalizer; true in *out_changed where the result is in `out`, else *view is the result. */
static wn_code apply(struct wn_encoder *encoder, const struct wn_normal *normal, struct wn_view *view,
                     struct wn_text *out, bool *out_changed, struct wn_error *err)
{
    *out_changed = false;
    if (normal->kind == WN_NORMAL_STRIP) {
        *view = do_strip(normal, *view);
        return WN_OK;
    }
    if (is_form(normal->kind) && is_below(*view, normal->kind == WN_NORMAL_NFC ? 0xCC : 0x80)) {
        return WN_OK; /* 0xCC leads U+0300, the first character that NFC may change or join */
    }
    if (normal->kind == WN_NORMAL_PREPEND) {
        WN_TRY(do_prepend(normal, *view, out, err));
    } else if (normal->kind == WN_NORMAL_REPLACE) {
        WN_TRY(do_replace(encoder, normal, *view, out, err));
    } else if (is_form(normal->kind)) {
        WN_TRY(wn_normal_form(encoder, normal->kind, *view, out, err));
    } else if (normal->kind == WN_NORMAL_BYTE_LEVEL) {
        WN_TRY(wn_text_add_symbols(out, view, 0, view->size, err));
    } else {
        WN_TRY(do_map(normal->kind, *view, out, err));
    }
    *out_changed =
        out->size != view->size || (out->size > 0 && memcmp(out->data, view->data, out->size) != 0);
    return WN_OK;
}

wn_code wn_normalize(struct wn_encoder *encoder, struct wn_view view, struct wn_view *out_view,
                     struct wn_error *err)
{
    const struct wn_tokenizer *tokenizer = encoder->tokenizer;
    int free_text = 0;
    for (size_t i = 0; i < tokenizer->n_normals; i++) {
        struct wn_text *out = &encoder->normal_texts[free_text];
        out->size = 0;
        bool is_changed = false;
        WN_TRY(apply(encoder, &tokenizer->normals[i], &view, out, &is_changed, err));
        if (is_changed) {
            view = wn_text_view(out);
            free_text = 1 - free_text;
        }
    }
    *out_view = view;
    return WN_OK;
}
