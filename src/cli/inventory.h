/* What a checkpoint's files hold, by their headers alone: for `inspect checkpoint`.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLI_INVENTORY_H
#define WINNOW_CLI_INVENTORY_H

#include "winnow/status.h"

#include <stdint.h>

struct wn_inventory {
    uint64_t n_tensors; /* in all files, the ignored ones too */
    uint64_t n_files;
    char types[64]; /* as the files name them, in the order met: "F32", "BF16, F32" */
};

/* Read the headers of model.safetensors, or of the shards that model.safetensors.index.json names, in `folder`.
 * WN_MODEL naming the file for what cannot be read. Meant for a checkpoint that wn_model_open took. */
wn_code wn_inventory_read(const char *folder, struct wn_inventory *out_inventory, struct wn_error *err);

#endif
