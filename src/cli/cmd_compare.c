/* winnow compare: the scores of two runs against each other.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"
#include "select/select.h"

#include <math.h>

/* What is compared. */
struct pair {
    struct wn_scores *sides[2];
    const char *column;
    struct wn_compare_result result;
};

static struct wn_json *sides_json(const struct pair *pair)
{
    struct wn_json *array = wn_json_new_array();
    const uint64_t records[] = {pair->result.n_a, pair->result.n_b};
    for (int i = 0; array != NULL && i < 2; i++) {
        struct wn_json *side = wn_json_new_object();
        const bool ok = side != NULL && wn_json_put_text(side, "scores", wn_scores_path(pair->sides[i])) &&
                        wn_json_add_integer(side, "records", (int64_t)records[i]);
        if (!ok) {
            wn_json_free(side);
        }
        if (!ok || !wn_json_append_value(array, side)) {
            wn_json_free(array);
            return NULL;
        }
    }
    return array;
}

static wn_code json_write(const struct pair *pair, struct wn_error *err)
{
    const struct wn_compare_result *result = &pair->result;
    struct wn_json *root = wn_json_new_object();
    const bool ok = root != NULL && wn_json_put_text(root, "by", pair->column) &&
                    wn_json_put(root, "runs", sides_json(pair)) &&
                    wn_json_add_integer(root, "common", (int64_t)result->n_common) &&
                    wn_json_add_integer(root, "compared", (int64_t)result->n_both) &&
                    wn_json_add_number(root, "spearman", result->spearman) &&
                    wn_json_add_number(root, "pearson", result->pearson) &&
                    wn_json_add_integer(root, "top", (int64_t)result->top) &&
                    wn_json_add_number(root, "overlap", result->overlap);
    if (!ok) {
        wn_json_free(root);
        root = NULL;
    }
    return wn_json_emit(root, err);
}

static void correlation_write(const char *name, double value)
{
    if (isfinite(value)) {
        printf("%-12s %.6f\n", name, value);
    } else {
        printf("%-12s none: fewer than two records, or all values of a run are equal\n", name);
    }
}

static void text_write(const struct pair *pair)
{
    const struct wn_compare_result *result = &pair->result;
    const uint64_t records[] = {result->n_a, result->n_b};
    char number[2][32];
    for (int i = 0; i < 2; i++) {
        printf("run %c        %s, %s records\n", 'A' + i, wn_scores_path(pair->sides[i]),
               wn_count_text(records[i], number[0], sizeof number[0]));
    }
    printf("compared     %s over %s records that have it in both, of %s in common\n", pair->column,
           wn_count_text(result->n_both, number[0], sizeof number[0]),
           wn_count_text(result->n_common, number[1], sizeof number[1]));
    correlation_write("Spearman", result->spearman);
    correlation_write("Pearson", result->pearson);
    if (isfinite(result->overlap)) {
        printf("overlap      %.2f %% of the highest %s of each\n", 100 * result->overlap,
               wn_count_text(result->top, number[0], sizeof number[0]));
    } else {
        printf("overlap      none: --top asks for no record\n");
    }
}

static wn_code pair_run(struct pair *pair, const struct wn_settings *settings, struct wn_error *err)
{
    for (size_t i = 0; i < 2; i++) {
        WN_TRY(wn_scores_open(settings->operands.items[i], &pair->sides[i], err));
    }
    const char *score = wn_scores_attribute(pair->sides[0], wn_attribute_score);
    pair->column = settings->by != NULL ? settings->by : score != NULL ? score : "ifd_ppl";
    const bool is_rate = settings->top.rate > 0;
    const struct wn_compare_options options = {.column = pair->column,
                                               .amount = is_rate ? WN_AMOUNT_RATE : WN_AMOUNT_NUMBER,
                                               .value = is_rate ? settings->top.rate
                                                                : (double)settings->top.number};
    WN_TRY(wn_scores_compare(pair->sides[0], pair->sides[1], &options, &pair->result, err));
    if (settings->json) {
        WN_TRY(json_write(pair, err));
    } else if (!settings->quiet) {
        text_write(pair);
    }
    const double spearman = pair->result.spearman;
    WN_CHECK(!wn_settings_given(settings, "require") || spearman >= settings->require, err, WN_VALIDATION,
             "Spearman's correlation by %s is %.6f, below the %g of --require", pair->column, spearman,
             settings->require);
    return WN_OK;
}

wn_code wn_cmd_compare(const struct wn_context *context, struct wn_error *err)
{
    const struct wn_settings *settings = context->settings;
    struct pair pair = {{NULL, NULL}, NULL, {0}};
    WN_CHECK(settings->operands.n == 2, err, WN_USAGE,
             "`winnow compare` holds two runs against each other, %zu %s given: winnow compare %s",
             settings->operands.n, settings->operands.n == 1 ? "was" : "were", settings->command->synopsis);
    const wn_code code = pair_run(&pair, settings, err);
    wn_scores_close(pair.sides[0]);
    wn_scores_close(pair.sides[1]);
    return code;
}
