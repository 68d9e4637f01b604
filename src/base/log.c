/* Messages to stderr, each written by one call so that lines of several threads do not mix.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 4, 0))) static void speak(const struct wn_log *log, enum wn_log_level level,
                                                        const char *prefix, const char *format,
                                                        va_list arguments)
{
    if (log == NULL || log->level < level) {
        return;
    }
    char text[8192];
    vsnprintf(text, sizeof text, format, arguments);
    fprintf(stderr, "winnow: %s%s\n", prefix, text);
}

void wn_log_warn(const struct wn_log *log, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    speak(log, WN_LOG_WARN, "warning: ", format, arguments);
    va_end(arguments);
}

void wn_log_info(const struct wn_log *log, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    speak(log, WN_LOG_INFO, "", format, arguments);
    va_end(arguments);
}

void wn_log_debug(const struct wn_log *log, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    speak(log, WN_LOG_DEBUG, "debug: ", format, arguments);
    va_end(arguments);
}
