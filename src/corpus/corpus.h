/* The corpus: files -> records (byte spans) -> conversations -> samples by a profile.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A record is one JSON object, known by its global index over all files in the order given. The corpus keeps an index
 * of blocks, not of records, so its memory does not grow with the number of records' bytes; a span is found by
 * scanning one block. Bytes are never changed: a record's span is what a selection copies.
 * One wn_corpus is shared by threads; each thread has a reader of its own. Its index may still grow (wn_corpus_begin,
 * wn_corpus_step) while readers read what is known.
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

struct wn_stop;

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
    const char *spool; /* folder for the plain bytes of compressed files; NULL: an unlinked temporary file. A plain
                           copy is named by the hash of the compressed bytes (32 digits and ".plain"), so one that is
                           there already is used again, also by another run */
    const struct wn_stop *stop; /* asked while a file is unpacked: WN_STOPPED; NULL: nobody stops it */
    const char *index; /* wn_corpus_begin: file that keeps the index between starts of a run, or NULL */
    const char *id_key; /* --id-key: id_hash is that of this field's value (a text's bytes, else as it is written);
                            where a record lacks it, and with NULL, that of the record's bytes */
};

struct wn_corpus;
struct wn_corpus_reader;

/* Open all files, unpack compressed ones, detect container (array or lines) and form, index every record. Owned by
 * the caller. WN_USAGE for options that contradict; WN_INPUT naming file, byte and mend for what cannot be read as
 * records at all: missing file, Parquet or Arrow, not UTF-8 JSON at the top, a torn array or compressed stream. */
wn_code wn_corpus_open(const struct wn_corpus_options *options, struct wn_corpus **out_corpus,
                       struct wn_error *err);
void wn_corpus_free(struct wn_corpus *corpus);

/* The same in steps, so that records can be read while the rest is indexed. wn_corpus_begin opens the files, unpacks
 * what is compressed, and decides the form, for which it indexes as far as needed. wn_corpus_step goes on by one block;
 * one thread at a time may call it. *out_done is true when the index is whole: then count, hashes and wn_corpus_file
 * are final. Before that only records below wn_corpus_known may be read, and wn_corpus_count must not be asked.
 *
 * With options->index the blocks are kept in that file (frames of base/frame.h, written before a block is known), and
 * begin reads what is there: each step then holds a block of the files against its hash instead of scanning it, and the
 * scan goes on behind the last one. A torn tail of the file is cut off. WN_RUN, naming file and bytes, where the corpus
 * is another one than that of the index: number of files, a size, or the bytes of a block differ; names and times do not
 * count. WN_INPUT as wn_corpus_open, but a torn array is found only when the index gets there. */
wn_code wn_corpus_begin(const struct wn_corpus_options *options, struct wn_corpus **out_corpus,
                        struct wn_error *err);
wn_code wn_corpus_step(struct wn_corpus *corpus, bool *out_done, struct wn_error *err);
/* Records that may be read: grows with each step. Any thread. */
uint64_t wn_corpus_known(const struct wn_corpus *corpus);
bool wn_corpus_is_whole(const struct wn_corpus *corpus); /* any thread */
/* Bytes of all files together, and those behind which the index stands. Any thread. */
uint64_t wn_corpus_bytes(const struct wn_corpus *corpus);
uint64_t wn_corpus_bytes_known(const struct wn_corpus *corpus);
/* fdatasync of the index file, so that what is known survives a power cut. From the thread that steps or any other;
 * nothing where there is no index file. WN_IO. */
wn_code wn_corpus_index_sync(struct wn_corpus *corpus, struct wn_error *err);

/* Plain bytes that the compressed files among `paths` will need, counted by unpacking them once without keeping
 * anything; 0 where none is compressed. WN_INPUT as wn_corpus_open. */
wn_code wn_corpus_plain_bytes(const char *const *paths, size_t n_paths, uint64_t *out_bytes, struct wn_error *err);

uint64_t wn_corpus_count(const struct wn_corpus *corpus); /* of a whole index */
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
/* XXH3-128 over the hashes of all files, in order: equal for equal contents, whatever the files are called. */
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
