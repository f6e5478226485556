#!/usr/bin/env python3
"""Writes the goldens of runtime/imageproc from transformers' default processors.

    pip install transformers==4.57.6 torch==2.15.0 torchvision==0.29.2 pillow==13.0.0 numpy==2.4.6
    python3 make_goldens.py        # in this folder

pixels.json    cases: pictures made by formula (picture() here, testPicture in Go),
               grid_thw, SHA-256 of the float32 patches, sampled pixels; smart_resize tables
full/*.png     small cases: the resized frame, undone from the patches
decode/*       JPEG, PNG and GIF files and PIL's RGB of each (NAME.rgb.png)
"""
import hashlib, io, json, os, random, shutil

import numpy as np
import torch
import transformers
from PIL import Image, ImageOps
from transformers.models.qwen2_vl import Qwen2VLImageProcessorFast, Qwen2VLVideoProcessor
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

assert transformers.__version__ == "4.57.6", transformers.__version__


def picture(w, h, seed):
    """uint8 [h, w, 3]: 16-pixel checks of hashed noise and of a smooth ramp."""
    y, x, c = np.meshgrid(*(np.arange(n, dtype=np.uint32) for n in (h, w, 3)), indexing="ij")
    z = np.uint32((seed * 2654435761) & 0xFFFFFFFF)
    v = (x * np.uint32(73856093)) ^ (y * np.uint32(19349663)) ^ (c * np.uint32(83492791)) ^ z
    v ^= v >> np.uint32(13)
    v *= np.uint32(0x5BD1E995)
    noise = v >> np.uint32(24)
    ramp = (x * (np.uint32(2) + c) + y * (np.uint32(3) - c) + np.uint32(seed * 5)) & np.uint32(255)
    check = ((x >> np.uint32(4)) + (y >> np.uint32(4))) & np.uint32(1)
    return np.where(check == 1, noise, ramp).astype(np.uint8)


def frames_of(pixels, grid, proc):
    """Undoes patch order and normalisation: uint8 [t*2, h, w, 3]."""
    t, h, w = grid
    p = pixels.reshape(t, h // 2, w // 2, 2, 2, 3, 2, 14, 14).transpose(0, 6, 1, 3, 7, 2, 4, 8, 5)
    p = p.reshape(t * 2, h * 14, w * 14, 3)
    u = (p * np.array(proc.image_std, np.float32) + np.array(proc.image_mean, np.float32)) * 255
    assert np.abs(u - np.round(u)).max() < 1e-2
    return np.round(u).astype(np.uint8)


def main():
    for d in ("full", "decode"):
        shutil.rmtree(d, ignore_errors=True)
        os.makedirs(d)
    rng = random.Random(1)
    cases = []

    def case(name, w, h, n, video, lo=None, hi=None):
        cls = Qwen2VLVideoProcessor if video else Qwen2VLImageProcessorFast
        size = dict(cls.size)
        if lo is not None:
            size = {"shortest_edge": lo, "longest_edge": hi}
        proc = cls(size=size)
        frames = [picture(w, h, i) for i in range(n)]
        if video:
            out = proc(videos=[torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)], return_tensors="pt", do_sample_frames=False)
            px, grid = out["pixel_values_videos"], out["video_grid_thw"][0]
        else:
            out = proc(images=[Image.fromarray(frames[0])], return_tensors="pt")
            px, grid = out["pixel_values"], out["image_grid_thw"][0]
        px = np.ascontiguousarray(px.numpy().astype("<f4"))
        grid = [int(v) for v in grid]
        u = frames_of(px, grid, proc)
        samples = []
        for _ in range(200):
            f, y, x = rng.randrange(u.shape[0]), rng.randrange(u.shape[1]), rng.randrange(u.shape[2])
            samples.append([f, y, x] + [int(v) for v in u[f, y, x]])
        full = u[0].size <= 20000
        if full:
            Image.fromarray(u[0]).save(f"full/{name}.png", optimize=True)
        cases.append(dict(name=name, w=w, h=h, frames=n, video=video, min=size["shortest_edge"], max=size["longest_edge"],
                          grid=grid, shape=list(px.shape), sha256=hashlib.sha256(px.tobytes()).hexdigest(),
                          full=full, samples=samples))

    case("one-pixel", 1, 1, 1, False)
    case("tiny", 30, 20, 1, False)
    case("narrow", 17, 31, 1, False)
    case("very-wide", 1000, 20, 1, False)
    case("ratio-200", 4000, 20, 1, False)
    case("very-tall", 12, 700, 1, False)
    case("as-it-is", 84, 56, 1, False)
    case("vga", 640, 480, 1, False)
    case("odd", 333, 97, 1, False)
    case("full-hd", 1920, 1080, 1, False)
    case("large", 4032, 3024, 1, False)
    case("full-hd-to-448", 1920, 1080, 1, False, 56 * 56, 448 * 448)
    case("mixed-small", 120, 64, 1, False, 56 * 56, 56 * 112)
    case("video-two", 64, 48, 2, True)
    case("video-odd", 320, 240, 3, True)
    case("video-one", 50, 90, 1, True)
    case("video-hd", 1280, 720, 4, True)
    case("video-small", 112, 56, 5, True, 56 * 56, 56 * 112)

    sizes = []
    for lo, hi in ((56 * 56, 1280 * 28 * 28), (128 * 28 * 28, 768 * 28 * 28), (56 * 56, 448 * 448)):
        for i in range(150):
            h, w = (int(2 ** rng.uniform(0, 13)) for _ in range(2))
            if i % 3 == 0:  # halves: 14, 42, 70 ...
                h, w = 14 + 28 * rng.randrange(60), 14 + 28 * rng.randrange(60)
            try:
                rh, rw = smart_resize(h, w, 28, lo, hi)
            except ValueError:
                rh, rw = 0, 0  # an error
            sizes.append([h, w, lo, hi, rh, rw])
    with open("pixels.json", "w") as f:
        f.write('{"versions": %s,\n"cases": [\n' % json.dumps(
            dict(transformers=transformers.__version__, torch=torch.__version__, pillow=Image.__version__)))
        f.write(",\n".join(json.dumps(c, separators=(",", ":")) for c in cases))
        f.write('\n],\n"smart_resize": [\n' + ",\n".join(json.dumps(s) for s in sizes) + "\n]}\n")
    decode()


def decode():
    def smooth(w, h):
        y, x = np.mgrid[0:h, 0:w]
        a = np.stack([128 + 120 * np.sin(x / 5), 128 + 120 * np.cos(y / 7), 128 + 120 * np.sin((x + y) / 9)], -1)
        a[h // 3 : h // 2, w // 4 : w // 2] = (250, 10, 30)  # a hard coloured edge
        return Image.fromarray(a.astype(np.uint8))

    def keep(name, data):
        with open(f"decode/{name}", "wb") as f:
            f.write(data)
        img = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        img.save(f"decode/{name}.rgb.png", optimize=True)

    def save(name, img, **kw):
        b = io.BytesIO()
        img.save(b, **kw)
        keep(name, b.getvalue())

    base = smooth(61, 43)
    save("444.jpg", base, format="JPEG", quality=90, subsampling=0)
    save("422.jpg", base, format="JPEG", quality=90, subsampling=1)
    save("420.jpg", base, format="JPEG", quality=90, subsampling=2)
    save("420-even.jpg", smooth(64, 48), format="JPEG", quality=75, subsampling=2)
    save("420-narrow.jpg", smooth(4, 33), format="JPEG", quality=75, subsampling=2)
    save("420-five.jpg", smooth(5, 33), format="JPEG", quality=75, subsampling=2)
    save("progressive.jpg", base, format="JPEG", quality=80, progressive=True)
    save("grey.jpg", base.convert("L"), format="JPEG", quality=85)
    save("cmyk.jpg", base.convert("CMYK"), format="JPEG", quality=85)
    for o in range(1, 9):
        ex = Image.Exif()
        ex[0x0112] = o
        save(f"exif{o}.jpg", smooth(24, 16), format="JPEG", quality=95, subsampling=0, exif=ex.tobytes())
    save("rgb.png", base, format="PNG")
    alpha = base.convert("RGBA")
    alpha.putalpha(Image.fromarray((np.mgrid[0:43, 0:61][1] * 4).astype(np.uint8)))
    save("rgba.png", alpha, format="PNG")
    save("grey.png", base.convert("L"), format="PNG")
    save("grey-alpha.png", alpha.convert("LA"), format="PNG")
    save("bilevel.png", base.convert("1"), format="PNG")
    save("palette.png", base.quantize(31), format="PNG")
    save("palette-transparent.png", base.quantize(31), format="PNG", transparency=3)
    save("rgb-transparent.png", base, format="PNG", transparency=(250, 10, 30))
    save("palette.gif", base.quantize(63), format="GIF")


if __name__ == "__main__":
    main()
