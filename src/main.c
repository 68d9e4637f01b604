/* The program winnow.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return wn_cli_main(argc, argv);
}
