/* Samples: the texts of one assistant turn of a record, by a profile.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A text is rendered twice: once to count its bytes, once into memory of that size. Fields are put in as they are; what
 * stands in them is never read as a template again.
 */
#include "corpus/inside.h"
#include "corpus/template.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *name;
    enum wn_piece_field field;
} fields[] = {
    {"{instruction}", WN_PIECE_INSTRUCTION}, {"{input}", WN_PIECE_INPUT}, {"{output}", WN_PIECE_OUTPUT}};

static bool field_at(struct wn_span text, size_t at, struct wn_piece *out)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const size_t size = strlen(fields[i].name);
        if (text.size - at >= size && memcmp(text.data + at, fields[i].name, size) == 0) {
            *out = (struct wn_piece){fields[i].field, {text.data + at, size}};
            return true;
        }
    }
    return false;
}

struct wn_piece wn_template_piece(struct wn_span text, size_t at)
{
    struct wn_piece piece = {WN_PIECE_TEXT, {text.data + at, 0}};
    if (at >= text.size || field_at(text, at, &piece)) {
        return piece;
    }
    struct wn_piece next;
    size_t end = at + 1;
    while (end < text.size && !field_at(text, end, &next)) {
        end++;
    }
    piece.text.size = end - at;
    return piece;
}

bool wn_template_has(struct wn_span text, enum wn_piece_field field)
{
    struct wn_piece piece;
    for (size_t at = 0; at < text.size; at += piece.text.size) {
        piece = wn_template_piece(text, at);
        if (piece.field == field) {
            return true;
        }
    }
    return false;
}

/* A text being counted (data NULL) or written. */
struct out {
    char *data;
    size_t size;
};

static void put(struct out *out, struct wn_span text)
{
    if (out->data != NULL && text.size > 0) {
        memcpy(out->data + out->size, text.data, text.size);
    }
    out->size += text.size;
}

/* A turn: the messages [first, answer) ask, message `answer` answers. */
struct turn {
    size_t first, answer;
};

/* What is rendered. */
struct job {
    const struct wn_profile *profile;
    const struct wn_record *record;
    struct turn turn;      /* the one that is scored */
    size_t n_system;       /* messages in front that make the system text */
    bool is_bare;          /* this turn's bare instruction instead of its template, no preamble */
    struct wn_span output; /* for the reversed direction */
};

static bool has_part(const struct wn_message *message)
{
    return message->has_text && message->role != WN_ROLE_ASSISTANT;
}

static void put_instruction(struct out *out, const struct job *job, struct turn turn)
{
    bool is_first = true;
    for (size_t i = turn.first; i < turn.answer; i++) {
        const struct wn_message *const message = &job->record->messages[i];
        if (has_part(message)) {
            if (!is_first) {
                put(out, wn_span_of("\n"));
            }
            put(out, message->text);
            is_first = false;
        }
    }
}

static struct wn_span turn_input(const struct job *job, struct turn turn)
{
    struct wn_span input = {"", 0};
    for (size_t i = turn.first; i < turn.answer; i++) {
        if (job->record->messages[i].role == WN_ROLE_USER && job->record->messages[i].input.size > 0) {
            input = job->record->messages[i].input;
        }
    }
    return input;
}

static void put_turn(struct out *out, const struct job *job, struct turn turn)
{
    const struct wn_span input = turn_input(job, turn);
    const struct wn_span text = input.size > 0 ? job->profile->prompt_with_input : job->profile->prompt;
    struct wn_piece piece;
    for (size_t at = 0; at < text.size; at += piece.text.size) {
        piece = wn_template_piece(text, at);
        if (piece.field == WN_PIECE_INSTRUCTION) {
            put_instruction(out, job, turn);
        } else if (piece.field == WN_PIECE_INPUT) {
            put(out, input);
        } else {
            put(out, piece.text);
        }
    }
}

/* The system text, and what stands between it and the rest. */
static void put_system(struct out *out, const struct job *job)
{
    bool has_text = false;
    for (size_t i = 0; i < job->n_system; i++) {
        const struct wn_message *const message = &job->record->messages[i];
        if (message->has_text && message->text.size > 0) {
            if (has_text) {
                put(out, wn_span_of("\n"));
            }
            put(out, message->text);
            has_text = true;
        }
    }
    if (has_text) {
        put(out, job->profile->preamble.size > 0 ? wn_span_of(" ") : job->profile->turn_separator);
    }
}

static void put_prompt(struct out *out, const struct job *job)
{
    put_system(out, job);
    if (!job->is_bare) {
        put(out, job->profile->preamble);
    }
    size_t first = job->n_system;
    for (size_t i = first; i < job->turn.first; i++) {
        if (job->record->messages[i].role == WN_ROLE_ASSISTANT) {
            put_turn(out, job, (struct turn){first, i});
            put(out, job->record->messages[i].text);
            put(out, job->profile->turn_separator);
            first = i + 1;
        }
    }
    if (job->is_bare) {
        put_instruction(out, job, job->turn);
    } else {
        put_turn(out, job, job->turn);
    }
}

static void put_with_output(struct out *out, const struct job *job, struct wn_span text)
{
    struct wn_piece piece;
    for (size_t at = 0; at < text.size; at += piece.text.size) {
        piece = wn_template_piece(text, at);
        put(out, piece.field == WN_PIECE_OUTPUT ? job->output : piece.text);
    }
}

static void put_reverse(struct out *out, const struct job *job)
{
    const struct wn_span text = job->profile->prompt;
    put(out, job->profile->preamble);
    struct wn_piece piece;
    for (size_t at = 0; at < text.size; at += piece.text.size) {
        piece = wn_template_piece(text, at);
        if (piece.field == WN_PIECE_INSTRUCTION) {
            put_with_output(out, job, job->profile->reverse);
        } else if (piece.field == WN_PIECE_TEXT) {
            put(out, piece.text);
        }
    }
}

static void put_asked(struct out *out, const struct job *job)
{
    put_instruction(out, job, job->turn);
    put(out, turn_input(job, job->turn));
}

static wn_code render(void (*write)(struct out *, const struct job *), const struct job *job,
                      struct wn_arena *arena, struct wn_span *out_text, struct wn_error *err)
{
    struct out out = {NULL, 0};
    write(&out, job);
    const size_t size = out.size;
    char *data = NULL;
    WN_TRY(WN_ARENA_NEW(arena, size + 1, &data, err));
    out = (struct out){data, 0};
    write(&out, job);
    assert(out.size == size);
    *out_text = (struct wn_span){data, size};
    return WN_OK;
}

/* Turn number `part`: the part-th assistant message and what stands between it and the one before. */
static struct turn find_turn(const struct wn_record *record, size_t n_system, uint32_t part)
{
    struct turn turn = {n_system, n_system};
    for (size_t i = n_system; i < record->n_messages; i++) {
        if (record->messages[i].role != WN_ROLE_ASSISTANT) {
            continue;
        }
        turn.answer = i;
        if (part == 0) {
            break;
        }
        part--;
        turn.first = i + 1;
    }
    return turn;
}

/* Asked: the turn's own user said something, or the turn has no user's message and one spoke before. */
static bool is_asked(const struct wn_record *record, struct turn turn)
{
    bool has_user = false;
    for (size_t i = turn.first; i < turn.answer; i++) {
        if (record->messages[i].role == WN_ROLE_USER) {
            has_user = true;
            if (record->messages[i].has_text) {
                return true;
            }
        }
    }
    for (size_t i = 0; i < turn.first && !has_user; i++) {
        if (record->messages[i].role == WN_ROLE_USER && record->messages[i].has_text) {
            return true;
        }
    }
    return false;
}

wn_code wn_profile_sample(const struct wn_profile *profile, const struct wn_record *record, uint32_t part,
                          struct wn_arena *arena, struct wn_sample *out_sample, struct wn_error *err)
{
    const struct wn_span empty = {"", 0};
    WN_CHECK(record->status == WN_STATUS_OK && part < record->n_turns, err, WN_DEFECT,
             "turn %u was asked for, the record has %u", (unsigned)part, (unsigned)record->n_turns);
    struct job job = {.profile = profile, .record = record};
    while (job.n_system < record->n_messages && record->messages[job.n_system].role == WN_ROLE_SYSTEM) {
        job.n_system++;
    }
    job.turn = find_turn(record, job.n_system, part);
    const struct wn_message *const answer = &record->messages[job.turn.answer];
    job.output = answer->text;
    const bool asked = is_asked(record, job.turn);
    *out_sample = (struct wn_sample){.part = part,
                                     .status = WN_STATUS_OK,
                                     .prompt = empty,
                                     .answer = answer->text,
                                     .lead = profile->lead,
                                     .counted = empty,
                                     .q_prompt = empty,
                                     .q_answer = empty};
    if (answer->text.size == 0) {
        out_sample->status = WN_STATUS_EMPTY_ANSWER;
    } else if (!asked) {
        out_sample->status = WN_STATUS_NO_INSTRUCTION;
    }
    if (!asked) {
        return WN_OK;
    }
    WN_TRY(render(put_prompt, &job, arena, &out_sample->prompt, err));
    out_sample->counted = out_sample->prompt;
    if (profile->window_counts == WN_COUNTS_INSTRUCTION) {
        job.is_bare = true;
        WN_TRY(render(put_prompt, &job, arena, &out_sample->counted, err));
    }
    if (profile->reverse.size == 0 || out_sample->status != WN_STATUS_OK) {
        return WN_OK;
    }
    out_sample->has_reverse = true;
    WN_TRY(render(put_reverse, &job, arena, &out_sample->q_prompt, err));
    return render(put_asked, &job, arena, &out_sample->q_answer, err);
}
