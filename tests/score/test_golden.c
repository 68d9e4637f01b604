/* Every golden of IFD scores and of spans: counts, positions, statuses, and each loss.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Tolerance: 2e-5 nats between a mean loss here (float32, float64 sums) and the float64 reference; 1e-4
 * for a single token, where nothing averages out.
 */
#include "scoring.h"
#include "support.h"

#include "base/base.h"
#include "score/text.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double tolerance = 2e-5, token_tolerance = 1e-4;

/* Every row of each golden of scores; under a sanitizer every 16th, because all of them take more than ten minutes of processor
 * time there, and the bytes touched are of the same kinds. */
enum { ROW_STEP = WN_TEST_SANITIZED ? 16 : 1 };

/* One golden file, line by line. */
struct golden {
    struct wn_map map;
    size_t at;
};

static struct wn_json *next_line(struct golden *golden)
{
    struct wn_error err = {0};
    struct wn_json *line = NULL;
    const struct wn_span all = golden->map.bytes;
    if (golden->at >= all.size) {
        return NULL;
    }
    const char *start = all.data + golden->at;
    const char *end = memchr(start, '\n', all.size - golden->at);
    const size_t size = end != NULL ? (size_t)(end - start) : all.size - golden->at;
    golden->at += size + 1;
    WN_TEST_OK(wn_json_parse((struct wn_span){start, size}, WN_INPUT, &line, &err));
    return line;
}

static size_t count_lines(const struct wn_map *map)
{
    size_t n = 0;
    for (size_t i = 0; i < map->bytes.size; i++) {
        n += map->bytes.data[i] == '\n';
    }
    return n;
}

static const struct wn_json *member(const struct wn_json *line, const char *field, const char *side)
{
    char key[64];
    snprintf(key, sizeof key, "%s_%s", field, side);
    return wn_json_get(line, key);
}

static void check_count(const struct wn_json *line, const char *field, const char *side, uint32_t ours,
                        const char *what, size_t row)
{
    const struct wn_json *value = member(line, field, side);
    const double golden = value != NULL ? wn_json_number(value) : 0;
    cr_assert(golden == (double)ours, "%s row %zu: %s_%s is %u, not %g", what, row, field, side, ours,
              golden);
}

static void check_side(const struct wn_json *line, const char *side, const struct wn_side *ours,
                       const char *what, size_t row, double *worst)
{
    check_count(line, "n", side, ours->n, what, row);
    check_count(line, "s", side, ours->first, what, row);
    check_count(line, "k", side, ours->k, what, row);
    const struct wn_json *loss = member(line, "loss", side);
    cr_assert_eq(loss != NULL, ours->k > 0, "%s row %zu: loss_%s", what, row, side);
    if (loss != NULL) {
        const double difference = fabs(wn_json_number(loss) - wn_side_loss(ours));
        cr_assert(difference <= tolerance, "%s row %zu: loss_%s is %.9f, not %.9f", what, row, side,
                  wn_side_loss(ours), wn_json_number(loss));
        *worst = difference > *worst ? difference : *worst;
    }
}

static void check_tokens(const struct wn_json *line, const char *side, const struct wn_side *ours,
                         const int32_t *ids, const float *losses, const char *what, size_t row)
{
    const struct wn_json *all = member(line, "ids", side);
    if (all == NULL) {
        return;
    }
    size_t i = 0;
    for (const struct wn_json *id = wn_json_first(all); id != NULL; id = wn_json_next(id), i++) {
        cr_assert(wn_json_number(id) == (double)ids[i], "%s row %zu: token %zu of %s", what, row, i, side);
    }
    cr_assert_eq(i, ours->n);
    i = 0;
    for (const struct wn_json *loss = wn_json_first(member(line, "losses", side)); loss != NULL;
         loss = wn_json_next(loss), i++) {
        cr_assert(fabs(wn_json_number(loss) - (double)losses[i]) <= token_tolerance,
                  "%s row %zu: loss %zu of %s is %.7f, not %.7f", what, row, i, side, (double)losses[i],
                  wn_json_number(loss));
    }
    cr_assert_eq(i, ours->k);
}

static void check_status(const struct wn_json *line, const struct wn_row *ours, const char *what, size_t row)
{
    const struct wn_span golden = wn_json_text(wn_json_get(line, "status"));
    const bool is_ok = wn_span_is(golden, "ok");
    const uint32_t status = ours->status;
    const bool is_right = is_ok ? status == WN_STATUS_OK || status == WN_STATUS_TRUNCATED
                          : wn_span_is(golden, "empty_output") ? status == WN_STATUS_EMPTY_ANSWER
                                                               : status == WN_STATUS_NO_ANSWER_TOKENS;
    cr_assert(is_right, "%s row %zu: status %s where the golden has %.*s", what, row,
              wn_status_name((int)status), (int)golden.size, golden.data);
    cr_assert_eq(status == WN_STATUS_TRUNCATED, is_ok && (ours->cond.cut || ours->direct.cut));
    if (is_ok) {
        const double loss = wn_json_number(wn_json_get(line, "ifd_loss"));
        const double ppl = wn_json_number(wn_json_get(line, "ifd_ppl"));
        /* Both losses may be off by the tolerance; relative for ppl, and for loss where the direct one is
         * small. */
        const double small = wn_side_loss(&ours->direct);
        cr_assert(fabs(wn_row_ifd_ppl(ours) / ppl - 1) <= 5e-5, "%s row %zu: ifd_ppl", what, row);
        cr_assert(fabs(wn_row_ifd_loss(ours) - loss) <= (1 + loss) * 2.5e-5 / small, "%s row %zu: ifd_loss",
                  what, row);
    }
}

/* Every ROW_STEP-th record of a corpus, as JSON Lines of its own. */
static struct wn_corpus *open_part(const struct wn_corpus *corpus, const char *folder)
{
    struct wn_error err = {0};
    struct wn_corpus_reader *reader = NULL;
    char path[4096];
    char *text = NULL;
    size_t n = 0;
    WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
    for (uint64_t i = 0; i < wn_corpus_count(corpus); i += ROW_STEP) {
        struct wn_place place;
        struct wn_span bytes;
        WN_TEST_OK(wn_corpus_read(reader, i, &place, &bytes, &err));
        text = realloc(text, n + bytes.size + 1);
        cr_assert_not_null(text);
        for (size_t b = 0; b < bytes.size; b++) {
            text[n++] = bytes.data[b] == '\n' ? ' ' : bytes.data[b]; /* white space between members */
        }
        text[n++] = '\n';
    }
    wn_corpus_reader_free(reader);
    write_file(folder, "part.jsonl", text, n, path, sizeof path);
    free(text);
    const char *const paths[] = {path};
    return open_corpus(paths, 1);
}

static void check_file(const char *name, struct wn_model *model, const struct wn_tokenizer *tokenizer,
                       const struct recipe *recipe, const char *data)
{
    struct wn_error err = {0};
    char golden_path[4096], data_path[4096], relative[512];
    snprintf(relative, sizeof relative, "goldens/ifd/%s", name);
    cr_assert(wn_test_shared(relative, golden_path, sizeof golden_path));
    snprintf(relative, sizeof relative, "data/%s", data);
    cr_assert(wn_test_shared(relative, data_path, sizeof data_path));
    struct golden golden = {0};
    WN_TEST_OK(wn_map_open(golden_path, WN_INPUT, &golden.map, &err));
    const char *const paths[] = {data_path};
    struct wn_corpus *corpus = open_corpus(paths, 1);
    char folder[64];
    make_folder(folder, sizeof folder);
    if (ROW_STEP > 1) {
        struct wn_corpus *part = open_part(corpus, folder);
        wn_corpus_free(corpus);
        corpus = part;
    }
    const size_t n_lines = count_lines(&golden.map);
    struct recipe full = *recipe;
    full.n = (n_lines + ROW_STEP - 1) / ROW_STEP;
    full.keep_tokens = true;
    struct scored scored = score_with(model, tokenizer, corpus, &full);
    cr_assert_eq(scored.n, full.n);
    double worst = 0;
    size_t row = 0;
    for (struct wn_json *line = next_line(&golden); line != NULL; line = next_line(&golden), row++) {
        const size_t at = row / ROW_STEP;
        if (row % ROW_STEP != 0) {
            wn_json_free(line);
            continue;
        }
        const struct wn_row *ours = &scored.rows[at];
        check_status(line, ours, name, row);
        check_side(line, "cond", &ours->cond, name, row, &worst);
        check_side(line, "dir", &ours->direct, name, row, &worst);
        check_side(line, "q_cond", &ours->q_cond, name, row, &worst);
        check_side(line, "q_dir", &ours->q_direct, name, row, &worst);
        if (ours->status != WN_STATUS_EMPTY_ANSWER) {
            check_tokens(line, "cond", &ours->cond, scored.cond_ids[at], scored.cond[at], name, row);
            check_tokens(line, "dir", &ours->direct, scored.direct_ids[at], scored.direct[at], name, row);
        }
        wn_json_free(line);
    }
    cr_assert_eq(row, n_lines);
    printf(
        "golden %-40s %3zu of %3zu rows%s, largest difference of a mean loss %.2e, %llu of %llu tokens from "
        "headers, %.2f s\n",
        name, scored.n, n_lines, ROW_STEP > 1 ? " (every 16th, for a sanitizer runs)" : "", worst,
        (unsigned long long)scored.counts.header_tokens, (unsigned long long)scored.counts.tokens,
        scored.counts.seconds_model);
    wn_map_close(&golden.map);
    scored_free(&scored);
    wn_corpus_free(corpus);
    remove_folder(folder);
}

/* MODEL.PROFILE[.edges|.Lnn].jsonl -> what was scored; false for another model's file. */
static bool read_name(const char *name, const char *model, char *profile, size_t size, struct recipe *recipe,
                      const char **out_data)
{
    const size_t length = strlen(model);
    const char *const end = strstr(name, ".jsonl");
    if (strncmp(name, model, length) != 0 || name[length] != '.' || end == NULL) {
        return false;
    }
    const char *const start = name + length + 1;
    const char *const dot = strchr(start, '.');
    snprintf(profile, size, "%.*s", (int)(dot - start), start);
    *out_data = "samples_188.json";
    recipe->max_length = 0;
    if (strncmp(dot, ".edges.", 7) == 0) {
        *out_data = "samples_edges.json";
    } else if (dot != end) {
        *out_data = "samples_short.json";
        recipe->max_length = (int32_t)strtol(dot + 2, NULL, 10);
    }
    recipe->profile = profile;
    return true;
}

static void check_model(const char *name, int32_t positions)
{
    struct wn_error err = {0};
    char relative[512];
    snprintf(relative, sizeof relative, "models/%s", name);
    WN_TEST_SHARED(relative, path);
    WN_TEST_SHARED("goldens/ifd", folder);
    struct recipe recipe = {.threads = 1};
    struct wn_model *model = open_model(path, &recipe);
    struct wn_tokenizer *tokenizer = NULL;
    WN_TEST_OK(wn_tokenizer_open(path, &tokenizer, &err));
    struct dirent **entries = NULL;
    const int n = scandir(folder, &entries, NULL, alphasort);
    int n_files = 0;
    for (int i = 0; i < n; i++) {
        char profile[128];
        const char *data = NULL;
        if (read_name(entries[i]->d_name, name, profile, sizeof profile, &recipe, &data)) {
            recipe.max_length = recipe.max_length > 0 ? recipe.max_length : positions;
            check_file(entries[i]->d_name, model, tokenizer, &recipe, data);
            n_files++;
        }
        free(entries[i]);
    }
    free(entries);
    cr_assert_geq(n_files, 6);
    wn_tokenizer_free(tokenizer);
    wn_model_close(model);
}

Test(golden, tiny_gpt2_has_the_losses_of_the_reference)
{
    check_model("tiny-gpt2", 512);
}

Test(golden, tiny_llama_has_the_losses_of_the_reference)
{
    check_model("tiny-llama", 512);
}

Test(golden, tiny_llama3_has_the_losses_of_the_reference)
{
    check_model("tiny-llama3", 1024);
}

Test(golden, tiny_mistral_has_the_losses_of_the_reference)
{
    check_model("tiny-mistral", 1024);
}

Test(golden, tiny_qwen2_has_the_losses_of_the_reference)
{
    check_model("tiny-qwen2", 1024);
}

Test(golden, tiny_qwen3_has_the_losses_of_the_reference)
{
    check_model("tiny-qwen3", 1024);
}

Test(golden, stories260k_has_the_losses_of_the_reference)
{
    check_model("stories260k", 512);
}

/* Spans of one tokenizer and profile: rows are the edges, then the 188, in a window of 1,024. */
static void check_spans(const char *tokenizer_path, const char *golden_path, const char *profile_name,
                        const struct wn_corpus *corpus, const char *what)
{
    struct wn_error err = {0};
    struct wn_arena *arena = NULL, *scratch = NULL;
    struct wn_tokenizer *tokenizer = NULL;
    struct wn_encoder *encoder = NULL;
    struct wn_corpus_reader *reader = NULL;
    struct wn_profile profile;
    struct wn_text_rules rules;
    struct golden golden = {0};
    WN_TEST_OK(wn_arena_new(&arena, &err));
    WN_TEST_OK(wn_arena_new(&scratch, &err));
    WN_TEST_OK(wn_tokenizer_open(tokenizer_path, &tokenizer, &err));
    WN_TEST_OK(wn_encoder_new(tokenizer, &encoder, &err));
    WN_TEST_OK(wn_corpus_reader_new(corpus, &reader, &err));
    WN_TEST_OK(wn_profile_find(profile_name, arena, &profile, &err));
    WN_TEST_OK(wn_map_open(golden_path, WN_INPUT, &golden.map, &err));
    const struct wn_score_options options = {.profile = &profile, .max_length = 1024};
    WN_TEST_OK(wn_text_rules_make(&options, tokenizer, encoder, 1 << 20, arena, &rules, &err));
    uint64_t row = 0;
    for (struct wn_json *line = next_line(&golden); line != NULL; line = next_line(&golden), row++) {
        struct wn_record record;
        struct wn_sample sample;
        wn_arena_reset(scratch);
        WN_TEST_OK(wn_corpus_record(reader, row, scratch, &record, &err));
        WN_TEST_OK(wn_profile_sample(&profile, &record, 0, scratch, &sample, &err));
        const bool is_empty = wn_span_is(wn_json_text(wn_json_get(line, "status")), "empty_output");
        cr_assert_eq(sample.status, is_empty ? WN_STATUS_EMPTY_ANSWER : WN_STATUS_OK);
        if (!is_empty) {
            struct wn_sample_texts texts;
            WN_TEST_OK(wn_sample_encode(&rules, &sample, scratch, scratch, &texts, &err));
            check_count(line, "n", "cond", (uint32_t)texts.cond.n, what, row);
            check_count(line, "s", "cond", (uint32_t)texts.cond.first, what, row);
            check_count(line, "n", "dir", (uint32_t)texts.direct.n, what, row);
            check_count(line, "s", "dir", (uint32_t)texts.direct.first, what, row);
        }
        wn_json_free(line);
    }
    cr_assert_eq(row, wn_corpus_count(corpus));
    printf("spans %-28s %llu rows equal, headers of %d and %d tokens\n", what, (unsigned long long)row,
           rules.n_headers > 0 ? rules.headers[0].n : 0, rules.n_headers > 1 ? rules.headers[1].n : 0);
    wn_map_close(&golden.map);
    wn_corpus_reader_free(reader);
    wn_encoder_free(encoder);
    wn_tokenizer_free(tokenizer);
    wn_arena_free(scratch);
    wn_arena_free(arena);
}

Test(golden, spans_of_five_real_tokenizers_equal_the_reference)
{
    static const char *const tokenizers[] = {"gpt2", "llama2", "llama3", "qwen2", "mistral"};
    static const char *const profiles[] = {"superfiltering", "cherry-alpaca", "cherry-wiz", "cherry-vicuna"};
    WN_TEST_SHARED("data/samples_edges.json", edges);
    WN_TEST_SHARED("data/samples_188.json", samples);
    const char *const paths[] = {edges, samples};
    struct wn_corpus *corpus = open_corpus(paths, 2);
    for (size_t t = 0; t < 5; t++) {
        for (size_t p = 0; p < 4; p++) {
            char relative[512], tokenizer[4096], golden[4096];
            snprintf(relative, sizeof relative, "tokenizers/%s", tokenizers[t]);
            cr_assert(wn_test_shared(relative, tokenizer, sizeof tokenizer));
            snprintf(relative, sizeof relative, "goldens/spans/%s.%s.jsonl", tokenizers[t], profiles[p]);
            cr_assert(wn_test_shared(relative, golden, sizeof golden));
            snprintf(relative, sizeof relative, "%s.%s", tokenizers[t], profiles[p]);
            check_spans(tokenizer, golden, profiles[p], corpus, relative);
        }
    }
    wn_corpus_free(corpus);
}
