/* Everything main() does: parse, run the command, print the error and its hint.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"

#include "cli/command.h"
#include "cli/version.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* argv as one line that a shell would read the same way; new memory, NULL without. */
static char *command_line_make(int argc, char **argv)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%^";
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (to == NULL) {
        return NULL;
    }
    for (int i = 0; i < argc; i++) {
        const char *word = i == 0 ? "winnow" : argv[i];
        fputs(i > 0 ? " " : "", to);
        if (word[0] != 0 && strspn(word, plain) == strlen(word)) {
            fputs(word, to);
            continue;
        }
        fputc('\'', to);
        for (; *word != 0; word++) {
            fputs(*word == '\'' ? "'\\''" : (char[2]){*word, 0}, to);
        }
        fputc('\'', to);
    }
    if (fclose(to) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static wn_code help_run(const struct wn_settings *settings, struct wn_error *err)
{
    const struct wn_command *about = NULL;
    WN_CHECK(settings->operands.n <= 1, err, WN_USAGE, "`winnow help` takes one command");
    if (settings->operands.n == 1) {
        about = wn_command_find(settings->operands.items[0]);
        WN_CHECK(about != NULL, err, WN_USAGE, "winnow has no command `%s`; `winnow help` lists the commands",
                 settings->operands.items[0]);
    }
    if (settings->completion != NULL) {
        wn_completion_write(stdout);
    } else if (settings->man) {
        wn_man_write(stdout, about);
    } else {
        wn_help_write(stdout, about);
    }
    return WN_OK;
}

static wn_code command_run(const struct wn_context *context, struct wn_error *err)
{
    const struct wn_settings *settings = context->settings;
    if (settings->version) {
        wn_version_write(stdout);
        return WN_OK;
    }
    if (settings->help) {
        wn_help_write(stdout, settings->command);
        return WN_OK;
    }
    WN_CHECK(settings->command != NULL, err, WN_USAGE,
             "no command was given; `winnow --help` lists the commands");
    switch (settings->command->bit) {
    case WN_CMD_SCORE:
        return wn_cmd_score(context, err);
    case WN_CMD_SELECT:
        return wn_cmd_select(context, err);
    case WN_CMD_CHECK:
        return wn_cmd_check(context, err);
    case WN_CMD_EXPLAIN:
        return wn_cmd_explain(context, err);
    case WN_CMD_INSPECT:
        return wn_cmd_inspect(context, err);
    case WN_CMD_STATUS:
        return wn_cmd_status(context, err);
    case WN_CMD_COMPARE:
        return wn_cmd_compare(context, err);
    case WN_CMD_MERGE:
        return wn_cmd_merge(context, err);
    case WN_CMD_HELP:
    case WN_CMD_ALL:
        break;
    }
    return help_run(settings, err);
}

static const char *input_hint(unsigned command)
{
    switch (command) {
    case WN_CMD_SCORE:
        return "`winnow check FILE... --model M` names bad records by file, record and field";
    case WN_CMD_CHECK:
        return "mend or leave out what is named above, then check again";
    case WN_CMD_SELECT:
        return "a selection needs a scores.h5 of `winnow score` and the corpus that was scored";
    case WN_CMD_EXPLAIN:
        return "an explanation needs the corpus as it was scored, or one named by --data";
    default:
        return "`winnow help inspect` says what each of its parts reads";
    }
}

/* The one line below an error: what to try next. `command`: its bit, 0 where none was named. */
static const char *hint_for(wn_code code, unsigned command)
{
    const bool computes = (command & (WN_CMD_SCORE | WN_CMD_CHECK | WN_CMD_EXPLAIN)) != 0;
    switch (code) {
    case WN_INPUT:
        return input_hint(command);
    case WN_MODEL:
        return "`winnow inspect checkpoint MODEL` and `winnow inspect tokenizer MODEL` look at the model "
               "alone";
    case WN_IO:
        return command == WN_CMD_SCORE
                   ? "when the file or the disk is mended, the same command goes on"
                   : "look at the path, its permissions and the room on that disk, then run the same command "
                     "again";
    case WN_DEVICE:
        return !computes ? "the machine has too little free memory for this"
                         : "smaller --batch-rows need less memory; --device cpu needs no other device";
    case WN_RUN:
        return "a run directory keeps one corpus, model and recipe (its run.json), and one job works in it "
               "at a "
               "time; `winnow status RUN` looks at it";
    case WN_STOPPED:
        return command == WN_CMD_SCORE ? "what is finished is kept; `winnow status RUN` says how much that is"
                                       : "nothing is left to clean up";
    case WN_DEFECT:
        return "this is a defect of winnow; please report it with the command line and `winnow --version`";
    case WN_USAGE:
    case WN_OK:
    case WN_RANK:
    case WN_VALIDATION:
        break;
    }
    return "see `winnow help --man`";
}

static int error_print(const struct wn_error *err, const struct wn_command *command)
{
    if (err->text[0] == 0) {
        /* `winnow status` has said it. */
        return (int)err->code;
    }
    fprintf(stderr, "winnow: error: %s\n", err->text);
    if (err->code == WN_USAGE && command != NULL) {
        fprintf(stderr, "winnow: hint: `winnow help %s` lists its options\n", command->name);
    } else if (err->code == WN_USAGE) {
        fprintf(stderr, "winnow: hint: `winnow --help` lists the commands\n");
    } else {
        fprintf(stderr, "winnow: hint: %s\n",
                hint_for(err->code, command != NULL ? (unsigned)command->bit : 0));
    }
    if (err->code == WN_DEFECT) {
        fprintf(stderr, "winnow: raised at %s:%d\n", err->file != NULL ? err->file : "?", err->line);
    }
    return (int)err->code;
}

static bool color_wanted(const struct wn_settings *settings)
{
    const char *no_color = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    const bool is_dumb = terminal == NULL || strcmp(terminal, "dumb") == 0;
    const bool is_refused = settings->no_color || (no_color != NULL && no_color[0] != 0);
    return !is_refused && !is_dumb && isatty(STDOUT_FILENO) == 1;
}

int wn_cli_main(int argc, char **argv)
{
    /* A corpus or checkpoint that becomes shorter while it is read ends the program with a message, not by SIGBUS. */
    wn_badmap_watch();
    struct wn_settings settings;
    struct wn_error err = {.code = WN_OK};
    char *command_line = command_line_make(argc, argv);
    wn_code code = command_line != NULL ? wn_settings_parse(argc, argv, &settings, &err)
                                        : wn_error_set(&err, WN_DEVICE, __FILE__, __LINE__,
                                                       "out of memory for the command line");
    if (command_line == NULL) {
        return error_print(&err, NULL);
    }
    struct wn_context context = {.settings = &settings, .command_line = command_line};
    if (code == WN_OK) {
        const char *terminal = getenv("TERM");
        context.log.level = settings.quiet ? WN_LOG_QUIET : settings.verbose > 0 ? WN_LOG_DEBUG : WN_LOG_INFO;
        context.has_color = color_wanted(&settings);
        context.has_bar = !settings.quiet && isatty(STDERR_FILENO) == 1 && terminal != NULL &&
                          strcmp(terminal, "dumb") != 0;
        code = command_run(&context, &err);
    }
    /* A result that did not reach its reader is a failure too: a full disk behind `> file` shows only here. */
    const bool is_lost = fflush(stdout) != 0 || ferror(stdout);
    if (code == WN_OK && is_lost) {
        code = wn_error_set(&err, WN_IO, __FILE__, __LINE__, "stdout cannot be written: %s", strerror(errno));
    }
    const int exit_code = code == WN_OK ? 0 : error_print(&err, settings.command);
    wn_settings_free(&settings);
    free(command_line);
    return exit_code;
}
