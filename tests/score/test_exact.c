/* Exactness: the bits of a record's sums depend on the record, the recipe and the numeric class alone.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scoring.h"
#include "support.h"

#include "base/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Scored with one thread, batches of 256 rows, then in every other way. */
static void check_ways(const char *model, const char *profile, int32_t max_length,
                       const struct wn_corpus *corpus)
{
    const struct recipe plain = {
        .profile = profile, .max_length = max_length, .threads = 1, .batch_rows = 256};
    const struct {
        const char *what;
        int32_t threads, batch_rows;
        uint64_t unit;
        bool backwards, separate;
    } ways[] = {
        {"two threads", 2, 256, 0, false, false},
        {"batches of 1,024 rows", 1, 1024, 0, false, false},
        {"batches of one row tile", 1, 1, 0, false, false},
        {"units of 7 records, the last first", 1, 256, 7, true, false},
        {"units of one record, two threads", 2, 1024, 1, false, false},
        {"every text alone", 1, 256, 0, false, true},
        {"every text alone, large batches", 2, 1024, 0, false, true},
    };
    struct scored base = score_corpus(model, corpus, &plain);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct recipe recipe = plain;
        recipe.threads = ways[i].threads;
        recipe.batch_rows = ways[i].batch_rows;
        recipe.unit = ways[i].unit;
        recipe.backwards = ways[i].backwards;
        recipe.separate = ways[i].separate;
        struct scored other = score_corpus(model, corpus, &recipe);
        check_equal(&base, &other, ways[i].what);
        cr_assert_eq(base.counts.tokens, other.counts.tokens);
        cr_assert_eq(base.counts.rows, other.counts.rows, "%s: %llu rows and %llu", ways[i].what,
                     (unsigned long long)base.counts.rows, (unsigned long long)other.counts.rows);
        scored_free(&other);
    }
    scored_free(&base);
}

Test(exact, threads_heights_units_and_packing_change_no_bit)
{
    WN_TEST_SHARED("data/samples_edges.json", data);
    WN_TEST_SHARED("models/tiny-llama", llama);
    WN_TEST_SHARED("models/tiny-gpt2", gpt2);
    WN_TEST_SHARED("models/tiny-mistral", mistral);
    const char *const paths[] = {data};
    struct wn_corpus *corpus = open_corpus(paths, 1);
    check_ways(llama, "reflection", 0, corpus);
    check_ways(gpt2, "cherry-alpaca", 300, corpus);
    check_ways(mistral, "cherry-alpaca", 512, corpus);
    check_ways(gpt2, "superfiltering", 100, corpus);
    wn_corpus_free(corpus);
}

/* All records of a corpus as JSON Lines, the last first. */
static void write_backwards(const struct wn_corpus *corpus, const char *folder, char *out_path, size_t size)
{
    struct wn_error err = {0};
    struct wn_corpus_reader *reader = NULL;
    WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
    char *text = NULL;
    size_t n = 0;
    for (uint64_t i = wn_corpus_count(corpus); i-- > 0;) {
        struct wn_place place;
        struct wn_span bytes;
        WN_TEST_OK(wn_corpus_read(reader, i, &place, &bytes, &err));
        text = realloc(text, n + bytes.size + 1);
        cr_assert_not_null(text);
        for (size_t b = 0; b < bytes.size; b++) {
            text[n++] = bytes.data[b] == '\n' ? ' ' : bytes.data[b]; /* white space between members */
        }
        text[n++] = '\n';
    }
    write_file(folder, "backwards.jsonl", text, n, out_path, size);
    free(text);
    wn_corpus_reader_free(reader);
}

Test(exact, a_reordered_corpus_keeps_the_bits_of_every_record)
{
    WN_TEST_SHARED("data/samples_short.json", data);
    WN_TEST_SHARED("models/tiny-llama", model);
    const char *const paths[] = {data};
    struct wn_corpus *corpus = open_corpus(paths, 1);
    char folder[64], path[4096];
    make_folder(folder, sizeof folder);
    write_backwards(corpus, folder, path, sizeof path);
    const char *const reordered[] = {path};
    struct wn_corpus *other = open_corpus(reordered, 1);
    const struct recipe recipe = {.profile = "cherry-alpaca", .max_length = 256, .batch_rows = 256};
    struct scored a = score_corpus(model, corpus, &recipe);
    struct scored b = score_corpus(model, other, &recipe);
    cr_assert_eq(a.n, b.n);
    for (size_t i = 0; i < a.n; i++) {
        cr_assert(rows_equal(&a.rows[i], &b.rows[a.n - 1 - i]), "record %zu has other bits in another place",
                  i);
    }
    scored_free(&a);
    scored_free(&b);
    wn_corpus_free(other);
    wn_corpus_free(corpus);
    remove_folder(folder);
}

static void copy_file(const char *from_folder, const char *name, const char *to_folder, char *out_path,
                      size_t size)
{
    struct wn_error err = {0};
    struct wn_map map = {0};
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", from_folder, name);
    WN_TEST_OK(wn_map_open(path, WN_INPUT, &map, &err));
    write_file(to_folder, name, map.bytes.data, map.bytes.size, out_path, size);
    wn_map_close(&map);
}

/* Write NaN over row `id` of the embedding of a checkpoint of one file (float32). */
static void break_embedding(const char *path, int32_t id)
{
    struct wn_error err = {0};
    struct wn_map map = {0};
    struct wn_json *header = NULL;
    WN_TEST_OK(wn_map_open(path, WN_INPUT, &map, &err));
    uint64_t size = 0;
    memcpy(&size, map.bytes.data, sizeof size);
    WN_TEST_OK(wn_json_parse((struct wn_span){map.bytes.data + 8, (size_t)size}, WN_INPUT, &header, &err));
    const struct wn_json *tensor = wn_json_get(header, "model.embed_tokens.weight");
    cr_assert_not_null(tensor);
    cr_assert(wn_span_is(wn_json_text(wn_json_get(tensor, "dtype")), "F32"));
    int64_t channels = 0, begin = 0;
    cr_assert(wn_json_integer(wn_json_next(wn_json_first(wn_json_get(tensor, "shape"))), &channels));
    cr_assert(wn_json_integer(wn_json_first(wn_json_get(tensor, "data_offsets")), &begin));
    FILE *file = fopen(path, "r+b");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, (long)(8 + (int64_t)size + begin + id * channels * 4), SEEK_SET), 0);
    for (int64_t c = 0; c < channels; c++) {
        const float nan = NAN;
        cr_assert_eq(fwrite(&nan, sizeof nan, 1, file), 1);
    }
    cr_assert_eq(fclose(file), 0);
    wn_json_free(header);
    wn_map_close(&map);
}

static bool has_id(const int32_t *ids, uint32_t n, int32_t id)
{
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* An id of row 1 (direct text; not its last token, which is only predicted) that rows 0 and 2 lack. */
static int32_t own_id(const struct scored *scored)
{
    for (uint32_t t = 1; t + 1 < scored->rows[1].direct.n; t++) {
        const int32_t id = scored->direct_ids[1][t];
        if (!has_id(scored->cond_ids[0], scored->rows[0].cond.n, id) &&
            !has_id(scored->cond_ids[2], scored->rows[2].cond.n, id)) {
            return id;
        }
    }
    return -1;
}

Test(exact, a_record_that_is_not_finite_leaves_its_neighbours_alone)
{
    WN_TEST_SHARED("models/tiny-llama", model);
    static const char text[] =
        "{\"instruction\": \"Name the sea.\", \"input\": \"\", \"output\": \"The Baltic Sea is the name.\"}\n"
        "{\"instruction\": \"Count up.\", \"input\": \"\", \"output\": \"1 2 3 4 5 6 7 8 9, zigzag & "
        "quartz\"}\n"
        "{\"instruction\": \"Name the sky.\", \"input\": \"\", \"output\": \"The sky is the same.\"}\n";
    char folder[64], path[4096], tensors[4096];
    make_folder(folder, sizeof folder);
    copy_file(model, "config.json", folder, path, sizeof path);
    copy_file(model, "tokenizer.json", folder, path, sizeof path);
    copy_file(model, "model.safetensors", folder, tensors, sizeof tensors);
    write_file(folder, "three.jsonl", text, sizeof text - 1, path, sizeof path);
    const char *const paths[] = {path};
    struct wn_corpus *corpus = open_corpus(paths, 1);
    const struct recipe recipe = {.profile = "superfiltering", .batch_rows = 256, .keep_tokens = true};
    struct scored whole = score_corpus(folder, corpus, &recipe);
    const int32_t id = own_id(&whole);
    cr_assert_geq(id, 0);
    break_embedding(tensors, id);
    struct scored broken = score_corpus(folder, corpus, &recipe);
    cr_assert_eq(broken.rows[1].status, WN_STATUS_NAN);
    cr_assert(isnan(wn_row_ifd_ppl(&broken.rows[1])));
    cr_assert_eq(broken.rows[1].cond.k, whole.rows[1].cond.k);
    cr_assert(rows_equal(&broken.rows[0], &whole.rows[0]));
    cr_assert(rows_equal(&broken.rows[2], &whole.rows[2]));
    cr_assert_eq(whole.rows[1].status, WN_STATUS_OK);
    scored_free(&whole);
    scored_free(&broken);
    wn_corpus_free(corpus);
    remove_folder(folder);
}

Test(exact, five_thousand_records_give_the_same_rows_in_any_units)
{
    WN_TEST_SHARED("data/alpaca_gpt2_ifd_5200.json", data);
    WN_TEST_SHARED("models/stories260k", model);
    const char *const paths[] = {data};
    struct wn_corpus *corpus = open_corpus(paths, 1);
    const struct recipe plain = {.profile = "cherry-alpaca", .device = "null", .batch_rows = 2048, .n = 2600};
    struct recipe other = plain;
    other.batch_rows = 256;
    other.unit = 97;
    other.backwards = true;
    struct scored a = score_corpus(model, corpus, &plain);
    struct scored b = score_corpus(model, corpus, &other);
    check_equal(&a, &b, "units of 97, the last first, small batches");
    const double full = (double)a.counts.rows / (2048.0 * (double)a.counts.batches);
    printf("exact: %llu records, %llu tokens, %llu from headers, %llu rows in %llu batches (%.2f %% full)\n",
           (unsigned long long)a.counts.records, (unsigned long long)a.counts.tokens,
           (unsigned long long)a.counts.header_tokens, (unsigned long long)a.counts.rows,
           (unsigned long long)a.counts.batches, 100 * full);
    cr_assert_gt(full, 0.98); /* the last batch is as full as what is left */
    scored_free(&a);
    scored_free(&b);
    wn_corpus_free(corpus);
}
