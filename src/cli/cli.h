/* The face of the program: everything main() does.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLI_CLI_H
#define WINNOW_CLI_CLI_H

/* Run the command that argv names. Results go to stdout, messages and the error (one line and a hint) to stderr. The
 * value is the exit code of the program, as enum wn_code lists them. */
int wn_cli_main(int argc, char **argv);

#endif
