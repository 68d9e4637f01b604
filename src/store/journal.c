/* Writing journals; the codes of their frames; their names.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/journal.h"

#include "store/replay.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wn_journal {
    struct wn_frames *frames;
    char *path;
    uint64_t run_id;
    struct wn_bytes head; /* scratch */
};

/* ---- names ---- */

char *wn_journal_path(const char *run, uint64_t epoch)
{
    char name[64];
    snprintf(name, sizeof name, "journal-%llu.bin", (unsigned long long)epoch);
    return wn_path_join(run, name);
}

char *wn_shard_path(const char *run, uint64_t epoch, uint32_t rank)
{
    char name[64];
    snprintf(name, sizeof name, "shards/%llu-%lu.bin", (unsigned long long)epoch, (unsigned long)rank);
    return wn_path_join(run, name);
}

/* A decimal number without leading zeros; *text moves behind it. */
static bool take_decimal(const char **text, uint64_t *out)
{
    const char *next = *text;
    uint64_t value = 0;
    if (*next < '0' || *next > '9' || (*next == '0' && next[1] >= '0' && next[1] <= '9')) {
        return false;
    }
    for (; *next >= '0' && *next <= '9'; ++next) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(*next - '0'), &value)) {
            return false;
        }
    }
    *text = next;
    *out = value;
    return true;
}

static bool take_word(const char **text, const char *word)
{
    const size_t n = strlen(word);
    if (strncmp(*text, word, n) != 0) {
        return false;
    }
    *text += n;
    return true;
}

/* journal-EPOCH.bin; *out_is_part for what a stopped compaction leaves, journal-EPOCH.bin.tmp.PID. */
static bool is_journal(const char *name, uint64_t *out_epoch, bool *out_is_part)
{
    uint64_t pid = 0;
    if (!take_word(&name, "journal-") || !take_decimal(&name, out_epoch) || !take_word(&name, ".bin")) {
        return false;
    }
    *out_is_part = *name != '\0';
    return !*out_is_part || (take_word(&name, ".tmp.") && take_decimal(&name, &pid) && *name == '\0');
}

static bool is_shard(const char *name)
{
    uint64_t number = 0;
    return take_decimal(&name, &number) && take_word(&name, "-") && take_decimal(&name, &number) &&
           take_word(&name, ".bin") && *name == '\0';
}

static int compare_epochs(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static wn_code read_epochs(DIR *folder, const char *run, uint64_t **out_epochs, size_t *out_n,
                           struct wn_error *err)
{
    uint64_t *epochs = NULL;
    size_t n = 0;
    for (errno = 0;; errno = 0) {
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            break;
        }
        uint64_t epoch = 0;
        bool is_part = false;
        if (!is_journal(entry->d_name, &epoch, &is_part) || is_part) {
            continue;
        }
        uint64_t *more = reallocarray(epochs, n + 1, sizeof *epochs);
        if (more == NULL) {
            free(epochs);
            WN_FAIL(err, WN_DEVICE, "out of memory for the list of journals");
        }
        epochs = more;
        epochs[n++] = epoch;
    }
    if (errno != 0) {
        const int reason = errno;
        free(epochs);
        return wn_io_fail(run, "listed", reason, err);
    }
    if (n > 0) {
        qsort(epochs, n, sizeof *epochs, compare_epochs);
    }
    *out_epochs = epochs;
    *out_n = n;
    return WN_OK;
}

wn_code wn_journals_list(const char *run, uint64_t **out_epochs, size_t *out_n, struct wn_error *err)
{
    DIR *folder = opendir(run);
    if (folder == NULL) {
        return wn_io_fail(run, "listed", errno, err);
    }
    const wn_code code = read_epochs(folder, run, out_epochs, out_n, err);
    closedir(folder);
    return code;
}

wn_code wn_journals_highest(const char *run, uint64_t *out_epoch, struct wn_error *err)
{
    uint64_t *epochs = NULL;
    size_t n = 0;
    WN_TRY(wn_journals_list(run, &epochs, &n, err));
    *out_epoch = n > 0 ? epochs[n - 1] : 0;
    free(epochs);
    return WN_OK;
}

/* Remove what `is_ours` says of the folder; nothing where there is no such folder. All are tried; the first failure is
 * reported. */
static wn_code remove_files(const char *path, bool (*is_ours)(const char *name), struct wn_error *err)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return errno == ENOENT ? WN_OK : wn_io_fail(path, "listed", errno, err);
    }
    wn_code code = WN_OK;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (!is_ours(entry->d_name) || unlinkat(dirfd(folder), entry->d_name, 0) == 0 || errno == ENOENT ||
            code != WN_OK) {
            continue;
        }
        const int reason = errno;
        char *name = wn_path_join(path, entry->d_name);
        code = wn_io_fail(name != NULL ? name : path, "removed", reason, err);
        free(name);
    }
    closedir(folder);
    return code;
}

static bool is_any_journal(const char *name)
{
    uint64_t epoch = 0;
    bool is_part = false;
    return is_journal(name, &epoch, &is_part);
}

wn_code wn_journals_remove(const char *run, struct wn_error *err)
{
    char *shards = wn_path_join(run, "shards");
    WN_CHECK(shards != NULL, err, WN_DEVICE, "out of memory for a path");
    /* Journals first: shards without them count for nothing, journals without shards would be in vain. */
    wn_code code = remove_files(run, is_any_journal, err);
    if (code == WN_OK) {
        code = remove_files(shards, is_shard, err);
        (void)rmdir(shards); /* stays where somebody put something of theirs into it */
    }
    free(shards);
    return code;
}

/* ---- frames ---- */

uint64_t wn_journal_run_id(const char *run_hash)
{
    char text[64];
    snprintf(text, sizeof text, "%d %s", (int)WN_JOURNAL_VERSION, run_hash);
    return wn_hash64(wn_span_of(text));
}

wn_code wn_journal_write_run(struct wn_frames *frames, const char *run_hash, bool holds, struct wn_error *err)
{
    struct wn_bytes bytes = {0};
    wn_bytes_u32(&bytes, WN_JOURNAL_VERSION);
    wn_bytes_u8(&bytes, holds ? 1 : 0);
    wn_bytes_text(&bytes, wn_span_of(run_hash));
    wn_code code = WN_OK;
    if (bytes.is_short) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for a journal");
    } else {
        const struct wn_span part = wn_bytes_span(&bytes);
        code = wn_frames_write(frames, WN_FRAME_RUN, &part, 1, NULL, err);
    }
    wn_bytes_free(&bytes);
    return code;
}

bool wn_run_frame_take(struct wn_span payload, struct wn_run_frame *out)
{
    uint8_t holds = 0;
    struct wn_span hash;
    *out = (struct wn_run_frame){0};
    if (!wn_take_u32(&payload, &out->version)) {
        return false;
    }
    if (out->version != WN_JOURNAL_VERSION) {
        return true;
    }
    if (!wn_take_u8(&payload, &holds) || !wn_take_text(&payload, &hash) || hash.size >= sizeof out->hash ||
        payload.size != 0) {
        return false;
    }
    out->holds = holds != 0;
    memcpy(out->hash, hash.data, hash.size);
    return true;
}

wn_code wn_run_frame_check(const struct wn_run_frame *frame, const char *path, const char *run_hash,
                           struct wn_error *err)
{
    WN_CHECK(
        frame->version == WN_JOURNAL_VERSION, err, WN_RUN,
        "%s: is a journal of format %lu, this program writes format %d; go on with the version of winnow "
        "that began the run, or begin another run",
        path, (unsigned long)frame->version, (int)WN_JOURNAL_VERSION);
    WN_CHECK(
        run_hash == NULL || strcmp(frame->hash, run_hash) == 0, err, WN_RUN,
        "%s: belongs to another run (its run.json had the hash %s, here it has %s); put the run.json back "
        "that belongs to it, move the journal away, or begin another run",
        path, frame->hash, run_hash);
    return WN_OK;
}

bool wn_head_is_sound(const struct wn_unit_head *head)
{
    uint64_t end = 0;
    uint64_t total = 0;
    for (int i = 0; i < WN_STATUS_COUNT; ++i) {
        if (__builtin_add_overflow(total, head->by_status[i], &total)) {
            return false;
        }
    }
    return head->count > 0 && !__builtin_add_overflow(head->first, head->count, &end) &&
           total == head->count && head->ifd_above_one <= head->count;
}

static void head_put(struct wn_bytes *bytes, uint64_t run_id, const struct wn_unit_head *head)
{
    wn_bytes_u64(bytes, run_id);
    wn_bytes_u32(bytes, head->pass);
    wn_bytes_u32(bytes, head->worker);
    wn_bytes_u32(bytes, head->rows_kind);
    wn_bytes_u64(bytes, head->first);
    wn_bytes_u64(bytes, head->count);
    for (int i = 0; i < WN_STATUS_COUNT; ++i) {
        wn_bytes_u64(bytes, head->by_status[i]);
    }
    wn_bytes_u64(bytes, head->ifd_above_one);
    wn_bytes_u64(bytes, head->tokens);
    wn_bytes_f64(bytes, head->seconds);
    wn_bytes_f64(bytes, head->finished);
    wn_bytes_u64(bytes, head->bulk.epoch);
    wn_bytes_u64(bytes, head->bulk.offset);
    wn_bytes_u64(bytes, head->bulk.size);
    wn_bytes_u32(bytes, head->bulk.rank);
    wn_bytes_u32(bytes, head->bulk.crc);
    wn_bytes_u32(bytes, wn_crc32c(0, bytes->data, bytes->size));
}

bool wn_head_take(struct wn_span *left, uint64_t *out_run_id, struct wn_unit_head *out_head)
{
    struct wn_span text;
    uint32_t crc = 0;
    struct wn_unit_head *h = out_head;
    *h = (struct wn_unit_head){0};
    if (!wn_take(left, WN_HEAD_BYTES, &text)) {
        return false;
    }
    const uint32_t right_crc = wn_crc32c(0, text.data, WN_HEAD_BYTES - sizeof crc);
    bool ok = wn_take_u64(&text, out_run_id) && wn_take_u32(&text, &h->pass) &&
              wn_take_u32(&text, &h->worker) && wn_take_u32(&text, &h->rows_kind) &&
              wn_take_u64(&text, &h->first) && wn_take_u64(&text, &h->count);
    for (int i = 0; i < WN_STATUS_COUNT; ++i) {
        ok = ok && wn_take_u64(&text, &h->by_status[i]);
    }
    ok = ok && wn_take_u64(&text, &h->ifd_above_one) && wn_take_u64(&text, &h->tokens) &&
         wn_take_f64(&text, &h->seconds) && wn_take_f64(&text, &h->finished) &&
         wn_take_u64(&text, &h->bulk.epoch) && wn_take_u64(&text, &h->bulk.offset) &&
         wn_take_u64(&text, &h->bulk.size) && wn_take_u32(&text, &h->bulk.rank) &&
         wn_take_u32(&text, &h->bulk.crc) && wn_take_u32(&text, &crc);
    return ok && crc == right_crc && text.size == 0 && wn_head_is_sound(h);
}

/* ---- writing ---- */

wn_code wn_journal_create(const char *run, uint64_t epoch, const char run_hash[WN_HASH_TEXT],
                          struct wn_journal **out_journal, struct wn_error *err)
{
    wn_code code = WN_OK;
    bool exists = false;
    struct wn_journal *journal = calloc(1, sizeof *journal);
    char *path = wn_journal_path(run, epoch);
    if (journal == NULL || path == NULL) {
        free(journal);
        free(path);
        WN_FAIL(err, WN_DEVICE, "out of memory for a journal");
    }
    journal->path = path;
    journal->run_id = wn_journal_run_id(run_hash);
    code = wn_frames_create(path, &journal->frames, &exists, err);
    if (code != WN_OK && exists) {
        code = wn_error_set(
            err, WN_RUN, __FILE__, __LINE__,
            "%s: is there already: another job goes on with this run; wait for it, or run again", path);
    }
    WN_TRY_OR(done, code);
    WN_TRY_OR(done, wn_journal_write_run(journal->frames, run_hash, false, err));
    *out_journal = journal;
    return WN_OK;
done:
    wn_journal_close(&journal);
    return code;
}

wn_code wn_journal_unit(struct wn_journal *journal, const struct wn_unit_head *head, struct wn_span rows,
                        struct wn_error *err)
{
    WN_CHECK(wn_head_is_sound(head), err, WN_DEFECT,
             "%s: a unit of records %llu to %llu whose statuses do not add up to its records", journal->path,
             (unsigned long long)head->first, (unsigned long long)(head->first + head->count));
    WN_CHECK(rows.size <= wn_frame_most - WN_HEAD_BYTES, err, WN_DEFECT,
             "%s: a unit with %zu bytes of rows; at most 1 GiB can be kept", journal->path, rows.size);
    wn_bytes_clear(&journal->head);
    head_put(&journal->head, journal->run_id, head);
    WN_CHECK(!journal->head.is_short, err, WN_DEVICE, "out of memory for a unit of the journal");
    const struct wn_span parts[] = {wn_bytes_span(&journal->head), rows};
    return wn_frames_write(journal->frames, WN_FRAME_UNIT, parts, 2, NULL, err);
}

wn_code wn_journal_event(struct wn_journal *journal, struct wn_span line, struct wn_error *err)
{
    return wn_frames_write(journal->frames, WN_FRAME_EVENT, &line, 1, NULL, err);
}

wn_code wn_journal_sync(struct wn_journal *journal, struct wn_error *err)
{
    return wn_frames_sync(journal->frames, err);
}

uint64_t wn_journal_size(const struct wn_journal *journal)
{
    return wn_frames_size(journal->frames);
}

void wn_journal_close(struct wn_journal **journal)
{
    if (*journal == NULL) {
        return;
    }
    wn_frames_close(&(*journal)->frames);
    wn_bytes_free(&(*journal)->head);
    free((*journal)->path);
    free(*journal);
    *journal = NULL;
}
