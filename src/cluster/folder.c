/* The run directory: whose it is, and what of it goes when a run fails.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/folder.h"

#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The number of the process that was writing `name` as NAME.tmp.PID, or 0 where it is no such name. */
static pid_t writer_of(const char *name, const char *stem)
{
    const size_t n = strlen(stem);
    if (strncmp(name, stem, n) != 0 || strncmp(name + n, ".tmp.", 5) != 0) {
        return 0;
    }
    const char *digits = name + n + 5;
    const size_t count = strspn(digits, "0123456789");
    return count > 0 && count <= 9 && digits[count] == 0 ? (pid_t)strtol(digits, NULL, 10) : 0;
}

/* The same for a file of the run directory itself: run.json and scores.h5 in the making. */
static pid_t top_writer(const char *name)
{
    const pid_t writer = writer_of(name, "run.json");
    return writer > 0 ? writer : writer_of(name, "scores.h5");
}

/* The same for a plain copy in the making, NAME.plain.tmp.PID. */
static pid_t plain_writer(const char *name)
{
    const char *end = strrchr(name, '.');
    const size_t size = strlen(name);
    const size_t ending = end != NULL ? strlen(end) + strlen(".tmp") : 0;
    const size_t stem = size >= ending ? size - ending : 0;
    char plain[NAME_MAX + 1];
    if (end == NULL || size > NAME_MAX || stem <= strlen(".plain")) {
        return 0;
    }
    memcpy(plain, name, stem);
    plain[stem] = 0;
    return strcmp(plain + stem - strlen(".plain"), ".plain") == 0 ? writer_of(name, plain) : 0;
}

static bool is_plain(const char *name)
{
    const size_t n = strlen(name);
    return n > 6 && strcmp(name + n - 6, ".plain") == 0;
}

/* A file of our own number was left by an earlier process of that number: it is asked before we write one. */
static bool is_dead(pid_t writer)
{
    return writer == getpid() || (kill(writer, 0) != 0 && errno == ESRCH);
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
    char foreign[NAME_MAX + 16]; /* the first thing that is not ours, "" with none */
    bool has_corpus, is_begun;   /* run.json.tmp.PID is there: a run took the directory and was killed */
};

static bool corpus_look(void *context, DIR *folder, const char *name)
{
    struct contents *contents = context;
    if (!is_regular(folder, name) || (!is_plain(name) && plain_writer(name) == 0)) {
        snprintf(contents->foreign, sizeof contents->foreign, "corpus/%s", name);
        return false;
    }
    return true;
}

static bool top_look(void *context, DIR *folder, const char *name)
{
    struct contents *contents = context;
    struct stat info;
    if (top_writer(name) > 0 && is_regular(folder, name)) {
        contents->is_begun = contents->is_begun || writer_of(name, "run.json") > 0;
        return true;
    }
    if (strcmp(name, "corpus") == 0 && fstatat(dirfd(folder), name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(info.st_mode)) {
        contents->has_corpus = true;
        return true;
    }
    snprintf(contents->foreign, sizeof contents->foreign, "%s", name);
    return false;
}

static wn_code contents_check(const struct wn_folder *folder, struct wn_error *err)
{
    struct contents contents = {.foreign = ""};
    WN_CHECK(entries_visit(folder->path, top_look, &contents), err, WN_IO, "%s: cannot be read: %s",
             folder->path, strerror(errno));
    if (contents.has_corpus && contents.foreign[0] == 0) {
        if (!contents.is_begun) {
            snprintf(contents.foreign, sizeof contents.foreign, "corpus");
        } else {
            WN_CHECK(entries_visit(folder->corpus, corpus_look, &contents), err, WN_IO,
                     "%s: cannot be read: %s", folder->corpus, strerror(errno));
        }
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
        WN_TRY(contents_check(out_folder, err));
    }
    out_folder->was_looked_at = true;
    return WN_OK;
}

static bool dead_remove(void *context, DIR *folder, const char *name)
{
    (void)context;
    const pid_t writer = top_writer(name);
    if (writer > 0 && is_dead(writer) && is_regular(folder, name)) {
        (void)unlinkat(dirfd(folder), name, 0);
    }
    return true;
}

static bool dead_plain_remove(void *context, DIR *folder, const char *name)
{
    (void)context;
    const pid_t writer = plain_writer(name);
    if (writer > 0 && is_dead(writer) && is_regular(folder, name)) {
        (void)unlinkat(dirfd(folder), name, 0);
    }
    return true;
}

/* Take away what processes that are gone were writing. What cannot be removed does no harm. */
static void leftovers_remove(const struct wn_folder *folder)
{
    (void)entries_visit(folder->path, dead_remove, NULL);
    (void)entries_visit(folder->corpus, dead_plain_remove, NULL);
}

wn_code wn_folder_make(struct wn_folder *folder, struct wn_error *err)
{
    if (!wn_path_exists(folder->path)) {
        WN_TRY(wn_directory_make(folder->path, err));
        folder->was_made = true;
    }
    if (folder->has_run) {
        return WN_OK;
    }
    /* Before the corpus is unpacked: the bytes of a killed start would take the room that this one needs. */
    leftovers_remove(folder);
    return wn_file_create(folder->run_json, &folder->claim, err);
}

static wn_code run_write(struct wn_folder *folder, const struct wn_recipe *recipe, struct wn_error *err)
{
    char *text = NULL;
    wn_code code = WN_OK;
    WN_CHECK(folder->claim != NULL, err, WN_DEFECT, "%s is claimed before it is made", folder->path);
    WN_TRY(wn_recipe_print(recipe, &text, err));
    WN_TRY_OR(done, wn_file_print(folder->claim, err, "%s\n", text));
    WN_TRY_OR(done, wn_file_commit(&folder->claim, err));
    folder->is_ours = true;
done:
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
    if (code == WN_OK && !dry_run) {
        leftovers_remove(folder);
    }
    return code;
}

static bool plain_remove(void *context, DIR *folder, const char *name)
{
    (void)context;
    const pid_t writer = plain_writer(name);
    if ((is_plain(name) || (writer > 0 && is_dead(writer))) && is_regular(folder, name)) {
        (void)unlinkat(dirfd(folder), name, 0);
    }
    return true;
}

void wn_folder_tidy(struct wn_folder *folder, bool keep_run)
{
    const bool was_begun = folder->claim != NULL || folder->is_ours;
    wn_file_abandon(&folder->claim);
    const bool may_remove = folder->is_ours || !folder->has_run;
    if (!may_remove || folder->has_scores || (folder->is_ours && keep_run)) {
        return;
    }
    /* The directory was new, empty, or claimed by us with nothing finished: what is in it was made by this run. */
    if (folder->is_ours) {
        (void)unlink(folder->run_json);
    }
    if (folder->was_looked_at && was_begun) {
        (void)entries_visit(folder->corpus, plain_remove, NULL);
        (void)rmdir(folder->corpus);
    }
    if (folder->was_made) {
        (void)rmdir(folder->path);
    }
}
