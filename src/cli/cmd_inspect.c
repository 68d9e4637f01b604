/* winnow inspect: tokenizer, checkpoint, scores, profile.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"
#include "store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One line of stdin: a JSON string -> its ids as a JSON array. */
static wn_code line_encode(struct wn_encoder *encoder, struct wn_span line, bool special,
                           struct wn_arena *arena, struct wn_error *err)
{
    struct wn_json *value = NULL;
    WN_TRY(wn_json_parse(line, WN_INPUT, &value, err));
    wn_code code = WN_OK;
    struct wn_tokens tokens;
    if (!wn_json_is(value, WN_JSON_STRING)) {
        code = wn_error_set(err, WN_INPUT, __FILE__, __LINE__,
                            "a JSON value of type %s stands where text is wanted", wn_json_type_name(value));
        goto done;
    }
    WN_TRY_OR(done, wn_encode(encoder, wn_json_text(value), special, arena, &tokens, err));
    fputc('[', stdout);
    for (size_t i = 0; i < tokens.n; i++) {
        printf("%s%" PRId32, i > 0 ? ", " : "", tokens.ids[i]);
    }
    fputs("]\n", stdout);
done:
    wn_json_free(value);
    return code;
}

static wn_code lines_encode(struct wn_encoder *encoder, bool special, struct wn_arena *arena,
                            struct wn_error *err)
{
    char *line = NULL;
    size_t capacity = 0;
    wn_code code = WN_OK;
    for (uint64_t number = 1; code == WN_OK; number++) {
        const ssize_t size = getline(&line, &capacity, stdin);
        if (size < 0) {
            break;
        }
        size_t used = (size_t)size;
        while (used > 0 && (line[used - 1] == '\n' || line[used - 1] == '\r')) {
            used--;
        }
        wn_arena_reset(arena);
        struct wn_error inner;
        const wn_code one = line_encode(encoder, (struct wn_span){line, used}, special, arena, &inner);
        if (one != WN_OK) {
            code = wn_error_set(err, one, __FILE__, __LINE__,
                                "stdin, line %" PRIu64
                                ": %s; each line holds one JSON string, such as \"some text\"",
                                number, inner.text);
        }
    }
    if (code == WN_OK && ferror(stdin)) {
        code = wn_error_set(err, WN_IO, __FILE__, __LINE__, "stdin cannot be read: %s", strerror(errno));
    }
    free(line);
    return code;
}

static wn_code tokenizer_inspect(const struct wn_settings *settings, const char *path, struct wn_error *err)
{
    char folder[PATH_MAX];
    struct stat info;
    struct wn_tokenizer *tokenizer = NULL;
    struct wn_encoder *encoder = NULL;
    struct wn_arena *arena = NULL;
    wn_code code = WN_OK;
    /* A tokenizer may be named alone: a file, or a folder without a model in it. */
    if (stat(path, &info) == 0) {
        snprintf(folder, sizeof folder, "%s", path);
    }
    if (stat(path, &info) != 0 ||
        strncmp(strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path, "models--", 8) == 0) {
        WN_TRY(wn_model_resolve(path, folder, sizeof folder, err));
    }
    WN_TRY_OR(done, wn_tokenizer_open(folder, &tokenizer, err));
    WN_TRY_OR(done, wn_encoder_new(tokenizer, &encoder, err));
    WN_TRY_OR(done, wn_arena_new(&arena, err));
    code = lines_encode(encoder, !settings->plain, arena, err);
done:
    wn_arena_free(arena);
    wn_encoder_free(encoder);
    wn_tokenizer_free(tokenizer);
    return code;
}

static struct wn_json *ignored_json(const struct wn_model_summary *summary)
{
    struct wn_json *array = wn_json_new_array();
    for (size_t i = 0; array != NULL && i < summary->n_ignored; i++) {
        if (!wn_json_append_text(array, wn_span_of(summary->ignored[i]))) {
            wn_json_free(array);
            return NULL;
        }
    }
    return array;
}

static wn_code checkpoint_json(const struct wn_model_summary *summary, struct wn_error *err)
{
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"layers", summary->L},
        {"channels", summary->C},
        {"heads", summary->H},
        {"kv_heads", summary->G},
        {"head_size", summary->D},
        {"inner_size", summary->F},
        {"vocabulary", summary->V},
        {"positions", summary->positions},
        {"parameters", summary->parameters},
        {"body_parameters", summary->body_parameters},
        {"tensors", (int64_t)summary->n_tensors},
        {"files", (int64_t)summary->n_files},
    };
    struct wn_json *root = wn_json_new_object();
    bool ok = root != NULL && wn_json_put_text(root, "folder", summary->folder) &&
              wn_json_put_text(root, "family", summary->family) &&
              wn_json_put_text(root, "stored", summary->stored);
    for (size_t i = 0; ok && i < sizeof numbers / sizeof *numbers; i++) {
        ok = wn_json_add_integer(root, numbers[i].name, numbers[i].value);
    }
    if (!ok || !wn_json_put(root, "ignored", ignored_json(summary)) ||
        !wn_json_put_text(root, "hash", summary->hash)) {
        wn_json_free(root);
        root = NULL;
    }
    return wn_json_emit(root, err);
}

/* A title, then words in lines of WN_HELP_COLUMNS, those after the first indented alike. */
struct columns {
    int indent;
    size_t column;
};

static struct columns columns_begin(const char *title, int indent)
{
    printf("%-*s", indent, title);
    return (struct columns){indent, (size_t)indent};
}

static void columns_put(struct columns *columns, const char *word)
{
    if (columns->column + 1 + strlen(word) > WN_HELP_COLUMNS && columns->column > (size_t)columns->indent) {
        printf("\n%-*s", columns->indent, "");
        columns->column = (size_t)columns->indent;
    }
    printf(" %s", word);
    columns->column += 1 + strlen(word);
}

static void checkpoint_write(const struct wn_model_summary *summary)
{
    printf("folder        %s\nfamily        %s\n", summary->folder, summary->family);
    printf("shapes        %d layers, %d channels, %d heads of %d (%d for keys and values), inner %d, "
           "vocabulary %d\n",
           (int)summary->L, (int)summary->C, (int)summary->H, (int)summary->D, (int)summary->G,
           (int)summary->F, (int)summary->V);
    printf("positions     %d\n", (int)summary->positions);
    printf("parameters    %" PRId64 " (%" PRId64 " in the body)\n", summary->parameters,
           summary->body_parameters);
    printf("tensors       %zu in %zu file%s, stored as %s\n", summary->n_tensors, summary->n_files,
           summary->n_files == 1 ? "" : "s", summary->stored);
    if (summary->n_ignored > 0) {
        struct columns columns = columns_begin("not needed", 13);
        for (size_t i = 0; i < summary->n_ignored; i++) {
            columns_put(&columns, summary->ignored[i]);
        }
        fputc('\n', stdout);
    }
    printf("hash          %s\n", summary->hash);
}

static wn_code checkpoint_inspect(const struct wn_context *context, const char *path, struct wn_error *err)
{
    struct wn_model_summary summary;
    wn_code code = WN_OK;
    /* Without a log: the names that it would tell are printed. */
    WN_TRY(wn_model_inspect(path, true, NULL, &summary, err));
    if (context->settings->json) {
        code = checkpoint_json(&summary, err);
    } else {
        checkpoint_write(&summary);
    }
    wn_model_summary_free(&summary);
    return code;
}

static wn_code statuses_count(const struct wn_scores *scores, uint64_t by_status[WN_STATUS_COUNT],
                              struct wn_error *err)
{
    enum { STEP = 4096 };
    uint64_t values[STEP];
    const uint64_t n = wn_scores_count(scores);
    memset(by_status, 0, WN_STATUS_COUNT * sizeof *by_status);
    for (uint64_t at = 0; at < n; at += STEP) {
        const size_t count = n - at < STEP ? (size_t)(n - at) : STEP;
        WN_TRY(wn_scores_integers(scores, "status", at, count, values, err));
        for (size_t i = 0; i < count; i++) {
            WN_CHECK(values[i] < WN_STATUS_COUNT, err, WN_INPUT,
                     "%s: holds a status that this version does not know", wn_scores_path(scores));
            by_status[values[i]]++;
        }
    }
    return WN_OK;
}

static const char *const attribute_names[] = {
    wn_attribute_schema,       wn_attribute_schema_version, wn_attribute_tool_version,
    wn_attribute_score,        wn_attribute_ties,           wn_attribute_profile,
    wn_attribute_max_length,   wn_attribute_corpus_hash,    wn_attribute_model_path,
    wn_attribute_model_hash,   wn_attribute_tokenizer_hash, wn_attribute_backend,
    wn_attribute_dtype,        wn_attribute_kernels,        wn_attribute_library,
    wn_attribute_row_tile,     wn_attribute_key_tile,       wn_attribute_options,
    wn_attribute_corpus_files,
};
enum { N_NAMES = sizeof attribute_names / sizeof *attribute_names };

static wn_code scores_json(const struct wn_scores *scores, const uint64_t by_status[WN_STATUS_COUNT],
                           const char *digest, struct wn_error *err)
{
    struct wn_json *root = wn_json_new_object();
    struct wn_json *columns = wn_json_new_array();
    struct wn_json *attributes = wn_json_new_object();
    const char *const *names = wn_scores_columns(scores);
    bool ok = root != NULL && columns != NULL && attributes != NULL;
    for (size_t i = 0; ok && names[i] != NULL; i++) {
        ok = wn_json_append_text(columns, wn_span_of(names[i]));
    }
    for (size_t i = 0; ok && i < N_NAMES; i++) {
        const char *text = wn_scores_attribute(scores, attribute_names[i]);
        ok = text == NULL || wn_json_put_text(attributes, attribute_names[i], text);
    }
    ok = ok && wn_json_put_text(root, "scores", wn_scores_path(scores)) &&
         wn_json_add_integer(root, "records", (int64_t)wn_scores_count(scores)) &&
         wn_json_put_text(root, "digest", digest) && wn_json_put(root, "status", wn_json_statuses(by_status));
    if (!ok) {
        wn_json_free(columns);
        wn_json_free(attributes);
    }
    /* Both are used up here, put or not. */
    const bool has_columns = ok && wn_json_put(root, "columns", columns);
    const bool has_attributes = ok && wn_json_put(root, "attributes", attributes);
    if (!has_columns || !has_attributes) {
        wn_json_free(root);
        root = NULL;
    }
    return wn_json_emit(root, err);
}

static wn_code scores_write(const struct wn_context *context, const struct wn_scores *scores,
                            struct wn_error *err)
{
    char digest[33];
    uint64_t by_status[WN_STATUS_COUNT];
    WN_TRY(wn_scores_digest(scores, digest, err));
    if (context->settings->digest && !context->settings->json) {
        printf("%s\n", digest);
        return WN_OK;
    }
    WN_TRY(statuses_count(scores, by_status, err));
    if (context->settings->json) {
        return scores_json(scores, by_status, digest, err);
    }
    printf("%-15s %s\n%-15s %s\n%-15s %" PRIu64 "\n", "scores", wn_scores_path(scores), "digest", digest,
           "records", wn_scores_count(scores));
    wn_statuses_write(stdout, by_status, wn_scores_count(scores));
    for (size_t i = 0; i < N_NAMES; i++) {
        const char *text = wn_scores_attribute(scores, attribute_names[i]);
        if (text != NULL) {
            printf("%-15s %s\n", attribute_names[i], text);
        }
    }
    struct columns columns = columns_begin("columns", 15);
    const char *const *names = wn_scores_columns(scores);
    for (size_t i = 0; names[i] != NULL; i++) {
        columns_put(&columns, names[i]);
    }
    fputc('\n', stdout);
    return WN_OK;
}

static wn_code scores_inspect(const struct wn_context *context, const char *path, struct wn_error *err)
{
    struct wn_scores *scores = NULL;
    WN_TRY(wn_scores_open(path, &scores, err));
    const wn_code code = scores_write(context, scores, err);
    wn_scores_close(scores);
    return code;
}

static wn_code profile_inspect(const char *name, struct wn_error *err)
{
    struct wn_arena *arena = NULL;
    struct wn_profile profile;
    char *text = NULL;
    wn_code code = WN_OK;
    WN_TRY(wn_arena_new(&arena, err));
    WN_TRY_OR(done, wn_profile_find(name, arena, &profile, err));
    WN_TRY_OR(done, wn_profile_print(&profile, &text, err));
    const size_t size = strlen(text);
    printf("%s%s", text, size > 0 && text[size - 1] == '\n' ? "" : "\n");
done:
    free(text);
    wn_arena_free(arena);
    return code;
}

wn_code wn_cmd_inspect(const struct wn_context *context, struct wn_error *err)
{
    static const char *const kinds[] = {"tokenizer", "checkpoint", "scores", "profile"};
    const struct wn_settings *settings = context->settings;
    const char *what = settings->operands.n > 0 ? settings->operands.items[0] : NULL;
    size_t kind = 0;
    WN_TRY(wn_need(what, settings, "tokenizer, checkpoint, scores or profile", err));
    while (kind < 4 && strcmp(kinds[kind], what) != 0) {
        kind++;
    }
    if (kind == 4) {
        const char *near = wn_nearest(what, kinds, 4);
        WN_FAIL(err, WN_USAGE,
                "`winnow inspect %s` is not known%s%s%s; there are tokenizer, checkpoint, scores and profile",
                what, near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                near != NULL ? "?" : "");
    }
    if (kind == 3 && settings->operands.n == 1) {
        const char *const *names = wn_profile_names();
        for (size_t i = 0; names[i] != NULL; i++) {
            printf("%s\n", names[i]);
        }
        return WN_OK;
    }
    WN_CHECK(settings->operands.n == 2, err, WN_USAGE,
             "`winnow inspect %s` looks at one thing: winnow inspect %s", what, settings->command->synopsis);
    WN_CHECK(kind == 0 || !settings->plain, err, WN_USAGE, "--plain is for `winnow inspect tokenizer`");
    WN_CHECK(kind == 2 || !settings->digest, err, WN_USAGE, "--digest is for `winnow inspect scores`");
    const char *target = settings->operands.items[1];
    switch (kind) {
    case 0:
        return tokenizer_inspect(settings, target, err);
    case 1:
        return checkpoint_inspect(context, target, err);
    case 2:
        return scores_inspect(context, target, err);
    default:
        return profile_inspect(target, err);
    }
}
