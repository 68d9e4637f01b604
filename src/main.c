/* The program winnow.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* A stage that hung was left behind with its thread: the usual end of a program would take from it what it uses. */
static bool has_other_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    size_t n = 0;
    while (tasks != NULL && n < 4 && readdir(tasks) != NULL) {
        n++;
    }
    if (tasks != NULL) {
        closedir(tasks);
    }
    return n > 3; /* ".", ".." and this one */
}

int main(int argc, char **argv)
{
    /* A reader that went away and the limit on the size of a file are errors of writing (EPIPE, EFBIG), with a message
     * and nothing half-written; by default they would end the process at once. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    const int code = wn_cli_main(argc, argv);
    if (has_other_threads()) {
        (void)fflush(NULL);
        _exit(code);
    }
    return code;
}
