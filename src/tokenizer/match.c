/* Patterns compiled by PCRE2 and searched for as Oniguruma does.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The subject is valid UTF-8 (checked once per text), so no match looks at that again.
 */
#include "tokenizer/parts.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

enum {
    JIT_STACK_FIRST = 32 * 1024,
    JIT_STACK_MOST = 16 * 1024 * 1024,
    MATCH_LIMIT =
        100 * 1000 * 1000, /* steps of one match: far above what a text needs, ends a runaway pattern */
    HEAP_LIMIT_KIB = 1024 * 1024
};

static wn_code compile(struct wn_span translated, struct wn_span source, pcre2_code **out_code,
                       struct wn_error *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    WN_CHECK(context != NULL, err, WN_DEVICE, "no memory to compile a pattern");
    (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    (void)pcre2_set_bsr(context, PCRE2_BSR_UNICODE);
    (void)pcre2_set_parens_nest_limit(context, 1000);
    int number = 0;
    PCRE2_SIZE offset = 0;
    *out_code = pcre2_compile((PCRE2_SPTR)translated.data, translated.size,
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &number, &offset, context);
    pcre2_compile_context_free(context);
    if (*out_code == NULL) {
        PCRE2_UCHAR message[256] = {0};
        (void)pcre2_get_error_message(number, message, sizeof message);
        WN_FAIL(err, WN_MODEL, "the pattern '%.*s' is not supported: %s",
                (int)(source.size < 400 ? source.size : 400), source.data, (const char *)message);
    }
    return WN_OK;
}

wn_code wn_pattern_compile(struct wn_span source, bool is_regex, struct wn_pattern *out_pattern,
                           struct wn_error *err)
{
    *out_pattern = (struct wn_pattern){0};
    if (!is_regex && source.size > 0) {
        out_pattern->literal = source;
        return WN_OK;
    }
    char *text = NULL;
    size_t size = 0;
    WN_TRY(wn_pattern_translate(source, &text, &size, &out_pattern->reads_stand_ins, err));
    const wn_code code = compile((struct wn_span){text, size}, source, &out_pattern->code, err);
    free(text);
    WN_TRY(code);
    out_pattern->has_jit = pcre2_jit_compile(out_pattern->code, PCRE2_JIT_COMPLETE) == 0;
    return WN_OK;
}

void wn_pattern_free(struct wn_pattern *pattern)
{
    pcre2_code_free(pattern->code);
    pattern->code = NULL;
}

wn_code wn_matcher_open(struct wn_matcher *matcher, struct wn_error *err)
{
    matcher->data = pcre2_match_data_create(1, NULL);
    matcher->context = pcre2_match_context_create(NULL);
    matcher->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MOST, NULL);
    WN_CHECK(matcher->data != NULL && matcher->context != NULL, err, WN_DEVICE,
             "no memory for an encoder's patterns");
    if (matcher->stack != NULL) {
        pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
    }
    (void)pcre2_set_match_limit(matcher->context, MATCH_LIMIT);
    (void)pcre2_set_heap_limit(matcher->context, HEAP_LIMIT_KIB);
    return WN_OK;
}

void wn_matcher_close(struct wn_matcher *matcher)
{
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->stack);
    *matcher = (struct wn_matcher){0};
}

static wn_code find_code(const struct wn_matcher *matcher, const struct wn_pattern *pattern,
                         struct wn_search *search, struct wn_error *err)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)search->subject;
    int found = PCRE2_ERROR_JIT_BADOPTION;
    if (pattern->has_jit) {
        found = pcre2_jit_match(pattern->code, subject, search->size, search->at, PCRE2_NO_UTF_CHECK,
                                matcher->data, matcher->context);
    }
    if (found == PCRE2_ERROR_JIT_BADOPTION || found == PCRE2_ERROR_JIT_STACKLIMIT) {
        found = pcre2_match(pattern->code, subject, search->size, search->at,
                            PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, matcher->data, matcher->context);
    }
    WN_CHECK(found >= 0 || found == PCRE2_ERROR_NOMATCH, err, WN_DEVICE,
             "the tokenizer's pattern gave up on a text of %zu bytes (PCRE2 error %d); shorten the text",
             search->size, found);
    search->found = found >= 0;
    if (search->found) {
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(matcher->data);
        search->begin = ends[0];
        search->end = ends[1];
    }
    return WN_OK;
}

static void find_literal(struct wn_span literal, struct wn_search *search)
{
    const char *from = search->subject + search->at;
    const size_t left = search->size - search->at;
    const char *hit = left < literal.size ? NULL : memmem(from, left, literal.data, literal.size);
    search->found = hit != NULL;
    if (hit != NULL) {
        search->begin = (size_t)(hit - search->subject);
        search->end = search->begin + literal.size;
    }
}

wn_code wn_search_next(const struct wn_matcher *matcher, const struct wn_pattern *pattern,
                       struct wn_search *search, struct wn_error *err)
{
    for (;;) {
        search->found = false;
        if (search->at > search->size) {
            return WN_OK;
        }
        if (pattern->code == NULL) {
            find_literal(pattern->literal, search);
        } else {
            WN_TRY(find_code(matcher, pattern, search, err));
        }
        if (!search->found) {
            return WN_OK;
        }
        if (search->begin != search->end || search->last_end != search->end) {
            search->at = search->end;
            search->last_end = search->end;
            return WN_OK;
        }
        search->at += search->at < search->size ? wn_utf8_size(search->subject[search->at]) : 1;
    }
}

wn_code wn_stand_ins(struct wn_encoder *encoder, const struct wn_view *view, const char **out,
                     struct wn_error *err)
{
    *out = view->data;
    for (size_t at = 0; at < view->size;) {
        if ((unsigned char)view->data[at] < 0xE0) { /* all of them have three or four bytes */
            at++;
            continue;
        }
        size_t size = 0;
        const uint32_t c = wn_utf8_get(view->data + at, &size);
        const uint32_t stand_in = wn_unicode_stand_in(c);
        if (stand_in != c) {
            if (*out == view->data) {
                WN_TRY(
                    wn_grow((void **)&encoder->stand_ins, &encoder->stand_ins_capacity, view->size, 1, err));
                memcpy(encoder->stand_ins, view->data, view->size);
                *out = encoder->stand_ins;
            }
            char bytes[4];
            (void)wn_utf8_put(stand_in, bytes);
            memcpy(encoder->stand_ins + at, bytes, size);
        }
        at += size;
    }
    return WN_OK;
}
