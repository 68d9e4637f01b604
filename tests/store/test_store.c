/* scores.h5: what is written is read, equal inputs give equal digests, and failures leave nothing behind.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "table.h"

#include <signal.h>
#include <sys/resource.h>

/* HDF5 1.10.8 frees nothing of a file whose last writes failed, nor of some damaged ones; our own memory is
 * still looked at by the leak check of the address sanitizer. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

static const struct wn_store_options plain = {0};

/* What a column must hold, stated apart from the code under test. */
static double expected(const char *column, const struct wn_store_record *r)
{
    const struct wn_row *f = &r->fold;
    const bool ok = f->status <= WN_STATUS_TRUNCATED;
    const double cond = f->cond.k == 0 ? (double)NAN : f->cond.sum / f->cond.k;
    const double direct = f->direct.k == 0 ? (double)NAN : f->direct.sum / f->direct.k;
    const double q_cond = f->q_cond.k == 0 ? (double)NAN : f->q_cond.sum / f->q_cond.k;
    const double q_direct = f->q_direct.k == 0 ? (double)NAN : f->q_direct.sum / f->q_direct.k;
    const struct {
        const char *name;
        double value;
    } all[] = {
        {"index", (double)r->index},
        {"id_hash", (double)r->id_hash},
        {"file", r->file},
        {"offset", (double)r->offset},
        {"length", r->length},
        {"status", f->status},
        {"n_cond", f->cond.n},
        {"first_cond", f->cond.first},
        {"k_cond", f->cond.k},
        {"sum_cond", f->cond.sum},
        {"loss_cond", cond},
        {"ppl_cond", exp(cond)},
        {"n_direct", f->direct.n},
        {"first_direct", f->direct.first},
        {"k_direct", f->direct.k},
        {"sum_direct", f->direct.sum},
        {"loss_direct", direct},
        {"ppl_direct", exp(direct)},
        {"counted", f->counted},
        {"ifd_loss", ok ? cond / direct : (double)NAN},
        {"ifd_ppl", ok ? exp(cond - direct) : (double)NAN},
        {"ifd_ppl_turn_mean", r->turn_mean},
        {"n_q_cond", f->q_cond.n},
        {"first_q_cond", f->q_cond.first},
        {"k_q_cond", f->q_cond.k},
        {"sum_q_cond", f->q_cond.sum},
        {"loss_q_cond", q_cond},
        {"ppl_q_cond", exp(q_cond)},
        {"n_q_direct", f->q_direct.n},
        {"first_q_direct", f->q_direct.first},
        {"k_q_direct", f->q_direct.k},
        {"sum_q_direct", f->q_direct.sum},
        {"loss_q_direct", q_direct},
        {"ppl_q_direct", exp(q_direct)},
        {"rifd_loss", q_cond / q_direct},
        {"rifd_ppl", exp(q_cond - q_direct)},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i].name, column) == 0) {
            return all[i].value;
        }
    }
    cr_assert_fail("no expectation for column %s", column);
    return 0;
}

static void columns_equal_records(const char *path, uint64_t n, uint64_t seed)
{
    struct wn_error err;
    struct wn_scores *scores = NULL;
    WN_TEST_OK(wn_scores_open(path, &scores, &err));
    cr_assert_eq(wn_scores_count(scores), n);
    double *values = malloc((n + 1) * sizeof *values);
    const char *const *names = wn_scores_columns(scores);
    for (size_t c = 0; names[c] != NULL; c++) {
        if (strcmp(names[c], "rank") == 0) {
            continue;
        }
        WN_TEST_OK(wn_scores_doubles(scores, names[c], 0, n, values, &err));
        for (uint64_t i = 0; i < n; i++) {
            struct wn_row rows[MAX_PARTS];
            const struct wn_store_record record = record_make(i, seed, rows);
            const double want = expected(names[c], &record);
            const double one_nan = (double)NAN; /* whatever NaN came in, one goes out */
            cr_assert(!isnan(values[i]) || memcmp(&values[i], &one_nan, sizeof one_nan) == 0,
                      "%s[%llu]: another NaN", names[c], (unsigned long long)i);
            cr_assert(values[i] == want || (isnan(values[i]) && isnan(want)),
                      "%s[%llu] = %.17g, expected %.17g", names[c], (unsigned long long)i, values[i], want);
        }
    }
    free(values);
    wn_scores_close(scores);
}

Test(store, every_column_is_read_as_it_was_written)
{
    static const uint64_t sizes[] = {0, 1, 3, 1000};
    const struct place place = place_new();
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const struct wn_store_options options = {.has_reverse = true};
        table_write(place.path, sizes[s], &options, 7);
        columns_equal_records(place.path, sizes[s], 7);
    }
    place_free(&place);
}

Test(store, columns_longer_than_a_chunk_are_whole)
{
    static const uint64_t sizes[] = {65535, 65536, 65537, 131072};
    const struct place place = place_new();
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct wn_error err;
        struct wn_scores *scores = NULL;
        table_write(place.path, sizes[s], &plain, 3);
        WN_TEST_OK(wn_scores_open(place.folder, &scores, &err)); /* the folder of a run does as well */
        cr_assert_str_eq(wn_scores_path(scores), place.path);
        uint64_t *values = malloc(sizes[s] * sizeof *values);
        WN_TEST_OK(wn_scores_integers(scores, "index", 0, sizes[s], values, &err));
        for (uint64_t i = 0; i < sizes[s]; i++) {
            cr_assert_eq(values[i], i);
        }
        WN_TEST_OK(wn_scores_integers(scores, "id_hash", sizes[s] - 3, 3, values, &err));
        cr_assert_eq(values[2], mix(sizes[s] - 1 + 3));
        free(values);
        wn_scores_close(scores);
    }
    place_free(&place);
}

/* Place of record i by counting those before it. */
static uint64_t rank_restated(const double *score, uint64_t n, uint64_t i, bool larger_first)
{
    uint64_t before = 0;
    for (uint64_t j = 0; j < n; j++) {
        before += score[j] > score[i] || (score[j] == score[i] && (larger_first ? j > i : j < i));
    }
    return isnan(score[i]) ? UINT64_MAX : before;
}

Test(store, rank_is_the_place_by_score_with_the_tie_rule)
{
    enum { N = 400 };
    const struct place place = place_new();
    for (int c = 0; c < 4; c++) {
        const struct wn_store_options options = {.rank_by_loss = c % 2 == 1, .larger_index_first = c >= 2};
        struct wn_error err;
        struct wn_scores *scores = NULL;
        struct wn_store *store = NULL;
        double score[N], reals[N];
        uint64_t ranks[N];
        WN_TEST_OK(wn_store_create(place.path, N, &options, &store, &err));
        for (uint64_t i = 0; i < N; i++) {
            /* few distinct values, so that ties abound; some above 1, infinite, 0, without tokens */
            struct wn_row row = {
                .record = i, .n_parts = 1, .status = (uint32_t)(i % 13 == 12 ? i / 13 % 10 : i % 2)};
            row.cond = (struct wn_side){.n = 9, .first = 1, .k = 4, .sum = (double)(mix(i) % 6)};
            row.direct = (struct wn_side){.n = 9, .first = 1, .k = 4, .sum = (double)(mix(i + 9000) % 4)};
            row.cond.sum = i % 17 == 3 ? 1e6 : row.cond.sum;
            const struct wn_store_record record = {
                .index = i, .fold = row, .turn_mean = NAN, .rows = &row, .n_rows = 1};
            WN_TEST_OK(wn_store_put(store, &record, &err));
            score[i] = options.rank_by_loss ? row.cond.sum / 4 / (row.direct.sum / 4)
                                            : exp(row.cond.sum / 4 - row.direct.sum / 4);
            score[i] = row.status > WN_STATUS_TRUNCATED || !isfinite(score[i]) ? (double)NAN : score[i];
        }
        WN_TEST_OK(wn_store_finish(&store, NULL, 0, &err));
        WN_TEST_OK(wn_scores_open(place.path, &scores, &err));
        WN_TEST_OK(wn_scores_integers(scores, "rank", 0, N, ranks, &err));
        WN_TEST_OK(wn_scores_doubles(scores, "rank", 0, N, reals, &err));
        for (uint64_t i = 0; i < N; i++) {
            const uint64_t want = rank_restated(score, N, i, options.larger_index_first);
            cr_assert_eq(ranks[i], want, "case %d: rank[%d] = %llu, expected %llu", c, (int)i,
                         (unsigned long long)ranks[i], (unsigned long long)want);
            cr_assert(want == UINT64_MAX ? isnan(reals[i]) != 0 : reals[i] == (double)want);
        }
        cr_assert_str_eq(wn_scores_attribute(scores, "score"), options.rank_by_loss ? "ifd_loss" : "ifd_ppl");
        wn_scores_close(scores);
    }
    place_free(&place);
}

Test(store, equal_inputs_give_equal_digests_whatever_the_provenance)
{
    const struct wn_store_attribute a[] = {{"host", "one"}, {"created", "2026-01-01T00:00:00Z"}};
    const struct wn_store_attribute b[] = {{"host", "another-host.example"},
                                           {"created", "2027-01-01T00:00:00Z"}};
    const struct place place = place_new();
    char first[33], second[33], size[2][33];
    for (int i = 0; i < 2; i++) {
        const struct wn_store_options options = {
            .has_reverse = true, .has_tokens = true, .provenance = i == 0 ? a : b, .n_provenance = 2};
        table_write(place.path, 700, &options, 5);
        digest_of(place.path, i == 0 ? first : second);
        struct stat facts;
        cr_assert_eq(stat(place.path, &facts), 0);
        snprintf(size[i], sizeof size[i], "%lld", (long long)facts.st_size);
    }
    cr_assert_str_eq(first, second);
    cr_assert_str_eq(size[0], size[1]);
    place_free(&place);
}

/* One record of three, with one value changed by `change` (0 = none). */
static void write_changed(const char *path, int change)
{
    const struct wn_store_options options = {.has_reverse = true, .has_tokens = true};
    struct wn_error err;
    struct wn_store *store = NULL;
    WN_TEST_OK(wn_store_create(path, 5, &options, &store, &err));
    for (uint64_t i = 0; i < 5; i++) {
        struct wn_row rows[MAX_PARTS];
        struct wn_store_record r = record_make(i, 11, rows);
        int32_t ids[512] = {0};
        float losses[512] = {0};
        r.cond_ids = r.direct_ids = ids;
        r.cond_losses = r.direct_losses = losses;
        const int c = i == 2 ? change : 0;
        struct wn_side *sides[] = {&r.fold.cond, &r.fold.direct, &r.fold.q_cond, &r.fold.q_direct};
        struct wn_side *side = sides[(c / 10) % 4];
        r.id_hash += c == 1;
        r.offset += c == 2;
        r.length += c == 3;
        r.file = (uint16_t)(r.file + (c == 4));
        r.fold.status = c == 5 ? (r.fold.status + 1) % WN_STATUS_COUNT : r.fold.status;
        r.turn_mean += c == 6;
        ids[0] += c == 7;
        losses[0] += c == 8;
        if (i == 4 && change == 9) {
            rows[1].direct.n++;
        }
        side->n += c >= 10 && c % 10 == 0;
        side->first += c >= 10 && c % 10 == 1;
        side->k += c >= 10 && c % 10 == 2;
        side->sum = c >= 10 && c % 10 == 3 ? nextafter(side->sum, 1e9) : side->sum;
        WN_TEST_OK(wn_store_put(store, &r, &err));
    }
    WN_TEST_OK(wn_store_finish(&store, NULL, 0, &err));
}

Test(store, any_one_changed_value_changes_the_digest)
{
    const struct place place = place_new();
    char same[33], other[33];
    write_changed(place.path, 0);
    digest_of(place.path, same);
    for (int change = 1; change < 50; change++) {
        if (change >= 10 && change % 10 > 3) {
            continue;
        }
        write_changed(place.path, change);
        digest_of(place.path, other);
        cr_assert_str_neq(same, other, "change %d left the digest as it was", change);
    }
    place_free(&place);
}

Test(store, attributes_of_any_length_are_kept)
{
    enum { LONG = 300000 };
    char *long_text = malloc(LONG + 1);
    memset(long_text, 'x', LONG);
    long_text[LONG] = '\0';
    struct wn_store_attribute attributes[40] = {
        {"corpus_files", long_text}, {"profile", "größe 数据"}, {"options", ""}, {"score", "ifd_ppl"}};
    char names[40][16];
    for (size_t i = 4; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "extra_%zu", i);
        attributes[i] = (struct wn_store_attribute){names[i], "text"};
    }
    const struct wn_store_attribute provenance[] = {{"host", "node1"}, {"command_line", long_text}};
    const struct wn_store_options options = {
        .attributes = attributes, .n_attributes = 40, .provenance = provenance, .n_provenance = 2};
    const struct place place = place_new();
    struct wn_error err;
    struct wn_scores *scores = NULL;
    table_write(place.path, 3, &options, 1);
    WN_TEST_OK(wn_scores_open(place.path, &scores, &err));
    for (size_t i = 0; i < 40; i++) {
        cr_assert_str_eq(wn_scores_attribute(scores, attributes[i].name), attributes[i].text);
    }
    cr_assert_str_eq(wn_scores_attribute(scores, "provenance/host"), "node1");
    cr_assert_str_eq(wn_scores_attribute(scores, "provenance/command_line"), long_text);
    cr_assert_str_eq(wn_scores_attribute(scores, wn_attribute_schema), "winnow.scores");
    cr_assert_str_eq(wn_scores_attribute(scores, wn_attribute_n_records), "3");
    cr_assert_null(wn_scores_attribute(scores, "host"));
    wn_scores_close(scores);
    free(long_text);
    place_free(&place);
}

Test(store, an_attribute_given_twice_or_against_the_store_is_a_defect)
{
    const struct wn_store_attribute twice[] = {{"profile", "a"}, {"profile", "b"}};
    const struct wn_store_attribute against[] = {{"score", "ifd_loss"}};
    const struct wn_store_options cases[] = {{.attributes = twice, .n_attributes = 2},
                                             {.provenance = twice, .n_provenance = 2},
                                             {.attributes = against, .n_attributes = 1}};
    const struct place place = place_new();
    for (size_t i = 0; i < 3; i++) {
        struct wn_error err;
        struct wn_store *store = NULL;
        cr_assert_eq(wn_store_create(place.path, 1, &cases[i], &store, &err), WN_DEFECT);
        cr_assert_null(store);
        cr_assert_eq(place_count(&place), 0);
    }
    place_free(&place);
}

Test(store, records_out_of_order_too_many_or_too_few_are_defects)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_store *store = NULL;
    struct wn_row rows[MAX_PARTS];
    struct wn_store_record record = record_make(7, 1, rows);
    WN_TEST_OK(wn_store_create(place.path, 2, &plain, &store, &err));
    WN_TEST_OK(wn_store_put(store, &record, &err));
    cr_assert_eq(wn_store_put(store, &record, &err), WN_DEFECT, "the same record twice");
    record.index = 9;
    cr_assert_eq(wn_store_put(store, &record, &err), WN_DEFECT, "record 8 was due");
    record.index = 8;
    WN_TEST_OK(wn_store_put(store, &record, &err));
    record.index = 9;
    cr_assert_eq(wn_store_put(store, &record, &err), WN_DEFECT, "one too many");
    wn_store_abandon(&store);
    WN_TEST_OK(wn_store_create(place.path, 2, &plain, &store, &err));
    record = record_make(0, 1, rows);
    WN_TEST_OK(wn_store_put(store, &record, &err));
    cr_assert_eq(wn_store_finish(&store, NULL, 0, &err), WN_DEFECT);
    cr_assert_null(store);
    cr_assert_eq(place_count(&place), 0, "something was left behind");
    place_free(&place);
}

Test(store, an_old_file_stays_until_the_new_one_is_whole)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_store *store = NULL;
    char before[33], after[33];
    table_write(place.path, 10, &plain, 1);
    digest_of(place.path, before);
    WN_TEST_OK(wn_store_create(place.path, 20, &plain, &store, &err));
    digest_of(place.path, after);
    cr_assert_str_eq(before, after);
    wn_store_abandon(&store);
    digest_of(place.path, after);
    cr_assert_str_eq(before, after);
    cr_assert_eq(place_count(&place), 1);
    place_free(&place);
}

Test(store, a_folder_that_cannot_be_written_is_code_5_and_nothing_is_left)
{
    const struct place place = place_new();
    char path[600];
    struct wn_error err;
    struct wn_store *store = NULL;
    snprintf(path, sizeof path, "%s/missing/scores.h5", place.folder);
    cr_assert_eq(wn_store_create(path, 3, &plain, &store, &err), WN_IO);
    cr_assert(strstr(err.text, "missing") != NULL, "%s", err.text);
    FILE *file = fopen(place.path, "w");
    cr_assert(file != NULL && fclose(file) == 0);
    snprintf(path, sizeof path, "%s/below-a-file.h5", place.path);
    cr_assert_eq(wn_store_create(path, 3, &plain, &store, &err), WN_IO);
    cr_assert_null(store);
    cr_assert_eq(place_count(&place), 1);
    place_free(&place);
}

/* The whole way to a file; the first code that is not WN_OK. */
static wn_code try_write(const char *path, uint64_t n, struct wn_error *err)
{
    const struct wn_store_options options = {.has_reverse = true};
    struct wn_store *store = NULL;
    wn_code code = wn_store_create(path, n, &options, &store, err);
    for (uint64_t i = 0; i < n && code == WN_OK; i++) {
        struct wn_row rows[MAX_PARTS];
        const struct wn_store_record record = record_make(i, 2, rows);
        code = wn_store_put(store, &record, err);
    }
    if (code == WN_OK) {
        return wn_store_finish(&store, NULL, 0, err);
    }
    wn_store_abandon(&store);
    return code;
}

/* A limit on the size of files stands in for a full disk: writes fail in the same way, at any point. That the
 * test's process ends well is part of it: HDF5 1.10.8 by itself crashes at exit after a write that failed. */
Test(store, a_full_disk_is_code_5_names_the_reason_and_leaves_nothing)
{
    const struct place place = place_new();
    char log[600];
    snprintf(log, sizeof log, "%s-stderr", place.folder);
    fflush(stderr);
    const int kept = dup(STDERR_FILENO);
    cr_assert_not_null(freopen(log, "w+", stderr));
    signal(SIGXFSZ, SIG_IGN);
    int refused = 0;
    for (rlim_t limit = 0; limit < 600000; limit += 9973) {
        struct rlimit old;
        cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
        const struct rlimit small = {limit, old.rlim_max};
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        struct wn_error err;
        const wn_code code = try_write(place.path, 3000, &err);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        if (code == WN_OK) {
            break;
        }
        refused++;
        cr_assert_eq(code, WN_IO, "limit %ld: code %d: %s", (long)limit, (int)code, err.text);
        cr_assert(strstr(err.text, "larger than") != NULL || strstr(err.text, "File too large") != NULL,
                  "limit %ld: %s", (long)limit, err.text);
        cr_assert_eq(place_count(&place), 0, "limit %ld: something was left behind", (long)limit);
    }
    cr_assert_gt(refused, 5);
    struct wn_error err;
    WN_TEST_OK(try_write(place.path, 3000, &err)); /* and the same process goes on */
    fflush(stderr);
    struct stat facts;
    cr_assert_eq(stat(log, &facts), 0);
    dup2(kept, STDERR_FILENO);
    cr_assert_eq(facts.st_size, 0, "HDF5 printed to stderr");
    unlink(log);
    place_free(&place);
}
