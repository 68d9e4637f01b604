/* --id-key: a record's number from the value of one of its fields.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The record is parsed first, so that its text is known to be sound JSON; where the value of a number, array or object
 * stands in it is then found by counting members, since only texts are compared by what they mean.
 */
#include "corpus/inside.h"

#include <string.h>

/* The number of the member `key`, and its value; NULL where the object has none. */
static const struct wn_json *find_member(const struct wn_json *object, const char *key, size_t *out_number)
{
    const struct wn_span name = wn_span_of(key);
    size_t number = 0;
    for (const struct wn_json *member = wn_json_first(object); member != NULL;
         member = wn_json_next(member), number++) {
        if (wn_span_equal(wn_json_key(member), name)) {
            *out_number = number;
            return member;
        }
    }
    return NULL;
}

/* Behind the string that begins at `at`; the text is sound. */
static size_t skip_string(struct wn_span text, size_t at)
{
    for (at++; at < text.size && text.data[at] != '"'; at++) {
        at += text.data[at] == '\\' ? 1 : 0;
    }
    return at + 1;
}

/* The value of member `number` of the object in `text`, which is sound JSON, without the blanks around it. */
static struct wn_span find_value(struct wn_span text, size_t number)
{
    size_t depth = 0;
    size_t begin = 0;
    size_t at = 0;
    while (at < text.size) {
        const char c = text.data[at];
        if (c == '"') {
            at = skip_string(text, at);
            continue;
        }
        if (depth == 1 && c == ':' && number == 0) {
            begin = at + 1;
        }
        if (depth == 1 && (c == ',' || c == '}')) {
            if (number == 0) {
                break;
            }
            number--;
        }
        depth += c == '{' || c == '[' ? 1 : 0;
        depth -= c == '}' || c == ']' ? 1 : 0;
        at++;
    }
    size_t end = at < text.size ? at : text.size;
    while (begin < end && memchr(" \t\r\n", text.data[begin], 4) != NULL) {
        begin++;
    }
    while (end > begin && memchr(" \t\r\n", text.data[end - 1], 4) != NULL) {
        end--;
    }
    return (struct wn_span){text.data + begin, end - begin};
}

wn_code wn_id_hash(struct wn_span record, const char *key, uint64_t *out_hash, struct wn_error *err)
{
    struct wn_json *root = NULL;
    struct wn_error bad;
    size_t number = 0;
    const wn_code code = wn_json_parse(record, WN_INPUT, &root, &bad);
    WN_CHECK(code == WN_OK || code == WN_INPUT, err, code, "%s", bad.text);
    const struct wn_json *const value =
        code == WN_OK && wn_json_is(root, WN_JSON_OBJECT) ? find_member(root, key, &number) : NULL;
    if (value == NULL || wn_json_is(value, WN_JSON_NULL)) {
        *out_hash = wn_hash64(record);
    } else if (wn_json_is(value, WN_JSON_STRING)) {
        *out_hash = wn_hash64(wn_json_text(value));
    } else {
        *out_hash = wn_hash64(find_value(record, number));
    }
    wn_json_free(root);
    return WN_OK;
}
