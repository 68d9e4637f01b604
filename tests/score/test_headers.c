/* Two shared headers in small windows: a model keeps room for both, and they change no bit.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scoring.h"
#include "support.h"

#include "score/text.h"

/* The headers of a profile and a tokenizer in a window. */
static int32_t count_headers(const struct wn_tokenizer *tokenizer, const char *name, int32_t max_length,
                             int32_t *out_tokens)
{
    struct wn_error err = {0};
    struct wn_arena *arena = NULL;
    struct wn_encoder *encoder = NULL;
    struct wn_profile profile;
    struct wn_text_rules rules;
    WN_TEST_OK(wn_arena_new(&arena, &err));
    WN_TEST_OK(wn_encoder_new(tokenizer, &encoder, &err));
    WN_TEST_OK(wn_profile_find(name, arena, &profile, &err));
    const struct wn_score_options options = {.profile = &profile, .max_length = max_length};
    WN_TEST_OK(wn_text_rules_make(&options, tokenizer, encoder, 512, arena, &rules, &err));
    *out_tokens = 0;
    for (int32_t i = 0; i < rules.n_headers; i++) {
        *out_tokens += rules.headers[i].n;
    }
    const int32_t n = rules.n_headers;
    wn_encoder_free(encoder);
    wn_arena_free(arena);
    return n;
}

Test(headers, two_of_them_are_used_as_soon_as_they_fit_the_window_together)
{
    WN_TEST_SHARED("data/samples_short.json", data);
    WN_TEST_SHARED("models/tiny-llama", path);
    struct wn_error err = {0};
    struct wn_tokenizer *tokenizer = NULL;
    const char *const paths[] = {data};
    int32_t both = 0;
    int32_t tokens = 0;
    struct wn_corpus *corpus = open_corpus(paths, 1);
    WN_TEST_OK(wn_tokenizer_open(path, &tokenizer, &err));
    cr_assert_eq(count_headers(tokenizer, "cherry-alpaca", 512, &both), 2);
    const struct {
        int32_t max_length, n;
    } windows[] = {{both, 2}, {both - 1, 1}, {256, 2}, {300, 2}};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        const int32_t window = windows[i].max_length;
        cr_assert_eq(count_headers(tokenizer, "cherry-alpaca", window, &tokens), windows[i].n, "window %d",
                     window);
        /* The direct window exceeds the other by this profile's constant of 4. */
        const struct wn_model_options options = {
            .dtype = "f32", .device = "cpu", .threads = 1, .batch_rows = 128, .max_path = window + 4};
        struct recipe recipe = {.profile = "cherry-alpaca", .max_length = window};
        struct wn_model *model = NULL;
        WN_TEST_OK(wn_model_open(path, &options, &model, &err));
        struct scored shared = score_with(model, tokenizer, corpus, &recipe);
        recipe.separate = true;
        struct scored separate = score_with(model, tokenizer, corpus, &recipe);
        check_equal(&shared, &separate, "every text alone");
        cr_assert_gt(shared.counts.header_tokens, 0);
        scored_free(&separate);
        scored_free(&shared);
        wn_model_close(model);
    }
    printf("headers of %d tokens together\n", both);
    wn_tokenizer_free(tokenizer);
    wn_corpus_free(corpus);
}
