/* The index in memory: pages of blocks that never move.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "corpus/inside.h"

#include <assert.h>
#include <stdlib.h>

/* Page of block `i`, and its place there. */
static size_t page_of(size_t i, size_t *out_place)
{
    size_t page = 0;
    size_t size = WN_PAGE_FIRST;
    while (i >= size) {
        i -= size;
        size *= 2;
        page++;
    }
    *out_place = i;
    return page;
}

wn_code wn_blocks_add(struct wn_blocks *blocks, const struct wn_block *block, struct wn_error *err)
{
    size_t place = 0;
    const size_t page = page_of(blocks->n, &place);
    if (page < WN_PAGES && blocks->pages[page] == NULL) {
        blocks->pages[page] = calloc((size_t)WN_PAGE_FIRST << page, sizeof *block);
    }
    WN_CHECK(page < WN_PAGES && blocks->pages[page] != NULL, err, WN_DEVICE,
             "out of memory for the index of the corpus (%zu blocks)", blocks->n + 1);
    blocks->pages[page][place] = *block;
    blocks->n++;
    return WN_OK;
}

struct wn_block *wn_blocks_at(const struct wn_blocks *blocks, size_t i)
{
    size_t place = 0;
    const size_t page = page_of(i, &place);
    assert(page < WN_PAGES && blocks->pages[page] != NULL);
    return &blocks->pages[page][place];
}

void wn_blocks_free(struct wn_blocks *blocks)
{
    for (size_t page = 0; page < WN_PAGES; page++) {
        free(blocks->pages[page]);
        blocks->pages[page] = NULL;
    }
    blocks->n = 0;
}
