/* JSON, read strictly. The one folder-wide door to cJSON, without its traps.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Beyond what cJSON checks: the text must be valid UTF-8; escaped surrogates must come in pairs; a key may stand only
 * once in an object; nesting is at most WN_JSON_DEPTH; nothing but white space may follow the value. U+0000 in a
 * string is kept. The literals NaN, Infinity and -Infinity, as Python writes them, are numbers.
 * Keys are compared exactly, upper and lower case apart.
 */
#ifndef WINNOW_BASE_JSON_H
#define WINNOW_BASE_JSON_H

#include "winnow/span.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { WN_JSON_DEPTH = 256 };

enum wn_json_type {
    WN_JSON_NULL,
    WN_JSON_BOOLEAN,
    WN_JSON_NUMBER,
    WN_JSON_STRING,
    WN_JSON_ARRAY,
    WN_JSON_OBJECT
};

struct wn_json; /* a value; a root owns all values below it */

/* Parse one value. On failure `code` (WN_INPUT, WN_MODEL, WN_USAGE) with what and at which byte, 0-based; where it
 * stands (file, record) is for the caller to add. */
wn_code wn_json_parse(struct wn_span text, wn_code code, struct wn_json **out_root, struct wn_error *err);
void wn_json_free(struct wn_json *root); /* NULL is allowed */

enum wn_json_type wn_json_type(const struct wn_json *value);
const char *wn_json_type_name(const struct wn_json *value); /* "null", "boolean", "number", "text", "array", "object" */
bool wn_json_is(const struct wn_json *value, enum wn_json_type type); /* false for a NULL value */

/* Members and elements, in the order written. Each step is constant time; indexed access is not offered. */
size_t wn_json_count(const struct wn_json *value);
const struct wn_json *wn_json_first(const struct wn_json *value); /* NULL where there is none */
const struct wn_json *wn_json_next(const struct wn_json *member); /* NULL after the last */
struct wn_span wn_json_key(const struct wn_json *member);         /* U+0000 in a key reads as bytes C0 80 */
const struct wn_json *wn_json_get(const struct wn_json *object, const char *key); /* linear; NULL if absent */

struct wn_span wn_json_text(const struct wn_json *string); /* decoded, followed by a 0 byte; lives with the root */
bool wn_json_boolean(const struct wn_json *boolean);
double wn_json_number(const struct wn_json *number); /* may be NaN or infinite */
/* True and *out where `value` is a number, whole, and within +-2^53, so that no digit was lost. */
bool wn_json_integer(const struct wn_json *value, int64_t *out);

/* Writing: build a value, print it. A value given to add_* or append_* is used up, whether or not that worked: it
 * belongs to its parent from then on, or was freed. Functions return NULL or false without
 * memory; wn_json_print then reports WN_DEVICE. */
struct wn_json *wn_json_new_object(void);
struct wn_json *wn_json_new_array(void);
bool wn_json_add_value(struct wn_json *object, const char *key, struct wn_json *take_value);
bool wn_json_add_text(struct wn_json *object, const char *key, struct wn_span text);
bool wn_json_add_number(struct wn_json *object, const char *key, double number); /* NaN is written as null */
bool wn_json_add_integer(struct wn_json *object, const char *key, int64_t integer); /* all digits kept */
bool wn_json_add_boolean(struct wn_json *object, const char *key, bool boolean);
bool wn_json_append_value(struct wn_json *array, struct wn_json *take_value);
bool wn_json_append_text(struct wn_json *array, struct wn_span text);
bool wn_json_append_integer(struct wn_json *array, int64_t integer);
/* Text of `value`, indented or in one line, in new memory (*out_text, free). Strings stay UTF-8. */
wn_code wn_json_print(const struct wn_json *value, bool indented, char **out_text, struct wn_error *err);

/* True where `text` is valid UTF-8; else false with the offset of the first bad byte in *out_bad (may be NULL). */
bool wn_utf8_valid(struct wn_span text, size_t *out_bad);

#endif
