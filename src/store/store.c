/* Writing scores.h5: columns buffered by chunks, ranks at the end, one rename.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store.h"

#include "base/base.h"
#include "store/h5.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A dataset that grows: it is created with its first full chunk, or at the end with what there is, so that a
 * short column has a small chunk and no room to grow. */
struct stream {
    const struct wn_column *column; /* NULL for the arrays of /tokens */
    const char *name, *units, *description;
    enum wn_type type;
    hid_t group, dataset;
    bool is_created;
    size_t capacity, filled; /* elements */
    uint64_t total;          /* elements in the end; UNKNOWN_TOTAL */
    uint64_t written;
    unsigned char *buffer;
};

static const uint64_t UNKNOWN_TOTAL = UINT64_MAX;

enum { MAX_COLUMNS = 64, PROVENANCE_STEP = 256 };

struct table {
    hid_t group; /* negative: not made */
    struct stream streams[MAX_COLUMNS];
    size_t n_streams;
};

/* CSR: the scored tokens of record i are elements offsets[i] .. offsets[i + 1] - 1. */
struct token_table {
    hid_t group;
    struct stream offsets, ids, losses;
    uint64_t end;
};

struct wn_store {
    struct wn_file *file;
    char *path;
    hid_t h5, tokens_group;
    bool has_reverse, has_tokens, rank_by_loss, larger_index_first;
    struct table samples, turns;
    struct token_table cond, direct;
    double *scores; /* [n] what rank orders by; NaN where not rankable */
    uint64_t n, put;
    uint64_t first; /* number of the first record; known at the first put */
};

/* Fixed-length UTF-8 text; `width` bytes, at least the text's, zero padded. */
static bool text_write(hid_t object, const char *name, const char *text, size_t width)
{
    const size_t size = width > 0 ? width : 1;
    char *padded = calloc(size, 1);
    if (padded == NULL) {
        return false;
    }
    memcpy(padded, text, strlen(text));
    const hid_t type = H5Tcopy(H5T_C_S1);
    const hid_t space = H5Screate(H5S_SCALAR);
    bool ok = type >= 0 && space >= 0 && H5Tset_size(type, size) >= 0 &&
              H5Tset_cset(type, H5T_CSET_UTF8) >= 0 && H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0;
    const hid_t attribute = ok ? H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
    ok = attribute >= 0 && H5Awrite(attribute, type, padded) >= 0 && H5Aclose(attribute) >= 0;
    if (ok) {
        H5Sclose(space);
        H5Tclose(type);
    }
    free(padded);
    return ok;
}

static hid_t plan_new(const struct stream *stream, bool is_last)
{
    const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
    bool ok = plan >= 0 && H5Pset_obj_track_times(plan, false) >= 0;
    const uint64_t n = is_last ? stream->filled : WN_STORE_CHUNK;
    if (ok && n > 0) { /* an empty dataset cannot have chunks */
        const hsize_t chunk = n < WN_STORE_CHUNK ? n : WN_STORE_CHUNK;
        ok = H5Pset_chunk(plan, 1, &chunk) >= 0 && H5Pset_shuffle(plan) >= 0 &&
             H5Pset_deflate(plan, 1) >= 0 && H5Pset_fletcher32(plan) >= 0;
    }
    return ok ? plan : H5I_INVALID_HID;
}

static bool stream_create(struct stream *stream, bool is_last)
{
    const hid_t plan = plan_new(stream, is_last);
    const hid_t type = wn_h5_type(stream->type);
    const bool is_known = stream->total != UNKNOWN_TOTAL;
    const hsize_t n = is_known ? stream->total : stream->filled;
    const hsize_t limit = is_known || is_last ? n : H5S_UNLIMITED;
    const hid_t space = H5Screate_simple(1, &n, &limit);
    if (plan < 0 || type < 0 || space < 0) {
        return false;
    }
    stream->dataset = H5Dcreate2(stream->group, stream->name, type, space, H5P_DEFAULT, plan, H5P_DEFAULT);
    stream->is_created = stream->dataset >= 0;
    const bool ok =
        stream->is_created && text_write(stream->dataset, "units", stream->units, strlen(stream->units)) &&
        text_write(stream->dataset, "description", stream->description, strlen(stream->description));
    if (ok) {
        H5Sclose(space);
        H5Tclose(type);
        H5Pclose(plan);
    }
    return ok;
}

/* Write the buffer behind what is written. `is_last`: nothing follows. */
static bool stream_flush(struct stream *stream, bool is_last)
{
    if (!stream->is_created && !stream_create(stream, is_last)) {
        return false;
    }
    if (stream->filled == 0) {
        return true;
    }
    const hsize_t start = stream->written, count = stream->filled, end = start + count;
    if (stream->total == UNKNOWN_TOTAL && start > 0 && H5Dset_extent(stream->dataset, &end) < 0) {
        return false;
    }
    const hid_t type = wn_h5_type(stream->type);
    const hid_t to = H5Dget_space(stream->dataset);
    const hid_t from = H5Screate_simple(1, &count, NULL);
    if (type < 0 || to < 0 || from < 0 ||
        H5Sselect_hyperslab(to, H5S_SELECT_SET, &start, NULL, &count, NULL) < 0 ||
        H5Dwrite(stream->dataset, type, from, to, H5P_DEFAULT, stream->buffer) < 0) {
        return false;
    }
    H5Sclose(from);
    H5Sclose(to);
    H5Tclose(type);
    stream->written += stream->filled;
    stream->filled = 0;
    return true;
}

static bool stream_put(struct stream *stream, uint64_t bits)
{
    const size_t size = wn_type_size(stream->type);
    unsigned char *at = stream->buffer + stream->filled * size;
    for (size_t i = 0; i < size; i++) {
        at[i] = (unsigned char)(bits >> (8 * i));
    }
    stream->filled++;
    return stream->filled < stream->capacity || stream_flush(stream, false);
}

static wn_code stream_open(struct stream *stream, hid_t group, uint64_t total, struct wn_error *err)
{
    stream->group = group;
    stream->dataset = H5I_INVALID_HID;
    stream->total = total;
    stream->capacity = total < WN_STORE_CHUNK ? (size_t)total + 1 : WN_STORE_CHUNK;
    stream->buffer = malloc(stream->capacity * wn_type_size(stream->type));
    WN_CHECK(stream->buffer != NULL, err, WN_DEVICE, "out of memory for the columns of scores.h5");
    return WN_OK;
}

static bool stream_finish(struct stream *stream)
{
    return stream_flush(stream, true) && H5Dclose(stream->dataset) >= 0;
}

static hid_t group_new(hid_t parent, const char *name)
{
    const hid_t plan = H5Pcreate(H5P_GROUP_CREATE);
    if (plan < 0 || H5Pset_obj_track_times(plan, false) < 0) {
        return H5I_INVALID_HID;
    }
    const hid_t group = H5Gcreate2(parent, name, H5P_DEFAULT, plan, H5P_DEFAULT);
    if (group >= 0) {
        H5Pclose(plan);
    }
    return group;
}

static wn_code table_open(struct wn_store *store, struct table *table, const char *name, uint64_t total,
                          struct wn_error *err)
{
    table->group = group_new(store->h5, name);
    if (table->group < 0) {
        return wn_h5_fail(store->path, "a group cannot be made", err);
    }
    const bool is_turns = table == &store->turns;
    size_t n = 0;
    const struct wn_column *columns = wn_schema_columns(&n);
    for (size_t i = 0; i < n; i++) {
        const struct wn_column *column = &columns[i];
        if (!(is_turns ? column->is_in_turns : column->is_in_samples) ||
            (column->is_reverse && !store->has_reverse)) {
            continue;
        }
        assert(table->n_streams < MAX_COLUMNS);
        struct stream *stream = &table->streams[table->n_streams];
        table->n_streams++;
        *stream = (struct stream){.column = column,
                                  .name = column->name,
                                  .units = column->units,
                                  .description = column->description,
                                  .type = column->type};
        WN_TRY(stream_open(stream, table->group, total, err));
    }
    return WN_OK;
}

static bool table_put(struct table *table, const struct wn_store_record *record)
{
    for (size_t i = 0; i < table->n_streams; i++) {
        struct stream *stream = &table->streams[i];
        if (stream->column->field != WN_FIELD_RANK &&
            !stream_put(stream, wn_column_bits(stream->column, record))) {
            return false;
        }
    }
    return true;
}

static bool table_finish(struct table *table)
{
    for (size_t i = 0; i < table->n_streams; i++) {
        if (!stream_finish(&table->streams[i])) {
            return false;
        }
    }
    return table->group < 0 || H5Gclose(table->group) >= 0;
}

static wn_code tokens_open(struct wn_store *store, struct token_table *table, const char *name,
                           struct wn_error *err)
{
    table->group = group_new(store->tokens_group, name);
    if (table->group < 0) {
        return wn_h5_fail(store->path, "a group cannot be made", err);
    }
    table->offsets = (struct stream){
        .name = "offsets",
        .units = "1",
        .description = "Record i has the elements offsets[i] to offsets[i + 1] - 1 of token_id and loss.",
        .type = WN_TYPE_U64};
    table->ids = (struct stream){
        .name = "token_id", .units = "1", .description = "Id of each scored token.", .type = WN_TYPE_I32};
    table->losses = (struct stream){
        .name = "loss", .units = "nats", .description = "Loss of each scored token.", .type = WN_TYPE_F32};
    WN_TRY(stream_open(&table->offsets, table->group, store->n + 1, err));
    WN_TRY(stream_open(&table->ids, table->group, UNKNOWN_TOTAL, err));
    WN_TRY(stream_open(&table->losses, table->group, UNKNOWN_TOTAL, err));
    return stream_put(&table->offsets, 0) ? WN_OK : wn_h5_fail(store->path, "cannot be written", err);
}

static bool tokens_put(struct token_table *table, const int32_t *ids, const float *losses, uint32_t k)
{
    const uint32_t n = ids == NULL || losses == NULL ? 0 : k;
    for (uint32_t i = 0; i < n; i++) {
        if (!stream_put(&table->ids, (uint32_t)ids[i]) ||
            !stream_put(&table->losses, wn_f32_bits(losses[i]))) {
            return false;
        }
    }
    table->end += n;
    return stream_put(&table->offsets, table->end);
}

static bool tokens_finish(struct token_table *table)
{
    return stream_finish(&table->offsets) && stream_finish(&table->ids) && stream_finish(&table->losses) &&
           H5Gclose(table->group) >= 0;
}

/* The attributes that the store answers for; a caller may repeat one only with the same text. */
static wn_code attributes_write(struct wn_store *store, const struct wn_store_options *options,
                                struct wn_error *err)
{
    char count[32];
    snprintf(count, sizeof count, "%llu", (unsigned long long)store->n);
    const struct wn_store_attribute own[] = {
        {wn_attribute_schema, "winnow.scores"},
        {wn_attribute_schema_version, "1"},
        {wn_attribute_n_records, count},
        {wn_attribute_score, options->rank_by_loss ? "ifd_loss" : "ifd_ppl"},
        {wn_attribute_ties, options->larger_index_first ? "larger index first" : "smaller index first"},
    };
    const size_t n_own = sizeof own / sizeof own[0];
    for (size_t i = 0; i < n_own; i++) {
        if (!text_write(store->h5, own[i].name, own[i].text, strlen(own[i].text))) {
            return wn_h5_fail(store->path, own[i].name, err);
        }
    }
    for (size_t i = 0; i < options->n_attributes; i++) {
        const struct wn_store_attribute *given = &options->attributes[i];
        size_t same = 0;
        while (same < n_own && strcmp(own[same].name, given->name) != 0) {
            same++;
        }
        if (same < n_own) {
            WN_CHECK(strcmp(own[same].text, given->text) == 0, err, WN_DEFECT,
                     "attribute %s is \"%s\" for the store, \"%s\" for its caller", given->name,
                     own[same].text, given->text);
            continue;
        }
        WN_CHECK(H5Aexists(store->h5, given->name) == 0, err, WN_DEFECT, "attribute %s is given twice",
                 given->name);
        if (!text_write(store->h5, given->name, given->text, strlen(given->text))) {
            return wn_h5_fail(store->path, given->name, err);
        }
    }
    return WN_OK;
}

/* What differs between runs is padded to steps, so that equal scores give files of the same layout. */
static wn_code provenance_write(struct wn_store *store, const struct wn_store_options *options,
                                struct wn_error *err)
{
    const hid_t group = group_new(store->h5, "provenance");
    if (group < 0) {
        return wn_h5_fail(store->path, "a group cannot be made", err);
    }
    for (size_t i = 0; i < options->n_provenance; i++) {
        const struct wn_store_attribute *given = &options->provenance[i];
        const size_t width = (strlen(given->text) / PROVENANCE_STEP + 1) * PROVENANCE_STEP;
        WN_CHECK(H5Aexists(group, given->name) == 0, err, WN_DEFECT, "provenance %s is given twice",
                 given->name);
        if (!text_write(group, given->name, given->text, width)) {
            return wn_h5_fail(store->path, given->name, err);
        }
    }
    H5Gclose(group);
    return WN_OK;
}

static wn_code h5_create(struct wn_store *store, struct wn_error *err)
{
    wn_h5_start();
    const hid_t access = wn_h5_access();
    const hid_t plan = H5Pcreate(H5P_FILE_CREATE);
    if (access >= 0 && plan >= 0 && H5Pset_obj_track_times(plan, false) >= 0) {
        store->h5 = H5Fcreate(wn_file_temporary(store->file), H5F_ACC_TRUNC, plan, access);
    }
    if (store->h5 < 0) {
        return wn_h5_fail(store->path, "cannot be made", err);
    }
    H5Pclose(plan);
    H5Pclose(access);
    return WN_OK;
}

static void free_streams(struct stream *streams, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(streams[i].buffer);
        streams[i].buffer = NULL;
    }
}

void wn_store_abandon(struct wn_store **store)
{
    struct wn_store *s = *store;
    if (s == NULL) {
        return;
    }
    *store = NULL;
    if (s->h5 >= 0) {
        (void)H5Fclose(s->h5); /* closes all that is open in it */
    }
    wn_file_abandon(&s->file);
    free_streams(s->samples.streams, s->samples.n_streams);
    free_streams(s->turns.streams, s->turns.n_streams);
    struct token_table *const sides[] = {&s->cond, &s->direct};
    for (size_t i = 0; i < 2; i++) {
        free_streams(&sides[i]->offsets, 1);
        free_streams(&sides[i]->ids, 1);
        free_streams(&sides[i]->losses, 1);
    }
    free(s->scores);
    free(s->path);
    free(s);
}

static wn_code store_open(struct wn_store *store, const char *path, const struct wn_store_options *options,
                          struct wn_error *err)
{
    store->h5 = store->tokens_group = store->samples.group = store->turns.group = H5I_INVALID_HID;
    store->has_reverse = options->has_reverse;
    store->has_tokens = options->has_tokens;
    store->rank_by_loss = options->rank_by_loss;
    store->larger_index_first = options->larger_index_first;
    store->path = strdup(path);
    WN_CHECK(store->n < SIZE_MAX / 32, err, WN_USAGE, "%s: %llu records are more than memory can hold", path,
             (unsigned long long)store->n);
    store->scores = malloc(((size_t)store->n + 1) * sizeof *store->scores);
    WN_CHECK(store->path != NULL && store->scores != NULL, err, WN_DEVICE, "out of memory for %llu scores",
             (unsigned long long)store->n);
    WN_TRY(wn_file_create(path, &store->file, err));
    WN_TRY(h5_create(store, err));
    WN_TRY(attributes_write(store, options, err));
    WN_TRY(provenance_write(store, options, err));
    WN_TRY(table_open(store, &store->samples, "samples", store->n, err));
    if (store->has_tokens) {
        store->tokens_group = group_new(store->h5, "tokens");
        if (store->tokens_group < 0) {
            return wn_h5_fail(path, "a group cannot be made", err);
        }
        WN_TRY(tokens_open(store, &store->cond, "cond", err));
        WN_TRY(tokens_open(store, &store->direct, "direct", err));
    }
    return WN_OK;
}

wn_code wn_store_create(const char *path, uint64_t n, const struct wn_store_options *options,
                        struct wn_store **out_store, struct wn_error *err)
{
    struct wn_store *store = calloc(1, sizeof *store);
    WN_CHECK(store != NULL, err, WN_DEVICE, "out of memory for scores.h5");
    store->n = n;
    const wn_code code = store_open(store, path, options, err);
    if (code != WN_OK) {
        wn_store_abandon(&store);
        return code;
    }
    *out_store = store;
    return WN_OK;
}

static bool turns_put(struct wn_store *store, const struct wn_store_record *record)
{
    struct wn_store_record turn = *record;
    for (uint32_t i = 0; i < record->n_rows; i++) {
        turn.fold = record->rows[i];
        if (!table_put(&store->turns, &turn)) {
            return false;
        }
    }
    return true;
}

wn_code wn_store_put(struct wn_store *store, const struct wn_store_record *record, struct wn_error *err)
{
    store->first = store->put == 0 ? record->index : store->first;
    WN_CHECK(record->index == store->first + store->put && store->put < store->n, err, WN_DEFECT,
             "record %llu came where %llu was due, number %llu of %llu", (unsigned long long)record->index,
             (unsigned long long)(store->first + store->put), (unsigned long long)store->put,
             (unsigned long long)store->n);
    WN_CHECK(record->fold.status < WN_STATUS_COUNT, err, WN_DEFECT, "record %llu has the unknown status %u",
             (unsigned long long)record->index, record->fold.status);
    store->scores[store->put] = wn_record_score(record, store->rank_by_loss);
    bool ok = table_put(&store->samples, record);
    if (ok && record->n_rows > 1) {
        if (store->turns.group < 0) {
            WN_TRY(table_open(store, &store->turns, "turns", UNKNOWN_TOTAL, err));
        }
        ok = turns_put(store, record);
    }
    if (ok && store->has_tokens) {
        const struct wn_row *fold = &record->fold;
        ok = tokens_put(&store->cond, record->cond_ids, record->cond_losses, fold->cond.k) &&
             tokens_put(&store->direct, record->direct_ids, record->direct_losses, fold->direct.k);
    }
    if (!ok) {
        return wn_h5_fail(store->path, "cannot be written", err);
    }
    store->put++;
    return WN_OK;
}

/* Descending score; equal scores by index as the tie rule says, so the order is total. */
static int compare_scores(const void *a, const void *b, void *context)
{
    const struct wn_store *store = context;
    const uint64_t i = *(const uint64_t *)a, j = *(const uint64_t *)b;
    const double x = store->scores[i], y = store->scores[j];
    if (x != y) {
        return x > y ? -1 : 1;
    }
    return (i < j) == store->larger_index_first ? 1 : -1;
}

static wn_code rank_write(struct wn_store *store, struct wn_error *err)
{
    struct stream *stream = NULL;
    for (size_t i = 0; i < store->samples.n_streams; i++) {
        if (store->samples.streams[i].column->field == WN_FIELD_RANK) {
            stream = &store->samples.streams[i];
        }
    }
    const size_t n = (size_t)store->n;
    uint64_t *order = malloc((n + 1) * sizeof *order);
    WN_CHECK(order != NULL, err, WN_DEVICE, "out of memory for the ranks of %zu records", n);
    size_t rankable = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isnan(store->scores[i])) {
            order[rankable] = i;
            rankable++;
        }
    }
    qsort_r(order, rankable, sizeof *order, compare_scores, store);
    /* The scores have done their work: their memory becomes the ranks. */
    uint64_t *ranks = (uint64_t *)(void *)store->scores;
    memset(ranks, 0xff, n * sizeof *ranks);
    for (size_t place = 0; place < rankable; place++) {
        ranks[order[place]] = place;
    }
    free(order);
    assert(stream != NULL);
    for (size_t i = 0; i < n; i++) {
        if (!stream_put(stream, ranks[i])) {
            return wn_h5_fail(store->path, "cannot be written", err);
        }
    }
    return WN_OK;
}

wn_code wn_store_finish(struct wn_store **store, struct wn_error *err)
{
    struct wn_store *s = *store;
    wn_code code = WN_OK;
    if (s->put != s->n) {
        code = wn_error_set(err, WN_DEFECT, __FILE__, __LINE__, "%s: %llu of %llu records are there", s->path,
                            (unsigned long long)s->put, (unsigned long long)s->n);
        goto done;
    }
    WN_TRY_OR(done, rank_write(s, err));
    bool ok = table_finish(&s->samples) && table_finish(&s->turns);
    if (s->has_tokens) {
        ok = ok && tokens_finish(&s->cond) && tokens_finish(&s->direct) && H5Gclose(s->tokens_group) >= 0;
    }
    const hid_t file = s->h5;
    if (ok) {
        s->h5 = H5I_INVALID_HID; /* a close that fails is not tried again */
        ok = H5Fclose(file) >= 0;
    }
    if (!ok) {
        code = wn_h5_fail(s->path, "cannot be written", err);
        goto done;
    }
    code = wn_file_commit(&s->file, err);
done:
    wn_store_abandon(store);
    return code;
}
