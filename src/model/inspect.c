/* A checkpoint seen without a backend.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "model/checkpoint.h"
#include "model/model.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 160 };

static bool is_outside_body(const char *name)
{
    static const char *const outside[] = {"wte.weight", "wpe.weight", "embed_tokens.weight",
                                          "lm_head.weight"};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; ++i) {
        if (strcmp(name, outside[i]) == 0) {
            return true;
        }
    }
    return false;
}

void wn_parameters_count(const struct wn_tensor *tensors, size_t n, int64_t *parameters, int64_t *body)
{
    for (size_t i = 0; i < n; ++i) {
        int64_t count = 1;
        for (int32_t d = 0; d < tensors[i].n_dims; ++d) {
            count *= tensors[i].shape[d];
        }
        *parameters += count;
        *body += is_outside_body(tensors[i].name) ? 0 : count;
    }
}

static void config_note(const struct wn_config *config, struct wn_model_summary *summary)
{
    summary->family = config->family;
    summary->L = config->L;
    summary->C = config->C;
    summary->H = config->H;
    summary->G = config->G;
    summary->D = config->D;
    summary->F = config->F;
    summary->V = config->V;
    summary->positions = config->positions;
}

static void types_note(const struct wn_tensor *tensors, size_t n, struct wn_model_summary *summary)
{
    static const char *const names[] = {[WN_F32] = "F32", [WN_F16] = "F16", [WN_BF16] = "BF16"};
    enum { N_NAMES = sizeof names / sizeof *names };
    bool is_met[N_NAMES] = {false};
    size_t used = 0;
    for (size_t i = 0; i < n; ++i) {
        is_met[tensors[i].dtype] = true;
    }
    for (size_t t = 0; t < N_NAMES; ++t) {
        if (is_met[t]) {
            used += (size_t)snprintf(summary->stored + used, sizeof summary->stored - used, "%s%s",
                                     used == 0 ? "" : ", ", names[t]);
        }
    }
}

static wn_code ignored_note(const struct wn_checkpoint *checkpoint, struct wn_model_summary *summary,
                            struct wn_error *err)
{
    summary->ignored = calloc(checkpoint->n_ignored + 1, sizeof *summary->ignored);
    WN_CHECK(summary->ignored != NULL, err, WN_DEVICE, "no memory for the names of ignored tensors");
    for (size_t i = 0; i < checkpoint->n_ignored; ++i) {
        char shown[SHOWN];
        const struct wn_stored *const stored = &checkpoint->list.items[checkpoint->ignored[i]];
        summary->ignored[i] = strdup(wn_cursor_show(wn_stored_name(stored), shown, sizeof shown));
        WN_CHECK(summary->ignored[i] != NULL, err, WN_DEVICE, "no memory for the names of ignored tensors");
        summary->n_ignored = i + 1;
    }
    return WN_OK;
}

wn_code wn_model_inspect(const char *path, bool wants_hash, const struct wn_log *log,
                         struct wn_model_summary *out_summary, struct wn_error *err)
{
    char folder[PATH_MAX];
    struct wn_config config;
    struct wn_model_summary summary = {.n_files = 0};
    struct wn_checkpoint *checkpoint = NULL;
    const struct wn_tensor *tensors = NULL;
    wn_code code = WN_OK;
    WN_TRY(wn_model_resolve(path, folder, sizeof folder, err));
    WN_TRY(wn_config_read(folder, &config, err));
    WN_TRY_OR(done, wn_checkpoint_open(folder, &checkpoint, err));
    WN_TRY_OR(done, wn_checkpoint_check(checkpoint, &config, log, err));
    const size_t n = wn_checkpoint_tensors(checkpoint, &tensors);
    config_note(&config, &summary);
    types_note(tensors, n, &summary);
    wn_parameters_count(tensors, n, &summary.parameters, &summary.body_parameters);
    summary.n_tensors = checkpoint->list.n;
    summary.n_files = checkpoint->n_files;
    WN_TRY_OR(done, ignored_note(checkpoint, &summary, err));
    if (wants_hash) {
        WN_TRY_OR(done, wn_checkpoint_hash(checkpoint, &config, summary.hash, err));
    }
    summary.folder = strdup(folder);
    if (summary.folder == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "no memory for a path");
        goto done;
    }
    *out_summary = summary;
done:
    wn_checkpoint_close(checkpoint);
    if (code != WN_OK) {
        wn_model_summary_free(&summary);
    }
    return code;
}

void wn_model_summary_free(struct wn_model_summary *summary)
{
    for (size_t i = 0; i < summary->n_ignored; ++i) {
        free(summary->ignored[i]);
    }
    free(summary->ignored);
    free(summary->folder);
    *summary = (struct wn_model_summary){.n_files = 0};
}
