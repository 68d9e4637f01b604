/* Writing the subset: records byte for byte, with its index, its entry in dataset_info.json and its manifest.
 * SPDX-License-Identifier: Apache-2.0
 *
 * All four files are written under temporary names first; then they are renamed, the subset last, so that a
 * subset that exists has its account beside it.
 */
#include "select/select.h"

#include "base/base.h"
#include "select/parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Columns that the score fields are made of. */
enum value {
    VALUE_STATUS,
    VALUE_LOSS_COND,
    VALUE_LOSS_DIRECT,
    VALUE_IFD_LOSS,
    VALUE_IFD_PPL,
    VALUE_RANK,
    VALUE_COUNT
};

static const char *const value_columns[VALUE_COUNT] = {"status",   "loss_cond", "loss_direct",
                                                       "ifd_loss", "ifd_ppl",   "rank"};

enum { MAX_FIELDS = 8, NUMBER_TEXT = 40 };

/* The work of one call. */
struct job {
    const struct wn_subset_options *options;
    const struct wn_scores *scores;
    const struct wn_corpus *corpus;
    const struct wn_rule *rule;
    const struct wn_selection *selection;
    struct wn_names names;
    struct wn_style style;
    uint64_t *numbers;             /* [n] in output order; record numbers (a run of --range starts above 0) */
    struct wn_span *records;       /* [n] bytes of the corpus */
    double (*values)[VALUE_COUNT]; /* [n] where score fields are asked for, else NULL */
    struct wn_file *subset, *index, *manifest, *dataset_info;
    char subset_hash[WN_HASH_TEXT], index_hash[WN_HASH_TEXT];
};

static bool has_ending(const char *path, const char *ending)
{
    const size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

static wn_code names_make(const char *path, struct wn_names *out, struct wn_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    WN_CHECK(*base != '\0', err, WN_USAGE, "\"%s\": a subset is a file; give it a name, as %ssubset.json",
             path, path);
    WN_CHECK(strcmp(base, "dataset_info.json") != 0, err, WN_USAGE,
             "%s: dataset_info.json is the list of data sets beside a subset; give the subset another name",
             path);
    WN_CHECK(
        !has_ending(base, ".gz") && !has_ending(base, ".zst"), err, WN_USAGE,
        "%s: a subset is written as plain text; give it a name without .gz or .zst and pack it afterwards",
        path);
    for (const char *at = base; *at != '\0'; at++) {
        WN_CHECK((unsigned char)*at >= 0x20 && *at != '"' && *at != '\\', err, WN_USAGE,
                 "%s: the name of a subset holds no control characters, quotes or backslashes", path);
    }
    WN_CHECK(wn_utf8_valid(wn_span_of(base), NULL), err, WN_USAGE, "%s: the name of a subset is UTF-8", path);
    const size_t cut = has_ending(base, ".jsonl") ? 6 : has_ending(base, ".json") ? 5 : 0;
    const int stem = (int)(strlen(path) - cut), entry = (int)(strlen(base) - cut);
    out->subset = path;
    bool ok = asprintf(&out->stem, "%.*s", stem, path) >= 0;
    ok = ok && asprintf(&out->entry, "%.*s", entry, base) >= 0;
    ok = ok && asprintf(&out->base, "%s", base) >= 0;
    ok = ok && asprintf(&out->index, "%s.index.txt", out->stem) >= 0;
    ok = ok && asprintf(&out->manifest, "%s.manifest.json", out->stem) >= 0;
    ok = ok && asprintf(&out->dataset_info, "%.*sdataset_info.json", (int)(base - path), path) >= 0;
    WN_CHECK(ok, err, WN_DEVICE, "out of memory for the names of a subset");
    return WN_OK;
}

static void names_free(struct wn_names *names)
{
    free(names->stem);
    free(names->entry);
    free(names->base);
    free(names->index);
    free(names->manifest);
    free(names->dataset_info);
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Nothing that was read may be written over; an older subset only if the caller says so. */
static wn_code outputs_check(const struct job *job, struct wn_error *err)
{
    const char *const outputs[] = {job->names.subset, job->names.index, job->names.manifest,
                                   job->names.dataset_info};
    for (size_t o = 0; o < 4; o++) {
        bool is_input = is_same_file(outputs[o], wn_scores_path(job->scores));
        for (size_t i = 0; i < wn_corpus_n_files(job->corpus) && !is_input; i++) {
            is_input = is_same_file(outputs[o], wn_corpus_file(job->corpus, i).path);
        }
        WN_CHECK(!is_input, err, WN_USAGE,
                 "%s: is an input and is never overwritten: give the subset another name", outputs[o]);
    }
    for (size_t o = 0; o < 3 && !job->options->replace; o++) {
        WN_CHECK(!wn_path_exists(outputs[o]), err, WN_USAGE,
                 "%s: exists already: give another name, or say --force to replace it", outputs[o]);
    }
    return WN_OK;
}

static int compare_places(const void *a, const void *b, void *context)
{
    const uint64_t *indices = context;
    const uint64_t x = indices[*(const uint64_t *)a], y = indices[*(const uint64_t *)b];
    return x < y ? -1 : x > y;
}

/* Blocks of the columns that a chosen record needs; refilled as the index moves on. */
struct window {
    uint64_t first, n; /* rows in the buffers; n 0: none yet */
    uint64_t *numbers; /* [WN_SELECT_BLOCK] of records */
    uint64_t *hashes;  /* [WN_SELECT_BLOCK] */
    double *values;    /* [VALUE_COUNT][WN_SELECT_BLOCK] */
};

static wn_code window_move(const struct job *job, uint64_t row, struct window *window, struct wn_error *err)
{
    const uint64_t total = wn_scores_count(job->scores);
    WN_CHECK(row < total, err, WN_DEFECT, "row %" PRIu64 " of %" PRIu64 " was chosen", row, total);
    if (window->n > 0 && row >= window->first && row - window->first < window->n) {
        return WN_OK;
    }
    window->first = row / WN_SELECT_BLOCK * WN_SELECT_BLOCK;
    window->n = total - window->first < WN_SELECT_BLOCK ? total - window->first : WN_SELECT_BLOCK;
    const size_t n = (size_t)window->n;
    WN_TRY(wn_scores_integers(job->scores, "index", window->first, n, window->numbers, err));
    WN_TRY(wn_scores_integers(job->scores, "id_hash", window->first, n, window->hashes, err));
    for (size_t v = 0; job->values != NULL && v < VALUE_COUNT; v++) {
        double *block = window->values + v * WN_SELECT_BLOCK;
        WN_TRY(wn_scores_doubles(job->scores, value_columns[v], window->first, n, block, err));
    }
    return WN_OK;
}

/* Read the chosen records in the order of the pool, whatever the output order: the corpus is then read once
 * through. */
static wn_code records_read(struct job *job, struct wn_corpus_reader *reader, struct window *window,
                            uint64_t *places, struct wn_error *err)
{
    const uint64_t n = job->selection->n;
    for (uint64_t i = 0; i < n; i++) {
        places[i] = i;
    }
    qsort_r(places, (size_t)n, sizeof *places, compare_places, job->selection->indices);
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t to = places[i], chosen = job->selection->indices[to];
        struct wn_place place;
        WN_TRY(wn_stop_check(job->options->stop, "reading the chosen records", err));
        WN_TRY(window_move(job, chosen, window, err));
        const uint64_t row = chosen - window->first, number = window->numbers[row];
        WN_CHECK(number < wn_corpus_count(job->corpus), err, WN_RUN,
                 "%s: row %" PRIu64 " is record %" PRIu64 ", which the corpus does not have",
                 wn_scores_path(job->scores), chosen, number);
        WN_TRY(wn_corpus_read(reader, number, &place, &job->records[to], err));
        WN_CHECK(place.id_hash == window->hashes[row], err, WN_RUN,
                 "record %" PRIu64 " of the corpus is not the one that was scored", number);
        job->numbers[to] = number;
        for (size_t v = 0; job->values != NULL && v < VALUE_COUNT; v++) {
            job->values[to][v] = window->values[v * WN_SELECT_BLOCK + row];
        }
    }
    return WN_OK;
}

static wn_code records_gather(struct job *job, struct wn_error *err)
{
    const size_t n = (size_t)job->selection->n;
    struct wn_corpus_reader *reader = NULL;
    struct window window = {0};
    uint64_t *places = malloc((n + 1) * sizeof *places);
    const bool has_values = job->options->fields != WN_FIELDS_NONE;
    wn_code code = WN_OK;
    job->numbers = malloc((n + 1) * sizeof *job->numbers);
    job->records = malloc((n + 1) * sizeof *job->records);
    job->values = has_values ? malloc((n + 1) * sizeof *job->values) : NULL;
    window.numbers = malloc((size_t)WN_SELECT_BLOCK * sizeof *window.numbers);
    window.hashes = malloc((size_t)WN_SELECT_BLOCK * sizeof *window.hashes);
    window.values = malloc((size_t)VALUE_COUNT * WN_SELECT_BLOCK * sizeof *window.values);
    if (places == NULL || job->numbers == NULL || job->records == NULL ||
        (has_values && job->values == NULL) || window.numbers == NULL || window.hashes == NULL ||
        window.values == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for %zu chosen records", n);
        goto done;
    }
    WN_TRY_OR(done, wn_corpus_reader_new(job->corpus, &reader, err));
    code = records_read(job, reader, &window, places, err);
done:
    wn_corpus_reader_free(reader);
    free(window.numbers);
    free(window.hashes);
    free(window.values);
    free(places);
    return code;
}

/* A number as Python's json writes it: the shortest of 15 to 17 digits that reads back the same, with a
 * point. What is not finite: null, or Python's literals. */
static void number_print(double number, bool has_literals, char out[NUMBER_TEXT])
{
    if (!isfinite(number)) {
        const char *text = isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
        snprintf(out, NUMBER_TEXT, "%s", has_literals ? text : "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, NUMBER_TEXT, "%.*g", digits, number);
        if (strtod(out, NULL) == number) {
            break;
        }
    }
    if (strpbrk(out, ".e") == NULL) {
        strcat(out, ".0");
    }
}

/* The published code keeps float32: torch.exp of a float32 loss, infinite above 88.7 nats; the ratio is
 * float64 of the two (Superfiltering code_ifd/put_analysis_to_data.py). */
static double ppl_float32(double loss)
{
    /* volatile: gcc 12.2 at -O2 vectorizes two such roundings side by side and then drops them as if to float
     * and back changed nothing. */
    volatile float rounded = (float)loss;
    rounded = (float)exp((double)rounded);
    return (double)rounded;
}

static size_t fields_superfiltering(const double values[VALUE_COUNT], char texts[MAX_FIELDS][NUMBER_TEXT],
                                    struct wn_member members[MAX_FIELDS])
{
    static const char *const keys[] = {"ppl_A_direct", "ppl_A_condition", "ifd_ppl"};
    const double direct = ppl_float32(values[VALUE_LOSS_DIRECT]);
    const double condition = ppl_float32(values[VALUE_LOSS_COND]);
    const double numbers[] = {direct, condition, condition / direct};
    for (size_t i = 0; i < 3; i++) {
        number_print(numbers[i], true, texts[i]);
        members[i] = (struct wn_member){keys[i], wn_span_of(texts[i])};
    }
    return 3;
}

static size_t fields_own(uint64_t index, const double values[VALUE_COUNT],
                         char texts[MAX_FIELDS][NUMBER_TEXT], struct wn_member members[MAX_FIELDS])
{
    static const char *const keys[] = {"winnow_loss_cond", "winnow_loss_direct", "winnow_ifd_loss",
                                       "winnow_ifd_ppl"};
    static const enum value from[] = {VALUE_LOSS_COND, VALUE_LOSS_DIRECT, VALUE_IFD_LOSS, VALUE_IFD_PPL};
    const char *status = wn_status_name((int)values[VALUE_STATUS]);
    snprintf(texts[0], NUMBER_TEXT, "%" PRIu64, index);
    snprintf(texts[1], NUMBER_TEXT, "\"%s\"", status == NULL ? "" : status);
    members[0] = (struct wn_member){"winnow_index", wn_span_of(texts[0])};
    members[1] = (struct wn_member){"winnow_status", wn_span_of(texts[1])};
    for (size_t i = 0; i < 4; i++) {
        number_print(values[from[i]], false, texts[2 + i]);
        members[2 + i] = (struct wn_member){keys[i], wn_span_of(texts[2 + i])};
    }
    if (isnan(values[VALUE_RANK])) {
        snprintf(texts[6], NUMBER_TEXT, "null");
    } else {
        snprintf(texts[6], NUMBER_TEXT, "%.0f", values[VALUE_RANK]);
    }
    members[6] = (struct wn_member){"winnow_rank", wn_span_of(texts[6])};
    return 7;
}

/* Bytes of white space from `at` on. */
static size_t space_length(struct wn_span text, size_t at)
{
    size_t n = 0;
    while (at + n < text.size && (text.data[at + n] == ' ' || text.data[at + n] == '\t' ||
                                  text.data[at + n] == '\n' || text.data[at + n] == '\r')) {
        n++;
    }
    return n;
}

/* Line breaks stand only between tokens of valid JSON, so they may go, with the indentation behind them. */
static bool lines_join(struct wn_span record, struct wn_bytes *out)
{
    bool ok = true;
    for (size_t i = 0; i < record.size && ok;) {
        const char c = record.data[i];
        if (c != '\n' && c != '\r') {
            ok = wn_bytes_append(out, (struct wn_span){&record.data[i], 1});
            i++;
            continue;
        }
        i += space_length(record, i);
        if (out->size > 0 && out->data[out->size - 1] == ',') {
            ok = wn_bytes_append(out, wn_span_of(" "));
        }
    }
    return ok;
}

/* The bytes of chosen record i as they go into the subset, in out[0] or out[1]; *out_text is one of them or
 * the record itself. */
static wn_code record_make(const struct job *job, uint64_t i, struct wn_bytes out[2],
                           struct wn_span *out_text, struct wn_error *err)
{
    struct wn_span text = job->records[i];
    out[0].size = out[1].size = 0;
    if (job->values != NULL) {
        char texts[MAX_FIELDS][NUMBER_TEXT];
        struct wn_member members[MAX_FIELDS];
        const size_t n = job->options->fields == WN_FIELDS_SUPERFILTERING
                             ? fields_superfiltering(job->values[i], texts, members)
                             : fields_own(job->numbers[i], job->values[i], texts, members);
        WN_TRY(wn_object_set(text, members, n, &out[0], err));
        text = wn_bytes_span(&out[0]);
    }
    if (!job->style.is_array &&
        (memchr(text.data, '\n', text.size) != NULL || memchr(text.data, '\r', text.size) != NULL)) {
        WN_CHECK(lines_join(text, &out[1]), err, WN_DEVICE, "out of memory for a record");
        text = wn_bytes_span(&out[1]);
    }
    *out_text = text;
    return WN_OK;
}

static wn_code piece_write(struct wn_file *file, struct wn_hasher *hasher, struct wn_span piece,
                           struct wn_error *err)
{
    wn_hasher_add(hasher, piece.data, piece.size);
    return wn_file_write(file, piece, err);
}

static wn_code subset_write(struct job *job, struct wn_hasher *hasher, struct wn_bytes work[2],
                            struct wn_error *err)
{
    const uint64_t n = job->selection->n;
    if (n == 0) {
        return piece_write(job->subset, hasher, wn_span_of(job->style.is_array ? "[]\n" : ""), err);
    }
    WN_TRY(piece_write(job->subset, hasher, wn_bytes_span(&job->style.open), err));
    for (uint64_t i = 0; i < n; i++) {
        struct wn_span text = {NULL, 0};
        WN_TRY(wn_stop_check(job->options->stop, "writing the subset", err));
        WN_TRY(record_make(job, i, work, &text, err));
        if (i > 0) {
            WN_TRY(piece_write(job->subset, hasher, wn_bytes_span(&job->style.separator), err));
        }
        WN_TRY(piece_write(job->subset, hasher, text, err));
    }
    return piece_write(job->subset, hasher, wn_bytes_span(&job->style.close), err);
}

static wn_code index_write(struct job *job, struct wn_hasher *hasher, struct wn_error *err)
{
    for (uint64_t i = 0; i < job->selection->n; i++) {
        char line[32];
        snprintf(line, sizeof line, "%" PRIu64 "\n", job->numbers[i]);
        WN_TRY(piece_write(job->index, hasher, wn_span_of(line), err));
    }
    return WN_OK;
}

static wn_code data_write(struct job *job, struct wn_error *err)
{
    struct wn_hasher *hashers[2] = {NULL, NULL};
    struct wn_bytes work[2] = {{0}, {0}};
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_hasher_new(&hashers[0], err));
    WN_TRY_OR(done, wn_hasher_new(&hashers[1], err));
    WN_TRY_OR(done, wn_file_create(job->names.subset, &job->subset, err));
    WN_TRY_OR(done, subset_write(job, hashers[0], work, err));
    WN_TRY_OR(done, wn_file_create(job->names.index, &job->index, err));
    WN_TRY_OR(done, index_write(job, hashers[1], err));
    wn_hasher_text(hashers[0], job->subset_hash);
    wn_hasher_text(hashers[1], job->index_hash);
done:
    for (size_t i = 0; i < 2; i++) {
        wn_bytes_free(&work[i]);
        if (hashers[i] != NULL) {
            wn_hasher_free(hashers[i]);
        }
    }
    return code;
}

static wn_code account_write(struct job *job, struct wn_error *err)
{
    const struct wn_manifest manifest = {job->options,     job->scores,     job->corpus,
                                         job->rule,        job->selection,  &job->names,
                                         job->subset_hash, job->index_hash, job->style.is_array};
    struct wn_bytes info = {0};
    char *text = NULL;
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_dataset_info_make(job->options, job->corpus, &job->names, job->records,
                                         job->selection->n, &info, err));
    WN_TRY_OR(done, wn_file_create(job->names.dataset_info, &job->dataset_info, err));
    WN_TRY_OR(done, wn_file_write(job->dataset_info, wn_bytes_span(&info), err));
    WN_TRY_OR(done, wn_manifest_print(&manifest, &text, err));
    WN_TRY_OR(done, wn_file_create(job->names.manifest, &job->manifest, err));
    code = wn_file_write(job->manifest, wn_span_of(text), err);
done:
    free(text);
    wn_bytes_free(&info);
    return code;
}

static wn_code job_run(struct job *job, struct wn_error *err)
{
    WN_TRY(names_make(job->options->path, &job->names, err));
    WN_TRY(wn_corpus_scored_check(job->scores, job->corpus, err));
    WN_TRY(outputs_check(job, err));
    WN_TRY(wn_style_find(job->corpus, &job->style, err));
    WN_TRY(records_gather(job, err));
    WN_TRY(data_write(job, err));
    WN_TRY(account_write(job, err));
    WN_TRY(wn_stop_check(job->options->stop, "writing the subset", err)); /* from here on it is finished */
    WN_TRY(wn_file_commit(&job->index, err));
    WN_TRY(wn_file_commit(&job->dataset_info, err));
    WN_TRY(wn_file_commit(&job->manifest, err));
    return wn_file_commit(&job->subset, err);
}

wn_code wn_subset_write(const struct wn_subset_options *options, const struct wn_scores *scores,
                        const struct wn_corpus *corpus, const struct wn_rule *rule,
                        const struct wn_selection *selection, struct wn_error *err)
{
    struct job job = {
        .options = options, .scores = scores, .corpus = corpus, .rule = rule, .selection = selection};
    const wn_code code = job_run(&job, err);
    wn_file_abandon(&job.subset);
    wn_file_abandon(&job.index);
    wn_file_abandon(&job.manifest);
    wn_file_abandon(&job.dataset_info);
    wn_style_free(&job.style);
    names_free(&job.names);
    free(job.numbers);
    free(job.records);
    free(job.values);
    return code;
}
