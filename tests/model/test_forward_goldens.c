/* The forward pass on real checkpoints: token ids and losses that Hugging Face transformers gave in float64.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include "base/base.h"
#include "forward_batch.h"
#include "kernels/ops_cpu.h"
#include "model/forward.h"
#include "model/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = 64, TOKENS = 1024 };

/* A text of a golden row and the losses of its tokens from `first` on. */
struct text {
    int32_t ids[TOKENS];
    double losses[TOKENS];
    int32_t n, first, n_losses;
};

static int32_t integers(const struct wn_json *array, int32_t *out)
{
    int32_t n = 0;
    for (const struct wn_json *item = wn_json_first(array); item != NULL; item = wn_json_next(item)) {
        int64_t value = 0;
        cr_assert(n < TOKENS && wn_json_integer(item, &value));
        out[n++] = (int32_t)value;
    }
    return n;
}

static bool text_read(const struct wn_json *row, const char *side, struct text *text)
{
    char key[32];
    snprintf(key, sizeof key, "ids_%s", side);
    const struct wn_json *ids = wn_json_get(row, key);
    snprintf(key, sizeof key, "losses_%s", side);
    const struct wn_json *losses = wn_json_get(row, key);
    if (ids == NULL || losses == NULL || wn_json_count(losses) == 0) {
        return false;
    }
    text->n = integers(ids, text->ids);
    text->n_losses = 0;
    for (const struct wn_json *item = wn_json_first(losses); item != NULL; item = wn_json_next(item)) {
        text->losses[text->n_losses++] = wn_json_number(item);
    }
    text->first = text->n - text->n_losses;
    return true;
}

static int texts_read(const char *path, struct text *texts)
{
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL, "%s", path);
    char *line = NULL;
    size_t room = 0;
    int n = 0;
    while (n + 2 < TEXTS && getline(&line, &room, file) > 0) {
        struct wn_error err;
        struct wn_json *row = NULL;
        WN_TEST_OK(wn_json_parse(wn_span_of(line), WN_INPUT, &row, &err));
        n += text_read(row, "cond", &texts[n]);
        n += text_read(row, "dir", &texts[n]);
        wn_json_free(row);
    }
    free(line);
    fclose(file);
    return n;
}

/* As many texts as fit, in one batch; values of text t from t * TOKENS on. Gives how many were taken. */
static int batch_fill(struct hand *hand, const struct text *texts, int first, int n)
{
    hand_clear(hand);
    int t = first;
    while (t < n && hand->batch.n_rows + texts[t].n <= 2048) {
        hand_add(hand, hand_root, texts[t].ids, texts[t].n, (int64_t)(t - first) * TOKENS);
        t++;
    }
    return t - first;
}

static void compare(const char *model, const struct text *text, int t, const struct wn_value *values,
                    double *worst, double *mean_worst)
{
    double sum = 0.0;
    double golden = 0.0;
    for (int i = 0; i < text->n_losses; i++) {
        const double value = (double)values[text->first + i].value;
        const double off = fabs(value - text->losses[i]);
        *worst = off > *worst ? off : *worst;
        cr_assert(off < 6e-5, "%s: text %d, token %d: loss %.9g, golden %.9g", model, t, text->first + i,
                  value, text->losses[i]);
        sum += value;
        golden += text->losses[i];
    }
    const double mean_off = fabs(sum - golden) / text->n_losses;
    *mean_worst = mean_off > *mean_worst ? mean_off : *mean_worst;
    cr_assert(mean_off < 2e-5, "%s: text %d: mean loss %.9g, golden %.9g", model, t, sum / text->n_losses,
              golden / text->n_losses);
}

static void file_compare(const char *name, const char *path, struct wn_network *network)
{
    struct wn_error err;
    struct text *texts = calloc(TEXTS, sizeof *texts);
    struct wn_value *values = calloc((size_t)TEXTS * TOKENS, sizeof *values);
    struct hand *hand = malloc(sizeof *hand);
    const int n = texts_read(path, texts);
    cr_assert(n >= 5, "%s has only %d texts with losses", path, n);
    double worst = 0.0;
    double mean_worst = 0.0;
    for (int first = 0, taken = 0; first < n; first += taken) {
        taken = batch_fill(hand, texts, first, n);
        WN_TEST_OK(wn_network_forward(network, &hand->batch, values, (size_t)TEXTS * TOKENS, NULL, 0, &err));
        for (int t = 0; t < taken; t++) {
            compare(name, &texts[first + t], first + t, values + (size_t)t * TOKENS, &worst, &mean_worst);
        }
    }
    printf("%s: %d texts, largest difference of a token's loss %.2g nats, of a text's mean %.2g\n", name, n,
           worst, mean_worst);
    free(hand);
    free(values);
    free(texts);
}

static void model_compare(const char *model)
{
    char relative[256];
    snprintf(relative, sizeof relative, "models/%s", model);
    WN_TEST_SHARED(relative, folder);
    struct wn_error err;
    struct wn_config *config = malloc(sizeof *config);
    struct wn_checkpoint *checkpoint = NULL;
    WN_TEST_OK(wn_config_read(folder, config, &err));
    WN_TEST_OK(wn_checkpoint_open(folder, &checkpoint, &err));
    WN_TEST_OK(wn_checkpoint_check(checkpoint, config, NULL, &err));
    const struct wn_tensor *tensors = NULL;
    const size_t n_tensors = wn_checkpoint_tensors(checkpoint, &tensors);
    const struct wn_network_limits limits = {2048, 1, 0, 0, config->positions};
    struct wn_network *network = NULL;
    WN_TEST_OK(wn_network_new(config, tensors, n_tensors, wn_ops_cpu(), &limits, &network, &err));
    wn_checkpoint_close(checkpoint);
    static const char *const parts[] = {"superfiltering.jsonl", "superfiltering.edges.jsonl",
                                        "cherry-alpaca.edges.jsonl"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(relative, sizeof relative, "goldens/ifd/%s.%s", model, parts[i]);
        WN_TEST_SHARED(relative, goldens);
        file_compare(relative, goldens, network);
    }
    wn_network_free(network);
    free(config);
}

/* 2e-5 nats on a text's mean loss is what scores allow; a single token may be off by three times that where
 * its loss is above 10. */
#define MODEL_TEST(name, folder)                                      \
    Test(forward_goldens, losses_of_##name##_agree_with_transformers) \
    {                                                                 \
        model_compare(folder);                                        \
    }

MODEL_TEST(tiny_gpt2, "tiny-gpt2")
MODEL_TEST(tiny_llama, "tiny-llama")
MODEL_TEST(tiny_llama3, "tiny-llama3")
MODEL_TEST(tiny_mistral, "tiny-mistral")
MODEL_TEST(tiny_qwen2, "tiny-qwen2")
MODEL_TEST(tiny_qwen3, "tiny-qwen3")
MODEL_TEST(stories260k, "stories260k")
