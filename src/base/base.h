/* The face of base: what every folder above it may use. It includes the six headers, nothing else.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WINNOW_BASE_BASE_H
#define WINNOW_BASE_BASE_H

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mapfile.h"
#include "base/stop.h"

#endif
