/* The parser: argv -> settings, by the table.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is known while argv is read. */
struct reader {
    struct wn_settings *settings;
    int argc;
    char **argv;
    int next;           /* the word to read */
    bool only_operands; /* after -- */
};

static void *member(struct wn_settings *settings, const struct wn_option *option)
{
    return (char *)settings + option->offset;
}

static wn_code texts_add(struct wn_texts *texts, const char *item, struct wn_error *err)
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
        WN_CHECK(number_read(text, size, &value) && value >= option->least && value <= option->most, err,
                 WN_USAGE, "--%s %s: a number is wanted, such as 0.95", option->name, text);
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

static wn_code value_set(struct wn_settings *settings, const struct wn_option *option, const char *text,
                         struct wn_error *err)
{
    void *at = member(settings, option);
    switch (option->kind) {
    case WN_OPTION_FLAG:
        *(bool *)at = true;
        return WN_OK;
    case WN_OPTION_REPEAT:
        *(int64_t *)at += 1;
        return WN_OK;
    case WN_OPTION_TEXT:
        WN_CHECK(text[0] != 0, err, WN_USAGE, "--%s is empty; %s is wanted", option->name, option->value);
        *(const char **)at = text;
        return WN_OK;
    case WN_OPTION_LIST:
        WN_CHECK(text[0] != 0, err, WN_USAGE, "--%s is empty; %s is wanted", option->name, option->value);
        return texts_add((struct wn_texts *)at, text, err);
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
    }
    WN_FAIL(err, WN_DEFECT, "option --%s has an unknown kind", option->name);
}

static bool has_value(const struct wn_option *option)
{
    return option->kind != WN_OPTION_FLAG && option->kind != WN_OPTION_REPEAT;
}

/* The option of `command` (any option where NULL) by its long name of `size` bytes. */
static const struct wn_option *option_find(const struct wn_command *command, const char *name, size_t size)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    for (size_t i = 0; i < n; i++) {
        const bool is_its = command == NULL || (options[i].commands & (unsigned)command->bit) != 0;
        if (is_its && strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static const struct wn_option *letter_find(const struct wn_command *command, char letter)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    for (size_t i = 0; i < n; i++) {
        if ((options[i].commands & (unsigned)command->bit) != 0 && options[i].letter == letter) {
            return &options[i];
        }
    }
    return NULL;
}

static wn_code flag_unknown(const struct wn_command *command, const char *word, size_t size,
                            struct wn_error *err)
{
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)(size < sizeof name ? size : sizeof name - 1), word);
    const struct wn_option *other = option_find(NULL, name, strlen(name));
    if (other != NULL) {
        size_t n = 0;
        const struct wn_command *all = wn_commands(&n);
        for (size_t i = 0; i < n; i++) {
            WN_CHECK((other->commands & (unsigned)all[i].bit) == 0, err, WN_USAGE,
                     "`winnow %s` has no --%s; `winnow %s` has", command->name, name, all[i].name);
        }
    }
    const struct wn_option *its[WN_OPTION_LIMIT];
    const char *known[WN_OPTION_LIMIT];
    size_t n_its = 0;
    wn_options_of(command, its, &n_its);
    for (size_t i = 0; i < n_its; i++) {
        known[i] = its[i]->name;
    }
    const char *near = wn_nearest(name, known, n_its);
    WN_CHECK(near == NULL, err, WN_USAGE, "`winnow %s` has no --%s; did you mean --%s?", command->name, name,
             near);
    WN_FAIL(err, WN_USAGE, "`winnow %s` has no --%s; `winnow %s --help` lists what it has", command->name,
            name, command->name);
}

/* -5 and -.5 are values; --x and -x are flags. */
static bool looks_like_flag(const char *word)
{
    return word[0] == '-' && word[1] != 0 && word[1] != '.' && (word[1] < '0' || word[1] > '9');
}

/* A formula or a number may begin with a minus: for these only a known flag is no value. */
static bool is_value(const struct wn_command *command, const struct wn_option *option, const char *word)
{
    const bool may_be_minus = option->kind == WN_OPTION_NUMBER || option->kind == WN_OPTION_RATE ||
                              option->kind == WN_OPTION_PERCENT || strcmp(option->value, "FORMULA") == 0;
    if (!looks_like_flag(word) || !may_be_minus) {
        return !looks_like_flag(word);
    }
    if (word[1] == '-') {
        return word[2] != 0 && option_find(command, word + 2, strcspn(word + 2, "=")) == NULL;
    }
    return word[2] != 0 || letter_find(command, word[1]) == NULL;
}

static wn_code option_take(struct reader *reader, const struct wn_option *option, const char *value,
                           struct wn_error *err)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    if (!has_value(option)) {
        WN_CHECK(value == NULL, err, WN_USAGE, "--%s takes no value, but %s was given", option->name, value);
        value = "";
    } else if (value == NULL) {
        const bool is_there = reader->next < reader->argc &&
                              is_value(reader->settings->command, option, reader->argv[reader->next]);
        WN_CHECK(is_there, err, WN_USAGE, "--%s needs a value: --%s %s", option->name, option->name,
                 option->value);
        value = reader->argv[reader->next++];
    }
    WN_TRY(value_set(reader->settings, option, value, err));
    reader->settings->given[option - options] = true;
    return WN_OK;
}

static wn_code long_read(struct reader *reader, const char *word, struct wn_error *err)
{
    const struct wn_command *command = reader->settings->command;
    const char *equal = strchr(word, '=');
    const size_t size = equal != NULL ? (size_t)(equal - word) : strlen(word);
    const struct wn_option *option = option_find(command, word, size);
    if (option == NULL) {
        return flag_unknown(command, word, size, err);
    }
    return option_take(reader, option, equal != NULL ? equal + 1 : NULL, err);
}

/* -q, -qv, -oFILE, -o FILE, -o=FILE. */
static wn_code letters_read(struct reader *reader, const char *word, struct wn_error *err)
{
    const struct wn_command *command = reader->settings->command;
    for (const char *at = word; *at != 0; at++) {
        const struct wn_option *option = letter_find(command, *at);
        WN_CHECK(option != NULL, err, WN_USAGE,
                 "`winnow %s` has no -%c; `winnow %s --help` lists what it has", command->name, *at,
                 command->name);
        if (has_value(option)) {
            const char *value = at[1] == 0 ? NULL : at[1] == '=' ? at + 2 : at + 1;
            return option_take(reader, option, value, err);
        }
        WN_TRY(option_take(reader, option, NULL, err));
    }
    return WN_OK;
}

static wn_code operand_take(struct wn_settings *settings, const char *word, struct wn_error *err)
{
    WN_CHECK(word[0] != 0, err, WN_USAGE, "an empty word stands where a name is wanted");
    const bool after_data =
        settings->data.n > 0 && (settings->command->bit == WN_CMD_EXPLAIN || settings->operands.n > 0);
    const bool is_data = settings->command->operands_are_data || after_data;
    return texts_add(is_data ? &settings->data : &settings->operands, word, err);
}

static wn_code standards_set(struct wn_settings *settings, struct wn_error *err)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    for (size_t i = 0; i < n; i++) {
        const bool is_its = (options[i].commands & (unsigned)settings->command->bit) != 0;
        if (is_its && options[i].standard != NULL && !settings->given[i]) {
            WN_TRY(value_set(settings, &options[i], options[i].standard, err));
        }
    }
    return WN_OK;
}

static wn_code command_unknown(const char *word, struct wn_error *err)
{
    size_t n = 0;
    const struct wn_command *commands = wn_commands(&n);
    const char *known[16];
    for (size_t i = 0; i < n; i++) {
        known[i] = commands[i].name;
    }
    const char *near = wn_nearest(word, known, n);
    WN_CHECK(near == NULL, err, WN_USAGE, "winnow has no command `%s`; did you mean `%s`?", word, near);
    WN_FAIL(err, WN_USAGE, "winnow has no command `%s`; `winnow --help` lists the commands", word);
}

/* The command is the first word without a dash; --man and --completion alone mean `help`. */
static wn_code command_choose(int argc, char **argv, struct wn_settings *settings, int *out_place,
                              struct wn_error *err)
{
    *out_place = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--man") == 0 || strncmp(argv[i], "--completion", 12) == 0) {
            settings->command = wn_command_find("help");
            return WN_OK;
        }
        if (argv[i][0] != '-') {
            settings->command = wn_command_find(argv[i]);
            *out_place = i;
            return settings->command != NULL ? WN_OK : command_unknown(argv[i], err);
        }
    }
    return WN_OK;
}

wn_code wn_settings_parse(int argc, char **argv, struct wn_settings *out_settings, struct wn_error *err)
{
    memset(out_settings, 0, sizeof *out_settings);
    int place = 0;
    WN_TRY(command_choose(argc, argv, out_settings, &place, err));
    const bool has_command = out_settings->command != NULL;
    if (!has_command) {
        /* Flags alone: only the general ones mean something, and `help` has all of these. */
        out_settings->command = wn_command_find("help");
    }
    struct reader reader = {.settings = out_settings, .argc = argc, .argv = argv, .next = 1};
    while (reader.next < argc) {
        const int at = reader.next++;
        const char *word = argv[at];
        if (at == place && has_command) {
            continue;
        }
        if (reader.only_operands || word[0] != '-' || word[1] == 0) {
            WN_TRY(operand_take(out_settings, word, err));
        } else if (strcmp(word, "--") == 0) {
            reader.only_operands = true;
        } else if (word[1] == '-') {
            WN_TRY(long_read(&reader, word + 2, err));
        } else {
            WN_TRY(letters_read(&reader, word + 1, err));
        }
    }
    WN_TRY(standards_set(out_settings, err));
    if (!has_command) {
        out_settings->command = NULL;
    }
    return WN_OK;
}

void wn_settings_free(struct wn_settings *settings)
{
    free((void *)settings->operands.items);
    free((void *)settings->data.items);
    free((void *)settings->map.items);
    memset(settings, 0, sizeof *settings);
}

bool wn_settings_given(const struct wn_settings *settings, const char *name)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    for (size_t i = 0; i < n; i++) {
        if (settings->given[i] && strcmp(options[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}
