/* scores.h5 from elsewhere: cut, damaged or made to deceive, it is refused with a reason.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "table.h"

#include <sys/wait.h>

static const char python[] = "/usr/bin/python3";

static bool has_h5py(void)
{
    char command[200];
    snprintf(command, sizeof command, "%s -c 'import h5py' 2>/dev/null", python);
    if (system(command) == 0) {
        return true;
    }
    printf("SKIPPED: %s has no h5py (Debian: python3-h5py)\n", python);
    return false;
}

static int script_run(const char *mode, const char *path)
{
    char command[2000];
    snprintf(command, sizeof command, "%s '%s/tests/store/scores_with_h5py.py' %s '%s'", python,
             WINNOW_SOURCE_DIR, mode, path);
    return system(command);
}

Test(hostile, h5py_reads_every_dataset_with_units_enum_and_fixed_types)
{
    if (!has_h5py()) {
        cr_skip_test("no h5py");
    }
    const struct wn_store_attribute attributes[] = {{"profile", "größe 数据"}};
    const struct wn_store_attribute provenance[] = {{"host", "node1"}};
    const struct wn_store_options options = {.has_reverse = true,
                                             .has_tokens = true,
                                             .attributes = attributes,
                                             .n_attributes = 1,
                                             .provenance = provenance,
                                             .n_provenance = 1};
    const struct place place = place_new();
    table_write(place.path, 3000, &options, 21);
    cr_assert_eq(script_run("check", place.path), 0);
    table_write(place.path, 0, &options, 21);
    cr_assert_eq(script_run("check", place.path), 0);
    place_free(&place);
}

Test(hostile, files_made_to_deceive_are_refused)
{
    static const struct {
        const char *mode, *says;
        wn_code code;
    } cases[] = {
        {"no-schema", "not one of winnow", WN_INPUT},
        {"other-schema", "not one of winnow", WN_INPUT},
        {"number-schema", "not one of winnow", WN_INPUT},
        {"newer-version", "schema version 2", WN_INPUT},
        {"missing-column", "/samples/loss_cond", WN_INPUT},
        {"no-samples", "/samples", WN_INPUT},
        {"samples-is-dataset", "", WN_INPUT},
        {"wrong-type", "/samples/ifd_ppl has the type f32", WN_INPUT},
        {"big-endian", "type that this format does not use", WN_INPUT},
        {"other-enum", "/samples/status", WN_INPUT},
        {"two-dimensions", "not one-dimensional", WN_INPUT},
        {"scalar", "not one-dimensional", WN_INPUT},
        {"shorter-column", "/samples/ifd_loss has", WN_INPUT},
        {"wrong-count", "says it holds", WN_INPUT},
        {"soft-link", "link to elsewhere", WN_INPUT},
        {"external-link", "link to elsewhere", WN_INPUT},
        {"external-bytes", "another file", WN_INPUT},
        {"other-filter", "filter", WN_INPUT},
        {"huge-promise", "promises", WN_IO},
        {"huge-chunk", "chunks are larger", WN_INPUT},
        {"group-for-column", "", WN_IO},
    };
    if (!has_h5py()) {
        cr_skip_test("no h5py");
    }
    const struct place place = place_new();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wn_error err;
        struct wn_scores *scores = NULL;
        table_write(place.path, 50, &(struct wn_store_options){0}, 4);
        cr_assert_eq(script_run(cases[i].mode, place.path), 0, "%s", cases[i].mode);
        const wn_code code = wn_scores_open(place.path, &scores, &err);
        cr_expect_eq(code, cases[i].code, "%s: code %d: %s", cases[i].mode, (int)code,
                     code == WN_OK ? "" : err.text);
        cr_expect(code == WN_OK || strstr(err.text, cases[i].says) != NULL, "%s: %s", cases[i].mode,
                  err.text);
    }
    place_free(&place);
}

Test(hostile, what_others_add_to_a_file_does_not_hurt)
{
    if (!has_h5py()) {
        cr_skip_test("no h5py");
    }
    const struct place place = place_new();
    char text[33];
    table_write(place.path, 50, &(struct wn_store_options){0}, 4);
    cr_assert_eq(script_run("note", place.path), 0);
    digest_of(place.path, text);
    place_free(&place);
}

Test(hostile, a_group_linked_into_itself_ends_the_digest)
{
    if (!has_h5py()) {
        cr_skip_test("no h5py");
    }
    const struct place place = place_new();
    struct wn_error err;
    struct wn_scores *scores = NULL;
    char text[33];
    table_write(place.path, 5, &(struct wn_store_options){0}, 4);
    cr_assert_eq(script_run("cycle", place.path), 0);
    WN_TEST_OK(wn_scores_open(place.path, &scores, &err));
    cr_assert_eq(wn_scores_digest(scores, text, &err), WN_INPUT);
    wn_scores_close(scores);
    place_free(&place);
}

Test(hostile, what_is_no_scores_file_is_refused_by_name)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_scores *scores = NULL;
    cr_assert_eq(wn_scores_open(place.path, &scores, &err), WN_IO); /* missing */
    cr_assert_eq(wn_scores_open(place.folder, &scores, &err), WN_IO);
    cr_assert(strstr(err.text, "holds no scores.h5") != NULL, "%s", err.text);
    FILE *file = fopen(place.path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(wn_scores_open(place.path, &scores, &err), WN_INPUT); /* empty */
    file = fopen(place.path, "w");
    cr_assert(file != NULL && fputs("[{\"instruction\": \"no HDF5\"}]", file) >= 0 && fclose(file) == 0);
    cr_assert_eq(wn_scores_open(place.path, &scores, &err), WN_INPUT);
    cr_assert(strstr(err.text, place.path) != NULL, "%s", err.text);
    cr_assert_eq(unlink(place.path), 0);
    cr_assert_eq(mkfifo(place.path, 0600), 0);
    cr_assert_eq(wn_scores_open(place.path, &scores, &err), WN_INPUT); /* and does not hang */
    place_free(&place);
}

static char *bytes_of(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, 0, SEEK_END), 0);
    *out_size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*out_size);
    cr_assert(bytes != NULL && fread(bytes, 1, *out_size, file) == *out_size);
    fclose(file);
    return bytes;
}

static void bytes_write(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* Open and digest in a process of its own: 0 = refused, 1 = read with the same digest, 2 = another digest, 3
 * = ended by a signal inside HDF5, whose 1.10.8 is known to fall over damaged metadata. */
static int outcome(const char *path, const char *good)
{
    fflush(NULL);
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct wn_error err;
        struct wn_scores *scores = NULL;
        char text[33] = "";
        const bool is_read =
            wn_scores_open(path, &scores, &err) == WN_OK && wn_scores_digest(scores, text, &err) == WN_OK;
        _exit(10 + (!is_read ? 0 : strcmp(text, good) == 0 ? 1 : 2));
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) >= 10 ? WEXITSTATUS(status) - 10 : 3;
}

Test(hostile, a_file_cut_anywhere_is_refused)
{
    const struct place place = place_new();
    table_write(place.path, 300, &(struct wn_store_options){.has_tokens = true}, 4);
    char good[33];
    digest_of(place.path, good);
    size_t size = 0;
    char *bytes = bytes_of(place.path, &size);
    for (size_t i = 0; i <= 60; i++) {
        const size_t cut = i < 60 ? size / 60 * i : size - 1;
        bytes_write(place.path, bytes, cut);
        const int what = outcome(place.path, good);
        cr_assert_eq(what, 0, "cut at %zu of %zu: outcome %d", cut, size, what);
    }
    free(bytes);
    place_free(&place);
}

/* The superblock, which HDF5 names "sblock", is no lock. */
Test(hostile, a_cut_file_is_told_as_cut_and_not_as_locked)
{
    const struct place place = place_new();
    table_write(place.path, 300, &(struct wn_store_options){.has_tokens = true}, 4);
    size_t size = 0;
    char *bytes = bytes_of(place.path, &size);
    bytes_write(place.path, bytes, size / 2);
    free(bytes);
    struct wn_error err;
    struct wn_scores *scores = NULL;
    cr_assert_eq(wn_scores_open(place.path, &scores, &err), WN_IO);
    cr_assert(strstr(err.text, "truncated file") != NULL, "%s", err.text);
    cr_assert(strstr(err.text, "cut short or damaged: copy it again or run `winnow score` again") != NULL,
              "%s", err.text);
    cr_assert(strstr(err.text, "LOCKING") == NULL, "%s", err.text);
    place_free(&place);
}

Test(hostile, a_flipped_byte_never_gives_other_scores)
{
    const struct place place = place_new();
    table_write(place.path, 300, &(struct wn_store_options){.has_tokens = true}, 4);
    char good[33];
    digest_of(place.path, good);
    size_t size = 0, refused = 0;
    char *bytes = bytes_of(place.path, &size);
    for (size_t i = 0; i < 500; i++) {
        const size_t at = (size_t)(mix(i + 5) % size);
        bytes[at] = (char)(bytes[at] ^ 0x10);
        bytes_write(place.path, bytes, size);
        bytes[at] = (char)(bytes[at] ^ 0x10);
        const int what = outcome(place.path, good);
        refused += what == 0;
        cr_assert(what == 0 || what == 1, "byte %zu of %zu flipped: outcome %d", at, size, what);
    }
    cr_assert_gt(refused, 100);
    free(bytes);
    place_free(&place);
}

Test(hostile, columns_are_asked_for_by_name_and_range)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_scores *scores = NULL;
    double real[2];
    uint64_t integer[2];
    table_write(place.path, 5, &(struct wn_store_options){0}, 4);
    WN_TEST_OK(wn_scores_open(place.path, &scores, &err));
    cr_assert(wn_scores_has(scores, "ifd_ppl") && !wn_scores_has(scores, "rifd_ppl") &&
              !wn_scores_has(scores, "record"));
    cr_assert_eq(wn_scores_doubles(scores, "ifd_pl", 0, 1, real, &err), WN_USAGE);
    cr_assert(strstr(err.text, "ifd_ppl, ifd_ppl_turn_mean") != NULL, "%s", err.text);
    cr_assert_eq(wn_scores_integers(scores, "ifd_ppl", 0, 1, integer, &err), WN_USAGE);
    cr_assert_eq(wn_scores_doubles(scores, "ifd_ppl", 4, 2, real, &err), WN_DEFECT);
    cr_assert_eq(wn_scores_doubles(scores, "ifd_ppl", 6, 0, real, &err), WN_DEFECT);
    WN_TEST_OK(wn_scores_doubles(scores, "ifd_ppl", 5, 0, real, &err));
    char version[32];
    wn_store_library(version, sizeof version);
    cr_assert(strchr(version, '.') != NULL);
    wn_scores_close(scores);
    place_free(&place);
}

Test(hostile, the_page_on_the_file_format_names_every_column)
{
    const struct place place = place_new();
    struct wn_error err;
    struct wn_scores *scores = NULL;
    table_write(place.path, 5, &(struct wn_store_options){.has_reverse = true}, 4);
    WN_TEST_OK(wn_scores_open(place.path, &scores, &err));
    size_t size = 0;
    char *page = bytes_of(WINNOW_SOURCE_DIR "/docs/file-format.md", &size);
    page = realloc(page, size + 1);
    page[size] = '\0';
    const char *const *names = wn_scores_columns(scores);
    for (size_t i = 0; names[i] != NULL; i++) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "`%s`", names[i]);
        cr_expect(strstr(page, quoted) != NULL, "docs/file-format.md does not name %s", quoted);
    }
    free(page);
    wn_scores_close(scores);
    place_free(&place);
}
