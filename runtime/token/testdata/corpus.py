"""The texts of the tokenizer goldens, and a generator of many more."""
import random
import sys
import unicodedata

TEXTS = [
    "", " ", "  ", "\n", "\t", "a", "Hello, world!", "hello world  two  spaces", " leading and trailing ",
    "I'm, you're, they'VE, we'Ll, it'S, don't, he'D, 'tis, o'clock 'ſ x'ſy 's'", "can''t 're 'RE're '\u2019s it\u2019s",
    "123 4567 89,000.50 1e-9 0xFF ½ ² ① Ⅷ ٣٤٥ १२३ 10.0.0.1 2026-11-24T16:42:54Z",
    "one\ntwo\r\nthree\n\n\nfour\n  five\n\t\tsix  \n  \n seven\n\n",
    "a\u00a0b\u2003c\u3000d\u200be\u2028f\u2029g\u0085h\u000bi\u000cj\u1680k\ufeffl",
    "   \n   x", "x   ", "x \n", " \n \n \r\n  y  \u3000 z", "\r\r\n\n\r", "...\n\n\n!!!\n ???\r\n", " !\n", "  !", "\u00a0!", "\t!x", "!\tx",
    "func main() {\n\tfor i := 0; i < 10; i++ {\n\t\tfmt.Println(\"i =\", i) // comment\n\t}\n}\n",
    "def f(x: int = 3) -> str:\n    \"\"\"Doc.\"\"\"\n    return f'{x!r}' if x else None  # ok?\n",
    "<div class=\"a-b\" id='c'>&nbsp;5 &lt; 6</div>\n<!-- x -->",
    "SELECT * FROM t WHERE a<>'b''c' AND d>=3.14;\n{\"k\": [1, 2.5, null, true], \"s\": \"\\u00e9\\n\"}",
    "\\frac{a_1^2}{\\sqrt{b}} \\leq \\sum_{i=0}^{\\infty} x_i $$ E=mc^2 $$",
    "https://example.org/a%20b?c=d&e=f#g mailto:x.y+z@example.com /usr/local/bin/../lib C:\\Windows\\System32",
    "Ein Mann fährt über die Straße; größer, Übermaß, ÄÖÜ. Où est-ce que ça s'arrête ? ¿Dónde está el niño? Não há ninguém.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy. Zażółć gęślą jaźń. Árvíztűrő tükörfúrógép. Pijamalı hasta yağız şoföre çabucak güvendi. İıIi",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Їжак їсть. Ђурђевдан.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ΑΒΓ ϊΰ", "שלום עולם, מה שלומך? נִקּוּד", "مرحبا بالعالم، كيف حالك؟ ٱلْعَرَبِيَّة", "سلام دنیا چطوری می‌خواهم",
    "नमस्ते दुनिया, क्षत्रिय ज्ञान श्री।", "বাংলা ভাষা আমার", "ਸਤ ਸ੍ਰੀ ਅਕਾਲ", "தமிழ் மொழி வாழ்க", "తెలుగు ಕನ್ನಡ മലയാളം සිංහල",
    "สวัสดีชาวโลก ภาษาไทยไม่มีช่องว่าง", "ພາສາລາວ ភាសាខ្មែរ မြန်မာဘာသာ བོད་སྐད་", "ქართული ენა Հայերեն ᎠᏂᏴᏫᏯ አማርኛ ᏣᎳᎩ ⴰⵎⴰⵣⵉⵖ",
    "你好,世界!今天天气怎么样?我们去公园吧。", "繁體中文測試,門前有輛紅色的車。", "日本語のテスト。カタカナ、ひらがな、漢字ｶﾀｶﾅ、ー々〆〇", "안녕하세요 세계, 오늘 날씨가 어때요?",
    "한글 자모 분리: 각 가", "Tiếng Việt: Người dân đang đi bộ trên đường phố.",
    "👋🌍😀👨‍👩‍👧‍👦🏳️‍🌈👍🏽🇩🇪🇯🇵 ❤️‍🔥 ☃️ ✓ ✗ → ← ⇒ ∑ ∞ ≈ ≠ √ ∂", "🚗 moves left→right 3️⃣ times!!", "𝓗𝓮𝓵𝓵𝓸 𝟙𝟚𝟛 𐍈 𒀀 𓀀 𠀀𠮷 🀄",
    "e\u0301 cafe\u0301 A\u030a \u212b \u2126 \u1e9b\u0323 n\u0303 \u0915\u093c \u1100\u1161\u11a8 \uf900", "\u0344 \u2adc q\u0323\u0307 q\u0307\u0323",
    "\x00\x01\x02\x07\x1b[31mred\x1b[0m\x7f\x80\x9f\xad\xa0\xff", "a\u0000b", "\u200d\u200c\u2060\u00ad\ufe0f", "\U000e0041\U000f0000\U0010fffd \ufffd \ufffe",
    "_snake_case camelCase PascalCase SCREAMING_CASE kebab-case x1y2z3 a1 1a v2.0.1-rc3", "=====-----*****#####~~~~~+++++", "!!!???...,,,;;;:::'''\"\"\"",
    "The cat sat on the mat. The quick brown fox jumps over the lazy dog. A red car moves from left to right while a person waits at the gate.",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    " " * 200 + "x" + "\n" * 70 + " " * 65 + "\n" + "\t" * 33, "abababababababababababababababababababababababab" * 9, "哈" * 150, "=" * 300, "0" * 120, "🙂" * 40,
    "incomprehensibilities antidisestablishmentarianism Donaudampfschifffahrtsgesellschaftskapitän pneumonoultramicroscopicsilicovolcanoconiosis",
]

# Texts with special tokens in them, encoded with the special tokens parsed.
SPECIAL_TEXTS = [
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nWhat is happening?<|im_end|>\n<|im_start|>assistant\n",
    "<|endoftext|>", "a<|im_end|>b", " <|im_end|> \n", "<|im_end|><|im_end|>", "<|im_start", "<|im_start|", "<<|im_start|>>", "<|im_<|im_start|>", "e<|im_end|>\u0301",
]

SCRIPTS = [
    (0x20, 0x7F), (0xA0, 0x180), (0x180, 0x250), (0x370, 0x400), (0x400, 0x530), (0x590, 0x600), (0x600, 0x700), (0x900, 0xA00), (0xE00, 0xE80),
    (0x10A0, 0x1100), (0x1100, 0x1200), (0x1E00, 0x2000), (0x2000, 0x2070), (0x2070, 0x2200), (0x2200, 0x2400), (0x2600, 0x27C0), (0x3000, 0x3100),
    (0x4E00, 0x5200), (0xAC00, 0xB000), (0xF900, 0xFB00), (0xFE00, 0x10000), (0x1D400, 0x1D800), (0x1F300, 0x1F700), (0x20000, 0x20400),
]


def random_texts(count, seed):
    """Random mixtures of scripts, words, digits and white space; only assigned characters (Unicode 14)."""
    rng = random.Random(seed)
    pools = [[chr(c) for c in range(a, b) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")] for a, b in SCRIPTS]
    words = [w for t in TEXTS for w in t.split() if len(w) < 30]
    spaces = [" ", " ", " ", "  ", "\n", "\n\n", "\t", "\r\n", "   ", " \n", "\u00a0", "\u3000", "'", "'s", "'Re", "1", "42", "2026", "!", "...", "_"]
    for _ in range(count):
        parts = []
        for _ in range(rng.randrange(1, 40)):
            k = rng.random()
            if k < 0.35:
                parts.append(rng.choice(words))
            elif k < 0.7:
                parts.append(rng.choice(spaces))
            else:
                pool = rng.choice(pools)
                parts.append("".join(rng.choice(pool) for _ in range(rng.randrange(1, 8))))
        yield "".join(parts)


if __name__ == "__main__":
    print(len(TEXTS), sum(map(len, TEXTS)), file=sys.stderr)
