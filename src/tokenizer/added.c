/* Added tokens: found in text by a trie, the longest of the leftmost, as Hugging Face's automaton finds them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Source of the rules for single_word, lstrip and rstrip: tokenizers tokenizer/added_vocabulary.rs, find_matches. A
 * token that single_word rejects is passed over with all its bytes.
 */
#include "tokenizer/parts.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>

static wn_code node_new(struct wn_trie *trie, unsigned char byte, int32_t *out_node, struct wn_error *err)
{
    WN_TRY(wn_grow((void **)&trie->nodes, &trie->capacity, trie->n + 1, sizeof *trie->nodes, err));
    *out_node = (int32_t)trie->n;
    trie->nodes[trie->n++] = (struct wn_trie_node){.child = -1, .sibling = -1, .token = -1, .byte = byte};
    return WN_OK;
}

static int32_t child_of(const struct wn_trie *trie, int32_t node, unsigned char byte)
{
    int32_t child = trie->nodes[node].child;
    while (child >= 0 && trie->nodes[child].byte != byte) {
        child = trie->nodes[child].sibling;
    }
    return child;
}

wn_code wn_trie_add(struct wn_trie *trie, struct wn_span pattern, int32_t index, struct wn_error *err)
{
    WN_CHECK(pattern.size > 0, err, WN_MODEL, "an added token is empty once it is normalized");
    if (trie->nodes == NULL) {
        for (size_t i = 0; i < 256; i++) {
            trie->roots[i] = -1;
        }
    }
    const unsigned char first = (unsigned char)pattern.data[0];
    if (trie->nodes == NULL || trie->roots[first] < 0) {
        WN_TRY(node_new(trie, first, &trie->roots[first], err));
    }
    int32_t node = trie->roots[first];
    for (size_t i = 1; i < pattern.size; i++) {
        const unsigned char byte = (unsigned char)pattern.data[i];
        int32_t child = child_of(trie, node, byte);
        if (child < 0) {
            WN_TRY(node_new(trie, byte, &child, err));
            trie->nodes[child].sibling = trie->nodes[node].child;
            trie->nodes[node].child = child;
        }
        node = child;
    }
    WN_CHECK(trie->nodes[node].token < 0, err, WN_MODEL, "two added tokens look for the same text '%.*s'",
             (int)(pattern.size < 200 ? pattern.size : 200), pattern.data);
    trie->nodes[node].token = index;
    return WN_OK;
}

/* The longest token at `at`, its end in *out_end; -1 where there is none. */
static int32_t longest_at(const struct wn_trie *trie, const char *text, size_t size, size_t at,
                          size_t *out_end)
{
    int32_t token = -1;
    int32_t node = trie->roots[(unsigned char)text[at]];
    while (node >= 0) {
        at++;
        if (trie->nodes[node].token >= 0) {
            token = trie->nodes[node].token;
            *out_end = at;
        }
        node = at < size ? child_of(trie, node, (unsigned char)text[at]) : -1;
    }
    return token;
}

static bool is_word_before(const char *text, size_t end)
{
    size_t size = 0;
    return end > 0 &&
           wn_ranges_have(&wn_unicode_word, wn_utf8_get(text + end - wn_utf8_size_before(text, end), &size));
}

static bool is_word_at(const char *text, size_t size, size_t at)
{
    size_t bytes = 0;
    return at < size && wn_ranges_have(&wn_unicode_word, wn_utf8_get(text + at, &bytes));
}

static size_t white_begin(const char *text, size_t end)
{
    size_t bytes = 0;
    while (end > 0) {
        const size_t last = wn_utf8_size_before(text, end);
        if (!wn_unicode_is_white(wn_utf8_get(text + end - last, &bytes))) {
            break;
        }
        end -= last;
    }
    return end;
}

static size_t white_end(const char *text, size_t size, size_t at)
{
    size_t bytes = 0;
    while (at < size && wn_unicode_is_white(wn_utf8_get(text + at, &bytes))) {
        at += bytes;
    }
    return at;
}

static wn_code run_add(struct wn_runs *runs, size_t begin, size_t end, int32_t token, struct wn_error *err)
{
    if (begin >= end) {
        return WN_OK;
    }
    WN_TRY(wn_grow((void **)&runs->items, &runs->capacity, runs->n + 1, sizeof *runs->items, err));
    runs->items[runs->n++] = (struct wn_run){begin, end, token};
    return WN_OK;
}

wn_code wn_added_cut(const struct wn_trie *trie, const struct wn_added *tokens, const char *text, size_t size,
                     struct wn_runs *out_runs, struct wn_error *err)
{
    out_runs->n = 0;
    size_t done = 0; /* bytes that are in a run */
    for (size_t at = 0; trie->n > 0 && at < size;) {
        size_t end = 0;
        const int32_t token = longest_at(trie, text, size, at, &end);
        if (token < 0) {
            at++;
            continue;
        }
        size_t begin = at;
        at = end;
        const struct wn_added *added = &tokens[token];
        if (added->single_word && (is_word_before(text, begin) || is_word_at(text, size, end))) {
            continue;
        }
        if (added->strip_left) {
            const size_t white = white_begin(text, begin);
            begin = white > done ? white : done;
        }
        if (added->strip_right) {
            end = white_end(text, size, end);
        }
        WN_TRY(run_add(out_runs, done, begin, -1, err));
        WN_TRY(run_add(out_runs, begin, end, token, err));
        done = end;
    }
    return run_add(out_runs, done, size, -1, err);
}
