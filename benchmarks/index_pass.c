/* Time of the index pass over one corpus: wn_corpus_open, from start to a whole index.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   index_pass FILE...      prints "SECONDS RECORDS PEAK_KIB" (the peak of the resident memory of this process)
 */
#include "corpus/corpus.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int main(int n, char **words)
{
    struct wn_error err;
    struct wn_corpus *corpus = NULL;
    if (n < 2) {
        fprintf(stderr, "usage: index_pass FILE...\n");
        return WN_USAGE;
    }
    const struct wn_corpus_options options = {.paths = (const char *const *)(words + 1),
                                              .n_paths = (size_t)n - 1};
    const double begin = now();
    const wn_code code = wn_corpus_open(&options, &corpus, &err);
    const double seconds = now() - begin;
    if (code != WN_OK) {
        fprintf(stderr, "index_pass: %s\n", err.text);
        return (int)code;
    }
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("%.4f %llu %ld\n", seconds, (unsigned long long)wn_corpus_count(corpus), usage.ru_maxrss);
    wn_corpus_free(corpus);
    return 0;
}
