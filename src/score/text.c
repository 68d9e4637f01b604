/* See text.h. Windows and spans follow the published scripts token by token.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "score/text.h"

#include "base/base.h"

#include <string.h>

/* Tokens of one text as the rules ask: special tokens in front where the profile wants them, never behind:
 * no published recipe scores an end-of-text token. */
static wn_code encode(const struct wn_text_rules *rules, struct wn_span text, struct wn_arena *arena,
                      struct wn_tokens *out, struct wn_error *err)
{
    WN_TRY(wn_encode(rules->encoder, text, rules->has_special, arena, out, err));
    const size_t n_suffix = (size_t)rules->n_suffix;
    out->n = out->n > n_suffix ? out->n - n_suffix : 0;
    WN_CHECK(out->n <= INT32_MAX, err, WN_INPUT, "a text of %zu tokens is too long", out->n);
    return WN_OK;
}

static wn_code count(const struct wn_text_rules *rules, struct wn_span text, struct wn_arena *scratch,
                     int32_t *out_n, struct wn_error *err)
{
    struct wn_tokens tokens;
    WN_TRY(encode(rules, text, scratch, &tokens, err));
    *out_n = (int32_t)tokens.n;
    return WN_OK;
}

static wn_code join(struct wn_span a, struct wn_span b, struct wn_arena *arena, struct wn_span *out,
                    struct wn_error *err)
{
    char *data = NULL;
    WN_TRY(WN_ARENA_NEW(arena, a.size + b.size + 1, &data, err));
    if (a.size > 0) {
        memcpy(data, a.data, a.size);
    }
    if (b.size > 0) {
        memcpy(data + a.size, b.data, b.size);
    }
    *out = (struct wn_span){data, a.size + b.size};
    return WN_OK;
}

/* ---- shared headers ---- */

/* What may follow a header in a text: tokens that any of these changes do not belong to the header. */
static const char *const probes[] = {"a",
                                     "A",
                                     "The",
                                     "1",
                                     "123",
                                     " ",
                                     "  ",
                                     " a",
                                     "\n",
                                     "\n\n",
                                     "\t",
                                     ".",
                                     ",",
                                     ":",
                                     "?",
                                     "!",
                                     "'s",
                                     "\"",
                                     "-",
                                     "#",
                                     "##",
                                     "{",
                                     "(",
                                     "<",
                                     "</s>",
                                     "_",
                                     "/",
                                     "\xc3\xa9",
                                     "\xe4\xbd\xa0",
                                     "\xe3\x80\x80",
                                     "\xcc\x81",
                                     "\xf0\x9f\x99\x82",
                                     "\xd8\xa7"};

static wn_code header_ids(const struct wn_text_rules *rules, struct wn_span text, struct wn_arena *arena,
                          struct wn_header *out, struct wn_error *err)
{
    struct wn_tokens alone;
    WN_TRY(encode(rules, text, arena, &alone, err));
    size_t n = alone.n < WN_MOST_HEADER ? alone.n : WN_MOST_HEADER;
    for (size_t p = 0; p < sizeof probes / sizeof *probes; p++) {
        struct wn_span longer;
        struct wn_tokens tokens;
        WN_TRY(join(text, wn_span_of(probes[p]), arena, &longer, err));
        WN_TRY(encode(rules, longer, arena, &tokens, err));
        size_t same = 0;
        while (same < n && same < tokens.n && tokens.ids[same] == alone.ids[same]) {
            same++;
        }
        n = same;
    }
    *out =
        (struct wn_header){alone.ids, n >= WN_LEAST_HEADER && n < (size_t)rules->max_length ? (int32_t)n : 0};
    return WN_OK;
}

static bool header_equal(const struct wn_header *a, const struct wn_header *b)
{
    return a->n == b->n && memcmp(a->ids, b->ids, (size_t)a->n * sizeof *a->ids) == 0;
}

/* A model keeps room for two headers of so many tokens together, whatever its slots' size: so the choice depends on
 * profile, tokenizer and window alone, never on a batch height. */
static bool fit_together(const struct wn_header *a, const struct wn_header *b, int32_t max_length)
{
    return a->n + b->n <= (max_length < WN_MOST_HEADER ? max_length : WN_MOST_HEADER);
}

static wn_code make_headers(struct wn_text_rules *rules, struct wn_arena *arena, struct wn_error *err)
{
    struct wn_span texts[WN_MOST_HEADERS];
    size_t n_texts = 0;
    wn_profile_headers(&rules->profile, texts, &n_texts);
    for (size_t i = 0; i < n_texts && i < WN_MOST_HEADERS; i++) {
        struct wn_header header;
        WN_TRY(header_ids(rules, texts[i], arena, &header, err));
        const struct wn_header *before = rules->n_headers > 0 ? &rules->headers[0] : NULL;
        const bool is_new = before == NULL || (!header_equal(before, &header) &&
                                               fit_together(before, &header, rules->max_length));
        if (header.n > 0 && is_new) {
            rules->headers[rules->n_headers++] = header;
        }
    }
    return WN_OK;
}

/* ---- rules ---- */

wn_code wn_text_rules_make(const struct wn_score_options *options, const struct wn_tokenizer *tokenizer,
                           struct wn_encoder *encoder, int32_t positions, struct wn_arena *arena,
                           struct wn_text_rules *out_rules, struct wn_error *err)
{
    const struct wn_tokenizer_info info = wn_tokenizer_info(tokenizer);
    struct wn_text_rules rules = {.encoder = encoder,
                                  .profile = *options->profile,
                                  .split = options->split,
                                  .direct_window = options->direct_window,
                                  .is_aligned = options->aligned,
                                  .keep_tokens = options->keep_tokens,
                                  .has_special = options->profile->bos == WN_BOS_MODEL,
                                  .positions = positions};
    if (rules.has_special) {
        rules.n_prefix = info.n_prefix;
        rules.n_suffix = info.n_suffix;
    }
    WN_CHECK(options->max_length >= 0, err, WN_USAGE, "max length %d (--max-length): must be at least 1",
             options->max_length);
    WN_CHECK(
        options->max_length <= positions, err, WN_USAGE,
        "max length %d (--max-length): the model has only %d positions; give at most that, or leave it out",
        options->max_length, positions);
    rules.max_length = options->max_length > 0 ? options->max_length : rules.profile.max_length;
    if (rules.max_length > positions) {
        wn_log_info(options->log,
                    "window: %d tokens, as many as the model has positions (the profile asks for %d)",
                    positions, rules.max_length);
        rules.max_length = positions;
    }
    if (rules.n_suffix > 0) {
        wn_log_warn(
            options->log,
            "the tokenizer puts %d special token(s) behind a text: left out, as no recipe scores them",
            rules.n_suffix);
    }
    WN_TRY(count(&rules, rules.profile.lead, arena, &rules.n_lead, err));
    WN_TRY(make_headers(&rules, arena, err));
    *out_rules = rules;
    return WN_OK;
}

static int32_t window_constant(const struct wn_text_rules *rules, bool is_reverse)
{
    if (rules->direct_window == WN_WINDOW_HEADER) {
        return is_reverse ? rules->n_prefix : rules->n_lead;
    }
    return is_reverse ? 1 : rules->profile.window_constant; /* the reversed side never has a lead */
}

/* Direct window: max_length - min(counted, max_length) + constant, within [0, positions]. */
static int32_t direct_window(const struct wn_text_rules *rules, int32_t counted, bool is_reverse)
{
    const int64_t rest = counted < rules->max_length ? rules->max_length - counted : 0;
    const int64_t window = rest + window_constant(rules, is_reverse);
    return window < 0 ? 0 : (int32_t)(window < rules->positions ? window : rules->positions);
}

int32_t wn_text_rules_path(const struct wn_text_rules *rules)
{
    const int32_t forward = direct_window(rules, 0, false);
    const int32_t reverse = rules->profile.reverse.size > 0 ? direct_window(rules, 0, true) : 0;
    const int32_t longest = forward > reverse ? forward : reverse;
    return longest > rules->max_length ? longest : rules->max_length;
}

/* ---- texts ---- */

/* A text to be encoded: its first answer token, unless found by offsets, and the window it is cut to. */
struct job {
    struct wn_span context, answer;
    int32_t first; /* tokens of the context alone */
    int32_t window;
    bool skip_first; /* leave the first answer token out of the sum */
};

/* The first token that holds a byte of the answer. */
static int32_t first_by_offset(const struct wn_tokens *tokens, size_t boundary)
{
    size_t i = 0;
    while (i < tokens->n && tokens->places[i].end <= boundary) {
        i++;
    }
    return (int32_t)i;
}

static int32_t find_header(const struct wn_text_rules *rules, const struct wn_text *text)
{
    int32_t best = WN_NONE;
    for (int32_t h = 0; h < rules->n_headers; h++) {
        const struct wn_header *header = &rules->headers[h];
        /* At least one row follows it, and nothing within it is scored. */
        if (text->k > 0 && header->n < text->n - 1 && header->n <= text->start &&
            (best == WN_NONE || header->n > rules->headers[best].n) &&
            memcmp(text->ids, header->ids, (size_t)header->n * sizeof *header->ids) == 0) {
            best = h;
        }
    }
    return best;
}

static wn_code encode_text(const struct wn_text_rules *rules, const struct job *job, struct wn_arena *scratch,
                           struct wn_arena *arena, struct wn_text *out, struct wn_error *err)
{
    struct wn_span whole;
    struct wn_tokens tokens;
    WN_TRY(join(job->context, job->answer, rules->keep_tokens ? arena : scratch, &whole, err));
    WN_TRY(encode(rules, whole, scratch, &tokens, err));
    struct wn_text text = {.first = job->first, .header = WN_NONE};
    if (rules->split == WN_SPLIT_OFFSETS && job->context.size > 0) {
        text.first = first_by_offset(&tokens, job->context.size);
    }
    text.is_cut = tokens.n > (size_t)job->window;
    text.n = text.is_cut ? job->window : (int32_t)tokens.n;
    text.start = text.first;
    if (job->skip_first && text.start < INT32_MAX) {
        text.start++;
    }
    text.start = text.start > 1 ? text.start : 1;
    text.k = text.n > text.start ? text.n - text.start : 0;
    int32_t *ids = NULL;
    WN_TRY(WN_ARENA_NEW(arena, (size_t)text.n, &ids, err));
    if (text.n > 0) {
        memcpy(ids, tokens.ids, (size_t)text.n * sizeof *ids);
    }
    text.ids = ids;
    if (rules->keep_tokens) {
        struct wn_token_place *places = NULL;
        WN_TRY(WN_ARENA_NEW(arena, (size_t)text.n, &places, err));
        if (text.n > 0) {
            memcpy(places, tokens.places, (size_t)text.n * sizeof *places);
        }
        text.places = places;
        text.text = whole;
    }
    text.header = find_header(rules, &text);
    *out = text;
    return WN_OK;
}

static bool same_span(struct wn_span a, struct wn_span b)
{
    return a.data == b.data && a.size == b.size;
}

wn_code wn_sample_encode(const struct wn_text_rules *rules, const struct wn_sample *sample,
                         struct wn_arena *scratch, struct wn_arena *arena, struct wn_sample_texts *out_texts,
                         struct wn_error *err)
{
    const bool is_asked = sample->status == WN_STATUS_OK;
    /* Without a lead and a BOS the first answer token of the direct text has no loss. */
    const bool skip_first = rules->is_aligned && sample->lead.size == 0 && rules->n_prefix == 0;
    struct wn_sample_texts texts = {0};
    int32_t n_prompt = 0;
    int32_t n_counted = 0;
    if (is_asked || sample->prompt.size > 0) {
        WN_TRY(count(rules, sample->prompt, scratch, &n_prompt, err));
    }
    if (same_span(sample->counted, sample->prompt)) {
        n_counted = n_prompt;
    } else if (is_asked || sample->counted.size > 0) {
        WN_TRY(count(rules, sample->counted, scratch, &n_counted, err));
    }
    if (is_asked) {
        const struct job cond = {sample->prompt, sample->answer, n_prompt, rules->max_length, skip_first};
        WN_TRY(encode_text(rules, &cond, scratch, arena, &texts.cond, err));
    }
    texts.counted = n_counted < rules->max_length ? n_counted : rules->max_length;
    const int32_t n_lead = sample->lead.size > 0 ? rules->n_lead : 0;
    const struct job direct = {sample->lead, sample->answer, n_lead, direct_window(rules, n_counted, false),
                               false};
    WN_TRY(encode_text(rules, &direct, scratch, arena, &texts.direct, err));
    if (sample->has_reverse && is_asked) {
        const bool skip_q = rules->is_aligned && rules->n_prefix == 0;
        int32_t n_q = 0;
        WN_TRY(count(rules, sample->q_prompt, scratch, &n_q, err));
        const struct job q_cond = {sample->q_prompt, sample->q_answer, n_q, rules->max_length, skip_q};
        const struct job q_direct = {{"", 0}, sample->q_answer, 0, direct_window(rules, n_q, true), false};
        WN_TRY(encode_text(rules, &q_cond, scratch, arena, &texts.q_cond, err));
        WN_TRY(encode_text(rules, &q_direct, scratch, arena, &texts.q_direct, err));
    }
    *out_texts = texts;
    return WN_OK;
}

wn_code wn_text_encode(const struct wn_text_rules *rules, struct wn_span text, struct wn_arena *scratch,
                       struct wn_arena *arena, struct wn_text *out_text, struct wn_error *err)
{
    const struct job job = {{"", 0}, text, 0, rules->max_length, false};
    return encode_text(rules, &job, scratch, arena, out_text, err);
}
