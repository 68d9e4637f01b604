/* The forward pass on random networks, against a plain float64 restatement, and its exactness bit for bit.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forward_batch.h"
#include "forward_plain.h"
#include "support.h"

#include "kernels/ops_cpu.h"
#include "model/forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 1024, SLOTS = 24, PATH = 400 };

static struct wn_network *network_of(const struct plain_model *model, const struct wn_ops *ops, int32_t rows,
                                     int32_t threads)
{
    struct wn_error err;
    struct wn_network *network = NULL;
    const struct wn_network_limits limits = {rows, threads, SLOTS, 256, PATH};
    WN_TEST_OK(
        wn_network_new(&model->config, model->tensors, model->n_tensors, ops, &limits, &network, &err));
    return network;
}

static void run(struct wn_network *network, const struct hand *hand, struct wn_value *values, size_t n)
{
    struct wn_error err;
    WN_TEST_OK(wn_network_forward(network, &hand->batch, values, n, NULL, 0, &err));
}

static void ids_fill(int32_t *ids, int n, int V, uint64_t seed)
{
    for (int i = 0; i < n; i++) {
        ids[i] = plain_below(&seed, V);
    }
}

struct variant {
    const char *name;
    bool is_gpt2;
    enum wn_dtype dtype;
    void (*change)(struct wn_config *config);
};

static void unchanged(struct wn_config *c)
{
    (void)c;
}
static void erf_by_layer(struct wn_config *c)
{
    c->activation = WN_ACT_GELU_ERF;
    c->scale_by_layer = true;
    c->has_tied_head = false;
}
static void no_scale(struct wn_config *c)
{
    c->attention_scale = 1.0;
    c->activation = WN_ACT_RELU;
    c->window[1] = 1;
}
static void windows(struct wn_config *c)
{
    c->window[0] = 40;
    c->window[1] = 70;
    c->has_tied_head = true;
}
static void qwen3(struct wn_config *c)
{
    c->has_qk_norm = true;
    c->has_qkv_bias = c->has_out_bias = c->has_mlp_bias = true;
    c->D = 36;
    c->G = 3;
    c->attention_scale = 1.0 / 6.0;
    c->activation = WN_ACT_GELU_QUICK;
}
static void linear(struct wn_config *c)
{
    c->rope.kind = WN_ROPE_LINEAR;
    c->rope.factor = 4.0;
    c->G = 6;
    c->has_qkv_bias = true;
}
static void llama3(struct wn_config *c)
{
    c->rope = (struct wn_rope){.kind = WN_ROPE_LLAMA3,
                               .theta = 500000.0,
                               .factor = 8.0,
                               .low_freq_factor = 1.0,
                               .high_freq_factor = 4.0,
                               .original_positions = 64};
    c->G = 1;
}
static void yarn(struct wn_config *c)
{
    c->rope = (struct wn_rope){.kind = WN_ROPE_YARN,
                               .theta = 10000.0,
                               .factor = 4.0,
                               .beta_fast = 32.0,
                               .beta_slow = 1.0,
                               .truncate = true,
                               .original_positions = 100};
    c->activation = WN_ACT_GELU_TANH;
}
static void yarn_exact(struct wn_config *c)
{
    yarn(c);
    c->rope.truncate = false;
    c->rope.attention_factor = 1.25;
}

static const struct variant variants[] = {
    {"gpt2", true, WN_F32, unchanged},
    {"gpt2, erf, scale by layer, own head", true, WN_F32, erf_by_layer},
    {"gpt2, no scale, ReLU, window of one", true, WN_F16, no_scale},
    {"llama", false, WN_F32, unchanged},
    {"llama, windows by layer, tied head, bf16", false, WN_BF16, windows},
    {"llama, Q/K norm, biases, own head size, f16", false, WN_F16, qwen3},
    {"llama, linear rotary, as many key heads", false, WN_F32, linear},
    {"llama, llama3 rotary, one key head", false, WN_F32, llama3},
    {"llama, yarn", false, WN_F32, yarn},
    {"llama, yarn, exact range, given factor", false, WN_F32, yarn_exact},
};

/* A token's loss may differ by a few units in the last place of logits of about 20 (2e-6 each), times what
 * two or three random layers make of earlier roundings; the mean must be within 1e-5, half of what scores
 * allow. */
static const double token_tolerance = 4e-5;
static const double mean_tolerance = 1e-5;

static void compare_losses(const struct variant *variant, const struct wn_ops *ops, int n)
{
    struct wn_config config = variant->is_gpt2 ? plain_gpt2() : plain_llama();
    variant->change(&config);
    struct plain_model model;
    plain_fill(&model, &config, variant->dtype, 7);
    int32_t ids[PATH];
    ids_fill(ids, n, config.V, 3);
    double losses[PATH];
    double entropies[PATH];
    int32_t greedy[PATH];
    plain_forward(&model, ids, n, 1.0, false,
                  &(struct plain_out){.losses = losses, .entropies = entropies, .greedy = greedy});
    struct wn_network *network = network_of(&model, ops, ROWS, 2);
    struct hand *hand = malloc(sizeof *hand);
    hand_clear(hand);
    hand_add(hand, hand_root, ids, n, 0);
    struct wn_value values[PATH];
    run(network, hand, values, PATH);
    double difference = 0.0;
    for (int i = 1; i < n; i++) {
        difference += ((double)values[i].value - losses[i]) / (n - 1);
        cr_assert(fabs((double)values[i].value - losses[i]) < token_tolerance,
                  "%s: loss %d is %.9g, float64 %.9g", variant->name, i, (double)values[i].value, losses[i]);
        cr_assert(fabs((double)values[i].entropy - entropies[i]) < token_tolerance,
                  "%s: entropy %d is %.9g, float64 %.9g", variant->name, i, (double)values[i].entropy,
                  entropies[i]);
        cr_assert_eq(values[i].greedy, greedy[i], "%s: greedy %d is %d, float64 %d", variant->name, i,
                     values[i].greedy, greedy[i]);
    }
    cr_assert(fabs(difference) < mean_tolerance, "%s: mean loss off by %.3g", variant->name, difference);
    free(hand);
    wn_network_free(network);
    plain_free(&model);
}

Test(forward, losses_entropies_and_greedy_hits_agree_with_float64)
{
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
        compare_losses(&variants[v], wn_ops_cpu(), 150);
    }
}

Test(forward, the_reference_products_agree_with_float64_too)
{
    compare_losses(&variants[0], wn_ops_cpu_reference(), 130);
    compare_losses(&variants[3], wn_ops_cpu_reference(), 65);
}

/* What the exactness tests share: a network, and a text whose losses alone are the truth. */
struct bench {
    struct plain_model model;
    struct wn_network *network;
    struct hand *hand;
    int32_t ids[PATH];
    struct wn_value alone[PATH], values[HAND_ROWS];
};

static struct bench *bench_new(bool is_gpt2, void (*change)(struct wn_config *), int n)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct wn_config config = is_gpt2 ? plain_gpt2() : plain_llama();
    change(&config);
    plain_fill(&bench->model, &config, WN_F32, 11);
    bench->network = network_of(&bench->model, wn_ops_cpu(), ROWS, 2);
    bench->hand = malloc(sizeof *bench->hand);
    ids_fill(bench->ids, PATH, config.V, 5);
    hand_clear(bench->hand);
    hand_add(bench->hand, hand_root, bench->ids, n, 0);
    run(bench->network, bench->hand, bench->alone, PATH);
    hand_clear(bench->hand);
    return bench;
}

static void bench_free(struct bench *bench)
{
    wn_network_free(bench->network);
    plain_free(&bench->model);
    free(bench->hand);
    free(bench);
}

static void same_bits(const struct wn_value *a, const struct wn_value *b, int first, int end,
                      const char *what)
{
    for (int i = first; i < end; i++) {
        cr_assert(memcmp(&a[i], &b[i - first], sizeof *a) == 0,
                  "%s: token %d: %.9g (%.9g, %d), alone %.9g (%.9g, %d)", what, i, (double)b[i - first].value,
                  (double)b[i - first].entropy, b[i - first].greedy, (double)a[i].value, (double)a[i].entropy,
                  a[i].greedy);
    }
}

/* Other texts of odd lengths before and after. */
static void pack_around(struct bench *bench, int n, int before)
{
    int32_t other[300];
    ids_fill(other, 300, bench->model.config.V, (uint64_t)before);
    hand_clear(bench->hand);
    if (before > 0) {
        hand_add(bench->hand, hand_root, other, before, 1000);
    }
    hand_add(bench->hand, hand_root, bench->ids, n, 0);
    hand_add(bench->hand, hand_root, other, 37, 2000);
}

Test(forward, packed_equals_alone)
{
    void (*const changes[])(struct wn_config *) = {unchanged, windows};
    for (int k = 0; k < 4; k++) {
        struct bench *bench = bench_new(k % 2 == 0, changes[k / 2], 145);
        const int befores[] = {0, 1, 63, 64, 65, 200, 300};
        for (size_t i = 0; i < sizeof befores / sizeof *befores; i++) {
            pack_around(bench, 145, befores[i]);
            run(bench->network, bench->hand, bench->values, HAND_ROWS);
            same_bits(bench->alone, bench->values + 1, 1, 145, "packed");
        }
        bench_free(bench);
    }
}

Test(forward, threads_and_batch_height_change_no_bit)
{
    struct bench *bench = bench_new(true, unchanged, 145);
    const int32_t rows[] = {500, 512, 2048};
    for (int32_t threads = 1; threads <= 3; threads++) {
        struct wn_network *network = network_of(&bench->model, wn_ops_cpu(), rows[threads - 1], threads);
        cr_assert_eq(wn_network_batch_rows(network), (rows[threads - 1] + 63) / 64 * 64);
        pack_around(bench, 145, 200);
        run(network, bench->hand, bench->values, HAND_ROWS);
        same_bits(bench->alone, bench->values + 1, 1, 145, "threads and heights");
        wn_network_free(network);
    }
    bench_free(bench);
}

Test(forward, later_tokens_move_no_earlier_loss)
{
    struct bench *bench = bench_new(false, windows, 145);
    for (int n = 2; n < 145; n += 29) {
        hand_clear(bench->hand);
        hand_add(bench->hand, hand_root, bench->ids, n, 0);
        run(bench->network, bench->hand, bench->values, HAND_ROWS);
        same_bits(bench->alone, bench->values + 1, 1, n, "cut");
    }
    bench_free(bench);
}

/* A chain cut at multiples of 64 in one batch, and one link a batch through the slots. */
static void chain_compare(bool is_gpt2, void (*change)(struct wn_config *))
{
    struct bench *bench = bench_new(is_gpt2, change, 330);
    const int32_t cuts[] = {0, 64, 192, 256, 330};
    struct hand_place place = hand_root;
    for (int i = 0; i < 4; i++) {
        place.position = cuts[i];
        place.parent = hand_add(bench->hand, place, bench->ids + cuts[i], cuts[i + 1] - cuts[i], cuts[i]);
    }
    run(bench->network, bench->hand, bench->values, HAND_ROWS);
    same_bits(bench->alone, bench->values + 1, 1, 330, "chain in one batch");

    memset(bench->values, 0, sizeof bench->values);
    place = hand_root;
    for (int i = 0; i < 4; i++) {
        hand_clear(bench->hand);
        hand_add(bench->hand, hand_root, bench->ids, 1 + 17 * i,
                 -1); /* the chain's links stand at other rows */
        place.position = cuts[i];
        place.keep = i + 3;
        hand_add(bench->hand, place, bench->ids + cuts[i], cuts[i + 1] - cuts[i], cuts[i]);
        place.kept = place.keep;
        run(bench->network, bench->hand, bench->values, HAND_ROWS);
    }
    same_bits(bench->alone, bench->values + 1, 1, 330, "chain over four batches");
    bench_free(bench);
}

Test(forward, chain_cut_at_key_tiles_equals_uncut)
{
    chain_compare(true, unchanged);
    chain_compare(false, windows);
    chain_compare(false, qwen3);
}

/* root (100) - a (30) - b (70), a - c (5), root - d (64) */
enum { TREE = 5 };
static const int32_t tree_n[TREE] = {100, 30, 70, 5, 64};
static const int32_t tree_parent[TREE] = {WN_NONE, 0, 1, 1, 0};
static const int32_t tree_position[TREE] = {0, 100, 130, 130, 100};

Test(forward, tree_in_one_batch_equals_tree_over_many_and_float64)
{
    struct bench *bench = bench_new(false, windows, 100);
    const int32_t *text[TREE];
    int32_t start[TREE];
    int32_t total = 0;
    hand_clear(bench->hand);
    for (int i = 0; i < TREE; i++) {
        text[i] = bench->ids + total;
        start[i] = total;
        struct hand_place place = {tree_parent[i], WN_NONE, WN_NONE, tree_position[i], WN_SEGMENT_CAUSAL};
        hand_add(bench->hand, place, text[i], tree_n[i], total);
        total += tree_n[i];
    }
    run(bench->network, bench->hand, bench->values, HAND_ROWS);
    struct wn_value whole[PATH];
    memcpy(whole, bench->values, sizeof whole);

    memset(bench->values, 0, sizeof bench->values);
    for (int i = 0; i < TREE; i++) { /* one node a batch */
        struct hand_place place = {WN_NONE, tree_parent[i], i, tree_position[i], WN_SEGMENT_CAUSAL};
        hand_clear(bench->hand);
        hand_add(bench->hand, place, text[i], tree_n[i], start[i]);
        run(bench->network, bench->hand, bench->values, HAND_ROWS);
    }
    same_bits(whole, bench->values + 1, 1, total, "tree over many batches");

    memset(bench->values, 0, sizeof bench->values);
    hand_clear(bench->hand); /* slots freed and used again at once: root and a kept, then three leaves */
    for (int i = 0; i < TREE; i++) {
        hand_add(bench->hand, hand_root, text[i], 1, -1);
        bench->hand->release[i] = TREE - 1 - i;
    }
    bench->hand->batch.n_release = TREE;
    const int32_t root =
        hand_add(bench->hand, (struct hand_place){WN_NONE, WN_NONE, 4, 0, 0}, text[0], tree_n[0], start[0]);
    hand_add(bench->hand, (struct hand_place){root, WN_NONE, 2, 100, 0}, text[1], tree_n[1], start[1]);
    run(bench->network, bench->hand, bench->values, HAND_ROWS);
    hand_clear(bench->hand);
    for (int i = 2; i < TREE; i++) {
        hand_add(bench->hand, (struct hand_place){WN_NONE, i == 4 ? 4 : 2, WN_NONE, tree_position[i], 0},
                 text[i], tree_n[i], start[i]);
    }
    run(bench->network, bench->hand, bench->values, HAND_ROWS);
    same_bits(whole, bench->values + 1, 1, total, "tree over two batches");

    int32_t path[PATH]; /* root, a, b as one text in float64 */
    double losses[PATH];
    memcpy(path, text[0], 130 * sizeof *path);
    memcpy(path + 130, text[2], 70 * sizeof *path);
    plain_forward(&bench->model, path, 200, 1.0, false, &(struct plain_out){.losses = losses});
    for (int i = 130; i < 200; i++) {
        cr_assert(fabs((double)whole[i].value - losses[i]) < token_tolerance, "token %d: %.9g, float64 %.9g",
                  i, (double)whole[i].value, losses[i]);
    }
    bench_free(bench);
}

Test(forward, a_record_that_is_not_finite_leaves_its_neighbours_alone)
{
    for (int k = 0; k < 2; k++) {
        struct wn_config config = k == 0 ? plain_gpt2() : plain_llama();
        config.has_tied_head = false; /* else the logit of the bad id would be bad in every row */
        struct plain_model model;
        plain_fill(&model, &config, WN_F32, 11);
        const int32_t bad = 17;
        const struct wn_tensor *table = plain_tensor(&model, k == 0 ? "wte.weight" : "embed_tokens.weight");
        const float poison[] = {NAN, INFINITY};
        memcpy((char *)(uintptr_t)table->data + 4 * (size_t)(bad * config.C + 3), poison, sizeof poison);
        struct wn_network *network = network_of(&model, wn_ops_cpu(), ROWS, 2);
        struct hand *hand = malloc(sizeof *hand);
        struct wn_value clean[300];
        struct wn_value values[300];
        int32_t ids[300];
        for (int round = 0; round < 2; round++) {
            ids_fill(ids, 300, config.V, 9);
            for (int i = 0; i < 300; i++) {
                ids[i] = ids[i] == bad ? 0 : ids[i];
            }
            ids[150] =
                round == 0 ? 0 : bad; /* in the middle of the second of three texts, and of its row tile */
            hand_clear(hand);
            for (int s = 0; s < 3; s++) {
                hand_add(hand, hand_root, ids + 100 * s, 100, 100 * s);
            }
            run(network, hand, round == 0 ? clean : values, 300);
        }
        same_bits(clean, values + 1, 1, 100, "before");
        same_bits(clean, values + 101, 101, 150, "earlier tokens of the text itself");
        same_bits(clean, values + 201, 201, 300, "after");
        for (int i = 151; i < 200; i++) {
            cr_assert(isnan(values[i].value), "token %d after the bad one is %g", i, (double)values[i].value);
        }
        free(hand);
        wn_network_free(network);
        plain_free(&model);
    }
}

Test(forward, temperatures_logits_and_pools_agree_with_float64)
{
    enum { N = 70 };
    struct bench *bench = bench_new(true, unchanged, N);
    const struct wn_config *config = &bench->model.config;
    const size_t V = (size_t)config->V;
    const size_t C = (size_t)config->C;
    double *logits = malloc(N * V * sizeof *logits);
    double *hidden = malloc(N * C * sizeof *hidden);
    double losses[2][N];
    double entropies[2][N];
    int32_t greedy[N];
    const float inverse[2] = {0.5F, 3.0F};
    for (int t = 0; t < 2; t++) {
        plain_forward(&bench->model, bench->ids, N, (double)inverse[t], false,
                      &(struct plain_out){losses[t], entropies[t], hidden, logits, greedy});
    }
    struct hand *hand = bench->hand;
    hand_clear(hand);
    hand_add(hand, hand_root, bench->ids, N, -1);
    for (int i = 0; i < N - 1; i++) { /* row i: two temperatures around a logit, asked in turn */
        hand->head_rows[i] = (struct wn_head_row){i, WN_NONE};
        hand->wants[3 * i] = (struct wn_want){i, bench->ids[i + 1], WN_WANT_LOSS, 0, inverse[0], 3 * i};
        hand->wants[3 * i + 1] = (struct wn_want){i, (7 * i) % config->V, WN_WANT_LOGIT, 0, 1.0F, 3 * i + 1};
        hand->wants[3 * i + 2] =
            (struct wn_want){i, bench->ids[i + 1], WN_WANT_LOSS, 0, inverse[1], 3 * i + 2};
    }
    hand->batch.n_head_rows = N - 1;
    hand->batch.n_wants = 3 * (N - 1);
    for (int kind = WN_POOL_MEAN; kind <= WN_POOL_POSITION_WEIGHTED; kind++) {
        hand->wants[hand->batch.n_wants++] =
            (struct wn_want){5, 60, WN_WANT_POOL, (uint16_t)kind, 1.0F, 2 - kind};
    }
    float pools[3][64];
    cr_assert_eq(C, 60);
    struct wn_error err;
    WN_TEST_OK(
        wn_network_forward(bench->network, &hand->batch, bench->values, HAND_ROWS, &pools[0][0], 3, &err));
    for (int i = 0; i < N - 1; i++) {
        for (int t = 0; t < 2; t++) {
            const struct wn_value *value = &bench->values[3 * i + 2 * t];
            cr_assert(fabs((double)value->value - losses[t][i + 1]) < 3.0 * token_tolerance,
                      "loss %d at %g: %.9g, float64 %.9g", i, (double)inverse[t], (double)value->value,
                      losses[t][i + 1]);
            cr_assert(fabs((double)value->entropy - entropies[t][i + 1]) < 3.0 * token_tolerance,
                      "entropy %d", i);
        }
        const struct wn_value *value = &bench->values[3 * i + 1];
        const double logit = logits[(size_t)i * V + (size_t)((7 * i) % config->V)];
        cr_assert(fabs((double)value->value - logit) < token_tolerance, "logit %d: %.9g, float64 %.9g", i,
                  (double)value->value, logit);
        cr_assert(isnan(value->entropy) && value->greedy == WN_NONE);
    }
    for (size_t c = 0; c < C; c++) {
        double mean = 0.0;
        double weighted = 0.0;
        for (size_t i = 0; i < 60; i++) {
            mean += hidden[(5 + i) * C + c] / 60.0;
            weighted += hidden[(5 + i) * C + c] * (double)(i + 1) / 1830.0;
        }
        const float *flat = &pools[0][0];
        cr_assert(fabs((double)flat[2 * C + c] - mean) < 1e-5 &&
                      fabs((double)flat[C + c] - hidden[64 * C + c]) < 1e-5 &&
                      fabs((double)flat[c] - weighted) < 1e-5,
                  "pooled dimension %zu: %g %g, %g %g, %g %g", c, (double)flat[2 * C + c], mean,
                  (double)flat[C + c], hidden[64 * C + c], (double)flat[c], weighted);
    }
    free(logits);
    free(hidden);
    bench_free(bench);
}

Test(forward, a_bidirectional_segment_agrees_with_float64)
{
    enum { N = 131 };
    for (int k = 0; k < 2; k++) {
        struct bench *bench = bench_new(false, k == 0 ? unchanged : windows, N);
        double losses[N];
        plain_forward(&bench->model, bench->ids, N, 1.0, true, &(struct plain_out){.losses = losses});
        hand_clear(bench->hand);
        hand_add(bench->hand, hand_root, bench->ids, 50, -1);
        hand_add(bench->hand, (struct hand_place){WN_NONE, WN_NONE, WN_NONE, 0, WN_SEGMENT_BIDIRECTIONAL},
                 bench->ids, N, 0);
        run(bench->network, bench->hand, bench->values, HAND_ROWS);
        for (int i = 1; i < N; i++) {
            cr_assert(fabs((double)bench->values[i].value - losses[i]) < token_tolerance,
                      "loss %d is %.9g, float64 %.9g", i, (double)bench->values[i].value, losses[i]);
        }
        bench_free(bench);
    }
}

Test(forward, noise_moves_only_its_own_segment_and_only_by_its_key)
{
    struct bench *bench = bench_new(true, unchanged, 80);
    struct wn_value noisy[2][80];
    for (int round = 0; round < 2; round++) {
        hand_clear(bench->hand);
        if (round == 1) {
            hand_add(bench->hand, hand_root, bench->ids + 9, 33, -1);
        }
        hand_add(bench->hand, hand_root, bench->ids, 80, 0);
        const int32_t s = hand_add(bench->hand, hand_root, bench->ids, 80, 100);
        bench->hand->segments[s].noise = (struct wn_noise){42, 7, 0.25F};
        run(bench->network, bench->hand, bench->values, HAND_ROWS);
        same_bits(bench->alone, bench->values + 1, 1, 80, "without noise");
        memcpy(noisy[round], bench->values + 100, sizeof noisy[round]);
    }
    same_bits(noisy[0], noisy[1] + 1, 1, 80, "with noise");
    cr_assert(fabsf(noisy[0][40].value - bench->alone[40].value) > 1e-4F, "noise of 0.25 changed nothing");
    bench_free(bench);
}
