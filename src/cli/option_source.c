/* Values that were not typed: from the environment, and from the configuration file.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/option_value.h"

#include "base/base.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_LIMIT = 1 << 20, NAME_SIZE = 128, WHERE_SIZE = 4300 };

static wn_code memory_fail(struct wn_error *err)
{
    WN_FAIL(err, WN_DEVICE, "out of memory for the options");
}

/* What only the command line says. */
static bool is_typed_only(const struct wn_option *option)
{
    static const char *const names[] = {"config", "help", "version", "man", "completion"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(option->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Of options that exclude each other one given in a stronger place is the choice. */
static bool is_hidden(const struct wn_settings *settings, const struct wn_option *option,
                      enum wn_value_from from)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    if (settings->from[option - options] > (uint8_t)from) {
        return true;
    }
    for (size_t i = 0; i < n && strcmp(option->group, wn_group_amount) == 0; i++) {
        if (strcmp(options[i].group, wn_group_amount) == 0 && settings->from[i] > (uint8_t)from) {
            return true;
        }
    }
    return false;
}

/* `where` in front of the text of *err. */
static wn_code where_add(const char *where, wn_code code, struct wn_error *err)
{
    if (code == WN_OK || err == NULL) {
        return code;
    }
    const struct wn_error inner = *err;
    return wn_error_set(err, code, inner.file, inner.line, "%s: %s", where, inner.text);
}

/* A copy of `text` that the settings own. */
static wn_code text_keep(struct wn_settings *settings, const char *text, size_t size, const char **out,
                         struct wn_error *err)
{
    char *copy = malloc(size + 1);
    if (copy == NULL) {
        return memory_fail(err);
    }
    memcpy(copy, text, size);
    copy[size] = 0;
    const wn_code code = wn_texts_add(&settings->owned, copy, err);
    if (code != WN_OK) {
        free(copy);
        return code;
    }
    *out = copy;
    return WN_OK;
}

/* ---- the environment ---- */

static void variable_name(const struct wn_option *option, char out[NAME_SIZE])
{
    size_t n = (size_t)snprintf(out, NAME_SIZE, "WINNOW_%s", option->name);
    for (size_t i = 0; i < n && i < NAME_SIZE; i++) {
        out[i] = out[i] == '-' ? '_' : (char)(out[i] >= 'a' && out[i] <= 'z' ? out[i] - 'a' + 'A' : out[i]);
    }
}

/* A list is one item a line. */
static wn_code lines_set(struct wn_settings *settings, const struct wn_option *option, const char *text,
                         struct wn_error *err)
{
    while (*text != 0) {
        const size_t size = strcspn(text, "\n");
        const char *item = NULL;
        if (size > 0) {
            WN_TRY(text_keep(settings, text, size, &item, err));
            WN_TRY(wn_value_set(settings, option, item, err));
        }
        text += size + (text[size] == '\n' ? 1 : 0);
    }
    return WN_OK;
}

static wn_code environment_read(struct wn_settings *settings, struct wn_error *err)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    for (size_t i = 0; i < n; i++) {
        char name[NAME_SIZE];
        variable_name(&options[i], name);
        const bool is_its = (options[i].commands & (unsigned)settings->command->bit) != 0;
        const char *text = is_its && !is_typed_only(&options[i]) ? getenv(name) : NULL;
        /* An empty variable is none, as shells make them. */
        if (text == NULL || text[0] == 0 || is_hidden(settings, &options[i], WN_FROM_ENVIRONMENT)) {
            continue;
        }
        WN_TRY(where_add(name,
                         options[i].kind == WN_OPTION_LIST ? lines_set(settings, &options[i], text, err)
                                                           : wn_value_set(settings, &options[i], text, err),
                         err));
        settings->from[i] = WN_FROM_ENVIRONMENT;
    }
    return WN_OK;
}

/* ---- the configuration file ---- */

/* All bytes of `path`, which may be a pipe. */
static wn_code config_load(const char *path, char **out_text, size_t *out_size, struct wn_error *err)
{
    FILE *from = fopen(path, "rb");
    if (from == NULL) {
        return wn_io_fail(path, "read", errno, err);
    }
    char *text = malloc(CONFIG_LIMIT + 1);
    const size_t size = text != NULL ? fread(text, 1, CONFIG_LIMIT + 1, from) : 0;
    const int reason = ferror(from) ? errno : 0;
    fclose(from);
    wn_code code = WN_OK;
    if (text == NULL) {
        code = memory_fail(err);
    } else if (reason != 0) {
        code = wn_io_fail(path, "read", reason, err);
    } else if (size > CONFIG_LIMIT) {
        code = wn_error_set(err, WN_USAGE, __FILE__, __LINE__,
                            "%s is longer than 1 MiB: a JSON object with options is wanted", path);
    }
    if (code != WN_OK) {
        free(text);
        return code;
    }
    *out_text = text;
    *out_size = size;
    return WN_OK;
}

/* True where options of this kind may be written as a JSON number. */
static bool takes_number(enum wn_option_kind kind)
{
    switch (kind) {
    case WN_OPTION_COUNT:
    case WN_OPTION_NUMBER:
    case WN_OPTION_RATE:
    case WN_OPTION_PERCENT:
    case WN_OPTION_TIME:
    case WN_OPTION_AMOUNT:
    case WN_OPTION_REPEAT:
        return true;
    case WN_OPTION_FLAG:
    case WN_OPTION_TEXT:
    case WN_OPTION_LIST:
    case WN_OPTION_CHOICE:
    case WN_OPTION_RANGE:
    case WN_OPTION_SHARD:
        break;
    }
    return false;
}

static const char *wanted_type(enum wn_option_kind kind)
{
    return kind == WN_OPTION_FLAG     ? "true or false"
           : kind == WN_OPTION_REPEAT ? "true, false or a number"
           : kind == WN_OPTION_LIST   ? "a text or an array of texts"
           : takes_number(kind)       ? "a number, or a text as it would be typed"
                                      : "a text as it would be typed";
}

/* The text that would have been typed for `value`; NULL where its type is not wanted. */
static wn_code value_text(struct wn_settings *settings, const struct wn_option *option,
                          const struct wn_json *value, const char **out, struct wn_error *err)
{
    *out = NULL;
    if (wn_json_is(value, WN_JSON_BOOLEAN) &&
        (option->kind == WN_OPTION_FLAG || option->kind == WN_OPTION_REPEAT)) {
        *out = wn_json_boolean(value) ? "true" : "false";
        return WN_OK;
    }
    if (wn_json_is(value, WN_JSON_STRING) && option->kind != WN_OPTION_FLAG &&
        option->kind != WN_OPTION_REPEAT) {
        const struct wn_span text = wn_json_text(value);
        WN_CHECK(memchr(text.data, 0, text.size) == NULL, err, WN_USAGE, "the text holds U+0000");
        return text_keep(settings, text.data, text.size, out, err);
    }
    if (wn_json_is(value, WN_JSON_NUMBER) && takes_number(option->kind)) {
        char text[64];
        int64_t whole = 0;
        if (wn_json_integer(value, &whole)) {
            snprintf(text, sizeof text, "%lld", (long long)whole);
        } else {
            snprintf(text, sizeof text, "%.17g", wn_json_number(value));
        }
        return text_keep(settings, text, strlen(text), out, err);
    }
    return WN_OK;
}

static wn_code member_set(struct wn_settings *settings, const struct wn_option *option,
                          const struct wn_json *value, struct wn_error *err)
{
    const bool is_array = option->kind == WN_OPTION_LIST && wn_json_is(value, WN_JSON_ARRAY);
    const struct wn_json *item = is_array ? wn_json_first(value) : value;
    for (; item != NULL; item = is_array ? wn_json_next(item) : NULL) {
        const char *text = NULL;
        WN_TRY(value_text(settings, option, item, &text, err));
        WN_CHECK(text != NULL, err, WN_USAGE, "%s is wanted, not %s%s", wanted_type(option->kind),
                 is_array ? "an array of " : "", wn_json_type_name(item));
        WN_TRY(wn_value_set(settings, option, text, err));
    }
    return WN_OK;
}

/* WN_USAGE naming the nearest option of any command. */
static wn_code key_unknown(const char *key, struct wn_error *err)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    const char *known[WN_OPTION_LIMIT];
    size_t n_known = 0;
    for (size_t i = 0; i < n; i++) {
        WN_CHECK(strcmp(options[i].name, key) != 0, err, WN_USAGE, "--%s can be typed only", key);
        if (!is_typed_only(&options[i])) {
            known[n_known++] = options[i].name;
        }
    }
    const char *near = wn_nearest(key, known, n_known);
    WN_CHECK(near == NULL, err, WN_USAGE, "no option has this name; did you mean \"%s\"?", near);
    WN_FAIL(err, WN_USAGE, "no option has this name; keys are long names of options, such as \"max-length\"");
}

static wn_code key_set(struct wn_settings *settings, const struct wn_json *member, struct wn_error *err)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    const char *key = wn_json_key(member).data;
    bool is_known = false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(options[i].name, key) != 0 || is_typed_only(&options[i])) {
            continue;
        }
        is_known = true;
        const bool is_its = (options[i].commands & (unsigned)settings->command->bit) != 0;
        if (is_its && !wn_json_is(member, WN_JSON_NULL) && !is_hidden(settings, &options[i], WN_FROM_FILE)) {
            WN_TRY(member_set(settings, &options[i], member, err));
            settings->from[i] = WN_FROM_FILE;
        }
    }
    return is_known ? WN_OK : key_unknown(key, err);
}

static wn_code config_set(struct wn_settings *settings, const char *path, const struct wn_json *root,
                          struct wn_error *err)
{
    WN_CHECK(wn_json_is(root, WN_JSON_OBJECT), err, WN_USAGE,
             "%s: a JSON object is wanted, such as {\"max-length\": 512}, not %s", path,
             wn_json_type_name(root));
    for (const struct wn_json *member = wn_json_first(root); member != NULL; member = wn_json_next(member)) {
        char where[WHERE_SIZE];
        snprintf(where, sizeof where, "%s: \"%.100s\"", path, wn_json_key(member).data);
        WN_TRY(where_add(where, key_set(settings, member, err), err));
    }
    return WN_OK;
}

static wn_code config_read(struct wn_settings *settings, struct wn_error *err)
{
    const char *variable = getenv("WINNOW_CONFIG");
    const char *path = settings->config != NULL ? settings->config : variable;
    char *text = NULL;
    size_t size = 0;
    if (path == NULL || path[0] == 0 || settings->command->bit == WN_CMD_HELP) {
        return WN_OK;
    }
    const char *where = settings->config != NULL ? "--config" : "WINNOW_CONFIG";
    WN_TRY(where_add(where, config_load(path, &text, &size, err), err));
    struct wn_json *root = NULL;
    wn_code code = where_add(path, wn_json_parse((struct wn_span){text, size}, WN_USAGE, &root, err), err);
    if (code == WN_OK) {
        code = config_set(settings, path, root, err);
    }
    code = where_add(where, code, err);
    wn_json_free(root);
    free(text);
    return code;
}

wn_code wn_settings_complete(struct wn_settings *settings, struct wn_error *err)
{
    if (settings->command->bit == WN_CMD_HELP) {
        return WN_OK;
    }
    WN_TRY(environment_read(settings, err));
    return config_read(settings, err);
}
