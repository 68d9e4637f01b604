/* Helps of the corpus tests.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "help.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void folder_make(struct folder *folder)
{
    strcpy(folder->path, "/tmp/winnow-corpus-XXXXXX");
    cr_assert_not_null(mkdtemp(folder->path));
}

void folder_path(const struct folder *folder, const char *name, char *out)
{
    snprintf(out, 4096, "%s/%s", folder->path, name);
}

size_t folder_count(const struct folder *folder)
{
    DIR *const entries = opendir(folder->path);
    size_t n = 0;
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        n += entry->d_name[0] != '.';
    }
    closedir(entries);
    return n;
}

void folder_remove(const struct folder *folder)
{
    DIR *const entries = opendir(folder->path);
    cr_assert_not_null(entries);
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        char path[4096];
        folder_path(folder, entry->d_name, path);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && unlink(path) != 0) {
            (void)rmdir(path);
        }
    }
    closedir(entries);
    cr_assert_eq(rmdir(folder->path), 0);
}

void folder_write(const struct folder *folder, const char *name, struct wn_span bytes, char *out)
{
    folder_path(folder, name, out);
    FILE *const file = fopen(out, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    cr_assert_eq(fclose(file), 0);
}

char *file_read(const char *path, size_t *out_size)
{
    FILE *const file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    struct stat info;
    cr_assert_eq(fstat(fileno(file), &info), 0);
    char *const bytes = malloc((size_t)info.st_size + 1);
    *out_size = fread(bytes, 1, (size_t)info.st_size, file);
    cr_assert_eq(*out_size, (size_t)info.st_size);
    fclose(file);
    return bytes;
}

wn_code corpus_of(struct wn_span bytes, enum wn_form form, struct wn_corpus **out_corpus,
                  struct wn_error *err)
{
    const int fd = memfd_create("corpus", MFD_CLOEXEC);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, bytes.data, bytes.size), (ssize_t)bytes.size);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const char *const paths[] = {path};
    const struct wn_corpus_options options = {.paths = paths, .n_paths = 1, .form = form};
    const wn_code code = wn_corpus_open(&options, out_corpus, err);
    close(fd);
    return code;
}

/* A growing line. */
struct line {
    char *text;
    size_t size;
};

static void line_add(struct line *line, struct wn_span text)
{
    line->text = realloc(line->text, line->size + text.size + 1);
    memcpy(line->text + line->size, text.data, text.size);
    line->size += text.size;
    line->text[line->size] = 0;
}

const char *record_line(const struct wn_record *record, struct wn_arena *arena)
{
    static const char roles[] = {'S', 'U', 'A', 'T'};
    struct line line = {NULL, 0};
    line_add(&line, wn_span_of(wn_status_name((int)record->status)));
    if (record->status != WN_STATUS_OK) {
        line_add(&line, wn_span_of(": "));
        line_add(&line, record->why);
    }
    for (size_t i = 0; i < record->n_messages; i++) {
        const struct wn_message *const m = &record->messages[i];
        const char head[] = {' ', roles[m->role], '('};
        line_add(&line, (struct wn_span){head, sizeof head});
        line_add(&line, m->has_text ? m->text : wn_span_of("-"));
        if (m->input.size > 0) {
            line_add(&line, wn_span_of("|"));
            line_add(&line, m->input);
        }
        line_add(&line, wn_span_of(")"));
    }
    struct wn_span copy;
    struct wn_error err;
    WN_TEST_OK(wn_arena_copy(arena, (struct wn_span){line.text, line.size}, &copy, &err));
    free(line.text);
    return copy.data;
}
