/* Files of frames: appended one by one, each whole and right or not there, whatever stopped the writer.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A frame is a header of 24 bytes {magic, kind, size u64, CRC-32C of the payload, CRC-32C of the header before it}, all
 * little-endian, and a payload. The header has a checksum of its own, so a damaged payload costs one frame: the reader
 * goes on behind it. After a damaged header it looks for the next header that is right.
 */
#ifndef WINNOW_BASE_FRAME_H
#define WINNOW_BASE_FRAME_H

#include "winnow/span.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WN_FRAME_HEADER = 24 };

/* CRC-32C (Castagnoli, reflected, as in RFC 3720) of `bytes` behind `crc` (0 to begin). By the CPU's instruction where
 * it has one. */
uint32_t wn_crc32c(uint32_t crc, const void *bytes, size_t size);
/* The same without the instruction: what other CPUs run. */
uint32_t wn_crc32c_by_table(uint32_t crc, const void *bytes, size_t size);

/* ---- writing ---- */

struct wn_frames;

/* A new file `path`, created exclusively, its name on disk when this returns: *out_exists (may be NULL) tells that it was there already (then WN_IO). */
wn_code wn_frames_create(const char *path, struct wn_frames **out_frames, bool *out_exists,
                         struct wn_error *err);
/* An existing file, to go on behind byte `end`: what stands there is cut off. */
wn_code wn_frames_append_to(const char *path, uint64_t end, struct wn_frames **out_frames,
                            struct wn_error *err);
/* One frame of `kind`, its payload in parts one behind the other. *out_offset (may be NULL): of its payload. Handed to
 * the system at once, by one call where the system takes it. WN_IO: after a failure the file is cut back to the last
 * whole frame as far as possible, and only wn_frames_close may follow. */
wn_code wn_frames_write(struct wn_frames *frames, uint32_t kind, const struct wn_span *parts, size_t n_parts,
                        uint64_t *out_offset, struct wn_error *err);
wn_code wn_frames_sync(struct wn_frames *frames, struct wn_error *err); /* fdatasync; WN_IO */
uint64_t wn_frames_size(const struct wn_frames *frames);                /* bytes of the file */
void wn_frames_close(struct wn_frames **frames);                        /* *frames may be NULL; no sync */

/* ---- reading ---- */

struct wn_frame {
    uint32_t kind;
    uint64_t offset; /* of the payload in the file */
    uint64_t size;   /* of the payload */
    uint32_t crc;    /* that the payload must have */
};

struct wn_frames_reader;

/* WN_IO. A file that grows while it is read is read up to the size it had when it was opened. */
wn_code wn_frames_open(const char *path, struct wn_frames_reader **out_reader, struct wn_error *err);
void wn_frames_reader_close(struct wn_frames_reader *reader); /* NULL is allowed */
/* The next header that is right and whose payload lies in the file; *out_found is false at the end. The payload is not
 * read. */
wn_code wn_frames_next(struct wn_frames_reader *reader, struct wn_frame *out_frame, bool *out_found,
                       struct wn_error *err);
/* The payload, frame->size bytes, into `out`. *out_is_right is false where its checksum is wrong or the file has no such
 * bytes (then nothing is read): a frame made by the caller, from an extent that another file names, is safe to ask for.
 * WN_IO where it cannot be read. */
wn_code wn_frames_payload(struct wn_frames_reader *reader, const struct wn_frame *frame, void *out,
                          bool *out_is_right, struct wn_error *err);
/* Any bytes of the file, unchecked, for who needs only the head of a large payload. */
wn_code wn_frames_bytes(struct wn_frames_reader *reader, uint64_t offset, void *out, size_t size,
                        struct wn_error *err);
/* Bytes passed over so far because no right frame stood there, a torn tail among them; end of the last right header's
 * payload. */
uint64_t wn_frames_skipped(const struct wn_frames_reader *reader);
uint64_t wn_frames_end(const struct wn_frames_reader *reader);
uint64_t
wn_frames_reader_size(const struct wn_frames_reader *reader); /* bytes of the file when it was opened */

#endif
