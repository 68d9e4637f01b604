/* Batches that break the contract are refused by name and change nothing; weights that do not fit likewise.
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

enum { SLOTS = 4, SLOT_ROWS = 32, PATH = 100 };

static struct wn_network *network_new(struct plain_model *model)
{
    struct wn_config config = plain_llama();
    config.L = 1;
    struct wn_error err;
    struct wn_network *network = NULL;
    const struct wn_network_limits limits = {128, 1, SLOTS, SLOT_ROWS, PATH};
    plain_fill(model, &config, WN_F32, 1);
    WN_TEST_OK(
        wn_network_new(&config, model->tensors, model->n_tensors, wn_ops_cpu(), &limits, &network, &err));
    return network;
}

/* Slots 0 (10 rows) and 1 (20 rows, child of 0) are kept when a case is tried: then a sound batch of two
 * segments, a root of 8 and its child of 5, is spoilt. */
static void kept_by_child_of_released(struct hand *h)
{
    h->release[0] = 0;
    h->batch.n_release = 1;
}
static void release_empty(struct hand *h)
{
    h->release[0] = 3;
    h->batch.n_release = 1;
}
static void release_beyond(struct hand *h)
{
    h->release[0] = SLOTS;
    h->batch.n_release = 1;
}
static void release_twice(struct hand *h)
{
    h->release[0] = h->release[1] = 1;
    h->batch.n_release = 2;
}
static void gap(struct hand *h)
{
    h->segments[1].row = 9;
}
static void too_long(struct hand *h)
{
    h->segments[1].n = 6;
}
static void too_short(struct hand *h)
{
    h->segments[1].n = 4;
}
static void empty_segment(struct hand *h)
{
    h->segments[1].n = 0;
}
static void no_rows(struct hand *h)
{
    h->batch.n_rows = 0;
}
static void too_many_rows(struct hand *h)
{
    h->batch.n_rows = 129;
}
static void bad_id(struct hand *h)
{
    h->ids[3] = 1301;
}
static void negative_id(struct hand *h)
{
    h->ids[3] = -1;
}
static void parent_is_later(struct hand *h)
{
    h->segments[1].parent = 1;
}
static void two_parents(struct hand *h)
{
    h->segments[1].kept = 0;
}
static void kept_is_empty(struct hand *h)
{
    h->segments[0].kept = 2;
}
static void kept_was_released(struct hand *h)
{
    h->segments[0].kept = 1;
    h->segments[0].position = 30;
    h->segments[1].position = 38;
    h->release[0] = 1;
    h->batch.n_release = 1;
}
static void wrong_position(struct hand *h)
{
    h->segments[1].position = 7;
}
static void path_too_long(struct hand *h)
{
    h->segments[0].position = PATH - 4;
}
static void keep_in_use(struct hand *h)
{
    h->segments[0].keep = 1;
}
static void keep_twice(struct hand *h)
{
    h->segments[0].keep = h->segments[1].keep = 2;
}
static void keep_below_unkept(struct hand *h)
{
    h->segments[1].keep = 2;
}
static void unknown_flag(struct hand *h)
{
    h->segments[0].flags = 2;
}
static void bidirectional_parent(struct hand *h)
{
    h->segments[0].flags = WN_SEGMENT_BIDIRECTIONAL;
}
static void bidirectional_child(struct hand *h)
{
    h->segments[1].flags = WN_SEGMENT_BIDIRECTIONAL;
}
static void head_row_beyond(struct hand *h)
{
    h->head_rows[0].row = 13;
}
static void head_row_of_both(struct hand *h)
{
    h->head_rows[0].kept = 0;
}
static void head_row_of_new_slot(struct hand *h)
{
    h->segments[0].keep = 2;
    h->head_rows[0] = (struct wn_head_row){WN_NONE, 2};
}
static void want_row_beyond(struct hand *h)
{
    h->wants[0].row = h->batch.n_head_rows;
}
static void want_target(struct hand *h)
{
    h->wants[0].target = 1301;
}
static void want_kind(struct hand *h)
{
    h->wants[0].kind = 3;
}
static void want_temperature(struct hand *h)
{
    h->wants[0].inverse_temperature = 0.0F;
}
static void want_destination(struct hand *h)
{
    h->wants[0].destination = 64;
}
static void pool_beyond(struct hand *h)
{
    h->wants[0] = (struct wn_want){.row = 6, .target = 8, .kind = WN_WANT_POOL};
}
static void pool_without_result(struct hand *h)
{
    h->wants[0] = (struct wn_want){.row = 0, .target = 8, .kind = WN_WANT_POOL};
}

static const struct {
    void (*spoil)(struct hand *hand);
    const char *text; /* stands in the message */
} cases[] = {
    {kept_by_child_of_released, "slot 0 is released"},
    {release_empty, "release 0: slot 3"},
    {release_beyond, "release 0: slot 4"},
    {release_twice, "release 1: slot 1"},
    {gap, "segment 1"},
    {too_long, "segment 1 ends"},
    {too_short, "segments end at row 12"},
    {empty_segment, "segment 1: 0 rows"},
    {no_rows, "0 rows"},
    {too_many_rows, "129 rows"},
    {bad_id, "row 3: id 1301"},
    {negative_id, "row 3: id -1"},
    {parent_is_later, "segment 1: parent 1"},
    {two_parents, "segment 1 has two parents"},
    {kept_is_empty, "segment 0: slot 2"},
    {kept_was_released, "segment 0: slot 1"},
    {wrong_position, "segment 1: position 7"},
    {path_too_long, "segment 0: position 96"},
    {keep_in_use, "segment 0: slot 1"},
    {keep_twice, "segment 1: slot 2"},
    {keep_below_unkept, "segment 1 is kept"},
    {unknown_flag, "segment 0: unknown flags"},
    {bidirectional_parent, "segment 1: its parent is bidirectional"},
    {bidirectional_child, "segment 1 is bidirectional"},
    {head_row_beyond, "head row 0"},
    {head_row_of_both, "head row 0"},
    {head_row_of_new_slot, "head row 0"},
    {want_row_beyond, "want 0"},
    {want_target, "want 0"},
    {want_kind, "want 0"},
    {want_temperature, "want 0: inverse temperature"},
    {want_destination, "want 0: destination 64"},
    {pool_beyond, "want 0"},
    {pool_without_result, "want 0: destination 0"},
};

static void sound_batch(struct hand *hand, const int32_t *ids)
{
    hand_clear(hand);
    const int32_t root = hand_add(hand, hand_root, ids, 8, 0);
    hand_add(hand, (struct hand_place){root, WN_NONE, WN_NONE, 8, 0}, ids + 8, 5, 8);
}

Test(forward_contract, a_broken_batch_is_refused_by_name_and_changes_nothing)
{
    struct plain_model model;
    struct wn_network *network = network_new(&model);
    struct wn_error err;
    struct hand *hand = malloc(sizeof *hand);
    struct wn_value values[64];
    int32_t ids[32];
    for (int i = 0; i < 32; i++) {
        ids[i] = 5 * i;
    }
    hand_clear(hand);
    const int32_t root = hand_add(hand, (struct hand_place){WN_NONE, WN_NONE, 0, 0, 0}, ids, 10, -1);
    hand_add(hand, (struct hand_place){root, WN_NONE, 1, 10, 0}, ids, 20, -1);
    WN_TEST_OK(wn_network_forward(network, &hand->batch, values, 64, NULL, 0, &err));
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        sound_batch(hand, ids);
        cases[c].spoil(hand);
        const wn_code code = wn_network_forward(network, &hand->batch, values, 64, NULL, 0, &err);
        cr_assert_eq(code, WN_DEFECT, "case %zu (%s): code %d", c, cases[c].text, (int)code);
        cr_assert(strstr(err.text, cases[c].text) != NULL, "case %zu: \"%s\" lacks \"%s\"", c, err.text,
                  cases[c].text);
        sound_batch(hand, ids);
        WN_TEST_OK(wn_network_forward(network, &hand->batch, values, 64, NULL, 0, &err));
    }
    hand_clear(hand); /* both slots are still there, and free in the right order */
    hand_add(hand, (struct hand_place){WN_NONE, 1, WN_NONE, 30, 0}, ids, 5, 0);
    WN_TEST_OK(wn_network_forward(network, &hand->batch, values, 64, NULL, 0, &err));
    sound_batch(hand, ids);
    hand->release[0] = 0;
    hand->release[1] = 1;
    hand->batch.n_release = 2;
    hand->segments[0].keep = 0; /* released before kept */
    WN_TEST_OK(wn_network_forward(network, &hand->batch, values, 64, NULL, 0, &err));
    free(hand);
    wn_network_free(network);
    plain_free(&model);
}

Test(forward_contract, a_segment_longer_than_a_slot_is_not_kept)
{
    struct plain_model model;
    struct wn_network *network = network_new(&model);
    struct wn_error err;
    struct hand *hand = malloc(sizeof *hand);
    const int32_t ids[40] = {0};
    hand_clear(hand);
    hand_add(hand, (struct hand_place){WN_NONE, WN_NONE, 0, 0, 0}, ids, SLOT_ROWS + 1, -1);
    cr_assert_eq(wn_network_forward(network, &hand->batch, NULL, 0, NULL, 0, &err), WN_DEFECT);
    cr_assert(strstr(err.text, "a slot holds 32") != NULL, "%s", err.text);
    free(hand);
    wn_network_free(network);
    plain_free(&model);
}

Test(forward_contract, a_tensor_that_is_missing_or_misshapen_is_named)
{
    struct wn_config config = plain_llama();
    struct plain_model model;
    plain_fill(&model, &config, WN_F32, 1);
    const struct wn_network_limits limits = {128, 1, 0, 0, PATH};
    for (size_t i = 0; i < model.n_tensors; i++) {
        struct wn_tensor *tensor = &model.tensors[i];
        for (int k = 0; k < 2; k++) {
            const struct wn_tensor saved = *tensor;
            if (k == 0) {
                tensor->name[0] = 'X';
            } else {
                tensor->shape[0]++;
            }
            struct wn_error err;
            struct wn_network *network = NULL;
            const wn_code code = wn_network_new(&config, model.tensors, model.n_tensors,
                                                wn_ops_cpu_reference(), &limits, &network, &err);
            cr_assert_eq(code, WN_MODEL, "%s: code %d", saved.name, (int)code);
            cr_assert(strstr(err.text, saved.name) != NULL, "\"%s\" does not name %s", err.text, saved.name);
            *tensor = saved;
        }
    }
    plain_free(&model);
}
