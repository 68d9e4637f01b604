/* Inside the configuration reader: fields of config.json, each read with its type and range.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A field may be absent or null; what then holds is said by the caller, from the defaults of the
 * configuration classes of transformers 5.23 (models/NAME/configuration_NAME.py), which are those of
 * transformers 4.
 */
#ifndef WINNOW_MODEL_CONFIG_H
#define WINNOW_MODEL_CONFIG_H

#include "base/base.h"
#include "model/cursor.h"
#include "model/parts.h"

enum { WN_SHOWN_VALUE = 72 /* room for a text value in a message */ };

struct wn_fields {
    const struct wn_json *object; /* borrowed; NULL reads as an object without members */
    const char *path;             /* borrowed: config.json, for messages */
    const char *within;           /* "" or "rope_scaling.": what stands before a field's name in messages */
    struct wn_error *err;
};

/* The member, or NULL where it is absent or null. */
const struct wn_json *wn_field(const struct wn_fields *fields, const char *name);

/* A whole number in [low, high]. `fallback` where absent or null; if it is itself below `low`, that is an
 * error. */
wn_code wn_field_integer(const struct wn_fields *fields, const char *name, int64_t low, int64_t high,
                         int64_t fallback, int32_t *out);
/* A finite number in (low, high]. */
wn_code wn_field_number(const struct wn_fields *fields, const char *name, double low, double high,
                        double fallback, double *out);
wn_code wn_field_boolean(const struct wn_fields *fields, const char *name, bool fallback, bool *out);
/* Text, or *out = {NULL, 0} where absent or null. */
wn_code wn_field_text(const struct wn_fields *fields, const char *name, struct wn_span *out);

/* The rotary settings, in both forms, into config->rope; config->positions and D are already read. */
wn_code wn_config_rope(const struct wn_fields *fields, struct wn_config *config);

#endif
