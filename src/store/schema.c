/* The table of columns and the values of their fields.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/schema.h"

#include <assert.h>
#include <math.h>
#include <string.h>

const char wn_attribute_schema[] = "schema";
const char wn_attribute_schema_version[] = "schema_version";
const char wn_attribute_n_records[] = "n_records";
const char wn_attribute_score[] = "score";
const char wn_attribute_ties[] = "ties";
const char wn_attribute_tool_version[] = "tool_version";
const char wn_attribute_profile[] = "profile";
const char wn_attribute_profile_json[] = "profile_json";
const char wn_attribute_max_length[] = "max_length";
const char wn_attribute_corpus_hash[] = "corpus_hash";
const char wn_attribute_corpus_files[] = "corpus_files";
const char wn_attribute_model_path[] = "model_path";
const char wn_attribute_model_hash[] = "model_hash";
const char wn_attribute_tokenizer_hash[] = "tokenizer_hash";
const char wn_attribute_backend[] = "backend";
const char wn_attribute_dtype[] = "dtype";
const char wn_attribute_kernels[] = "kernels";
const char wn_attribute_library[] = "library";
const char wn_attribute_row_tile[] = "row_tile";
const char wn_attribute_key_tile[] = "key_tile";
const char wn_attribute_options[] = "options";

static const struct wn_column columns[] = {
    {"index", "1", "Number of the record over all input files, 0-based; it grows by 1 a row.", WN_TYPE_U64,
     WN_FIELD_INDEX, WN_SIDE_NONE, false, false, true},
    {"record", "1", "Number of the record that the turn belongs to, as in /samples/index.", WN_TYPE_U64,
     WN_FIELD_INDEX, WN_SIDE_NONE, false, true, false},
    {"part", "1", "Number of the assistant turn within its record, 0-based.", WN_TYPE_U32, WN_FIELD_PART,
     WN_SIDE_NONE, false, true, false},
    {"id_hash", "1", "XXH3-64 of the record's bytes.", WN_TYPE_U64, WN_FIELD_ID_HASH, WN_SIDE_NONE, false,
     false, true},
    {"file", "1", "Number of the input file, in the order of the root attribute corpus_files, 0-based.",
     WN_TYPE_U16, WN_FIELD_FILE, WN_SIDE_NONE, false, false, true},
    {"offset", "bytes", "First byte of the record in the plain (unpacked) bytes of its file.", WN_TYPE_U64,
     WN_FIELD_OFFSET, WN_SIDE_NONE, false, false, true},
    {"length", "bytes", "Length of the record.", WN_TYPE_U32, WN_FIELD_LENGTH, WN_SIDE_NONE, false, false,
     true},
    {"status", "1", "What became of the record; rankable are ok and truncated.", WN_TYPE_STATUS,
     WN_FIELD_STATUS, WN_SIDE_NONE, false, true, true},

    {"n_cond", "tokens", "Tokens of prompt and answer after truncation.", WN_TYPE_U32, WN_FIELD_N,
     WN_SIDE_COND, false, true, true},
    {"first_cond", "tokens",
     "Position of the first answer token: tokens of the prompt encoded alone, never cut.", WN_TYPE_U32,
     WN_FIELD_FIRST, WN_SIDE_COND, false, true, true},
    {"k_cond", "tokens", "Answer tokens whose losses were summed, given the prompt.", WN_TYPE_U32, WN_FIELD_K,
     WN_SIDE_COND, false, true, true},
    {"sum_cond", "nats", "Sum of the answer tokens' losses given the prompt.", WN_TYPE_F64, WN_FIELD_SUM,
     WN_SIDE_COND, false, true, true},
    {"loss_cond", "nats/token", "sum_cond / k_cond.", WN_TYPE_F64, WN_FIELD_LOSS, WN_SIDE_COND, false, true,
     true},
    {"ppl_cond", "1", "exp(loss_cond).", WN_TYPE_F64, WN_FIELD_PPL, WN_SIDE_COND, false, true, true},

    {"n_direct", "tokens", "Tokens of the direct text (lead and answer) after truncation.", WN_TYPE_U32,
     WN_FIELD_N, WN_SIDE_DIRECT, false, true, true},
    {"first_direct", "tokens",
     "Position of the first answer token of the direct text; 0 where all of it is scored.", WN_TYPE_U32,
     WN_FIELD_FIRST, WN_SIDE_DIRECT, false, true, true},
    {"k_direct", "tokens", "Answer tokens whose losses were summed, without the prompt.", WN_TYPE_U32,
     WN_FIELD_K, WN_SIDE_DIRECT, false, true, true},
    {"sum_direct", "nats", "Sum of the answer tokens' losses without the prompt.", WN_TYPE_F64, WN_FIELD_SUM,
     WN_SIDE_DIRECT, false, true, true},
    {"loss_direct", "nats/token", "sum_direct / k_direct.", WN_TYPE_F64, WN_FIELD_LOSS, WN_SIDE_DIRECT, false,
     true, true},
    {"ppl_direct", "1", "exp(loss_direct).", WN_TYPE_F64, WN_FIELD_PPL, WN_SIDE_DIRECT, false, true, true},
    {"counted", "tokens",
     "Tokens that the direct window was reduced by: of the prompt, or of the bare instruction, at most "
     "max_length.",
     WN_TYPE_U32, WN_FIELD_COUNTED, WN_SIDE_NONE, false, true, true},

    {"ifd_loss", "1", "loss_cond / loss_direct (Cherry_LLM); NaN unless the status is ok or truncated.",
     WN_TYPE_F64, WN_FIELD_IFD_LOSS, WN_SIDE_NONE, false, true, true},
    {"ifd_ppl", "1",
     "exp(loss_cond - loss_direct) (Superfiltering); NaN unless the status is ok or truncated.", WN_TYPE_F64,
     WN_FIELD_IFD_PPL, WN_SIDE_NONE, false, true, true},
    {"ifd_ppl_turn_mean", "1", "Mean over the scored turns of exp(loss_cond - loss_direct).", WN_TYPE_F64,
     WN_FIELD_TURN_MEAN, WN_SIDE_NONE, false, false, true},
    {"rank", "1", "Place by the profile's score, 0 = highest; all ones where the record cannot be ranked.",
     WN_TYPE_U64, WN_FIELD_RANK, WN_SIDE_NONE, false, false, true},

    {"n_q_cond", "tokens", "Reversed direction: tokens of the prompt around the answer, and the question.",
     WN_TYPE_U32, WN_FIELD_N, WN_SIDE_Q_COND, true, true, true},
    {"first_q_cond", "tokens", "Reversed direction: position of the first question token.", WN_TYPE_U32,
     WN_FIELD_FIRST, WN_SIDE_Q_COND, true, true, true},
    {"k_q_cond", "tokens", "Reversed direction: question tokens whose losses were summed, given the answer.",
     WN_TYPE_U32, WN_FIELD_K, WN_SIDE_Q_COND, true, true, true},
    {"sum_q_cond", "nats", "Reversed direction: sum of the question tokens' losses given the answer.",
     WN_TYPE_F64, WN_FIELD_SUM, WN_SIDE_Q_COND, true, true, true},
    {"loss_q_cond", "nats/token", "sum_q_cond / k_q_cond.", WN_TYPE_F64, WN_FIELD_LOSS, WN_SIDE_Q_COND, true,
     true, true},
    {"ppl_q_cond", "1", "exp(loss_q_cond).", WN_TYPE_F64, WN_FIELD_PPL, WN_SIDE_Q_COND, true, true, true},

    {"n_q_direct", "tokens", "Reversed direction: tokens of the question alone after truncation.",
     WN_TYPE_U32, WN_FIELD_N, WN_SIDE_Q_DIRECT, true, true, true},
    {"first_q_direct", "tokens", "Reversed direction: position of the first scored question token, or 0.",
     WN_TYPE_U32, WN_FIELD_FIRST, WN_SIDE_Q_DIRECT, true, true, true},
    {"k_q_direct", "tokens",
     "Reversed direction: question tokens whose losses were summed, without the answer.", WN_TYPE_U32,
     WN_FIELD_K, WN_SIDE_Q_DIRECT, true, true, true},
    {"sum_q_direct", "nats", "Reversed direction: sum of the question tokens' losses without the answer.",
     WN_TYPE_F64, WN_FIELD_SUM, WN_SIDE_Q_DIRECT, true, true, true},
    {"loss_q_direct", "nats/token", "sum_q_direct / k_q_direct.", WN_TYPE_F64, WN_FIELD_LOSS,
     WN_SIDE_Q_DIRECT, true, true, true},
    {"ppl_q_direct", "1", "exp(loss_q_direct).", WN_TYPE_F64, WN_FIELD_PPL, WN_SIDE_Q_DIRECT, true, true,
     true},

    {"rifd_loss", "1", "loss_q_cond / loss_q_direct (Reflection_Tuning).", WN_TYPE_F64, WN_FIELD_RIFD_LOSS,
     WN_SIDE_NONE, true, true, true},
    {"rifd_ppl", "1", "exp(loss_q_cond - loss_q_direct) (Reflection_Tuning).", WN_TYPE_F64, WN_FIELD_RIFD_PPL,
     WN_SIDE_NONE, true, true, true},
};

struct type_facts {
    const char *name;
    size_t size;
    bool is_real;
};

static const struct type_facts types[WN_TYPE_COUNT] = {
    [WN_TYPE_STATUS] = {"status", 1, false}, [WN_TYPE_U16] = {"u16", 2, false},
    [WN_TYPE_U32] = {"u32", 4, false},       [WN_TYPE_U64] = {"u64", 8, false},
    [WN_TYPE_I32] = {"i32", 4, false},       [WN_TYPE_F32] = {"f32", 4, true},
    [WN_TYPE_F64] = {"f64", 8, true},
};

size_t wn_type_size(enum wn_type type)
{
    return types[type].size;
}

const char *wn_type_name(enum wn_type type)
{
    return types[type].name;
}

bool wn_type_is_real(enum wn_type type)
{
    return types[type].is_real;
}

const struct wn_column *wn_schema_columns(size_t *out_n)
{
    *out_n = sizeof columns / sizeof columns[0];
    return columns;
}

const struct wn_column *wn_schema_find(const char *name)
{
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        if (columns[i].is_in_samples && strcmp(columns[i].name, name) == 0) {
            return &columns[i];
        }
    }
    return NULL;
}

uint64_t wn_f64_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? UINT64_C(0x7ff8000000000000) : bits;
}

uint32_t wn_f32_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? UINT32_C(0x7fc00000) : bits;
}

static const struct wn_side *side_of(const struct wn_row *row, enum wn_side_name side)
{
    switch (side) {
    case WN_SIDE_DIRECT:
        return &row->direct;
    case WN_SIDE_Q_COND:
        return &row->q_cond;
    case WN_SIDE_Q_DIRECT:
        return &row->q_direct;
    case WN_SIDE_NONE:
    case WN_SIDE_COND:
        break;
    }
    return &row->cond;
}

static uint64_t integer_of(const struct wn_column *column, const struct wn_store_record *record)
{
    const struct wn_side *side = side_of(&record->fold, column->side);
    switch (column->field) {
    case WN_FIELD_INDEX:
        return record->index;
    case WN_FIELD_ID_HASH:
        return record->id_hash;
    case WN_FIELD_FILE:
        return record->file;
    case WN_FIELD_OFFSET:
        return record->offset;
    case WN_FIELD_LENGTH:
        return record->length;
    case WN_FIELD_STATUS:
        return record->fold.status;
    case WN_FIELD_PART:
        return record->fold.part;
    case WN_FIELD_N:
        return side->n;
    case WN_FIELD_FIRST:
        return side->first;
    case WN_FIELD_K:
        return side->k;
    case WN_FIELD_COUNTED:
        return record->fold.counted;
    default:
        assert(column->field == WN_FIELD_RANK);
        return UINT64_MAX;
    }
}

static double real_of(const struct wn_column *column, const struct wn_store_record *record)
{
    const struct wn_row *row = &record->fold;
    const struct wn_side *side = side_of(row, column->side);
    switch (column->field) {
    case WN_FIELD_SUM:
        return side->sum;
    case WN_FIELD_LOSS:
        return wn_side_loss(side);
    case WN_FIELD_PPL:
        return exp(wn_side_loss(side));
    case WN_FIELD_IFD_LOSS:
        return wn_row_ifd_loss(row);
    case WN_FIELD_IFD_PPL:
        return wn_row_ifd_ppl(row);
    case WN_FIELD_TURN_MEAN:
        return record->turn_mean;
    case WN_FIELD_RIFD_LOSS:
        return wn_side_loss(&row->q_cond) / wn_side_loss(&row->q_direct);
    default:
        assert(column->field == WN_FIELD_RIFD_PPL);
        return exp(wn_side_loss(&row->q_cond) - wn_side_loss(&row->q_direct));
    }
}

uint64_t wn_column_bits(const struct wn_column *column, const struct wn_store_record *record)
{
    return wn_type_is_real(column->type) ? wn_f64_bits(real_of(column, record)) : integer_of(column, record);
}

double wn_record_score(const struct wn_store_record *record, bool by_loss)
{
    const double score = by_loss ? wn_row_ifd_loss(&record->fold) : wn_row_ifd_ppl(&record->fold);
    return wn_status_is_scored(record->fold.status) && isfinite(score) ? score : (double)NAN;
}
