/* The table of methods.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "score/method.h"

#include <string.h>

static const struct wn_method methods[] = {
    {"ifd", wn_ifd_prepare, wn_ifd_reduce},
};

const struct wn_method *wn_method_find(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(methods[i].name, name) == 0) {
            return &methods[i];
        }
    }
    return NULL;
}
