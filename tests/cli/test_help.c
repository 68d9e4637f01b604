/* Help, manual page and completion come from the table: what is in one is in all.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/options.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

typedef void (*writer)(FILE *to, const struct wn_command *command);

static char *text_of(writer write, const struct wn_command *command)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    cr_assert_not_null(to);
    write(to, command);
    fclose(to);
    return text;
}

static void completion_write(FILE *to, const struct wn_command *command)
{
    (void)command;
    wn_completion_write(to);
}

Test(help, lists_every_option_of_every_command_with_its_choices)
{
    size_t n_commands = 0;
    const struct wn_command *commands = wn_commands(&n_commands);
    size_t n_options = 0;
    const struct wn_option *options = wn_options(&n_options);
    for (size_t c = 0; c < n_commands; c++) {
        char *text = text_of(wn_help_write, &commands[c]);
        for (size_t i = 0; i < n_options; i++) {
            char flag[80];
            snprintf(flag, sizeof flag, "--%s%s%s", options[i].name, options[i].value != NULL ? " " : "",
                     options[i].value != NULL ? options[i].value : "");
            const bool is_its = (options[i].commands & (unsigned)commands[c].bit) != 0;
            cr_expect(!is_its || strstr(text, flag) != NULL, "winnow %s --help lacks %s", commands[c].name,
                      flag);
            for (size_t j = 0; is_its && options[i].choices != NULL && options[i].choices[j] != NULL; j++) {
                cr_expect(strstr(text, options[i].choices[j]) != NULL, "%s lacks %s", flag,
                          options[i].choices[j]);
            }
        }
        free(text);
    }
}

Test(help, begins_with_the_purpose_and_two_examples)
{
    size_t n = 0;
    const struct wn_command *commands = wn_commands(&n);
    for (size_t c = 0; c < n; c++) {
        char *text = text_of(wn_help_write, &commands[c]);
        const char *examples = strstr(text, "\nExamples:\n  ");
        cr_assert_not_null(examples);
        cr_expect(strstr(text, commands[c].examples[0]) != NULL);
        cr_expect(strstr(text, commands[c].examples[1]) != NULL);
        cr_expect(examples < strstr(text, "\nUsage: "), "winnow %s: examples come first", commands[c].name);
        free(text);
    }
}

Test(help, no_line_is_wider_than_100_columns)
{
    size_t n = 0;
    const struct wn_command *commands = wn_commands(&n);
    for (size_t c = 0; c <= n; c++) {
        char *text = text_of(wn_help_write, c < n ? &commands[c] : NULL);
        size_t number = 1;
        for (const char *line = text; *line != 0; number++) {
            const size_t width = strcspn(line, "\n");
            cr_expect_leq(width, (size_t)WN_HELP_COLUMNS, "%s: line %zu has %zu columns",
                          c < n ? commands[c].name : "winnow", number, width);
            line += width + (line[width] != 0 ? 1 : 0);
        }
        free(text);
    }
}

Test(help, groups_stand_together)
{
    size_t n_commands = 0;
    const struct wn_command *commands = wn_commands(&n_commands);
    for (size_t c = 0; c < n_commands; c++) {
        const struct wn_option *its[WN_OPTION_LIMIT];
        size_t n = 0;
        wn_options_of(&commands[c], its, &n);
        cr_assert_gt(n, 4u);
        for (size_t i = 1; i < n; i++) {
            for (size_t j = i + 1; strcmp(its[i - 1]->group, its[i]->group) != 0 && j < n; j++) {
                cr_expect_str_neq(its[j]->group, its[i - 1]->group, "winnow %s: group %s is split",
                                  commands[c].name, its[j]->group);
            }
        }
    }
}

Test(help, the_table_has_no_option_twice_and_no_text_that_ends_in_a_stop)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    for (size_t i = 0; i < n; i++) {
        const size_t size = strlen(options[i].help);
        cr_expect(size > 8 && options[i].help[size - 1] != '.', "--%s", options[i].name);
        cr_expect((options[i].kind == WN_OPTION_FLAG || options[i].kind == WN_OPTION_REPEAT) ==
                      (options[i].value == NULL),
                  "--%s", options[i].name);
        cr_expect((options[i].kind == WN_OPTION_CHOICE) == (options[i].choices != NULL), "--%s",
                  options[i].name);
        for (size_t j = i + 1; j < n; j++) {
            const bool meet = (options[i].commands & options[j].commands) != 0;
            cr_expect(!meet || strcmp(options[i].name, options[j].name) != 0, "--%s is there twice",
                      options[i].name);
            cr_expect(!meet || options[i].letter == 0 || options[i].letter != options[j].letter,
                      "-%c is there twice", options[i].letter);
            cr_expect((options[i].offset == options[j].offset) ==
                          (strcmp(options[i].name, options[j].name) == 0),
                      "--%s and --%s share a member", options[i].name, options[j].name);
        }
    }
}

/* The manual writes dashes escaped. */
static void escape(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (; *text != 0 && n + 3 < size; text++) {
        if (*text == '-') {
            out[n++] = '\\';
        }
        out[n++] = *text;
    }
    out[n] = 0;
}

Test(help, manual_and_completion_hold_every_option_too)
{
    size_t n_commands = 0;
    const struct wn_command *commands = wn_commands(&n_commands);
    char *completion = text_of(completion_write, NULL);
    char *whole = text_of(wn_man_write, NULL);
    for (size_t c = 0; c < n_commands; c++) {
        const struct wn_option *its[WN_OPTION_LIMIT];
        size_t n = 0;
        char begin[64];
        snprintf(begin, sizeof begin, "\n    %s)", commands[c].name);
        const char *part = strstr(completion, begin);
        cr_assert_not_null(part, "no completion of %s", commands[c].name);
        const char *end = strstr(part, "esac ;;");
        char *manual = text_of(wn_man_write, &commands[c]);
        wn_options_of(&commands[c], its, &n);
        for (size_t i = 0; i < n; i++) {
            char flag[80];
            char escaped[160];
            snprintf(flag, sizeof flag, "--%s", its[i]->name);
            const char *at = strstr(part, flag);
            cr_expect(at != NULL && at < end, "completion of %s lacks %s", commands[c].name, flag);
            escape(flag, escaped, sizeof escaped);
            cr_expect(strstr(manual, escaped) != NULL, "manual of %s lacks %s", commands[c].name, flag);
            cr_expect(strstr(whole, escaped) != NULL, "the manual lacks %s", flag);
        }
        cr_expect(strncmp(manual, ".TH WINNOW-", 11) == 0);
        free(manual);
    }
    cr_expect(strncmp(whole, ".TH WINNOW 1", 12) == 0);
    free(whole);
    free(completion);
}

Test(help, manual_lists_every_exit_code)
{
    char *manual = text_of(wn_man_write, NULL);
    static const int codes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 75};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        char line[32];
        snprintf(line, sizeof line, ".TP\n%d\n", codes[i]);
        cr_expect(strstr(manual, line) != NULL, "code %d", codes[i]);
    }
    free(manual);
}
