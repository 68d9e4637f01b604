/* One file's plain bytes: mapped, or unpacked and mapped; refused where it holds no records.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "corpus/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOOK = 1 << 16, /* bytes looked at to tell lines from other text */
    /* Bytes before a released range that are released with it: its first page was shared with the range before, and
     * the system maps neighbours of the pages that are asked for. */
    RELEASE_OVERLAP = 1 << 16
};

/* Files that people have instead of JSON: their first bytes and the mend. %s stands for the path, at most twice. */
static const struct foreign {
    const char *bytes;
    size_t size;
    const char *what;
    const char *mend;
} foreigns[] = {
    {"PAR1", 4, "a Parquet file",
     "write it as JSON lines: python3 -c \"from datasets import load_dataset; load_dataset('parquet', "
     "data_files='%s', split='train').to_json('%s.jsonl', lines=True, force_ascii=False)\""},
    {"ARROW1", 6, "an Arrow file",
     "write it as JSON lines: python3 -c \"import pyarrow as pa, datasets; "
     "datasets.Dataset(pa.ipc.open_file('%s').read_all()).to_json('%s.jsonl', lines=True, "
     "force_ascii=False)\""},
    {"FEA1", 4, "a Feather file",
     "write it as JSON lines: python3 -c \"import pyarrow.feather as f, datasets; "
     "datasets.Dataset(f.read_table('%s')).to_json('%s.jsonl', lines=True, force_ascii=False)\""},
    {"\xFF\xFF\xFF\xFF", 4, "an Arrow stream",
     "write it as JSON lines: python3 -c \"from datasets import Dataset; "
     "Dataset.from_file('%s').to_json('%s.jsonl', lines=True, force_ascii=False)\""},
    {"\xFF\xFE\0\0", 4, "UTF-32 text", "write it as UTF-8: iconv -f UTF-32 -t UTF-8 '%s' > '%s.utf8'"},
    {"\0\0\xFE\xFF", 4, "UTF-32 text", "write it as UTF-8: iconv -f UTF-32 -t UTF-8 '%s' > '%s.utf8'"},
    {"\xFF\xFE", 2, "UTF-16 text", "write it as UTF-8: iconv -f UTF-16 -t UTF-8 '%s' > '%s.utf8'"},
    {"\xFE\xFF", 2, "UTF-16 text", "write it as UTF-8: iconv -f UTF-16 -t UTF-8 '%s' > '%s.utf8'"},
    {"[\0", 2, "UTF-16 text", "write it as UTF-8: iconv -f UTF-16LE -t UTF-8 '%s' > '%s.utf8'"},
    {"{\0", 2, "UTF-16 text", "write it as UTF-8: iconv -f UTF-16LE -t UTF-8 '%s' > '%s.utf8'"},
    {"\0[", 2, "UTF-16 text", "write it as UTF-8: iconv -f UTF-16BE -t UTF-8 '%s' > '%s.utf8'"},
    {"\0{", 2, "UTF-16 text", "write it as UTF-8: iconv -f UTF-16BE -t UTF-8 '%s' > '%s.utf8'"},
    {"BZh", 3, "bzip2 data", "unpack it first: bunzip2 -k '%s'"},
    {"\xFD"
     "7zXZ\0",
     6, "xz data", "unpack it first: unxz -k '%s'"},
    {"\x04\x22\x4D\x18", 4, "lz4 data", "unpack it first: unlz4 -k '%s'"},
    {"PK\x03\x04", 4, "a zip archive", "unpack it first: unzip '%s'"},
    {"\x89HDF\r\n", 6, "an HDF5 file", "give the corpus that was scored, not the scores ('%s')"},
    {"SQLite format 3", 15, "an SQLite database", "write its rows as JSON lines first: '%s'"},
    {"version https://git-lfs", 23, "a Git LFS pointer",
     "fetch the file it stands for: git lfs pull --include '%s'"},
};

static wn_code refuse_foreign(const char *path, struct wn_span bytes, struct wn_error *err)
{
    for (size_t i = 0; i < sizeof foreigns / sizeof foreigns[0]; i++) {
        const struct foreign *const f = &foreigns[i];
        if (bytes.size < f->size || memcmp(bytes.data, f->bytes, f->size) != 0) {
            continue;
        }
        char mend[4096];
        size_t n = 0;
        for (const char *c = f->mend; *c != 0 && n + 1 < sizeof mend;) {
            if (c[0] != '%') {
                mend[n++] = *c++;
                continue;
            }
            const int written = snprintf(mend + n, sizeof mend - n, "%s", path);
            n = written < 0 || (size_t)written >= sizeof mend - n ? sizeof mend - 1 : n + (size_t)written;
            c += 2;
        }
        mend[n] = 0;
        WN_FAIL(err, WN_INPUT, "%s is %s, which is not read; %s", path, f->what, mend);
    }
    return WN_OK;
}

/* A file that begins with neither bracket nor brace may still hold lines, the first of them broken. */
static bool has_object_line(struct wn_span bytes, size_t at)
{
    const size_t end = bytes.size - at > LOOK ? at + LOOK : bytes.size;
    while (at < end) {
        const char *const found = memchr(bytes.data + at, '\n', bytes.size - at);
        const size_t line_end = found == NULL ? bytes.size : (size_t)(found - bytes.data);
        if (wn_scan_is_object((struct wn_span){bytes.data + at, line_end - at})) {
            return true;
        }
        at = line_end + 1;
    }
    return false;
}

static wn_code find_container(const char *path, struct wn_span bytes, bool *out_is_array,
                              struct wn_error *err)
{
    *out_is_array = false;
    WN_TRY(refuse_foreign(path, bytes, err));
    size_t at = wn_scan_mark(bytes);
    while (at < bytes.size && memchr(" \t\r\n", bytes.data[at], 4) != NULL) {
        at++;
    }
    if (at == bytes.size) {
        return WN_OK;
    }
    const char c = bytes.data[at];
    *out_is_array = c == '[';
    if (c == '[' || c == '{' || has_object_line(bytes, at)) {
        return WN_OK;
    }
    const char *const guess =
        c == '<' ? " It looks like a web page or XML: was the download refused?"
        : memchr(bytes.data, ',', bytes.size < LOOK ? bytes.size : LOOK) != NULL && c > ' '
            ? " If it is a table of comma-separated values, write it as JSON lines: python3 -c "
              "\"import pandas; pandas.read_csv('FILE').to_json('FILE.jsonl', orient='records', "
              "lines=True, force_ascii=False)\""
            : "";
    WN_FAIL(err, WN_INPUT,
            "%s holds neither a JSON array nor one JSON object a line: its first byte that is not blank, "
            "byte %zu, is "
            "0x%02X, and no line near it is an object.%s",
            path, at, (unsigned)(unsigned char)c, guess);
}

/* A temporary file that has no name, so that nothing is left behind whatever happens. */
static int open_unnamed(const char *folder)
{
    const int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
        return fd;
    }
    /* Not every file system knows unnamed files. */
    char *const path = wn_path_join(folder, "winnow-plain-XXXXXX");
    if (path == NULL) {
        return -1;
    }
    const int named = mkostemp(path, O_CLOEXEC);
    if (named >= 0) {
        (void)unlink(path);
    }
    free(path);
    return named;
}

const char *wn_temporary_folder(void)
{
    const char *const given = getenv("TMPDIR");
    return given != NULL && given[0] != 0 ? given : "/tmp";
}

static wn_code unpack_unnamed(struct wn_source *source, struct wn_error *err)
{
    const char *const folder = wn_temporary_folder();
    struct wn_sink sink = {.fd = open_unnamed(folder), .stop = source->stop, .folder = folder};
    WN_CHECK(sink.fd >= 0, err, WN_IO,
             "no temporary file can be made in %s for the plain bytes of %s: %s; set TMPDIR", folder,
             source->path, strerror(errno));
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_unpack(source->path, source->compression, &source->packed, &sink, err));
    if (sink.written > 0) {
        void *const bytes = mmap(NULL, (size_t)sink.written, PROT_READ, MAP_SHARED, sink.fd, 0);
        if (bytes == MAP_FAILED) {
            code = wn_error_set(err, WN_IO, __FILE__, __LINE__, "%s: its plain bytes cannot be mapped: %s",
                                source->path, strerror(errno));
            goto done;
        }
        source->unnamed = (struct wn_span){bytes, (size_t)sink.written};
    }
    source->bytes = source->unnamed;
done:
    close(sink.fd);
    return code;
}

static wn_code unpack_named(const struct wn_source *source, const char *folder, struct wn_error *err)
{
    struct wn_sink sink = {.fd = -1, .stop = source->stop, .folder = folder};
    WN_TRY(wn_directory_make(folder, err));
    WN_TRY(wn_file_create(source->stored, &sink.file, err));
    wn_code code = WN_OK;
    WN_TRY_OR(done, wn_unpack(source->path, source->compression, &source->packed, &sink, err));
    WN_TRY_OR(done, wn_file_commit(&sink.file, err));
done:
    wn_file_abandon(&sink.file);
    return code;
}

/* The plain copy in the spool folder, made where it is not there. */
static wn_code open_stored(struct wn_source *source, const char *folder, struct wn_error *err)
{
    bool is_there = false;
    WN_TRY(wn_spool_find(source->stored, &is_there, err));
    if (!is_there) {
        WN_TRY(unpack_named(source, folder, err));
    }
    WN_TRY(wn_map_open(source->stored, WN_IO, &source->map, err));
    source->bytes = source->map.bytes;
    return WN_OK;
}

static void remember_file(struct wn_source *source)
{
    struct stat info;
    source->inode = 0;
    if (source->map.bytes.size > 0 && stat(source->stored, &info) == 0) {
        source->device = info.st_dev;
        source->inode = info.st_ino;
    }
}

wn_code wn_source_open(const char *path, struct wn_source *out_source, struct wn_error *err)
{
    struct wn_map map;
    WN_TRY(wn_map_open(path, WN_INPUT, &map, err));
    memset(out_source, 0, sizeof *out_source);
    out_source->path = path;
    out_source->stored = path;
    out_source->compression = wn_compression_of(map.bytes);
    if (strcmp(out_source->compression, "none") != 0) {
        out_source->packed = map;
    } else {
        out_source->map = map;
        out_source->bytes = map.bytes;
    }
    return WN_OK;
}

wn_code wn_source_settle(struct wn_source *source, const char *spool, struct wn_error *err)
{
    if (source->packed.bytes.size > 0) {
        WN_TRY(spool == NULL ? unpack_unnamed(source, err) : open_stored(source, spool, err));
        wn_map_close(&source->packed);
    }
    remember_file(source);
    if (source->bytes.size == 0) {
        source->bytes.data = "";
    }
    return find_container(source->path, source->bytes, &source->is_array, err);
}

void wn_source_close(struct wn_source *source)
{
    if (source->unnamed.size > 0) {
        munmap((void *)(uintptr_t)source->unnamed.data, source->unnamed.size);
    }
    wn_map_close(&source->map);
    wn_map_close(&source->packed);
    memset(source, 0, sizeof *source);
}

void wn_source_release(const struct wn_source *source, uint64_t offset, uint64_t size)
{
    const struct wn_map unnamed = {source->unnamed, NULL};
    const struct wn_map *const map = source->unnamed.size > 0 ? &unnamed : &source->map;
    const uint64_t overlap = offset < RELEASE_OVERLAP ? offset : RELEASE_OVERLAP;
    wn_map_release(map, (size_t)(offset - overlap), (size_t)(size + overlap));
}

wn_code wn_source_check(const struct wn_source *source, struct wn_error *err)
{
    struct stat info;
    if (source->inode == 0 || stat(source->stored, &info) != 0 || info.st_dev != source->device ||
        info.st_ino != source->inode) {
        return WN_OK; /* removed or replaced: the mapping still holds the old bytes */
    }
    WN_CHECK((uint64_t)info.st_size >= source->bytes.size, err, WN_INPUT,
             "%s has become shorter while it was read: %lld bytes instead of %zu; do not write to a corpus "
             "that is being "
             "scored, and run again",
             source->stored, (long long)info.st_size, source->bytes.size);
    return WN_OK;
}
