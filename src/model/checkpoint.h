/* Inside the checkpoint reader: the open files and the table of what is stored in them.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_MODEL_CHECKPOINT_H
#define WINNOW_MODEL_CHECKPOINT_H

#include "base/base.h"
#include "model/parts.h"
#include "model/safetensors.h"

struct wn_checkpoint {
    char *folder;
    struct wn_map *maps;  /* [n_files], mapped until close */
    struct wn_span *data; /* [n_files] borrowed: the maps, behind their headers */
    size_t n_files;
    struct wn_stored_list list; /* of all files, sorted by name; no name twice */
    struct wn_tensor
        *tensors; /* [n_tensors] what is used, sorted by canonical name; set by wn_checkpoint_check */
    size_t n_tensors;
    size_t *ignored; /* [n_ignored] places in `list` of what need not be read; set by wn_checkpoint_check */
    size_t n_ignored;
};

/* WN_MODEL where `path` is a link to nothing (a download that was not finished) or in a loop, else WN_OK. */
wn_code wn_link_check(const char *path, struct wn_error *err);

#endif
