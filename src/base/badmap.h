/* A mapped file that loses bytes under its reader ends the process with a message instead of a bare signal.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Called once by main(), before other threads are made and before libraries that set handlers of their own (MPI keeps
 * one that it finds).
 */
#ifndef WINNOW_BASE_BADMAP_H
#define WINNOW_BASE_BADMAP_H

/* From here on a SIGBUS at an address of a mapped file (it became shorter, or its disk or file server failed) writes one
 * line to stderr that names the file, and ends the process with code WN_IO. Any other SIGBUS meets its default. */
void wn_badmap_watch(void);

#endif
