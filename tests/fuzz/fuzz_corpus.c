/* Fuzz target: any bytes as a corpus, through scanner, index, record parser and profiles.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   fuzz_corpus -max_len=4096 -dict=... FOLDER       with libFuzzer (clang)
 *   replay_corpus FILE|FOLDER...                     the same inputs without it
 */
#include "fuzz/corpus_probe.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct wn_error err;
    const char *const fault = corpus_probe((const char *)bytes, size, &err);
    if (fault != NULL) {
        fprintf(stderr, "fuzz_corpus: %s\n", fault);
        abort();
    }
    return 0;
}
