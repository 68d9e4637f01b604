/* A checkpoint seen without a backend: the numbers of an opened model, and what opening would refuse.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "checkpoints.h"
#include "model/model.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *stored;
    size_t n_files, n_tensors;
} checkpoints[] = {
    {"tiny-gpt2", "F32", 1, 40},     {"tiny-llama", "F32", 1, 30}, {"tiny-llama3", "F32", 1, 20},
    {"tiny-mistral", "BF16", 1, 21}, {"tiny-qwen2", "F32", 1, 38}, {"tiny-qwen3", "F16", 3, 25},
    {"stories260k", "F32", 1, 47},
};

Test(inspect, numbers_and_hash_are_those_of_the_opened_model)
{
    WN_TEST_SHARED("models", folder);
    for (size_t i = 0; i < sizeof checkpoints / sizeof *checkpoints; ++i) {
        const struct wn_model_options options = {.device = "cpu", .threads = 1, .batch_rows = 64};
        char path[TEST_PATH];
        struct wn_model *model = NULL;
        struct wn_model_summary summary;
        struct wn_error err = {.text = ""};
        test_join(folder, checkpoints[i].name, path);
        WN_TEST_OK(wn_model_open(path, &options, &model, &err));
        WN_TEST_OK(wn_model_inspect(path, true, NULL, &summary, &err));
        const struct wn_model_info *const info = wn_model_info(model);
        cr_expect_str_eq(summary.family, info->family);
        cr_expect_str_eq(summary.hash, info->hash, "%s", path);
        cr_expect(summary.L == info->L && summary.C == info->C && summary.H == info->H &&
                      summary.G == info->G && summary.D == info->D && summary.F == info->F &&
                      summary.V == info->V && summary.positions == info->positions &&
                      summary.parameters == info->parameters &&
                      summary.body_parameters == info->body_parameters,
                  "%s", path);
        cr_expect_str_eq(summary.stored, checkpoints[i].stored, "%s", path);
        cr_expect(summary.n_files == checkpoints[i].n_files && summary.n_tensors == checkpoints[i].n_tensors,
                  "%s: %zu tensors in %zu files", path, summary.n_tensors, summary.n_files);
        cr_expect(summary.n_ignored == 0 && strstr(summary.folder, checkpoints[i].name) != NULL);
        wn_model_summary_free(&summary);
        wn_model_close(model);
    }
}

/* The small Llama with two tensors that old checkpoints carry, one of them with a name no terminal should see. */
Test(inspect, ignored_tensors_are_named_and_the_hash_is_read_only_where_asked_for)
{
    char folder[TEST_PATH];
    size_t size = 0;
    struct wn_model_summary summary;
    struct wn_error err = {.text = ""};
    test_folder_make(folder);
    test_write_text(folder, "config.json", test_llama_config);
    char *const header = test_llama_header(&size);
    char more[512];
    (void)snprintf(
        more, sizeof more,
        "{\"model.layers.0.self_attn.rotary_emb.inv_freq\":{\"dtype\":\"F64\",\"shape\":[1],"
        "\"data_offsets\":[%zu,%zu]},\"\xc2\x9b.rotary_emb.inv_freq\":{\"dtype\":\"U8\",\"shape\":[1],"
        "\"data_offsets\":[%zu,%zu]},",
        size, size + 8, size + 8, size + 9);
    char *const edited = test_replace(header, "{", more);
    test_write_tensors(folder, "model.safetensors", edited, NULL, size + 9);
    WN_TEST_OK(wn_model_inspect(folder, false, NULL, &summary, &err));
    cr_assert_eq(summary.n_ignored, 2);
    cr_expect_str_eq(summary.ignored[0], "model.layers.0.self_attn.rotary_emb.inv_freq");
    cr_expect_str_eq(summary.ignored[1], "??.rotary_emb.inv_freq");
    cr_expect_str_eq(summary.hash, "");
    cr_expect_str_eq(summary.stored, "F32");
    cr_expect(summary.parameters == 196 && summary.body_parameters == 132);
    wn_model_summary_free(&summary);
    free(edited);
    free(header);
    test_folder_remove(folder);
}

Test(inspect, what_opening_refuses_is_refused_in_the_same_words)
{
    char folder[TEST_PATH];
    size_t size = 0;
    const struct wn_model_options options = {.device = "cpu", .threads = 1};
    test_folder_make(folder);
    test_write_text(folder, "config.json", test_llama_config);
    char *const header = test_llama_header(&size);
    static const char *const edits[][2] = {
        {"\"F32\"", "\"I32\""}, {"norm.weight", "norm.wait"}, {"[8,4]", "[4,8]"}};
    for (size_t i = 0; i < sizeof edits / sizeof *edits; ++i) {
        struct wn_model_summary summary;
        struct wn_model *model = NULL;
        struct wn_error opened = {.text = ""};
        struct wn_error seen = {.text = ""};
        char *const edited = test_replace(header, edits[i][0], edits[i][1]);
        test_write_tensors(folder, "model.safetensors", edited, NULL, size);
        cr_expect(wn_model_open(folder, &options, &model, &opened) == WN_MODEL);
        cr_expect(wn_model_inspect(folder, true, NULL, &summary, &seen) == WN_MODEL);
        cr_expect_str_eq(seen.text, opened.text);
        free(edited);
    }
    free(header);
    test_folder_remove(folder);
}

Test(inspect, options_are_checked_without_a_model)
{
    struct wn_error err = {.text = ""};
    const struct wn_model_options good = {.device = "cpu", .dtype = "f32"};
    const struct wn_model_options type = {.dtype = "bf16"};
    const struct wn_model_options device = {.device = "cuda"};
    WN_TEST_OK(wn_model_options_check(&good, &err));
    cr_expect(wn_model_options_check(&type, &err) == WN_USAGE);
    cr_expect(wn_model_options_check(&device, &err) == WN_DEVICE);
}
