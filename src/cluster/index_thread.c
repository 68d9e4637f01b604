/* The thread that makes the index grow, so that scoring begins with the first block.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster/drive.h"

#include <stdatomic.h>
#include <stdlib.h>

struct wn_index_thread {
    struct wn_corpus *corpus;
    atomic_bool is_cancelled;
};

wn_code wn_index_thread_new(struct wn_corpus *corpus, struct wn_index_thread **out_indexer,
                            struct wn_error *err)
{
    struct wn_index_thread *indexer = calloc(1, sizeof *indexer);
    WN_CHECK(indexer != NULL, err, WN_DEVICE, "out of memory for the index");
    indexer->corpus = corpus;
    atomic_init(&indexer->is_cancelled, false);
    *out_indexer = indexer;
    return WN_OK;
}

static wn_code indexer_run(struct wn_stage *stage, void *context, struct wn_error *err)
{
    struct wn_index_thread *indexer = context;
    bool is_done = wn_corpus_is_whole(indexer->corpus);
    while (!is_done && !atomic_load(&indexer->is_cancelled)) {
        WN_TRY(wn_corpus_step(indexer->corpus, &is_done, err));
        wn_stage_beat(stage);
    }
    return WN_OK;
}

wn_code wn_index_thread_start(struct wn_index_thread *indexer, struct wn_crew *crew, struct wn_error *err)
{
    return wn_crew_start(crew, "index", WN_IO, indexer_run, indexer, err);
}

void wn_index_thread_cancel(struct wn_index_thread *indexer)
{
    atomic_store(&indexer->is_cancelled, true);
}

void wn_index_thread_free(struct wn_index_thread *indexer)
{
    free(indexer);
}
