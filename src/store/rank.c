/* The rank column by external merge: sorted runs, one merge, ranges of record numbers.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/rank.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Ordered by key, then by value. While scores are sorted: key = the score, so that the highest comes first, value = the
 * record number as the tie rule wants it. While ranks are put in place: key = record number, value = its rank. */
struct entry {
    uint64_t key, value;
};

struct wn_ranker {
    char *path;
    int file; /* of runs and ranges; -1: none yet */
    uint64_t n, put;
    uint64_t rankable; /* records with a score so far */
    bool larger_index_first;
    size_t limit;
    struct entry *entries; /* [limit or n, whichever is less] */
    size_t filled;
    uint64_t n_runs; /* each of `limit` entries but for the last */
};

enum { EMIT_BLOCK = 65536, SMALL_SORT = 24 };

static bool is_before(struct entry a, struct entry b)
{
    return a.key != b.key ? a.key < b.key : a.value < b.value;
}

static void swap(struct entry *a, struct entry *b)
{
    const struct entry kept = *a;
    *a = *b;
    *b = kept;
}

static void sort_small(struct entry *entries, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const struct entry moved = entries[i];
        size_t to = i;
        for (; to > 0 && is_before(moved, entries[to - 1]); to--) {
            entries[to] = entries[to - 1];
        }
        entries[to] = moved;
    }
}

static void heap_sink(struct entry *entries, size_t at, size_t n)
{
    for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        child += child + 1 < n && is_before(entries[child], entries[child + 1]);
        if (!is_before(entries[at], entries[child])) {
            return;
        }
        swap(&entries[at], &entries[child]);
        at = child;
    }
}

static void sort_heap(struct entry *entries, size_t n)
{
    for (size_t i = n / 2; i > 0; i--) {
        heap_sink(entries, i - 1, n);
    }
    for (size_t end = n; end > 1; end--) {
        swap(&entries[0], &entries[end - 1]);
        heap_sink(entries, 0, end - 1);
    }
}

/* Splits by the median of three: what lies before the returned place is not after what lies from it on. */
static size_t split(struct entry *entries, size_t n)
{
    struct entry *middle = &entries[n / 2], *last = &entries[n - 1];
    if (is_before(*middle, entries[0])) {
        swap(middle, &entries[0]);
    }
    if (is_before(*last, *middle)) {
        swap(last, middle);
        if (is_before(*middle, entries[0])) {
            swap(middle, &entries[0]);
        }
    }
    const struct entry pivot = *middle;
    size_t i = 0, j = n - 1;
    for (;;) {
        while (is_before(entries[i], pivot)) {
            i++;
        }
        while (is_before(pivot, entries[j])) {
            j--;
        }
        if (i >= j) {
            return j + 1;
        }
        swap(&entries[i], &entries[j]);
        i++;
        j--;
    }
}

/* In place, without further memory: quicksort, and heap sort for a part that splits badly too often. */
static void sort(struct entry *entries, size_t n)
{
    struct {
        struct entry *entries;
        size_t n;
        int budget;
    } waiting[64];
    size_t depth = 0;
    int budget = 2;
    for (size_t size = n; size > 1; size /= 2) {
        budget += 2;
    }
    for (;;) {
        if (n <= SMALL_SORT || budget == 0) {
            if (n <= SMALL_SORT) {
                sort_small(entries, n);
            } else {
                sort_heap(entries, n);
            }
            if (depth == 0) {
                return;
            }
            depth--;
            entries = waiting[depth].entries;
            n = waiting[depth].n;
            budget = waiting[depth].budget;
            continue;
        }
        budget--;
        const size_t left = split(entries, n);
        const bool left_is_larger = left > n - left;
        /* The larger part waits, so that no more than one part per halving does. */
        waiting[depth].entries = left_is_larger ? entries : entries + left;
        waiting[depth].n = left_is_larger ? left : n - left;
        waiting[depth].budget = budget;
        depth++;
        entries = left_is_larger ? entries + left : entries;
        n = left_is_larger ? n - left : left;
    }
}

/* A key that grows while the score falls. Both zeros are one score. */
static uint64_t key_of(double score)
{
    const double one_zero = score + 0.0;
    uint64_t bits;
    memcpy(&bits, &one_zero, sizeof bits);
    const uint64_t rising = bits >> 63 != 0 ? ~bits : bits | UINT64_C(1) << 63;
    return ~rising;
}

static wn_code fail_file(const struct wn_ranker *ranker, int reason, struct wn_error *err)
{
    const bool is_full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
    WN_FAIL(err, WN_IO,
            "%s: the temporary file for its ranks cannot be used: %s; ranking %llu records needs %llu bytes "
            "beside it%s",
            ranker->path, strerror(reason), (unsigned long long)ranker->n, (unsigned long long)ranker->n * 32,
            is_full ? ": free space there and run the same command again"
                    : ": see to that folder and run the same command again");
}

/* A file without a name in the folder of the output: it is gone when the process is. */
static wn_code file_open(struct wn_ranker *ranker, struct wn_error *err)
{
    const char *slash = strrchr(ranker->path, '/');
    char *folder = slash == NULL
                       ? strdup(".")
                       : strndup(ranker->path, slash == ranker->path ? 1 : (size_t)(slash - ranker->path));
    WN_CHECK(folder != NULL, err, WN_DEVICE, "out of memory for a path");
    ranker->file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    free(folder);
    if (ranker->file >= 0) {
        return WN_OK;
    }
    char *name = NULL; /* NFS and others have no files without a name: one that loses its name at once */
    WN_CHECK(asprintf(&name, "%s.rank.XXXXXX", ranker->path) >= 0, err, WN_DEVICE,
             "out of memory for a path");
    ranker->file = mkostemp(name, O_CLOEXEC);
    const int reason = errno;
    if (ranker->file >= 0) {
        (void)unlink(name);
    }
    free(name);
    return ranker->file >= 0 ? WN_OK : fail_file(ranker, reason, err);
}

static wn_code entries_write(const struct wn_ranker *ranker, uint64_t first, const struct entry *entries,
                             size_t n, struct wn_error *err)
{
    const char *from = (const char *)entries;
    size_t left = n * sizeof *entries;
    uint64_t at = first * sizeof *entries;
    while (left > 0) {
        const ssize_t written = pwrite(ranker->file, from, left, (off_t)at);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return fail_file(ranker, written == 0 ? ENOSPC : errno, err);
        }
        from += written;
        left -= (size_t)written;
        at += (uint64_t)written;
    }
    return WN_OK;
}

static wn_code entries_read(const struct wn_ranker *ranker, uint64_t first, struct entry *entries, size_t n,
                            struct wn_error *err)
{
    char *to = (char *)entries;
    size_t left = n * sizeof *entries;
    uint64_t at = first * sizeof *entries;
    while (left > 0) {
        const ssize_t got = pread(ranker->file, to, left, (off_t)at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return fail_file(ranker, got == 0 ? EIO : errno, err);
        }
        to += got;
        left -= (size_t)got;
        at += (uint64_t)got;
    }
    return WN_OK;
}

wn_code wn_ranker_new(const char *path, uint64_t n, bool larger_index_first, size_t limit,
                      struct wn_ranker **out_ranker, struct wn_error *err)
{
    assert(limit > 0);
    struct wn_ranker *ranker = calloc(1, sizeof *ranker);
    const size_t capacity = n < limit ? (size_t)n : limit;
    if (ranker != NULL) {
        ranker->file = -1;
        ranker->n = n;
        ranker->larger_index_first = larger_index_first;
        ranker->limit = limit;
        ranker->path = strdup(path);
        ranker->entries = malloc((capacity + 1) * sizeof *ranker->entries);
    }
    if (ranker == NULL || ranker->path == NULL || ranker->entries == NULL) {
        wn_ranker_free(&ranker);
        WN_FAIL(err, WN_DEVICE, "out of memory for the ranks of %llu records", (unsigned long long)n);
    }
    *out_ranker = ranker;
    return WN_OK;
}

void wn_ranker_free(struct wn_ranker **ranker)
{
    struct wn_ranker *r = *ranker;
    *ranker = NULL;
    if (r == NULL) {
        return;
    }
    if (r->file >= 0) {
        (void)close(r->file);
    }
    free(r->entries);
    free(r->path);
    free(r);
}

/* What is gathered becomes a sorted run of the file. */
static wn_code run_write(struct wn_ranker *ranker, struct wn_error *err)
{
    if (ranker->file < 0) {
        WN_TRY(file_open(ranker, err));
    }
    sort(ranker->entries, ranker->filled);
    WN_TRY(entries_write(ranker, ranker->n_runs * ranker->limit, ranker->entries, ranker->filled, err));
    ranker->n_runs++;
    ranker->filled = 0;
    return WN_OK;
}

wn_code wn_ranker_put(struct wn_ranker *ranker, double score, struct wn_error *err)
{
    assert(ranker->put < ranker->n);
    const uint64_t index = ranker->put;
    ranker->put++;
    if (isnan(score)) {
        return WN_OK;
    }
    if (ranker->filled == ranker->limit) {
        WN_TRY(run_write(ranker, err));
    }
    ranker->entries[ranker->filled] =
        (struct entry){key_of(score), ranker->larger_index_first ? ~index : index};
    ranker->filled++;
    ranker->rankable++;
    return WN_OK;
}

/* How the ranks leave: blocks of records in order. */
struct emitter {
    void *context;
    wn_rank_visit *visit;
    bool is_refused;
    uint64_t *block; /* [EMIT_BLOCK] */
};

/* The ranks of the records [first, end), where `entries` are those that have one; they are put in order here. */
static void range_emit(struct emitter *emitter, uint64_t first, uint64_t end, struct entry *entries, size_t n)
{
    sort(entries, n);
    size_t next = 0;
    for (uint64_t at = first; at < end && !emitter->is_refused;) {
        const size_t count = end - at < EMIT_BLOCK ? (size_t)(end - at) : EMIT_BLOCK;
        for (size_t i = 0; i < count; i++) {
            const bool has_rank = next < n && entries[next].key == at + i;
            emitter->block[i] = has_rank ? entries[next].value : UINT64_MAX;
            next += has_rank;
        }
        emitter->is_refused = !emitter->visit(emitter->context, emitter->block, count);
        at += count;
    }
}

static uint64_t index_of(const struct wn_ranker *ranker, struct entry entry)
{
    return ranker->larger_index_first ? ~entry.value : entry.value;
}

/* One run while it is merged: a window of the file. */
struct run {
    uint64_t next, end;   /* entries of the file that are not in the window yet */
    struct entry *window; /* [capacity] */
    size_t at, n;
};

/* One range of record numbers: the places of its records, on their way to the file. */
struct range {
    uint64_t written;     /* entries in the file */
    struct entry *window; /* [capacity] */
    size_t n;
};

struct merge {
    struct wn_ranker *ranker;
    uint64_t n_runs, n_ranges;
    size_t run_capacity, range_capacity; /* entries of a window */
    struct run *runs;
    struct range *ranges;
    struct entry *memory; /* of all windows */
    size_t *heap;         /* [n_runs] runs, that with the first entry on top */
    size_t heap_size;
};

static wn_code run_fill(const struct merge *merge, struct run *run, struct wn_error *err)
{
    const uint64_t left = run->end - run->next;
    run->n = left < merge->run_capacity ? (size_t)left : merge->run_capacity;
    run->at = 0;
    WN_TRY(entries_read(merge->ranker, run->next, run->window, run->n, err));
    run->next += run->n;
    return WN_OK;
}

static bool run_is_before(const struct merge *merge, size_t a, size_t b)
{
    return is_before(merge->runs[a].window[merge->runs[a].at], merge->runs[b].window[merge->runs[b].at]);
}

static void runs_sink(struct merge *merge, size_t at)
{
    size_t *heap = merge->heap;
    for (size_t child = 2 * at + 1; child < merge->heap_size; child = 2 * at + 1) {
        child += child + 1 < merge->heap_size && run_is_before(merge, heap[child + 1], heap[child]);
        if (!run_is_before(merge, heap[child], heap[at])) {
            return;
        }
        const size_t kept = heap[at];
        heap[at] = heap[child];
        heap[child] = kept;
        at = child;
    }
}

/* Where the entries of a range begin in the file: behind all runs, `limit` for each range. */
static uint64_t range_first(const struct wn_ranker *ranker, uint64_t range)
{
    return ranker->n_runs * ranker->limit + range * ranker->limit;
}

static wn_code range_flush(const struct merge *merge, uint64_t number, struct wn_error *err)
{
    struct range *range = &merge->ranges[number];
    WN_TRY(entries_write(merge->ranker, range_first(merge->ranker, number) + range->written, range->window,
                         range->n, err));
    range->written += range->n;
    range->n = 0;
    return WN_OK;
}

static wn_code merge_open(struct merge *merge, struct wn_error *err)
{
    const struct wn_ranker *ranker = merge->ranker;
    const size_t half = ranker->limit / 2;
    merge->n_runs = ranker->n_runs;
    merge->n_ranges = (ranker->n - 1) / ranker->limit + 1;
    merge->run_capacity = half / merge->n_runs + 1;
    merge->range_capacity = half / merge->n_ranges + 1;
    merge->runs = calloc(merge->n_runs, sizeof *merge->runs);
    merge->ranges = calloc(merge->n_ranges, sizeof *merge->ranges);
    merge->heap = calloc(merge->n_runs, sizeof *merge->heap);
    const size_t run_entries = merge->n_runs * merge->run_capacity;
    merge->memory = malloc((run_entries + merge->n_ranges * merge->range_capacity) * sizeof *merge->memory);
    WN_CHECK(merge->runs != NULL && merge->ranges != NULL && merge->heap != NULL && merge->memory != NULL,
             err, WN_DEVICE, "out of memory for the ranks of %llu records", (unsigned long long)ranker->n);
    for (uint64_t r = 0; r < merge->n_ranges; r++) {
        merge->ranges[r].window = merge->memory + run_entries + r * merge->range_capacity;
    }
    for (uint64_t r = 0; r < merge->n_runs; r++) {
        const uint64_t first = r * ranker->limit, end = first + ranker->limit;
        merge->runs[r] = (struct run){.next = first,
                                      .end = end < ranker->rankable ? end : ranker->rankable,
                                      .window = merge->memory + r * merge->run_capacity};
        WN_TRY(run_fill(merge, &merge->runs[r], err));
        merge->heap[r] = r;
    }
    merge->heap_size = merge->n_runs;
    for (size_t i = merge->heap_size / 2; i > 0; i--) {
        runs_sink(merge, i - 1);
    }
    return WN_OK;
}

/* All runs into one order: the place of each record goes to its range. */
static wn_code merge_run(struct merge *merge, struct wn_error *err)
{
    WN_TRY(merge_open(merge, err));
    for (uint64_t place = 0; merge->heap_size > 0; place++) {
        struct run *run = &merge->runs[merge->heap[0]];
        const uint64_t index = index_of(merge->ranker, run->window[run->at]);
        const uint64_t number = index / merge->ranker->limit;
        struct range *range = &merge->ranges[number];
        range->window[range->n] = (struct entry){index, place};
        range->n++;
        if (range->n == merge->range_capacity) {
            WN_TRY(range_flush(merge, number, err));
        }
        run->at++;
        if (run->at == run->n) {
            WN_TRY(run_fill(merge, run, err));
        }
        if (run->n == 0) {
            merge->heap_size--;
            merge->heap[0] = merge->heap[merge->heap_size];
        }
        runs_sink(merge, 0);
    }
    for (uint64_t r = 0; r < merge->n_ranges; r++) {
        WN_TRY(range_flush(merge, r, err));
    }
    return WN_OK;
}

static wn_code outside_emit(struct wn_ranker *ranker, struct emitter *emitter, struct wn_error *err)
{
    WN_TRY(run_write(ranker, err));
    free(ranker->entries); /* the windows take its place */
    ranker->entries = NULL;
    struct merge merge = {.ranker = ranker};
    wn_code code = merge_run(&merge, err);
    free(merge.memory);
    merge.memory = NULL;
    if (code == WN_OK) {
        ranker->entries = malloc(ranker->limit * sizeof *ranker->entries);
        if (ranker->entries == NULL) {
            code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__,
                                "out of memory for the ranks of %llu records", (unsigned long long)ranker->n);
        }
    }
    for (uint64_t r = 0; code == WN_OK && r < merge.n_ranges && !emitter->is_refused; r++) {
        const uint64_t first = r * ranker->limit, end = first + ranker->limit;
        const size_t n = (size_t)merge.ranges[r].written;
        code = entries_read(ranker, range_first(ranker, r), ranker->entries, n, err);
        if (code == WN_OK) {
            range_emit(emitter, first, end < ranker->n ? end : ranker->n, ranker->entries, n);
        }
    }
    free(merge.runs);
    free(merge.ranges);
    free(merge.heap);
    return code;
}

wn_code wn_ranker_finish(struct wn_ranker *ranker, void *context, wn_rank_visit *visit, bool *out_refused,
                         struct wn_error *err)
{
    assert(ranker->put == ranker->n);
    struct emitter emitter = {.context = context, .visit = visit};
    emitter.block = malloc(EMIT_BLOCK * sizeof *emitter.block);
    WN_CHECK(emitter.block != NULL, err, WN_DEVICE, "out of memory for the ranks of %llu records",
             (unsigned long long)ranker->n);
    wn_code code = WN_OK;
    if (ranker->n_runs > 0) {
        code = outside_emit(ranker, &emitter, err);
    } else {
        sort(ranker->entries, ranker->filled);
        for (size_t place = 0; place < ranker->filled; place++) {
            ranker->entries[place] = (struct entry){index_of(ranker, ranker->entries[place]), place};
        }
        range_emit(&emitter, 0, ranker->n, ranker->entries, ranker->filled);
    }
    free(emitter.block);
    *out_refused = emitter.is_refused;
    return code;
}
