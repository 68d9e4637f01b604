/* Plain copies of compressed files: made once, used again, refused where there is no room.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pool.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

static wn_code open_paths(const char *const *paths, size_t n, const char *spool, uint64_t *out_count,
                          struct wn_error *err)
{
    struct wn_corpus *corpus = NULL;
    const struct wn_corpus_options options = {.paths = paths, .n_paths = n, .spool = spool};
    const wn_code code = wn_corpus_open(&options, &corpus, err);
    if (code == WN_OK) {
        *out_count = wn_corpus_count(corpus);
        wn_corpus_free(corpus);
    }
    return code;
}

/* The path of the plain copy of a compressed file. */
static void plain_path(const char *packed, const char *spool, char *out)
{
    size_t size = 0;
    char *const bytes = file_read(packed, &size);
    char name[WN_HASH_TEXT];
    wn_hash128_text((struct wn_span){bytes, size}, name);
    snprintf(out, 4096, "%.4000s/%s.plain", spool, name);
    free(bytes);
}

Test(spool, a_plain_copy_is_made_once_whatever_the_file_is_called)
{
    struct pool pool;
    struct wn_error err;
    struct stat before;
    struct stat after;
    char plain[4096];
    char moved[4096];
    uint64_t count = 0;
    pool_make(&pool);
    const char *paths[] = {pool.paths[2]};
    WN_TEST_OK(open_paths(paths, 1, pool.spool, &count, &err));
    cr_assert_eq(count, 1100);
    plain_path(pool.paths[2], pool.spool, plain);
    cr_assert_eq(stat(plain, &before), 0, "%s", plain);
    folder_path(&pool.folder, "moved.gz", moved);
    cr_assert_eq(rename(pool.paths[2], moved), 0);
    paths[0] = moved;
    WN_TEST_OK(open_paths(paths, 1, pool.spool, &count, &err));
    cr_assert_eq(count, 1100);
    cr_assert_eq(stat(plain, &after), 0);
    cr_assert(after.st_ino == before.st_ino && after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
                  after.st_mtim.tv_nsec == before.st_mtim.tv_nsec,
              "unpacked again");
    pool_remove(&pool);
}

Test(spool, files_of_equal_bytes_share_a_copy_and_others_of_one_name_do_not)
{
    struct pool pool;
    struct wn_error err;
    char other[3][4096];
    size_t size = 0;
    uint64_t count = 0;
    pool_make(&pool);
    char *const same = file_read(pool.paths[2], &size);
    folder_write(&pool.folder, "same.gz", (struct wn_span){same, size}, other[0]);
    free(same);
    char *const packed = pack_zstd(SPAN("{\"instruction\":\"i\",\"output\":\"o\"}\n"), &size);
    folder_write(&pool.folder, "other.zst", (struct wn_span){packed, size}, other[1]);
    free(packed);
    const char *const paths[] = {pool.paths[2], other[0], other[1]};
    WN_TEST_OK(open_paths(paths, 3, pool.spool, &count, &err));
    cr_assert_eq(count, 1100 + 1100 + 1);
    struct folder spool;
    strcpy(spool.path, pool.folder.path);
    strcat(spool.path, "/spool");
    cr_assert_eq(folder_count(&spool), 2);
    uint64_t bytes = 0;
    const struct wn_span text = pool_records(1100, false);
    WN_TEST_OK(wn_corpus_plain_bytes(paths, 3, &bytes, &err));
    cr_assert_eq(bytes, text.size + sizeof "{\"instruction\":\"i\",\"output\":\"o\"}\n" - 1);
    free((void *)(uintptr_t)text.data);
    const char *const plain[] = {pool.paths[0], pool.paths[1]};
    WN_TEST_OK(wn_corpus_plain_bytes(plain, 2, &bytes, &err));
    cr_assert_eq(bytes, 0);
    WN_TEST_OK(wn_corpus_plain_bytes(plain, 0, &bytes, &err));
    cr_assert_eq(bytes, 0);
    pool_remove(&pool);
}

Test(spool, counting_names_a_torn_or_missing_file)
{
    struct pool pool;
    struct wn_error err;
    struct stat info;
    uint64_t bytes = 0;
    pool_make(&pool);
    cr_assert(stat(pool.paths[2], &info) == 0 && truncate(pool.paths[2], info.st_size / 2) == 0);
    const char *paths[] = {pool.paths[2]};
    cr_assert_eq(wn_corpus_plain_bytes(paths, 1, &bytes, &err), WN_INPUT);
    cr_assert_not_null(strstr(err.text, "ends in the middle"), "%s", err.text);
    paths[0] = "/nonexistent/a.gz";
    cr_assert_eq(wn_corpus_plain_bytes(paths, 1, &bytes, &err), WN_INPUT);
    cr_assert_not_null(strstr(err.text, "/nonexistent/a.gz"), "%s", err.text);
    pool_remove(&pool);
}

Test(spool, what_else_has_the_name_of_a_copy_is_refused)
{
    struct pool pool;
    struct wn_error err;
    char plain[4096];
    uint64_t count = 0;
    pool_make(&pool);
    const char *const paths[] = {pool.paths[2]};
    plain_path(pool.paths[2], pool.spool, plain);
    WN_TEST_OK(wn_directory_make(plain, &err));
    cr_assert_eq(open_paths(paths, 1, pool.spool, &count, &err), WN_IO);
    cr_assert(strstr(err.text, "no regular file") != NULL && strstr(err.text, plain) != NULL, "%s", err.text);
    pool_remove(&pool);
}

/* A file system of 256 KiB, in a mount space of this process alone. */
static bool small_mount(const char *path)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", path, "tmpfs", 0, "size=256k") == 0;
}

Test(spool, too_little_room_is_told_before_anything_is_unpacked)
{
    struct pool pool;
    struct wn_error err;
    struct wn_error unused;
    uint64_t count = 0;
    size_t size = 0;
    char needed[64];
    char packed_path[4096];
    pool_make(&pool);
    WN_TEST_OK(wn_directory_make(pool.spool, &unused));
    const struct wn_span text = pool_records(20000, false);
    char *const packed = pack_gzip(text, &size);
    folder_write(&pool.folder, "big.gz", (struct wn_span){packed, size}, packed_path);
    free(packed);
    if (!small_mount(pool.spool)) {
        printf("SKIPPED: no file system can be mounted here (needs root)\n");
        free((void *)(uintptr_t)text.data);
        pool_remove(&pool);
        cr_skip_test("no file system can be mounted here (needs root)");
    }
    char inside[4096];
    snprintf(inside, sizeof inside, "%.4000s/not/yet/there", pool.spool);
    const char *const paths[] = {packed_path};
    snprintf(needed, sizeof needed, "needs %zu bytes", text.size);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(setenv("TMPDIR", pool.spool, 1), 0);
        const char *const spool = i == 0 ? pool.spool : i == 1 ? inside : NULL;
        cr_assert_eq(open_paths(paths, 1, spool, &count, &err), WN_IO);
        cr_assert(strstr(err.text, needed) != NULL && strstr(err.text, "262144 are free") != NULL &&
                      strstr(err.text, spool == NULL ? "TMPDIR" : "--spool") != NULL &&
                      strstr(err.text, pool.spool) != NULL && strstr(err.text, packed_path) != NULL,
                  "%s", err.text);
    }
    struct folder spool;
    strcpy(spool.path, pool.folder.path);
    strcat(spool.path, "/spool");
    cr_assert_eq(folder_count(&spool), 0, "something was left");
    /* A small one that fits is unpacked, though its room was counted first. */
    const char *const fits[] = {pool.paths[2]};
    WN_TEST_OK(open_paths(fits, 1, pool.spool, &count, &err));
    cr_assert_eq(count, 1100);
    /* Where the copy is there, no room is needed. */
    char filler[4096];
    snprintf(filler, sizeof filler, "%.4000s/filler", pool.spool);
    FILE *const file = fopen(filler, "wb");
    cr_assert_not_null(file);
    while (fwrite(text.data, 1, 4096, file) == 4096 && fflush(file) == 0) {
    }
    (void)fclose(file);
    WN_TEST_OK(open_paths(fits, 1, pool.spool, &count, &err));
    cr_assert_eq(umount(pool.spool), 0);
    free((void *)(uintptr_t)text.data);
    pool_remove(&pool);
}
