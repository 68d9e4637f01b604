/* Attention tiles against float64, and what a row's bits may depend on.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "random.h"
#include "support.h"

#include "kernels/attention.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 400 }; /* rows of the test's path */

struct case_of {
    int32_t D, heads, before, n; /* keys in ancestors, rows of the own segment */
    int32_t window;
    bool is_causal;
};

static const struct case_of cases[] = {
    {64, 1, 0, 1, 0, true},     {64, 2, 0, 64, 0, true},     {16, 3, 100, 65, 0, true},
    {8, 2, 64, 130, 0, true},   {24, 1, 130, 90, 48, true},  {80, 4, 70, 33, 64, true},
    {33, 2, 10, 100, 1, true},  {128, 1, 0, 129, 500, true}, {16, 2, 0, 131, 0, false},
    {40, 1, 0, 150, 30, false}, {1, 1, 3, 5, 0, true},       {96, 1, 200, 64, 70, true},
};
enum { N_CASES = sizeof cases / sizeof *cases };

struct data {
    float *q, *k, *v, *scratch;
};

static struct data data_new(const struct case_of *c)
{
    const size_t D = (size_t)c->D;
    const size_t heads = (size_t)c->heads;
    return (struct data){random_floats(1, ROOM * D * heads, 1.5F), random_floats(2, ROOM * (D + 3), 1.5F),
                         random_floats(3, ROOM * (D + 5), 1.0F),
                         random_floats(4, wn_attention_scratch(c->D, 64, c->heads), 1.0F)};
}

static void data_free(struct data *d)
{
    free(d->q);
    free(d->k);
    free(d->v);
    free(d->scratch);
}

/* Rows [first, end) of the own segment, in query tiles of `height`, the path cut into the pieces `ends`. */
static void run(const struct case_of *c, const struct data *d, const int32_t *ends, int32_t n_ends,
                int32_t first, int32_t end, int32_t height, float *out)
{
    struct wn_attention_piece pieces[16];
    const size_t width = (size_t)c->D * (size_t)c->heads;
    for (int32_t i = 0, start = 0; i < n_ends; start = ends[i++]) {
        pieces[i] = (struct wn_attention_piece){d->k + (size_t)start * ((size_t)c->D + 3),
                                                d->v + (size_t)start * ((size_t)c->D + 5),
                                                (size_t)c->D + 3,
                                                (size_t)c->D + 5,
                                                ends[i] - start,
                                                start};
    }
    for (int32_t i = first; i < end; i += height) {
        const struct wn_attention_tile tile = {
            .D = c->D,
            .n_rows = end - i < height ? end - i : height,
            .n_heads = c->heads,
            .q = d->q + (size_t)i * width,
            .q_stride = width,
            .out = out + (size_t)i * width,
            .out_stride = width,
            .position = c->before + i,
            .scale = 0.3F,
            .window = c->window,
            .is_causal = c->is_causal,
            .n_pieces = n_ends,
            .pieces = pieces,
        };
        wn_attention_run(&tile, d->scratch);
    }
}

/* The softmax average of the values that row i of head h sees, in float64. */
static void plain(const struct case_of *c, const struct data *d, int32_t i, int32_t h, double *out)
{
    const size_t D = (size_t)c->D;
    const int32_t p = c->before + i;
    const float *q = d->q + ((size_t)i * (size_t)c->heads + (size_t)h) * D;
    double weights[ROOM];
    double max = -INFINITY;
    double sum = 0.0;
    const int32_t total = c->before + c->n;
    for (int32_t j = 0; j < total; j++) {
        double score = 0.0;
        for (size_t e = 0; e < D; e++) {
            score += (double)q[e] * (double)d->k[(size_t)j * (D + 3) + e];
        }
        const bool is_seen = (!c->is_causal || j <= p) && (c->window == 0 || abs(p - j) < c->window);
        weights[j] = is_seen ? score * (double)0.3F : -INFINITY;
        max = fmax(max, weights[j]);
    }
    for (int32_t j = 0; j < total; j++) {
        weights[j] = exp(weights[j] - max);
        sum += weights[j];
    }
    for (size_t e = 0; e < D; e++) {
        out[e] = 0.0;
        for (int32_t j = 0; j < total; j++) {
            out[e] += weights[j] / sum * (double)d->v[(size_t)j * (D + 5) + e];
        }
    }
}

/* Scores up to about 60 are off by some 2^-24 of their size, and weights by that times the score. */
Test(attention, agrees_with_float64)
{
    for (size_t k = 0; k < N_CASES; k++) {
        const struct case_of *c = &cases[k];
        struct data d = data_new(c);
        const size_t width = (size_t)c->D * (size_t)c->heads;
        float *out = random_floats(5, ROOM * width, 1.0F);
        const int32_t ends[2] = {c->before, c->before + c->n};
        run(c, &d, ends + (c->before == 0), 1 + (c->before > 0), 0, c->n, 64, out);
        for (int32_t i = 0; i < c->n; i++) {
            for (int32_t h = 0; h < c->heads; h++) {
                double truth[128];
                plain(c, &d, i, h, truth);
                for (int32_t e = 0; e < c->D; e++) {
                    const double value = (double)out[(size_t)i * width + (size_t)(h * c->D + e)];
                    cr_assert(fabs(value - truth[e]) < 1e-5,
                              "case %zu: row %d, head %d, dimension %d: %.9g, %.9g", k, i, h, e, value,
                              truth[e]);
                }
            }
        }
        free(out);
        data_free(&d);
    }
}

/* Query tiles of other heights, single heads' rows alone, and the own segment cut at multiples of 64 into a
 * chain. */
Test(attention, bits_do_not_depend_on_query_tiles_or_on_cuts_at_key_tiles)
{
    for (size_t k = 0; k < N_CASES; k++) {
        const struct case_of *c = &cases[k];
        struct data d = data_new(c);
        const size_t width = (size_t)c->D * (size_t)c->heads;
        float *out = random_floats(5, ROOM * width, 1.0F);
        float *other = random_floats(6, ROOM * width, 1.0F);
        int32_t ends[16] = {c->before, c->before + c->n};
        const int32_t skip = c->before == 0;
        run(c, &d, ends + skip, 2 - skip, 0, c->n, 64, out);
        for (int32_t height = 1; height < 64; height += 18) {
            run(c, &d, ends + skip, 2 - skip, 0, c->n, height, other);
            cr_assert(memcmp(out, other, (size_t)c->n * width * 4) == 0, "case %zu: tiles of %d", k, height);
        }
        int32_t n_ends = 1;
        for (int32_t cut = 64; cut < c->n; cut += 64) {
            ends[n_ends++] = c->before + cut;
        }
        ends[n_ends++] = c->before + c->n;
        run(c, &d, ends + skip, n_ends - skip, 0, c->n, 64, other);
        cr_assert(memcmp(out, other, (size_t)c->n * width * 4) == 0, "case %zu: cut into %d pieces", k,
                  n_ends - skip);
        free(out);
        free(other);
        data_free(&d);
    }
}

/* Keys and values after a row, and beyond its window, may hold anything. */
Test(attention, what_a_row_does_not_see_never_touches_it)
{
    for (size_t k = 0; k < N_CASES; k++) {
        const struct case_of *c = &cases[k];
        if (!c->is_causal) {
            continue;
        }
        struct data d = data_new(c);
        const size_t width = (size_t)c->D * (size_t)c->heads;
        float *out = random_floats(5, ROOM * width, 1.0F);
        float *other = random_floats(6, ROOM * width, 1.0F);
        const int32_t ends[2] = {c->before, c->before + c->n};
        const int32_t skip = c->before == 0;
        run(c, &d, ends + skip, 2 - skip, 0, c->n, 64, out);
        const int32_t row = c->n / 2;
        for (int32_t j = 0; j < c->before + c->n; j++) {
            const int32_t p = c->before + row;
            if (j > p || (c->window > 0 && j <= p - c->window)) {
                for (int32_t e = 0; e < c->D; e++) {
                    d.k[(size_t)j * ((size_t)c->D + 3) + (size_t)e] = NAN;
                    d.v[(size_t)j * ((size_t)c->D + 5) + (size_t)e] = e % 2 == 0 ? NAN : INFINITY;
                }
            }
        }
        run(c, &d, ends + skip, 2 - skip, 0, c->n, 64, other);
        cr_assert(memcmp(out + (size_t)row * width, other + (size_t)row * width, width * 4) == 0, "case %zu",
                  k);
        free(out);
        free(other);
        data_free(&d);
    }
}
