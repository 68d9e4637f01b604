/* Orders for faults: what is to be done with a call that the fault library stands before.
 * SPDX-License-Identifier: Apache-2.0
 *
 * WINNOW_FAULT, WINNOW_FAULT_SEEN and WINNOW_FAULT_TRACE are described in fault.c.
 */
#ifndef WINNOW_TESTS_FAULTS_ORDERS_H
#define WINNOW_TESTS_FAULTS_ORDERS_H

#include <stdbool.h>
#include <stddef.h>

enum call {
    WRITE,
    SYNC,
    OPEN,
    CREATE,
    RENAME,
    LINK,
    UNLINK,
    CUT,
    READ,
    MKDIR,
    FLOCK,
    TOUCH,
    NAME,
    MEMORY,
    N_CALLS
};
enum action { NONE, KILL_BEFORE, KILL_INSIDE, KILL_AFTER, FAIL, SHORT, SLEEP, HANG, STOP };

/* What is to be done with one call. */
struct verdict {
    enum action action;
    int error;
};

/* Count the call on `path`, `size` bytes, and do what is to be done before it; the answer is what is left to do: NONE,
 * KILL_INSIDE, KILL_AFTER, FAIL or SHORT. Any thread. */
struct verdict wn_fault_judge(enum call call, const char *path, size_t size);
/* The same for an open file. Leaves errno alone. */
struct verdict wn_fault_judge_fd(enum call call, int fd, size_t size);
/* The same for a path that is meant from a folder on. */
struct verdict wn_fault_judge_at(enum call call, int folder, const char *path);
/* Whether any order is about memory: what every allocation asks first. */
bool wn_fault_has_memory(void);
_Noreturn void wn_fault_die(void);

#endif
