/* Writing scores.h5: columns buffered by chunks, ranks at the end, one rename.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store.h"

#include "base/base.h"
#include "store/columns.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROVENANCE_STEP = 256 };

static wn_code table_open(struct wn_store *store, struct wn_column_set *table, const char *name,
                          uint64_t total, struct wn_error *err)
{
    table->group = wn_h5_group_new(store->h5, name);
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
        assert(table->n_streams < WN_STORE_COLUMNS);
        struct wn_column_writer *stream = &table->streams[table->n_streams];
        table->n_streams++;
        *stream = (struct wn_column_writer){.column = column,
                                            .name = column->name,
                                            .units = column->units,
                                            .description = column->description,
                                            .type = column->type};
        WN_TRY(wn_column_writer_open(stream, table->group, total, err));
    }
    return WN_OK;
}

static bool table_put(struct wn_column_set *table, const struct wn_store_record *record)
{
    for (size_t i = 0; i < table->n_streams; i++) {
        struct wn_column_writer *stream = &table->streams[i];
        if (stream->column->field != WN_FIELD_RANK &&
            !wn_column_writer_put(stream, wn_column_bits(stream->column, record))) {
            return false;
        }
    }
    return true;
}

/* All but the ranks, which come last, when the memory of the others is free again. */
static bool table_finish(struct wn_column_set *table)
{
    for (size_t i = 0; i < table->n_streams; i++) {
        struct wn_column_writer *stream = &table->streams[i];
        if (stream->column->field != WN_FIELD_RANK && !wn_column_writer_finish(stream)) {
            return false;
        }
    }
    return true;
}

static wn_code tokens_open(struct wn_store *store, struct wn_token_set *table, const char *name,
                           struct wn_error *err)
{
    table->group = wn_h5_group_new(store->tokens_group, name);
    if (table->group < 0) {
        return wn_h5_fail(store->path, "a group cannot be made", err);
    }
    table->offsets = (struct wn_column_writer){
        .name = "offsets",
        .units = "1",
        .description = "Record i has the elements offsets[i] to offsets[i + 1] - 1 of token_id and loss.",
        .type = WN_TYPE_U64};
    table->ids = (struct wn_column_writer){
        .name = "token_id", .units = "1", .description = "Id of each scored token.", .type = WN_TYPE_I32};
    table->losses = (struct wn_column_writer){
        .name = "loss", .units = "nats", .description = "Loss of each scored token.", .type = WN_TYPE_F32};
    WN_TRY(wn_column_writer_open(&table->offsets, table->group, store->n + 1, err));
    WN_TRY(wn_column_writer_open(&table->ids, table->group, WN_STREAM_GROWS, err));
    WN_TRY(wn_column_writer_open(&table->losses, table->group, WN_STREAM_GROWS, err));
    return wn_column_writer_put(&table->offsets, 0) ? WN_OK
                                                    : wn_h5_fail(store->path, "cannot be written", err);
}

static bool tokens_put(struct wn_token_set *table, const int32_t *ids, const float *losses, uint32_t k)
{
    const uint32_t n = ids == NULL || losses == NULL ? 0 : k;
    for (uint32_t i = 0; i < n; i++) {
        if (!wn_column_writer_put(&table->ids, (uint32_t)ids[i]) ||
            !wn_column_writer_put(&table->losses, wn_f32_bits(losses[i]))) {
            return false;
        }
    }
    table->end += n;
    return wn_column_writer_put(&table->offsets, table->end);
}

static bool tokens_finish(struct wn_token_set *table)
{
    return wn_column_writer_finish(&table->offsets) && wn_column_writer_finish(&table->ids) &&
           wn_column_writer_finish(&table->losses);
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
        if (!wn_h5_text_write(store->h5, own[i].name, own[i].text, strlen(own[i].text))) {
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
        if (!wn_h5_text_write(store->h5, given->name, given->text, strlen(given->text))) {
            return wn_h5_fail(store->path, given->name, err);
        }
    }
    return WN_OK;
}

/* What differs between runs is padded to steps, so that equal scores give files of the same layout. */
static wn_code provenance_write(const struct wn_store *store, const struct wn_store_attribute *provenance,
                                size_t n, struct wn_error *err)
{
    const bool is_there = H5Lexists(store->h5, "provenance", H5P_DEFAULT) > 0;
    const hid_t group =
        is_there ? H5Gopen2(store->h5, "provenance", H5P_DEFAULT) : wn_h5_group_new(store->h5, "provenance");
    if (group < 0) {
        return wn_h5_fail(store->path, "a group cannot be made", err);
    }
    for (size_t i = 0; i < n; i++) {
        const struct wn_store_attribute *given = &provenance[i];
        const size_t width = (strlen(given->text) / PROVENANCE_STEP + 1) * PROVENANCE_STEP;
        WN_CHECK(H5Aexists(group, given->name) == 0, err, WN_DEFECT, "provenance %s is given twice",
                 given->name);
        if (!wn_h5_text_write(group, given->name, given->text, width)) {
            return wn_h5_fail(store->path, given->name, err);
        }
    }
    H5Gclose(group);
    return WN_OK;
}

static wn_code h5_create(struct wn_store *store, struct wn_error *err)
{
    wn_h5_start();
    const hid_t access = wn_h5_access(0);
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

static void streams_free(struct wn_column_set *set)
{
    for (size_t i = 0; i < set->n_streams; i++) {
        wn_column_writer_free(&set->streams[i]);
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
    streams_free(&s->samples);
    streams_free(&s->turns);
    struct wn_token_set *const sides[] = {&s->cond, &s->direct};
    for (size_t i = 0; i < 2; i++) {
        wn_column_writer_free(&sides[i]->offsets);
        wn_column_writer_free(&sides[i]->ids);
        wn_column_writer_free(&sides[i]->losses);
    }
    wn_ranker_free(&s->ranker);
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
    WN_CHECK(store->path != NULL, err, WN_DEVICE, "out of memory for a path");
    WN_CHECK(store->n < INT64_MAX / 64, err, WN_USAGE, "%s: %llu records are more than a file can hold", path,
             (unsigned long long)store->n);
    WN_TRY(wn_file_create(path, &store->file, err));
    WN_TRY(wn_ranker_new(wn_file_temporary(store->file), store->n, store->larger_index_first, WN_RANK_LIMIT,
                         &store->ranker, err));
    WN_TRY(h5_create(store, err));
    WN_TRY(attributes_write(store, options, err));
    WN_TRY(provenance_write(store, options->provenance, options->n_provenance, err));
    WN_TRY(table_open(store, &store->samples, "samples", store->n, err));
    if (store->has_tokens) {
        store->tokens_group = wn_h5_group_new(store->h5, "tokens");
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

wn_code wn_store_turns_open(struct wn_store *store, struct wn_error *err)
{
    return table_open(store, &store->turns, "turns", WN_STREAM_GROWS, err);
}

wn_code wn_store_rank_limit(struct wn_store *store, size_t limit, struct wn_error *err)
{
    assert(store->put == 0);
    wn_ranker_free(&store->ranker);
    return wn_ranker_new(wn_file_temporary(store->file), store->n, store->larger_index_first, limit,
                         &store->ranker, err);
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
    WN_TRY(wn_ranker_put(store->ranker, wn_record_score(record, store->rank_by_loss), err));
    bool ok = table_put(&store->samples, record);
    if (ok && record->n_rows > 1) {
        if (store->turns.group < 0) {
            WN_TRY(wn_store_turns_open(store, err));
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

static bool ranks_put(void *context, const uint64_t *ranks, size_t n)
{
    struct wn_column_writer *stream = context;
    for (size_t i = 0; i < n; i++) {
        if (!wn_column_writer_put(stream, ranks[i])) {
            return false;
        }
    }
    return true;
}

static wn_code rank_write(struct wn_store *store, struct wn_error *err)
{
    struct wn_column_writer *stream = NULL;
    for (size_t i = 0; i < store->samples.n_streams; i++) {
        if (store->samples.streams[i].column->field == WN_FIELD_RANK) {
            stream = &store->samples.streams[i];
        }
    }
    assert(stream != NULL);
    bool is_refused = false;
    WN_TRY(wn_ranker_finish(store->ranker, stream, ranks_put, &is_refused, err));
    return is_refused || !wn_column_writer_finish(stream) ? wn_h5_fail(store->path, "cannot be written", err)
                                                          : WN_OK;
}

wn_code wn_store_finish(struct wn_store **store, const struct wn_store_attribute *provenance,
                        size_t n_provenance, struct wn_error *err)
{
    struct wn_store *s = *store;
    wn_code code = WN_OK;
    if (s->put != s->n) {
        code = wn_error_set(err, WN_DEFECT, __FILE__, __LINE__, "%s: %llu of %llu records are there", s->path,
                            (unsigned long long)s->put, (unsigned long long)s->n);
        goto done;
    }
    WN_TRY_OR(done, provenance_write(s, provenance, n_provenance, err));
    bool ok = table_finish(&s->samples) && table_finish(&s->turns);
    if (s->has_tokens) {
        ok = ok && tokens_finish(&s->cond) && tokens_finish(&s->direct);
    }
    if (!ok) {
        code = wn_h5_fail(s->path, "cannot be written", err);
        goto done;
    }
    WN_TRY_OR(done, rank_write(s, err));
    const hid_t file = s->h5;
    s->h5 = H5I_INVALID_HID;  /* a close that fails is not tried again */
    if (H5Fclose(file) < 0) { /* closes its groups too */
        code = wn_h5_fail(s->path, "cannot be written", err);
        goto done;
    }
    code = wn_file_commit(&s->file, err);
done:
    wn_store_abandon(store);
    return code;
}
