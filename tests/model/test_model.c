/* The face of model: what opens, with what numbers, and what its losses are against the goldens.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "checkpoints.h"
#include "model/model.h"
#include "model/parts.h"
#include "support.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct wn_model_options on_cpu = {
    .dtype = "f32", .device = "cpu", .threads = 1, .batch_rows = 256};

enum { MOST = 1024 };

/* Losses of ids[s .. n) (s >= 1), each given all before it: one root segment. */
static void losses_of(struct wn_model *model, const int32_t *ids, int32_t n, int32_t s, struct wn_value *out)
{
    struct wn_head_row rows[MOST];
    struct wn_want wants[MOST];
    struct wn_error err = {.text = ""};
    const int32_t k = n - s;
    cr_assert(n <= MOST && s >= 1 && k >= 1);
    for (int32_t i = 0; i < k; ++i) {
        rows[i] = (struct wn_head_row){.row = s - 1 + i, .kept = WN_NONE};
        wants[i] = (struct wn_want){
            .row = i, .target = ids[s + i], .kind = WN_WANT_LOSS, .inverse_temperature = 1, .destination = i};
    }
    const struct wn_segment segment = {.n = n, .parent = WN_NONE, .kept = WN_NONE, .keep = WN_NONE};
    const struct wn_batch batch = {.n_rows = n,
                                   .ids = ids,
                                   .n_segments = 1,
                                   .segments = &segment,
                                   .n_head_rows = k,
                                   .head_rows = rows,
                                   .n_wants = k,
                                   .wants = wants};
    WN_TEST_OK(wn_model_forward(model, &batch, out, (size_t)k, NULL, 0, &err));
}

static struct wn_model *open_model(const char *path, const struct wn_model_options *options)
{
    struct wn_model *model = NULL;
    struct wn_error err = {.text = ""};
    WN_TEST_OK(wn_model_open(path, options, &model, &err));
    return model;
}

/* Parameters as transformers 5.23 counts them: the sum of p.numel() over model.parameters(), and without wte,
 * wpe, embed_tokens and lm_head. */
static const struct {
    const char *name, *family;
    int32_t L, C, H, G, D, F, V, positions;
    int64_t parameters, body;
} models[] = {
    {"tiny-gpt2", "gpt2", 3, 64, 4, 4, 16, 256, 1500, 512, 278848, 150080},
    {"tiny-llama", "llama", 3, 96, 6, 2, 16, 200, 1600, 512, 554400, 247200},
    {"tiny-llama3", "llama", 2, 64, 4, 1, 32, 160, 1700, 1024, 211520, 102720},
    {"tiny-mistral", "mistral", 2, 64, 4, 2, 16, 144, 1600, 1024, 284992, 80192},
    {"tiny-qwen2", "qwen2", 3, 64, 4, 2, 16, 176, 1437, 1024, 231040, 139072},
    {"tiny-qwen3", "qwen3", 2, 64, 4, 2, 24, 160, 1405, 1024, 278560, 98720},
    {"stories260k", "llama", 5, 64, 8, 4, 8, 172, 512, 512, 260032, 227264},
};
enum { N_MODELS = sizeof models / sizeof *models };

Test(model, every_shared_checkpoint_opens_with_its_numbers)
{
    WN_TEST_SHARED("models", folder);
    for (size_t i = 0; i < N_MODELS; ++i) {
        char path[TEST_PATH];
        test_join(folder, models[i].name, path);
        struct wn_model *const model = open_model(path, &on_cpu);
        const struct wn_model_info *const info = wn_model_info(model);
        cr_expect_str_eq(info->family, models[i].family);
        cr_expect(info->L == models[i].L && info->C == models[i].C && info->H == models[i].H &&
                      info->G == models[i].G && info->D == models[i].D && info->F == models[i].F &&
                      info->V == models[i].V && info->positions == models[i].positions,
                  "%s", models[i].name);
        cr_expect(info->parameters == models[i].parameters && info->body_parameters == models[i].body,
                  "%s: %lld parameters, body %lld", models[i].name, (long long)info->parameters,
                  (long long)info->body_parameters);
        cr_expect(strlen(info->hash) == 32 && strspn(info->hash, "0123456789abcdef") == 32, "%s", info->hash);
        cr_expect(
            info->threads == 1 && info->batch_rows >= 256 && info->batch_rows % info->numeric.row_tile == 0 &&
                info->n_slots >= 1 && info->slot_rows >= 1 && info->slot_rows % info->numeric.key_tile == 0,
            "%s: N %d, %d slots of %d", models[i].name, info->batch_rows, info->n_slots, info->slot_rows);
        cr_expect_str_eq(info->numeric.dtype, "f32");
        cr_expect_str_eq(info->numeric.backend, "cpu");
        wn_model_close(model);
    }
}

/* One golden text: mean within 2e-5 nats, what float32 against float64 is allowed (the design's rule for
 * records); a single token within ten times that, for a mean may hide one wrong token in hundreds. */
static size_t compare_text(struct wn_model *model, const struct wn_json *row, const char *side,
                           const char *where)
{
    char name[32];
    int32_t ids[MOST];
    struct wn_value values[MOST];
    int64_t integer = 0;
    int32_t n = 0;
    (void)snprintf(name, sizeof name, "ids_%s", side);
    const struct wn_json *const list = wn_json_get(row, name);
    (void)snprintf(name, sizeof name, "losses_%s", side);
    const struct wn_json *const wanted = wn_json_get(row, name);
    if (!wn_json_is(list, WN_JSON_ARRAY) || !wn_json_is(wanted, WN_JSON_ARRAY) ||
        wn_json_count(wanted) == 0) {
        return 0;
    }
    for (const struct wn_json *id = wn_json_first(list); id != NULL; id = wn_json_next(id)) {
        cr_assert(n < MOST && wn_json_integer(id, &integer));
        ids[n++] = (int32_t)integer;
    }
    const int32_t k = (int32_t)wn_json_count(wanted);
    losses_of(model, ids, n, n - k, values);
    double sum = 0;
    double wanted_sum = 0;
    int32_t i = 0;
    for (const struct wn_json *loss = wn_json_first(wanted); loss != NULL; loss = wn_json_next(loss), ++i) {
        const double golden = wn_json_number(loss);
        cr_expect(fabs((double)values[i].value - golden) < 2e-4, "%s: token %d of %d: %.7f, golden %.7f",
                  where, i, k, (double)values[i].value, golden);
        sum += (double)values[i].value;
        wanted_sum += golden;
    }
    cr_expect(fabs(sum - wanted_sum) / k < 2e-5, "%s: mean %.9f, golden %.9f", where, sum / k,
              wanted_sum / k);
    return 1;
}

static size_t compare_file(struct wn_model *model, const char *path)
{
    size_t size = 0;
    size_t n = 0;
    char *const text = test_read(path, &size);
    for (char *line = text; line < text + size;) {
        char *const end = strchr(line, '\n') == NULL ? text + size : strchr(line, '\n');
        struct wn_json *row = NULL;
        struct wn_error err = {.text = ""};
        WN_TEST_OK(wn_json_parse((struct wn_span){line, (size_t)(end - line)}, WN_INPUT, &row, &err));
        n += compare_text(model, row, "cond", path) + compare_text(model, row, "dir", path);
        wn_json_free(row);
        line = end + 1;
    }
    free(text);
    return n;
}

Test(model, losses_are_the_goldens)
{
    static const char *const profiles[] = {"superfiltering", "cherry-wiz"};
    WN_TEST_SHARED("models", folder);
    WN_TEST_SHARED("goldens/ifd", goldens);
    for (size_t i = 0; i < N_MODELS; ++i) {
        char path[TEST_PATH];
        struct wn_model_options options = on_cpu;
        options.batch_rows = 1024;
        test_join(folder, models[i].name, path);
        struct wn_model *const model = open_model(path, &options);
        for (size_t p = 0; p < 2; ++p) {
            char name[128];
            (void)snprintf(name, sizeof name, "%s.%s.jsonl", models[i].name, profiles[p]);
            test_join(goldens, name, path);
            cr_expect(compare_file(model, path) == 12, "%s: other texts than expected", path);
        }
        wn_model_close(model);
    }
}

static const char *const type_names[] = {[WN_F32] = "F32", [WN_F16] = "F16", [WN_BF16] = "BF16"};

/* All tensors of `model`, as canonical names give them, in a file of their own, with GPT-2's old buffers in
 * front. */
static void rewrite(const char *model, const char *folder, bool has_buffers)
{
    struct wn_config config;
    struct wn_checkpoint *checkpoint = NULL;
    struct wn_error err = {.text = ""};
    const struct wn_tensor *tensors = NULL;
    WN_TEST_OK(wn_config_read(model, &config, &err));
    WN_TEST_OK(wn_checkpoint_open(model, &checkpoint, &err));
    WN_TEST_OK(wn_checkpoint_check(checkpoint, &config, NULL, &err));
    const size_t n = wn_checkpoint_tensors(checkpoint, &tensors);
    char *const header = malloc(256 * (n + 64));
    size_t total = 0;
    for (size_t i = 0; i < n; ++i) {
        total += tensors[i].size;
    }
    const size_t buffer = (size_t)config.positions * (size_t)config.positions;
    char *const data = calloc(1, total + (size_t)config.L * (buffer + 4));
    cr_assert(header != NULL && data != NULL);
    size_t used = (size_t)sprintf(header, "{");
    size_t end = 0;
    for (int32_t layer = 0; has_buffers && layer < config.L; ++layer) {
        used += (size_t)sprintf(
            header + used,
            "\"h.%d.attn.bias\":{\"dtype\":\"%s\",\"shape\":[1,1,%d,%d],\"data_offsets\":[%zu,%zu]},"
            "\"h.%d.attn.masked_bias\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[%zu,%zu]},",
            layer, layer == 0 ? "BOOL" : "U8", config.positions, config.positions, end, end + buffer, layer,
            end + buffer, end + buffer + 4);
        end += buffer + 4;
    }
    for (size_t i = n; i-- > 0;) {
        used += (size_t)sprintf(header + used, "\"%s\":{\"dtype\":\"%s\",\"shape\":[", tensors[i].name,
                                type_names[tensors[i].dtype]);
        for (int32_t d = 0; d < tensors[i].n_dims; ++d) {
            used +=
                (size_t)sprintf(header + used, "%s%lld", d == 0 ? "" : ",", (long long)tensors[i].shape[d]);
        }
        used += (size_t)sprintf(header + used, "],\"data_offsets\":[%zu,%zu]}%s", end, end + tensors[i].size,
                                i == 0 ? "}" : ",");
        memcpy(data + end, tensors[i].data, tensors[i].size);
        end += tensors[i].size;
    }
    test_write_tensors(folder, "model.safetensors", header, data, end);
    wn_checkpoint_close(checkpoint);
    free(header);
    free(data);
    char path[TEST_PATH];
    test_join(model, "config.json", path);
    char *const text = test_read(path, &used);
    test_write(folder, "config.json", text, used);
    free(text);
}

Test(model, gpt2_without_prefix_and_with_buffers_gives_the_same_bits)
{
    WN_TEST_SHARED("models/tiny-gpt2", original);
    char folder[TEST_PATH];
    int32_t ids[200];
    struct wn_value values[2][200];
    char hashes[2][33];
    test_folder_make(folder);
    rewrite(original, folder, true);
    for (int32_t i = 0; i < 200; ++i) {
        ids[i] = (i * 7919 + 13) % 1500;
    }
    memset(values, 0, sizeof values);
    for (int which = 0; which < 2; ++which) {
        struct wn_model *const model = open_model(which == 0 ? original : folder, &on_cpu);
        (void)snprintf(hashes[which], sizeof hashes[which], "%s", wn_model_info(model)->hash);
        losses_of(model, ids, 200, 1, values[which]);
        wn_model_close(model);
    }
    cr_expect_str_eq(hashes[0], hashes[1]);
    for (int i = 0; i < 199; ++i) {
        cr_expect(memcmp(&values[0][i].value, &values[1][i].value, sizeof(float)) == 0 &&
                      values[0][i].greedy == values[1][i].greedy,
                  "loss %d of 199: %.9g and %.9g", i, (double)values[0][i].value, (double)values[1][i].value);
    }
    test_folder_remove(folder);
}

/* The same file with one buffer's name changed in place: only the exact patterns are passed over. */
Test(model, buffers_are_ignored_by_exact_pattern_only)
{
    static const char *const names[] = {"h.9.attn.bias", "h.3.attn.bias", "h.x.attn.bias",
                                        "h..0attn.bias", "x.0.attn.bias", "h.0.attn.bies",
                                        "h.0.attn_bias", "h.0.a.tn.bias", "H.0.attn.bias"};
    WN_TEST_SHARED("models/tiny-gpt2", original);
    char folder[TEST_PATH];
    char path[TEST_PATH];
    size_t size = 0;
    struct wn_error err = {.text = ""};
    test_folder_make(folder);
    rewrite(original, folder, true);
    WN_TEST_OK(test_check(folder, &err));
    test_join(folder, "model.safetensors", path);
    char *const bytes = test_read(path, &size);
    char *const at = strstr(bytes + 8, "h.0.attn.bias");
    cr_assert(at != NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        memcpy(at, names[i], strlen(names[i]));
        test_write(folder, "model.safetensors", bytes, size);
        const char *const says[] = {names[i], "unknown"};
        test_expect_refused(names[i], folder, says, 2);
    }
    free(bytes);
    test_folder_remove(folder);
}

static void hash_of(const char *path, char out[33])
{
    struct wn_model *const model = open_model(path, &on_cpu);
    (void)snprintf(out, 33, "%s", wn_model_info(model)->hash);
    wn_model_close(model);
}

Test(model, the_hash_is_of_tensors_and_used_fields_and_of_nothing_else)
{
    WN_TEST_SHARED("models/tiny-qwen3", original);
    char folder[TEST_PATH];
    char path[TEST_PATH];
    char first[33];
    char hash[33];
    size_t size = 0;
    test_folder_make(folder);
    hash_of(original, first);
    rewrite(original, folder, false); /* one file, other order, no prefix */
    hash_of(folder, hash);
    cr_expect_str_eq(hash, first);
    test_join(folder, "config.json", path);
    char *const config = test_read(path, &size);
    char *edited = test_replace(config, "\"initializer_range\": 0.15", "\"initializer_range\": 0.5");
    test_write_text(folder, "config.json", edited);
    free(edited);
    hash_of(folder, hash);
    cr_expect_str_eq(hash, first, "a field that no value depends on");
    edited = test_replace(config, "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": 1.0000000000000002e-06");
    test_write_text(folder, "config.json", edited);
    free(edited);
    hash_of(folder, hash);
    cr_expect_str_neq(hash, first, "a field that values depend on");
    test_write_text(folder, "config.json", config);
    free(config);
    test_join(folder, "model.safetensors", path);
    char *const bytes = test_read(path, &size);
    bytes[size - 1] ^= 1;
    test_write(folder, "model.safetensors", bytes, size);
    free(bytes);
    hash_of(folder, hash);
    cr_expect_str_neq(hash, first, "one bit of the last tensor");
    test_folder_remove(folder);
}

Test(model, wrong_options_are_refused_before_anything_is_read)
{
    static const struct {
        struct wn_model_options options;
        wn_code code;
        const char *says;
    } cases[] = {{{.device = "gpu"}, WN_USAGE, "auto, cpu or cuda"},
                 {{.dtype = "f64"}, WN_USAGE, "f64"},
                 {{.dtype = "bf16"}, WN_USAGE, "f32 in this version"},
                 {{.dtype = "f16", .device = "cpu"}, WN_USAGE, "f32 in this version"},
                 {{.device = "cuda"}, WN_DEVICE, "no CUDA"},
                 {{.threads = -1}, WN_USAGE, "threads"},
                 {{.threads = 5000}, WN_USAGE, "threads"},
                 {{.batch_rows = -1}, WN_USAGE, "batch rows"},
                 {{.batch_rows = INT32_MAX}, WN_USAGE, "batch rows"},
                 {{.max_path = -1}, WN_USAGE, "negative"},
                 {{.extra_slots = -1}, WN_USAGE, "negative"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct wn_model *model = NULL;
        struct wn_error err = {.text = ""};
        const wn_code code = wn_model_open("/nowhere", &cases[i].options, &model, &err);
        cr_expect(code == cases[i].code && strstr(err.text, cases[i].says) != NULL, "case %zu: code %d: %s",
                  i, (int)code, err.text);
    }
}

Test(model, a_path_longer_than_the_positions_is_wrong_use)
{
    WN_TEST_SHARED("models/tiny-gpt2", path);
    struct wn_model *model = NULL;
    struct wn_error err = {.text = ""};
    struct wn_model_options options = on_cpu;
    options.max_path = 513;
    cr_expect(wn_model_open(path, &options, &model, &err) == WN_USAGE);
    cr_expect(strstr(err.text, "512 positions") != NULL, "%s", err.text);
    options.max_path = 512;
    wn_model_close(open_model(path, &options));
}

Test(model, encoders_and_missing_models_are_refused)
{
    WN_TEST_SHARED("models/tiny-bert", bert);
    struct wn_model *model = NULL;
    struct wn_error err = {.text = ""};
    cr_expect(wn_model_open(bert, &on_cpu, &model, &err) == WN_MODEL);
    cr_expect(strstr(err.text, "model_type") != NULL && strstr(err.text, "bert") != NULL, "%s", err.text);
    cr_expect(wn_model_open("/nowhere/at/all", &on_cpu, &model, &err) == WN_MODEL);
    cr_expect(strstr(err.text, "/nowhere/at/all") != NULL, "%s", err.text);
}

/* Slots for two headers of up to 1,024 tokens together; and where a path is longer than a batch, for its pieces but
 * the last. */
Test(model, slots_follow_from_paths_and_batches)
{
    WN_TEST_SHARED("models/tiny-llama3", path);
    struct wn_model_options options = on_cpu;
    options.max_path = 1024;
    options.batch_rows = 1024;
    struct wn_model *model = open_model(path, &options);
    const int32_t whole = wn_model_info(model)->n_slots;
    cr_expect(whole * wn_model_info(model)->slot_rows >= 1024);
    wn_model_close(model);
    options.extra_slots = 5;
    model = open_model(path, &options);
    cr_expect(wn_model_info(model)->n_slots == whole + 5);
    wn_model_close(model);
    options.batch_rows = 256;
    model = open_model(path, &options);
    const struct wn_model_info *const info = wn_model_info(model);
    cr_expect((info->n_slots - whole - 5 + 1) * info->slot_rows >= 1024, "%d slots of %d", info->n_slots,
              info->slot_rows);
    wn_model_close(model);
    options = on_cpu;
    options.max_path = 40; /* two headers, however small the paths */
    model = open_model(path, &options);
    cr_expect(wn_model_info(model)->n_slots >= 2);
    wn_model_close(model);
    options.batch_rows = 0;
    options.threads = 0;
    model = open_model(path, &options);
    cr_expect(wn_model_info(model)->batch_rows >= 256 && wn_model_info(model)->threads >= 1);
    wn_model_close(model);
}

/* The null device needs config.json alone, and its losses depend on the path, not on how it was cut. */
Test(model, null_losses_depend_on_the_path_alone)
{
    enum { N = 100, CUT = 64 };
    const struct wn_model_options options = {.device = "null"};
    char folder[TEST_PATH];
    int32_t ids[N];
    struct wn_value whole[N];
    struct wn_value part[N];
    struct wn_error err = {.text = ""};
    test_folder_make(folder);
    char *const config = test_replace(test_llama_config, "\"max_position_embeddings\": 32",
                                      "\"max_position_embeddings\": 512");
    test_write_text(folder, "config.json", config);
    free(config);
    struct wn_model *const model = open_model(folder, &options);
    cr_expect_str_eq(wn_model_info(model)->numeric.backend, "null");
    cr_expect(wn_model_info(model)->parameters == 196 && wn_model_info(model)->body_parameters == 132,
              "%lld, %lld", (long long)wn_model_info(model)->parameters,
              (long long)wn_model_info(model)->body_parameters);
    for (int32_t i = 0; i < N; ++i) {
        ids[i] = i * 5 % 8;
    }
    losses_of(model, ids, N, 1, whole);
    for (int32_t i = 0; i < N - 1; ++i) {
        cr_expect(whole[i].value >= 0 && whole[i].value < 16 && whole[i].greedy >= 0 && whole[i].greedy < 8);
    }
    /* Two batches: the first is kept, the second goes on behind it; its first want is of the kept row. */
    const struct wn_segment first = {.n = CUT, .parent = WN_NONE, .kept = WN_NONE, .keep = 0};
    const struct wn_batch begin = {.n_rows = CUT, .ids = ids, .n_segments = 1, .segments = &first};
    WN_TEST_OK(wn_model_forward(model, &begin, part, 0, NULL, 0, &err));
    const struct wn_segment second = {
        .n = N - CUT, .parent = WN_NONE, .kept = 0, .position = CUT, .keep = WN_NONE};
    const struct wn_head_row rows[] = {{.row = WN_NONE, .kept = 0}, {.row = N - CUT - 2, .kept = WN_NONE}};
    const struct wn_want wants[] = {
        {.row = 0, .target = ids[CUT], .kind = WN_WANT_LOSS, .inverse_temperature = 1, .destination = 0},
        {.row = 1, .target = ids[N - 1], .kind = WN_WANT_LOSS, .inverse_temperature = 1, .destination = 1},
        {.row = 1, .target = ids[N - 1], .kind = WN_WANT_LOGIT, .inverse_temperature = 1, .destination = 2}};
    const struct wn_batch rest = {.n_rows = N - CUT,
                                  .ids = ids + CUT,
                                  .n_segments = 1,
                                  .segments = &second,
                                  .n_head_rows = 2,
                                  .head_rows = rows,
                                  .n_wants = 3,
                                  .wants = wants};
    WN_TEST_OK(wn_model_forward(model, &rest, part, 3, NULL, 0, &err));
    cr_expect(part[0].value == whole[CUT - 1].value && part[1].value == whole[N - 2].value &&
              part[2].value == -part[1].value);
    ids[0] ^= 1;
    losses_of(model, ids, N, 1, part);
    cr_expect(part[N - 2].value != whole[N - 2].value, "the first token of the path must matter");
    wn_model_close(model);
    test_folder_remove(folder);
}

Test(model, flops_are_of_useful_work)
{
    const struct wn_model_info info = {.L = 2, .C = 6, .H = 3, .D = 4, .V = 10, .body_parameters = 100};
    /* 2 x 100 a token; 2 x 6 x 10 a head row; 4 x 12 x 2 layers a pair, 3 tokens behind 5: 6 + 7 + 8 = 21
     * pairs. */
    cr_expect(wn_model_flops(&info, 3, 5, 2) == 600 + 240 + 96 * 21.0);
}
