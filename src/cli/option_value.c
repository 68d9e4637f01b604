/* One value: text -> typed member of the settings, and what is said about a wrong one.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/option_value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *member(struct wn_settings *settings, const struct wn_option *option)
{
    return (char *)settings + option->offset;
}

bool wn_flag_read(const char *text, bool *out)
{
    const bool is_on = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
    if (is_on || strcmp(text, "0") == 0 || strcmp(text, "false") == 0) {
        *out = is_on;
        return true;
    }
    return false;
}

wn_code wn_texts_add(struct wn_texts *texts, const char *item, struct wn_error *err)
{
    const char **items = (const char **)realloc((void *)texts->items, (texts->n + 1) * sizeof *items);
    WN_CHECK(items != NULL, err, WN_DEVICE, "out of memory for the command line");
    items[texts->n] = item;
    texts->items = items;
    texts->n++;
    return WN_OK;
}

/* ASCII digits with one optional suffix k, M or G. */
static bool count_read(const char *text, int64_t *out)
{
    uint64_t value = 0;
    const char *at = text;
    if (*at < '0' || *at > '9') {
        return false;
    }
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value)) {
            return false;
        }
    }
    uint64_t unit = 1;
    if (*at != 0) {
        unit = *at == 'k' ? 1000u : *at == 'M' ? 1000000u : *at == 'G' ? 1000000000u : 0u;
        at++;
    }
    if (unit == 0 || *at != 0 || __builtin_mul_overflow(value, unit, &value) || value > (uint64_t)INT64_MAX) {
        return false;
    }
    *out = (int64_t)value;
    return true;
}

/* A decimal number with an optional exponent, and nothing else: no hexadecimal, no inf, no nan, no blank. */
static bool number_read(const char *text, size_t size, double *out)
{
    char copy[64];
    if (size == 0 || size >= sizeof copy || strspn(text, "+-.0123456789eE") < size) {
        return false;
    }
    memcpy(copy, text, size);
    copy[size] = 0;
    char *end = NULL;
    *out = strtod(copy, &end);
    return *end == 0 && isfinite(*out);
}

static wn_code count_set(const struct wn_option *option, const char *text, int64_t *out, struct wn_error *err)
{
    int64_t value = 0;
    WN_CHECK(
        count_read(text, &value) && (double)value >= option->least && (double)value <= option->most, err,
        WN_USAGE,
        "--%s %s: a whole number from %.0f to %.0f is wanted (k, M and G are thousands, millions, billions)",
        option->name, text, option->least, option->most);
    *out = value;
    return WN_OK;
}

static wn_code number_set(const struct wn_option *option, const char *text, double *out, struct wn_error *err)
{
    size_t size = strlen(text);
    const bool has_sign = size > 0 && text[size - 1] == '%';
    double value = 0;
    if (option->kind == WN_OPTION_NUMBER) {
        const bool is_right =
            number_read(text, size, &value) && value >= option->least && value <= option->most;
        WN_CHECK(is_right || option->most < 1e300, err, WN_USAGE, "--%s %s: a number is wanted, such as 0.95",
                 option->name, text);
        WN_CHECK(is_right, err, WN_USAGE, "--%s %s: a number from %g to %g is wanted", option->name, text,
                 option->least, option->most);
        *out = value;
        return WN_OK;
    }
    size -= has_sign ? 1 : 0;
    const bool is_number = number_read(text, size, &value);
    if (option->kind == WN_OPTION_RATE) {
        value = has_sign ? value / 100 : value;
        WN_CHECK(is_number && value >= option->least && value <= option->most, err, WN_USAGE,
                 "--%s %s: a part of one above 0 and up to 1 is wanted, written 0.1 or 10%%", option->name,
                 text);
    } else {
        WN_CHECK(is_number && value >= option->least && value <= option->most, err, WN_USAGE,
                 "--%s %s: percent from %g to %g are wanted, written 5 or 5%%", option->name, text,
                 option->least, option->most);
    }
    *out = value;
    return WN_OK;
}

static wn_code range_set(const struct wn_option *option, const char *text, struct wn_range *out,
                         struct wn_error *err)
{
    const char *colon = strchr(text, ':');
    char first[32] = "";
    int64_t a = 0;
    int64_t b = 0;
    bool is_good = colon != NULL && (size_t)(colon - text) < sizeof first && (colon != text || colon[1] != 0);
    if (is_good && colon != text) {
        memcpy(first, text, (size_t)(colon - text));
        is_good = count_read(first, &a);
    }
    const bool has_end = is_good && colon[1] != 0;
    if (has_end) {
        is_good = count_read(colon + 1, &b) && a < b;
    }
    WN_CHECK(is_good, err, WN_USAGE,
             "--%s %s: A:B is wanted, the records A to B - 1 counted from 0, with A below B; either may be "
             "left out",
             option->name, text);
    *out = (struct wn_range){(uint64_t)a, has_end ? (uint64_t)b : UINT64_MAX};
    return WN_OK;
}

static wn_code choice_set(const struct wn_option *option, const char *text, const char **out,
                          struct wn_error *err)
{
    char known[256] = "";
    size_t n = 0;
    for (size_t i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(option->choices[i], text) == 0) {
            *out = option->choices[i];
            return WN_OK;
        }
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i > 0 ? ", " : "", option->choices[i]);
    }
    WN_FAIL(err, WN_USAGE, "--%s %s is not known; one of these is wanted: %s", option->name, text, known);
}

static wn_code repeat_set(const struct wn_option *option, const char *text, int64_t *out,
                          struct wn_error *err)
{
    bool is_on = false;
    if (strcmp(text, "+") == 0) {
        *out += 1;
        return WN_OK;
    }
    if (wn_flag_read(text, &is_on)) {
        *out = is_on ? 1 : 0;
        return WN_OK;
    }
    WN_CHECK(count_read(text, out) && *out <= 9, err, WN_USAGE,
             "--%s %s: how often is wanted, a whole number from 0 to 9", option->name, text);
    return WN_OK;
}

static wn_code shard_set(const struct wn_option *option, const char *text, struct wn_part *out,
                         struct wn_error *err)
{
    const char *slash = strchr(text, '/');
    char first[16] = "";
    int64_t k = 0;
    int64_t n = 0;
    bool is_good = slash != NULL && (size_t)(slash - text) < sizeof first;
    if (is_good) {
        memcpy(first, text, (size_t)(slash - text));
        is_good = count_read(first, &k) && count_read(slash + 1, &n) && k >= 1 && k <= n && n <= 1000000;
    }
    WN_CHECK(is_good, err, WN_USAGE,
             "--%s %s: K/N is wanted, part K of N, such as 1/4: K from 1 to N, N at most 1000000",
             option->name, text);
    *out = (struct wn_part){(uint32_t)k, (uint32_t)n};
    return WN_OK;
}

/* Two digits of a clock, below 60. */
static bool sixty_read(const char *text, double *inout)
{
    if (text[0] < '0' || text[0] > '5' || text[1] < '0' || text[1] > '9') {
        return false;
    }
    *inout = *inout * 60 + (text[0] - '0') * 10 + (text[1] - '0');
    return true;
}

/* Digits at *at, at most nine. */
static bool digits_read(const char **at, double *out)
{
    const size_t size = strspn(*at, "0123456789");
    *out = 0;
    for (size_t i = 0; i < size && size <= 9; i++) {
        *out = *out * 10 + (*at[0] - '0');
        (*at)++;
    }
    return size >= 1 && size <= 9;
}

/* MM:SS, HH:MM:SS, D-HH:MM:SS; the first number may be of any size. */
static bool clock_read(const char *at, double *out)
{
    double days = 0;
    double value = 0;
    const bool has_days = strchr(at, '-') != NULL;
    bool is_good = !has_days || (digits_read(&at, &days) && *at++ == '-');
    is_good = is_good && digits_read(&at, &value);
    int fields = 0;
    for (; is_good && *at == ':'; at += 3) {
        is_good = sixty_read(at + 1, &value);
        fields++;
        if (!is_good) {
            return false;
        }
    }
    is_good = is_good && *at == 0 && (has_days ? fields == 2 && value < 86400 : fields == 1 || fields == 2);
    *out = days * 86400 + value;
    return is_good;
}

/* 90m, 2h, 1h30m, 1d12h, 45s. */
static bool units_read(const char *at, double *out)
{
    double last = INFINITY;
    *out = 0;
    do {
        double value = 0;
        if (!digits_read(&at, &value)) {
            return false;
        }
        const double unit = *at == 'd' ? 86400 : *at == 'h' ? 3600 : *at == 'm' ? 60 : *at == 's' ? 1 : 0;
        if (unit == 0 || unit >= last) {
            return false;
        }
        *out += value * unit;
        last = unit;
        at++;
    } while (*at != 0);
    return true;
}

static wn_code time_set(const struct wn_option *option, const char *text, double *out, struct wn_error *err)
{
    double value = 0;
    if (strcmp(text, "auto") == 0 || strcmp(text, "none") == 0) {
        *out = text[0] == 'a' ? WN_TIME_AUTO : WN_TIME_NONE;
        return WN_OK;
    }
    const bool is_number =
        strspn(text, "0123456789.") == strlen(text) && number_read(text, strlen(text), &value);
    const bool is_good = (is_number || clock_read(text, &value) || units_read(text, &value)) && value > 0;
    WN_CHECK(is_good && value <= 1e9, err, WN_USAGE,
             "--%s %s: a time above 0 is wanted: seconds, MM:SS, HH:MM:SS, 90m, 2h, or auto or none",
             option->name, text);
    *out = value;
    return WN_OK;
}

static wn_code amount_set(const struct wn_option *option, const char *text, struct wn_top *out,
                          struct wn_error *err)
{
    const size_t size = strlen(text);
    const bool has_sign = size > 0 && text[size - 1] == '%';
    double rate = 0;
    int64_t number = 0;
    if (count_read(text, &number) && number >= 1) {
        *out = (struct wn_top){.number = number};
        return WN_OK;
    }
    const bool is_number = number_read(text, has_sign ? size - 1 : size, &rate);
    rate = has_sign ? rate / 100 : rate;
    WN_CHECK(is_number && rate > 0 && (has_sign ? rate <= 1 : rate < 1), err, WN_USAGE,
             "--%s %s: a whole number from 1 is wanted, or a part of one written 0.1 or 10%%", option->name,
             text);
    *out = (struct wn_top){.rate = rate};
    return WN_OK;
}

wn_code wn_value_set(struct wn_settings *settings, const struct wn_option *option, const char *text,
                     struct wn_error *err)
{
    void *at = member(settings, option);
    switch (option->kind) {
    case WN_OPTION_FLAG:
        WN_CHECK(wn_flag_read(text, (bool *)at), err, WN_USAGE,
                 "--%s is a flag: 1, 0, true or false are wanted, not %s", option->name, text);
        return WN_OK;
    case WN_OPTION_REPEAT:
        return repeat_set(option, text, (int64_t *)at, err);
    case WN_OPTION_TEXT:
        WN_CHECK(text[0] != 0, err, WN_USAGE, "--%s is empty; %s is wanted", option->name, option->value);
        *(const char **)at = text;
        return WN_OK;
    case WN_OPTION_LIST:
        WN_CHECK(text[0] != 0, err, WN_USAGE, "--%s is empty; %s is wanted", option->name, option->value);
        return wn_texts_add((struct wn_texts *)at, text, err);
    case WN_OPTION_CHOICE:
        return choice_set(option, text, (const char **)at, err);
    case WN_OPTION_COUNT:
        return count_set(option, text, (int64_t *)at, err);
    case WN_OPTION_NUMBER:
    case WN_OPTION_RATE:
    case WN_OPTION_PERCENT:
        return number_set(option, text, (double *)at, err);
    case WN_OPTION_RANGE:
        return range_set(option, text, (struct wn_range *)at, err);
    case WN_OPTION_SHARD:
        return shard_set(option, text, (struct wn_part *)at, err);
    case WN_OPTION_TIME:
        return time_set(option, text, (double *)at, err);
    case WN_OPTION_AMOUNT:
        return amount_set(option, text, (struct wn_top *)at, err);
    }
    WN_FAIL(err, WN_DEFECT, "option --%s has an unknown kind", option->name);
}
