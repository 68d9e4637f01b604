/* The header of one safetensors file.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/safetensors.h"

#include "base/base.h"
#include "model/parts.h"

#include <inttypes.h>
#include <stdlib.h>

enum { LENGTH_BYTES = 8, SHOWN = 160 };

/* All types that the format names, used or not: an ignored buffer may have any. */
static const struct {
    const char *name;
    unsigned bits;
} types[] = {{"F32", 32},    {"F16", 16},    {"BF16", 16},   {"F64", 64},    {"BOOL", 8},
             {"U8", 8},      {"I8", 8},      {"U16", 16},    {"I16", 16},    {"U32", 32},
             {"I32", 32},    {"U64", 64},    {"I64", 64},    {"F8_E4M3", 8}, {"F8_E5M2", 8},
             {"F8_E8M0", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},      {"C64", 64}};
enum { N_TYPES = sizeof types / sizeof *types };

struct reader {
    struct wn_cursor scan;
    struct wn_span bytes; /* the whole file */
    const char *path;
    size_t data_size;
    uint16_t file;
    struct wn_stored_list *list;
    struct wn_error *err;
};

const char *wn_stored_type(const struct wn_stored *stored)
{
    return types[stored->type].name;
}

struct wn_span wn_stored_name(const struct wn_stored *stored)
{
    return (struct wn_span){stored->name, stored->name_size};
}

void wn_stored_shape(const struct wn_stored *stored, struct wn_span bytes, int64_t *shape, int room)
{
    struct wn_cursor scan =
        wn_cursor_of((struct wn_span){bytes.data + stored->shape_at, bytes.size - stored->shape_at});
    (void)wn_cursor_mark(&scan, '[');
    for (int i = 0; i < stored->n_dims && i < room; ++i) {
        uint64_t dim = 0;
        (void)wn_cursor_step(&scan, i == 0, ']');
        (void)wn_cursor_count(&scan, &dim);
        shape[i] = (int64_t)dim;
    }
}

int wn_span_compare(struct wn_span a, struct wn_span b)
{
    const size_t n = a.size < b.size ? a.size : b.size;
    const int order = n == 0 ? 0 : memcmp(a.data, b.data, n);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* The scanner's problem as an error: of the header as a whole, or of one field of one tensor. */
static wn_code fail_header(const struct reader *reader)
{
    WN_FAIL(
        reader->err, WN_MODEL,
        "%s: the header is not valid: at byte %zu it %s; the file is damaged or no safetensors file: copy or "
        "download it again",
        reader->path, (size_t)(reader->scan.at - reader->bytes.data),
        reader->scan.problem == NULL ? "is wrong" : reader->scan.problem);
}

static wn_code fail_field(const struct reader *reader, struct wn_span name, const char *field,
                          const char *problem)
{
    char shown[SHOWN];
    WN_FAIL(
        reader->err, WN_MODEL,
        "%s: tensor '%s': field '%s': %s (byte %zu); the header is damaged: copy or download the file again",
        reader->path, wn_cursor_show(name, shown, sizeof shown), field, problem,
        (size_t)(reader->scan.at - reader->bytes.data));
}

static wn_code read_type(struct reader *reader, struct wn_stored *stored)
{
    const struct wn_span name = wn_stored_name(stored);
    struct wn_span text;
    if (!wn_cursor_string(&reader->scan, &text)) {
        return fail_field(reader, name, "dtype", reader->scan.problem);
    }
    for (uint8_t i = 0; i < N_TYPES; ++i) {
        if (wn_span_is(text, types[i].name)) {
            stored->type = i;
            return WN_OK;
        }
    }
    char shown[SHOWN];
    char type[40];
    WN_FAIL(reader->err, WN_MODEL,
            "%s: tensor '%s': field 'dtype': '%s' is no type of the safetensors format", reader->path,
            wn_cursor_show(name, shown, sizeof shown), wn_cursor_show(text, type, sizeof type));
}

/* The shape; *out_count receives the product. */
static wn_code read_shape(struct reader *reader, struct wn_stored *stored, uint64_t *out_count)
{
    struct wn_cursor *const scan = &reader->scan;
    const struct wn_span name = wn_stored_name(stored);
    (void)wn_cursor_peek(scan);
    stored->shape_at = (uint32_t)(scan->at - reader->bytes.data);
    if (!wn_cursor_mark(scan, '[')) {
        return fail_field(reader, name, "shape", scan->problem);
    }
    uint64_t count = 1;
    uint8_t n = 0;
    for (int step; (step = wn_cursor_step(scan, n == 0, ']')) != 0; ++n) {
        uint64_t dim = 0;
        if (step < 0 || !wn_cursor_count(scan, &dim)) {
            return fail_field(reader, name, "shape", scan->problem);
        }
        if (n == WN_MAX_STORED_DIMS) {
            return fail_field(reader, name, "shape", "has more than 8 dimensions");
        }
        if (__builtin_mul_overflow(count, dim, &count)) {
            return fail_field(reader, name, "shape", "the product of the dimensions does not fit 64 bits");
        }
    }
    stored->n_dims = n;
    *out_count = count;
    return WN_OK;
}

static wn_code read_offsets(struct reader *reader, struct wn_stored *stored)
{
    struct wn_cursor *const scan = &reader->scan;
    const struct wn_span name = wn_stored_name(stored);
    uint64_t ends[2] = {0, 0};
    if (!wn_cursor_mark(scan, '[')) {
        return fail_field(reader, name, "data_offsets", scan->problem);
    }
    int n = 0;
    for (int step; (step = wn_cursor_step(scan, n == 0, ']')) != 0; ++n) {
        uint64_t end = 0;
        if (step < 0 || !wn_cursor_count(scan, &end)) {
            return fail_field(reader, name, "data_offsets", scan->problem);
        }
        if (n < 2) {
            ends[n] = end;
        }
    }
    if (n != 2) {
        return fail_field(reader, name, "data_offsets", "must hold exactly two numbers");
    }
    if (ends[0] > ends[1]) {
        return fail_field(reader, name, "data_offsets", "the end lies before the begin");
    }
    char shown[SHOWN];
    WN_CHECK(ends[1] <= reader->data_size, reader->err, WN_MODEL,
             "%s: tensor '%s': field 'data_offsets': ends at byte %" PRIu64
             " of the data, but the file holds only %zu "
             "bytes of data: it is cut short or damaged; copy or download it again",
             reader->path, wn_cursor_show(name, shown, sizeof shown), ends[1], reader->data_size);
    stored->begin = ends[0];
    stored->end = ends[1];
    return WN_OK;
}

/* The object of one tensor, and whether its three fields agree. */
static wn_code read_fields(struct reader *reader, struct wn_stored *stored)
{
    static const char *const fields[] = {"dtype", "shape", "data_offsets"};
    struct wn_cursor *const scan = &reader->scan;
    const struct wn_span name = wn_stored_name(stored);
    bool has[3] = {false, false, false};
    uint64_t count = 0;
    if (!wn_cursor_mark(scan, '{')) {
        return fail_field(reader, name, "(all)", scan->problem);
    }
    bool is_first = true;
    for (int step; (step = wn_cursor_step(scan, is_first, '}')) != 0; is_first = false) {
        struct wn_span key;
        if (step < 0 || !wn_cursor_string(scan, &key) || !wn_cursor_mark(scan, ':')) {
            return fail_field(reader, name, "(all)", scan->problem);
        }
        int field = 0;
        while (field < 3 && !wn_span_is(key, fields[field])) {
            ++field;
        }
        char shown[40];
        if (field == 3) {
            return fail_field(reader, name, wn_cursor_show(key, shown, sizeof shown),
                              "is no field of the format");
        }
        if (has[field]) {
            return fail_field(reader, name, fields[field], "stands twice");
        }
        has[field] = true;
        WN_TRY(field == 0   ? read_type(reader, stored)
               : field == 1 ? read_shape(reader, stored, &count)
                            : read_offsets(reader, stored));
    }
    for (int field = 0; field < 3; ++field) {
        if (!has[field]) {
            return fail_field(reader, name, fields[field], "is missing");
        }
    }
    uint64_t bits = 0;
    if (__builtin_mul_overflow(count, (uint64_t)types[stored->type].bits, &bits)) {
        return fail_field(reader, name, "shape", "shape x dtype does not fit 64 bits");
    }
    char shown[SHOWN];
    WN_CHECK(bits % 8 == 0 && bits / 8 == stored->end - stored->begin, reader->err, WN_MODEL,
             "%s: tensor '%s': field 'data_offsets': spans %" PRIu64 " bytes, but shape x dtype is %" PRIu64
             " bits; the header is damaged: copy or download the file again",
             reader->path, wn_cursor_show(name, shown, sizeof shown), stored->end - stored->begin, bits);
    return WN_OK;
}

static int compare_spans(const void *a, const void *b)
{
    return wn_span_compare(*(const struct wn_span *)a, *(const struct wn_span *)b);
}

/* `__metadata__`: text to text, no key twice. Nothing of it is used. */
static wn_code read_metadata(struct reader *reader)
{
    struct wn_cursor *const scan = &reader->scan;
    if (!wn_cursor_mark(scan, '{')) {
        return fail_field(reader, wn_span_of("__metadata__"), "(all)", scan->problem);
    }
    struct wn_span *const keys = malloc(sizeof *keys * WN_MAX_METADATA);
    WN_CHECK(keys != NULL, reader->err, WN_DEVICE, "no memory for the header of %s", reader->path);
    wn_code code = WN_OK;
    size_t n = 0;
    for (int step; (step = wn_cursor_step(scan, n == 0, '}')) != 0; ++n) {
        struct wn_span text;
        const char *problem = NULL;
        if (step > 0 && n == WN_MAX_METADATA) {
            problem = "has more than 65,536 entries";
        } else if (step < 0 || !wn_cursor_string(scan, &keys[n]) || !wn_cursor_mark(scan, ':') ||
                   !wn_cursor_string(scan, &text)) {
            problem = scan->problem;
        }
        if (problem != NULL) {
            code = fail_field(reader, wn_span_of("__metadata__"), "(entry)", problem);
            goto done;
        }
    }
    if (n > 1) {
        qsort(keys, n, sizeof *keys, compare_spans);
    }
    for (size_t i = 1; i < n; ++i) {
        if (wn_span_equal(keys[i - 1], keys[i])) {
            char shown[40];
            code = fail_field(reader, wn_span_of("__metadata__"),
                              wn_cursor_show(keys[i], shown, sizeof shown), "stands twice");
            goto done;
        }
    }
done:
    free(keys);
    return code;
}

static wn_code list_grow(struct wn_stored_list *list, const char *path, struct wn_error *err)
{
    WN_CHECK(list->n < WN_MAX_TENSORS, err, WN_MODEL,
             "%s: the header names more than %d tensors, the limit of this program (no supported model has "
             "so many)",
             path, (int)WN_MAX_TENSORS);
    if (list->n == list->room) {
        const size_t room = list->room == 0 ? 512 : list->room * 2;
        struct wn_stored *const items = realloc(list->items, room * sizeof *items);
        WN_CHECK(items != NULL, err, WN_DEVICE, "no memory for the tensor table of %s", path);
        list->items = items;
        list->room = room;
    }
    return WN_OK;
}

static wn_code read_members(struct reader *reader)
{
    struct wn_cursor *const scan = &reader->scan;
    bool has_metadata = false;
    bool is_first = true;
    if (!wn_cursor_mark(scan, '{')) {
        return fail_header(reader);
    }
    for (int step; (step = wn_cursor_step(scan, is_first, '}')) != 0; is_first = false) {
        struct wn_span key;
        if (step < 0 || !wn_cursor_string(scan, &key) || !wn_cursor_mark(scan, ':')) {
            return fail_header(reader);
        }
        if (wn_span_is(key, "__metadata__")) {
            if (has_metadata) {
                return fail_field(reader, key, "(all)", "stands twice");
            }
            has_metadata = true;
            WN_TRY(read_metadata(reader));
            continue;
        }
        if (key.size > 0 && memchr(key.data, '\\', key.size) != NULL) {
            return fail_field(reader, key, "(name)", "an escape in a name, which no supported tensor needs");
        }
        WN_TRY(list_grow(reader->list, reader->path, reader->err));
        struct wn_stored stored = {.name = key.data, .name_size = (uint32_t)key.size, .file = reader->file};
        WN_TRY(read_fields(reader, &stored));
        reader->list->items[reader->list->n++] = stored;
    }
    return wn_cursor_finish(scan) ? WN_OK : fail_header(reader);
}

static int compare_places(const void *a, const void *b)
{
    const struct wn_stored *const x = a;
    const struct wn_stored *const y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    return (x->end > y->end) - (x->end < y->end);
}

/* No hole, no overlap, nothing left over: sorts the file's part of the list by place. */
static wn_code check_places(const struct reader *reader, struct wn_stored *items, size_t n)
{
    char shown[SHOWN];
    char other[SHOWN];
    uint64_t end = 0;
    if (n > 1) {
        qsort(items, n, sizeof *items, compare_places);
    }
    for (size_t i = 0; i < n; ++i) {
        if (items[i].begin != end) {
            (void)wn_cursor_show(wn_stored_name(&items[i]), shown, sizeof shown);
            (void)wn_cursor_show(i == 0 ? wn_span_of("the start") : wn_stored_name(&items[i - 1]), other,
                                 sizeof other);
            WN_FAIL(reader->err, WN_MODEL,
                    "%s: tensor '%s': field 'data_offsets': begins at %" PRIu64
                    ", %s the end of '%s' at %" PRIu64
                    "; the header is damaged: copy or download the file again",
                    reader->path, shown, items[i].begin,
                    items[i].begin < end ? "which overlaps: it lies before" : "which leaves a hole after",
                    other, end);
        }
        end = items[i].end;
    }
    WN_CHECK(end == reader->data_size, reader->err, WN_MODEL,
             "%s: %" PRIu64
             " bytes after the last tensor%s%s%s belong to no tensor (field 'data_offsets' ends at %" PRIu64
             "); the file is damaged: copy or download it again",
             reader->path, reader->data_size - end, n == 0 ? "" : " '",
             n == 0 ? "" : wn_cursor_show(wn_stored_name(&items[n - 1]), shown, sizeof shown),
             n == 0 ? "" : "'", end);
    return WN_OK;
}

wn_code wn_stored_read(struct wn_span bytes, const char *path, uint16_t file, struct wn_stored_list *list,
                       struct wn_span *out_data, struct wn_error *err)
{
    static const char pointer[] = "version https://git-lfs";
    WN_CHECK(bytes.size < sizeof pointer - 1 || memcmp(bytes.data, pointer, sizeof pointer - 1) != 0, err,
             WN_MODEL, "%s: this is a Git LFS pointer, not the file itself: run 'git lfs pull' in its folder",
             path);
    WN_CHECK(bytes.size >= LENGTH_BYTES, err, WN_MODEL,
             "%s: the file has %zu bytes, too few for field 'header length' (8 bytes): it is cut short; copy "
             "or download "
             "it again",
             path, bytes.size);
    uint64_t length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; --i) {
        length = length << 8 | (unsigned char)bytes.data[i];
    }
    WN_CHECK(length <= WN_MAX_HEADER, err, WN_MODEL,
             "%s: field 'header length' is %" PRIu64
             ", above the format's limit of %d: this is no safetensors file, or "
             "it is damaged",
             path, length, (int)WN_MAX_HEADER);
    WN_CHECK(length <= bytes.size - LENGTH_BYTES, err, WN_MODEL,
             "%s: field 'header length' is %" PRIu64
             ", but the file has only %zu bytes: it is cut short or damaged; copy "
             "or download it again",
             path, length, bytes.size);
    WN_CHECK(length >= 2 && bytes.data[LENGTH_BYTES] == '{', err, WN_MODEL,
             "%s: the header does not begin with '{': this is no safetensors file, or it is damaged", path);
    const size_t first = list->n;
    struct reader reader = {.scan = wn_cursor_of((struct wn_span){bytes.data + LENGTH_BYTES, (size_t)length}),
                            .bytes = bytes,
                            .path = path,
                            .data_size = bytes.size - LENGTH_BYTES - (size_t)length,
                            .file = file,
                            .list = list,
                            .err = err};
    WN_TRY(read_members(&reader));
    *out_data = (struct wn_span){bytes.data + LENGTH_BYTES + length, reader.data_size};
    return list->n == first && reader.data_size == 0
               ? WN_OK
               : check_places(&reader, list->items + first, list->n - first);
}
