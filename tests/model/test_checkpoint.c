/* Checkpoint files: what is accepted, and what each damaged or hostile file is refused with.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoints.h"
#include "model/checkpoint.h"
#include "support.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One edit of the small Llama's header, or of the length of its data, and what the message must name. */
struct hostile {
    const char *name, *find, *replace;
    int more_data; /* bytes added to the data, or cut off */
    const char *says[3];
};

#define EMBED "model.embed_tokens.weight"
#define NORM "model.norm.weight"
#define EMBED_SHAPE "\"" EMBED "\":{\"dtype\":\"F32\",\"shape\":[8,4]"
#define EMBED_WITH(shape) "\"" EMBED "\":{\"dtype\":\"F32\",\"shape\":" shape

static const struct hostile hostiles[] = {
    {"dimension 2^42 + 1", EMBED_SHAPE, EMBED_WITH("[4398046511105,4]"), 0, {EMBED, "data_offsets"}},
    {"product of dimensions wraps",
     EMBED_SHAPE,
     EMBED_WITH("[4398046511105,4194304,4]"),
     0,
     {EMBED, "shape", "64 bits"}},
    {"shape x type wraps", EMBED_SHAPE, EMBED_WITH("[9223372036854775807]"), 0, {EMBED, "shape", "64 bits"}},
    {"dimension above 2^63", EMBED_SHAPE, EMBED_WITH("[9223372036854775808,4]"), 0, {EMBED, "shape", "2^63"}},
    {"dimension of 40 digits",
     EMBED_SHAPE,
     EMBED_WITH("[1000000000000000000000000000000000000000,4]"),
     0,
     {EMBED, "shape"}},
    {"dimension 0", EMBED_SHAPE, EMBED_WITH("[0,4]"), 0, {EMBED, "data_offsets", "0 bits"}},
    {"negative dimension", EMBED_SHAPE, EMBED_WITH("[-8,4]"), 0, {EMBED, "shape", "negative"}},
    {"fractional dimension", EMBED_SHAPE, EMBED_WITH("[8.0,4]"), 0, {EMBED, "shape", "whole number"}},
    {"dimension with exponent", EMBED_SHAPE, EMBED_WITH("[8e0,4]"), 0, {EMBED, "shape", "whole number"}},
    {"dimension with leading zero", EMBED_SHAPE, EMBED_WITH("[08,4]"), 0, {EMBED, "shape", "leading 0"}},
    {"dimension as text", EMBED_SHAPE, EMBED_WITH("[\"8\",4]"), 0, {EMBED, "shape", "not a number"}},
    {"dimension null", EMBED_SHAPE, EMBED_WITH("[null,4]"), 0, {EMBED, "shape"}},
    {"shape is no list", EMBED_SHAPE, EMBED_WITH("32"), 0, {EMBED, "shape", "list"}},
    {"nine dimensions", EMBED_SHAPE, EMBED_WITH("[1,1,1,1,1,1,1,8,4]"), 0, {EMBED, "shape", "8 dimensions"}},
    {"nested shape", EMBED_SHAPE, EMBED_WITH("[[8,4]]"), 0, {EMBED, "shape"}},
    {"trailing comma in shape", EMBED_SHAPE, EMBED_WITH("[8,4,]"), 0, {EMBED, "shape"}},
    {"unknown type",
     EMBED_SHAPE,
     "\"" EMBED "\":{\"dtype\":\"F31\",\"shape\":[8,4]",
     0,
     {EMBED, "dtype", "F31"}},
    {"type is a number", EMBED_SHAPE, "\"" EMBED "\":{\"dtype\":32,\"shape\":[8,4]", 0, {EMBED, "dtype"}},
    {"type of weights is F64",
     EMBED_SHAPE,
     "\"" EMBED "\":{\"dtype\":\"F64\",\"shape\":[4,4]",
     0,
     {"embed_tokens.weight", "dtype", "F64"}},
    {"type of weights is I32",
     EMBED_SHAPE,
     "\"" EMBED "\":{\"dtype\":\"I32\",\"shape\":[8,4]",
     0,
     {"embed_tokens.weight", "dtype", "I32"}},
    {"sizes of a 4-bit type that fill no byte",
     EMBED_SHAPE,
     "\"" EMBED "\":{\"dtype\":\"F4\",\"shape\":[257]",
     0,
     {EMBED, "data_offsets"}},
    {"type missing", "\"" NORM "\":{\"dtype\":\"F32\",", "\"" NORM "\":{", 0, {NORM, "dtype", "missing"}},
    {"shape missing", EMBED_SHAPE ",", "\"" EMBED "\":{\"dtype\":\"F32\",", 0, {EMBED, "shape", "missing"}},
    {"offsets missing", ",\"data_offsets\":[0,128]", "", 0, {EMBED, "data_offsets", "missing"}},
    {"field twice", EMBED_SHAPE, EMBED_WITH("[8,4],\"shape\":[8,4]"), 0, {EMBED, "shape", "twice"}},
    {"unknown field", EMBED_SHAPE, EMBED_WITH("[8,4],\"scale\":1"), 0, {EMBED, "scale"}},
    {"tensor is no object",
     "\"" NORM "\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[640,656]}",
     "\"" NORM "\":3",
     0,
     {NORM, "object"}},
    {"name twice",
     "\"model.layers.0.mlp.up_proj.weight\"",
     "\"model.layers.0.mlp.gate_proj.weight\"",
     0,
     {"model.layers.0.mlp.gate_proj.weight", "(name)", "twice"}},
    {"name with and without prefix", "\"lm_head.weight\"", "\"norm.weight\"", 0, {"norm.weight", "prefix"}},
    {"name with an escape",
     "\"" NORM "\"",
     "\"model.norm.w\\u0065ight\"",
     0,
     {"model.norm.w", "(name)", "escape"}},
    {"empty name", "\"" NORM "\"", "\"\"", 0, {"norm.weight", "missing"}},
    {"offsets overlap", "[128,144]", "[124,140]", 0, {"input_layernorm", "data_offsets", "overlaps"}},
    {"offsets of all at 0", "[144,208]", "[0,64]", 0, {"data_offsets", "overlaps"}},
    {"hole", "[656,784]", "[660,788]", 4, {"lm_head.weight", "data_offsets", "hole"}},
    {"hole at the start", "[0,128]", "[0,0]", 0, {EMBED, "data_offsets"}},
    {"end before begin", "[640,656]", "[656,640]", 0, {NORM, "data_offsets", "before"}},
    {"negative offset", "[0,128]", "[-128,0]", 0, {EMBED, "data_offsets", "negative"}},
    {"fractional offset", "[0,128]", "[0,128.0]", 0, {EMBED, "data_offsets", "whole"}},
    {"one offset", "[0,128]", "[128]", 0, {EMBED, "data_offsets", "two"}},
    {"three offsets", "[0,128]", "[0,64,128]", 0, {EMBED, "data_offsets", "two"}},
    {"offsets are text", "[0,128]", "\"0,128\"", 0, {EMBED, "data_offsets"}},
    {"offset beyond the file",
     "[656,784]",
     "[656,18446744073709551]",
     0,
     {"lm_head.weight", "data_offsets", "cut short"}},
    {"size and shape differ", "[656,784]", "[656,780]", -4, {"lm_head.weight", "data_offsets", "shape"}},
    {"data cut by one byte", "", "", -1, {"lm_head.weight", "data_offsets", "cut short"}},
    {"data with a rest", "", "", 3, {"3 bytes", "lm_head.weight"}},
    {"metadata is no object", "{\"format\":\"pt\"}", "7", 0, {"__metadata__"}},
    {"metadata holds a number", "{\"format\":\"pt\"}", "{\"format\":7}", 0, {"__metadata__"}},
    {"metadata key twice",
     "{\"format\":\"pt\"}",
     "{\"a\":\"1\",\"b\":\"2\",\"a\":\"1\"}",
     0,
     {"__metadata__", "twice"}},
    {"metadata twice",
     "\"" NORM "\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[640,656]}",
     "\"__metadata__\":{}",
     0,
     {"__metadata__", "twice"}},
    {"control character in a name", "\"" NORM "\"", "\"model.\tnorm\"", 0, {"control character"}},
    {"name is not UTF-8", "\"" NORM "\"", "\"model.\xff\"", 0, {"UTF-8"}},
    {"bad escape in metadata", "\"pt\"", "\"\\x41\"", 0, {"__metadata__", "escape"}},
    {"lone surrogate in metadata", "\"pt\"", "\"\\ud800\"", 0, {"__metadata__", "escape"}},
    {"header ends in the middle", ",\"data_offsets\":[656,784]}}", "", 0, {"lm_head.weight", "middle"}},
    {"text after the header", "[656,784]}}", "[656,784]}} x", 0, {"header", "after its closing mark"}},
    {"header is a list", "{\"__metadata__\"", "[{\"__metadata__\"", 0, {"does not begin with '{'"}},
    {"space before the header", "{\"__metadata__\"", " {\"__metadata__\"", 0, {"does not begin with '{'"}},
    {"no colon", "\"" NORM "\":", "\"" NORM "\" ", 0, {"':'"}},
    {"tensor missing",
     "\"" NORM "\"",
     "\"model.layers.0.self_attn.rotary_emb.inv_freq\"",
     0,
     {"norm.weight", "missing"}},
    {"head missing",
     ",\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":[8,4],\"data_offsets\":[656,784]}",
     "",
     -128,
     {"lm_head.weight", "tie_word_embeddings"}},
    {"head under the base prefix",
     "\"lm_head.weight\"",
     "\"model.lm_head.weight\"",
     0,
     {"lm_head.weight", "missing"}},
    {"unknown tensor",
     "{\"format\":\"pt\"}",
     "{},\"model.layers.0.self_attn.q_proj.bias\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}",
     0,
     {"q_proj.bias", "unknown"}},
    {"layer beyond the configuration",
     "{\"format\":\"pt\"}",
     "{},\"model.layers.1.input_layernorm.weight\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}",
     0,
     {"model.layers.1.input_layernorm.weight", "unknown", "1 layers"}},
    {"GPT-2's buffer in a Llama",
     "{\"format\":\"pt\"}",
     "{},\"h.0.attn.bias\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}",
     0,
     {"h.0.attn.bias", "unknown"}},
    {"prefix of another family",
     "\"" NORM "\"",
     "\"transformer.norm.weight\"",
     0,
     {"norm.weight", "missing"}},
    {"shape contradicts the configuration",
     "[656,784]",
     "[656,720]",
     -64,
     {"lm_head.weight", "data_offsets"}},
    {"transposed weight",
     "gate_proj.weight\":{\"dtype\":\"F32\",\"shape\":[6,4]",
     "gate_proj.weight\":{\"dtype\":\"F32\",\"shape\":[4,6]",
     0,
     {"gate_proj.weight", "shape", "intermediate_size"}},
    {"used tensor of another rank",
     "\"" NORM "\":{\"dtype\":\"F32\",\"shape\":[4]",
     "\"" NORM "\":{\"dtype\":\"F32\",\"shape\":[4,1]",
     0,
     {"norm.weight", "shape", "hidden_size"}},
    {"used tensor of rank 0",
     "\"" NORM "\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[640,656]}",
     "\"" NORM "\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[640,644]},\"x\":{\"dtype\":\"F32\","
     "\"shape\":[3],\"data_offsets\":[644,656]}",
     0,
     {"norm.weight", "shape"}},
};

Test(checkpoint, every_edit_of_a_header_is_refused_with_tensor_and_field)
{
    char folder[TEST_PATH];
    size_t size = 0;
    char *const header = test_llama_header(&size);
    test_folder_make(folder);
    test_write_text(folder, "config.json", test_llama_config);
    for (size_t i = 0; i < sizeof hostiles / sizeof *hostiles; ++i) {
        const struct hostile *const h = &hostiles[i];
        char *const edited = test_replace(header, h->find, h->replace);
        test_write_tensors(folder, "model.safetensors", edited, NULL, (size_t)((long)size + h->more_data));
        test_expect_refused(h->name, folder, h->says, 3);
        free(edited);
    }
    free(header);
    test_folder_remove(folder);
}

/* What the format allows must go through: spaces, order, padding, empty tensors, metadata of any kind. */
static const struct {
    const char *name, *find, *replace;
} allowed[] = {{"as it is", "", ""},
               {"padding after the header", "[656,784]}}", "[656,784]}}      "},
               {"white space", "\"shape\":[8,4]", "\n\t\"shape\" : [ 8 ,\r4 ]"},
               {"no metadata", "\"__metadata__\":{\"format\":\"pt\"},", ""},
               {"metadata with escapes", "\"pt\"", "\"\\ud83d\\ude00 \\\"\\\\ \xc3\xa9\""},
               {"names without prefix", "model.embed_tokens.weight", "embed_tokens.weight"},
               {"some names without prefix", "model.layers.0.mlp.gate_proj", "layers.0.mlp.gate_proj"},
               {"ignored buffer of no bytes", "{\"format\":\"pt\"}",
                "{},\"model.layers.0.self_attn.rotary_emb.inv_freq\":{\"dtype\":\"F64\",\"shape\":[0],\"data_"
                "offsets\":[128,128]}"},
               {"ignored buffer of one value",
                "\"" NORM "\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[640,656]}",
                "\"" NORM "\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[640,648]},"
                "\"model.rotary_emb.inv_freq\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[648,656]}"}};

Test(checkpoint, what_the_format_allows_is_accepted)
{
    char folder[TEST_PATH];
    size_t size = 0;
    char *const header = test_llama_header(&size);
    test_folder_make(folder);
    test_write_text(folder, "config.json", test_llama_config);
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; ++i) {
        struct wn_error err = {.text = ""};
        char *const edited = test_replace(header, allowed[i].find, allowed[i].replace);
        test_write_tensors(folder, "model.safetensors", edited, NULL, size);
        const wn_code code = test_check(folder, &err);
        cr_expect(code == WN_OK, "%s: code %d: %s", allowed[i].name, (int)code, err.text);
        free(edited);
    }
    free(header);
    test_folder_remove(folder);
}

/* The first 8 bytes and what is no safetensors file at all. */
Test(checkpoint, files_that_are_no_safetensors_are_refused)
{
    static const struct {
        const char *name, *bytes;
        size_t size;
        const char *says;
    } cases[] = {{"empty file", "", 0, "header length"},
                 {"seven bytes", "\2\0\0\0\0\0\0", 7, "header length"},
                 {"length above the limit", "\1\xe1\xf5\5\0\0\0\0{}", 10, "above the format's limit"},
                 {"length at the limit, short file", "\0\xe1\xf5\5\0\0\0\0{}", 10, "100000000"},
                 {"length 2^64 - 1", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "18446744073709551615"},
                 {"length 2^63", "\0\0\0\0\0\0\0\x80{}", 10, "9223372036854775808"},
                 {"length 0", "\0\0\0\0\0\0\0\0", 8, "begin with '{'"},
                 {"length 1", "\1\0\0\0\0\0\0\0{", 9, "begin with '{'"},
                 {"no tensors", "\2\0\0\0\0\0\0\0{}", 10, "embed_tokens.weight"},
                 {"no tensors, but data", "\2\0\0\0\0\0\0\0{}abc", 13, "3 bytes"},
                 {"a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\n", 57,
                  "git lfs pull"},
                 {"a pickle", "\x80\2}q\0(X\5\0\0\0modelq\1", 18, "header length"},
                 {"a GGUF file", "GGUF\3\0\0\0\1\0\0\0\0\0\0\0", 16, "header length"}};
    char folder[TEST_PATH];
    test_folder_make(folder);
    test_write_text(folder, "config.json", test_llama_config);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        test_write(folder, "model.safetensors", cases[i].bytes, cases[i].size);
        test_expect_refused(cases[i].name, folder, &cases[i].says, 1);
    }
    test_folder_remove(folder);
}

/* A file of `n` tensors of 4 bytes each, written piece by piece so that this process stays small. Returns the
 * bytes of its header. */
static size_t write_many(const char *folder, size_t n)
{
    char path[TEST_PATH];
    test_join(folder, "model.safetensors", path);
    FILE *const file = fopen(path, "wb");
    cr_assert(file != NULL && fwrite("\0\0\0\0\0\0\0\0{", 1, 9, file) == 9);
    size_t size = 2;
    for (size_t i = 0; i < n; ++i) {
        size +=
            (size_t)fprintf(file, "%s\"%zu\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
                            i == 0 ? "" : ",", i, 4 * i, 4 * i + 4);
    }
    cr_assert(fputc('}', file) == '}' && fseek(file, 0, SEEK_SET) == 0);
    for (int i = 0; i < 8; ++i) {
        cr_assert(fputc((int)(size >> (8 * i) & 0xff), file) != EOF);
    }
    cr_assert(fclose(file) == 0 && truncate(path, (off_t)(8 + size + 4 * n)) == 0);
    return size;
}

Test(checkpoint, the_limit_of_tensors_holds_at_itself_and_on_either_side)
{
    static const struct {
        size_t n;
        const char *says;
    } cases[] = {{WN_MAX_TENSORS - 1, "embed_tokens.weight"},
                 {WN_MAX_TENSORS, "embed_tokens.weight"},
                 {WN_MAX_TENSORS + 1, "131072"}};
    char folder[TEST_PATH];
    test_folder_make(folder);
    test_write_text(folder, "config.json", test_llama_config);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        (void)write_many(folder, cases[i].n);
        test_expect_refused("limit of tensors", folder, &cases[i].says, 1);
    }
    test_folder_remove(folder);
}

/* Twice the header, mapped pages included (a sanitizer's own memory is not counted). 100,000 tensors are read
 * whole, a million are refused at the limit. */
Test(checkpoint, headers_of_many_tensors_cost_neither_time_nor_memory)
{
    static const struct {
        size_t n;
        const char *says;
    } cases[] = {{100000, "embed_tokens.weight"}, {1000000, "131072"}};
    char folder[TEST_PATH];
    test_folder_make(folder);
    test_write_text(folder, "config.json", test_llama_config);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const size_t header_size = write_many(folder, cases[i].n);
        const size_t before = test_peak_memory();
        test_expect_refused("many tensors", folder, &cases[i].says, 1);
        const size_t added = test_peak_memory() - before;
#if !defined(__SANITIZE_ADDRESS__)
        cr_expect(added < 2 * header_size, "%zu bytes of memory for a header of %zu", added, header_size);
#endif
        if (getenv("WINNOW_PRINT_ERRORS") != NULL) {
            printf("CASE memory: %zu of a header of %zu\n", added, header_size);
        }
    }
    test_folder_remove(folder);
}

Test(checkpoint, metadata_is_bounded_and_nesting_does_no_harm)
{
    char folder[TEST_PATH];
    test_folder_make(folder);
    test_write_text(folder, "config.json", test_llama_config);
    char *const text = malloc(1 << 21);
    cr_assert(text != NULL);
    for (size_t n = WN_MAX_METADATA - 1; n <= WN_MAX_METADATA + 1; ++n) {
        size_t used = (size_t)sprintf(text, "{\"__metadata__\":{");
        for (size_t i = 0; i < n; ++i) {
            used += (size_t)sprintf(text + used, "%s\"%zu\":\"\"", i == 0 ? "" : ",", i);
        }
        (void)sprintf(text + used, "}}");
        test_write_tensors(folder, "model.safetensors", text, NULL, 0);
        const char *const says = n <= WN_MAX_METADATA ? "embed_tokens.weight" : "65,536";
        test_expect_refused("metadata", folder, &says, 1);
    }
    size_t used = (size_t)sprintf(text, "{\"x\":");
    memset(text + used, '[', 1000000);
    text[used + 1000000] = '\0';
    test_write_tensors(folder, "model.safetensors", text, NULL, 0);
    static const char *const says[] = {"tensor 'x'", "object"};
    test_expect_refused("nesting of a million", folder, says, 2);
    free(text);
    test_folder_remove(folder);
}

/* A tied model that stores its head all the same. */
Test(checkpoint, a_stored_head_of_a_tied_model_must_equal_the_embedding)
{
    char folder[TEST_PATH];
    size_t size = 0;
    char *const header = test_llama_header(&size);
    char *const config =
        test_replace(test_llama_config, "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true");
    unsigned char *const data = calloc(1, size);
    struct wn_error err = {.text = ""};
    cr_assert(data != NULL);
    test_folder_make(folder);
    test_write_text(folder, "config.json", config);
    data[3] = data[656 + 3] = 0x3f;
    test_write_tensors(folder, "model.safetensors", header, data, size);
    WN_TEST_OK(test_check(folder, &err));
    data[656 + 127] = 1;
    test_write_tensors(folder, "model.safetensors", header, data, size);
    static const char *const says[] = {"lm_head.weight", "tie_word_embeddings"};
    test_expect_refused("tied head differs", folder, says, 2);
    data[656 + 127] = 0;
    char *const turned = test_replace(header, "\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":[8,4]",
                                      "\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":[4,8]");
    test_write_tensors(folder, "model.safetensors", turned, data, size);
    test_expect_refused("tied head has another shape", folder, says, 2);
    free(turned);
    free(data);
    free(config);
    free(header);
    test_folder_remove(folder);
}

/* Any change of any byte of a header gives a table or a message, never a crash; run under sanitizers this is
 * the reader's fuzz test with a fixed seed. The limit of one pass is that no message is empty. */
Test(checkpoint, random_edits_of_headers_never_escape_the_checks)
{
    size_t size = 0;
    char *const header = test_llama_header(&size);
    const size_t n = strlen(header);
    char *const bytes = malloc(8 + n + size);
    cr_assert(bytes != NULL);
    uint64_t state = 88172645463325252U;
    size_t refused = 0;
    for (int round = 0; round < 20000; ++round) {
        memset(bytes, 0, 8 + n + size);
        memcpy(bytes, &(uint64_t){n}, 8);
        memcpy(bytes + 8, header, n);
        for (int edit = 0; edit <= round % 4; ++edit) {
            static const char marks[] = "\"\\{}[],:0123456789-.eE \x01\x80\xff";
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes[round % 50 == 0 ? state % 8 : 8 + state % n] = marks[(state >> 32) % (sizeof marks - 1)];
        }
        struct wn_stored_list list = {.n = 0};
        struct wn_span data = {NULL, 0};
        struct wn_error err = {.text = ""};
        const wn_code code =
            wn_stored_read((struct wn_span){bytes, 8 + n + size}, "test", 0, &list, &data, &err);
        cr_assert(code == WN_OK || (code == WN_MODEL && err.text[0] != '\0'), "round %d: code %d", round,
                  (int)code);
        cr_assert(code != WN_OK || data.size == size);
        refused += code != WN_OK;
        free(list.items);
    }
    /* Most edits break something; an edit within a name or a type may not. */
    cr_expect(refused > 10000, "only %zu of 20000 edits were noticed", refused);
    free(bytes);
    free(header);
}
