/* Corpora changed at random: nothing crashes, and sound ones are read as a plain reading of the rules says.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz/corpus_probe.h"
#include "help.h"

enum { ROUNDS = 20000, ROOM = 4096 };

static const struct wn_span seeds[] = {
    BYTES("[\n  {\n    \"instruction\": \"a\",\n    \"input\": \"\",\n    \"output\": \"b\\n\\\"c\\\"\"\n  "
          "},\n  {\"instruction\": "
          "\"d\", \"output\": \"e}]\"}\n]\n"),
    BYTES("{\"instruction\": \"a\", \"output\": \"b\"}\n{\"instruction\": \"c\", \"input\": null, "
          "\"output\": \"\"}\r\n\n"
          "{\"instruction\": \"\\u0000\\ud83d\\ude42\", \"output\": \"{\\\\\", \"x\": [1, NaN, {}]}"),
    BYTES("\xEF\xBB\xBF{\"conversations\": [{\"from\": \"human\", \"value\": \"a\"}, {\"from\": \"gpt\", "
          "\"value\": \"b\"}], "
          "\"system\": \"s\"}\n{\"conversations\": []}\n"),
    BYTES("{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}]}, "
          "{\"role\": "
          "\"assistant\", \"content\": \"b\", \"tool_calls\": [{\"id\": 1}]}, {\"role\": \"assistant\", "
          "\"content\": null}]}\n"),
    BYTES("{\n \"prompt\": \"a\",\n \"completion\": \"b\"\n}\n{\n \"prompt\": \"c\",\n \"completion\": "
          "\"d\"\n}\n"),
    BYTES("[1, \"x\", [2, {\"a\": []}], {}, {\"output\": {\"b\": [[]]}}, true]"),
    BYTES("{\"output\": 1}{\"output\": \"2\"} {\"instruction\": \"i\", \"history\": [[\"q\", \"r\"]], "
          "\"output\": \"3\"}\n"),
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t pick(uint64_t *state, size_t n)
{
    return n == 0 ? 0 : (size_t)(next_random(state) % n);
}

/* One change of `bytes` (room ROOM); the new size. */
static size_t mutate(char *bytes, size_t size, uint64_t *state)
{
    static const char marks[] = "{}[]\",:\\\n\r \t0-eNn\xEF\xBB\xBF\xFF\xC0\x00\x1F";
    const size_t at = pick(state, size);
    const size_t n = 1 + pick(state, size - at < 24 ? size - at : 24);
    switch (pick(state, 6)) {
    case 0: /* another byte */
        bytes[at] = (char)next_random(state);
        return size;
    case 1: /* a byte that means something */
        bytes[at] = marks[pick(state, sizeof marks - 1)];
        return size;
    case 2: /* one more of these */
        if (size + 1 <= ROOM) {
            memmove(bytes + at + 1, bytes + at, size - at);
            bytes[at] = marks[pick(state, sizeof marks - 1)];
            return size + 1;
        }
        return size;
    case 3: /* some bytes fewer, but never none left */
        if (at + n < size) {
            memmove(bytes + at, bytes + at + n, size - at - n);
            return size - n;
        }
        return at > 0 ? at : size;
    case 4: /* some bytes twice */
        if (at + n <= size && size + n <= ROOM) {
            memmove(bytes + at + n, bytes + at, size - at);
            return size + n;
        }
        return size;
    default: { /* part of another corpus */
        const struct wn_span other = seeds[pick(state, sizeof seeds / sizeof seeds[0])];
        const size_t from = pick(state, other.size);
        const size_t most = other.size - from < ROOM - size ? other.size - from : ROOM - size;
        memmove(bytes + at + most, bytes + at, size - at);
        memcpy(bytes + at, other.data + from, most);
        return size + most;
    }
    }
}

Test(mutations, no_bytes_crash_and_sound_corpora_are_read_as_they_stand)
{
    uint64_t state = 0x9E3779B97F4A7C15u;
    size_t n_sound = 0;
    struct wn_error err;
    for (size_t round = 0; round < ROUNDS; round++) {
        const struct wn_span seed = seeds[round % (sizeof seeds / sizeof seeds[0])];
        char bytes[ROOM];
        size_t size = seed.size;
        memcpy(bytes, seed.data, size);
        const size_t changes = round < sizeof seeds / sizeof seeds[0] ? 0 : 1 + pick(&state, 4);
        for (size_t i = 0; i < changes; i++) {
            size = mutate(bytes, size, &state);
        }
        struct probe_spans plain;
        probe_plain(bytes, size, &plain);
        n_sound += plain.is_sound && plain.n > 0;
        const char *const fault = corpus_probe(bytes, size, &err);
        cr_assert_null(fault, "round %zu: %s in:\n%.*s", round, fault, (int)size, bytes);
    }
    cr_assert_gt(n_sound, ROUNDS / 20, "too few sound corpora (%zu) to compare", n_sound);
}

static size_t put_blanks(char *out, uint64_t *state, bool is_line)
{
    static const char blanks[] = " \t\r\n";
    const size_t n = pick(state, 4) == 0 ? pick(state, 4) : 0;
    for (size_t i = 0; i < n; i++) {
        out[i] = blanks[pick(state, is_line ? 3 : 4)];
    }
    return n;
}

/* A random value, sound JSON, at most about 600 bytes. */
static size_t put_value(char *out, uint64_t *state, bool is_line, int depth)
{
    static const char *const leaves[] = {
        "\"\"", "\"a\\\"]}\\\\\"", "17",       "-1.5e+3", "null", "NaN",         "-Infinity",
        "true", "\"\\u0000\"",     "\"{[,:\"", "{}",      "[]",   "\"\xC3\xA9\""};
    const size_t kind = depth == 0 ? 0 : depth > 3 ? 3 : pick(state, 6);
    if (kind > 1) {
        const char *const leaf = leaves[pick(state, sizeof leaves / sizeof leaves[0])];
        memcpy(out, leaf, strlen(leaf));
        return strlen(leaf);
    }
    size_t n = 0;
    const size_t members = pick(state, 4);
    out[n++] = kind == 0 ? '{' : '[';
    for (size_t i = 0; i < members; i++) {
        n += put_blanks(out + n, state, is_line);
        if (i > 0) {
            out[n++] = ',';
            n += put_blanks(out + n, state, is_line);
        }
        if (kind == 0) {
            n += (size_t)sprintf(out + n, "\"k\\\"%zu\"", i);
            n += put_blanks(out + n, state, is_line);
            out[n++] = ':';
            n += put_blanks(out + n, state, is_line);
        }
        n += put_value(out + n, state, is_line, depth + 1);
    }
    n += put_blanks(out + n, state, is_line);
    out[n++] = kind == 0 ? '}' : ']';
    return n;
}

Test(mutations, sound_corpora_made_at_random_give_exactly_the_records_put_in)
{
    enum { MADE = 3000, MOST = 12 };
    uint64_t state = 0xD1B54A32D192ED03u;
    struct wn_error err;
    char *const bytes = malloc(1 << 20);
    for (size_t round = 0; round < MADE; round++) {
        const bool is_array = round % 2 == 0;
        const size_t n = 1 + pick(&state, MOST);
        size_t begin[MOST];
        size_t size = put_blanks(bytes, &state, false);
        size_t end[MOST];
        if (is_array) {
            bytes[size++] = '[';
        }
        for (size_t i = 0; i < n; i++) {
            size += put_blanks(bytes + size, &state, false);
            begin[i] = size;
            size += put_value(bytes + size, &state, !is_array, is_array ? (int)pick(&state, 2) : 0);
            end[i] = size;
            size += put_blanks(bytes + size, &state, false);
            bytes[size++] = is_array ? i + 1 < n ? ',' : ']' : '\n';
        }
        struct wn_corpus *corpus = NULL;
        struct wn_corpus_reader *reader = NULL;
        WN_TEST_OK(corpus_of((struct wn_span){bytes, size}, WN_FORM_ALPACA, &corpus, &err));
        WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
        cr_assert_eq(wn_corpus_count(corpus), n, "round %zu:\n%.*s", round, (int)size, bytes);
        for (size_t i = 0; i < n; i++) {
            struct wn_place place;
            struct wn_span span;
            WN_TEST_OK(wn_corpus_read(reader, i, &place, &span, &err));
            cr_assert(place.offset == begin[i] && place.offset + place.length == end[i],
                      "round %zu, record %zu:\n%.*s", round, i, (int)size, bytes);
        }
        wn_corpus_reader_free(reader);
        wn_corpus_free(corpus);
        const char *const fault = corpus_probe(bytes, size, &err);
        cr_assert_null(fault, "round %zu: %s in:\n%.*s", round, fault, (int)size, bytes);
    }
    free(bytes);
}

Test(mutations, many_lines_torn_in_every_way_take_linear_time)
{
    /* Every line begins an object that never ends: each is tried over several lines, and none may run to the end. */
    static const char *const lines[] = {"{\"a\":[", "{\"a\":1,", "{", "{\"a\":\"", "{\"a\":[{},"};
    enum { N = 200000 };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const size_t width = strlen(lines[i]) + 1;
        char *const bytes = malloc(N * width + 32);
        for (size_t k = 0; k < N; k++) {
            memcpy(bytes + k * width, lines[i], width - 1);
            bytes[(k + 1) * width - 1] = '\n';
        }
        const size_t size = N * width + (size_t)sprintf(bytes + N * width, "{\"output\":\"x\"}");
        struct wn_error err;
        struct wn_corpus *corpus = NULL;
        WN_TEST_OK(corpus_of((struct wn_span){bytes, size}, WN_FORM_ALPACA, &corpus, &err));
        cr_assert_eq(wn_corpus_count(corpus), N + 1, "%s", lines[i]);
        wn_corpus_free(corpus);
        free(bytes);
    }
}

Test(mutations, a_million_objects_in_one_line_take_linear_time)
{
    enum { N = 1000000 };
    static const char one[] = "{\"output\":\"x\"}";
    char *const bytes = malloc(N * (sizeof one - 1));
    for (size_t k = 0; k < N; k++) {
        memcpy(bytes + k * (sizeof one - 1), one, sizeof one - 1);
    }
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    struct wn_corpus_reader *reader = NULL;
    WN_TEST_OK(corpus_of((struct wn_span){bytes, N * (sizeof one - 1)}, WN_FORM_DETECT, &corpus, &err));
    WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
    cr_assert_eq(wn_corpus_count(corpus), N);
    for (uint64_t i = 0; i < N; i++) {
        struct wn_place place;
        struct wn_span span;
        WN_TEST_OK(wn_corpus_read(reader, i, &place, &span, &err));
        cr_assert_eq(place.offset, i * (sizeof one - 1));
    }
    wn_corpus_reader_free(reader);
    wn_corpus_free(corpus);
    free(bytes);
}
