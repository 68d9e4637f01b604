/* Files of frames: written, cut, damaged, hostile.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- a folder of its own, and whole files ---- */

struct place {
    char folder[64], path[96];
};

static struct place place_make(void)
{
    struct place place;
    strcpy(place.folder, "/tmp/winnow-frame-XXXXXX");
    cr_assert_not_null(mkdtemp(place.folder));
    snprintf(place.path, sizeof place.path, "%s/f.bin", place.folder);
    return place;
}

static void place_remove(const struct place *place)
{
    (void)unlink(place->path);
    cr_expect_eq(rmdir(place->folder), 0, "something was left behind");
}

static void file_put(const char *path, const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

static size_t file_get(const char *path, unsigned char *out, size_t most)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    const size_t n = fread(out, 1, most, file);
    fclose(file);
    return n;
}

/* Frames number 1 to n: frame i has kind i and (i * 7) % 40 bytes of value i. */
static size_t payload_size(uint32_t kind)
{
    return kind * 7 % 40;
}

static size_t small_file(const char *path, uint32_t n, unsigned char *out, size_t most)
{
    struct wn_error err = {.code = WN_OK};
    struct wn_frames *frames = NULL;
    WN_TEST_OK(wn_frames_create(path, &frames, NULL, &err));
    for (uint32_t kind = 1; kind <= n; ++kind) {
        char payload[40];
        memset(payload, (int)kind, sizeof payload);
        const struct wn_span part = {payload, payload_size(kind)};
        uint64_t offset = 0;
        WN_TEST_OK(wn_frames_write(frames, kind, &part, 1, &offset, &err));
        cr_assert_eq(offset + part.size, wn_frames_size(frames));
    }
    WN_TEST_OK(wn_frames_sync(frames, &err));
    wn_frames_close(&frames);
    return file_get(path, out, most);
}

struct seen {
    uint32_t right; /* bit i: frame i was read and is what was written */
    int wrong;      /* headers whose payload is not right */
    int strange;    /* right ones that nobody wrote */
    uint64_t skipped, end;
};

static struct seen file_see(const char *path)
{
    struct wn_error err = {.code = WN_OK};
    struct seen seen = {0};
    struct wn_frames_reader *reader = NULL;
    WN_TEST_OK(wn_frames_open(path, &reader, &err));
    for (;;) {
        struct wn_frame frame;
        bool is_found = false;
        WN_TEST_OK(wn_frames_next(reader, &frame, &is_found, &err));
        if (!is_found) {
            break;
        }
        cr_assert_leq(frame.offset + frame.size, wn_frames_reader_size(reader));
        unsigned char *payload = malloc(frame.size + 1);
        cr_assert_not_null(payload);
        bool is_right = false;
        WN_TEST_OK(wn_frames_payload(reader, &frame, payload, &is_right, &err));
        bool is_known = frame.kind >= 1 && frame.kind < 32 && frame.size == payload_size(frame.kind);
        for (size_t i = 0; is_known && is_right && i < frame.size; ++i) {
            is_known = payload[i] == frame.kind;
        }
        free(payload);
        if (!is_right) {
            seen.wrong++;
        } else if (is_known) {
            cr_expect_eq(seen.right >> frame.kind, 0, "frame %u twice or out of order", frame.kind);
            seen.right |= 1u << frame.kind;
        } else {
            seen.strange++;
        }
    }
    seen.skipped = wn_frames_skipped(reader);
    seen.end = wn_frames_end(reader);
    wn_frames_reader_close(reader);
    return seen;
}

/* ---- tests ---- */

Test(crc32c, gives_the_published_values_and_the_same_by_table)
{
    /* RFC 3720, appendix B.4, and the check value of the CRC catalogue. */
    unsigned char up[32], down[32], zeros[32] = {0}, ones[32];
    for (unsigned i = 0; i < 32; ++i) {
        up[i] = (unsigned char)i;
        down[i] = (unsigned char)(31 - i);
        ones[i] = 0xFF;
    }
    const struct {
        const void *bytes;
        size_t size;
        uint32_t crc;
    } cases[] = {{"", 0, 0},
                 {"123456789", 9, 0xE3069283u},
                 {zeros, 32, 0x8A9136AAu},
                 {ones, 32, 0x62A8AB43u},
                 {up, 32, 0x46DD794Eu},
                 {down, 32, 0x113FDB5Cu}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        cr_expect_eq(wn_crc32c(0, cases[i].bytes, cases[i].size), cases[i].crc, "case %zu", i);
        cr_expect_eq(wn_crc32c_by_table(0, cases[i].bytes, cases[i].size), cases[i].crc, "case %zu", i);
    }
    unsigned char noise[300];
    for (unsigned i = 0; i < sizeof noise; ++i) {
        noise[i] = (unsigned char)(i * i * 31 + i / 7);
    }
    for (size_t from = 0; from < 9; ++from) {
        for (size_t size = 0; from + size <= sizeof noise; ++size) {
            const uint32_t whole = wn_crc32c(0, noise + from, size);
            const uint32_t halves =
                wn_crc32c(wn_crc32c(0, noise + from, size / 3), noise + from + size / 3, size - size / 3);
            cr_assert_eq(whole, wn_crc32c_by_table(0, noise + from, size), "%zu bytes at %zu", size, from);
            cr_assert_eq(whole, halves, "%zu bytes at %zu in two pieces", size, from);
        }
    }
}

Test(frame, a_file_cut_at_any_byte_gives_the_whole_frames_before_the_cut)
{
    const struct place place = place_make();
    unsigned char bytes[1024];
    const size_t size = small_file(place.path, 9, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= size; ++cut) {
        uint32_t wanted = 0;
        uint64_t end = 0;
        for (uint32_t kind = 1; kind <= 9 && end + WN_FRAME_HEADER + payload_size(kind) <= cut; ++kind) {
            wanted |= 1u << kind;
            end += WN_FRAME_HEADER + payload_size(kind);
        }
        file_put(place.path, bytes, cut);
        const struct seen seen = file_see(place.path);
        cr_assert(seen.right == wanted && seen.wrong == 0 && seen.strange == 0, "cut at %zu: %x", cut,
                  seen.right);
        cr_assert(seen.end == end && seen.skipped == cut - end, "cut at %zu", cut);
    }
    place_remove(&place);
}

Test(frame, any_flipped_bit_is_found_and_costs_one_frame)
{
    const struct place place = place_make();
    unsigned char bytes[1024];
    const size_t size = small_file(place.path, 9, bytes, sizeof bytes);
    uint32_t hit = 1; /* the frame that the byte belongs to */
    size_t end = WN_FRAME_HEADER + payload_size(1);
    for (size_t i = 0; i < size; ++i) {
        if (i == end) {
            ++hit;
            end += WN_FRAME_HEADER + payload_size(hit);
        }
        const bool in_header = i < end - payload_size(hit);
        for (int bit = 0; bit < 8; ++bit) {
            bytes[i] = (unsigned char)(bytes[i] ^ (1u << bit));
            file_put(place.path, bytes, size);
            const struct seen seen = file_see(place.path);
            cr_assert_eq(seen.right, 0x3FEu & ~(1u << hit), "byte %zu bit %d: %x", i, bit, seen.right);
            cr_assert(seen.strange == 0 && seen.wrong == (in_header ? 0 : 1), "byte %zu bit %d", i, bit);
            cr_assert_eq(seen.skipped, in_header ? WN_FRAME_HEADER + payload_size(hit) : 0, "byte %zu bit %d",
                         i, bit);
            bytes[i] = (unsigned char)(bytes[i] ^ (1u << bit));
        }
    }
    place_remove(&place);
}

/* A header that is right in itself, of any size. */
static void header_add(struct wn_bytes *bytes, uint32_t kind, uint64_t size, uint32_t crc)
{
    const size_t at = bytes->size;
    wn_bytes_u32(bytes, 0x31464e57u);
    wn_bytes_u32(bytes, kind);
    wn_bytes_u64(bytes, size);
    wn_bytes_u32(bytes, crc);
    wn_bytes_u32(bytes, wn_crc32c(0, bytes->data + at, WN_FRAME_HEADER - 4));
}

static void frame_add(struct wn_bytes *bytes, uint32_t kind)
{
    unsigned char payload[40];
    memset(payload, (int)kind, sizeof payload);
    header_add(bytes, kind, payload_size(kind), wn_crc32c(0, payload, payload_size(kind)));
    wn_bytes_add(bytes, payload, payload_size(kind));
}

Test(frame, the_format_is_the_one_written_down)
{
    const struct place place = place_make();
    unsigned char written[1024];
    const size_t size = small_file(place.path, 9, written, sizeof written);
    struct wn_bytes bytes = {0};
    for (uint32_t kind = 1; kind <= 9; ++kind) {
        frame_add(&bytes, kind);
    }
    cr_assert_eq(bytes.size, size);
    cr_assert_eq(memcmp(bytes.data, written, size), 0);
    wn_bytes_free(&bytes);
    place_remove(&place);
}

Test(frame, a_header_with_a_hostile_size_hides_nothing)
{
    static const uint64_t sizes[] = {
        UINT64_MAX, UINT64_MAX - 23, UINT64_MAX - 47, (uint64_t)INT64_MAX, (uint64_t)1 << 42, 1000,
        84 /* one more than there is */};
    const struct place place = place_make();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
        struct wn_bytes bytes = {0};
        frame_add(&bytes, 3);
        header_add(&bytes, 4, sizes[i], 0);
        frame_add(&bytes, 5);
        header_add(&bytes, 6, sizes[i], 0);
        file_put(place.path, bytes.data, bytes.size);
        const struct seen seen = file_see(place.path);
        cr_expect_eq(seen.right, 1u << 3 | 1u << 5, "size %llu: %x", (unsigned long long)sizes[i],
                     seen.right);
        wn_bytes_free(&bytes);
    }
    place_remove(&place);
}

Test(frame, the_next_right_header_is_found_across_any_boundary_and_false_beginnings)
{
    const struct place place = place_make();
    /* Garbage of about one and two reading windows (64 KiB), made of beginnings of headers. */
    for (size_t around = 65536; around <= 131072; around += 65536) {
        for (size_t garbage = around - 26; garbage <= around + 2; ++garbage) {
            struct wn_bytes bytes = {0};
            frame_add(&bytes, 1);
            while (bytes.size < garbage) {
                /* Even lengths: beginnings of headers; odd ones: none, so that the windows lie where they began. */
                const char *text = garbage % 2 == 0 ? "WNF1WNFWNWNF1\0\0" : "nothing of a head";
                const size_t most = garbage % 2 == 0 ? 15 : 17;
                const size_t rest = garbage - bytes.size;
                wn_bytes_add(&bytes, text, rest < most ? rest : most);
            }
            frame_add(&bytes, 2);
            file_put(place.path, bytes.data, bytes.size);
            const struct seen seen = file_see(place.path);
            cr_assert(seen.right == (1u << 1 | 1u << 2) && seen.strange == 0, "%zu: %x", garbage, seen.right);
            cr_assert_eq(seen.skipped, garbage - WN_FRAME_HEADER - payload_size(1));
            wn_bytes_free(&bytes);
        }
    }
    place_remove(&place);
}

Test(frame, a_large_frame_of_many_parts_comes_back)
{
    enum { PARTS = 3000, PART = 331 }; /* more parts than one call of the system takes */
    const struct place place = place_make();
    struct wn_error err = {.code = WN_OK};
    unsigned char *payload = malloc(2 * PARTS * PART);
    struct wn_span *parts = calloc(PARTS, sizeof *parts);
    cr_assert(payload != NULL && parts != NULL);
    for (size_t i = 0; i < PARTS * PART; ++i) {
        payload[i] = (unsigned char)(i * 2654435761u >> 13);
    }
    for (size_t i = 0; i < PARTS; ++i) {
        parts[i] = (struct wn_span){(char *)payload + i * PART, i % 5 == 4 ? 0 : PART};
        if (i % 5 == 3) {
            parts[i].size += PART; /* with the one behind it, which is empty */
        }
    }
    struct wn_frames *frames = NULL;
    WN_TEST_OK(wn_frames_create(place.path, &frames, NULL, &err));
    WN_TEST_OK(wn_frames_write(frames, 1, NULL, 0, NULL, &err));
    WN_TEST_OK(wn_frames_write(frames, 2, parts, PARTS, NULL, &err));
    cr_expect_eq(wn_frames_size(frames), 2 * WN_FRAME_HEADER + PARTS * PART);
    struct wn_frames_reader *reader = NULL;
    WN_TEST_OK(wn_frames_open(place.path, &reader, &err));
    WN_TEST_OK(wn_frames_write(frames, 3, parts, 1, NULL, &err)); /* grows while it is read */
    wn_frames_close(&frames);
    struct wn_frame frame;
    bool is_found = false;
    bool is_right = false;
    WN_TEST_OK(wn_frames_next(reader, &frame, &is_found, &err));
    cr_assert(is_found && frame.kind == 1 && frame.size == 0 && frame.offset == WN_FRAME_HEADER);
    WN_TEST_OK(wn_frames_payload(reader, &frame, payload, &is_right, &err));
    cr_assert(is_right, "an empty payload is right");
    WN_TEST_OK(wn_frames_next(reader, &frame, &is_found, &err));
    cr_assert(is_found && frame.kind == 2 && frame.size == PARTS * PART);
    unsigned char *read = payload + PARTS * PART;
    WN_TEST_OK(wn_frames_payload(reader, &frame, read, &is_right, &err));
    cr_assert(is_right && memcmp(read, payload, PARTS * PART) == 0);
    WN_TEST_OK(wn_frames_bytes(reader, frame.offset + 5, read, 10, &err));
    cr_assert_eq(memcmp(read, payload + 5, 10), 0);
    WN_TEST_OK(wn_frames_next(reader, &frame, &is_found, &err));
    cr_assert_not(is_found, "the size when it was opened counts");
    wn_frames_reader_close(reader);
    free(payload);
    free(parts);
    place_remove(&place);
}

Test(frame, extents_that_the_file_does_not_have_are_no_right_payload)
{
    const struct place place = place_make();
    struct wn_error err = {.code = WN_OK};
    unsigned char bytes[1024];
    const size_t size = small_file(place.path, 9, bytes, sizeof bytes);
    struct wn_frames_reader *reader = NULL;
    WN_TEST_OK(wn_frames_open(place.path, &reader, &err));
    const struct {
        uint64_t offset, size;
    } cases[] = {{size, 1}, {size + 1, 0}, {0, size + 1}, {UINT64_MAX, UINT64_MAX}, {24, UINT64_MAX - 20}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        const struct wn_frame frame = {.offset = cases[i].offset, .size = cases[i].size};
        bool is_right = true;
        WN_TEST_OK(wn_frames_payload(reader, &frame, bytes, &is_right, &err));
        cr_expect_not(is_right, "case %zu", i);
    }
    cr_expect_eq(wn_frames_bytes(reader, size, bytes, 1, &err), WN_IO);
    cr_expect(strstr(err.text, place.path) != NULL, "%s", err.text);
    wn_frames_reader_close(reader);
    place_remove(&place);
}

Test(frame, a_file_that_shrinks_under_its_reader_is_an_error_not_an_end)
{
    const struct place place = place_make();
    struct wn_error err = {.code = WN_OK};
    unsigned char bytes[1024];
    small_file(place.path, 9, bytes, sizeof bytes);
    struct wn_frames_reader *reader = NULL;
    WN_TEST_OK(wn_frames_open(place.path, &reader, &err));
    cr_assert_eq(truncate(place.path, 100), 0);
    struct wn_frame frame;
    bool is_found = false;
    cr_expect_eq(wn_frames_next(reader, &frame, &is_found, &err), WN_IO);
    cr_expect(strstr(err.text, "became shorter") != NULL, "%s", err.text);
    wn_frames_reader_close(reader);
    place_remove(&place);
}

Test(frame, what_exists_is_never_written_over_and_a_torn_tail_is_cut_off)
{
    const struct place place = place_make();
    struct wn_error err = {.code = WN_OK};
    unsigned char bytes[1024];
    const size_t size = small_file(place.path, 3, bytes, sizeof bytes);
    struct wn_frames *frames = NULL;
    bool is_there = false;
    cr_expect_eq(wn_frames_create(place.path, &frames, &is_there, &err), WN_IO);
    cr_expect(is_there);
    cr_expect_eq(wn_frames_create("/nonexistent/folder/f", &frames, &is_there, &err), WN_IO);
    cr_expect(!is_there && strstr(err.text, "/nonexistent/folder") != NULL, "%s", err.text);
    cr_expect_eq(wn_frames_append_to(place.path, size + 1, &frames, &err), WN_IO);
    cr_expect_eq(wn_frames_append_to(place.folder, 0, &frames, &err), WN_IO);
    cr_assert_eq(file_get(place.path, bytes, sizeof bytes), size, "a refused file stays as it was");

    file_put(place.path, bytes, size - 1); /* torn in frame 3 */
    const struct seen torn = file_see(place.path);
    WN_TEST_OK(wn_frames_append_to(place.path, torn.end, &frames, &err));
    const unsigned char payload[40] = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
                                       4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4};
    const struct wn_span part = {(const char *)payload, payload_size(4)};
    WN_TEST_OK(wn_frames_write(frames, 4, &part, 1, NULL, &err));
    wn_frames_close(&frames);
    const struct seen seen = file_see(place.path);
    cr_expect(seen.right == (1u << 1 | 1u << 2 | 1u << 4) && seen.skipped == 0, "%x", seen.right);
    place_remove(&place);
}

Test(frame, a_write_that_fails_half_way_leaves_the_whole_frames)
{
    const struct place place = place_make();
    struct wn_error err = {.code = WN_OK};
    unsigned char bytes[4096] = {0};
    const size_t size = small_file(place.path, 9, bytes, sizeof bytes);
    struct wn_frames *frames = NULL;
    WN_TEST_OK(wn_frames_append_to(place.path, size, &frames, &err));
    /* The limit lets a part of the frame in (a short write), then refuses. */
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {size + 100, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const struct wn_span part = {(const char *)bytes, sizeof bytes};
    const wn_code code = wn_frames_write(frames, 10, &part, 1, NULL, &err);
    const wn_code again = wn_frames_write(frames, 11, &part, 0, NULL, NULL);
    const wn_code synced = wn_frames_sync(frames, NULL);
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    cr_expect(code == WN_IO && again == WN_IO && synced == WN_IO);
    cr_expect(strstr(err.text, place.path) != NULL && strstr(err.text, "ulimit -f") != NULL, "%s", err.text);
    wn_frames_close(&frames);
    struct stat info;
    cr_assert_eq(stat(place.path, &info), 0);
    cr_expect_eq((size_t)info.st_size, size, "cut back to the last whole frame");
    cr_expect_eq(file_see(place.path).right, 0x3FEu);
    place_remove(&place);
}
