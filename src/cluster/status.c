/* How far a run is, told by its files: nothing is locked, nothing is written, and whoever works in it goes on.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/cluster.h"

#include "base/base.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK = 65536, JSON_LIMIT = 64 << 20, SHARDS_MOST = 1000000 };

/* What run.json says. */
struct plan {
    uint64_t first, count, shard, shards;
};

/* What the journals' last event about the corpus says. */
struct indexed {
    uint64_t records;
    bool is_all;
};

static bool is_in(const char *run, const char *name, char out[WN_JOB_PATH])
{
    const int n = snprintf(out, WN_JOB_PATH, "%s/%s", run, name);
    return n > 0 && n < WN_JOB_PATH && wn_path_exists(out);
}

static void text_copy(char *out, size_t size, const struct wn_json *value)
{
    if (wn_json_is(value, WN_JSON_STRING)) {
        const struct wn_span text = wn_json_text(value);
        snprintf(out, size, "%.*s", (int)(text.size < size ? text.size : size - 1), text.data);
    }
}

static bool count_of(const struct wn_json *object, const char *key, uint64_t *out)
{
    int64_t value = 0;
    const struct wn_json *member = wn_json_get(object, key);
    if (member == NULL) {
        *out = 0;
        return true;
    }
    if (!wn_json_integer(member, &value) || value < 0) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

static bool plan_read(const struct wn_json *root, struct plan *plan, struct wn_run_status *status)
{
    const struct wn_json *passes = wn_json_is(root, WN_JSON_OBJECT) ? wn_json_get(root, "passes") : NULL;
    const struct wn_json *pass = wn_json_is(passes, WN_JSON_ARRAY) ? wn_json_first(passes) : NULL;
    const struct wn_json *options = pass != NULL ? wn_json_get(root, "options") : NULL;
    if (!wn_json_is(pass, WN_JSON_OBJECT) || !wn_json_is(options, WN_JSON_OBJECT)) {
        return false;
    }
    const struct wn_json *model = wn_json_get(pass, "model");
    if (wn_json_is(model, WN_JSON_OBJECT)) {
        text_copy(status->model, sizeof status->model, wn_json_get(model, "given"));
    }
    text_copy(status->profile, sizeof status->profile, wn_json_get(pass, "profile_given"));
    text_copy(status->begun, sizeof status->begun, wn_json_get(root, "begun"));
    return count_of(options, "first", &plan->first) && count_of(options, "count", &plan->count) &&
           count_of(options, "shard", &plan->shard) && count_of(options, "shards", &plan->shards) &&
           (plan->shards == 0 ||
            (plan->shard >= 1 && plan->shard <= plan->shards && plan->shards <= SHARDS_MOST));
}

static wn_code run_json_read(const char *path, struct plan *plan, struct wn_run_status *status,
                             struct wn_error *err)
{
    struct wn_map map = {0};
    struct wn_json *root = NULL;
    WN_TRY(wn_map_open(path, WN_IO, &map, err));
    const bool is_good = map.bytes.size <= JSON_LIMIT &&
                         wn_json_parse(map.bytes, WN_RUN, &root, err) == WN_OK &&
                         plan_read(root, plan, status);
    wn_json_free(root);
    wn_map_close(&map);
    WN_CHECK(is_good, err, WN_RUN,
             "%s is damaged or not of winnow; what is journaled beside it can be used only with the run.json "
             "that it "
             "was made with",
             path);
    return WN_OK;
}

static void event_visit(void *context, struct wn_span line)
{
    struct indexed *indexed = context;
    struct wn_json *root = NULL;
    struct wn_error ignored;
    if (wn_json_parse(line, WN_RUN, &root, &ignored) != WN_OK) {
        return;
    }
    const struct wn_json *event = wn_json_is(root, WN_JSON_OBJECT) ? wn_json_get(root, "event") : NULL;
    const struct wn_json *is_all = event != NULL ? wn_json_get(root, "is_all") : NULL;
    uint64_t records = 0;
    if (wn_json_is(event, WN_JSON_STRING) && strcmp(wn_json_text(event).data, "indexed") == 0 &&
        count_of(root, "records", &records) && !indexed->is_all) {
        /* Once it was indexed to its end, a later start that looks at it again knows no other number. */
        indexed->records = records;
        indexed->is_all = wn_json_is(is_all, WN_JSON_BOOLEAN) && wn_json_boolean(is_all);
    }
    wn_json_free(root);
}

/* floor(total * k / n) without going round; k <= n <= SHARDS_MOST. */
static uint64_t part_begin(uint64_t total, uint64_t k, uint64_t n)
{
    return total / n * k + total % n * k / n;
}

/* Records of the job as far as the corpus is known. */
static void total_fill(const struct plan *plan, const struct indexed *indexed, struct wn_run_status *status)
{
    const uint64_t known = indexed->records > plan->first ? indexed->records - plan->first : 0;
    uint64_t total = plan->count > 0 && plan->count < known ? plan->count : known;
    const bool is_full = plan->count > 0 && total == plan->count;
    if (plan->shards > 0) {
        /* The part can be told only of a total that stays. */
        const uint64_t begin = part_begin(total, plan->shard - 1, plan->shards);
        const uint64_t end = part_begin(total, plan->shard, plan->shards);
        total = indexed->is_all || is_full ? end - begin : 0;
    }
    status->total_is_final = indexed->is_all || is_full;
    status->total = total > status->done ? total : status->done;
    if (total == 0 && !status->total_is_final) {
        status->total = 0;
    }
}

static void rate_fill(const struct wn_replay_counts *counts, struct wn_run_status *status)
{
    const double recent = counts->recent_seconds;
    if (recent > 0) {
        status->rate = counts->recent_records / recent;
    } else if (counts->last_finished > counts->first_finished) {
        status->rate = (double)counts->records / (counts->last_finished - counts->first_finished);
    }
    if (status->is_held && status->total_is_final && status->rate > 0) {
        status->seconds_left = (double)(status->total - status->done) / status->rate;
    }
}

static wn_code journals_read(const char *run, const struct plan *plan, struct wn_run_status *status,
                             struct wn_error *err)
{
    const struct wn_replay_options options = {.run = run, .heads_only = true};
    struct wn_replay *replay = NULL;
    struct indexed indexed = {0};
    WN_TRY(wn_replay_open(&options, &replay, err));
    const wn_code code = wn_replay_events(replay, &indexed, event_visit, err);
    const struct wn_replay_counts counts = wn_replay_counts(replay);
    wn_replay_close(replay);
    WN_TRY(code);
    status->done = counts.records;
    memcpy(status->by_status, counts.by_status, sizeof status->by_status);
    status->ifd_above_one = counts.ifd_above_one;
    status->tokens = counts.tokens;
    status->last_finished = counts.last_finished;
    status->starts = counts.journals;
    status->has_started = counts.journals > 0;
    total_fill(plan, &indexed, status);
    rate_fill(&counts, status);
    return WN_OK;
}

static wn_code scores_count(const struct wn_scores *scores, double *ifd, uint64_t *by,
                            struct wn_run_status *status, struct wn_error *err)
{
    const uint64_t n = wn_scores_count(scores);
    for (uint64_t at = 0; at < n; at += BLOCK) {
        const size_t size = n - at < BLOCK ? (size_t)(n - at) : (size_t)BLOCK;
        WN_TRY(wn_scores_integers(scores, "status", at, size, by, err));
        WN_TRY(wn_scores_doubles(scores, "ifd_ppl", at, size, ifd, err));
        for (size_t i = 0; i < size; i++) {
            if (by[i] < WN_STATUS_COUNT) {
                status->by_status[by[i]]++;
                status->ifd_above_one += wn_status_is_scored((uint32_t)by[i]) && ifd[i] > 1 ? 1 : 0;
            }
        }
    }
    status->done = status->total = n;
    status->total_is_final = true;
    status->seconds_left = 0;
    return WN_OK;
}

static wn_code scores_read(const char *path, struct wn_run_status *status, struct wn_error *err)
{
    struct wn_scores *scores = NULL;
    struct stat info;
    WN_TRY(wn_scores_open(path, &scores, err));
    double *ifd = malloc(BLOCK * sizeof *ifd);
    uint64_t *by = malloc(BLOCK * sizeof *by);
    wn_code code = WN_OK;
    if (ifd == NULL || by == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for the statuses");
    } else {
        code = scores_count(scores, ifd, by, status, err);
    }
    free(ifd);
    free(by);
    const char *model = wn_scores_attribute(scores, wn_attribute_model_path);
    const char *profile = wn_scores_attribute(scores, wn_attribute_profile);
    if (status->model[0] == 0 && model != NULL) {
        snprintf(status->model, sizeof status->model, "%s", model);
    }
    if (status->profile[0] == 0 && profile != NULL) {
        snprintf(status->profile, sizeof status->profile, "%.63s", profile);
    }
    wn_scores_close(scores);
    if (stat(path, &info) == 0) {
        status->last_finished = (double)info.st_mtim.tv_sec;
    }
    status->is_done = true;
    status->has_started = true;
    return code;
}

static wn_code run_look(const char *run, struct wn_run_status *out_status, struct wn_error *err)
{
    char path[WN_JOB_PATH];
    struct stat info;
    struct plan plan = {0};
    memset(out_status, 0, sizeof *out_status);
    out_status->rate = out_status->seconds_left = out_status->last_finished = (double)NAN;
    WN_CHECK(strlen(run) + 32 < WN_JOB_PATH, err, WN_USAGE, "the path of the run is longer than %d bytes",
             WN_JOB_PATH - 32);
    if (stat(run, &info) != 0) {
        WN_CHECK(errno != ENOENT, err, WN_USAGE,
                 "%s does not exist; a run directory of `winnow score` is wanted", run);
        return wn_io_fail(run, "looked at", errno, err);
    }
    WN_CHECK(S_ISDIR(info.st_mode), err, WN_USAGE,
             "%s is a file; a run directory of `winnow score` is wanted", run);
    const bool has_lock = is_in(run, "lock", path);
    const bool has_run = is_in(run, "run.json", path);
    if (has_run) {
        WN_TRY(run_json_read(path, &plan, out_status, err));
    }
    if (is_in(run, "scores.h5", path)) {
        return scores_read(path, out_status, err);
    }
    WN_CHECK(has_run || has_lock, err, WN_USAGE,
             "%s is no run directory: it holds neither run.json nor scores.h5", run);
    WN_TRY(wn_lock_look(run, &out_status->holder, &out_status->is_held, err));
    const wn_code code = journals_read(run, &plan, out_status, err);
    if (code != WN_OK && is_in(run, "scores.h5", path)) {
        /* It was finished in this moment, and the journals went. */
        return scores_read(path, out_status, err);
    }
    return code;
}

wn_code wn_run_status_read(const char *run, struct wn_run_status *out_status, struct wn_error *err)
{
    WN_TRY(run_look(run, out_status, err));
    out_status->bad = 0;
    for (uint32_t i = 0; i < WN_STATUS_COUNT; i++) {
        out_status->bad += wn_status_is_bad(i) ? out_status->by_status[i] : 0;
    }
    return WN_OK;
}
