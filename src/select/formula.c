/* Formulas over columns: parsed once into steps of a stack machine, run over blocks of rows.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   sum     = product { ("+" | "-") product }
 *   product = signed { ("*" | "/") signed }
 *   signed  = ("-" | "+") signed | value
 *   value   = number | column | function "(" sum { "," sum } ")" | "(" sum ")"
 */
#include "select/select.h"

#include "select/parts.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 512, MAX_COLUMNS = 64, MAX_DEPTH = 48, MAX_NAME = 64 };

enum operation {
    OP_NUMBER,
    OP_COLUMN,
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_DIVIDE,
    OP_NEGATE,
    OP_MIN,
    OP_MAX,
    OP_CALL
};

struct step {
    enum operation operation;
    double number;              /* OP_NUMBER */
    size_t column;              /* OP_COLUMN: into program.columns */
    double (*function)(double); /* OP_CALL */
};

struct program {
    struct step steps[MAX_STEPS];
    size_t n_steps;
    char columns[MAX_COLUMNS][MAX_NAME];
    size_t n_columns;
    size_t height, max_height; /* of the stack */
};

struct parser {
    const struct wn_scores *scores;
    const char *text, *at;
    struct program *program;
    int depth;
};

struct function {
    const char *name;
    enum operation operation;
    double (*function)(double);
};

static const struct function functions[] = {
    {"exp", OP_CALL, exp},  {"log", OP_CALL, log}, {"sqrt", OP_CALL, sqrt},
    {"abs", OP_CALL, fabs}, {"min", OP_MIN, NULL}, {"max", OP_MAX, NULL},
};

static wn_code fail_at(const struct parser *parser, const char *at, const char *what, struct wn_error *err)
{
    WN_FAIL(err, WN_USAGE, "formula \"%.200s\", character %zu: %s", parser->text,
            (size_t)(at - parser->text) + 1, what);
}

static void space_skip(struct parser *parser)
{
    while (isspace((unsigned char)*parser->at)) {
        parser->at++;
    }
}

static bool token_take(struct parser *parser, char token)
{
    space_skip(parser);
    if (*parser->at != token) {
        return false;
    }
    parser->at++;
    return true;
}

static wn_code step_add(struct parser *parser, struct step step, int growth, struct wn_error *err)
{
    struct program *program = parser->program;
    if (program->n_steps == MAX_STEPS) {
        return fail_at(parser, parser->at, "the formula is too long", err);
    }
    program->steps[program->n_steps] = step;
    program->n_steps++;
    program->height = growth > 0 ? program->height + 1 : program->height - (size_t)-growth;
    program->max_height = program->height > program->max_height ? program->height : program->max_height;
    return WN_OK;
}

static wn_code sum_parse(struct parser *parser, struct wn_error *err);

static wn_code number_parse(struct parser *parser, struct wn_error *err)
{
    char digits[64];
    const size_t n = strspn(parser->at, "0123456789.");
    size_t used = n;
    const char *exponent = parser->at + n;
    if (*exponent == 'e' || *exponent == 'E') {
        const size_t sign = exponent[1] == '+' || exponent[1] == '-' ? 2 : 1;
        const size_t power = strspn(exponent + sign, "0123456789");
        used += power > 0 ? sign + power : 0;
    }
    if (used >= sizeof digits) {
        return fail_at(parser, parser->at, "the number is too long", err);
    }
    memcpy(digits, parser->at, used);
    digits[used] = '\0';
    char *end = NULL;
    const double number = strtod(digits, &end);
    if (end != digits + used) {
        return fail_at(parser, parser->at, "this is not a number", err);
    }
    WN_TRY(step_add(parser, (struct step){.operation = OP_NUMBER, .number = number}, 1, err));
    parser->at += used;
    return WN_OK;
}

static wn_code fail_unknown(const struct parser *parser, const char *at, const char *name,
                            struct wn_error *err)
{
    char known[2048] = "";
    size_t used = 0;
    const char *const *columns = wn_scores_columns(parser->scores);
    for (size_t i = 0; columns[i] != NULL && used + MAX_NAME < sizeof known; i++) {
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", columns[i]);
    }
    char what[2400];
    snprintf(what, sizeof what,
             "there is no column \"%s\"; the columns are %s; the functions exp, log, sqrt, abs, min, max",
             name, known);
    return fail_at(parser, at, what, err);
}

static wn_code column_add(struct parser *parser, const char *name, struct wn_error *err)
{
    struct program *program = parser->program;
    size_t c = 0;
    while (c < program->n_columns && strcmp(program->columns[c], name) != 0) {
        c++;
    }
    if (c == program->n_columns) {
        assert(c < MAX_COLUMNS); /* a file has fewer columns than that, and each is kept once */
        snprintf(program->columns[c], MAX_NAME, "%s", name);
        program->n_columns++;
    }
    return step_add(parser, (struct step){.operation = OP_COLUMN, .column = c}, 1, err);
}

static wn_code call_parse(struct parser *parser, const struct function *function, struct wn_error *err)
{
    size_t arguments = 0;
    do {
        WN_TRY(sum_parse(parser, err));
        arguments++;
        if (arguments > 1) {
            if (function->operation == OP_CALL) {
                return fail_at(parser, parser->at, "this function takes one value", err);
            }
            WN_TRY(step_add(parser, (struct step){.operation = function->operation}, -1, err));
        }
    } while (token_take(parser, ','));
    if (!token_take(parser, ')')) {
        return fail_at(parser, parser->at, "a closing parenthesis is missing here", err);
    }
    if (function->operation == OP_CALL) {
        return step_add(parser, (struct step){.operation = OP_CALL, .function = function->function}, 0, err);
    }
    return arguments > 1 ? WN_OK : fail_at(parser, parser->at, "min and max take two values or more", err);
}

static wn_code name_parse(struct parser *parser, struct wn_error *err)
{
    const char *start = parser->at;
    size_t n = 0;
    while (isalnum((unsigned char)start[n]) || start[n] == '_') {
        n++;
    }
    char name[MAX_NAME];
    snprintf(name, sizeof name, "%.*s", (int)(n < MAX_NAME ? n : MAX_NAME - 1), start);
    parser->at += n;
    if (token_take(parser, '(')) {
        for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
            if (strcmp(functions[i].name, name) == 0) {
                return call_parse(parser, &functions[i], err);
            }
        }
        return fail_at(parser, start, "there is no such function; there are exp, log, sqrt, abs, min and max",
                       err);
    }
    if (n >= MAX_NAME || !wn_scores_has(parser->scores, name)) {
        return fail_unknown(parser, start, name, err);
    }
    return column_add(parser, name, err);
}

static wn_code value_parse(struct parser *parser, struct wn_error *err)
{
    if (token_take(parser, '(')) {
        WN_TRY(sum_parse(parser, err));
        return token_take(parser, ')')
                   ? WN_OK
                   : fail_at(parser, parser->at, "a closing parenthesis is missing here", err);
    }
    const char c = *parser->at;
    if (isdigit((unsigned char)c) || c == '.') {
        return number_parse(parser, err);
    }
    if (isalpha((unsigned char)c) || c == '_') {
        return name_parse(parser, err);
    }
    return fail_at(parser, parser->at,
                   c == '\0' ? "the formula ends where a number, a column or \"(\" is expected"
                             : "a number, a column or \"(\" is expected here",
                   err);
}

static wn_code signed_parse(struct parser *parser, struct wn_error *err)
{
    bool is_negative = false;
    for (;;) {
        if (token_take(parser, '-')) {
            is_negative = !is_negative;
        } else if (!token_take(parser, '+')) {
            break;
        }
    }
    WN_TRY(value_parse(parser, err));
    return is_negative ? step_add(parser, (struct step){.operation = OP_NEGATE}, 0, err) : WN_OK;
}

static wn_code product_parse(struct parser *parser, struct wn_error *err)
{
    WN_TRY(signed_parse(parser, err));
    for (;;) {
        const bool is_times = token_take(parser, '*');
        if (!is_times && !token_take(parser, '/')) {
            return WN_OK;
        }
        WN_TRY(signed_parse(parser, err));
        const struct step step = {.operation = is_times ? OP_MULTIPLY : OP_DIVIDE};
        WN_TRY(step_add(parser, step, -1, err));
    }
}

static wn_code sum_parse(struct parser *parser, struct wn_error *err)
{
    if (parser->depth == MAX_DEPTH) {
        return fail_at(parser, parser->at, "parentheses are nested too deep", err);
    }
    parser->depth++;
    WN_TRY(product_parse(parser, err));
    for (;;) {
        const bool is_plus = token_take(parser, '+');
        if (!is_plus && !token_take(parser, '-')) {
            parser->depth--;
            return WN_OK;
        }
        WN_TRY(product_parse(parser, err));
        WN_TRY(step_add(parser, (struct step){.operation = is_plus ? OP_ADD : OP_SUBTRACT}, -1, err));
    }
}

static wn_code formula_parse(const struct wn_scores *scores, const char *formula, struct program *program,
                             struct wn_error *err)
{
    struct parser parser = {.scores = scores, .text = formula, .at = formula, .program = program};
    WN_TRY(sum_parse(&parser, err));
    space_skip(&parser);
    if (*parser.at != '\0') {
        return fail_at(&parser, parser.at, "an operator (+ - * /) or the end of the formula is expected here",
                       err);
    }
    assert(program->height == 1);
    return WN_OK;
}

/* a[i] = a[i] OP b[i]. */
static void pairs_run(enum operation operation, double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        switch (operation) {
        case OP_ADD:
            a[i] += b[i];
            break;
        case OP_SUBTRACT:
            a[i] -= b[i];
            break;
        case OP_MULTIPLY:
            a[i] *= b[i];
            break;
        case OP_DIVIDE:
            a[i] /= b[i];
            break;
        case OP_MIN:
            a[i] = isnan(a[i]) || a[i] < b[i] ? a[i] : b[i];
            break;
        default:
            assert(operation == OP_MAX);
            a[i] = isnan(a[i]) || a[i] > b[i] ? a[i] : b[i];
            break;
        }
    }
}

/* Run the program over one block. `columns` and `stack` hold blocks one behind the other. */
static void block_run(const struct program *program, const double *columns, double *stack, size_t n)
{
    size_t height = 0;
    for (size_t s = 0; s < program->n_steps; s++) {
        const struct step *step = &program->steps[s];
        double *next = stack + height * WN_SELECT_BLOCK;
        double *top = height > 0 ? next - WN_SELECT_BLOCK : next;
        switch (step->operation) {
        case OP_NUMBER:
            for (size_t i = 0; i < n; i++) {
                next[i] = step->number;
            }
            height++;
            break;
        case OP_COLUMN:
            memcpy(next, columns + step->column * WN_SELECT_BLOCK, n * sizeof *next);
            height++;
            break;
        case OP_NEGATE:
            for (size_t i = 0; i < n; i++) {
                top[i] = -top[i];
            }
            break;
        case OP_CALL:
            for (size_t i = 0; i < n; i++) {
                top[i] = step->function(top[i]);
            }
            break;
        default:
            pairs_run(step->operation, top - WN_SELECT_BLOCK, top, n);
            height--;
            break;
        }
    }
}

static wn_code program_run(const struct wn_scores *scores, const struct program *program, double *out,
                           struct wn_error *err)
{
    const uint64_t total = wn_scores_count(scores);
    const size_t n_blocks = program->n_columns + program->max_height;
    double *columns = malloc(n_blocks * WN_SELECT_BLOCK * sizeof *columns);
    WN_CHECK(columns != NULL, err, WN_DEVICE, "out of memory for a formula");
    double *stack = columns + program->n_columns * WN_SELECT_BLOCK;
    wn_code code = WN_OK;
    for (uint64_t first = 0; first < total && code == WN_OK; first += WN_SELECT_BLOCK) {
        const size_t n = total - first < WN_SELECT_BLOCK ? (size_t)(total - first) : WN_SELECT_BLOCK;
        for (size_t c = 0; c < program->n_columns && code == WN_OK; c++) {
            code =
                wn_scores_doubles(scores, program->columns[c], first, n, columns + c * WN_SELECT_BLOCK, err);
        }
        if (code == WN_OK) {
            block_run(program, columns, stack, n);
            memcpy(out + first, stack, n * sizeof *out);
        }
    }
    free(columns);
    return code;
}

wn_code wn_formula_values(const struct wn_scores *scores, const char *formula, double *out,
                          struct wn_error *err)
{
    struct program *program = calloc(1, sizeof *program);
    WN_CHECK(program != NULL, err, WN_DEVICE, "out of memory for a formula");
    wn_code code = formula_parse(scores, formula, program, err);
    if (code == WN_OK) {
        code = program_run(scores, program, out, err);
    }
    free(program);
    return code;
}
