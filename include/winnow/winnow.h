/* winnow from C and C++: open a model, score texts, close. The only header of the installed library.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   winnow_handle *handle = NULL;
 *   winnow_error error;
 *   if (winnow_open("path/to/checkpoint", NULL, &handle, &error) != WINNOW_OK) { puts(error.text); ... }
 *   winnow_scores scores;
 *   winnow_score_sample(handle, "Name a colour.", "", "Red.", &scores, &error);
 *   printf("IFD %f\n", winnow_ifd_ppl(&scores));
 *   winnow_close(handle);
 *
 * Rules
 * - Texts are UTF-8 and end with a 0 byte. Losses are negative log-likelihoods in nats.
 * - Functions that can fail return WINNOW_OK (0) or a code, and fill *error where it is not NULL; outputs
 *   are then not valid. Nothing is printed, and the process is never ended. A NULL that is not allowed is
 *   WINNOW_USAGE.
 * - Whoever opens a handle closes it. Pointers in results belong to the handle and stay valid until its
 *   next call.
 * - One handle serves one thread at a time; handles do not share anything.
 * - Values are the same bits as those `winnow score` stores for equal text, model, window and numeric class.
 */
#ifndef WINNOW_WINNOW_H
#define WINNOW_WINNOW_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WINNOW_API __attribute__((visibility("default")))
#else
#define WINNOW_API
#endif

/* The numbers are those of the program's exit codes. */
enum winnow_code {
    WINNOW_OK = 0,
    WINNOW_DEFECT = 1, /* a defect of the library */
    WINNOW_USAGE = 2,  /* wrong use: option, value, combination */
    WINNOW_INPUT = 3,  /* a text is not UTF-8 */
    WINNOW_MODEL = 4,  /* model or tokenizer invalid or not supported */
    WINNOW_IO = 5,     /* file or disk */
    WINNOW_DEVICE = 6  /* device or memory */
};

enum winnow_status {
    WINNOW_STATUS_OK = 0,
    WINNOW_STATUS_TRUNCATED = 1,        /* a text was cut and both losses exist */
    WINNOW_STATUS_EMPTY_ANSWER = 2,     /* nothing was computed */
    WINNOW_STATUS_NO_ANSWER_TOKENS = 3, /* at least one of the two texts has no scored token */
    WINNOW_STATUS_NAN = 4               /* a loss was not finite */
};

typedef struct winnow_error {
    int code;        /* enum winnow_code */
    char text[6144]; /* what, where, and how to mend it */
} winnow_error;

/* Zeroed members mean the default. `size` is sizeof(winnow_options) of the caller's header. */
typedef struct winnow_options {
    size_t size;
    const char
        *profile; /* recipe of winnow_score_sample, and of BOS and windows: "superfiltering" by default */
    const char *device; /* "auto", "cpu", "cuda" */
    const char *dtype;  /* "auto", "f32" */
    int32_t threads;    /* 0: the cores this process may use */
    int32_t batch_rows; /* 0: chosen from memory; changes no bit of any value */
    int32_t max_length; /* window in tokens; 0: the profile's, at most the model's positions */
} winnow_options;

/* One text of a pair. What was not computed: counts 0, sum NaN. */
typedef struct winnow_side {
    uint32_t n;           /* tokens after truncation */
    uint32_t first;       /* position of the first answer token; may lie beyond the end */
    uint32_t k;           /* losses summed: of tokens n - k .. n - 1 */
    uint32_t cut;         /* 1 where the text was truncated */
    double sum;           /* nats */
    const int32_t *ids;   /* [n] */
    const uint32_t *ends; /* [n] byte in the text where each token ends; 0 for special tokens */
    const float *losses;  /* [k] nats */
} winnow_side;

typedef struct winnow_scores {
    int status;         /* enum winnow_status */
    winnow_side cond;   /* answer given its prompt */
    winnow_side direct; /* answer alone, with the profile's lead */
} winnow_scores;

typedef struct winnow_handle winnow_handle;

/* "0.1.0" */
WINNOW_API const char *winnow_version(void);

/* `model`: a checkpoint folder, a hub cache folder, or org/name in the local hub cache; never the network.
 * `options` may be NULL. A new handle in *out_handle. */
WINNOW_API int winnow_open(const char *model, const winnow_options *options, winnow_handle **out_handle,
                           winnow_error *error);
WINNOW_API void winnow_close(winnow_handle *handle); /* NULL is allowed */

/* Score `answer` after `prompt` exactly as given: no template is put around it. The direct text is the
 * profile's lead and the answer. */
WINNOW_API int winnow_score(winnow_handle *handle, const char *prompt, const char *answer,
                            winnow_scores *out_scores, winnow_error *error);

/* Score a sample by the profile's template. `input` may be NULL or "". */
WINNOW_API int winnow_score_sample(winnow_handle *handle, const char *instruction, const char *input,
                                   const char *answer, winnow_scores *out_scores, winnow_error *error);

/* Losses of all tokens of one text but the first, which nothing predicts (but where the tokenizer puts a
 * BOS). Longer texts are cut to the window. */
WINNOW_API int winnow_score_text(winnow_handle *handle, const char *text, winnow_side *out_side,
                                 winnow_error *error);

/* Ratios of scores whose status is ok or truncated, else NaN: loss_cond / loss_direct, where a loss is sum
 * / k, and exp(loss_cond - loss_direct). */
WINNOW_API double winnow_ifd_loss(const winnow_scores *scores);
WINNOW_API double winnow_ifd_ppl(const winnow_scores *scores);

#ifdef __cplusplus
}
#endif

#endif
