/* The coordinator among many virtual workers: every rule holds for any order of faults, and an event costs microseconds.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"
#include "world.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { SEEDS = WN_TEST_SANITIZED ? 60 : 400, MOST_EARLIER = 20 };

static uint64_t below(uint64_t *random, uint64_t n)
{
    return world_random(random) % n;
}

static double part(uint64_t *random)
{
    return (double)(world_random(random) >> 11) * 0x1p-53;
}

/* One of many different worlds; `earlier` is what options.done points to. */
static struct world_plan plan_of(uint64_t seed, struct wn_records *earlier)
{
    uint64_t random = seed * 977 + 5;
    const bool is_calm = seed % 5 == 0;
    const uint32_t workers = 1 + (uint32_t)(below(&random, 2) == 0 ? below(&random, 8) : below(&random, 200));
    struct world_plan plan = {
        .seed = seed,
        .records = below(&random, 4) == 0 ? below(&random, 50) : below(&random, 6000),
        .known_step = below(&random, 2) * (1 + below(&random, 400)),
        .record_seconds = 0.002 * pow(300.0, part(&random)),
        .delay = 0.05 * part(&random),
        .lose = is_calm ? 0.0 : 0.03 * part(&random),
        .twice = is_calm ? 0.0 : 0.05 * part(&random),
        .odd = is_calm ? 0.0 : 0.05 * part(&random),
        .poison = below(&random, 3) == 0 ? 0.001 : 0.0,
        .fault_every = is_calm ? 0.0 : 0.5 + 200.0 * part(&random) / workers,
        .faults_until = 400.0 * part(&random),
        .slow = below(&random, 2) == 0 ? 0.1 : 0.0,
        .never = below(&random, 4) == 0 ? 0.3 : 0.0,
        .corrupt = is_calm ? 0.0 : 0.2,
        .stop_at = below(&random, 5) == 0 ? 0.1 + 60.0 * part(&random) : 0.0,
        .has_holds = below(&random, 4) == 0,
    };
    plan.options = (struct wn_coordinator_options){
        .pass = 3,
        .most = 1 + below(&random, 300),
        .target = 1.0,
        .lease = 60.0,
        .beat = 2.0,
        .stop = 4.0,
        .workers = workers,
        .first_unit = 1 + below(&random, 64),
        .done = earlier,
    };
    if (below(&random, 3) == 0) {
        plan.options.first = below(&random, plan.records + 1);
        plan.options.count = below(&random, 2 * plan.records + 1);
    }
    uint64_t at = 0;
    const size_t n = below(&random, 2) * below(&random, MOST_EARLIER);
    for (size_t i = 0; i < n && at < plan.records; i++) {
        earlier[i].first = at + below(&random, 1 + plan.records / 10);
        earlier[i].count = below(&random, 1 + plan.records / 10);
        at = earlier[i].first + earlier[i].count;
        plan.options.n_done = i + 1;
    }
    return plan;
}

Test(coordinator_world, every_rule_holds_for_every_seed)
{
    struct world_result sum = {0};
    uint32_t by_code[WN_STOPPED + 1] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct wn_records earlier[MOST_EARLIER];
        const struct world_plan plan = plan_of(seed, earlier);
        struct world_result result;
        world_run(&plan, &result);
        cr_assert(result.trouble[0] == '\0', "seed %llu: %s", (unsigned long long)seed, result.trouble);
        by_code[result.code] += 1;
        sum.events += result.events;
        sum.drops += result.drops;
        sum.different += result.different;
        sum.lost += result.lost;
        sum.suspect += result.suspect;
        sum.given_up += result.given_up;
        sum.answered_late += result.answered_late;
        sum.virtual_seconds += result.virtual_seconds;
    }
    printf("%d worlds: %u done, %u stopped, %u without workers; %llu events, %.0f virtual seconds; %llu "
           "lost, %llu "
           "late, %llu dropped, %llu different, %llu given up\n",
           SEEDS, by_code[WN_OK], by_code[WN_STOPPED], by_code[WN_RANK], (unsigned long long)sum.events,
           sum.virtual_seconds, (unsigned long long)sum.lost, (unsigned long long)sum.answered_late,
           (unsigned long long)sum.drops, (unsigned long long)sum.different,
           (unsigned long long)sum.given_up);
    /* A world in which nothing went wrong would prove little. */
    cr_assert(sum.lost > 20 && sum.suspect > 20 && sum.answered_late > 20 && sum.drops > 20);
    cr_assert(sum.different > 0 && sum.given_up > 10);
    cr_assert(by_code[WN_OK] > SEEDS / 2 && by_code[WN_STOPPED] > 0);
}

Test(coordinator_world, ten_thousand_workers_cost_microseconds_an_event)
{
    const uint64_t shrink = WN_TEST_SANITIZED ? 20 : 1;
    const uint64_t records = 10000000 / shrink;
    const struct world_plan plan = {
        .seed = 7,
        .options = {.most = 10,
                    .target = 1.0,
                    .lease = 10.0,
                    .beat = 2.0,
                    .stop = 4.0,
                    .workers = (uint32_t)(10000 / shrink),
                    .first_unit = 10},
        .records = records,
        .known_step = records / 20,
        .record_seconds = 0.02,
        .delay = 0.01,
        .fault_every = 0.02 * (double)shrink,
        .faults_until = 30.0,
    };
    struct world_result result;
    world_run(&plan, &result);
    cr_assert(result.trouble[0] == '\0', "%s", result.trouble);
    cr_assert_eq(result.code, WN_OK);
    const double each = result.coordinator_seconds / (double)result.events;
    printf("%u workers, %llu records: %llu units, %llu events, %llu lost, %.2f s in the coordinator, %.2f us "
           "an event\n",
           plan.options.workers, (unsigned long long)records, (unsigned long long)result.gives,
           (unsigned long long)result.events, (unsigned long long)result.lost, result.coordinator_seconds,
           1e6 * each);
    cr_assert(result.lost > 0);
    /* Measured below 1 us; a scan of all workers or units at each event would take more than 10. */
    cr_assert_lt(each, WN_TEST_SANITIZED ? 100e-6 : 5e-6);
}
