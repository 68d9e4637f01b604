/* What a checkpoint's files hold, by their headers alone.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A safetensors file is the header's size (8 bytes, little endian), the header (a JSON object, one member a tensor, and
 * __metadata__), the bytes of the tensors.
 */
#include "cli/inventory.h"

#include "base/base.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void type_note(struct wn_inventory *inventory, struct wn_span type)
{
    char name[16];
    snprintf(name, sizeof name, "%.*s", (int)(type.size < sizeof name ? type.size : sizeof name - 1),
             type.data);
    const size_t used = strlen(inventory->types);
    for (const char *at = inventory->types; (at = strstr(at, name)) != NULL; at++) {
        const char *end = at + strlen(name);
        const bool begins = at == inventory->types || at[-1] == ' ';
        if (begins && (*end == 0 || *end == ',')) {
            return;
        }
    }
    snprintf(inventory->types + used, sizeof inventory->types - used, "%s%s", used > 0 ? ", " : "", name);
}

static wn_code file_read(const char *path, struct wn_inventory *inventory, struct wn_error *err)
{
    struct wn_map map = {0};
    struct wn_json *header = NULL;
    wn_code code = WN_OK;
    WN_TRY(wn_map_open(path, WN_MODEL, &map, err));
    uint64_t size = 0;
    for (size_t i = 0; i < 8 && i < map.bytes.size; i++) {
        size |= (uint64_t)(unsigned char)map.bytes.data[i] << (8 * i);
    }
    if (map.bytes.size < 8 || size > map.bytes.size - 8) {
        code =
            wn_error_set(err, WN_MODEL, __FILE__, __LINE__, "%s: its header is longer than the file", path);
        goto done;
    }
    WN_TRY_OR(done,
              wn_json_parse((struct wn_span){map.bytes.data + 8, (size_t)size}, WN_MODEL, &header, err));
    inventory->n_files++;
    for (const struct wn_json *at = wn_json_first(header); at != NULL; at = wn_json_next(at)) {
        const struct wn_json *type = wn_json_is(at, WN_JSON_OBJECT) ? wn_json_get(at, "dtype") : NULL;
        if (!wn_span_is(wn_json_key(at), "__metadata__")) {
            inventory->n_tensors++;
            type_note(inventory, wn_json_is(type, WN_JSON_STRING) ? wn_json_text(type) : wn_span_of("?"));
        }
    }
done:
    wn_json_free(header);
    wn_map_close(&map);
    return code;
}

/* True where `name` is a file of the index that an earlier tensor named too. */
static bool is_repeated(const struct wn_json *weight_map, const struct wn_json *until)
{
    for (const struct wn_json *at = wn_json_first(weight_map); at != until; at = wn_json_next(at)) {
        if (wn_json_is(at, WN_JSON_STRING) && wn_span_equal(wn_json_text(at), wn_json_text(until))) {
            return true;
        }
    }
    return false;
}

static wn_code shards_read(const char *folder, const char *index_path, struct wn_inventory *inventory,
                           struct wn_error *err)
{
    struct wn_map map = {0};
    struct wn_json *index = NULL;
    wn_code code = WN_OK;
    WN_TRY(wn_map_open(index_path, WN_MODEL, &map, err));
    WN_TRY_OR(done, wn_json_parse(map.bytes, WN_MODEL, &index, err));
    const struct wn_json *weights =
        wn_json_is(index, WN_JSON_OBJECT) ? wn_json_get(index, "weight_map") : NULL;
    if (!wn_json_is(weights, WN_JSON_OBJECT)) {
        code = wn_error_set(err, WN_MODEL, __FILE__, __LINE__, "%s: has no weight_map", index_path);
        goto done;
    }
    for (const struct wn_json *at = wn_json_first(weights); at != NULL; at = wn_json_next(at)) {
        if (!wn_json_is(at, WN_JSON_STRING) || is_repeated(weights, at)) {
            continue;
        }
        char *path = wn_path_join(folder, wn_json_text(at).data);
        code = path != NULL ? file_read(path, inventory, err)
                            : wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for a path");
        free(path);
        if (code != WN_OK) {
            goto done;
        }
    }
done:
    wn_json_free(index);
    wn_map_close(&map);
    return code;
}

wn_code wn_inventory_read(const char *folder, struct wn_inventory *out_inventory, struct wn_error *err)
{
    memset(out_inventory, 0, sizeof *out_inventory);
    char *index = wn_path_join(folder, "model.safetensors.index.json");
    char *single = wn_path_join(folder, "model.safetensors");
    wn_code code = WN_OK;
    if (index == NULL || single == NULL) {
        code = wn_error_set(err, WN_DEVICE, __FILE__, __LINE__, "out of memory for a path");
    } else if (wn_path_exists(single)) {
        code = file_read(single, out_inventory, err);
    } else {
        code = shards_read(folder, index, out_inventory, err);
    }
    free(index);
    free(single);
    return code;
}
