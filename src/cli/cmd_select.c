/* winnow select: scores.h5 and its corpus -> a subset with its account.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"
#include "select/select.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* All that a selection holds. */
struct choice {
    const struct wn_context *context;
    struct wn_scores *scores;
    struct wn_corpus *corpus;
    struct wn_corpus_options corpus_options;
    struct wn_arena *arena;
    struct wn_rule rule;
    struct wn_table table;
    struct wn_selection selection;
    struct wn_stop *stop;
    const char *id_key; /* of the table's ids; NULL: none */
};

/* True where scores are written, as a table, and not records. */
static bool is_table(const struct wn_settings *settings)
{
    return strcmp(settings->format, "same") != 0;
}

static wn_code amount_set(const struct wn_settings *settings, struct wn_rule *rule, struct wn_error *err)
{
    static const char *const names[] = {"rate", "number", "above", "below"};
    const double values[] = {settings->rate, (double)settings->number, settings->above, settings->below};
    int n = 0;
    for (int i = 0; i < 4; i++) {
        WN_CHECK(!settings->all || !wn_settings_given(settings, names[i]), err, WN_USAGE,
                 "--all takes every record, --%s a part of them: leave one of the two out", names[i]);
        if (wn_settings_given(settings, names[i])) {
            rule->amount = (enum wn_amount)(WN_AMOUNT_RATE + i);
            rule->value = values[i];
            n++;
        }
    }
    if (settings->all) {
        rule->amount = WN_AMOUNT_ALL;
        rule->order = WN_ORDER_POOL;
        return WN_OK;
    }
    WN_CHECK(
        n == 1, err, WN_USAGE,
        "exactly one of --rate, --number, --above and --below says how many records are chosen (or --all for "
        "every one); %d were given",
        n);
    WN_CHECK(rule->amount == WN_AMOUNT_RATE || !wn_settings_typed(settings, "of"), err, WN_USAGE,
             "--of says what --rate is a part of; without --rate it means nothing");
    return WN_OK;
}

static wn_code rule_make(struct choice *choice, struct wn_error *err)
{
    const struct wn_settings *settings = choice->context->settings;
    struct wn_rule *rule = &choice->rule;
    if (settings->preset != NULL) {
        WN_TRY(wn_rule_preset(settings->preset, rule, err));
    } else {
        WN_TRY(wn_rule_own(choice->scores, rule, err));
    }
    if (settings->by != NULL) {
        rule->by = settings->by;
    }
    if (settings->of != NULL) {
        rule->of = strcmp(settings->of, "valid") == 0 ? WN_OF_VALID : WN_OF_POOL;
    }
    rule->random = settings->random;
    rule->seed = (uint64_t)settings->seed;
    return amount_set(settings, rule, err);
}

/* The files that were scored, from the attribute corpus_files; paths live in the arena. */
static wn_code scored_files(struct choice *choice, const char ***out_paths, size_t *out_n,
                            struct wn_error *err)
{
    const char *text = wn_scores_attribute(choice->scores, wn_attribute_corpus_files);
    const char *file = wn_scores_path(choice->scores);
    struct wn_json *files = NULL;
    WN_CHECK(text != NULL, err, WN_INPUT, "%s: does not name its corpus; give it by --data", file);
    WN_TRY(wn_json_parse(wn_span_of(text), WN_INPUT, &files, err));
    const char **paths = NULL;
    size_t n = 0;
    wn_code code = WN_OK;
    WN_TRY_OR(done, WN_ARENA_NEW(choice->arena, wn_json_count(files) + 1, &paths, err));
    for (const struct wn_json *at = wn_json_first(files); at != NULL; at = wn_json_next(at)) {
        const struct wn_json *path = wn_json_is(at, WN_JSON_OBJECT) ? wn_json_get(at, "path") : NULL;
        struct wn_span copy;
        if (!wn_json_is(path, WN_JSON_STRING)) {
            code = wn_error_set(err, WN_INPUT, __FILE__, __LINE__,
                                "%s: its list of corpus files is damaged; name them by --data", file);
            goto done;
        }
        WN_TRY_OR(done, wn_arena_copy(choice->arena, wn_json_text(path), &copy, err));
        paths[n++] = copy.data;
    }
    *out_paths = paths;
    *out_n = n;
done:
    wn_json_free(files);
    return code;
}

/* Form and field names are taken from the run: a selection copies records and must not guess again. */
static wn_code scored_shape(struct choice *choice, struct wn_corpus_options *options, struct wn_error *err)
{
    const char *text = wn_scores_attribute(choice->scores, wn_attribute_options);
    struct wn_json *root = NULL;
    if (text == NULL || wn_json_parse(wn_span_of(text), WN_INPUT, &root, NULL) != WN_OK) {
        return WN_OK;
    }
    const bool is_object = wn_json_is(root, WN_JSON_OBJECT);
    const struct wn_json *form = is_object ? wn_json_get(root, "form") : NULL;
    const struct wn_json *map = is_object ? wn_json_get(root, "map") : NULL;
    const struct wn_json *id_key = is_object ? wn_json_get(root, "id_key") : NULL;
    const char **names = NULL;
    wn_code code = WN_OK;
    if (wn_json_is(form, WN_JSON_STRING)) {
        options->form = wn_form_find(wn_json_text(form).data);
    }
    if (wn_json_is(id_key, WN_JSON_STRING) && wn_json_text(id_key).size > 0) {
        struct wn_span copy;
        WN_TRY_OR(done, wn_arena_copy(choice->arena, wn_json_text(id_key), &copy, err));
        options->id_key = copy.data;
    }
    if (wn_json_is(map, WN_JSON_ARRAY)) {
        WN_TRY_OR(done, WN_ARENA_NEW(choice->arena, wn_json_count(map) + 1, &names, err));
        for (const struct wn_json *at = wn_json_first(map); at != NULL; at = wn_json_next(at)) {
            struct wn_span copy;
            if (wn_json_is(at, WN_JSON_STRING)) {
                WN_TRY_OR(done, wn_arena_copy(choice->arena, wn_json_text(at), &copy, err));
                names[options->n_map++] = copy.data;
            }
        }
        options->map = names;
    }
done:
    wn_json_free(root);
    return code;
}

static wn_code corpus_open(struct choice *choice, struct wn_error *err)
{
    const struct wn_settings *settings = choice->context->settings;
    struct wn_corpus_options *options = &choice->corpus_options;
    const char **paths = NULL;
    options->paths = settings->data.items;
    options->n_paths = settings->data.n;
    if (options->n_paths == 0) {
        WN_TRY(scored_files(choice, &paths, &options->n_paths, err));
        options->paths = paths;
    }
    for (size_t i = 0; i < options->n_paths && paths != NULL; i++) {
        WN_CHECK(
            wn_path_exists(paths[i]), err, WN_INPUT,
            "%s: the corpus that was scored is not there any more; say by --data FILE... where it is now",
            paths[i]);
    }
    return wn_corpus_open(options, &choice->corpus, err);
}

static wn_code json_write(const struct choice *choice, struct wn_error *err)
{
    const struct wn_selection *selection = &choice->selection;
    const struct wn_rule *rule = &choice->rule;
    static const char *const amounts[] = {"rate", "number", "above", "below", "all"};
    struct wn_json *root = wn_json_new_object();
    struct wn_json *drops = wn_json_new_array();
    bool ok = root != NULL && drops != NULL;
    for (size_t i = 0; ok && i < selection->n_drops; i++) {
        struct wn_json *drop = wn_json_new_object();
        ok = drop != NULL && wn_json_put_text(drop, "rule", selection->drops[i].rule) &&
             wn_json_add_integer(drop, "dropped", (int64_t)selection->drops[i].dropped);
        if (!ok) {
            wn_json_free(drop);
        }
        ok = ok && wn_json_append_value(drops, drop);
    }
    ok = ok && wn_json_put_text(root, "subset", choice->context->settings->out) &&
         wn_json_put_text(root, "preset", rule->preset != NULL ? rule->preset : "") &&
         wn_json_put_text(root, "by", rule->by) &&
         (rule->amount == WN_AMOUNT_ALL ? wn_json_add_boolean(root, "all", true)
                                        : wn_json_add_number(root, amounts[rule->amount], rule->value)) &&
         wn_json_put_text(root, "of", rule->of == WN_OF_VALID ? "valid" : "pool") &&
         wn_json_add_boolean(root, "random", rule->random) &&
         wn_json_add_integer(root, "seed", (int64_t)rule->seed) &&
         wn_json_add_integer(root, "pool", (int64_t)selection->pool) &&
         wn_json_put(root, "status", wn_json_statuses(selection->by_status));
    if (!ok) {
        wn_json_free(drops);
    }
    ok = ok && wn_json_put(root, "drops", drops) &&
         wn_json_add_integer(root, "eligible", (int64_t)selection->eligible) &&
         wn_json_add_integer(root, "asked", (int64_t)selection->asked) &&
         wn_json_add_integer(root, "chosen", (int64_t)selection->n) &&
         wn_json_add_number(root, "cut", selection->cut) &&
         wn_json_add_integer(root, "ties_at_cut", (int64_t)selection->ties_at_cut) &&
         wn_json_add_integer(root, "ties_taken", (int64_t)selection->ties_taken);
    if (!ok) {
        wn_json_free(root);
        root = NULL;
    }
    return wn_json_emit(root, err);
}

static wn_code result_write(const struct choice *choice, struct wn_error *err)
{
    const struct wn_settings *settings = choice->context->settings;
    if (settings->json) {
        return json_write(choice, err);
    }
    if (settings->quiet) {
        return WN_OK;
    }
    char *text = NULL;
    WN_TRY(wn_selection_print(&choice->rule, &choice->selection, &text, err));
    const size_t size = strlen(text);
    printf("%s%ssubset     %s\n", text, size > 0 && text[size - 1] == '\n' ? "" : "\n", settings->out);
    free(text);
    return WN_OK;
}

/* An empty subset is a result, but hardly what was wanted: say why. */
static void empty_warn(const struct choice *choice)
{
    const struct wn_selection *selection = &choice->selection;
    const struct wn_rule *rule = &choice->rule;
    const struct wn_log *log = &choice->context->log;
    if (selection->n > 0) {
        return;
    }
    if (selection->pool == 0) {
        wn_log_warn(log, "no record was chosen: the run holds none");
        return;
    }
    if (selection->eligible == 0) {
        const struct wn_drop *most = &selection->drops[0];
        for (size_t i = 1; i < selection->n_drops; i++) {
            most = selection->drops[i].dropped > most->dropped ? &selection->drops[i] : most;
        }
        wn_log_warn(log,
                    "no record was chosen: none of the %" PRIu64 " is eligible; %" PRIu64
                    " were dropped because: %s",
                    selection->pool, most->dropped, most->rule);
        return;
    }
    switch (rule->amount) {
    case WN_AMOUNT_RATE:
        wn_log_warn(log,
                    "no record was chosen: the rate %g of %" PRIu64
                    " records came to 0; give a higher --rate, or --number",
                    rule->value, rule->of == WN_OF_VALID ? selection->eligible : selection->pool);
        break;
    case WN_AMOUNT_NUMBER:
        wn_log_warn(log, "no record was chosen: --number 0 asks for none");
        break;
    case WN_AMOUNT_ABOVE:
    case WN_AMOUNT_BELOW:
        wn_log_warn(log, "no record was chosen: none of the %" PRIu64 " eligible has a score %s %g",
                    selection->eligible, rule->amount == WN_AMOUNT_ABOVE ? "above" : "below", rule->value);
        break;
    case WN_AMOUNT_ALL: /* of a run without records, which was said above */
        break;
    }
}

/* A subset has the form of its corpus, whatever its name says: say so where the two differ. */
static void form_warn(const struct choice *choice)
{
    const char *out = choice->context->settings->out;
    const char *dot = strrchr(out, '.');
    const bool is_array = wn_corpus_n_files(choice->corpus) > 0 && wn_corpus_file(choice->corpus, 0).is_array;
    const int stem = dot == NULL ? 0 : (int)(dot - out);
    if (dot != NULL && is_array && strcmp(dot, ".jsonl") == 0) {
        wn_log_warn(&choice->context->log,
                    "%s: holds a JSON array, as the first corpus file does, not lines; say -o %.*s.json", out,
                    stem, out);
    } else if (dot != NULL && !is_array && strcmp(dot, ".json") == 0) {
        wn_log_warn(
            &choice->context->log,
            "%s: holds one record a line, as the first corpus file does, not a JSON array; say -o %.*s.jsonl",
            out, stem, out);
    }
}

static wn_code subset_make(struct choice *choice, struct wn_error *err)
{
    const struct wn_settings *settings = choice->context->settings;
    WN_TRY(corpus_open(choice, err));
    WN_TRY(wn_stop_check(choice->stop, "reading the corpus", err));
    const bool is_superfiltering = strcmp(settings->names, "superfiltering") == 0;
    const struct wn_subset_options options = {.path = settings->out,
                                              .fields = !settings->with_scores ? WN_FIELDS_NONE
                                                        : is_superfiltering    ? WN_FIELDS_SUPERFILTERING
                                                                               : WN_FIELDS_OWN,
                                              .command_line = choice->context->command_line,
                                              .version = WINNOW_VERSION,
                                              .replace = settings->force,
                                              .corpus = &choice->corpus_options,
                                              .stop = choice->stop};
    WN_TRY(wn_subset_write(&options, choice->scores, choice->corpus, &choice->rule, &choice->selection, err));
    form_warn(choice);
    return WN_OK;
}

/* A table of scores needs the corpus only where its records have ids. */
static wn_code table_make(struct choice *choice, struct wn_error *err)
{
    const struct wn_settings *settings = choice->context->settings;
    const char **scored = NULL;
    size_t n_scored = 0;
    if (choice->id_key != NULL) {
        WN_TRY(corpus_open(choice, err));
        WN_TRY(wn_stop_check(choice->stop, "reading the corpus", err));
    }
    if (settings->data.n == 0 && scored_files(choice, &scored, &n_scored, NULL) != WN_OK) {
        n_scored = 0; /* the files are only looked at to keep them from being overwritten */
    }
    const struct wn_score_table_options options = {
        .path = settings->out,
        .is_csv = strcmp(settings->format, "csv") == 0,
        .published_names = strcmp(settings->names, "superfiltering") == 0,
        .id_key = choice->id_key,
        .inputs = settings->data.n > 0 ? settings->data.items : scored,
        .n_inputs = settings->data.n > 0 ? settings->data.n : n_scored,
        .replace = settings->force,
        .stop = choice->stop};
    return wn_score_table_write(&options, choice->scores, choice->corpus,
                                settings->all ? NULL : &choice->selection, err);
}

static wn_code choice_run(struct choice *choice, struct wn_error *err)
{
    const struct wn_settings *settings = choice->context->settings;
    WN_TRY(wn_arena_new(&choice->arena, err));
    WN_TRY(wn_scores_open(settings->operands.items[0], &choice->scores, err));
    WN_TRY(rule_make(choice, err));
    WN_TRY(wn_table_load(choice->scores, &choice->rule, &choice->table, err));
    WN_TRY(wn_stop_check(choice->stop, "reading the scores", err));
    WN_TRY(wn_select(&choice->table, &choice->rule, &choice->selection, err));
    wn_table_free(&choice->table);
    WN_TRY(scored_shape(choice, &choice->corpus_options, err));
    choice->id_key = settings->id_key != NULL ? settings->id_key : choice->corpus_options.id_key;
    WN_TRY(is_table(settings) ? table_make(choice, err) : subset_make(choice, err));
    empty_warn(choice);
    return result_write(choice, err);
}

/* Options that mean nothing beside another one. */
static wn_code options_check(const struct wn_settings *settings, struct wn_error *err)
{
    static const char *const rules[] = {"preset", "by", "of", "random", "seed"};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        WN_CHECK(!settings->all || !wn_settings_typed(settings, rules[i]), err, WN_USAGE,
                 "--all takes every record as it is, --%s is part of a choice: leave one of the two out",
                 rules[i]);
    }
    WN_CHECK(
        !is_table(settings) || !settings->with_scores, err, WN_USAGE,
        "--with-scores adds scores to records, --format %s writes the scores alone: leave one of the two out",
        settings->format);
    WN_CHECK(settings->with_scores || is_table(settings) || !wn_settings_typed(settings, "names"), err,
             WN_USAGE,
             "--names names the fields of --with-scores and of --format jsonl and csv; without one of them "
             "it means "
             "nothing");
    WN_CHECK(is_table(settings) || settings->id_key == NULL, err, WN_USAGE,
             "--id-key names the records of --format jsonl and csv; without one of them it means nothing");
    WN_CHECK(settings->random || !wn_settings_typed(settings, "seed"), err, WN_USAGE,
             "--seed is for --random; without it it means nothing");
    return WN_OK;
}

static wn_code settings_check(const struct wn_settings *settings, struct wn_error *err)
{
    WN_CHECK(settings->operands.n >= 1, err, WN_USAGE,
             "`winnow select` needs a run or a scores.h5: winnow select %s", settings->command->synopsis);
    WN_CHECK(settings->operands.n == 1, err, WN_USAGE,
             "`winnow select` takes one run; what is %s? (corpus files stand behind --data)",
             settings->operands.items[1]);
    WN_TRY(wn_need(settings->out, settings, "--out SUBSET", err));
    WN_CHECK(
        strcmp(settings->out, "-") != 0, err, WN_USAGE,
        "--out -: a subset has files beside it and is not written to the standard output; give the name of a "
        "file (./- for one of this name)");
    WN_TRY(options_check(settings, err));
    struct wn_rule rule = {.preset = NULL};
    return amount_set(settings, &rule, err);
}

wn_code wn_cmd_select(const struct wn_context *context, struct wn_error *err)
{
    WN_TRY(settings_check(context->settings, err));
    struct choice choice = {.context = context};
    WN_TRY(wn_stop_begin(&choice.stop, err));
    const wn_code code = choice_run(&choice, err);
    wn_stop_end(&choice.stop);
    wn_selection_free(&choice.selection);
    wn_corpus_free(choice.corpus);
    if (choice.scores != NULL) {
        wn_scores_close(choice.scores);
    }
    wn_arena_free(choice.arena);
    wn_table_free(&choice.table);
    return code;
}
