/* The examples that users are given, run against a real file.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "table.h"

Test(examples, the_python_of_the_file_format_page_runs)
{
    static const char python[] = "/usr/bin/python3";
    char command[2000];
    snprintf(command, sizeof command, "%s -c 'import h5py' 2>/dev/null", python);
    if (system(command) != 0) {
        printf("SKIPPED: %s has no h5py (Debian: python3-h5py)\n", python);
        cr_skip_test("no h5py");
    }
    const struct place place = place_new();
    const struct wn_store_options options = {.has_tokens = true};
    table_write(place.path, 300, &options, 4);
    snprintf(command, sizeof command,
             "%s '%s/tests/store/doc_examples.py' '%s/docs/file-format.md' '%s' 300 > '%s/log' 2>&1", python,
             WINNOW_SOURCE_DIR, WINNOW_SOURCE_DIR, place.folder, place.folder);
    const int failed = system(command);
    snprintf(command, sizeof command, "%s '%s/log'", failed == 0 ? "grep -s SKIPPED" : "cat", place.folder);
    const int shown = system(command); /* grep finds nothing where nothing was passed over */
    cr_assert(shown == 0 || failed == 0);
    cr_assert_eq(failed, 0, "an example fails");
    place_free(&place);
}
