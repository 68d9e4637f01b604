/* Rows as bytes.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   record: id_hash u64, offset u64, length u32, file u16, bulk flags u8, number of rows u32, then the rows
 *   row:    status u8, row flags u8, counted u32, cond, direct, and q_cond, q_direct where the flag says so
 *   side:   n u32, first u32, k u32, sum f64
 *   bulk:   per record, where the flag says so: ids of cond, losses of cond, ids of direct, losses of direct
 */
#include "store/store.h"

#include <math.h>

enum {
    /* row flags */
    HAS_REVERSE = 1,
    CUT_COND = 2,
    CUT_DIRECT = 4,
    CUT_Q_COND = 8,
    CUT_Q_DIRECT = 16,
    ROW_FLAGS = 31,
    /* bulk flags */
    COND_IDS = 1,
    COND_LOSSES = 2,
    DIRECT_IDS = 4,
    DIRECT_LOSSES = 8,
    BULK_FLAGS = 15,

    SIDE_BYTES = 20,
    ROW_LEAST = 6 + 2 * SIDE_BYTES /* of a row without reverse sides */
};

/* ---- writing ---- */

static void put_side(struct wn_bytes *bytes, const struct wn_side *side)
{
    wn_bytes_u32(bytes, side->n);
    wn_bytes_u32(bytes, side->first);
    wn_bytes_u32(bytes, side->k);
    wn_bytes_f64(bytes, side->sum);
}

static void put_row(struct wn_bytes *bytes, const struct wn_row *row)
{
    const bool has_reverse = row->has_reverse != 0;
    unsigned flags = has_reverse ? HAS_REVERSE : 0;
    flags |= row->cond.cut != 0 ? CUT_COND : 0;
    flags |= row->direct.cut != 0 ? CUT_DIRECT : 0;
    flags |= has_reverse && row->q_cond.cut != 0 ? CUT_Q_COND : 0;
    flags |= has_reverse && row->q_direct.cut != 0 ? CUT_Q_DIRECT : 0;
    wn_bytes_u8(bytes, (uint8_t)row->status);
    wn_bytes_u8(bytes, (uint8_t)flags);
    wn_bytes_u32(bytes, row->counted);
    put_side(bytes, &row->cond);
    put_side(bytes, &row->direct);
    if (has_reverse) {
        put_side(bytes, &row->q_cond);
        put_side(bytes, &row->q_direct);
    }
}

static void put_words(struct wn_bytes *bytes, const void *words, uint32_t n)
{
    if (words == NULL) {
        return;
    }
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
        wn_bytes_add(bytes, words, (size_t)n * sizeof(uint32_t));
        return;
    }
    for (uint32_t i = 0; i < n; ++i) {
        uint32_t word = 0;
        memcpy(&word, (const char *)words + (size_t)i * sizeof word, sizeof word);
        wn_bytes_u32(bytes, word);
    }
}

static unsigned bulk_flags(const struct wn_store_record *record)
{
    return (record->cond_ids != NULL ? COND_IDS : 0u) | (record->cond_losses != NULL ? COND_LOSSES : 0u) |
           (record->direct_ids != NULL ? DIRECT_IDS : 0u) |
           (record->direct_losses != NULL ? DIRECT_LOSSES : 0u);
}

void wn_rows_put(struct wn_bytes *bytes, struct wn_bytes *bulk, const struct wn_store_record *record)
{
    const bool has_rows = record->n_rows > 0 && record->rows != NULL;
    const struct wn_row *rows = has_rows ? record->rows : &record->fold;
    const uint32_t n_rows = has_rows ? record->n_rows : 1;
    wn_bytes_u64(bytes, record->id_hash);
    wn_bytes_u64(bytes, record->offset);
    wn_bytes_u32(bytes, record->length);
    wn_bytes_u16(bytes, record->file);
    wn_bytes_u8(bytes, (uint8_t)(bulk != NULL ? bulk_flags(record) : 0));
    wn_bytes_u32(bytes, n_rows);
    for (uint32_t i = 0; i < n_rows; ++i) {
        put_row(bytes, &rows[i]);
    }
    if (bulk != NULL) {
        put_words(bulk, record->cond_ids, record->fold.cond.k);
        put_words(bulk, record->cond_losses, record->fold.cond.k);
        put_words(bulk, record->direct_ids, record->fold.direct.k);
        put_words(bulk, record->direct_losses, record->fold.direct.k);
    }
}

/* ---- reading ---- */

static bool take_side(struct wn_span *left, struct wn_side *side)
{
    return wn_take_u32(left, &side->n) && wn_take_u32(left, &side->first) && wn_take_u32(left, &side->k) &&
           wn_take_f64(left, &side->sum);
}

static bool take_row(struct wn_span *left, struct wn_row *row)
{
    static const struct wn_side no_side = {.sum = (double)NAN};
    uint8_t status = 0;
    uint8_t flags = 0;
    if (!wn_take_u8(left, &status) || !wn_take_u8(left, &flags) || status >= WN_STATUS_COUNT ||
        (flags & ~(unsigned)ROW_FLAGS) != 0) {
        return false;
    }
    row->status = status;
    row->has_reverse = (flags & HAS_REVERSE) != 0;
    row->q_cond = row->q_direct = no_side;
    if (!wn_take_u32(left, &row->counted) || !take_side(left, &row->cond) || !take_side(left, &row->direct)) {
        return false;
    }
    row->cond.cut = (flags & CUT_COND) != 0;
    row->direct.cut = (flags & CUT_DIRECT) != 0;
    if (row->has_reverse == 0) {
        return (flags & (CUT_Q_COND | CUT_Q_DIRECT)) == 0;
    }
    row->q_cond.cut = (flags & CUT_Q_COND) != 0;
    row->q_direct.cut = (flags & CUT_Q_DIRECT) != 0;
    return take_side(left, &row->q_cond) && take_side(left, &row->q_direct);
}

static bool side_add(struct wn_side *total, const struct wn_side *side)
{
    return !__builtin_add_overflow(total->n, side->n, &total->n) &&
           !__builtin_add_overflow(total->k, side->k, &total->k);
}

/* Whether the counts of all rows add up within the fold's 32 bits. */
static bool counts_fit(const struct wn_row *rows, uint32_t n)
{
    struct wn_row total = {0};
    for (uint32_t i = 0; i < n; ++i) {
        if (!side_add(&total.cond, &rows[i].cond) || !side_add(&total.direct, &rows[i].direct) ||
            !side_add(&total.q_cond, &rows[i].q_cond) || !side_add(&total.q_direct, &rows[i].q_direct)) {
            return false;
        }
    }
    return true;
}

static wn_code fail_rows(uint64_t index, const char *what, struct wn_error *err)
{
    WN_FAIL(err, WN_IO,
            "the stored rows of record %llu are damaged (%s); score it again in another run folder",
            (unsigned long long)index, what);
}

static wn_code take_rows(struct wn_span *left, struct wn_arena *arena, struct wn_store_record *record,
                         struct wn_error *err)
{
    const uint64_t index = record->index;
    if (record->n_rows == 0 || record->n_rows > left->size / ROW_LEAST) {
        return fail_rows(index, "number of rows", err);
    }
    struct wn_row *rows = NULL;
    WN_TRY(WN_ARENA_NEW(arena, record->n_rows, &rows, err));
    for (uint32_t i = 0; i < record->n_rows; ++i) {
        rows[i].record = index;
        rows[i].part = i;
        rows[i].n_parts = record->n_rows;
        if (!take_row(left, &rows[i])) {
            return fail_rows(index, "a row", err);
        }
    }
    if (!counts_fit(rows, record->n_rows)) {
        return fail_rows(index, "counts of tokens", err);
    }
    record->rows = rows;
    return WN_OK;
}

/* `n` words of 4 bytes where `is_there`; *out stays NULL otherwise. */
static wn_code take_words(struct wn_span *bulk, bool is_there, uint32_t n, struct wn_arena *arena,
                          uint64_t index, const void **out, struct wn_error *err)
{
    if (!is_there) {
        return WN_OK;
    }
    if (n > bulk->size / sizeof(uint32_t)) {
        return fail_rows(index, "too few token losses", err);
    }
    uint32_t *words = NULL;
    WN_TRY(WN_ARENA_NEW(arena, n, &words, err));
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
        struct wn_span text = {0};
        if (wn_take(bulk, n * sizeof *words, &text) && n > 0) {
            memcpy(words, text.data, text.size);
        }
    } else {
        for (uint32_t i = 0; i < n; ++i) {
            (void)wn_take_u32(bulk, &words[i]);
        }
    }
    *out = words;
    return WN_OK;
}

static wn_code take_bulk(struct wn_span *bulk, unsigned flags, struct wn_arena *arena,
                         struct wn_store_record *record, struct wn_error *err)
{
    const uint64_t index = record->index;
    const uint32_t k_cond = record->fold.cond.k;
    const uint32_t k_direct = record->fold.direct.k;
    const void *words[4] = {NULL, NULL, NULL, NULL};
    WN_TRY(take_words(bulk, (flags & COND_IDS) != 0, k_cond, arena, index, &words[0], err));
    WN_TRY(take_words(bulk, (flags & COND_LOSSES) != 0, k_cond, arena, index, &words[1], err));
    WN_TRY(take_words(bulk, (flags & DIRECT_IDS) != 0, k_direct, arena, index, &words[2], err));
    WN_TRY(take_words(bulk, (flags & DIRECT_LOSSES) != 0, k_direct, arena, index, &words[3], err));
    record->cond_ids = words[0];
    record->cond_losses = words[1];
    record->direct_ids = words[2];
    record->direct_losses = words[3];
    return WN_OK;
}

wn_code wn_rows_take(struct wn_span *left, struct wn_span *bulk, uint64_t index, struct wn_arena *arena,
                     struct wn_store_record *out_record, struct wn_error *err)
{
    struct wn_store_record record = {.index = index};
    uint8_t flags = 0;
    if (!wn_take_u64(left, &record.id_hash) || !wn_take_u64(left, &record.offset) ||
        !wn_take_u32(left, &record.length) || !wn_take_u16(left, &record.file) || !wn_take_u8(left, &flags) ||
        !wn_take_u32(left, &record.n_rows)) {
        return fail_rows(index, "they end too early", err);
    }
    if ((flags & ~(unsigned)BULK_FLAGS) != 0) {
        return fail_rows(index, "flags", err);
    }
    WN_TRY(take_rows(left, arena, &record, err));
    wn_row_fold(record.rows, record.n_rows, &record.fold, &record.turn_mean);
    if (bulk != NULL) {
        WN_TRY(take_bulk(bulk, flags, arena, &record, err));
    }
    *out_record = record;
    return WN_OK;
}
