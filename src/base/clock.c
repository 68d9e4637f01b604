/* Clocks: one that never goes back, to measure with, and the time of day as text.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/clock.h"

#include <time.h>

int64_t wn_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

double wn_clock(void)
{
    return (double)wn_clock_ns() * 1e-9;
}

void wn_time_text(char out[21])
{
    const time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(out, 21, "%Y-%m-%dT%H:%M:%SZ", &parts);
}
