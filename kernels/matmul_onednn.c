/* Matrix products by oneDNN: see matmul.h. The one file that knows the library and its OpenMP.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The library would use as many OpenMP threads as it finds, and lay out work by their number. So every call
 * that makes or runs a primitive does it with one OpenMP thread, set for the calling thread and put back
 * after the call.
 */
#include "kernels/matmul.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* What one thread may change: memory objects carry the pointers of a call. */
struct thread_side {
    dnnl_stream_t stream;
    dnnl_memory_t source, weights, result, scratchpad;
    void *scratch; /* owned */
};

struct wn_matmul_plan {
    dnnl_engine_t engine;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t plain; /* of the weights as [K][N] */
    int32_t n_threads;
    struct thread_side *threads; /* [n_threads] */
};

static wn_code dnnl_check(dnnl_status_t status, const char *what, struct wn_error *err)
{
    WN_CHECK(status == dnnl_success, err, WN_DEVICE, "oneDNN: %s gave status %d%s", what, (int)status,
             status == dnnl_out_of_memory ? " (memory)" : "");
    return WN_OK;
}

static int threads_to_one(void)
{
    const int before = omp_get_max_threads();
    omp_set_num_threads(1);
    return before;
}

static const char *isa_name(dnnl_cpu_isa_t isa)
{
    switch (isa) {
    case dnnl_cpu_isa_sse41:
        return "sse41";
    case dnnl_cpu_isa_avx:
        return "avx";
    case dnnl_cpu_isa_avx2:
        return "avx2";
    case dnnl_cpu_isa_avx2_vnni:
        return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core:
        return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni:
        return "avx512_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
        return "avx512_bf16";
    case dnnl_cpu_isa_avx512_core_amx:
        return "amx";
    default:
        return "other";
    }
}

static void onednn_numeric(struct wn_numeric_class *out_numeric)
{
    const dnnl_version_t *version = dnnl_version();
    snprintf(out_numeric->kernels, sizeof out_numeric->kernels, "%s", isa_name(dnnl_get_effective_cpu_isa()));
    snprintf(out_numeric->library, sizeof out_numeric->library, "oneDNN %d.%d.%d", version->major,
             version->minor, version->patch);
}

static wn_code description_new(struct wn_matmul_plan *plan, int32_t R, int32_t K, int32_t N,
                               struct wn_error *err)
{
    const dnnl_dims_t x_dims = {R, K};
    const dnnl_dims_t w_dims = {K, N};
    const dnnl_dims_t y_dims = {R, N};
    dnnl_memory_desc_t x;
    dnnl_memory_desc_t w;
    dnnl_memory_desc_t y;
    WN_TRY(dnnl_check(dnnl_memory_desc_init_by_tag(&x, 2, x_dims, dnnl_f32, dnnl_ab), "describing a matrix",
                      err));
    WN_TRY(dnnl_check(dnnl_memory_desc_init_by_tag(&w, 2, w_dims, dnnl_f32, dnnl_format_tag_any),
                      "describing a matrix", err));
    WN_TRY(dnnl_check(dnnl_memory_desc_init_by_tag(&plan->plain, 2, w_dims, dnnl_f32, dnnl_ab),
                      "describing a matrix", err));
    WN_TRY(dnnl_check(dnnl_memory_desc_init_by_tag(&y, 2, y_dims, dnnl_f32, dnnl_ab), "describing a matrix",
                      err));
    dnnl_matmul_desc_t matmul;
    WN_TRY(dnnl_check(dnnl_matmul_desc_init(&matmul, &x, &w, NULL, &y), "describing a product", err));
    dnnl_primitive_attr_t attributes = NULL;
    WN_TRY(dnnl_check(dnnl_primitive_attr_create(&attributes), "making attributes", err));
    dnnl_status_t status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) { /* an environment variable could allow bf16 otherwise */
        status = dnnl_primitive_attr_set_fpmath_mode(attributes, dnnl_fpmath_mode_strict);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_desc_create(&plan->description, &matmul, attributes, plan->engine, NULL);
    }
    dnnl_primitive_attr_destroy(attributes);
    WN_CHECK(status == dnnl_success, err, WN_DEVICE,
             "oneDNN: no float32 product of %d x %d by %d x %d: status %d", R, K, K, N, (int)status);
    WN_TRY(dnnl_check(dnnl_primitive_create(&plan->primitive, plan->description), "making a product", err));
    return WN_OK;
}

static wn_code thread_side_new(const struct wn_matmul_plan *plan, struct thread_side *side,
                               struct wn_error *err)
{
    const_dnnl_primitive_desc_t description = plan->description;
    const dnnl_memory_desc_t *scratchpad =
        dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    const size_t size = dnnl_memory_desc_get_size(scratchpad);
    side->scratch = aligned_alloc(64, (size / 64 + 1) * 64);
    WN_CHECK(side->scratch != NULL, err, WN_DEVICE, "no memory for %zu bytes of oneDNN's scratchpad", size);
    WN_TRY(dnnl_check(dnnl_stream_create(&side->stream, plan->engine, dnnl_stream_default_flags),
                      "making a stream", err));
    WN_TRY(dnnl_check(dnnl_memory_create(&side->source,
                                         dnnl_primitive_desc_query_md(description, dnnl_query_src_md, 0),
                                         plan->engine, DNNL_MEMORY_NONE),
                      "making a memory object", err));
    WN_TRY(dnnl_check(dnnl_memory_create(&side->weights,
                                         dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0),
                                         plan->engine, DNNL_MEMORY_NONE),
                      "making a memory object", err));
    WN_TRY(dnnl_check(dnnl_memory_create(&side->result,
                                         dnnl_primitive_desc_query_md(description, dnnl_query_dst_md, 0),
                                         plan->engine, DNNL_MEMORY_NONE),
                      "making a memory object", err));
    WN_TRY(dnnl_check(dnnl_memory_create(&side->scratchpad, scratchpad, plan->engine, side->scratch),
                      "making a memory object", err));
    return WN_OK;
}

static void onednn_plan_free(struct wn_matmul_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    for (int32_t t = 0; plan->threads != NULL && t < plan->n_threads; t++) {
        struct thread_side *side = &plan->threads[t];
        dnnl_memory_destroy(side->source);
        dnnl_memory_destroy(side->weights);
        dnnl_memory_destroy(side->result);
        dnnl_memory_destroy(side->scratchpad);
        dnnl_stream_destroy(side->stream);
        free(side->scratch);
    }
    free(plan->threads);
    dnnl_primitive_destroy(plan->primitive);
    dnnl_primitive_desc_destroy(plan->description);
    dnnl_engine_destroy(plan->engine);
    free(plan);
}

static wn_code plan_fill(struct wn_matmul_plan *plan, int32_t R, int32_t K, int32_t N, struct wn_error *err)
{
    WN_TRY(dnnl_check(dnnl_engine_create(&plan->engine, dnnl_cpu, 0), "making an engine", err));
    WN_TRY(description_new(plan, R, K, N, err));
    for (int32_t t = 0; t < plan->n_threads; t++) {
        WN_TRY(thread_side_new(plan, &plan->threads[t], err));
    }
    return WN_OK;
}

static wn_code onednn_plan_new(int32_t R, int32_t K, int32_t N, int32_t n_threads,
                               struct wn_matmul_plan **out_plan, struct wn_error *err)
{
    struct wn_matmul_plan *plan = calloc(1, sizeof *plan);
    WN_CHECK(plan != NULL, err, WN_DEVICE, "no memory for a matrix product of %d x %d", K, N);
    plan->n_threads = n_threads;
    plan->threads = calloc((size_t)n_threads, sizeof *plan->threads);
    if (plan->threads == NULL) {
        free(plan);
        WN_FAIL(err, WN_DEVICE, "no memory for %d threads of a matrix product", n_threads);
    }
    const int before = threads_to_one();
    const wn_code code = plan_fill(plan, R, K, N, err);
    omp_set_num_threads(before);
    if (code != WN_OK) {
        onednn_plan_free(plan);
        return code;
    }
    *out_plan = plan;
    return WN_OK;
}

static size_t onednn_packed_size(const struct wn_matmul_plan *plan)
{
    const_dnnl_primitive_desc_t description = plan->description;
    return dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0));
}

/* Execute a reorder from `plain` to the packed form. */
static dnnl_status_t reorder(const struct wn_matmul_plan *plan, dnnl_memory_t from, dnnl_memory_t to)
{
    const dnnl_memory_desc_t *from_form = NULL;
    const dnnl_memory_desc_t *to_form = NULL;
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_status_t status = dnnl_memory_get_memory_desc(from, &from_form);
    if (status == dnnl_success) {
        status = dnnl_memory_get_memory_desc(to, &to_form);
    }
    if (status == dnnl_success) {
        status = dnnl_reorder_primitive_desc_create(&description, from_form, plan->engine, to_form,
                                                    plan->engine, NULL);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_create(&primitive, description);
    }
    if (status == dnnl_success) {
        status = dnnl_stream_create(&stream, plan->engine, dnnl_stream_default_flags);
    }
    if (status == dnnl_success) {
        const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
        status = dnnl_primitive_execute(primitive, stream, 2, arguments);
    }
    if (status == dnnl_success) {
        status = dnnl_stream_wait(stream);
    }
    dnnl_stream_destroy(stream);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(description);
    return status;
}

static wn_code onednn_pack(const struct wn_matmul_plan *plan, const float *matrix, void *packed,
                           struct wn_error *err)
{
    const_dnnl_primitive_desc_t description = plan->description;
    const dnnl_memory_desc_t *form = dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
    const int before = threads_to_one();
    dnnl_memory_t from = NULL;
    dnnl_memory_t to = NULL;
    dnnl_status_t status = dnnl_memory_create(&from, &plan->plain, plan->engine, (void *)(uintptr_t)matrix);
    if (status == dnnl_success) {
        status = dnnl_memory_create(&to, form, plan->engine, packed);
    }
    if (status == dnnl_success) {
        status = reorder(plan, from, to);
    }
    dnnl_memory_destroy(from);
    dnnl_memory_destroy(to);
    omp_set_num_threads(before);
    return dnnl_check(status, "packing a weight", err);
}

static wn_code onednn_run(const struct wn_matmul_plan *plan, int32_t thread, const float *x,
                          const void *packed, float *y, struct wn_error *err)
{
    const struct thread_side *side = &plan->threads[thread];
    const int before = threads_to_one();
    dnnl_memory_set_data_handle(side->source, (void *)(uintptr_t)x);
    dnnl_memory_set_data_handle(side->weights, (void *)(uintptr_t)packed);
    dnnl_memory_set_data_handle(side->result, y);
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, side->source},
                                         {DNNL_ARG_WEIGHTS, side->weights},
                                         {DNNL_ARG_DST, side->result},
                                         {DNNL_ARG_SCRATCHPAD, side->scratchpad}};
    dnnl_status_t status = dnnl_primitive_execute(plan->primitive, side->stream, 4, arguments);
    if (status == dnnl_success) {
        status = dnnl_stream_wait(side->stream);
    }
    omp_set_num_threads(before);
    return dnnl_check(status, "a matrix product", err);
}

const struct wn_matmul_kernel *wn_matmul_onednn(void)
{
    static const struct wn_matmul_kernel kernel = {
        .numeric = onednn_numeric,
        .plan_new = onednn_plan_new,
        .plan_free = onednn_plan_free,
        .packed_size = onednn_packed_size,
        .pack = onednn_pack,
        .run = onednn_run,
    };
    return &kernel;
}
