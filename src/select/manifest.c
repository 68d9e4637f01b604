/* The account of a selection: as JSON beside the subset, and as a table for people.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "select/parts.h"

#include "base/base.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const amount_names[] = {"rate", "number", "above", "below", "all"};
static const char *const filter_names[] = {"none", "score < 1", "score <= 1"};
static const char *const ties_names[] = {"smaller index first", "larger index first"};
static const char *const order_names[] = {"score, descending", "pool"};

/* Building JSON is a chain of calls that fail only without memory; `ok` remembers the first failure. */
struct builder {
    bool ok;
};

static void add_text(struct builder *b, struct wn_json *object, const char *key, const char *text)
{
    b->ok = b->ok && wn_json_add_text(object, key, wn_span_of(text == NULL ? "" : text));
}

static void add_count(struct builder *b, struct wn_json *object, const char *key, uint64_t count)
{
    char digits[24];
    if (count <= INT64_MAX) {
        b->ok = b->ok && wn_json_add_integer(object, key, (int64_t)count);
        return;
    }
    snprintf(digits, sizeof digits, "%" PRIu64, count); /* as text: no digit is lost */
    add_text(b, object, key, digits);
}

static void add_number(struct builder *b, struct wn_json *object, const char *key, double number)
{
    b->ok = b->ok && wn_json_add_number(object, key, number);
}

static void add_flag(struct builder *b, struct wn_json *object, const char *key, bool flag)
{
    b->ok = b->ok && wn_json_add_boolean(object, key, flag);
}

/* `child` belongs to `parent` from here on, or is freed. */
static void add_child(struct builder *b, struct wn_json *parent, const char *key, struct wn_json *child)
{
    const bool is_taken =
        b->ok && child != NULL &&
        (key != NULL ? wn_json_add_value(parent, key, child) : wn_json_append_value(parent, child));
    if (!is_taken) {
        wn_json_free(child);
        b->ok = false;
    }
}

static struct wn_json *new_object(struct builder *b)
{
    struct wn_json *object = wn_json_new_object();
    b->ok = b->ok && object != NULL;
    return object;
}

static struct wn_json *rule_json(struct builder *b, const struct wn_rule *rule)
{
    struct wn_json *object = new_object(b);
    add_text(b, object, "preset", rule->preset);
    add_text(b, object, "by", rule->by);
    add_text(b, object, "filter", filter_names[rule->filter]);
    if (rule->filter != WN_FILTER_NONE) {
        add_text(b, object, "filter_by", rule->filter_by != NULL ? rule->filter_by : rule->by);
    }
    add_flag(b, object, "drop_cut_direct", rule->drop_cut_direct);
    add_text(b, object, "amount", amount_names[rule->amount]);
    add_number(b, object, "value", rule->amount == WN_AMOUNT_ALL ? (double)NAN : rule->value);
    if (rule->amount == WN_AMOUNT_RATE) {
        add_text(b, object, "rate_of", rule->of == WN_OF_VALID ? "valid" : "pool");
    }
    if (rule->pool != 0) {
        add_count(b, object, "rate_pool", rule->pool);
    }
    add_text(b, object, "ties", ties_names[rule->ties]);
    add_text(b, object, "order", order_names[rule->order]);
    add_flag(b, object, "random", rule->random);
    if (rule->random) {
        add_count(b, object, "seed", rule->seed);
        add_text(b, object, "draw", "smallest XXH3-64 of (seed, index), two little-endian u64");
    }
    return object;
}

static struct wn_json *statuses_json(struct builder *b, const struct wn_selection *selection)
{
    struct wn_json *object = new_object(b);
    for (int i = 0; i < WN_STATUS_COUNT; i++) {
        add_count(b, object, wn_status_name(i), selection->by_status[i]);
    }
    return object;
}

static struct wn_json *drops_json(struct builder *b, const struct wn_selection *selection)
{
    struct wn_json *list = wn_json_new_array();
    b->ok = b->ok && list != NULL;
    for (size_t i = 0; i < selection->n_drops; i++) {
        struct wn_json *object = new_object(b);
        add_text(b, object, "rule", selection->drops[i].rule);
        add_count(b, object, "dropped", selection->drops[i].dropped);
        add_child(b, list, NULL, object);
    }
    return list;
}

static void counts_add(struct builder *b, struct wn_json *root, const struct wn_selection *selection)
{
    add_count(b, root, "pool", selection->pool);
    add_child(b, root, "by_status", statuses_json(b, selection));
    add_child(b, root, "dropped", drops_json(b, selection));
    add_count(b, root, "eligible", selection->eligible);
    add_count(b, root, "asked", selection->asked);
    add_count(b, root, "chosen", selection->n);
    add_number(b, root, "cut", selection->cut);
    add_count(b, root, "ties_at_cut", selection->ties_at_cut);
    add_count(b, root, "ties_taken", selection->ties_taken);
}

static struct wn_json *scores_json(struct builder *b, const struct wn_scores *scores, const char *digest)
{
    const char *const names[] = {
        wn_attribute_schema_version, wn_attribute_tool_version, wn_attribute_profile,
        wn_attribute_max_length,     wn_attribute_model_path,   wn_attribute_model_hash,
        wn_attribute_tokenizer_hash, wn_attribute_backend,      wn_attribute_dtype,
        wn_attribute_kernels,        wn_attribute_library,      wn_attribute_row_tile,
        wn_attribute_key_tile,       wn_attribute_options,      wn_attribute_profile_json,
    };
    struct wn_json *object = new_object(b);
    add_text(b, object, "path", wn_scores_path(scores));
    add_text(b, object, "digest", digest);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = wn_scores_attribute(scores, names[i]);
        if (text != NULL) {
            add_text(b, object, names[i], text);
        }
    }
    return object;
}

static struct wn_json *corpus_json(struct builder *b, const struct wn_corpus *corpus)
{
    struct wn_json *object = new_object(b);
    struct wn_json *files = wn_json_new_array();
    char hash[33];
    b->ok = b->ok && files != NULL;
    wn_corpus_hash(corpus, hash);
    add_text(b, object, "hash", hash);
    add_text(b, object, "form", wn_form_name(wn_corpus_form(corpus)));
    add_count(b, object, "records", wn_corpus_count(corpus));
    for (size_t i = 0; i < wn_corpus_n_files(corpus); i++) {
        const struct wn_corpus_file file = wn_corpus_file(corpus, i);
        struct wn_json *entry = new_object(b);
        add_text(b, entry, "path", file.path);
        add_count(b, entry, "size", file.size);
        add_count(b, entry, "records", file.records);
        add_text(b, entry, "compression", file.compression);
        add_text(b, entry, "hash", file.hash);
        add_child(b, files, NULL, entry);
    }
    add_child(b, object, "files", files);
    return object;
}

static struct wn_json *subset_json(struct builder *b, const struct wn_manifest *m)
{
    static const char *const fields[] = {"none", "winnow", "superfiltering"};
    struct wn_json *object = new_object(b);
    add_text(b, object, "path", m->names->subset);
    add_text(b, object, "form", m->is_array ? "JSON array" : "JSON lines");
    add_text(b, object, "hash", m->subset_hash);
    add_text(b, object, "score_fields", fields[m->options->fields]);
    add_text(b, object, "index_file", m->names->index);
    add_text(b, object, "index_hash", m->index_hash);
    return object;
}

wn_code wn_manifest_print(const struct wn_manifest *manifest, char **out_text, struct wn_error *err)
{
    struct builder b = {true};
    char digest[33], hdf5[32], *raw = NULL;
    WN_TRY(wn_scores_digest(manifest->scores, digest, err));
    wn_store_library(hdf5, sizeof hdf5);
    struct wn_json *root = new_object(&b);
    add_text(&b, root, "schema", "winnow.selection");
    add_count(&b, root, "schema_version", 1);
    add_text(&b, root, "winnow", manifest->options->version);
    add_text(&b, root, "hdf5", hdf5);
    add_text(&b, root, "hashes", "XXH3-128");
    add_text(&b, root, "command_line", manifest->options->command_line);
    add_child(&b, root, "rule", rule_json(&b, manifest->rule));
    counts_add(&b, root, manifest->selection);
    add_child(&b, root, "subset", subset_json(&b, manifest));
    add_child(&b, root, "scores", scores_json(&b, manifest->scores, digest));
    add_child(&b, root, "corpus", corpus_json(&b, manifest->corpus));
    wn_code code = b.ok ? wn_json_print(root, true, &raw, err)
                        : wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for the manifest");
    wn_json_free(root);
    if (code != WN_OK) {
        return code;
    }
    struct wn_bytes text = {0};
    const bool ok = wn_json_tidy(raw, 0, &text) && wn_bytes_append(&text, (struct wn_span){"\n", 2});
    free(raw);
    if (!ok) {
        wn_bytes_free(&text);
        WN_FAIL(err, WN_DEVICE, "out of memory for the manifest");
    }
    *out_text = (char *)text.data;
    return WN_OK;
}

/* 5200 -> "5,200". */
static void count_format(uint64_t count, char out[32])
{
    char digits[24];
    const int n = snprintf(digits, sizeof digits, "%" PRIu64, count);
    int used = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) {
            out[used] = ',';
            used++;
        }
        out[used] = digits[i];
        used++;
    }
    out[used] = '\0';
}

static void line_print(FILE *out, const char *label, uint64_t count)
{
    char text[32];
    count_format(count, text);
    fprintf(out, "  %-44s %14s\n", label, text);
}

static void amount_print(FILE *out, const struct wn_rule *rule)
{
    char pool[32];
    switch (rule->amount) {
    case WN_AMOUNT_RATE:
        count_format(rule->pool, pool);
        fprintf(out, "%g of %s%s", rule->value,
                rule->of == WN_OF_VALID ? "the eligible records"
                : rule->pool != 0       ? "a pool of "
                                        : "the pool",
                rule->of == WN_OF_POOL && rule->pool != 0 ? pool : "");
        break;
    case WN_AMOUNT_NUMBER:
        count_format((uint64_t)rule->value, pool);
        fprintf(out, "%s records", pool);
        break;
    case WN_AMOUNT_ABOVE:
    case WN_AMOUNT_BELOW:
        fprintf(out, "score %s %.17g", rule->amount == WN_AMOUNT_ABOVE ? "above" : "below", rule->value);
        break;
    case WN_AMOUNT_ALL: /* told without a rule */
        break;
    }
}

static void rule_print(FILE *out, const struct wn_rule *rule)
{
    fprintf(out, "rule       %s%sby %s, ", rule->preset == NULL ? "" : rule->preset,
            rule->preset == NULL ? "" : ": ", rule->by);
    amount_print(out, rule);
    if (rule->random) {
        fprintf(out, ", drawn at random (seed %" PRIu64 ")", rule->seed);
    }
    fprintf(out, "\n           ties: %s; output order: %s\n", ties_names[rule->ties],
            order_names[rule->order]);
}

static void table_print(FILE *out, const struct wn_rule *rule, const struct wn_selection *selection)
{
    if (rule->amount == WN_AMOUNT_ALL) {
        fprintf(out, "rule       all records, as they are\n");
    } else {
        rule_print(out, rule);
    }
    line_print(out, "pool", selection->pool);
    for (int i = 0; i < WN_STATUS_COUNT; i++) {
        if (selection->by_status[i] > 0) {
            char label[64];
            snprintf(label, sizeof label, "  status %s", wn_status_name(i));
            line_print(out, label, selection->by_status[i]);
        }
    }
    for (size_t i = 0; i < selection->n_drops; i++) {
        char label[96];
        snprintf(label, sizeof label, "- %s", selection->drops[i].rule);
        line_print(out, label, selection->drops[i].dropped);
    }
    line_print(out, "eligible", selection->eligible);
    line_print(out, "asked for", selection->asked);
    line_print(out, "chosen", selection->n);
    if (selection->n > 0 && rule->amount != WN_AMOUNT_ALL) {
        char score[40];
        snprintf(score, sizeof score, "%.10g", selection->cut);
        fprintf(out, "  %-44s %14s\n", "score at the cut", score);
        line_print(out, "eligible with exactly this score", selection->ties_at_cut);
        line_print(out, "of these chosen", selection->ties_taken);
    }
}

wn_code wn_selection_print(const struct wn_rule *rule, const struct wn_selection *selection, char **out_text,
                           struct wn_error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    WN_CHECK(out != NULL, err, WN_DEVICE, "out of memory for a table");
    table_print(out, rule, selection);
    if (fclose(out) != 0) {
        free(text);
        WN_FAIL(err, WN_DEVICE, "out of memory for a table");
    }
    *out_text = text;
    return WN_OK;
}
