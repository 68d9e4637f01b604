/* The scanner and the index: which bytes are records, in every container.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "help.h"

/* A file and the records expected in it, each between two bars. */
struct scan_case {
    const char *name;
    struct wn_span bytes;
    const char *records;
};

static const struct scan_case scan_cases[] = {
    {"array", BYTES("[{\"output\":1},{\"output\":2}]"), "{\"output\":1}|{\"output\":2}"},
    {"array with blanks and line breaks", BYTES(" \r\n\t[ {\"output\":1} \n,\r\n {\"output\":2}\n ] \n"),
     "{\"output\":1}|{\"output\":2}"},
    {"array behind a byte order mark", BYTES("\xEF\xBB\xBF[{\"output\":1}]"), "{\"output\":1}"},
    {"array with elements that are no objects",
     BYTES("[1,\"a,]\\\"\",[2,[3]],{\"output\":\"]\"},null,-1.5e+3,NaN]"),
     "1|\"a,]\\\"\"|[2,[3]]|{\"output\":\"]\"}|null|-1.5e+3|NaN"},
    {"brackets and quotes in strings", BYTES("[{\"output\":\"}]\\\\\"},{\"a\\\"}\":\"[{\"}]"),
     "{\"output\":\"}]\\\\\"}|{\"a\\\"}\":\"[{\"}"},
    {"rows of backslashes", BYTES("[{\"output\":\"\\\\\\\"}]\\\\\\\\\"},{\"a\":\"\\\\\\\\\\\"[{\"}]"),
     "{\"output\":\"\\\\\\\"}]\\\\\\\\\"}|{\"a\":\"\\\\\\\\\\\"[{\"}"},
    {"a text that runs over a line end", BYTES("{\"output\":\n\"b\nc\"}\n{\"output\":2}"),
     "{\"output\":|\"b|c\"}|{\"output\":2}"},
    {"nested", BYTES("[{\"output\":{\"b\":[{\"c\":[]}]}},{}]"), "{\"output\":{\"b\":[{\"c\":[]}]}}|{}"},
    {"lines", BYTES("{\"output\":1}\n{\"output\":2}\n"), "{\"output\":1}|{\"output\":2}"},
    {"last line without its end", BYTES("{\"output\":1}\n{\"output\":2}"), "{\"output\":1}|{\"output\":2}"},
    {"lines of Windows", BYTES("{\"output\":1}\r\n{\"output\":2}\r\n"), "{\"output\":1}|{\"output\":2}"},
    {"lines of old Macs", BYTES("{\"output\":1}\r{\"output\":2}\r"), "{\"output\":1}|{\"output\":2}"},
    {"blank lines", BYTES("\n\n  \n{\"output\":1}\n \t \n\n{\"output\":2}\n\n"),
     "{\"output\":1}|{\"output\":2}"},
    {"lines behind a byte order mark", BYTES("\xEF\xBB\xBF{\"output\":1}\n{\"output\":2}"),
     "{\"output\":1}|{\"output\":2}"},
    {"lines with blanks around", BYTES("  {\"output\":1} \t\n\t{\"output\":2}\n"),
     "{\"output\":1}|{\"output\":2}"},
    {"a broken line keeps its neighbours",
     BYTES("{\"output\":1}\n{\"a\": {\"b\": \n{\"output\":2}\n{\"c\": \"x\n{\"output\":3}\n"),
     "{\"output\":1}|{\"a\": {\"b\":|{\"output\":2}|{\"c\": \"x|{\"output\":3}"},
    {"a first line that is cut at its start", BYTES("put\": \"a\"}\n{\"output\":2}\n"),
     "put\": \"a\"}|{\"output\":2}"},
    {"lines that are no objects", BYTES("{\"output\":1}\n17\n[1, 2]\nnull\n\"x\"\n{\"output\":2}\n"),
     "{\"output\":1}|17|[1, 2]|null|\"x\"|{\"output\":2}"},
    {"a comma behind the object", BYTES("{\"output\":1},\n{\"output\":2}\n"),
     "{\"output\":1},|{\"output\":2}"},
    {"objects in one line", BYTES("{\"output\":1}{\"output\":2} {\"output\":3}\n{\"output\":4}"),
     "{\"output\":1}|{\"output\":2}|{\"output\":3}|{\"output\":4}"},
    {"objects over several lines",
     BYTES("{\n  \"output\": [\n    {\n \"a\": {}\n },\n true ]\n}\n{\n  \"output\":\n  2\n}{\n}\n"),
     "{\n  \"output\": [\n    {\n \"a\": {}\n },\n true ]\n}|{\n  \"output\":\n  2\n}|{\n}"},
    {"an object over several lines that is torn", BYTES("{\n\"output\": 1,\n{\"output\":2}\n{\"output\":3}"),
     "{|\"output\": 1,|{\"output\":2}|{\"output\":3}"},
    {"an object over several lines with text behind", BYTES("{\"output\":\n1} x\n{\"output\":2}"),
     "{\"output\":|1} x|{\"output\":2}"},
    {"bytes that are no UTF-8 and U+0000", BYTES("{\"output\":\"\xFF\"}\n\0\n{\"output\":2}"), NULL},
};

static size_t join_records(const struct wn_corpus *corpus, char *out, size_t size)
{
    struct wn_error err;
    struct wn_corpus_reader *reader = NULL;
    WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
    size_t n = 0;
    for (uint64_t i = 0; i < wn_corpus_count(corpus); i++) {
        struct wn_place place;
        struct wn_span bytes;
        WN_TEST_OK(wn_corpus_read(reader, i, &place, &bytes, &err));
        cr_assert_eq(place.length, bytes.size);
        cr_assert_eq(place.id_hash, wn_hash64(bytes));
        cr_assert(n + bytes.size + 2 < size);
        if (i > 0) {
            out[n++] = '|';
        }
        memcpy(out + n, bytes.data, bytes.size);
        n += bytes.size;
    }
    out[n] = 0;
    wn_corpus_reader_free(reader);
    return n;
}

Test(scan, every_container_gives_the_bytes_of_its_records)
{
    for (size_t i = 0; i < sizeof scan_cases / sizeof scan_cases[0]; i++) {
        const struct scan_case *const c = &scan_cases[i];
        struct wn_error err;
        struct wn_corpus *corpus = NULL;
        WN_TEST_OK(corpus_of(c->bytes, WN_FORM_ALPACA, &corpus, &err));
        char records[4096];
        join_records(corpus, records, sizeof records);
        if (c->records == NULL) {
            cr_assert_eq(wn_corpus_count(corpus), 3, "%s", c->name);
        } else {
            cr_assert_str_eq(records, c->records, "%s", c->name);
        }
        wn_corpus_free(corpus);
    }
}

/* A corpus of n records, about `width` bytes each, as lines or array. In new memory. */
static char *make_corpus(size_t n, size_t width, bool is_array, size_t *out_size)
{
    char *const bytes = malloc(n * (width + 64) + 16);
    size_t at = 0;
    bytes[at++] = is_array ? '[' : '\n';
    for (size_t i = 0; i < n; i++) {
        at += (size_t)sprintf(bytes + at, "%s{\"instruction\": \"number %zu\", \"output\": \"",
                              i == 0     ? ""
                              : is_array ? ",\n"
                                         : "\n",
                              i);
        const size_t fill = width * (i % 7) / 6;
        memset(bytes + at, 'a' + (int)(i % 26), fill);
        at += fill;
        at += (size_t)sprintf(bytes + at, "\"}");
    }
    bytes[at++] = is_array ? ']' : '\n';
    *out_size = at;
    return bytes;
}

Test(scan, random_access_gives_what_reading_in_order_gives_over_many_blocks)
{
    static const size_t widths[] = {40, 6000};
    static const size_t numbers[] = {10000, 1000};
    for (size_t round = 0; round < 4; round++) {
        const size_t n = numbers[round / 2];
        size_t size = 0;
        char *const bytes = make_corpus(n, widths[round / 2], round % 2 == 0, &size);
        struct wn_error err;
        struct wn_corpus *corpus = NULL;
        WN_TEST_OK(corpus_of((struct wn_span){bytes, size}, WN_FORM_DETECT, &corpus, &err));
        cr_assert_eq(wn_corpus_count(corpus), n);
        struct wn_corpus_reader *reader = NULL;
        WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
        struct wn_place *const places = calloc(n, sizeof *places);
        uint64_t end = 0;
        for (size_t i = 0; i < n; i++) {
            struct wn_span record;
            WN_TEST_OK(wn_corpus_read(reader, i, &places[i], &record, &err));
            cr_assert(places[i].offset >= end, "record %zu overlaps the one before", i);
            end = places[i].offset + places[i].length;
            cr_assert_eq(memcmp(record.data, bytes + places[i].offset, record.size), 0);
            char head[64];
            const int head_size = snprintf(head, sizeof head, "{\"instruction\": \"number %zu\"", i);
            cr_assert_eq(memcmp(record.data, head, (size_t)head_size), 0, "record %zu", i);
        }
        cr_assert(end <= size);
        for (size_t k = 0; k < 400; k++) {
            const size_t i = k * 7919 % n;
            struct wn_place place;
            struct wn_span record;
            WN_TEST_OK(wn_corpus_read(reader, i, &place, &record, &err));
            cr_assert_eq(memcmp(&place.offset, &places[i].offset, sizeof place.offset), 0, "record %zu", i);
            cr_assert_eq(place.length, places[i].length);
            cr_assert_eq(place.id_hash, places[i].id_hash);
        }
        struct wn_place place;
        struct wn_span record;
        cr_assert_eq(wn_corpus_read(reader, n, &place, &record, &err), WN_DEFECT);
        free(places);
        wn_corpus_reader_free(reader);
        wn_corpus_free(corpus);
        free(bytes);
    }
}

Test(scan, a_place_is_told_by_line_or_by_record_and_bytes)
{
    struct wn_error err;
    struct wn_arena *arena = NULL;
    WN_TEST_OK(wn_arena_new(&arena, &err));
    size_t size = 0;
    char *const lines = make_corpus(3000, 12, false, &size);
    struct folder folder;
    folder_make(&folder);
    char path[2][4096];
    folder_write(&folder, "a.jsonl", (struct wn_span){lines, size}, path[0]);
    folder_write(&folder, "b.json", SPAN("[{\"output\":1}, {\"output\":2}]"), path[1]);
    const char *const paths[] = {path[0], path[1]};
    struct wn_corpus *corpus = NULL;
    WN_TEST_OK(wn_corpus_open(&(struct wn_corpus_options){.paths = paths, .n_paths = 2}, &corpus, &err));
    struct wn_corpus_reader *reader = NULL;
    WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
    static const struct {
        uint64_t index;
        const char *front, *back; /* around the path */
    } cases[] = {{0, "line 2 of ", ""},
                 {1024, "line 1026 of ", ""},
                 {2999, "line 3001 of ", ""},
                 {3001, "record 1 of ", " (bytes 15 to 27)"}};
    for (size_t i = 0; i < 4; i++) {
        struct wn_place place;
        struct wn_span text;
        char expected[4200];
        WN_TEST_OK(wn_corpus_read(reader, cases[i].index, &place, &text, &err));
        WN_TEST_OK(wn_corpus_where(corpus, &place, arena, &text, &err));
        snprintf(expected, sizeof expected, "%s%s%s", cases[i].front, path[place.file], cases[i].back);
        cr_assert_str_eq(text.data, expected);
    }
    wn_corpus_reader_free(reader);
    wn_corpus_free(corpus);
    wn_arena_free(arena);
    free(lines);
    folder_remove(&folder);
}

Test(scan, deep_nesting_is_a_bad_record_and_its_neighbours_are_read)
{
    enum { DEPTH = 100000 };
    char *const bytes = malloc(2 * DEPTH + 64);
    size_t at = (size_t)sprintf(bytes, "[{\"output\":\"a\"},");
    memset(bytes + at, '[', DEPTH);
    memset(bytes + at + DEPTH, ']', DEPTH);
    at += 2 * DEPTH;
    at += (size_t)sprintf(bytes + at, ",{\"output\":\"b\"}]");
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    WN_TEST_OK(corpus_of((struct wn_span){bytes, at}, WN_FORM_DETECT, &corpus, &err));
    cr_assert_eq(wn_corpus_count(corpus), 3);
    struct wn_corpus_reader *reader = NULL;
    struct wn_arena *arena = NULL;
    WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
    WN_TEST_OK(wn_arena_new(&arena, &err));
    static const enum wn_status expected[] = {WN_STATUS_OK, WN_STATUS_PARSE_ERROR, WN_STATUS_OK};
    for (uint64_t i = 0; i < 3; i++) {
        struct wn_record record;
        WN_TEST_OK(wn_corpus_record(reader, i, arena, &record, &err));
        cr_assert_eq(record.status, expected[i], "record %d: %s", (int)i, record.why.data);
    }
    wn_arena_free(arena);
    wn_corpus_reader_free(reader);
    wn_corpus_free(corpus);
    free(bytes);
}

Test(scan, hashes_are_those_of_the_plain_bytes_and_a_changed_file_is_noticed)
{
    struct folder folder;
    struct wn_error err;
    folder_make(&folder);
    char path[2][4096];
    folder_write(&folder, "a.jsonl", SPAN("{\"output\":1}\n"), path[0]);
    folder_write(&folder, "b.json", SPAN("[{\"output\":2}]"), path[1]);
    const char *const paths[] = {path[0], path[1]};
    struct wn_corpus *corpus = NULL;
    WN_TEST_OK(wn_corpus_open(&(struct wn_corpus_options){.paths = paths, .n_paths = 2}, &corpus, &err));
    char expected[33];
    char got[33];
    wn_hash128_text(SPAN("{\"output\":1}\n"), expected);
    cr_assert_str_eq(wn_corpus_file(corpus, 0).hash, expected);
    /* That of the corpus is over the digits of the files' hashes. */
    char digits[65];
    memcpy(digits, expected, 32);
    wn_hash128_text(SPAN("[{\"output\":2}]"), digits + 32);
    wn_hash128_text((struct wn_span){digits, 64}, expected);
    wn_corpus_hash(corpus, got);
    cr_assert_str_eq(got, expected);
    cr_assert_eq(wn_corpus_file(corpus, 0).records, 1);
    cr_assert_eq(wn_corpus_file(corpus, 1).size, 14);
    cr_assert(wn_corpus_file(corpus, 1).is_array && !wn_corpus_file(corpus, 0).is_array);
    struct wn_corpus_reader *reader = NULL;
    WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
    struct wn_place place;
    struct wn_span bytes;
    cr_assert_eq(truncate(path[0], 3), 0);
    cr_assert_eq(wn_corpus_read(reader, 0, &place, &bytes, &err), WN_INPUT);
    cr_assert_not_null(strstr(err.text, "shorter"), "%s", err.text);
    FILE *const file = fopen(path[1], "r+");
    cr_assert(file != NULL && fseek(file, 11, SEEK_SET) == 0 && fputc('3', file) == '3' && fclose(file) == 0);
    cr_assert_eq(wn_corpus_read(reader, 1, &place, &bytes, &err), WN_INPUT);
    cr_assert_not_null(strstr(err.text, "has changed"), "%s", err.text);
    wn_corpus_reader_free(reader);
    wn_corpus_free(corpus);
    folder_remove(&folder);
}
