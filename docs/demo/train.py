#!/usr/bin/env python3
"""Trains the tokenizer and the model of the demonstration from the training part of the corpus.

SPDX-License-Identifier: Apache-2.0

usage: train.py [--out model] [--state FILE] [--steps N] [--fall N] [--threads N]
                [--muon RATE] [--adam RATE]

Needs torch, tokenizers and safetensors (no transformers); nothing else in the project needs this script.
The text is made of the training records 0 to tasks.TRAINING_RECORDS - 1 alone, seen several times in
changing forms. A record becomes one of four texts: prompt and answer as the Superfiltering code joins them,
the answer alone (so that the direct loss is that of a text the model knows), prompt and answer in the
Alpaca form, "### Response:" and the answer.
"""

import argparse
import json
import math
import os
import time

import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import tasks

VOCABULARY = 2048
POSITIONS = 512
SHAPE = {"hidden": 192, "inner": 384, "layers": 4, "heads": 6, "kv_heads": 2, "head_size": 32}
ROPE_THETA, EPS = 10000.0, 1e-5
END = "<|endoftext|>"
SPLIT = r" ?\p{L}[\p{L}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s"
ALPACA = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{i}\n\n### Response:"
)
ALPACA_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{i}\n\n### Input:\n{n}\n\n### Response:"
)
RECORDS_PER_POOL = 4096
POOLS = tasks.TRAINING_RECORDS // RECORDS_PER_POOL
TOKENS_PER_BATCH = 3072


# ---------------------------------------------------------------- texts


def prompt_of(record):
    return record["instruction"] + "\n" + (record["input"] + "\n" if record["input"] else "")


def form_of(record, index, epoch):
    """(prompt, answer) of training record number `index` when it is seen for the `epoch`-th time (from 0)."""
    choice = tasks.Rng("form", index, epoch).below(100)
    if choice < 55:
        return prompt_of(record), record["output"]
    if choice < 85:
        return "", record["output"]
    if choice < 95:
        prompt = ALPACA_INPUT if record["input"] else ALPACA
        return prompt.format(i=record["instruction"], n=record["input"]), record["output"]
    return "### Response:", record["output"]


def train_tokenizer(path, records=24000):
    """Byte-level BPE on texts of the same forms as the model's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    texts = ("".join(form_of(tasks.make_record(tasks.SEED, "training", i), i, 0)) for i in range(records))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(path)
    return tokenizer


def pool_batches(tokenizer, pool):
    """The batches of one pool: lists of (ids, length of the prompt), each batch of similar lengths."""
    first, epoch = pool % POOLS * RECORDS_PER_POOL, pool // POOLS
    texts = [
        form_of(tasks.make_record(tasks.SEED, "training", i), i, epoch)
        for i in range(first, first + RECORDS_PER_POOL)
    ]
    whole = [e.ids + [0] for e in tokenizer.encode_batch([p + a for p, a in texts])]
    heads = [len(e.ids) for e in tokenizer.encode_batch([p for p, _ in texts])]
    items = sorted(zip(whole, heads), key=lambda x: len(x[0]))
    batches = [[]]
    for item in items:
        if batches[-1] and (len(batches[-1]) + 1) * len(item[0]) > TOKENS_PER_BATCH:
            batches.append([])
        batches[-1].append((item[0][:POSITIONS], item[1]))
    return tasks.Rng("batches", pool).shuffle(batches)


def batch_tensors(batch):
    """Ids (rows, width) and the weights of their losses: 1 for answer tokens, 0.1 for the prompt's, 0 for
    padding."""
    width = max(len(ids) for ids, _ in batch)
    ids, weights = torch.zeros(len(batch), width, dtype=torch.long), torch.zeros(len(batch), width)
    for row, (tokens, head) in enumerate(batch):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        weights[row, :head], weights[row, head : len(tokens)] = 0.1, 1.0
    return ids, weights[:, 1:]


# ---------------------------------------------------------------- model


class Block(torch.nn.Module):
    def __init__(self, hidden, inner, layers, heads, kv_heads, head_size):
        super().__init__()
        self.heads, self.kv_heads, self.head_size = heads, kv_heads, head_size
        linear = lambda a, b: torch.nn.Linear(a, b, bias=False)
        self.q_proj, self.o_proj = linear(hidden, heads * head_size), linear(heads * head_size, hidden)
        self.k_proj, self.v_proj = linear(hidden, kv_heads * head_size), linear(hidden, kv_heads * head_size)
        self.gate_proj, self.up_proj, self.down_proj = (
            linear(hidden, inner),
            linear(hidden, inner),
            linear(inner, hidden),
        )
        self.input_layernorm = torch.nn.Parameter(torch.ones(hidden))
        self.post_attention_layernorm = torch.nn.Parameter(torch.ones(hidden))
        for name, p in self.named_parameters():
            if p.dim() == 2:
                scale = 1 / math.sqrt(2 * layers) if name.startswith(("o_proj", "down_proj")) else 1.0
                torch.nn.init.normal_(p, std=scale / math.sqrt(p.shape[1]))

    def forward(self, x, cos, sin):
        rows, width, _ = x.shape
        y = F.rms_norm(x, x.shape[-1:], self.input_layernorm, EPS)
        split = lambda t, n: t.view(rows, width, n, self.head_size).transpose(1, 2)
        q, k, v = (
            split(self.q_proj(y), self.heads),
            split(self.k_proj(y), self.kv_heads),
            split(self.v_proj(y), self.kv_heads),
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        group = self.heads // self.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, is_causal=True)
        x = x + self.o_proj(y.transpose(1, 2).reshape(rows, width, -1))
        y = F.rms_norm(x, x.shape[-1:], self.post_attention_layernorm, EPS)
        return x + self.down_proj(F.silu(self.gate_proj(y)) * self.up_proj(y))


def rotate(x, cos, sin):
    """Rotary positions with the halves of a head as pairs, as the Llama checkpoints have them."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(VOCABULARY, SHAPE["hidden"])
        torch.nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = torch.nn.ModuleList(Block(**SHAPE) for _ in range(SHAPE["layers"]))
        self.norm = torch.nn.Parameter(torch.ones(SHAPE["hidden"]))

    def forward(self, ids):
        """Logits (rows, width, vocabulary) in float32."""
        half = SHAPE["head_size"] // 2
        angles = torch.arange(ids.shape[1])[:, None] * ROPE_THETA ** (-torch.arange(half) / half)
        cos, sin = angles.cos(), angles.sin()
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, cos, sin)
        return F.linear(F.rms_norm(x, x.shape[-1:], self.norm, EPS), self.embed.weight)


class Muon(torch.optim.Optimizer):
    """Momentum with an orthogonalised update for the matrices of the blocks (K. Jordan et al. 2024)."""

    def __init__(self, params, lr, momentum=0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                buffer = self.state[p].setdefault("buffer", torch.zeros_like(p))
                buffer.mul_(group["momentum"]).add_(p.grad)
                update = orthogonal(p.grad + group["momentum"] * buffer)
                p.add_(update, alpha=-group["lr"] * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)


def orthogonal(m):
    """A matrix near the orthogonal factor of m, by five steps of the Newton-Schulz quintic iteration."""
    x = m / (m.norm() + 1e-7)
    x = x.T if m.shape[0] > m.shape[1] else x
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if m.shape[0] > m.shape[1] else x


# ---------------------------------------------------------------- files


def save_model(model, folder):
    from safetensors.torch import save_file

    tensors = {"model.embed_tokens.weight": model.embed.weight, "model.norm.weight": model.norm}
    for i, block in enumerate(model.blocks):
        for name, p in block.named_parameters():
            part, _, leaf = name.partition(".")
            group = "" if "layernorm" in part else "mlp." if part[0] in "gud" else "self_attn."
            tensors[f"model.layers.{i}.{group}{part}.{leaf or 'weight'}"] = p
    tensors = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in tensors.items()}
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "model.safetensors")
    save_file(tensors, path, metadata={"format": "pt"})
    os.chmod(path, 0o644)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "head_dim": SHAPE["head_size"],
        "hidden_act": "silu",
        "hidden_size": SHAPE["hidden"],
        "initializer_range": 0.02,
        "intermediate_size": SHAPE["inner"],
        "max_position_embeddings": POSITIONS,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": SHAPE["heads"],
        "num_hidden_layers": SHAPE["layers"],
        "num_key_value_heads": SHAPE["kv_heads"],
        "pretraining_tp": 1,
        "rms_norm_eps": EPS,
        "rope_scaling": None,
        "rope_theta": ROPE_THETA,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": VOCABULARY,
    }
    tokenizer_config = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "bos_token": END,
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
        "model_max_length": POSITIONS,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": None,
    }
    for name, value in (("config", config), ("tokenizer_config", tokenizer_config)):
        with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as f:
            f.write(json.dumps(value, indent=2) + "\n")


# ---------------------------------------------------------------- training


@torch.no_grad()
def losses(model, tokenizer, pairs):
    """Mean loss over the answer's tokens (never of the first token of all) of each (prompt, answer)."""
    out = []
    for start in range(0, len(pairs), 32):
        part = pairs[start : start + 32]
        ids, _ = batch_tensors(
            [(e.ids[:POSITIONS], 0) for e in tokenizer.encode_batch([p + a for p, a in part])]
        )
        logits = model(ids)
        for row, (prompt, answer) in enumerate(part):
            head = max(1, len(tokenizer.encode(prompt).ids))
            n = min(len(tokenizer.encode(prompt + answer).ids), POSITIONS)
            out.append(F.cross_entropy(logits[row, head - 1 : n - 1], ids[row, head:n]).item())
    return out


def evaluate(model, tokenizer, count=256):
    """Median IFD of records made for this, the share that rises when prompts are exchanged, mean losses."""
    records = [tasks.make_record(tasks.SEED, "trial", i) for i in range(count)]
    other = records[7:] + records[:7]
    direct = losses(model, tokenizer, [("", r["output"]) for r in records])
    cond = losses(model, tokenizer, [(prompt_of(r), r["output"]) for r in records])
    whole = losses(model, tokenizer, [(prompt_of(o), r["output"]) for r, o in zip(records, other)])
    ratio = sorted(math.exp(c - d) for c, d in zip(cond, direct) if d == d)
    share = sum(w > c for c, w in zip(cond, whole)) / count
    return ratio[len(ratio) // 2], share, sum(cond) / count, sum(d for d in direct if d == d) / len(ratio)


def rate(step, steps, fall):
    """Warm-up, a flat part, and a linear fall to zero over the last `fall` steps."""
    return min(1.0, (step + 1) / 60, max(0.0, (steps - step) / fall))


class Run:
    """The model, its two optimizers and how far they are; kept in a file where one is given."""

    def __init__(self, rates, state):
        self.model, self.rates, self.state = Model(), rates, state
        matrices = [p for b in self.model.blocks for p in b.parameters() if p.dim() == 2]
        self.rest = [p for p in self.model.parameters() if all(p is not m for m in matrices)]
        self.optimizers = [
            Muon(matrices, rates[0]),
            torch.optim.AdamW(self.rest, lr=rates[1], betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.step, self.pool, self.tokens, self.seen = 0, 0, 0, 0.0
        if state and os.path.exists(state):
            self.load()

    def load(self):
        saved = torch.load(self.state)
        self.model.load_state_dict(saved["model"])
        for optimizer, part in zip(self.optimizers, saved["optimizers"]):
            optimizer.load_state_dict(part)
        self.step, self.pool, self.tokens = saved["step"], saved["pool"], saved["tokens"]

    def save(self):
        parts = {"model": self.model.state_dict(), "optimizers": [o.state_dict() for o in self.optimizers]}
        torch.save({**parts, "step": self.step, "pool": self.pool, "tokens": self.tokens}, self.state)

    def learn(self, batch, steps, fall):
        """One step of both optimizers."""
        for optimizer, full in zip(self.optimizers, self.rates):
            optimizer.param_groups[0]["lr"] = full * rate(self.step, steps, fall)
        ids, weights = batch_tensors(batch)
        logits = self.model(ids[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        loss = (loss * weights.flatten()).sum() / weights.sum()
        self.model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.rest, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step, self.tokens = self.step + 1, self.tokens + sum(len(ids) for ids, _ in batch)
        self.seen = 0.95 * self.seen + 0.05 * loss.item()


def report(run, tokenizer, steps, started):
    if run.step % 20 == 0:
        seconds = time.time() - started
        print(f"step {run.step} loss {run.seen:.4f} tokens {run.tokens} seconds {seconds:.0f}", flush=True)
    if run.step % 200 == 0 or run.step == steps:
        ifd, raised, cond, direct = evaluate(run.model, tokenizer)
        print(
            f"step {run.step} median IFD {ifd:.4f} raised {raised:.4f} conditioned {cond:.4f} direct {direct:.4f}",
            flush=True,
        )


def main():
    ap = argparse.ArgumentParser(description="train the tokenizer and the model of the demonstration")
    ap.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "model"))
    ap.add_argument("--state", default=None, help="a file for the state of a run, to go on after a stop")
    ap.add_argument("--steps", type=int, default=2100)
    ap.add_argument("--fall", type=int, default=380, help="over how many last steps the rates fall to zero")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--muon", type=float, default=0.02, help="rate of the matrices")
    ap.add_argument("--adam", type=float, default=0.004, help="rate of the embedding and the norms")
    a = ap.parse_args()
    torch.manual_seed(tasks.SEED)
    torch.set_num_threads(a.threads)
    os.makedirs(a.out, exist_ok=True)
    tokenizer = train_tokenizer(os.path.join(a.out, "tokenizer.json"))
    run = Run((a.muon, a.adam), a.state)
    parameters = sum(p.numel() for p in run.model.parameters())
    print(f"{parameters} parameters, vocabulary {tokenizer.get_vocab_size()}", flush=True)
    started = time.time()
    while run.step < a.steps:
        for batch in pool_batches(tokenizer, run.pool)[: a.steps - run.step]:
            run.learn(batch, a.steps, a.fall)
            report(run, tokenizer, a.steps, started)
        run.pool += 1
        save_model(run.model, a.out)
        if a.state:
            run.save()
    print(
        f"{run.tokens} tokens, {min(run.pool, POOLS) * RECORDS_PER_POOL} records, {run.pool / POOLS:.2f} epochs"
    )


if __name__ == "__main__":
    main()
