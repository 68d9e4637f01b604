/* Rows as bytes: what is put is taken, and bytes that are no rows are refused.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "units.h"

static void sides_equal(const struct wn_side *a, const struct wn_side *b, uint64_t index)
{
    cr_assert(a->n == b->n && a->first == b->first && a->k == b->k && a->cut == b->cut, "record %llu",
              (unsigned long long)index);
    cr_assert(memcmp(&a->sum, &b->sum, sizeof a->sum) == 0, "sum of record %llu: %g, %g",
              (unsigned long long)index, a->sum, b->sum);
}

static void rows_equal(const struct wn_row *a, const struct wn_row *b)
{
    cr_assert(a->record == b->record && a->part == b->part && a->n_parts == b->n_parts &&
                  a->status == b->status && a->has_reverse == b->has_reverse && a->counted == b->counted,
              "row %llu.%u", (unsigned long long)a->record, (unsigned)a->part);
    sides_equal(&a->cond, &b->cond, a->record);
    sides_equal(&a->direct, &b->direct, a->record);
    sides_equal(&a->q_cond, &b->q_cond, a->record);
    sides_equal(&a->q_direct, &b->q_direct, a->record);
}

static void records_equal(const struct wn_store_record *a, const struct wn_store_record *b)
{
    cr_assert(a->index == b->index && a->id_hash == b->id_hash && a->offset == b->offset &&
                  a->length == b->length && a->file == b->file && a->n_rows == b->n_rows,
              "record %llu", (unsigned long long)a->index);
    for (uint32_t i = 0; i < a->n_rows; i++) {
        rows_equal(&a->rows[i], &b->rows[i]);
    }
    rows_equal(&a->fold, &b->fold);
    cr_assert(memcmp(&a->turn_mean, &b->turn_mean, sizeof a->turn_mean) == 0);
}

/* Record `index` with every variety: some without reverse sides, some cut. */
static struct wn_store_record varied(uint64_t index, struct wn_row rows[MAX_PARTS])
{
    struct wn_store_record record = record_make(index, UNIT_SEED, rows);
    for (uint32_t i = 0; i < record.n_rows; i++) {
        rows[i].cond.cut = index % 2;
        rows[i].direct.cut = index / 2 % 2;
        rows[i].q_cond.cut = index / 4 % 2;
        rows[i].q_direct.cut = index / 8 % 2;
        if ((index + i) % 3 == 0) {
            rows[i].has_reverse = 0;
            rows[i].q_cond = rows[i].q_direct = (struct wn_side){.sum = (double)NAN};
        }
    }
    wn_row_fold(rows, record.n_rows, &record.fold, &record.turn_mean);
    return record;
}

static void words_equal(const void *a, const void *b, uint32_t n)
{
    cr_assert((a == NULL) == (b == NULL));
    cr_assert(a == NULL || n == 0 || memcmp(a, b, (size_t)n * 4) == 0);
}

Test(rows, what_is_put_is_taken_with_turns_reverse_sides_and_bulk)
{
    enum { N = 400 };
    struct wn_error err;
    struct wn_bytes bytes = {0};
    struct wn_bytes bulk = {0};
    struct wn_arena *arena = NULL;
    int32_t ids[512];
    float losses[512];
    for (int i = 0; i < 512; i++) {
        ids[i] = i * 7 - 3;
        losses[i] = (float)i / 16.0F;
    }
    for (uint64_t i = 0; i < N; i++) {
        struct wn_row rows[MAX_PARTS];
        struct wn_store_record record = varied(i, rows);
        record.cond_ids = i % 7 != 0 ? ids : NULL;
        record.cond_losses = i % 5 != 0 ? losses : NULL;
        record.direct_ids = i % 3 != 0 ? ids : NULL;
        record.direct_losses = i % 2 != 0 ? losses : NULL;
        wn_rows_put(&bytes, &bulk, &record);
    }
    cr_assert(!bytes.is_short && !bulk.is_short && bulk.size > 0);
    WN_TEST_OK(wn_arena_new(&arena, &err));
    for (int pass = 0; pass < 2; pass++) {
        struct wn_span left = wn_bytes_span(&bytes);
        struct wn_span left_bulk = wn_bytes_span(&bulk);
        for (uint64_t i = 0; i < N; i++) {
            struct wn_row rows[MAX_PARTS];
            struct wn_store_record got;
            const struct wn_store_record record = varied(i, rows);
            WN_TEST_OK(wn_rows_take(&left, pass == 0 ? &left_bulk : NULL, i, arena, &got, &err));
            records_equal(&got, &record);
            words_equal(got.cond_ids, pass == 0 && i % 7 != 0 ? ids : NULL, record.fold.cond.k);
            words_equal(got.cond_losses, pass == 0 && i % 5 != 0 ? losses : NULL, record.fold.cond.k);
            words_equal(got.direct_ids, pass == 0 && i % 3 != 0 ? ids : NULL, record.fold.direct.k);
            words_equal(got.direct_losses, pass == 0 && i % 2 != 0 ? losses : NULL, record.fold.direct.k);
        }
        cr_assert(left.size == 0 && (pass == 1 || left_bulk.size == 0));
    }
    wn_arena_free(arena);
    wn_bytes_free(&bytes);
    wn_bytes_free(&bulk);
}

Test(rows, record_of_one_ifd_row_takes_about_eighty_bytes)
{
    struct wn_bytes bytes = {0};
    struct wn_row row = row_make(1, 0, 1, UNIT_SEED);
    row.has_reverse = 0;
    struct wn_store_record record = {.rows = &row, .n_rows = 1};
    wn_row_fold(&row, 1, &record.fold, &record.turn_mean);
    wn_rows_put(&bytes, NULL, &record);
    cr_assert_leq(bytes.size, 80, "%zu bytes", bytes.size);
    wn_bytes_free(&bytes);
}

Test(rows, record_without_rows_of_its_own_keeps_its_fold)
{
    struct wn_error err;
    struct wn_bytes bytes = {0};
    struct wn_arena *arena = NULL;
    struct wn_store_record record = {.fold = row_make(6, 0, 1, UNIT_SEED)};
    struct wn_store_record got;
    wn_rows_put(&bytes, NULL, &record);
    struct wn_span left = wn_bytes_span(&bytes);
    WN_TEST_OK(wn_arena_new(&arena, &err));
    WN_TEST_OK(wn_rows_take(&left, NULL, 6, arena, &got, &err));
    cr_assert_eq(got.n_rows, 1);
    rows_equal(&got.fold, &record.fold);
    wn_arena_free(arena);
    wn_bytes_free(&bytes);
}

/* Take all of `text`; false where it is refused, with WN_IO. */
static bool takes(struct wn_span text, struct wn_span bulk, uint64_t n, struct wn_arena *arena)
{
    struct wn_error err;
    struct wn_store_record got;
    for (uint64_t i = 0; i < n; i++) {
        const wn_code code = wn_rows_take(&text, &bulk, i, arena, &got, &err);
        cr_assert(code == WN_OK || code == WN_IO, "code %d", (int)code);
        if (code != WN_OK) {
            return false;
        }
        cr_assert_lt(got.fold.status, (uint32_t)WN_STATUS_COUNT);
    }
    return true;
}

Test(rows, cut_bytes_are_refused_at_every_length)
{
    struct wn_error err;
    struct wn_bytes bytes = {0};
    struct wn_bytes bulk = {0};
    struct wn_arena *arena = NULL;
    int32_t ids[512] = {0};
    for (uint64_t i = 0; i < 5; i++) {
        struct wn_row rows[MAX_PARTS];
        struct wn_store_record record = varied(i, rows);
        record.cond_ids = ids;
        wn_rows_put(&bytes, &bulk, &record);
    }
    WN_TEST_OK(wn_arena_new(&arena, &err));
    for (size_t size = 0; size <= bytes.size; size++) {
        /* A copy of exactly this size, so that the address sanitizer sees a step too far. */
        char *copy = malloc(size + 1);
        memcpy(copy, bytes.data, size);
        copy = realloc(copy, size > 0 ? size : 1);
        cr_assert_eq(takes((struct wn_span){copy, size}, wn_bytes_span(&bulk), 5, arena), size == bytes.size,
                     "%zu of %zu bytes", size, bytes.size);
        wn_arena_reset(arena);
        free(copy);
    }
    for (size_t size = 0; size < bulk.size; size++) {
        cr_assert(!takes(wn_bytes_span(&bytes), (struct wn_span){(const char *)bulk.data, size}, 5, arena));
        wn_arena_reset(arena);
    }
    wn_arena_free(arena);
    wn_bytes_free(&bytes);
    wn_bytes_free(&bulk);
}

Test(rows, hostile_bytes_never_reach_beyond_their_end)
{
    struct wn_error err;
    struct wn_bytes bytes = {0};
    struct wn_arena *arena = NULL;
    for (uint64_t i = 0; i < 10; i++) {
        struct wn_row rows[MAX_PARTS];
        const struct wn_store_record record = varied(i, rows);
        wn_rows_put(&bytes, NULL, &record);
    }
    WN_TEST_OK(wn_arena_new(&arena, &err));
    for (uint64_t seed = 0; seed < 20000; seed++) {
        const size_t at = mix(seed) % bytes.size;
        const unsigned char before = bytes.data[at];
        bytes.data[at] = (unsigned char)mix(seed + 77);
        (void)takes(wn_bytes_span(&bytes), (struct wn_span){NULL, 0}, 10, arena);
        bytes.data[at] = before;
        wn_arena_reset(arena);
    }
    wn_arena_free(arena);
    wn_bytes_free(&bytes);
}

/* Offsets within a record of one row, as the file's purpose line lists them. */
Test(rows, fields_out_of_range_are_refused)
{
    static const struct {
        const char *what;
        size_t at;
        unsigned char value;
    } cases[] = {
        {"bulk flags", 22, 16},
        {"no rows", 23, 0},
        {"too many rows", 26, 255},
        {"65,537 rows", 25, 1},
        {"status", 27, 10},
        {"row flags", 28, 32},
        {"reverse side cut, none there", 28, 8},
    };
    struct wn_error err;
    struct wn_arena *arena = NULL;
    WN_TEST_OK(wn_arena_new(&arena, &err));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wn_bytes bytes = {0};
        struct wn_row row = row_make(1, 0, 1, UNIT_SEED);
        struct wn_store_record got;
        row.has_reverse = 0;
        const struct wn_store_record record = {.rows = &row, .n_rows = 1};
        wn_rows_put(&bytes, NULL, &record);
        bytes.data[cases[i].at] = cases[i].value;
        struct wn_span left = wn_bytes_span(&bytes);
        cr_assert_eq(wn_rows_take(&left, NULL, 41, arena, &got, &err), WN_IO, "%s", cases[i].what);
        cr_assert_not_null(strstr(err.text, "record 41"), "%s", err.text);
        cr_assert_lt(wn_arena_used(arena), 65536, "%s: memory is asked for what cannot be there",
                     cases[i].what);
        wn_bytes_free(&bytes);
    }
    wn_arena_free(arena);
}

Test(rows, counts_that_do_not_add_up_in_32_bits_are_refused)
{
    struct wn_error err;
    struct wn_arena *arena = NULL;
    struct wn_bytes bytes = {0};
    struct wn_store_record got;
    struct wn_row rows[2] = {row_make(1, 0, 2, UNIT_SEED), row_make(1, 1, 2, UNIT_SEED)};
    rows[0].cond.k = rows[1].cond.k = UINT32_C(1) << 31;
    const struct wn_store_record record = {.rows = rows, .n_rows = 2};
    wn_rows_put(&bytes, NULL, &record);
    struct wn_span left = wn_bytes_span(&bytes);
    WN_TEST_OK(wn_arena_new(&arena, &err));
    cr_assert_eq(wn_rows_take(&left, NULL, 1, arena, &got, &err), WN_IO);
    wn_arena_free(arena);
    wn_bytes_free(&bytes);
}
