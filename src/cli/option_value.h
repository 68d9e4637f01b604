/* What the files of the parser share: one value, and the values that were not typed.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_CLI_OPTION_VALUE_H
#define WINNOW_CLI_OPTION_VALUE_H

#include "cli/options.h"

/* Append the borrowed `item`. WN_DEVICE without memory. */
wn_code wn_texts_add(struct wn_texts *texts, const char *item, struct wn_error *err);

/* "1", "0", "true", "false" in *out; false for anything else. */
bool wn_flag_read(const char *text, bool *out);

/* Put `text`, which must live as long as the settings, into the option's member: a flag by wn_flag_read; a repeat by "+"
 * for once more, or a flag or number; a list grows by it. WN_USAGE naming the flag, the text and what is wanted. */
wn_code wn_value_set(struct wn_settings *settings, const struct wn_option *option, const char *text,
                     struct wn_error *err);

/* Fill what was not typed from the environment, then from the configuration file: options.h. */
wn_code wn_settings_complete(struct wn_settings *settings, struct wn_error *err);

#endif
