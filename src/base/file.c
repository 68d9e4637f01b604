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

/* The folder that the file `path` stands in; false where its name is too long for any. */
static bool folder_of(const char *path, char out_folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        strcpy(out_folder, ".");
        return true;
    }
    const size_t n = slash == path ? 1 : (size_t)(slash - path);
    if (n >= PATH_MAX) {
        return false;
    }
    memcpy(out_folder, path, n);
    out_folder[n] = '\0';
    return true;
}

/* Where `path` stands, or will. */
static bool space_find(const char *path, struct statvfs *out_space)
{
    char folder[PATH_MAX];
    return statvfs(path, out_space) == 0 || (folder_of(path, folder) && statvfs(folder, out_space) == 0);
}

/* A full file system: of bytes, or of names (inodes), which `df` does not show. */
static wn_code fail_full(const char *path, const char *verb, struct wn_error *err)
{
    struct statvfs space;
    if (!space_find(path, &space)) {
        WN_FAIL(err, WN_IO, "%s: cannot be %s: the file system is full; free space there and run again", path,
                verb);
    }
    const unsigned long long left = (unsigned long long)space.f_bavail * space.f_frsize;
    if (space.f_files > 0 && space.f_favail == 0 && left > 0) {
        WN_FAIL(
            err, WN_IO,
            "%s: cannot be %s: the file system has no room for another file (no inodes left, see `df -i`); "
            "remove files there and run again",
            path, verb);
    }
    WN_FAIL(err, WN_IO,
            "%s: cannot be %s: the file system is full (%llu MB free); free space there and run again", path,
            verb, left / 1000000u);
}

static wn_code fail_missing(const char *path, const char *verb, struct wn_error *err)
{
    char folder[PATH_MAX];
    struct stat info;
    if (folder_of(path, folder) && stat(folder, &info) != 0) {
        WN_FAIL(err, WN_IO, "%s: cannot be %s: the folder %s is not there (any more); make it and run again",
                path, verb, folder);
    }
    WN_FAIL(err, WN_IO,
            "%s: cannot be %s: there is no such file; was it moved or removed? Put it back and run again",
            path, verb);
}

struct mend {
    int reason;
    const char *text;
};

/* What the system's own words do not say: how to go on. */
static const struct mend mends[] = {
    {EDQUOT, "the disk quota is used up (see `quota -s`); free some of it and run again"},
    {EROFS, "the file system is read-only; name another place, or see `dmesg` for a disk that failed, have "
            "it mounted "
            "for writing, and run again"},
    {ESTALE,
     "the file server no longer knows this file (it was replaced or removed on another machine); run again"},
    {EIO, "the disk or file server reports an error (see `dmesg`); when it is mended, or from a copy "
          "elsewhere, run "
          "again"},
    {EACCES, "permission denied; see `ls -ld` for the rights of the file and of its folder"},
    {EPERM,
     "the system does not allow it; see `ls -ld` and `lsattr` for the rights of the file and of its folder"},
    {ENOTDIR, "a part of this path is a file, not a folder; name another place"},
    {EISDIR, "it is a folder; name a file"},
    {ELOOP, "it is a link where none is allowed, or links lead in a circle; name the file itself"},
    {EEXIST, "it exists already; remove it or name another"},
    {ENAMETOOLONG, "the name is too long; choose a shorter one"},
    {EMFILE, "too many files are open; raise `ulimit -n` and run again"},
    {ENFILE, "too many files are open on this machine; run again when fewer are"},
    {EFBIG,
     "it would be larger than the file system or `ulimit -f` allows; raise that limit or name another place"},
    {ENOMEM, "the system is out of memory; free some and run again"},
    {ENOLCK, "the file server gives no more locks; run again later"},
    {ETIMEDOUT, "the file server does not answer; run again when it does"},
    {EHOSTDOWN, "the file server is down; run again when it is up"},
    {ENOTCONN, "the file system has lost its server; run again when it is mounted again"},
    {ESHUTDOWN, "the file system has lost its server; run again when it is mounted again"},
    {EREMOTEIO, "the file server reports an error; run again when it is mended"},
};

wn_code wn_io_fail(const char *path, const char *verb, int reason, struct wn_error *err)
{
    if (reason == ENOSPC) {
        return fail_full(path, verb, err);
    }
    if (reason == ENOENT) {
        return fail_missing(path, verb, err);
    }
    for (size_t i = 0; i < sizeof mends / sizeof mends[0]; ++i) {
        if (mends[i].reason == reason) {
            WN_FAIL(err, WN_IO, "%s: cannot be %s: %s", path, verb, mends[i].text);
        }
    }
    WN_FAIL(err, WN_IO, "%s: cannot be %s: %s", path, verb, strerror(reason));
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
        const wn_code code = wn_io_fail(file->temporary, "written", reason, err);
        free_file(file);
        return code;
    }
    *out_file = file;
    return WN_OK;
}

wn_code wn_file_write(struct wn_file *file, struct wn_span bytes, struct wn_error *err)
{
    if (bytes.size > 0 && fwrite(bytes.data, 1, bytes.size, file->stream) != bytes.size) {
        return wn_io_fail(file->temporary, "written", errno, err);
    }
    return WN_OK;
}

wn_code wn_file_print(struct wn_file *file, struct wn_error *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int n = vfprintf(file->stream, format, arguments);
    va_end(arguments);
    return n < 0 ? wn_io_fail(file->temporary, "written", errno, err) : WN_OK;
}

const char *wn_file_temporary(const struct wn_file *file)
{
    return file->temporary;
}

wn_code wn_folder_sync(const char *path, struct wn_error *err)
{
    char folder[PATH_MAX];
    if (!folder_of(path, folder)) {
        return wn_io_fail(path, "synced", ENAMETOOLONG, err);
    }
    /* A folder that may be written but not read (a drop box) cannot be synced. */
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == EACCES || errno == EPERM ? WN_OK : wn_io_fail(folder, "synced", errno, err);
    }
    int result = 0;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    const int reason = result != 0 ? errno : 0;
    (void)close(fd);
    /* File systems that cannot sync a folder say one of these; that is their best. */
    const bool is_done = reason == 0 || reason == EINVAL || reason == EROFS || reason == ENOSYS ||
                         reason == ENOTSUP || reason == EBADF;
    return is_done ? WN_OK : wn_io_fail(folder, "synced", reason, err);
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
        code = wn_io_fail(f->path, "written", reason, err);
        (void)unlink(f->temporary);
    } else {
        code = wn_folder_sync(f->path, err); /* a rename is on disk only when its folder is */
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
            return wn_io_fail(part, "made", errno, err);
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
