/* winnow --version: the program and the libraries it runs with.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLI_VERSION_H
#define WINNOW_CLI_VERSION_H

#include <stdbool.h>
#include <stdio.h>

/* One line each: winnow (and the commit it was built from, where that is known), HDF5, oneDNN, cJSON, PCRE2, utf8proc,
 * zstd, zlib, xxHash; libraries that are not loaded are left out. */
void wn_version_write(FILE *to);

#endif
