/* From what a user writes after --model to a folder: the folder itself, a hub cache folder, or a name in the
 * hub cache.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The hub cache (huggingface_hub, "Understand caching"): models--ORG--NAME/refs/main holds the name of a
 * commit, snapshots/COMMIT holds links to blobs. Nothing is ever looked up in the network.
 */
#include "model/checkpoint.h"
#include "model/model.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIED = 4096, LISTED = 1024, REF_BYTES = 256 };

/* folder/name into out (PATH_MAX bytes); false where it does not fit. */
static bool join(const char *folder, const char *name, char out[PATH_MAX])
{
    const size_t n = strlen(folder);
    const int size =
        snprintf(out, PATH_MAX, "%s%s%s", folder, n > 0 && folder[n - 1] == '/' ? "" : "/", name);
    return size > 0 && size < PATH_MAX;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool holds(const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat status;
    return join(folder, name, path) && lstat(path, &status) == 0;
}

static wn_code resolved(const char *folder, char *out_folder, size_t size, struct wn_error *err)
{
    char real[PATH_MAX];
    WN_CHECK(realpath(folder, real) != NULL, err, WN_MODEL, "%s: cannot be followed: %s", folder,
             strerror(errno));
    WN_CHECK(strlen(real) < size, err, WN_MODEL, "%s: the resolved path is too long", folder);
    memcpy(out_folder, real, strlen(real) + 1);
    return WN_OK;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The one snapshot of a cache folder without refs/main; with several none can be chosen. */
static wn_code snapshot_only(const char *folder, char out_name[REF_BYTES], struct wn_error *err)
{
    enum { MOST = 16 };
    char names[MOST][REF_BYTES];
    char path[PATH_MAX];
    size_t n = 0;
    WN_CHECK(join(folder, "snapshots", path), err, WN_MODEL, "%s: the path is too long", folder);
    DIR *const dir = opendir(path);
    WN_CHECK(dir != NULL, err, WN_MODEL, "%s: cannot be listed: %s", path, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.' && n < MOST) {
            (void)snprintf(names[n++], REF_BYTES, "%s", entry->d_name);
        }
    }
    (void)closedir(dir);
    WN_CHECK(n > 0, err, WN_MODEL,
             "%s: holds no snapshot: the download was not finished; download the model again", path);
    qsort(names, n, REF_BYTES, compare_texts);
    char text[LISTED] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof text - 2; ++i) {
        const int size = snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : ", ", names[i]);
        used += (size_t)size;
    }
    WN_CHECK(n == 1, err, WN_MODEL,
             "%s: holds several snapshots and there is no refs/main to choose by: give one of them: %s%s",
             path, text, n == MOST ? ", ..." : "");
    memcpy(out_name, names[0], REF_BYTES);
    return WN_OK;
}

/* The commit that refs/main names: one plain file name. */
static wn_code ref_read(const char *folder, char out_name[REF_BYTES], struct wn_error *err)
{
    char path[PATH_MAX];
    struct wn_map map = {.path = NULL};
    WN_CHECK(join(folder, "refs/main", path), err, WN_MODEL, "%s: the path is too long", folder);
    WN_TRY(wn_link_check(path, err));
    WN_TRY(wn_map_open(path, WN_MODEL, &map, err));
    size_t n = map.bytes.size;
    while (n > 0 && strchr(" \t\r\n", map.bytes.data[n - 1]) != NULL && map.bytes.data[n - 1] != '\0') {
        --n;
    }
    bool is_plain = n > 0 && n < REF_BYTES;
    for (size_t i = 0; is_plain && i < n; ++i) {
        const char c = map.bytes.data[i];
        is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                   c == '_';
    }
    if (is_plain) {
        memcpy(out_name, map.bytes.data, n);
        out_name[n] = '\0';
    }
    wn_map_close(&map);
    WN_CHECK(is_plain, err, WN_MODEL, "%s: does not hold the name of a snapshot; download the model again",
             path);
    return WN_OK;
}

static wn_code cache_resolve(const char *folder, char *out_folder, size_t size, struct wn_error *err)
{
    char name[REF_BYTES];
    char inside[REF_BYTES + 16];
    char path[PATH_MAX];
    const bool has_ref = holds(folder, "refs/main");
    WN_TRY(has_ref ? ref_read(folder, name, err) : snapshot_only(folder, name, err));
    (void)snprintf(inside, sizeof inside, "snapshots/%s", name);
    WN_CHECK(join(folder, inside, path), err, WN_MODEL, "%s: the path is too long", folder);
    WN_CHECK(is_folder(path), err, WN_MODEL,
             "%s: this snapshot, which refs/main names, is not there: the download was not finished; "
             "download the model again",
             path);
    WN_CHECK(
        holds(path, "config.json"), err, WN_MODEL,
        "%s: this snapshot holds no config.json: the download was not finished; download the model again",
        path);
    return resolved(path, out_folder, size, err);
}

static bool is_name_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
}

/* "org/name" (or "name", as the oldest models have) as its cache folder's name; false for anything else. */
static bool cache_name(const char *path, char out[PATH_MAX])
{
    static const char start[] = "models--";
    size_t n = sizeof start - 1;
    int slashes = 0;
    memcpy(out, start, n);
    if (path[0] == '.' || path[0] == '/' || strlen(path) > 256) {
        return false;
    }
    for (size_t i = 0; path[i] != '\0'; ++i) {
        if (path[i] == '/') {
            if (++slashes > 1 || path[i + 1] == '\0' || path[i + 1] == '.') {
                return false;
            }
            out[n++] = '-';
            out[n++] = '-';
        } else if (is_name_byte(path[i])) {
            out[n++] = path[i];
        } else {
            return false;
        }
    }
    out[n] = '\0';
    return path[0] != '\0';
}

/* The hub caches to look into, in order; a variable that is not set, or empty, gives none. */
static bool cache_folder(int which, char out[PATH_MAX])
{
    static const struct {
        const char *variable, *below;
    } places[] = {{"HF_HUB_CACHE", ""}, {"HF_HOME", "hub"}, {"HOME", ".cache/huggingface/hub"}};
    const char *const value = getenv(places[which].variable);
    return value != NULL && value[0] != '\0' && join(value, places[which].below, out);
}

static wn_code name_resolve(const char *path, char *out_folder, size_t size, struct wn_error *err)
{
    char name[PATH_MAX];
    char tried[TRIED] = "";
    size_t used = 0;
    if (!cache_name(path, name)) {
        WN_FAIL(
            err, WN_MODEL,
            "%s: no such folder; give the folder of a checkpoint, or ORG/NAME of a model in the hub cache",
            path);
    }
    for (int which = 0; which < 3; ++which) {
        char cache[PATH_MAX];
        char folder[PATH_MAX];
        if (!cache_folder(which, cache) || !join(cache, name, folder)) {
            continue;
        }
        struct stat status;
        if (lstat(folder, &status) == 0) {
            WN_TRY(wn_link_check(folder, err));
            return cache_resolve(folder, out_folder, size, err);
        }
        const int n = snprintf(tried + used, sizeof tried - used, ", %s", folder);
        used = (size_t)n < sizeof tried - used ? used + (size_t)n : sizeof tried - 1;
    }
    WN_FAIL(err, WN_MODEL,
            "%s: no such model; tried: the folder %s%s; nothing is downloaded: give the folder of a "
            "checkpoint, or download the "
            "model first (hf download %s)",
            path, path, tried, path);
}

/* A folder without config.json: a hub cache folder, or nothing of use. */
static wn_code folder_resolve(const char *path, char *out_folder, size_t size, struct wn_error *err)
{
    if (holds(path, "config.json")) {
        return resolved(path, out_folder, size, err);
    }
    if (holds(path, "snapshots") || holds(path, "refs")) {
        WN_CHECK(holds(path, "snapshots"), err, WN_MODEL,
                 "%s: a hub cache folder without snapshots: the download was not finished; download the "
                 "model again",
                 path);
        return cache_resolve(path, out_folder, size, err);
    }
    const bool has_weights = holds(path, "model.safetensors") || holds(path, "model.safetensors.index.json");
    WN_FAIL(err, WN_MODEL, "%s: holds no config.json%s", path,
            has_weights ? ": copy it from the checkpoint that the weights beside it come from"
                        : ", so it is no checkpoint folder (nor a hub cache folder models--ORG--NAME)");
}

wn_code wn_model_resolve(const char *path, char *out_folder, size_t size, struct wn_error *err)
{
    struct stat status;
    WN_CHECK(path[0] != '\0', err, WN_MODEL,
             "the name of the model is empty; give the folder of a checkpoint, or ORG/NAME");
    WN_CHECK(strlen(path) < PATH_MAX, err, WN_MODEL,
             "the path of the model has %zu bytes, above the system's limit of %d", strlen(path),
             PATH_MAX - 1);
    if (stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode)) {
            return folder_resolve(path, out_folder, size, err);
        }
        WN_CHECK(!S_ISREG(status.st_mode), err, WN_MODEL,
                 "%s: this is a file; give the folder that holds it, with config.json and the tokenizer",
                 path);
        WN_FAIL(err, WN_MODEL, "%s: neither a folder nor a file; give the folder of a checkpoint", path);
    }
    const int reason = errno;
    WN_TRY(wn_link_check(path, err));
    WN_CHECK(reason == ENOENT || reason == ENOTDIR, err, WN_MODEL, "%s: cannot be opened: %s", path,
             strerror(reason));
    return name_resolve(path, out_folder, size, err);
}
