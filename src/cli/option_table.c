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

static const char *const formats[] = {"same", "jsonl", "csv", NULL};

static const char *const shells[] = {"bash", NULL};

static const char input[] = "Input";
static const char model[] = "Model and recipe";
const char wn_group_amount[] = "How many (exactly one)";
static const char rule[] = "Rule";
static const char output[] = "Output";
static const char speed[] = "Device and speed";
static const char general[] = "General";
static const char advanced[] = "Advanced";

#define AT(member) offsetof(struct wn_settings, member)

/* Names of --data and the like stand more than once where they mean another thing to another command. */
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
    {"shard", 0, WN_OPTION_SHARD, WN_CMD_SCORE, input, "K/N",
     "Only part K of N of the records, with K from 1 to N: N runs with an --out each, joined by `winnow "
     "merge`",
     NULL, 0, 0, NULL, AT(shard)},
    {"id-key", 0, WN_OPTION_TEXT, MODELS | WN_CMD_SELECT, input, "FIELD",
     "The field that names a record: id_hash is its hash; without it that of the record's bytes", NULL, 0, 0,
     NULL, AT(id_key)},
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

    {"time-limit", 0, WN_OPTION_TIME, WN_CMD_SCORE, speed, "TIME",
     "Stop cleanly with code 75 after so long: seconds, MM:SS, HH:MM:SS, 90m or 2h; the same command goes "
     "on. "
     "auto: 60 s before SLURM_JOB_END_TIME where that is set; none: no limit",
     "auto", 0, 0, NULL, AT(time_limit)},

    /* How many */
    {"rate", 0, WN_OPTION_RATE, WN_CMD_SELECT, wn_group_amount, "R", "A part of the pool: 10% or 0.1", NULL,
     1e-15, 1, NULL, AT(rate)},
    {"number", 'n', WN_OPTION_COUNT, WN_CMD_SELECT, wn_group_amount, "N",
     "So many records (10k and 2M are numbers too)", NULL, 0, 1e15, NULL, AT(number)},
    {"above", 0, WN_OPTION_NUMBER, WN_CMD_SELECT, wn_group_amount, "X", "All records with a score above X",
     NULL, -1e300, 1e300, NULL, AT(above)},
    {"below", 0, WN_OPTION_NUMBER, WN_CMD_SELECT, wn_group_amount, "Y", "All records with a score below Y",
     NULL, -1e300, 1e300, NULL, AT(below)},

    {"all", 0, WN_OPTION_FLAG, WN_CMD_SELECT, wn_group_amount, NULL,
     "All records, also those that have no score", NULL, 0, 0, NULL, AT(all)},

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
    {"by", 0, WN_OPTION_TEXT, WN_CMD_COMPARE, rule, "FORMULA",
     "The column of scores.h5, or a formula over columns, that is compared; without it the score of the "
     "profile of the first run",
     NULL, 0, 0, NULL, AT(by)},
    {"top", 0, WN_OPTION_AMOUNT, WN_CMD_COMPARE, rule, "K|R",
     "How many of the highest records of each run are held against each other: a number, or a part written "
     "0.1 or 10%",
     "10%", 0, 0, NULL, AT(top)},
    {"require", 0, WN_OPTION_NUMBER, WN_CMD_COMPARE, rule, "S",
     "End with code 9 where Spearman's correlation is below S", NULL, -1, 1, NULL, AT(require)},
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
    {"out", 'o', WN_OPTION_TEXT, WN_CMD_CHECK, output, "RUN",
     "The run directory that is meant: says whether what score will write there fits; without it the current "
     "folder",
     NULL, 0, 0, NULL, AT(out)},
    {"out", 'o', WN_OPTION_TEXT, WN_CMD_MERGE, output, "OUT",
     "The joined scores: a file whose name ends in .h5, or a folder that gets a scores.h5", NULL, 0, 0, NULL,
     AT(out)},
    {"out", 'o', WN_OPTION_TEXT, WN_CMD_SELECT, output, "SUBSET",
     "The subset file; its index and manifest stand beside it", NULL, 0, 0, NULL, AT(out)},
    {"format", 0, WN_OPTION_CHOICE, WN_CMD_SELECT, output, "FORMAT",
     "Form of the output: same = records as in the corpus; jsonl, csv = a table of the chosen records' "
     "scores, "
     "without texts",
     "same", 0, 0, formats, AT(format)},
    {"keep-token-losses", 0, WN_OPTION_FLAG, SCORES, output, NULL,
     "Store ids and losses of all scored tokens too (about 8 bytes a token and text)", NULL, 0, 0, NULL,
     AT(keep_token_losses)},
    {"dry-run", 0, WN_OPTION_FLAG, WN_CMD_SCORE, output, NULL,
     "Open and check everything, say what would be done, score and write nothing", NULL, 0, 0, NULL,
     AT(dry_run)},
    {"with-scores", 0, WN_OPTION_FLAG, WN_CMD_SELECT, output, NULL,
     "Add the scores to each record written; without it records are copied byte for byte", NULL, 0, 0, NULL,
     AT(with_scores)},
    {"names", 0, WN_OPTION_CHOICE, WN_CMD_SELECT, output, "NAMES",
     "Names of the fields that --with-scores adds and that jsonl and csv hold: winnow's own, or those of the "
     "published code",
     "winnow", 0, 0, field_names, AT(names)},
    {"force", 0, WN_OPTION_FLAG, WN_CMD_SELECT | WN_CMD_MERGE, output, NULL, "Replace an existing result",
     NULL, 0, 0, NULL, AT(force)},
    {"watch", 'w', WN_OPTION_FLAG, WN_CMD_STATUS, output, NULL,
     "Say it again and again until the run is done; ctrl-C ends it", NULL, 0, 0, NULL, AT(watch)},
    {"interval", 0, WN_OPTION_NUMBER, WN_CMD_STATUS, output, "S", "Seconds between two looks of --watch", "2",
     0.1, 86400, NULL, AT(interval)},
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
    {"config", 0, WN_OPTION_TEXT, WN_CMD_ALL & ~WN_CMD_HELP, general, "FILE",
     "A JSON object with options by long name, such as {\"max-length\": 512}; weaker than flags and than "
     "variables such as WINNOW_MAX_LENGTH; without it $WINNOW_CONFIG",
     NULL, 0, 0, NULL, AT(config)},
    {"help", 'h', WN_OPTION_FLAG, WN_CMD_ALL, general, NULL, "Print this help", NULL, 0, 0, NULL, AT(help)},
    {"version", 'V', WN_OPTION_FLAG, WN_CMD_ALL, general, NULL, "Print versions: program, libraries", NULL, 0,
     0, NULL, AT(version)},

    /* Advanced */
    {"sync", 0, WN_OPTION_NUMBER, WN_CMD_SCORE, advanced, "S",
     "Seconds between two syncs of the journal: at most so much work is lost by a kill", "5", 0.01, 3600,
     NULL, AT(sync)},
    {"lease", 0, WN_OPTION_NUMBER, WN_CMD_SCORE, advanced, "S",
     "Seconds without progress after which a worker's records go to another", "60", 0.1, 86400, NULL,
     AT(lease)},
    {"beat", 0, WN_OPTION_NUMBER, WN_CMD_SCORE, advanced, "S",
     "Seconds between two signs of life of a worker", "2", 0.01, 600, NULL, AT(beat)},
    {"readers", 0, WN_OPTION_COUNT, WN_CMD_SCORE, advanced, "N",
     "Threads that read and tokenize; without it chosen", NULL, 1, 1024, NULL, AT(readers)},
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
     "says so and does nothing. One that was cut short, however, is gone on with by the same command: what "
     "was "
     "finished "
     "is not done again.",
     {"winnow score alpaca.json --model ./gpt2 --out runs/alpaca",
      "winnow score a.jsonl.zst b.jsonl.zst --model org/name --profile cherry-alpaca --out runs/ab"},
     true},
    {"select",
     WN_CMD_SELECT,
     "choose records by their scores and write them as a subset",
     "RUN|scores.h5 (--rate R | --number N | --above X | --below Y | --all) -o SUBSET [options]",
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
     "the work to be done, the first bad records, and what a run will write beside what the disk offers. No "
     "model "
     "is run, nothing is written.",
     {"winnow check alpaca.json --model ./gpt2",
      "winnow check chat.jsonl --model ./llama --max-length 2048 --json"},
     true},
    {"status",
     WN_CMD_STATUS,
     "say how far a run is, from any shell",
     "RUN [--watch] [options]",
     "Prints how many records are finished, at what rate, the time left, and whether somebody works on the "
     "run now. "
     "The "
     "exit code is 0 when the run is done and 75 when it is not finished, so that scripts can decide by it.",
     {"winnow status runs/alpaca --watch", "winnow status runs/alpaca --json"},
     false},
    {"compare",
     WN_CMD_COMPARE,
     "hold the scores of two runs against each other",
     "RUN|scores.h5 RUN|scores.h5 [options]",
     "Prints Spearman's and Pearson's correlation of two runs over the same corpus, and how much their "
     "highest "
     "records "
     "overlap. With --require it fails where the runs differ too much.",
     {"winnow compare runs/f32 runs/bf16 --require 0.999",
      "winnow compare runs/gpt2 runs/large --top 10% --by ifd_loss"},
     false},
    {"merge",
     WN_CMD_MERGE,
     "join the runs of shards into one scores.h5",
     "RUN|scores.h5... -o OUT [options]",
     "Joins finished runs over parts of one corpus (score --shard, --range) that leave no gap, in any order. "
     "The "
     "result "
     "is equal to that of one run over all of them.",
     {"winnow merge runs/part1 runs/part2 runs/part3 -o runs/whole", "winnow merge runs/part* -o whole.h5"},
     false},
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
