/* What a model is, in 128 bits: the configuration fields that decide values, and every tensor that is used.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The text of the configuration goes first, then for each tensor, sorted by canonical name, one line
 * "name type d0,d1\n" and its bytes. Each line ends the part before it, so no two models give the same
 * stream.
 */
#include "model/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>

enum { LINE = 1024 };

/* %a keeps every bit of a double. */
static void add_config(struct wn_hasher *hasher, const struct wn_config *c)
{
    char line[LINE];
    int n = snprintf(line, sizeof line,
                     "winnow model 1\n%s %d %d %d %d %d %d %d %d\nnorm %d %a mlp %d act %d\nrope %d %a %a %a "
                     "%a %a %a %a %a "
                     "%a %d %d\n",
                     c->family, (int)c->L, (int)c->C, (int)c->H, (int)c->G, (int)c->D, (int)c->F, (int)c->V,
                     (int)c->positions, (int)c->norm, c->norm_eps, (int)c->mlp, (int)c->activation,
                     (int)c->rope.kind, c->rope.theta, c->rope.factor, c->rope.low_freq_factor,
                     c->rope.high_freq_factor, c->rope.beta_fast, c->rope.beta_slow, c->rope.attention_factor,
                     c->rope.mscale, c->rope.mscale_all_dim, (int)c->rope.truncate,
                     (int)c->rope.original_positions);
    wn_hasher_add(hasher, line, (size_t)n);
    n = snprintf(line, sizeof line, "flags %d %d %d %d %d %d %d scale %a %d\n", (int)c->has_position_table,
                 (int)c->has_qkv_bias, (int)c->has_out_bias, (int)c->has_mlp_bias, (int)c->has_qk_norm,
                 (int)c->has_tied_head, (int)c->is_transposed, c->attention_scale, (int)c->scale_by_layer);
    wn_hasher_add(hasher, line, (size_t)n);
    for (int32_t layer = 0; layer < c->L; ++layer) {
        n = snprintf(line, sizeof line, "window %d\n", (int)c->window[layer]);
        wn_hasher_add(hasher, line, (size_t)n);
    }
}

wn_code wn_checkpoint_hash(const struct wn_checkpoint *checkpoint, const struct wn_config *config,
                           char out_text[33], struct wn_error *err)
{
    static const char *const types[] = {[WN_F32] = "F32", [WN_F16] = "F16", [WN_BF16] = "BF16"};
    struct wn_hasher *hasher = NULL;
    WN_TRY(wn_hasher_new(&hasher, err));
    add_config(hasher, config);
    for (size_t i = 0; checkpoint != NULL && i < checkpoint->n_tensors; ++i) {
        const struct wn_tensor *const tensor = &checkpoint->tensors[i];
        char line[LINE];
        int n = snprintf(line, sizeof line, "%s %s", tensor->name, types[tensor->dtype]);
        for (int32_t d = 0; d < tensor->n_dims; ++d) {
            n += snprintf(line + n, sizeof line - (size_t)n, "%c%" PRId64, d == 0 ? ' ' : ',',
                          tensor->shape[d]);
        }
        line[n++] = '\n';
        wn_hasher_add(hasher, line, (size_t)n);
        wn_hasher_add(hasher, tensor->data, tensor->size);
    }
    wn_hasher_text(hasher, out_text);
    wn_hasher_free(hasher);
    return WN_OK;
}
