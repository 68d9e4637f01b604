/* The walk over a journal, and journals joined into one.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Joining is safe at each step: the joined file is whole and synced before it takes the name of the last journal; from
 * then on the others are held twice, which the mark `holds` tells, until they are removed.
 */
#include "store/replay.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- walking ---- */

wn_code wn_buffer_reserve(struct wn_buffer *buffer, uint64_t size, struct wn_error *err)
{
    if (size <= buffer->capacity) {
        return WN_OK;
    }
    /* The old bytes are not wanted, so they need not be copied. */
    free(buffer->data);
    buffer->capacity = 0;
    const uint64_t wanted = size < 65536 ? 65536 : size;
    buffer->data = wanted <= SIZE_MAX ? malloc((size_t)wanted) : NULL;
    WN_CHECK(buffer->data != NULL, err, WN_DEVICE, "out of memory for %llu bytes of a journal",
             (unsigned long long)size);
    buffer->capacity = (size_t)wanted;
    return WN_OK;
}

/* What is asked of one frame, into the buffer. */
static wn_code payload_read(struct wn_walk *walk, const struct wn_frame *frame, struct wn_span *out_payload,
                            bool *out_is_right, struct wn_error *err)
{
    const bool is_head = walk->heads_only && frame->kind == WN_FRAME_UNIT;
    *out_is_right = false;
    if (frame->size > wn_frame_most || (is_head && frame->size < WN_HEAD_BYTES)) {
        return WN_OK;
    }
    const size_t size = is_head ? WN_HEAD_BYTES : (size_t)frame->size;
    WN_TRY(wn_buffer_reserve(walk->buffer, size, err));
    *out_payload = (struct wn_span){walk->buffer->data, size};
    if (is_head) {
        *out_is_right = true;
        return wn_frames_bytes(walk->reader, frame->offset, walk->buffer->data, size, err);
    }
    return wn_frames_payload(walk->reader, frame, walk->buffer->data, out_is_right, err);
}

wn_code wn_walk(struct wn_walk *walk, struct wn_error *err)
{
    struct wn_frame frame;
    bool found = false;
    walk->damaged = 0;
    for (;;) {
        WN_TRY(wn_frames_next(walk->reader, &frame, &found, err));
        if (!found) {
            break;
        }
        if (frame.kind >= 32 || (walk->kinds & (1u << frame.kind)) == 0) {
            continue;
        }
        struct wn_span payload = {0};
        bool is_right = false;
        WN_TRY(payload_read(walk, &frame, &payload, &is_right, err));
        if (!is_right) {
            walk->damaged += WN_FRAME_HEADER + frame.size;
            continue;
        }
        WN_TRY(walk->visit(walk->context, &frame, payload, err));
    }
    walk->damaged += wn_frames_skipped(walk->reader);
    return WN_OK;
}

/* ---- journals that are held by a later one ---- */

/* The run frame at the very beginning of a journal; *out_found is false where that is damaged. */
static wn_code run_frame_read(const char *path, struct wn_run_frame *out, bool *out_found,
                              struct wn_error *err)
{
    struct wn_frames_reader *reader = NULL;
    struct wn_buffer buffer = {0};
    struct wn_frame frame;
    struct wn_span payload = {0};
    bool is_right = false;
    *out_found = false;
    wn_code code = wn_frames_open(path, &reader, err);
    WN_TRY_OR(done, code);
    WN_TRY_OR(done, wn_frames_next(reader, &frame, &is_right, err));
    if (is_right && frame.kind == WN_FRAME_RUN) {
        struct wn_walk walk = {.reader = reader, .buffer = &buffer};
        WN_TRY_OR(done, payload_read(&walk, &frame, &payload, &is_right, err));
        *out_found = is_right && wn_run_frame_take(payload, out);
    }
done:
    wn_frames_reader_close(reader);
    free(buffer.data);
    return code;
}

static wn_code remove_journal(const char *run, uint64_t epoch, struct wn_error *err)
{
    char *path = wn_journal_path(run, epoch);
    WN_CHECK(path != NULL, err, WN_DEVICE, "out of memory for a path");
    const int reason = unlink(path) != 0 ? errno : 0;
    const wn_code code = reason == 0 || reason == ENOENT ? WN_OK : wn_io_fail(path, "removed", reason, err);
    free(path);
    return code;
}

static wn_code remove_journals(const char *run, const uint64_t *epochs, size_t n, struct wn_error *err)
{
    for (size_t i = 0; i < n; ++i) {
        WN_TRY(remove_journal(run, epochs[i], err));
    }
    return WN_OK;
}

wn_code wn_journals_trim(const char *run, const uint64_t *epochs, size_t n, bool may_remove, size_t *out_from,
                         struct wn_error *err)
{
    *out_from = 0;
    for (size_t i = n; i-- > 1;) {
        struct wn_run_frame frame = {0};
        bool found = false;
        char *path = wn_journal_path(run, epochs[i]);
        WN_CHECK(path != NULL, err, WN_DEVICE, "out of memory for a path");
        const wn_code code = run_frame_read(path, &frame, &found, err);
        /* The job that holds the run may have joined it into another at this moment: who reads it will see that. */
        const bool is_gone = code == WN_IO && !wn_path_exists(path);
        free(path);
        WN_TRY(is_gone ? WN_OK : code);
        if (found && frame.holds) {
            *out_from = i;
            break;
        }
    }
    return may_remove ? remove_journals(run, epochs, *out_from, err) : WN_OK;
}

/* ---- joining ---- */

struct join {
    struct wn_frames *frames;
    const char *path; /* of the journal being read */
    const char *run_hash;
    uint64_t run_id;
};

static wn_code join_visit(void *context, const struct wn_frame *frame, struct wn_span payload,
                          struct wn_error *err)
{
    struct join *join = context;
    if (frame->kind == WN_FRAME_RUN) {
        struct wn_run_frame run;
        return wn_run_frame_take(payload, &run) ? wn_run_frame_check(&run, join->path, join->run_hash, err)
                                                : WN_OK;
    }
    if (frame->kind == WN_FRAME_UNIT) {
        struct wn_span left = payload;
        struct wn_unit_head head;
        uint64_t run_id = 0;
        if (!wn_head_take(&left, &run_id, &head) || run_id != join->run_id) {
            return WN_OK;
        }
    }
    return wn_frames_write(join->frames, frame->kind, &payload, 1, NULL, err);
}

static wn_code join_one(struct join *join, const char *run, uint64_t epoch, struct wn_buffer *buffer,
                        struct wn_error *err)
{
    struct wn_frames_reader *reader = NULL;
    char *path = wn_journal_path(run, epoch);
    WN_CHECK(path != NULL, err, WN_DEVICE, "out of memory for a path");
    wn_code code = wn_frames_open(path, &reader, err);
    if (code == WN_OK) {
        struct wn_walk walk = {.reader = reader,
                               .buffer = buffer,
                               .kinds = ~(1u << WN_FRAME_BULK),
                               .context = join,
                               .visit = join_visit};
        join->path = path;
        code = wn_walk(&walk, err);
        wn_frames_reader_close(reader);
    }
    free(path);
    return code;
}

/* The whole joined file, on disk when this returns. */
static wn_code join_write(struct join *join, const char *run, const uint64_t *epochs, size_t n,
                          struct wn_error *err)
{
    struct wn_buffer buffer = {0};
    wn_code code = wn_journal_write_run(join->frames, join->run_hash, true, err);
    for (size_t i = 0; i < n && code == WN_OK; ++i) {
        code = join_one(join, run, epochs[i], &buffer, err);
    }
    free(buffer.data);
    return code == WN_OK ? wn_frames_sync(join->frames, err) : code;
}

/* Temporary files of joins that were stopped: RUN/journal-EPOCH.bin.tmp.PID. Only one job joins at a time. */
static void leftovers_remove(const char *run)
{
    DIR *folder = opendir(run);
    if (folder == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strncmp(entry->d_name, "journal-", 8) == 0 && strstr(entry->d_name, ".bin.tmp.") != NULL) {
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    closedir(folder);
}

wn_code wn_journals_join(const char *run, const char *run_hash, const uint64_t *epochs, size_t n,
                         struct wn_error *err)
{
    wn_code code = WN_OK;
    struct join join = {.run_hash = run_hash, .run_id = wn_journal_run_id(run_hash)};
    char *part = NULL;
    char *path = wn_journal_path(run, epochs[n - 1]);
    if (path == NULL || asprintf(&part, "%s.tmp.%ld", path, (long)getpid()) < 0) {
        free(path);
        WN_FAIL(err, WN_DEVICE, "out of memory for a path");
    }
    leftovers_remove(run);
    WN_TRY_OR(done, wn_frames_create(part, &join.frames, NULL, err));
    WN_TRY_OR(done, join_write(&join, run, epochs, n, err));
    if (rename(part, path) != 0) {
        code = wn_io_fail(path, "replaced", errno, err);
    }
    WN_TRY_OR(done, code);
    WN_TRY_OR(done, wn_folder_sync(path, err));
    WN_TRY_OR(done, remove_journals(run, epochs, n - 1, err));
done:
    if (join.frames != NULL && code != WN_OK) {
        (void)unlink(part);
    }
    wn_frames_close(&join.frames);
    free(part);
    free(path);
    return code;
}
