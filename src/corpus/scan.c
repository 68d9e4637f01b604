/* The scanner: how records are told apart without parsing them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Quotes and brackets are found 64 bytes at a time (marks.h), so the speed hardly depends on how long the texts are.
 * Time is linear in the bytes: a try to join lines ends at the first thing that is not sound JSON, and at a depth of
 * LINES_DEPTH.
 */
#include "corpus/scan.h"

#include "corpus/marks.h"

#include <assert.h>
#include <string.h>

enum {
    KINDS_DEPTH = 4096, /* levels whose kind of bracket is checked; deeper ones are only counted */
    LINES_DEPTH = 256   /* levels of an object over several lines: what the parser takes, too */
};

enum ending {
    WHOLE,     /* the value is closed */
    RAN_OUT,   /* the bytes end between strings */
    IN_STRING, /* the bytes end in a string */
    MISMATCH   /* a bracket closes another kind */
};

/* Kinds of the open brackets, one bit a level: 1 for a brace. Only `depth` must be set at first. */
struct levels {
    uint64_t braces[KINDS_DEPTH / 64];
    size_t depth;
};

static void levels_open(struct levels *levels, bool is_brace)
{
    if (levels->depth < KINDS_DEPTH) {
        const uint64_t bit = (uint64_t)1 << (levels->depth % 64);
        uint64_t *const word = &levels->braces[levels->depth / 64];
        const uint64_t others = levels->depth % 64 == 0 ? 0 : *word & ~bit;
        *word = is_brace ? others | bit : others;
    }
    levels->depth++;
}

/* Is the innermost open bracket of this kind (or too deep to know)? */
static bool levels_match(const struct levels *levels, bool is_brace)
{
    if (levels->depth == 0) {
        return false;
    }
    const size_t level = levels->depth - 1;
    if (level >= KINDS_DEPTH) {
        return true;
    }
    return ((levels->braces[level / 64] >> (level % 64) & 1) != 0) == is_brace;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Is the quote at `quote`, in the string whose first byte is `first`, escaped by a backslash? */
static bool is_escaped(const char *first, const char *quote)
{
    const char *slash = quote;
    while (slash > first && slash[-1] == '\\') {
        slash--;
    }
    return (quote - slash) % 2 != 0;
}

/* Behind the closing quote of the string whose first byte is `at`, or NULL where it does not end before `end`. */
static const char *string_end(const char *at, const char *end)
{
    const char *const first = at;
    while (at < end) {
        const char *const quote = memchr(at, '"', (size_t)(end - at));
        if (quote == NULL) {
            return NULL;
        }
        if (!is_escaped(first, quote)) {
            return quote + 1;
        }
        at = quote + 1;
    }
    return NULL;
}

/* A bracket outside strings: WHOLE where it closes the value, RAN_OUT where the value goes on. */
static enum ending scan_bracket(struct levels *levels, char bracket)
{
    if (bracket == '{' || bracket == '[') {
        levels_open(levels, bracket == '{');
        return RAN_OUT;
    }
    if (!levels_match(levels, bracket == '}')) {
        return MISMATCH;
    }
    levels->depth--;
    return levels->depth == 0 ? WHOLE : RAN_OUT;
}

/* The object or array at `at`, which ends before `end`; bytes before `limit` may be read. *out_at is behind it where
 * WHOLE, else where it went wrong. */
static enum ending scan_brackets(const char *at, const char *end, const char *limit, const char **out_at)
{
    struct levels levels;
    const char *text = NULL; /* the first byte of the string that `at` is in, or NULL */
    levels.depth = 0;
    for (; at < end; at += end - at < WN_MARKS ? end - at : WN_MARKS) {
        const struct wn_marks marks = wn_marks(at, end, limit);
        uint64_t ahead = ~(uint64_t)0;
        uint64_t found = 0;
        while ((found = (text != NULL ? marks.quotes : marks.quotes | marks.brackets) & ahead) != 0) {
            const unsigned bit = (unsigned)__builtin_ctzll(found);
            const char *const mark = at + bit;
            ahead = ~(uint64_t)1 << bit;
            if (*mark == '"') {
                text = text == NULL ? mark + 1 : mark[-1] == '\\' && is_escaped(text, mark) ? text : NULL;
                continue;
            }
            const enum ending ending = scan_bracket(&levels, *mark);
            if (ending != RAN_OUT) {
                *out_at = ending == WHOLE ? mark + 1 : mark;
                return ending;
            }
        }
    }
    *out_at = text != NULL ? text - 1 : end;
    return text != NULL ? IN_STRING : RAN_OUT;
}

/* What may come next in an object that runs over several lines. */
enum next { NEXT_VALUE, NEXT_VALUE_OR_END, NEXT_KEY, NEXT_KEY_OR_END, NEXT_COLON, NEXT_COMMA_OR_END };

struct sound {
    struct levels levels;
    enum next next;
};

static bool sound_value(struct sound *sound)
{
    if (sound->next != NEXT_VALUE && sound->next != NEXT_VALUE_OR_END) {
        return false;
    }
    sound->next = NEXT_COMMA_OR_END;
    return true;
}

static bool sound_open(struct sound *sound, bool is_brace)
{
    if (!sound_value(sound) || sound->levels.depth >= LINES_DEPTH) {
        return false;
    }
    levels_open(&sound->levels, is_brace);
    sound->next = is_brace ? NEXT_KEY_OR_END : NEXT_VALUE_OR_END;
    return true;
}

static bool sound_close(struct sound *sound, bool is_brace)
{
    const enum next empty = is_brace ? NEXT_KEY_OR_END : NEXT_VALUE_OR_END;
    if ((sound->next != NEXT_COMMA_OR_END && sound->next != empty) ||
        !levels_match(&sound->levels, is_brace)) {
        return false;
    }
    sound->levels.depth--;
    sound->next = NEXT_COMMA_OR_END;
    return true;
}

static bool sound_mark(struct sound *sound, char mark)
{
    if (mark == ':') {
        const bool ok = sound->next == NEXT_COLON;
        sound->next = NEXT_VALUE;
        return ok;
    }
    const bool ok = sound->next == NEXT_COMMA_OR_END;
    sound->next = levels_match(&sound->levels, true) ? NEXT_KEY : NEXT_VALUE;
    return ok;
}

static bool sound_string(struct sound *sound)
{
    if (sound->next == NEXT_KEY || sound->next == NEXT_KEY_OR_END) {
        sound->next = NEXT_COLON;
        return true;
    }
    return sound_value(sound);
}

static bool is_scalar(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

/* Behind the object at `at`, where it is sound; else NULL. */
static const char *scan_sound_object(const char *at, const char *end)
{
    struct sound sound;
    sound.levels.depth = 0;
    sound.next = NEXT_VALUE;
    while (at < end) {
        const char c = *at;
        const char *after = at + 1;
        bool ok = true;
        if (is_blank(c)) {
            at++;
            continue;
        }
        if (c == '"') {
            after = string_end(at + 1, end);
            /* A line break in a string is no JSON: it is the end of a torn line. */
            ok = after != NULL && memchr(at, '\n', (size_t)(after - at)) == NULL && sound_string(&sound);
        } else if (c == '{' || c == '[') {
            ok = sound_open(&sound, c == '{');
        } else if (c == '}' || c == ']') {
            ok = sound_close(&sound, c == '}');
            if (ok && sound.levels.depth == 0) {
                return after;
            }
        } else if (c == ',' || c == ':') {
            ok = sound_mark(&sound, c);
        } else {
            ok = is_scalar(c) && sound_value(&sound);
            while (after < end && is_scalar(*after)) {
                after++;
            }
        }
        if (!ok) {
            return NULL;
        }
        at = after;
    }
    return NULL;
}

size_t wn_scan_mark(struct wn_span bytes)
{
    return bytes.size >= 3 && memcmp(bytes.data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

bool wn_scan_is_object(struct wn_span line)
{
    size_t at = 0;
    while (at < line.size && is_blank(line.data[at])) {
        at++;
    }
    if (at == line.size || line.data[at] != '{') {
        return false;
    }
    const char *const end = line.data + line.size;
    const char *after = NULL;
    if (scan_brackets(line.data + at, end, end, &after) != WHOLE) {
        return false;
    }
    while (after < end && is_blank(*after)) {
        after++;
    }
    return after == end;
}

static void skip_blanks(struct wn_scan *scan)
{
    while (scan->at < scan->bytes.size && is_blank(scan->bytes.data[scan->at])) {
        scan->line += scan->bytes.data[scan->at] == '\n' ? 1 : 0;
        scan->at++;
    }
}

/* Behind the closing bracket of the array only blanks may follow. */
static wn_code end_array(struct wn_scan *scan, struct wn_error *err)
{
    scan->at++;
    skip_blanks(scan);
    if (scan->at == scan->bytes.size) {
        return WN_OK;
    }
    const char c = scan->bytes.data[scan->at];
    if (c == '[') {
        WN_FAIL(err, WN_INPUT,
                "%s: a second array begins at byte %zu, behind the end of the first; a file holds one array, "
                "or one object "
                "a line: put the records into one of the two (a line that is an array of messages becomes "
                "{\"messages\": [...]})",
                scan->path, scan->at);
    }
    WN_FAIL(err, WN_INPUT,
            "%s: there is text at byte %zu, behind the end of the array; remove it, or give one object a "
            "line without "
            "brackets around",
            scan->path, scan->at);
}

wn_code wn_scan_begin(struct wn_scan *scan, bool *out_found, struct wn_error *err)
{
    scan->at = wn_scan_mark(scan->bytes);
    scan->line_end = 0;
    scan->number = 0;
    scan->line = 1;
    skip_blanks(scan);
    *out_found = scan->at < scan->bytes.size;
    if (!scan->is_array || !*out_found) {
        return WN_OK;
    }
    assert(scan->bytes.data[scan->at] == '[');
    const size_t open = scan->at++;
    skip_blanks(scan);
    WN_CHECK(scan->at < scan->bytes.size, err, WN_INPUT,
             "%s: the array that begins at byte %zu has no end; the file was cut: get it again", scan->path,
             open);
    if (scan->bytes.data[scan->at] == ']') {
        *out_found = false;
        return end_array(scan, err);
    }
    return WN_OK;
}

static wn_code fail_torn(const struct wn_scan *scan, enum ending ending, size_t where, struct wn_error *err)
{
    if (ending == MISMATCH) {
        WN_FAIL(err, WN_INPUT,
                "%s: '%c' at byte %zu closes a bracket of the other kind, in record %llu, which begins at "
                "byte %zu; "
                "mend the record there (python3 -m json.tool FILE names the same place)",
                scan->path, scan->bytes.data[where], where, (unsigned long long)scan->number, scan->at);
    }
    WN_FAIL(err, WN_INPUT,
            "%s: the array ends at byte %zu %s record %llu, which begins at byte %zu; the file was cut, or a "
            "quote or "
            "bracket is missing there: get the file again or mend that record",
            scan->path, scan->bytes.size, ending == IN_STRING ? "in a string of" : "inside",
            (unsigned long long)scan->number, scan->at);
}

/* One element of an array: its end in *out_end. */
static wn_code array_value(const struct wn_scan *scan, size_t *out_end, struct wn_error *err)
{
    const char *const data = scan->bytes.data;
    const char *const end = data + scan->bytes.size;
    const char *const at = data + scan->at;
    const char *after = at;
    if (*at == '{' || *at == '[') {
        const enum ending ending = scan_brackets(at, end, end, &after);
        if (ending != WHOLE) {
            return fail_torn(scan, ending, (size_t)(after - data), err);
        }
    } else if (*at == '"') {
        after = string_end(at + 1, end);
        if (after == NULL) {
            return fail_torn(scan, IN_STRING, scan->at, err);
        }
    } else {
        while (after < end && is_scalar(*after)) {
            after++;
        }
        WN_CHECK(after > at, err, WN_INPUT,
                 "%s: byte %zu (0x%02X) cannot begin a record of the array; records are objects with a comma "
                 "between "
                 "them",
                 scan->path, scan->at, (unsigned)(unsigned char)*at);
    }
    *out_end = (size_t)(after - data);
    return WN_OK;
}

/* May a record end at `after`, with this much of its line left? */
static bool ends_well(const char *after, const char *line_end)
{
    while (after < line_end && is_blank(*after)) {
        after++;
    }
    return after == line_end || *after == '{';
}

static const char *find_line_end(const char *at, const char *end)
{
    const char *const found = memchr(at, '\n', (size_t)(end - at));
    return found == NULL ? end : found;
}

static uint64_t count_lines(const char *at, const char *end)
{
    uint64_t n = 0;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        n++;
        at++;
    }
    return n;
}

static size_t lines_value(struct wn_scan *scan)
{
    const char *const data = scan->bytes.data;
    const char *const end = data + scan->bytes.size;
    const char *const at = data + scan->at;
    if (scan->line_end <= scan->at) {
        scan->line_end = (size_t)(find_line_end(at, end) - data);
    }
    const char *line_end = data + scan->line_end;
    if (*at == '{') {
        const char *after = NULL;
        const enum ending ending = scan_brackets(at, line_end, end, &after);
        if (ending == WHOLE && ends_well(after, line_end)) {
            return (size_t)(after - data);
        }
        if (ending == RAN_OUT && line_end < end) {
            after = scan_sound_object(at, end);
            if (after != NULL && ends_well(after, find_line_end(after, end))) {
                scan->line += count_lines(at, after);
                return (size_t)(after - data);
            }
        }
    }
    while (line_end > at + 1 && is_blank(line_end[-1])) {
        line_end--;
    }
    return (size_t)(line_end - data);
}

wn_code wn_scan_value(struct wn_scan *scan, struct wn_span *out_value, struct wn_error *err)
{
    assert(scan->at < scan->bytes.size);
    size_t end = 0;
    if (scan->is_array) {
        WN_TRY(array_value(scan, &end, err));
    } else {
        end = lines_value(scan);
    }
    const size_t size = end - scan->at;
    WN_CHECK(size <= UINT32_MAX, err, WN_INPUT,
             "%s: record %llu at byte %zu is %zu bytes long; a record has at most 4294967295: a quote or "
             "bracket may be "
             "missing there",
             scan->path, (unsigned long long)scan->number, scan->at, size);
    *out_value = (struct wn_span){scan->bytes.data + scan->at, size};
    scan->at = end;
    scan->number++;
    return WN_OK;
}

wn_code wn_scan_step(struct wn_scan *scan, bool *out_found, struct wn_error *err)
{
    skip_blanks(scan);
    if (!scan->is_array) {
        *out_found = scan->at < scan->bytes.size;
        return WN_OK;
    }
    WN_CHECK(scan->at < scan->bytes.size, err, WN_INPUT,
             "%s: the array ends at byte %zu, behind record %llu, without its closing bracket; the file was "
             "cut: get it "
             "again, or write ] there if nothing is missing",
             scan->path, scan->at, (unsigned long long)(scan->number - 1));
    const char c = scan->bytes.data[scan->at];
    if (c == ']') {
        *out_found = false;
        return end_array(scan, err);
    }
    WN_CHECK(c == ',', err, WN_INPUT,
             "%s: a comma is missing at byte %zu, behind record %llu; write it, or mend what stands there",
             scan->path, scan->at, (unsigned long long)(scan->number - 1));
    const size_t comma = scan->at++;
    skip_blanks(scan);
    WN_CHECK(scan->at < scan->bytes.size && scan->bytes.data[scan->at] != ']', err, WN_INPUT,
             "%s: no record follows the comma at byte %zu, behind record %llu; remove the comma%s",
             scan->path, comma, (unsigned long long)(scan->number - 1),
             scan->at < scan->bytes.size ? "" : " and close the array, or get the file again: it was cut");
    *out_found = true;
    return WN_OK;
}
