/* Files that appear whole or not at all.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct wn_file {
    char *path, *temporary;
    FILE *stream;
};

/* "No space left on device (12 MB free on that file system)": what a person must know to go on. */
static wn_code fail_writing(const char *path, int reason, struct wn_error *err)
{
    struct statvfs space;
    if (reason == EDQUOT) {
        WN_FAIL(err, WN_IO, "%s: cannot be written: the disk quota is used up; free some of it and run again",
                path);
    }
    if (reason == ENOSPC && statvfs(path, &space) == 0) {
        WN_FAIL(err, WN_IO,
                "%s: cannot be written: the file system is full (%llu MB free); free space and run again",
                path, (unsigned long long)space.f_bavail * space.f_frsize / 1000000u);
    }
    WN_FAIL(err, WN_IO, "%s: cannot be written: %s", path, strerror(reason));
}

static void free_file(struct wn_file *file)
{
    free(file->path);
    free(file->temporary);
    free(file);
}

/* Where the file goes, in new memory: `path`, or what it leads to where it is a link. A rename onto a link
 * would replace the link and leave the file behind it as it was. */
static wn_code target_find(const char *path, char **out_target, struct wn_error *err)
{
    struct stat facts;
    const bool is_link = lstat(path, &facts) == 0 && S_ISLNK(facts.st_mode);
    *out_target = is_link ? realpath(path, NULL) : strdup(path);
    WN_CHECK(*out_target != NULL || !is_link || errno == ENOMEM, err, WN_IO,
             "%s: is a link that leads to no file (%s): remove the link, or make the file that it names",
             path, strerror(errno));
    WN_CHECK(*out_target != NULL, err, WN_DEVICE, "out of memory for a path");
    return WN_OK;
}

wn_code wn_file_create(const char *path, struct wn_file **out_file, struct wn_error *err)
{
    struct wn_file *file = calloc(1, sizeof *file);
    WN_CHECK(file != NULL, err, WN_DEVICE, "out of memory for a file");
    const wn_code found = target_find(path, &file->path, err);
    if (found != WN_OK) {
        free_file(file);
        return found;
    }
    if (asprintf(&file->temporary, "%s.tmp.%ld", file->path, (long)getpid()) < 0) {
        file->temporary = NULL;
        free_file(file);
        WN_FAIL(err, WN_DEVICE, "out of memory for a path");
    }
    /* Exclusive and not through a link: nothing that exists is ever written into. A file of that name can only be
     * left over from a killed process with our number, so it may go. */
    (void)unlink(file->temporary);
    const int fd = open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0) {
        file->stream = fdopen(fd, "w");
    }
    if (file->stream == NULL) {
        const int reason = errno;
        const wn_code code = fail_writing(file->temporary, reason, err);
        free_file(file);
        return code;
    }
    *out_file = file;
    return WN_OK;
}

wn_code wn_file_write(struct wn_file *file, struct wn_span bytes, struct wn_error *err)
{
    if (bytes.size > 0 && fwrite(bytes.data, 1, bytes.size, file->stream) != bytes.size) {
        return fail_writing(file->temporary, errno, err);
    }
    return WN_OK;
}

wn_code wn_file_print(struct wn_file *file, struct wn_error *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int n = vfprintf(file->stream, format, arguments);
    va_end(arguments);
    return n < 0 ? fail_writing(file->temporary, errno, err) : WN_OK;
}

const char *wn_file_temporary(const struct wn_file *file)
{
    return file->temporary;
}

/* A rename is on disk only when its folder is. File systems that cannot sync a folder say EINVAL; that is their best. */
static bool sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    if (n >= sizeof folder) {
        return true;
    }
    snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)(n == 0 ? 1 : n),
             slash == NULL ? "." : path);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return true;
    }
    const bool ok = fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
    close(fd);
    return ok;
}

wn_code wn_file_commit(struct wn_file **file, struct wn_error *err)
{
    struct wn_file *const f = *file;
    /* A library may have written the bytes through its own descriptor: sync what the name holds now. */
    bool ok = fflush(f->stream) == 0 && fsync(fileno(f->stream)) == 0;
    int reason = errno;
    if (fclose(f->stream) != 0 && ok) {
        ok = false;
        reason = errno;
    }
    f->stream = NULL;
    if (ok && rename(f->temporary, f->path) != 0) {
        ok = false;
        reason = errno;
    }
    wn_code code = WN_OK;
    if (!ok) {
        code = fail_writing(f->path, reason, err);
        (void)unlink(f->temporary);
    } else if (!sync_folder(f->path)) {
        code = fail_writing(f->path, errno, err);
    }
    free_file(f);
    *file = NULL;
    return code;
}

void wn_file_abandon(struct wn_file **file)
{
    if (*file == NULL) {
        return;
    }
    (void)fclose((*file)->stream);
    (void)unlink((*file)->temporary);
    free_file(*file);
    *file = NULL;
}

wn_code wn_directory_make(const char *path, struct wn_error *err)
{
    char part[PATH_MAX];
    const size_t size = strlen(path);
    WN_CHECK(size > 0 && size < sizeof part, err, WN_IO, "\"%s\" is no name for a folder", path);
    for (size_t i = 1; i <= size; ++i) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            return fail_writing(part, errno, err);
        }
    }
    struct stat info;
    WN_CHECK(stat(path, &info) == 0 && S_ISDIR(info.st_mode), err, WN_IO, "%s: is not a folder", path);
    return WN_OK;
}

bool wn_path_exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

char *wn_path_join(const char *folder, const char *name)
{
    char *joined = NULL;
    const size_t n = strlen(folder);
    const char *separator = n > 0 && folder[n - 1] == '/' ? "" : "/";
    return asprintf(&joined, "%s%s%s", folder, n > 0 ? separator : "", name) < 0 ? NULL : joined;
}
