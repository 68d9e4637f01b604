/* gzip and zstd, unpacked once as a stream. The one file with zlib.h and zstd.h.
 * SPDX-License-Identifier: Apache-2.0
 *
 * gzip: members one behind the other, zero bytes behind the last. zstd: frames and skippable frames. The memory in use
 * is two buffers and the window of the stream.
 * Where the disk is full the rest is still unpacked, without being kept, so that the message can say what is needed.
 */
#include "corpus/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { BUFFER = 1 << 20, INPUT_STEP = 1 << 24, ZSTD_WINDOW_LOG = 31 };

/* One stream being unpacked. */
struct unpacker {
    const char *path;
    const struct wn_map *map;
    struct wn_span packed; /* the map's bytes */
    size_t released;       /* bytes of it that were given back */
    struct wn_sink *sink;
    char *buffer; /* BUFFER bytes */
    bool is_full; /* the sink took no more: only counting */
    struct wn_error full;
};

const char *wn_compression_of(struct wn_span bytes)
{
    const unsigned char *const b = (const unsigned char *)bytes.data;
    if (bytes.size >= 2 && b[0] == 0x1F && b[1] == 0x8B) {
        return "gzip";
    }
    if (bytes.size >= 4 && memcmp(b, "\x28\xB5\x2F\xFD", 4) == 0) {
        return "zstd";
    }
    if (bytes.size >= 4 && (b[0] & 0xF0) == 0x50 && memcmp(b + 1, "\x2A\x4D\x18", 3) == 0) {
        return "zstd";
    }
    return "none";
}

static wn_code write_all(const struct wn_sink *sink, const char *bytes, size_t size, struct wn_error *err)
{
    if (sink->file != NULL) {
        return wn_file_write(sink->file, (struct wn_span){bytes, size}, err);
    }
    while (size > 0) {
        const ssize_t n = write(sink->fd, bytes, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            WN_FAIL(err, WN_IO, "a temporary file in %s cannot be written: %s", sink->folder,
                    n == 0 ? strerror(ENOSPC) : strerror(errno));
        }
        bytes += n;
        size -= (size_t)n;
    }
    return WN_OK;
}

static void take(struct unpacker *unpacker, size_t size)
{
    const bool is_kept = !unpacker->is_full && !unpacker->sink->counts_only;
    if (is_kept && write_all(unpacker->sink, unpacker->buffer, size, &unpacker->full) != WN_OK) {
        unpacker->is_full = true;
    }
    unpacker->sink->written += size;
}

/* What lies before `at` is unpacked: it need not stay in memory. */
static void release_behind(struct unpacker *unpacker, size_t at)
{
    if (at - unpacker->released >= INPUT_STEP) {
        wn_map_release(unpacker->map, unpacker->released, at - unpacker->released);
        unpacker->released = at;
    }
}

static wn_code fail_cut(const struct unpacker *unpacker, const char *what, struct wn_error *err)
{
    WN_FAIL(err, WN_INPUT,
            "%s: the %s stream ends in the middle, at byte %zu; the file was cut: get it again (%s -t names "
            "the same "
            "place)",
            unpacker->path, what, unpacker->packed.size, what);
}

static wn_code fail_corrupt(const struct unpacker *unpacker, const char *what, size_t at, const char *why,
                            struct wn_error *err)
{
    WN_FAIL(err, WN_INPUT, "%s: the %s stream is corrupt near byte %zu (%s); get the file again",
            unpacker->path, what, at, why);
}

/* Inflate one member from byte *at; *at is behind it afterwards. */
static wn_code gzip_member(struct unpacker *unpacker, z_stream *stream, size_t *at, struct wn_error *err)
{
    const struct wn_span packed = unpacker->packed;
    int result = Z_OK;
    while (result != Z_STREAM_END) {
        const size_t left = packed.size - *at;
        const size_t step = left < INPUT_STEP ? left : INPUT_STEP;
        /* zlib reads from next_in only, its type just does not say so. */
        stream->next_in = (Bytef *)(uintptr_t)(packed.data + *at);
        stream->avail_in = (uInt)step;
        stream->next_out = (Bytef *)unpacker->buffer;
        stream->avail_out = BUFFER;
        result = inflate(stream, Z_NO_FLUSH);
        *at += step - stream->avail_in;
        release_behind(unpacker, *at);
        take(unpacker, BUFFER - stream->avail_out);
        WN_TRY(wn_stop_check(unpacker->sink->stop, "unpacking a file of the corpus", err));
        if (result == Z_BUF_ERROR && *at == packed.size) {
            return fail_cut(unpacker, "gzip", err);
        }
        WN_CHECK(result != Z_MEM_ERROR, err, WN_DEVICE, "out of memory while unpacking %s", unpacker->path);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
            return fail_corrupt(unpacker, "gzip", *at, stream->msg != NULL ? stream->msg : "not gzip data",
                                err);
        }
    }
    return WN_OK;
}

static wn_code unpack_gzip(struct unpacker *unpacker, struct wn_error *err)
{
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    WN_CHECK(inflateInit2(&stream, 15 + 16) == Z_OK, err, WN_DEVICE, "out of memory while unpacking %s",
             unpacker->path);
    wn_code code = WN_OK;
    size_t at = 0;
    while (at < unpacker->packed.size) {
        if (at > 0 && unpacker->packed.data[at] == 0) {
            /* Tapes and some writers fill the last block with zeros; gzip takes that, too. */
            size_t zero = at;
            while (zero < unpacker->packed.size && unpacker->packed.data[zero] == 0) {
                zero++;
            }
            if (zero == unpacker->packed.size) {
                break;
            }
        }
        inflateReset(&stream);
        WN_TRY_OR(done, gzip_member(unpacker, &stream, &at, err));
    }
done:
    inflateEnd(&stream);
    return code;
}

static wn_code unpack_zstd(struct unpacker *unpacker, struct wn_error *err)
{
    ZSTD_DStream *const stream = ZSTD_createDStream();
    WN_CHECK(stream != NULL, err, WN_DEVICE, "out of memory while unpacking %s", unpacker->path);
    wn_code code = WN_OK;
    /* Files made with --long=31 are taken, too: 64-bit machines have the room. */
    (void)ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
    ZSTD_inBuffer in = {unpacker->packed.data, unpacker->packed.size, 0};
    size_t hint = 1;
    bool is_full = false; /* the last call filled the buffer: there may be more without more input */
    while (in.pos < in.size || (hint != 0 && is_full)) {
        ZSTD_outBuffer out = {unpacker->buffer, BUFFER, 0};
        hint = ZSTD_decompressStream(stream, &out, &in);
        if (ZSTD_isError(hint)) {
            code = fail_corrupt(unpacker, "zstd", in.pos, ZSTD_getErrorName(hint), err);
            goto done;
        }
        take(unpacker, out.pos);
        WN_TRY_OR(done, wn_stop_check(unpacker->sink->stop, "unpacking a file of the corpus", err));
        release_behind(unpacker, in.pos);
        is_full = out.pos == out.size;
    }
    if (hint != 0) {
        code = fail_cut(unpacker, "zstd", err);
    }
done:
    ZSTD_freeDStream(stream);
    return code;
}

static wn_code fail_full(const struct unpacker *unpacker, struct wn_error *err)
{
    struct statvfs space;
    unsigned long long available = 0;
    if (statvfs(unpacker->sink->folder, &space) == 0) {
        available = (unsigned long long)space.f_bavail * space.f_frsize;
    }
    /* The reason comes first: it may be another than a full disk. */
    WN_FAIL(err, WN_IO,
            "%.2000s. Unpacking %s needs %llu bytes in all in %s, where %llu are free now; make room, or "
            "name another "
            "folder for the plain copy",
            unpacker->full.text, unpacker->path, (unsigned long long)unpacker->sink->written,
            unpacker->sink->folder, available);
}

wn_code wn_unpack(const char *path, const char *compression, const struct wn_map *packed,
                  struct wn_sink *sink, struct wn_error *err)
{
    struct unpacker *const unpacker = calloc(1, sizeof *unpacker);
    char *const buffer = malloc(BUFFER);
    wn_code code = WN_OK;
    if (unpacker == NULL || buffer == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory while unpacking %s", path);
        goto done;
    }
    unpacker->path = path;
    unpacker->map = packed;
    unpacker->packed = packed->bytes;
    unpacker->sink = sink;
    unpacker->buffer = buffer;
    WN_TRY_OR(done,
              strcmp(compression, "gzip") == 0 ? unpack_gzip(unpacker, err) : unpack_zstd(unpacker, err));
    if (unpacker->is_full) {
        code = fail_full(unpacker, err);
    }
done:
    free(buffer);
    free(unpacker);
    return code;
}
