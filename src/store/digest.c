/* The digest of a scores.h5: what two equal runs must agree on.
 * SPDX-License-Identifier: Apache-2.0
 *
 * XXH3-128 over all datasets outside /provenance, in byte order of their paths: path, 0, type, 0, number of
 * elements (u64), then the elements; all little endian. Chunks, compression and attributes do not count.
 */
#include "store/store.h"

#include "base/base.h"
#include "store/h5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DATASETS = 4096, MAX_PATH = 1024 };

struct paths {
    char **items;
    size_t n;
};

static wn_code path_add(struct paths *paths, const char *file, const char *path, struct wn_error *err)
{
    WN_CHECK(paths->n < MAX_DATASETS, err, WN_INPUT, "%s: has more than %d datasets", file, MAX_DATASETS);
    char **grown = realloc(paths->items, (paths->n + 1) * sizeof *grown);
    char *copy = strdup(path);
    if (grown != NULL) {
        paths->items = grown;
    }
    if (grown == NULL || copy == NULL) {
        free(copy);
        WN_FAIL(err, WN_DEVICE, "out of memory for the names of datasets");
    }
    grown[paths->n] = copy;
    paths->n++;
    return WN_OK;
}

/* The links of one group, as paths. */
struct visit {
    const char *file, *group;
    struct paths links;
    struct wn_error *err;
    wn_code code;
};

static herr_t link_visit(hid_t parent, const char *name, const H5L_info_t *facts, void *context)
{
    struct visit *visit = context;
    char path[MAX_PATH];
    (void)parent;
    const int length = snprintf(path, sizeof path, "%s/%s", visit->group, name);
    if (facts->type != H5L_TYPE_HARD || length < 0 || (size_t)length >= sizeof path) {
        visit->code = wn_error_set(visit->err, WN_INPUT, __FILE__, __LINE__,
                                   "%s: %s/%.200s is a link to elsewhere, or its name is too long",
                                   visit->file, visit->group, name);
        return -1;
    }
    visit->code = path_add(&visit->links, visit->file, path, visit->err);
    return visit->code == WN_OK ? 0 : -1;
}

static void paths_free(struct paths *paths)
{
    for (size_t i = 0; i < paths->n; i++) {
        free(paths->items[i]);
    }
    free(paths->items);
}

static wn_code paths_collect(const struct wn_scores *scores, const char *group, int depth,
                             struct paths *paths, struct wn_error *err);

static wn_code path_sort_in(const struct wn_scores *scores, const char *path, int depth, struct paths *paths,
                            struct wn_error *err)
{
    H5O_info_t object;
    if (H5Oget_info_by_name1(scores->file, path, &object, H5P_DEFAULT) < 0) {
        return wn_h5_fail(scores->path, "the file is damaged: an object cannot be read", err);
    }
    if (object.type == H5O_TYPE_DATASET) {
        return path_add(paths, scores->path, path, err);
    }
    if (object.type != H5O_TYPE_GROUP) {
        return WN_OK;
    }
    WN_CHECK(depth < WN_STORE_GROUPS, err, WN_INPUT, "%s: groups are nested too deep", scores->path);
    return paths_collect(scores, path, depth + 1, paths, err);
}

/* All datasets below `group`, which is "" for the root. Links lead downward at most WN_STORE_GROUPS deep, so
 * that a file that links a group into itself ends in an error. The links are taken as they come: asked for in
 * order, HDF5 1.10.8 frees what it never set where the group is damaged. */
static wn_code paths_collect(const struct wn_scores *scores, const char *group, int depth,
                             struct paths *paths, struct wn_error *err)
{
    struct visit visit = {.file = scores->path, .group = group, .err = err, .code = WN_OK};
    wn_code code = WN_OK;
    if (H5Literate_by_name(scores->file, depth == 0 ? "/" : group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL,
                           link_visit, &visit, H5P_DEFAULT) < 0) {
        code = visit.code != WN_OK
                   ? visit.code
                   : wn_h5_fail(scores->path, "the file is damaged: a group cannot be read", err);
    }
    for (size_t i = 0; i < visit.links.n && code == WN_OK; i++) {
        if (strcmp(visit.links.items[i], "/provenance") != 0) {
            code = path_sort_in(scores, visit.links.items[i], depth, paths, err);
        }
    }
    paths_free(&visit.links);
    return code;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static wn_code values_add(const struct wn_scores *scores, hid_t dataset, const char *path,
                          unsigned char *block, struct wn_hasher *hasher, struct wn_error *err)
{
    struct wn_h5_shape shape;
    WN_TRY(wn_h5_dataset_check(dataset, scores->path, path, &shape, err));
    const char *type = wn_type_name(shape.type);
    unsigned char count[8];
    for (size_t i = 0; i < sizeof count; i++) {
        count[i] = (unsigned char)(shape.n >> (8 * i));
    }
    wn_hasher_add(hasher, path, strlen(path) + 1);
    wn_hasher_add(hasher, type, strlen(type) + 1);
    wn_hasher_add(hasher, count, sizeof count);
    for (uint64_t first = 0; first < shape.n; first += WN_STORE_CHUNK) {
        const size_t n = shape.n - first < WN_STORE_CHUNK ? (size_t)(shape.n - first) : WN_STORE_CHUNK;
        if (wn_h5_read(dataset, shape.type, first, n, block) != WN_OK) {
            return wn_h5_fail(scores->path, "the file is damaged: a dataset cannot be read", err);
        }
        wn_hasher_add(hasher, block, n * wn_type_size(shape.type));
    }
    return WN_OK;
}

static wn_code digest_make(const struct wn_scores *scores, const struct paths *paths, char out_text[33],
                           struct wn_error *err)
{
    struct wn_hasher *hasher = NULL;
    unsigned char *block = NULL;
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_hasher_new(&hasher, err));
    block = malloc((size_t)WN_STORE_CHUNK * sizeof(uint64_t));
    if (block == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for a block of scores");
        goto done;
    }
    for (size_t i = 0; i < paths->n; i++) {
        const hid_t dataset = H5Dopen2(scores->file, paths->items[i], H5P_DEFAULT);
        if (dataset < 0) {
            code = wn_h5_fail(scores->path, paths->items[i], err);
            goto done;
        }
        code = values_add(scores, dataset, paths->items[i], block, hasher, err);
        H5Dclose(dataset);
        if (code != WN_OK) {
            goto done;
        }
    }
    wn_hasher_text(hasher, out_text);
done:
    free(block);
    wn_hasher_free(hasher);
    return code;
}

wn_code wn_scores_digest(const struct wn_scores *scores, char out_text[33], struct wn_error *err)
{
    struct paths paths = {NULL, 0};
    wn_code code = paths_collect(scores, "", 0, &paths, err);
    if (code == WN_OK) {
        qsort(paths.items, paths.n, sizeof *paths.items, compare_paths);
        code = digest_make(scores, &paths, out_text, err);
    }
    paths_free(&paths);
    return code;
}
