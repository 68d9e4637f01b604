/* What must hold for any bytes given as a corpus: used by the fuzz target and by the mutation test.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   const char *fault = corpus_probe(bytes, size);     NULL where all holds
 *
 * - Opening gives WN_OK, or WN_INPUT with a message.
 * - Records lie in order inside the file; between them are only blanks, commas, the array's brackets and the mark.
 * - Reading from the last to the first gives the same as reading in order.
 * - Every record parses to a status; samples of several profiles can be rendered.
 * - Where a slow, plain reading of the same rules finds a sound array or sound lines, the records are exactly these.
 */
#ifndef WINNOW_TESTS_FUZZ_CORPUS_PROBE_H
#define WINNOW_TESTS_FUZZ_CORPUS_PROBE_H

#include "corpus/corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PROBE_RECORDS = 4096, PROBE_TURNS = 6, PROBE_DEPTH = 200 };

/* Records by the plain reading. */
struct probe_spans {
    size_t begin[PROBE_RECORDS], end[PROBE_RECORDS];
    size_t n;
    bool is_sound; /* false: the plain reading does not know */
};

static inline bool probe_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline size_t probe_skip(const char *b, size_t size, size_t at)
{
    while (at < size && probe_blank(b[at])) {
        at++;
    }
    return at;
}

static inline size_t probe_string(const char *b, size_t size, size_t at)
{
    for (at++; at < size; at++) {
        if (b[at] == '\\') {
            at++;
        } else if (b[at] == '"') {
            return at + 1;
        }
    }
    return 0;
}

/* Behind the value at `at`, or 0 where there is none. */
static inline size_t probe_value(const char *b, size_t size, size_t at, int depth)
{
    if (at >= size || depth > PROBE_DEPTH) {
        return 0;
    }
    if (b[at] == '"') {
        return probe_string(b, size, at);
    }
    if (b[at] != '{' && b[at] != '[') {
        const size_t first = at;
        while (at < size && strchr("+-.0123456789", b[at]) == NULL
                   ? (b[at] | 32) >= 'a' && (b[at] | 32) <= 'z'
                   : at < size && b[at] != 0) {
            at++;
        }
        return at > first ? at : 0;
    }
    const bool is_object = b[at] == '{';
    const char close = is_object ? '}' : ']';
    at = probe_skip(b, size, at + 1);
    if (at < size && b[at] == close) {
        return at + 1;
    }
    while (at < size) {
        if (is_object) {
            at = b[at] == '"' ? probe_string(b, size, at) : 0;
            at = at == 0 ? 0 : probe_skip(b, size, at);
            if (at == 0 || at >= size || b[at] != ':') {
                return 0;
            }
            at = probe_skip(b, size, at + 1);
        }
        at = probe_value(b, size, at, depth + 1);
        if (at == 0) {
            return 0;
        }
        at = probe_skip(b, size, at);
        if (at < size && b[at] == close) {
            return at + 1;
        }
        if (at >= size || b[at] != ',') {
            return 0;
        }
        at = probe_skip(b, size, at + 1);
    }
    return 0;
}

static inline void probe_add(struct probe_spans *spans, size_t begin, size_t end)
{
    if (spans->n == PROBE_RECORDS) {
        spans->is_sound = false;
        return;
    }
    spans->begin[spans->n] = begin;
    spans->end[spans->n++] = end;
}

static inline void probe_array(const char *b, size_t size, size_t at, struct probe_spans *spans)
{
    at = probe_skip(b, size, at + 1);
    if (at < size && b[at] == ']') {
        spans->is_sound = probe_skip(b, size, at + 1) == size;
        return;
    }
    spans->is_sound = true;
    while (spans->is_sound) {
        const size_t end = probe_value(b, size, at, 0);
        spans->is_sound = end != 0;
        if (end == 0) {
            return;
        }
        probe_add(spans, at, end);
        at = probe_skip(b, size, end);
        if (at < size && b[at] == ']') {
            spans->is_sound = spans->is_sound && probe_skip(b, size, at + 1) == size;
            return;
        }
        spans->is_sound = spans->is_sound && at < size && b[at] == ',';
        at = probe_skip(b, size, at + 1);
    }
}

static inline void probe_lines(const char *b, size_t size, size_t at, struct probe_spans *spans)
{
    spans->is_sound = true;
    while (at < size && spans->is_sound) {
        size_t line_end = at;
        while (line_end < size && b[line_end] != '\n') {
            line_end++;
        }
        const size_t begin = probe_skip(b, line_end, at);
        if (begin < line_end) {
            const size_t end = b[begin] == '{' ? probe_value(b, line_end, begin, 0) : 0;
            spans->is_sound = end != 0 && probe_skip(b, line_end, end) == line_end;
            probe_add(spans, begin, end);
        }
        at = line_end + 1;
    }
}

static inline void probe_plain(const char *b, size_t size, struct probe_spans *spans)
{
    const size_t mark = size >= 3 && memcmp(b, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    const size_t first = probe_skip(b, size, mark);
    spans->n = 0;
    spans->is_sound = false;
    if (first < size && b[first] == '[' && (first + 1 == size || b[first + 1] != 0)) {
        probe_array(b, size, first, spans);
    } else if (first < size && b[first] == '{') {
        probe_lines(b, size, mark, spans);
    }
}

static inline const char *probe_samples(const struct wn_record *record, struct wn_arena *arena,
                                        struct wn_error *err)
{
    static const char *const names[] = {"superfiltering", "cherry-wiz", "reflection"};
    if (record->status != WN_STATUS_OK) {
        return record->status != WN_STATUS_PARSE_ERROR && record->status != WN_STATUS_UNSUPPORTED
                   ? "an unexpected status"
               : record->why.size == 0 ? "no reason"
                                       : NULL;
    }
    if (record->n_turns == 0) {
        return "a good record without a turn";
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct wn_profile profile;
        if (wn_profile_find(names[i], arena, &profile, err) != WN_OK) {
            return err->text;
        }
        for (uint32_t part = 0; part < record->n_turns && part < PROBE_TURNS; part++) {
            struct wn_sample sample;
            if (wn_profile_sample(&profile, record, part, arena, &sample, err) != WN_OK) {
                return err->text;
            }
            if (sample.status == WN_STATUS_OK && sample.answer.size == 0) {
                return "an empty answer that is ok";
            }
        }
    }
    return NULL;
}

static inline bool probe_between(const char *b, size_t from, size_t to)
{
    for (; from < to; from++) {
        if (b[from] == 0 || (!probe_blank(b[from]) && strchr(",[]\xEF\xBB\xBF", b[from]) == NULL)) {
            return false;
        }
    }
    return true;
}

static inline const char *probe_records(const struct wn_corpus *corpus, const char *bytes, size_t size,
                                        const struct probe_spans *plain, struct wn_arena *arena,
                                        struct wn_error *err)
{
    const uint64_t n = wn_corpus_count(corpus);
    struct wn_corpus_reader *forward = NULL;
    struct wn_corpus_reader *backward = NULL;
    const char *fault = NULL;
    size_t end = 0;
    if (plain->is_sound && plain->n != n) {
        return "another number of records than by the plain reading";
    }
    if (wn_corpus_reader_new(corpus, &forward, err) != WN_OK ||
        wn_corpus_reader_new(corpus, &backward, err) != WN_OK) {
        fault = err->text;
    }
    for (uint64_t i = 0; i < n && fault == NULL; i++) {
        struct wn_record record;
        struct wn_place place;
        struct wn_span span;
        wn_arena_reset(arena);
        if (wn_corpus_record(forward, i, arena, &record, err) != WN_OK ||
            wn_corpus_read(backward, n - 1 - i, &place, &span, err) != WN_OK ||
            wn_corpus_read(backward, i, &place, &span, err) != WN_OK) {
            fault = err->text;
        } else if (place.offset != record.place.offset || place.length != record.place.length ||
                   place.length == 0) {
            fault = "random access gives other bytes";
        } else if (place.offset < end || place.offset + place.length > size) {
            fault = "a record overlaps another or leaves the file";
        } else if (!probe_between(bytes, end, (size_t)place.offset)) {
            fault = "text between records";
        } else if (plain->is_sound &&
                   (plain->begin[i] != place.offset || plain->end[i] != place.offset + place.length)) {
            fault = "other bytes than by the plain reading";
        } else {
            fault = probe_samples(&record, arena, err);
        }
        end = (size_t)(place.offset + place.length);
    }
    if (fault == NULL && !probe_between(bytes, end, size)) {
        fault = "text behind the last record";
    }
    wn_corpus_reader_free(forward);
    wn_corpus_reader_free(backward);
    return fault;
}

/* The fault, as constant text or in err->text; NULL where all holds. */
static inline const char *corpus_probe(const char *bytes, size_t size, struct wn_error *err)
{
    static const enum wn_form forms[] = {WN_FORM_DETECT, WN_FORM_ALPACA, WN_FORM_MESSAGES};
    struct probe_spans *const plain = malloc(sizeof *plain);
    struct wn_arena *arena = NULL;
    const int fd = memfd_create("corpus", MFD_CLOEXEC);
    if (plain == NULL || fd < 0 || write(fd, bytes, size) != (ssize_t)size ||
        wn_arena_new(&arena, err) != WN_OK) {
        abort();
    }
    probe_plain(bytes, size, plain);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const char *const paths[] = {path};
    const char *fault = NULL;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0] && fault == NULL; i++) {
        struct wn_corpus *corpus = NULL;
        const struct wn_corpus_options options = {.paths = paths, .n_paths = 1, .form = forms[i]};
        err->text[0] = 0;
        const wn_code code = wn_corpus_open(&options, &corpus, err);
        if (code == WN_OK && strcmp(wn_corpus_file(corpus, 0).compression, "none") == 0) {
            fault = probe_records(corpus, bytes, size, plain, arena, err);
        } else if (code != WN_OK && (code != WN_INPUT || err->text[0] == 0)) {
            fault = "an error of another kind, or without a message";
        } else if (code != WN_OK && forms[i] != WN_FORM_DETECT && plain->is_sound && plain->n > 0) {
            fault = err->text;
        }
        if (code == WN_OK) {
            wn_corpus_free(corpus);
        }
    }
    close(fd);
    wn_arena_free(arena);
    free(plain);
    return fault;
}

#endif
