/* Profiles as JSON: printing one, reading one back.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "corpus/inside.h"
#include "corpus/template.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHOICES = 4, LENGTH_MAX = 1 << 24, CONSTANT_MAX = 1 << 16 };

/* Fields of text, in the order printed. */
static const struct {
    const char *name;
    size_t offset; /* of a struct wn_span in struct wn_profile */
} text_fields[] = {
    {"name", offsetof(struct wn_profile, name)},
    {"preamble", offsetof(struct wn_profile, preamble)},
    {"prompt", offsetof(struct wn_profile, prompt)},
    {"prompt_with_input", offsetof(struct wn_profile, prompt_with_input)},
    {"lead", offsetof(struct wn_profile, lead)},
    {"turn_separator", offsetof(struct wn_profile, turn_separator)},
    {"reverse", offsetof(struct wn_profile, reverse)},
};

/* Fields with a choice of words; their value is the word's number. */
enum choice {
    CHOICE_BOS,
    CHOICE_COUNTS,
    CHOICE_SCORE,
    CHOICE_FILTER,
    CHOICE_TIES,
    CHOICE_ORDER,
    CHOICE_COUNT
};

static const struct {
    const char *name;
    const char *words[MAX_CHOICES]; /* NULL at the end */
} choices[CHOICE_COUNT] = {
    [CHOICE_BOS] = {"bos", {[WN_BOS_MODEL] = "model", [WN_BOS_NONE] = "none"}},
    [CHOICE_COUNTS] = {"window_counts",
                       {[WN_COUNTS_PROMPT] = "prompt", [WN_COUNTS_INSTRUCTION] = "instruction"}},
    [CHOICE_SCORE] = {"score", {[WN_SCORE_IFD_PPL] = "ifd_ppl", [WN_SCORE_IFD_LOSS] = "ifd_loss"}},
    [CHOICE_FILTER] = {"filter",
                       {[WN_FILTER_NONE] = "none",
                        [WN_FILTER_BELOW_ONE] = "below_one",
                        [WN_FILTER_AT_MOST_ONE] = "at_most_one"}},
    [CHOICE_TIES] = {"ties",
                     {[WN_TIES_SMALLER_INDEX] = "smaller_index", [WN_TIES_LARGER_INDEX] = "larger_index"}},
    [CHOICE_ORDER] = {"order", {[WN_ORDER_SCORE] = "score", [WN_ORDER_POOL] = "pool"}},
};

static const struct {
    const char *name;
    size_t offset; /* of an int32_t in struct wn_profile */
    int32_t least, most;
} number_fields[] = {
    {"window_constant", offsetof(struct wn_profile, window_constant), -CONSTANT_MAX, CONSTANT_MAX},
    {"max_length", offsetof(struct wn_profile, max_length), 1, LENGTH_MAX},
};

static int get_choice(const struct wn_profile *profile, enum choice choice)
{
    switch (choice) {
    case CHOICE_BOS:
        return (int)profile->bos;
    case CHOICE_COUNTS:
        return (int)profile->window_counts;
    case CHOICE_SCORE:
        return (int)profile->score;
    case CHOICE_FILTER:
        return (int)profile->filter;
    case CHOICE_TIES:
        return (int)profile->ties;
    default:
        return (int)profile->order;
    }
}

static void set_choice(struct wn_profile *profile, enum choice choice, int value)
{
    switch (choice) {
    case CHOICE_BOS:
        profile->bos = (enum wn_bos)value;
        break;
    case CHOICE_COUNTS:
        profile->window_counts = (enum wn_window_counts)value;
        break;
    case CHOICE_SCORE:
        profile->score = (enum wn_score_column)value;
        break;
    case CHOICE_FILTER:
        profile->filter = (enum wn_filter)value;
        break;
    case CHOICE_TIES:
        profile->ties = (enum wn_ties)value;
        break;
    default:
        profile->order = (enum wn_order)value;
        break;
    }
}

wn_code wn_profile_print(const struct wn_profile *profile, char **out_text, struct wn_error *err)
{
    struct wn_json *const root = wn_json_new_object();
    bool ok = root != NULL;
    for (size_t i = 0; ok && i < sizeof text_fields / sizeof text_fields[0]; i++) {
        struct wn_span text;
        memcpy(&text, (const char *)profile + text_fields[i].offset, sizeof text);
        ok = wn_json_add_text(root, text_fields[i].name, text);
    }
    for (size_t i = 0; ok && i < sizeof number_fields / sizeof number_fields[0]; i++) {
        int32_t number = 0;
        memcpy(&number, (const char *)profile + number_fields[i].offset, sizeof number);
        ok = wn_json_add_integer(root, number_fields[i].name, number);
    }
    for (size_t i = 0; ok && i < CHOICE_COUNT; i++) {
        const char *const word = choices[i].words[get_choice(profile, (enum choice)i)];
        ok = wn_json_add_text(root, choices[i].name, wn_span_of(word));
    }
    wn_code code = WN_OK;
    if (ok) {
        code = wn_json_print(root, true, out_text, err);
    } else {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory while printing a profile");
    }
    wn_json_free(root);
    return code;
}

static wn_code read_text(const char *path, const struct wn_json *value, size_t field, struct wn_arena *arena,
                         struct wn_profile *profile, struct wn_error *err)
{
    WN_CHECK(wn_json_is(value, WN_JSON_STRING), err, WN_MODEL, "%s: field \"%s\" must be text, not %s", path,
             text_fields[field].name, wn_json_type_name(value));
    struct wn_span text;
    WN_TRY(wn_arena_copy(arena, wn_json_text(value), &text, err));
    memcpy((char *)profile + text_fields[field].offset, &text, sizeof text);
    return WN_OK;
}

static wn_code read_number(const char *path, const struct wn_json *value, size_t field,
                           struct wn_profile *profile, struct wn_error *err)
{
    int64_t number = 0;
    const int32_t least = number_fields[field].least;
    const int32_t most = number_fields[field].most;
    WN_CHECK(wn_json_integer(value, &number) && number >= least && number <= most, err, WN_MODEL,
             "%s: field \"%s\" must be a whole number from %d to %d", path, number_fields[field].name,
             (int)least, (int)most);
    const int32_t kept = (int32_t)number;
    memcpy((char *)profile + number_fields[field].offset, &kept, sizeof kept);
    return WN_OK;
}

static wn_code read_choice(const char *path, const struct wn_json *value, enum choice choice,
                           struct wn_profile *profile, struct wn_error *err)
{
    const char *const *const words = choices[choice].words;
    for (int i = 0; i < MAX_CHOICES && words[i] != NULL; i++) {
        if (wn_json_is(value, WN_JSON_STRING) && wn_span_is(wn_json_text(value), words[i])) {
            set_choice(profile, choice, i);
            return WN_OK;
        }
    }
    WN_FAIL(err, WN_MODEL, "%s: field \"%s\" must be \"%s\" or \"%s\"%s%s%s", path, choices[choice].name,
            words[0], words[1], words[2] != NULL ? " or \"" : "", words[2] != NULL ? words[2] : "",
            words[2] != NULL ? "\"" : "");
}

static wn_code read_field(const char *path, const struct wn_json *member, struct wn_arena *arena,
                          struct wn_profile *profile, struct wn_error *err)
{
    const struct wn_span key = wn_json_key(member);
    for (size_t i = 0; i < sizeof text_fields / sizeof text_fields[0]; i++) {
        if (wn_span_is(key, text_fields[i].name)) {
            return read_text(path, member, i, arena, profile, err);
        }
    }
    for (size_t i = 0; i < sizeof number_fields / sizeof number_fields[0]; i++) {
        if (wn_span_is(key, number_fields[i].name)) {
            return read_number(path, member, i, profile, err);
        }
    }
    for (size_t i = 0; i < CHOICE_COUNT; i++) {
        if (wn_span_is(key, choices[i].name)) {
            return read_choice(path, member, (enum choice)i, profile, err);
        }
    }
    WN_FAIL(
        err, WN_MODEL,
        "%s: field \"%.*s\" is not known; the fields are name, preamble, prompt, prompt_with_input, lead, "
        "turn_separator, reverse, window_constant, max_length, bos, window_counts, score, filter, ties, "
        "order",
        path, (int)(key.size < 200 ? key.size : 200), key.data);
}

static wn_code check_fields(const char *path, const struct wn_json *root, const struct wn_profile *profile,
                            struct wn_error *err)
{
    const bool plain = wn_json_get(root, "prompt") != NULL;
    const bool with_input = wn_json_get(root, "prompt_with_input") != NULL;
    WN_CHECK(plain == with_input, err, WN_MODEL,
             "%s: field \"%s\" is missing: prompt and prompt_with_input belong together", path,
             plain ? "prompt_with_input" : "prompt");
    WN_CHECK(wn_template_has(profile->prompt, WN_PIECE_INSTRUCTION), err, WN_MODEL,
             "%s: field \"prompt\" needs {instruction}", path);
    WN_CHECK(wn_template_has(profile->prompt_with_input, WN_PIECE_INSTRUCTION) &&
                 wn_template_has(profile->prompt_with_input, WN_PIECE_INPUT),
             err, WN_MODEL, "%s: field \"prompt_with_input\" needs {instruction} and {input}", path);
    WN_CHECK(!wn_template_has(profile->prompt, WN_PIECE_OUTPUT) &&
                 !wn_template_has(profile->prompt_with_input, WN_PIECE_OUTPUT),
             err, WN_MODEL,
             "%s: {output} in a prompt would show the model the answer; it belongs into \"reverse\" only",
             path);
    WN_CHECK(profile->reverse.size == 0 || wn_template_has(profile->reverse, WN_PIECE_OUTPUT), err, WN_MODEL,
             "%s: field \"reverse\" needs {output}, or must be empty", path);
    WN_CHECK(profile->name.size > 0 && memchr(profile->name.data, 0, profile->name.size) == NULL, err,
             WN_MODEL, "%s: field \"name\" must not be empty or hold U+0000", path);
    return WN_OK;
}

/* "b" of "a/b.json". */
static struct wn_span name_of(const char *path)
{
    const char *const slash = strrchr(path, '/');
    struct wn_span name = wn_span_of(slash == NULL ? path : slash + 1);
    if (name.size > 5 && memcmp(name.data + name.size - 5, ".json", 5) == 0) {
        name.size -= 5;
    }
    return name;
}

/* Preamble and prompt side by side, as the header promises. */
static wn_code join_preamble(struct wn_profile *profile, struct wn_arena *arena, struct wn_error *err)
{
    const size_t preamble = profile->preamble.size;
    const size_t prompt = profile->prompt.size;
    char *text = NULL;
    WN_TRY(WN_ARENA_NEW(arena, preamble + prompt + 1, &text, err));
    memcpy(text, profile->preamble.data, preamble);
    memcpy(text + preamble, profile->prompt.data, prompt);
    profile->preamble = (struct wn_span){text, preamble};
    profile->prompt = (struct wn_span){text + preamble, prompt};
    return WN_OK;
}

static wn_code read_root(const char *path, const struct wn_json *root, struct wn_arena *arena,
                         struct wn_profile *profile, struct wn_error *err)
{
    WN_CHECK(wn_json_is(root, WN_JSON_OBJECT), err, WN_MODEL, "%s: a profile is a JSON object, not %s", path,
             wn_json_type_name(root));
    WN_TRY(wn_profile_find("superfiltering", arena, profile, err));
    WN_TRY(wn_arena_copy(arena, name_of(path), &profile->name, err));
    for (const struct wn_json *m = wn_json_first(root); m != NULL; m = wn_json_next(m)) {
        WN_TRY(read_field(path, m, arena, profile, err));
    }
    WN_TRY(check_fields(path, root, profile, err));
    return join_preamble(profile, arena, err);
}

wn_code wn_profile_read(const char *path, struct wn_arena *arena, struct wn_profile *out_profile,
                        struct wn_error *err)
{
    struct wn_map map;
    WN_TRY(wn_map_open(path, WN_MODEL, &map, err));
    struct wn_json *root = NULL;
    struct wn_error bad;
    const struct wn_span text = {map.bytes.size == 0 ? "" : map.bytes.data, map.bytes.size};
    struct wn_profile profile;
    wn_code code = wn_json_parse(text, WN_MODEL, &root, &bad);
    if (code != WN_OK) {
        code = wn_error_set(err, code, bad.file, bad.line, "%s: %s", path, bad.text);
        goto done;
    }
    WN_TRY_OR(done, read_root(path, root, arena, &profile, err));
    *out_profile = profile;
done:
    wn_json_free(root);
    wn_map_close(&map);
    return code;
}
