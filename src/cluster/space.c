/* What a run will write, at most, beside what the file system of its folder offers.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Bytes a record follow from the formats: store/rows.h for the journal, docs/file-format.md for scores.h5, whose columns
 * are counted as if nothing were saved by packing them. Journal and index stay until scores.h5 is whole, so all parts are
 * there at the same time.
 */
#include "cluster/cluster.h"

#include "base/base.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    /* Journal: a record's place, a row, and what its reversed sides add. */
    RECORD_BYTES = 27,
    ROW_BYTES = 46,
    ROW_REVERSE = 40,
    /* Frame, head and sync of a unit, of which a slow model may finish one for every few records. */
    UNIT_SHARE = 16,
    JOURNAL_LEAST = 64 * 1024, /* first frames and events */

    /* scores.h5: a row of /samples, a row of /turns, and what the reversed sides add to each. */
    SAMPLE_BYTES = 139,
    TURN_BYTES = 105,
    COLUMN_REVERSE = 88,
    SCORES_LEAST = 512 * 1024, /* attributes, trees of chunks, chunks that are not full */
    OFFSET_BYTES = 24,         /* a record's place in /tokens */

    TOKEN_BYTES = 8, /* id and loss */
    INDEX_BYTES = 60,
    INDEX_RECORDS = 1024,
    INDEX_SPAN = 1024 * 1024,
    RANK_BYTES = 32,
    RANK_IN_MEMORY = 4 * 1024 * 1024,
    LOG_LEAST = 64 * 1024,
    /* run.json, lock, index.bin, log.jsonl, journal, scores.h5, and the folder itself. */
    FILES_LEAST = 7
};

/* a * b + c without going round: sizes that large mean "too much" all the same. */
static uint64_t grow(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t product = 0;
    uint64_t sum = 0;
    if (__builtin_mul_overflow(a, b, &product) || __builtin_add_overflow(product, c, &sum)) {
        return UINT64_MAX;
    }
    return sum;
}

static void parts_fill(const struct wn_space_need *need, struct wn_space *space)
{
    const uint64_t reverse = (need->what & WN_SPACE_REVERSE) != 0 ? 1 : 0;
    const uint64_t more_rows = need->samples > need->records ? need->samples - need->records : 0;
    const uint64_t row = ROW_BYTES + reverse * ROW_REVERSE;
    space->journal = grow(need->records, RECORD_BYTES + row + UNIT_SHARE, JOURNAL_LEAST);
    space->journal = grow(more_rows, row, space->journal);
    space->scores = grow(need->records, SAMPLE_BYTES + reverse * COLUMN_REVERSE, SCORES_LEAST);
    if ((need->what & WN_SPACE_TURNS) != 0) {
        space->scores = grow(need->samples, TURN_BYTES + reverse * COLUMN_REVERSE, space->scores);
    }
    if (need->kept_tokens > 0) {
        space->bulk = grow(need->kept_tokens, TOKEN_BYTES, WN_FRAME_HEADER);
        space->scores = grow(need->kept_tokens, TOKEN_BYTES, space->scores);
        space->scores = grow(need->records, OFFSET_BYTES, space->scores);
    }
    /* A block ends at whichever limit comes first. */
    const uint64_t blocks = need->corpus_bytes / INDEX_SPAN + need->records / INDEX_RECORDS + 2;
    space->index = grow(blocks, INDEX_BYTES, 4096);
    space->plain = need->plain_bytes;
    space->temporary = need->records > RANK_IN_MEMORY ? grow(need->records, RANK_BYTES, 0) : 0;
    const uint64_t parts[] = {space->journal, space->scores, space->index,    space->plain,
                              space->bulk,    LOG_LEAST,     space->temporary};
    space->bytes = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        space->bytes = grow(parts[i], 1, space->bytes);
    }
    space->files = FILES_LEAST + (need->kept_tokens > 0 ? 2u : 0u) + (need->plain_bytes > 0 ? 2u : 0u) +
                   (space->temporary > 0 ? 1u : 0u);
}

/* Cut the last name off `path`: "." and "/" stay. */
static void parent_of(char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') {
        n--;
    }
    while (n > 0 && path[n - 1] != '/') {
        n--;
    }
    while (n > 1 && path[n - 1] == '/') {
        n--;
    }
    path[n] = 0;
    if (n == 0) {
        memcpy(path, ".", 2);
    }
}

/* The nearest folder of `path` that exists: the run itself, or where it will be made. */
static wn_code folder_find(const char *path, char out[WN_JOB_PATH], struct wn_error *err)
{
    const size_t size = strlen(path);
    WN_CHECK(size > 0 && size < WN_JOB_PATH, err, WN_USAGE, "--out: a path of 1 to %d bytes is wanted",
             WN_JOB_PATH - 1);
    memcpy(out, path, size + 1);
    for (;;) {
        struct stat info;
        if (stat(out, &info) == 0) {
            WN_CHECK(S_ISDIR(info.st_mode), err, WN_USAGE, "%s is a file: a run directory is wanted", out);
            return WN_OK;
        }
        if (errno != ENOENT || strcmp(out, "/") == 0 || strcmp(out, ".") == 0) {
            return wn_io_fail(out, "looked at", errno, err);
        }
        parent_of(out);
    }
}

wn_code wn_space_estimate(const char *out, const struct wn_space_need *need, struct wn_space *out_space,
                          struct wn_error *err)
{
    memset(out_space, 0, sizeof *out_space);
    WN_TRY(folder_find(out, out_space->folder, err));
    parts_fill(need, out_space);
    struct statvfs offer;
    if (statvfs(out_space->folder, &offer) != 0) {
        return wn_io_fail(out_space->folder, "asked for its free space", errno, err);
    }
    out_space->bytes_free = grow(offer.f_bavail, offer.f_frsize, 0);
    /* File systems without a table of files (btrfs, some network ones) say 0 of 0. */
    out_space->files_free = offer.f_files > 0 ? offer.f_favail : UINT64_MAX;
    return WN_OK;
}
