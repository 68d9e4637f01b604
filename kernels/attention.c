/* Attention, plain loops over key tiles: see attention.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/vec.h"

#include "kernels/attention.h"

#include <math.h>

/* Rows that run together against a key tile, each in its own order of operations, so that a load serves several
 * of them; and the scores or values that one step of a row works on. */
enum { WN_ROWS = 4, WN_WIDE = 16 };

/* Running state of one (row, head). */
struct softmax {
    double sum;
    float max;
};

/* Keys [first, end) of a key tile that a row sees. */
struct range {
    int32_t first, end;
};

/* Consecutive rows of one head against one key tile. */
struct block {
    const float *q; /* row r at q + r * q_stride */
    size_t q_stride;
    float *out; /* row r at out + r * out_stride */
    size_t out_stride;
    struct softmax *states; /* row r at states + r * state_stride */
    size_t state_stride;
    struct range seen[WN_ROWS]; /* none is empty; first and end never fall from row to row */
    float scale;
};

/* What all rows and heads of a query tile share: the key tile by columns, its values without gaps (rows of
 * value_width(D), zeros beyond D), and room for the scores of a block. */
struct room {
    float *keys, *values, *scores;
};

/* D rounded up to what add_values can take. */
static int32_t value_width(int32_t D)
{
    return (D + 7) / 8 * 8;
}

size_t wn_attention_scratch(int32_t D, int32_t n_rows, int32_t n_heads)
{
    const size_t states = (size_t)n_rows * (size_t)n_heads * sizeof(struct softmax) / sizeof(float);
    return ((size_t)D + (size_t)value_width(D) + WN_ROWS) * WN_KEY_TILE + states + 16;
}

/* keys[d][j] = k[j][d] for the n keys of a tile, zeros beyond. */
WN_INLINE void transpose_keys(int32_t D, int32_t n, const float *restrict k, size_t stride,
                              float *restrict keys)
{
    for (int32_t d = 0; d < D; d++) {
        float *restrict row = keys + (size_t)d * WN_KEY_TILE;
        for (int32_t j = 0; j < n; j++) {
            row[j] = k[(size_t)j * stride + (size_t)d];
        }
        for (int32_t j = n; j < WN_KEY_TILE; j++) {
            row[j] = 0.0F;
        }
    }
}

/* Row strides of models are often large powers of two times a small number, of which a first-level cache holds
 * few: values are packed, too. */
WN_INLINE void pack_values(int32_t D, int32_t n, const float *restrict v, size_t stride,
                           float *restrict values)
{
    const size_t width = (size_t)value_width(D);
    for (int32_t j = 0; j < n; j++) {
        float *restrict row = values + (size_t)j * width;
        memcpy(row, v + (size_t)j * stride, (size_t)D * sizeof(float));
        for (size_t d = (size_t)D; d < width; d++) {
            row[d] = 0.0F;
        }
    }
}

/* scores[r][j] = scale q_r . k_j for WN_WIDE keys from j0 on, minus infinity for keys that row r does not see.
 * The dot product runs in order of d. */
WN_INLINE void score_keys(int rows, int32_t D, const struct block *block, int32_t j0,
                          const float *restrict keys, float *restrict scores)
{
    float sums[WN_ROWS][WN_WIDE] = {{0}};
    const float *restrict q = block->q;
    const size_t stride = block->q_stride;
    for (int32_t d = 0; d < D; d++) {
        const float *restrict row = keys + (size_t)d * WN_KEY_TILE + (size_t)j0;
        for (int r = 0; r < rows; r++) {
            const float a = q[(size_t)r * stride + (size_t)d];
            WN_VECTOR
            for (int j = 0; j < WN_WIDE; j++) {
                sums[r][j] += a * row[j];
            }
        }
    }
    for (int r = 0; r < rows; r++) {
        const int32_t first = block->seen[r].first - j0;
        const int32_t end = block->seen[r].end - j0;
        WN_VECTOR
        for (int j = 0; j < WN_WIDE; j++) {
            const float score = sums[r][j] * block->scale;
            scores[r * WN_KEY_TILE + j0 + j] = ((j >= first) & (j < end)) ? score : -INFINITY;
        }
    }
}

/* lanes[j] becomes the larger of lanes[j] and lanes[j + half]; NaN never is. */
WN_INLINE void max_halves(int half, float lanes[WN_WIDE])
{
    WN_VECTOR
    for (int j = 0; j < half; j++) {
        lanes[j] = lanes[j + half] > lanes[j] ? lanes[j + half] : lanes[j];
    }
}

WN_INLINE void add_halves(int half, float lanes[WN_WIDE])
{
    WN_VECTOR
    for (int j = 0; j < half; j++) {
        lanes[j] += lanes[j + half];
    }
}

/* Turns the scores of one row, [first, end) in steps of WN_WIDE, into weights exp(s - max), 0 for keys not
 * seen, and updates the state; gives exp(old max - new max). The sum runs in WN_WIDE lanes, key j in lane
 * j mod WN_WIDE, which are added pairwise; steps without a key that the row sees add zeros. */
WN_INLINE float softmax_step(int32_t first, int32_t end, float *restrict scores, struct softmax *state)
{
    float lanes[WN_WIDE];
    WN_VECTOR
    for (int j = 0; j < WN_WIDE; j++) {
        lanes[j] = state->max;
    }
    for (int32_t j0 = first; j0 < end; j0 += WN_WIDE) {
        WN_VECTOR
        for (int j = 0; j < WN_WIDE; j++) {
            lanes[j] = scores[j0 + j] > lanes[j] ? scores[j0 + j] : lanes[j];
        }
    }
    max_halves(8, lanes);
    max_halves(4, lanes);
    max_halves(2, lanes);
    max_halves(1, lanes);
    const float max = lanes[0];
    float sums[WN_WIDE] = {0};
    for (int32_t j0 = first; j0 < end; j0 += WN_WIDE) {
        WN_VECTOR
        for (int j = 0; j < WN_WIDE; j++) {
            const float p = wn_exp(scores[j0 + j] - max);
            scores[j0 + j] = p;
            sums[j] += p;
        }
    }
    add_halves(8, sums);
    add_halves(4, sums);
    add_halves(2, sums);
    add_halves(1, sums);
    const float shrink = wn_exp(state->max - max);
    state->sum = state->sum * (double)shrink + (double)sums[0];
    state->max = max;
    return shrink;
}

/* sums[r][n] += sum_j p_rj v_j[n] over keys [first, end), in order of j. */
WN_INLINE void sum_values(int rows, int width, struct range keys, const float *restrict p,
                          const float *restrict values, size_t stride, float (*restrict out)[WN_WIDE])
{
    float sums[WN_ROWS][WN_WIDE];
    for (int r = 0; r < rows; r++) {
        WN_VECTOR
        for (int i = 0; i < width; i++) {
            sums[r][i] = out[r][i];
        }
    }
    for (int32_t j = keys.first; j < keys.end; j++) {
        const float *restrict row = values + (size_t)j * stride;
        for (int r = 0; r < rows; r++) {
            const float a = p[r * WN_KEY_TILE + j];
            WN_VECTOR
            for (int i = 0; i < width; i++) {
                sums[r][i] += a * row[i];
            }
        }
    }
    for (int r = 0; r < rows; r++) {
        WN_VECTOR
        for (int i = 0; i < width; i++) {
            out[r][i] = sums[r][i];
        }
    }
}

/* out[r][n] = out[r][n] shrink_r + sum_j p_rj v_j[n] for `width` values from d on, of which D - d may be fewer:
 * keys that only the first or the last rows see, row by row, and those between for all rows at once. */
WN_INLINE void add_values(int rows, int width, int32_t D, int32_t d, const struct block *block,
                          const struct room *room, const float *shrink)
{
    float sums[WN_ROWS][WN_WIDE] = {{0}};
    const size_t stride = (size_t)value_width(D);
    const float *restrict values = room->values + d;
    const float *restrict p = room->scores;
    const struct range all = {block->seen[rows - 1].first, block->seen[0].end};
    for (int r = 0; r < rows && rows > 1; r++) {
        const int32_t end = block->seen[r].end < all.first ? block->seen[r].end : all.first;
        const struct range keys = {block->seen[r].first, end};
        sum_values(1, width, keys, p + r * WN_KEY_TILE, values, stride, sums + r);
    }
    sum_values(rows, width, all, p, values, stride, sums);
    for (int r = 0; r < rows && rows > 1; r++) {
        const int32_t first = all.first > all.end ? all.first : all.end;
        const struct range keys = {first, block->seen[r].end};
        sum_values(1, width, keys, p + r * WN_KEY_TILE, values, stride, sums + r);
    }
    for (int r = 0; r < rows; r++) {
        float *restrict out = block->out + (size_t)r * block->out_stride + d;
        if (D - d >= width) {
            WN_VECTOR
            for (int i = 0; i < width; i++) {
                out[i] = out[i] * shrink[r] + sums[r][i];
            }
        } else {
            for (int i = 0; i < D - d; i++) {
                out[i] = out[i] * shrink[r] + sums[r][i];
            }
        }
    }
}

WN_INLINE void block_run(int rows, int32_t D, const struct block *block, const struct room *room)
{
    const int32_t first = block->seen[0].first / WN_WIDE * WN_WIDE;
    const int32_t end = block->seen[rows - 1].end;
    float shrink[WN_ROWS];
    for (int32_t j0 = first; j0 < end; j0 += WN_WIDE) {
        score_keys(rows, D, block, j0, room->keys, room->scores);
    }
    for (int r = 0; r < rows; r++) {
        shrink[r] = softmax_step(first, end, room->scores + r * WN_KEY_TILE,
                                 block->states + (size_t)r * block->state_stride);
    }
    int32_t d = 0;
    for (; D - d > 8; d += WN_WIDE) {
        add_values(rows, WN_WIDE, D, d, block, room, shrink);
    }
    if (d < D) {
        add_values(rows, 8, D, d, block, room, shrink);
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

WN_CLONES static void rows_run(int32_t D, const struct block *block, const struct room *room)
{
    block_run(WN_ROWS, D, block, room);
}

WN_CLONES static void row_run(int32_t D, const struct block *block, const struct room *room)
{
    block_run(1, D, block, room);
}

WN_CLONES static void pack_run(int32_t D, const struct wn_attention_piece *piece, const struct room *room)
{
    transpose_keys(D, piece->n, piece->k, piece->k_stride, room->keys);
    pack_values(D, piece->n, piece->v, piece->v_stride, room->values);
}

WN_CLONES static void divide_run(int32_t D, float share, float *out)
{
    for (int32_t d = 0; d < D; d++) {
        out[d] *= share;
    }
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

/* All rows and heads against one key tile. Rows that see any of it follow one another. */
static void key_tile_run(const struct wn_attention_tile *tile, const struct wn_attention_piece *piece,
                         const struct room *room, struct softmax *states)
{
    bool is_packed = false;
    int rows = 1;
    for (int32_t i = 0; i < tile->n_rows; i += rows) {
        struct block block = {.q_stride = tile->q_stride,
                              .out_stride = tile->out_stride,
                              .state_stride = (size_t)tile->n_heads,
                              .scale = tile->scale};
        int n = 0;
        for (; n < WN_ROWS && i + n < tile->n_rows; n++) {
            block.seen[n] = keys_seen(tile, tile->position + i + n, piece->position, piece->n);
            if (block.seen[n].end == 0) {
                break;
            }
        }
        rows = n == WN_ROWS ? WN_ROWS : 1;
        if (n == 0) {
            continue;
        }
        if (!is_packed) {
            pack_run(tile->D, piece, room);
            is_packed = true;
        }
        for (int32_t h = 0; h < tile->n_heads; h++) {
            const size_t head = (size_t)h * (size_t)tile->D;
            block.q = tile->q + (size_t)i * tile->q_stride + head;
            block.out = tile->out + (size_t)i * tile->out_stride + head;
            block.states = states + (size_t)i * (size_t)tile->n_heads + h;
            (rows == WN_ROWS ? rows_run : row_run)(tile->D, &block, room);
        }
    }
}

void wn_attention_run(const struct wn_attention_tile *tile, float *scratch)
{
    const size_t width = (size_t)tile->n_heads * (size_t)tile->D;
    struct room room = {.keys = scratch};
    room.values = room.keys + (size_t)tile->D * WN_KEY_TILE;
    room.scores = room.values + (size_t)value_width(tile->D) * WN_KEY_TILE;
    struct softmax *states = (struct softmax *)(void *)(room.scores + WN_ROWS * WN_KEY_TILE);
    for (int32_t i = 0; i < tile->n_rows; i++) {
        memset(tile->out + (size_t)i * tile->out_stride, 0, width * sizeof(float));
        for (int32_t h = 0; h < tile->n_heads; h++) {
            states[i * tile->n_heads + h] = (struct softmax){0.0, -INFINITY};
        }
    }
    for (int32_t p = 0; p < tile->n_pieces; p++) {
        for (int32_t first = 0; first < tile->pieces[p].n; first += WN_KEY_TILE) {
            const struct wn_attention_piece part = key_tile_of(&tile->pieces[p], first);
            key_tile_run(tile, &part, &room, states);
        }
    }
    for (int32_t i = 0; i < tile->n_rows; i++) {
        for (int32_t h = 0; h < tile->n_heads; h++) {
            const float share = (float)(1.0 / states[i * tile->n_heads + h].sum);
            divide_run(tile->D, share,
                       tile->out + (size_t)i * tile->out_stride + (size_t)h * (size_t)tile->D);
        }
    }
}
