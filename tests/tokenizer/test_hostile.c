/* Damaged and hostile files are refused by name; long texts stay fast; places say where tokens stand.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "support.h"
#include "tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct wn_error err;

/* Writes `text` as a file, opens it as a tokenizer, removes it. */
static wn_code open_text(const char *text, struct wn_tokenizer **out)
{
    char path[] = "/tmp/winnow-tokenizer-XXXXXX";
    const int file = mkstemp(path);
    cr_assert(file >= 0);
    const size_t size = strlen(text);
    cr_assert_eq(write(file, text, size), (ssize_t)size);
    (void)close(file);
    const wn_code code = wn_tokenizer_open(path, out, &err);
    (void)unlink(path);
    return code;
}

/* A whole file around a model and other sections. */
static const char *file_of(char out[4096], const char *model, const char *others)
{
    (void)snprintf(out, 4096, "{\"version\":\"1.0\",%s%s\"model\":%s}", others, *others != '\0' ? "," : "",
                   model);
    return out;
}

#define MODEL "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"<unk>\":3},\"merges\":[\"a b\"]}"

struct refusal {
    const char *model;
    const char *others;
    const char *says; /* part of the message */
};

static const struct refusal refusals[] = {
    {"{\"type\":\"Unigram\",\"vocab\":[]}", "", "Unigram"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":0}}", "", "merges"},
    {"{\"type\":\"BPE\",\"vocab\":[],\"merges\":[]}", "", "model.vocab"},
    {"{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}", "", "empty"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}", "", "id -1"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":2000000000},\"merges\":[]}", "", "id 2000000000"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":1e300},\"merges\":[]}", "", "whole number"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":0.5},\"merges\":[]}", "", "whole number"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":\"0\"},\"merges\":[]}", "", "whole number"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}", "", "twice"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}", "", "JSON"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"a b\"]}", "", "merge 0"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"aa\":1},\"merges\":[\"a a\",\"a z\"]}", "", "'z'"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}", "", "one space"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a a\"]}", "", "one space"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}", "", "pair"},
    {"{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[7]}", "", "pair"},
    {"{\"type\":\"BPE\",\"dropout\":0.1,\"vocab\":{\"a\":0},\"merges\":[]}", "", "dropout"},
    {"{\"type\":\"BPE\",\"continuing_subword_prefix\":\"##\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"a "
     "b\"]}",
     "", "continuing_subword_prefix"},
    {"{\"type\":\"BPE\",\"fuse_unk\":1,\"vocab\":{\"a\":0},\"merges\":[]}", "", "fuse_unk"},
    {"7", "", "model"},
    {MODEL, "\"normalizer\":{\"type\":\"Precompiled\"}", "Precompiled"},
    {MODEL, "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":\"\"}",
     "pattern"},
    {MODEL, "\"normalizer\":{\"type\":\"Replace\",\"pattern\":\"x\",\"content\":\"\"}", "pattern"},
    {MODEL, "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[null]}", "normalizers[0]"},
    {MODEL, "\"normalizer\":[]", "normalizer"},
    {MODEL, "\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}", "UnicodeScripts"},
    {MODEL, "\"pre_tokenizer\":{\"type\":\"ByteLevel\"}", "add_prefix_space"},
    {MODEL, "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"__\"}", "one character"},
    {MODEL, "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"x\"}",
     "'x'"},
    {MODEL,
     "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"Sideways\","
     "\"invert\":false}",
     "Sideways"},
    {MODEL,
     "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a)\\\\1\"},\"behavior\":\"Isolated\","
     "\"invert\":false}",
     "escape"},
    {MODEL,
     "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[[a\"},\"behavior\":\"Isolated\","
     "\"invert\":false}",
     "class"},
    {MODEL,
     "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{Nonsense}\"},\"behavior\":"
     "\"Isolated\","
     "\"invert\":false}",
     "Nonsense"},
    {MODEL, "\"post_processor\":{\"type\":\"Other\"}", "Other"},
    {MODEL, "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[],\"special_tokens\":{}}",
     "sequences"},
    {MODEL,
     "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\","
     "\"type_id\":0}},"
     "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"special_tokens\":{}}",
     "<s>"},
    {MODEL, "\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"x\",-5],\"sep\":[\"y\",1]}", "-5"},
    {MODEL, "\"added_tokens\":{}", "added_tokens"},
    {MODEL, "\"added_tokens\":[{\"id\":0}]", "content"},
    {MODEL,
     "\"added_tokens\":[{\"id\":99999999999,\"content\":\"x\",\"single_word\":false,\"lstrip\":false,"
     "\"rstrip\":false,"
     "\"normalized\":false,\"special\":true}]",
     "99999999999"},
};

Test(tokenizer, a_damaged_file_is_refused_and_what_is_wrong_is_named)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        char text[4096];
        struct wn_tokenizer *tokenizer = NULL;
        const wn_code code = open_text(file_of(text, refusals[i].model, refusals[i].others), &tokenizer);
        cr_expect_eq(code, WN_MODEL, "case %zu (%s): code %d", i, refusals[i].says, (int)code);
        cr_expect(code == WN_OK || strstr(err.text, refusals[i].says) != NULL,
                  "case %zu: '%s' does not say '%s'", i, err.text, refusals[i].says);
        wn_tokenizer_free(tokenizer);
    }
}

Test(tokenizer, every_cut_of_a_file_is_refused)
{
    char text[4096];
    (void)file_of(text, MODEL, "\"added_tokens\":[],\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"}");
    for (size_t size = strlen(text); size-- > 0;) {
        struct wn_tokenizer *tokenizer = NULL;
        text[size] = '\0';
        cr_assert_eq(open_text(text, &tokenizer), WN_MODEL, "cut at %zu", size);
    }
}

Test(tokenizer, a_folder_without_a_tokenizer_says_what_belongs_there)
{
    struct wn_tokenizer *tokenizer = NULL;
    cr_assert_eq(wn_tokenizer_open("/tmp", &tokenizer, &err), WN_MODEL);
    cr_assert_not_null(strstr(err.text, "tokenizer.json"));
    cr_assert_eq(wn_tokenizer_open("/nonexistent/folder", &tokenizer, &err), WN_MODEL);
}

static void open_own(const char *name, struct wn_tokenizer **tokenizer, struct wn_encoder **encoder,
                     struct wn_arena **arena)
{
    char folder[4096];
    (void)snprintf(folder, sizeof folder, "%s/tests/tokenizer/data/%s", WINNOW_SOURCE_DIR, name);
    WN_TEST_OK(wn_tokenizer_open(folder, tokenizer, &err));
    WN_TEST_OK(wn_encoder_new(*tokenizer, encoder, &err));
    WN_TEST_OK(wn_arena_new(arena, &err));
}

/* Twenty times the size takes less than a hundred times as long: a quadratic way would take four hundred. */
Test(tokenizer, a_word_of_a_hundred_thousand_characters_is_no_trouble)
{
    static const char *const names[] = {"bytes", "split", "prepend", "digits"};
    static const char *const fills[] = {"ab", " ", "1", "\xC3\xA9", "\xE7\x9A\x84", "'", "\n"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct wn_tokenizer *tokenizer = NULL;
        struct wn_encoder *encoder = NULL;
        struct wn_arena *arena = NULL;
        open_own(names[i], &tokenizer, &encoder, &arena);
        for (size_t f = 0; f < sizeof fills / sizeof fills[0]; f++) {
            const size_t unit = strlen(fills[f]);
            char *text = malloc(100000 * unit);
            cr_assert_not_null(text);
            for (size_t k = 0; k < 100000; k++) {
                memcpy(text + k * unit, fills[f], unit);
            }
            struct wn_tokens tokens;
            const clock_t start = clock();
            WN_TEST_OK(
                wn_encode(encoder, (struct wn_span){text, 100000 * unit}, false, arena, &tokens, &err));
            const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
            cr_expect_lt(seconds, 5.0, "%s, 100,000 times '%s': %.2f s", names[i], fills[f], seconds);
            cr_expect_eq(tokens.places[tokens.n - 1].end, 100000 * unit);
            wn_arena_reset(arena);
            free(text);
        }
        wn_arena_free(arena);
        wn_encoder_free(encoder);
        wn_tokenizer_free(tokenizer);
    }
}

Test(tokenizer, invalid_utf8_is_an_input_error)
{
    static const char *const bad[] = {"\xFF", "a\xC3", "\xED\xA0\x80", "\xC0\x80", "\xF4\x90\x80\x80"};
    struct wn_tokenizer *tokenizer = NULL;
    struct wn_encoder *encoder = NULL;
    struct wn_arena *arena = NULL;
    open_own("bytes", &tokenizer, &encoder, &arena);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wn_tokens tokens;
        cr_expect_eq(wn_encode(encoder, wn_span_of(bad[i]), false, arena, &tokens, &err), WN_INPUT);
    }
    wn_arena_free(arena);
    wn_encoder_free(encoder);
    wn_tokenizer_free(tokenizer);
}

/* Byte level: every byte is in exactly one token, in order. */
Test(tokenizer, places_of_byte_level_tokens_cover_the_text)
{
    static const char text[] =
        "The m\xC3\xBCller  counts \xE7\xA3\xA8\xE5\x9D\x8A 123<|end|>\xF0\x9F\x99\x82\n";
    struct wn_tokenizer *tokenizer = NULL;
    struct wn_encoder *encoder = NULL;
    struct wn_arena *arena = NULL;
    struct wn_tokens tokens;
    open_own("bytes", &tokenizer, &encoder, &arena);
    WN_TEST_OK(wn_encode(encoder, wn_span_of(text), false, arena, &tokens, &err));
    uint32_t at = 0;
    for (size_t i = 0; i < tokens.n; i++) {
        cr_assert_eq(tokens.places[i].begin, at, "token %zu begins at %u, want %u", i, tokens.places[i].begin,
                     at);
        at = tokens.places[i].end;
    }
    cr_assert_eq(at, sizeof text - 1);
    wn_arena_free(arena);
    wn_encoder_free(encoder);
    wn_tokenizer_free(tokenizer);
}

/* "e" and a combining acute become one character: both its tokens stand on all three bytes. */
Test(tokenizer, places_of_changed_text_are_those_it_came_from)
{
    struct wn_tokenizer *tokenizer = NULL;
    struct wn_encoder *encoder = NULL;
    struct wn_arena *arena = NULL;
    struct wn_tokens tokens;
    open_own("split", &tokenizer, &encoder, &arena);
    WN_TEST_OK(wn_encode(encoder, wn_span_of("1e\xCC\x81!"), true, arena, &tokens, &err));
    cr_assert_geq(tokens.n, 4);
    cr_assert(tokens.places[0].begin == 0 && tokens.places[0].end == 0); /* <s> */
    cr_assert(tokens.places[1].begin == 0 && tokens.places[1].end == 1);
    cr_assert(tokens.places[2].begin == 1 && tokens.places[2].end == 4);
    cr_assert(tokens.places[tokens.n - 1].begin == 4 && tokens.places[tokens.n - 1].end == 5);
    wn_arena_free(arena);
    wn_encoder_free(encoder);
    wn_tokenizer_free(tokenizer);
}

Test(tokenizer, pieces_and_ids_are_each_others_inverse)
{
    struct wn_tokenizer *tokenizer = NULL;
    struct wn_encoder *encoder = NULL;
    struct wn_arena *arena = NULL;
    open_own("split", &tokenizer, &encoder, &arena);
    const struct wn_tokenizer_info info = wn_tokenizer_info(tokenizer);
    cr_assert_eq(info.n_prefix, 1);
    cr_assert_eq(info.n_vocab, info.max_id + 1);
    for (int32_t id = 0; id <= info.max_id; id++) {
        cr_assert_eq(wn_tokenizer_id(tokenizer, wn_tokenizer_piece(tokenizer, id)), id);
    }
    cr_assert_null(wn_tokenizer_piece(tokenizer, info.max_id + 1).data);
    cr_assert_null(wn_tokenizer_piece(tokenizer, -1).data);
    cr_assert_eq(wn_tokenizer_id(tokenizer, wn_span_of("no such token")), -1);
    wn_arena_free(arena);
    wn_encoder_free(encoder);
    wn_tokenizer_free(tokenizer);
}
