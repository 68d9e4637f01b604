/* The model: a Hugging Face checkpoint folder and a backend; batches in, wanted values out.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_MODEL_MODEL_H
#define WINNOW_MODEL_MODEL_H

#include "winnow/batch.h"
#include "winnow/run.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wn_log;
struct wn_model;

/* A model keeps room for this many shared headers, which together have at most WN_MODEL_HEADER_TOKENS tokens, nor more
 * than max_path. */
enum { WN_MODEL_HEADERS = 2, WN_MODEL_HEADER_TOKENS = 1024 };

struct wn_model_options {
    const char *dtype; /* "auto", "f32" (bf16 and f16 where a backend offers them; else WN_MODEL says so) */
    const char
        *device; /* "auto", "cpu", "cuda" (WN_DEVICE where there is none), "null" (tests: losses by hash) */
    int32_t threads;     /* CPU: model threads; 0 = the cores this process may use */
    int32_t batch_rows;  /* N; rounded up to a multiple of R; 0 = chosen from memory */
    int32_t max_path;    /* longest path (tokens) that will be asked for; <= positions; 0 = positions */
    int32_t extra_slots; /* kept slots beyond those for one chain of max_path tokens and for the headers */
    const struct wn_log *log;
};

/* `path`: a checkpoint folder, a hub cache folder (models--org--name), or org/name, looked up in $HF_HUB_CACHE,
 * $HF_HOME/hub, ~/.cache/huggingface/hub; never in the network. WN_MODEL: not found (the places tried are listed),
 * unsupported or damaged (tensor and field are named). Owned by the caller (wn_model_close). */
wn_code wn_model_open(const char *path, const struct wn_model_options *options, struct wn_model **out_model,
                      struct wn_error *err);
void wn_model_close(struct wn_model *model); /* NULL is allowed */

/* The part of wn_model_open's checks that no model is needed for. WN_USAGE for an option that is wrong whatever the
 * model is; WN_DEVICE for a device that this build does not have. */
wn_code wn_model_options_check(const struct wn_model_options *options, struct wn_error *err);

/* What a checkpoint is, without a backend: no weight is kept in memory. */
struct wn_model_summary {
    char *folder;       /* that the path meant, links resolved */
    const char *family; /* as in wn_model_info, here and below; constant text */
    int32_t L, C, H, G, D, F, V, positions;
    int64_t parameters, body_parameters;
    char hash[33];    /* empty where it was not asked for */
    char stored[24];  /* types of the used tensors as the files name them: "F32", "F32, BF16" */
    size_t n_tensors; /* in all files, the ignored ones too */
    size_t n_files;   /* that hold tensors */
    char **ignored; /* [n_ignored] names of tensors that need not be read, sorted; printable, long ones cut */
    size_t n_ignored;
};

/* Resolve `path` as wn_model_open does, read the configuration and the headers, and hold every tensor against the
 * configuration: what this takes, wn_model_open does, memory permitting. The hash, where `wants_hash`, reads every byte
 * of the weights; all else is quick. Ignored tensors are also told to `log` (may be NULL). Freed with
 * wn_model_summary_free, on WN_OK only. WN_MODEL as wn_model_open, WN_DEVICE without memory. */
wn_code wn_model_inspect(const char *path, bool wants_hash, const struct wn_log *log,
                         struct wn_model_summary *out_summary, struct wn_error *err);
void wn_model_summary_free(struct wn_model_summary *summary);

/* The folder that `path` means, links resolved, in `out_folder` (PATH_MAX bytes): for the tokenizer and records. */
wn_code wn_model_resolve(const char *path, char *out_folder, size_t size, struct wn_error *err);

struct wn_model_info {
    const char *family; /* "gpt2", "llama", "mistral", "qwen2", "qwen3"; constant text */
    int32_t L, C, H, G, D, F,
        V;              /* layers, channels, heads, KV heads, head size, MLP inner size, embedding rows */
    int32_t positions;  /* the longest path it takes */
    int64_t parameters; /* tied head counted once */
    int64_t body_parameters; /* without embedding, positions and head: what a token costs */
    char hash
        [33]; /* XXH3-128 over names, types, shapes and bytes of all used tensors and used config fields */
    struct wn_numeric_class numeric;
    int32_t batch_rows; /* N */
    int32_t n_slots;    /* kept slots of slot_rows rows each */
    int32_t slot_rows;
    int32_t threads;
};
const struct wn_model_info *wn_model_info(const struct wn_model *model);

/* Run one batch. values[n_values] and pools[n_pools][C] receive what its wants name; the rest is left alone. A
 * non-finite value is a result, not an error. One batch at a time. WN_DEVICE; WN_DEFECT for a batch that breaks the
 * contract (checked: rows, parents, slots, positions, destinations). */
wn_code wn_model_forward(struct wn_model *model, const struct wn_batch *batch, struct wn_value *values,
                         size_t n_values, float *pools, size_t n_pools, struct wn_error *err);

/* Have `moved(context)` called by the thread that runs a batch, after each layer and at its end: a sign of life inside
 * a long batch. It must be quick. NULL: nobody watches. Not while a batch runs. */
void wn_model_watch(struct wn_model *model, void (*moved)(void *context), void *context);

/* FLOPs of useful work for n new tokens at path position p with w head rows: 2 x body weights per token, 2 C V per
 * head row, causal attention of real tokens (4 C' per pair, C' = H x D). */
double wn_model_flops(const struct wn_model_info *info, int64_t n, int64_t p, int64_t w);

#endif
