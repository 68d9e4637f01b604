/* winnow score: a corpus and a model -> RUN/scores.h5.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"
#include "cli/progress.h"
#include "cluster/cluster.h"

#include <inttypes.h>
#include <time.h>

static void progress_take(void *context, const struct wn_job_progress *job)
{
    wn_progress_show(context, job);
}

static wn_code json_write(const struct wn_job_result *result, const struct wn_settings *settings,
                          struct wn_error *err)
{
    struct wn_json *root = wn_json_new_object();
    bool ok = root != NULL && wn_json_put_text(root, "scores", result->scores) &&
              wn_json_put_text(root, "state",
                               result->was_done    ? "finished before"
                               : settings->dry_run ? "dry run"
                                                   : "finished") &&
              wn_json_add_integer(root, "records", (int64_t)result->records) &&
              wn_json_add_integer(root, "records_before", (int64_t)result->before) &&
              wn_json_put_text(root, "form", result->form) &&
              wn_json_put_text(root, "profile", result->profile) &&
              wn_json_put_text(root, "family", result->family) &&
              wn_json_add_integer(root, "parameters", result->parameters) &&
              wn_json_add_integer(root, "max_length", result->max_length) &&
              wn_json_add_integer(root, "positions", result->positions) &&
              wn_json_put(root, "numeric", wn_json_numeric(&result->numeric));
    if (ok && !result->was_done && !settings->dry_run) {
        ok = wn_json_put(root, "status", wn_json_statuses(result->by_status)) &&
             wn_json_add_integer(root, "ifd_above_one", (int64_t)result->ifd_above_one) &&
             wn_json_add_integer(root, "samples", (int64_t)result->counts.samples) &&
             wn_json_add_integer(root, "tokens", (int64_t)result->counts.tokens) &&
             wn_json_add_integer(root, "header_tokens", (int64_t)result->counts.header_tokens) &&
             wn_json_add_integer(root, "batches", (int64_t)result->counts.batches) &&
             wn_json_add_number(root, "flops", result->counts.flops) &&
             wn_json_add_number(root, "seconds", result->seconds) &&
             wn_json_add_number(root, "seconds_model", result->counts.seconds_model);
    }
    if (!ok) {
        wn_json_free(root);
        root = NULL;
    }
    return wn_json_emit(root, err);
}

static void text_write(const struct wn_job_result *result, const struct wn_settings *settings)
{
    if (settings->dry_run) {
        printf("would score   %" PRIu64 " records (%s) by profile %s\n", result->records, result->form,
               result->profile);
        printf("model         %s, %.4g M parameters, %s on %s, window %d of %d positions\n", result->family,
               (double)result->parameters / 1e6, result->numeric.dtype, result->numeric.backend,
               (int)result->max_length, (int)result->positions);
        printf("into          %s%s\n", result->scores, result->was_done ? " (finished already)" : "");
        return;
    }
    printf("scores        %s\n", result->scores);
    if (result->was_done) {
        return;
    }
    char number[32];
    printf("records       %s", wn_count_text(result->records, number, sizeof number));
    if (result->before > 0) {
        printf(", %s of them finished by earlier starts",
               wn_count_text(result->before, number, sizeof number));
    }
    printf("\n");
    wn_statuses_write(stdout, result->by_status, result->records);
    printf("IFD above 1   %s\n", wn_count_text(result->ifd_above_one, number, sizeof number));
    char tokens[32];
    char rate[32];
    char time[32];
    const double seconds = result->seconds > 0 ? result->seconds : 1e-9;
    printf("tokens        %sin %s (%stokens/s, %.1f GFLOP/s useful)\n",
           wn_amount_text((double)result->counts.tokens, tokens, sizeof tokens),
           wn_duration_text(result->seconds, time, sizeof time),
           wn_amount_text((double)result->counts.tokens / seconds, rate, sizeof rate),
           result->counts.flops / seconds / 1e9);
}

wn_code wn_cmd_score(const struct wn_context *context, struct wn_error *err)
{
    const struct wn_settings *settings = context->settings;
    struct wn_progress progress = {.context = context};
    struct wn_job job = {.model = settings->model,
                         .out = settings->out,
                         .model_options = wn_model_options_of(context),
                         .profile = settings->profile,
                         .score = wn_score_options_of(context),
                         .max_bad = settings->max_bad,
                         .strict = settings->strict,
                         .dry_run = settings->dry_run,
                         .shard = settings->shard.k,
                         .shards = settings->shard.n,
                         .time_limit = wn_time_limit_of(settings, (double)time(NULL)),
                         .sync = settings->sync,
                         .lease = settings->lease,
                         .beat = settings->beat,
                         .readers = (int32_t)settings->readers,
                         .command_line = context->command_line,
                         .version = WINNOW_VERSION,
                         .log = &context->log,
                         .progress = progress_take,
                         .progress_context = &progress};
    WN_CHECK(settings->operands.n == 0, err, WN_USAGE, "`winnow score` takes files only");
    WN_TRY(wn_corpus_options_of(settings, &job.corpus, err));
    WN_TRY(wn_need(settings->model, settings, "--model M", err));
    WN_TRY(wn_need(settings->out, settings, "--out RUN", err));
    wn_range_of(settings, &job.first, &job.count);
    wn_log_info(&context->log, "version %s: scoring %s%s with %s into %s", WINNOW_VERSION,
                settings->data.n > 0 ? settings->data.items[0] : settings->dataset,
                settings->data.n > 1 ? " and more" : "", settings->model, settings->out);
    if (job.time_limit > 0) {
        char left[32];
        wn_log_info(&context->log, "will stop in %s%s", wn_duration_text(job.time_limit, left, sizeof left),
                    settings->time_limit < 0 ? ", before the end of the scheduler's job" : "");
    }
    struct wn_job_result result;
    const wn_code code = wn_job_run(&job, &result, err);
    wn_progress_end(&progress);
    WN_TRY(code);
    if (result.was_done) {
        wn_log_info(&context->log, "%s is finished already: nothing to do", settings->out);
    }
    if (settings->json) {
        return json_write(&result, settings, err);
    }
    if (settings->quiet) {
        return WN_OK;
    }
    text_write(&result, settings);
    return WN_OK;
}
