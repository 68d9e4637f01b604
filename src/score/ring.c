/* See ring.h.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A stretch that would go round the end of the memory begins at its start instead; the places skipped are used again
 * when the plan before them leaves. The owner of each place is noted, so that values find their plans.
 */
#include "score/ring.h"

#include <assert.h>
#include <stdlib.h>

enum { LEAST_VALUES = 16384, BATCHES = 8, MOST_PENDING = 16384 };

struct pending {
    struct wn_record_plan *plan;
    uint64_t base; /* number of its first value: its place is this modulo n_values */
    int64_t left;  /* values that are not there yet */
};

struct wn_ring {
    struct wn_value *values; /* [n_values] */
    uint64_t *owners;        /* [n_values] number of the plan */
    size_t n_values;
    uint64_t value_end;      /* numbers given out since the start, and skipped */
    struct pending *pending; /* [MOST_PENDING] plans first .. end - 1, each at its number modulo that */
    uint64_t first, end;
};

/* `*array` with room for `n` elements of `size`; what is in it stays. */
static wn_code grow(void **array, size_t n, size_t size, struct wn_error *err)
{
    size_t bytes = 0;
    void *more = wn_mul_size(n, size, &bytes) ? realloc(*array, bytes) : NULL;
    WN_CHECK(more != NULL, err, WN_DEVICE, "out of memory for %zu values", n);
    *array = more;
    return WN_OK;
}

static wn_code set_values(struct wn_ring *ring, size_t n, struct wn_error *err)
{
    WN_TRY(grow((void **)&ring->values, n, sizeof *ring->values, err));
    WN_TRY(grow((void **)&ring->owners, n, sizeof *ring->owners, err));
    ring->n_values = n;
    return WN_OK;
}

wn_code wn_ring_new(int32_t batch_rows, struct wn_ring **out_ring, struct wn_error *err)
{
    const size_t wanted = (size_t)batch_rows * BATCHES;
    struct wn_ring *ring = calloc(1, sizeof *ring);
    WN_CHECK(ring != NULL, err, WN_DEVICE, "out of memory for a ring of values");
    wn_code code = WN_OK;
    WN_TRY_OR(done, set_values(ring, wanted > LEAST_VALUES ? wanted : LEAST_VALUES, err));
    WN_TRY_OR(done, grow((void **)&ring->pending, MOST_PENDING, sizeof *ring->pending, err));
    *out_ring = ring;
done:
    if (code != WN_OK) {
        wn_ring_free(ring);
    }
    return code;
}

void wn_ring_free(struct wn_ring *ring)
{
    if (ring != NULL) {
        free(ring->values);
        free(ring->owners);
        free(ring->pending);
        free(ring);
    }
}

static struct pending *pending_of(const struct wn_ring *ring, uint64_t number)
{
    return &ring->pending[number % MOST_PENDING];
}

/* Places to leave out, so that a stretch of `n` does not go round the end. */
static size_t places_skipped(const struct wn_ring *ring, size_t n)
{
    const size_t at = (size_t)(ring->value_end % ring->n_values);
    return n > ring->n_values - at ? ring->n_values - at : 0;
}

bool wn_ring_has_room(const struct wn_ring *ring, int64_t n_values)
{
    if (ring->first == ring->end) {
        return true;
    }
    const size_t n = (size_t)n_values;
    const size_t held = (size_t)(ring->value_end - pending_of(ring, ring->first)->base);
    const size_t free_places = ring->n_values - held;
    const size_t skipped = places_skipped(ring, n);
    return !wn_ring_is_crowded(ring) && skipped <= free_places && n <= free_places - skipped;
}

wn_code wn_ring_place(struct wn_ring *ring, struct wn_record_plan *plan, uint64_t *out_base,
                      struct wn_error *err)
{
    assert(wn_ring_has_room(ring, plan->n_values));
    const size_t n = (size_t)plan->n_values;
    if (n > ring->n_values) { /* no plan is there: no place is in use */
        WN_TRY(set_values(ring, n, err));
        ring->value_end += ring->n_values - (size_t)(ring->value_end % ring->n_values);
    }
    ring->value_end += places_skipped(ring, n);
    const uint64_t base = ring->value_end;
    const size_t at = (size_t)(base % ring->n_values);
    for (size_t i = 0; i < n; i++) {
        ring->owners[at + i] = ring->end;
    }
    *pending_of(ring, ring->end++) = (struct pending){plan, base, plan->n_values};
    ring->value_end += n;
    *out_base = base;
    return WN_OK;
}

void wn_ring_land(struct wn_ring *ring, const int64_t *numbers, const struct wn_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const size_t at = (size_t)((uint64_t)numbers[i] % ring->n_values);
        ring->values[at] = values[i];
        pending_of(ring, ring->owners[at])->left--;
    }
}

struct wn_record_plan *wn_ring_oldest(const struct wn_ring *ring, const struct wn_value **out_values)
{
    const struct pending *oldest = pending_of(ring, ring->first);
    if (ring->first == ring->end || oldest->left > 0) {
        return NULL;
    }
    *out_values = ring->values + oldest->base % ring->n_values;
    return oldest->plan;
}

struct wn_record_plan *wn_ring_leave(struct wn_ring *ring)
{
    return ring->first == ring->end ? NULL : pending_of(ring, ring->first++)->plan;
}

size_t wn_ring_pending(const struct wn_ring *ring)
{
    return (size_t)(ring->end - ring->first);
}

bool wn_ring_is_crowded(const struct wn_ring *ring)
{
    return wn_ring_pending(ring) >= MOST_PENDING;
}
