/* Cross-entropy over blocks of the vocabulary against float64.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "random.h"
#include "support.h"

#include "kernels/score.h"
#include "winnow/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { V = 5003 };

/* In blocks of `width`, `chunk` blocks to a partial score, merged in order. */
static struct wn_score score_of(const float *logits, float inverse, int32_t width, int32_t chunk)
{
    float scratch[V];
    struct wn_score total = wn_score_new();
    struct wn_score part = wn_score_new();
    int32_t n_blocks = 0;
    for (int32_t first = 0; first < V; first += width) {
        wn_score_add(&part, inverse, first, V - first < width ? V - first : width, logits + first, scratch);
        if (++n_blocks % chunk == 0) {
            wn_score_merge(&total, &part);
            part = wn_score_new();
        }
    }
    wn_score_merge(&total, &part);
    return total;
}

static void compare(const float *logits, float inverse, int32_t target)
{
    double max = -INFINITY;
    int32_t best = WN_NONE;
    double sum = 0.0;
    double moment = 0.0;
    for (int32_t i = 0; i < V; i++) {
        const double z = (double)inverse * (double)logits[i];
        best = z > max ? i : best;
        max = fmax(max, z);
    }
    for (int32_t i = 0; i < V; i++) {
        const double d = (double)inverse * (double)logits[i] - max;
        sum += exp(d);
        moment += exp(d) > 0.0 ? d * exp(d) : 0.0;
    }
    const double loss = max + log(sum) - (double)inverse * (double)logits[target];
    const double entropy = log(sum) - moment / sum;
    const int32_t widths[] = {1, 7, 1008, 512, V};
    for (int k = 0; k < 5; k++) {
        const struct wn_score score = score_of(logits, inverse, widths[k], 1 + k);
        const double tolerance = 1e-6 * (1.0 + fabs(loss) + fabs(max)); /* a few roundings of z to float32 */
        const double value = (double)wn_score_loss(&score, inverse, logits[target]);
        cr_assert(fabs(value - loss) < tolerance, "loss %.9g, float64 %.9g", value, loss);
        cr_assert(fabs((double)wn_score_entropy(&score) - entropy) < 1e-5, "entropy %.9g, float64 %.9g",
                  (double)wn_score_entropy(&score), entropy);
        cr_assert_eq(score.greedy, best, "greedy %d, %d", score.greedy, best);
    }
}

Test(score, loss_entropy_and_greedy_agree_with_float64)
{
    const float spreads[] = {0.01F, 3.0F, 40.0F, 200.0F};
    for (size_t s = 0; s < 4; s++) {
        float *logits = random_floats(s, V, spreads[s]);
        compare(logits, 1.0F, 17);
        compare(logits, 0.3F, V - 1);
        compare(logits, 2.5F, 0);
        logits[100] = -INFINITY; /* allowed: its weight is 0 */
        compare(logits, 1.0F, 17);
        free(logits);
    }
}

/* A constant is a multiple of the spacing of the sums here, so that logits + constant is exact. */
Test(score, a_constant_added_to_all_logits_moves_no_loss)
{
    float *logits = random_floats(1, V, 8.0F);
    for (int32_t i = 0; i < V; i++) {
        logits[i] = rintf(logits[i] * 1024.0F) / 1024.0F;
    }
    const struct wn_score base = score_of(logits, 1.0F, 1008, 2);
    for (int32_t i = 0; i < V; i++) {
        logits[i] += 64.0F;
    }
    const struct wn_score moved = score_of(logits, 1.0F, 1008, 2);
    cr_assert(base.sum == moved.sum && base.moment == moved.moment && base.greedy == moved.greedy);
    cr_assert(fabsf(wn_score_loss(&base, 1.0F, logits[5] - 64.0F) - wn_score_loss(&moved, 1.0F, logits[5])) <
              1e-6F);
    free(logits);
}

Test(score, the_lowest_id_wins_among_equal_maxima)
{
    float *logits = random_floats(1, V, 1.0F);
    const int32_t ids[] = {4100, 1009, 1010, 77};
    for (int k = 0; k < 4; k++) {
        logits[ids[k]] = 2.0F;
        for (int32_t width = 1; width < V; width = 3 * width + 1) {
            const struct wn_score score = score_of(logits, 1.0F, width, 2);
            cr_assert_eq(score.greedy, k == 0 ? 4100 : k < 3 ? 1009 : 77);
        }
    }
    free(logits);
}

Test(score, values_that_are_not_finite_pass_through)
{
    float *logits = random_floats(1, V, 1.0F);
    logits[3000] = 9.0F;
    for (int k = 0; k < 2; k++) {
        logits[2000] = k == 0 ? NAN : INFINITY;
        const struct wn_score score = score_of(logits, 1.0F, 1008, 2);
        cr_assert(isnan(wn_score_loss(&score, 1.0F, logits[5])));
        cr_assert(isnan(wn_score_entropy(&score)));
        cr_assert_eq(score.greedy, k == 0 ? 3000 : 2000);
    }
    for (int32_t i = 0; i < V; i++) {
        logits[i] = NAN;
    }
    cr_assert_eq(score_of(logits, 1.0F, 1008, 2).greedy, WN_NONE);
    for (int32_t i = 0; i < V; i++) { /* a whole block without weight, then one that has it all */
        logits[i] = i < 1008 ? -INFINITY : 0.0F;
    }
    const struct wn_score score = score_of(logits, 1.0F, 1008, 2);
    cr_assert(fabs((double)wn_score_loss(&score, 1.0F, 0.0F) - log(V - 1008)) < 1e-6);
    cr_assert_eq(score.greedy, 1008);
    free(logits);
}
