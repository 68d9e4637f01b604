/* What the commands share.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

wn_code wn_need(const char *value, const struct wn_settings *settings, const char *flag, struct wn_error *err)
{
    WN_CHECK(value != NULL, err, WN_USAGE, "`winnow %s` needs %s: winnow %s %s", settings->command->name,
             flag, settings->command->name, settings->command->synopsis);
    return WN_OK;
}

wn_code wn_corpus_options_of(const struct wn_settings *settings, struct wn_corpus_options *out_options,
                             struct wn_error *err)
{
    WN_CHECK((settings->dataset_info == NULL) == (settings->dataset == NULL), err, WN_USAGE,
             "--dataset-info FILE and --dataset NAME go together; %s is missing",
             settings->dataset == NULL ? "--dataset" : "--dataset-info");
    if (settings->data.n == 0 && settings->dataset_info == NULL) {
        return wn_need(NULL, settings, "a corpus file", err);
    }
    *out_options =
        (struct wn_corpus_options){.paths = settings->data.items,
                                   .n_paths = settings->data.n,
                                   .form = wn_form_find(settings->form != NULL ? settings->form : "detect"),
                                   .map = settings->map.items,
                                   .n_map = settings->map.n,
                                   .dataset_info = settings->dataset_info,
                                   .dataset = settings->dataset,
                                   .spool = settings->spool,
                                   .id_key = settings->id_key};
    return WN_OK;
}

struct wn_model_options wn_model_options_of(const struct wn_context *context)
{
    const struct wn_settings *settings = context->settings;
    return (struct wn_model_options){.dtype = settings->dtype,
                                     .device = settings->device,
                                     .threads = (int32_t)settings->threads,
                                     .batch_rows = (int32_t)settings->batch_rows,
                                     .log = &context->log};
}

static bool is(const char *text, const char *word)
{
    return text != NULL && strcmp(text, word) == 0;
}

struct wn_score_options wn_score_options_of(const struct wn_context *context)
{
    const struct wn_settings *settings = context->settings;
    return (struct wn_score_options){
        .max_length = (int32_t)settings->max_length,
        .turns = is(settings->turns, "first")  ? WN_TURNS_FIRST
                 : is(settings->turns, "last") ? WN_TURNS_LAST
                                               : WN_TURNS_ALL,
        .split = is(settings->split, "offsets") ? WN_SPLIT_OFFSETS : WN_SPLIT_PREFIX,
        .direct_window = is(settings->direct_window, "header") ? WN_WINDOW_HEADER : WN_WINDOW_PUBLISHED,
        .aligned = settings->aligned,
        .keep_tokens = settings->keep_token_losses,
        .log = &context->log};
}

void wn_range_of(const struct wn_settings *settings, uint64_t *out_first, uint64_t *out_count)
{
    uint64_t count = 0;
    *out_first = 0;
    if (wn_settings_given(settings, "range")) {
        *out_first = settings->range.first;
        count = settings->range.end == UINT64_MAX ? 0 : settings->range.end - settings->range.first;
    }
    const uint64_t limit = (uint64_t)settings->limit;
    *out_count = limit > 0 && (count == 0 || limit < count) ? limit : count;
}

double wn_time_limit_of(const struct wn_settings *settings, double now)
{
    if (settings->time_limit >= 0) {
        return settings->time_limit;
    }
    const char *text = getenv("SLURM_JOB_END_TIME");
    if (text == NULL || text[0] == 0 || strspn(text, "0123456789") != strlen(text)) {
        return 0;
    }
    const double left = strtod(text, NULL) - now;
    if (!(left > 0)) {
        return 0;
    }
    return left > WN_TIME_SPARE + 1 ? left - WN_TIME_SPARE : 1;
}

wn_code wn_json_emit(struct wn_json *take_value, struct wn_error *err)
{
    WN_CHECK(take_value != NULL, err, WN_DEVICE, "out of memory for the result");
    char *text = NULL;
    const wn_code code = wn_json_print(take_value, true, &text, err);
    wn_json_free(take_value);
    if (code == WN_OK) {
        printf("%s\n", text);
        free(text);
    }
    return code;
}

bool wn_json_put(struct wn_json *object, const char *key, struct wn_json *take_value)
{
    return take_value != NULL && wn_json_add_value(object, key, take_value);
}

bool wn_json_put_text(struct wn_json *object, const char *key, const char *text)
{
    return wn_json_add_text(object, key, wn_span_of(text != NULL ? text : ""));
}

struct wn_json *wn_json_statuses(const uint64_t by_status[WN_STATUS_COUNT])
{
    struct wn_json *object = wn_json_new_object();
    for (int i = 0; object != NULL && i < WN_STATUS_COUNT; i++) {
        if (!wn_json_add_integer(object, wn_status_name(i), (int64_t)by_status[i])) {
            wn_json_free(object);
            return NULL;
        }
    }
    return object;
}

struct wn_json *wn_json_numeric(const struct wn_numeric_class *numeric)
{
    struct wn_json *object = wn_json_new_object();
    if (object == NULL || !wn_json_put_text(object, "backend", numeric->backend) ||
        !wn_json_put_text(object, "dtype", numeric->dtype) ||
        !wn_json_put_text(object, "kernels", numeric->kernels) ||
        !wn_json_put_text(object, "library", numeric->library) ||
        !wn_json_add_integer(object, "row_tile", numeric->row_tile) ||
        !wn_json_add_integer(object, "key_tile", numeric->key_tile)) {
        wn_json_free(object);
        return NULL;
    }
    return object;
}

void wn_statuses_write(FILE *to, const uint64_t by_status[WN_STATUS_COUNT], uint64_t n)
{
    for (int i = 0; i < WN_STATUS_COUNT; i++) {
        if (by_status[i] > 0) {
            fprintf(to, "  %-20s %12llu  %5.1f %%\n", wn_status_name(i), (unsigned long long)by_status[i],
                    100.0 * (double)by_status[i] / (double)(n > 0 ? n : 1));
        }
    }
}

const char *wn_amount_text(double amount, char *out, size_t size)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
    size_t unit = 0;
    while (amount >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        amount /= 1000;
        unit++;
    }
    const int decimals = amount >= 99.95 || (unit == 0 && amount >= 10) ? 0 : amount >= 9.995 ? 1 : 2;
    snprintf(out, size, "%.*f %s%s", decimals, amount, units[unit], unit > 0 ? " " : "");
    /* "12.3 k " and "45 ": the unit follows at once, as in "12.3 k tokens". */
    return out;
}

const char *wn_count_text(uint64_t count, char *out, size_t size)
{
    char digits[24];
    const int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    size_t at = 0;
    for (int i = 0; i < n && at + 2 < size; i++) {
        if (i > 0 && (n - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}

const char *wn_duration_text(double seconds, char *out, size_t size)
{
    if (!(seconds >= 0) || seconds > 3.0e8) {
        snprintf(out, size, "?");
        return out;
    }
    const long whole = (long)(seconds + 0.5);
    if (whole >= 3600) {
        snprintf(out, size, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    } else {
        snprintf(out, size, "%ld:%02ld", whole / 60, whole % 60);
    }
    return out;
}
