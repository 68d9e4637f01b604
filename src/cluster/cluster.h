/* The driver of `score`: a corpus and a model -> a run directory with scores.h5.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   RUN/lock               who works in it: store/lock.h
 *   RUN/run.json           what is computed from what: written once, before the first record, whole or not at all
 *   RUN/index.bin          where the records stand, with a hash of every block: corpus/corpus.h
 *   RUN/journal-EPOCH.bin  what is finished, one file per start: store/journal.h
 *   RUN/shards/            token losses, where they are kept
 *   RUN/corpus/            plain bytes of compressed files, only then
 *   RUN/log.jsonl          one line per event
 *   RUN/scores.h5          the result: appears at the end, whole or not at all; journals and shards go then
 *
 * A run directory belongs to one recipe: the contents of the corpus, model, tokenizer, profile, the options that
 * change numbers, and the numeric class. Paths, times, threads and batch height may differ. A run that was cut short,
 * however, is gone on with by the same command, to the same bytes.
 */
#ifndef WINNOW_CLUSTER_CLUSTER_H
#define WINNOW_CLUSTER_CLUSTER_H

#include "score/score.h"
#include "store/store.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

/* What one kind of thread did with its time. */
struct wn_job_stage {
    const char *name;    /* "reading", "packing", "model", "reduction", "journal" */
    double waited_share; /* 0 to 1: of its time since the last report, waiting for other stages */
};
enum { WN_JOB_STAGES = 8 };

/* How far a job is. */
struct wn_job_progress {
    const char *stage; /* constant text: what is being done */
    uint64_t done,
        total;       /* records; total 0 before anything is known; those of earlier starts are in `done` */
    uint64_t before; /* of `done`: finished by earlier starts */
    bool total_is_final;                       /* the corpus is indexed to its end */
    uint64_t bad;                              /* of these: parse_error, unsupported, nan, error */
    uint64_t tokens;                           /* asked of the model so far */
    double seconds;                            /* since the first record was begun */
    bool message_follows;                      /* a line of the log comes next: take a progress bar away */
    struct wn_job_stage stages[WN_JOB_STAGES]; /* [n_stages] in order of the flow */
    size_t n_stages;
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
    uint32_t shard, shards;   /* --shard K/N: part K of 1 .. N of [first, first + count); shards 0: all */
    double time_limit;        /* seconds from the start after which it stops as by a signal; 0: none */
    double sync, lease, beat; /* seconds; 0 = 5, 60, 2 (cluster/coordinator.h) */
    int32_t readers;          /* reading threads; 0 = chosen */
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
    uint64_t before; /* records finished by earlier starts */
    bool was_done;   /* the run was finished before: nothing but `scores` and the recipe below is filled */
    char scores[WN_JOB_PATH];
    /* The recipe as resolved. */
    char form[16], family[16], profile[64];
    int64_t parameters;
    int32_t max_length, positions;
    struct wn_numeric_class numeric;
};

/* Run the job. SIGINT, SIGTERM, SIGHUP and SIGUSR1 are held while it runs (base/stop.h): the first, or the time limit,
 * stops the hand-out, syncs what is finished and ends with WN_STOPPED within five seconds; a second SIGINT or SIGTERM
 * ends the process at once. WN_RUN where `out` belongs to another input, model or recipe (the difference is named), or
 * is held by another job; WN_USAGE where it is no run directory, or a range that holds no record; WN_INPUT for too many
 * bad records (wn_bad_judge), or the first where `strict`; WN_IO for a full disk, a quota, a file system that fails. On
 * any failure there is no scores.h5, and what was journaled stays, so that the same command goes on. After a stage that
 * hangs its thread is left behind with what it uses: the process must then end without waiting for it. */
wn_code wn_job_run(const struct wn_job *job, struct wn_job_result *out_result, struct wn_error *err);

/* How far a run is, from another process: reads run.json, the lock, the heads of the journals. */
struct wn_run_status {
    bool is_done;                 /* scores.h5 is there */
    bool is_held, has_started;    /* somebody works on it now; anything was ever journaled */
    struct wn_lock_holder holder; /* where is_held */
    uint64_t done, total;         /* records; total 0 where it is not known yet */
    bool total_is_final;
    uint64_t by_status[WN_STATUS_COUNT], bad, ifd_above_one, tokens;
    double rate;          /* records per second lately; NaN where it cannot be told */
    double seconds_left;  /* NaN where it cannot be told */
    double last_finished; /* seconds since 1970; NaN without any */
    uint64_t starts;      /* journals */
    char model[4096], profile[64], begun[21];
};
/* WN_USAGE where `run` is no run directory; WN_IO, WN_RUN for a damaged run.json. */
wn_code wn_run_status_read(const char *run, struct wn_run_status *out_status, struct wn_error *err);

/* What a run will write, at most, beside what the file system of its folder offers. */
struct wn_space {
    uint64_t journal, scores, index, plain, bulk, temporary; /* bytes */
    uint64_t bytes, files;                                   /* in all: the most at one time */
    uint64_t bytes_free,
        files_free; /* of the file system that holds `folder` or would; UINT64_MAX: it does not say */
    char folder[WN_JOB_PATH]; /* the nearest folder that exists */
};
enum wn_space_what { WN_SPACE_TURNS = 1, WN_SPACE_REVERSE = 2 };
/* `records` and their `samples` (rows), `tokens` whose losses are kept (0: none are), plain bytes to unpack into the
 * run, bytes of the corpus. WN_IO where no folder of the path can be looked at. */
struct wn_space_need {
    uint64_t records, samples, kept_tokens, plain_bytes, corpus_bytes;
    unsigned what; /* enum wn_space_what */
};
wn_code wn_space_estimate(const char *out, const struct wn_space_need *need, struct wn_space *out_space,
                          struct wn_error *err);

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
