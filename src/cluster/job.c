/* The driver of `score`: open, take the run directory, replay what is done, score the rest, write the file.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/cluster.h"

#include "cluster/assemble.h"
#include "cluster/drive.h"
#include "cluster/folder.h"
#include "cluster/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Records of a unit at most; fewer where token losses travel with them, so that memory stays flat. */
enum { UNIT_MOST = 65536, UNIT_MOST_TOKENS = 2048, UNIT_FIRST = 64 };
static const double unit_seconds = 1.0;
/* A corpus that is indexed in this time is indexed before anything is scored: its faults are told at once. */
static const double early_seconds = 0.5;
/* From a signal on: until units in flight are given up, and until the stages must have ended. */
static const double stop_seconds = 2.5, leave_seconds = 1.0;
/* Where all is done the stages have nothing left to do but end. */
static const double end_seconds = 30;
/* Work that is worth keeping where the corpus turns out bad. */
static const double worth_seconds = 60;
static const double never = 1e9;

/* All that a job holds open. */
struct work {
    const struct wn_job *job;
    struct wn_job_result *result;
    struct wn_stop *stop;
    struct wn_arena *run_arena, *record_arena;
    struct wn_folder folder;
    struct wn_corpus *corpus;
    struct wn_tokenizer *tokenizer;
    struct wn_model *model;
    struct wn_score_options score;
    struct wn_worker *worker;
    struct wn_index_thread *indexer;
    struct wn_scribe *scribe;
    struct wn_coordinator *coordinator;
    struct wn_crew *stages, *writers;
    struct wn_profile profile;
    struct wn_recipe recipe;
    struct wn_job_progress progress;
    struct wn_intake intake;
    char begun_text[21];
    double begun;
    uint64_t journaled; /* units of earlier starts */
    bool is_replayed;   /* `journaled` is known */
    bool is_left;       /* a thread could not be ended: nothing that it may use is freed */
};

static wn_code stage_begin(struct work *work, const char *stage, struct wn_error *err)
{
    if (work->job->progress != NULL) {
        const struct wn_job_progress progress = {.stage = stage};
        work->job->progress(work->job->progress_context, &progress);
    }
    return wn_stop_check(work->stop, stage, err);
}

static double or_else(double value, double standard)
{
    return value > 0 ? value : standard;
}

/* ---- opening ---- */

static bool is_scoring(const struct work *work)
{
    return !work->job->dry_run && !work->folder.has_scores;
}

static wn_code corpus_begin(struct work *work, struct wn_error *err)
{
    const struct wn_job *job = work->job;
    struct wn_corpus_options options = job->corpus;
    /* A finished run may stand where nothing can be written. */
    if (options.spool == NULL && (is_scoring(work) || wn_path_exists(work->folder.corpus))) {
        options.spool = work->folder.corpus;
    }
    options.stop = work->stop;
    options.index = is_scoring(work) ? work->folder.index : NULL;
    WN_TRY(stage_begin(work, "reading the corpus", err));
    return wn_corpus_begin(&options, &work->corpus, err);
}

/* Index for `seconds`, or to the end where that is negative. */
static wn_code corpus_index(struct work *work, double seconds, struct wn_error *err)
{
    bool is_whole = wn_corpus_is_whole(work->corpus);
    const double begun = wn_clock();
    while (!is_whole && (seconds < 0 || wn_clock() - begun < seconds)) {
        WN_TRY(wn_stop_check(work->stop, "reading the corpus", err));
        WN_TRY(wn_corpus_step(work->corpus, &is_whole, err));
    }
    return WN_OK;
}

/* The records of this job, where the index is whole. */
static wn_code range_set(struct work *work, struct wn_error *err)
{
    const struct wn_job *job = work->job;
    const uint64_t n = wn_corpus_count(work->corpus);
    WN_CHECK(n > 0, err, WN_INPUT, "%s: holds no record",
             wn_corpus_n_files(work->corpus) > 0 ? wn_corpus_file(work->corpus, 0).path : "the corpus");
    WN_CHECK(job->first < n, err, WN_USAGE,
             "--range %llu:...: the corpus has only %llu records, counted from 0",
             (unsigned long long)job->first, (unsigned long long)n);
    const uint64_t count = job->count == 0 || job->count > n - job->first ? n - job->first : job->count;
    work->recipe.first = job->first;
    work->recipe.count = count;
    if (job->shards > 0) {
        WN_CHECK(job->shards <= count, err, WN_USAGE,
                 "--shard %u/%u: there are only %llu records to divide; use fewer shards", job->shard,
                 job->shards, (unsigned long long)count);
        const uint64_t begin = (uint64_t)((unsigned __int128)count * (job->shard - 1) / job->shards);
        const uint64_t end = (uint64_t)((unsigned __int128)count * job->shard / job->shards);
        work->recipe.first = job->first + begin;
        work->recipe.count = end - begin;
    }
    return WN_OK;
}

static void corpus_tell(const struct work *work)
{
    const struct wn_corpus_file file = wn_corpus_file(work->corpus, 0);
    const size_t n_files = wn_corpus_n_files(work->corpus);
    wn_log_info(work->job->log, "%s%llu records in %zu file%s, form %s, %s, %s",
                wn_corpus_is_whole(work->corpus) ? "" : "more than ",
                (unsigned long long)wn_corpus_known(work->corpus), n_files, n_files == 1 ? "" : "s",
                wn_form_name(wn_corpus_form(work->corpus)), file.is_array ? "JSON array" : "JSON lines",
                strcmp(file.compression, "none") == 0 ? "not compressed" : file.compression);
}

wn_code wn_model_fit(const char *model, const struct wn_score_options *score,
                     struct wn_model_options *options, struct wn_error *err)
{
    const struct wn_model_options look = {.dtype = "auto", .device = "null", .threads = 1};
    const struct wn_profile *profile = score->profile;
    struct wn_model *config = NULL;
    WN_TRY(wn_model_open(model, &look, &config, err));
    const int64_t positions = wn_model_info(config)->positions;
    wn_model_close(config);
    const int64_t window = score->max_length > 0 ? score->max_length : profile->max_length;
    /* The direct window may exceed the other by the profile's constant, or by the tokens of the lead: at most one a byte,
     * and special tokens. */
    const int64_t lead = (int64_t)profile->lead.size + 16;
    const int64_t path = window + (profile->window_constant > lead ? profile->window_constant : lead);
    options->max_path = (int32_t)(path < positions ? path : positions);
    return WN_OK;
}

/* What scores: the worker, or for a dry run a scorer that only says the window. */
static wn_code worker_open(struct work *work, struct wn_error *err)
{
    const struct wn_job *job = work->job;
    if (!is_scoring(work)) {
        struct wn_scorer *scorer = NULL;
        WN_TRY(wn_scorer_new(&work->score, work->corpus, work->tokenizer, work->model, &scorer, err));
        work->recipe.max_length = wn_scorer_max_length(scorer);
        wn_scorer_free(scorer);
        return WN_OK;
    }
    const struct wn_worker_options options = {.run = work->folder.path,
                                              .epoch = wn_lock_epoch(work->folder.lock),
                                              .keep_tokens = job->score.keep_tokens,
                                              .beat = or_else(job->beat, 2),
                                              .line = {.score = &work->score, .readers = job->readers}};
    WN_TRY(wn_worker_new(&options, work->corpus, work->tokenizer, work->model, &work->worker, err));
    work->recipe.max_length = wn_worker_max_length(work->worker);
    return WN_OK;
}

static wn_code model_open(struct work *work, struct wn_error *err)
{
    const struct wn_job *job = work->job;
    WN_TRY(stage_begin(work, "reading the tokenizer", err));
    WN_TRY(wn_tokenizer_open(work->recipe.model_folder, &work->tokenizer, err));
    WN_TRY(stage_begin(work, "opening the model", err));
    struct wn_model_options model_options = job->model_options;
    work->score = job->score;
    work->score.profile = &work->profile;
    WN_TRY(wn_model_fit(job->model, &work->score, &model_options, err));
    WN_TRY(wn_model_open(job->model, &model_options, &work->model, err));
    WN_TRY(worker_open(work, err));
    const struct wn_model_info *info = wn_model_info(work->model);
    wn_log_info(job->log, "profile %.*s, window %d of %d positions; %s by %s, %s",
                (int)work->profile.name.size, work->profile.name.data, (int)work->recipe.max_length,
                (int)info->positions, info->numeric.dtype, info->numeric.kernels, info->numeric.library);
    return stage_begin(work, "opening the model", err);
}

static wn_code recipe_make(struct work *work, struct wn_error *err)
{
    struct wn_recipe *recipe = &work->recipe;
    recipe->job = work->job;
    recipe->corpus = work->corpus;
    recipe->profile = &work->profile;
    recipe->model = wn_model_info(work->model);
    recipe->tokenizer = wn_tokenizer_info(work->tokenizer);
    WN_TRY(wn_recipe_fill(recipe, err));
    struct wn_job_result *result = work->result;
    snprintf(result->form, sizeof result->form, "%s", wn_form_name(wn_corpus_form(work->corpus)));
    snprintf(result->family, sizeof result->family, "%s", recipe->model->family);
    snprintf(result->profile, sizeof result->profile, "%.*s", (int)work->profile.name.size,
             work->profile.name.data);
    result->parameters = recipe->model->parameters;
    result->positions = recipe->model->positions;
    result->max_length = recipe->max_length;
    result->numeric = recipe->model->numeric;
    memcpy(result->scores, work->folder.scores, sizeof result->scores);
    return WN_OK;
}

static wn_code work_open(struct work *work, struct wn_error *err)
{
    const struct wn_job *job = work->job;
    WN_TRY(wn_arena_new(&work->run_arena, err));
    WN_TRY(wn_arena_new(&work->record_arena, err));
    WN_TRY(wn_folder_look(job->out, &work->folder, err));
    WN_TRY(wn_profile_find(job->profile, work->run_arena, &work->profile, err));
    WN_TRY(wn_model_resolve(job->model, work->recipe.model_folder, sizeof work->recipe.model_folder, err));
    if (is_scoring(work)) {
        WN_TRY(wn_folder_take(&work->folder, err));
        if (work->folder.was_taken_over) {
            wn_log_info(job->log, "%s: the job that held it is gone; its run goes on", job->out);
        }
    }
    WN_TRY(corpus_begin(work, err));
    /* A small corpus, and one that must be known whole, are read before the model is opened. */
    const bool must_know = !is_scoring(work) || job->shards > 0;
    WN_TRY(corpus_index(work, must_know ? -1 : early_seconds, err));
    if (wn_corpus_is_whole(work->corpus)) {
        WN_TRY(range_set(work, err));
    }
    corpus_tell(work);
    WN_TRY(model_open(work, err));
    WN_TRY(recipe_make(work, err));
    return wn_folder_claim(&work->folder, &work->recipe, job->dry_run, err);
}

/* What a kill between the end of scores.h5 and that of the journals left. A folder that cannot be written, of an archive,
 * stays as it is. */
static void leftovers_remove(struct work *work)
{
    struct wn_error ignored;
    uint64_t epoch = 0;
    char *lock = wn_path_join(work->folder.path, "lock");
    const bool has_lock = lock != NULL && wn_path_exists(lock);
    free(lock);
    if (!has_lock && (wn_journals_highest(work->folder.path, &epoch, &ignored) != WN_OK || epoch == 0)) {
        return;
    }
    if (work->folder.lock != NULL || wn_folder_take(&work->folder, &ignored) == WN_OK) {
        (void)wn_journals_remove(work->folder.path, &ignored);
    }
}

/* The scores are there: are they of this corpus? */
static wn_code finished_check(struct work *work, struct wn_error *err)
{
    struct wn_scores *scores = NULL;
    WN_TRY(wn_recipe_finish(&work->recipe, err));
    WN_TRY(wn_scores_open(work->folder.scores, &scores, err));
    const char *hash = wn_scores_attribute(scores, wn_attribute_corpus_hash);
    const bool is_same = hash != NULL && strcmp(hash, work->recipe.corpus_hash) == 0;
    wn_scores_close(scores);
    WN_CHECK(is_same, err, WN_RUN,
             "%s: this run differs in the corpus (hash of its content); choose another --out, or remove that "
             "directory",
             work->folder.run_json);
    if (!work->job->dry_run) {
        leftovers_remove(work);
    }
    return WN_OK;
}

/* ---- scoring ---- */

static wn_code coordinator_make(struct work *work, const struct wn_replay *replay, struct wn_error *err)
{
    const struct wn_job *job = work->job;
    size_t n = 0;
    const struct wn_records *done = wn_replay_done(replay, &n);
    const bool is_known = wn_corpus_is_whole(work->corpus);
    const struct wn_coordinator_options options = {
        .first = is_known ? work->recipe.first : job->first,
        .count = is_known ? work->recipe.count : job->count,
        .done = done,
        .n_done = n,
        .most = job->score.keep_tokens ? UNIT_MOST_TOKENS : UNIT_MOST,
        .target = unit_seconds,
        /* The crew watches this process's own worker, and better: by its stages, not by its records. */
        .lease = never,
        .beat = or_else(job->beat, 2),
        .stop = stop_seconds,
        .workers = 1,
        .first_unit = UNIT_FIRST,
    };
    return wn_coordinator_new(&options, &work->coordinator, err);
}

/* What earlier starts have finished. */
static wn_code replay_take(struct work *work, struct wn_error *err)
{
    const struct wn_job *job = work->job;
    const bool is_known = wn_corpus_is_whole(work->corpus);
    const struct wn_replay_options options = {.run = work->folder.path,
                                              .run_hash = work->recipe.run_hash,
                                              .first = is_known ? work->recipe.first : job->first,
                                              .count = is_known ? work->recipe.count : job->count,
                                              .has_bulk = job->score.keep_tokens,
                                              .may_compact = true,
                                              .log = job->log};
    struct wn_replay *replay = NULL;
    WN_TRY(stage_begin(work, "reading the journal", err));
    WN_TRY(wn_replay_open(&options, &replay, err));
    const struct wn_replay_counts counts = wn_replay_counts(replay);
    struct wn_job_result *result = work->result;
    work->journaled = counts.units;
    work->progress.before = result->before = result->records = counts.records;
    result->ifd_above_one = counts.ifd_above_one;
    for (uint32_t i = 0; i < WN_STATUS_COUNT; i++) {
        result->by_status[i] = counts.by_status[i];
        work->progress.bad += wn_status_is_bad(i) ? counts.by_status[i] : 0;
    }
    if (counts.records > 0) {
        wn_log_info(job->log, "%s: %llu records were finished by earlier starts", job->out,
                    (unsigned long long)counts.records);
    }
    const wn_code code = coordinator_make(work, replay, err);
    wn_replay_close(replay);
    return code;
}

static wn_code sync_first(void *context, struct wn_error *err)
{
    struct work *work = context;
    struct wn_error ignored;
    WN_TRY(wn_corpus_index_sync(work->corpus, err));
    /* A unit whose bulk did not reach the disk is found by its checksum, and scored again: no reason to lose the others.
     * The shard's next write fails, and says why. */
    (void)wn_worker_sync(work->worker, &ignored);
    return WN_OK;
}

static void stages_stop(void *context)
{
    struct work *work = context;
    wn_worker_cancel(work->worker);
    wn_index_thread_cancel(work->indexer);
}

static void writers_stop(void *context)
{
    wn_scribe_close(((struct work *)context)->scribe);
}

static wn_code threads_start(struct work *work, struct wn_error *err)
{
    const struct wn_scribe_options options = {.run = work->folder.path,
                                              .lock = work->folder.lock,
                                              .run_hash = work->recipe.run_hash,
                                              .sync = or_else(work->job->sync, 5),
                                              .sync_first = sync_first,
                                              .context = work};
    WN_TRY(wn_scribe_new(&options, &work->scribe, err));
    WN_TRY(wn_index_thread_new(work->corpus, &work->indexer, err));
    WN_TRY(wn_crew_new(stages_stop, work, &work->stages, err));
    WN_TRY(wn_crew_new(writers_stop, work, &work->writers, err));
    WN_TRY(wn_scribe_start(work->scribe, work->writers, err));
    wn_scribe_tell(
        work->scribe, false, "begin",
        "\"version\": \"%s\", \"epoch\": %llu, \"pid\": %ld, \"done_before\": %llu, \"taken_over\": %s",
        work->job->version, (unsigned long long)wn_lock_epoch(work->folder.lock), (long)getpid(),
        (unsigned long long)work->result->before, work->folder.was_taken_over ? "true" : "false");
    WN_TRY(wn_index_thread_start(work->indexer, work->stages, err));
    return wn_worker_start(work->worker, work->stages, err);
}

/* End all threads; what is journaled is synced by the way. The first failure of `code` and theirs. */
static wn_code threads_end(struct work *work, wn_code code, struct wn_error *err)
{
    const double hang = or_else(work->job->lease, 60);
    struct wn_error later = {.code = WN_OK};
    bool left = false;
    if (work->stages != NULL) {
        const wn_code ended =
            wn_crew_end(&work->stages, code == WN_OK ? end_seconds : leave_seconds, &left, &later);
        work->is_left = work->is_left || left;
        if (code == WN_OK && ended != WN_OK) {
            code = ended;
            *err = later;
        }
    }
    if (work->writers != NULL) {
        wn_scribe_tell(work->scribe, true, "end", "\"code\": %d", (int)code);
        const wn_code ended = wn_crew_end(&work->writers, hang, &left, &later);
        work->is_left = work->is_left || left;
        if (left && (code == WN_OK || code == WN_STOPPED)) {
            code = wn_error_set(err, WN_IO, __FILE__, __LINE__,
                                "%s: the journal could not be synced within %.0f s: the file system does not "
                                "answer; the same command goes on",
                                work->folder.path, hang);
        } else if (ended != WN_OK && (code == WN_OK || code == WN_STOPPED)) {
            code = ended;
            *err = later;
        }
    }
    return code;
}

static wn_code units_run(struct work *work, struct wn_error *err)
{
    work->begun = wn_clock();
    work->intake = (struct wn_intake){.job = work->job,
                                      .result = work->result,
                                      .arena = work->record_arena,
                                      .progress = &work->progress,
                                      .max_length = work->recipe.max_length,
                                      .positions = work->recipe.model->positions};
    struct wn_drive drive = {.job = work->job, .stop = work->stop, .corpus = work->corpus};
    wn_code code = threads_start(work, err);
    if (code == WN_OK) {
        drive.coordinator = work->coordinator;
        drive.wire = wn_worker_wire(work->worker);
        drive.scribe = work->scribe;
        drive.stages = work->stages;
        drive.writers = work->writers;
        drive.intake = &work->intake;
        drive.hang = or_else(work->job->lease, 60);
        code = wn_drive_run(&drive, err);
    }
    code = threads_end(work, code, err);
    work->result->seconds = wn_clock() - work->begun;
    return code;
}

static void assembly_report(void *context, uint64_t done)
{
    const struct work *work = context;
    if (work->job->progress != NULL) {
        const struct wn_job_progress progress = {.stage = "writing scores.h5",
                                                 .done = done,
                                                 .total = work->recipe.count,
                                                 .total_is_final = true,
                                                 .bad = work->progress.bad,
                                                 .seconds = wn_clock() - work->begun};
        work->job->progress(work->job->progress_context, &progress);
    }
}

static wn_code finish(struct work *work, struct wn_error *err)
{
    /* A run over a part may be done before the corpus is known to its end, and its hash with it. */
    WN_TRY(stage_begin(work, "reading the corpus", err));
    WN_TRY(corpus_index(work, -1, err));
    WN_TRY(range_set(work, err));
    WN_TRY(wn_recipe_finish(&work->recipe, err));
    WN_TRY(stage_begin(work, "writing scores.h5", err));
    const struct wn_assembly assembly = {.recipe = &work->recipe,
                                         .run = work->folder.path,
                                         .scores = work->folder.scores,
                                         .lock = work->folder.lock,
                                         .stop = work->stop,
                                         .begun = work->begun_text,
                                         .seconds = work->result->seconds,
                                         .progress = assembly_report,
                                         .context = work};
    wn_intake_shares(&work->intake);
    WN_TRY(wn_scores_assemble(&assembly, err));
    work->folder.has_scores = true;
    return wn_journals_remove(work->folder.path, err);
}

/* A disk that is full: what the rest of the run needs. */
static void need_tell(const struct work *work, struct wn_error *err)
{
    struct wn_space space;
    struct wn_error ignored;
    const bool is_whole = work->corpus != NULL && wn_corpus_is_whole(work->corpus);
    const uint64_t n = is_whole ? work->recipe.count : 0;
    const struct wn_space_need need = {.records = n, .samples = n};
    const size_t used = strlen(err->text);
    if (n > 0 && wn_space_estimate(work->folder.path, &need, &space, &ignored) == WN_OK &&
        space.bytes_free < space.bytes) {
        snprintf(err->text + used, sizeof err->text - used,
                 ". The run may write %.1f MB in all, and %.1f MB are free there now; what is finished is "
                 "kept: the "
                 "same command goes on",
                 (double)space.bytes / 1e6, (double)space.bytes_free / 1e6);
    }
}

static wn_code work_run(struct work *work, struct wn_error *err)
{
    const struct wn_job *job = work->job;
    WN_TRY(work_open(work, err));
    work->result->was_done = work->folder.has_scores;
    if (!is_scoring(work)) {
        work->result->records = work->recipe.count;
        return work->result->was_done ? finished_check(work, err) : WN_OK;
    }
    wn_log_debug(job->log, "%s: start %llu of this run", job->out,
                 (unsigned long long)wn_lock_epoch(work->folder.lock));
    WN_TRY(replay_take(work, err));
    work->is_replayed = true;
    WN_TRY(units_run(work, err));
    return finish(work, err);
}

static void work_free(struct work *work)
{
    wn_worker_free(work->worker);
    wn_index_thread_free(work->indexer);
    wn_scribe_free(work->scribe);
    wn_coordinator_free(work->coordinator);
    wn_model_close(work->model);
    wn_tokenizer_free(work->tokenizer);
    wn_corpus_free(work->corpus);
    wn_recipe_free(&work->recipe);
    wn_arena_free(work->record_arena);
    wn_arena_free(work->run_arena);
    free(work);
}

wn_code wn_job_run(const struct wn_job *job, struct wn_job_result *out_result, struct wn_error *err)
{
    memset(out_result, 0, sizeof *out_result);
    struct work *work = calloc(1, sizeof *work);
    WN_CHECK(work != NULL, err, WN_DEVICE, "out of memory for the run");
    work->job = job;
    work->result = out_result;
    wn_time_text(work->begun_text);
    wn_code code = wn_stop_begin(&work->stop, err);
    if (code == WN_OK) {
        if (job->time_limit > 0) {
            wn_stop_at(work->stop, job->time_limit);
        }
        code = work_run(work, err);
    }
    if (code == WN_IO && work->folder.lock != NULL) {
        need_tell(work, err);
    }
    /* A corpus that must be mended is another corpus: the directory must not stay bound to the bad one, unless there is
     * something in it to keep. */
    const bool is_worth =
        (work->folder.had_run && !work->is_replayed) || work->journaled > 0 ||
        (work->scribe != NULL && wn_scribe_units(work->scribe) > 0 && out_result->seconds >= worth_seconds);
    if (!work->is_left) { /* else its lock stays, and is that of a dead process */
        wn_folder_leave(&work->folder, is_worth || (code != WN_INPUT && code != WN_USAGE));
    }
    wn_stop_end(&work->stop);
    if (!work->is_left) {
        work_free(work);
    }
    return code;
}
