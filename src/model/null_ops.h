/* A backend that computes no network: every answer is a hash of the tokens it may depend on. For tests of
 * everything around the model (packing, journals, ranks), where a wrong path, slot or destination must show.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   mix(x)      = x ^= x >> 30, x *= 0xbf58476d1ce4e5b9, x ^= x >> 27, x *= 0x94d049bb133111eb, x ^= x >> 31
 *                 (the finalizer of SplitMix64, Steele, Lea and Flood 2014)
 *   front       = 0 for a root; the state of the parent's last token for others
 *   noise       adds mix(seed + mix(record + 1)) to the front, where its scale is not 0
 *   state       of a token = mix(state before it + 0x9e3779b97f4a7c15 x (id + 1))
 *               of token i of a bidirectional segment = mix(state of its last token + i + 1)
 *   unit(x)     = (x >> 40) / 2^24, in [0, 1)
 *   LOSS        = 16 unit(mix(state + target + 1)); entropy NaN; greedy = (state >> 8) mod V
 *   LOGIT       = -LOSS; greedy WN_NONE
 *   hidden state, dimension c = 2 unit(mix(state + c + 1)) - 1; pooled as by the other backends
 */
#ifndef WINNOW_MODEL_NULL_OPS_H
#define WINNOW_MODEL_NULL_OPS_H

#include "winnow/ops.h"

const struct wn_ops *wn_ops_null(void);

#endif
