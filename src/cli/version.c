/* winnow --version: the program and the libraries it runs with.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each foreign header belongs to one folder below; the versions that count are those loaded at run time. So the
 * libraries of this process are asked by the names of their own version functions; one that is not loaded is not
 * listed.
 */
#include "cli/version.h"

#include "store/store.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* dnnl_version_t begins with these three numbers. */
struct dnnl_numbers {
    int major, minor, patch;
};

/* A function pointer from dlsym, by copy: ISO C has no cast between the two kinds of pointer. */
static bool symbol_find(const char *name, void *out_function, size_t size)
{
    void *const symbol = dlsym(RTLD_DEFAULT, name);
    if (symbol == NULL || size != sizeof symbol) {
        return false;
    }
    memcpy(out_function, &symbol, size);
    return true;
}

static void text_library(FILE *to, const char *name, const char *symbol)
{
    const char *(*version)(void) = NULL;
    if (symbol_find(symbol, &version, sizeof version)) {
        fprintf(to, "%-9s %s\n", name, version());
    }
}

void wn_version_write(FILE *to)
{
#ifdef WINNOW_GIT_HASH
    fprintf(to, "winnow    %s (%s)\n", WINNOW_VERSION, WINNOW_GIT_HASH);
#else
    fprintf(to, "winnow    %s\n", WINNOW_VERSION);
#endif
    char hdf5[32];
    wn_store_library(hdf5, sizeof hdf5);
    fprintf(to, "%-9s %s\n", "HDF5", hdf5);
    const struct dnnl_numbers *(*dnnl)(void) = NULL;
    if (symbol_find("dnnl_version", &dnnl, sizeof dnnl)) {
        const struct dnnl_numbers *numbers = dnnl();
        fprintf(to, "%-9s %d.%d.%d\n", "oneDNN", numbers->major, numbers->minor, numbers->patch);
    }
    text_library(to, "cJSON", "cJSON_Version");
    int (*pcre2)(uint32_t, void *) = NULL;
    if (symbol_find("pcre2_config_8", &pcre2, sizeof pcre2)) {
        enum { PCRE2_VERSION_QUESTION = 11 }; /* PCRE2_CONFIG_VERSION of pcre2.h */
        char text[64] = "";
        if (pcre2(PCRE2_VERSION_QUESTION, NULL) < (int)sizeof text &&
            pcre2(PCRE2_VERSION_QUESTION, text) > 0) {
            fprintf(to, "%-9s %s\n", "PCRE2", text);
        }
    }
    text_library(to, "utf8proc", "utf8proc_version");
    text_library(to, "zstd", "ZSTD_versionString");
    text_library(to, "zlib", "zlibVersion");
    unsigned (*xxhash)(void) = NULL;
    if (symbol_find("XXH_versionNumber", &xxhash, sizeof xxhash)) {
        const unsigned number = xxhash();
        fprintf(to, "%-9s %u.%u.%u\n", "xxHash", number / 10000, number / 100 % 100, number % 100);
    }
}
