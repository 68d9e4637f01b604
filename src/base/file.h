/* Files that appear whole or not at all: written under a temporary name, synced, renamed.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   struct wn_file *f; WN_TRY(wn_file_create(path, &f, err));
 *   ... wn_file_write(f, bytes, err) ...
 *   WN_TRY(wn_file_commit(&f, err));        or wn_file_abandon(&f) on any other way out
 */
#ifndef WINNOW_BASE_FILE_H
#define WINNOW_BASE_FILE_H

#include "winnow/span.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

struct wn_file;

/* A new file `path`.tmp.PID, opened exclusively, in *out_file. An existing `path` stays as it is until commit. Where
 * `path` is a link, the file that it leads to is the one replaced, the temporary file stands beside that one, and the
 * link stays; a link that leads to no file is refused (WN_IO). Else WN_IO with the system's reason and, for a full disk or quota, what is needed. */
wn_code wn_file_create(const char *path, struct wn_file **out_file, struct wn_error *err);
wn_code wn_file_write(struct wn_file *file, struct wn_span bytes, struct wn_error *err);
/* printf into the file. */
wn_code wn_file_print(struct wn_file *file, struct wn_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The temporary name, for a library that writes by itself (HDF5). */
const char *wn_file_temporary(const struct wn_file *file);
/* Flush, sync, rename to the final name, sync the directory; frees the file and sets *file to NULL either way. */
wn_code wn_file_commit(struct wn_file **file, struct wn_error *err);
void wn_file_abandon(struct wn_file **file); /* removes the temporary file; *file may be NULL */

/* Set *err to "PATH: cannot be VERB: what is wrong; how to mend it" and return WN_IO. `verb` as in "read", "written",
 * "made"; `reason` is the errno of the call that failed. For all who call the system themselves, so that a full disk is
 * told the same way everywhere. */
wn_code wn_io_fail(const char *path, const char *verb, int reason, struct wn_error *err);
/* The names in the folder of the file `path` are on disk when this returns; WN_IO. Nothing where the file system cannot
 * do that: it promises no more by itself. */
wn_code wn_folder_sync(const char *path, struct wn_error *err);

/* mkdir -p with mode 0777 and the umask. WN_IO. */
wn_code wn_directory_make(const char *path, struct wn_error *err);
bool wn_path_exists(const char *path);
/* "a/b" from "a" and "b" in new memory (free), or NULL without memory. */
char *wn_path_join(const char *folder, const char *name);

#endif
