/* Attention of one query tile (rows of one segment) to the keys of its path.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Online softmax (Milakov, Gimelshein 2018; tiles as in FlashAttention, Dao et al. 2022): for each row and
 * each key tile in path order, with s_j = scale (q . k_j) over the keys j of the tile that the row sees,
 *   m' = max(m, max_j s_j), p_j = exp(s_j - m'), l' = l exp(m - m') + sum_j p_j, o' = o exp(m - m') + sum_j
 *   p_j v_j,
 * and o / l at the end. Dot products and tile sums in float32, l in float64.
 *
 * What a row's bits depend on: its own query, position and window, and the keys it sees in their tiles. Keys
 * are tiled from the start of each piece, so a segment cut at multiples of WN_KEY_TILE into a chain gives the
 * same bits. Rows and heads of a query tile never mix, and a key that a row does not see is never multiplied
 * by anything of that row.
 */
#ifndef WINNOW_KERNELS_ATTENTION_H
#define WINNOW_KERNELS_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WN_KEY_TILE = 64 }; /* T, keys */

/* Keys and values of one piece of a path, for one key head: row i at k + i * k_stride, v + i * v_stride; D
 * floats each. */
struct wn_attention_piece {
    const float *k, *v;
    size_t k_stride, v_stride; /* floats, as all strides */
    int32_t n;                 /* rows, >= 1 */
    int32_t position;          /* path position of the first */
};

struct wn_attention_tile {
    int32_t D;
    int32_t n_rows;  /* query rows */
    int32_t n_heads; /* query heads that share this key head: head h at q + h * D and out + h * D */
    const float *q;  /* row i at q + i * q_stride */
    size_t q_stride;
    float *out; /* row i at out + i * out_stride; written */
    size_t out_stride;
    int32_t position; /* path position of the first query row */
    float scale;
    int32_t window; /* see struct wn_attending (winnow/ops.h); 0 = all */
    bool is_causal; /* else rows see their whole path */
    int32_t n_pieces;
    const struct wn_attention_piece *pieces; /* root first, the rows' own segment last */
};

/* Floats of scratch, aligned to 64 bytes, that wn_attention_run needs for tiles of up to n_rows rows and
 * n_heads heads. */
size_t wn_attention_scratch(int32_t D, int32_t n_rows, int32_t n_heads);
void wn_attention_run(const struct wn_attention_tile *tile, float *scratch);

#endif
