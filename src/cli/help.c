/* The table as text: help, manual page, completion.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/options.h"

#include <string.h>

enum { TEXT_COLUMN = 30 };

void wn_options_of(const struct wn_command *command, const struct wn_option *out[WN_OPTION_LIMIT],
                   size_t *out_n)
{
    size_t n = 0;
    const struct wn_option *options = wn_options(&n);
    size_t found = 0;
    /* Options of one group stand together, groups in the order of their first option. */
    for (size_t i = 0; i < n; i++) {
        if ((options[i].commands & (unsigned)command->bit) == 0) {
            continue;
        }
        size_t place = found;
        while (place > 0 && strcmp(out[place - 1]->group, options[i].group) != 0) {
            place--;
        }
        place = place == 0 ? found : place;
        memmove(&out[place + 1], &out[place], (found - place) * sizeof *out);
        out[place] = &options[i];
        found++;
    }
    *out_n = found;
}

/* Words of `text` from column `column` on, wrapped to WN_HELP_COLUMNS, following lines indented by `indent`. */
static void wrap(FILE *to, const char *text, size_t column, size_t indent)
{
    bool is_first = true;
    while (*text != 0) {
        text += strspn(text, " ");
        const size_t size = strcspn(text, " ");
        if (size == 0) {
            break;
        }
        if (!is_first && column + 1 + size > WN_HELP_COLUMNS) {
            fprintf(to, "\n%*s", (int)indent, "");
            column = indent;
            is_first = true;
        }
        fprintf(to, "%s%.*s", is_first ? "" : " ", (int)size, text);
        column += size + (is_first ? 0 : 1);
        is_first = false;
        text += size;
    }
    fputc('\n', to);
}

/* "-o, --out PATH", in `out`. */
static void flag_text(const struct wn_option *option, char *out, size_t size)
{
    char letter[8] = "    ";
    if (option->letter != 0) {
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    }
    snprintf(out, size, "%s--%s%s%s", letter, option->name, option->value != NULL ? " " : "",
             option->value != NULL ? option->value : "");
}

/* The help of an option with its choices and its standard value. */
static void help_text(const struct wn_option *option, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "%s", option->help);
    for (size_t i = 0; option->choices != NULL && option->choices[i] != NULL; i++) {
        n += (size_t)snprintf(out + n, size - n, "%s%s%s", i > 0 ? ", " : " (", option->choices[i],
                              option->choices[i + 1] == NULL ? ")" : "");
    }
    if (option->standard != NULL) {
        snprintf(out + n, size - n, " [%s]", option->standard);
    }
}

static void options_write(FILE *to, const struct wn_command *command)
{
    const struct wn_option *its[WN_OPTION_LIMIT];
    size_t n = 0;
    wn_options_of(command, its, &n);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(its[i]->group, its[i - 1]->group) != 0) {
            fprintf(to, "\n%s:\n", its[i]->group);
        }
        char flag[80];
        char help[1024];
        flag_text(its[i], flag, sizeof flag);
        help_text(its[i], help, sizeof help);
        const int used = fprintf(to, "  %s", flag);
        if (used + 2 > TEXT_COLUMN) {
            fprintf(to, "\n%*s", TEXT_COLUMN, "");
        } else {
            fprintf(to, "%*s", TEXT_COLUMN - used, "");
        }
        wrap(to, help, TEXT_COLUMN, TEXT_COLUMN);
    }
}

static void program_help_write(FILE *to)
{
    size_t n = 0;
    const struct wn_command *commands = wn_commands(&n);
    fprintf(to,
            "winnow: choose the records of an instruction corpus that are worth training on\n\nExamples:\n");
    fprintf(to, "  %s\n  %s\n", commands[0].examples[0], commands[1].examples[0]);
    fprintf(to, "\nUsage: winnow COMMAND [options]\n\nCommands:\n");
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "  %-10s%s\n", commands[i].name, commands[i].summary);
    }
    fprintf(
        to,
        "\n`winnow COMMAND --help` lists the options of a command, `winnow --version` the versions.\n"
        "Exit codes: 0 done, 2 wrong use, 3 input data, 4 model, 5 file or disk, 6 device or memory,\n"
        "8 the run directory belongs to another run, 9 --require was not met, 75 stopped or not finished;\n"
        "`winnow help --man` says more.\n");
}

void wn_help_write(FILE *to, const struct wn_command *command)
{
    if (command == NULL) {
        program_help_write(to);
        return;
    }
    fprintf(to, "winnow %s: %s\n\nExamples:\n", command->name, command->summary);
    fprintf(to, "  %s\n  %s\n\n", command->examples[0], command->examples[1]);
    char usage[256];
    snprintf(usage, sizeof usage, "winnow %s %s", command->name, command->synopsis);
    fprintf(to, "Usage: ");
    wrap(to, usage, 7, 7);
    fputc('\n', to);
    wrap(to, command->about, 0, 0);
    options_write(to, command);
}

/* Text for roff: backslashes and dashes escaped, no line begins with a control character. */
static void roff(FILE *to, const char *text)
{
    if (*text == '.' || *text == '\'') {
        fputs("\\&", to);
    }
    for (; *text != 0; text++) {
        if (*text == '\\') {
            fputs("\\e", to);
        } else if (*text == '-') {
            fputs("\\-", to);
        } else {
            fputc(*text, to);
        }
    }
}

static void man_options_write(FILE *to, const struct wn_command *command)
{
    const struct wn_option *its[WN_OPTION_LIMIT];
    size_t n = 0;
    wn_options_of(command, its, &n);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(its[i]->group, its[i - 1]->group) != 0) {
            fprintf(to, ".SS %s\n", its[i]->group);
        }
        char help[1024];
        help_text(its[i], help, sizeof help);
        fputs(".TP\n", to);
        if (its[i]->letter != 0) {
            fprintf(to, "\\fB\\-%c\\fR, ", its[i]->letter);
        }
        fputs("\\fB\\-\\-", to);
        roff(to, its[i]->name);
        fputs("\\fR", to);
        if (its[i]->value != NULL) {
            fprintf(to, " \\fI%s\\fR", its[i]->value);
        }
        fputc('\n', to);
        roff(to, help);
        fputs(".\n", to);
    }
}

static void man_codes_write(FILE *to)
{
    static const wn_code codes[] = {WN_OK,     WN_DEFECT, WN_USAGE, WN_INPUT,      WN_MODEL,  WN_IO,
                                    WN_DEVICE, WN_RANK,   WN_RUN,   WN_VALIDATION, WN_STOPPED};
    fputs(".SH EXIT STATUS\n", to);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        fprintf(to, ".TP\n%d\n", (int)codes[i]);
        roff(to, wn_code_text(codes[i]));
        fputc('\n', to);
    }
}

static void man_examples_write(FILE *to, const char *first, const char *second)
{
    fputs(".SH EXAMPLES\n.nf\n", to);
    roff(to, first);
    fputc('\n', to);
    roff(to, second);
    fputs("\n.fi\n", to);
}

void wn_man_write(FILE *to, const struct wn_command *command)
{
    size_t n = 0;
    const struct wn_command *commands = wn_commands(&n);
    if (command == NULL) {
        fprintf(to, ".TH WINNOW 1 \"\" \"winnow %s\" \"User Commands\"\n.SH NAME\n", WINNOW_VERSION);
        fputs("winnow \\- choose the records of an instruction corpus that are worth training on\n", to);
        fputs(".SH SYNOPSIS\n\\fBwinnow\\fR \\fICOMMAND\\fR [options]\n.SH COMMANDS\n", to);
        for (size_t i = 0; i < n; i++) {
            fprintf(to, ".TP\n\\fBwinnow %s\\fR ", commands[i].name);
            roff(to, commands[i].synopsis);
            fputc('\n', to);
            roff(to, commands[i].about);
            fputc('\n', to);
        }
        for (size_t i = 0; i < n; i++) {
            fprintf(to, ".SH OPTIONS OF %s\n", commands[i].name);
            man_options_write(to, &commands[i]);
        }
        man_examples_write(to, commands[0].examples[0], commands[1].examples[0]);
        man_codes_write(to);
        return;
    }
    fprintf(to, ".TH WINNOW-%s 1 \"\" \"winnow %s\" \"User Commands\"\n.SH NAME\n", command->name,
            WINNOW_VERSION);
    fprintf(to, "winnow\\-%s \\- ", command->name);
    roff(to, command->summary);
    fprintf(to, "\n.SH SYNOPSIS\n\\fBwinnow %s\\fR ", command->name);
    roff(to, command->synopsis);
    fputs("\n.SH DESCRIPTION\n", to);
    roff(to, command->about);
    fputs("\n.SH OPTIONS\n", to);
    man_options_write(to, command);
    man_examples_write(to, command->examples[0], command->examples[1]);
    man_codes_write(to);
    fputs(".SH SEE ALSO\n\\fBwinnow\\fR(1)\n", to);
}

static void completion_command_write(FILE *to, const struct wn_command *command)
{
    const struct wn_option *its[WN_OPTION_LIMIT];
    size_t n = 0;
    wn_options_of(command, its, &n);
    fprintf(to, "    %s)\n        case \"$previous\" in\n", command->name);
    for (size_t i = 0; i < n; i++) {
        if (its[i]->kind == WN_OPTION_CHOICE) {
            fprintf(to, "        --%s) words=\"", its[i]->name);
            for (size_t j = 0; its[i]->choices[j] != NULL; j++) {
                fprintf(to, "%s%s", j > 0 ? " " : "", its[i]->choices[j]);
            }
            fputs("\" ;;\n", to);
        } else if (its[i]->value != NULL) {
            fprintf(to, "        --%s) return ;;\n", its[i]->name);
        }
    }
    fputs("        *) words=\"", to);
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "%s--%s", i > 0 ? " " : "", its[i]->name);
    }
    fputs("\" ;;\n        esac ;;\n", to);
}

void wn_completion_write(FILE *to)
{
    size_t n = 0;
    const struct wn_command *commands = wn_commands(&n);
    fputs("# Completion of winnow for bash, made by `winnow help --completion bash`.\n_winnow() {\n"
          "    local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\" "
          "words=\"\"\n"
          "    local command=\"\"\n    [ \"$COMP_CWORD\" -gt 1 ] && command=\"${COMP_WORDS[1]}\"\n"
          "    COMPREPLY=()\n    case \"$command\" in\n",
          to);
    for (size_t i = 0; i < n; i++) {
        completion_command_write(to, &commands[i]);
    }
    fputs("    *) words=\"", to);
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "%s%s", i > 0 ? " " : "", commands[i].name);
    }
    fputs(" --help --version\" ;;\n    esac\n"
          "    if [ \"$COMP_CWORD\" -gt 1 ] && [[ \"$current\" != -* ]] && [[ \"$words\" == --* ]]; then\n"
          "        return\n    fi\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n}\n"
          "complete -o bashdefault -o default -F _winnow winnow\n",
          to);
}
