/* What the files of select share. Private to select.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_SELECT_PARTS_H
#define WINNOW_SELECT_PARTS_H

#include "base/base.h"
#include "select/select.h"
#include "winnow/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WN_SELECT_BLOCK = 65536, /* rows read at a time: one chunk of scores.h5 */
    WN_CUT_COLUMNS = 7       /* columns that drop_cut_direct looks at */
};

/* wn_bytes_add for a span; false without memory. */
bool wn_bytes_append(struct wn_bytes *bytes, struct wn_span more);

/* A member of a JSON object to be set: the value is JSON text. */
struct wn_member {
    const char *key; /* plain ASCII, nothing to escape */
    struct wn_span value;
};

/* The object `object` (valid JSON, its braces at both ends) with `members` set, appended to *out. A member
 * that is there gets the new value in place; the others come before the closing brace, in the object's own
 * style (indentation, spaces after commas and colons). All other bytes stay. WN_INPUT where the text is not
 * such an object. */
wn_code wn_object_set(struct wn_span object, const struct wn_member *members, size_t n, struct wn_bytes *out,
                      struct wn_error *err);

/* Bit i set where the object has the member keys[i] (n <= 32). */
wn_code wn_object_has(struct wn_span object, const char *const *keys, size_t n, uint32_t *out_bits,
                      struct wn_error *err);

/* The bytes of the value of the member `key`; size 0 where there is none. */
wn_code wn_object_value(struct wn_span object, const char *key, struct wn_span *out_value,
                        struct wn_error *err);

/* JSON as wn_json_print writes it indented, appended with two spaces for each tab, and `depth` levels further
 * in from the second line on. False without memory. */
bool wn_json_tidy(const char *text, int depth, struct wn_bytes *out);

/* WN_RUN where `corpus` is not the one that was scored. */
wn_code wn_corpus_scored_check(const struct wn_scores *scores, const struct wn_corpus *corpus,
                               struct wn_error *err);

/* True where the filter looks at something else than what ranks. */
bool wn_rule_filter_differs(const struct wn_rule *rule);

/* How records stand in an output: text before the first, between two, after the last. */
struct wn_style {
    struct wn_bytes open, separator, close;
    bool is_array;
};

/* The style of the first file of the corpus that holds records. Owned (wn_style_free). */
wn_code wn_style_find(const struct wn_corpus *corpus, struct wn_style *out_style, struct wn_error *err);
void wn_style_free(struct wn_style *style);

/* Names of the files of a subset. */
struct wn_names {
    const char *subset;
    char *stem;  /* subset without .json, .jsonl */
    char *entry; /* last part of the stem: the name in dataset_info.json */
    char *base;  /* last part of the subset's path */
    char *index, *manifest, *dataset_info;
};

/* The manifest as JSON text, new memory. `subset_hash` and `index_hash` are XXH3-128 of the files written. */
struct wn_manifest {
    const struct wn_subset_options *options;
    const struct wn_scores *scores;
    const struct wn_corpus *corpus;
    const struct wn_rule *rule;
    const struct wn_selection *selection;
    const struct wn_names *names;
    const char *subset_hash, *index_hash;
    bool is_array;
};
wn_code wn_manifest_print(const struct wn_manifest *manifest, char **out_text, struct wn_error *err);

/* The text of dataset_info.json with the subset's entry put in, appended to *out. `records` are those chosen. WN_USAGE
 * where an entry of the subset's name is there: of another file always, of this file without options->replace. */
wn_code wn_dataset_info_make(const struct wn_subset_options *options, const struct wn_corpus *corpus,
                             const struct wn_names *names, const struct wn_span *records, uint64_t n,
                             struct wn_bytes *out, struct wn_error *err);

#endif
