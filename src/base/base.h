/* The face of base: what every folder above it may use. It includes the headers of base, nothing else.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_BASE_BASE_H
#define WINNOW_BASE_BASE_H

#include "base/badmap.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/crew.h"
#include "base/file.h"
#include "base/frame.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mapfile.h"
#include "base/queue.h"
#include "base/stop.h"

#endif
