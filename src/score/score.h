/* Scoring: records -> samples -> token sequences -> batches -> losses -> rows.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One wn_scorer serves one pass in one worker: it owns the encoder, the pack plan and the buffers, and
 * borrows corpus, tokenizer and model. Rows do not depend on the unit, the order or the batch they were
 * computed in. Scorers may follow one another on one model, but not take turns. After an error a scorer
 * can only be freed. The model must be open for its full positions (max_path 0), or for max_length and the
 * constant of the direct window.
 *
 * Spans. The conditioned text is cut to max_length tokens, the direct one to max_length - min(counted,
 * max_length) + constant, neither beyond the positions. `first` is the number of tokens of the context
 * encoded alone, never cut, so it may lie beyond the end; with WN_SPLIT_OFFSETS it is the first token that
 * holds a byte of the answer. Nothing predicts token 0: tokens max(first, 1) .. n - 1 are scored. Tokens
 * that a tokenizer puts behind a text are left out. WN_WINDOW_HEADER takes as constant the tokens of the
 * lead alone, special ones counted, so that both windows hold the same number of answer tokens. A text
 * that the tokenizer cannot read makes its record a parse_error.
 */
#ifndef WINNOW_SCORE_SCORE_H
#define WINNOW_SCORE_SCORE_H

#include "corpus/corpus.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"
#include "winnow/row.h"
#include "winnow/run.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

enum wn_turns { WN_TURNS_ALL, WN_TURNS_FIRST, WN_TURNS_LAST };
enum wn_split {
    WN_SPLIT_PREFIX /* as published: the prompt encoded alone */,
    WN_SPLIT_OFFSETS /* by byte offsets */
};
enum wn_direct_window {
    WN_WINDOW_PUBLISHED /* the profile's constant */,
    WN_WINDOW_HEADER /* tokens of the lead */
};

struct wn_score_options {
    const struct wn_profile *profile; /* borrowed */
    int32_t max_length;               /* 0 = the profile's, lowered to the model's positions */
    enum wn_turns turns;
    enum wn_split split;
    enum wn_direct_window direct_window;
    bool aligned;     /* direct text of a model without BOS: leave the first answer token out of both sums */
    bool keep_tokens; /* give token ids and losses with each row */
    bool separate;    /* tests: every text in batches of its own */
    const struct wn_log *log;
};

/* Tokens and losses of one side of one row, for --keep-token-losses and explain. */
struct wn_side_tokens {
    const int32_t *ids;                  /* [n] the whole text as scored (after truncation) */
    const struct wn_token_place *places; /* [n] in the text */
    struct wn_span text;                 /* prompt + answer, or lead + answer */
    const float *losses;                 /* [k] of tokens n - k .. n - 1 */
    uint32_t n, k;
};

/* All rows of one record; valid during the call that gives it. */
struct wn_record_rows {
    struct wn_place place;
    const struct wn_row *rows; /* [n_rows], n_rows >= 1 */
    uint32_t n_rows;
    struct wn_span why;                         /* for bad records */
    const struct wn_side_tokens *cond, *direct; /* [n_rows] where keep_tokens, else NULL */
};

struct wn_row_sink {
    void *context;
    /* Called once per record of the unit, in record order. What it returns ends the run unless WN_OK. */
    wn_code (*put)(void *context, const struct wn_record_rows *rows, struct wn_error *err);
};

struct wn_scorer;

/* WN_USAGE for a max_length above the model's positions; WN_MODEL where the tokenizer has ids the
 * embedding lacks. */
wn_code wn_scorer_new(const struct wn_score_options *options, const struct wn_corpus *corpus,
                      const struct wn_tokenizer *tokenizer, struct wn_model *model,
                      struct wn_scorer **out_scorer, struct wn_error *err);
void wn_scorer_free(struct wn_scorer *scorer);

int32_t wn_scorer_max_length(const struct wn_scorer *scorer); /* the window in force */

struct wn_score_counts {
    uint64_t records, samples; /* handed on; samples are their rows (scored turns) */
    uint64_t tokens, wants;    /* real tokens of the texts asked for; losses asked for */
    uint64_t batches, rows; /* rows computed: fewer than tokens, as a text's last token is only predicted */
    uint64_t header_tokens; /* tokens of texts that a shared header held; its own computation is in rows */
    double flops;           /* useful work as docs/methods.md counts it */
    double seconds_model;   /* spent in the model */
};
struct wn_score_counts wn_scorer_counts(const struct wn_scorer *scorer);

/* Score records [unit->first, unit->first + unit->count) and hand their rows to `sink` in record order. */
wn_code wn_scorer_run(struct wn_scorer *scorer, const struct wn_unit *unit, const struct wn_row_sink *sink,
                      struct wn_error *err);

/* The same work as stages in threads, joined by bounded queues: reading and tokenizing (one or more threads), packing,
 * the model, reduction. Rows are the same bits as wn_scorer_run's.
 *
 *   wn_line_new(&options, corpus, tokenizer, model, &line, err)
 *   wn_line_start(line, crew, err)      the stages join the crew of the caller (base/crew.h)
 *   wn_line_give(line, &unit)           units queue up; their rows come in the order given, from the reduction thread
 *   wn_line_close(line)                 no more units: the stages end when what was given is done
 *   wn_line_is_done(line)               tells that; wait for it, since wn_crew_end stops what is left
 *   wn_line_cancel(line)                or at once, leaving what is begun (the crew's `stop` calls it)
 *   wn_crew_end(...); wn_line_free(line)
 */
struct wn_line_options {
    const struct wn_score_options *score; /* borrowed while the line lives */
    int32_t readers;                      /* reading threads; 0 = chosen: 1 beside a CPU model, more where it waits */
    int32_t units;                        /* that may be queued beside the one at work, >= 1 */
    struct wn_row_sink sink;              /* called from the reduction thread */
    /* After the last row of a unit, from the reduction thread, with the sink's context; NULL: not told. `counts` are of
     * this unit alone; batches, rows and seconds_model are what the model did since the unit before ended, also for
     * records of units that follow. What it returns ends the line unless WN_OK. */
    wn_code (*unit_end)(void *context, const struct wn_unit *unit, const struct wn_score_counts *counts,
                        struct wn_error *err);
};

struct wn_line;
struct wn_crew;

/* Errors as wn_scorer_new. The corpus may still be growing: units must lie in what is known of it. The model is the
 * line's until wn_line_free. */
wn_code wn_line_new(const struct wn_line_options *options, const struct wn_corpus *corpus,
                    const struct wn_tokenizer *tokenizer, struct wn_model *model, struct wn_line **out_line,
                    struct wn_error *err);
/* Starts the threads "reading", "packing", "model" and "reduction". Where it fails, end the crew, then free the line. */
wn_code wn_line_start(struct wn_line *line, struct wn_crew *crew, struct wn_error *err);
/* False where options.units are queued already (given, and no record of them being read), or the line is closed. Never
 * waits. Any thread. */
bool wn_line_give(struct wn_line *line, const struct wn_unit *unit);
void wn_line_close(struct wn_line *line);
void wn_line_cancel(struct wn_line *line); /* from any thread; does not wait */
/* True when the line was closed and all that was given is done, the last unit_end too. Any thread. */
bool wn_line_is_done(const struct wn_line *line);
/* Records whose rows were handed on so far: a sign of life. Any thread. */
uint64_t wn_line_records(const struct wn_line *line);
/* Layers that the model has run so far: it moves inside a long batch. Any thread. */
uint64_t wn_line_moves(const struct wn_line *line);
int32_t wn_line_max_length(const struct wn_line *line);
/* After all threads have ended; NULL is allowed. */
void wn_line_free(struct wn_line *line);

#endif
