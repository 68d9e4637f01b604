/* Each rule of the coordinator as a small story: what happens, and exactly the actions that follow.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A line of a story is a time, what happens, and the actions as text. Between two lines the coordinator hears a tick each
 * second and a beat, without progress, of each worker in `beating`.
 */
#include "cluster/coordinator.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { WORKERS = 4, MOST_LINES = 32, TEXT = 4096 };

struct line {
    double at;
    const char *happens; /* NULL: the end of the story */
    const char *actions;
};

struct story {
    const char *name;
    struct wn_coordinator_options options; /* 0: the value of the plain story */
    const char *beating;                   /* digits */
    struct line lines[MOST_LINES];
};

struct teller {
    struct wn_coordinator *coordinator;
    uint64_t beats[WORKERS];
    char text[TEXT];
    double now;
};

static struct wn_coordinator_options fill(struct wn_coordinator_options o)
{
    o.most = o.most == 0 ? 100 : o.most;
    o.target = o.target > 0.0 ? o.target : 1.0;
    o.lease = o.lease > 0.0 ? o.lease : 20.0;
    o.beat = o.beat > 0.0 ? o.beat : 2.0;
    o.stop = o.stop > 0.0 ? o.stop : 4.0;
    o.workers = o.workers == 0 ? WORKERS : o.workers;
    o.first_unit = o.first_unit == 0 ? 8 : o.first_unit;
    return o;
}

static void tell(struct teller *teller, struct wn_event event)
{
    static const char *const kinds[] = {"give", "accept", "drop", "suspect", "lost", "give_up", "end"};
    struct wn_error err;
    event.now = teller->now;
    WN_TEST_OK(wn_coordinator_event(teller->coordinator, &event, &err));
    struct wn_action a;
    while (wn_coordinator_next(teller->coordinator, &a)) {
        char *out = teller->text + strlen(teller->text);
        const size_t room = TEXT - (size_t)(out - teller->text);
        const char *join = out == teller->text ? "" : "; ";
        if (a.kind == WN_ACTION_END) {
            snprintf(out, room, "%send %d", join, (int)a.code);
        } else if (a.kind == WN_ACTION_SUSPECT || a.kind == WN_ACTION_LOST) {
            snprintf(out, room, "%s%s w%u", join, kinds[a.kind], a.worker);
        } else {
            cr_assert_eq(a.unit.pass, 7, "the pass of a unit");
            snprintf(out, room, "%s%s w%u L%llu %llu+%llu%s", join, kinds[a.kind], a.worker,
                     (unsigned long long)a.lease, (unsigned long long)a.unit.first,
                     (unsigned long long)a.unit.count, a.is_different ? " different" : "");
        }
    }
}

/* Ticks and beats up to `at`, not including it. */
static void pass_time(struct teller *teller, const char *beating, double at)
{
    for (double second = teller->now + 1.0; second < at; second += 1.0) {
        teller->now = second;
        for (const char *c = beating; c != NULL && *c != '\0'; c++) {
            const uint32_t worker = (uint32_t)(*c - '0');
            tell(teller, (struct wn_event){
                             .kind = WN_EVENT_BEAT, .worker = worker, .records = teller->beats[worker]});
        }
        tell(teller, (struct wn_event){.kind = WN_EVENT_TICK});
    }
    teller->now = at;
}

/* "ready 1", "beat 1 records", "result 1 lease crc seconds", "failed 1 lease", "left 1", "known 20 [all]", "stop",
 * "hold", "resume", "tick", "jump" (a tick after a time without any event). */
static void happen(struct teller *teller, const char *text)
{
    static const struct {
        const char *word;
        enum wn_event_kind kind;
    } words[] = {{"ready", WN_EVENT_READY},   {"beat", WN_EVENT_BEAT}, {"result", WN_EVENT_RESULT},
                 {"failed", WN_EVENT_FAILED}, {"left", WN_EVENT_LEFT}, {"known", WN_EVENT_KNOWN},
                 {"stop", WN_EVENT_STOP},     {"hold", WN_EVENT_HOLD}, {"resume", WN_EVENT_RESUME},
                 {"tick", WN_EVENT_TICK},     {"jump", WN_EVENT_TICK}};
    char word[16] = "", more[16] = "";
    unsigned long long x = 0, y = 0;
    struct wn_event event = {0};
    sscanf(text, "%15s %llu %llu", word, &x, &y);
    size_t i = 0;
    while (i < sizeof words / sizeof words[0] && strcmp(words[i].word, word) != 0) {
        i++;
    }
    cr_assert_lt(i, sizeof words / sizeof words[0], "no event: %s", text);
    event.kind = words[i].kind;
    event.worker = (uint32_t)x;
    event.lease = y;
    if (event.kind == WN_EVENT_BEAT) {
        event.records = y;
        teller->beats[x] = y;
    } else if (event.kind == WN_EVENT_KNOWN) {
        event.records = x;
        event.is_all = sscanf(text, "known %*u %15s", more) == 1;
    } else if (event.kind == WN_EVENT_RESULT) {
        sscanf(text, "result %*u %*u %u %lf", &event.crc, &event.seconds);
    }
    tell(teller, event);
}

static void run_story(const struct story *story)
{
    struct wn_error err;
    struct teller teller = {0};
    struct wn_coordinator_options options = fill(story->options);
    options.pass = 7;
    WN_TEST_OK(wn_coordinator_new(&options, &teller.coordinator, &err));
    for (const struct line *line = story->lines; line->happens != NULL; line++) {
        teller.text[0] = '\0';
        if (strcmp(line->happens, "jump") == 0) {
            teller.now = line->at;
        } else {
            pass_time(&teller, story->beating, line->at);
        }
        happen(&teller, line->happens);
        cr_expect_str_eq(teller.text, line->actions, "%s, at %g, %s:\n  got      %s\n  expected %s",
                         story->name, line->at, line->happens, teller.text, line->actions);
    }
    wn_coordinator_free(teller.coordinator);
}

static const struct wn_records earlier[] = {{0, 3}, {10, 5}, {15, 2}, {70, 55}};

static const struct story hand_out[] = {
    {"units from the front, smaller towards the end",
     {0},
     "0",
     {{0, "known 20 all", ""},
      {0, "ready 0", "give w0 L1 0+8; give w0 L2 8+6"},
      {1, "result 0 1 5 1", "accept w0 L1 0+8; give w0 L3 14+3"},
      {2, "result 0 2 5 1", "accept w0 L2 8+6; give w0 L4 17+1"},
      {3, "result 0 3 5 1", "accept w0 L3 14+3; give w0 L5 18+1"},
      {3, "result 0 3 5 1", ""},
      {4, "result 0 4 5 1", "accept w0 L4 17+1; give w0 L6 19+1"},
      {4, "result 0 5 5 1", "accept w0 L5 18+1"},
      {5, "result 0 6 5 1", "accept w0 L6 19+1; end 0"},
      {6, "ready 1", ""}}},
    {"units by the measured rate, at most 4 times the last, at most `most`",
     {0},
     "0",
     {{0, "known 100000 all", ""},
      {0, "ready 0", "give w0 L1 0+8; give w0 L2 8+8"},
      {1, "result 0 1 5 0.8", "accept w0 L1 0+8; give w0 L3 16+10"},
      {2, "result 0 2 5 0.08", "accept w0 L2 8+8; give w0 L4 26+40"},
      {3, "result 0 3 5 0.1", "accept w0 L3 16+10; give w0 L5 66+77"},
      {4, "result 0 4 5 0.0001", "accept w0 L4 26+40; give w0 L6 143+100"},
      {5, "result 0 5 5 1e9", "accept w0 L5 66+77; give w0 L7 243+100"},
      {6, "result 0 6 5 1e9", "accept w0 L6 143+100; give w0 L8 343+100"}}},
    {"everybody has one unit before anybody has two",
     {0},
     "01",
     {{0, "ready 0", ""},
      {0, "ready 1", ""},
      {1, "known 1000 all", "give w0 L1 0+8; give w1 L2 8+8; give w0 L3 16+8; give w1 L4 24+8"}}},
    {"what earlier starts finished is not handed out, and no unit crosses it",
     {.done = earlier, .n_done = 4},
     "0",
     {{0, "ready 0", ""},
      {0, "known 75 all", "give w0 L1 3+7; give w0 L2 17+8"},
      {1, "result 0 2 5 0.01", "accept w0 L2 17+8; give w0 L3 25+22"},
      {1, "result 0 1 5 0.01", "accept w0 L1 3+7; give w0 L4 47+11"},
      {2, "result 0 3 5 0.1", "accept w0 L3 25+22; give w0 L5 58+6"},
      {2, "left 0", ""}}},
    {"everything was done before",
     {.done = earlier, .n_done = 4, .first = 70, .count = 50},
     "",
     {{0, "ready 0", ""}, {0, "known 90", ""}, {1, "known 120", "end 0"}}},
    {"a job that ends before the corpus ends once its end is known",
     {.first = 5, .count = 2},
     "0",
     {{0, "ready 0", ""},
      {0, "known 6", "give w0 L1 5+1"},
      {0, "known 7", "give w0 L2 6+1"},
      {1, "result 0 2 5 1", "accept w0 L2 6+1"},
      {1, "result 0 1 5 1", "accept w0 L1 5+1; end 0"}}},
    {"an empty corpus", {0}, "", {{0, "known 0 all", "end 0"}}},
    {"a small known rest waits for more while others work, but never for nothing",
     {0},
     "01",
     {{0, "ready 0", ""},
      {0, "known 12", "give w0 L1 0+8"},
      {0, "ready 1", ""},
      {1, "known 13", ""},
      {1, "known 10", ""},
      {2, "known 20", "give w1 L2 8+8"},
      {3, "result 0 1 5 1", "accept w0 L1 0+8"},
      {3, "result 1 2 5 1", "accept w1 L2 8+8; give w0 L3 16+4"},
      {4, "known 22 all", "give w1 L4 20+1; give w0 L5 21+1"}}},
    {"nothing is handed out while held",
     {0},
     "0",
     {{0, "hold", ""},
      {0, "ready 0", ""},
      {0, "known 50 all", ""},
      {3, "resume", "give w0 L1 0+8; give w0 L2 8+8"},
      {4, "hold", ""},
      {5, "result 0 1 5 1", "accept w0 L1 0+8"},
      {6, "resume", "give w0 L3 16+8"}}},
    {"messages about nobody and nothing",
     {0},
     "0",
     {{0, "ready 9", ""},
      {0, "beat 3 5", ""},
      {0, "result 2 1 5 1", ""},
      {0, "ready 0", ""},
      {1, "known 100 all", "give w0 L1 0+8; give w0 L2 8+8"},
      {1, "result 1 1 5 1", ""},
      {1, "failed 1 1", ""},
      {1, "result 0 77 5 1", ""},
      {2, "left 2", ""}}},
};

static const struct story losses[] = {
    {"silent for 5 beats is suspect, past the deadline lost; halves go to others first; late answers count",
     {0},
     "1",
     {{0, "known 1000 all", ""},
      {0, "ready 0", "give w0 L1 0+8; give w0 L2 8+8"},
      {5, "ready 1", "give w1 L3 16+8; give w1 L4 24+8"},
      {9, "tick", ""},
      {10, "tick", "suspect w0"},
      {11, "result 1 3 5 1", "accept w1 L3 16+8; give w1 L5 32+8"},
      {19, "beat 1 9", ""},
      {20, "tick", "lost w0"},
      {21, "result 1 4 5 1", "accept w1 L4 24+8; give w1 L6 0+4"},
      {22, "result 1 5 5 1", "accept w1 L5 32+8; give w1 L7 4+4"},
      {23, "result 0 1 5 1", "accept w0 L1 0+8; give w0 L8 40+8; give w0 L9 48+8"},
      {24, "result 1 6 5 1", "drop w1 L6 0+4; give w1 L10 8+4"},
      {25, "result 1 10 5 1", "accept w1 L10 8+4; give w1 L11 12+4"},
      {26, "result 0 2 5 1", "drop w0 L2 8+8"}}},
    {"a suspect gets no new unit until it is heard",
     {0},
     "",
     {{0, "known 1000 all", ""},
      {0, "ready 0", "give w0 L1 0+8; give w0 L2 8+8"},
      {10, "tick", "suspect w0"},
      {11, "known 1001", ""},
      {12, "result 0 1 5 1", "accept w0 L1 0+8; give w0 L3 16+8"},
      {22, "tick", "suspect w0"},
      {23, "beat 0 8", ""}}},
    {"a lease runs from the last progress, not from the last beat",
     {0},
     "0",
     {{0, "known 1000 all", ""},
      {0, "ready 0", "give w0 L1 0+8; give w0 L2 8+8"},
      {15, "beat 0 1", ""},
      {34, "tick", ""},
      /* 1 record in 15 s by its beats: 10 times that is longer than the lease of 20 s. */
      {164, "tick", ""},
      {165, "tick", "lost w0"},
      /* It is heard again and works on as a new one; there is nobody else for what it lost. */
      {166, "beat 0 1", "give w0 L3 0+4; give w0 L4 4+4"}}},
    {"a slow worker's deadline is 10 times its time for a record",
     {.first_unit = 1},
     "0",
     {{0, "known 1000 all", ""},
      {0, "ready 0", "give w0 L1 0+1; give w0 L2 1+1"},
      {10, "result 0 1 5 10", "accept w0 L1 0+1; give w0 L3 2+1"},
      {109, "tick", ""},
      {110, "tick", "lost w0"}}},
    {"a long sleep of this process is not held against the workers",
     {0},
     "",
     {{0, "known 1000 all", ""},
      {0, "ready 0", "give w0 L1 0+8; give w0 L2 8+8"},
      {1000, "jump", ""},
      {1001, "result 0 1 5 1", "accept w0 L1 0+8; give w0 L3 16+8"}}},
    {"a record lost three times is given up, and alone with its worker after the first loss",
     {.first_unit = 1},
     "01",
     {{0, "known 4 all", ""},
      {0, "ready 0", "give w0 L1 0+1; give w0 L2 1+1"},
      {1, "failed 0 1", ""},
      {2, "result 0 2 5 1", "accept w0 L2 1+1; give w0 L3 0+1"},
      {2, "ready 1", "give w1 L4 2+1; give w1 L5 3+1"},
      {3, "failed 0 3", ""},
      {4, "result 1 4 5 1", "accept w1 L4 2+1"},
      {5, "result 1 5 5 1", "accept w1 L5 3+1; give w1 L6 0+1"},
      {6, "failed 1 6", "give_up w1 L6 0+1; end 0"}}},
    {"who failed does not get the same again while others work",
     {.most = 4, .first_unit = 4},
     "01",
     {{0, "known 400 all", ""},
      {0, "ready 0", "give w0 L1 0+4; give w0 L2 4+4"},
      {0, "ready 1", "give w1 L3 8+4; give w1 L4 12+4"},
      {1, "failed 0 1", "give w0 L5 16+4"},
      {2, "result 1 3 5 0.1", "accept w1 L3 8+4; give w1 L6 0+2"},
      {2, "result 0 2 5 0.1", "accept w0 L2 4+4; give w0 L7 20+4"},
      {2, "result 1 4 5 0.1", "accept w1 L4 12+4; give w1 L8 2+2"}}},
    {"a difference to the accepted answer is told",
     {.first_unit = 1},
     "1",
     {{0, "known 3 all", ""},
      {0, "ready 0", "give w0 L1 0+1; give w0 L2 1+1"},
      {1, "ready 1", "give w1 L3 2+1"},
      {19, "result 1 3 5 1", "suspect w0; accept w1 L3 2+1"},
      {20, "tick", "lost w0; give w1 L4 0+1"},
      {21, "result 1 4 5 1", "accept w1 L4 0+1; give w1 L5 1+1"},
      {22, "result 0 1 6 1", "drop w0 L1 0+1 different"},
      {23, "result 0 2 6 1", "accept w0 L2 1+1; end 0"}}},
    {"an equal late answer is dropped in silence",
     {.first_unit = 1},
     "1",
     {{0, "known 3 all", ""},
      {0, "ready 0", "give w0 L1 0+1; give w0 L2 1+1"},
      {1, "ready 1", "give w1 L3 2+1"},
      {19, "result 1 3 5 1", "suspect w0; accept w1 L3 2+1"},
      {20, "tick", "lost w0; give w1 L4 0+1"},
      {22, "result 0 1 6 1", "accept w0 L1 0+1"},
      {23, "result 1 4 6 1", "drop w1 L4 0+1; give w1 L5 1+1"}}},
    {"the units of one who leaves or was restarted go on at once; one who left is not heard again",
     {0},
     "1",
     {{0, "known 1000 all", ""},
      {0, "ready 0", "give w0 L1 0+8; give w0 L2 8+8"},
      {0, "ready 1", "give w1 L3 16+8; give w1 L4 24+8"},
      {1, "left 0", ""},
      {2, "beat 0 5", ""},
      {3, "result 1 3 5 1", "accept w1 L3 16+8; give w1 L5 0+4"},
      {4, "result 0 1 5 1", "accept w0 L1 0+8"},
      {4, "ready 1", "give w1 L6 8+4; give w1 L7 12+4"}}},
};

static const struct story ends[] = {
    {"a stop lets the units in flight come in",
     {0},
     "0",
     {{0, "known 1000 all", ""},
      {0, "ready 0", "give w0 L1 0+8; give w0 L2 8+8"},
      {1, "stop", ""},
      {2, "result 0 1 5 1", "accept w0 L1 0+8"},
      {3, "stop", ""},
      {3, "result 0 2 5 1", "accept w0 L2 8+8; end 75"}}},
    {"a stop waits no longer than asked",
     {0},
     "0",
     {{0, "known 1000 all", ""},
      {0, "ready 0", "give w0 L1 0+8; give w0 L2 8+8"},
      {1, "stop", ""},
      {4, "tick", ""},
      {5, "tick", "end 75"},
      {6, "result 0 1 5 1", ""}}},
    {"a stop with nothing in flight ends at once", {0}, "", {{0, "ready 0", ""}, {1, "stop", "end 75"}}},
    {"a stop that meets the last result ends well",
     {0},
     "0",
     {{0, "known 1 all", ""},
      {0, "ready 0", "give w0 L1 0+1"},
      {1, "stop", ""},
      {2, "result 0 1 5 1", "accept w0 L1 0+1; end 0"}}},
    {"nobody left who could work",
     {.workers = 2},
     "",
     {{0, "known 1000 all", ""},
      {0, "ready 0", "give w0 L1 0+8; give w0 L2 8+8"},
      {1, "left 0", ""},
      {2, "left 1", "end 7"}}},
    {"who never comes is awaited for 10 leases",
     {.workers = 1},
     "",
     {{0, "known 1000 all", ""}, {199, "tick", ""}, {200, "tick", "lost w0; end 7"}}},
    {"who still loads is awaited",
     {.workers = 1},
     "0",
     {{0, "known 1000 all", ""}, {400, "tick", ""}, {401, "ready 0", "give w0 L1 0+8; give w0 L2 8+8"}}},
    {"all silent past their deadlines",
     {.workers = 1},
     "",
     {{0, "known 1000 all", ""},
      {0, "ready 0", "give w0 L1 0+8; give w0 L2 8+8"},
      {10, "tick", "suspect w0"},
      {20, "tick", "lost w0; end 7"}}},
};

static void run_stories(const struct story *stories, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        run_story(&stories[i]);
    }
}

Test(coordinator, hands_out_by_the_rules)
{
    run_stories(hand_out, sizeof hand_out / sizeof hand_out[0]);
}

Test(coordinator, survives_losses_by_the_rules)
{
    run_stories(losses, sizeof losses / sizeof losses[0]);
}

Test(coordinator, ends_by_the_rules)
{
    run_stories(ends, sizeof ends / sizeof ends[0]);
}

Test(coordinator, refuses_options_out_of_range)
{
    static const struct wn_records overlap[] = {{0, 5}, {4, 2}};
    static const struct wn_records endless[] = {{5, UINT64_MAX}};
    const struct wn_coordinator_options good = fill((struct wn_coordinator_options){0});
    struct wn_coordinator_options bad[12];
    for (size_t i = 0; i < 12; i++) {
        bad[i] = good;
    }
    bad[0].most = 0;
    bad[1].most = 65537;
    bad[2].workers = 0;
    bad[3].first_unit = 0;
    bad[4].target = 0.0;
    bad[5].lease = -1.0;
    bad[6].beat = 0.0;
    bad[7].stop = -1.0;
    bad[8].first = 2, bad[8].count = UINT64_MAX - 1;
    bad[9].done = overlap, bad[9].n_done = 2;
    bad[10].done = endless, bad[10].n_done = 1;
    bad[11].n_done = 1;
    for (size_t i = 0; i < 12; i++) {
        struct wn_error err;
        struct wn_coordinator *coordinator = NULL;
        cr_expect_eq(wn_coordinator_new(&bad[i], &coordinator, &err), WN_DEFECT, "options %zu", i);
    }
}
