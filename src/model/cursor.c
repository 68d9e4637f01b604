/* A strict cursor over JSON text.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/cursor.h"

#include "base/base.h"

struct wn_cursor wn_cursor_of(struct wn_span text)
{
    return (struct wn_cursor){text.data, text.data, text.data + text.size, NULL};
}

static bool scan_fail(struct wn_cursor *scan, const char *at, const char *problem)
{
    scan->at = at;
    scan->problem = problem;
    return false;
}

char wn_cursor_peek(struct wn_cursor *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r')) {
        ++scan->at;
    }
    return scan->at < scan->end ? *scan->at : '\0';
}

bool wn_cursor_mark(struct wn_cursor *scan, char mark)
{
    if (wn_cursor_peek(scan) != mark || scan->at == scan->end) {
        const char *const problem = mark == '{'   ? "needs an object ('{') here"
                                    : mark == '[' ? "needs a list ('[') here"
                                    : mark == ':' ? "needs ':' here"
                                                  : "needs another mark here";
        return scan_fail(scan, scan->at, problem);
    }
    ++scan->at;
    return true;
}

/* The 4 hexadecimal digits at `at`, or -1. */
static int hex4(const char *at, const char *end)
{
    if (end - at < 4) {
        return -1;
    }
    int value = 0;
    for (int i = 0; i < 4; ++i) {
        const char c = at[i];
        int digit = -1;
        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if (c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10;
        } else if (c >= 'A' && c <= 'F') {
            digit = c - 'A' + 10;
        }
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* The bytes of the escape at `at` (which points at the backslash), or 0 where it is none. */
static size_t escape_size(const char *at, const char *end)
{
    if (end - at < 2) {
        return 0;
    }
    if (at[1] != 'u') {
        return at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL ? 2 : 0;
    }
    const int unit = hex4(at + 2, end);
    if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) {
        return 0;
    }
    if (unit < 0xD800 || unit > 0xDBFF) {
        return 6;
    }
    if (end - at < 12 || at[6] != '\\' || at[7] != 'u') {
        return 0;
    }
    const int low = hex4(at + 8, end);
    return low >= 0xDC00 && low <= 0xDFFF ? 12 : 0;
}

bool wn_cursor_string(struct wn_cursor *scan, struct wn_span *out_raw)
{
    if (wn_cursor_peek(scan) != '"') {
        return scan_fail(scan, scan->at, "is not text in quotes");
    }
    const char *const begin = scan->at + 1;
    const char *at = begin;
    bool is_ascii = true;
    while (at < scan->end && *at != '"') {
        const unsigned char c = (unsigned char)*at;
        if (c < 0x20) {
            return scan_fail(scan, at, "has a control character in a text");
        }
        if (c == '\\') {
            const size_t size = escape_size(at, scan->end);
            if (size == 0) {
                return scan_fail(scan, at, "has an escape that is none of JSON's");
            }
            at += size;
            continue;
        }
        is_ascii = is_ascii && c < 0x80;
        ++at;
    }
    if (at == scan->end) {
        return scan_fail(scan, begin - 1, "has a text without its closing quote");
    }
    *out_raw = (struct wn_span){begin, (size_t)(at - begin)};
    size_t bad = 0;
    if (!is_ascii && !wn_utf8_valid(*out_raw, &bad)) {
        return scan_fail(scan, begin + bad, "has bytes that are not UTF-8");
    }
    scan->at = at + 1;
    return true;
}

bool wn_cursor_count(struct wn_cursor *scan, uint64_t *out)
{
    const char first = wn_cursor_peek(scan);
    if (first == '-') {
        return scan_fail(scan, scan->at, "is negative");
    }
    if (first < '0' || first > '9') {
        return scan_fail(scan, scan->at, "is not a number");
    }
    const char *at = scan->at;
    uint64_t value = 0;
    while (at < scan->end && *at >= '0' && *at <= '9') {
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value) || value > INT64_MAX) {
            return scan_fail(scan, scan->at, "is above 2^63 - 1");
        }
        ++at;
    }
    if (first == '0' && at - scan->at > 1) {
        return scan_fail(scan, scan->at, "is a number with a leading 0");
    }
    if (at < scan->end && (*at == '.' || *at == 'e' || *at == 'E')) {
        return scan_fail(scan, scan->at, "is not written as a whole number");
    }
    scan->at = at;
    *out = value;
    return true;
}

int wn_cursor_step(struct wn_cursor *scan, bool first, char close)
{
    const char c = wn_cursor_peek(scan);
    if (c == close && scan->at < scan->end) {
        ++scan->at;
        return 0;
    }
    if (first) {
        if (scan->at == scan->end) {
            scan->problem = "ends in the middle";
            return -1;
        }
        return 1;
    }
    if (c != ',') {
        scan->problem = scan->at == scan->end ? "ends in the middle" : "needs ',' or the closing mark here";
        return -1;
    }
    ++scan->at;
    if (wn_cursor_peek(scan) == close) {
        scan->problem = "has ',' before the closing mark";
        return -1;
    }
    return 1;
}

/* A number by JSON's grammar, or one of the three words. */
static bool skip_plain(struct wn_cursor *scan)
{
    static const char *const words[] = {"true", "false", "null"};
    const size_t left = (size_t)(scan->end - scan->at);
    for (size_t i = 0; i < sizeof words / sizeof *words; ++i) {
        const size_t size = strlen(words[i]);
        if (left >= size && memcmp(scan->at, words[i], size) == 0) {
            scan->at += size;
            return true;
        }
    }
    const char *at = scan->at;
    const char *const end = scan->end;
    at += at < end && *at == '-';
    const char *const digits = at;
    while (at < end && *at >= '0' && *at <= '9') {
        ++at;
    }
    if (at == digits || (*digits == '0' && at - digits > 1)) {
        return scan_fail(scan, scan->at, "is no JSON value");
    }
    if (at < end && *at == '.') {
        const char *const fraction = ++at;
        while (at < end && *at >= '0' && *at <= '9') {
            ++at;
        }
        if (at == fraction) {
            return scan_fail(scan, scan->at, "is no JSON number");
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        ++at;
        at += at < end && (*at == '+' || *at == '-');
        const char *const exponent = at;
        while (at < end && *at >= '0' && *at <= '9') {
            ++at;
        }
        if (at == exponent) {
            return scan_fail(scan, scan->at, "is no JSON number");
        }
    }
    scan->at = at;
    return true;
}

bool wn_cursor_skip(struct wn_cursor *scan)
{
    char closes[WN_CURSOR_DEPTH];
    bool is_first = true;
    int depth = 0;
    do {
        if (depth > 0) {
            const int step = wn_cursor_step(scan, is_first, closes[depth - 1]);
            if (step < 0) {
                return false;
            }
            if (step == 0) {
                --depth;
                is_first = false;
                continue;
            }
            struct wn_span key;
            if (closes[depth - 1] == '}' && (!wn_cursor_string(scan, &key) || !wn_cursor_mark(scan, ':'))) {
                return false;
            }
        }
        const char c = wn_cursor_peek(scan);
        struct wn_span text;
        is_first = false;
        if (c == '{' || c == '[') {
            if (depth == WN_CURSOR_DEPTH) {
                return scan_fail(scan, scan->at, "is nested more than 64 deep");
            }
            closes[depth++] = c == '{' ? '}' : ']';
            ++scan->at;
            is_first = true;
        } else if (c == '"' ? !wn_cursor_string(scan, &text) : !skip_plain(scan)) {
            return false;
        }
    } while (depth > 0);
    return true;
}

bool wn_cursor_finish(struct wn_cursor *scan)
{
    (void)wn_cursor_peek(scan);
    return scan->at == scan->end || scan_fail(scan, scan->at, "goes on after its closing mark");
}

const char *wn_cursor_show(struct wn_span raw, char *out, size_t size)
{
    const bool is_cut = raw.size > size - 1;
    const size_t n = is_cut ? size - 4 : raw.size;
    for (size_t i = 0; i < n; ++i) {
        out[i] = raw.data[i] >= 0x20 && raw.data[i] < 0x7f ? raw.data[i] : '?';
    }
    memcpy(out + n, is_cut ? "..." : "", is_cut ? 4 : 1);
    return out;
}
