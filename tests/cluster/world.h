/* A world of virtual workers around a coordinator: messages that come late, twice or never, workers that are slow, die,
 * hang and come back, records that kill. It keeps its own book of every record and checks each action against it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_TESTS_CLUSTER_WORLD_H
#define WINNOW_TESTS_CLUSTER_WORLD_H

#include "cluster/coordinator.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world_plan {
    uint64_t seed;
    struct wn_coordinator_options options;
    uint64_t records;        /* of the corpus */
    uint64_t known_step;     /* records that become known every 0.1 s; 0: all at once */
    double record_seconds;   /* of an ordinary worker */
    double delay;            /* most seconds of a message; an odd one takes 100 times as long */
    double lose, twice, odd; /* chances of a message */
    double poison;           /* chance that a record kills its worker or makes it fail */
    double fault_every;      /* seconds between two faults of workers; 0: none */
    double faults_until;
    double slow;    /* share of workers that are 50 times slower */
    double never;   /* share of workers that never come */
    double corrupt; /* chance that the bytes of a result are wrong */
    double stop_at; /* 0: never */
    bool has_holds;
};

struct world_result {
    char trouble[256]; /* empty: every rule held */
    wn_code code;      /* of END */
    double virtual_seconds, coordinator_seconds;
    uint64_t events, gives, accepts, drops, different, lost, suspect, given_up, answered_late;
};

/* Run until END, and a little on. */
void world_run(const struct world_plan *plan, struct world_result *out_result);

/* The output function of splitmix64; moves *state on. */
uint64_t world_random(uint64_t *state);

#endif
