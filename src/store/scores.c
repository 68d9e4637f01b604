/* Reading scores.h5: everything that the file says is checked before it is believed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store.h"

#include "base/base.h"
#include "store/h5.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_ATTRIBUTES = 1024 };

/* `path` itself, or the scores.h5 in the folder `path`; new memory. */
static wn_code path_resolve(const char *path, char **out_path, uint64_t *out_size, struct wn_error *err)
{
    struct stat facts;
    WN_CHECK(stat(path, &facts) == 0, err, WN_IO,
             "%s: cannot be read: %s; give a scores.h5 or the folder of a run, as `winnow score ... --out` "
             "makes it",
             path, strerror(errno));
    char *found = S_ISDIR(facts.st_mode) ? wn_path_join(path, "scores.h5") : strdup(path);
    WN_CHECK(found != NULL, err, WN_DEVICE, "out of memory for a path");
    if (stat(found, &facts) != 0) {
        const int reason = errno;
        const wn_code code = wn_error_set(
            err, WN_IO, __FILE__, __LINE__,
            "%s: holds no scores.h5 (%s): where the run is not finished, start its `winnow "
            "score` again: it goes on, and writes that file at its end; else give another folder",
            path, strerror(reason));
        free(found);
        return code;
    }
    if (!S_ISREG(facts.st_mode)) {
        free(found);
        WN_FAIL(err, WN_INPUT, "%s: is not a regular file; a scores.h5 or the folder of a run is needed",
                path);
    }
    *out_path = found;
    *out_size = (uint64_t)facts.st_size;
    return WN_OK;
}

/* The text of an attribute in new memory; NULL where it is not a fixed-length scalar string of at most
 * `limit` bytes (what others add to a file, and h5py writes with variable length, is passed over). */
static char *text_read(hid_t attribute, uint64_t limit)
{
    const hid_t type = H5Aget_type(attribute);
    const hid_t space = H5Aget_space(attribute);
    char *text = NULL;
    size_t size = 0;
    if (type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
        H5Sget_simple_extent_npoints(space) == 1) {
        size = H5Tget_size(type);
    }
    if (size > 0 && size <= limit) {
        text = calloc(size + 1, 1);
    }
    if (text != NULL && H5Aread(attribute, type, text) < 0) {
        free(text);
        text = NULL;
    }
    if (space >= 0) {
        H5Sclose(space);
    }
    if (type >= 0) {
        H5Tclose(type);
    }
    return text;
}

static wn_code text_add(struct wn_scores *scores, const char *prefix, hid_t attribute, uint64_t limit,
                        struct wn_error *err)
{
    char name[512];
    const ssize_t n = H5Aget_name(attribute, sizeof name, name);
    if (n <= 0 || (size_t)n >= sizeof name) {
        return WN_OK;
    }
    char *text = text_read(attribute, limit);
    if (text == NULL) {
        return WN_OK;
    }
    struct wn_scores_text *grown = realloc(scores->texts, (scores->n_texts + 1) * sizeof *grown);
    if (grown != NULL) {
        scores->texts = grown;
        grown += scores->n_texts;
        grown->text = text;
        if (asprintf(&grown->name, "%s%s", prefix, name) >= 0) {
            scores->n_texts++;
            return WN_OK;
        }
    }
    free(text);
    WN_FAIL(err, WN_DEVICE, "out of memory for the attributes of %s", scores->path);
}

/* The attributes of one object. */
struct visit {
    struct wn_scores *scores;
    const char *prefix;
    uint64_t limit;
    struct wn_error *err;
    wn_code code;
};

static herr_t attribute_visit(hid_t object, const char *name, const H5A_info_t *facts, void *context)
{
    struct visit *visit = context;
    (void)facts;
    const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0) {
        return -1;
    }
    visit->code = text_add(visit->scores, visit->prefix, attribute, visit->limit, visit->err);
    H5Aclose(attribute);
    return visit->code == WN_OK ? 0 : -1;
}

/* In the order they come: asked for in another order, HDF5 1.10.8 frees what it never set where a file is
 * damaged. */
static wn_code texts_read(struct wn_scores *scores, const char *object, const char *prefix, uint64_t limit,
                          struct wn_error *err)
{
    struct visit visit = {scores, prefix, limit, err, WN_OK};
    H5O_info_t facts;
    if (H5Oget_info_by_name1(scores->file, object, &facts, H5P_DEFAULT) < 0) {
        return wn_h5_fail(scores->path, "the file is damaged: its attributes cannot be read", err);
    }
    WN_CHECK(facts.num_attrs <= MAX_ATTRIBUTES, err, WN_INPUT, "%s: has %llu attributes; %d are allowed",
             scores->path, (unsigned long long)facts.num_attrs, MAX_ATTRIBUTES);
    hsize_t place = 0;
    if (H5Aiterate_by_name(scores->file, object, H5_INDEX_NAME, H5_ITER_NATIVE, &place, attribute_visit,
                           &visit, H5P_DEFAULT) < 0) {
        return visit.code != WN_OK
                   ? visit.code
                   : wn_h5_fail(scores->path, "the file is damaged: an attribute cannot be read", err);
    }
    return WN_OK;
}

static wn_code schema_check(const struct wn_scores *scores, struct wn_error *err)
{
    const char *schema = wn_scores_attribute(scores, wn_attribute_schema);
    WN_CHECK(schema != NULL && strcmp(schema, "winnow.scores") == 0, err, WN_INPUT,
             "%s: is an HDF5 file, but not one of winnow (no root attribute schema = winnow.scores)",
             scores->path);
    const char *version = wn_scores_attribute(scores, wn_attribute_schema_version);
    WN_CHECK(version != NULL && strcmp(version, "1") == 0, err, WN_INPUT,
             "%s: has schema version %s; this winnow reads version 1: use the winnow that wrote it",
             scores->path, version == NULL ? "(none)" : version);
    return WN_OK;
}

/* A link may lead nowhere but into this file. */
static bool is_hard_link(hid_t file, const char *name)
{
    H5L_info_t facts;
    return H5Lget_info(file, name, &facts, H5P_DEFAULT) >= 0 && facts.type == H5L_TYPE_HARD;
}

static wn_code column_open(struct wn_scores *scores, const struct wn_column *column, struct wn_error *err)
{
    char name[128];
    snprintf(name, sizeof name, "/samples/%s", column->name);
    const bool is_there = H5Lexists(scores->file, name, H5P_DEFAULT) > 0;
    WN_CHECK(is_there || column->is_reverse || column->field == WN_FIELD_COUNTED, err, WN_INPUT,
             "%s: has no dataset %s: it is damaged or not of winnow", scores->path, name);
    if (!is_there) {
        return WN_OK;
    }
    WN_CHECK(is_hard_link(scores->file, name), err, WN_INPUT, "%s: %s is a link to elsewhere", scores->path,
             name);
    const hid_t dataset = H5Dopen2(scores->file, name, H5P_DEFAULT);
    if (dataset < 0) {
        return wn_h5_fail(scores->path, name, err);
    }
    struct wn_scores_column *kept = &scores->columns[scores->n_columns];
    *kept = (struct wn_scores_column){column, dataset};
    scores->names[scores->n_columns] = column->name;
    scores->n_columns++;
    struct wn_h5_shape shape;
    WN_TRY(wn_h5_dataset_check(dataset, scores->path, name, &shape, err));
    WN_CHECK(shape.type == column->type, err, WN_INPUT, "%s: %s has the type %s; %s is expected",
             scores->path, name, wn_type_name(shape.type), wn_type_name(column->type));
    if (scores->n_columns == 1) {
        scores->n = shape.n;
    }
    WN_CHECK(shape.n == scores->n, err, WN_INPUT, "%s: %s has %llu rows, the first column %llu", scores->path,
             name, (unsigned long long)shape.n, (unsigned long long)scores->n);
    return WN_OK;
}

static wn_code columns_open(struct wn_scores *scores, struct wn_error *err)
{
    size_t n = 0;
    const struct wn_column *columns = wn_schema_columns(&n);
    scores->columns = calloc(n, sizeof *scores->columns);
    scores->names = calloc(n + 1, sizeof *scores->names);
    WN_CHECK(scores->columns != NULL && scores->names != NULL, err, WN_DEVICE, "out of memory for columns");
    WN_CHECK(H5Lexists(scores->file, "/samples", H5P_DEFAULT) > 0 && is_hard_link(scores->file, "/samples"),
             err, WN_INPUT, "%s: has no group /samples: it is damaged or not of winnow", scores->path);
    for (size_t i = 0; i < n; i++) {
        if (columns[i].is_in_samples) {
            WN_TRY(column_open(scores, &columns[i], err));
        }
    }
    const char *count = wn_scores_attribute(scores, wn_attribute_n_records);
    char expected[32];
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)scores->n);
    WN_CHECK(count != NULL && strcmp(count, expected) == 0, err, WN_INPUT,
             "%s: says it holds %s records, but has %s rows", scores->path, count == NULL ? "(no)" : count,
             expected);
    return WN_OK;
}

static wn_code scores_open(const char *path, struct wn_scores *scores, struct wn_error *err)
{
    uint64_t size = 0;
    scores->file = H5I_INVALID_HID;
    WN_TRY(path_resolve(path, &scores->path, &size, err));
    wn_h5_start();
    WN_CHECK(H5Fis_hdf5(scores->path) > 0, err, WN_INPUT, "%s: is not an HDF5 file, or cannot be read as one",
             scores->path);
    const hid_t access = wn_h5_access(WN_STORE_CACHE);
    if (access >= 0) {
        scores->file = H5Fopen(scores->path, H5F_ACC_RDONLY, access);
    }
    if (scores->file < 0) {
        return wn_h5_fail_open(scores->path, err);
    }
    H5Pclose(access);
    WN_TRY(texts_read(scores, "/", "", size, err));
    WN_TRY(schema_check(scores, err));
    WN_TRY(columns_open(scores, err));
    if (H5Lexists(scores->file, "provenance", H5P_DEFAULT) > 0 && is_hard_link(scores->file, "provenance")) {
        WN_TRY(texts_read(scores, "/provenance", "provenance/", size, err));
    }
    return WN_OK;
}

wn_code wn_scores_open(const char *path, struct wn_scores **out_scores, struct wn_error *err)
{
    struct wn_scores *scores = calloc(1, sizeof *scores);
    WN_CHECK(scores != NULL, err, WN_DEVICE, "out of memory for %s", path);
    const wn_code code = scores_open(path, scores, err);
    if (code != WN_OK) {
        wn_scores_close(scores);
        return code;
    }
    *out_scores = scores;
    return WN_OK;
}

void wn_scores_close(struct wn_scores *scores)
{
    if (scores == NULL) {
        return;
    }
    if (scores->file >= 0) {
        (void)H5Fclose(scores->file); /* closes its datasets too */
    }
    for (size_t i = 0; i < scores->n_texts; i++) {
        free(scores->texts[i].name);
        free(scores->texts[i].text);
    }
    free(scores->texts);
    free(scores->columns);
    free(scores->names);
    free(scores->path);
    free(scores);
}

const char *wn_scores_path(const struct wn_scores *scores)
{
    return scores->path;
}

uint64_t wn_scores_count(const struct wn_scores *scores)
{
    return scores->n;
}

const char *wn_scores_attribute(const struct wn_scores *scores, const char *name)
{
    for (size_t i = 0; i < scores->n_texts; i++) {
        if (strcmp(scores->texts[i].name, name) == 0) {
            return scores->texts[i].text;
        }
    }
    return NULL;
}

static const struct wn_scores_column *column_find(const struct wn_scores *scores, const char *name)
{
    for (size_t i = 0; i < scores->n_columns; i++) {
        if (strcmp(scores->columns[i].column->name, name) == 0) {
            return &scores->columns[i];
        }
    }
    return NULL;
}

bool wn_scores_has(const struct wn_scores *scores, const char *column)
{
    return column_find(scores, column) != NULL;
}

const char *const *wn_scores_columns(const struct wn_scores *scores)
{
    return (const char *const *)scores->names;
}

static wn_code fail_unknown(const struct wn_scores *scores, const char *name, struct wn_error *err)
{
    char known[2048] = "";
    size_t used = 0;
    for (size_t i = 0; i < scores->n_columns && used + 64 < sizeof known; i++) {
        used +=
            (size_t)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", scores->names[i]);
    }
    WN_FAIL(err, WN_USAGE, "%s: has no column \"%s\"; its columns are %s", scores->path, name, known);
}

/* The element at `at`, little endian, as the bits of its type in the low bytes. */
static uint64_t bits_at(const unsigned char *at, size_t size)
{
    uint64_t bits = 0;
    for (size_t i = size; i > 0; i--) {
        bits = bits << 8 | at[i - 1];
    }
    return bits;
}

static double real_of(const struct wn_column *column, uint64_t bits)
{
    double value = 0;
    if (column->type == WN_TYPE_F64) {
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    return column->field == WN_FIELD_RANK && bits == UINT64_MAX ? (double)NAN : (double)bits;
}

/* Blocks of one chunk go to whichever output there is. */
static wn_code column_read(const struct wn_scores *scores, const struct wn_scores_column *from,
                           uint64_t first, size_t n, double *out_reals, uint64_t *out_integers,
                           struct wn_error *err)
{
    WN_CHECK(first <= scores->n && n <= scores->n - first, err, WN_DEFECT,
             "rows %llu to %llu of %s: there are %llu", (unsigned long long)first,
             (unsigned long long)(first + n), from->column->name, (unsigned long long)scores->n);
    const size_t size = wn_type_size(from->column->type);
    const size_t step = n < WN_STORE_CHUNK ? n : WN_STORE_CHUNK;
    unsigned char *raw = malloc(step * size + 1);
    WN_CHECK(raw != NULL, err, WN_DEVICE, "out of memory for a block of scores");
    wn_code code = WN_OK;
    for (size_t done = 0; done < n && code == WN_OK;) {
        const size_t count = n - done < step ? n - done : step;
        if (wn_h5_read(from->dataset, from->column->type, first + done, count, raw) != WN_OK) {
            code = wn_h5_fail(scores->path, "the file is damaged: a column cannot be read", err);
        }
        for (size_t i = 0; i < count && code == WN_OK; i++) {
            const uint64_t bits = bits_at(raw + i * size, size);
            if (out_reals != NULL) {
                out_reals[done + i] = real_of(from->column, bits);
            } else {
                out_integers[done + i] = bits;
            }
        }
        done += count;
    }
    free(raw);
    return code;
}

wn_code wn_scores_doubles(const struct wn_scores *scores, const char *column, uint64_t first, size_t n,
                          double *out, struct wn_error *err)
{
    const struct wn_scores_column *from = column_find(scores, column);
    return from == NULL ? fail_unknown(scores, column, err)
                        : column_read(scores, from, first, n, out, NULL, err);
}

wn_code wn_scores_integers(const struct wn_scores *scores, const char *column, uint64_t first, size_t n,
                           uint64_t *out, struct wn_error *err)
{
    const struct wn_scores_column *from = column_find(scores, column);
    if (from == NULL) {
        return fail_unknown(scores, column, err);
    }
    WN_CHECK(!wn_type_is_real(from->column->type), err, WN_USAGE,
             "%s: column %s holds real numbers, not integers", scores->path, column);
    return column_read(scores, from, first, n, NULL, out, err);
}

void wn_store_library(char *out_text, size_t size)
{
    unsigned major = 0, minor = 0, release = 0;
    (void)H5get_libversion(&major, &minor, &release);
    snprintf(out_text, size, "%u.%u.%u", major, minor, release);
}
