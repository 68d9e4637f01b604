/* From the journals of a run to its scores.h5.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/assemble.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ATTRIBUTES = 24, NUMBER_TEXT = 24, REPORT_EVERY = 65536 };

static size_t attributes_fill(const struct wn_recipe *recipe, struct wn_store_attribute out[MOST_ATTRIBUTES],
                              char numbers[4][NUMBER_TEXT], char profile[128])
{
    const struct wn_numeric_class *numeric = &recipe->model->numeric;
    snprintf(numbers[0], NUMBER_TEXT, "%d", (int)recipe->max_length);
    snprintf(numbers[1], NUMBER_TEXT, "%d", (int)numeric->row_tile);
    snprintf(numbers[2], NUMBER_TEXT, "%d", (int)numeric->key_tile);
    snprintf(numbers[3], NUMBER_TEXT, "%llu", (unsigned long long)wn_corpus_count(recipe->corpus));
    snprintf(profile, 128, "%.*s", (int)recipe->profile->name.size, recipe->profile->name.data);
    const struct wn_store_attribute all[] = {
        {wn_attribute_tool_version, recipe->job->version},
        {"method", "ifd"},
        {wn_attribute_profile, profile},
        {wn_attribute_profile_json, recipe->profile_json},
        {wn_attribute_max_length, numbers[0]},
        {wn_attribute_corpus_hash, recipe->corpus_hash},
        {wn_attribute_corpus_files, recipe->corpus_files_json},
        {"corpus_records", numbers[3]},
        {"model_family", recipe->model->family},
        {wn_attribute_model_path, recipe->model_folder},
        {wn_attribute_model_hash, recipe->model->hash},
        {wn_attribute_tokenizer_hash, recipe->tokenizer.hash},
        {wn_attribute_backend, numeric->backend},
        {wn_attribute_dtype, numeric->dtype},
        {wn_attribute_kernels, numeric->kernels},
        {wn_attribute_library, numeric->library},
        {wn_attribute_row_tile, numbers[1]},
        {wn_attribute_key_tile, numbers[2]},
        {wn_attribute_options, recipe->options_json},
    };
    _Static_assert(sizeof all / sizeof *all <= MOST_ATTRIBUTES, "one place an attribute");
    memcpy(out, all, sizeof all);
    return sizeof all / sizeof *all;
}

static wn_code store_begin(const struct wn_assembly *assembly, struct wn_store **out_store,
                           struct wn_error *err)
{
    const struct wn_recipe *recipe = assembly->recipe;
    struct wn_store_attribute attributes[MOST_ATTRIBUTES];
    char numbers[4][NUMBER_TEXT];
    char profile[128];
    char host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    const struct wn_store_attribute provenance[] = {
        {"host", host}, {"begun", assembly->begun}, {"command_line", recipe->job->command_line}};
    const struct wn_store_options options = {
        .has_reverse = recipe->profile->reverse.size > 0,
        .has_tokens = recipe->job->score.keep_tokens,
        .rank_by_loss = recipe->profile->score == WN_SCORE_IFD_LOSS,
        .larger_index_first = recipe->profile->ties == WN_TIES_LARGER_INDEX,
        .attributes = attributes,
        .n_attributes = attributes_fill(recipe, attributes, numbers, profile),
        .provenance = provenance,
        .n_provenance = sizeof provenance / sizeof *provenance};
    return wn_store_create(assembly->scores, recipe->count, &options, out_store, err);
}

/* Where a journal's rows go. */
struct sink {
    const struct wn_assembly *assembly;
    struct wn_corpus_reader *reader;
    struct wn_arena *arena; /* of one record */
    struct wn_store *store;
};

/* The row is of the very record that the corpus has now: the last of the guards, and the only one that needs no other
 * file of the run to be right. */
static wn_code record_check(const struct sink *sink, const struct wn_store_record *record,
                            struct wn_error *err)
{
    struct wn_place place;
    struct wn_span bytes;
    WN_TRY(wn_corpus_read(sink->reader, record->index, &place, &bytes, err));
    WN_CHECK(place.id_hash == record->id_hash && place.offset == record->offset &&
                 place.length == record->length && place.file == record->file,
             err, WN_RUN,
             "%s: record %llu of the corpus is not the one that its journal holds scores of; give the corpus "
             "that the "
             "run was begun with, or choose another --out",
             sink->assembly->run, (unsigned long long)record->index);
    return WN_OK;
}

/* The records of one unit that are taken from it. */
static wn_code unit_put(const struct sink *sink, struct wn_replay *replay, size_t number,
                        struct wn_error *err)
{
    const struct wn_assembly *assembly = sink->assembly;
    const struct wn_replay_unit unit = wn_replay_unit(replay, number);
    const bool has_bulk = assembly->recipe->job->score.keep_tokens;
    struct wn_unit_head head;
    struct wn_span rows;
    struct wn_span bulk;
    WN_TRY(wn_replay_read(replay, number, &head, &rows, &bulk, err));
    for (uint64_t i = 0; i < unit.skip + unit.count; i++) {
        struct wn_store_record record;
        wn_arena_reset(sink->arena);
        WN_TRY(wn_rows_take(&rows, has_bulk ? &bulk : NULL, head.first + i, sink->arena, &record, err));
        if (i >= unit.skip) {
            WN_TRY(record_check(sink, &record, err));
            WN_TRY(wn_store_put(sink->store, &record, err));
        }
    }
    return WN_OK;
}

static wn_code units_put(const struct wn_assembly *assembly, struct wn_replay *replay, struct wn_store *store,
                         struct wn_error *err)
{
    const struct wn_recipe *recipe = assembly->recipe;
    struct sink sink = {.assembly = assembly, .store = store};
    uint64_t next = recipe->first;
    uint64_t told = 0;
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_arena_new(&sink.arena, err));
    WN_TRY_OR(done, wn_corpus_reader_new(recipe->corpus, &sink.reader, err));
    for (size_t i = 0; i < wn_replay_n_units(replay); i++) {
        const struct wn_replay_unit unit = wn_replay_unit(replay, i);
        if (unit.first != next) {
            break;
        }
        WN_TRY_OR(done, wn_stop_check(assembly->stop, "writing scores.h5", err));
        WN_TRY_OR(done, unit_put(&sink, replay, i, err));
        next += unit.count;
        if (assembly->progress != NULL && next - recipe->first - told >= REPORT_EVERY) {
            told = next - recipe->first;
            assembly->progress(assembly->context, told);
        }
    }
    if (next != recipe->first + recipe->count) {
        code = wn_error_set(err, WN_IO, __FILE__, __LINE__,
                            "%s: the journal has lost record %llu since it was replayed; the same command "
                            "scores it again",
                            assembly->run, (unsigned long long)next);
    }
done:
    wn_corpus_reader_free(sink.reader);
    wn_arena_free(sink.arena);
    return code;
}

static wn_code store_end(const struct wn_assembly *assembly, const struct wn_replay *replay,
                         struct wn_store **store, struct wn_error *err)
{
    const struct wn_replay_counts counts = wn_replay_counts(replay);
    char ended[21];
    char numbers[4][NUMBER_TEXT];
    wn_time_text(ended);
    snprintf(numbers[0], NUMBER_TEXT, "%.3f", assembly->seconds);
    snprintf(numbers[1], NUMBER_TEXT, "%.3f", counts.seconds);
    snprintf(numbers[2], NUMBER_TEXT, "%llu", (unsigned long long)counts.tokens);
    snprintf(numbers[3], NUMBER_TEXT, "%llu", (unsigned long long)counts.highest_epoch);
    const struct wn_store_attribute provenance[] = {{"ended", ended},
                                                    {"seconds_last_start", numbers[0]},
                                                    {"seconds_of_units", numbers[1]},
                                                    {"tokens", numbers[2]},
                                                    {"starts", numbers[3]}};
    WN_TRY(wn_lock_check(assembly->lock, err));
    return wn_store_finish(store, provenance, sizeof provenance / sizeof *provenance, err);
}

wn_code wn_scores_assemble(const struct wn_assembly *assembly, struct wn_error *err)
{
    const struct wn_recipe *recipe = assembly->recipe;
    const struct wn_replay_options options = {.run = assembly->run,
                                              .run_hash = recipe->run_hash,
                                              .first = recipe->first,
                                              .count = recipe->count,
                                              .has_bulk = recipe->job->score.keep_tokens,
                                              .log = recipe->job->log};
    struct wn_replay *replay = NULL;
    struct wn_store *store = NULL;
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_replay_open(&options, &replay, err));
    WN_TRY_OR(done, store_begin(assembly, &store, err));
    WN_TRY_OR(done, units_put(assembly, replay, store, err));
    WN_TRY_OR(done, wn_stop_check(assembly->stop, "finishing scores.h5", err));
    WN_TRY_OR(done, store_end(assembly, replay, &store, err));
done:
    wn_store_abandon(&store);
    wn_replay_close(replay);
    return code;
}
