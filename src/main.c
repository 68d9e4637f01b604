/* The program winnow.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"

#include <signal.h>

int main(int argc, char **argv)
{
    /* A reader that went away and the limit on the size of a file are errors of writing (EPIPE, EFBIG), with a message
     * and nothing half-written; by default they would end the process at once. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    return wn_cli_main(argc, argv);
}
