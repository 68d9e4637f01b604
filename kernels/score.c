/* Cross-entropy over vocabulary blocks: see score.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/vec.h"

#include "kernels/score.h"

#include "winnow/batch.h"

#include <math.h>

struct wn_score wn_score_new(void)
{
    return (struct wn_score){0.0, 0.0, -INFINITY, -INFINITY, WN_NONE};
}

/* Greatest of x[n] and `max`; NaN never wins. */
WN_INLINE float max_of(int32_t n, const float *restrict x, float max)
{
    float lanes[16];
    for (int j = 0; j < 16; j++) {
        lanes[j] = max;
    }
    int32_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (int j = 0; j < 16; j++) {
            lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
        }
    }
    for (; i < n; i++) {
        lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
    }
    for (int j = 0; j < 16; j++) {
        max = lanes[j] > max ? lanes[j] : max;
    }
    return max;
}

/* S, or U: sum of e_i, or of d_i e_i, in WN_LANES lanes. */
WN_INLINE double sum_of(int32_t n, const float *restrict e)
{
    double lanes[WN_LANES] = {0};
    int32_t i = 0;
    for (; i + WN_LANES <= n; i += WN_LANES) {
        for (int j = 0; j < WN_LANES; j++) {
            lanes[j] += (double)e[i + j];
        }
    }
    for (int j = 0; i < n; i++, j++) {
        lanes[j] += (double)e[i];
    }
    return wn_lanes_sum(lanes);
}

/* Move the sums from the score's maximum to a greater one. */
WN_INLINE void max_raise(struct wn_score *score, float max)
{
    if (score->sum == 0.0 || score->max == max) {
        score->max = max;
        return;
    }
    const double shift = (double)score->max - (double)max;
    const double shrink = (double)wn_exp((float)shift);
    score->moment = (score->moment + shift * score->sum) * shrink;
    score->moment = shrink == 0.0 ? 0.0 : score->moment;
    score->sum *= shrink;
    score->max = max;
}

WN_CLONES void wn_score_add(struct wn_score *score, float inverse_temperature, int32_t first, int32_t n,
                            const float *restrict logits, float *restrict scratch)
{
    const float best = max_of(n, logits, score->best);
    if (best > score->best) {
        int32_t i = 0;
        while (logits[i] != best) {
            i++;
        }
        score->best = best;
        score->greedy = first + i;
    }
    /* Rounding is monotone, so the greatest product is the product of the greatest. */
    const float max = inverse_temperature * best;
    max_raise(score, max);
    const float base =
        max > -INFINITY ? max : 0.0F; /* -infinity - -infinity would be NaN where weights are 0 */
    for (int32_t i = 0; i < n; i++) {
        scratch[i] = wn_exp(inverse_temperature * logits[i] - base);
    }
    score->sum += sum_of(n, scratch);
    for (int32_t i = 0; i < n;
         i++) { /* below -87 the weight is 0, and 0 x -infinity must stay 0; NaN stays NaN */
        const float d = inverse_temperature * logits[i] - base;
        scratch[i] = (d < -87.0F ? -87.0F : d) * scratch[i];
    }
    score->moment += sum_of(n, scratch);
}

void wn_score_merge(struct wn_score *score, const struct wn_score *later)
{
    if (later->best > score->best) {
        score->best = later->best;
        score->greedy = later->greedy;
    }
    struct wn_score other = *later;
    const float max = other.max > score->max ? other.max : score->max;
    max_raise(score, max);
    max_raise(&other, max);
    score->sum += other.sum;
    score->moment += other.moment;
}

float wn_score_loss(const struct wn_score *score, float inverse_temperature, float target_logit)
{
    return (float)((double)score->max + log(score->sum) - (double)(inverse_temperature * target_logit));
}

float wn_score_entropy(const struct wn_score *score)
{
    return (float)(log(score->sum) - score->moment / score->sum);
}
