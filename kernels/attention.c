/* Attention, plain loops over key tiles: see attention.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/vec.h"

#include "kernels/attention.h"

#include <math.h>

enum { WN_BLOCK = 32 }; /* columns that are summed at once, in registers */

/* Running state of one (row, head). */
struct softmax {
    double sum;
    float max;
};

/* Keys [first, end) of a key tile that a row sees. */
struct range {
    int32_t first, end;
};

size_t wn_attention_scratch(int32_t D, int32_t n_rows, int32_t n_heads)
{
    const size_t states = (size_t)n_rows * (size_t)n_heads * sizeof(struct softmax) / sizeof(float);
    return (size_t)D * WN_KEY_TILE + WN_KEY_TILE + states + 16;
}

/* keys[d][j] = k[j][d] for the n keys of a tile, zeros beyond. */
WN_INLINE void transpose_keys(int32_t D, int32_t n, const float *restrict k, size_t stride,
                              float *restrict keys)
{
    for (int32_t j = 0; j < WN_KEY_TILE; j++) {
        for (int32_t d = 0; d < D; d++) {
            keys[(size_t)d * WN_KEY_TILE + (size_t)j] = j < n ? k[(size_t)j * stride + (size_t)d] : 0.0F;
        }
    }
}

/* scores[j] = scale q . k_j for all keys of the tile; those the row does not see are not looked at later. The
 * dot product runs in order of d. */
WN_INLINE void score_keys(int32_t D, int32_t n, const float *restrict q, const float *restrict keys,
                          float scale, float *restrict scores)
{
    for (int32_t j0 = 0; j0 < n; j0 += WN_BLOCK) {
        float sums[WN_BLOCK] = {0};
        for (int32_t d = 0; d < D; d++) {
            const float a = q[d];
            const float *restrict row = keys + (size_t)d * WN_KEY_TILE + (size_t)j0;
            for (int j = 0; j < WN_BLOCK; j++) {
                sums[j] += a * row[j];
            }
        }
        for (int j = 0; j < WN_BLOCK; j++) {
            scores[j0 + j] = sums[j] * scale;
        }
    }
}

/* Turns scores into weights exp(s - max), 0 for keys not seen, updates the state; gives exp(old max - new
 * max). */
WN_INLINE float softmax_step(struct range seen, float *restrict scores, struct softmax *state)
{
    float max = state->max;
    for (int32_t j = seen.first; j < seen.end; j++) {
        max = scores[j] > max ? scores[j] : max;
    }
    double lanes[WN_LANES] = {0};
    for (int32_t j0 = 0; j0 < WN_KEY_TILE; j0 += WN_LANES) {
        for (int32_t j = 0; j < WN_LANES; j++) {
            const float p = wn_exp(scores[j0 + j] - max);
            scores[j0 + j] = j0 + j >= seen.first && j0 + j < seen.end ? p : 0.0F;
            lanes[j] += (double)scores[j0 + j];
        }
    }
    const float shrink = wn_exp(state->max - max);
    state->sum = state->sum * (double)shrink + wn_lanes_sum(lanes);
    state->max = max;
    return shrink;
}

/* out[n] = out[n] shrink + sum_j p_j v_j[n], the sum in order of j; n <= WN_BLOCK. */
WN_INLINE void add_values(int n, struct range seen, const float *restrict p, const float *restrict v,
                          size_t stride, float shrink, float *restrict out)
{
    float sums[WN_BLOCK] = {0};
    for (int32_t j = seen.first; j < seen.end; j++) {
        const float a = p[j];
        const float *restrict row = v + (size_t)j * stride;
        for (int i = 0; i < n; i++) {
            sums[i] += a * row[i];
        }
    }
    for (int i = 0; i < n; i++) {
        out[i] = out[i] * shrink + sums[i];
    }
}

/* The keys of a tile of n that starts at path position `start`, seen from path position p. */
static struct range keys_seen(const struct wn_attention_tile *tile, int32_t p, int32_t start, int32_t n)
{
    int64_t first = 0;
    int64_t end = n;
    if (tile->is_causal && (int64_t)p + 1 - start < end) {
        end = (int64_t)p + 1 - start;
    }
    if (tile->window > 0) {
        first = (int64_t)p - tile->window + 1 - start;
        if ((int64_t)p + tile->window - start < end) {
            end = (int64_t)p + tile->window - start;
        }
    }
    first = first < 0 ? 0 : first;
    return first < end ? (struct range){(int32_t)first, (int32_t)end} : (struct range){0, 0};
}

WN_CLONES static void row_run(const struct wn_attention_tile *tile, int32_t row, int32_t head,
                              struct range seen, const struct wn_attention_piece *piece,
                              const float *restrict keys, float *restrict scores, struct softmax *state)
{
    const int32_t D = tile->D;
    const float *q = tile->q + (size_t)row * tile->q_stride + (size_t)head * (size_t)D;
    float *out = tile->out + (size_t)row * tile->out_stride + (size_t)head * (size_t)D;
    score_keys(D, seen.end, q, keys, tile->scale, scores);
    const float shrink = softmax_step(seen, scores, state);
    int32_t d = 0;
    for (; d + WN_BLOCK <= D; d += WN_BLOCK) {
        add_values(WN_BLOCK, seen, scores, piece->v + d, piece->v_stride, shrink, out + d);
    }
    if (d < D) {
        add_values(D - d, seen, scores, piece->v + d, piece->v_stride, shrink, out + d);
    }
}

WN_CLONES static void transpose_run(int32_t D, int32_t n, const float *restrict k, size_t stride,
                                    float *restrict keys)
{
    transpose_keys(D, n, k, stride, keys);
}

/* The part of a piece that is its key tile from row `first` on. */
static struct wn_attention_piece key_tile_of(const struct wn_attention_piece *piece, int32_t first)
{
    struct wn_attention_piece part = *piece;
    part.k += (size_t)first * piece->k_stride;
    part.v += (size_t)first * piece->v_stride;
    part.n = piece->n - first < WN_KEY_TILE ? piece->n - first : WN_KEY_TILE;
    part.position += first;
    return part;
}

/* All rows and heads against one key tile. */
static void key_tile_run(const struct wn_attention_tile *tile, const struct wn_attention_piece *piece,
                         float *restrict keys, float *restrict scores, struct softmax *states)
{
    bool is_transposed = false;
    for (int32_t i = 0; i < tile->n_rows; i++) {
        const struct range seen = keys_seen(tile, tile->position + i, piece->position, piece->n);
        if (seen.end == 0) {
            continue;
        }
        if (!is_transposed) {
            transpose_run(tile->D, piece->n, piece->k, piece->k_stride, keys);
            is_transposed = true;
        }
        for (int32_t h = 0; h < tile->n_heads; h++) {
            row_run(tile, i, h, seen, piece, keys, scores, &states[i * tile->n_heads + h]);
        }
    }
}

void wn_attention_run(const struct wn_attention_tile *tile, float *scratch)
{
    float *keys = scratch;
    float *scores = keys + (size_t)tile->D * WN_KEY_TILE;
    struct softmax *states = (struct softmax *)(void *)(scores + WN_KEY_TILE);
    const size_t width = (size_t)tile->n_heads * (size_t)tile->D;
    for (int32_t i = 0; i < tile->n_rows; i++) {
        memset(tile->out + (size_t)i * tile->out_stride, 0, width * sizeof(float));
        for (int32_t h = 0; h < tile->n_heads; h++) {
            states[i * tile->n_heads + h] = (struct softmax){0.0, -INFINITY};
        }
    }
    for (int32_t p = 0; p < tile->n_pieces; p++) {
        for (int32_t first = 0; first < tile->pieces[p].n; first += WN_KEY_TILE) {
            const struct wn_attention_piece part = key_tile_of(&tile->pieces[p], first);
            key_tile_run(tile, &part, keys, scores, states);
        }
    }
    for (int32_t i = 0; i < tile->n_rows; i++) {
        for (int32_t h = 0; h < tile->n_heads; h++) {
            const float share = (float)(1.0 / states[i * tile->n_heads + h].sum);
            float *out = tile->out + (size_t)i * tile->out_stride + (size_t)h * (size_t)tile->D;
            for (int32_t d = 0; d < tile->D; d++) {
                out[d] *= share;
            }
        }
    }
}
