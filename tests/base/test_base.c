/* Arena, files, mapping, hash, UTF-8, errors and the fold of rows.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "support.h"
#include "winnow/arena.h"
#include "winnow/row.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

Test(arena, gives_zeroed_aligned_memory_and_keeps_its_largest_block)
{
    struct wn_error err = {0};
    struct wn_arena *arena = NULL;
    WN_TEST_OK(wn_arena_new(&arena, &err));
    for (int round = 0; round < 3; ++round) {
        for (size_t n = 0; n < 3000; n += 37) {
            unsigned char *bytes = NULL;
            WN_TEST_OK(WN_ARENA_NEW(arena, n, &bytes, &err));
            cr_assert_eq((uintptr_t)bytes % 64, 0);
            for (size_t i = 0; i < n; ++i) {
                cr_assert_eq(bytes[i], 0, "byte %zu of %zu in round %d", i, n, round);
            }
            memset(bytes, 0xFF, n);
        }
        wn_arena_reset(arena);
        cr_assert_eq(wn_arena_used(arena), 0);
    }
    void *none = NULL;
    cr_assert_eq(wn_arena_alloc(arena, SIZE_MAX, 2, &none, &err), WN_DEVICE);
    cr_assert_eq(wn_arena_alloc(arena, SIZE_MAX - 3, 1, &none, &err), WN_DEVICE);
    wn_arena_free(arena);
}

Test(status, cuts_a_long_text_at_a_character)
{
    struct wn_error err = {0};
    static char text[2 * WN_ERROR_TEXT];
    for (size_t i = 0; i + 2 < sizeof text; i += 2) {
        memcpy(text + i, "\xC3\xA9", 2);
    }
    cr_assert_eq(wn_error_set(&err, WN_IO, "f", 1, "%s", text), WN_IO);
    cr_assert(wn_utf8_valid(wn_span_of(err.text), NULL));
    cr_assert_gt(strlen(err.text), WN_ERROR_TEXT - 4);
    cr_assert_eq(wn_error_set(&err, WN_INPUT, "f", 1, "where: %.40s", err.text), WN_INPUT,
                 "may quote itself");
    cr_assert_eq(strncmp(err.text, "where: \xC3\xA9", 9), 0);
}

static char *text_of(const char *path)
{
    struct wn_error err = {0};
    struct wn_map map;
    WN_TEST_OK(wn_map_open(path, WN_INPUT, &map, &err));
    char *text = strndup(map.bytes.data, map.bytes.size);
    wn_map_close(&map);
    return text;
}

Test(file, a_link_stays_and_what_it_leads_to_is_written)
{
    struct wn_error err = {0};
    char folder[] = "/tmp/winnow-test-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    char *target = wn_path_join(folder, "far/target.txt"), *far = wn_path_join(folder, "far");
    char *link = wn_path_join(folder, "link.txt"), *chain = wn_path_join(folder, "chain.txt");
    char *dangling = wn_path_join(folder, "dangling.txt"), *loop = wn_path_join(folder, "loop.txt");
    struct wn_file *file = NULL;
    WN_TEST_OK(wn_directory_make(far, &err));
    WN_TEST_OK(wn_file_create(target, &file, &err));
    WN_TEST_OK(wn_file_write(file, wn_span_of("old"), &err));
    WN_TEST_OK(wn_file_commit(&file, &err));
    cr_assert(symlink("far/target.txt", link) == 0 && symlink("link.txt", chain) == 0 &&
              symlink("far/missing.txt", dangling) == 0 && symlink("loop.txt", loop) == 0);
    const char *const links[] = {link, chain};
    for (size_t i = 0; i < 2; i++) {
        const char *const words[] = {"one", "two"};
        WN_TEST_OK(wn_file_create(links[i], &file, &err));
        cr_assert_not_null(strstr(wn_file_temporary(file), "/far/target.txt.tmp."), "beside the target");
        WN_TEST_OK(wn_file_write(file, wn_span_of(words[i]), &err));
        WN_TEST_OK(wn_file_commit(&file, &err));
        struct stat facts;
        cr_assert(lstat(links[i], &facts) == 0 && S_ISLNK(facts.st_mode), "%s is a link no more", links[i]);
        char *text = text_of(target);
        cr_assert_str_eq(text, words[i]);
        free(text);
    }
    const char *const bad[] = {dangling, loop};
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(wn_file_create(bad[i], &file, &err), WN_IO);
        cr_assert(strstr(err.text, bad[i]) != NULL && strstr(err.text, "leads to no file") != NULL, "%s",
                  err.text);
    }
    char command[100];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    cr_assert_eq(system(command), 0);
    char *const names[] = {target, far, link, chain, dangling, loop};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        free(names[i]);
    }
}

Test(file, appears_whole_or_not_at_all)
{
    struct wn_error err = {0};
    char folder[] = "/tmp/winnow-test-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    char *path = wn_path_join(folder, "a/b/c.txt");
    char *parent = wn_path_join(folder, "a/b");
    WN_TEST_OK(wn_directory_make(parent, &err));
    WN_TEST_OK(wn_directory_make(parent, &err));
    struct wn_file *file = NULL;
    WN_TEST_OK(wn_file_create(path, &file, &err));
    WN_TEST_OK(wn_file_print(file, &err, "%d lines\n", 1));
    cr_assert_not(wn_path_exists(path));
    wn_file_abandon(&file);
    WN_TEST_OK(wn_file_create(path, &file, &err));
    WN_TEST_OK(wn_file_write(file, wn_span_of("whole"), &err));
    WN_TEST_OK(wn_file_commit(&file, &err));
    cr_assert_null(file);
    struct wn_map map;
    WN_TEST_OK(wn_map_open(path, WN_INPUT, &map, &err));
    cr_assert(wn_span_is(map.bytes, "whole"));
    wn_map_close(&map);
    cr_assert_eq(wn_map_open(parent, WN_INPUT, &map, &err), WN_INPUT);
    cr_assert_not_null(strstr(err.text, "a folder"));
    cr_assert_eq(wn_map_open("/dev/zero", WN_MODEL, &map, &err), WN_MODEL);
    cr_assert_eq(wn_map_open("/nonexistent/file", WN_INPUT, &map, &err), WN_INPUT);
    cr_assert_eq(wn_file_create("/nonexistent/file", &file, &err), WN_IO);
    cr_assert_eq(wn_directory_make(path, &err), WN_IO, "a file is no folder");
    char command[4200];
    snprintf(command, sizeof command, "test \"$(find %s -type f | wc -l)\" = 1 && rm -r %s", folder, folder);
    cr_assert_eq(system(command), 0, "a temporary file was left behind");
    free(path);
    free(parent);
}

Test(hash, is_the_same_in_one_piece_or_many)
{
    struct wn_error err = {0};
    char whole[WN_HASH_TEXT];
    char pieces[WN_HASH_TEXT];
    char text[5000];
    for (size_t i = 0; i < sizeof text; ++i) {
        text[i] = (char)(i * 7 + i / 256);
    }
    wn_hash128_text((struct wn_span){text, sizeof text}, whole);
    struct wn_hasher *hasher = NULL;
    WN_TEST_OK(wn_hasher_new(&hasher, &err));
    for (size_t i = 0; i < sizeof text; i += 37) {
        const size_t left = sizeof text - i;
        wn_hasher_add(hasher, text + i, left < 37 ? left : 37);
    }
    wn_hasher_text(hasher, pieces);
    wn_hasher_free(hasher);
    cr_assert_str_eq(whole, pieces);
    wn_hash128_text((struct wn_span){NULL, 0}, whole);
    cr_assert_str_eq(whole, "99aa06d3014798d86001c324468d497f", "the published XXH3-128 of nothing");
}

Test(utf8, agrees_with_the_rule_on_all_two_and_three_byte_runs)
{
    for (uint32_t lead = 0x80; lead < 0x100; ++lead) {
        for (uint32_t second = 0; second < 0x100; ++second) {
            const char text[3] = {(char)lead, (char)second, (char)0x85};
            const bool two = lead >= 0xC2 && lead <= 0xDF && second >= 0x80 && second <= 0xBF;
            cr_assert_eq(wn_utf8_valid((struct wn_span){text, 2}, NULL), two, "%02x %02x", lead, second);
            const uint32_t point = (lead & 15u) << 12 | (second & 63u) << 6 | 5u;
            const bool three = (lead & 0xF0u) == 0xE0 && (second & 0xC0u) == 0x80 && point >= 0x800 &&
                               !(point >= 0xD800 && point <= 0xDFFF);
            cr_assert_eq(wn_utf8_valid((struct wn_span){text, 3}, NULL), three, "%02x %02x 85", lead, second);
        }
    }
    size_t bad = 0;
    cr_assert_not(wn_utf8_valid((struct wn_span){"0123456789\xF5", 11}, &bad));
    cr_assert_eq(bad, 10);
    cr_assert_not(wn_utf8_valid(wn_span_of("\xF4\x90\x80\x80"), NULL));
    cr_assert(wn_utf8_valid(wn_span_of("\xF4\x8F\xBF\xBF"), NULL));
}

static struct wn_row row_of(uint32_t part, uint32_t status, uint32_t k, double cond, double direct)
{
    const struct wn_side side = {.n = 2 * k, .first = k + part, .k = k, .sum = k > 0 ? cond : (double)NAN};
    struct wn_row row = {
        .record = 5, .part = part, .n_parts = 3, .status = status, .cond = side, .direct = side};
    row.counted = k + 100;
    row.direct.sum = k > 0 ? direct : (double)NAN;
    return row;
}

Test(row, folds_turns_by_their_sums)
{
    const struct wn_row rows[3] = {row_of(0, WN_STATUS_EMPTY_ANSWER, 0, 0, 0),
                                   row_of(1, WN_STATUS_OK, 4, 8, 10),
                                   row_of(2, WN_STATUS_TRUNCATED, 2, 6, 5)};
    struct wn_row fold;
    double mean = 0;
    wn_row_fold(rows, 3, &fold, &mean);
    cr_assert_eq(fold.status, WN_STATUS_TRUNCATED);
    cr_assert_eq(fold.cond.k, 6);
    cr_assert_eq(fold.cond.sum, 14.0);
    cr_assert_eq(fold.direct.sum, 15.0);
    cr_assert_eq(fold.cond.first, 5, "the first turn that could be scored");
    cr_assert_eq(fold.counted, 104, "the first turn that could be scored");
    cr_assert_eq(wn_row_ifd_loss(&fold), (14.0 / 6) / (15.0 / 6));
    cr_assert_float_eq(mean, (exp(-0.5) + exp(0.5)) / 2, 1e-15, "float64 rounding of two terms");
    wn_row_fold(rows, 1, &fold, &mean);
    cr_assert_eq(fold.status, WN_STATUS_EMPTY_ANSWER);
    cr_assert(isnan(wn_row_ifd_ppl(&fold)) && isnan(mean));
    for (int status = 0; status < WN_STATUS_COUNT; ++status) {
        cr_assert_not_null(wn_status_name(status));
    }
    cr_assert_null(wn_status_name(WN_STATUS_COUNT));
    cr_assert_null(wn_status_name(-1));
}
