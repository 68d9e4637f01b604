/* Shards: bulk bytes of units, one file for each worker and start.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/shard.h"

#include "store/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOTS = 32, PIECE = 1 << 20 };

struct wn_shard {
    char *run, *path;
    uint64_t epoch;
    uint32_t rank;
    struct wn_frames *frames;         /* NULL until its first use */
    _Atomic(struct wn_frames *) open; /* the same, for who syncs */
};

/* ---- writing ---- */

wn_code wn_shard_new(const char *run, uint64_t epoch, uint32_t rank, struct wn_shard **out_shard,
                     struct wn_error *err)
{
    struct wn_shard *shard = calloc(1, sizeof *shard);
    WN_CHECK(shard != NULL, err, WN_DEVICE, "out of memory for a shard");
    shard->run = strdup(run);
    shard->path = wn_shard_path(run, epoch, rank);
    shard->epoch = epoch;
    shard->rank = rank;
    if (shard->run == NULL || shard->path == NULL) {
        wn_shard_free(&shard);
        WN_FAIL(err, WN_DEVICE, "out of memory for a shard");
    }
    *out_shard = shard;
    return WN_OK;
}

static wn_code shard_begin(struct wn_shard *shard, struct wn_error *err)
{
    char *folder = wn_path_join(shard->run, "shards");
    WN_CHECK(folder != NULL, err, WN_DEVICE, "out of memory for a path");
    const bool is_new = !wn_path_exists(folder);
    wn_code code = wn_directory_make(folder, err);
    if (code == WN_OK && is_new) {
        code = wn_folder_sync(folder, err);
    }
    free(folder);
    WN_TRY(code);
    bool exists = false;
    code = wn_frames_create(shard->path, &shard->frames, &exists, err);
    WN_CHECK(code == WN_OK || !exists, err, WN_RUN,
             "%s: is there already: another job goes on with this run; wait for it, or run again",
             shard->path);
    atomic_store(&shard->open, shard->frames);
    return code;
}

wn_code wn_shard_put(struct wn_shard *shard, struct wn_span bulk, struct wn_extent *out_extent,
                     struct wn_error *err)
{
    *out_extent = (struct wn_extent){0};
    if (bulk.size == 0) {
        return WN_OK;
    }
    if (shard->frames == NULL) {
        WN_TRY(shard_begin(shard, err));
    }
    uint64_t offset = 0;
    WN_TRY(wn_frames_write(shard->frames, WN_FRAME_BULK, &bulk, 1, &offset, err));
    *out_extent = (struct wn_extent){.epoch = shard->epoch,
                                     .offset = offset,
                                     .size = bulk.size,
                                     .rank = shard->rank,
                                     .crc = wn_crc32c(0, bulk.data, bulk.size)};
    return WN_OK;
}

wn_code wn_shard_sync(struct wn_shard *shard, struct wn_error *err)
{
    struct wn_frames *const open = atomic_load(&shard->open);
    return open == NULL ? WN_OK : wn_frames_sync(open, err);
}

void wn_shard_free(struct wn_shard **shard)
{
    if (*shard == NULL) {
        return;
    }
    wn_frames_close(&(*shard)->frames);
    free((*shard)->run);
    free((*shard)->path);
    free(*shard);
    *shard = NULL;
}

/* ---- reading ---- */

/* An open shard, or one that is known to be missing (fd < 0). */
struct slot {
    bool is_used;
    uint64_t epoch, size;
    uint32_t rank;
    int fd;
};

struct wn_extents {
    char *run;
    char *piece; /* [PIECE] */
    struct slot slots[SLOTS];
    size_t next; /* to be given up */
};

wn_code wn_extents_new(const char *run, struct wn_extents **out_extents, struct wn_error *err)
{
    struct wn_extents *extents = calloc(1, sizeof *extents);
    WN_CHECK(extents != NULL, err, WN_DEVICE, "out of memory to read shards");
    extents->run = strdup(run);
    extents->piece = malloc(PIECE);
    if (extents->run == NULL || extents->piece == NULL) {
        wn_extents_free(extents);
        WN_FAIL(err, WN_DEVICE, "out of memory to read shards");
    }
    *out_extents = extents;
    return WN_OK;
}

static void slot_close(struct slot *slot)
{
    if (slot->is_used && slot->fd >= 0) {
        (void)close(slot->fd);
    }
    slot->is_used = false;
}

void wn_extents_free(struct wn_extents *extents)
{
    if (extents == NULL) {
        return;
    }
    for (size_t i = 0; i < SLOTS; ++i) {
        slot_close(&extents->slots[i]);
    }
    free(extents->run);
    free(extents->piece);
    free(extents);
}

static const struct slot *slot_find(struct wn_extents *extents, uint64_t epoch, uint32_t rank)
{
    for (size_t i = 0; i < SLOTS; ++i) {
        const struct slot *slot = &extents->slots[i];
        if (slot->is_used && slot->epoch == epoch && slot->rank == rank) {
            return slot;
        }
    }
    struct slot *slot = &extents->slots[extents->next];
    extents->next = (extents->next + 1) % SLOTS;
    slot_close(slot);
    *slot = (struct slot){.is_used = true, .epoch = epoch, .rank = rank, .fd = -1};
    char *path = wn_shard_path(extents->run, epoch, rank);
    if (path != NULL) {
        slot->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    }
    free(path);
    struct stat info;
    if (slot->fd >= 0 && (fstat(slot->fd, &info) != 0 || !S_ISREG(info.st_mode))) {
        (void)close(slot->fd);
        slot->fd = -1;
    }
    slot->size = slot->fd >= 0 ? (uint64_t)info.st_size : 0;
    return slot;
}

static bool slot_holds(const struct slot *slot, const struct wn_extent *extent)
{
    return slot->fd >= 0 && extent->offset <= slot->size && extent->size <= slot->size - extent->offset;
}

bool wn_extents_fits(struct wn_extents *extents, const struct wn_extent *extent)
{
    return slot_holds(slot_find(extents, extent->epoch, extent->rank), extent);
}

static bool read_piece(int fd, uint64_t offset, char *out, size_t size)
{
    while (size > 0) {
        const ssize_t n = pread(fd, out, size, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        out += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

bool wn_extents_read(struct wn_extents *extents, const struct wn_extent *extent, char *out)
{
    const struct slot *slot = slot_find(extents, extent->epoch, extent->rank);
    if (!slot_holds(slot, extent)) {
        return false;
    }
    uint32_t crc = 0;
    for (uint64_t done = 0; done < extent->size;) {
        const uint64_t left = extent->size - done;
        const size_t size = left < PIECE ? (size_t)left : PIECE;
        char *to = out != NULL ? out + done : extents->piece;
        if (!read_piece(slot->fd, extent->offset + done, to, size)) {
            return false;
        }
        crc = wn_crc32c(crc, to, size);
        done += size;
    }
    return crc == extent->crc;
}
