/* Crews of threads: failures, hangs, ends.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct scene {
    struct wn_queue *queue;
    atomic_int stops;
    atomic_bool is_free; /* lets a stage that hangs go on */
    wn_code code;
    char seen_name[16];
};

static void stop_scene(void *context)
{
    struct scene *scene = context;
    atomic_fetch_add(&scene->stops, 1);
    wn_queue_close(scene->queue);
}

static struct wn_crew *crew_make(struct scene *scene)
{
    struct wn_error err = {.code = WN_OK};
    struct wn_crew *crew = NULL;
    WN_TEST_OK(wn_queue_new(4, &scene->queue, &err));
    WN_TEST_OK(wn_crew_new(stop_scene, scene, &crew, &err));
    return crew;
}

static wn_code take_until_closed(struct wn_stage *stage, void *context, struct wn_error *err)
{
    (void)err;
    struct scene *scene = context;
    void *item = NULL;
    for (;;) {
        wn_stage_wait(stage);
        const enum wn_queue_answer answer = wn_queue_take(scene->queue, &item, -1);
        wn_stage_work(stage);
        if (answer != WN_QUEUE_OK) {
            return WN_OK;
        }
        wn_stage_beat(stage);
    }
}

static wn_code fail(struct wn_stage *stage, void *context, struct wn_error *err)
{
    (void)stage;
    const struct scene *scene = context;
    WN_FAIL(err, scene->code, "the cable is out");
}

static wn_code fail_without_a_word(struct wn_stage *stage, void *context, struct wn_error *err)
{
    (void)stage;
    (void)err;
    const struct scene *scene = context;
    return scene->code;
}

static wn_code hang(struct wn_stage *stage, void *context, struct wn_error *err)
{
    (void)stage;
    (void)err;
    const struct scene *scene = context;
    while (!atomic_load(&scene->is_free)) {
        usleep(1000);
    }
    return WN_OK;
}

static wn_code beat(struct wn_stage *stage, void *context, struct wn_error *err)
{
    (void)err;
    const struct scene *scene = context;
    while (!atomic_load(&scene->is_free)) {
        wn_stage_beat(stage);
        usleep(1000);
    }
    return WN_OK;
}

static wn_code note_name(struct wn_stage *stage, void *context, struct wn_error *err)
{
    (void)stage;
    (void)err;
    struct scene *scene = context;
    pthread_getname_np(pthread_self(), scene->seen_name, sizeof scene->seen_name);
    return WN_OK;
}

/* Ask until there is an answer, at most about ten seconds. */
static wn_code check_until(struct wn_crew *crew, double limit, struct wn_error *err)
{
    wn_code code = WN_OK;
    for (int i = 0; i < 2000 && code == WN_OK; ++i) {
        usleep(5000);
        code = wn_crew_check(crew, limit, err);
    }
    return code;
}

Test(crew, threads_have_names_and_end_when_their_queue_is_closed)
{
    struct scene scene = {0};
    struct wn_error err = {.code = WN_OK};
    struct wn_crew *crew = crew_make(&scene);
    WN_TEST_OK(wn_crew_start(crew, "a name of 15 by", WN_DEFECT, note_name, &scene, &err));
    for (int i = 0; i < 3; ++i) {
        WN_TEST_OK(wn_crew_start(crew, "taking", WN_DEFECT, take_until_closed, &scene, &err));
    }
    int item = 0;
    for (int i = 0; i < 10; ++i) {
        cr_expect_eq(wn_queue_put(scene.queue, &item, 1, -1), WN_QUEUE_OK);
    }
    WN_TEST_OK(wn_crew_check(crew, 60, &err));
    bool is_left = true;
    WN_TEST_OK(wn_crew_end(&crew, -1, &is_left, &err));
    cr_expect(crew == NULL && !is_left);
    cr_expect_eq(atomic_load(&scene.stops), 1);
    cr_expect_str_eq(scene.seen_name, "a name of 15 by");
    WN_TEST_OK(wn_crew_end(&crew, -1, &is_left, &err));
    wn_queue_free(scene.queue);
}

Test(crew, a_stage_that_fails_is_named_its_code_kept_and_the_others_end)
{
    static const wn_code codes[] = {WN_IO, WN_DEVICE, WN_MODEL, WN_STOPPED, WN_DEFECT};
    for (size_t i = 0; i < 2 * sizeof codes / sizeof codes[0]; ++i) {
        struct scene scene = {.code = codes[i / 2]};
        struct wn_error err = {.code = WN_OK};
        struct wn_crew *crew = crew_make(&scene);
        for (int k = 0; k < 3; ++k) {
            WN_TEST_OK(wn_crew_start(crew, "taking", WN_DEFECT, take_until_closed, &scene, &err));
        }
        WN_TEST_OK(
            wn_crew_start(crew, "writing", WN_IO, i % 2 == 0 ? fail : fail_without_a_word, &scene, &err));
        cr_expect_eq(check_until(crew, 60, &err), codes[i / 2]);
        const char *text = i % 2 == 0 ? "writing: the cable is out" : wn_code_text(codes[i / 2]);
        cr_expect(strstr(err.text, "writing: ") == err.text && strstr(err.text, text) != NULL, "%s",
                  err.text);
        struct wn_error end = {.code = WN_OK};
        cr_expect_eq(wn_crew_end(&crew, 20, NULL, &end), codes[i / 2]);
        cr_expect_str_eq(end.text, err.text);
        cr_expect_eq(atomic_load(&scene.stops), 1, "stop is called once");
        wn_queue_free(scene.queue);
    }
}

Test(crew, being_stopped_gives_way_to_a_failure_and_nothing_else_does)
{
    static const struct {
        wn_code first, second, told;
    } cases[] = {{WN_STOPPED, WN_IO, WN_IO}, {WN_IO, WN_STOPPED, WN_IO}, {WN_IO, WN_DEVICE, WN_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        struct scene one = {.code = cases[i].first};
        struct scene two = {.code = cases[i].second};
        struct wn_error err = {.code = WN_OK};
        struct wn_crew *crew = crew_make(&one);
        WN_TEST_OK(wn_crew_start(crew, "one", WN_DEFECT, fail, &one, &err));
        cr_expect_eq(check_until(crew, 60, &err), cases[i].first);
        struct wn_error later = {.code = WN_OK};
        WN_TEST_OK(wn_crew_start(crew, "two", WN_DEFECT, fail, &two, &later));
        cr_expect_eq(wn_crew_end(&crew, -1, NULL, &err), cases[i].told);
        cr_expect_eq(atomic_load(&one.stops), 1);
        wn_queue_free(one.queue);
    }
}

Test(crew, a_stage_that_hangs_is_found_with_its_name_and_a_likely_cause)
{
    static const struct {
        wn_code code;
        const char *cause;
    } cases[] = {{WN_IO, "file system"}, {WN_DEVICE, "dmesg"}, {WN_DEFECT, "report"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        struct scene scene = {0};
        struct wn_error err = {.code = WN_OK};
        struct wn_crew *crew = crew_make(&scene);
        WN_TEST_OK(wn_crew_start(crew, "moving", WN_DEFECT, beat, &scene, &err));
        WN_TEST_OK(wn_crew_start(crew, "waiting", WN_DEFECT, take_until_closed, &scene, &err));
        WN_TEST_OK(wn_crew_start(crew, "hanging", cases[i].code, hang, &scene, &err));
        usleep(20000);
        cr_expect_eq(wn_crew_check(crew, 0, &err), WN_OK, "no limit, no hang");
        cr_expect_eq(check_until(crew, 0.4, &err), cases[i].code);
        cr_expect(strstr(err.text, "hanging: has not moved for 0.") == err.text, "%s", err.text);
        cr_expect(strstr(err.text, cases[i].cause) != NULL, "%s", err.text);
        atomic_store(&scene.is_free, true);
        WN_TEST_OK(wn_crew_end(&crew, -1, NULL, &err));
        wn_queue_free(scene.queue);
    }
}

Test(crew, a_process_that_was_held_as_a_whole_does_not_look_like_a_hang)
{
    struct scene scene = {0};
    struct wn_error err = {.code = WN_OK};
    struct wn_crew *crew = crew_make(&scene);
    WN_TEST_OK(wn_crew_start(crew, "hanging", WN_IO, hang, &scene, &err));
    WN_TEST_OK(wn_crew_check(crew, 0.1, &err));
    usleep(300000); /* nobody looked, so nobody can tell */
    WN_TEST_OK(wn_crew_check(crew, 0.1, &err));
    cr_expect_eq(check_until(crew, 0.1, &err), WN_IO, "but it still hangs, and that is seen");
    atomic_store(&scene.is_free, true);
    WN_TEST_OK(wn_crew_end(&crew, -1, NULL, &err));
    wn_queue_free(scene.queue);
}

Test(crew, an_end_with_a_time_out_tells_that_threads_are_left)
{
    /* Must outlive the test's own frame: the threads that are left use them. */
    static struct scene scene;
    struct wn_error err = {.code = WN_OK};
    struct wn_crew *crew = crew_make(&scene);
    WN_TEST_OK(wn_crew_start(crew, "taking", WN_DEFECT, take_until_closed, &scene, &err));
    WN_TEST_OK(wn_crew_start(crew, "hanging", WN_DEVICE, hang, &scene, &err));
    WN_TEST_OK(wn_crew_start(crew, "hanging", WN_DEVICE, hang, &scene, &err));
    bool is_left = false;
    static struct wn_crew *kept; /* where a search for leaks finds what was left on purpose */
    kept = crew;
    cr_expect_eq(wn_crew_end(&crew, 0.1, &is_left, &err), WN_DEVICE);
    cr_expect_not_null(kept);
    cr_expect(is_left && crew == NULL);
    cr_expect(strstr(err.text, "hanging: has not ended within 0.1 s") == err.text, "%s", err.text);
    atomic_store(&scene.is_free, true);
    usleep(50000);
}

Test(crew, an_end_with_threads_left_tells_the_failure_that_came_first)
{
    static struct scene scene;
    scene.code = WN_MODEL;
    struct wn_error err = {.code = WN_OK};
    struct wn_crew *crew = crew_make(&scene);
    WN_TEST_OK(wn_crew_start(crew, "hanging", WN_DEVICE, hang, &scene, &err));
    WN_TEST_OK(wn_crew_start(crew, "failing", WN_DEVICE, fail, &scene, &err));
    cr_expect_eq(check_until(crew, 60, &err), WN_MODEL);
    bool is_left = false;
    static struct wn_crew *kept;
    kept = crew;
    cr_expect_eq(wn_crew_end(&crew, 0, &is_left, &err), WN_MODEL);
    cr_expect_not_null(kept);
    cr_expect(is_left && strstr(err.text, "failing: ") == err.text, "%s", err.text);
    atomic_store(&scene.is_free, true);
    usleep(50000);
}

Test(crew, shares_tell_working_from_waiting_summed_by_name)
{
    struct scene scene = {0};
    struct wn_error err = {.code = WN_OK};
    struct wn_crew *crew = crew_make(&scene);
    WN_TEST_OK(wn_crew_start(crew, "waiting", WN_DEFECT, take_until_closed, &scene, &err));
    WN_TEST_OK(wn_crew_start(crew, "working", WN_DEFECT, hang, &scene, &err));
    WN_TEST_OK(wn_crew_start(crew, "waiting", WN_DEFECT, take_until_closed, &scene, &err));
    usleep(300000);
    struct wn_stage_share shares[3];
    cr_expect_eq(wn_crew_shares(crew, shares, 0), 0);
    cr_expect_eq(wn_crew_shares(crew, shares, 1), 1);
    cr_expect(strcmp(shares[0].name, "waiting") == 0 && shares[0].threads == 2);
    cr_assert_eq(wn_crew_shares(crew, shares, 3), 2);
    cr_expect(strcmp(shares[0].name, "waiting") == 0 && strcmp(shares[1].name, "working") == 0);
    cr_expect(shares[0].threads == 2 && shares[1].threads == 1);
    /* Two threads waited nearly all of 0.3 s; half of it is what a busy machine may take. */
    cr_expect(shares[0].wait_seconds > 0.3 && shares[0].work_seconds < 0.3, "%g s waiting, %g s working",
              shares[0].wait_seconds, shares[0].work_seconds);
    cr_expect(shares[1].work_seconds > 0.15 && shares[1].wait_seconds == 0, "%g s working",
              shares[1].work_seconds);
    atomic_store(&scene.is_free, true);
    WN_TEST_OK(wn_crew_end(&crew, -1, NULL, &err));
    wn_queue_free(scene.queue);
}

Test(crew, no_stage_is_no_error)
{
    wn_stage_beat(NULL);
    wn_stage_wait(NULL);
    wn_stage_work(NULL);
}
