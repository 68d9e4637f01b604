/* Clocks: one that never goes back, to measure with, and the time of day as text.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_BASE_CLOCK_H
#define WINNOW_BASE_CLOCK_H

#include <stdint.h>

/* Of a clock that never goes back (CLOCK_MONOTONIC); it counts while the process is stopped. */
double wn_clock(void);     /* seconds */
int64_t wn_clock_ns(void); /* nanoseconds */

/* Time now, UTC, "2025-01-31T12:00:00Z". */
void wn_time_text(char out[21]);

#endif
