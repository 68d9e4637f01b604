/* Where rows go: counted, judged, folded and put into the store.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/intake.h"

#include "base/base.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

double wn_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool wn_status_is_bad(uint32_t status)
{
    return status == WN_STATUS_PARSE_ERROR || status == WN_STATUS_UNSUPPORTED || status == WN_STATUS_NAN ||
           status == WN_STATUS_ERROR;
}

wn_code wn_bad_judge(uint64_t bad, uint64_t done, double max_bad, const char *first, struct wn_error *err)
{
    WN_CHECK(bad < WN_BAD_LEAST || 100.0 * (double)bad <= max_bad * (double)done, err, WN_INPUT,
             "%llu of the first %llu records are bad, more than --max-bad %g percent; the first: %s; `winnow "
             "check` lists them, --max-bad allows more",
             (unsigned long long)bad, (unsigned long long)done, max_bad, first);
    return WN_OK;
}

static bool is_scored(uint32_t status)
{
    return status == WN_STATUS_OK || status == WN_STATUS_TRUNCATED;
}

static void report(const struct wn_intake *intake, bool message_follows)
{
    if (intake->job->progress == NULL) {
        return;
    }
    const struct wn_job_progress progress = {.stage = "scoring",
                                             .done = intake->result->records,
                                             .total = intake->total,
                                             .bad = intake->bad,
                                             .tokens = wn_scorer_counts(intake->scorer).tokens,
                                             .seconds = wn_clock() - intake->begun,
                                             .message_follows = message_follows};
    intake->job->progress(intake->job->progress_context, &progress);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

void wn_intake_shares(struct wn_intake *intake)
{
    const struct wn_job_result *result = intake->result;
    const struct wn_log *log = intake->job->log;
    const uint64_t n = result->records;
    const uint64_t cut = result->by_status[WN_STATUS_TRUNCATED];
    const uint64_t scored = result->by_status[WN_STATUS_OK] + cut;
    report(intake, true);
    wn_log_info(log, "%llu records: ok %.1f %%, truncated %.1f %%, empty answer %.1f %%, IFD above 1 %.1f %%",
                (unsigned long long)n, percent(result->by_status[WN_STATUS_OK], n), percent(cut, n),
                percent(result->by_status[WN_STATUS_EMPTY_ANSWER], n),
                percent(result->ifd_above_one, scored));
    if (!intake->warned_ifd && percent(result->ifd_above_one, scored) > 50) {
        intake->warned_ifd = true;
        wn_log_warn(
            log,
            "the IFD of %.0f %% of the scored records is above 1: for most answers the instruction does not "
            "help. "
            "Likely the profile's prompt does not suit this model, or fields are swapped; see one by `winnow "
            "explain`",
            percent(result->ifd_above_one, scored));
    }
    if (!intake->warned_cut && percent(cut, n) > 20) {
        intake->warned_cut = true;
        wn_log_warn(log, "%.0f %% of the records are cut by the window of %d tokens%s", percent(cut, n),
                    (int)intake->max_length,
                    intake->max_length < intake->positions ? "; the model takes more: see --max-length"
                                                           : ", which is all that the model takes");
    }
}

/* Count a bad record, name the first few, and end the run where there are too many. */
static wn_code bad_judge(struct wn_intake *intake, const struct wn_record_rows *rows, uint32_t status,
                         struct wn_error *err)
{
    const struct wn_job *job = intake->job;
    struct wn_span where;
    intake->bad++;
    if (intake->bad <= WN_BAD_SHOWN || job->strict) {
        WN_TRY(wn_corpus_where(intake->corpus, &rows->place, intake->arena, &where, err));
        char text[sizeof intake->first_bad];
        snprintf(text, sizeof text, "%.*s: %s%s%.*s", (int)where.size, where.data,
                 wn_status_name((int)status), rows->why.size > 0 ? ": " : "",
                 (int)(rows->why.size < 300 ? rows->why.size : 300),
                 rows->why.size > 0 ? rows->why.data : "");
        if (intake->bad == 1) {
            memcpy(intake->first_bad, text, sizeof text);
        }
        WN_CHECK(!job->strict, err, WN_INPUT, "%s; --strict stops at the first bad record", text);
        report(intake, true);
        wn_log_warn(job->log, "%s%s", text,
                    intake->bad == WN_BAD_SHOWN ? " (bad records after this one are counted, not named)"
                                                : "");
    }
    return wn_bad_judge(intake->bad, intake->result->records, job->max_bad, intake->first_bad, err);
}

/* The scored tokens of all turns that count, one after another. */
struct tokens {
    const int32_t *ids;
    const float *losses;
};

static wn_code tokens_join(struct wn_intake *intake, const struct wn_record_rows *rows,
                           const struct wn_side_tokens *sides, uint32_t k, struct tokens *out,
                           struct wn_error *err)
{
    *out = (struct tokens){0};
    if (sides == NULL || k == 0) {
        return WN_OK;
    }
    bool any = false;
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        any = any || is_scored(rows->rows[i].status);
    }
    int32_t *ids = NULL;
    float *losses = NULL;
    WN_TRY(WN_ARENA_NEW(intake->arena, k, &ids, err));
    WN_TRY(WN_ARENA_NEW(intake->arena, k, &losses, err));
    uint32_t n = 0;
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        const struct wn_side_tokens *side = &sides[i];
        /* The fold sums the turns that could be scored; where there is none, it is the first turn. */
        const bool counts = any ? is_scored(rows->rows[i].status) : i == 0;
        if (!counts || side->k == 0) {
            continue;
        }
        WN_CHECK(side->k <= k - n && side->k <= side->n, err, WN_DEFECT,
                 "record %llu: the turns have more token losses than their fold",
                 (unsigned long long)rows->place.index);
        memcpy(ids + n, side->ids + (side->n - side->k), side->k * sizeof *ids);
        memcpy(losses + n, side->losses, side->k * sizeof *losses);
        n += side->k;
    }
    WN_CHECK(n == k, err, WN_DEFECT, "record %llu: %u token losses were given, but the fold has %u",
             (unsigned long long)rows->place.index, n, k);
    *out = (struct tokens){ids, losses};
    return WN_OK;
}

static wn_code record_store(struct wn_intake *intake, const struct wn_record_rows *rows,
                            const struct wn_row *fold, double turn_mean, struct wn_error *err)
{
    struct tokens cond;
    struct tokens direct;
    WN_TRY(tokens_join(intake, rows, rows->cond, fold->cond.k, &cond, err));
    WN_TRY(tokens_join(intake, rows, rows->direct, fold->direct.k, &direct, err));
    const struct wn_store_record record = {.index = rows->place.index,
                                           .id_hash = rows->place.id_hash,
                                           .offset = rows->place.offset,
                                           .length = rows->place.length,
                                           .file = rows->place.file,
                                           .fold = *fold,
                                           .turn_mean = turn_mean,
                                           .rows = rows->rows,
                                           .n_rows = rows->n_rows,
                                           .cond_ids = cond.ids,
                                           .direct_ids = direct.ids,
                                           .cond_losses = cond.losses,
                                           .direct_losses = direct.losses};
    return wn_store_put(intake->store, &record, err);
}

wn_code wn_intake_put(void *context, const struct wn_record_rows *rows, struct wn_error *err)
{
    struct wn_intake *intake = context;
    char what[96];
    snprintf(what, sizeof what, "scoring, after %llu of %llu records",
             (unsigned long long)intake->result->records, (unsigned long long)intake->total);
    WN_TRY(wn_stop_check(intake->stop, what, err));
    wn_arena_reset(intake->arena);
    struct wn_row fold;
    double turn_mean = 0;
    wn_row_fold(rows->rows, rows->n_rows, &fold, &turn_mean);
    WN_CHECK(fold.status < WN_STATUS_COUNT, err, WN_DEFECT, "record %llu: status %u is not known",
             (unsigned long long)rows->place.index, fold.status);
    if (intake->store != NULL) {
        WN_TRY(record_store(intake, rows, &fold, turn_mean, err));
    }
    struct wn_job_result *result = intake->result;
    result->records++;
    result->by_status[fold.status]++;
    result->ifd_above_one += is_scored(fold.status) && wn_row_ifd_ppl(&fold) > 1 ? 1 : 0;
    if (wn_status_is_bad(fold.status)) {
        WN_TRY(bad_judge(intake, rows, fold.status, err));
    }
    if (result->records == WN_SHARES_AFTER && intake->total > WN_SHARES_AFTER) {
        wn_intake_shares(intake);
    }
    report(intake, false);
    return WN_OK;
}
