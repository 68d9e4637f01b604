/* The table: every command, every option.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/options.h"

#include <string.h>

/* What reads a corpus and a model, in whole or in part. */
enum { SCORES = WN_CMD_SCORE | WN_CMD_CHECK, MODELS = WN_CMD_SCORE | WN_CMD_CHECK | WN_CMD_EXPLAIN };

static const char *const forms[] = {"detect", "alpaca", "sharegpt", "messages", "pair", NULL};
static const char *const methods[] = {"ifd", NULL};
static const char *const dtypes[] = {"auto", "f32", "bf16", "f16", NULL};
static const char *const devices[] = {"auto", "cpu", "cuda", "null", NULL};
static const char *const turn_choices[] = {"all", "first", "last", NULL};
static const char *const splits[] = {"prefix", "offsets", NULL};
static const char *const windows[] = {"published", "header", NULL};
static const char *const presets[] = {"superfiltering", "cherry", "cherry-vic", NULL};
static const char *const rate_bases[] = {"pool", "valid", NULL};
static const char *const field_names[] = {"winnow", "superfiltering", NULL};

static const char *const shells[] = {"bash", NULL};

static const char input[] = "Input";
static const char model[] = "Model and recipe";
static const char amount[] = "How many (exactly one)";
static const char rule[] = "Rule";
static const char output[] = "Output";
static const char speed[] = "Device and speed";
static const char general[] = "General";

#define AT(member) offsetof(struct wn_settings, member)

static const struct wn_option options[] = {
    /* Input */
    {"data", 0, WN_OPTION_LIST, MODELS, input, "FILE",
     "A corpus file: JSON array or JSON lines, plain, gzip or zstd; several are read as one, in the order "
     "given",
     NULL, 0, 0, NULL, AT(data)},
    {"data", 0, WN_OPTION_LIST, WN_CMD_SELECT, input, "FILE",
     "Where the corpus is now, if it moved since it was scored; several files in the order of the run", NULL,
     0, 0, NULL, AT(data)},
    {"form", 0, WN_OPTION_CHOICE, MODELS, input, "FORM", "Form of the records; detect looks at the first one",
     "detect", 0, 0, forms, AT(form)},
    {"map", 0, WN_OPTION_LIST, MODELS, input, "FIELD=NAME",
     "Our field FIELD (instruction, input, output, system, history, messages, role, content) is called NAME "
     "in the "
     "records; may be repeated",
     NULL, 0, 0, NULL, AT(map)},
    {"dataset-info", 0, WN_OPTION_TEXT, MODELS, input, "FILE",
     "LLaMA-Factory's dataset_info.json: files, form and field names come from it", NULL, 0, 0, NULL,
     AT(dataset_info)},
    {"dataset", 0, WN_OPTION_TEXT, MODELS, input, "NAME", "The entry of --dataset-info", NULL, 0, 0, NULL,
     AT(dataset)},
    {"range", 0, WN_OPTION_RANGE, SCORES, input, "A:B", "Only records A to B - 1, counted from 0", NULL, 0, 0,
     NULL, AT(range)},
    {"limit", 0, WN_OPTION_COUNT, SCORES, input, "N", "At most N records (10k and 2M are numbers too)", NULL,
     1, 1e15, NULL, AT(limit)},
    {"spool", 0, WN_OPTION_TEXT, SCORES, input, "DIR",
     "Folder for the unpacked bytes of compressed files; score: RUN/corpus, check: a temporary file", NULL, 0,
     0, NULL, AT(spool)},
    {"max-bad", 0, WN_OPTION_PERCENT, SCORES, input, "P",
     "Stop with code 3 when more than P percent of the records are bad (parse_error, unsupported, nan, "
     "error), once "
     "there are 20 of them",
     "5", 0, 100, NULL, AT(max_bad)},
    {"strict", 0, WN_OPTION_FLAG, SCORES, input, NULL, "Stop with code 3 at the first bad record", NULL, 0, 0,
     NULL, AT(strict)},

    /* Model and recipe */
    {"model", 'm', WN_OPTION_TEXT, MODELS, model, "M",
     "A Hugging Face checkpoint: its folder, a hub cache folder, or org/name in the hub cache; nothing is "
     "downloaded",
     NULL, 0, 0, NULL, AT(model)},
    {"profile", 'p', WN_OPTION_TEXT, MODELS, model, "NAME",
     "The recipe (prompt, windows, score): superfiltering, cherry-alpaca, cherry-wiz, cherry-wiz-vic, "
     "cherry-vicuna, "
     "reflection, or file:PATH",
     "superfiltering", 0, 0, NULL, AT(profile)},
    {"method", 0, WN_OPTION_CHOICE, SCORES, model, "METHOD", "What is computed", "ifd", 0, 0, methods,
     AT(method)},
    {"max-length", 0, WN_OPTION_COUNT, MODELS, model, "N",
     "Window in tokens; without it the profile's, lowered to the model's positions", NULL, 2, 1048576, NULL,
     AT(max_length)},
    {"turns", 0, WN_OPTION_CHOICE, MODELS, model, "WHICH", "Which assistant turns of a dialogue are scored",
     "all", 0, 0, turn_choices, AT(turns)},
    {"split", 0, WN_OPTION_CHOICE, MODELS, model, "HOW",
     "Where the answer begins: after the tokens of the prompt encoded alone, as published, or by byte "
     "offsets",
     "prefix", 0, 0, splits, AT(split)},
    {"direct-window", 0, WN_OPTION_CHOICE, MODELS, model, "HOW",
     "Window of the direct text: by the profile's published constant, or by the true tokens of its header",
     "published", 0, 0, windows, AT(direct_window)},
    {"aligned", 0, WN_OPTION_FLAG, MODELS, model, NULL,
     "Leave the first answer token out of both sums where the direct text has no loss for it", NULL, 0, 0,
     NULL, AT(aligned)},

    /* Device and speed */
    {"dtype", 0, WN_OPTION_CHOICE, MODELS, speed, "TYPE", "Number type of the model's products", "auto", 0, 0,
     dtypes, AT(dtype)},
    {"device", 0, WN_OPTION_CHOICE, MODELS, speed, "DEVICE",
     "Where the model runs; null gives losses by hash, for trials without a model's cost", "auto", 0, 0,
     devices, AT(device)},
    {"threads", 't', WN_OPTION_COUNT, MODELS, speed, "N",
     "Model threads; without it the cores this process may use", NULL, 1, 4096, NULL, AT(threads)},
    {"batch-rows", 0, WN_OPTION_COUNT, MODELS, speed, "N",
     "Tokens in one batch, rounded up; without it chosen from memory; changes no result", NULL, 1, 16777216,
     NULL, AT(batch_rows)},

    /* How many */
    {"rate", 0, WN_OPTION_RATE, WN_CMD_SELECT, amount, "R", "A part of the pool: 10% or 0.1", NULL, 1e-15, 1,
     NULL, AT(rate)},
    {"number", 'n', WN_OPTION_COUNT, WN_CMD_SELECT, amount, "N",
     "So many records (10k and 2M are numbers too)", NULL, 0, 1e15, NULL, AT(number)},
    {"above", 0, WN_OPTION_NUMBER, WN_CMD_SELECT, amount, "X", "All records with a score above X", NULL,
     -1e300, 1e300, NULL, AT(above)},
    {"below", 0, WN_OPTION_NUMBER, WN_CMD_SELECT, amount, "Y", "All records with a score below Y", NULL,
     -1e300, 1e300, NULL, AT(below)},

    /* Rule */
    {"preset", 0, WN_OPTION_CHOICE, WN_CMD_SELECT, rule, "NAME",
     "A published rule: its score, filter, ties and order; without it nothing but unrankable records is "
     "dropped",
     NULL, 0, 0, presets, AT(preset)},
    {"by", 0, WN_OPTION_TEXT, WN_CMD_SELECT, rule, "FORMULA",
     "A column of scores.h5 or a formula over columns, such as ifd_loss or 'loss_cond - loss_direct'; "
     "without it the "
     "score of the profile",
     NULL, 0, 0, NULL, AT(by)},
    {"of", 0, WN_OPTION_CHOICE, WN_CMD_SELECT, rule, "WHAT",
     "What --rate is a part of: all records, or those that no rule dropped; without it the preset's, else "
     "pool",
     NULL, 0, 0, rate_bases, AT(of)},
    {"random", 0, WN_OPTION_FLAG, WN_CMD_SELECT, rule, NULL,
     "Draw the same number by chance from the records that no rule dropped, to compare with", NULL, 0, 0,
     NULL, AT(random)},
    {"seed", 0, WN_OPTION_COUNT, WN_CMD_SELECT, rule, "S", "Seed of --random", "0", 0, 9007199254740992.0,
     NULL, AT(seed)},

    /* Output */
    {"out", 'o', WN_OPTION_TEXT, WN_CMD_SCORE, output, "RUN",
     "The run directory: new, empty, or of the same run", NULL, 0, 0, NULL, AT(out)},
    {"out", 'o', WN_OPTION_TEXT, WN_CMD_SELECT, output, "SUBSET",
     "The subset file; its index and manifest stand beside it", NULL, 0, 0, NULL, AT(out)},
    {"keep-token-losses", 0, WN_OPTION_FLAG, WN_CMD_SCORE, output, NULL,
     "Store ids and losses of all scored tokens too (about 8 bytes a token and text)", NULL, 0, 0, NULL,
     AT(keep_token_losses)},
    {"dry-run", 0, WN_OPTION_FLAG, WN_CMD_SCORE, output, NULL,
     "Open and check everything, say what would be done, score and write nothing", NULL, 0, 0, NULL,
     AT(dry_run)},
    {"with-scores", 0, WN_OPTION_FLAG, WN_CMD_SELECT, output, NULL,
     "Add the scores to each record written; without it records are copied byte for byte", NULL, 0, 0, NULL,
     AT(with_scores)},
    {"names", 0, WN_OPTION_CHOICE, WN_CMD_SELECT, output, "NAMES",
     "Names of the fields that --with-scores adds: winnow_*, or those of the published code", "winnow", 0, 0,
     field_names, AT(names)},
    {"force", 0, WN_OPTION_FLAG, WN_CMD_SELECT, output, NULL, "Replace an existing subset", NULL, 0, 0, NULL,
     AT(force)},
    {"index", 'i', WN_OPTION_COUNT, WN_CMD_EXPLAIN, input, "I", "The record, counted from 0 over all files",
     NULL, 0, 1e15, NULL, AT(index)},
    {"digest", 0, WN_OPTION_FLAG, WN_CMD_INSPECT, output, NULL,
     "scores: print one hash over all results, equal for equal runs, and nothing else", NULL, 0, 0, NULL,
     AT(digest)},
    {"plain", 0, WN_OPTION_FLAG, WN_CMD_INSPECT, output, NULL,
     "tokenizer: without the special tokens that the tokenizer adds by itself", NULL, 0, 0, NULL, AT(plain)},
    {"man", 0, WN_OPTION_FLAG, WN_CMD_HELP, output, NULL, "Print the manual page as man(7) source", NULL, 0,
     0, NULL, AT(man)},
    {"completion", 0, WN_OPTION_CHOICE, WN_CMD_HELP, output, "SHELL",
     "Print the completion script for a shell", NULL, 0, 0, shells, AT(completion)},

    /* General */
    {"json", 0, WN_OPTION_FLAG, WN_CMD_ALL & ~WN_CMD_HELP, general, NULL, "Print the result as JSON", NULL, 0,
     0, NULL, AT(json)},
    {"quiet", 'q', WN_OPTION_FLAG, WN_CMD_ALL, general, NULL,
     "Say nothing but errors: no progress, no table; --json, explain and inspect still print", NULL, 0, 0,
     NULL, AT(quiet)},
    {"verbose", 'v', WN_OPTION_REPEAT, WN_CMD_ALL, general, NULL, "Say more about what is done", NULL, 0, 0,
     NULL, AT(verbose)},
    {"no-color", 0, WN_OPTION_FLAG, WN_CMD_ALL, general, NULL,
     "No colours, as with NO_COLOR in the environment", NULL, 0, 0, NULL, AT(no_color)},
    {"help", 'h', WN_OPTION_FLAG, WN_CMD_ALL, general, NULL, "Print this help", NULL, 0, 0, NULL, AT(help)},
    {"version", 'V', WN_OPTION_FLAG, WN_CMD_ALL, general, NULL, "Print versions: program, libraries", NULL, 0,
     0, NULL, AT(version)},
};

static const struct wn_command commands[] = {
    {"score",
     WN_CMD_SCORE,
     "score a corpus with a model into RUN/scores.h5",
     "[--data] FILE... --model M --out RUN [options]",
     "Computes for every record how much its instruction helps the model to predict its answer (IFD), and "
     "the sums it "
     "is made of. The result is RUN/scores.h5, which appears whole or not at all. The same command on a "
     "finished run "
     "says so and does nothing.",
     {"winnow score alpaca.json --model ./gpt2 --out runs/alpaca",
      "winnow score a.jsonl.zst b.jsonl.zst --model org/name --profile cherry-alpaca --out runs/ab"},
     true},
    {"select",
     WN_CMD_SELECT,
     "choose records by their scores and write them as a subset",
     "RUN|scores.h5 (--rate R | --number N | --above X | --below Y) -o SUBSET [options]",
     "Ranks the records of a finished run and copies the chosen ones, byte for byte and in the corpus's own "
     "form, to "
     "SUBSET, with an index file, a manifest whose numbers add up to the pool, and dataset_info.json for "
     "LLaMA-Factory beside it.",
     {"winnow select runs/alpaca --preset superfiltering --rate 10% -o alpaca_10.json",
      "winnow select runs/alpaca --by 'loss_direct - loss_cond' --number 5k --with-scores -o top.json"},
     false},
    {"check",
     WN_CMD_CHECK,
     "validate corpus, model and recipe before scoring",
     "[--data] FILE... --model M [options]",
     "Reads and tokenizes everything as score would, and prints counts by status, lengths, the share that "
     "will be cut, "
     "the work to be done, and the first bad records. No model is run, nothing is written.",
     {"winnow check alpaca.json --model ./gpt2",
      "winnow check chat.jsonl --model ./llama --max-length 2048 --json"},
     true},
    {"explain",
     WN_CMD_EXPLAIN,
     "show how one record is rendered, tokenized and scored",
     "RUN --index I | --data FILE --model M --index I [options]",
     "Prints the prompt and the answer as the model sees them, the losses of every answer token with and "
     "without the "
     "prompt side by side, the windows, the sums, and the arithmetic from the sums to the scores.",
     {"winnow explain runs/alpaca --index 17",
      "winnow explain --data alpaca.json --model ./gpt2 --profile cherry-alpaca --index 17"},
     false},
    {"inspect",
     WN_CMD_INSPECT,
     "look into a tokenizer, checkpoint, scores file or profile",
     "tokenizer MODEL | checkpoint MODEL | scores RUN|FILE | profile NAME [options]",
     "tokenizer reads JSON strings from stdin, one a line, and writes the ids of each as a JSON array. "
     "checkpoint "
     "prints family, shapes and hash. scores prints counts, columns and recipe, or with --digest one hash "
     "over all "
     "results. profile prints a recipe in the form that --profile file:PATH reads.",
     {"echo '\"a b c\"' | winnow inspect tokenizer ./gpt2", "winnow inspect scores runs/alpaca --digest"},
     false},
    {"help",
     WN_CMD_HELP,
     "print help, the manual page or the completion script",
     "[COMMAND] [--man | --completion SHELL]",
     "Prints the help of the program or of one command. The manual page and the completion come from the "
     "same table "
     "as the options themselves.",
     {"winnow help --man score | man -l -", "source <(winnow help --completion bash)"},
     false},
};

const struct wn_option *wn_options(size_t *out_n)
{
    _Static_assert(sizeof options / sizeof *options <= WN_OPTION_LIMIT, "WN_OPTION_LIMIT is too small");
    *out_n = sizeof options / sizeof *options;
    return options;
}

const struct wn_command *wn_commands(size_t *out_n)
{
    *out_n = sizeof commands / sizeof *commands;
    return commands;
}

const struct wn_command *wn_command_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}
