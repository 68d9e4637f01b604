/* Files of frames.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every byte of a file read is hostile until a checksum has agreed, and a checksum only guards against accidents: sizes
 * are compared with the bytes left before anything else is done with them.
 */
#include "base/frame.h"

#include "base/bytes.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_PARTS = 512, WINDOW = 64 * 1024, MAGIC_SIZE = 4 };

static const uint32_t magic = 0x31464e57u; /* "WNF1" */

struct wn_frames {
    char *path;
    int fd;
    uint64_t size; /* of the whole frames */
    atomic_bool is_broken; /* a sync may run beside a write */
};

struct wn_frames_reader {
    char *path;
    int fd;
    uint64_t size, position, skipped, end;
    uint64_t window_at;
    size_t window_size;
    unsigned char window[WINDOW]; /* bytes [window_at, window_at + window_size) of the file */
};

/* ---- writing ---- */

static wn_code frames_make(const char *path, int fd, uint64_t size, struct wn_frames **out_frames,
                           struct wn_error *err)
{
    struct wn_frames *frames = calloc(1, sizeof *frames);
    char *name = strdup(path);
    if (frames == NULL || name == NULL) {
        free(frames);
        free(name);
        (void)close(fd);
        WN_FAIL(err, WN_DEVICE, "out of memory to write %s", path);
    }
    *frames = (struct wn_frames){.path = name, .fd = fd, .size = size};
    *out_frames = frames;
    return WN_OK;
}

wn_code wn_frames_create(const char *path, struct wn_frames **out_frames, bool *out_exists,
                         struct wn_error *err)
{
    if (out_exists != NULL) {
        *out_exists = false;
    }
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) {
        const int reason = errno;
        if (out_exists != NULL) {
            *out_exists = reason == EEXIST;
        }
        return wn_io_fail(path, "made", reason, err);
    }
    const wn_code code = frames_make(path, fd, 0, out_frames, err);
    if (code != WN_OK) {
        (void)unlink(path);
        return code;
    }
    /* A file whose name is not on disk is lost with all that was synced in it. */
    const wn_code synced = wn_folder_sync(path, err);
    if (synced != WN_OK) {
        wn_frames_close(out_frames);
        (void)unlink(path);
    }
    return synced;
}

static int cut(int fd, uint64_t size)
{
    int result = 0;
    do {
        result = ftruncate(fd, (off_t)size);
    } while (result != 0 && errno == EINTR);
    return result;
}

wn_code wn_frames_append_to(const char *path, uint64_t end, struct wn_frames **out_frames,
                            struct wn_error *err)
{
    /* Non-blocking, so that a pipe of that name is refused instead of waited for. */
    const int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return wn_io_fail(path, "opened", errno, err);
    }
    struct stat info;
    int reason = fstat(fd, &info) != 0 ? errno : 0;
    if (reason == 0 && (!S_ISREG(info.st_mode) || (uint64_t)info.st_size < end)) {
        (void)close(fd);
        WN_FAIL(err, WN_IO,
                "%s: cannot be written behind byte %llu: it is %s; remove it, or put it back as it was", path,
                (unsigned long long)end, S_ISREG(info.st_mode) ? "shorter" : "no regular file");
    }
    if (reason == 0 && cut(fd, end) != 0) {
        reason = errno;
    }
    if (reason != 0) {
        (void)close(fd);
        return wn_io_fail(path, "written", reason, err);
    }
    return frames_make(path, fd, end, out_frames, err);
}

/* All of `vector` at `offset`, by as few calls as the system needs; `vector` is used up. 0, or the reason. */
static int write_all(int fd, struct iovec *vector, size_t n, uint64_t offset)
{
    while (n > 0) {
        if (vector->iov_len == 0) {
            ++vector;
            --n;
            continue;
        }
        const ssize_t written = pwritev(fd, vector, (int)n, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return written < 0 ? errno : EIO;
        }
        offset += (uint64_t)written;
        size_t left = (size_t)written;
        while (n > 0 && left >= vector->iov_len) {
            left -= vector->iov_len;
            ++vector;
            --n;
        }
        if (n > 0) {
            vector->iov_base = (char *)vector->iov_base + left;
            vector->iov_len -= left;
        }
    }
    return 0;
}

/* A header and the parts behind it. 0, or the reason. */
static int write_frame(const struct wn_frames *frames, const unsigned char *header,
                       const struct wn_span *parts, size_t n_parts)
{
    struct iovec vector[MOST_PARTS];
    vector[0] = (struct iovec){(void *)(uintptr_t)header, WN_FRAME_HEADER};
    size_t n = 1;
    size_t held = WN_FRAME_HEADER;
    uint64_t offset = frames->size;
    for (size_t i = 0; i < n_parts; ++i) {
        if (n == MOST_PARTS) {
            const int reason = write_all(frames->fd, vector, n, offset);
            if (reason != 0) {
                return reason;
            }
            offset += held;
            n = held = 0;
        }
        vector[n++] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].size};
        held += parts[i].size;
    }
    return write_all(frames->fd, vector, n, offset);
}

static void put_number(unsigned char *out, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; ++i) {
        out[i] = (unsigned char)(value >> (8 * i));
    }
}

static void header_put(unsigned char header[WN_FRAME_HEADER], uint32_t kind, uint64_t size, uint32_t crc)
{
    put_number(header, magic, 4);
    put_number(header + 4, kind, 4);
    put_number(header + 8, size, 8);
    put_number(header + 16, crc, 4);
    put_number(header + 20, wn_crc32c(0, header, WN_FRAME_HEADER - 4), 4);
}

wn_code wn_frames_write(struct wn_frames *frames, uint32_t kind, const struct wn_span *parts, size_t n_parts,
                        uint64_t *out_offset, struct wn_error *err)
{
    WN_CHECK(!frames->is_broken, err, WN_IO, "%s: cannot be written: it failed before; run again",
             frames->path);
    uint64_t size = 0;
    uint64_t end = 0;
    uint32_t crc = 0;
    bool fits = true;
    for (size_t i = 0; i < n_parts; ++i) {
        fits = fits && !__builtin_add_overflow(size, parts[i].size, &size);
        crc = wn_crc32c(crc, parts[i].data, parts[i].size);
    }
    fits = fits && !__builtin_add_overflow(frames->size + WN_FRAME_HEADER, size, &end) && end <= INT64_MAX;
    WN_CHECK(fits, err, WN_IO, "%s: cannot be written: it would be larger than any file", frames->path);
    unsigned char header[WN_FRAME_HEADER];
    header_put(header, kind, size, crc);
    const int reason = write_frame(frames, header, parts, n_parts);
    if (reason != 0) {
        frames->is_broken = true;
        (void)cut(frames->fd, frames->size);
        return wn_io_fail(frames->path, "written", reason, err);
    }
    if (out_offset != NULL) {
        *out_offset = frames->size + WN_FRAME_HEADER;
    }
    frames->size = end;
    return WN_OK;
}

wn_code wn_frames_sync(struct wn_frames *frames, struct wn_error *err)
{
    WN_CHECK(!frames->is_broken, err, WN_IO, "%s: cannot be synced: it failed before; run again",
             frames->path);
    int result = 0;
    do {
        result = fdatasync(frames->fd);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        /* What the system could not write it may have dropped, and a second sync would say nothing of it. */
        const int reason = errno;
        frames->is_broken = true;
        return wn_io_fail(frames->path, "synced", reason, err);
    }
    return WN_OK;
}

uint64_t wn_frames_size(const struct wn_frames *frames)
{
    return frames->size;
}

void wn_frames_close(struct wn_frames **frames)
{
    if (*frames == NULL) {
        return;
    }
    (void)close((*frames)->fd);
    free((*frames)->path);
    free(*frames);
    *frames = NULL;
}

/* ---- reading ---- */

wn_code wn_frames_open(const char *path, struct wn_frames_reader **out_reader, struct wn_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return wn_io_fail(path, "opened", errno, err);
    }
    struct stat info;
    const int reason = fstat(fd, &info) != 0 ? errno : 0;
    if (reason != 0 || !S_ISREG(info.st_mode)) {
        (void)close(fd);
        WN_CHECK(reason != 0, err, WN_IO, "%s: is no regular file", path);
        return wn_io_fail(path, "opened", reason, err);
    }
    struct wn_frames_reader *reader = calloc(1, sizeof *reader);
    char *name = strdup(path);
    if (reader == NULL || name == NULL) {
        free(reader);
        free(name);
        (void)close(fd);
        WN_FAIL(err, WN_DEVICE, "out of memory to read %s", path);
    }
    reader->path = name;
    reader->fd = fd;
    reader->size = (uint64_t)info.st_size;
    *out_reader = reader;
    return WN_OK;
}

void wn_frames_reader_close(struct wn_frames_reader *reader)
{
    if (reader != NULL) {
        (void)close(reader->fd);
        free(reader->path);
        free(reader);
    }
}

/* `size` bytes at `offset`, which lie in the file. */
static wn_code read_all(const struct wn_frames_reader *reader, uint64_t offset, unsigned char *out,
                        size_t size, struct wn_error *err)
{
    while (size > 0) {
        const ssize_t n = pread(reader->fd, out, size, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return wn_io_fail(reader->path, "read", errno, err);
        }
        WN_CHECK(
            n > 0, err, WN_IO,
            "%s: became shorter while it was read (byte %llu of %llu is gone): is another job at work there?",
            reader->path, (unsigned long long)offset, (unsigned long long)reader->size);
        out += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return WN_OK;
}

/* Let the window hold the bytes from `offset` on, as many as there are and fit, at least `least` of them. */
static wn_code window_move(struct wn_frames_reader *reader, uint64_t offset, size_t least,
                           struct wn_error *err)
{
    const bool is_inside = offset >= reader->window_at && offset - reader->window_at <= reader->window_size &&
                           reader->window_size - (size_t)(offset - reader->window_at) >= least;
    if (is_inside) {
        return WN_OK;
    }
    const uint64_t left = reader->size - offset;
    const size_t size = left < WINDOW ? (size_t)left : WINDOW;
    reader->window_size = 0;
    WN_TRY(read_all(reader, offset, reader->window, size, err));
    reader->window_at = offset;
    reader->window_size = size;
    return WN_OK;
}

/* Whether a right header stands at `text`, offset `at` of the file, and its payload lies in the file. */
static bool header_get(const unsigned char *text, uint64_t at, uint64_t file_size, struct wn_frame *out)
{
    struct wn_span left = {(const char *)text, WN_FRAME_HEADER};
    uint32_t found_magic = 0;
    uint32_t header_crc = 0;
    *out = (struct wn_frame){.offset = at + WN_FRAME_HEADER};
    return wn_take_u32(&left, &found_magic) && wn_take_u32(&left, &out->kind) &&
           wn_take_u64(&left, &out->size) && wn_take_u32(&left, &out->crc) &&
           wn_take_u32(&left, &header_crc) && found_magic == magic &&
           header_crc == wn_crc32c(0, text, WN_FRAME_HEADER - 4) && out->size <= file_size - out->offset;
}

/* The next place in the window at or behind reader->position where a header may begin: the first bytes of the magic
 * number. Moves the position there, or to the last few bytes, which the next window begins with. */
static bool candidate_find(struct wn_frames_reader *reader)
{
    unsigned char wanted[MAGIC_SIZE];
    put_number(wanted, magic, sizeof wanted);
    const size_t from = (size_t)(reader->position - reader->window_at);
    const unsigned char *text = reader->window + from;
    const size_t size = reader->window_size - from;
    const unsigned char *found = memmem(text, size, wanted, sizeof wanted);
    const size_t passed = found != NULL ? (size_t)(found - text) : size - (MAGIC_SIZE - 1);
    reader->position += passed;
    reader->skipped += passed;
    return found != NULL;
}

wn_code wn_frames_next(struct wn_frames_reader *reader, struct wn_frame *out_frame, bool *out_found,
                       struct wn_error *err)
{
    *out_found = false;
    while (reader->size - reader->position >= WN_FRAME_HEADER) {
        WN_TRY(window_move(reader, reader->position, WN_FRAME_HEADER, err));
        const unsigned char *text = reader->window + (size_t)(reader->position - reader->window_at);
        if (header_get(text, reader->position, reader->size, out_frame)) {
            reader->position = reader->end = out_frame->offset + out_frame->size;
            *out_found = true;
            return WN_OK;
        }
        reader->position++;
        reader->skipped++;
        while (reader->size - reader->position >= WN_FRAME_HEADER) {
            WN_TRY(window_move(reader, reader->position, WN_FRAME_HEADER, err));
            if (candidate_find(reader)) {
                break;
            }
        }
    }
    reader->skipped += reader->size - reader->position;
    reader->position = reader->size;
    return WN_OK;
}

static bool lies_in_file(const struct wn_frames_reader *reader, uint64_t offset, uint64_t size)
{
    return offset <= reader->size && size <= reader->size - offset;
}

wn_code wn_frames_bytes(struct wn_frames_reader *reader, uint64_t offset, void *out, size_t size,
                        struct wn_error *err)
{
    WN_CHECK(lies_in_file(reader, offset, size), err, WN_IO, "%s: has no bytes %llu to %llu: it ends at %llu",
             reader->path, (unsigned long long)offset, (unsigned long long)offset + size,
             (unsigned long long)reader->size);
    unsigned char *next = out;
    /* Small frames come out of the window, which holds many of them. */
    if (size <= WINDOW / 4) {
        WN_TRY(window_move(reader, offset, size, err));
        if (size > 0) {
            memcpy(next, reader->window + (size_t)(offset - reader->window_at), size);
        }
        return WN_OK;
    }
    return read_all(reader, offset, next, size, err);
}

wn_code wn_frames_payload(struct wn_frames_reader *reader, const struct wn_frame *frame, void *out,
                          bool *out_is_right, struct wn_error *err)
{
    *out_is_right = false;
    if (!lies_in_file(reader, frame->offset, frame->size) || frame->size > SIZE_MAX) {
        return WN_OK;
    }
    WN_TRY(wn_frames_bytes(reader, frame->offset, out, (size_t)frame->size, err));
    *out_is_right = wn_crc32c(0, out, (size_t)frame->size) == frame->crc;
    return WN_OK;
}

uint64_t wn_frames_skipped(const struct wn_frames_reader *reader)
{
    return reader->skipped;
}

uint64_t wn_frames_end(const struct wn_frames_reader *reader)
{
    return reader->end;
}

uint64_t wn_frames_reader_size(const struct wn_frames_reader *reader)
{
    return reader->size;
}
