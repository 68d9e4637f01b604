/* Checkpoints made for one test.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoints.h"

#include "model/parts.h"
#include "support.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

const char test_llama_config[] = "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", "
                                 "\"vocab_size\": 8, \"hidden_size\": 4,\n"
                                 " \"intermediate_size\": 6, \"num_hidden_layers\": 1, "
                                 "\"num_attention_heads\": 2, \"num_key_value_heads\": 1,\n"
                                 " \"max_position_embeddings\": 32, \"rms_norm_eps\": 1e-05, \"rope_theta\": "
                                 "10000.0, \"hidden_act\": \"silu\",\n"
                                 " \"tie_word_embeddings\": false, \"torch_dtype\": \"float32\"}\n";

void test_folder_make(char out[TEST_PATH])
{
    const char *const base = getenv("TMPDIR");
    (void)snprintf(out, TEST_PATH, "%s/winnow-model-XXXXXX", base == NULL || base[0] == '\0' ? "/tmp" : base);
    cr_assert(mkdtemp(out) != NULL, "no temporary folder %s", out);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

void test_folder_remove(const char *folder)
{
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void test_join(const char *folder, const char *name, char out[TEST_PATH])
{
    const int n = snprintf(out, TEST_PATH, "%s/%s", folder, name);
    cr_assert(n > 0 && n < TEST_PATH, "path too long");
}

static FILE *create(const char *folder, const char *name)
{
    char path[TEST_PATH];
    test_join(folder, name, path);
    (void)unlink(path);
    FILE *const file = fopen(path, "wb");
    cr_assert(file != NULL, "cannot create %s", path);
    return file;
}

void test_write(const char *folder, const char *name, const void *bytes, size_t size)
{
    FILE *const file = create(folder, name);
    cr_assert(size == 0 || fwrite(bytes, 1, size, file) == size);
    cr_assert(fclose(file) == 0);
}

void test_write_text(const char *folder, const char *name, const char *text)
{
    test_write(folder, name, text, strlen(text));
}

void test_write_tensors(const char *folder, const char *name, const char *header, const void *data,
                        size_t data_size)
{
    FILE *const file = create(folder, name);
    const uint64_t size = strlen(header);
    unsigned char length[8];
    for (int i = 0; i < 8; ++i) {
        length[i] = (unsigned char)(size >> (8 * i));
    }
    cr_assert(fwrite(length, 1, 8, file) == 8 && fwrite(header, 1, size, file) == size);
    void *const zeros = data == NULL ? calloc(1, data_size + 1) : NULL;
    cr_assert(data_size == 0 || fwrite(data == NULL ? zeros : data, 1, data_size, file) == data_size);
    free(zeros);
    cr_assert(fclose(file) == 0);
}

char *test_read(const char *path, size_t *out_size)
{
    FILE *const file = fopen(path, "rb");
    cr_assert(file != NULL, "cannot read %s", path);
    cr_assert(fseek(file, 0, SEEK_END) == 0);
    const size_t size = (size_t)ftell(file);
    cr_assert(fseek(file, 0, SEEK_SET) == 0);
    char *const bytes = malloc(size + 1);
    cr_assert(bytes != NULL && fread(bytes, 1, size, file) == size);
    bytes[size] = '\0';
    (void)fclose(file);
    *out_size = size;
    return bytes;
}

char *test_replace(const char *text, const char *find, const char *replace)
{
    const char *const at = strstr(text, find);
    cr_assert(at != NULL, "'%s' is not in the text to be edited", find);
    const size_t before = (size_t)(at - text);
    char *const out = malloc(strlen(text) + strlen(replace) + 1);
    cr_assert(out != NULL);
    (void)sprintf(out, "%.*s%s%s", (int)before, text, replace, at + strlen(find));
    return out;
}

char *test_llama_header(size_t *out_size)
{
    static const struct {
        const char *name;
        int rows, columns; /* columns 0: a vector */
    } tensors[] = {{"model.embed_tokens.weight", 8, 4},
                   {"model.layers.0.input_layernorm.weight", 4, 0},
                   {"model.layers.0.self_attn.q_proj.weight", 4, 4},
                   {"model.layers.0.self_attn.k_proj.weight", 2, 4},
                   {"model.layers.0.self_attn.v_proj.weight", 2, 4},
                   {"model.layers.0.self_attn.o_proj.weight", 4, 4},
                   {"model.layers.0.post_attention_layernorm.weight", 4, 0},
                   {"model.layers.0.mlp.gate_proj.weight", 6, 4},
                   {"model.layers.0.mlp.up_proj.weight", 6, 4},
                   {"model.layers.0.mlp.down_proj.weight", 4, 6},
                   {"model.norm.weight", 4, 0},
                   {"lm_head.weight", 8, 4}};
    char *const out = malloc(4096);
    cr_assert(out != NULL);
    size_t used = (size_t)sprintf(out, "{\"__metadata__\":{\"format\":\"pt\"}");
    size_t end = 0;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; ++i) {
        const size_t begin = end;
        end += 4 * (size_t)tensors[i].rows * (size_t)(tensors[i].columns == 0 ? 1 : tensors[i].columns);
        used += (size_t)sprintf(out + used, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%d", tensors[i].name,
                                tensors[i].rows);
        if (tensors[i].columns != 0) {
            used += (size_t)sprintf(out + used, ",%d", tensors[i].columns);
        }
        used += (size_t)sprintf(out + used, "],\"data_offsets\":[%zu,%zu]}", begin, end);
    }
    (void)sprintf(out + used, "}");
    *out_size = end;
    return out;
}

wn_code test_check(const char *folder, struct wn_error *err)
{
    struct wn_config config;
    struct wn_checkpoint *checkpoint = NULL;
    WN_TRY(wn_config_read(folder, &config, err));
    WN_TRY(wn_checkpoint_open(folder, &checkpoint, err));
    const wn_code code = wn_checkpoint_check(checkpoint, &config, NULL, err);
    wn_checkpoint_close(checkpoint);
    return code;
}

void test_expect_refused(const char *name, const char *folder, const char *const *says, size_t n)
{
    struct wn_error err = {.text = ""};
    const double start = test_seconds();
    const wn_code code = test_check(folder, &err);
    const double seconds = test_seconds() - start;
    if (getenv("WINNOW_PRINT_ERRORS") != NULL) {
        printf("CASE %s | %d | %s\n", name, (int)code, err.text);
    }
    cr_expect(code == WN_MODEL, "%s: code %d instead of %d: %s", name, (int)code, (int)WN_MODEL, err.text);
    cr_expect(seconds < 2, "%s: %.2f seconds", name, seconds);
    for (size_t i = 0; i < n && says[i] != NULL; ++i) {
        cr_expect(strstr(err.text, says[i]) != NULL, "%s: '%s' is not in: %s", name, says[i], err.text);
    }
}

double test_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

size_t test_peak_memory(void)
{
    FILE *const file = fopen("/proc/self/status", "re");
    char line[256];
    size_t kib = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtoul(line + 6, NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib * 1024;
}
