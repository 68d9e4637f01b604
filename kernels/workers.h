/* The model threads: a small pool that runs one list of items at a time.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Items are taken in order by whoever is free; what an item computes must not depend on who takes it. The
 * caller works too, as thread 0.
 */
#ifndef WINNOW_KERNELS_WORKERS_H
#define WINNOW_KERNELS_WORKERS_H

#include "winnow/status.h"

#include <stdint.h>

struct wn_workers;

typedef void wn_work(void *context, int64_t item, int32_t thread);

/* `threads` >= 1, the caller's among them. All signals are blocked in the new threads. WN_DEVICE where they
 * cannot be made. Owned by the caller (wn_workers_free). */
wn_code wn_workers_new(int32_t threads, struct wn_workers **out_workers, struct wn_error *err);
void wn_workers_free(struct wn_workers *workers); /* NULL is allowed */
int32_t wn_workers_count(const struct wn_workers *workers);

/* work(context, i, thread) for i = 0 .. n_items - 1; returns when all are done. */
void wn_workers_run(struct wn_workers *workers, wn_work *work, void *context, int64_t n_items);

#endif
