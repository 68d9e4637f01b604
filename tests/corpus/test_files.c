/* Real files: compressed ones, dataset_info.json, and the data of the shared facts.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "help.h"

#include <signal.h>
#include <sys/resource.h>

static const char two[] =
    "{\"instruction\":\"a\",\"output\":\"b\"}\n{\"instruction\":\"c\",\"output\":\"d\"}\n";

static void check_two(const char *path, const char *spool, const char *compression, uint64_t n)
{
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    const char *const paths[] = {path};
    WN_TEST_OK(wn_corpus_open(&(struct wn_corpus_options){.paths = paths, .n_paths = 1, .spool = spool},
                              &corpus, &err));
    cr_assert_eq(wn_corpus_count(corpus), n);
    cr_assert_str_eq(wn_corpus_file(corpus, 0).compression, compression);
    cr_assert_str_eq(wn_corpus_file(corpus, 0).path, path);
    cr_assert_eq(wn_corpus_file(corpus, 0).size, n / 2 * (sizeof two - 1));
    struct wn_corpus_reader *reader = NULL;
    struct wn_arena *arena = NULL;
    struct wn_record record;
    WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
    WN_TEST_OK(wn_arena_new(&arena, &err));
    WN_TEST_OK(wn_corpus_record(reader, n - 1, arena, &record, &err));
    cr_assert_str_eq(record_line(&record, arena), "ok U(c) A(d)");
    wn_arena_free(arena);
    wn_corpus_reader_free(reader);
    wn_corpus_free(corpus);
}

/* `n` streams one behind the other, each of the text `two`. In new memory. */
static char *repeat(char *(*pack)(struct wn_span, size_t *), size_t n, size_t tail, size_t *out_size)
{
    size_t size = 0;
    char *const one = pack((struct wn_span){two, sizeof two - 1}, &size);
    char *const all = calloc(n * size + tail + 1, 1);
    for (size_t i = 0; i < n; i++) {
        memcpy(all + i * size, one, size);
    }
    free(one);
    *out_size = n * size + tail;
    return all;
}

Test(files, streams_of_several_members_are_unpacked_whole)
{
    struct folder folder;
    folder_make(&folder);
    char path[4096];
    char spool[4096];
    char plain[4096];
    size_t size = 0;
    folder_path(&folder, "spool", spool);
    char *packed = repeat(pack_gzip, 3, 0, &size);
    folder_write(&folder, "a.jsonl.gz", (struct wn_span){packed, size}, path);
    check_two(path, NULL, "gzip", 6);
    cr_assert_eq(folder_count(&folder), 1, "a file was left behind");
    check_two(path, spool, "gzip", 6);
    check_two(path, spool, "gzip", 6);
    char name[64] = "spool/";
    wn_hash128_text((struct wn_span){packed, size}, name + 6);
    strcat(name, ".plain");
    folder_path(&folder, name, plain);
    cr_assert_eq(unlink(plain), 0, "the plain copy has another name");
    cr_assert_eq(rmdir(spool), 0, "more than the plain copy was left");
    free(packed);
    packed = repeat(pack_gzip, 1, 512, &size);
    folder_write(&folder, "b.gz", (struct wn_span){packed, size}, path);
    check_two(path, NULL, "gzip", 2);
    free(packed);
    packed = repeat(pack_zstd, 4, 0, &size);
    folder_write(&folder, "c.zst", (struct wn_span){packed, size}, path);
    check_two(path, NULL, "zstd", 8);
    free(packed);
    folder_remove(&folder);
}

Test(files, every_cut_of_a_compressed_file_is_noticed)
{
    struct folder folder;
    folder_make(&folder);
    for (int kind = 0; kind < 2; kind++) {
        size_t size = 0;
        char *const packed = repeat(kind == 0 ? pack_gzip : pack_zstd, 2, 0, &size);
        for (size_t cut = 5; cut < size; cut++) {
            char path[4096];
            struct wn_error err;
            struct wn_corpus *corpus = NULL;
            folder_write(&folder, "cut", (struct wn_span){packed, cut}, path);
            const char *const paths[] = {path};
            const wn_code code =
                wn_corpus_open(&(struct wn_corpus_options){.paths = paths, .n_paths = 1}, &corpus, &err);
            if (cut == size / 2) {
                cr_assert_eq(code, WN_OK, "one whole stream is a whole file: %s", err.text);
                wn_corpus_free(corpus);
                continue;
            }
            cr_assert_eq(code, WN_INPUT, "cut at %zu of %zu", cut, size);
            cr_assert(strstr(err.text, "byte") != NULL && strstr(err.text, path) != NULL, "%s", err.text);
        }
        /* A flipped byte in the middle of the first stream: its checksum or its codes notice. */
        packed[size / 2 - 6] = (char)(packed[size / 2 - 6] ^ 0x10);
        char path[4096];
        struct wn_error err;
        struct wn_corpus *corpus = NULL;
        folder_write(&folder, "cut", (struct wn_span){packed, size}, path);
        const char *const paths[] = {path};
        const wn_code code =
            wn_corpus_open(&(struct wn_corpus_options){.paths = paths, .n_paths = 1}, &corpus, &err);
        if (kind == 0) {
            cr_assert_eq(code, WN_INPUT);
        } else if (code == WN_OK) {
            wn_corpus_free(corpus); /* zstd frames made in one call carry no checksum */
        }
        free(packed);
    }
    folder_remove(&folder);
}

Test(files, running_out_of_room_is_told_with_what_is_needed)
{
    struct folder folder;
    folder_make(&folder);
    char path[4096];
    char spool[4096];
    char needed[64];
    size_t size = 0;
    char *const packed = repeat(pack_gzip, 40000, 0, &size);
    folder_write(&folder, "a.gz", (struct wn_span){packed, size}, path);
    folder_path(&folder, "spool", spool);
    snprintf(needed, sizeof needed, "needs %zu bytes in all", 40000 * (sizeof two - 1));
    /* A limit on the size of files stands for a full disk: both show as a write that fails half-way. */
    const struct rlimit limit = {100000, 100000};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const char *const paths[] = {path};
    for (int i = 0; i < 2; i++) {
        struct wn_corpus *corpus = NULL;
        struct wn_error err;
        const struct wn_corpus_options options = {
            .paths = paths, .n_paths = 1, .spool = i == 0 ? NULL : spool};
        const wn_code code = wn_corpus_open(&options, &corpus, &err);
        cr_assert_eq(code, WN_IO, "%d: %s", (int)code, err.text);
        cr_assert_not_null(strstr(err.text, needed), "%s", err.text);
        cr_assert_not_null(strstr(err.text, path), "%s", err.text);
        cr_log_info("FATAL\tno room for the plain bytes\t%d\t%s", (int)code, err.text);
    }
    cr_assert_eq(folder_count(&folder), 2, "a torn copy was left behind");
    cr_assert_eq(rmdir(spool), 0, "a torn copy was left behind");
    free(packed);
    folder_remove(&folder);
}

Test(files, a_spool_folder_that_cannot_be_made_is_an_error_of_files)
{
    struct folder folder;
    folder_make(&folder);
    char path[4096];
    size_t size = 0;
    char *const packed = repeat(pack_gzip, 2, 0, &size);
    folder_write(&folder, "a.gz", (struct wn_span){packed, size}, path);
    const char *const paths[] = {path};
    struct wn_corpus *corpus = NULL;
    struct wn_error err;
    const struct wn_corpus_options options = {.paths = paths, .n_paths = 1, .spool = path};
    cr_assert_eq(wn_corpus_open(&options, &corpus, &err), WN_IO);
    cr_assert_not_null(strstr(err.text, path), "%s", err.text);
    free(packed);
    folder_remove(&folder);
}

static const char info[] =
    "{\"plain\": {\"file_name\": \"a.json\"},"
    " \"chat\": {\"file_name\": \"b.json\", \"formatting\": \"sharegpt\", \"columns\": {\"messages\": "
    "\"talk\", \"system\": \"sys\"},"
    "   \"tags\": {\"role_tag\": \"r\", \"content_tag\": \"c\", \"user_tag\": \"me\", \"assistant_tag\": "
    "\"you\"}},"
    " \"named\": {\"file_name\": \"a.json\", \"columns\": {\"prompt\": \"input\", \"response\": \"output\"}},"
    " \"openai\": {\"file_name\": \"c.json\", \"formatting\": \"openai\", \"columns\": {\"messages\": "
    "\"messages\"}},"
    " \"hub\": {\"hf_hub_url\": \"x/y\"},"
    " \"rank\": {\"file_name\": \"a.json\", \"ranking\": true},"
    " \"pictures\": {\"file_name\": \"a.json\", \"columns\": {\"prompt\": \"p\", \"images\": \"i\"}},"
    " \"rated\": {\"file_name\": \"a.json\", \"columns\": {\"prompt\": \"p\", \"response\": \"r\", "
    "\"kto_tag\": \"l\"}},"
    " \"text\": {\"file_name\": \"a.json\", \"columns\": {\"prompt\": \"text\"}},"
    " \"odd\": {\"file_name\": \"a.json\", \"formatting\": \"odd\"},"
    " \"column\": {\"file_name\": \"a.json\", \"columns\": {\"colour\": \"red\"}},"
    " \"number\": {\"file_name\": 5}}";

struct info_case {
    const char *dataset;
    wn_code code;
    const char *says; /* the first record, or a part of the message */
};

static const struct info_case info_cases[] = {
    {"plain", WN_OK, "ok U(i|n) A(o)"},
    {"named", WN_OK, "ok U(n) A(o)"},
    {"chat", WN_OK, "ok S(s) U(a) A(b)"},
    {"openai", WN_OK, "ok U(a) A(b)"},
    {"hub", WN_USAGE, "no file_name"},
    {"rank", WN_INPUT, "for ranking"},
    {"pictures", WN_INPUT, "column \"images\""},
    {"rated", WN_INPUT, "column \"kto_tag\""},
    {"text", WN_INPUT, "no column \"response\""},
    {"odd", WN_INPUT, "formatting \"odd\""},
    {"column", WN_INPUT, "column \"colour\""},
    {"number", WN_INPUT, "\"file_name\" of dataset \"number\" must be text, not number"},
    {"none", WN_USAGE, "has no dataset \"none\"; those with a file are: plain, chat"},
};

Test(files, dataset_info_names_the_file_and_its_fields)
{
    struct folder folder;
    folder_make(&folder);
    char path[4096];
    struct wn_error err;
    struct wn_arena *arena = NULL;
    WN_TEST_OK(wn_arena_new(&arena, &err));
    folder_write(&folder, "a.json",
                 SPAN("[{\"instruction\":\"i\",\"input\":\"n\",\"output\":\"o\",\"system\":\"s\"}]"), path);
    folder_write(&folder, "b.json",
                 SPAN("[{\"sys\":\"s\",\"talk\":[{\"r\":\"me\",\"c\":\"a\"},{\"r\":\"you\",\"c\":\"b\"}]}]"),
                 path);
    folder_write(&folder, "c.json",
                 SPAN("[{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\","
                      "\"content\":\"b\"}]}]"),
                 path);
    folder_write(&folder, "dataset_info.json", wn_span_of(info), path);
    for (size_t i = 0; i < sizeof info_cases / sizeof info_cases[0]; i++) {
        const struct info_case *const c = &info_cases[i];
        struct wn_corpus *corpus = NULL;
        const struct wn_corpus_options options = {.dataset_info = path, .dataset = c->dataset};
        const wn_code code = wn_corpus_open(&options, &corpus, &err);
        cr_assert_eq(code, c->code, "%s: %d %s", c->dataset, (int)code, err.text);
        if (code != WN_OK) {
            cr_assert_not_null(strstr(err.text, c->says), "%s: %s", c->dataset, err.text);
            cr_log_info("FATAL\tdataset %s\t%d\t%s", c->dataset, (int)code, err.text);
            continue;
        }
        struct wn_corpus_reader *reader = NULL;
        struct wn_record record;
        WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
        WN_TEST_OK(wn_corpus_record(reader, 0, arena, &record, &err));
        cr_assert_str_eq(record_line(&record, arena), c->says, "%s", c->dataset);
        wn_corpus_reader_free(reader);
        wn_corpus_free(corpus);
    }
    wn_arena_free(arena);
    folder_remove(&folder);
}

/* Files of the shared data: how many records, of which form, with how many turns in all. */
struct real_case {
    const char *file;
    enum wn_form form;
    uint64_t records, turns;
    bool is_array;
};

static const struct real_case real_cases[] = {
    {"data/formats/alpaca_en_demo.json", WN_FORM_ALPACA, 999, 999, true},
    {"data/formats/alpaca_zh_demo.json", WN_FORM_ALPACA, 1000, 1000, true},
    {"data/formats/huatuo_liver_cancer.json", WN_FORM_ALPACA, 1000, 1000, true},
    {"data/formats/fastchat_dummy_conversation.json", WN_FORM_SHAREGPT, 500, 1000, true},
    {"data/formats/glaive_toolcall_en_demo.json", WN_FORM_SHAREGPT, 300, 746, true},
    {"data/formats/v1_sft_demo.jsonl", WN_FORM_MESSAGES, 500, 500, false},
    {"data/alpaca_gpt2_ifd_5200.json", WN_FORM_ALPACA, 5200, 5200, true},
    {"data/alpaca_cherry_5_percent.json", WN_FORM_ALPACA, 3111, 3111, true},
    {"data/nuggets_scored_9038.json", WN_FORM_ALPACA, 9038, 9038, true},
    {"data/samples_edges.json", WN_FORM_ALPACA, 44, 44, true},
};

Test(files, real_files_are_read_whole)
{
    WN_TEST_SHARED("data/samples_edges.json", probe);
    struct wn_error err;
    struct wn_arena *arena = NULL;
    WN_TEST_OK(wn_arena_new(&arena, &err));
    for (size_t i = 0; i < sizeof real_cases / sizeof real_cases[0]; i++) {
        const struct real_case *const c = &real_cases[i];
        WN_TEST_SHARED(c->file, path);
        const char *const paths[] = {path};
        struct wn_corpus *corpus = NULL;
        struct wn_corpus_reader *reader = NULL;
        WN_TEST_OK(wn_corpus_open(&(struct wn_corpus_options){.paths = paths, .n_paths = 1}, &corpus, &err));
        WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
        cr_assert_eq(wn_corpus_form(corpus), c->form, "%s", c->file);
        cr_assert_eq(wn_corpus_count(corpus), c->records, "%s", c->file);
        cr_assert_eq(wn_corpus_file(corpus, 0).is_array, c->is_array, "%s", c->file);
        uint64_t turns = 0;
        for (uint64_t k = 0; k < c->records; k++) {
            struct wn_record record;
            wn_arena_reset(arena);
            WN_TEST_OK(wn_corpus_record(reader, k, arena, &record, &err));
            cr_assert_eq(record.status, WN_STATUS_OK, "%s %d: %s", c->file, (int)k, record.why.data);
            turns += record.n_turns;
        }
        cr_assert_eq(turns, c->turns, "%s", c->file);
        wn_corpus_reader_free(reader);
        wn_corpus_free(corpus);
    }
    wn_arena_free(arena);
}

Test(files, edge_rows_keep_control_characters_line_ends_and_marks)
{
    WN_TEST_SHARED("data/samples_edges.json", path);
    static const struct {
        uint64_t row;
        struct wn_span instruction, input, output;
    } rows[] = {
        {17, BYTES("Control characters."), BYTES("a\0b"), BYTES("\x01\x02 x\0y \x7F")},
        {20, BYTES("Windows line ends."), BYTES("one\r\ntwo\r\n"), BYTES("one\r\ntwo\r\nthree")},
        {29, BYTES("Reply."), BYTES(""), BYTES("Input is null.")},
        {37, BYTES("BOM"), BYTES(""), BYTES("\xEF\xBB\xBFText after a BOM.")},
        {38, BYTES("Lone CR\r"), BYTES("a\rb"), BYTES("\r")},
    };
    const char *const paths[] = {path};
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    struct wn_corpus_reader *reader = NULL;
    struct wn_arena *arena = NULL;
    WN_TEST_OK(wn_corpus_open(&(struct wn_corpus_options){.paths = paths, .n_paths = 1}, &corpus, &err));
    WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
    WN_TEST_OK(wn_arena_new(&arena, &err));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wn_record record;
        WN_TEST_OK(wn_corpus_record(reader, rows[i].row, arena, &record, &err));
        cr_assert_eq(record.n_messages, 2);
        cr_assert(wn_span_equal(record.messages[0].text, rows[i].instruction), "row %d", (int)rows[i].row);
        cr_assert(wn_span_equal(record.messages[0].input, rows[i].input), "row %d", (int)rows[i].row);
        cr_assert(wn_span_equal(record.messages[1].text, rows[i].output), "row %d", (int)rows[i].row);
    }
    wn_arena_free(arena);
    wn_corpus_reader_free(reader);
    wn_corpus_free(corpus);
}

Test(files, self_instruct_tasks_are_refused_with_the_way_to_flatten_them)
{
    WN_TEST_SHARED("data/formats/self_instruct_seed_tasks.jsonl", path);
    const char *const paths[] = {path};
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    cr_assert_eq(wn_corpus_open(&(struct wn_corpus_options){.paths = paths, .n_paths = 1}, &corpus, &err),
                 WN_INPUT);
    cr_assert_not_null(strstr(err.text, ".instances[]"), "%s", err.text);
}
