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

Test(progress, counts_have_commas)
{
    char text[32];
    cr_expect_str_eq(wn_count_text(0, text, sizeof text), "0");
    cr_expect_str_eq(wn_count_text(999, text, sizeof text), "999");
    cr_expect_str_eq(wn_count_text(1000, text, sizeof text), "1,000");
    cr_expect_str_eq(wn_count_text(1234567, text, sizeof text), "1,234,567");
    cr_expect_str_eq(wn_count_text(UINT64_MAX, text, sizeof text), "18,446,744,073,709,551,615");
}

Test(progress, line_names_share_rates_time_left_bad_records_and_who_waits)
{
    const struct wn_job_progress cases[] = {
        {.done = 250, .total = 1000, .total_is_final = true, .bad = 3, .tokens = 50000, .seconds = 10},
        /* What earlier starts finished took no time of this one. */
        {.done = 600, .before = 500, .total = 1000, .total_is_final = true, .tokens = 50000, .seconds = 10},
        {.done = 123000,
         .total = 1000000,
         .total_is_final = true,
         .bad = 4321,
         .tokens = 34500000,
         .seconds = 100,
         .stages = {{"reading", 0.03}, {"packing", 0.8}, {"model", 0.006}},
         .n_stages = 3},
        {.done = 5000, .total = 100000, .tokens = 50000, .seconds = 10},
        /* 100 % is said when all are done, and not before. */
        {.done = 99999, .total = 100000, .total_is_final = true, .seconds = 10},
        {.done = 100000, .total = 100000, .total_is_final = true, .seconds = 10}};
    static const char *const lines[] = {
        "25.0 % of 1,000 records, 25 records/s, 5.00 k tokens/s, 0:30 left, 3 bad",
        "60.0 % of 1,000 records, 10 records/s, 5.00 k tokens/s, 0:40 left, 0 bad",
        "12.3 % of 1,000,000 records, 1.23 k records/s, 345 k tokens/s, 11:53 left, 4,321 bad; waiting: "
        "reading 3 %, "
        "packing 80 %, model 1 %",
        "5,000 of at least 100,000 records, 500 records/s, 5.00 k tokens/s, 0 bad",
        "99.9 % of 100,000 records, 10.0 k records/s, 0.00 tokens/s, 0:00 left, 0 bad",
        "100.0 % of 100,000 records, 10.0 k records/s, 0.00 tokens/s, 0:00 left, 0 bad"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        wn_progress_text(&cases[i], text, sizeof text);
        cr_expect_str_eq(text, lines[i], "\"%s\" and not \"%s\"", text, lines[i]);
    }
}

Test(progress, a_line_longer_than_its_room_is_cut)
{
    const struct wn_job_progress state = {.done = 250,
                                          .total = 1000,
                                          .total_is_final = true,
                                          .seconds = 10,
                                          .stages = {{"reading", 1}, {"packing", 1}},
                                          .n_stages = 2};
    for (size_t size = 1; size < 120; size++) {
        char text[160];
        memset(text, '!', sizeof text);
        wn_progress_text(&state, text, size);
        cr_assert(strlen(text) < size && text[size] == '!', "size %zu", size);
    }
}

Test(progress, before_the_first_record_there_is_no_rate)
{
    const struct wn_job_progress state = {.stage = "scoring", .total = 1000, .total_is_final = true};
    char text[200];
    wn_progress_text(&state, text, sizeof text);
    cr_expect(strstr(text, "? left") != NULL, "%s", text);
    const struct wn_job_progress stage = {.stage = "opening the model"};
    wn_progress_text(&stage, text, sizeof text);
    cr_expect_str_eq(text, "opening the model");
}
