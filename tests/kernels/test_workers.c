/* The model threads: every item is run once, whatever the number of threads and lists.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include "kernels/workers.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { ITEMS = 1000 };

struct counted {
    atomic_int runs[ITEMS];
    int32_t threads;
    atomic_int bad_thread;
};

static void count(void *context, int64_t item, int32_t thread)
{
    struct counted *counted = context;
    atomic_fetch_add(&counted->runs[item], 1);
    if (thread < 0 || thread >= counted->threads) {
        atomic_store(&counted->bad_thread, 1);
    }
}

Test(workers, every_item_is_run_once)
{
    for (int32_t threads = 1; threads <= 5; threads += 2) {
        struct wn_error err;
        struct wn_workers *workers = NULL;
        WN_TEST_OK(wn_workers_new(threads, &workers, &err));
        cr_assert_eq(wn_workers_count(workers), threads);
        struct counted *counted = calloc(1, sizeof *counted);
        counted->threads = threads;
        for (int list = 0; list < 200; list++) {
            wn_workers_run(workers, count, counted, list % 3 == 0 ? 1 : list % 5 == 0 ? 0 : ITEMS);
        }
        int lists_of_all = 0;
        int lists_of_one = 0;
        for (int list = 0; list < 200; list++) {
            lists_of_one += list % 3 == 0;
            lists_of_all += list % 3 != 0 && list % 5 != 0;
        }
        for (int i = 0; i < ITEMS; i++) {
            cr_assert_eq(atomic_load(&counted->runs[i]), lists_of_all + (i == 0 ? lists_of_one : 0),
                         "item %d: %d runs", i, atomic_load(&counted->runs[i]));
        }
        cr_assert_eq(atomic_load(&counted->bad_thread), 0);
        free(counted);
        wn_workers_free(workers);
    }
}
