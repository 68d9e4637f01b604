/* From what stands after --model to a folder: hub cache layouts made of links, and everything that is not
 * there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoints.h"
#include "model/model.h"
#include "support.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void make(const char *root, const char *path)
{
    char full[TEST_PATH];
    for (const char *at = path; at != NULL; at = strchr(at, '/') == NULL ? NULL : strchr(at, '/') + 1) {
        const char *const slash = strchr(at, '/');
        const size_t n = slash == NULL ? strlen(path) : (size_t)(slash - path);
        (void)snprintf(full, sizeof full, "%s/%.*s", root, (int)n, path);
        cr_assert(mkdir(full, 0777) == 0 || errno == EEXIST, "%s", full);
    }
}

static void link_to(const char *root, const char *path, const char *target)
{
    char full[TEST_PATH];
    test_join(root, path, full);
    cr_assert(symlink(target, full) == 0, "%s", full);
}

/* A cache folder as huggingface_hub lays it out: blobs, a snapshot of links to them, refs/main. */
static void make_cached(const char *cache, const char *name, const char *snapshot, const char *ref)
{
    char path[TEST_PATH];
    (void)snprintf(path, sizeof path, "%s/blobs", name);
    make(cache, path);
    (void)snprintf(path, sizeof path, "%s/blobs/0123", name);
    test_write_text(cache, path, test_llama_config);
    (void)snprintf(path, sizeof path, "%s/snapshots/%s", name, snapshot);
    make(cache, path);
    (void)snprintf(path, sizeof path, "%s/snapshots/%s/config.json", name, snapshot);
    link_to(cache, path, "../../blobs/0123");
    (void)snprintf(path, sizeof path, "%s/refs", name);
    make(cache, path);
    if (ref != NULL) {
        (void)snprintf(path, sizeof path, "%s/refs/main", name);
        test_write_text(cache, path, ref);
    }
}

static void use_caches(const char *hub_cache, const char *hf_home, const char *home)
{
    const char *const names[] = {"HF_HUB_CACHE", "HF_HOME", "HOME"};
    const char *const values[] = {hub_cache, hf_home, home};
    for (size_t i = 0; i < 3; ++i) {
        cr_assert((values[i] == NULL ? unsetenv(names[i]) : setenv(names[i], values[i], 1)) == 0);
    }
}

static void expect_folder(const char *path, const char *root, const char *below)
{
    char out[PATH_MAX];
    char full[TEST_PATH];
    char real[PATH_MAX];
    struct wn_error err = {.text = ""};
    WN_TEST_OK(wn_model_resolve(path, out, sizeof out, &err));
    test_join(root, below, full);
    cr_assert(realpath(full, real) != NULL);
    cr_expect_str_eq(out, real);
}

static void expect_refused(const char *path, const char *first, const char *second)
{
    char out[PATH_MAX];
    struct wn_error err = {.text = ""};
    const wn_code code = wn_model_resolve(path, out, sizeof out, &err);
    cr_expect(code == WN_MODEL, "%s: code %d: %s", path, (int)code, err.text);
    cr_expect(strstr(err.text, first) != NULL, "'%s' is not in: %s", first, err.text);
    cr_expect(strstr(err.text, second) != NULL, "'%s' is not in: %s", second, err.text);
    if (getenv("WINNOW_PRINT_ERRORS") != NULL) {
        printf("CASE %s | %d | %s\n", path, (int)code, err.text);
    }
}

Test(resolve, a_folder_is_taken_as_it_is_and_links_are_followed)
{
    char root[TEST_PATH];
    char path[TEST_PATH];
    test_folder_make(root);
    make(root, "real/model");
    test_write_text(root, "real/model/config.json", "{}");
    link_to(root, "linked", "real/model");
    test_join(root, "real/model", path);
    expect_folder(path, root, "real/model");
    test_join(root, "real/model/", path);
    expect_folder(path, root, "real/model");
    test_join(root, "linked", path);
    expect_folder(path, root, "real/model");
    test_join(root, "linked/../model", path);
    expect_folder(path, root, "real/model");
    cr_assert(chdir(root) == 0);
    expect_folder("linked", root, "real/model");
    expect_folder("real/model", root, "real/model");
    cr_assert(chdir("/") == 0);
    test_folder_remove(root);
}

Test(resolve, a_cache_folder_leads_to_the_snapshot_of_main)
{
    char root[TEST_PATH];
    char path[TEST_PATH];
    test_folder_make(root);
    make_cached(root, "models--a--b", "1111aaaa", "1111aaaa");
    make_cached(root, "models--a--c", "1111aaaa", "2222bbbb\n");
    make_cached(root, "models--a--c", "2222bbbb", NULL);
    make_cached(root, "models--a--d", "3333cccc", NULL);
    test_join(root, "models--a--b", path);
    expect_folder(path, root, "models--a--b/snapshots/1111aaaa");
    test_join(root, "models--a--c", path);
    expect_folder(path, root, "models--a--c/snapshots/2222bbbb");
    test_join(root, "models--a--d/", path);
    expect_folder(path, root, "models--a--d/snapshots/3333cccc");
    test_join(root, "models--a--c/snapshots/1111aaaa", path);
    expect_folder(path, root, "models--a--c/snapshots/1111aaaa");
    test_folder_remove(root);
}

Test(resolve, a_name_is_looked_up_in_three_places_in_order)
{
    char root[TEST_PATH];
    char first[TEST_PATH];
    char second[TEST_PATH];
    char third[TEST_PATH];
    test_folder_make(root);
    make(root, "one");
    make(root, "two/hub");
    make(root, "three/.cache/huggingface/hub");
    test_join(root, "one", first);
    test_join(root, "two", second);
    test_join(root, "three", third);
    make_cached(root, "three/.cache/huggingface/hub/models--org--name", "33", "33");
    make_cached(root, "three/.cache/huggingface/hub/models--gpt2", "34", "34");
    cr_assert(chdir(root) == 0);
    use_caches(first, second, third);
    expect_folder("org/name", root, "three/.cache/huggingface/hub/models--org--name/snapshots/33");
    expect_folder("gpt2", root, "three/.cache/huggingface/hub/models--gpt2/snapshots/34");
    make_cached(root, "two/hub/models--org--name", "22", "22");
    expect_folder("org/name", root, "two/hub/models--org--name/snapshots/22");
    make_cached(root, "one/models--org--name", "11", "11");
    expect_folder("org/name", root, "one/models--org--name/snapshots/11");
    use_caches(NULL, "", third);
    expect_folder("org/name", root, "three/.cache/huggingface/hub/models--org--name/snapshots/33");
    /* A folder of that name, here, goes first. */
    make(root, "org/name");
    test_write_text(root, "org/name/config.json", "{}");
    expect_folder("org/name", root, "org/name");
    cr_assert(chdir("/") == 0);
    test_folder_remove(root);
}

Test(resolve, a_name_that_is_nowhere_lists_the_places_tried)
{
    char root[TEST_PATH];
    char path[TEST_PATH];
    test_folder_make(root);
    test_join(root, "home", path);
    use_caches("/nowhere/cache", "/nowhere/hf/", path);
    expect_refused("org/name", "/nowhere/cache/models--org--name", "/nowhere/hf/hub/models--org--name");
    expect_refused("org/name", "home/.cache/huggingface/hub/models--org--name", "hf download org/name");
    use_caches(NULL, NULL, NULL);
    expect_refused("org/name", "the folder org/name", "nothing is downloaded");
    expect_refused("/nowhere/org/name", "no such folder", "ORG/NAME");
    expect_refused("../a/b", "no such folder", "../a/b");
    expect_refused("a/b/c", "no such folder", "a/b/c");
    expect_refused("a/../b", "no such folder", "a/../b");
    expect_refused("org/", "no such folder", "org/");
    expect_refused("a b", "no such folder", "a b");
    expect_refused("", "empty", "ORG/NAME");
    char *const lengthy = malloc(3 * PATH_MAX);
    memset(lengthy, 'x', 3 * PATH_MAX - 1);
    lengthy[3 * PATH_MAX - 1] = '\0';
    expect_refused(lengthy, "limit", "path");
    lengthy[PATH_MAX - 2] = '\0';
    expect_refused(lengthy, "x", "x");
    free(lengthy);
    test_folder_remove(root);
}

Test(resolve, what_is_not_whole_says_what_is_wrong)
{
    char root[TEST_PATH];
    char path[TEST_PATH];
    test_folder_make(root);
    make(root, "empty");
    test_join(root, "empty", path);
    expect_refused(path, "config.json", "no checkpoint folder");
    make(root, "weights");
    test_write_text(root, "weights/model.safetensors", "x");
    test_join(root, "weights", path);
    expect_refused(path, "config.json", "weights beside it");
    test_join(root, "weights/model.safetensors", path);
    expect_refused(path, "this is a file", "folder that holds it");
    test_join(root, "weights/model.safetensors/x", path);
    expect_refused(path, "no such folder", "x");

    make_cached(root, "models--a--several", "1111", NULL);
    make_cached(root, "models--a--several", "2222", NULL);
    test_join(root, "models--a--several", path);
    expect_refused(path, "several snapshots", "1111, 2222");
    make_cached(root, "models--a--gone", "1111", "9999");
    test_join(root, "models--a--gone", path);
    expect_refused(path, "snapshots/9999", "not finished");
    make_cached(root, "models--a--bad", "1111", "../../etc");
    test_join(root, "models--a--bad", path);
    expect_refused(path, "refs/main", "name of a snapshot");
    make_cached(root, "models--a--blank", "1111", "\n");
    test_join(root, "models--a--blank", path);
    expect_refused(path, "refs/main", "name of a snapshot");
    make(root, "models--a--none/snapshots");
    test_join(root, "models--a--none", path);
    expect_refused(path, "no snapshot", "not finished");
    make(root, "models--a--refs/refs");
    test_join(root, "models--a--refs", path);
    expect_refused(path, "without snapshots", "not finished");
    make(root, "models--a--hollow/snapshots/1111");
    test_join(root, "models--a--hollow", path);
    expect_refused(path, "config.json", "not finished");
    test_folder_remove(root);
}

Test(resolve, loops_and_links_to_nothing_are_clear_errors)
{
    char root[TEST_PATH];
    char path[TEST_PATH];
    struct wn_error err = {.text = ""};
    test_folder_make(root);
    link_to(root, "loop", "loop");
    link_to(root, "a", "b");
    link_to(root, "b", "a");
    link_to(root, "dangling", "gone/model");
    static const char *const names[] = {"loop", "a", "b", "dangling"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        test_join(root, names[i], path);
        expect_refused(path, names[i], i < 3 ? "link leads back to itself" : "link leads to nothing");
    }
    test_join(root, "loop/x", path);
    expect_refused(path, "loop/x", "cannot be opened");
    make(root, "fifo");
    test_join(root, "fifo/pipe", path);
    cr_assert(mkfifo(path, 0600) == 0);
    expect_refused(path, "neither a folder nor a file", "pipe");
    expect_refused("/dev/zero", "neither a folder nor a file", "/dev/zero");
    /* The download stopped between the link and its blob. */
    make_cached(root, "models--a--b", "11", "11");
    test_join(root, "models--a--b/blobs/0123", path);
    cr_assert(unlink(path) == 0);
    test_join(root, "models--a--b", path);
    char out[PATH_MAX];
    WN_TEST_OK(wn_model_resolve(path, out, sizeof out, &err));
    cr_expect(test_check(out, &err) == WN_MODEL);
    cr_expect(strstr(err.text, "config.json: this link leads to nothing") != NULL, "%s", err.text);
    test_folder_remove(root);
}

Test(resolve, a_buffer_too_small_is_refused)
{
    char root[TEST_PATH];
    char out[4];
    struct wn_error err = {.text = ""};
    test_folder_make(root);
    test_write_text(root, "config.json", "{}");
    cr_expect(wn_model_resolve(root, out, sizeof out, &err) == WN_MODEL);
    test_folder_remove(root);
}
