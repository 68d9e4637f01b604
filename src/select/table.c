/* Scores as JSON lines or CSV: one row for each chosen record, or for all of them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Rows are made in the order of the records, so that every block of the columns is read once. Where another order is
 * asked for they wait in a temporary file without a name; memory holds 28 bytes a row and one block of the columns.
 */
#include "select/select.h"

#include "base/base.h"
#include "select/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FIELDS = 64, MEGABYTE = 1 << 20 };

/* One field behind index, id, rank and status. */
struct field {
    const char *name;
    const char *column;
};

static const struct field published[] = {
    {"ppl_A_direct", "ppl_direct"}, {"ppl_A_condition", "ppl_cond"}, {"ifd_ppl", "ifd_ppl"}};

/* Where a row stands in the temporary file. */
struct row_place {
    uint64_t offset;
    uint32_t size;
};

struct work {
    const struct wn_score_table_options *options;
    const struct wn_scores *scores;
    const struct wn_selection *selection; /* NULL: all records */
    struct wn_corpus_reader *reader;      /* NULL: no ids */
    struct field fields[MAX_FIELDS];
    size_t n_fields;
    uint64_t first, n;            /* rows in the blocks */
    uint64_t *numbers, *statuses; /* [WN_SELECT_BLOCK] */
    double *ranks, *values;       /* [WN_SELECT_BLOCK], [n_fields][WN_SELECT_BLOCK] */
    struct wn_bytes text;         /* rows on their way out */
    struct wn_file *file;
    FILE *spool;
    struct row_place *places; /* [selection->n], by output place */
    uint64_t spooled;
};

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Nothing that was read may be written over; an older table only if the caller says so. */
static wn_code output_check(const struct work *work, struct wn_error *err)
{
    const char *path = work->options->path;
    bool is_input = is_same_file(path, wn_scores_path(work->scores));
    for (size_t i = 0; i < work->options->n_inputs && !is_input; i++) {
        is_input = is_same_file(path, work->options->inputs[i]);
    }
    WN_CHECK(!is_input, err, WN_USAGE,
             "%s: is an input and is never overwritten: give the table another name", path);
    WN_CHECK(work->options->replace || !wn_path_exists(path), err, WN_USAGE,
             "%s: exists already: give another name, or say --force to replace it", path);
    return WN_OK;
}

/* What stands in every row, or says where the record stands and not what it scored. */
static bool is_own_column(const char *name)
{
    static const char *const own[] = {"index", "id_hash", "file", "offset", "length", "status", "rank"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strcmp(own[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void fields_set(struct work *work)
{
    if (work->options->published_names) {
        memcpy(work->fields, published, sizeof published);
        work->n_fields = sizeof published / sizeof published[0];
        return;
    }
    const char *const *columns = wn_scores_columns(work->scores);
    for (size_t i = 0; columns[i] != NULL && work->n_fields < MAX_FIELDS; i++) {
        if (!is_own_column(columns[i])) {
            work->fields[work->n_fields] = (struct field){columns[i], columns[i]};
            work->n_fields++;
        }
    }
}

static wn_code work_open(struct work *work, const struct wn_corpus *corpus, struct wn_error *err)
{
    fields_set(work);
    work->numbers = malloc(WN_SELECT_BLOCK * sizeof *work->numbers);
    work->statuses = malloc(WN_SELECT_BLOCK * sizeof *work->statuses);
    work->ranks = malloc(WN_SELECT_BLOCK * sizeof *work->ranks);
    work->values = malloc(work->n_fields * WN_SELECT_BLOCK * sizeof *work->values);
    WN_CHECK(work->numbers != NULL && work->statuses != NULL && work->ranks != NULL && work->values != NULL,
             err, WN_DEVICE, "out of memory for a block of scores");
    return corpus == NULL ? WN_OK : wn_corpus_reader_new(corpus, &work->reader, err);
}

static void work_close(struct work *work)
{
    wn_corpus_reader_free(work->reader);
    wn_file_abandon(&work->file);
    if (work->spool != NULL) {
        (void)fclose(work->spool);
    }
    wn_bytes_free(&work->text);
    free(work->numbers);
    free(work->statuses);
    free(work->ranks);
    free(work->values);
    free(work->places);
}

static void put_text(struct work *work, const char *text)
{
    wn_bytes_add(&work->text, text, strlen(text));
}

/* 17 significant digits read back as the same bits. What is not finite: an empty field of CSV for NaN; null in JSON, or,
 * with the published names, what Python's json writes and reads. */
static void put_number(struct work *work, double number)
{
    char digits[40];
    if (isfinite(number)) {
        snprintf(digits, sizeof digits, "%.17g", number);
        put_text(work, digits);
        return;
    }
    const bool is_nan = isnan(number) != 0;
    if (work->options->is_csv) {
        put_text(work, is_nan ? "" : number > 0 ? "inf" : "-inf");
    } else if (work->options->published_names) {
        put_text(work, is_nan ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
    } else {
        put_text(work, "null");
    }
}

/* A field of RFC 4180: in quotes where it holds a comma, a quote or a line break. */
static void put_csv_text(struct work *work, struct wn_span text)
{
    bool needs_quotes = false;
    for (size_t i = 0; i < text.size && !needs_quotes; i++) {
        needs_quotes = strchr(",\"\r\n", text.data[i]) != NULL && text.data[i] != '\0';
    }
    if (!needs_quotes) {
        wn_bytes_add(&work->text, text.data, text.size);
        return;
    }
    put_text(work, "\"");
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"') {
            put_text(work, "\"");
        }
        wn_bytes_add(&work->text, &text.data[i], 1);
    }
    put_text(work, "\"");
}

/* The text `id` as a JSON string. */
static wn_code put_json_text(struct work *work, struct wn_span id, struct wn_error *err)
{
    struct wn_json *list = wn_json_new_array();
    char *text = NULL;
    wn_code code = WN_OK;
    if (list == NULL || !wn_json_append_text(list, id)) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for an id");
    } else {
        code = wn_json_print(list, false, &text, err); /* ["..."] */
    }
    if (code == WN_OK) {
        wn_bytes_add(&work->text, text + 1, strlen(text) - 2);
    }
    free(text);
    wn_json_free(list);
    return code;
}

/* The value of the id field as text: a string as it reads, anything else as it is written; null and a record without
 * the field (or that is no JSON object) have none. */
static wn_code put_id(struct work *work, uint64_t number, struct wn_error *err)
{
    struct wn_place place;
    struct wn_span record, value = {NULL, 0};
    WN_TRY(wn_corpus_read(work->reader, number, &place, &record, err));
    struct wn_json *root = NULL;
    if (wn_object_value(record, work->options->id_key, &value, NULL) != WN_OK || wn_span_is(value, "null")) {
        value = (struct wn_span){NULL, 0};
    }
    if (value.size > 0 && value.data[0] == '"' && wn_json_parse(value, WN_INPUT, &root, NULL) == WN_OK) {
        value = wn_json_text(root);
    } else if (value.size > 0 && !wn_utf8_valid(value, NULL)) {
        value = (struct wn_span){NULL, 0};
    }
    wn_code code = WN_OK;
    if (work->options->is_csv) {
        put_csv_text(work, value);
    } else if (value.data == NULL) {
        put_text(work, "null");
    } else {
        code = put_json_text(work, value, err);
    }
    wn_json_free(root);
    return code;
}

/* What stands in front of field `name`: a comma in CSV, its name too in JSON. */
static void put_name(struct work *work, const char *name, bool is_first)
{
    if (work->options->is_csv) {
        put_text(work, is_first ? "" : ",");
        return;
    }
    put_text(work, is_first ? "{\"" : ", \"");
    put_text(work, name);
    put_text(work, "\": ");
}

/* The row of record `at` of the block behind work->text. */
static wn_code put_row(struct work *work, size_t at, struct wn_error *err)
{
    const bool is_csv = work->options->is_csv;
    const char *status = wn_status_name((int)work->statuses[at]);
    char digits[32];
    snprintf(digits, sizeof digits, "%" PRIu64, work->numbers[at]);
    put_name(work, "index", true);
    put_text(work, digits);
    if (work->reader != NULL) {
        put_name(work, "id", false);
        WN_TRY(put_id(work, work->numbers[at], err));
    }
    put_name(work, "rank", false);
    if (isnan(work->ranks[at])) {
        put_text(work, is_csv ? "" : "null");
    } else {
        put_number(work, work->ranks[at]);
    }
    put_name(work, "status", false);
    put_text(work, is_csv ? "" : "\"");
    put_text(work, status == NULL ? "" : status);
    put_text(work, is_csv ? "" : "\"");
    for (size_t f = 0; f < work->n_fields; f++) {
        put_name(work, work->fields[f].name, false);
        put_number(work, work->values[f * WN_SELECT_BLOCK + at]);
    }
    put_text(work, is_csv ? "\r\n" : "}\n");
    WN_CHECK(!work->text.is_short, err, WN_DEVICE, "out of memory for a row");
    return WN_OK;
}

static void put_header(struct work *work)
{
    put_text(work, work->reader != NULL ? "index,id,rank,status" : "index,rank,status");
    for (size_t f = 0; f < work->n_fields; f++) {
        put_text(work, ",");
        put_text(work, work->fields[f].name);
    }
    put_text(work, "\r\n");
}

static wn_code text_write(struct work *work, struct wn_error *err)
{
    WN_CHECK(!work->text.is_short, err, WN_DEVICE, "out of memory for a row");
    WN_TRY(wn_file_write(work->file, wn_bytes_span(&work->text), err));
    wn_bytes_clear(&work->text);
    return WN_OK;
}

/* The blocks of the columns that row `row` lies in. */
static wn_code block_load(struct work *work, uint64_t row, struct wn_error *err)
{
    const uint64_t total = wn_scores_count(work->scores);
    WN_CHECK(row < total, err, WN_DEFECT, "row %" PRIu64 " of %" PRIu64 " was chosen", row, total);
    if (work->n > 0 && row >= work->first && row - work->first < work->n) {
        return WN_OK;
    }
    WN_TRY(wn_stop_check(work->options->stop, "writing the scores", err));
    work->first = row / WN_SELECT_BLOCK * WN_SELECT_BLOCK;
    work->n = total - work->first < WN_SELECT_BLOCK ? total - work->first : WN_SELECT_BLOCK;
    const size_t n = (size_t)work->n;
    WN_TRY(wn_scores_integers(work->scores, "index", work->first, n, work->numbers, err));
    WN_TRY(wn_scores_integers(work->scores, "status", work->first, n, work->statuses, err));
    WN_TRY(wn_scores_doubles(work->scores, "rank", work->first, n, work->ranks, err));
    for (size_t f = 0; f < work->n_fields; f++) {
        WN_TRY(wn_scores_doubles(work->scores, work->fields[f].column, work->first, n,
                                 work->values + f * WN_SELECT_BLOCK, err));
    }
    return WN_OK;
}

static wn_code all_write(struct work *work, struct wn_error *err)
{
    for (uint64_t row = 0; row < wn_scores_count(work->scores); row++) {
        WN_TRY(block_load(work, row, err));
        WN_TRY(put_row(work, (size_t)(row - work->first), err));
        if (work->text.size >= MEGABYTE) {
            WN_TRY(text_write(work, err));
        }
    }
    return text_write(work, err);
}

static wn_code fail_spool(const struct work *work, int reason, struct wn_error *err)
{
    WN_FAIL(err, WN_IO,
            "%s: the temporary file for its rows cannot be used: %s; as much space as the table itself needs "
            "is wanted "
            "there: free some and run the same command again",
            work->options->path, strerror(reason));
}

/* A file without a name in the folder of the table. */
static wn_code spool_open(struct work *work, struct wn_error *err)
{
    char *name = NULL;
    WN_CHECK(asprintf(&name, "%s.rows.XXXXXX", wn_file_temporary(work->file)) >= 0, err, WN_DEVICE,
             "out of memory for a path");
    const int file = mkostemp(name, O_CLOEXEC);
    int reason = errno;
    if (file >= 0) {
        (void)unlink(name);
        work->spool = fdopen(file, "w+");
        reason = errno;
        if (work->spool == NULL) {
            (void)close(file);
        }
    }
    free(name);
    return work->spool != NULL ? WN_OK : fail_spool(work, reason, err);
}

static int compare_places(const void *a, const void *b, void *context)
{
    const uint64_t *indices = context;
    const uint64_t x = indices[*(const uint64_t *)a], y = indices[*(const uint64_t *)b];
    return x < y ? -1 : x > y;
}

/* Make the rows in the order of the records and keep each where its place in the output says. */
static wn_code rows_spool(struct work *work, uint64_t *order, struct wn_error *err)
{
    const struct wn_selection *selection = work->selection;
    for (uint64_t i = 0; i < selection->n; i++) {
        order[i] = i;
    }
    qsort_r(order, (size_t)selection->n, sizeof *order, compare_places, selection->indices);
    for (uint64_t i = 0; i < selection->n; i++) {
        WN_TRY(block_load(work, selection->indices[order[i]], err));
        WN_TRY(put_row(work, (size_t)(selection->indices[order[i]] - work->first), err));
        const size_t size = work->text.size;
        WN_CHECK(size <= UINT32_MAX, err, WN_INPUT, "record %" PRIu64 ": its id is too long for a table",
                 selection->indices[order[i]]);
        if (fwrite(work->text.data, 1, size, work->spool) != size) {
            return fail_spool(work, errno, err);
        }
        work->places[order[i]] = (struct row_place){work->spooled, (uint32_t)size};
        work->spooled += size;
        wn_bytes_clear(&work->text);
    }
    return fflush(work->spool) == 0 ? WN_OK : fail_spool(work, errno, err);
}

static wn_code chosen_write(struct work *work, struct wn_error *err)
{
    const uint64_t n = work->selection->n;
    uint64_t *order = malloc(((size_t)n + 1) * sizeof *order);
    work->places = malloc(((size_t)n + 1) * sizeof *work->places);
    wn_code code = WN_OK;
    if (order == NULL || work->places == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for %" PRIu64 " rows", n);
    }
    if (code == WN_OK) {
        code = text_write(work, err); /* the header, before rows go elsewhere */
    }
    if (code == WN_OK) {
        code = spool_open(work, err);
    }
    if (code == WN_OK) {
        code = rows_spool(work, order, err);
    }
    free(order);
    WN_TRY(code);
    char *row = NULL;
    size_t room = 0;
    for (uint64_t i = 0; i < n && code == WN_OK; i++) {
        const struct row_place place = work->places[i];
        if (place.size > room) {
            char *grown = realloc(row, place.size);
            if (grown == NULL) {
                code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for a row");
                break;
            }
            row = grown;
            room = place.size;
        }
        const ssize_t got = pread(fileno(work->spool), row, place.size, (off_t)place.offset);
        code = got == (ssize_t)place.size ? wn_file_write(work->file, (struct wn_span){row, place.size}, err)
                                          : fail_spool(work, got < 0 ? errno : EIO, err);
    }
    free(row);
    return code;
}

static wn_code work_run(struct work *work, const struct wn_corpus *corpus, struct wn_error *err)
{
    WN_TRY(output_check(work, err));
    WN_TRY(work_open(work, corpus, err));
    WN_TRY(wn_file_create(work->options->path, &work->file, err));
    if (work->options->is_csv) {
        put_header(work);
    }
    WN_TRY(work->selection == NULL ? all_write(work, err) : chosen_write(work, err));
    WN_TRY(wn_stop_check(work->options->stop, "writing the scores", err));
    return wn_file_commit(&work->file, err);
}

wn_code wn_score_table_write(const struct wn_score_table_options *options, const struct wn_scores *scores,
                             const struct wn_corpus *corpus, const struct wn_selection *selection,
                             struct wn_error *err)
{
    struct work work = {.options = options, .scores = scores, .selection = selection};
    wn_code code = WN_OK;
    if (corpus != NULL) {
        code = wn_corpus_scored_check(scores, corpus, err);
    }
    if (code == WN_OK) {
        code = work_run(&work, corpus, err);
    }
    work_close(&work);
    return code;
}
