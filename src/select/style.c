/* How the records of a corpus stand in their file, so that a subset stands the same way.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "select/parts.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* `text` without its outer white space is `mark`, or is empty where `mark` is. */
static bool is_mark(struct wn_span text, const char *mark)
{
    while (text.size > 0 && is_space(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_space(text.data[text.size - 1])) {
        text.size--;
    }
    return wn_span_is(text, mark);
}

/* The white space in front of the last byte of a record on several lines: its own indentation with the line
 * break. */
static struct wn_span own_indent(struct wn_span record)
{
    size_t start = record.size - 1;
    while (start > 0 && is_space(record.data[start - 1])) {
        start--;
    }
    const struct wn_span space = {record.data + start, record.size - 1 - start};
    return space.size > 0 && memchr(space.data, '\n', space.size) != NULL ? space : wn_span_of("\n");
}

/* What an array looks like where its file cannot show it: one record behind the other, each on lines of its
 * own. */
static bool style_guess(struct wn_span record, struct wn_style *out)
{
    const struct wn_span indent = own_indent(record);
    return wn_bytes_append(&out->open, wn_span_of("[")) && wn_bytes_append(&out->open, indent) &&
           wn_bytes_append(&out->separator, wn_span_of(",")) && wn_bytes_append(&out->separator, indent) &&
           wn_bytes_append(&out->close, wn_span_of("\n]\n"));
}

/* The bytes of the file around its first record, between the first two and behind the last. False where they
 * are not what an array has there (the file has changed, or was compressed). */
static bool style_read(struct wn_span file, const struct wn_place places[3], uint64_t n, struct wn_style *out)
{
    const struct wn_place *first = &places[0], *second = &places[1], *last = &places[2];
    const uint64_t first_end = first->offset + first->length, last_end = last->offset + last->length;
    if (first_end > file.size || last_end > file.size || (n > 1 && second->offset < first_end)) {
        return false;
    }
    struct wn_span open = {file.data, (size_t)first->offset};
    if (open.size >= 3 && memcmp(open.data, "\xef\xbb\xbf", 3) == 0) { /* a BOM is no part of JSON */
        open.data += 3;
        open.size -= 3;
    }
    const struct wn_span close = {file.data + last_end, (size_t)(file.size - last_end)};
    struct wn_span separator = {",\n", 2};
    if (n > 1) {
        separator = (struct wn_span){file.data + first_end, (size_t)(second->offset - first_end)};
    }
    return is_mark(open, "[") && is_mark(separator, ",") && is_mark(close, "]") &&
           wn_bytes_append(&out->open, open) && wn_bytes_append(&out->separator, separator) &&
           wn_bytes_append(&out->close, close);
}

/* The first file that holds records, its number and the index of its first record. */
static bool file_find(const struct wn_corpus *corpus, struct wn_corpus_file *out_file, uint64_t *out_first)
{
    *out_first = 0;
    for (size_t i = 0; i < wn_corpus_n_files(corpus); i++) {
        *out_file = wn_corpus_file(corpus, i);
        if (out_file->records > 0) {
            return true;
        }
    }
    return false;
}

static wn_code array_style(struct wn_corpus_reader *reader, const struct wn_corpus_file *file, uint64_t first,
                           struct wn_style *out, struct wn_error *err)
{
    struct wn_place places[3];
    struct wn_span record, other;
    const uint64_t n = file->records;
    WN_TRY(wn_corpus_read(reader, first, &places[0], &record, err));
    WN_TRY(wn_corpus_read(reader, first + (n > 1), &places[1], &other, err));
    WN_TRY(wn_corpus_read(reader, first + n - 1, &places[2], &other, err));
    bool is_read = false;
    struct wn_map map = {{NULL, 0}, NULL};
    if (strcmp(file->compression, "none") == 0 && wn_map_open(file->path, WN_INPUT, &map, NULL) == WN_OK) {
        is_read = style_read(map.bytes, places, n, out);
        wn_map_close(&map);
    }
    if (!is_read) {
        out->open.size = out->separator.size = out->close.size = 0;
        WN_CHECK(style_guess(record, out), err, WN_DEVICE, "out of memory for the subset");
    }
    return WN_OK;
}

void wn_style_free(struct wn_style *style)
{
    wn_bytes_free(&style->open);
    wn_bytes_free(&style->separator);
    wn_bytes_free(&style->close);
    *style = (struct wn_style){.is_array = false};
}

wn_code wn_style_find(const struct wn_corpus *corpus, struct wn_style *out_style, struct wn_error *err)
{
    struct wn_style style = {.is_array = false};
    struct wn_corpus_file file;
    uint64_t first = 0;
    const bool has_records = file_find(corpus, &file, &first);
    style.is_array = wn_corpus_n_files(corpus) > 0 && wn_corpus_file(corpus, 0).is_array;
    wn_code code = WN_OK;
    if (!style.is_array) {
        if (!wn_bytes_append(&style.separator, wn_span_of("\n")) ||
            !wn_bytes_append(&style.close, wn_span_of("\n"))) {
            code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for the subset");
        }
    } else if (has_records && file.is_array) {
        struct wn_corpus_reader *reader = NULL;
        code = wn_corpus_reader_new(corpus, &reader, err);
        if (code == WN_OK) {
            code = array_style(reader, &file, first, &style, err);
            wn_corpus_reader_free(reader);
        }
    } else if (!style_guess(wn_span_of("{}"), &style)) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for the subset");
    }
    if (code != WN_OK) {
        wn_style_free(&style);
        return code;
    }
    *out_style = style;
    return WN_OK;
}
