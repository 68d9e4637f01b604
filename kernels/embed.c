/* Input embedding, plain: see embed.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/embed.h"

#include <stddef.h>

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

float wn_noise_unit(uint64_t seed, uint64_t record, uint32_t token, uint32_t dimension)
{
    const uint64_t key = mix(mix(seed) ^ record);
    const uint64_t counter = ((uint64_t)token << 32) | dimension;
    const uint64_t bits = mix(key + counter * UINT64_C(0x9e3779b97f4a7c15)) >> 40;
    return (float)((int64_t)(2 * bits + 1) - (INT64_C(1) << 24)) * 0x1p-24F;
}

void wn_embed_row(int32_t C, const float *token, const float *position, const float *type,
                  const struct wn_noise *noise, int32_t at, float *restrict y)
{
    for (int32_t c = 0; c < C; c++) {
        float sum = token[c];
        sum += position != NULL ? position[c] : 0.0F;
        sum += type != NULL ? type[c] : 0.0F;
        y[c] = sum;
    }
    if (noise->scale != 0.0F) {
        for (int32_t c = 0; c < C; c++) {
            y[c] += noise->scale * wn_noise_unit(noise->seed, noise->record, (uint32_t)at, (uint32_t)c);
        }
    }
}
