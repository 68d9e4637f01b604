/* The scanner: plain bytes of one file -> byte spans of records. Internal to corpus.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   struct wn_scan scan = {...};                 bytes and container of the file
 *   wn_scan_begin(&scan, &found, err);           to the first value
 *   while (found) {
 *       wn_scan_value(&scan, &span, err);        the value that begins here
 *       wn_scan_step(&scan, &found, err);        to the next value
 *   }
 * A reader that knows where a record begins sets `at` to it and starts with wn_scan_value; `bytes` may then end at the
 * end of any later record, and the spans are the same as in the whole file.
 *
 * Array: records are the elements; commas and brackets must be right, strings are skipped, nothing else is looked at.
 * Lines: a record is a line without the blanks around it. Two things beside this: objects may follow each other in one
 * line, and an object may run over several lines if it is sound JSON up to its closing brace and nothing but blanks or
 * another object follows it there. So a broken line never swallows its neighbours: it is a record of its own.
 */
#ifndef WINNOW_CORPUS_SCAN_H
#define WINNOW_CORPUS_SCAN_H

#include "winnow/span.h"
#include "winnow/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wn_scan {
    const char *path;     /* for messages */
    struct wn_span bytes; /* plain bytes, from the file's first */
    size_t at;            /* the next byte to look at */
    size_t line_end;      /* end of the line that `at` is in, where known; else <= at */
    uint64_t number;      /* of the value, 0-based in its file, for messages */
    bool is_array;
    uint64_t line; /* lines only: 1-based line of `at` */
};

/* To the first value: over a byte order mark and blanks, and the array's opening bracket. WN_INPUT naming the byte. */
wn_code wn_scan_begin(struct wn_scan *scan, bool *out_found, struct wn_error *err);

/* The value at `at`, which then stands behind it. WN_INPUT for a torn array and for a record of 2^32 bytes or more. */
wn_code wn_scan_value(struct wn_scan *scan, struct wn_span *out_value, struct wn_error *err);

/* From behind a value to the next one; *out_found is false at the end. WN_INPUT for a missing comma, a comma before
 * the closing bracket, a missing bracket and for text behind it. */
wn_code wn_scan_step(struct wn_scan *scan, bool *out_found, struct wn_error *err);

/* True where `line` is one whole object (brackets and strings match) with nothing but blanks around it. */
bool wn_scan_is_object(struct wn_span line);

/* Bytes at the start that are a UTF-8 byte order mark: 3 or 0. */
size_t wn_scan_mark(struct wn_span bytes);

#endif
