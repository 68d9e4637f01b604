/* winnow merge: the runs of shards -> one scores.h5.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_same_file(const char *a, const char *b)
{
    struct stat one;
    struct stat other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static wn_code join(const char *folder, const char *name, char **out, struct wn_error *err)
{
    *out = wn_path_join(folder, name);
    WN_CHECK(*out != NULL, err, WN_DEVICE, "out of memory for a path");
    return WN_OK;
}

static wn_code file_refuse(const char *path, const struct wn_settings *settings, struct wn_error *err)
{
    for (size_t i = 0; i < settings->operands.n; i++) {
        const char *run = settings->operands.items[i];
        char *scores = NULL;
        WN_TRY(join(run, "scores.h5", &scores, err));
        const bool is_input = is_same_file(path, run) || is_same_file(path, scores);
        free(scores);
        WN_CHECK(!is_input, err, WN_USAGE, "--out %s is one of the runs to join: choose another name",
                 settings->out);
    }
    WN_CHECK(settings->force || !wn_path_exists(path), err, WN_USAGE,
             "%s exists already: choose another --out, or replace it with --force", path);
    return WN_OK;
}

/* Where the result goes, in new memory: --out itself where its name ends in .h5, else scores.h5 in that folder, which
 * must not be a run that is still worked on. Nothing is made. */
static wn_code target_of(const struct wn_settings *settings, char **out_path, bool *out_is_folder,
                         struct wn_error *err)
{
    const size_t size = strlen(settings->out);
    *out_is_folder = is_folder(settings->out) || size < 3 || strcmp(settings->out + size - 3, ".h5") != 0;
    if (!*out_is_folder) {
        *out_path = strdup(settings->out);
        WN_CHECK(*out_path != NULL, err, WN_DEVICE, "out of memory for a path");
        return file_refuse(*out_path, settings, err);
    }
    char *run = NULL;
    WN_CHECK(is_folder(settings->out) || !wn_path_exists(settings->out), err, WN_USAGE,
             "--out %s is a file whose name does not end in .h5: choose another name", settings->out);
    WN_TRY(join(settings->out, "run.json", &run, err));
    const bool is_run = wn_path_exists(run);
    free(run);
    WN_CHECK(!is_run, err, WN_USAGE, "--out %s is the directory of a run: choose another one", settings->out);
    WN_TRY(join(settings->out, "scores.h5", out_path, err));
    return file_refuse(*out_path, settings, err);
}

/* A part that was forgotten at either end is no gap between two runs. */
static wn_code part_warn(const struct wn_context *context, const struct wn_scores *scores,
                         struct wn_error *err)
{
    const char *whole = wn_scores_attribute(scores, "corpus_records");
    const uint64_t n = wn_scores_count(scores);
    const uint64_t records = whole != NULL ? strtoull(whole, NULL, 10) : n;
    uint64_t first = 0;
    if (n == 0 || n >= records) {
        return WN_OK;
    }
    WN_TRY(wn_scores_integers(scores, "index", 0, 1, &first, err));
    wn_log_warn(&context->log,
                "these are the records %" PRIu64 " to %" PRIu64 ", not the whole corpus, which has %" PRIu64
                "; is a run missing?",
                first, first + n - 1, records);
    return WN_OK;
}

static wn_code result_tell(const char *path, const struct wn_context *context, struct wn_error *err)
{
    const struct wn_settings *settings = context->settings;
    struct wn_scores *scores = NULL;
    char number[32];
    WN_TRY(wn_scores_open(path, &scores, err));
    const uint64_t records = wn_scores_count(scores);
    const wn_code code = part_warn(context, scores, err);
    wn_scores_close(scores);
    WN_TRY(code);
    if (settings->json) {
        struct wn_json *root = wn_json_new_object();
        if (root == NULL || !wn_json_put_text(root, "scores", path) ||
            !wn_json_add_integer(root, "runs", (int64_t)settings->operands.n) ||
            !wn_json_add_integer(root, "records", (int64_t)records)) {
            wn_json_free(root);
            root = NULL;
        }
        return wn_json_emit(root, err);
    }
    if (!settings->quiet) {
        printf("scores   %s\nrecords  %s from %zu run%s\n", path,
               wn_count_text(records, number, sizeof number), settings->operands.n,
               settings->operands.n == 1 ? "" : "s");
    }
    return WN_OK;
}

wn_code wn_cmd_merge(const struct wn_context *context, struct wn_error *err)
{
    const struct wn_settings *settings = context->settings;
    char *path = NULL;
    bool is_in_folder = false;
    WN_CHECK(settings->operands.n >= 1, err, WN_USAGE,
             "`winnow merge` needs the runs to join: winnow merge %s", settings->command->synopsis);
    WN_TRY(wn_need(settings->out, settings, "--out OUT", err));
    wn_code code = target_of(settings, &path, &is_in_folder, err);
    const bool makes_folder = is_in_folder && !wn_path_exists(settings->out);
    if (code == WN_OK && makes_folder) {
        code = wn_directory_make(settings->out, err);
    }
    if (code == WN_OK) {
        code = wn_scores_merge(settings->operands.items, settings->operands.n, path, err);
        if (code != WN_OK && makes_folder) {
            (void)rmdir(settings->out);
        }
    }
    if (code == WN_OK) {
        code = result_tell(path, context, err);
    }
    free(path);
    return code;
}
