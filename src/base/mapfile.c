/* A regular file, mapped read-only.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *kind_of(mode_t mode)
{
    if (S_ISDIR(mode)) {
        return "a folder";
    }
    if (S_ISFIFO(mode)) {
        return "a pipe";
    }
    return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "not a regular file";
}

static wn_code map_descriptor(int fd, const char *path, wn_code code, struct wn_map *map,
                              struct wn_error *err)
{
    struct stat info;
    WN_CHECK(fstat(fd, &info) == 0, err, code, "%s: cannot be looked at: %s", path, strerror(errno));
    WN_CHECK(S_ISREG(info.st_mode), err, code, "%s is %s; give a regular file", path, kind_of(info.st_mode));
    const size_t size = (size_t)info.st_size;
    if (size > 0) {
        void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        WN_CHECK(bytes != MAP_FAILED, err, code, "%s: cannot be mapped: %s", path, strerror(errno));
        map->bytes = (struct wn_span){bytes, size};
    }
    return WN_OK;
}

wn_code wn_map_open(const char *path, wn_code code, struct wn_map *out_map, struct wn_error *err)
{
    struct wn_map map = {{NULL, 0}, strdup(path)};
    WN_CHECK(map.path != NULL, err, WN_DEVICE, "out of memory for a path");
    /* Non-blocking, so that a pipe given by mistake is refused instead of waited for. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        const int reason = errno;
        free(map.path);
        WN_FAIL(err, code, "%s: cannot be opened: %s", path, strerror(reason));
    }
    const wn_code result = map_descriptor(fd, path, code, &map, err);
    close(fd);
    if (result != WN_OK) {
        free(map.path);
        return result;
    }
    *out_map = map;
    return WN_OK;
}

void wn_map_close(struct wn_map *map)
{
    if (map->bytes.size > 0) {
        munmap((void *)(uintptr_t)map->bytes.data, map->bytes.size);
    }
    free(map->path);
    *map = (struct wn_map){{NULL, 0}, NULL};
}

void wn_map_will_read(const struct wn_map *map, size_t offset, size_t size)
{
    if (map->bytes.size == 0 || offset >= map->bytes.size) {
        return;
    }
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t start = offset - offset % page;
    const size_t left = map->bytes.size - start;
    const size_t length = size + (offset - start) < left ? size + (offset - start) : left;
    (void)madvise((void *)(uintptr_t)(map->bytes.data + start), length, MADV_WILLNEED);
}

void wn_map_release(const struct wn_map *map, size_t offset, size_t size)
{
    if (offset >= map->bytes.size) {
        return;
    }
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t end = size < map->bytes.size - offset ? offset + size : map->bytes.size;
    const size_t first = (offset + page - 1) / page * page;
    /* Nothing of the file stands behind its end, so its last page is whole however few bytes it has. */
    const size_t last = end == map->bytes.size ? end : end - end % page;
    if (first < last) {
        (void)madvise((void *)(uintptr_t)(map->bytes.data + first), last - first, MADV_DONTNEED);
    }
}
