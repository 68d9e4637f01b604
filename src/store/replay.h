/* What the files of the journal share: names, frames, the walk over a file. Private to store.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   run frame:   version u32, holds u8, hash of run.json (text)
 *   unit frame:  head {run u64, pass u32, worker u32, rows_kind u32, first u64, count u64, by_status u64 each,
 *                ifd_above_one u64, tokens u64, seconds f64, finished f64, bulk {epoch u64, offset u64, size u64,
 *                rank u32, crc u32}, CRC-32C of the head u32}, then the rows
 *   event frame: a line of JSON
 *   bulk frame:  bytes, in shards
 *
 * `holds` is 1 in a journal made from others: it holds all that journals of lower epochs hold. `run` is the start of a
 * hash of the run frame's hash and the version, so that a unit is known as this run's where the run frame is damaged.
 */
#ifndef WINNOW_STORE_REPLAY_H
#define WINNOW_STORE_REPLAY_H

#include "base/base.h"
#include "store/journal.h"

enum wn_frame_kind { WN_FRAME_RUN = 1, WN_FRAME_UNIT = 2, WN_FRAME_EVENT = 3, WN_FRAME_BULK = 4 };
enum { WN_JOURNAL_VERSION = 1, WN_HEAD_BYTES = 104 + 8 * WN_STATUS_COUNT, WN_JOURNALS_MOST = 8 };

/* Of one payload in a journal; a frame that says more is damaged. */
static const uint64_t wn_frame_most = UINT64_C(1) << 30;

/* ---- names ---- */

/* RUN/journal-EPOCH.bin and RUN/shards/EPOCH-RANK.bin in new memory (free), NULL without. */
char *wn_journal_path(const char *run, uint64_t epoch);
char *wn_shard_path(const char *run, uint64_t epoch, uint32_t rank);
/* Epochs of the journals in RUN, rising, in new memory (*out_epochs, free; NULL where there are none). WN_IO. */
wn_code wn_journals_list(const char *run, uint64_t **out_epochs, size_t *out_n, struct wn_error *err);

/* ---- frames ---- */

/* What stands in a unit's head for the run whose run.json hashes to `run_hash`. */
uint64_t wn_journal_run_id(const char *run_hash);
wn_code wn_journal_write_run(struct wn_frames *frames, const char *run_hash, bool holds,
                             struct wn_error *err);

struct wn_run_frame {
    uint32_t version;
    bool holds;
    char hash[WN_HASH_TEXT];
};
/* False where `payload` is no run frame of any version; beyond the version only what this version wrote is read. */
bool wn_run_frame_take(struct wn_span payload, struct wn_run_frame *out);
/* WN_RUN where the frame of the journal `path` is of another version or run; run_hash may be NULL. */
wn_code wn_run_frame_check(const struct wn_run_frame *frame, const char *path, const char *run_hash,
                           struct wn_error *err);

/* Whether the head states a unit that can be: records, statuses that add up to them. */
bool wn_head_is_sound(const struct wn_unit_head *head);
/* Take a head off the front of *left. False where it is short, its checksum is wrong or it is not sound. */
bool wn_head_take(struct wn_span *left, uint64_t *out_run_id, struct wn_unit_head *out_head);

/* ---- walking over a journal ---- */

struct wn_buffer {
    char *data; /* owned: free */
    size_t capacity;
};
/* Room for `size` bytes in buffer->data. WN_DEVICE. */
wn_code wn_buffer_reserve(struct wn_buffer *buffer, uint64_t size, struct wn_error *err);

struct wn_walk {
    struct wn_frames_reader *reader; /* borrowed, at its beginning */
    struct wn_buffer *buffer;        /* borrowed: for payloads */
    uint32_t kinds;                  /* bit 1 << kind: visited; others are passed over unread */
    bool heads_only;  /* of units only the head is read, and the payload's checksum not looked at */
    uint64_t damaged; /* out: bytes passed over because they are damaged */
    void *context;
    wn_code (*visit)(void *context, const struct wn_frame *frame, struct wn_span payload,
                     struct wn_error *err);
};
/* Visit every right frame of the kinds asked for, in order. Ends with the code of the first visit that fails. WN_IO. */
wn_code wn_walk(struct wn_walk *walk, struct wn_error *err);

/* ---- compaction ---- */

/* The journals that replay must read: those of *epochs from *out_from on; the ones before are held by that one, and
 * are removed where `may_remove`. WN_IO. */
wn_code wn_journals_trim(const char *run, const uint64_t *epochs, size_t n, bool may_remove, size_t *out_from,
                         struct wn_error *err);
/* Write the right frames of the journals epochs[0 .. n) into one, under the name of the last, and remove the others.
 * Whatever stops it, what they held is still there. */
wn_code wn_journals_join(const char *run, const char *run_hash, const uint64_t *epochs, size_t n,
                         struct wn_error *err);

#endif
