#!/usr/bin/env python3
"""Makes variants.jsonl: small models of all families with unusual settings, and their losses in float64.

SPDX-License-Identifier: Apache-2.0

    python3 variants.py > variants.jsonl        (needs torch, numpy and transformers 5.23)

Nothing of a model is stored but its config.json: weights and tokens follow from the formulas below, which
test_variants.c repeats. A line is {"name", "config", "mean", "losses"}: losses of every eighth token from the second on.
"""
import contextlib
import json
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

N = 160
V = 97
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(x):
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def weights(name, shape):
    """(24 bits - 2^23) / 2^25, in [-1/4, 1/4); norm weights are 1 more. The name is the canonical one."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        bits = mix(np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * GOLDEN) >> np.uint64(40)
    values = (bits.astype(np.float64) - 2**23) / 2**25
    if len(shape) == 1 and name.endswith(".weight"):
        values += 1
    return torch.tensor(values.reshape(shape))


gpt2 = dict(model_type="gpt2", vocab_size=V, n_embd=48, n_layer=4, n_head=4, n_positions=256)
base = dict(vocab_size=V, hidden_size=48, intermediate_size=80, num_hidden_layers=4, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=256)
llama = dict(base, model_type="llama")
mistral = dict(base, model_type="mistral")
qwen2 = dict(base, model_type="qwen2")
qwen3 = dict(base, model_type="qwen3")
yarn = dict(type="yarn", factor=4.0, original_max_position_embeddings=64)
kinds = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
variants = {
    "gpt2 scaled by layer": dict(gpt2, scale_attn_by_inverse_layer_idx=True),
    "gpt2 unscaled, inner size, relu": dict(gpt2, scale_attn_weights=False, n_inner=100, activation_function="relu"),
    "gpt2 gelu, own head": dict(gpt2, activation_function="gelu", tie_word_embeddings=False, layer_norm_epsilon=1e-3),
    "gpt2 quick_gelu": dict(gpt2, activation_function="quick_gelu"),
    "gpt2 gelu_fast": dict(gpt2, activation_function="gelu_fast"),
    "llama biases": dict(llama, attention_bias=True, mlp_bias=True),
    "llama gelu, tied, head size": dict(llama, hidden_act="gelu_pytorch_tanh", tie_word_embeddings=True, head_dim=20),
    "llama no groups": dict(llama, num_key_value_heads=None, rms_norm_eps=1e-3),
    "llama theta": dict(llama, rope_theta=500.0),
    "llama linear": dict(llama, rope_scaling=dict(type="linear", factor=3.0)),
    "llama llama3": dict(llama, rope_theta=5000.0, rope_scaling=dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)),
    "llama yarn": dict(llama, rope_scaling=yarn),
    "llama yarn, all settings": dict(llama, head_dim=32, rope_parameters=dict(
        rope_type="yarn", rope_theta=500.0, factor=2.0, original_max_position_embeddings=128, truncate=False, beta_fast=16,
        beta_slow=0.5, mscale=0.7, mscale_all_dim=0.9)),
    "llama yarn, attention factor": dict(llama, rope_scaling=dict(yarn, attention_factor=1.3)),
    "mistral window": dict(mistral, sliding_window=17),
    "mistral window of one": dict(mistral, sliding_window=1),
    "mistral without window": dict(mistral, sliding_window=None),
    "qwen2 windows by count": dict(qwen2, use_sliding_window=True, sliding_window=13, max_window_layers=2),
    "qwen2 windows by list": dict(qwen2, use_sliding_window=True, sliding_window=13, layer_types=kinds),
    "qwen2 windows not in use": dict(qwen2, use_sliding_window=False, sliding_window=13, max_window_layers=0),
    "qwen3 biases, windows, head size": dict(qwen3, attention_bias=True, head_dim=24, use_sliding_window=True,
                                             sliding_window=9, max_window_layers=3),
}

for title, config in variants.items():
    with contextlib.redirect_stdout(sys.stderr):
        model = AutoModelForCausalLM.from_config(
            CONFIG_MAPPING[config["model_type"]].from_dict(dict(config)), attn_implementation="eager", dtype=torch.float64)
    ids = torch.tensor([[(i * i * 31 + i * 17 + 3) % V for i in range(N)]])
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            for prefix in ("transformer.", "model."):
                key = key.removeprefix(prefix)
            parameter.copy_(weights(key, tuple(parameter.shape)))
        logits = model.eval()(ids).logits[0]
    assert logits.dtype == torch.float64
    losses = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:], reduction="none").tolist()
    print(json.dumps({"name": title, "config": config, "mean": round(sum(losses) / len(losses), 9),
                      "losses": [round(loss, 9) for loss in losses[::8]]}))
