/* Ids equal Hugging Face tokenizers' on stored vectors: this folder's own, and the real tokenizers' where they are.
 * SPDX-License-Identifier: Apache-2.0
 *
 * data/NAME/tokenizer.json were trained on a few sentences of our own with tokenizers 0.23.3; data/NAME/vectors.jsonl
 * has its ids for texts of our own: {"text", "ids", "ids_plain"}.
 */
#include "base/base.h"
#include "support.h"
#include "tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

static void ids_check(const struct wn_json *want, const struct wn_tokens *got, const char *path, size_t line)
{
    size_t i = 0;
    for (const struct wn_json *item = wn_json_first(want); item != NULL; item = wn_json_next(item), i++) {
        int64_t id = 0;
        cr_assert(wn_json_integer(item, &id));
        cr_assert(i < got->n, "%s:%zu: %zu tokens, want %zu", path, line, got->n, wn_json_count(want));
        cr_assert_eq(got->ids[i], (int32_t)id, "%s:%zu: token %zu is %d, want %d", path, line, i,
                     (int)got->ids[i], (int)id);
    }
    cr_assert_eq(i, got->n, "%s:%zu: %zu tokens, want %zu", path, line, got->n, i);
}

/* Places go forward and stay within the text. */
static void places_check(const struct wn_tokens *tokens, size_t size, const char *path, size_t line)
{
    for (size_t i = 0; i < tokens->n; i++) {
        const struct wn_token_place place = tokens->places[i];
        cr_assert(place.begin <= place.end && place.end <= size, "%s:%zu: token %zu at %u .. %u of %zu", path,
                  line, i, place.begin, place.end, size);
        cr_assert(i == 0 || tokens->places[i - 1].begin <= place.begin, "%s:%zu: token %zu goes back", path,
                  line, i);
    }
}

static size_t vectors_check(const char *tokenizer_path, const char *vectors_path)
{
    static struct wn_error err;
    struct wn_tokenizer *tokenizer = NULL;
    struct wn_encoder *encoder = NULL;
    struct wn_arena *arena = NULL;
    struct wn_map map = {0};
    WN_TEST_OK(wn_tokenizer_open(tokenizer_path, &tokenizer, &err));
    WN_TEST_OK(wn_encoder_new(tokenizer, &encoder, &err));
    WN_TEST_OK(wn_arena_new(&arena, &err));
    WN_TEST_OK(wn_map_open(vectors_path, WN_INPUT, &map, &err));
    size_t lines = 0;
    for (size_t at = 0; at < map.bytes.size;) {
        const char *newline = memchr(map.bytes.data + at, '\n', map.bytes.size - at);
        const size_t end = newline != NULL ? (size_t)(newline - map.bytes.data) : map.bytes.size;
        struct wn_json *row = NULL;
        WN_TEST_OK(wn_json_parse((struct wn_span){map.bytes.data + at, end - at}, WN_INPUT, &row, &err));
        const struct wn_span text = wn_json_text(wn_json_get(row, "text"));
        struct wn_tokens tokens;
        lines++;
        for (int again = 0; again < 2; again++) { /* the second time from the word cache */
            wn_arena_reset(arena);
            WN_TEST_OK(wn_encode(encoder, text, true, arena, &tokens, &err));
            ids_check(wn_json_get(row, "ids"), &tokens, vectors_path, lines);
            WN_TEST_OK(wn_encode(encoder, text, false, arena, &tokens, &err));
            ids_check(wn_json_get(row, "ids_plain"), &tokens, vectors_path, lines);
            places_check(&tokens, text.size, vectors_path, lines);
        }
        wn_json_free(row);
        at = end + 1;
    }
    wn_map_close(&map);
    wn_arena_free(arena);
    wn_encoder_free(encoder);
    wn_tokenizer_free(tokenizer);
    return lines;
}

Test(tokenizer, ids_equal_hugging_face_on_our_own_texts)
{
    static const char *const names[] = {"bytes", "split", "prepend", "metaspace", "digits", "words"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char folder[4096];
        char vectors[4200];
        (void)snprintf(folder, sizeof folder, "%s/tests/tokenizer/data/%s", WINNOW_SOURCE_DIR, names[i]);
        (void)snprintf(vectors, sizeof vectors, "%s/vectors.jsonl", folder);
        cr_assert_eq(vectors_check(folder, vectors), 48);
    }
}

Test(tokenizer, ids_equal_hugging_face_on_the_real_tokenizers)
{
    static const char *const names[] = {"gpt2", "llama2", "llama3", "mistral", "qwen2"};
    WN_TEST_SHARED("tokenizers", folder);
    WN_TEST_SHARED("goldens/tokenizers", goldens);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char tokenizer[4200];
        char vectors[4200];
        (void)snprintf(tokenizer, sizeof tokenizer, "%s/%s", folder, names[i]);
        (void)snprintf(vectors, sizeof vectors, "%s/%s.jsonl", goldens, names[i]);
        cr_assert_eq(vectors_check(tokenizer, vectors), 674);
    }
}

Test(tokenizer, vocabulary_and_merges_files_give_the_same_ids_as_tokenizer_json)
{
    WN_TEST_SHARED("tokenizers/gpt2", folder);
    WN_TEST_SHARED("goldens/tokenizers/gpt2.jsonl", goldens);
    char temporary[] = "/tmp/winnow-tokenizer-XXXXXX";
    cr_assert_not_null(mkdtemp(temporary));
    static const char *const files[] = {"vocab.json", "merges.txt"};
    char from[4200];
    char to[2][128];
    for (int i = 0; i < 2; i++) {
        (void)snprintf(from, sizeof from, "%s/%s", folder, files[i]);
        (void)snprintf(to[i], sizeof to[i], "%s/%s", temporary, files[i]);
        cr_assert_eq(symlink(from, to[i]), 0);
    }
    cr_assert_eq(vectors_check(temporary, goldens), 674);
    for (int i = 0; i < 2; i++) {
        (void)unlink(to[i]);
    }
    (void)rmdir(temporary);
}
