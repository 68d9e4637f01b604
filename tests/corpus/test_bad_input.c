/* Bad input: each case is a status with a reason, or an error with its code, and the message says what and where.
 * SPDX-License-Identifier: Apache-2.0
 *
 * With --verbose every case is printed with its full message: the table of the documentation.
 */
#include "help.h"

#include <sys/stat.h>

/* A file that is refused. `says` are parts of the message, up to three. */
struct fatal_case {
    const char *name;
    struct wn_span bytes;
    wn_code code;
    const char *says[3];
};

static const struct fatal_case fatal_cases[] = {
    {"empty file", BYTES(""), WN_INPUT, {"holds no record", "JSON array of objects"}},
    {"blank file", BYTES(" \n\r\n\t"), WN_INPUT, {"holds no record"}},
    {"byte order mark alone", BYTES("\xEF\xBB\xBF"), WN_INPUT, {"holds no record"}},
    {"empty array", BYTES("[ ]\n"), WN_INPUT, {"holds no record"}},
    {"array that was cut between records",
     BYTES("[{\"output\":1}\n"),
     WN_INPUT,
     {"ends at byte 14", "behind record 0", "cut"}},
    {"array that was cut behind a comma",
     BYTES("[{\"output\":1},"),
     WN_INPUT,
     {"comma at byte 13", "behind record 0", "cut"}},
    {"array that was cut in a record",
     BYTES("[{\"output\":1},{\"output\":"),
     WN_INPUT,
     {"byte 24", "record 1", "byte 14"}},
    {"array that was cut in a text",
     BYTES("[{\"output\":\"abc"),
     WN_INPUT,
     {"byte 15", "in a string of record 0", "byte 1"}},
    {"array that was cut at its start", BYTES("["), WN_INPUT, {"array that begins at byte 0 has no end"}},
    {"bracket of the wrong kind",
     BYTES("[{\"output\":[1}]}]"),
     WN_INPUT,
     {"'}' at byte 13", "record 0", "json.tool"}},
    {"missing comma",
     BYTES("[{\"output\":1} {\"output\":2}]"),
     WN_INPUT,
     {"comma is missing at byte 14", "behind record 0"}},
    {"comma too much", BYTES("[{\"output\":1},]"), WN_INPUT, {"comma at byte 13", "remove the comma"}},
    {"text behind the array",
     BYTES("[{\"output\":1}]\nx"),
     WN_INPUT,
     {"byte 15", "behind the end of the array"}},
    {"one array a line",
     BYTES("[{\"output\":1}]\n[{\"output\":2}]"),
     WN_INPUT,
     {"second array begins at byte 15"}},
    {"array with a stray byte",
     BYTES("[{\"output\":1},;]"),
     WN_INPUT,
     {"byte 14 (0x3B)", "cannot begin a record"}},
    {"one object around the records",
     BYTES("{\"version\": 1, \"data\": [{\"output\": \"a\"}]}"),
     WN_INPUT,
     {"field \"data\"", "jq -c '.[\"data\"][]'"}},
    {"messages under another name",
     BYTES("{\"turns\": [{\"role\": \"user\"}]}\n{\"turns\": []}\n"),
     WN_INPUT,
     {"line 1 of", "--map messages=turns"}},
    {"self-instruct",
     BYTES("{\"instruction\": \"a\", \"instances\": [{\"input\": \"\", \"output\": \"b\"}]}\n"),
     WN_INPUT,
     {"line 1 of", "instances", "jq -c '{instruction} + .instances[]'"}},
    {"no known field",
     BYTES("[{\"id\": 1, \"text\": \"abc\"}]"),
     WN_INPUT,
     {"record 0 of", "its fields are \"id\", \"text\"", "--map instruction=NAME"}},
    {"lines that are all broken",
     BYTES("{\"a\": \n{\"b\n"),
     WN_INPUT,
     {"no record could be read; the first: line 1 of", "not valid JSON"}},
    {"one object with a surrogate alone",
     BYTES("{\"instruction\": \"a\", \"output\": \"\\ud800\"}\n"),
     WN_INPUT,
     {"no record could be read; the first: line 1 of", "a lone high surrogate"}},
    {"one object with a key that stands twice",
     BYTES("{\"instruction\": \"a\", \"output\": \"b\", \"output\": \"c\"}\n"),
     WN_INPUT,
     {"no record could be read; the first: line 1 of", "the key \"output\" stands twice"}},
    {"comma-separated values",
     BYTES("instruction,output\nab,cd\n"),
     WN_INPUT,
     {"neither a JSON array", "byte 0", "read_csv"}},
    {"plain text", BYTES("  Once upon a time."), WN_INPUT, {"neither a JSON array", "byte 2, is 0x4F"}},
    {"web page", BYTES("<!DOCTYPE html><html>"), WN_INPUT, {"web page"}},
    {"Git LFS pointer",
     BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
     WN_INPUT,
     {"git lfs pull"}},
    {"Parquet", BYTES("PAR1\x15\x04"), WN_INPUT, {"a Parquet file", "load_dataset('parquet'", "lines=True"}},
    {"Arrow file", BYTES("ARROW1\0\0"), WN_INPUT, {"an Arrow file", "open_file('", "lines=True"}},
    {"Feather file", BYTES("FEA1\0\0"), WN_INPUT, {"a Feather file", "read_table('", "lines=True"}},
    {"Arrow stream",
     BYTES("\xFF\xFF\xFF\xFF\x10\0\0\0"),
     WN_INPUT,
     {"an Arrow stream", "from_file('", "lines=True"}},
    {"UTF-16 with its mark", BYTES("\xFF\xFE[\0{\0"), WN_INPUT, {"UTF-16", "iconv -f UTF-16 -t UTF-8"}},
    {"UTF-16, big end first", BYTES("\xFE\xFF\0["), WN_INPUT, {"UTF-16", "iconv"}},
    {"UTF-16 without a mark", BYTES("{\0\"\0"), WN_INPUT, {"UTF-16", "iconv -f UTF-16LE"}},
    {"UTF-32", BYTES("\xFF\xFE\0\0[\0\0\0"), WN_INPUT, {"UTF-32", "iconv"}},
    {"bzip2", BYTES("BZh91AY"), WN_INPUT, {"bunzip2"}},
    {"xz", BYTES("\xFD\x37zXZ\0"), WN_INPUT, {"unxz"}},
    {"zip", BYTES("PK\x03\x04"), WN_INPUT, {"unzip"}},
    {"HDF5", BYTES("\x89HDF\r\n\x1A\n"), WN_INPUT, {"an HDF5 file"}},
    {"gzip that is no gzip", BYTES("\x1F\x8B\x63\x63\x63"), WN_INPUT, {"gzip stream is corrupt near byte"}},
    {"gzip of three bytes", BYTES("\x1F\x8B\x08"), WN_INPUT, {"gzip stream ends in the middle, at byte 3"}},
    {"zstd of five bytes",
     BYTES("\x28\xB5\x2F\xFD\x04"),
     WN_INPUT,
     {"zstd stream ends in the middle, at byte 5"}},
    {"zstd that is no zstd",
     BYTES("\x28\xB5\x2F\xFD\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
     WN_INPUT,
     {"zstd stream is corrupt near byte"}},
};

Test(bad_input, every_unreadable_file_is_refused_with_code_and_mend)
{
    struct folder folder;
    folder_make(&folder);
    for (size_t i = 0; i < sizeof fatal_cases / sizeof fatal_cases[0]; i++) {
        const struct fatal_case *const c = &fatal_cases[i];
        char path[4096];
        folder_write(&folder, "pool.json", c->bytes, path);
        const char *const paths[] = {path};
        struct wn_corpus *corpus = NULL;
        struct wn_error err;
        memset(&err, 0, sizeof err);
        const wn_code code =
            wn_corpus_open(&(struct wn_corpus_options){.paths = paths, .n_paths = 1}, &corpus, &err);
        cr_assert_eq(code, c->code, "%s: code %d, %s", c->name, (int)code, err.text);
        cr_assert_not_null(strstr(err.text, path), "%s: the file is not named: %s", c->name, err.text);
        for (size_t k = 0; k < 3 && c->says[k] != NULL; k++) {
            cr_assert_not_null(strstr(err.text, c->says[k]), "%s: \"%s\" is not in: %s", c->name, c->says[k],
                               err.text);
        }
        cr_log_info("FATAL\t%s\t%d\t%s", c->name, (int)code, err.text);
    }
    folder_remove(&folder);
}

/* A line between two good ones, and its status. */
struct line_case {
    const char *name;
    struct wn_span line;
    enum wn_status status;
    const char *why; /* a part of the reason */
};

static const struct line_case line_cases[] = {
    {"line that was cut", BYTES("{\"instruction\": \"a\", \"output\": \"b"), WN_STATUS_PARSE_ERROR, "byte"},
    {"line without its start", BYTES("tion\": \"a\", \"output\": \"b\"}"), WN_STATUS_PARSE_ERROR, "byte"},
    {"text behind the object", BYTES("{\"output\": \"b\"} x"), WN_STATUS_PARSE_ERROR, "byte"},
    {"comma behind the object", BYTES("{\"output\": \"b\"},"), WN_STATUS_PARSE_ERROR, "byte"},
    {"number", BYTES("17"), WN_STATUS_PARSE_ERROR, "must be an object, not number"},
    {"array", BYTES("[\"a\", \"b\"]"), WN_STATUS_PARSE_ERROR, "must be an object, not array"},
    {"text", BYTES("\"a\""), WN_STATUS_PARSE_ERROR, "must be an object, not text"},
    {"null", BYTES("null"), WN_STATUS_PARSE_ERROR, "must be an object, not null"},
    {"byte that is no UTF-8", BYTES("{\"output\": \"\xFF\"}"), WN_STATUS_PARSE_ERROR, "byte 12"},
    {"overlong UTF-8", BYTES("{\"output\": \"\xC0\x80\"}"), WN_STATUS_PARSE_ERROR, "byte 12"},
    {"surrogate alone", BYTES("{\"output\": \"\\ud800\"}"), WN_STATUS_PARSE_ERROR, "byte"},
    {"key that stands twice", BYTES("{\"output\": \"a\", \"output\": \"b\"}"), WN_STATUS_PARSE_ERROR,
     "\"output\" stands twice"},
    {"U+0000 as a byte", BYTES("{\"output\": \"a\0b\"}"), WN_STATUS_PARSE_ERROR, "byte"},
    {"single quotes", BYTES("{'output': 'a'}"), WN_STATUS_PARSE_ERROR, "byte 1"},
    {"byte order mark inside the file", BYTES("\xEF\xBB\xBF{\"output\": \"a\"}"), WN_STATUS_PARSE_ERROR,
     "byte 0"},
    {"Python's None", BYTES("{\"output\": None}"), WN_STATUS_PARSE_ERROR, "byte"},
    {"number as answer", BYTES("{\"instruction\": \"a\", \"output\": 6}"), WN_STATUS_PARSE_ERROR,
     "\"output\" must be text, not number"},
    {"list as input", BYTES("{\"instruction\": \"a\", \"input\": [], \"output\": \"b\"}"),
     WN_STATUS_PARSE_ERROR, "\"input\" must be text, not array"},
    {"messages among instructions", BYTES("{\"messages\": []}"), WN_STATUS_UNSUPPORTED, "list of messages"},
    {"bare NaN in another field", BYTES("{\"instruction\": \"a\", \"output\": \"b\", \"score\": NaN}"),
     WN_STATUS_OK, ""},
    {"Infinity in another field", BYTES("{\"instruction\": \"a\", \"output\": \"b\", \"score\": -Infinity}"),
     WN_STATUS_OK, ""},
    {"whole number above 2^53", BYTES("{\"id\": 123456789012345678901234567890, \"output\": \"b\"}"),
     WN_STATUS_OK, ""},
    {"null answer", BYTES("{\"instruction\": \"a\", \"output\": null}"), WN_STATUS_OK, ""},
    {"no answer", BYTES("{\"instruction\": \"a\"}"), WN_STATUS_OK, ""},
    {"empty object", BYTES("{}"), WN_STATUS_OK, ""},
};

Test(bad_input, every_bad_line_is_a_status_and_leaves_its_neighbours_alone)
{
    static const char good[] = "{\"instruction\": \"g\", \"output\": \"h\"}";
    struct wn_arena *arena = NULL;
    struct wn_error err;
    WN_TEST_OK(wn_arena_new(&arena, &err));
    for (size_t i = 0; i < sizeof line_cases / sizeof line_cases[0]; i++) {
        const struct line_case *const c = &line_cases[i];
        char bytes[1024];
        const size_t n = sizeof good - 1;
        memcpy(bytes, good, n);
        bytes[n] = '\n';
        memcpy(bytes + n + 1, c->line.data, c->line.size);
        bytes[n + 1 + c->line.size] = '\n';
        memcpy(bytes + n + 2 + c->line.size, good, n);
        struct wn_corpus *corpus = NULL;
        struct wn_corpus_reader *reader = NULL;
        WN_TEST_OK(
            corpus_of((struct wn_span){bytes, 2 * n + 2 + c->line.size}, WN_FORM_DETECT, &corpus, &err));
        WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
        cr_assert_eq(wn_corpus_count(corpus), 3, "%s", c->name);
        struct wn_record record;
        for (uint64_t k = 0; k < 3; k += 2) {
            WN_TEST_OK(wn_corpus_record(reader, k, arena, &record, &err));
            cr_assert_str_eq(record_line(&record, arena), "ok U(g) A(h)", "%s", c->name);
        }
        WN_TEST_OK(wn_corpus_record(reader, 1, arena, &record, &err));
        cr_assert_eq(record.status, c->status, "%s: %s", c->name, record.why.data);
        cr_assert_not_null(strstr(record.why.data, c->why), "%s: %s", c->name, record.why.data);
        cr_assert_eq(record.place.offset, n + 1);
        cr_assert_eq(record.place.length, c->line.size);
        cr_log_info("LINE\t%s\t%s\t%s", c->name, wn_status_name((int)record.status), record.why.data);
        wn_corpus_reader_free(reader);
        wn_corpus_free(corpus);
    }
    wn_arena_free(arena);
}

static void refuse(const struct wn_corpus_options *options, wn_code code, const char *says, const char *name)
{
    struct wn_corpus *corpus = NULL;
    struct wn_error err;
    memset(&err, 0, sizeof err);
    const wn_code got = wn_corpus_open(options, &corpus, &err);
    cr_assert_eq(got, code, "%s: code %d, %s", name, (int)got, err.text);
    cr_assert_not_null(strstr(err.text, says), "%s: %s", name, err.text);
    cr_log_info("FATAL\t%s\t%d\t%s", name, (int)got, err.text);
}

Test(bad_input, what_is_no_regular_file_is_refused)
{
    struct folder folder;
    folder_make(&folder);
    char path[4096];
    const char *const paths[] = {path, path};
    const struct wn_corpus_options options = {.paths = paths, .n_paths = 1};
    folder_path(&folder, "none.json", path);
    refuse(&options, WN_INPUT, "No such file", "missing file");
    folder_path(&folder, "pipe", path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    refuse(&options, WN_INPUT, "is a pipe", "pipe");
    folder_path(&folder, "", path);
    refuse(&options, WN_INPUT, "is a folder", "folder");
    folder_write(&folder, "secret.json", SPAN("[{\"output\":1}]"), path);
    if (geteuid() != 0) {
        cr_assert_eq(chmod(path, 0), 0);
        refuse(&options, WN_INPUT, "Permission denied", "unreadable file");
    }
    folder_write(&folder, "empty.json", SPAN(""), path);
    const struct wn_corpus_options twice = {.paths = paths, .n_paths = 2};
    refuse(&twice, WN_INPUT, "none of the 2 files holds a record", "several empty files");
    refuse(&(struct wn_corpus_options){.n_paths = 0}, WN_USAGE, "no input file", "no file given");
    refuse(&(struct wn_corpus_options){.paths = paths, .n_paths = 1, .dataset = "a"}, WN_USAGE,
           "needs --dataset-info", "--dataset alone");
    refuse(&(struct wn_corpus_options){.dataset_info = path}, WN_USAGE, "needs --dataset NAME",
           "--dataset-info alone");
    folder_remove(&folder);
}

Test(bad_input, an_empty_file_beside_a_full_one_is_no_error)
{
    struct folder folder;
    folder_make(&folder);
    char path[2][4096];
    folder_write(&folder, "a.json", SPAN("[]"), path[0]);
    folder_write(&folder, "b.jsonl", SPAN("{\"output\":\"x\"}"), path[1]);
    const char *const paths[] = {path[0], path[1], path[0]};
    struct wn_corpus *corpus = NULL;
    struct wn_error err;
    WN_TEST_OK(wn_corpus_open(&(struct wn_corpus_options){.paths = paths, .n_paths = 3}, &corpus, &err));
    cr_assert_eq(wn_corpus_count(corpus), 1);
    cr_assert_eq(wn_corpus_file(corpus, 0).records, 0);
    cr_assert_eq(wn_corpus_file(corpus, 1).records, 1);
    wn_corpus_free(corpus);
    folder_remove(&folder);
}
