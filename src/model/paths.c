/* Batches against their contract: see paths.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/paths.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    int32_t n; /* rows; 0 = free */
    int32_t position;
    int32_t parent; /* slot, or WN_NONE */
    bool is_new;    /* kept by the batch in hand */
};

struct wn_paths {
    struct wn_paths_limits limits;
    struct slot *slots; /* [n_slots]: as the last batch left them */
    struct slot *next;  /* [n_slots]: as the batch in hand will leave them */
    struct wn_plan plan;
    struct wn_piece *pieces;
    int64_t *first_piece;
    int64_t piece_room, segment_room;
};

wn_code wn_paths_new(const struct wn_paths_limits *limits, struct wn_paths **out_paths, struct wn_error *err)
{
    struct wn_paths *paths = calloc(1, sizeof *paths);
    WN_CHECK(paths != NULL, err, WN_DEVICE, "no memory for the paths of a batch");
    const size_t n = limits->n_slots > 0 ? (size_t)limits->n_slots : 1;
    paths->limits = *limits;
    paths->slots = calloc(n, sizeof *paths->slots);
    paths->next = calloc(n, sizeof *paths->next);
    if (paths->slots == NULL || paths->next == NULL) {
        wn_paths_free(paths);
        WN_FAIL(err, WN_DEVICE, "no memory for %zu slots", n);
    }
    *out_paths = paths;
    return WN_OK;
}

void wn_paths_free(struct wn_paths *paths)
{
    if (paths != NULL) {
        free(paths->slots);
        free(paths->next);
        free(paths->pieces);
        free(paths->first_piece);
        free(paths);
    }
}

static bool is_slot(const struct wn_paths *paths, int32_t slot)
{
    return slot >= 0 && slot < paths->limits.n_slots;
}

/* Kept by an earlier batch and not released by this one. */
static bool is_alive(const struct wn_paths *paths, int32_t slot)
{
    return is_slot(paths, slot) && paths->next[slot].n > 0 && !paths->next[slot].is_new;
}

static wn_code releases_check(struct wn_paths *paths, const struct wn_batch *batch, struct wn_error *err)
{
    WN_CHECK(batch->n_release >= 0 && (batch->n_release == 0 || batch->release != NULL), err, WN_DEFECT,
             "batch: n_release is %d", batch->n_release);
    for (int32_t i = 0; i < batch->n_release; i++) {
        const int32_t slot = batch->release[i];
        WN_CHECK(is_alive(paths, slot), err, WN_DEFECT, "batch: release %d: slot %d holds nothing", i, slot);
        paths->next[slot].n = 0;
    }
    for (int32_t slot = 0; slot < paths->limits.n_slots; slot++) {
        const struct slot *kept = &paths->next[slot];
        WN_CHECK(kept->n == 0 || kept->parent == WN_NONE || paths->next[kept->parent].n > 0, err, WN_DEFECT,
                 "batch: slot %d is released while its descendant in slot %d is alive", kept->parent, slot);
    }
    return WN_OK;
}

static wn_code rows_check(const struct wn_paths *paths, const struct wn_batch *batch, struct wn_error *err)
{
    WN_CHECK(batch->n_rows >= 1 && batch->n_rows <= paths->limits.batch_rows, err, WN_DEFECT,
             "batch: %d rows; between 1 and %d can be run", batch->n_rows, paths->limits.batch_rows);
    WN_CHECK(batch->n_segments >= 1 && batch->segments != NULL && batch->ids != NULL, err, WN_DEFECT,
             "batch: no segment or no ids");
    for (int32_t r = 0; r < batch->n_rows; r++) {
        WN_CHECK(batch->ids[r] >= 0 && batch->ids[r] < paths->limits.V, err, WN_DEFECT,
                 "batch: row %d: id %d is not below %d", r, batch->ids[r], paths->limits.V);
    }
    int64_t row = 0;
    for (int32_t s = 0; s < batch->n_segments; s++) {
        const struct wn_segment *segment = &batch->segments[s];
        WN_CHECK(segment->row == row && segment->n >= 1, err, WN_DEFECT,
                 "batch: segment %d: %d rows at row %d, but the one before ends at %lld", s, segment->n,
                 segment->row, (long long)row);
        row += segment->n;
        WN_CHECK(row <= batch->n_rows, err, WN_DEFECT, "batch: segment %d ends at row %lld of %d", s,
                 (long long)row, batch->n_rows);
    }
    WN_CHECK(row == batch->n_rows, err, WN_DEFECT, "batch: segments end at row %lld of %d", (long long)row,
             batch->n_rows);
    return WN_OK;
}

/* Parent and position of segment s. */
static wn_code parent_check(const struct wn_paths *paths, const struct wn_batch *batch, int32_t s,
                            struct wn_error *err)
{
    const struct wn_segment *segment = &batch->segments[s];
    int64_t position = 0;
    WN_CHECK(segment->parent == WN_NONE || segment->kept == WN_NONE, err, WN_DEFECT,
             "batch: segment %d has two parents", s);
    if (segment->parent != WN_NONE) {
        WN_CHECK(segment->parent >= 0 && segment->parent < s, err, WN_DEFECT,
                 "batch: segment %d: parent %d does not stand before it", s, segment->parent);
        const struct wn_segment *parent = &batch->segments[segment->parent];
        WN_CHECK((parent->flags & WN_SEGMENT_BIDIRECTIONAL) == 0, err, WN_DEFECT,
                 "batch: segment %d: its parent is bidirectional", s);
        position = (int64_t)parent->position + parent->n;
    } else if (segment->kept != WN_NONE) {
        WN_CHECK(is_alive(paths, segment->kept), err, WN_DEFECT, "batch: segment %d: slot %d holds no parent",
                 s, segment->kept);
        position = (int64_t)paths->next[segment->kept].position + paths->next[segment->kept].n;
    }
    WN_CHECK(segment->position == position, err, WN_DEFECT,
             "batch: segment %d: position %d, but its parent ends at %lld", s, segment->position,
             (long long)position);
    WN_CHECK(position + segment->n <= paths->limits.max_path, err, WN_DEFECT,
             "batch: segment %d ends at path position %lld; paths of %d tokens can be run", s,
             (long long)(position + segment->n), paths->limits.max_path);
    return WN_OK;
}

static wn_code flags_check(const struct wn_batch *batch, int32_t s, struct wn_error *err)
{
    const struct wn_segment *segment = &batch->segments[s];
    const bool is_root = segment->parent == WN_NONE && segment->kept == WN_NONE;
    WN_CHECK((segment->flags & ~(uint32_t)WN_SEGMENT_BIDIRECTIONAL) == 0, err, WN_DEFECT,
             "batch: segment %d: unknown flags %#x", s, (unsigned)segment->flags);
    WN_CHECK((segment->flags & WN_SEGMENT_BIDIRECTIONAL) == 0 || (is_root && segment->keep == WN_NONE), err,
             WN_DEFECT, "batch: segment %d is bidirectional, which only a root that is not kept can be", s);
    return WN_OK;
}

static wn_code keep_check(struct wn_paths *paths, const struct wn_batch *batch, int32_t s,
                          struct wn_error *err)
{
    const struct wn_segment *segment = &batch->segments[s];
    if (segment->keep == WN_NONE) {
        return WN_OK;
    }
    WN_CHECK(is_slot(paths, segment->keep) && paths->next[segment->keep].n == 0, err, WN_DEFECT,
             "batch: segment %d: slot %d does not exist or is in use", s, segment->keep);
    WN_CHECK(segment->n <= paths->limits.slot_rows, err, WN_DEFECT,
             "batch: segment %d: %d rows; a slot holds %d", s, segment->n, paths->limits.slot_rows);
    int32_t parent = segment->kept;
    if (segment->parent != WN_NONE) {
        parent = batch->segments[segment->parent].keep;
        WN_CHECK(parent != WN_NONE, err, WN_DEFECT, "batch: segment %d is kept, but its parent %d is not", s,
                 segment->parent);
    }
    paths->next[segment->keep] = (struct slot){segment->n, segment->position, parent, true};
    return WN_OK;
}

static wn_code want_check(const struct wn_paths *paths, const struct wn_batch *batch, int32_t w,
                          size_t n_values, size_t n_pools, struct wn_error *err)
{
    const struct wn_want *want = &batch->wants[w];
    const bool is_pool = want->kind == WN_WANT_POOL;
    const bool is_range = is_pool && want->row >= 0 && want->target >= 1 && want->row < batch->n_rows &&
                          want->target <= batch->n_rows - want->row &&
                          want->pool <= WN_POOL_POSITION_WEIGHTED;
    const bool is_scored = !is_pool && want->kind <= WN_WANT_LOGIT && want->row >= 0 &&
                           want->row < batch->n_head_rows && want->target >= 0 &&
                           want->target < paths->limits.V;
    WN_CHECK(is_range || is_scored, err, WN_DEFECT, "batch: want %d: kind %d, row %d, target %d", w,
             (int)want->kind, want->row, want->target);
    WN_CHECK(want->destination >= 0 && (size_t)want->destination < (is_pool ? n_pools : n_values), err,
             WN_DEFECT, "batch: want %d: destination %lld is beyond the results", w,
             (long long)want->destination);
    WN_CHECK(want->kind != WN_WANT_LOSS ||
                 (want->inverse_temperature > 0.0F && isfinite(want->inverse_temperature)),
             err, WN_DEFECT, "batch: want %d: inverse temperature %g", w, (double)want->inverse_temperature);
    return WN_OK;
}

static wn_code wants_check(const struct wn_paths *paths, const struct wn_batch *batch, size_t n_values,
                           size_t n_pools, struct wn_error *err)
{
    WN_CHECK(batch->n_head_rows >= 0 && (batch->n_head_rows == 0 || batch->head_rows != NULL) &&
                 batch->n_wants >= 0 && (batch->n_wants == 0 || batch->wants != NULL),
             err, WN_DEFECT, "batch: %d head rows, %d wants", batch->n_head_rows, batch->n_wants);
    for (int32_t h = 0; h < batch->n_head_rows; h++) {
        const struct wn_head_row *row = &batch->head_rows[h];
        const bool is_row = row->kept == WN_NONE && row->row >= 0 && row->row < batch->n_rows;
        const bool is_kept = row->row == WN_NONE && is_alive(paths, row->kept);
        WN_CHECK(is_row || is_kept, err, WN_DEFECT, "batch: head row %d: row %d, slot %d", h, row->row,
                 row->kept);
    }
    for (int32_t w = 0; w < batch->n_wants; w++) {
        WN_TRY(want_check(paths, batch, w, n_values, n_pools, err));
    }
    return WN_OK;
}

/* Number of pieces of the path that ends in segment s, itself counted. */
static int64_t pieces_count(const struct wn_paths *paths, const struct wn_batch *batch, int32_t s)
{
    const struct wn_segment *segment = &batch->segments[s];
    if (segment->parent != WN_NONE) {
        return paths->first_piece[segment->parent + 1] - paths->first_piece[segment->parent] + 1;
    }
    int64_t n = 1;
    for (int32_t slot = segment->kept; slot != WN_NONE; slot = paths->next[slot].parent) {
        n++;
    }
    return n;
}

static void pieces_fill(struct wn_paths *paths, const struct wn_batch *batch, int32_t s)
{
    const struct wn_segment *segment = &batch->segments[s];
    struct wn_piece *first = paths->pieces + paths->first_piece[s];
    struct wn_piece *last = paths->pieces + paths->first_piece[s + 1] - 1;
    *last = (struct wn_piece){WN_NONE, segment->row, segment->n, segment->position};
    if (segment->parent != WN_NONE) {
        memcpy(first, paths->pieces + paths->first_piece[segment->parent],
               (size_t)(last - first) * sizeof *first);
        return;
    }
    for (int32_t slot = segment->kept; slot != WN_NONE; slot = paths->next[slot].parent) {
        const struct slot *kept = &paths->next[slot];
        *--last = (struct wn_piece){slot, WN_NONE, kept->n, kept->position};
    }
}

static wn_code pieces_list(struct wn_paths *paths, const struct wn_batch *batch, struct wn_error *err)
{
    const int64_t n_segments = batch->n_segments;
    if (n_segments + 1 > paths->segment_room) {
        free(paths->first_piece);
        paths->segment_room = 0;
        paths->first_piece = calloc((size_t)n_segments + 1, sizeof *paths->first_piece);
        WN_CHECK(paths->first_piece != NULL, err, WN_DEVICE, "no memory for %lld segments",
                 (long long)n_segments);
        paths->segment_room = n_segments + 1;
    }
    paths->first_piece[0] = 0;
    for (int32_t s = 0; s < batch->n_segments; s++) {
        paths->first_piece[s + 1] = paths->first_piece[s] + pieces_count(paths, batch, s);
    }
    const int64_t n_pieces = paths->first_piece[n_segments];
    if (n_pieces > paths->piece_room) {
        free(paths->pieces);
        paths->piece_room = 0;
        paths->pieces = calloc((size_t)n_pieces, sizeof *paths->pieces);
        WN_CHECK(paths->pieces != NULL, err, WN_DEVICE, "no memory for %lld pieces of paths",
                 (long long)n_pieces);
        paths->piece_room = n_pieces;
    }
    for (int32_t s = 0; s < batch->n_segments; s++) {
        pieces_fill(paths, batch, s);
    }
    return WN_OK;
}

wn_code wn_paths_plan(struct wn_paths *paths, const struct wn_batch *batch, size_t n_values, size_t n_pools,
                      const struct wn_plan **out_plan, struct wn_error *err)
{
    memcpy(paths->next, paths->slots, (size_t)paths->limits.n_slots * sizeof *paths->next);
    WN_TRY(rows_check(paths, batch, err));
    WN_TRY(releases_check(paths, batch, err));
    for (int32_t s = 0; s < batch->n_segments; s++) {
        WN_TRY(parent_check(paths, batch, s, err));
        WN_TRY(flags_check(batch, s, err));
        WN_TRY(keep_check(paths, batch, s, err));
    }
    WN_TRY(wants_check(paths, batch, n_values, n_pools, err));
    WN_TRY(pieces_list(paths, batch, err));
    paths->plan = (struct wn_plan){batch, paths->pieces, paths->first_piece};
    *out_plan = &paths->plan;
    return WN_OK;
}

void wn_paths_commit(struct wn_paths *paths)
{
    for (int32_t slot = 0; slot < paths->limits.n_slots; slot++) {
        paths->slots[slot] = paths->next[slot];
        paths->slots[slot].is_new = false;
    }
}
