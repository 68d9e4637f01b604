/* Where values come from: flags before the environment, that before the configuration file, that before the table.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_WORDS = 24 };

/* The words of a command line: settings borrow from them. */
struct typed {
    char copy[1024];
    char *words[MAX_WORDS];
};

static wn_code parse(const char *line, struct typed *typed, struct wn_settings *out, struct wn_error *err)
{
    int n = 0;
    char *rest = NULL;
    snprintf(typed->copy, sizeof typed->copy, "%s", line);
    for (char *word = strtok_r(typed->copy, " ", &rest); word != NULL && n < MAX_WORDS;
         word = strtok_r(NULL, " ", &rest)) {
        typed->words[n++] = word;
    }
    return wn_settings_parse(n, typed->words, out, err);
}

/* A configuration file of its own; the path in `out`. */
static void config_write(const char *text, char out[64])
{
    snprintf(out, 64, "/tmp/winnow-config-XXXXXX");
    const int file = mkstemp(out);
    cr_assert_geq(file, 0);
    cr_assert_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(close(file), 0);
}

/* Parse `line` with `config` as its configuration file. */
static wn_code parse_with(const char *line, const char *config, struct typed *typed, struct wn_settings *out,
                          struct wn_error *err)
{
    char path[64];
    char whole[512];
    config_write(config, path);
    snprintf(whole, sizeof whole, "%s --config %s", line, path);
    const wn_code code = parse(whole, typed, out, err);
    unlink(path);
    return code;
}

static void environment_set(const char *name, const char *value)
{
    cr_assert_eq(setenv(name, value, 1), 0);
}

Test(sources, flags_win_over_the_environment_that_over_the_file_that_over_the_table)
{
    static const char config[] =
        "{\"max-length\": 300, \"turns\": \"last\", \"threads\": 7, \"model\": \"of file\"}";
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    environment_set("WINNOW_MAX_LENGTH", "400");
    environment_set("WINNOW_TURNS", "first");
    WN_TEST_OK(parse_with("winnow score f --max-length 500", config, &typed, &s, &err));
    cr_expect_eq(s.max_length, 500);
    cr_expect_str_eq(s.turns, "first");
    cr_expect_eq(s.threads, 7);
    cr_expect_str_eq(s.model, "of file");
    cr_expect_str_eq(s.dtype, "auto");
    cr_expect(wn_settings_given(&s, "max-length") && wn_settings_typed(&s, "max-length"));
    cr_expect(wn_settings_given(&s, "turns") && !wn_settings_typed(&s, "turns"));
    cr_expect(wn_settings_given(&s, "threads") && !wn_settings_typed(&s, "threads"));
    cr_expect(!wn_settings_given(&s, "dtype"));
    wn_settings_free(&s);
}

Test(sources, every_kind_can_stand_in_a_file_typed_or_as_it_would_be_typed)
{
    static const char config[] =
        "{\"data\": [\"a\", \"b c\"], \"map\": \"instruction=q\", \"max-length\": \"1k\", \"limit\": 5, "
        "\"range\": "
        "\"3:9\", \"max-bad\": 2.5, \"aligned\": true, \"strict\": false, \"verbose\": 2, \"shard\": "
        "\"2/3\", "
        "\"time-limit\": 90, \"sync\": 0.5, \"dtype\": \"f32\", \"model\": null, \"quiet\": false}";
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(parse_with("winnow score", config, &typed, &s, &err));
    cr_expect_eq(s.data.n, 2u);
    cr_expect_str_eq(s.data.items[1], "b c");
    cr_expect_str_eq(s.map.items[0], "instruction=q");
    cr_expect_eq(s.max_length, 1000);
    cr_expect_eq(s.limit, 5);
    cr_expect(s.range.first == 3 && s.range.end == 9);
    cr_expect_float_eq(s.max_bad, 2.5, 0);
    cr_expect(s.aligned && !s.strict && !s.quiet);
    cr_expect_eq(s.verbose, 2);
    cr_expect(s.shard.k == 2 && s.shard.n == 3);
    cr_expect_float_eq(s.time_limit, 90, 0);
    cr_expect_float_eq(s.sync, 0.5, 0);
    cr_expect_str_eq(s.dtype, "f32");
    cr_expect_null(s.model);
    cr_expect_not(wn_settings_given(&s, "model"));
    wn_settings_free(&s);
    WN_TEST_OK(parse_with("winnow select r", "{\"rate\": \"10%\", \"seed\": 3}", &typed, &s, &err));
    cr_expect_float_eq(s.rate, 0.1, 1e-16); /* division by 100: one rounding */
    wn_settings_free(&s);
    WN_TEST_OK(parse_with("winnow select r", "{\"rate\": 0.25}", &typed, &s, &err));
    cr_expect_float_eq(s.rate, 0.25, 0);
    wn_settings_free(&s);
}

Test(sources, flags_in_the_environment_are_1_0_true_or_false)
{
    static const char *const values[] = {"1", "true", "0", "false"};
    for (int i = 0; i < 4; i++) {
        struct typed typed;
        struct wn_settings s;
        struct wn_error err = {.code = WN_OK};
        environment_set("WINNOW_STRICT", values[i]);
        WN_TEST_OK(parse("winnow score f", &typed, &s, &err));
        cr_expect_eq(s.strict, i < 2, "%s", values[i]);
        wn_settings_free(&s);
        /* A flag of the command line can say no to it. */
        WN_TEST_OK(parse("winnow score f --strict=false", &typed, &s, &err));
        cr_expect_not(s.strict);
        wn_settings_free(&s);
    }
}

Test(sources, a_list_replaces_that_of_a_weaker_place_and_a_variable_holds_one_item_a_line)
{
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    environment_set("WINNOW_DATA", "one\ntwo words\n");
    WN_TEST_OK(parse_with("winnow score", "{\"data\": [\"x\", \"y\", \"z\"]}", &typed, &s, &err));
    cr_expect_eq(s.data.n, 2u);
    cr_expect_str_eq(s.data.items[1], "two words");
    wn_settings_free(&s);
    WN_TEST_OK(parse("winnow score typed", &typed, &s, &err));
    cr_expect_eq(s.data.n, 1u);
    cr_expect_str_eq(s.data.items[0], "typed");
    wn_settings_free(&s);
}

Test(sources, of_options_that_exclude_each_other_the_stronger_place_decides)
{
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    environment_set("WINNOW_NUMBER", "5");
    WN_TEST_OK(parse_with("winnow select r", "{\"rate\": 0.1}", &typed, &s, &err));
    cr_expect(wn_settings_given(&s, "number") && !wn_settings_given(&s, "rate"));
    wn_settings_free(&s);
    WN_TEST_OK(parse_with("winnow select r --above 1", "{\"rate\": 0.1}", &typed, &s, &err));
    cr_expect(wn_settings_given(&s, "above") && !wn_settings_given(&s, "rate") &&
              !wn_settings_given(&s, "number"));
    wn_settings_free(&s);
}

Test(sources, options_of_other_commands_and_empty_variables_are_passed_over)
{
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    environment_set("WINNOW_RATE", "nonsense");
    environment_set("WINNOW_MODEL", "");
    environment_set("WINNOW_VERSION", "0.3 of some module system");
    environment_set("WINNOW_HELP", "1");
    WN_TEST_OK(parse_with("winnow score f", "{\"rate\": [], \"digest\": 7}", &typed, &s, &err));
    cr_expect(s.model == NULL && !s.version && !s.help);
    wn_settings_free(&s);
}

Test(sources, winnow_config_names_a_file_and_config_another)
{
    char a[64];
    char b[64];
    char line[160];
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    config_write("{\"threads\": 3}", a);
    config_write("{\"max-length\": 77}", b);
    environment_set("WINNOW_CONFIG", a);
    WN_TEST_OK(parse("winnow score f", &typed, &s, &err));
    cr_expect_eq(s.threads, 3);
    wn_settings_free(&s);
    snprintf(line, sizeof line, "winnow score f --config %s", b);
    WN_TEST_OK(parse(line, &typed, &s, &err));
    cr_expect(s.threads == 0 && s.max_length == 77);
    wn_settings_free(&s);
    /* Help is there even where the file is not. */
    environment_set("WINNOW_CONFIG", "/nowhere/at/all.json");
    WN_TEST_OK(parse("winnow score --help", &typed, &s, &err));
    wn_settings_free(&s);
    WN_TEST_OK(parse("winnow help score", &typed, &s, &err));
    wn_settings_free(&s);
    cr_expect_eq(parse("winnow score f", &typed, &s, &err), WN_IO);
    cr_expect(strstr(err.text, "WINNOW_CONFIG") != NULL && strstr(err.text, "/nowhere/at/all.json") != NULL,
              "%s", err.text);
    wn_settings_free(&s);
    unlink(a);
    unlink(b);
}

struct wrong {
    const char *name, *value; /* of the environment, or NULL */
    const char *config;
    const char *says[4];
};

static const struct wrong wrongs[] = {
    {"WINNOW_MAX_LENGTH", "12x", NULL, {"WINNOW_MAX_LENGTH", "12x", "whole number from 2"}},
    {"WINNOW_STRICT", "yes", NULL, {"WINNOW_STRICT", "1, 0, true or false", "yes"}},
    {"WINNOW_DTYPE", "f64", NULL, {"WINNOW_DTYPE", "f64", "auto, f32, bf16, f16"}},
    {"WINNOW_VERBOSE", "lots", NULL, {"WINNOW_VERBOSE", "lots", "0 to 9"}},
    {"WINNOW_SHARD", "3", NULL, {"WINNOW_SHARD", "K/N"}},
    {NULL, NULL, "{\"max-lenght\": 5}", {"--config", "\"max-lenght\"", "did you mean \"max-length\""}},
    {NULL, NULL, "{\"zzzzzzzzzz\": 5}", {"\"zzzzzzzzzz\"", "long names of options"}},
    {NULL, NULL, "{\"max-length\": 1}", {"\"max-length\"", "from 2 to"}},
    {NULL, NULL, "{\"max-length\": 7.5}", {"\"max-length\"", "7.5", "whole number"}},
    {NULL, NULL, "{\"max-length\": true}", {"\"max-length\"", "a number, or a text", "not boolean"}},
    {NULL, NULL, "{\"strict\": \"true\"}", {"\"strict\"", "true or false", "not text"}},
    {NULL, NULL, "{\"strict\": 1}", {"\"strict\"", "true or false", "not number"}},
    {NULL, NULL, "{\"model\": 5}", {"\"model\"", "a text", "not number"}},
    {NULL, NULL, "{\"model\": \"a\\u0000b\"}", {"\"model\"", "U+0000"}},
    {NULL, NULL, "{\"map\": [\"a=b\", 5]}", {"\"map\"", "array of number"}},
    {NULL, NULL, "{\"map\": {\"a\": 5}}", {"\"map\"", "a text or an array of texts", "object"}},
    {NULL, NULL, "{\"help\": true}", {"\"help\"", "typed only"}},
    {NULL, NULL, "{\"config\": \"x\"}", {"\"config\"", "typed only"}},
    {NULL, NULL, "[1]", {"--config", "a JSON object is wanted", "array"}},
    {NULL, NULL, "{\"strict\": true,", {"--config", "byte"}},
    {NULL, NULL, "", {"--config"}},
};

Test(sources, a_wrong_value_is_code_2_and_says_where_it_came_from)
{
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        const struct wrong *wrong = &wrongs[i];
        struct typed typed;
        struct wn_settings s;
        struct wn_error err = {.code = WN_OK};
        if (wrong->name != NULL) {
            environment_set(wrong->name, wrong->value);
        }
        const wn_code code = wrong->config != NULL
                                 ? parse_with("winnow score f", wrong->config, &typed, &s, &err)
                                 : parse("winnow score f", &typed, &s, &err);
        cr_expect_eq(code, WN_USAGE, "case %zu: code %d", i, (int)code);
        for (size_t j = 0; j < 4 && wrong->says[j] != NULL; j++) {
            cr_expect(strstr(err.text, wrong->says[j]) != NULL, "case %zu: \"%s\" does not say \"%s\"", i,
                      err.text, wrong->says[j]);
        }
        wn_settings_free(&s);
        if (wrong->name != NULL) {
            unsetenv(wrong->name);
        }
    }
}

Test(sources, times_are_read_as_people_and_schedulers_write_them)
{
    static const struct {
        const char *text;
        double seconds;
    } cases[] = {{"90", 90},
                 {"0.5", 0.5},
                 {"1:30", 90},
                 {"90:00", 5400},
                 {"2:00:00", 7200},
                 {"1-12:00:00", 129600},
                 {"90m", 5400},
                 {"2h", 7200},
                 {"1h30m", 5400},
                 {"1d", 86400},
                 {"45s", 45},
                 {"100:00:00", 360000},
                 {"auto", WN_TIME_AUTO},
                 {"none", WN_TIME_NONE}};
    static const char *const bad[] = {"0",     "-5",         "1:60", "1:2:3",      "1:5",        "h",
                                      "5x",    "2h2h",       "1m1h", "1:",         ":30",        "1-5",
                                      "1-2:3", "1-25:00:00", "1e3",  "inf",        "1:00:00:00", "0:00",
                                      "1.5h",  "9999999999", "2h 5", "1-1-1:00:00"};
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    char line[128];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(line, sizeof line, "winnow score f --time-limit %s", cases[i].text);
        WN_TEST_OK(parse(line, &typed, &s, &err));
        cr_expect_float_eq(s.time_limit, cases[i].seconds, 0, "%s: %g", cases[i].text, s.time_limit);
        wn_settings_free(&s);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        environment_set("WINNOW_TIME_LIMIT", bad[i]);
        cr_expect_eq(parse("winnow score f", &typed, &s, &err), WN_USAGE, "%s", bad[i]);
        cr_expect(strstr(err.text, "HH:MM:SS") != NULL, "%s", err.text);
        wn_settings_free(&s);
    }
}

Test(sources, the_time_limit_is_that_given_or_a_minute_before_the_end_of_the_job)
{
    static const struct {
        double given;
        const char *end;
        double limit;
    } cases[] = {{WN_TIME_AUTO, "2000", 940},
                 {WN_TIME_AUTO, "1030", 1},
                 {WN_TIME_AUTO, "1060", 1},
                 /* Over already: the variable was inherited from a job that has ended. */
                 {WN_TIME_AUTO, "900", 0},
                 {WN_TIME_AUTO, "1000", 0},
                 {WN_TIME_AUTO, "soon", 0},
                 {WN_TIME_AUTO, "", 0},
                 {WN_TIME_NONE, "2000", 0},
                 {50, "2000", 50},
                 {5000, "2000", 5000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct wn_settings settings = {.time_limit = cases[i].given};
        environment_set("SLURM_JOB_END_TIME", cases[i].end);
        cr_expect_float_eq(wn_time_limit_of(&settings, 1000), cases[i].limit, 0, "case %zu", i);
    }
    unsetenv("SLURM_JOB_END_TIME");
    const struct wn_settings settings = {.time_limit = WN_TIME_AUTO};
    cr_expect_float_eq(wn_time_limit_of(&settings, 1000), 0, 0);
}
