/* The real GPT-2 124M against numbers that others published. Runs only where WINNOW_GPT2 names its folder.
 * SPDX-License-Identifier: Apache-2.0
 *
 * WINNOW_GPT2=FOLDER test_score --filter 'gpt2/...' needs config.json, model.safetensors and tokenizer.json. All 5,200
 * rows are about 200 TFLOP; WINNOW_GPT2_ROWS=N takes the first N.
 */
#include "scoring.h"
#include "support.h"

#include "base/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The folder, or a skipped test. */
static const char *gpt2_folder(void)
{
    const char *const folder = getenv("WINNOW_GPT2");
    if (folder == NULL || folder[0] == '\0') {
        printf("SKIPPED: WINNOW_GPT2 does not name a folder with GPT-2 124M\n");
        cr_skip_test("WINNOW_GPT2 does not name a folder with GPT-2 124M");
    }
    return folder;
}

static double relative_difference(double ours, double published)
{
    return fabs(ours - published) / fabs(published);
}

/* Log-probabilities of ids[1 .. n), each given all before it. */
static void log_probabilities(struct wn_model *model, const int32_t *ids, int32_t n, double *out)
{
    enum { MOST = 32 };
    struct wn_error err = {0};
    struct wn_head_row rows[MOST];
    struct wn_want wants[MOST];
    struct wn_value values[MOST];
    cr_assert(n >= 2 && n <= MOST);
    for (int32_t i = 0; i < n - 1; i++) {
        rows[i] = (struct wn_head_row){.row = i, .kept = WN_NONE};
        wants[i] = (struct wn_want){.row = i,
                                    .target = ids[i + 1],
                                    .kind = WN_WANT_LOSS,
                                    .inverse_temperature = 1.0F,
                                    .destination = i};
    }
    const struct wn_segment segment = {.n = n, .parent = WN_NONE, .kept = WN_NONE, .keep = WN_NONE};
    const struct wn_batch batch = {.n_rows = n,
                                   .ids = ids,
                                   .n_segments = 1,
                                   .segments = &segment,
                                   .n_head_rows = n - 1,
                                   .head_rows = rows,
                                   .n_wants = n - 1,
                                   .wants = wants};
    WN_TEST_OK(wn_model_forward(model, &batch, values, (size_t)n - 1, NULL, 0, &err));
    for (int32_t i = 0; i < n - 1; i++) {
        out[i] = -(double)values[i].value;
    }
}

/* Ids and log-probabilities that lm-evaluation-harness published for GPT-2 (tests/test_models.py), where it allows
 * a relative 1e-3. A sentence stands behind <|endoftext|>, a continuation behind its context alone. */
static const struct {
    const char *text;
    int32_t ids[24];
    int32_t n;     /* ids */
    int32_t first; /* the ids from here on have log-probabilities */
    double log_probabilities[24];
} published[] = {
    {"We study empirical scaling laws for language model performance on the cross-entropy loss.",
     {50256, 1135, 2050, 21594, 20796, 3657, 329, 3303, 2746, 2854, 319, 262, 3272, 12, 298, 28338, 2994, 13},
     18,
     1,
     {-4.9599953, -8.069298, -8.308624, -10.178513, -8.906924, -1.9318912, -7.745445, -7.146077, -5.2072,
      -3.5882986, -1.9957212, -8.044922, -0.20841774, -5.1096807, -0.099879116, -8.888423, -4.6180487}},
    {"Hello World", {15496, 2159}, 2, 0, {-8.682320}},
};
enum { N_PUBLISHED = sizeof published / sizeof *published };

Test(gpt2, the_real_model_has_the_published_ids_and_log_probabilities)
{
    const char *const folder = gpt2_folder();
    struct wn_error err = {0};
    struct wn_arena *arena = NULL;
    struct wn_tokenizer *tokenizer = NULL;
    struct wn_encoder *encoder = NULL;
    const struct recipe recipe = {.batch_rows = 256};
    struct wn_model *model = open_model(folder, &recipe);
    WN_TEST_OK(wn_arena_new(&arena, &err));
    WN_TEST_OK(wn_tokenizer_open(folder, &tokenizer, &err));
    WN_TEST_OK(wn_encoder_new(tokenizer, &encoder, &err));
    double worst = 0;
    for (size_t c = 0; c < N_PUBLISHED; c++) {
        struct wn_tokens tokens;
        double ours[24];
        const int32_t skipped = published[c].first;
        const int32_t n = published[c].n;
        WN_TEST_OK(wn_encode(encoder, wn_span_of(published[c].text), false, arena, &tokens, &err));
        cr_expect_eq(tokens.n, (size_t)(n - skipped), "'%s': %zu tokens", published[c].text, tokens.n);
        for (int32_t i = 0; i < n - skipped && (size_t)i < tokens.n; i++) {
            cr_expect_eq(tokens.ids[i], published[c].ids[skipped + i], "'%s': id %d is %d, published %d",
                         published[c].text, i, tokens.ids[i], published[c].ids[skipped + i]);
        }
        log_probabilities(model, published[c].ids, n, ours);
        for (int32_t i = 0; i < n - 1; i++) {
            const double difference = relative_difference(ours[i], published[c].log_probabilities[i]);
            cr_expect(difference <= 1e-3, "'%s': log-probability %d is %.7f, published %.7f",
                      published[c].text, i, ours[i], published[c].log_probabilities[i]);
            worst = difference > worst ? difference : worst;
        }
    }
    printf("GPT-2: largest relative difference of a log-probability %.2e\n", worst);
    wn_encoder_free(encoder);
    wn_tokenizer_free(tokenizer);
    wn_arena_free(arena);
    wn_model_close(model);
}

/* What all rows together show. */
struct comparison {
    size_t n_values, n_different, n_nan;
    double worst;
    char first[512]; /* of the differences */
};

/* One perplexity: exp of the mean loss. Published NaN stands where nothing is scored: an empty answer, or the direct
 * side of an answer of one token. */
static void compare_ppl(struct comparison *comparison, const struct wn_json *record, const char *key,
                        const struct wn_side *side, size_t row)
{
    const struct wn_json *const value = wn_json_get(record, key);
    cr_assert(wn_json_is(value, WN_JSON_NUMBER), "row %zu has no %s", row, key);
    const double theirs = wn_json_number(value);
    const double ours = exp(wn_side_loss(side));
    const double difference = relative_difference(ours, theirs);
    /* float32 and sums in another order: the mean loss is off by a few 1e-6 nats, a single token's by some 1e-5. */
    const bool is_equal = isnan(theirs) ? side->k == 0 : difference <= 1e-4;
    comparison->n_values++;
    comparison->n_nan += isnan(theirs) ? 1 : 0;
    if (difference > comparison->worst) {
        comparison->worst = difference;
    }
    if (!is_equal && comparison->n_different++ == 0) {
        snprintf(comparison->first, sizeof comparison->first,
                 "row %zu: %s is %.9g over %u tokens, published %.9g", row, key, ours, side->k, theirs);
    }
}

static size_t rows_asked(void)
{
    const char *const rows = getenv("WINNOW_GPT2_ROWS");
    return rows != NULL ? (size_t)strtoull(rows, NULL, 10) : 0;
}

Test(gpt2, the_real_model_has_the_published_perplexities_of_5200_rows, .timeout = 7200)
{
    enum { N = 5200, N_NAN = 91 + 5 /* 86 direct sides alone, both sides of 5 rows */ };
    const char *const folder = gpt2_folder();
    WN_TEST_SHARED("data/alpaca_gpt2_ifd_5200.json", data);
    struct wn_error err = {0};
    struct wn_map map = {0};
    struct wn_json *root = NULL;
    struct wn_tokenizer *tokenizer = NULL;
    const char *const paths[] = {data};
    const struct wn_model_options options = {.dtype = "f32", .device = "cpu"}; /* all cores */
    struct wn_model *model = NULL;
    struct wn_corpus *corpus = open_corpus(paths, 1);
    cr_assert_eq(wn_corpus_count(corpus), N);
    WN_TEST_OK(wn_map_open(data, WN_INPUT, &map, &err));
    WN_TEST_OK(wn_json_parse(map.bytes, WN_INPUT, &root, &err));
    WN_TEST_OK(wn_tokenizer_open(folder, &tokenizer, &err));
    WN_TEST_OK(wn_model_open(folder, &options, &model, &err));
    const size_t asked = rows_asked();
    const struct recipe recipe = {.profile = "superfiltering", .n = asked > 0 && asked < N ? asked : N};
    struct scored scored = score_with(model, tokenizer, corpus, &recipe);
    struct comparison comparison = {0};
    const struct wn_json *record = wn_json_first(root);
    for (size_t i = 0; i < scored.n; i++, record = wn_json_next(record)) {
        compare_ppl(&comparison, record, "ppl_A_condition", &scored.rows[i].cond, i);
        compare_ppl(&comparison, record, "ppl_A_direct", &scored.rows[i].direct, i);
    }
    printf(
        "GPT-2: %zu of %zu perplexities differ, largest relative difference %.2e, %zu not scored by either, "
        "%.1f s\n",
        comparison.n_different, comparison.n_values, comparison.worst, comparison.n_nan,
        scored.counts.seconds_model);
    cr_expect(comparison.n_different == 0, "%zu of %zu perplexities differ by more than 1e-4; the first: %s",
              comparison.n_different, comparison.n_values, comparison.first);
    cr_expect(recipe.n < N || comparison.n_nan == N_NAN, "%zu values are NaN in the file, not %d",
              comparison.n_nan, (int)N_NAN);
    scored_free(&scored);
    wn_model_close(model);
    wn_tokenizer_free(tokenizer);
    wn_json_free(root);
    wn_map_close(&map);
    wn_corpus_free(corpus);
}
