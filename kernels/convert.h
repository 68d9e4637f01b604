/* Bytes of a checkpoint's tensor -> float32, exactly.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_KERNELS_CONVERT_H
#define WINNOW_KERNELS_CONVERT_H

#include "winnow/ops.h"

#include <stddef.h>
#include <stdint.h>

size_t wn_element_size(enum wn_element element); /* bytes */

/* y[n] = the n little-endian elements at `data` (any alignment). Every f16 and bf16 value is a float32 value,
 * so nothing rounds; NaN stays NaN, infinities and denormals are kept. */
void wn_convert(enum wn_element element, const void *data, size_t n, float *restrict y);

/* out[inputs][outputs], rows `stride` floats apart: the slice of `source`, transposed unless it is_transposed
 * already. inputs and outputs are those of the slice. Zeros where source->data is NULL. */
void wn_convert_matrix(const struct wn_source *source, float *restrict out, size_t stride);

/* Inputs (rows of the packed matrix) and outputs (columns) of a slice. */
int64_t wn_source_inputs(const struct wn_source *source);
int64_t wn_source_outputs(const struct wn_source *source);

#endif
