/* Messages to stderr: one line each, with a level. Results go to stdout, never through here.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_BASE_LOG_H
#define WINNOW_BASE_LOG_H

enum wn_log_level { WN_LOG_QUIET, WN_LOG_WARN, WN_LOG_INFO, WN_LOG_DEBUG };

/* Passed by pointer to whoever speaks; NULL means silence. Safe to use from several threads. */
struct wn_log {
    enum wn_log_level level;
};

void wn_log_warn(const struct wn_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wn_log_info(const struct wn_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wn_log_debug(const struct wn_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
