/* The driver of `score`: open, claim the run directory, score unit by unit, finish the file.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/cluster.h"

#include "base/base.h"
#include "cluster/folder.h"
#include "cluster/intake.h"
#include "cluster/recipe.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Units begin small, so that progress shows early, and grow to about UNIT_SECONDS of work; results do not depend on
 * them. */
enum { UNIT_FIRST = 128, UNIT_MOST = 4096, UNIT_SECONDS = 5 };

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
    struct wn_scorer *scorer;
    struct wn_profile profile;
    struct wn_recipe recipe;
};

static wn_code stage_begin(const struct work *work, const char *stage, struct wn_error *err)
{
    if (work->job->progress != NULL) {
        const struct wn_job_progress progress = {.stage = stage};
        work->job->progress(work->job->progress_context, &progress);
    }
    return wn_stop_check(work->stop, stage, err);
}

static wn_code corpus_open(struct work *work, struct wn_error *err)
{
    const struct wn_job *job = work->job;
    struct wn_corpus_options options = job->corpus;
    if (options.spool == NULL && !job->dry_run) {
        options.spool = work->folder.corpus;
    }
    WN_TRY(stage_begin(work, "reading the corpus", err));
    WN_TRY(wn_corpus_open(&options, &work->corpus, err));
    const uint64_t n = wn_corpus_count(work->corpus);
    WN_CHECK(n > 0, err, WN_INPUT, "%s: holds no record",
             wn_corpus_n_files(work->corpus) > 0 ? wn_corpus_file(work->corpus, 0).path : "the corpus");
    WN_CHECK(job->first < n, err, WN_USAGE,
             "--range %llu:...: the corpus has only %llu records, counted from 0",
             (unsigned long long)job->first, (unsigned long long)n);
    work->recipe.first = job->first;
    work->recipe.count = job->count == 0 || job->count > n - job->first ? n - job->first : job->count;
    const struct wn_corpus_file file = wn_corpus_file(work->corpus, 0);
    wn_log_info(job->log, "%llu records in %zu file%s, form %s, %s, %s", (unsigned long long)n,
                wn_corpus_n_files(work->corpus), wn_corpus_n_files(work->corpus) == 1 ? "" : "s",
                wn_form_name(wn_corpus_form(work->corpus)), file.is_array ? "JSON array" : "JSON lines",
                strcmp(file.compression, "none") == 0 ? "not compressed" : file.compression);
    return WN_OK;
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

static wn_code model_open(struct work *work, struct wn_error *err)
{
    const struct wn_job *job = work->job;
    WN_TRY(wn_model_resolve(job->model, work->recipe.model_folder, sizeof work->recipe.model_folder, err));
    WN_TRY(stage_begin(work, "reading the tokenizer", err));
    WN_TRY(wn_tokenizer_open(work->recipe.model_folder, &work->tokenizer, err));
    WN_TRY(stage_begin(work, "opening the model", err));
    struct wn_score_options score = job->score;
    struct wn_model_options model_options = job->model_options;
    score.profile = &work->profile;
    WN_TRY(wn_model_fit(job->model, &score, &model_options, err));
    WN_TRY(wn_model_open(job->model, &model_options, &work->model, err));
    WN_TRY(wn_scorer_new(&score, work->corpus, work->tokenizer, work->model, &work->scorer, err));
    const struct wn_model_info *info = wn_model_info(work->model);
    work->recipe.max_length = wn_scorer_max_length(work->scorer);
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

static wn_code units_run(struct work *work, struct wn_intake *intake, struct wn_error *err)
{
    const struct wn_row_sink row_sink = {intake, wn_intake_put};
    const uint64_t end = work->recipe.first + work->recipe.count;
    uint64_t size = UNIT_FIRST;
    for (uint64_t at = work->recipe.first; at < end;) {
        const struct wn_unit unit = {0, at, size < end - at ? size : end - at};
        const double begun = wn_clock();
        WN_TRY(wn_scorer_run(work->scorer, &unit, &row_sink, err));
        const double seconds = wn_clock() - begun;
        at += unit.count;
        if (seconds < UNIT_SECONDS / 2.0 && size < UNIT_MOST) {
            size *= 2;
        } else if (seconds > UNIT_SECONDS * 2.0 && size > 1) {
            size /= 2;
        }
    }
    return WN_OK;
}

enum { N_ATTRIBUTES = 19, NUMBER_TEXT = 24 };

static size_t attributes_fill(const struct work *work, struct wn_store_attribute out[N_ATTRIBUTES],
                              char numbers[4][NUMBER_TEXT])
{
    const struct wn_recipe *recipe = &work->recipe;
    const struct wn_numeric_class *numeric = &recipe->model->numeric;
    snprintf(numbers[0], NUMBER_TEXT, "%d", (int)recipe->max_length);
    snprintf(numbers[1], NUMBER_TEXT, "%d", (int)numeric->row_tile);
    snprintf(numbers[2], NUMBER_TEXT, "%d", (int)numeric->key_tile);
    snprintf(numbers[3], NUMBER_TEXT, "%llu", (unsigned long long)wn_corpus_count(work->corpus));
    const struct wn_store_attribute all[] = {
        {wn_attribute_tool_version, work->job->version},
        {"method", "ifd"},
        {wn_attribute_profile, work->result->profile},
        {wn_attribute_profile_json, recipe->profile_json},
        {wn_attribute_max_length, numbers[0]},
        {wn_attribute_corpus_hash, recipe->corpus_hash},
        {wn_attribute_corpus_files, recipe->corpus_files_json},
        {"corpus_records", numbers[3]},
        {"model_family", recipe->model->family},
        {wn_attribute_model_path, recipe->model_folder},
        {wn_attribute_model_hash, recipe->model->hash},
        {wn_attribute_tokenizer_hash, recipe->tokenizer.hash},
        {wn_attribute_backend, numeric->backend},
        {wn_attribute_dtype, numeric->dtype},
        {wn_attribute_kernels, numeric->kernels},
        {wn_attribute_library, numeric->library},
        {wn_attribute_row_tile, numbers[1]},
        {wn_attribute_key_tile, numbers[2]},
        {wn_attribute_options, recipe->options_json},
    };
    _Static_assert(sizeof all / sizeof *all == N_ATTRIBUTES, "one place an attribute");
    memcpy(out, all, sizeof all);
    return sizeof all / sizeof *all;
}

static wn_code scores_write(struct work *work, struct wn_error *err)
{
    const struct wn_job *job = work->job;
    struct wn_store_attribute attributes[N_ATTRIBUTES];
    char numbers[4][NUMBER_TEXT];
    const size_t n = attributes_fill(work, attributes, numbers);
    char host[256] = "";
    char begun[21];
    (void)gethostname(host, sizeof host - 1);
    wn_time_text(begun);
    const struct wn_store_attribute provenance[] = {
        {"host", host}, {"begun", begun}, {"command_line", job->command_line}};
    const struct wn_store_options options = {.has_reverse = work->profile.reverse.size > 0,
                                             .has_tokens = job->score.keep_tokens,
                                             .rank_by_loss = work->profile.score == WN_SCORE_IFD_LOSS,
                                             .larger_index_first = work->profile.ties == WN_TIES_LARGER_INDEX,
                                             .attributes = attributes,
                                             .n_attributes = n,
                                             .provenance = provenance,
                                             .n_provenance = sizeof provenance / sizeof *provenance};
    struct wn_intake intake = {.job = job,
                               .corpus = work->corpus,
                               .scorer = work->scorer,
                               .stop = work->stop,
                               .result = work->result,
                               .arena = work->record_arena,
                               .total = work->recipe.count,
                               .max_length = work->recipe.max_length,
                               .positions = work->recipe.model->positions,
                               .begun = wn_clock()};
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_store_create(work->folder.scores, work->recipe.count, &options, &intake.store, err));
    WN_TRY_OR(done, units_run(work, &intake, err));
    WN_TRY_OR(done, wn_stop_check(work->stop, "finishing the scores", err));
    wn_intake_shares(&intake);
    WN_TRY_OR(done, wn_store_finish(&intake.store, err));
    work->result->counts = wn_scorer_counts(work->scorer);
    work->result->seconds = wn_clock() - intake.begun;
done:
    if (intake.store != NULL) {
        wn_store_abandon(&intake.store);
    }
    return code;
}

static wn_code work_run(struct work *work, struct wn_error *err)
{
    const struct wn_job *job = work->job;
    WN_TRY(wn_arena_new(&work->run_arena, err));
    WN_TRY(wn_arena_new(&work->record_arena, err));
    WN_TRY(wn_folder_look(job->out, &work->folder, err));
    WN_TRY(wn_profile_find(job->profile, work->run_arena, &work->profile, err));
    WN_TRY(wn_model_resolve(job->model, work->recipe.model_folder, sizeof work->recipe.model_folder, err));
    if (!job->dry_run) {
        WN_TRY(wn_folder_make(&work->folder, err));
    }
    WN_TRY(corpus_open(work, err));
    WN_TRY(model_open(work, err));
    WN_TRY(recipe_make(work, err));
    WN_TRY(wn_folder_claim(&work->folder, &work->recipe, job->dry_run, err));
    work->result->was_done = work->folder.has_scores;
    if (job->dry_run || work->result->was_done) {
        work->result->records = work->recipe.count;
        return WN_OK;
    }
    if (work->folder.has_run) {
        wn_log_info(job->log, "%s: an earlier start of this run did not finish; it starts over", job->out);
    }
    return scores_write(work, err);
}

wn_code wn_job_run(const struct wn_job *job, struct wn_job_result *out_result, struct wn_error *err)
{
    memset(out_result, 0, sizeof *out_result);
    struct work *work = calloc(1, sizeof *work);
    WN_CHECK(work != NULL, err, WN_DEVICE, "out of memory for the run");
    work->job = job;
    work->result = out_result;
    wn_code code = wn_stop_begin(&work->stop, err);
    if (code == WN_OK) {
        code = work_run(work, err);
    }
    wn_scorer_free(work->scorer);
    wn_model_close(work->model);
    wn_tokenizer_free(work->tokenizer);
    wn_corpus_free(work->corpus);
    wn_recipe_free(&work->recipe);
    wn_arena_free(work->record_arena);
    wn_arena_free(work->run_arena);
    if (code != WN_OK && work->folder.path != NULL) {
        /* A corpus that must be mended is another corpus: the directory must not stay bound to the bad one. */
        wn_folder_tidy(&work->folder, code != WN_INPUT);
    }
    wn_stop_end(&work->stop);
    free(work);
    return code;
}
