"""The gate model's tokenizer: byte-level BPE with Qwen2's pre-tokenizer, trained so that each word of the world is one token.

The words come from `feed -words`; a checkpoint keeps that text. Ids: 256 bytes, then merges, then the special tokens. The order
depends on nothing but the text."""
import regex

# What the engine's prompt adds to the world's own sentences.
CHAT = "You are a helpful assistant.\nsystem\nuser\nassistant\n"

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
            "<|box_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]

PRE = regex.compile(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = regex.compile("(" + "|".join(map(regex.escape, SPECIALS)) + ")")

CHAT_TEMPLATE = ("{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
                 "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
                 "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}"
                 "{% if content['type'] == 'image' or 'image' in content %}<|vision_start|><|image_pad|><|vision_end|>"
                 "{% elif content['type'] == 'video' or 'video' in content %}<|vision_start|><|video_pad|><|vision_end|>"
                 "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
                 "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def byte_alphabet():
    """GPT-2's printable stand-ins for the 256 bytes."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    out, n = {}, 0
    for b in range(256):
        if b in keep: out[b] = chr(b)
        else: out[b] = chr(256 + n); n += 1
    return out


class Tokenizer:
    def __init__(self, text):
        self.bytes = byte_alphabet()
        found = {w for line in (CHAT + text).split("\n") for part in SPECIAL.split(line) if part not in SPECIALS for w in PRE.findall(part)}
        both = {f(w) for w in found if w.strip()[:1].isupper() for f in (str.strip, lambda w: " " + w.strip())}    # sentences open and follow
        self.words = sorted(found | both)
        parts = {w: [self.bytes[b] for b in w.encode()] for w in self.words}
        self.merges = []
        while True:                                     # plain BPE training until each word is one piece
            count = {}
            for p in parts.values():
                for a, b in zip(p, p[1:]): count[a, b] = count.get((a, b), 0) + 1
            if not count: break
            best = max(count, key=lambda k: (count[k], k))
            self.merges.append(best)
            for w, p in parts.items(): parts[w] = self._merge(p, best)
        self.tokens = [self.bytes[b] for b in range(256)] + [a + b for a, b in self.merges] + SPECIALS
        self.used = len(self.tokens)
        self.tokens += [f"[PAD{i}]" for i in range(self.used, -(-self.used // 32) * 32)]   # whole blocks of rows
        self.ids = {t: i for i, t in enumerate(self.tokens)}
        assert len(self.ids) == len(self.tokens) <= 4096
        self.rank = {m: i for i, m in enumerate(self.merges)}
        self.cache = {}
        self.unbyte = {c: b for b, c in self.bytes.items()}
        for w in self.words: assert len(self.encode(w)) == 1, w

    @staticmethod
    def _merge(p, pair):
        out, i = [], 0
        while i < len(p):
            if i + 1 < len(p) and (p[i], p[i + 1]) == pair: out.append(p[i] + p[i + 1]); i += 2
            else: out.append(p[i]); i += 1
        return out

    def _piece(self, w):
        if w not in self.cache:
            p = [self.bytes[b] for b in w.encode()]
            while len(p) > 1:
                r, pair = min((self.rank.get(q, 1 << 30), q) for q in zip(p, p[1:]))
                if r == 1 << 30: break
                p = self._merge(p, pair)
            self.cache[w] = [self.ids[x] for x in p]
        return self.cache[w]

    def encode(self, text):
        out = []
        for part in SPECIAL.split(text):
            if part in SPECIALS: out.append(self.ids[part])
            else:
                for w in PRE.findall(part): out += self._piece(w)
        return out

    def decode(self, ids):
        s = b""
        for i in ids:
            t = self.tokens[i]
            s += t.encode() if t in SPECIALS else bytes(self.unbyte[c] for c in t)
        return s.decode("utf-8", "replace")


# The prompt as the engine renders it (Qwen2-VL's ChatML), in the two parts around the vision tokens.
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
BEFORE = "<|im_start|>user\n<|vision_start|>"
def after(question): return f"<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
END = "<|im_end|>"
