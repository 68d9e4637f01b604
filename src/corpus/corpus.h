/* The corpus: files -> records (byte spans) -> conversations -> samples by a profile.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A record is one JSON object, known by its global index over all files in the order given. The corpus keeps an index
 * of blocks, not of records, so its memory does not grow with the number of records' bytes; a span is found by
 * scanning one block. Bytes are never changed: a record's span is what a selection copies.
 * One wn_corpus is read-only and shared by threads; each thread has a reader of its own.
 */
#ifndef WINNOW_CORPUS_CORPUS_H
#define WINNOW_CORPUS_CORPUS_H

#include "winnow/arena.h"
#include "winnow/row.h"
#include "winnow/span.h"
#include "winnow/status.h"

#include "corpus/profile.h"

#include <stdbool.h>
#include <stdint.h>

enum wn_form { WN_FORM_DETECT, WN_FORM_ALPACA, WN_FORM_SHAREGPT, WN_FORM_MESSAGES, WN_FORM_PAIR };

struct wn_corpus_options {
    const char *const *paths; /* files in order; with dataset_info, none: its file_name is used */
    size_t n_paths;
    enum wn_form form;      /* DETECT: from the first record */
    const char *const *map; /* "field=name": our field (instruction, input, output, system, history, messages,
                                 role, content, ...) is called `name` in the records */
    size_t n_map;
    const char *dataset_info; /* LLaMA-Factory's dataset_info.json, or NULL */
    const char *dataset;      /* the entry of it */
    const char *spool; /* folder for the plain bytes of compressed files; NULL: an unlinked temporary file */
};

struct wn_corpus;
struct wn_corpus_reader;

/* Open all files, unpack compressed ones, detect container (array or lines) and form, index every record. Owned by
 * the caller. WN_USAGE for options that contradict; WN_INPUT naming file, byte and mend for what cannot be read as
 * records at all: missing file, Parquet or Arrow, not UTF-8 JSON at the top, a torn array or compressed stream. */
wn_code wn_corpus_open(const struct wn_corpus_options *options, struct wn_corpus **out_corpus,
                       struct wn_error *err);
void wn_corpus_free(struct wn_corpus *corpus);

uint64_t wn_corpus_count(const struct wn_corpus *corpus);
enum wn_form wn_corpus_form(const struct wn_corpus *corpus);
/* "alpaca (instruction in "instruction", ...; told by record 0)": what was decided and by what; lives with the corpus. */
const char *wn_corpus_form_text(const struct wn_corpus *corpus);
const char *wn_form_name(enum wn_form form); /* "alpaca", "sharegpt", "messages", "pair" */
enum wn_form wn_form_find(const char *name); /* DETECT for an unknown name */

struct wn_corpus_file {
    const char *path; /* as given */
    uint64_t size;    /* plain bytes */
    uint64_t records;
    bool is_array;           /* JSON array; else one record a line */
    const char *compression; /* "none", "gzip", "zstd" */
    char hash[33];           /* XXH3-128 of the plain bytes */
};
size_t wn_corpus_n_files(const struct wn_corpus *corpus);
struct wn_corpus_file wn_corpus_file(const struct wn_corpus *corpus, size_t file);
/* XXH3-128 over all files' plain bytes, in order: what decides on resume. */
void wn_corpus_hash(const struct wn_corpus *corpus, char out_text[33]);

/* Where a record stands. */
struct wn_place {
    uint64_t index;
    uint64_t offset;  /* in the plain bytes of its file */
    uint64_t id_hash; /* XXH3-64 of its bytes */
    uint32_t length;
    uint16_t file;
};

wn_code wn_corpus_reader_new(const struct wn_corpus *corpus, struct wn_corpus_reader **out_reader,
                             struct wn_error *err);
void wn_corpus_reader_free(struct wn_corpus_reader *reader);

/* The bytes of record `index` (< count), constant time for the next record, one block's scan otherwise. *out_bytes
 * lives with the corpus. WN_INPUT where the file has changed under us. */
wn_code wn_corpus_read(struct wn_corpus_reader *reader, uint64_t index, struct wn_place *out_place,
                       struct wn_span *out_bytes, struct wn_error *err);

enum wn_role { WN_ROLE_SYSTEM, WN_ROLE_USER, WN_ROLE_ASSISTANT, WN_ROLE_TOOL };

/* One message. For a user's message of an Alpaca record `text` is the instruction and `input` its input. */
struct wn_message {
    enum wn_role role;
    bool has_text; /* false: key missing or null */
    struct wn_span text;
    struct wn_span input; /* empty where absent, null or "" */
};

/* A record as a conversation. `status` is OK, or PARSE_ERROR / UNSUPPORTED with `why` naming field and type. */
struct wn_record {
    struct wn_place place;
    enum wn_status status;
    struct wn_span why;
    const struct wn_message *messages; /* arena */
    size_t n_messages;
    uint32_t n_turns; /* assistant messages: samples this record has; at least 1 unless status is bad */
};

/* Read and parse record `index`; everything lives in `arena`. A bad record is a status, not an error. */
wn_code wn_corpus_record(struct wn_corpus_reader *reader, uint64_t index, struct wn_arena *arena,
                         struct wn_record *out_record, struct wn_error *err);

/* Parse the bytes of one record of a corpus of this shape (what wn_corpus_record does after reading). */
wn_code wn_record_parse(const struct wn_corpus *corpus, struct wn_span bytes, struct wn_arena *arena,
                        struct wn_record *out_record, struct wn_error *err);

/* "line 7 of a.jsonl" or "record 7 of a.json (bytes 120 to 360)", for messages; in `arena`. */
wn_code wn_corpus_where(const struct wn_corpus *corpus, const struct wn_place *place, struct wn_arena *arena,
                        struct wn_span *out_text, struct wn_error *err);

#endif
