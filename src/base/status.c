/* Errors as values: filling the record, and the texts of the codes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "winnow/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text that was cut must not end inside a UTF-8 character: terminals show the rest as garbage. */
static void cut_at_character(char *text, size_t size)
{
    size_t end = size - 1;
    while (end > 0 && ((unsigned char)text[end - 1] & 0xC0u) == 0x80u) {
        --end;
    }
    if (end > 0 && ((unsigned char)text[end - 1] & 0x80u) != 0) {
        --end;
    }
    text[end] = '\0';
}

wn_code wn_error_set(struct wn_error *err, wn_code code, const char *file, int line, const char *format, ...)
{
    if (err == NULL) {
        return code;
    }
    /* The arguments may point into the record itself, when a caller adds where it happened. */
    char text[WN_ERROR_TEXT];
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (n >= (int)sizeof text) {
        cut_at_character(text, sizeof text);
    }
    memcpy(err->text, text, sizeof text);
    err->code = code;
    err->file = file;
    err->line = line;
    return code;
}

const char *wn_code_text(wn_code code)
{
    switch (code) {
    case WN_OK:
        return "done";
    case WN_DEFECT:
        return "a defect of the program";
    case WN_USAGE:
        return "wrong use";
    case WN_INPUT:
        return "input data invalid";
    case WN_MODEL:
        return "model, tokenizer or template not supported or invalid";
    case WN_IO:
        return "file, disk or HDF5";
    case WN_DEVICE:
        return "device or memory";
    case WN_RANK:
        return "a rank died and the job could not go on";
    case WN_RUN:
        return "the run directory belongs to another input, model, recipe or job";
    case WN_VALIDATION:
        return "a validation that was asked for failed";
    case WN_STOPPED:
        return "stopped cleanly; the same command goes on";
    }
    return "unknown code";
}
