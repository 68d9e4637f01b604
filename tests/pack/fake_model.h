/* A model for tests of packing: the state of a row is a hash of its whole path, tile starts included, and
 * every rule of batch.h is asserted. So a want answered from the wrong row, parent, slot or tiling gives a
 * wrong value.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TESTS_FAKE_MODEL_H
#define WINNOW_TESTS_FAKE_MODEL_H

#include "pack/pack.h"

#include <stddef.h>

struct fake_slot {
    bool is_held;
    int32_t parent; /* slot, or WN_NONE */
    int32_t end;    /* path tokens up to and with the kept segment */
    uint64_t state; /* of its last row */
};

struct fake_model {
    struct wn_pack_limits limits;
    struct fake_slot *slots;
    uint64_t *states; /* [N] */
    int64_t rows, batches, head_rows;
    int32_t most_held;
};

static inline uint64_t fake_mix(uint64_t state, uint64_t value)
{
    state ^= value + 0x9e3779b97f4a7c15U + (state << 6) + (state >> 2);
    state *= 0xff51afd7ed558ccdU;
    return state ^ (state >> 32);
}

/* State after token `id`, number `index` of its segment chain. */
static inline uint64_t fake_step(uint64_t state, int32_t id, int32_t index, int32_t tile)
{
    if (index % tile == 0) {
        state = fake_mix(state, 0x7465);
    }
    return fake_mix(state, (uint64_t)(uint32_t)id);
}

struct fake_model fake_model_new(const struct wn_pack_limits *limits);
void fake_model_free(struct fake_model *model);
/* values[destination] of every want: a loss or logit is fake_mix(state, target); a pool the sum of its
 * rows' states. */
void fake_model_forward(struct fake_model *model, const struct wn_batch *batch, uint64_t *values,
                        int32_t *times, size_t n_values);
int32_t fake_model_held(const struct fake_model *model);

#endif
