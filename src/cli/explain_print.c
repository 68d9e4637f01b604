/* One record as text for people and as JSON.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Bytes of one token so that each fits on a line: escapes for controls, quotes, and bytes that are no character (a
 * token may hold a part of one). */
static void token_text(struct wn_span text, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < text.size && n + 8 < size;) {
        const unsigned char byte = (unsigned char)text.data[i];
        const size_t length = byte < 0x80 ? 1 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
        const struct wn_span one = {text.data + i, length};
        if (byte == '\n' || byte == '\t' || byte == '\r' || byte == '"' || byte == '\\') {
            const char letter = byte == '\n' ? 'n' : byte == '\t' ? 't' : byte == '\r' ? 'r' : (char)byte;
            n += (size_t)snprintf(out + n, size - n, "\\%c", letter);
            i++;
        } else if (byte < 0x20 || byte == 0x7F || i + length > text.size || !wn_utf8_valid(one, NULL)) {
            n += (size_t)snprintf(out + n, size - n, "\\x%02X", byte);
            i++;
        } else {
            memcpy(out + n, text.data + i, length);
            n += length;
            i += length;
        }
    }
    out[n] = 0;
}

static void block_print(FILE *to, const char *title, struct wn_span text)
{
    fprintf(to, "--- %s ---\n", title);
    fwrite(text.data != NULL ? text.data : "", 1, text.size, to);
    fputc('\n', to);
}

static void loss_print(FILE *to, float loss)
{
    if (isnan(loss)) {
        fprintf(to, " %10s", "-");
    } else {
        fprintf(to, " %10.4f", (double)loss);
    }
}

static void id_print(FILE *to, int32_t id)
{
    if (id < 0) {
        fprintf(to, " %8s", "-");
    } else {
        fprintf(to, " %8" PRId32, id);
    }
}

static void tokens_print(FILE *to, const struct wn_explain_turn *turn, bool has_color)
{
    fprintf(to, "%6s %8s %10s %8s %10s %10s  %s\n", "place", "id", "loss given", "id", "loss alone",
            "difference", "token of the answer");
    for (size_t i = 0; i < turn->n_tokens; i++) {
        const struct wn_explain_token *token = &turn->tokens[i];
        const bool has_both = !isnan(token->loss[0]) && !isnan(token->loss[1]);
        const float difference = token->loss[0] - token->loss[1];
        char text[160];
        token_text(token->text, text, sizeof text);
        fprintf(to, "%6" PRIu32, token->id[0] >= 0 ? token->place[0] : token->place[1]);
        id_print(to, token->id[0]);
        loss_print(to, token->loss[0]);
        id_print(to, token->id[1]);
        loss_print(to, token->loss[1]);
        fputs(has_color && has_both ? (difference < 0 ? "\x1b[32m" : "\x1b[31m") : "", to);
        loss_print(to, difference);
        fprintf(to, "%s  \"%s\"%s\n", has_color && has_both ? "\x1b[0m" : "", text,
                token->begin < 0 ? " (begins before the answer)" : "");
    }
}

static void side_print(FILE *to, const char *name, const struct wn_side *side)
{
    fprintf(to, "%-12s %u tokens%s, answer from token %u, %u losses, sum %.6f", name, side->n,
            side->cut != 0 ? " (cut)" : "", side->first, side->k, side->sum);
    if (side->k > 0) {
        fprintf(to, ", loss %.6f / %u = %.6f, perplexity %.4f", side->sum, side->k, wn_side_loss(side),
                exp(wn_side_loss(side)));
    }
    fputc('\n', to);
}

static void windows_print(FILE *to, const struct wn_explain *explain, const struct wn_explain_turn *turn)
{
    const uint64_t window = (uint64_t)explain->max_length;
    const uint64_t counted = turn->n_counted < window ? turn->n_counted : window;
    const bool is_header = explain->source->score.direct_window == WN_WINDOW_HEADER;
    const int64_t constant = is_header ? (int64_t)turn->n_lead : explain->source->profile.window_constant;
    fprintf(to,
            "windows      given: %" PRIu64 " tokens; alone: %" PRIu64 " - min(%" PRIu64 ", %" PRIu64
            ") + %" PRId64 " = %" PRId64 " tokens; the model takes %d\n",
            window, window, turn->n_counted, window, constant, (int64_t)(window - counted) + constant,
            (int)explain->positions);
}

static void arithmetic_print(FILE *to, const struct wn_row *row)
{
    const double cond = wn_side_loss(&row->cond);
    const double direct = wn_side_loss(&row->direct);
    if (isnan(cond) || isnan(direct)) {
        fprintf(to, "ifd          not defined: a side has no loss\n");
        return;
    }
    fprintf(to, "ifd_loss     %.6f / %.6f = %.6f\n", cond, direct, wn_row_ifd_loss(row));
    fprintf(to, "ifd_ppl      exp(%.6f - %.6f) = %.6f\n", cond, direct, wn_row_ifd_ppl(row));
}

static void turn_print(FILE *to, const struct wn_explain *explain, size_t i, bool has_color)
{
    const struct wn_explain_turn *turn = &explain->turns[i];
    const struct wn_row *row = turn->row;
    if (explain->n_turns > 1) {
        fprintf(to, "\n=== turn %zu of %zu: %s ===\n", i + 1, explain->n_turns,
                wn_status_name((int)row->status));
    }
    char title[64];
    snprintf(title, sizeof title, "prompt (%" PRIu64 " tokens alone)", turn->n_prompt);
    block_print(to, title, turn->sample.prompt);
    block_print(to, "answer", turn->sample.answer);
    snprintf(title, sizeof title, "lead of the answer alone (%" PRIu64 " tokens alone)", turn->n_lead);
    block_print(to, title, turn->sample.lead);
    if (turn->n_tokens > 0) {
        fputs("--- tokens ---\n", to);
        tokens_print(to, turn, has_color);
    }
    fputs("--- sums ---\n", to);
    windows_print(to, explain, turn);
    side_print(to, "given prompt", &row->cond);
    side_print(to, "alone", &row->direct);
    if (row->has_reverse != 0) {
        side_print(to, "q given", &row->q_cond);
        side_print(to, "q alone", &row->q_direct);
    }
    arithmetic_print(to, row);
}

/* Equal bits, or both not numbers. */
static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static bool stored_agrees(const struct wn_explain *explain)
{
    return same(explain->stored.sum_cond, explain->fold.cond.sum) &&
           same(explain->stored.sum_direct, explain->fold.direct.sum);
}

void wn_explain_print(FILE *to, const struct wn_explain *explain, bool has_color)
{
    const struct wn_profile *profile = &explain->source->profile;
    fprintf(to, "record       %" PRIu64 ", %.*s, form %s\n", explain->index, (int)explain->where.size,
            explain->where.data, explain->form);
    fprintf(to, "recipe       profile %.*s, model %s (%s on %s)\n", (int)profile->name.size,
            profile->name.data, explain->family, explain->numeric->dtype, explain->numeric->backend);
    fprintf(to, "status       %s%s%.*s\n", wn_status_name((int)explain->status),
            explain->why.size > 0 ? ": " : "", (int)explain->why.size,
            explain->why.data != NULL ? explain->why.data : "");
    for (size_t i = 0;
         i < explain->n_turns && !(explain->n_turns == 1 && explain->turns[0].sample.prompt.data == NULL &&
                                   explain->turns[0].sample.answer.data == NULL);
         i++) {
        turn_print(to, explain, i, has_color);
    }
    if (explain->n_turns > 1) {
        fputs("\n=== all turns ===\n", to);
        side_print(to, "given prompt", &explain->fold.cond);
        side_print(to, "alone", &explain->fold.direct);
        arithmetic_print(to, &explain->fold);
    }
    if (explain->stored.has_values) {
        fprintf(to, "stored       ifd_loss %.6f, ifd_ppl %.6f: %s\n", explain->stored.ifd_loss,
                explain->stored.ifd_ppl,
                stored_agrees(explain) ? "the same sums, bit for bit"
                                       : "the sums differ from those computed now");
    }
}

static struct wn_json *side_json(const struct wn_side *side)
{
    struct wn_json *object = wn_json_new_object();
    const double loss = wn_side_loss(side);
    if (object == NULL || !wn_json_add_integer(object, "n", side->n) ||
        !wn_json_add_integer(object, "first", side->first) || !wn_json_add_integer(object, "k", side->k) ||
        !wn_json_add_boolean(object, "cut", side->cut != 0) ||
        !wn_json_add_number(object, "sum", side->sum) || !wn_json_add_number(object, "loss", loss) ||
        !wn_json_add_number(object, "ppl", exp(loss))) {
        wn_json_free(object);
        return NULL;
    }
    return object;
}

static struct wn_json *token_json(const struct wn_explain_token *token)
{
    static const char *const names[2] = {"cond", "direct"};
    struct wn_json *object = wn_json_new_object();
    char text[512];
    token_text(token->text, text, sizeof text);
    bool ok = object != NULL && wn_json_put_text(object, "text", text) &&
              wn_json_add_integer(object, "begin", token->begin) &&
              wn_json_add_integer(object, "end", token->end);
    for (int side = 0; ok && side < 2; side++) {
        struct wn_json *one = token->id[side] >= 0 ? wn_json_new_object() : NULL;
        if (one == NULL) {
            continue;
        }
        ok = wn_json_add_integer(one, "place", token->place[side]) &&
             wn_json_add_integer(one, "id", token->id[side]) &&
             wn_json_add_number(one, "loss", (double)token->loss[side]);
        if (!ok) {
            wn_json_free(one);
        }
        ok = ok && wn_json_put(object, names[side], one);
    }
    if (!ok) {
        wn_json_free(object);
        return NULL;
    }
    return object;
}

static struct wn_json *tokens_json(const struct wn_explain_turn *turn)
{
    struct wn_json *array = wn_json_new_array();
    for (size_t i = 0; array != NULL && i < turn->n_tokens; i++) {
        struct wn_json *token = token_json(&turn->tokens[i]);
        if (token == NULL || !wn_json_append_value(array, token)) {
            wn_json_free(array);
            return NULL;
        }
    }
    return array;
}

static bool sums_put(struct wn_json *object, const struct wn_row *row)
{
    return wn_json_put_text(object, "status", wn_status_name((int)row->status)) &&
           wn_json_put(object, "given", side_json(&row->cond)) &&
           wn_json_put(object, "alone", side_json(&row->direct)) &&
           (row->has_reverse == 0 || (wn_json_put(object, "q_given", side_json(&row->q_cond)) &&
                                      wn_json_put(object, "q_alone", side_json(&row->q_direct)))) &&
           wn_json_add_number(object, "ifd_loss", wn_row_ifd_loss(row)) &&
           wn_json_add_number(object, "ifd_ppl", wn_row_ifd_ppl(row));
}

static struct wn_json *turn_json(const struct wn_explain_turn *turn)
{
    struct wn_json *object = wn_json_new_object();
    if (object == NULL || !wn_json_add_integer(object, "part", turn->row->part) ||
        !wn_json_add_text(object, "prompt", turn->sample.prompt) ||
        !wn_json_add_text(object, "answer", turn->sample.answer) ||
        !wn_json_add_text(object, "lead", turn->sample.lead) ||
        !wn_json_add_integer(object, "prompt_tokens", (int64_t)turn->n_prompt) ||
        !wn_json_add_integer(object, "counted_tokens", (int64_t)turn->n_counted) ||
        !wn_json_put(object, "tokens", tokens_json(turn)) || !sums_put(object, turn->row)) {
        wn_json_free(object);
        return NULL;
    }
    return object;
}

struct wn_json *wn_explain_json(const struct wn_explain *explain)
{
    struct wn_json *root = wn_json_new_object();
    struct wn_json *turns = wn_json_new_array();
    bool ok = root != NULL && turns != NULL && wn_json_add_integer(root, "index", (int64_t)explain->index) &&
              wn_json_add_text(root, "where", explain->where) &&
              wn_json_put_text(root, "form", explain->form) &&
              wn_json_add_text(root, "profile", explain->source->profile.name) &&
              wn_json_put_text(root, "family", explain->family) &&
              wn_json_add_integer(root, "max_length", explain->max_length) &&
              wn_json_put(root, "numeric", wn_json_numeric(explain->numeric)) &&
              wn_json_add_text(root, "why", explain->why) && sums_put(root, &explain->fold);
    for (size_t i = 0; ok && i < explain->n_turns; i++) {
        struct wn_json *turn = turn_json(&explain->turns[i]);
        ok = turn != NULL && wn_json_append_value(turns, turn);
    }
    ok = ok &&
         (!explain->stored.has_values || wn_json_add_boolean(root, "equals_stored", stored_agrees(explain)));
    if (!ok) {
        wn_json_free(turns);
    }
    if (!ok || !wn_json_add_value(root, "turns", turns)) {
        wn_json_free(root);
        return NULL;
    }
    return root;
}
