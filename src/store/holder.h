/* Who holds a lock: this process as a holder, holders as text, whether one is known dead. Private to store.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_STORE_HOLDER_H
#define WINNOW_STORE_HOLDER_H

#include "store/lock.h"
#include "winnow/span.h"

enum { WN_HOLDER_TEXT = 4096, WN_HOLDER_KEY = 17 };

/* This process now, but for the epoch. What the system does not tell stays "" or 0. */
void wn_holder_self(struct wn_lock_holder *out_holder);
/* As one line of JSON, with `key` (random, so that no two locks have the same text); *out_size without the ending 0. */
wn_code wn_holder_print(const struct wn_lock_holder *holder, const char key[WN_HOLDER_KEY],
                        char out_text[WN_HOLDER_TEXT], size_t *out_size, struct wn_error *err);
/* False, and an empty holder, where the text is none: torn, or not by this program. */
bool wn_holder_parse(struct wn_span text, struct wn_lock_holder *out_holder);
/* Whether the holder cannot be alive, seen from `self`. False wherever that is not sure. */
bool wn_holder_is_dead(const struct wn_lock_holder *holder, const struct wn_lock_holder *self);
/* "host n17, pid 4242 (Slurm job 991)" for messages. */
void wn_holder_name(const struct wn_lock_holder *holder, char *out_text, size_t size);

#endif
