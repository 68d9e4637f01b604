/* The journal of a run: units that are finished, kept so that no kill loses more than a few seconds.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   RUN/journal-EPOCH.bin       one file per start, frames of base/frame.h
 *   RUN/shards/EPOCH-RANK.bin   bulk arrays, same frames; count only where a unit names them
 *
 * Frames: run {version, hash of run.json}, first in every file, and again never; unit {head, rows}; event {a line of
 * JSON}. A file whose first frame names another run is refused (WN_RUN). Replay reads all files in order of their
 * epochs, passes over what is damaged, and gives each record to the first unit that has it.
 */
#ifndef WINNOW_STORE_JOURNAL_H
#define WINNOW_STORE_JOURNAL_H

#include "base/base.h"
#include "winnow/row.h"
#include "winnow/run.h"
#include "winnow/span.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Where bulk bytes of a unit stand; size 0: it has none. */
struct wn_extent {
    uint64_t epoch, offset, size; /* offset of the payload in RUN/shards/EPOCH-RANK.bin */
    uint32_t rank, crc;
};

struct wn_unit_head {
    uint32_t pass, worker;
    uint32_t rows_kind; /* WN_ROWS_KIND */
    uint64_t first, count;
    uint64_t by_status[WN_STATUS_COUNT]; /* of the records' folds; sum = count */
    uint64_t ifd_above_one;              /* records ok or truncated with ifd_ppl > 1 */
    uint64_t tokens;                     /* asked of the model */
    double seconds;                      /* that the worker took */
    double finished;                     /* seconds since 1970, for `status` */
    struct wn_extent bulk;
};

/* ---- writing ---- */

struct wn_journal;

/* RUN/journal-EPOCH.bin, new (an existing one is WN_RUN: another job took this epoch). `run_hash`: of the bytes of
 * run.json. */
wn_code wn_journal_create(const char *run, uint64_t epoch, const char run_hash[WN_HASH_TEXT],
                          struct wn_journal **out_journal, struct wn_error *err);
wn_code wn_journal_unit(struct wn_journal *journal, const struct wn_unit_head *head, struct wn_span rows,
                        struct wn_error *err);
wn_code wn_journal_event(struct wn_journal *journal, struct wn_span line, struct wn_error *err);
wn_code wn_journal_sync(struct wn_journal *journal, struct wn_error *err);
uint64_t wn_journal_size(const struct wn_journal *journal);
void wn_journal_close(struct wn_journal **journal); /* *journal may be NULL; no sync */

/* The shard of one worker in one start: made at its first use. */
struct wn_shard;
wn_code wn_shard_new(const char *run, uint64_t epoch, uint32_t rank, struct wn_shard **out_shard,
                     struct wn_error *err);
/* Append bulk bytes; *out_extent names them. */
wn_code wn_shard_put(struct wn_shard *shard, struct wn_span bulk, struct wn_extent *out_extent,
                     struct wn_error *err);
/* Nothing where it was not used. May run beside wn_shard_put in another thread. */
wn_code wn_shard_sync(struct wn_shard *shard, struct wn_error *err);
void wn_shard_free(struct wn_shard **shard);

/* ---- replay ---- */

struct wn_replay;

/* Read the heads of all journals of RUN and check every payload. Units of `pass` that lie in [first, first + count) and
 * whose bulk, where `has_bulk`, is there and right, are kept: 64 bytes of memory each. With 9 or more journals their
 * right frames are first written into one, journal-EPOCH.bin of the highest epoch so far, which replaces them (only
 * where `may_compact`; the lock must be held). WN_RUN for a journal of another run; WN_IO. */
struct wn_replay_options {
    const char *run;
    const char *run_hash; /* NULL: not checked, by `status` */
    uint32_t pass;
    uint64_t first, count; /* count 0: no end */
    bool has_bulk, may_compact;
    bool heads_only; /* payloads are not read: quick, for `status` */
    const struct wn_log *log;
};
wn_code wn_replay_open(const struct wn_replay_options *options, struct wn_replay **out_replay,
                       struct wn_error *err);
void wn_replay_close(struct wn_replay *replay); /* NULL is allowed */

/* Sorted, disjoint, not touching; lives with the replay. */
const struct wn_records *wn_replay_done(const struct wn_replay *replay, size_t *out_n);

struct wn_replay_counts {
    uint64_t records; /* done */
    uint64_t by_status[WN_STATUS_COUNT], ifd_above_one, tokens;
    double seconds;                        /* sum over units */
    double first_finished, last_finished;  /* times of the earliest and latest unit; NaN without any */
    double recent_records, recent_seconds; /* over the last minute before the latest unit: for a rate */
    uint64_t units, journals, damaged_bytes, dropped_units;
    uint64_t highest_epoch;
};
struct wn_replay_counts wn_replay_counts(const struct wn_replay *replay);

/* The units that make up the done ranges, in order of their records: unit i gives records [first, first + count) of
 * which it may hold more before and behind. */
struct wn_replay_unit {
    uint64_t first, count; /* to take */
    uint64_t skip;         /* records of the unit before them */
};
size_t wn_replay_n_units(const struct wn_replay *replay);
struct wn_replay_unit wn_replay_unit(const struct wn_replay *replay, size_t i);
/* Its rows and bulk, checked again, in memory that the replay keeps until the next call. */
wn_code wn_replay_read(struct wn_replay *replay, size_t i, struct wn_unit_head *out_head,
                       struct wn_span *out_rows, struct wn_span *out_bulk, struct wn_error *err);

/* The events of all journals in order, one line each. */
wn_code wn_replay_events(struct wn_replay *replay, void *context,
                         void (*visit)(void *context, struct wn_span line), struct wn_error *err);

/* Remove all journals and shards of RUN, once scores.h5 is there. */
wn_code wn_journals_remove(const char *run, struct wn_error *err);
/* Highest epoch that a journal in RUN has in its name, 0 without. */
wn_code wn_journals_highest(const char *run, uint64_t *out_epoch, struct wn_error *err);

#endif
