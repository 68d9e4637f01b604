/* winnow check: corpus, model and recipe, without running the model.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The scorer itself runs over the corpus with the device that gives losses by hash: every text is rendered, tokenized,
 * cut and packed exactly as by score, so that statuses (but for nan), counts and work are those that score will have.
 */
#include "cli/command.h"
#include "cli/progress.h"
#include "cluster/cluster.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BAD_SHOWN = 5, UNIT = 1024, BINS = 10 };

struct bad {
    char text[512];
};

/* What is counted. */
struct survey {
    const struct wn_context *context;
    const struct wn_corpus *corpus;
    struct wn_progress progress;
    struct wn_scorer *scorer;
    struct wn_arena *arena;
    double begun;
    uint64_t total, records, samples, cut, bad, by_status[WN_STATUS_COUNT];
    uint64_t rows, kept_tokens;
    bool has_turns, has_reverse;
    struct wn_space space; /* of the run directory */
    uint64_t *lengths;     /* [max_length + 1] samples by tokens of the conditioned text after cutting */
    uint32_t longest;
    struct bad shown[BAD_SHOWN];
    struct wn_stop *stop;
    bool is_too_bad;         /* score would have stopped: */
    struct wn_error verdict; /* with this */
};

static wn_code bad_note(struct survey *survey, const struct wn_record_rows *rows, uint32_t status,
                        struct wn_error *err)
{
    struct wn_span where;
    WN_TRY(wn_corpus_where(survey->corpus, &rows->place, survey->arena, &where, err));
    char text[sizeof survey->shown[0].text];
    snprintf(text, sizeof text, "%.*s: %s%s%.*s", (int)where.size, where.data, wn_status_name((int)status),
             rows->why.size > 0 ? ": " : "", (int)(rows->why.size < 300 ? rows->why.size : 300),
             rows->why.size > 0 ? rows->why.data : "");
    WN_CHECK(!survey->context->settings->strict, err, WN_INPUT, "%s; --strict stops at the first bad record",
             text);
    if (survey->bad < BAD_SHOWN) {
        memcpy(survey->shown[survey->bad].text, text, sizeof text);
    }
    survey->bad++;
    /* Score stops here. A check goes on, so that its table tells of the whole corpus, and ends with the same words. */
    if (!survey->is_too_bad) {
        survey->is_too_bad = wn_bad_judge(survey->bad, survey->records, survey->context->settings->max_bad,
                                          survey->shown[0].text, &survey->verdict) != WN_OK;
    }
    return WN_OK;
}

static wn_code rows_take(void *context, const struct wn_record_rows *rows, struct wn_error *err)
{
    struct survey *survey = context;
    struct wn_row fold;
    WN_TRY(wn_stop_check(survey->stop, "checking", err));
    double turn_mean = 0;
    wn_row_fold(rows->rows, rows->n_rows, &fold, &turn_mean);
    WN_CHECK(fold.status < WN_STATUS_COUNT, err, WN_DEFECT, "a record has the unknown status %u",
             fold.status);
    survey->records++;
    survey->by_status[fold.status]++;
    if (wn_status_is_bad(fold.status)) {
        wn_arena_reset(survey->arena);
        WN_TRY(bad_note(survey, rows, fold.status, err));
    }
    survey->rows += rows->n_rows;
    survey->has_turns = survey->has_turns || rows->n_rows > 1;
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        const struct wn_row *row = &rows->rows[i];
        survey->kept_tokens += (uint64_t)row->cond.k + row->direct.k;
        if (row->cond.n == 0 || row->cond.n > survey->longest) {
            continue;
        }
        survey->samples++;
        survey->lengths[row->cond.n]++;
        survey->cut += row->cond.cut != 0 || row->direct.cut != 0 ? 1 : 0;
    }
    const struct wn_job_progress state = {.stage = "checking",
                                          .done = survey->records,
                                          .total = survey->total,
                                          .total_is_final = true,
                                          .bad = survey->bad,
                                          .tokens = wn_scorer_counts(survey->scorer).tokens,
                                          .seconds = wn_clock() - survey->begun};
    wn_progress_show(&survey->progress, &state);
    return WN_OK;
}

/* The length that `part` of the samples do not exceed. */
static uint32_t percentile(const struct survey *survey, double part)
{
    const double wanted = part * (double)survey->samples;
    double seen = 0;
    for (uint32_t length = 1; length <= survey->longest; length++) {
        seen += (double)survey->lengths[length];
        if (survey->lengths[length] > 0 && seen >= wanted) {
            return length;
        }
    }
    return 0;
}

struct bin {
    uint32_t first, last;
    uint64_t n;
};

/* BINS bins of equal width up to the longest sample; *out_n of them. */
static void histogram(const struct survey *survey, struct bin out[BINS], size_t *out_n)
{
    const uint32_t most = percentile(survey, 1.0);
    const uint32_t width = most / BINS + 1;
    *out_n = 0;
    for (uint32_t first = 1; first <= most && *out_n < BINS; first += width) {
        struct bin *bin = &out[(*out_n)++];
        *bin = (struct bin){first, first + width - 1, 0};
        for (uint32_t length = bin->first; length <= bin->last && length <= survey->longest; length++) {
            bin->n += survey->lengths[length];
        }
    }
}

static const double parts[] = {0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0};
static const char *const part_names[] = {"p1", "p25", "p50", "p75", "p90", "p99", "max"};
enum { N_PARTS = 7 };

static struct wn_json *lengths_json(const struct survey *survey)
{
    struct bin bins[BINS];
    size_t n = 0;
    histogram(survey, bins, &n);
    struct wn_json *root = wn_json_new_object();
    struct wn_json *array = wn_json_new_array();
    bool ok = root != NULL && array != NULL;
    for (int i = 0; ok && i < N_PARTS; i++) {
        ok = wn_json_add_integer(root, part_names[i], percentile(survey, parts[i]));
    }
    for (size_t i = 0; ok && i < n; i++) {
        struct wn_json *bin = wn_json_new_object();
        ok = bin != NULL && wn_json_add_integer(bin, "from", bins[i].first) &&
             wn_json_add_integer(bin, "to", bins[i].last) &&
             wn_json_add_integer(bin, "samples", (int64_t)bins[i].n);
        if (!ok) {
            wn_json_free(bin);
        }
        ok = ok && wn_json_append_value(array, bin);
    }
    if (!ok) {
        wn_json_free(array);
    }
    if (!ok || !wn_json_add_value(root, "histogram", array)) {
        wn_json_free(root);
        return NULL;
    }
    return root;
}

static struct wn_json *bad_json(const struct survey *survey)
{
    struct wn_json *array = wn_json_new_array();
    const uint64_t n = survey->bad < BAD_SHOWN ? survey->bad : BAD_SHOWN;
    for (uint64_t i = 0; array != NULL && i < n; i++) {
        if (!wn_json_append_text(array, wn_span_of(survey->shown[i].text))) {
            wn_json_free(array);
            return NULL;
        }
    }
    return array;
}

/* ---- what score will write ---- */

static bool fits(const struct wn_space *space)
{
    return space->bytes <= space->bytes_free && space->files <= space->files_free;
}

/* Plain bytes of the compressed files, and those of all. */
static void bytes_of(const struct wn_corpus *corpus, uint64_t *out_compressed, uint64_t *out_all)
{
    *out_compressed = *out_all = 0;
    for (size_t i = 0; i < wn_corpus_n_files(corpus); i++) {
        const struct wn_corpus_file file = wn_corpus_file(corpus, i);
        const bool is_compressed = strcmp(file.compression, "none") != 0;
        *out_all += file.size;
        *out_compressed += is_compressed ? file.size : 0;
    }
}

static wn_code space_look(struct survey *survey, struct wn_error *err)
{
    const struct wn_settings *settings = survey->context->settings;
    struct wn_space_need need = {.records = survey->records,
                                 .samples = survey->rows,
                                 .kept_tokens = settings->keep_token_losses ? survey->kept_tokens : 0,
                                 .what = (survey->has_turns ? (unsigned)WN_SPACE_TURNS : 0u) |
                                         (survey->has_reverse ? (unsigned)WN_SPACE_REVERSE : 0u)};
    uint64_t plain = 0;
    bytes_of(survey->corpus, &plain, &need.corpus_bytes);
    need.plain_bytes = settings->spool == NULL ? plain : 0;
    WN_TRY(wn_space_estimate(settings->out != NULL ? settings->out : ".", &need, &survey->space, err));
    if (!fits(&survey->space)) {
        char bytes[32];
        char left[32];
        wn_log_warn(
            &survey->context->log,
            "the run will not fit into %s: it writes up to %sbytes in %llu files, and %sbytes and %llu files "
            "are free",
            survey->space.folder, wn_amount_text((double)survey->space.bytes, bytes, sizeof bytes),
            (unsigned long long)survey->space.files,
            wn_amount_text((double)survey->space.bytes_free, left, sizeof left),
            (unsigned long long)survey->space.files_free);
    }
    return WN_OK;
}

struct part {
    const char *name; /* of the member of --json */
    const char *text;
    uint64_t bytes;
};
enum { N_SPACE_PARTS = 6 };

static void space_parts(const struct wn_space *space, struct part out[N_SPACE_PARTS])
{
    const struct part all[N_SPACE_PARTS] = {
        {"journal", "journal", space->journal}, {"scores", "scores.h5", space->scores},
        {"index", "index", space->index},       {"plain", "unpacked corpus", space->plain},
        {"bulk", "token losses", space->bulk},  {"temporary", "ranking", space->temporary}};
    memcpy(out, all, sizeof all);
}

/* null where the file system does not say. */
static bool add_free(struct wn_json *object, const char *key, uint64_t value)
{
    return value == UINT64_MAX ? wn_json_add_number(object, key, (double)NAN)
                               : wn_json_add_integer(object, key, (int64_t)value);
}

static struct wn_json *space_json(const struct wn_space *space)
{
    struct wn_json *root = wn_json_new_object();
    struct wn_json *list = wn_json_new_object();
    struct part all[N_SPACE_PARTS];
    space_parts(space, all);
    bool ok = root != NULL && list != NULL && wn_json_put_text(root, "folder", space->folder) &&
              wn_json_add_integer(root, "bytes", (int64_t)space->bytes) &&
              wn_json_add_integer(root, "files", (int64_t)space->files) &&
              add_free(root, "bytes_free", space->bytes_free) &&
              add_free(root, "files_free", space->files_free) &&
              wn_json_add_boolean(root, "fits", fits(space));
    for (size_t i = 0; ok && i < N_SPACE_PARTS; i++) {
        ok = wn_json_add_integer(list, all[i].name, (int64_t)all[i].bytes);
    }
    if (!ok) {
        wn_json_free(list);
    }
    if (!ok || !wn_json_add_value(root, "parts", list)) {
        wn_json_free(root);
        return NULL;
    }
    return root;
}

static void space_write(const struct wn_space *space, const struct wn_settings *settings)
{
    struct part all[N_SPACE_PARTS];
    char text[32];
    bool is_first = true;
    space_parts(space, all);
    printf("will write   at most %sbytes in %llu files into %s (",
           wn_amount_text((double)space->bytes, text, sizeof text), (unsigned long long)space->files,
           settings->out != NULL ? settings->out : "this folder");
    for (size_t i = 0; i < N_SPACE_PARTS; i++) {
        if (all[i].bytes > 0) {
            printf("%s%s %s", is_first ? "" : ", ", all[i].text,
                   wn_amount_text((double)all[i].bytes, text, sizeof text));
            printf("bytes");
            is_first = false;
        }
    }
    printf(")\nfree there   %sbytes", wn_amount_text((double)space->bytes_free, text, sizeof text));
    if (space->files_free != UINT64_MAX) {
        printf(", %sfiles", wn_amount_text((double)space->files_free, text, sizeof text));
    }
    printf("%s; a quota may allow less\n", fits(space) ? "" : ": NOT ENOUGH");
}

static wn_code json_write(const struct survey *survey, const struct wn_model_info *info, struct wn_error *err)
{
    const struct wn_score_counts counts = wn_scorer_counts(survey->scorer);
    struct wn_json *root = wn_json_new_object();
    bool ok = root != NULL && wn_json_add_integer(root, "records", (int64_t)survey->records) &&
              wn_json_put_text(root, "form", wn_form_name(wn_corpus_form(survey->corpus))) &&
              wn_json_put(root, "status", wn_json_statuses(survey->by_status)) &&
              wn_json_add_integer(root, "bad", (int64_t)survey->bad) &&
              wn_json_put(root, "first_bad", bad_json(survey)) &&
              wn_json_put_text(root, "family", info->family) &&
              wn_json_add_integer(root, "parameters", info->parameters) &&
              wn_json_add_integer(root, "positions", info->positions) &&
              wn_json_add_integer(root, "max_length", wn_scorer_max_length(survey->scorer)) &&
              wn_json_add_integer(root, "samples", (int64_t)survey->samples) &&
              wn_json_add_integer(root, "truncated_samples", (int64_t)survey->cut) &&
              wn_json_put(root, "tokens_of_a_sample", lengths_json(survey)) &&
              wn_json_add_integer(root, "tokens", (int64_t)counts.tokens) &&
              wn_json_add_integer(root, "header_tokens", (int64_t)counts.header_tokens) &&
              wn_json_add_number(root, "flops", counts.flops) &&
              wn_json_put(root, "will_write", space_json(&survey->space));
    if (!ok) {
        wn_json_free(root);
        root = NULL;
    }
    return wn_json_emit(root, err);
}

static void text_write(const struct survey *survey, const struct wn_model_info *info)
{
    const struct wn_score_counts counts = wn_scorer_counts(survey->scorer);
    const uint64_t samples = survey->samples > 0 ? survey->samples : 1;
    const uint64_t tokens = counts.tokens > 0 ? counts.tokens : 1;
    struct bin bins[BINS];
    size_t n = 0;
    histogram(survey, bins, &n);
    printf("records      %" PRIu64 ", form %s\n", survey->records,
           wn_form_name(wn_corpus_form(survey->corpus)));
    wn_statuses_write(stdout, survey->by_status, survey->records);
    printf("model        %s, %.4g M parameters, window %d of %d positions\n", info->family,
           (double)info->parameters / 1e6, (int)wn_scorer_max_length(survey->scorer), (int)info->positions);
    printf("samples      %" PRIu64 ", %" PRIu64 " cut by the window (%.1f %%)\n", survey->samples,
           survey->cut, 100.0 * (double)survey->cut / (double)samples);
    printf("length       ");
    for (int i = 0; i < N_PARTS; i++) {
        printf("%s%s %u", i > 0 ? ", " : "", part_names[i], percentile(survey, parts[i]));
    }
    printf(" tokens with the prompt\n");
    for (size_t i = 0; i < n; i++) {
        const int stars = (int)(50.0 * (double)bins[i].n / (double)samples + 0.5);
        printf("  %6u-%-6u %10" PRIu64 "  %.*s\n", bins[i].first, bins[i].last, bins[i].n, stars,
               "##################################################");
    }
    char amount[32];
    char work[32];
    char time[32];
    printf("work         %stokens", wn_amount_text((double)counts.tokens, amount, sizeof amount));
    printf(" (%.1f %% of them shared headers), %sFLOP", 100.0 * (double)counts.header_tokens / (double)tokens,
           wn_amount_text(counts.flops, work, sizeof work));
    printf(", %s at 1 TFLOP/s\n", wn_duration_text(counts.flops / 1e12, time, sizeof time));
    space_write(&survey->space, survey->context->settings);
    const uint64_t shown = survey->bad < BAD_SHOWN ? survey->bad : BAD_SHOWN;
    if (shown > 0) {
        printf("first bad records\n");
    }
    for (uint64_t i = 0; i < shown; i++) {
        printf("  %s\n", survey->shown[i].text);
    }
}

static wn_code survey_run(struct survey *survey, struct wn_error *err)
{
    const struct wn_settings *settings = survey->context->settings;
    const struct wn_row_sink sink = {survey, rows_take};
    const uint64_t n = wn_corpus_count(survey->corpus);
    uint64_t first = 0;
    uint64_t count = 0;
    wn_range_of(settings, &first, &count);
    WN_CHECK(n > 0, err, WN_INPUT, "%s: holds no record",
             settings->data.n > 0 ? settings->data.items[0] : settings->dataset);
    WN_CHECK(first < n, err, WN_USAGE, "--range %llu:...: the corpus has only %llu records, counted from 0",
             (unsigned long long)first, (unsigned long long)n);
    const uint64_t end = count == 0 || count > n - first ? n : first + count;
    survey->total = end - first;
    survey->longest = (uint32_t)wn_scorer_max_length(survey->scorer);
    survey->lengths = calloc((size_t)survey->longest + 2, sizeof *survey->lengths);
    WN_CHECK(survey->lengths != NULL, err, WN_DEVICE, "out of memory for the counts of lengths");
    survey->begun = wn_clock();
    for (uint64_t at = first; at < end; at += UNIT) {
        const struct wn_unit unit = {0, at, end - at < UNIT ? end - at : UNIT};
        WN_TRY(wn_scorer_run(survey->scorer, &unit, &sink, err));
    }
    return WN_OK;
}

/* What is open during a check. */
struct work {
    struct wn_corpus *corpus;
    struct wn_tokenizer *tokenizer;
    struct wn_model *model;
    struct wn_arena *arena;
    struct wn_profile profile;
};

/* Every tensor is held against the configuration, and the options against this build, as score would; then the corpus
 * goes through the model that gives losses by hash, which does not look at the weights. */
static wn_code model_open(struct work *work, const struct wn_context *context,
                          const struct wn_score_options *score, struct wn_error *err)
{
    const char *path = context->settings->model;
    struct wn_model_options options = wn_model_options_of(context);
    WN_TRY(wn_model_options_check(&options, err));
    if (strcmp(options.device, "null") != 0) {
        struct wn_model_summary summary;
        WN_TRY(wn_model_inspect(path, false, &context->log, &summary, err));
        wn_model_summary_free(&summary);
    }
    WN_TRY(wn_model_fit(path, score, &options, err));
    options.device = "null";
    options.dtype = "auto";
    options.log = NULL;
    return wn_model_open(path, &options, &work->model, err);
}

static wn_code work_run(struct work *work, struct survey *survey,
                        const struct wn_corpus_options *corpus_options, struct wn_error *err)
{
    const struct wn_context *context = survey->context;
    const struct wn_settings *settings = context->settings;
    struct wn_score_options score = wn_score_options_of(context);
    char folder[PATH_MAX];
    score.profile = &work->profile;
    WN_TRY(wn_arena_new(&work->arena, err));
    WN_TRY(wn_arena_new(&survey->arena, err));
    WN_TRY(wn_profile_find(settings->profile, work->arena, &work->profile, err));
    WN_TRY(wn_model_resolve(settings->model, folder, sizeof folder, err));
    WN_TRY(wn_corpus_open(corpus_options, &work->corpus, err));
    WN_TRY(wn_stop_check(survey->stop, "reading the corpus", err));
    WN_TRY(wn_tokenizer_open(folder, &work->tokenizer, err));
    WN_TRY(model_open(work, context, &score, err));
    WN_TRY(wn_scorer_new(&score, work->corpus, work->tokenizer, work->model, &survey->scorer, err));
    survey->corpus = work->corpus;
    WN_TRY(wn_stop_check(survey->stop, "opening the model", err));
    WN_TRY(survey_run(survey, err));
    wn_progress_end(&survey->progress);
    survey->has_reverse = work->profile.reverse.size > 0;
    WN_TRY(space_look(survey, err));
    if (settings->json) {
        WN_TRY(json_write(survey, wn_model_info(work->model), err));
    } else if (!settings->quiet) {
        text_write(survey, wn_model_info(work->model));
    }
    if (survey->is_too_bad && err != NULL) {
        *err = survey->verdict;
    }
    return survey->is_too_bad ? WN_INPUT : WN_OK;
}

wn_code wn_cmd_check(const struct wn_context *context, struct wn_error *err)
{
    const struct wn_settings *settings = context->settings;
    struct wn_corpus_options corpus_options;
    struct work work = {0};
    struct survey survey = {.context = context, .progress = {.context = context}};
    WN_TRY(wn_corpus_options_of(settings, &corpus_options, err));
    WN_TRY(wn_need(settings->model, settings, "--model M", err));
    wn_log_info(&context->log, "version %s: checking %s%s with %s", WINNOW_VERSION,
                settings->data.n > 0 ? settings->data.items[0] : settings->dataset,
                settings->data.n > 1 ? " and more" : "", settings->model);
    WN_TRY(wn_stop_begin(&survey.stop, err));
    const wn_code code = work_run(&work, &survey, &corpus_options, err);
    wn_progress_end(&survey.progress);
    wn_stop_end(&survey.stop);
    free(survey.lengths);
    wn_scorer_free(survey.scorer);
    wn_model_close(work.model);
    wn_tokenizer_free(work.tokenizer);
    wn_corpus_free(work.corpus);
    wn_arena_free(survey.arena);
    wn_arena_free(work.arena);
    return code;
}
