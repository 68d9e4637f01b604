/* Copying the columns of one scores.h5 behind those of another.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/merge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t ANY_NUMBER = UINT64_MAX;

struct copy {
    struct wn_store *store;
    const struct wn_scores *from;
    uint64_t first, n;    /* record numbers of the part */
    unsigned char *block; /* [WN_STORE_CHUNK] elements of 8 bytes */
    double *scores;       /* [WN_STORE_CHUNK] */
    uint64_t *statuses;   /* [WN_STORE_CHUNK] */
};

/* A dataset of the part, checked: of this type, and of *n elements; any number, which is set, for ANY_NUMBER. */
static wn_code dataset_open(const struct wn_scores *scores, const char *path, enum wn_type type, uint64_t *n,
                            hid_t *out_dataset, struct wn_error *err)
{
    H5L_info_t link;
    const bool is_there =
        H5Lget_info(scores->file, path, &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_HARD;
    WN_CHECK(is_there, err, WN_INPUT,
             "%s: has no dataset %s: it is damaged, or was written by an older winnow; score again",
             scores->path, path);
    const hid_t dataset = H5Dopen2(scores->file, path, H5P_DEFAULT);
    if (dataset < 0) {
        return wn_h5_fail(scores->path, path, err);
    }
    struct wn_h5_shape shape;
    wn_code code = wn_h5_dataset_check(dataset, scores->path, path, &shape, err);
    if (code == WN_OK && (shape.type != type || (*n != ANY_NUMBER && shape.n != *n))) {
        code = wn_error_set(
            err, WN_INPUT, __FILE__, __LINE__,
            "%s: dataset %s is %llu elements of %s; %llu of %s are expected: the file is damaged",
            scores->path, path, (unsigned long long)shape.n, wn_type_name(shape.type),
            (unsigned long long)(*n == ANY_NUMBER ? shape.n : *n), wn_type_name(type));
    }
    if (code != WN_OK) {
        H5Dclose(dataset);
        return code;
    }
    *n = shape.n;
    *out_dataset = dataset;
    return WN_OK;
}

static uint64_t u64_at(const unsigned char *block, size_t i)
{
    uint64_t value = 0;
    for (size_t b = 8; b > 0; b--) {
        value = value << 8 | block[8 * i + b - 1];
    }
    return value;
}

static wn_code block_read(const struct copy *copy, hid_t dataset, enum wn_type type, uint64_t first, size_t n,
                          struct wn_error *err)
{
    if (wn_h5_read(dataset, type, first, n, copy->block) != WN_OK) {
        return wn_h5_fail(copy->from->path, "the file is damaged: a column cannot be read", err);
    }
    return WN_OK;
}

static wn_code stream_add(const struct copy *copy, struct wn_column_writer *stream, size_t n,
                          struct wn_error *err)
{
    return wn_column_writer_add(stream, copy->block, n)
               ? WN_OK
               : wn_h5_fail(copy->store->path, "cannot be written", err);
}

/* The block holds numbers of records: `index` grows by 1 a row, those of turns lie within the part. */
static wn_code numbers_check(const struct copy *copy, const struct wn_column_writer *stream, uint64_t first,
                             size_t n, struct wn_error *err)
{
    const bool is_index = strcmp(stream->name, "index") == 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t number = u64_at(copy->block, i);
        const bool is_right = is_index ? number == copy->first + first + i
                                       : number >= copy->first && number - copy->first < copy->n;
        WN_CHECK(is_right, err, WN_INPUT,
                 "%s: row %llu of %s names record %llu, which cannot stand there: the file is damaged",
                 copy->from->path, (unsigned long long)(first + i), stream->name, (unsigned long long)number);
    }
    return WN_OK;
}

/* All `n` elements of a dataset behind what `stream` has. */
static wn_code dataset_copy(const struct copy *copy, hid_t dataset, struct wn_column_writer *stream,
                            uint64_t n, struct wn_error *err)
{
    const bool is_number = stream->column != NULL && stream->column->field == WN_FIELD_INDEX;
    for (uint64_t first = 0; first < n; first += WN_STORE_CHUNK) {
        const size_t count = n - first < WN_STORE_CHUNK ? (size_t)(n - first) : WN_STORE_CHUNK;
        WN_TRY(block_read(copy, dataset, stream->type, first, count, err));
        if (is_number) {
            WN_TRY(numbers_check(copy, stream, first, count, err));
        }
        WN_TRY(stream_add(copy, stream, count, err));
    }
    return WN_OK;
}

static wn_code set_copy(const struct copy *copy, const char *group, struct wn_column_set *set, uint64_t n,
                        struct wn_error *err)
{
    for (size_t i = 0; i < set->n_streams; i++) {
        struct wn_column_writer *stream = &set->streams[i];
        char path[128];
        hid_t dataset = H5I_INVALID_HID;
        if (stream->column->field == WN_FIELD_RANK) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", group, stream->name);
        WN_TRY(dataset_open(copy->from, path, stream->type, &n, &dataset, err));
        const wn_code code = dataset_copy(copy, dataset, stream, n, err);
        H5Dclose(dataset);
        WN_TRY(code);
    }
    return WN_OK;
}

/* What ranks: the stored scores, by the same rule as for a record (wn_record_score). */
static wn_code scores_rank(const struct copy *copy, struct wn_error *err)
{
    const char *column = copy->store->rank_by_loss ? "ifd_loss" : "ifd_ppl";
    for (uint64_t first = 0; first < copy->n; first += WN_STORE_CHUNK) {
        const size_t n = copy->n - first < WN_STORE_CHUNK ? (size_t)(copy->n - first) : WN_STORE_CHUNK;
        WN_TRY(wn_scores_doubles(copy->from, column, first, n, copy->scores, err));
        WN_TRY(wn_scores_integers(copy->from, "status", first, n, copy->statuses, err));
        for (size_t i = 0; i < n; i++) {
            WN_CHECK(copy->statuses[i] < WN_STATUS_COUNT, err, WN_INPUT,
                     "%s: row %llu has the unknown status %llu", copy->from->path,
                     (unsigned long long)(first + i), (unsigned long long)copy->statuses[i]);
            const bool is_ranked =
                wn_status_is_scored((uint32_t)copy->statuses[i]) && isfinite(copy->scores[i]);
            const double score = is_ranked ? copy->scores[i] : (double)NAN;
            WN_TRY(wn_ranker_put(copy->store->ranker, score, err));
        }
    }
    return WN_OK;
}

/* `offsets` of one side, moved behind what the store has; they must begin with 0, never fall, and end with *out_end. */
static wn_code offsets_copy(const struct copy *copy, hid_t dataset, struct wn_token_set *set,
                            const char *path, uint64_t *out_end, struct wn_error *err)
{
    uint64_t last = 0;
    for (uint64_t first = 0; first <= copy->n; first += WN_STORE_CHUNK) {
        const uint64_t left = copy->n + 1 - first;
        const size_t n = left < WN_STORE_CHUNK ? (size_t)left : WN_STORE_CHUNK;
        WN_TRY(block_read(copy, dataset, WN_TYPE_U64, first, n, err));
        for (size_t i = 0; i < n; i++) {
            const uint64_t offset = u64_at(copy->block, i);
            const bool is_start = first + i == 0;
            WN_CHECK(is_start ? offset == 0 : offset >= last && offset <= INT64_MAX, err, WN_INPUT,
                     "%s: element %llu of %s is out of order: the file is damaged", copy->from->path,
                     (unsigned long long)(first + i), path);
            last = offset;
            if (!is_start && !wn_column_writer_put(&set->offsets, set->end + offset)) {
                return wn_h5_fail(copy->store->path, "cannot be written", err);
            }
        }
    }
    *out_end = last;
    return WN_OK;
}

static wn_code tokens_copy(const struct copy *copy, const char *side, struct wn_token_set *set,
                           struct wn_error *err)
{
    struct wn_column_writer *const streams[] = {&set->offsets, &set->ids, &set->losses};
    uint64_t n = copy->n + 1;
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        hid_t dataset = H5I_INVALID_HID;
        snprintf(path, sizeof path, "/tokens/%s/%s", side, streams[i]->name);
        WN_TRY(dataset_open(copy->from, path, streams[i]->type, &n, &dataset, err));
        wn_code code = WN_OK;
        if (i == 0) {
            code = offsets_copy(copy, dataset, set, path, &n, err); /* from here on n elements are expected */
        } else {
            code = dataset_copy(copy, dataset, streams[i], n, err);
        }
        H5Dclose(dataset);
        WN_TRY(code);
    }
    set->end += n;
    return WN_OK;
}

static wn_code turns_copy(const struct copy *copy, struct wn_error *err)
{
    uint64_t n = ANY_NUMBER;
    hid_t dataset = H5I_INVALID_HID;
    if (H5Lexists(copy->from->file, "/turns", H5P_DEFAULT) <= 0) {
        return WN_OK;
    }
    WN_TRY(dataset_open(copy->from, "/turns/record", WN_TYPE_U64, &n, &dataset, err));
    H5Dclose(dataset);
    if (copy->store->turns.group < 0) {
        WN_TRY(wn_store_turns_open(copy->store, err));
    }
    return set_copy(copy, "/turns", &copy->store->turns, n, err);
}

static wn_code copy_run(const struct copy *copy, struct wn_error *err)
{
    WN_TRY(set_copy(copy, "/samples", &copy->store->samples, copy->n, err));
    WN_TRY(scores_rank(copy, err));
    WN_TRY(turns_copy(copy, err));
    if (copy->store->has_tokens) {
        WN_TRY(tokens_copy(copy, "cond", &copy->store->cond, err));
        WN_TRY(tokens_copy(copy, "direct", &copy->store->direct, err));
    }
    copy->store->first = copy->store->put == 0 ? copy->first : copy->store->first;
    copy->store->put += copy->n;
    return WN_OK;
}

wn_code wn_merge_copy(struct wn_store *store, const struct wn_scores *scores, struct wn_error *err)
{
    struct copy copy = {.store = store, .from = scores, .n = wn_scores_count(scores)};
    WN_CHECK(copy.n <= store->n - store->put, err, WN_DEFECT, "%s: more records than were announced",
             scores->path);
    if (copy.n > 0) {
        WN_TRY(wn_scores_integers(scores, "index", 0, 1, &copy.first, err));
    }
    copy.block = malloc((size_t)WN_STORE_CHUNK * sizeof(uint64_t));
    copy.scores = malloc(WN_STORE_CHUNK * sizeof *copy.scores);
    copy.statuses = malloc(WN_STORE_CHUNK * sizeof *copy.statuses);
    wn_code code = WN_OK;
    if (copy.block == NULL || copy.scores == NULL || copy.statuses == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for a block of scores");
    } else {
        code = copy_run(&copy, err);
    }
    free(copy.block);
    free(copy.scores);
    free(copy.statuses);
    return code;
}
