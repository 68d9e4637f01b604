/* The files of a checkpoint: one model.safetensors, or shards that an index lists.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOWN = 160 };

static const char one_file[] = "model.safetensors";
static const char index_file[] = "model.safetensors.index.json";

/* One entry of weight_map: both as written in the index, without escapes. */
struct place {
    struct wn_span tensor, shard;
    uint16_t file;
};

struct index {
    struct wn_map map;
    struct place *places; /* sorted by tensor in the end */
    size_t n, room;
    size_t n_files;
};

wn_code wn_link_check(const char *path, struct wn_error *err)
{
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISLNK(status.st_mode) || stat(path, &status) == 0) {
        return WN_OK;
    }
    WN_CHECK(errno != ELOOP, err, WN_MODEL,
             "%s: this link leads back to itself; give the folder or file it should mean", path);
    WN_FAIL(err, WN_MODEL,
            "%s: this link leads to nothing: the download was not finished, or its files were moved; "
            "download the model "
            "again",
            path);
}

static int compare_stored(const void *a, const void *b)
{
    return wn_span_compare(wn_stored_name(a), wn_stored_name(b));
}

static int compare_tensors(const void *a, const void *b)
{
    return wn_span_compare(((const struct place *)a)->tensor, ((const struct place *)b)->tensor);
}

static int compare_shards(const void *a, const void *b)
{
    return wn_span_compare(((const struct place *)a)->shard, ((const struct place *)b)->shard);
}

static wn_code file_open(struct wn_checkpoint *checkpoint, const char *path, struct wn_error *err)
{
    const size_t file = checkpoint->n_files;
    WN_TRY(wn_link_check(path, err));
    WN_TRY(wn_map_open(path, WN_MODEL, &checkpoint->maps[file], err));
    checkpoint->n_files = file + 1;
    return wn_stored_read(checkpoint->maps[file].bytes, path, (uint16_t)file, &checkpoint->list,
                          &checkpoint->data[file], err);
}

static wn_code files_reserve(struct wn_checkpoint *checkpoint, size_t n, struct wn_error *err)
{
    checkpoint->maps = calloc(n, sizeof *checkpoint->maps);
    checkpoint->data = calloc(n, sizeof *checkpoint->data);
    WN_CHECK(checkpoint->maps != NULL && checkpoint->data != NULL, err, WN_DEVICE, "no memory for %zu shards",
             n);
    return WN_OK;
}

/* Sort the table by name; no name may stand twice, in one file or in two. */
static wn_code names_sort(struct wn_checkpoint *checkpoint, struct wn_error *err)
{
    struct wn_stored *const items = checkpoint->list.items;
    if (checkpoint->list.n == 0) {
        return WN_OK;
    }
    qsort(items, checkpoint->list.n, sizeof *items, compare_stored);
    for (size_t i = 1; i < checkpoint->list.n; ++i) {
        if (compare_stored(&items[i - 1], &items[i]) == 0) {
            char shown[SHOWN];
            const char *const name = wn_cursor_show(wn_stored_name(&items[i]), shown, sizeof shown);
            WN_CHECK(items[i - 1].file != items[i].file, err, WN_MODEL,
                     "%s: tensor '%s': field '(name)' stands twice in the header; the file is damaged: copy "
                     "or download "
                     "it again",
                     checkpoint->maps[items[i].file].path, name);
            WN_FAIL(err, WN_MODEL,
                    "%s: tensor '%s' stands in two shards, this one and %s: the shards belong to different "
                    "checkpoints; "
                    "download all of them again",
                    checkpoint->maps[items[i].file].path, name, checkpoint->maps[items[i - 1].file].path);
        }
    }
    return WN_OK;
}

/* A shard is a file beside the index, never a path that leads elsewhere. */
static wn_code shard_check(const struct index *index, const struct place *place, struct wn_error *err)
{
    static const char suffix[] = ".safetensors";
    const size_t n = sizeof suffix - 1;
    const struct wn_span shard = place->shard;
    const bool is_plain = shard.size > n && shard.size < 256 && memchr(shard.data, '/', shard.size) == NULL &&
                          memchr(shard.data, '\\', shard.size) == NULL && shard.data[0] != '.' &&
                          memcmp(shard.data + shard.size - n, suffix, n) == 0;
    char tensor[SHOWN];
    char shown[SHOWN];
    WN_CHECK(is_plain, err, WN_MODEL,
             "%s: tensor '%s': field 'weight_map': '%s' is not the plain name of a .safetensors file in this "
             "folder",
             index->map.path, wn_cursor_show(place->tensor, tensor, sizeof tensor),
             wn_cursor_show(shard, shown, sizeof shown));
    return WN_OK;
}

static wn_code fail_index(const struct index *index, const struct wn_cursor *scan, const char *field,
                          struct wn_error *err)
{
    WN_FAIL(err, WN_MODEL,
            "%s: field '%s': at byte %zu it %s; the index is damaged: copy or download it again",
            index->map.path, field, (size_t)(scan->at - index->map.bytes.data),
            scan->problem == NULL ? "is wrong" : scan->problem);
}

static wn_code places_read(struct index *index, struct wn_cursor *scan, struct wn_error *err)
{
    if (!wn_cursor_mark(scan, '{')) {
        return fail_index(index, scan, "weight_map", err);
    }
    for (int step; (step = wn_cursor_step(scan, index->n == 0, '}')) != 0; ++index->n) {
        struct place place = {.file = 0};
        if (step < 0 || !wn_cursor_string(scan, &place.tensor) || !wn_cursor_mark(scan, ':') ||
            !wn_cursor_string(scan, &place.shard)) {
            return fail_index(index, scan, "weight_map", err);
        }
        WN_CHECK(index->n < WN_MAX_TENSORS, err, WN_MODEL,
                 "%s: field 'weight_map' names more than %d tensors, the limit of this program",
                 index->map.path, (int)WN_MAX_TENSORS);
        WN_TRY(shard_check(index, &place, err));
        if (index->n == index->room) {
            const size_t room = index->room == 0 ? 512 : index->room * 2;
            struct place *const places = realloc(index->places, room * sizeof *places);
            WN_CHECK(places != NULL, err, WN_DEVICE, "no memory for the table of %s", index->map.path);
            index->places = places;
            index->room = room;
        }
        index->places[index->n] = place;
    }
    return WN_OK;
}

static wn_code index_read(struct index *index, struct wn_error *err)
{
    WN_CHECK(index->map.bytes.size <= WN_MAX_INDEX_BYTES, err, WN_MODEL,
             "%s: an index of %zu bytes is above the limit of %d", index->map.path, index->map.bytes.size,
             (int)WN_MAX_INDEX_BYTES);
    struct wn_cursor scan = wn_cursor_of(index->map.bytes);
    bool has_map = false;
    bool is_first = true;
    if (!wn_cursor_mark(&scan, '{')) {
        return fail_index(index, &scan, "(all)", err);
    }
    for (int step; (step = wn_cursor_step(&scan, is_first, '}')) != 0; is_first = false) {
        struct wn_span key;
        if (step < 0 || !wn_cursor_string(&scan, &key) || !wn_cursor_mark(&scan, ':')) {
            return fail_index(index, &scan, "(all)", err);
        }
        if (wn_span_is(key, "weight_map")) {
            WN_CHECK(!has_map, err, WN_MODEL, "%s: field 'weight_map' stands twice", index->map.path);
            has_map = true;
            WN_TRY(places_read(index, &scan, err));
        } else if (!wn_cursor_skip(&scan)) {
            return fail_index(index, &scan, "(all)", err);
        }
    }
    if (!wn_cursor_finish(&scan)) {
        return fail_index(index, &scan, "(all)", err);
    }
    WN_CHECK(has_map && index->n > 0, err, WN_MODEL, "%s: field 'weight_map' is missing or empty",
             index->map.path);
    return WN_OK;
}

/* Number the shards in the order of their names. */
static wn_code index_sort(struct index *index, struct wn_error *err)
{
    qsort(index->places, index->n, sizeof *index->places, compare_shards);
    for (size_t i = 0; i < index->n; ++i) {
        if (i == 0 || compare_shards(&index->places[i - 1], &index->places[i]) != 0) {
            ++index->n_files;
            WN_CHECK(index->n_files <= WN_MAX_SHARDS, err, WN_MODEL,
                     "%s: field 'weight_map' names more than %d files, the limit of this program",
                     index->map.path, (int)WN_MAX_SHARDS);
        }
        index->places[i].file = (uint16_t)(index->n_files - 1);
    }
    return WN_OK;
}

static wn_code shards_open(struct wn_checkpoint *checkpoint, const struct index *index, struct wn_error *err)
{
    WN_TRY(files_reserve(checkpoint, index->n_files, err));
    for (size_t i = 0; i < index->n; ++i) {
        if (i > 0 && index->places[i].file == index->places[i - 1].file) {
            continue;
        }
        char name[256];
        memcpy(name, index->places[i].shard.data, index->places[i].shard.size);
        name[index->places[i].shard.size] = '\0';
        char *const path = wn_path_join(checkpoint->folder, name);
        WN_CHECK(path != NULL, err, WN_DEVICE, "no memory for a path");
        wn_code code = WN_OK;
        if (access(path, F_OK) != 0) {
            code = wn_link_check(path, err);
            if (code == WN_OK) {
                char shown[SHOWN];
                code = wn_error_set(
                    err, WN_MODEL, __FILE__, __LINE__,
                    "%s: this shard is missing; field 'weight_map' of %s names it for tensor '%s': copy "
                    "or download it",
                    path, index_file, wn_cursor_show(index->places[i].tensor, shown, sizeof shown));
            }
        } else {
            code = file_open(checkpoint, path, err);
        }
        free(path);
        WN_TRY(code);
    }
    return WN_OK;
}

/* Index and shards must say the same: both are sorted by name, so one walk over both is enough. */
static wn_code index_compare(const struct wn_checkpoint *checkpoint, const struct index *index,
                             struct wn_error *err)
{
    const struct wn_stored_list *const list = &checkpoint->list;
    char shown[SHOWN];
    size_t s = 0;
    for (size_t i = 0; i < index->n || s < list->n;) {
        const int order = i == index->n ? 1
                          : s == list->n
                              ? -1
                              : wn_span_compare(index->places[i].tensor, wn_stored_name(&list->items[s]));
        if (order < 0) {
            WN_FAIL(err, WN_MODEL,
                    "%s: tensor '%s' is missing from its shard, which field 'weight_map' of %s names: index "
                    "and shards "
                    "belong to different checkpoints; download them again",
                    checkpoint->maps[index->places[i].file].path,
                    wn_cursor_show(index->places[i].tensor, shown, sizeof shown), index_file);
        }
        (void)wn_cursor_show(wn_stored_name(&list->items[s]), shown, sizeof shown);
        const char *const path = checkpoint->maps[list->items[s].file].path;
        WN_CHECK(order == 0, err, WN_MODEL,
                 "%s: tensor '%s' is in this shard, but field 'weight_map' of %s does not name it: index and "
                 "shards belong "
                 "to different checkpoints; download them again",
                 path, shown, index_file);
        WN_CHECK(list->items[s].file == index->places[i].file, err, WN_MODEL,
                 "%s: tensor '%s' is in this shard, but field 'weight_map' of %s names another: index and "
                 "shards belong to "
                 "different checkpoints; download them again",
                 path, shown, index_file);
        ++i;
        ++s;
    }
    return WN_OK;
}

static wn_code places_check(const struct index *index, struct wn_error *err)
{
    for (size_t i = 1; i < index->n; ++i) {
        char shown[SHOWN];
        WN_CHECK(compare_tensors(&index->places[i - 1], &index->places[i]) != 0, err, WN_MODEL,
                 "%s: tensor '%s': field 'weight_map' names it twice: the index is damaged; copy or download "
                 "it again",
                 index->map.path, wn_cursor_show(index->places[i].tensor, shown, sizeof shown));
    }
    return WN_OK;
}

static wn_code sharded_open(struct wn_checkpoint *checkpoint, const char *path, struct wn_error *err)
{
    struct index index = {.n = 0};
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_link_check(path, err));
    WN_TRY_OR(done, wn_map_open(path, WN_MODEL, &index.map, err));
    WN_TRY_OR(done, index_read(&index, err));
    WN_TRY_OR(done, index_sort(&index, err));
    WN_TRY_OR(done, shards_open(checkpoint, &index, err));
    WN_TRY_OR(done, names_sort(checkpoint, err));
    qsort(index.places, index.n, sizeof *index.places, compare_tensors);
    WN_TRY_OR(done, places_check(&index, err));
    WN_TRY_OR(done, index_compare(checkpoint, &index, err));
done:
    free(index.places);
    wn_map_close(&index.map);
    return code;
}

static bool folder_has(const char *folder, const char *name)
{
    char *const path = wn_path_join(folder, name);
    struct stat status;
    const bool has = path != NULL && lstat(path, &status) == 0;
    free(path);
    return has;
}

/* Neither form is there: say what is, and how to get from it to safetensors. */
static wn_code fail_missing(const char *folder, struct wn_error *err)
{
    static const char *const others[] = {
        "pytorch_model.bin",        "pytorch_model.bin.index.json", "tf_model.h5",
        "flax_model.msgpack",       "consolidated.00.pth",          "rust_model.ot",
        "adapter_model.safetensors"};
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i) {
        if (folder_has(folder, others[i])) {
            WN_CHECK(i != sizeof others / sizeof *others - 1, err, WN_MODEL,
                     "%s: holds an adapter (%s) without its base model: merge the two (peft: "
                     "merge_and_unload, then "
                     "save_pretrained) and give the merged folder",
                     folder, others[i]);
            WN_FAIL(err, WN_MODEL,
                    "%s: the weights are in %s, which this program does not read: convert them to "
                    "safetensors, in Python: "
                    "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)",
                    folder, others[i]);
        }
    }
    WN_FAIL(err, WN_MODEL,
            "%s: holds no weights: neither %s nor %s; copy or download the whole checkpoint (a .gguf file is "
            "not read)",
            folder, one_file, index_file);
}

wn_code wn_checkpoint_open(const char *folder, struct wn_checkpoint **out_checkpoint, struct wn_error *err)
{
    struct wn_checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    char *path = NULL;
    WN_CHECK(checkpoint != NULL, err, WN_DEVICE, "no memory for a checkpoint");
    wn_code code = WN_OK;
    const bool is_one = folder_has(folder, one_file);
    path = wn_path_join(folder, is_one ? one_file : index_file);
    checkpoint->folder = strdup(folder);
    if (path == NULL || checkpoint->folder == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "no memory for a path");
        goto done;
    }
    if (is_one) {
        WN_TRY_OR(done, files_reserve(checkpoint, 1, err));
        WN_TRY_OR(done, file_open(checkpoint, path, err));
        WN_TRY_OR(done, names_sort(checkpoint, err));
    } else if (folder_has(folder, index_file)) {
        WN_TRY_OR(done, sharded_open(checkpoint, path, err));
    } else {
        code = fail_missing(folder, err);
        goto done;
    }
    *out_checkpoint = checkpoint;
    checkpoint = NULL;
done:
    free(path);
    wn_checkpoint_close(checkpoint);
    return code;
}

void wn_checkpoint_close(struct wn_checkpoint *checkpoint)
{
    if (checkpoint == NULL) {
        return;
    }
    for (size_t i = 0; i < checkpoint->n_files; ++i) {
        wn_map_close(&checkpoint->maps[i]);
    }
    free(checkpoint->maps);
    free(checkpoint->data);
    free(checkpoint->list.items);
    free(checkpoint->tensors);
    free(checkpoint->ignored);
    free(checkpoint->folder);
    free(checkpoint);
}

size_t wn_checkpoint_tensors(const struct wn_checkpoint *checkpoint, const struct wn_tensor **out_tensors)
{
    *out_tensors = checkpoint->tensors;
    return checkpoint->n_tensors;
}
