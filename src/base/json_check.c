/* The grammar of JSON (RFC 8259) with Python's three bare numbers, as a loop over bytes with a stack of containers.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/json_check.h"

#include "base/json.h"

#include <stdint.h>

struct scan {
    const unsigned char *text;
    size_t size, at;
    char *out;
    size_t n; /* written to out */
    struct wn_json_fault *fault;
    char stack[WN_JSON_DEPTH]; /* '{' or '[' */
    int depth;
};

size_t wn_json_rewritten_size(struct wn_span text)
{
    /* The one growth is NaN: 3 bytes become 5; every other rewrite shrinks. */
    return text.size + text.size / 3 * 2 + 8;
}

static bool fail(struct scan *s, size_t byte, const char *what)
{
    s->fault->byte = byte;
    s->fault->what = what;
    return false;
}

static int peek(const struct scan *s)
{
    return s->at < s->size ? s->text[s->at] : -1;
}

static void copy(struct scan *s, size_t from, size_t to)
{
    if (from == to) {
        return; /* an empty text may be a NULL pointer, which nothing may be added to */
    }
    memcpy(s->out + s->n, s->text + from, to - from);
    s->n += to - from;
}

static void skip_blanks(struct scan *s)
{
    const size_t from = s->at;
    while (s->at < s->size) {
        const unsigned char c = s->text[s->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
            break;
        }
        ++s->at;
    }
    copy(s, from, s->at);
}

/* Four hexadecimal digits at `at`, or -1. */
static int32_t read_hex4(const struct scan *s, size_t at)
{
    if (s->size - at < 4) {
        return -1;
    }
    int32_t value = 0;
    for (size_t i = at; i < at + 4; ++i) {
        const unsigned char c = s->text[i];
        int32_t digit = -1;
        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (c | 0x20) - 'a' + 10;
        }
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* The escape whose backslash stands at s->at. */
static bool check_escape(struct scan *s)
{
    const size_t from = s->at;
    const int c = from + 1 < s->size ? s->text[from + 1] : -1;
    if (c >= 0 && strchr("\"\\/bfnrt", c) != NULL && c != 0) {
        s->at += 2;
        copy(s, from, s->at);
        return true;
    }
    const int32_t unit = c == 'u' ? read_hex4(s, from + 2) : -1;
    if (unit < 0) {
        return fail(s, from, "an unknown escape in a text");
    }
    s->at += 6;
    if (unit == 0) {
        s->out[s->n++] = (char)0xC0;
        s->out[s->n++] = (char)0x80;
        return true;
    }
    if (unit >= 0xDC00 && unit <= 0xDFFF) {
        return fail(s, from, "a lone low surrogate (\\uDC00 to \\uDFFF) in a text");
    }
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        const bool has_second = s->size - s->at >= 6 && s->text[s->at] == '\\' && s->text[s->at + 1] == 'u';
        const int32_t low = has_second ? read_hex4(s, s->at + 2) : -1;
        if (low < 0xDC00 || low > 0xDFFF) {
            return fail(s, from, "a lone high surrogate (\\uD800 to \\uDBFF) in a text");
        }
        s->at += 6;
    }
    copy(s, from, s->at);
    return true;
}

/* The string whose first quote stands at s->at. */
static bool check_string(struct scan *s)
{
    const size_t start = s->at;
    size_t from = s->at++;
    while (s->at < s->size) {
        const unsigned char c = s->text[s->at];
        if (c == '"') {
            ++s->at;
            copy(s, from, s->at);
            return true;
        }
        if (c < 0x20) {
            return fail(s, s->at, "a raw control character in a text (it must be escaped)");
        }
        if (c == '\\') {
            copy(s, from, s->at);
            if (!check_escape(s)) {
                return false;
            }
            from = s->at;
            continue;
        }
        ++s->at;
    }
    return fail(s, start, "a text that does not end");
}

static size_t skip_digits(struct scan *s)
{
    const size_t from = s->at;
    while (peek(s) >= '0' && peek(s) <= '9') {
        ++s->at;
    }
    return s->at - from;
}

static bool check_number(struct scan *s)
{
    const size_t from = s->at;
    if (peek(s) == '-') {
        ++s->at;
    }
    const bool has_zero = peek(s) == '0';
    const size_t whole = skip_digits(s);
    if (whole == 0 || (has_zero && whole > 1)) {
        return fail(s, from, "a number that is not JSON");
    }
    if (peek(s) == '.') {
        ++s->at;
        if (skip_digits(s) == 0) {
            return fail(s, from, "a number that is not JSON");
        }
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        ++s->at;
        if (peek(s) == '+' || peek(s) == '-') {
            ++s->at;
        }
        if (skip_digits(s) == 0) {
            return fail(s, from, "a number that is not JSON");
        }
    }
    copy(s, from, s->at);
    return true;
}

static bool take_word(struct scan *s, const char *word)
{
    const size_t n = strlen(word);
    if (s->size - s->at < n || memcmp(s->text + s->at, word, n) != 0) {
        return false;
    }
    s->at += n;
    return true;
}

static bool check_word(struct scan *s)
{
    static const struct {
        const char *word, *written;
    } words[] = {{"null", "null"},
                 {"true", "true"},
                 {"false", "false"},
                 {"NaN", "\"\xC0\x81N\""},
                 {"Infinity", "\"\xC0\x81P\""},
                 {"-Infinity", "\"\xC0\x81M\""}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; ++i) {
        if (take_word(s, words[i].word)) {
            const size_t n = strlen(words[i].written);
            memcpy(s->out + s->n, words[i].written, n);
            s->n += n;
            return true;
        }
    }
    return fail(s, s->at, s->at < s->size ? "no JSON value here" : "the text ends where a value is expected");
}

/* A value that is no container, or the opening of one. */
static bool check_value(struct scan *s, bool *out_opened)
{
    *out_opened = false;
    const int c = peek(s);
    if (c == '{' || c == '[') {
        if (s->depth == WN_JSON_DEPTH) {
            return fail(s, s->at, "nesting deeper than 256 levels");
        }
        s->stack[s->depth++] = (char)c;
        copy(s, s->at, s->at + 1);
        ++s->at;
        *out_opened = true;
        return true;
    }
    if (c == '"') {
        return check_string(s);
    }
    const bool is_minus_word = c == '-' && s->size - s->at > 1 && s->text[s->at + 1] == 'I';
    if ((c == '-' && !is_minus_word) || (c >= '0' && c <= '9')) {
        return check_number(s);
    }
    return check_word(s);
}

static bool check_key(struct scan *s)
{
    skip_blanks(s);
    if (peek(s) != '"') {
        return fail(s, s->at, "a key in quotes is expected here");
    }
    if (!check_string(s)) {
        return false;
    }
    skip_blanks(s);
    if (peek(s) != ':') {
        return fail(s, s->at, "a colon is expected after the key");
    }
    copy(s, s->at, s->at + 1);
    ++s->at;
    skip_blanks(s);
    return true;
}

/* After a value: close containers while they end, then step over a comma. *out_done once the outermost has ended. */
static bool check_after_value(struct scan *s, bool was_opened, bool *out_done)
{
    bool is_first = was_opened; /* a container may be empty; a comma may not come first */
    while (s->depth > 0) {
        skip_blanks(s);
        const bool is_object = s->stack[s->depth - 1] == '{';
        const int c = peek(s);
        if (c == (is_object ? '}' : ']')) {
            copy(s, s->at, s->at + 1);
            ++s->at;
            --s->depth;
            is_first = false;
            continue;
        }
        if (!is_first) {
            if (c != ',') {
                return fail(s, s->at,
                            is_object ? "a comma or } is expected here" : "a comma or ] is expected here");
            }
            copy(s, s->at, s->at + 1);
            ++s->at;
        }
        skip_blanks(s);
        return is_object ? check_key(s) : true;
    }
    *out_done = true;
    return true;
}

bool wn_json_check(struct wn_span text, char *out, size_t *out_size, struct wn_json_fault *fault)
{
    struct scan s = {.text = (const unsigned char *)text.data, .size = text.size, .out = out, .fault = fault};
    size_t bad = 0;
    if (!wn_utf8_valid(text, &bad)) {
        return fail(&s, bad, "bytes that are not valid UTF-8");
    }
    skip_blanks(&s);
    bool is_done = false;
    while (!is_done) {
        bool was_opened = false;
        if (!check_value(&s, &was_opened) || !check_after_value(&s, was_opened, &is_done)) {
            return false;
        }
    }
    skip_blanks(&s);
    if (s.at != s.size) {
        return fail(&s, s.at, "more text after the value");
    }
    s.out[s.n] = '\0';
    *out_size = s.n;
    return true;
}
