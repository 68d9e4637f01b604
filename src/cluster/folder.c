/* The run directory: whose it is, and what of it goes when a run fails.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/folder.h"

#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

/* Is it NAME.tmp.SOMETHING: what a process was writing? */
static bool is_temporary(const char *name)
{
    return strstr(name, ".tmp.") != NULL;
}

/* A file that a run writes at the top of its directory. */
static bool is_run_file(const char *name)
{
    static const char *const names[] = {"lock", "run.json", "index.bin", "log.jsonl", "scores.h5"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t n = strlen(names[i]);
        if (begins(name, names[i]) && (name[n] == 0 || begins(name + n, ".tmp."))) {
            return true;
        }
    }
    return begins(name, "lock.probe.") || begins(name, "journal-");
}

static bool is_plain(const char *name)
{
    return strstr(name, ".plain") != NULL;
}

/* Calls `visit` for each entry but . and .., until it says false. False where the folder cannot be read. */
static bool entries_visit(const char *path, bool (*visit)(void *context, DIR *folder, const char *name),
                          void *context)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return false;
    }
    bool goes_on = true;
    for (const struct dirent *entry = readdir(folder); goes_on && entry != NULL; entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            goes_on = visit(context, folder, entry->d_name);
        }
    }
    closedir(folder);
    return true;
}

static bool is_regular(DIR *folder, const char *name)
{
    struct stat info;
    return fstatat(dirfd(folder), name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode);
}

/* What stands in a directory without run.json. */
struct contents {
    char foreign[NAME_MAX + 16]; /* the first thing that is not a run's, "" with none */
    char other[NAME_MAX + 16];   /* the first thing that is a run's, but not its lock */
    bool has_lock;
};

static bool is_folder(DIR *folder, const char *name)
{
    struct stat info;
    return fstatat(dirfd(folder), name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

static bool corpus_look(void *context, DIR *folder, const char *name)
{
    struct contents *contents = context;
    if (!is_regular(folder, name) || !is_plain(name)) {
        snprintf(contents->foreign, sizeof contents->foreign, "corpus/%s", name);
        return false;
    }
    return true;
}

static bool top_look(void *context, DIR *folder, const char *name)
{
    struct contents *contents = context;
    struct stat info;
    if (is_run_file(name) && fstatat(dirfd(folder), name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        /* A job that begins at this moment has taken its temporary file away: that is no other thing. */
        contents->has_lock = contents->has_lock || begins(name, "lock");
        return true;
    }
    const bool is_file = is_run_file(name) && is_regular(folder, name);
    const bool is_part =
        (strcmp(name, "corpus") == 0 || strcmp(name, "shards") == 0) && is_folder(folder, name);
    if (!is_file && !is_part) {
        snprintf(contents->foreign, sizeof contents->foreign, "%s", name);
        return false;
    }
    /* Any start begins with the lock: without one, a file of a run's name is somebody else's. */
    contents->has_lock = contents->has_lock || begins(name, "lock");
    if (!begins(name, "lock")) {
        snprintf(contents->other, sizeof contents->other, "%s", name);
    }
    return true;
}

static wn_code contents_check(const struct wn_folder *folder, struct wn_error *err)
{
    struct contents contents = {.foreign = "", .other = ""};
    WN_CHECK(entries_visit(folder->path, top_look, &contents), err, WN_IO, "%s: cannot be read: %s",
             folder->path, strerror(errno));
    if (!contents.has_lock && contents.foreign[0] == 0) {
        memcpy(contents.foreign, contents.other, sizeof contents.foreign);
    }
    if (contents.foreign[0] == 0 && wn_path_exists(folder->corpus)) {
        WN_CHECK(entries_visit(folder->corpus, corpus_look, &contents), err, WN_IO, "%s: cannot be read: %s",
                 folder->corpus, strerror(errno));
    }
    WN_CHECK(contents.foreign[0] == 0, err, WN_USAGE,
             "%s: is not empty and no run directory (it holds %s but no run.json); it was left as it is: "
             "choose another --out",
             folder->path, contents.foreign);
    return WN_OK;
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
    WN_TRY(name_make(out_folder->index, path, "index.bin", err));
    struct stat info;
    if (stat(path, &info) != 0) {
        WN_CHECK(errno == ENOENT, err, errno == ENOTDIR ? WN_USAGE : WN_IO, "--out %s: %s", path,
                 strerror(errno));
        return WN_OK;
    }
    WN_CHECK(S_ISDIR(info.st_mode), err, WN_USAGE, "--out %s: is a file, but a run directory is wanted",
             path);
    out_folder->has_run = wn_path_exists(out_folder->run_json);
    out_folder->has_scores = wn_path_exists(out_folder->scores);
    if (!out_folder->has_run) {
        WN_TRY(contents_check(out_folder, err));
    }
    return WN_OK;
}

/* The lock is held: nobody else is writing here. */
static bool temporary_remove(void *context, DIR *folder, const char *name)
{
    (void)context;
    if (is_temporary(name) && !begins(name, "lock") && (is_run_file(name) || is_plain(name)) &&
        is_regular(folder, name)) {
        (void)unlinkat(dirfd(folder), name, 0);
    }
    return true;
}

wn_code wn_folder_take(struct wn_folder *folder, struct wn_error *err)
{
    const struct wn_lock_options options = {0};
    if (!wn_path_exists(folder->path)) {
        WN_TRY(wn_directory_make(folder->path, err));
        folder->was_made = true;
    }
    WN_TRY(wn_lock_take(folder->path, &options, &folder->lock, &folder->was_taken_over, err));
    /* Whoever held it before may have gone on since this process looked. */
    folder->had_run = folder->has_run = wn_path_exists(folder->run_json);
    folder->has_scores = wn_path_exists(folder->scores);
    (void)entries_visit(folder->path, temporary_remove, NULL);
    (void)entries_visit(folder->corpus, temporary_remove, NULL);
    return WN_OK;
}

static wn_code run_write(struct wn_folder *folder, struct wn_recipe *recipe, struct wn_error *err)
{
    char *text = NULL;
    struct wn_file *file = NULL;
    wn_code code = WN_OK;
    WN_CHECK(folder->lock != NULL, err, WN_DEFECT, "%s is claimed before it is taken", folder->path);
    WN_TRY(wn_recipe_print(recipe, &text, err));
    WN_TRY_OR(done, wn_file_create(folder->run_json, &file, err));
    WN_TRY_OR(done, wn_file_print(file, err, "%s\n", text));
    WN_TRY_OR(done, wn_lock_check(folder->lock, err));
    WN_TRY_OR(done, wn_file_commit(&file, err));
    folder->has_run = true;
done:
    wn_file_abandon(&file);
    free(text);
    return code;
}

wn_code wn_folder_claim(struct wn_folder *folder, struct wn_recipe *recipe, bool dry_run,
                        struct wn_error *err)
{
    struct wn_map map = {0};
    const bool is_old = folder->has_run;
    if (!is_old) {
        WN_TRY(dry_run ? WN_OK : run_write(folder, recipe, err));
        if (dry_run) {
            return WN_OK;
        }
    }
    WN_TRY(wn_map_open(folder->run_json, WN_RUN, &map, err));
    const wn_code code = is_old ? wn_recipe_compare(recipe, folder->run_json, map.bytes, err) : WN_OK;
    wn_hash128_text(map.bytes, recipe->run_hash);
    wn_map_close(&map);
    return code;
}

static bool run_remove(void *context, DIR *folder, const char *name)
{
    (void)context;
    if (!begins(name, "lock") && (is_run_file(name) || is_plain(name)) && is_regular(folder, name)) {
        (void)unlinkat(dirfd(folder), name, 0);
    }
    return true;
}

/* What starts that were killed while they took the lock left: nobody makes such a file and needs it while the lock is
 * held. */
static bool lock_part_remove(void *context, DIR *folder, const char *name)
{
    (void)context;
    if ((begins(name, "lock.tmp.") || begins(name, "lock.probe.")) && is_regular(folder, name)) {
        (void)unlinkat(dirfd(folder), name, 0);
    }
    return true;
}

void wn_folder_leave(struct wn_folder *folder, bool keep_run)
{
    if (folder->lock == NULL) {
        return;
    }
    struct wn_error ignored;
    const bool is_ours = wn_lock_check(folder->lock, &ignored) == WN_OK;
    /* Without run.json nobody could tell whose it is. */
    const bool goes = is_ours && (!keep_run || !folder->has_run) && !folder->has_scores;
    if (goes) {
        (void)wn_journals_remove(folder->path, &ignored);
        (void)entries_visit(folder->path, run_remove, NULL);
        (void)entries_visit(folder->corpus, run_remove, NULL);
        (void)rmdir(folder->corpus);
    }
    if (is_ours) {
        (void)entries_visit(folder->path, lock_part_remove, NULL);
    }
    wn_lock_release(&folder->lock);
    if (goes && folder->was_made) {
        (void)rmdir(folder->path);
    }
}
