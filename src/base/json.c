/* JSON through cJSON: the one file that includes cJSON.h. A struct wn_json is a cJSON item in which, after parsing,
 * a string's length stands in valuedouble (strings may hold U+0000) and the bare numbers are numbers again.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/json.h"

#include "base/json_check.h"
#include "winnow/arena.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const cJSON *item(const struct wn_json *value)
{
    return (const cJSON *)(const void *)value;
}

static const struct wn_json *value_of(const cJSON *item)
{
    return (const struct wn_json *)(const void *)item;
}

/* C0 80 becomes one 0 byte; lengths only shrink. */
static size_t restore_zeros(char *text)
{
    size_t n = 0;
    for (const char *p = text; *p != '\0'; ++p, ++n) {
        if ((unsigned char)p[0] == 0xC0 && (unsigned char)p[1] == 0x80) {
            text[n] = '\0';
            ++p;
        } else {
            text[n] = *p;
        }
    }
    text[n] = '\0';
    return n;
}

static void restore_string(cJSON *string)
{
    char *text = string->valuestring;
    if ((unsigned char)text[0] == 0xC0 && (unsigned char)text[1] == 0x81) {
        string->type = cJSON_Number;
        string->valuedouble = text[2] == 'N'   ? (double)NAN
                              : text[2] == 'P' ? (double)INFINITY
                                               : -(double)INFINITY;
        return;
    }
    string->valuedouble = (double)restore_zeros(text);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The key that stands twice in `object`, or NULL; *out_of_memory where it could not be told. */
static const char *find_duplicate(const cJSON *object, bool *out_of_memory)
{
    size_t n = 0;
    for (const cJSON *member = object->child; member != NULL; member = member->next) {
        ++n;
    }
    const char *few[32];
    const char **keys = n <= 32 ? few : malloc(n * sizeof *keys);
    if (keys == NULL) {
        *out_of_memory = true;
        return NULL;
    }
    size_t i = 0;
    for (const cJSON *member = object->child; member != NULL; member = member->next) {
        keys[i++] = member->string;
    }
    const char *found = NULL;
    if (n > 1) {
        qsort(keys, n, sizeof *keys, compare_keys);
    }
    for (i = 1; i < n && found == NULL; ++i) {
        found = strcmp(keys[i - 1], keys[i]) == 0 ? keys[i] : NULL;
    }
    if (keys != few) {
        free(keys);
    }
    return found;
}

/* Restore strings and look for duplicate keys, depth first; depth was bounded by the check. */
static wn_code finish_value(cJSON *value, wn_code code, struct wn_error *err)
{
    if (value->type == cJSON_String) {
        restore_string(value);
        return WN_OK;
    }
    if (value->type == cJSON_Object) {
        bool out_of_memory = false;
        const char *key = find_duplicate(value, &out_of_memory);
        WN_CHECK(!out_of_memory, err, WN_DEVICE, "out of memory while reading JSON");
        WN_CHECK(key == NULL, err, code, "the key \"%.200s\" stands twice in one object", key);
    }
    for (cJSON *child = value->child; child != NULL; child = child->next) {
        WN_TRY(finish_value(child, code, err));
    }
    return WN_OK;
}

wn_code wn_json_parse(struct wn_span text, wn_code code, struct wn_json **out_root, struct wn_error *err)
{
    char *rewritten = malloc(wn_json_rewritten_size(text));
    WN_CHECK(rewritten != NULL, err, WN_DEVICE, "out of memory for %zu bytes of JSON", text.size);
    size_t size = 0;
    struct wn_json_fault fault = {0, ""};
    if (!wn_json_check(text, rewritten, &size, &fault)) {
        free(rewritten);
        WN_FAIL(err, code, "not valid JSON: %s (byte %zu)", fault.what, fault.byte);
    }
    cJSON *root = cJSON_ParseWithLength(rewritten, size + 1);
    free(rewritten);
    WN_CHECK(root != NULL, err, WN_DEVICE, "out of memory for %zu bytes of JSON", text.size);
    const wn_code result = finish_value(root, code, err);
    if (result != WN_OK) {
        cJSON_Delete(root);
        return result;
    }
    *out_root = (struct wn_json *)(void *)root;
    return WN_OK;
}

void wn_json_free(struct wn_json *root)
{
    cJSON_Delete((cJSON *)(void *)root);
}

enum wn_json_type wn_json_type(const struct wn_json *value)
{
    switch (item(value)->type & 0xFF) {
    case cJSON_False:
    case cJSON_True:
        return WN_JSON_BOOLEAN;
    case cJSON_Number:
        return WN_JSON_NUMBER;
    case cJSON_String:
        return WN_JSON_STRING;
    case cJSON_Array:
        return WN_JSON_ARRAY;
    case cJSON_Object:
        return WN_JSON_OBJECT;
    default:
        return WN_JSON_NULL;
    }
}

const char *wn_json_type_name(const struct wn_json *value)
{
    static const char *const names[] = {"null", "boolean", "number", "text", "array", "object"};
    return names[wn_json_type(value)];
}

bool wn_json_is(const struct wn_json *value, enum wn_json_type type)
{
    return value != NULL && wn_json_type(value) == type;
}

size_t wn_json_count(const struct wn_json *value)
{
    size_t n = 0;
    for (const cJSON *child = item(value)->child; child != NULL; child = child->next) {
        ++n;
    }
    return n;
}

const struct wn_json *wn_json_first(const struct wn_json *value)
{
    return value_of(item(value)->child);
}

const struct wn_json *wn_json_next(const struct wn_json *member)
{
    return value_of(item(member)->next);
}

struct wn_span wn_json_key(const struct wn_json *member)
{
    return item(member)->string != NULL ? wn_span_of(item(member)->string) : (struct wn_span){"", 0};
}

const struct wn_json *wn_json_get(const struct wn_json *object, const char *key)
{
    if (!wn_json_is(object, WN_JSON_OBJECT)) {
        return NULL;
    }
    for (const cJSON *member = item(object)->child; member != NULL; member = member->next) {
        if (strcmp(member->string, key) == 0) {
            return value_of(member);
        }
    }
    return NULL;
}

struct wn_span wn_json_text(const struct wn_json *string)
{
    if (!wn_json_is(string, WN_JSON_STRING)) {
        return (struct wn_span){"", 0};
    }
    return (struct wn_span){item(string)->valuestring, (size_t)item(string)->valuedouble};
}

bool wn_json_boolean(const struct wn_json *boolean)
{
    return boolean != NULL && (item(boolean)->type & 0xFF) == cJSON_True;
}

double wn_json_number(const struct wn_json *number)
{
    return wn_json_is(number, WN_JSON_NUMBER) ? item(number)->valuedouble : (double)NAN;
}

bool wn_json_integer(const struct wn_json *value, int64_t *out)
{
    const double limit = 9007199254740992.0; /* 2^53: the first double that two integers share */
    const double number = wn_json_number(value);
    if (!(number > -limit && number < limit) || number != trunc(number)) {
        return false;
    }
    *out = (int64_t)number;
    return true;
}

/* Writing. U+0000 goes into cJSON as C0 80, which cJSON prints as it stands, and is written out as an escape. */

static cJSON *new_string(struct wn_span text)
{
    size_t size = 0; /* a zero byte takes two */
    if (!wn_mul_size(text.size, 2, &size) || !wn_add_size(size, 1, &size)) {
        return NULL;
    }
    char *escaped = malloc(size);
    if (escaped == NULL) {
        return NULL;
    }
    size_t n = 0;
    for (size_t i = 0; i < text.size; ++i) {
        if (text.data[i] == '\0') {
            escaped[n++] = (char)0xC0;
            escaped[n++] = (char)0x80;
        } else {
            escaped[n++] = text.data[i];
        }
    }
    escaped[n] = '\0';
    cJSON *string = cJSON_CreateString(escaped);
    free(escaped);
    return string;
}

static bool add(struct wn_json *object, const char *key, cJSON *take_value)
{
    if (object == NULL || take_value == NULL ||
        !cJSON_AddItemToObject((cJSON *)(void *)object, key, take_value)) {
        cJSON_Delete(take_value);
        return false;
    }
    return true;
}

static bool append(struct wn_json *array, cJSON *take_value)
{
    if (array == NULL || take_value == NULL || !cJSON_AddItemToArray((cJSON *)(void *)array, take_value)) {
        cJSON_Delete(take_value);
        return false;
    }
    return true;
}

/* All digits: cJSON would print 2^53 and above through a double. */
static cJSON *new_integer(int64_t integer)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%lld", (long long)integer);
    return cJSON_CreateRaw(digits);
}

/* The shortest of 15 to 17 digits that reads back as the same double. */
static cJSON *new_number(double number)
{
    if (!isfinite(number)) {
        return cJSON_CreateNull();
    }
    char digits[40];
    for (int precision = 15; precision <= 17; ++precision) {
        snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (strtod(digits, NULL) == number) {
            break;
        }
    }
    return cJSON_CreateRaw(digits);
}

struct wn_json *wn_json_new_object(void)
{
    return (struct wn_json *)(void *)cJSON_CreateObject();
}

struct wn_json *wn_json_new_array(void)
{
    return (struct wn_json *)(void *)cJSON_CreateArray();
}

bool wn_json_add_value(struct wn_json *object, const char *key, struct wn_json *take_value)
{
    return add(object, key, (cJSON *)(void *)take_value);
}

bool wn_json_add_text(struct wn_json *object, const char *key, struct wn_span text)
{
    return add(object, key, new_string(text));
}

bool wn_json_add_number(struct wn_json *object, const char *key, double number)
{
    return add(object, key, new_number(number));
}

bool wn_json_add_integer(struct wn_json *object, const char *key, int64_t integer)
{
    return add(object, key, new_integer(integer));
}

bool wn_json_add_boolean(struct wn_json *object, const char *key, bool boolean)
{
    return add(object, key, cJSON_CreateBool(boolean));
}

bool wn_json_append_value(struct wn_json *array, struct wn_json *take_value)
{
    return append(array, (cJSON *)(void *)take_value);
}

bool wn_json_append_text(struct wn_json *array, struct wn_span text)
{
    return append(array, new_string(text));
}

bool wn_json_append_integer(struct wn_json *array, int64_t integer)
{
    return append(array, new_integer(integer));
}

/* C0 80 -> \u0000 in new memory. */
static char *escape_zeros(const char *text)
{
    size_t zeros = 0;
    for (const char *p = text; (p = strstr(p, "\xC0\x80")) != NULL; p += 2) {
        ++zeros;
    }
    char *escaped = malloc(strlen(text) + 4 * zeros + 1);
    if (escaped == NULL) {
        return NULL;
    }
    char *end = escaped;
    const char *p = text;
    for (const char *zero = NULL; (zero = strstr(p, "\xC0\x80")) != NULL; p = zero + 2) {
        memcpy(end, p, (size_t)(zero - p));
        end += zero - p;
        memcpy(end, "\\u0000", 6);
        end += 6;
    }
    memcpy(end, p, strlen(p) + 1);
    return escaped;
}

wn_code wn_json_print(const struct wn_json *value, bool indented, char **out_text, struct wn_error *err)
{
    char *printed = NULL;
    if (value != NULL) {
        printed = indented ? cJSON_Print(item(value)) : cJSON_PrintUnformatted(item(value));
    }
    char *text = printed != NULL ? escape_zeros(printed) : NULL;
    cJSON_free(printed);
    WN_CHECK(text != NULL, err, WN_DEVICE, "out of memory while writing JSON");
    *out_text = text;
    return WN_OK;
}
