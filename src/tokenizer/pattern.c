/* Patterns of tokenizer.json, written for Oniguruma (Ruby syntax), in the words of PCRE2.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What differs and is rewritten: `(?i)` takes the rest of its group into itself; `x{n,m}+` repeats and is not
 * possessive; `x{n}?` is optional; `x{,m}`; (?m) is PCRE2's (?s); classes within classes, `&&`; \h is a hexadecimal
 * digit, \v the vertical tab; \w and \b go by Alphabetic, M, Nd, Pc; \p{Han} is the script, not its extensions.
 * What has no counterpart is refused by name. Source: Oniguruma 6.9.10, doc/RE and doc/SYNTAX.md, and what the
 * library itself does (compared over all characters).
 */
#include "tokenizer/pattern.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

/* --- Sequences --- */

static wn_code read_group(struct wn_reader *reader, struct wn_string *out);

static wn_code wrap(struct wn_reader *reader, struct wn_string *out, size_t from)
{
    WN_TRY(wn_put_text(reader, out, "(?:)"));
    memmove(out->data + from + 3, out->data + from, out->size - 4 - from);
    memcpy(out->data + from, "(?:", 3);
    out->data[out->size - 1] = ')';
    return WN_OK;
}

static bool read_number(struct wn_reader *reader, struct wn_string *digits)
{
    digits->size = 0;
    while (wn_reader_peek(reader, 0) >= '0' && wn_reader_peek(reader, 0) <= '9' && digits->size < 8) {
        digits->data[digits->size++] = wn_reader_peek(reader, 0);
        reader->at++;
    }
    return digits->size > 0;
}

/* {n}, {n,}, {,m}, {n,m} behind the atom that starts at `atom`; false where the brace is a literal one. */
static wn_code read_interval(struct wn_reader *reader, struct wn_string *out, size_t atom,
                             bool *out_is_interval)
{
    const size_t start = reader->at;
    char low_digits[8];
    char high_digits[8];
    struct wn_string low = {low_digits, 0, sizeof low_digits};
    struct wn_string high = {high_digits, 0, sizeof high_digits};
    reader->at++;
    const bool has_low = read_number(reader, &low);
    const bool has_comma = wn_reader_take(reader, ",");
    const bool has_high = has_comma && read_number(reader, &high);
    *out_is_interval = wn_reader_take(reader, "}") && (has_low || has_high);
    if (!*out_is_interval) {
        reader->at = start;
        return WN_OK;
    }
    WN_TRY(wn_put_text(reader, out, "{"));
    WN_TRY(has_low ? wn_put(reader, out, low.data, low.size) : wn_put_text(reader, out, "0"));
    WN_TRY(wn_put_text(reader, out, has_comma ? "," : ""));
    WN_TRY(wn_put(reader, out, high.data, high.size));
    WN_TRY(wn_put_text(reader, out, "}"));
    if (wn_reader_peek(reader, 0) == '+' || (wn_reader_peek(reader, 0) == '?' && !has_comma)) {
        WN_TRY(wrap(reader, out, atom)); /* the sign repeats the whole */
        WN_TRY(wn_put(reader, out, reader->source.data + reader->at, 1));
        reader->at++;
    } else if (wn_reader_take(reader, "?")) {
        WN_TRY(wn_put_text(reader, out, "?"));
    }
    return WN_OK;
}

static wn_code read_outer_escape(struct wn_reader *reader, struct wn_string *out, uint32_t *out_literal)
{
    static const struct {
        const char *from;
        const char *to;
        bool kinds;
    } anchors[] = {
        {"A", "\\A", false},
        {"z", "\\z", false},
        {"Z", "\\Z", false},
        {"R", "\\R", false},
        {"b",
         "(?:(?<=[" WN_PATTERN_WORD "])(?![" WN_PATTERN_WORD "])|(?<![" WN_PATTERN_WORD
         "])(?=[" WN_PATTERN_WORD "]))",
         true},
        {"B",
         "(?:(?<=[" WN_PATTERN_WORD "])(?=[" WN_PATTERN_WORD "])|(?<![" WN_PATTERN_WORD
         "])(?![" WN_PATTERN_WORD "]))",
         true},
    };
    for (size_t i = 0; i < sizeof anchors / sizeof anchors[0]; i++) {
        if (wn_reader_take(reader, anchors[i].from)) {
            reader->kinds |= anchors[i].kinds;
            return wn_put_text(reader, out, anchors[i].to);
        }
    }
    bool is_character = false;
    struct wn_said said;
    uint32_t c = 0;
    WN_TRY(wn_read_escape(reader, &is_character, &c, &said));
    if (is_character) {
        *out_literal = c;
        return wn_put_character(reader, out, c);
    }
    const bool is_single =
        !said.is_plain || (said.inside[0] == '\\' && strchr(said.inside + 1, '\\') == NULL);
    WN_TRY(wn_put_text(reader, out, is_single ? "" : "["));
    WN_TRY(wn_put_text(reader, out, said.inside));
    return wn_put_text(reader, out, is_single ? "" : "]");
}

static wn_code read_bracket(struct wn_reader *reader, struct wn_string *out)
{
    struct wn_string text = {0};
    bool is_plain = false;
    wn_code code = wn_read_class(reader, &text, &is_plain);
    if (code == WN_OK && text.size == 0) {
        code = wn_pattern_refuse(reader, "an empty class");
    }
    if (code == WN_OK) {
        code = wn_put_text(reader, out, is_plain ? "[" : "");
    }
    if (code == WN_OK) {
        code = wn_put(reader, out, text.data, text.size);
    }
    if (code == WN_OK) {
        code = wn_put_text(reader, out, is_plain ? "]" : "");
    }
    free(text.data);
    return code;
}

/* Under (?i) Oniguruma lets some pairs of letters match one character (ss and U+00DF ...): PCRE2 does not. */
static bool folds_together(uint32_t a, uint32_t b)
{
    const uint32_t first = a | 0x20;
    const uint32_t second = b | 0x20;
    return (first == 's' && (second == 's' || second == 't')) ||
           (first == 'f' && (second == 'f' || second == 'i' || second == 'l'));
}

static wn_code read_quantifier(struct wn_reader *reader, struct wn_string *out)
{
    WN_TRY(wn_put(reader, out, reader->source.data + reader->at, 1));
    reader->at++;
    if (wn_reader_peek(reader, 0) == '?' || wn_reader_peek(reader, 0) == '+') {
        WN_TRY(wn_put(reader, out, reader->source.data + reader->at, 1));
        reader->at++;
    }
    return WN_OK;
}

static wn_code read_literal(struct wn_reader *reader, struct wn_string *out, uint32_t *out_literal)
{
    size_t size = 0;
    *out_literal = wn_utf8_get(reader->source.data + reader->at, &size);
    reader->at += size;
    return wn_put_character(reader, out, *out_literal);
}

/* Everything up to the group's `)` or the end. */
static wn_code read_sequence(struct wn_reader *reader, struct wn_string *out)
{
    size_t atom = out->size;
    uint32_t before = 0; /* the literal before, for folds_together */
    while (!wn_reader_at_end(reader) && wn_reader_peek(reader, 0) != ')') {
        const char c = wn_reader_peek(reader, 0);
        uint32_t literal = 0;
        if (c == '*' || c == '+' || c == '?') {
            WN_TRY(read_quantifier(reader, out));
            before = 0;
            continue;
        }
        if (c == '{') {
            bool is_interval = false;
            WN_TRY(read_interval(reader, out, atom, &is_interval));
            if (is_interval) {
                before = 0;
                continue;
            }
        }
        atom = out->size;
        if (c == '|' || c == '^' || c == '$' || c == '.') {
            reader->at++;
            WN_TRY(wn_put(reader, out, &c, 1));
        } else if (c == '(') {
            WN_TRY(read_group(reader, out));
        } else if (wn_reader_take(reader, "[")) {
            WN_TRY(read_bracket(reader, out));
        } else if (wn_reader_take(reader, "\\")) {
            WN_TRY(read_outer_escape(reader, out, &literal));
        } else {
            WN_TRY(read_literal(reader, out, &literal));
        }
        if (reader->fold && before != 0 && literal != 0 && folds_together(before, literal)) {
            return wn_pattern_refuse(reader, "case-insensitive letters that fold into one character");
        }
        before = literal;
    }
    return WN_OK;
}

/* (?i) (?m:...) (?-i) and the like; the reader stands behind `(?`. */
static wn_code read_options(struct wn_reader *reader, struct wn_string *out)
{
    const bool fold = reader->fold;
    bool is_on = true;
    WN_TRY(wn_put_text(reader, out, "(?"));
    while (wn_reader_peek(reader, 0) != ':' && wn_reader_peek(reader, 0) != ')') {
        if (wn_reader_take(reader, "-")) {
            is_on = false;
            WN_TRY(wn_put_text(reader, out, "-"));
        } else if (wn_reader_take(reader, "i")) {
            reader->fold = is_on;
            WN_TRY(wn_put_text(reader, out, "i"));
        } else if (wn_reader_take(reader, "m")) {
            WN_TRY(wn_put_text(reader, out, "s"));
        } else {
            return wn_pattern_refuse(reader, "a kind of group");
        }
    }
    const bool takes_rest = wn_reader_take(reader, ")");
    if (!takes_rest) {
        reader->at++;
    }
    WN_TRY(wn_put_text(reader, out, ":"));
    WN_TRY(read_sequence(reader, out));
    reader->fold = fold;
    if (!takes_rest && !wn_reader_take(reader, ")")) {
        return wn_pattern_refuse(reader, "a group without its end");
    }
    return wn_put_text(reader, out, ")");
}

static wn_code read_group(struct wn_reader *reader, struct wn_string *out)
{
    static const char *const heads[][2] = {{"(?:", "(?:"},   {"(?=", "(?="},   {"(?!", "(?!"},
                                           {"(?<=", "(?<="}, {"(?<!", "(?<!"}, {"(?>", "(?>"}};
    if (++reader->depth > WN_PATTERN_DEPTH) {
        return wn_pattern_refuse(reader, "too deep a nesting");
    }
    const char *head = NULL;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0] && head == NULL; i++) {
        if (wn_reader_take(reader, heads[i][0])) {
            head = heads[i][1];
        }
    }
    if (head == NULL && wn_reader_take(reader, "(?<")) { /* a name; nothing refers to it */
        while (!wn_reader_at_end(reader) && wn_reader_peek(reader, 0) != '>') {
            reader->at++;
        }
        head = wn_reader_take(reader, ">") ? "(?:" : NULL;
        if (head == NULL) {
            return wn_pattern_refuse(reader, "a group name without its end");
        }
    }
    if (head == NULL && wn_reader_take(reader, "(?")) {
        WN_TRY(read_options(reader, out));
        reader->depth--;
        return WN_OK;
    }
    if (head == NULL) {
        reader->at++;
        head = "(?:";
    }
    WN_TRY(wn_put_text(reader, out, head));
    WN_TRY(read_sequence(reader, out));
    if (!wn_reader_take(reader, ")")) {
        return wn_pattern_refuse(reader, "a group without its end");
    }
    reader->depth--;
    return wn_put_text(reader, out, ")");
}

wn_code wn_pattern_translate(struct wn_span source, char **out_text, size_t *out_size, bool *out_kinds,
                             struct wn_error *err)
{
    struct wn_reader reader = {.source = source, .err = err};
    struct wn_string out = {0};
    wn_code code = wn_put_text(&reader, &out, "");
    if (code == WN_OK) {
        code = read_sequence(&reader, &out);
    }
    if (code == WN_OK && !wn_reader_at_end(&reader)) {
        code = wn_pattern_refuse(&reader, "a closing parenthesis without its group");
    }
    if (code != WN_OK) {
        free(out.data);
        return code;
    }
    *out_text = out.data;
    *out_size = out.size;
    *out_kinds = reader.kinds;
    return WN_OK;
}
