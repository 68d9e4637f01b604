/* Strict JSON: what is refused, what is kept that cJSON would lose.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>

static wn_code parse(const char *text, size_t size, struct wn_json **out, struct wn_error *err)
{
    return wn_json_parse((struct wn_span){text, size}, WN_INPUT, out, err);
}

Test(json, refuses_what_is_not_json_and_says_where)
{
    static const struct {
        const char *text, *what;
    } cases[] = {
        {"", "ends where a value"},
        {"  ", "ends where a value"},
        {"{", "key in quotes"},
        {"[1,]", "no JSON value"},
        {"[,1]", "no JSON value"},
        {"{\"a\":1,}", "key in quotes"},
        {"{\"a\" 1}", "colon"},
        {"{\"a\":1 \"b\":2}", "comma or }"},
        {"[1 2]", "comma or ]"},
        {"[1}", "comma or ]"},
        {"01", "number"},
        {"1.", "number"},
        {"1e", "number"},
        {"-", "number"},
        {"+1", "no JSON value"},
        {"nul", "no JSON value"},
        {"nullx", "more text"},
        {"1 2", "more text"},
        {"\"a", "does not end"},
        {"\"a\nb\"", "control character"},
        {"\"\\x\"", "unknown escape"},
        {"\"\\u12g4\"", "unknown escape"},
        {"\"\\ud800\"", "lone high surrogate"},
        {"\"\\ud800\\u0041\"", "lone high surrogate"},
        {"\"\\udc00\"", "lone low surrogate"},
        {"\"\xff\"", "UTF-8"},
        {"\"\xc0\x80\"", "UTF-8"},
        {"\"\xed\xa0\x80\"", "UTF-8"},
        {"\xef\xbb\xbf{}", "no JSON value"},
        {"{\"a\":1,\"a\":2}", "stands twice"},
        {"[{\"x\":{\"k\":1,\"b\":2,\"k\":3}}]", "stands twice"},
        {"'a'", "no JSON value"},
        {"/* c */ 1", "no JSON value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        struct wn_error err = {0};
        struct wn_json *root = NULL;
        const wn_code code = parse(cases[i].text, strlen(cases[i].text), &root, &err);
        cr_assert_eq(code, WN_INPUT, "case %zu: %s was accepted", i, cases[i].text);
        cr_assert_not_null(strstr(err.text, cases[i].what), "case %zu: %s gave: %s", i, cases[i].text, err.text);
    }
}

Test(json, keeps_zero_characters_and_their_length)
{
    struct wn_error err = {0};
    struct wn_json *root = NULL;
    static const char text[] = "{\"a\":\"x\\u0000y\\u0000\",\"b\":\"\\u0000\",\"c\":\"\"}";
    WN_TEST_OK(parse(text, sizeof text - 1, &root, &err));
    const struct wn_span a = wn_json_text(wn_json_get(root, "a"));
    cr_assert_eq(a.size, 4);
    cr_assert_eq(memcmp(a.data, "x\0y\0", 4), 0);
    cr_assert_eq(wn_json_text(wn_json_get(root, "b")).size, 1);
    cr_assert_eq(wn_json_text(wn_json_get(root, "c")).size, 0);
    wn_json_free(root);
}

Test(json, reads_pythons_bare_numbers)
{
    struct wn_error err = {0};
    struct wn_json *root = NULL;
    static const char text[] = "[NaN, Infinity, -Infinity, -1.5, \"NaN\", \"\\ud83d\\ude42\"]";
    WN_TEST_OK(parse(text, sizeof text - 1, &root, &err));
    const struct wn_json *value = wn_json_first(root);
    cr_assert(isnan(wn_json_number(value)));
    value = wn_json_next(value);
    cr_assert(isinf(wn_json_number(value)) && wn_json_number(value) > 0);
    value = wn_json_next(value);
    cr_assert(isinf(wn_json_number(value)) && wn_json_number(value) < 0);
    value = wn_json_next(value);
    cr_assert_eq(wn_json_number(value), -1.5);
    value = wn_json_next(value);
    cr_assert(wn_span_is(wn_json_text(value), "NaN"));
    value = wn_json_next(value);
    cr_assert(wn_span_is(wn_json_text(value), "\xF0\x9F\x99\x82"));
    cr_assert_null(wn_json_next(value));
    cr_assert_eq(wn_json_count(root), 6);
    wn_json_free(root);
}

Test(json, compares_keys_exactly_and_integers_without_loss)
{
    struct wn_error err = {0};
    struct wn_json *root = NULL;
    static const char text[] = "{\"A\":1,\"a\":9007199254740993,\"b\":9007199254740991,\"c\":1.5,\"d\":-3,\"e\":1e3}";
    WN_TEST_OK(parse(text, sizeof text - 1, &root, &err));
    int64_t integer = 0;
    cr_assert(wn_json_integer(wn_json_get(root, "A"), &integer) && integer == 1);
    cr_assert_not(wn_json_integer(wn_json_get(root, "a"), &integer), "2^53 + 1 lost a digit unnoticed");
    cr_assert(wn_json_integer(wn_json_get(root, "b"), &integer) && integer == 9007199254740991);
    cr_assert_not(wn_json_integer(wn_json_get(root, "c"), &integer));
    cr_assert(wn_json_integer(wn_json_get(root, "d"), &integer) && integer == -3);
    cr_assert(wn_json_integer(wn_json_get(root, "e"), &integer) && integer == 1000);
    cr_assert_null(wn_json_get(root, "B"));
    wn_json_free(root);
}

Test(json, bounds_nesting)
{
    struct wn_error err = {0};
    struct wn_json *root = NULL;
    char text[2 * WN_JSON_DEPTH + 2];
    memset(text, '[', WN_JSON_DEPTH + 1);
    memset(text + WN_JSON_DEPTH + 1, ']', WN_JSON_DEPTH + 1);
    cr_assert_eq(parse(text, sizeof text, &root, &err), WN_INPUT);
    cr_assert_not_null(strstr(err.text, "nesting"));
    WN_TEST_OK(parse(text + 1, sizeof text - 2, &root, &err));
    wn_json_free(root);
}

Test(json, prints_what_it_reads)
{
    struct wn_error err = {0};
    struct wn_json *object = wn_json_new_object();
    cr_assert(wn_json_add_text(object, "text", (struct wn_span){"a\0\"\n\xC3\xA9", 6}));
    cr_assert(wn_json_add_integer(object, "big", INT64_MAX));
    cr_assert(wn_json_add_number(object, "tenth", 0.1));
    cr_assert(wn_json_add_number(object, "none", (double)NAN));
    cr_assert(wn_json_add_boolean(object, "yes", true));
    struct wn_json *array = wn_json_new_array();
    cr_assert(wn_json_append_integer(array, 7));
    cr_assert(wn_json_append_text(array, wn_span_of("x")));
    cr_assert(wn_json_add_value(object, "list", array));
    char *text = NULL;
    WN_TEST_OK(wn_json_print(object, false, &text, &err));
    cr_assert_str_eq(text, "{\"text\":\"a\\u0000\\\"\\n\xC3\xA9\",\"big\":9223372036854775807,\"tenth\":0.1,"
                           "\"none\":null,\"yes\":true,\"list\":[7,\"x\"]}");
    struct wn_json *again = NULL;
    WN_TEST_OK(parse(text, strlen(text), &again, &err));
    cr_assert_eq(wn_json_text(wn_json_get(again, "text")).size, 6);
    wn_json_free(again);
    free(text);
    wn_json_free(object);
}

/* xorshift: the test's own numbers, the same every time. */
static uint64_t next_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

Test(json, survives_any_bytes)
{
    static const char seed[] = "{\"a\":[1,-2.5e3,\"x\\u0000\\n\\ud83d\\ude42\",NaN,null],\"b\":{\"c\":true}}";
    uint64_t state = 88172645463325252u;
    for (int round = 0; round < 20000; ++round) {
        char text[sizeof seed];
        memcpy(text, seed, sizeof seed);
        for (int change = 0; change < 3; ++change) {
            text[next_number(&state) % (sizeof seed - 1)] = (char)next_number(&state);
        }
        struct wn_error err = {0};
        struct wn_json *root = NULL;
        const size_t size = sizeof seed - 1 - next_number(&state) % 4;
        if (parse(text, size, &root, &err) == WN_OK) {
            wn_json_free(root);
        }
    }
}
