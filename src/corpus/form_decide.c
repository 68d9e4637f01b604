/* The form of a corpus: as given, or told by the first records that are objects.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "corpus/inside.h"

#include <stdio.h>
#include <string.h>

enum { FORM_RECORDS = 1000 /* objects that are asked for the form */ };

/* What the records looked at so far have told. */
struct form_search {
    struct wn_span first_bad; /* why the first record that is no object is bad; arena */
    struct wn_place bad_place;
    uint64_t n_objects;
    struct wn_json *object; /* the first object, owned */
    struct wn_place object_place;
    uint64_t found; /* the record that decided */
};

static wn_code look_at(struct wn_corpus *corpus, struct form_search *search, const struct wn_place *place,
                       struct wn_span bytes, bool *out_done, struct wn_error *err)
{
    struct wn_json *root = NULL;
    struct wn_error bad;
    *out_done = false;
    const wn_code code = wn_json_parse(bytes, WN_INPUT, &root, &bad);
    if (code == WN_DEVICE) {
        WN_FAIL(err, code, "%s", bad.text);
    }
    if (code != WN_OK || !wn_json_is(root, WN_JSON_OBJECT)) {
        if (search->first_bad.data == NULL) {
            search->bad_place = *place;
            const char *const why = code != WN_OK ? bad.text : "it is no object";
            const wn_code copied = wn_arena_copy(corpus->arena, wn_span_of(why), &search->first_bad, err);
            wn_json_free(root);
            return copied;
        }
        wn_json_free(root);
        return WN_OK;
    }
    search->n_objects++;
    search->found = place->index;
    *out_done = wn_shape_guess(&corpus->shape, root);
    if (search->object == NULL) {
        search->object = root;
        search->object_place = *place;
    } else {
        wn_json_free(root);
    }
    return WN_OK;
}

static wn_code fail_form(const struct wn_corpus *corpus, const struct form_search *search,
                         struct wn_error *err)
{
    struct wn_span where;
    if (search->object != NULL) {
        WN_TRY(wn_corpus_where(corpus, &search->object_place, corpus->arena, &where, err));
        return wn_shape_fail(search->object, where.data, corpus->files[search->object_place.file].path,
                             wn_corpus_is_whole(corpus) && wn_corpus_known(corpus) == 1, err);
    }
    WN_TRY(wn_corpus_where(corpus, &search->bad_place, corpus->arena, &where, err));
    WN_FAIL(err, WN_INPUT, "no record could be read; the first: %s: %s", where.data, search->first_bad.data);
}

static wn_code describe_form(struct wn_corpus *corpus, const struct form_search *search, bool is_guessed,
                             struct wn_error *err)
{
    const struct wn_shape *const shape = &corpus->shape;
    const char *const *const n = shape->names;
    char names[1024];
    if (wn_form_is_conversation(shape->form)) {
        (void)snprintf(names, sizeof names, "messages in \"%s\"", n[WN_FIELD_MESSAGES]);
    } else {
        (void)snprintf(names, sizeof names, "instruction in \"%s\", input in \"%s\", output in \"%s\"",
                       n[WN_FIELD_INSTRUCTION], n[WN_FIELD_INPUT] == NULL ? "" : n[WN_FIELD_INPUT],
                       n[WN_FIELD_OUTPUT]);
        if (n[WN_FIELD_INPUT] == NULL) {
            (void)snprintf(names, sizeof names, "instruction in \"%s\", output in \"%s\"",
                           n[WN_FIELD_INSTRUCTION], n[WN_FIELD_OUTPUT]);
        }
    }
    char text[1400];
    if (is_guessed) {
        (void)snprintf(text, sizeof text, "%s (%s; told by record %llu)", wn_form_name(shape->form), names,
                       (unsigned long long)search->found);
    } else {
        (void)snprintf(text, sizeof text, "%s (%s; as given)", wn_form_name(shape->form), names);
    }
    struct wn_span copy;
    WN_TRY(wn_arena_copy(corpus->arena, wn_span_of(text), &copy, err));
    corpus->form_text = copy.data;
    return WN_OK;
}

static wn_code check_some(const struct wn_corpus *corpus, struct wn_error *err)
{
    if (wn_corpus_known(corpus) > 0) {
        return WN_OK;
    }
    const char *const path = corpus->files[0].path;
    WN_CHECK(corpus->n_files > 1, err, WN_INPUT,
             "%s holds no record; give a JSON array of objects, or one object a line", path);
    WN_FAIL(err, WN_INPUT,
            "none of the %zu files holds a record (the first is %s); give JSON arrays of objects, or one "
            "object a line",
            corpus->n_files, path);
}

/* Let record `index` be known; *out_is is false where the corpus has no such record. */
static wn_code reach(struct wn_corpus *corpus, uint64_t index, bool *out_is, struct wn_error *err)
{
    bool is_whole = wn_corpus_is_whole(corpus);
    while (wn_corpus_known(corpus) <= index && !is_whole) {
        WN_TRY(wn_corpus_step(corpus, &is_whole, err));
    }
    *out_is = wn_corpus_known(corpus) > index;
    return WN_OK;
}

static wn_code search_records(struct wn_corpus *corpus, struct form_search *search, bool *out_done,
                              struct wn_error *err)
{
    struct wn_corpus_reader *reader = NULL;
    wn_code code = WN_OK;
    *out_done = false;
    WN_TRY_OR(done, wn_corpus_reader_new(corpus, &reader, err));
    for (uint64_t i = 0; !*out_done && search->n_objects < FORM_RECORDS; i++) {
        struct wn_place place;
        struct wn_span bytes;
        bool is_there = false;
        WN_TRY_OR(done, reach(corpus, i, &is_there, err));
        if (!is_there) {
            break;
        }
        WN_TRY_OR(done, wn_corpus_read(reader, i, &place, &bytes, err));
        WN_TRY_OR(done, look_at(corpus, search, &place, bytes, out_done, err));
    }
done:
    wn_corpus_reader_free(reader);
    return code;
}

wn_code wn_form_decide(struct wn_corpus *corpus, struct wn_error *err)
{
    const bool must_guess = corpus->shape.form == WN_FORM_DETECT;
    struct form_search search;
    memset(&search, 0, sizeof search);
    wn_code code = WN_OK;
    bool is_done = false;
    WN_TRY_OR(done, search_records(corpus, &search, &is_done, err));
    WN_TRY_OR(done, check_some(corpus, err));
    if (!is_done && must_guess) {
        code = fail_form(corpus, &search, err);
        goto done;
    }
    wn_shape_complete(&corpus->shape);
    code = describe_form(corpus, &search, must_guess, err);
done:
    wn_json_free(search.object);
    return code;
}
