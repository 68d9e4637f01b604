/* The CPU backend: the table of winnow/ops.h on model threads, in float32.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Operations are the references of this folder; matrix products are oneDNN's where the build has it. Work is
 * split over threads by row tile, by column block of a weight (products), by (segment, query tile, key head)
 * (attention) and by (vocabulary chunk, row tile) (head); no value depends on the split.
 */
#ifndef WINNOW_KERNELS_OPS_CPU_H
#define WINNOW_KERNELS_OPS_CPU_H

#include "winnow/ops.h"

const struct wn_ops *wn_ops_cpu(void);           /* oneDNN's products where the build has them */
const struct wn_ops *wn_ops_cpu_reference(void); /* plain products: slow, needs no library */

#endif
