/* Options: one table of commands and options makes the parser, the help, the man page and the completion.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   wn_settings_parse(argc, argv, &settings, &err)   argv -> one struct of typed values
 *   wn_help_write, wn_man_write, wn_completion_write  the same table as text
 *
 * A new option is one entry of wn_options() and one member of struct wn_settings; nothing else knows it.
 *
 * Where a value comes from, the first that has it: the command line; the environment, WINNOW_ and the long name in
 * capitals with _ for - (WINNOW_MAX_LENGTH); the file of --config or of $WINNOW_CONFIG, a JSON object whose keys are long
 * names; the table. A list given in one place replaces that of a later place. Of options that exclude each other
 * (group "How many"), one given in an earlier place hides those of later places.
 */
#ifndef WINNOW_CLI_OPTIONS_H
#define WINNOW_CLI_OPTIONS_H

#include "winnow/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A command is a bit, so that an option can belong to several. */
enum wn_command_bit {
    WN_CMD_SCORE = 1,
    WN_CMD_SELECT = 2,
    WN_CMD_CHECK = 4,
    WN_CMD_EXPLAIN = 8,
    WN_CMD_INSPECT = 16,
    WN_CMD_HELP = 32,
    WN_CMD_STATUS = 64,
    WN_CMD_COMPARE = 128,
    WN_CMD_MERGE = 256,
    WN_CMD_ALL = 511
};

enum wn_option_kind {
    WN_OPTION_FLAG,    /* bool: true when given */
    WN_OPTION_REPEAT,  /* int64_t: how often it was given */
    WN_OPTION_TEXT,    /* const char *: any text but the empty one */
    WN_OPTION_LIST,    /* struct wn_texts: given once or more */
    WN_OPTION_CHOICE,  /* const char *: one of `choices` */
    WN_OPTION_COUNT,   /* int64_t: whole, with k, M or G for thousands, millions, billions */
    WN_OPTION_NUMBER,  /* double */
    WN_OPTION_RATE,    /* double: a part of one, written 0.1 or 10% */
    WN_OPTION_PERCENT, /* double: percent, written 5 or 5% */
    WN_OPTION_RANGE,   /* struct wn_range: A:B, either side may be left out */
    WN_OPTION_SHARD,   /* struct wn_part: K/N, 1 <= K <= N */
    WN_OPTION_TIME, /* double: seconds, from 90, 1:30, 2:00:00, 1-12:00:00, 90m, 2h; WN_TIME_AUTO, WN_TIME_NONE */
    WN_OPTION_AMOUNT /* struct wn_top: a whole number, or a part of one written 0.1 or 10% */
};

struct wn_option {
    const char *name; /* long name, without dashes */
    char letter;      /* short name, or 0 */
    enum wn_option_kind kind;
    unsigned commands;    /* bits of enum wn_command_bit */
    const char *group;    /* heading in the help */
    const char *value;    /* how the value is called, e.g. "FILE"; NULL where there is none */
    const char *help;     /* full sentence or phrase, without the ending full stop */
    const char *standard; /* the value where it is not given, parsed as if typed; NULL: none */
    double least, most;   /* COUNT, NUMBER, RATE, PERCENT: the allowed range, both ends included; TIME, AMOUNT
                                   and SHARD have limits of their own */
    const char *const *choices; /* CHOICE: NULL at the end */
    size_t offset;              /* of the member of struct wn_settings */
};

struct wn_command {
    const char *name;
    enum wn_command_bit bit;
    const char *summary;     /* one line, for lists */
    const char *synopsis;    /* what follows the name */
    const char *about;       /* a paragraph */
    const char *examples[2]; /* full command lines */
    bool operands_are_data;  /* words without a dash are corpus files */
};

enum { WN_OPTION_LIMIT = 96, WN_HELP_COLUMNS = 100 };

struct wn_texts {
    const char **items; /* owned array of borrowed words of argv */
    size_t n;
};

struct wn_range {
    uint64_t first, end; /* records first .. end - 1; end = UINT64_MAX where it was left out */
};

struct wn_part {
    uint32_t k, n; /* part k of 1 .. n; n = 0: not given */
};

struct wn_top {
    int64_t number; /* where the rate is 0 */
    double rate;    /* above 0 and up to 1 */
};

/* Values of kind TIME that are no number of seconds. */
#define WN_TIME_NONE 0.0
#define WN_TIME_AUTO (-1.0)

/* Where a value comes from; a greater one wins. */
enum wn_value_from { WN_FROM_TABLE = 0, WN_FROM_FILE, WN_FROM_ENVIRONMENT, WN_FROM_FLAG };

/* Every value of every command; what a command does not know stays zero. Texts are borrowed from argv and the
 * environment, or stand in `owned`. */
struct wn_settings {
    const struct wn_command *command; /* NULL where none was named: then help or version was asked for */
    struct wn_texts operands;         /* words without a dash, unless they are data */
    struct wn_texts owned;            /* texts of the configuration file: new memory */
    uint8_t from[WN_OPTION_LIMIT];    /* enum wn_value_from, by place in wn_options() */

    bool help, version, quiet, json, no_color;
    int64_t verbose;
    const char *config;

    struct wn_texts data, map;
    const char *form, *dataset_info, *dataset, *spool, *id_key;
    const char *model, *out, *profile, *method, *dtype, *device, *turns, *split, *direct_window;
    int64_t max_length, threads, batch_rows, limit;
    struct wn_range range;
    double max_bad;
    bool keep_token_losses, dry_run, aligned, strict;
    struct wn_part shard;
    double time_limit, sync, lease, beat;
    int64_t readers;

    const char *preset, *by, *of, *names, *format;
    double rate, above, below;
    int64_t number, seed;
    bool random, with_scores, force, all;

    struct wn_top top;
    double require, interval;
    bool watch;

    int64_t index;
    bool digest, plain, man;
    const char *completion;
};

extern const char wn_group_amount[]; /* heading of the options that exclude each other */

/* The tables, *out_n entries each; constant. */
const struct wn_option *wn_options(size_t *out_n);
const struct wn_command *wn_commands(size_t *out_n);
const struct wn_command *wn_command_find(const char *name); /* NULL for an unknown name */

/* Read argv, the environment and the configuration file. WN_USAGE for an unknown command or flag (the nearest known one
 * is named), a value that is missing, not wanted, not a number or out of range (the flag and the range are named, and the
 * variable or the file and key that it came from), a flag of another command, an unknown key of the file. An option of
 * another command in the environment or the file is passed over. WN_IO where the file cannot be read. On WN_OK and on
 * failure *out_settings is for wn_settings_free. With --help or --version nothing else is required, and neither
 * environment nor file is read. */
wn_code wn_settings_parse(int argc, char **argv, struct wn_settings *out_settings, struct wn_error *err);
void wn_settings_free(struct wn_settings *settings);
/* True where the option of this long name was given: typed, or in the environment or the file. */
bool wn_settings_given(const struct wn_settings *settings, const char *name);
/* True where it was typed. */
bool wn_settings_typed(const struct wn_settings *settings, const char *name);

/* The known word nearest to `word` by edits (insert, drop, replace, swap), or one it begins; NULL where none is near. */
const char *wn_nearest(const char *word, const char *const *known, size_t n_known);

/* Text made from the tables. `command` NULL: the program as a whole. */
void wn_help_write(FILE *to, const struct wn_command *command);
void wn_man_write(FILE *to, const struct wn_command *command); /* man(7) source */
void wn_completion_write(FILE *to);                            /* for bash */
/* The options of `command` in the order of the help: *out_n pointers in `out`. */
void wn_options_of(const struct wn_command *command, const struct wn_option *out[WN_OPTION_LIMIT],
                   size_t *out_n);

#endif
