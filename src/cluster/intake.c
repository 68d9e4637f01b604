/* Where rows go: counted, judged, folded and put into the store.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/intake.h"

#include "base/base.h"

#include <stdio.h>
#include <string.h>

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

void wn_intake_hush(struct wn_intake *intake)
{
    if (intake->job->progress != NULL) {
        struct wn_job_progress progress = *intake->progress;
        progress.message_follows = true;
        intake->job->progress(intake->job->progress_context, &progress);
    }
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
    intake->said_shares = true;
    wn_intake_hush(intake);
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
static wn_code bad_judge(struct wn_intake *intake, uint64_t record, uint32_t status,
                         const struct wn_bad_note *note, struct wn_error *err)
{
    const struct wn_job *job = intake->job;
    char text[WN_BAD_TEXT];
    if (note != NULL) {
        memcpy(text, note->text, sizeof text);
    } else {
        snprintf(text, sizeof text, "record %llu: %s", (unsigned long long)record,
                 wn_status_name((int)status));
    }
    intake->progress->bad++;
    if (intake->first_bad[0] == 0) {
        memcpy(intake->first_bad, text, sizeof text);
    }
    WN_CHECK(!job->strict, err, WN_INPUT, "%s; --strict stops at the first bad record", text);
    if (intake->shown < WN_BAD_SHOWN) {
        intake->shown++;
        wn_intake_hush(intake);
        wn_log_warn(job->log, "%s%s", text,
                    intake->shown == WN_BAD_SHOWN ? " (bad records after this one are counted, not named)"
                                                  : "");
    }
    return wn_bad_judge(intake->progress->bad, intake->result->records, job->max_bad, intake->first_bad, err);
}

static const struct wn_bad_note *note_find(const struct wn_result *result, uint64_t record)
{
    for (uint32_t i = 0; i < result->n_bad; i++) {
        if (result->bad[i].record == record) {
            return &result->bad[i];
        }
    }
    return NULL;
}

wn_code wn_intake_take(struct wn_intake *intake, const struct wn_result *result, struct wn_error *err)
{
    struct wn_job_result *const all = intake->result;
    struct wn_span left = wn_bytes_span(&result->rows);
    for (uint64_t i = 0; i < result->head.count; i++) {
        struct wn_store_record record;
        wn_arena_reset(intake->arena);
        WN_TRY(wn_rows_take(&left, NULL, result->head.first + i, intake->arena, &record, err));
        const struct wn_row *fold = &record.fold;
        all->records++;
        all->by_status[fold->status]++;
        all->ifd_above_one += wn_status_is_scored(fold->status) && wn_row_ifd_ppl(fold) > 1 ? 1 : 0;
        if (wn_status_is_bad(fold->status)) {
            WN_TRY(bad_judge(intake, record.index, fold->status, note_find(result, record.index), err));
        }
        if (all->records == WN_SHARES_AFTER && !intake->said_shares) {
            wn_intake_shares(intake);
        }
    }
    all->counts.records += result->counts.records;
    all->counts.samples += result->counts.samples;
    all->counts.tokens += result->counts.tokens;
    all->counts.wants += result->counts.wants;
    all->counts.batches += result->counts.batches;
    all->counts.rows += result->counts.rows;
    all->counts.header_tokens += result->counts.header_tokens;
    all->counts.flops += result->counts.flops;
    all->counts.seconds_model += result->counts.seconds_model;
    return WN_OK;
}
