/* Patterns: characters, escapes, kinds of characters and classes in the words of PCRE2.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Source of the sets: Oniguruma 6.9.10, doc/RE, and what the library does with each character.
 */
#include "tokenizer/pattern.h"
#include "tokenizer/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

wn_code wn_put(struct wn_reader *reader, struct wn_string *out, const char *text, size_t size)
{
    WN_TRY(wn_grow((void **)&out->data, &out->capacity, out->size + size, 1, reader->err));
    if (size > 0) {
        memcpy(out->data + out->size, text, size);
    }
    out->size += size;
    return WN_OK;
}

wn_code wn_put_text(struct wn_reader *reader, struct wn_string *out, const char *text)
{
    return wn_put(reader, out, text, strlen(text));
}

wn_code wn_pattern_refuse(const struct wn_reader *reader, const char *what)
{
    WN_FAIL(reader->err, WN_MODEL, "the pattern '%.*s' uses %s at byte %zu, which is not supported",
            (int)(reader->source.size < 400 ? reader->source.size : 400), reader->source.data, what,
            reader->at);
}

bool wn_reader_at_end(const struct wn_reader *reader)
{
    return reader->at >= reader->source.size;
}

char wn_reader_peek(const struct wn_reader *reader, size_t ahead)
{
    return reader->at + ahead < reader->source.size ? reader->source.data[reader->at + ahead] : '\0';
}

bool wn_reader_take(struct wn_reader *reader, const char *text)
{
    const size_t size = strlen(text);
    if (reader->source.size - reader->at < size ||
        memcmp(reader->source.data + reader->at, text, size) != 0) {
        return false;
    }
    reader->at += size;
    return true;
}

wn_code wn_put_character(struct wn_reader *reader, struct wn_string *out, uint32_t c)
{
    char bytes[8];
    if (c < 0x80) {
        const char letter = (char)c;
        if (c < 0x20 || c == 0x7F) {
            char hex[16];
            (void)snprintf(hex, sizeof hex, "\\x{%x}", (unsigned)c);
            return wn_put_text(reader, out, hex);
        }
        const bool plain =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == ' ';
        if (!plain) {
            WN_TRY(wn_put(reader, out, "\\", 1));
        }
        return wn_put(reader, out, &letter, 1);
    }
    if (reader->fold) {
        return wn_pattern_refuse(reader, "a case-insensitive character beyond ASCII");
    }
    return wn_put(reader, out, bytes, wn_utf8_put(c, bytes));
}

/* --- Kinds of characters: text that stands inside a PCRE2 class --- */

#define ALPHABETIC \
    "\\p{Alphabetic}\\x{363}-\\x{36f}\\x{c04}\\x{f82}-\\x{f83}\\x{1dd3}-\\x{1de6}\\x{11080}-\\x{11081}"
struct kind {
    const char *name; /* lower case, without spaces, _ and - */
    const char *inside;
    const char *negated; /* NULL: only a class of its own can say it */
};

static const struct kind posix_kinds[] = {
    {"alpha", ALPHABETIC, NULL},     {"alphabetic", ALPHABETIC, NULL}, {"alnum", ALPHABETIC "\\p{Nd}", NULL},
    {"digit", "\\p{Nd}", "\\P{Nd}"}, {"space", "\\s", "\\S"},          {"whitespace", "\\s", "\\S"},
    {"punct", "\\p{P}\\p{S}", NULL}, {"blank", "\\p{Zs}\\t", NULL},    {"cntrl", "\\p{Cc}", "\\P{Cc}"},
    {"xdigit", "0-9A-Fa-f", NULL},   {"word", WN_PATTERN_WORD, NULL},  {"ascii", "\\x{0}-\\x{7f}", NULL},
};

static const char *const category_names[][2] = {
    {"letter", "L"},
    {"casedletter", "L&"},
    {"lc", "L&"},
    {"uppercaseletter", "Lu"},
    {"lowercaseletter", "Ll"},
    {"titlecaseletter", "Lt"},
    {"modifierletter", "Lm"},
    {"otherletter", "Lo"},
    {"mark", "M"},
    {"nonspacingmark", "Mn"},
    {"spacingmark", "Mc"},
    {"enclosingmark", "Me"},
    {"number", "N"},
    {"decimalnumber", "Nd"},
    {"letternumber", "Nl"},
    {"othernumber", "No"},
    {"punctuation", "P"},
    {"connectorpunctuation", "Pc"},
    {"dashpunctuation", "Pd"},
    {"openpunctuation", "Ps"},
    {"closepunctuation", "Pe"},
    {"initialpunctuation", "Pi"},
    {"finalpunctuation", "Pf"},
    {"otherpunctuation", "Po"},
    {"symbol", "S"},
    {"mathsymbol", "Sm"},
    {"currencysymbol", "Sc"},
    {"modifiersymbol", "Sk"},
    {"othersymbol", "So"},
    {"separator", "Z"},
    {"spaceseparator", "Zs"},
    {"lineseparator", "Zl"},
    {"paragraphseparator", "Zp"},
    {"other", "C"},
    {"control", "Cc"},
    {"format", "Cf"},
    {"unassigned", "Cn"},
    {"privateuse", "Co"},
    {"any", "Any"},
};

static const char *const categories =
    " L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So "
    "Z Zs Zl Zp C Cc Cf Cn Co ";

static void say(struct wn_said *said, const char *text, bool is_plain)
{
    (void)snprintf(said->inside, sizeof said->inside, "%s", text);
    said->is_plain = is_plain;
}

/* Fills `said` with the kind or its complement; the complement of several is a class of its own. */
static void say_kind(struct wn_said *said, const struct kind *kind, bool is_negated)
{
    if (!is_negated) {
        say(said, kind->inside, true);
    } else if (kind->negated != NULL) {
        say(said, kind->negated, true);
    } else {
        (void)snprintf(said->inside, sizeof said->inside, "[^%s]", kind->inside);
        said->is_plain = false;
    }
}

static const struct kind *posix_kind(const struct wn_reader *reader, const char *name)
{
    static const struct kind word_inside = {"word", WN_PATTERN_WORD_INSIDE, NULL};
    if (reader->classes > 0 && strcmp(name, "word") == 0) {
        return &word_inside;
    }
    const size_t size = strlen(name);
    for (size_t i = 0; i < sizeof posix_kinds / sizeof posix_kinds[0]; i++) {
        if (strlen(posix_kinds[i].name) == size && memcmp(posix_kinds[i].name, name, size) == 0) {
            return &posix_kinds[i];
        }
    }
    return NULL;
}

/* The general category that `name` is, canonical in out[8], or false. */
static bool category_find(const char *name, char out[8])
{
    for (size_t i = 0; i < sizeof category_names / sizeof category_names[0]; i++) {
        if (strcmp(category_names[i][0], name) == 0) {
            (void)snprintf(out, 8, "%s", category_names[i][1]);
            return true;
        }
    }
    const size_t size = strlen(name);
    if (size < 1 || size > 2) {
        return false;
    }
    const char key[] = {' ', (char)(name[0] - 32), size > 1 ? name[1] : ' ', size > 1 ? ' ' : '\0', '\0'};
    out[0] = key[1];
    out[1] = size > 1 ? name[1] : '\0';
    out[2] = '\0';
    return name[0] >= 'a' && name[0] <= 'z' && strstr(categories, key) != NULL;
}

/* \p{...}: the reader stands behind the p. */
static wn_code read_property(struct wn_reader *reader, bool is_negated, struct wn_said *said)
{
    if (!wn_reader_take(reader, "{")) {
        return wn_pattern_refuse(reader, "\\p without braces");
    }
    is_negated ^= wn_reader_take(reader, "^");
    char name[64];
    char raw[64];
    size_t n = 0;
    size_t n_raw = 0;
    while (!wn_reader_at_end(reader) && wn_reader_peek(reader, 0) != '}') {
        const char c = wn_reader_peek(reader, 0);
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (n + 1 >= sizeof name || n_raw + 1 >= sizeof raw ||
            (!is_letter && c != ' ' && c != '_' && c != '-')) {
            return wn_pattern_refuse(reader, "an unknown property");
        }
        raw[n_raw++] = c == ' ' || c == '-' ? '_' : c;
        if (is_letter) {
            name[n++] = (char)(c | 0x20);
        }
        reader->at++;
    }
    name[n] = '\0';
    raw[n_raw] = '\0';
    if (!wn_reader_take(reader, "}") || n == 0) {
        return wn_pattern_refuse(reader, "an unfinished property");
    }
    reader->kinds = true;
    char category[8];
    if (category_find(name, category)) {
        if (reader->fold && category[0] == 'L' && category[1] != '\0' &&
            strchr("ult&", category[1]) != NULL) {
            return wn_pattern_refuse(reader, "a case-insensitive property of upper or lower case");
        }
        (void)snprintf(said->inside, sizeof said->inside, "\\%c{%s}", is_negated ? 'P' : 'p', category);
        said->is_plain = true;
        return WN_OK;
    }
    const struct kind *kind = posix_kind(reader, name);
    if (kind != NULL) {
        say_kind(said, kind, is_negated);
        return WN_OK;
    }
    if (strcmp(name, "upper") == 0 || strcmp(name, "lower") == 0 || strcmp(name, "uppercase") == 0 ||
        strcmp(name, "lowercase") == 0 || strcmp(name, "graph") == 0 || strcmp(name, "print") == 0) {
        return wn_pattern_refuse(reader, "a property of upper or lower case, graph or print");
    }
    (void)snprintf(said->inside, sizeof said->inside, "\\%c{sc:%s}", is_negated ? 'P' : 'p', raw);
    said->is_plain = true;
    return WN_OK;
}

/* Hexadecimal digits; -1 where there are fewer than `least`. */
static int64_t read_hex(struct wn_reader *reader, size_t least, size_t most)
{
    int64_t value = 0;
    size_t n = 0;
    while (n < most && !wn_reader_at_end(reader)) {
        const char c = wn_reader_peek(reader, 0);
        const char lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9') {
            value = value * 16 + (c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            value = value * 16 + (lower - 'a' + 10);
        } else {
            break;
        }
        reader->at++;
        n++;
    }
    return n >= least ? value : -1;
}

static wn_code read_hex_escape(struct wn_reader *reader, bool is_u, uint32_t *out_c)
{
    int64_t value = -1;
    if (is_u) {
        value = read_hex(reader, 4, 4);
    } else if (wn_reader_take(reader, "{")) {
        value = read_hex(reader, 1, 8);
        if (!wn_reader_take(reader, "}")) {
            value = -1;
        }
    } else {
        value = read_hex(reader, 1, 2);
        if (value >= 0x80) {
            return wn_pattern_refuse(reader, "\\x of a single byte above 7F");
        }
    }
    if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return wn_pattern_refuse(reader, "a wrong hexadecimal escape");
    }
    *out_c = (uint32_t)value;
    return WN_OK;
}

/* An escape that means the same in and out of a class: a character (true in *out_is_character) or a kind. The reader
 * stands behind the backslash. */
wn_code wn_read_escape(struct wn_reader *reader, bool *out_is_character, uint32_t *out_c,
                       struct wn_said *said)
{
    static const char letters[] = "tnrfvae";
    static const uint32_t values[] = {0x09, 0x0A, 0x0D, 0x0C, 0x0B, 0x07, 0x1B};
    if (wn_reader_at_end(reader)) {
        return wn_pattern_refuse(reader, "a lone backslash");
    }
    size_t size = 0;
    const uint32_t c = wn_utf8_get(reader->source.data + reader->at, &size);
    reader->at += size;
    *out_is_character = true;
    *out_c = c;
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!is_letter) {
        return WN_OK;
    }
    const char *letter = strchr(letters, (int)c);
    if (letter != NULL) {
        *out_c = values[letter - letters];
        return WN_OK;
    }
    if (c == 'x' || c == 'u') {
        return read_hex_escape(reader, c == 'u', out_c);
    }
    *out_is_character = false;
    static const struct {
        char letter;
        const char *kind;
    } kinds[] = {{'d', "digit"}, {'s', "space"}, {'w', "word"}, {'h', "xdigit"}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if ((c | 0x20) == (uint32_t)kinds[i].letter) {
            reader->kinds = true;
            say_kind(said, posix_kind(reader, kinds[i].kind), c < 'a');
            return WN_OK;
        }
    }
    if (c == 'p' || c == 'P') {
        return read_property(reader, c == 'P', said);
    }
    reader->at--;
    return wn_pattern_refuse(reader, "an escape");
}

/* --- Classes --- */

/* Appends an alternative to others. */
static wn_code put_other(struct wn_reader *reader, struct wn_string *others, const char *text, size_t size)
{
    if (others->size > 0) {
        WN_TRY(wn_put(reader, others, "|", 1));
    }
    return wn_put(reader, others, text, size);
}

static wn_code put_said(struct wn_reader *reader, const struct wn_said *said, struct wn_string *plain,
                        struct wn_string *others)
{
    if (said->is_plain) {
        return wn_put_text(reader, plain, said->inside);
    }
    return put_other(reader, others, said->inside, strlen(said->inside));
}

static wn_code read_posix(struct wn_reader *reader, struct wn_string *plain, struct wn_string *others)
{
    const bool is_negated = wn_reader_take(reader, "^");
    char name[16];
    size_t n = 0;
    while (n + 1 < sizeof name && wn_reader_peek(reader, 0) >= 'a' && wn_reader_peek(reader, 0) <= 'z') {
        name[n++] = wn_reader_peek(reader, 0);
        reader->at++;
    }
    name[n] = '\0';
    const struct kind *kind = posix_kind(reader, name);
    if (kind == NULL || !wn_reader_take(reader, ":]")) {
        return wn_pattern_refuse(reader, "an unknown class in brackets");
    }
    struct wn_said said;
    reader->kinds = true;
    say_kind(&said, kind, is_negated);
    return put_said(reader, &said, plain, others);
}

/* One item that is not a nested class. */
static wn_code read_item(struct wn_reader *reader, struct wn_string *plain, struct wn_string *others,
                         int *state)
{
    enum { FRESH, AFTER_CHARACTER, IN_RANGE, AFTER_RANGE };
    const char c = wn_reader_peek(reader, 0);
    if (c == '-' && *state == AFTER_CHARACTER && wn_reader_peek(reader, 1) != ']' &&
        wn_reader_peek(reader, 1) != '[' && reader->at + 1 < reader->source.size) {
        reader->at++;
        *state = IN_RANGE;
        return wn_put(reader, plain, "-", 1);
    }
    bool is_character = true;
    uint32_t value = 0;
    struct wn_said said;
    if (wn_reader_take(reader, "\\")) {
        if (wn_reader_take(reader, "b")) {
            value = 0x08;
        } else {
            WN_TRY(wn_read_escape(reader, &is_character, &value, &said));
        }
    } else {
        size_t size = 0;
        value = wn_utf8_get(reader->source.data + reader->at, &size);
        reader->at += size;
    }
    if (is_character) {
        *state = *state == IN_RANGE ? AFTER_RANGE : AFTER_CHARACTER;
        return wn_put_character(reader, plain, value);
    }
    if (*state == IN_RANGE) {
        return wn_pattern_refuse(reader, "a range that ends in a kind of characters");
    }
    *state = FRESH;
    return put_said(reader, &said, plain, others);
}

/* Items up to `]` or `&&`. */
static wn_code read_union(struct wn_reader *reader, struct wn_string *plain, struct wn_string *others)
{
    int state = 0;
    bool is_first = true;
    for (;; is_first = false) {
        if (wn_reader_at_end(reader)) {
            return wn_pattern_refuse(reader, "a class without its end");
        }
        if ((wn_reader_peek(reader, 0) == ']' && !is_first) ||
            (wn_reader_peek(reader, 0) == '&' && wn_reader_peek(reader, 1) == '&')) {
            return WN_OK;
        }
        if (wn_reader_take(reader, "[:")) {
            WN_TRY(read_posix(reader, plain, others));
            state = 0;
        } else if (wn_reader_take(reader, "[")) {
            struct wn_string nested = {0};
            bool is_plain = false;
            wn_code code = wn_read_class(reader, &nested, &is_plain);
            if (code == WN_OK) {
                code = is_plain ? wn_put(reader, plain, nested.data, nested.size)
                                : put_other(reader, others, nested.data, nested.size);
            }
            free(nested.data);
            WN_TRY(code);
            state = 0;
        } else {
            WN_TRY(read_item(reader, plain, others, &state));
        }
    }
}

/* [plain] or (?:[plain]|others). */
static wn_code put_union(struct wn_reader *reader, struct wn_string *out, const struct wn_string *plain,
                         const struct wn_string *others)
{
    if (others->size == 0 && plain->size == 0) {
        return wn_pattern_refuse(reader, "an empty class");
    }
    WN_TRY(wn_put_text(reader, out, others->size > 0 ? "(?:" : ""));
    if (plain->size > 0) {
        WN_TRY(wn_put(reader, out, "[", 1));
        WN_TRY(wn_put(reader, out, plain->data, plain->size));
        WN_TRY(wn_put(reader, out, "]", 1));
    }
    if (others->size > 0) {
        WN_TRY(wn_put_text(reader, out, plain->size > 0 ? "|" : ""));
        WN_TRY(wn_put(reader, out, others->data, others->size));
        WN_TRY(wn_put(reader, out, ")", 1));
    }
    return WN_OK;
}

/* Reads the rest of X && Y && ...; out becomes (?:(?=X)(?=Y)Z). */
static wn_code read_intersection(struct wn_reader *reader, struct wn_string *out, struct wn_string *plain,
                                 struct wn_string *others)
{
    WN_TRY(wn_put_text(reader, out, "(?:"));
    for (;;) {
        const bool is_last = !wn_reader_take(reader, "&&");
        WN_TRY(wn_put_text(reader, out, is_last ? "" : "(?="));
        WN_TRY(put_union(reader, out, plain, others));
        WN_TRY(wn_put_text(reader, out, ")"));
        if (is_last) {
            return WN_OK;
        }
        plain->size = 0;
        others->size = 0;
        WN_TRY(read_union(reader, plain, others));
    }
}

/* A class; the reader stands behind its `[`. Plain: *out is what stands between brackets; else an atom. */
wn_code wn_read_class(struct wn_reader *reader, struct wn_string *out, bool *out_is_plain)
{
    if (++reader->depth > WN_PATTERN_DEPTH) {
        return wn_pattern_refuse(reader, "too deep a nesting");
    }
    reader->classes++;
    const bool is_negated = wn_reader_take(reader, "^");
    struct wn_string plain = {0};
    struct wn_string others = {0};
    wn_code code = WN_OK;
    WN_TRY_OR(done, read_union(reader, &plain, &others));
    const bool is_simple = others.size == 0 && wn_reader_peek(reader, 0) == ']';
    *out_is_plain = is_simple && !is_negated;
    if (*out_is_plain) {
        WN_TRY_OR(done, wn_put(reader, out, plain.data, plain.size));
    } else if (is_simple) {
        WN_TRY_OR(done, wn_put_text(reader, out, "[^"));
        WN_TRY_OR(done, wn_put(reader, out, plain.data, plain.size));
        WN_TRY_OR(done, wn_put_text(reader, out, "]"));
    } else {
        WN_TRY_OR(done, wn_put_text(reader, out, is_negated ? "(?:(?!" : ""));
        if (wn_reader_peek(reader, 0) == '&') {
            WN_TRY_OR(done, read_intersection(reader, out, &plain, &others));
        } else {
            WN_TRY_OR(done, put_union(reader, out, &plain, &others));
        }
        WN_TRY_OR(done, wn_put_text(reader, out, is_negated ? ")(?s:.))" : ""));
    }
    if (!wn_reader_take(reader, "]")) {
        code = wn_pattern_refuse(reader, "a class without its end");
    }
done:
    reader->depth--;
    reader->classes--;
    free(plain.data);
    free(others.data);
    return code;
}
