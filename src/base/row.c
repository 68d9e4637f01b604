/* The row: names of the statuses, ratios, and the fold of a record's turns.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "winnow/row.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

const char *wn_status_name(int status)
{
    static const char *const names[WN_STATUS_COUNT] = {
        "ok",          "truncated",      "empty_answer", "no_answer_tokens",   "nan",
        "parse_error", "no_instruction", "unsupported",  "overlength_skipped", "error"};
    return status >= 0 && status < WN_STATUS_COUNT ? names[status] : NULL;
}

double wn_side_loss(const struct wn_side *side)
{
    return side->k > 0 ? side->sum / side->k : (double)NAN;
}

bool wn_status_is_scored(uint32_t status)
{
    return status == WN_STATUS_OK || status == WN_STATUS_TRUNCATED;
}

double wn_row_ifd_loss(const struct wn_row *row)
{
    return wn_status_is_scored(row->status) ? wn_side_loss(&row->cond) / wn_side_loss(&row->direct)
                                            : (double)NAN;
}

double wn_row_ifd_ppl(const struct wn_row *row)
{
    return wn_status_is_scored(row->status) ? exp(wn_side_loss(&row->cond) - wn_side_loss(&row->direct))
                                            : (double)NAN;
}

/* Sums and counts add up; the position is the first scored turn's. */
static void add_side(struct wn_side *total, const struct wn_side *side, bool is_first)
{
    if (is_first) {
        *total = *side;
        return;
    }
    total->n += side->n;
    total->cut |= side->cut;
    if (side->k > 0) {
        total->sum = total->k > 0 ? total->sum + side->sum : side->sum;
        total->k += side->k;
    }
}

void wn_row_fold(const struct wn_row *rows, uint32_t n, struct wn_row *out, double *out_turn_mean)
{
    uint32_t scored = 0;
    bool is_cut = false;
    double ratios = 0;
    struct wn_row total = rows[0];
    for (uint32_t i = 0; i < n; ++i) {
        const struct wn_row *row = &rows[i];
        if (!wn_status_is_scored(row->status)) {
            continue;
        }
        const bool is_first = scored == 0;
        add_side(&total.cond, &row->cond, is_first);
        add_side(&total.direct, &row->direct, is_first);
        total.counted = is_first ? row->counted : total.counted;
        if (row->has_reverse != 0) {
            add_side(&total.q_cond, &row->q_cond, is_first);
            add_side(&total.q_direct, &row->q_direct, is_first);
            total.has_reverse = 1;
        }
        is_cut = is_cut || row->status == WN_STATUS_TRUNCATED;
        ratios += wn_row_ifd_ppl(row);
        ++scored;
    }
    if (scored > 0) {
        total.status = is_cut ? WN_STATUS_TRUNCATED : WN_STATUS_OK;
    }
    total.part = 0;
    *out = total;
    *out_turn_mean = scored > 0 ? ratios / scored : (double)NAN;
}
