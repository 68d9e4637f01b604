/* Reading tokenizer.json, part by part. What a file says is hostile until checked.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Fields are read as Hugging Face's deserializers read them: a field they require is required here, a field they do
 * not know is ignored. A component, or a value of a field, that this program does not know is refused by name, for it
 * would change ids.
 */
#ifndef WINNOW_TOKENIZER_LOAD_H
#define WINNOW_TOKENIZER_LOAD_H

#include "base/base.h"
#include "tokenizer/parts.h"

struct wn_loader {
    struct wn_tokenizer *tokenizer;
    const char *path; /* of the file, for messages */
    struct wn_error *err;
};

/* A field of `object`; WN_MODEL "PATH: WHERE.KEY: ..." where it is missing or of another type. `where` is the dotted
 * name of the object. */
wn_code wn_load_text(const struct wn_loader *loader, const struct wn_json *object, const char *where,
                     const char *key, struct wn_span *out);
wn_code wn_load_bool(const struct wn_loader *loader, const struct wn_json *object, const char *where,
                     const char *key, bool *out);
/* As before; `fallback` where the field is missing or null. */
wn_code wn_load_bool_or(const struct wn_loader *loader, const struct wn_json *object, const char *where,
                        const char *key, bool fallback, bool *out);
wn_code wn_load_array(const struct wn_loader *loader, const struct wn_json *object, const char *where,
                      const char *key, const struct wn_json **out);
/* A token id in [0, WN_TOKENIZER_ID_LIMIT). */
wn_code wn_load_id(const struct wn_loader *loader, const struct wn_json *value, const char *where,
                   int32_t *out);
/* Puts "PATH: WHERE: " before the error text of a call that failed; returns `code`. */
wn_code wn_load_locate(const struct wn_loader *loader, wn_code code, const char *where);
/* A copy of `text` in the tokenizer's arena. */
wn_code wn_load_copy(const struct wn_loader *loader, struct wn_span text, struct wn_span *out);
/* {"String": ...} or {"Regex": ...} in `object`'s field "pattern". */
wn_code wn_load_pattern(const struct wn_loader *loader, const struct wn_json *object, const char *where,
                        struct wn_pattern *out);

/* The parts; `value` may be NULL or null where the part is optional. */
wn_code wn_load_model(const struct wn_loader *loader, const struct wn_json *model);
wn_code wn_load_normalizer(const struct wn_loader *loader, const struct wn_json *value, const char *where,
                           int depth);
wn_code wn_load_pretokenizer(const struct wn_loader *loader, const struct wn_json *value, const char *where,
                             int depth);
wn_code wn_load_processor(const struct wn_loader *loader, const struct wn_json *value, const char *where,
                          int depth);
wn_code wn_load_added(const struct wn_loader *loader, const struct wn_json *value);

/* The ByteLevel pre-tokenizer: GPT-2's pattern and byte symbols. */
wn_code wn_load_byte_level(const struct wn_loader *loader, bool add_prefix_space, bool use_regex,
                           const char *where);
/* Vocabulary and merges as they stand in files: an object of ids, and "a b" one a line (a text) or an array. */
wn_code wn_load_vocab(const struct wn_loader *loader, const struct wn_json *object, const char *where);
wn_code wn_load_merges_array(const struct wn_loader *loader, const struct wn_json *array);
wn_code wn_load_merges_text(const struct wn_loader *loader, struct wn_span text);
/* Takes `n` tokens (content, flags) as added, in this order, and gives them ids as Hugging Face does. */
wn_code wn_load_added_list(const struct wn_loader *loader, const struct wn_added *list, size_t n);
/* Last: fast forms, the highest id, what `info` says. */
wn_code wn_load_finish(const struct wn_loader *loader);

/* vocab.json and merges.txt of a folder, as GPT-2 has them. */
wn_code wn_load_files(struct wn_tokenizer *tokenizer, const char *folder, struct wn_error *err);

#endif
