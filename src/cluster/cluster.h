/* The driver of `score`: a corpus and a model -> a run directory with scores.h5.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   RUN/run.json   what is computed from what: written once, before the first record, whole or not at all
 *   RUN/corpus/    plain bytes of compressed files, only then
 *   RUN/scores.h5  the result: appears at the end, whole or not at all
 *
 * A run directory belongs to one recipe: the contents of the corpus, model, tokenizer, profile, the options that
 * change numbers, and the numeric class. Paths, times, threads and batch height may differ.
 */
#ifndef WINNOW_CLUSTER_CLUSTER_H
#define WINNOW_CLUSTER_CLUSTER_H

#include "score/score.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

/* How far a job is. */
struct wn_job_progress {
    const char *stage;    /* constant text: what is being done */
    uint64_t done, total; /* records; total 0 before it is known */
    uint64_t bad;         /* of these: parse_error, unsupported, nan, error */
    uint64_t tokens;      /* asked of the model so far */
    double seconds;       /* since the first record was begun */
    bool message_follows; /* a line of the log comes next: take a progress bar away */
};

struct wn_job {
    struct wn_corpus_options corpus; /* spool NULL: RUN/corpus */
    const char *model;               /* as given */
    const char *out;                 /* run directory */
    struct wn_model_options model_options;
    const char *profile;           /* name or file:PATH */
    struct wn_score_options score; /* profile is filled by the driver */
    uint64_t first, count;         /* --range and --limit: records scored; count 0 = all from first */
    double max_bad;                /* percent */
    bool strict;                   /* the first bad record ends the run with WN_INPUT */
    bool dry_run;                  /* everything but scoring and writing */
    const char *command_line, *version;
    const struct wn_log *log;
    /* Called at each stage and after each record, from the calling thread; may be NULL. */
    void (*progress)(void *context, const struct wn_job_progress *progress);
    void *progress_context;
};

enum { WN_JOB_PATH = 4096 };

struct wn_job_result {
    uint64_t records, by_status[WN_STATUS_COUNT], ifd_above_one;
    struct wn_score_counts counts;
    double seconds;
    bool was_done; /* the run was finished before: nothing but `scores` and the recipe below is filled */
    char scores[WN_JOB_PATH];
    /* The recipe as resolved. */
    char form[16], family[16], profile[64];
    int64_t parameters;
    int32_t max_length, positions;
    struct wn_numeric_class numeric;
};

/* Run the job. SIGINT, SIGTERM, SIGHUP and SIGUSR1 are held while it runs (base/stop.h): the first stops it after the record at hand with
 * WN_STOPPED and leaves no temporary file, a second SIGINT or SIGTERM ends the process at once.
 * WN_RUN where `out` belongs to another input, model or recipe (the difference is named); WN_USAGE where it is no run
 * directory, or a range that holds no record; WN_INPUT for too many bad records (wn_bad_judge),
 * or the first where `strict`. On any failure there is no scores.h5. */
wn_code wn_job_run(const struct wn_job *job, struct wn_job_result *out_result, struct wn_error *err);

/* Set options->max_path to the longest text that a recipe can ask of the model, so that a model of many positions keeps
 * no room for more. Reads the configuration only. */
wn_code wn_model_fit(const char *model, const struct wn_score_options *score,
                     struct wn_model_options *options, struct wn_error *err);

/* True for the statuses that --max-bad counts: parse_error, unsupported, nan, error. */
bool wn_status_is_bad(uint32_t status);

/* The rule of --max-bad, asked after each bad record, in record order: WN_INPUT where `bad` of the first `done` records
 * of the run are bad, these are WN_BAD_LEAST or more, and they are more than `max_bad` percent of the `done`. `first`
 * names the first bad record. */
enum { WN_BAD_LEAST = 20 };
wn_code wn_bad_judge(uint64_t bad, uint64_t done, double max_bad, const char *first, struct wn_error *err);

#endif
