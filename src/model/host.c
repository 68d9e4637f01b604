/* What this process may use of its machine.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/host.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 256, MOST_CORES = 4096 };

/* The first line of a file of the control group: in the process's own group (/proc/self/cgroup, "0::PATH"),
 * else at the root, which is where a container sees its own. */
static bool group_line(const char *file, char out[LINE])
{
    char own[PATH_MAX] = "";
    FILE *const list = fopen("/proc/self/cgroup", "re");
    if (list != NULL) {
        char line[PATH_MAX];
        while (fgets(line, sizeof line, list) != NULL) {
            line[strcspn(line, "\n")] = '\0';
            if (strncmp(line, "0::", 3) == 0) {
                (void)snprintf(own, sizeof own, "%s", line + 3);
            }
        }
        (void)fclose(list);
    }
    const char *const groups[] = {own, ""};
    for (size_t i = 0; i < 2; ++i) {
        char path[PATH_MAX + LINE];
        (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", groups[i], file);
        FILE *const stream = fopen(path, "re");
        if (stream != NULL) {
            const bool is_read = fgets(out, LINE, stream) != NULL;
            (void)fclose(stream);
            if (is_read) {
                return true;
            }
        }
    }
    return false;
}

int32_t wn_host_threads(void)
{
    int32_t n = 1;
    cpu_set_t *const set = CPU_ALLOC(MOST_CORES);
    const size_t size = CPU_ALLOC_SIZE(MOST_CORES);
    if (set != NULL && sched_getaffinity(0, size, set) == 0) {
        n = CPU_COUNT_S(size, set);
    }
    CPU_FREE(set);
    char line[LINE];
    if (group_line("cpu.max", line)) { /* "QUOTA PERIOD" in microseconds, or "max PERIOD" */
        char *rest = NULL;
        const long long quota = strtoll(line, &rest, 10);
        const long long period = strtoll(rest, NULL, 10);
        if (quota > 0 && period > 0 && (quota + period - 1) / period < n) {
            n = (int32_t)((quota + period - 1) / period);
        }
    }
    return n < 1 ? 1 : n;
}

/* A count of bytes in `line`; false for "max" or nothing. */
static bool read_bytes(const char *line, uint64_t *out)
{
    char *rest = NULL;
    const unsigned long long value = strtoull(line, &rest, 10);
    *out = value;
    return rest != line;
}

uint64_t wn_host_memory(void)
{
    uint64_t free_bytes = (uint64_t)1 << 30;
    char line[LINE];
    FILE *const stream = fopen("/proc/meminfo", "re");
    while (stream != NULL && fgets(line, sizeof line, stream) != NULL) {
        uint64_t kib = 0;
        if (strncmp(line, "MemAvailable:", 13) == 0 && read_bytes(line + 13, &kib)) {
            free_bytes = kib * 1024;
        }
    }
    if (stream != NULL) {
        (void)fclose(stream);
    }
    uint64_t limit = 0;
    uint64_t used = 0;
    if (group_line("memory.max", line) && read_bytes(line, &limit) && group_line("memory.current", line) &&
        read_bytes(line, &used)) {
        const uint64_t left = limit > used ? limit - used : 0;
        free_bytes = left < free_bytes ? left : free_bytes;
    }
    return free_bytes;
}
