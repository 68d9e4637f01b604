/* A borrowed run of bytes with a length: text here may hold U+0000 and is never ended by it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_SPAN_H
#define WINNOW_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct wn_span {
    const char *data; /* borrowed; may be NULL only where size is 0 */
    size_t size;      /* bytes */
};

static inline struct wn_span wn_span_of(const char *text)
{
    return (struct wn_span){text, strlen(text)};
}

static inline bool wn_span_equal(struct wn_span a, struct wn_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool wn_span_is(struct wn_span a, const char *text)
{
    return wn_span_equal(a, wn_span_of(text));
}

#endif
