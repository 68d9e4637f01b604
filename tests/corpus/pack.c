/* Compressed files for the tests of unpacking.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "help.h"

#include <zlib.h>
#include <zstd.h>

char *pack_gzip(struct wn_span bytes, size_t *out_size)
{
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    cr_assert_eq(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    const size_t room = deflateBound(&stream, bytes.size) + 64;
    char *const packed = malloc(room);
    stream.next_in = (Bytef *)(uintptr_t)bytes.data;
    stream.avail_in = (uInt)bytes.size;
    stream.next_out = (Bytef *)packed;
    stream.avail_out = (uInt)room;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    *out_size = room - stream.avail_out;
    deflateEnd(&stream);
    return packed;
}

char *pack_zstd(struct wn_span bytes, size_t *out_size)
{
    const size_t room = ZSTD_compressBound(bytes.size);
    char *const packed = malloc(room);
    *out_size = ZSTD_compress(packed, room, bytes.data, bytes.size, 3);
    cr_assert(!ZSTD_isError(*out_size));
    return packed;
}
