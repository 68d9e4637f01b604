/* Errors as values: a code, where it was raised, and a text that says what, where and how to mend.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Rules
 * - What can fail returns wn_code and takes `struct wn_error *err` as its last parameter; the caller owns it.
 * - On WN_OK the callee has not touched *err. On anything else *err is filled and no output is valid.
 * - WN_CHECK for conditions on input, WN_TRY to forward, WN_TRY_OR to forward through the label `done:`
 *   (the function then has a variable `wn_code code`), WN_FAIL to report. assert() only for what our own
 *   code guarantees.
 * - Only main() prints an error and ends the process. A bad record is a status (row.h), never an error.
 */
#ifndef WINNOW_STATUS_H
#define WINNOW_STATUS_H

/* The value is the exit code of the program. */
typedef enum wn_code {
    WN_OK = 0,
    WN_DEFECT = 1,      /* a defect of the program */
    WN_USAGE = 2,       /* wrong use: option, value, combination */
    WN_INPUT = 3,       /* corpus invalid, or too many bad records */
    WN_MODEL = 4,       /* model, tokenizer or template invalid or not supported */
    WN_IO = 5,          /* file, disk, quota, HDF5 */
    WN_DEVICE = 6,      /* device or memory */
    WN_RANK = 7,        /* a rank died and the job could not go on */
    WN_RUN = 8,         /* the run directory belongs to another input, model, recipe or job */
    WN_VALIDATION = 9,  /* a validation that was asked for failed */
    WN_STOPPED = 75     /* stopped cleanly; the same command goes on */
} wn_code;

enum { WN_ERROR_TEXT = 6144 }; /* room for a path (4,096), a record and the mend */

struct wn_error {
    wn_code code;
    int line;         /* of the source file that raised it */
    const char *file; /* static */
    char text[WN_ERROR_TEXT];
};

/* Fill *err (which may be NULL) in printf form and return `code`. Too long a text is cut at a character. */
wn_code wn_error_set(struct wn_error *err, wn_code code, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* "done", "wrong use", ... for a code: constant text, never NULL. */
const char *wn_code_text(wn_code code);

#define WN_FAIL(err, code, ...) return wn_error_set((err), (code), __FILE__, __LINE__, __VA_ARGS__)

#define WN_CHECK(cond, err, code, ...)        \
    do {                                      \
        if (!(cond)) {                        \
            WN_FAIL((err), (code), __VA_ARGS__); \
        }                                     \
    } while (0)

#define WN_TRY(call)                        \
    do {                                    \
        const wn_code wn_try_code = (call); \
        if (wn_try_code != WN_OK) {         \
            return wn_try_code;             \
        }                                   \
    } while (0)

#define WN_TRY_OR(label, call)  \
    do {                        \
        code = (call);          \
        if (code != WN_OK) {    \
            goto label;         \
        }                       \
    } while (0)

#endif
