/* The run directory: whose it is, and what of it goes when a run fails.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/folder.h"

#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a killed process may leave: NAME.tmp.PID of a file that was being written. */
static bool is_leftover(const char *name)
{
    return strncmp(name, "run.json.tmp.", 13) == 0 || strncmp(name, "scores.h5.tmp.", 14) == 0;
}

static wn_code contents_check(const char *path, struct wn_error *err)
{
    DIR *folder = opendir(path);
    WN_CHECK(folder != NULL, err, WN_IO, "%s: cannot be read: %s", path, strerror(errno));
    wn_code code = WN_OK;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !is_leftover(name)) {
            code = wn_error_set(
                err, WN_USAGE, __FILE__, __LINE__,
                "%s: is not empty and no run directory (it holds %s but no run.json); it was left as it "
                "is: choose another --out",
                path, name);
            break;
        }
    }
    closedir(folder);
    return code;
}

static wn_code name_make(char *out, const char *folder, const char *name, struct wn_error *err)
{
    const int n =
        snprintf(out, WN_JOB_PATH, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    WN_CHECK(n > 0 && n < WN_JOB_PATH, err, WN_USAGE, "--out %.200s...: the path is too long", folder);
    return WN_OK;
}

wn_code wn_folder_look(const char *path, struct wn_folder *out_folder, struct wn_error *err)
{
    memset(out_folder, 0, sizeof *out_folder);
    WN_CHECK(path != NULL && path[0] != 0, err, WN_USAGE,
             "the run directory has no name; give it by --out RUN");
    out_folder->path = path;
    WN_TRY(name_make(out_folder->run_json, path, "run.json", err));
    WN_TRY(name_make(out_folder->scores, path, "scores.h5", err));
    WN_TRY(name_make(out_folder->corpus, path, "corpus", err));
    struct stat info;
    if (stat(path, &info) != 0) {
        WN_CHECK(errno == ENOENT, err, errno == ENOTDIR ? WN_USAGE : WN_IO, "--out %s: %s", path,
                 strerror(errno));
        out_folder->was_looked_at = true;
        return WN_OK;
    }
    WN_CHECK(S_ISDIR(info.st_mode), err, WN_USAGE, "--out %s: is a file, but a run directory is wanted",
             path);
    out_folder->has_run = wn_path_exists(out_folder->run_json);
    out_folder->has_scores = wn_path_exists(out_folder->scores);
    if (!out_folder->has_run) {
        WN_TRY(contents_check(path, err));
    }
    out_folder->was_looked_at = true;
    return WN_OK;
}

wn_code wn_folder_make(struct wn_folder *folder, struct wn_error *err)
{
    if (wn_path_exists(folder->path)) {
        return WN_OK;
    }
    WN_TRY(wn_directory_make(folder->path, err));
    folder->was_made = true;
    return WN_OK;
}

static wn_code run_write(struct wn_folder *folder, const struct wn_recipe *recipe, struct wn_error *err)
{
    char *text = NULL;
    struct wn_file *file = NULL;
    wn_code code = WN_OK;
    WN_TRY(wn_recipe_print(recipe, &text, err));
    WN_TRY_OR(done, wn_file_create(folder->run_json, &file, err));
    WN_TRY_OR(done, wn_file_print(file, err, "%s\n", text));
    WN_TRY_OR(done, wn_file_commit(&file, err));
    folder->is_ours = true;
done:
    wn_file_abandon(&file);
    free(text);
    return code;
}

wn_code wn_folder_claim(struct wn_folder *folder, const struct wn_recipe *recipe, bool dry_run,
                        struct wn_error *err)
{
    if (!folder->has_run) {
        return dry_run ? WN_OK : run_write(folder, recipe, err);
    }
    struct wn_map map = {0};
    WN_TRY(wn_map_open(folder->run_json, WN_RUN, &map, err));
    const wn_code code = wn_recipe_compare(recipe, folder->run_json, map.bytes, err);
    wn_map_close(&map);
    folder->is_ours = code == WN_OK && !folder->has_scores && !dry_run;
    return code;
}

/* The plain bytes of compressed files: regular files, one level. */
static void corpus_remove(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        struct stat info;
        if (fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode)) {
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    closedir(folder);
    (void)rmdir(path);
}

void wn_folder_tidy(struct wn_folder *folder, bool keep_run)
{
    const bool may_remove = folder->is_ours || !folder->has_run;
    if (!may_remove || folder->has_scores || (folder->is_ours && keep_run)) {
        return;
    }
    /* The directory was new, empty, or claimed by us with nothing finished: what is in it was made by this run. */
    if (folder->is_ours) {
        (void)unlink(folder->run_json);
    }
    if (folder->was_looked_at) {
        corpus_remove(folder->corpus);
    }
    if (folder->was_made) {
        (void)rmdir(folder->path);
    }
}
