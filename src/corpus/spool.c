/* Plain copies of compressed files: their names, the room they need, and whether they are there already.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A copy is named by the hash of the compressed bytes and appears whole or not at all, so one that is there is the one
 * that would be made again, whoever made it.
 */
#include "corpus/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    PIECE = 1 << 22,  /* bytes that are hashed before they are given back */
    USUAL_RATIO = 20, /* plain bytes for a compressed one: text hardly ever gives more */
    TEXT = 24         /* of a number of files */
};

static wn_code hash_packed(const struct wn_map *map, char out_text[WN_HASH_TEXT], struct wn_error *err)
{
    struct wn_hasher *hasher = NULL;
    WN_TRY(wn_hasher_new(&hasher, err));
    for (size_t at = 0; at < map->bytes.size; at += PIECE) {
        const size_t left = map->bytes.size - at;
        const size_t size = left < PIECE ? left : PIECE;
        wn_hasher_add(hasher, map->bytes.data + at, size);
        wn_map_release(map, at, size);
    }
    wn_hasher_text(hasher, out_text);
    wn_hasher_free(hasher);
    return WN_OK;
}

wn_code wn_spool_name(struct wn_source *sources, size_t n, const char *spool, struct wn_arena *arena,
                      struct wn_error *err)
{
    for (size_t i = 0; i < n && spool != NULL; i++) {
        if (sources[i].packed.bytes.size == 0) {
            continue;
        }
        char name[WN_HASH_TEXT + 8];
        WN_TRY(hash_packed(&sources[i].packed, name, err));
        memcpy(name + WN_HASH_TEXT - 1, ".plain", sizeof ".plain");
        char *const joined = wn_path_join(spool, name);
        WN_CHECK(joined != NULL, err, WN_DEVICE, "out of memory for a path");
        struct wn_span kept = {NULL, 0};
        const wn_code code = wn_arena_copy(arena, wn_span_of(joined), &kept, err);
        free(joined);
        WN_TRY(code);
        sources[i].stored = kept.data;
    }
    return WN_OK;
}

wn_code wn_spool_find(const char *stored, bool *out_found, struct wn_error *err)
{
    struct stat info;
    *out_found = stat(stored, &info) == 0;
    WN_CHECK(
        !*out_found || S_ISREG(info.st_mode), err, WN_IO,
        "%s: is no regular file, but the plain copy of a compressed file is kept under this name; remove it",
        stored);
    return WN_OK;
}

/* ---- room ---- */

/* Compressed files whose plain bytes are to be counted; borrowed. */
struct list {
    const struct wn_source **sources;
    size_t n;
};

static int compare_stored(const void *a, const void *b)
{
    const struct wn_source *const *const x = a;
    const struct wn_source *const *const y = b;
    return strcmp((*x)->stored, (*y)->stored);
}

/* The compressed ones, of those with equal copies only one. `is_missing`: only where the copy is not there. */
static wn_code list_make(const struct wn_source *sources, size_t n, bool is_missing, struct list *out_list,
                         struct wn_error *err)
{
    struct list list = {calloc(n == 0 ? 1 : n, sizeof *list.sources), 0};
    WN_CHECK(list.sources != NULL, err, WN_DEVICE, "out of memory for %zu files", n);
    wn_code code = WN_OK;
    for (size_t i = 0; i < n; i++) {
        bool is_there = false;
        if (sources[i].packed.bytes.size == 0) {
            continue;
        }
        if (is_missing && sources[i].stored != sources[i].path) {
            WN_TRY_OR(done, wn_spool_find(sources[i].stored, &is_there, err));
        }
        if (!is_there) {
            list.sources[list.n++] = &sources[i];
        }
    }
    qsort(list.sources, list.n, sizeof *list.sources, compare_stored);
    size_t kept = 0;
    for (size_t i = 0; i < list.n; i++) {
        const struct wn_source *const source = list.sources[i];
        const bool is_copied = source->stored != source->path;
        if (kept == 0 || !is_copied || strcmp(list.sources[kept - 1]->stored, source->stored) != 0) {
            list.sources[kept++] = source;
        }
    }
    list.n = kept;
    *out_list = list;
    list.sources = NULL;
done:
    free(list.sources);
    return code;
}

static wn_code list_count(const struct list *list, uint64_t *out_bytes, struct wn_error *err)
{
    *out_bytes = 0;
    for (size_t i = 0; i < list->n; i++) {
        const struct wn_source *const source = list->sources[i];
        struct wn_sink sink = {.fd = -1, .counts_only = true, .stop = source->stop};
        WN_TRY(wn_unpack(source->path, source->compression, &source->packed, &sink, err));
        *out_bytes += sink.written;
    }
    return WN_OK;
}

/* Bytes free for us where `folder` is or will be made; false where the system does not say. */
static bool space_free(const char *folder, uint64_t *out_bytes)
{
    char *const path = strdup(folder);
    struct statvfs space;
    bool is_known = false;
    if (path == NULL) {
        return false;
    }
    is_known = statvfs(path, &space) == 0;
    while (!is_known && strrchr(path, '/') != NULL && strrchr(path, '/') != path) {
        *strrchr(path, '/') = 0;
        is_known = statvfs(path, &space) == 0;
    }
    is_known = is_known || statvfs(path[0] == '/' ? "/" : ".", &space) == 0;
    free(path);
    *out_bytes = is_known ? (uint64_t)space.f_bavail * space.f_frsize : 0;
    return is_known;
}

static wn_code check_list(const struct list *list, const char *folder, bool is_spool, struct wn_error *err)
{
    uint64_t packed = 0;
    uint64_t room = 0;
    uint64_t needed = 0;
    for (size_t i = 0; i < list->n; i++) {
        packed += list->sources[i]->packed.bytes.size;
    }
    if (list->n == 0 || !space_free(folder, &room) || room / USUAL_RATIO >= packed) {
        return WN_OK;
    }
    WN_TRY(list_count(list, &needed, err));
    char more[TEXT + sizeof " and  more files"] = "";
    if (list->n > 1) {
        (void)snprintf(more, sizeof more, " and %zu more file%s", list->n - 1, list->n == 2 ? "" : "s");
    }
    WN_CHECK(needed <= room, err, WN_IO,
             "unpacking %s%s needs %llu bytes in %s, where %llu are free: nothing was unpacked; make room, "
             "or name "
             "another folder %s",
             list->sources[0]->path, more, (unsigned long long)needed, folder, (unsigned long long)room,
             is_spool ? "with --spool" : "in TMPDIR");
    return WN_OK;
}

wn_code wn_spool_check_room(const struct wn_source *sources, size_t n, const char *spool,
                            struct wn_error *err)
{
    struct list list = {NULL, 0};
    WN_TRY(list_make(sources, n, true, &list, err));
    const wn_code code = check_list(&list, spool == NULL ? wn_temporary_folder() : spool, spool != NULL, err);
    free(list.sources);
    return code;
}

wn_code wn_corpus_plain_bytes(const char *const *paths, size_t n_paths, uint64_t *out_bytes,
                              struct wn_error *err)
{
    struct wn_arena *arena = NULL;
    struct list list = {NULL, 0};
    size_t n = 0;
    wn_code code = WN_OK;
    struct wn_source *const sources = calloc(n_paths == 0 ? 1 : n_paths, sizeof *sources);
    WN_CHECK(sources != NULL, err, WN_DEVICE, "out of memory for %zu files", n_paths);
    WN_TRY_OR(done, wn_arena_new(&arena, err));
    for (; n < n_paths; n++) {
        WN_TRY_OR(done, wn_source_open(paths[n], &sources[n], err));
    }
    /* The names tell which files are equal; the folder does not matter. */
    WN_TRY_OR(done, wn_spool_name(sources, n, ".", arena, err));
    WN_TRY_OR(done, list_make(sources, n, false, &list, err));
    code = list_count(&list, out_bytes, err);
done:
    free(list.sources);
    for (size_t i = 0; i < n; i++) {
        wn_source_close(&sources[i]);
    }
    free(sources);
    wn_arena_free(arena);
    return code;
}
