/* Presets, the rule without one, and the table that a rule looks at.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "select/select.h"

#include "base/base.h"
#include "select/parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const preset_names[] = {"superfiltering", "cherry", "cherry-vic", NULL};

static const struct wn_rule presets[] = {
    {.preset = "superfiltering",
     .by = "ifd_ppl",
     .filter_by = "ifd_ppl",
     .filter = WN_FILTER_BELOW_ONE,
     .of = WN_OF_POOL,
     .ties = WN_TIES_SMALLER_INDEX,
     .order = WN_ORDER_SCORE},
    {.preset = "cherry",
     .by = "ifd_loss",
     .filter_by = "ifd_loss",
     .filter = WN_FILTER_AT_MOST_ONE,
     .drop_cut_direct = true,
     .of = WN_OF_VALID,
     .ties = WN_TIES_LARGER_INDEX,
     .order = WN_ORDER_POOL},
    {.preset = "cherry-vic",
     .by = "ifd_loss",
     .filter_by = "ifd_loss",
     .filter = WN_FILTER_AT_MOST_ONE,
     .drop_cut_direct = true,
     .of = WN_OF_POOL,
     .ties = WN_TIES_SMALLER_INDEX,
     .order = WN_ORDER_SCORE},
};

const char *const *wn_rule_presets(void)
{
    return preset_names;
}

wn_code wn_rule_preset(const char *name, struct wn_rule *out_rule, struct wn_error *err)
{
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        if (strcmp(presets[i].preset, name) == 0) {
            *out_rule = presets[i];
            return WN_OK;
        }
    }
    WN_FAIL(err, WN_USAGE, "unknown preset \"%s\"; there are superfiltering, cherry and cherry-vic", name);
}

wn_code wn_rule_own(const struct wn_scores *scores, struct wn_rule *out_rule, struct wn_error *err)
{
    const char *score = wn_scores_attribute(scores, wn_attribute_score);
    const char *ties = wn_scores_attribute(scores, wn_attribute_ties);
    WN_CHECK(score != NULL && ties != NULL, err, WN_INPUT, "%s: does not say what its profile ranks by",
             wn_scores_path(scores));
    *out_rule = (struct wn_rule){.by = score,
                                 .filter = WN_FILTER_NONE,
                                 .of = WN_OF_POOL,
                                 .ties = strncmp(ties, "larger", 6) == 0 ? WN_TIES_LARGER_INDEX
                                                                         : WN_TIES_SMALLER_INDEX,
                                 .order = WN_ORDER_SCORE};
    return WN_OK;
}

bool wn_rule_filter_differs(const struct wn_rule *rule)
{
    return rule->filter != WN_FILTER_NONE && rule->filter_by != NULL &&
           strcmp(rule->filter_by, rule->by) != 0;
}

/* The two official definitions of IFD use different direct texts: with Cherry's header, or the answer alone.
 * A preset on scores of the other kind would select something that its authors never meant. Profiles of the
 * user's own pass. */
static wn_code preset_check(const struct wn_scores *scores, const struct wn_rule *rule, struct wn_error *err)
{
    const char *profile = wn_scores_attribute(scores, wn_attribute_profile);
    if (rule->preset == NULL || profile == NULL) {
        return WN_OK;
    }
    const bool has_header = strncmp(profile, "cherry-", 7) == 0;
    const bool is_answer_alone = strcmp(profile, "superfiltering") == 0 || strcmp(profile, "reflection") == 0;
    const bool wants_header = strncmp(rule->preset, "cherry", 6) == 0;
    WN_CHECK(!(wants_header ? is_answer_alone : has_header), err, WN_RUN,
             "%s: was scored with the profile %s, whose direct text is %s; the preset %s is for %s: score "
             "with such a "
             "profile, or give your own rule (--by, --rate) without a preset",
             wn_scores_path(scores), profile, has_header ? "a header and the answer" : "the answer alone",
             rule->preset,
             wants_header ? "a header and the answer (cherry-alpaca, cherry-wiz, ...)"
                          : "the answer alone (superfiltering)");
    return WN_OK;
}

/* What drop_cut_direct needs beside the columns. */
struct cut_facts {
    double max_length;
    double window_constant;  /* of the profile; cherry's are 4 and 6 */
    bool counts_instruction; /* the window is reduced by the bare instruction, not by the prompt */
    bool has_counted;        /* the file says by how much; those of older versions do not */
};

static wn_code cut_facts_read(const struct wn_scores *scores, struct cut_facts *out, struct wn_error *err)
{
    const char *length = wn_scores_attribute(scores, wn_attribute_max_length);
    const char *profile = wn_scores_attribute(scores, wn_attribute_profile);
    const char *text = wn_scores_attribute(scores, wn_attribute_profile_json);
    char *end = NULL;
    out->max_length = length == NULL ? 0 : strtod(length, &end);
    WN_CHECK(length != NULL && end != length && *end == '\0' && out->max_length >= 1, err, WN_INPUT,
             "%s: its attribute max_length is not a number of tokens, which this preset needs",
             wn_scores_path(scores));
    out->has_counted = wn_scores_has(scores, "counted");
    out->counts_instruction = profile != NULL && strcmp(profile, "cherry-wiz") == 0;
    out->window_constant = profile != NULL && strcmp(profile, "cherry-vicuna") == 0 ? 6 : 4;
    struct wn_json *root = NULL;
    if (text == NULL || wn_json_parse(wn_span_of(text), WN_INPUT, &root, NULL) != WN_OK) {
        return WN_OK;
    }
    const struct wn_json *constant = wn_json_get(root, "window_constant");
    const struct wn_json *counts = wn_json_get(root, "window_counts");
    if (wn_json_is(constant, WN_JSON_NUMBER)) {
        out->window_constant = wn_json_number(constant);
    }
    if (wn_json_is(counts, WN_JSON_STRING)) {
        out->counts_instruction = wn_span_is(wn_json_text(counts), "instruction");
    }
    wn_json_free(root);
    return WN_OK;
}

/* data_by_IFD.py: min(tokens of the counted text, max_length) + answer tokens of the direct text >
 * max_length. The first is the column `counted`. In files without that column: where the prompt is counted, its
 * tokens are first_cond. Where the bare instruction is (cherry-wiz), they are not stored; but the direct window is
 * max_length - counted + constant, so the sum can pass max_length only if the header has fewer tokens than the
 * constant and the window is full; the row is dropped where the columns prove that: something was cut, and it was
 * not the conditioned text. Sums over several turns do not tell, so only records of one turn are judged: there
 * the direct text's tokens from the first answer token on are the scored ones, or one more where the first is left
 * out of both texts. */
static bool is_cut(const struct cut_facts *facts, const double row[WN_CUT_COLUMNS])
{
    const double status = row[0], n_cond = row[1], first_cond = row[2], k_direct = row[3],
                 first_direct = row[4], n_direct = row[5], counted = row[6];
    const double answer = n_direct - fmax(first_direct, 1);
    if (answer - k_direct != 0 && answer - k_direct != 1) {
        return false;
    }
    if (facts->has_counted || !facts->counts_instruction) {
        const double prompt = facts->has_counted ? counted : first_cond;
        return fmin(prompt, facts->max_length) + answer > facts->max_length;
    }
    return status == WN_STATUS_TRUNCATED && first_direct < facts->window_constant &&
           n_cond < facts->max_length;
}

static wn_code cut_rule_fill(const struct wn_scores *scores, uint8_t *out, struct wn_error *err)
{
    static const char *const names[WN_CUT_COLUMNS] = {"status",       "n_cond",   "first_cond", "k_direct",
                                                      "first_direct", "n_direct", "counted"};
    struct cut_facts facts = {0};
    WN_TRY(cut_facts_read(scores, &facts, err));
    const size_t n_columns = facts.has_counted ? WN_CUT_COLUMNS : WN_CUT_COLUMNS - 1;
    const uint64_t total = wn_scores_count(scores);
    double *block = malloc((size_t)WN_CUT_COLUMNS * WN_SELECT_BLOCK * sizeof *block);
    WN_CHECK(block != NULL, err, WN_DEVICE, "out of memory for a block of columns");
    wn_code code = WN_OK;
    for (uint64_t first = 0; first < total && code == WN_OK; first += WN_SELECT_BLOCK) {
        const size_t n = total - first < WN_SELECT_BLOCK ? (size_t)(total - first) : WN_SELECT_BLOCK;
        for (size_t c = 0; c < n_columns && code == WN_OK; c++) {
            code = wn_scores_doubles(scores, names[c], first, n, block + c * WN_SELECT_BLOCK, err);
        }
        for (size_t i = 0; i < n && code == WN_OK; i++) {
            double row[WN_CUT_COLUMNS] = {0};
            for (size_t c = 0; c < n_columns; c++) {
                row[c] = block[c * WN_SELECT_BLOCK + i];
            }
            out[first + i] = is_cut(&facts, row);
        }
    }
    free(block);
    return code;
}

static wn_code statuses_fill(const struct wn_scores *scores, uint8_t *out, struct wn_error *err)
{
    const uint64_t total = wn_scores_count(scores);
    uint64_t *block = malloc((size_t)WN_SELECT_BLOCK * sizeof *block);
    WN_CHECK(block != NULL, err, WN_DEVICE, "out of memory for a block of columns");
    wn_code code = WN_OK;
    for (uint64_t first = 0; first < total && code == WN_OK; first += WN_SELECT_BLOCK) {
        const size_t n = total - first < WN_SELECT_BLOCK ? (size_t)(total - first) : WN_SELECT_BLOCK;
        code = wn_scores_integers(scores, "status", first, n, block, err);
        for (size_t i = 0; i < n && code == WN_OK; i++) {
            out[first + i] = (uint8_t)block[i];
        }
    }
    free(block);
    return code;
}

void wn_table_free(struct wn_table *table)
{
    free((void *)(uintptr_t)table->status);
    free((void *)(uintptr_t)table->score);
    free((void *)(uintptr_t)table->cut_rule);
    free((void *)(uintptr_t)table->filter);
    *table = (struct wn_table){0};
}

wn_code wn_table_load(const struct wn_scores *scores, const struct wn_rule *rule, struct wn_table *out_table,
                      struct wn_error *err)
{
    const uint64_t n = wn_scores_count(scores);
    *out_table = (struct wn_table){.n = n};
    WN_TRY(preset_check(scores, rule, err));
    uint8_t *status = malloc((size_t)n + 1);
    double *score = malloc(((size_t)n + 1) * sizeof *score);
    uint8_t *cut = rule->drop_cut_direct ? malloc((size_t)n + 1) : NULL;
    const bool has_filter = wn_rule_filter_differs(rule);
    double *filter = has_filter ? malloc(((size_t)n + 1) * sizeof *filter) : NULL;
    *out_table =
        (struct wn_table){.n = n, .status = status, .score = score, .cut_rule = cut, .filter = filter};
    wn_code code = WN_OK;
    if (status == NULL || score == NULL || (rule->drop_cut_direct && cut == NULL) ||
        (has_filter && filter == NULL)) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for %llu scores",
                            (unsigned long long)n);
        goto done;
    }
    WN_TRY_OR(done, statuses_fill(scores, status, err));
    WN_TRY_OR(done, wn_formula_values(scores, rule->by, score, err));
    if (filter != NULL) {
        WN_TRY_OR(done, wn_formula_values(scores, rule->filter_by, filter, err));
    }
    if (cut != NULL) {
        WN_TRY_OR(done, cut_rule_fill(scores, cut, err));
    }
done:
    if (code != WN_OK) {
        wn_table_free(out_table);
    }
    return code;
}

wn_code wn_corpus_scored_check(const struct wn_scores *scores, const struct wn_corpus *corpus,
                               struct wn_error *err)
{
    const char *scored = wn_scores_attribute(scores, wn_attribute_corpus_hash);
    char hash[33];
    wn_corpus_hash(corpus, hash);
    WN_CHECK(scored != NULL, err, WN_RUN, "%s: does not say which corpus was scored", wn_scores_path(scores));
    WN_CHECK(strcmp(scored, hash) == 0 && wn_corpus_count(corpus) >= wn_scores_count(scores), err, WN_RUN,
             "this is not the corpus that was scored: it has hash %s and %" PRIu64
             " records; %s is of hash %s and %" PRIu64
             " records: give the files that were scored, in the same order, or score this corpus",
             hash, wn_corpus_count(corpus), wn_scores_path(scores), scored, wn_scores_count(scores));
    return WN_OK;
}
