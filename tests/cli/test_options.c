/* The parser of the command line: values, ranges, and what is said about each wrong use.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/options.h"
#include "support.h"

#include <math.h>
#include <string.h>

enum { MAX_WORDS = 24 };

/* The words of a command line: settings borrow from them. */
struct typed {
    char copy[1024];
    char *words[MAX_WORDS];
};

/* Split `line` at blanks and parse it; "''" stands for an empty word. */
static wn_code parse(const char *line, struct typed *typed, struct wn_settings *out, struct wn_error *err)
{
    int n = 0;
    char *rest = NULL;
    snprintf(typed->copy, sizeof typed->copy, "%s", line);
    for (char *word = strtok_r(typed->copy, " ", &rest); word != NULL && n < MAX_WORDS;
         word = strtok_r(NULL, " ", &rest)) {
        typed->words[n++] = strcmp(word, "''") == 0 ? word + 2 : word;
    }
    return wn_settings_parse(n, typed->words, out, err);
}

struct wrong {
    const char *line;
    const char *says[3]; /* all of these stand in the message */
};

static const struct wrong wrongs[] = {
    {"winnow scroe", {"`scroe`", "did you mean `score`"}},
    {"winnow frobnicate", {"`frobnicate`", "--help"}},
    {"winnow score --modle x", {"--modle", "did you mean --model"}},
    {"winnow score --keep x", {"--keep", "did you mean --keep-token-losses"}},
    {"winnow score --max-lenght=7", {"--max-lenght", "did you mean --max-length"}},
    {"winnow score --zzzzzzzzzzzz", {"--zzzzzzzzzzzz", "winnow score --help"}},
    {"winnow score --rate 0.1", {"has no --rate", "`winnow select` has"}},
    {"winnow select --model m", {"has no --model", "`winnow score` has"}},
    {"winnow score -z", {"-z", "winnow score --help"}},
    {"winnow score --model", {"--model needs a value", "--model M"}},
    {"winnow score --model --out r", {"--model needs a value"}},
    {"winnow score --model ''", {"--model is empty"}},
    {"winnow select --by --random", {"--by needs a value", "--by FORMULA"}},
    {"winnow select --by -o", {"--by needs a value"}},
    {"winnow select --by", {"--by needs a value"}},
    {"winnow select --by --seed=3", {"--by needs a value"}},
    {"winnow select --above --below 1", {"--above needs a value"}},
    {"winnow select --above -x", {"--above -x", "a number is wanted"}},
    {"winnow score ''", {"empty word"}},
    {"winnow score --dry-run=yes", {"--dry-run takes no value", "yes"}},
    {"winnow score --dtype f64", {"--dtype f64", "auto, f32, bf16, f16"}},
    {"winnow score --device gpu", {"--device gpu", "auto, cpu, cuda, null"}},
    {"winnow score --method deita", {"--method deita", "ifd"}},
    {"winnow score --max-length 0", {"--max-length 0", "from 2 to 1048576"}},
    {"winnow score --max-length 12x", {"--max-length 12x", "whole number"}},
    {"winnow score --max-length 1.5", {"--max-length 1.5", "whole number"}},
    {"winnow score --max-length -5", {"--max-length -5", "whole number"}},
    {"winnow score --max-length 0x10", {"--max-length 0x10"}},
    {"winnow score --threads 99999999999999999999999", {"--threads 9999", "whole number"}},
    {"winnow score --limit 18446744073709551G", {"--limit", "whole number"}},
    {"winnow score --limit 0", {"--limit 0", "from 1"}},
    {"winnow score --range 5", {"--range 5", "A:B"}},
    {"winnow score --range :", {"--range :", "A:B"}},
    {"winnow score --range 7:7", {"--range 7:7", "A below B"}},
    {"winnow score --range 9:3", {"--range 9:3", "A below B"}},
    {"winnow score --range a:b", {"--range a:b"}},
    {"winnow score --max-bad 101", {"--max-bad 101", "0 to 100"}},
    {"winnow score --max-bad nan", {"--max-bad nan"}},
    {"winnow select --rate 0", {"--rate 0", "0.1 or 10%"}},
    {"winnow select --rate 10", {"--rate 10", "0.1 or 10%"}},
    {"winnow select --rate 101%", {"--rate 101%"}},
    {"winnow select --rate inf", {"--rate inf"}},
    {"winnow select --rate 0x1p-3", {"--rate 0x1p-3"}},
    {"winnow select --above high", {"--above high", "a number"}},
    {"winnow select --above 1,5", {"--above 1,5"}},
    {"winnow select --seed -1", {"--seed -1"}},
    {"winnow select --preset best", {"--preset best", "superfiltering, cherry, cherry-vic"}},
    {"winnow --modle", {"--modle"}},
    {"winnow score --shard 0/4", {"--shard 0/4", "K from 1 to N"}},
    {"winnow score --shard 5/4", {"--shard 5/4", "such as 1/4"}},
    {"winnow score --shard 4", {"--shard 4", "K/N"}},
    {"winnow score --shard 1/", {"--shard 1/"}},
    {"winnow score --shard /4", {"--shard /4"}},
    {"winnow score --shard 1/2/3", {"--shard 1/2/3"}},
    {"winnow score --shard 1/0", {"--shard 1/0"}},
    {"winnow score --shard -1/4", {"--shard"}},
    {"winnow score --shards 1/4", {"--shards", "did you mean --shard?"}},
    {"winnow score --time-limti 5", {"--time-limti", "did you mean --time-limit"}},
    {"winnow score --time-limit tomorrow", {"--time-limit tomorrow", "HH:MM:SS", "none"}},
    {"winnow score --sync 0", {"--sync 0", "from 0.01 to 3600"}},
    {"winnow score --readers 0", {"--readers 0", "from 1"}},
    {"winnow score --idkey x", {"--idkey", "did you mean --id-key"}},
    {"winnow score --confg x", {"--confg", "did you mean --config"}},
    {"winnow score --format csv", {"no --format", "`winnow select` has"}},
    {"winnow select --format xml", {"--format xml", "same, jsonl, csv"}},
    {"winnow select --fromat csv", {"--fromat", "did you mean --format"}},
    {"winnow statu r", {"`statu`", "`status`"}},
    {"winnow comapre a b", {"`comapre`", "`compare`"}},
    {"winnow mrege a b", {"`mrege`", "`merge`"}},
    {"winnow compare a b --top 0", {"--top 0", "0.1 or 10%"}},
    {"winnow compare a b --top 101%", {"--top 101%"}},
    {"winnow compare a b --top -1", {"--top"}},
    {"winnow compare a b --require 2", {"--require 2", "from -1 to 1"}},
    {"winnow compare a b --requires 1", {"--requires", "did you mean --require?"}},
    {"winnow status r --interval 0", {"--interval 0", "from 0.1"}},
    {"winnow status r --wacth", {"--wacth", "did you mean --watch"}},
};

Test(options, every_wrong_use_is_code_2_and_names_the_flag_and_the_mend)
{
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        struct typed typed;
        struct wn_settings settings;
        struct wn_error err = {.code = WN_OK};
        const wn_code code = parse(wrongs[i].line, &typed, &settings, &err);
        cr_expect_eq(code, WN_USAGE, "%s: code %d", wrongs[i].line, (int)code);
        for (size_t j = 0; j < 3 && wrongs[i].says[j] != NULL; j++) {
            cr_expect(strstr(err.text, wrongs[i].says[j]) != NULL, "%s: \"%s\" does not say \"%s\"",
                      wrongs[i].line, err.text, wrongs[i].says[j]);
        }
        wn_settings_free(&settings);
    }
}

Test(options, values_are_typed_whether_joined_or_apart)
{
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(parse("winnow score a.json --model=m --out r b.json --max-length 512 --limit 10k --range 5:9 "
                     "--max-bad=2.5% --data c.json",
                     &typed, &s, &err));
    cr_assert_str_eq(s.command->name, "score");
    cr_assert_str_eq(s.model, "m");
    cr_assert_str_eq(s.out, "r");
    cr_assert_eq(s.max_length, 512);
    cr_assert_eq(s.limit, 10000);
    cr_assert_eq(s.range.first, 5u);
    cr_assert_eq(s.range.end, 9u);
    cr_assert_float_eq(s.max_bad, 2.5, 0);
    cr_assert_eq(s.data.n, 3u);
    cr_assert_str_eq(s.data.items[0], "a.json");
    cr_assert_str_eq(s.data.items[1], "b.json");
    cr_assert_str_eq(s.data.items[2], "c.json");
    cr_assert_eq(s.operands.n, 0u);
    wn_settings_free(&s);
}

Test(options, values_not_given_have_the_standard_of_the_table)
{
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(parse("winnow score a.json", &typed, &s, &err));
    cr_assert_str_eq(s.profile, "superfiltering");
    cr_assert_str_eq(s.method, "ifd");
    cr_assert_str_eq(s.dtype, "auto");
    cr_assert_str_eq(s.turns, "all");
    cr_assert_float_eq(s.max_bad, 5, 0);
    cr_assert_eq(s.max_length, 0);
    cr_assert_not(wn_settings_given(&s, "profile"));
    cr_assert_not(wn_settings_given(&s, "max-bad"));
    wn_settings_free(&s);
}

Test(options, short_flags_join_and_take_values_three_ways)
{
    static const char *const lines[] = {"winnow select run -n 7 -qv -o s.json",
                                        "winnow select run -n7 -vq -os.json",
                                        "winnow select -q -v run -n=7 -o=s.json"};
    for (size_t i = 0; i < 3; i++) {
        struct typed typed;
        struct wn_settings s;
        struct wn_error err = {.code = WN_OK};
        WN_TEST_OK(parse(lines[i], &typed, &s, &err));
        cr_assert_eq(s.number, 7);
        cr_assert_str_eq(s.out, "s.json");
        cr_assert(s.quiet);
        cr_assert_eq(s.verbose, 1);
        cr_assert_eq(s.operands.n, 1u);
        cr_assert_str_eq(s.operands.items[0], "run");
        wn_settings_free(&s);
    }
}

Test(options, repeated_flags_add_to_lists_and_the_last_value_wins)
{
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(parse("winnow score --map instruction=q --map output=a --model x --model y -vvv f", &typed, &s,
                     &err));
    cr_assert_eq(s.map.n, 2u);
    cr_assert_str_eq(s.map.items[1], "output=a");
    cr_assert_str_eq(s.model, "y");
    cr_assert_eq(s.verbose, 3);
    wn_settings_free(&s);
}

Test(options, two_dashes_end_the_flags)
{
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(parse("winnow score --model m -- --strange -name", &typed, &s, &err));
    cr_assert_eq(s.data.n, 2u);
    cr_assert_str_eq(s.data.items[0], "--strange");
    cr_assert_str_eq(s.data.items[1], "-name");
    wn_settings_free(&s);
}

Test(options, rates_are_parts_of_one_or_percent)
{
    static const struct {
        const char *line;
        double rate;
    } cases[] = {{"winnow select r --rate 10%", 0.1},  {"winnow select r --rate 0.1", 0.1},
                 {"winnow select r --rate 1", 1.0},    {"winnow select r --rate=100%", 1.0},
                 {"winnow select r --rate .5", 0.5},   {"winnow select r --rate 0.5%", 0.005},
                 {"winnow select r --rate 1e-3", 1e-3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct typed typed;
        struct wn_settings s;
        struct wn_error err = {.code = WN_OK};
        WN_TEST_OK(parse(cases[i].line, &typed, &s, &err));
        /* Percent are divided by 100, which is off by at most one rounding. */
        cr_expect_float_eq(s.rate, cases[i].rate, 1e-16, "%s: %.17g", cases[i].line, s.rate);
        wn_settings_free(&s);
    }
}

Test(options, shards_and_tops_are_read)
{
    static const struct {
        const char *line;
        int64_t number;
        double rate;
    } cases[] = {{"winnow compare a b --top 100", 100, 0},
                 {"winnow compare a b --top 1", 1, 0},
                 {"winnow compare a b --top 5k", 5000, 0},
                 {"winnow compare a b --top 0.25", 0, 0.25},
                 {"winnow compare a b --top 50%", 0, 0.5},
                 {"winnow compare a b --top 100%", 0, 1},
                 {"winnow compare a b", 0, 0.1}};
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        WN_TEST_OK(parse(cases[i].line, &typed, &s, &err));
        cr_expect(s.top.number == cases[i].number && fabs(s.top.rate - cases[i].rate) < 1e-15, "%s",
                  cases[i].line);
        wn_settings_free(&s);
    }
    WN_TEST_OK(parse("winnow score f --shard 4/4", &typed, &s, &err));
    cr_expect(s.shard.k == 4 && s.shard.n == 4);
    wn_settings_free(&s);
    WN_TEST_OK(parse("winnow score f", &typed, &s, &err));
    cr_expect(s.shard.n == 0 && s.sync == 5 && s.lease == 60 && s.beat == 2 && s.readers == 0);
    cr_expect(s.time_limit == WN_TIME_AUTO);
    wn_settings_free(&s);
}

Test(options, negative_numbers_are_values_and_not_flags)
{
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(parse("winnow select r --above -0.5", &typed, &s, &err));
    cr_assert_float_eq(s.above, -0.5, 0);
    wn_settings_free(&s);
    WN_TEST_OK(parse("winnow select r --below -.25", &typed, &s, &err));
    cr_assert_float_eq(s.below, -0.25, 0);
    wn_settings_free(&s);
}

Test(options, open_ranges_have_no_end_or_begin_at_0)
{
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(parse("winnow score f --range 100:", &typed, &s, &err));
    cr_assert_eq(s.range.first, 100u);
    cr_assert_eq(s.range.end, UINT64_MAX);
    wn_settings_free(&s);
    WN_TEST_OK(parse("winnow score f --range :2M", &typed, &s, &err));
    cr_assert_eq(s.range.first, 0u);
    cr_assert_eq(s.range.end, 2000000u);
    wn_settings_free(&s);
}

Test(options, words_after_data_are_corpus_files_and_the_run_stays_the_run)
{
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(parse("winnow select run --data a b -o s", &typed, &s, &err));
    cr_assert_eq(s.operands.n, 1u);
    cr_assert_eq(s.data.n, 2u);
    wn_settings_free(&s);
    WN_TEST_OK(parse("winnow explain --data a b --model m --index 3", &typed, &s, &err));
    cr_assert_eq(s.operands.n, 0u);
    cr_assert_eq(s.data.n, 2u);
    wn_settings_free(&s);
}

Test(options, general_flags_need_no_command)
{
    struct typed typed;
    struct wn_settings s;
    struct wn_error err = {.code = WN_OK};
    WN_TEST_OK(parse("winnow --version", &typed, &s, &err));
    cr_assert(s.version);
    cr_assert_null(s.command);
    wn_settings_free(&s);
    WN_TEST_OK(parse("winnow -h", &typed, &s, &err));
    cr_assert(s.help);
    wn_settings_free(&s);
    WN_TEST_OK(parse("winnow -q score f --help", &typed, &s, &err));
    cr_assert(s.help && s.quiet);
    cr_assert_str_eq(s.command->name, "score");
    wn_settings_free(&s);
    WN_TEST_OK(parse("winnow --completion bash", &typed, &s, &err));
    cr_assert_str_eq(s.completion, "bash");
    cr_assert_str_eq(s.command->name, "help");
    wn_settings_free(&s);
    WN_TEST_OK(parse("winnow --man score", &typed, &s, &err));
    cr_assert(s.man);
    cr_assert_str_eq(s.operands.items[0], "score");
    wn_settings_free(&s);
}

Test(options, nearest_finds_swaps_drops_inserts_and_beginnings_and_nothing_far)
{
    static const char *const known[] = {"model", "max-length", "max-bad", "out", "keep-token-losses"};
    static const struct {
        const char *word, *nearest;
    } cases[] = {{"modle", "model"},
                 {"mdel", "model"},
                 {"moodel", "model"},
                 {"nodel", "model"},
                 {"keep-token", "keep-token-losses"},
                 {"max-lenth", "max-length"},
                 {"maxbad", "max-bad"},
                 {"zzzzzz", NULL},
                 {"", NULL},
                 {"o", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *found = wn_nearest(cases[i].word, known, 5);
        const bool same = (found == NULL && cases[i].nearest == NULL) ||
                          (found != NULL && cases[i].nearest != NULL && strcmp(found, cases[i].nearest) == 0);
        cr_expect(same, "%s: %s", cases[i].word, found != NULL ? found : "(none)");
    }
    char longest[300];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    cr_expect_null(wn_nearest(longest, known, 5));
}
