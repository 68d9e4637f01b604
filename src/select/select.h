/* Selection: a table of scores -> the records worth training on, and a subset file with its account.
 * SPDX-License-Identifier: Apache-2.0
 *
 * wn_select is a pure function of a table, tested on tables; wn_subset_write copies records byte for byte.
 *
 * How to use: wn_rule_preset or wn_rule_own fills a rule; the caller sets amount and value; wn_table_load
 * makes the table that the rule looks at; wn_select chooses; wn_subset_write writes the files,
 * wn_selection_print the table for people. wn_table_free and wn_selection_free at the end.
 */
#ifndef WINNOW_SELECT_SELECT_H
#define WINNOW_SELECT_SELECT_H

#include "base/base.h"
#include "corpus/corpus.h"
#include "store/store.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

enum wn_amount {
    WN_AMOUNT_RATE,
    WN_AMOUNT_NUMBER,
    WN_AMOUNT_ABOVE,
    WN_AMOUNT_BELOW,
    WN_AMOUNT_ALL /* every record, whatever its status, in pool order; the other members of the rule mean nothing */
};
enum wn_rate_of { WN_OF_POOL, WN_OF_VALID };

/* A rule, in full; presets fill one. The steps, in order:
 * 1. a status other than ok or truncated is dropped; 2. a score that is not finite is dropped; 3.
 * drop_cut_direct;
 * 4. filter. What is left is eligible, ordered by score descending and the tie rule. Then the amount: the
 * first int(pool or eligible x rate), the first `number`, or all above (>) or below (<) a threshold. `random`
 * draws as many from the eligible instead. The output is in score order or in pool order. */
struct wn_rule {
    const char *preset; /* "superfiltering", "cherry", "cherry-vic", or NULL for own rules */
    const char *by;     /* column or formula, e.g. "ifd_ppl", "loss_cond - loss_direct" */
    enum wn_filter filter;
    const char *
        filter_by; /* column or formula that `filter` looks at; NULL: by. A preset's is its own score, whatever
                              ranks */
    bool drop_cut_direct; /* cherry (data_by_IFD.py): the row is dropped where counted prompt + direct answer
                             tokens exceed max_length; facts in docs/methods.md */
    enum wn_amount amount;
    double value; /* rate, number, or threshold */
    enum wn_rate_of of;
    uint64_t pool; /* size the rate of the pool is taken of; 0 = the table's */
    enum wn_ties ties;
    enum wn_order order;
    bool random; /* the same number, drawn from the eligible records: those with the smallest XXH3-64 of the
                    16 bytes (seed, index), both u64 little endian; a larger draw of one seed holds the
                    smaller */
    uint64_t seed;
};

/* Fill *out_rule from a preset; WN_USAGE for an unknown name (the known ones are listed). Amount is left to
 * the caller (WN_AMOUNT_RATE, 0). Sources: superfiltering = Superfiltering code_ifd/select_data.py (its pool
 * of 52,002 is rule.pool = 52002); cherry = Cherry_LLM cherry_seletion/data_by_IFD.py; cherry-vic =
 * data_by_IFD_vic.py with select_from_ifd_json.py. Differences on purpose: docs/methods.md. */
wn_code wn_rule_preset(const char *name, struct wn_rule *out_rule, struct wn_error *err);
/* The names of the presets, NULL at the end. */
const char *const *wn_rule_presets(void);
/* The rule without a preset: by the profile's score with its tie rule, of the pool, nothing filtered, score
 * order. rule->by lives with `scores`. */
wn_code wn_rule_own(const struct wn_scores *scores, struct wn_rule *out_rule, struct wn_error *err);

struct wn_table {
    uint64_t n;
    const uint8_t *status;   /* [n] enum wn_status */
    const double *score;     /* [n] value of `by` */
    const uint8_t *cut_rule; /* [n] 1 where drop_cut_direct applies, or NULL */
    const double *filter;    /* [n] what the filter looks at, where that is not the score; else NULL */
};

/* The table of a scores file for a rule: statuses, the values of rule->by, and where drop_cut_direct applies.
 * Owned (wn_table_free). 17 bytes a record, and blocks of 65,536. WN_RUN where the preset is not for the
 * profile that was scored (another direct text, so another meaning of the score); WN_USAGE as
 * wn_formula_values. */
wn_code wn_table_load(const struct wn_scores *scores, const struct wn_rule *rule, struct wn_table *out_table,
                      struct wn_error *err);
void wn_table_free(struct wn_table *table); /* only a table that wn_table_load made */

enum { WN_DROP_STEPS = 4 };

struct wn_drop {
    const char *rule; /* constant text: why records were dropped, in order of the steps */
    uint64_t dropped;
};

struct wn_selection {
    uint64_t *indices; /* [n] chosen, in output order; owned (wn_selection_free) */
    uint64_t n;
    uint64_t pool, by_status[WN_STATUS_COUNT];
    struct wn_drop drops[WN_DROP_STEPS];
    size_t n_drops;
    uint64_t eligible; /* pool - all dropped */
    uint64_t asked;    /* what rate, number or threshold came to; n = min(asked, eligible) */
    double cut;        /* the lowest score chosen (highest for BELOW); NaN with none */
    uint64_t ties_at_cut,
        ties_taken; /* eligible records with exactly the cut's score, and how many were chosen */
};

/* WN_USAGE for a rate outside (0, 1], a number that is not whole, a threshold that is not a number. A number
 * above what exists is cut to the eligible ones (asked says so); a rate or number that comes to 0 records
 * chooses none. Sums that hold: by_status adds up to pool; the drops and eligible add up to pool. */
wn_code wn_select(const struct wn_table *table, const struct wn_rule *rule,
                  struct wn_selection *out_selection, struct wn_error *err);
void wn_selection_free(struct wn_selection *selection);

/* A formula over columns of /samples: + - * /, unary + and -, parentheses, decimal numbers, exp(x) log(x)
 * sqrt(x) abs(x), min and max of two or more, column names. Natural logarithm; NaN in gives NaN out, also of
 * min and max. Result per record in out[n]; evaluated in blocks of 65,536. WN_USAGE naming the position
 * (1-based character) and, for an unknown column, the known ones. */
wn_code wn_formula_values(const struct wn_scores *scores, const char *formula, double *out,
                          struct wn_error *err);

/* Two files of scores of one corpus, held against each other by `winnow compare`. */
struct wn_compare_options {
    const char *column; /* column or formula, as wn_formula_values takes it, evaluated in both files */
    enum wn_amount
        amount; /* of the top: WN_AMOUNT_RATE (0 < value <= 1, int(n_both x value)) or WN_AMOUNT_NUMBER */
    double value;
};

/* Records are joined by their number; n_both is what all figures are over. Correlations are NaN where fewer than two
 * records are left or a side is constant; overlap is NaN where top is 0. */
struct wn_compare_result {
    uint64_t n_a, n_b; /* records of each file */
    uint64_t n_common; /* records that both files hold */
    uint64_t n_both;   /* of these, with a finite value in both */
    double spearman;   /* Pearson of the ranks, equal values sharing the mean of their places */
    double pearson;
    uint64_t top;   /* k: records in each top, at most n_both */
    double overlap; /* |A and B| / k, the tops by value descending, equal values by smaller record number */
};

/* WN_RUN where the two are not scores of one corpus (attribute corpus_hash), or have no record in common; WN_USAGE as
 * wn_formula_values and for an amount of another kind. Memory: 33 bytes for each record of the larger file. */
wn_code wn_scores_compare(const struct wn_scores *a, const struct wn_scores *b,
                          const struct wn_compare_options *options, struct wn_compare_result *out_result,
                          struct wn_error *err);

/* --with-scores: fields added to each record written, before its closing brace; a field of that name that the
 * record already has gets the new value in its place. OWN: winnow_index, _status, _loss_cond, _loss_direct,
 * _ifd_loss, _ifd_ppl, _rank (null where there is none). SUPERFILTERING: ppl_A_direct, ppl_A_condition,
 * ifd_ppl, rounded as the published float32 code does, NaN and Infinity as Python's json writes them. */
enum wn_score_fields {
    WN_FIELDS_NONE,
    WN_FIELDS_OWN /* winnow_* */,
    WN_FIELDS_SUPERFILTERING /* ppl_A_direct ... */
};

struct wn_subset_options {
    const char *path; /* of the subset; the side files are PATH's stem + .index.txt, .manifest.json, and
                                    dataset_info.json beside it */
    enum wn_score_fields fields;
    bool replace; /* an existing subset, with its index and manifest, may be replaced */
    const struct wn_corpus_options
        *corpus;                /* how the corpus was opened, for dataset_info.json; NULL = plainly */
    const char *command_line;   /* for the manifest */
    const char *version;        /* of the program */
    const struct wn_stop *stop; /* WN_STOPPED, with nothing written, once it is asked for; NULL = never */
};

/* Write index file, dataset_info.json, manifest and subset, in this order: each whole or not at all. The form
 * is that of the first corpus file: a JSON array with its indentation, or one record a line (a record that
 * holds line breaks is then joined; nothing but white space between its tokens changes). An existing
 * dataset_info.json keeps its other entries byte for byte. WN_USAGE where something would be overwritten that
 * may not be: an input always, an existing subset without `replace`. WN_RUN where the corpus is not the one
 * that was scored. */
wn_code wn_subset_write(const struct wn_subset_options *options, const struct wn_scores *scores,
                        const struct wn_corpus *corpus, const struct wn_rule *rule,
                        const struct wn_selection *selection, struct wn_error *err);
/* The scores of chosen records as a table, without their texts: `--format jsonl` and `--format csv`. A row has index, id
 * (where there is an id key), rank, status, and the columns of /samples that hold scores or counts, named as there; or,
 * with the published names, ppl_A_direct, ppl_A_condition and ifd_ppl, in the double precision of scores.h5, so that a
 * rule applied to the table chooses what it chooses here.
 * JSON lines: one object a line; what is not finite is null, with the published names NaN or Infinity as Python's json
 * writes them. CSV (RFC 4180): a header, lines that end in CR LF, NaN and a missing rank or id as an empty field, inf.
 * Numbers have up to 17 significant digits and read back as the same bits. */
struct wn_score_table_options {
    const char *path;
    bool is_csv; /* else JSON lines */
    bool published_names;
    const char *id_key;        /* used with a corpus */
    const char *const *inputs; /* [n_inputs] files that are never overwritten */
    size_t n_inputs;
    bool replace;               /* an existing file may be replaced */
    const struct wn_stop *stop; /* NULL = never */
};

/* `corpus` is where the ids are looked up; NULL: no ids. `selection` NULL: all records in order. The file appears whole
 * or not at all; rows that are not in the order of the records pass through a temporary file of the same size beside
 * it. Memory: 28 bytes a chosen record and one block. WN_USAGE as wn_subset_write; WN_RUN for another corpus. */
wn_code wn_score_table_write(const struct wn_score_table_options *options, const struct wn_scores *scores,
                             const struct wn_corpus *corpus, const struct wn_selection *selection,
                             struct wn_error *err);

/* The table that the manifest holds, as text for people; new memory (free). */
wn_code wn_selection_print(const struct wn_rule *rule, const struct wn_selection *selection, char **out_text,
                           struct wn_error *err);

#endif
