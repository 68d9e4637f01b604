/* Progress and amounts as text.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/progress.h"
#include "support.h"

#include <math.h>
#include <string.h>

Test(progress, amounts_have_three_digits_and_a_unit)
{
    static const struct {
        double amount;
        const char *text;
    } cases[] = {{0, "0.00 "},       {7, "7.00 "},       {45, "45 "},        {999, "999 "},
                 {1000, "1.00 k "},  {12345, "12.3 k "}, {999499, "999 k "}, {999999, "1.00 M "},
                 {2.5e9, "2.50 G "}, {1.5e13, "15.0 T "}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        wn_amount_text(cases[i].amount, text, sizeof text);
        cr_expect_str_eq(text, cases[i].text, "%g: \"%s\"", cases[i].amount, text);
    }
}

Test(progress, durations_are_minutes_or_hours)
{
    char text[32];
    cr_expect_str_eq(wn_duration_text(7.4, text, sizeof text), "0:07");
    cr_expect_str_eq(wn_duration_text(61, text, sizeof text), "1:01");
    cr_expect_str_eq(wn_duration_text(3723, text, sizeof text), "1:02:03");
    cr_expect_str_eq(wn_duration_text((double)NAN, text, sizeof text), "?");
    cr_expect_str_eq(wn_duration_text(-1, text, sizeof text), "?");
    cr_expect_str_eq(wn_duration_text(1e300, text, sizeof text), "?");
}

Test(progress, line_names_rate_share_time_left_and_bad_records)
{
    const struct wn_progress_state state = {
        .stage = "scoring", .done = 250, .total = 1000, .bad = 3, .tokens = 50000, .seconds = 10};
    char text[200];
    wn_progress_text(&state, text, sizeof text);
    cr_expect_str_eq(text, "25.0 % of 1000 records, 25 records/s, 5.00 k tokens/s, 0:30 left, 3 bad", "%s",
                     text);
}

Test(progress, before_the_first_record_there_is_no_rate)
{
    const struct wn_progress_state state = {.stage = "scoring", .total = 1000};
    char text[200];
    wn_progress_text(&state, text, sizeof text);
    cr_expect(strstr(text, "? left") != NULL, "%s", text);
    const struct wn_progress_state stage = {.stage = "opening the model"};
    wn_progress_text(&stage, text, sizeof text);
    cr_expect_str_eq(text, "opening the model");
}
