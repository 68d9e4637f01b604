/* See fake_model.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fake_model.h"
#include "support.h"

#include <stdlib.h>

struct fake_model fake_model_new(const struct wn_pack_limits *limits)
{
    struct fake_model model = {.limits = *limits};
    model.slots = calloc((size_t)limits->n_slots + 1, sizeof *model.slots);
    model.states = calloc((size_t)limits->batch_rows, sizeof *model.states);
    cr_assert(model.slots != NULL && model.states != NULL);
    return model;
}

void fake_model_free(struct fake_model *model)
{
    free(model->slots);
    free(model->states);
}

int32_t fake_model_held(const struct fake_model *model)
{
    int32_t n = 0;
    for (int32_t i = 0; i < model->limits.n_slots; i++) {
        n += model->slots[i].is_held;
    }
    return n;
}

static void check_alive(const struct fake_model *model, int32_t slot)
{
    for (; slot != WN_NONE; slot = model->slots[slot].parent) {
        cr_assert(slot >= 0 && slot < model->limits.n_slots);
        cr_assert(model->slots[slot].is_held, "slot %d is used after its release", slot);
    }
}

/* The slot whose content is the nearest kept ancestor of a segment that is kept: all between must be kept
 * too. */
static int32_t parent_slot(const struct wn_batch *batch, const struct wn_segment *segment)
{
    if (segment->parent == WN_NONE) {
        return segment->kept;
    }
    cr_assert_neq(batch->segments[segment->parent].keep, WN_NONE,
                  "a kept segment has a parent that is not kept");
    return batch->segments[segment->parent].keep;
}

static void run_segment(struct fake_model *model, const struct wn_batch *batch, int32_t s)
{
    const struct wn_segment *segment = &batch->segments[s];
    cr_assert_geq(segment->n, 1);
    cr_assert(segment->parent == WN_NONE || segment->kept == WN_NONE);
    cr_assert(segment->parent >= WN_NONE && segment->parent < s);
    uint64_t state = 1;
    int32_t position = 0;
    if (segment->parent != WN_NONE) {
        const struct wn_segment *parent = &batch->segments[segment->parent];
        state = model->states[parent->row + parent->n - 1];
        position = parent->position + parent->n;
        for (int32_t p = segment->parent; p != WN_NONE; p = batch->segments[p].parent) {
            check_alive(model, batch->segments[p].kept);
        }
    } else if (segment->kept != WN_NONE) {
        check_alive(model, segment->kept);
        state = model->slots[segment->kept].state;
        position = model->slots[segment->kept].end;
    }
    cr_assert_eq(segment->position, position, "segment %d begins at %d, not %d", s, segment->position,
                 position);
    cr_assert_leq(segment->position + segment->n, model->limits.positions);
    for (int32_t i = 0; i < segment->n; i++) {
        state = fake_step(state, batch->ids[segment->row + i], i, model->limits.key_tile);
        model->states[segment->row + i] = state;
    }
    if (segment->keep != WN_NONE) {
        struct fake_slot *slot = &model->slots[segment->keep];
        cr_assert(segment->keep >= 0 && segment->keep < model->limits.n_slots);
        cr_assert(!slot->is_held, "slot %d is overwritten", segment->keep);
        cr_assert_leq(segment->n, model->limits.slot_rows);
        *slot = (struct fake_slot){true, parent_slot(batch, segment), position + segment->n, state};
    }
}

static void answer(const struct fake_model *model, const struct wn_batch *batch, uint64_t *values,
                   int32_t *times, size_t n_values)
{
    for (int32_t w = 0; w < batch->n_wants; w++) {
        const struct wn_want *want = &batch->wants[w];
        cr_assert(want->destination >= 0 && (size_t)want->destination < n_values);
        times[want->destination]++;
        if (w > 0 && (want->kind == WN_WANT_POOL) == (want[-1].kind == WN_WANT_POOL)) {
            cr_assert_geq(want->row, want[-1].row, "want %d is out of order", w);
        }
        uint64_t value = 0;
        if (want->kind == WN_WANT_POOL) {
            cr_assert(want->row >= 0 && want->target >= 1 && want->row + want->target <= batch->n_rows);
            for (int32_t r = 0; r < want->target; r++) {
                value += model->states[want->row + r];
            }
        } else {
            cr_assert(want->row >= 0 && want->row < batch->n_head_rows);
            const struct wn_head_row *head = &batch->head_rows[want->row];
            const uint64_t state =
                head->row != WN_NONE ? model->states[head->row] : model->slots[head->kept].state;
            value = fake_mix(state, (uint64_t)(uint32_t)want->target);
        }
        values[want->destination] = value;
    }
}

void fake_model_forward(struct fake_model *model, const struct wn_batch *batch, uint64_t *values,
                        int32_t *times, size_t n_values)
{
    for (int32_t i = 0; i < batch->n_release; i++) {
        cr_assert(batch->release[i] >= 0 && batch->release[i] < model->limits.n_slots);
        cr_assert(model->slots[batch->release[i]].is_held, "slot %d is released and holds nothing",
                  batch->release[i]);
        model->slots[batch->release[i]].is_held = false;
    }
    for (int32_t i = 0; i < model->limits.n_slots; i++) {
        cr_assert(!model->slots[i].is_held || model->slots[i].parent == WN_NONE ||
                      model->slots[model->slots[i].parent].is_held,
                  "slot %d is released while slot %d is below it", model->slots[i].parent, i);
    }
    cr_assert(batch->n_rows >= 1 && batch->n_rows <= model->limits.batch_rows);
    int32_t row = 0;
    for (int32_t s = 0; s < batch->n_segments; s++) {
        cr_assert_eq(batch->segments[s].row, row, "segment %d leaves a gap", s);
        run_segment(model, batch, s);
        row += batch->segments[s].n;
    }
    cr_assert_eq(row, batch->n_rows);
    for (int32_t h = 0; h < batch->n_head_rows; h++) {
        const struct wn_head_row *head = &batch->head_rows[h];
        cr_assert((head->row == WN_NONE) != (head->kept == WN_NONE));
        cr_assert_lt(head->row, batch->n_rows);
        check_alive(model, head->kept);
        for (int32_t other = 0; other < h; other++) {
            cr_assert(head->row != batch->head_rows[other].row || head->kept != batch->head_rows[other].kept,
                      "head row %d is named twice", h);
        }
    }
    answer(model, batch, values, times, n_values);
    const int32_t held = fake_model_held(model);
    model->most_held = held > model->most_held ? held : model->most_held;
    model->rows += batch->n_rows;
    model->head_rows += batch->n_head_rows;
    model->batches++;
}
