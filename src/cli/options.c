/* The parser: argv -> settings, by the table.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/option_value.h"

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
        bool is_on = true;
        const bool is_switch = option->kind == WN_OPTION_FLAG && value != NULL && wn_flag_read(value, &is_on);
        WN_CHECK(value == NULL || is_switch, err, WN_USAGE, "--%s takes no value, but %s was given",
                 option->name, value);
        value = is_switch ? value : option->kind == WN_OPTION_FLAG ? "true" : "+";
    } else if (value == NULL) {
        const bool is_there = reader->next < reader->argc &&
                              is_value(reader->settings->command, option, reader->argv[reader->next]);
        WN_CHECK(is_there, err, WN_USAGE, "--%s needs a value: --%s %s", option->name, option->name,
                 option->value);
        value = reader->argv[reader->next++];
    }
    WN_TRY(wn_value_set(reader->settings, option, value, err));
    reader->settings->from[option - options] = WN_FROM_FLAG;
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
    if (is_data) {
        size_t n = 0;
        const struct wn_option *options = wn_options(&n);
        const struct wn_option *data = option_find(settings->command, "data", 4);
        WN_CHECK(data != NULL, err, WN_DEFECT, "`winnow %s` takes data but has no --data",
                 settings->command->name);
        settings->from[data - options] = WN_FROM_FLAG;
    }
    return wn_texts_add(is_data ? &settings->data : &settings->operands, word, err);
}

static wn_code standards_set(struct wn_settings *settings, struct wn_error *err)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    for (size_t i = 0; i < n; i++) {
        const bool is_its = (options[i].commands & (unsigned)settings->command->bit) != 0;
        if (is_its && options[i].standard != NULL && settings->from[i] == WN_FROM_TABLE) {
            WN_TRY(wn_value_set(settings, &options[i], options[i].standard, err));
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
    if (has_command && !out_settings->help && !out_settings->version) {
        WN_TRY(wn_settings_complete(out_settings, err));
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
    for (size_t i = 0; i < settings->owned.n; i++) {
        free((void *)(uintptr_t)settings->owned.items[i]);
    }
    free((void *)settings->owned.items);
    memset(settings, 0, sizeof *settings);
}

static enum wn_value_from value_from(const struct wn_settings *settings, const char *name)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    for (size_t i = 0; i < n; i++) {
        if (settings->from[i] != WN_FROM_TABLE && strcmp(options[i].name, name) == 0) {
            return (enum wn_value_from)settings->from[i];
        }
    }
    return WN_FROM_TABLE;
}

bool wn_settings_given(const struct wn_settings *settings, const char *name)
{
    return value_from(settings, name) != WN_FROM_TABLE;
}

bool wn_settings_typed(const struct wn_settings *settings, const char *name)
{
    return value_from(settings, name) == WN_FROM_FLAG;
}
