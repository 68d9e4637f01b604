/* What this process may use of its machine.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_MODEL_HOST_H
#define WINNOW_MODEL_HOST_H

#include <stdint.h>

/* Cores this process may use, >= 1: those of its affinity mask, no more than its control group's quota
 * (rounded up). */
int32_t wn_host_threads(void);

/* Bytes of memory that can be had without swapping: the smaller of MemAvailable and what the control group
 * has left; 1 GiB where neither can be read. */
uint64_t wn_host_memory(void);

#endif
