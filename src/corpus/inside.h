/* What the files of corpus share: sources, the index and the shape of records. Internal to corpus.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CORPUS_INSIDE_H
#define WINNOW_CORPUS_INSIDE_H

#include "base/base.h"
#include "corpus/corpus.h"
#include "corpus/scan.h"

#include <stdatomic.h>
#include <sys/types.h>

/* ---- source.c, unpack.c: one file's plain bytes ---- */

struct wn_source {
    const char *path;        /* as given; borrowed: the corpus' arena */
    struct wn_span bytes;    /* plain */
    struct wn_map map;       /* the file, or its plain copy in the spool folder */
    struct wn_span unnamed;  /* mapping of an unlinked temporary file, or empty */
    struct wn_map packed;    /* the compressed file, until it is unpacked; else zeroed */
    const char *compression; /* "none", "gzip", "zstd" */
    bool is_array;
    const struct wn_stop *stop; /* asked while it is unpacked; may be NULL */
    const char *stored;         /* the path that `map` maps; borrowed: the corpus' arena */
    dev_t device;               /* of the mapped file; inode 0: unlinked, nobody can change it */
    ino_t inode;
};

/* Map the file `path`, and tell whether it is compressed: then only `packed` is set. A source is zeroed before. */
wn_code wn_source_open(const char *path, struct wn_source *out_source, struct wn_error *err);
/* Where the file is compressed: unpack it to `stored`, or use the copy that is there; `stored` NULL: to an unlinked
 * temporary file. Then refuse what is no text of records, and tell the container. `spool`: the folder of `stored`. */
wn_code wn_source_settle(struct wn_source *source, const char *spool, struct wn_error *err);
void wn_source_close(struct wn_source *source); /* a zeroed source is allowed */
/* WN_INPUT where the mapped file has become shorter than it was: reading on would kill the process. */
wn_code wn_source_check(const struct wn_source *source, struct wn_error *err);
/* Give the pages back that hold these plain bytes, and those a little before them: who read them is done. They are read
 * again from the file where somebody else still needs them. */
void wn_source_release(const struct wn_source *source, uint64_t offset, uint64_t size);
/* Folder for temporary files: $TMPDIR or /tmp. */
const char *wn_temporary_folder(void);

/* "gzip", "zstd" or "none" by the first bytes. */
const char *wn_compression_of(struct wn_span bytes);

/* Where unpacked bytes go: a named file, or a temporary one without a name, or nowhere, to be counted only. */
struct wn_sink {
    struct wn_file *file; /* or NULL: fd is used */
    int fd;
    bool counts_only;
    const struct wn_stop *stop; /* may be NULL */
    const char *folder;         /* for messages */
    uint64_t written;
};

/* Unpack the whole stream `packed` (one of the two compressions) into `sink`. WN_INPUT naming `path` and the byte of
 * the compressed file for a torn or corrupt stream; WN_IO with the bytes needed in all where space runs short. */
wn_code wn_unpack(const char *path, const char *compression, const struct wn_map *packed,
                  struct wn_sink *sink, struct wn_error *err);

/* ---- spool.c: plain copies ---- */

/* Name the plain copy of each compressed source by its bytes' hash, in `stored`; nothing without a spool folder. */
wn_code wn_spool_name(struct wn_source *sources, size_t n, const char *spool, struct wn_arena *arena,
                      struct wn_error *err);
/* WN_IO, with the bytes needed and those free, where the plain copies that are still to be made will not fit into
 * `spool` (NULL: the folder for temporary files). Counts them by unpacking where that may be. */
wn_code wn_spool_check_room(const struct wn_source *sources, size_t n, const char *spool,
                            struct wn_error *err);
/* Whether the plain copy `stored` is there. WN_IO where something else has its name. */
wn_code wn_spool_find(const char *stored, bool *out_found, struct wn_error *err);

/* ---- form.c, dataset_info.c: how records are written ---- */

enum wn_field {
    WN_FIELD_INSTRUCTION,
    WN_FIELD_INPUT,
    WN_FIELD_OUTPUT,
    WN_FIELD_SYSTEM,
    WN_FIELD_HISTORY,
    WN_FIELD_MESSAGES,
    WN_FIELD_ROLE,
    WN_FIELD_CONTENT,
    WN_FIELD_COUNT
};

enum wn_tag {
    WN_TAG_USER,
    WN_TAG_ASSISTANT,
    WN_TAG_OBSERVATION,
    WN_TAG_FUNCTION,
    WN_TAG_SYSTEM,
    WN_TAG_COUNT
};

/* Names of the fields in the records. Texts live in the corpus' arena or are constant. */
struct wn_shape {
    enum wn_form form;
    const char *names[WN_FIELD_COUNT]; /* NULL: not read. role, content: NULL stands for the usual names */
    bool given[WN_FIELD_COUNT];        /* by the user: not to be guessed */
    bool mapped[WN_FIELD_COUNT];       /* by --map, which names a field once */
    const char *tags[WN_TAG_COUNT];    /* role names beside the usual ones, or NULL */
};

bool wn_form_is_conversation(enum wn_form form);

/* Put "field=name" into the shape. WN_USAGE for an unknown field, and for one that an earlier call has put there. */
wn_code wn_shape_map(struct wn_shape *shape, const char *map, struct wn_arena *arena, struct wn_error *err);
/* WN_USAGE where the given fields do not belong to the form asked for, or to two forms. */
wn_code wn_shape_check(const struct wn_shape *shape, struct wn_error *err);
/* Guess the form (where it is DETECT) and the names that were not given from one record. False where the record tells
 * nothing. */
bool wn_shape_guess(struct wn_shape *shape, const struct wn_json *record);
/* The usual names where none was given or guessed. The form is known. */
void wn_shape_complete(struct wn_shape *shape);
/* WN_INPUT: why no form could be guessed from `record`, with the mend. `is_alone`: the corpus has no other record. */
wn_code wn_shape_fail(const struct wn_json *record, const char *where, const char *path, bool is_alone,
                      struct wn_error *err);

/* The role that a name stands for; false for an unknown name. */
bool wn_role_find(const struct wn_shape *shape, struct wn_span name, enum wn_role *out_role);

/* Entry `dataset` of LLaMA-Factory's dataset_info.json: the shape's form, names and tags, and its file in *out_path
 * (NULL where it has none). WN_INPUT for a bad file and for entries that cannot be scored, WN_USAGE for an unknown
 * dataset. */
wn_code wn_dataset_info_read(const char *path, const char *dataset, struct wn_arena *arena,
                             struct wn_shape *shape, const char **out_path, struct wn_error *err);

/* ---- blocks.c: the index in memory ---- */

enum { WN_BLOCK_RECORDS = 1024, WN_BLOCK_BYTES = 1 << 20 };

struct wn_block {
    uint64_t offset; /* of its first record */
    uint64_t bytes;  /* up to the end of its last record */
    uint64_t first;  /* global index of its first record */
    uint64_t hash;   /* XXH3-64 of the bytes */
    uint64_t line;   /* 1-based line of its first record; 0 in an array */
    uint32_t count;
    uint16_t file;
};

enum { WN_PAGE_FIRST = 256, WN_PAGES = 40 };

/* Blocks never move, so that readers may hold them while more are added: page k has WN_PAGE_FIRST << k of them. One
 * thread adds and publishes; any thread reads what is published. */
struct wn_blocks {
    struct wn_block *pages[WN_PAGES];
    size_t n;               /* added, published or not; of the thread that adds */
    _Atomic size_t n_known; /* published */
};

wn_code wn_blocks_add(struct wn_blocks *blocks, const struct wn_block *block, struct wn_error *err);
struct wn_block *wn_blocks_at(const struct wn_blocks *blocks, size_t i); /* i < n */
void wn_blocks_free(struct wn_blocks *blocks);

/* ---- index.c, index_file.c, form_decide.c, open.c, reader.c ---- */

struct wn_indexer;
struct wn_index_file;

struct wn_corpus {
    struct wn_arena *arena; /* paths and names */
    struct wn_shape shape;
    const char *form_text;
    const char *id_key; /* or NULL */
    size_t n_files;
    struct wn_source *sources;    /* n_files */
    struct wn_corpus_file *files; /* n_files; records and hash are 0 and empty here: see below */
    uint64_t *bases;              /* n_files: bytes of the files before */
    uint64_t bytes;               /* of all files */
    uint64_t *firsts; /* n_files: global index of the file's first record; set when the index gets there */
    struct wn_blocks blocks;
    _Atomic uint64_t known;       /* records that may be read */
    _Atomic uint64_t bytes_known; /* bytes behind which the index stands */
    _Atomic bool is_whole;        /* what follows is set */
    uint64_t *records;            /* n_files: of each file */
    char (*hashes)[WN_HASH_TEXT]; /* n_files */
    char hash[WN_HASH_TEXT];
    struct wn_indexer *indexer;       /* of the thread that steps */
    struct wn_index_file *index_file; /* or NULL */
};

/* The indexer of a corpus whose files are open, at their start; blocks that an index file had given are in
 * corpus->blocks by then. wn_corpus_step goes on with it. */
wn_code wn_indexer_new(struct wn_corpus *corpus, struct wn_error *err);
void wn_indexer_free(struct wn_indexer *indexer); /* NULL is allowed */

/* Open the index file `path`, new or not, in corpus->index_file, and add the blocks that it holds to corpus->blocks.
 * WN_RUN where its corpus has other files, sizes or containers. */
wn_code wn_index_file_open(const char *path, struct wn_corpus *corpus, struct wn_error *err);
void wn_index_file_close(struct wn_index_file **file); /* *file may be NULL */
/* One frame with the blocks from `first` up to all of them. */
wn_code wn_index_file_add(struct wn_index_file *file, const struct wn_blocks *blocks, size_t first,
                          struct wn_error *err);
/* The pass is at its end: records and hashes of `corpus` are held against the end frame that was read, or written as
 * one. WN_RUN where they differ. */
wn_code wn_index_file_end(struct wn_index_file *file, const struct wn_corpus *corpus, struct wn_error *err);
wn_code wn_index_file_sync(struct wn_index_file *file, struct wn_error *err);
/* WN_RUN: bytes from..to of file number `file` are others than those of the index. */
wn_code wn_index_file_fail(const struct wn_corpus *corpus, size_t file, uint64_t from, uint64_t to,
                           struct wn_error *err);

/* Decide the form from the first records, going on with the index as far as that needs. WN_INPUT where they tell none,
 * and where there is no record. */
wn_code wn_form_decide(struct wn_corpus *corpus, struct wn_error *err);

/* The corpus that a reader reads. */
const struct wn_corpus *wn_reader_corpus(const struct wn_corpus_reader *reader);
/* The block that holds record `index` (< known). */
const struct wn_block *wn_block_find(const struct wn_corpus *corpus, uint64_t index);
/* The spans of a block's records, in `out_spans` (block->count). WN_INPUT where the file has changed. */
wn_code wn_block_scan(const struct wn_corpus *corpus, const struct wn_block *block, struct wn_span *out_spans,
                      struct wn_error *err);

/* ---- id_key.c ---- */

/* XXH3-64 of the value of field `key` of a record; of the record's bytes where it has none (or null there). WN_DEVICE. */
wn_code wn_id_hash(struct wn_span record, const char *key, uint64_t *out_hash, struct wn_error *err);

/* ---- record.c, messages.c: the fields of a record ---- */

struct wn_parse {
    const struct wn_shape *shape;
    struct wn_arena *arena;
    struct wn_record *record;
    struct wn_message *messages; /* room for max_messages */
    size_t max_messages;
};

/* Mark the record as bad, with the reason; the first reason stays. Fails only without memory. */
wn_code wn_parse_bad(struct wn_parse *parse, enum wn_status status, struct wn_error *err, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));
/* True while no reason was found. */
bool wn_parse_good(const struct wn_parse *parse);
/* A text field: absent (NULL, null) gives false and an empty text. Anything but text is bad, named by `where`. */
wn_code wn_parse_text(struct wn_parse *parse, const struct wn_json *value, const char *where,
                      bool *out_has_text, struct wn_span *out_text, struct wn_error *err);
wn_code wn_parse_room(struct wn_parse *parse, size_t n, struct wn_error *err);
void wn_parse_add(struct wn_parse *parse, struct wn_message message);
/* The messages of a conversation record. */
wn_code wn_parse_conversation(struct wn_parse *parse, const struct wn_json *root, struct wn_error *err);

#endif
