/* A mapped file that loses bytes under its reader, told by a child process; pages given back.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { PAGES = 16 };

struct place {
    char folder[64], path[512];
    size_t page;
};

/* A file of PAGES pages, each filled with its number. Its name has blanks and, where asked, is very long. */
static struct place place_make(bool is_long)
{
    struct place place = {.page = (size_t)sysconf(_SC_PAGESIZE)};
    strcpy(place.folder, "/tmp/winnow-badmap-XXXXXX");
    cr_assert_not_null(mkdtemp(place.folder));
    const int n = snprintf(place.path, sizeof place.path, "%s/a name ", place.folder);
    memset(place.path + n, 'x', is_long ? 240 : 3);
    FILE *file = fopen(place.path, "wb");
    cr_assert_not_null(file);
    for (size_t i = 0; i < PAGES * place.page; ++i) {
        cr_assert_neq(fputc((int)(i / place.page), file), EOF);
    }
    cr_assert_eq(fclose(file), 0);
    return place;
}

static void place_remove(const struct place *place)
{
    (void)unlink(place->path);
    cr_expect_eq(rmdir(place->folder), 0);
}

/* Runs `act` in a child whose stderr comes into `out`; its wait status. */
static int child_run(void (*act)(const struct place *), const struct place *place, char *out, size_t size)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        wn_badmap_watch();
        act(place);
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t n = 1; n > 0 && used + 1 < size; used += n > 0 ? (size_t)n : 0) {
        n = read(ends[0], out + used, size - 1 - used);
    }
    out[used] = '\0';
    close(ends[0]);
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

static int sum(const struct wn_map *map)
{
    int total = 0;
    for (size_t i = 0; i < map->bytes.size; ++i) {
        total += map->bytes.data[i];
    }
    return total;
}

static void read_what_is_gone(const struct place *place)
{
    struct wn_map map;
    if (wn_map_open(place->path, WN_INPUT, &map, NULL) != WN_OK || truncate(place->path, 100) != 0) {
        _exit(90);
    }
    volatile int total = sum(&map);
    (void)total;
}

static void write_where_no_room_is(const struct place *place)
{
    const int fd = open(place->path, O_RDWR);
    char *bytes = mmap(NULL, place->page * PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || bytes == MAP_FAILED || ftruncate(fd, 100) != 0) {
        _exit(90);
    }
    *(volatile char *)(bytes + 5 * place->page) = 1;
}

static void be_sent_the_signal(const struct place *place)
{
    (void)place;
    kill(getpid(), SIGBUS);
}

Test(badmap, a_file_that_becomes_shorter_is_named_and_the_code_is_that_of_files)
{
    for (int is_long = 0; is_long < 2; ++is_long) {
        const struct place place = place_make(is_long);
        char text[9000], wanted[1024];
        const int status = child_run(read_what_is_gone, &place, text, sizeof text);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == WN_IO, "status %x: %s", (unsigned)status, text);
        snprintf(wanted, sizeof wanted,
                 "winnow: error: %s became shorter while it was read, or its disk failed (SIGBUS): do not "
                 "write to a "
                 "file that is being scored; the same command goes on\n",
                 place.path);
        cr_expect_str_eq(text, wanted);
        place_remove(&place);
    }
}

Test(badmap, a_file_that_is_written_is_told_otherwise)
{
    const struct place place = place_make(false);
    char text[9000];
    const int status = child_run(write_where_no_room_is, &place, text, sizeof text);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == WN_IO, "status %x: %s", (unsigned)status, text);
    cr_expect(strstr(text, place.path) != NULL && strstr(text, "cannot take what is written") != NULL, "%s",
              text);
    place_remove(&place);
}

Test(badmap, a_signal_sent_by_somebody_ends_the_process_by_the_signal)
{
    const struct place place = place_make(false);
    char text[9000];
    const int status = child_run(be_sent_the_signal, &place, text, sizeof text);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status %x", (unsigned)status);
    cr_expect_str_eq(text, "");
    place_remove(&place);
}

/* Pages of the map that are in the memory of this process. */
static size_t resident(void)
{
    unsigned long all = 0, held = 0, shared = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert_not_null(file);
    cr_assert_eq(fscanf(file, "%lu %lu %lu", &all, &held, &shared), 3);
    fclose(file);
    return (size_t)shared;
}

Test(mapfile, released_pages_leave_the_memory_and_come_back_when_read)
{
    enum { LARGE = 4096 }; /* 16 MiB: far more than anything else that moves in between */
    struct place place = place_make(false);
    struct wn_error err = {.code = WN_OK};
    cr_assert_eq(truncate(place.path, (off_t)(LARGE * place.page - 7)), 0);
    struct wn_map map;
    WN_TEST_OK(wn_map_open(place.path, WN_INPUT, &map, &err));
    const int before = sum(&map);
    const size_t full = resident();
    wn_map_release(&map, 1, map.bytes.size - 1);
    const size_t empty = resident();
    cr_expect(full > empty + LARGE * 9 / 10, "%zu pages, then %zu", full, empty);
    cr_expect_eq(sum(&map), before);
    /* Odd ranges are allowed and change no byte. */
    static const size_t ranges[][2] = {{0, 0}, {0, SIZE_MAX}, {SIZE_MAX, SIZE_MAX}, {5, 3}, {4095, 4098}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; ++i) {
        wn_map_release(&map, ranges[i][0], ranges[i][1]);
        cr_expect_eq(sum(&map), before);
    }
    wn_map_close(&map);
    wn_map_release(&map, 0, 1);
    place_remove(&place);
}
