/* --id-key: which bytes a record's number is made from. And the marks that the scanner goes by.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "corpus/marks.h"
#include "help.h"

struct id_case {
    struct wn_span record;
    const char *key;
    struct wn_span hashed; /* size 0 and no data: the record itself */
};

static const struct id_case id_cases[] = {
    {BYTES("{\"id\":\"a7\",\"output\":\"o\"}"), "id", BYTES("a7")},
    {BYTES("{\"output\":\"id\", \"id\" :\t\"\\u0061\\\"\\n\"}"), "id", BYTES("a\"\n")},
    {BYTES("{\"output\":\"o\",\"id\":\"\"}"), "id", BYTES("")},
    {BYTES("{\"output\":\"o\",\"id\": 17 }"), "id", BYTES("17")},
    {BYTES("{\"id\":1.50e1,\"output\":\"o\"}"), "id", BYTES("1.50e1")},
    {BYTES("{\"output\":\"o\",\"id\": true,\"x\":1}"), "id", BYTES("true")},
    {BYTES("{\"output\":\"}:,\\\"\",\"id\": [1, {\"a\":\"],\"}] ,\"x\":1}"), "id",
     BYTES("[1, {\"a\":\"],\"}]")},
    {BYTES("{\"a\":{\"id\":5,\"b\":[1,2]},\"id\":{\"k\" : 2}}"), "id", BYTES("{\"k\" : 2}")},
    {BYTES("{\"i\\u0064\":9,\"output\":\"o\"}"), "id", BYTES("9")},
    {BYTES("{\"output\":\"o\",\"n\\u00e4 me\":3}"), "n\xC3\xA4 me", BYTES("3")},
    {BYTES("{\"output\":\"o\"}"), "id", {NULL, 0}},
    {BYTES("{\"output\":\"o\",\"ID\":1}"), "id", {NULL, 0}},
    {BYTES("{\"output\":\"o\",\"id\":null}"), "id", {NULL, 0}},
    {BYTES("{\"a\":{\"id\":5},\"output\":\"o\"}"), "id", {NULL, 0}},
    {BYTES("{\"output\":\"o\",\"id\":5,}"), "id", {NULL, 0}},
    {BYTES("{}"), "id", {NULL, 0}},
    {BYTES("[\"id\",5]"), "id", {NULL, 0}},
    {BYTES("\"id\""), "id", {NULL, 0}},
};

Test(id_key, the_number_is_that_of_the_field_or_else_of_the_record)
{
    for (size_t i = 0; i < sizeof id_cases / sizeof id_cases[0]; i++) {
        const struct id_case *const c = &id_cases[i];
        struct folder folder;
        struct wn_error err;
        struct wn_corpus *corpus = NULL;
        struct wn_corpus_reader *reader = NULL;
        struct wn_place place;
        struct wn_span bytes;
        char path[4096];
        char text[512];
        folder_make(&folder);
        const int n = snprintf(text, sizeof text, "[{\"output\":\"first\"},\n%.*s]", (int)c->record.size,
                               c->record.data);
        folder_write(&folder, "a.json", (struct wn_span){text, (size_t)n}, path);
        const char *const paths[] = {path};
        const struct wn_corpus_options options = {
            .paths = paths, .n_paths = 1, .form = WN_FORM_ALPACA, .id_key = c->key};
        WN_TEST_OK(wn_corpus_open(&options, &corpus, &err));
        WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
        WN_TEST_OK(wn_corpus_read(reader, 1, &place, &bytes, &err));
        cr_assert(wn_span_equal(bytes, c->record));
        cr_assert_eq(place.id_hash, wn_hash64(c->hashed.data == NULL ? c->record : c->hashed), "case %zu", i);
        wn_corpus_reader_free(reader);
        wn_corpus_free(corpus);
        folder_remove(&folder);
    }
}

Test(marks, are_those_of_every_byte_however_many_are_left)
{
    /* Bytes near the marks are the likely mistakes: one bit off, or the top bit set. */
    static const unsigned char likely[] = {'"',  '{',  '}', '[', ']',  'z',         '|',  ';',
                                           'Z',  '\\', ' ', 0,   0xA2, 0xFB,        0xFD, 0xDB,
                                           0xDD, 0xFF, '!', '#', 2,    0x5B ^ 0x40, 0x3B, 0x3D};
    uint64_t state = 88172645463325252u;
    for (int round = 0; round < 20000; round++) {
        char bytes[WN_MARKS * 2];
        for (size_t i = 0; i < sizeof bytes; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes[i] =
                (char)(round % 2 == 0 ? (unsigned char)(state >> 8) : likely[(state >> 8) % sizeof likely]);
        }
        const size_t left = 1 + (state >> 40) % WN_MARKS;
        const size_t limit = left + (state >> 50) % (sizeof bytes - left + 1);
        uint64_t quotes = 0;
        uint64_t brackets = 0;
        for (size_t i = 0; i < WN_MARKS; i++) {
            const char c = bytes[i];
            quotes |= (uint64_t)(c == '"') << i;
            brackets |= (uint64_t)(c == '{' || c == '}' || c == '[' || c == ']') << i;
        }
        const struct wn_marks plain = wn_marks_plain(bytes);
        const struct wn_marks fast = wn_marks_64(bytes);
        cr_assert(plain.quotes == quotes && plain.brackets == brackets, "round %d", round);
        cr_assert(fast.quotes == quotes && fast.brackets == brackets, "round %d", round);
        const uint64_t kept = left == WN_MARKS ? ~(uint64_t)0 : ((uint64_t)1 << left) - 1;
        const struct wn_marks some = wn_marks(bytes, bytes + left, bytes + limit);
        cr_assert(some.quotes == (quotes & kept) && some.brackets == (brackets & kept), "round %d", round);
    }
}
