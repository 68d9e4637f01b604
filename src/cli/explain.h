/* Inside `winnow explain`: where its recipe comes from, and how one record is printed.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLI_EXPLAIN_H
#define WINNOW_CLI_EXPLAIN_H

#include "cli/command.h"
#include "score/score.h"

/* What to score and how: from the flags, or from a run's run.json with flags on top. */
struct wn_explain_source {
    const char *run;                 /* run directory, or NULL */
    uint64_t run_first, run_count;   /* records that were asked for; count 0: to the end */
    struct wn_corpus_options corpus; /* arena */
    const char *model;
    struct wn_profile profile;
    struct wn_model_options model_options;
    struct wn_score_options score; /* profile is set; keep_tokens is on */
};

/* Texts live in `arena` or in the settings. WN_USAGE for missing flags; WN_RUN for a run.json that is missing, damaged
 * or without what is needed, naming the member. */
wn_code wn_explain_source_make(const struct wn_context *context, struct wn_arena *arena,
                               struct wn_explain_source *out_source, struct wn_error *err);

/* One scored token of the answer, conditioned and direct side by side. */
struct wn_explain_token {
    int64_t begin, end;  /* bytes of the answer; begin < 0 where a token began in the prompt or lead */
    int32_t id[2];       /* conditioned, direct; -1 where that side has no such token */
    uint32_t place[2];   /* position in its sequence */
    float loss[2];       /* nats; NaN where that side has none */
    struct wn_span text; /* the bytes it stands for */
};

/* Everything about one turn, ready to print. */
struct wn_explain_turn {
    const struct wn_row *row;
    struct wn_sample sample;
    struct wn_explain_token *tokens; /* [n_tokens] by place in the answer */
    size_t n_tokens;
    uint64_t n_prompt, n_counted; /* tokens of the prompt and of the counted text, alone and uncut */
    uint64_t n_lead;
};

/* What the run stored for the same record. */
struct wn_explain_stored {
    bool has_values;
    double sum_cond, sum_direct, ifd_loss, ifd_ppl;
};

struct wn_explain {
    uint64_t index;
    struct wn_span where; /* file and record */
    const char *form, *family;
    const struct wn_explain_source *source;
    const struct wn_numeric_class *numeric;
    int32_t max_length, positions;
    uint32_t status;
    struct wn_span why;
    struct wn_row fold;
    struct wn_explain_turn *turns; /* [n_turns] */
    size_t n_turns;
    struct wn_explain_stored stored;
};

void wn_explain_print(FILE *to, const struct wn_explain *explain, bool has_color);
struct wn_json *wn_explain_json(const struct wn_explain *explain); /* NULL without memory */

#endif
