/* Replays inputs through a fuzz target without libFuzzer: files, and folders of files (not those inside them).
 * SPDX-License-Identifier: Apache-2.0
 *
 * Ends with 0 where every input ran through, and with 2 where nothing could be read; a fault aborts.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static size_t replay_file(const char *path)
{
    FILE *const file = fopen(path, "rb");
    struct stat info;
    if (file == NULL || fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode)) {
        if (file != NULL) {
            fclose(file);
        }
        return 0;
    }
    uint8_t *const bytes = malloc((size_t)info.st_size + 1);
    const size_t size = bytes == NULL ? 0 : fread(bytes, 1, (size_t)info.st_size, file);
    fclose(file);
    if (bytes == NULL) {
        return 0;
    }
    fprintf(stderr, "%s: %zu bytes\n", path, size);
    (void)LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    return 1;
}

static size_t replay(const char *path)
{
    DIR *const entries = opendir(path);
    if (entries == NULL) {
        return replay_file(path);
    }
    size_t n = 0;
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        char file[4096];
        const int written = snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && written > 0 && (size_t)written < sizeof file) {
            n += replay_file(file);
        }
    }
    closedir(entries);
    return n;
}

int main(int argc, char **argv)
{
    size_t n = 0;
    for (int i = 1; i < argc; i++) {
        n += replay(argv[i]);
    }
    fprintf(stderr, "%zu inputs replayed\n", n);
    return n > 0 ? 0 : 2;
}
