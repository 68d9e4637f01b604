/* Checkpoints made for one test: a temporary folder, files, and a small Llama whose header a test may edit.
 * SPDX-License-Identifier: Apache-2.0
 *
 * All of these fail the running test when the system refuses; none returns an error.
 */
#ifndef WINNOW_TESTS_MODEL_CHECKPOINTS_H
#define WINNOW_TESTS_MODEL_CHECKPOINTS_H

#include "winnow/span.h"
#include "winnow/status.h"

#include <stddef.h>

enum { TEST_PATH = 4096 };

/* A new, empty temporary folder; test_folder_remove removes it with all it holds (links are not followed). */
void test_folder_make(char out[TEST_PATH]);
void test_folder_remove(const char *folder);

/* folder/name into out. */
void test_join(const char *folder, const char *name, char out[TEST_PATH]);
void test_write(const char *folder, const char *name, const void *bytes, size_t size);
void test_write_text(const char *folder, const char *name, const char *text);
/* A safetensors file: length, header as given, `data_size` bytes of data (zeros where data is NULL). */
void test_write_tensors(const char *folder, const char *name, const char *header, const void *data,
                        size_t data_size);
/* The bytes of a file in new memory (free), followed by one 0 byte. */
char *test_read(const char *path, size_t *out_size);

/* `text` with the first `find` replaced, in new memory (free); fails the test where `find` is not in it. An
 * empty `find` leaves the text as it is. */
char *test_replace(const char *text, const char *find, const char *replace);

/* A Llama of one layer: V 8, C 4, H 2, G 1, D 2, F 6, head of its own. Header in new memory (free), and the
 * bytes of its data in *out_size. Weights are zeros. */
char *test_llama_header(size_t *out_size);
extern const char test_llama_config[];

/* What reading `folder` as a checkpoint gives: configuration, headers, shapes. */
wn_code test_check(const char *folder, struct wn_error *err);

/* Expects that reading `folder` is refused with WN_MODEL within two seconds, by a message that holds the
 * texts says[n] (those before a NULL). With WINNOW_PRINT_ERRORS in the environment every message is printed.
 */
void test_expect_refused(const char *name, const char *folder, const char *const *says, size_t n);

/* Seconds of a clock that only goes forward. */
double test_seconds(void);

/* Peak resident memory of this process so far, in bytes. */
size_t test_peak_memory(void);

#endif
