/* Checkpoints of several files, of other forms, and of links: index and shards must agree.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoints.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Copies config.json and all .safetensors files of a shared model. */
static void copy_model(const char *model, const char *folder, const char *const *files)
{
    for (; *files != NULL; ++files) {
        char path[TEST_PATH];
        size_t size = 0;
        test_join(model, *files, path);
        char *const bytes = test_read(path, &size);
        test_write(folder, *files, bytes, size);
        free(bytes);
    }
}

static const char *const qwen3_files[] = {"config.json",
                                          "model.safetensors.index.json",
                                          "model-00001-of-00003.safetensors",
                                          "model-00002-of-00003.safetensors",
                                          "model-00003-of-00003.safetensors",
                                          NULL};

Test(shards, a_shard_cut_at_any_of_100_offsets_is_refused_by_name)
{
    WN_TEST_SHARED("models/tiny-qwen3", model);
    char folder[TEST_PATH];
    test_folder_make(folder);
    copy_model(model, folder, qwen3_files);
    for (size_t shard = 2; shard < 5; ++shard) {
        char path[TEST_PATH];
        size_t size = 0;
        test_join(folder, qwen3_files[shard], path);
        char *const bytes = test_read(path, &size);
        for (size_t cut = 0; cut < 100; ++cut) {
            /* Half of the cuts within the first 4 KiB, where the header stands. */
            const size_t at = cut < 50 ? cut * 83 : size - 1 - (cut - 50) * (cut - 50) * (size / 2600);
            cr_assert(truncate(path, (off_t)at) == 0);
            const char *const says = qwen3_files[shard];
            test_expect_refused("cut shard", folder, &says, 1);
            test_write(folder, qwen3_files[shard], bytes, size);
        }
        free(bytes);
    }
    struct wn_error err = {.text = ""};
    WN_TEST_OK(test_check(folder, &err));
    test_folder_remove(folder);
}

Test(shards, index_and_shards_must_agree)
{
    static const struct {
        const char *name, *find, *replace;
        const char *says[2];
    } cases[] = {
        {"path upwards", "model-00001-of-00003", "../model-00001-of-00003", {"weight_map", "plain name"}},
        {"absolute path", "model-00001-of-00003", "/etc/model-00001", {"weight_map", "plain name"}},
        {"folder below", "model-00001-of-00003", "x/model-00001", {"weight_map", "plain name"}},
        {"escaped path", "model-00001-of-00003", "..\\u002fmodel-00001", {"weight_map", "plain name"}},
        {"hidden file", "model-00001-of-00003", ".model-00001", {"weight_map", "plain name"}},
        {"no suffix", "model-00001-of-00003.safetensors", "config.json", {"weight_map", "plain name"}},
        {"empty name", "model-00001-of-00003.safetensors", "", {"weight_map", "plain name"}},
        {"shard missing",
         "model-00001-of-00003",
         "model-00009-of-00003",
         {"model-00009-of-00003.safetensors", "weight_map"}},
        {"tensor not in its shard", "\"lm_head.weight\"", "\"lm_head.wait\"", {"lm_head", "weight_map"}},
        {"tensor twice",
         "\"weight_map\": {",
         "\"weight_map\": {\"lm_head.weight\": \"model-00001-of-00003.safetensors\",",
         {"lm_head.weight", "twice"}},
        {"weight_map missing", "\"weight_map\"", "\"weights\"", {"weight_map", "missing"}},
        {"weight_map twice", "\"weight_map\"", "\"weight_map\": {}, \"weight_map\"", {"weight_map"}},
        {"not JSON", "\"weight_map\": {", "\"weight_map\": [", {"weight_map", "object"}},
        {"shard as a number", "\"weight_map\": {", "\"weight_map\": {\"x\": 3,", {"weight_map", "quotes"}},
        {"nested metadata",
         "\"weight_map\"",
         "\"m\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1",
         {"(all)", "64 deep"}},
    };
    WN_TEST_SHARED("models/tiny-qwen3", model);
    char folder[TEST_PATH];
    char path[TEST_PATH];
    size_t size = 0;
    test_folder_make(folder);
    copy_model(model, folder, qwen3_files);
    test_join(folder, qwen3_files[1], path);
    char *const index = test_read(path, &size);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char *const edited = test_replace(index, cases[i].find, cases[i].replace);
        test_write_text(folder, qwen3_files[1], edited);
        test_expect_refused(cases[i].name, folder, cases[i].says, 2);
        free(edited);
    }
    free(index);
    test_folder_remove(folder);
}

/* The small Llama in two shards: `second` holds the head, and `index` says what it says. */
Test(shards, a_tensor_in_two_shards_or_beside_the_index_is_refused)
{
    static const char head[] = "\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":[8,4],\"data_offsets\":[%s]}";
    char folder[TEST_PATH];
    char second[256];
    char index[2048] = "{\"metadata\":{\"total_size\":784,\"x\":[null,true,-1.5e3]},\"weight_map\":{";
    size_t size = 0;
    char *const header = test_llama_header(&size);
    test_folder_make(folder);
    test_write_text(folder, "config.json", test_llama_config);
    for (const char *at = header; (at = strstr(at, "\"model.")) != NULL; ++at) {
        (void)sprintf(index + strlen(index), "%.*s:\"model-1.safetensors\",",
                      (int)(strchr(at + 1, '"') + 1 - at), at);
    }
    (void)sprintf(index + strlen(index), "\"lm_head.weight\":\"model-2.safetensors\"}}");
    test_write_text(folder, "model.safetensors.index.json", index);
    second[0] = '{';
    (void)snprintf(second + 1, sizeof second - 1, head, "0,128");
    (void)strcat(second, "}");
    test_write_tensors(folder, "model-2.safetensors", second, NULL, 128);

    test_write_tensors(folder, "model-1.safetensors", header, NULL, size);
    static const char *const twice[] = {"lm_head.weight", "two shards"};
    test_expect_refused("tensor in two shards", folder, twice, 2);

    char *const without = test_replace(
        header, ",\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":[8,4],\"data_offsets\":[656,784]}", "");
    test_write_tensors(folder, "model-1.safetensors", without, NULL, size - 128);
    struct wn_error err = {.text = ""};
    WN_TEST_OK(test_check(folder, &err));

    char *const more = test_replace(
        without, "{\"format\":\"pt\"}",
        "{},\"model.rotary_emb.inv_freq\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}");
    test_write_tensors(folder, "model-1.safetensors", more, NULL, size - 128);
    static const char *const beside[] = {"model.rotary_emb.inv_freq", "does not name it"};
    test_expect_refused("tensor beside the index", folder, beside, 2);

    char *const swapped =
        test_replace(index, "\"model.norm.weight\":\"model-1", "\"model.norm.weight\":\"model-2");
    test_write_tensors(folder, "model-1.safetensors", without, NULL, size - 128);
    test_write_text(folder, "model.safetensors.index.json", swapped);
    static const char *const other[] = {"model.norm.weight", "another"};
    test_expect_refused("tensor in the wrong shard", folder, other, 2);

    test_write_text(folder, "model.safetensors", "");
    static const char *const one[] = {"model.safetensors", "header length"};
    test_expect_refused("the single file goes first", folder, one, 2);
    free(without);
    free(more);
    free(swapped);
    free(header);
    test_folder_remove(folder);
}

Test(shards, other_forms_of_weights_say_how_to_convert_them)
{
    static const struct {
        const char *file, *says;
    } cases[] = {{"x.gguf", "holds no weights"},
                 {"adapter_model.safetensors", "merge"},
                 {"consolidated.00.pth", "safetensors"},
                 {"pytorch_model.bin.index.json", "safetensors"},
                 {"pytorch_model.bin", "save_pretrained"}};
    char folder[TEST_PATH];
    test_folder_make(folder);
    test_write_text(folder, "config.json", test_llama_config);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        test_write_text(folder, cases[i].file, "x");
        test_expect_refused(cases[i].file, folder, &cases[i].says, 1);
    }
    cr_assert(mkdir(strcat(folder, "/model.safetensors"), 0777) == 0);
    *strrchr(folder, '/') = '\0';
    static const char *const is_folder[] = {"model.safetensors", "folder"};
    test_expect_refused("model.safetensors is a folder", folder, is_folder, 2);
    test_folder_remove(folder);
}

Test(shards, a_link_to_nothing_says_that_the_download_is_unfinished)
{
    char folder[TEST_PATH];
    char path[TEST_PATH];
    test_folder_make(folder);
    test_join(folder, "config.json", path);
    cr_assert(symlink("../blobs/0", path) == 0);
    static const char *const config[] = {"config.json", "link"};
    test_expect_refused("config.json is a link to nothing", folder, config, 2);
    test_write_text(folder, "config.json", test_llama_config);
    test_join(folder, "model.safetensors", path);
    cr_assert(symlink("model.safetensors", path) == 0);
    static const char *const loop[] = {"model.safetensors", "link"};
    test_expect_refused("model.safetensors is a link to itself", folder, loop, 2);
    test_folder_remove(folder);
}
