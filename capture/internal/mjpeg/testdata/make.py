"""Writes the JPEG files beside it, with PIL (libjpeg-turbo): python make.py. They are committed."""
import os
import random

from PIL import Image

random.seed(1)
here = os.path.dirname(os.path.abspath(__file__))
m = Image.new("RGB", (37, 27))
for y in range(m.height):
    for x in range(m.width):
        v = 60 + x * 3 + random.randrange(24)
        m.putpixel((x, y), (v % 256, (v + y * 4) % 256, 255 - v % 256))


def save(name, image=m, **options):
    image.save(os.path.join(here, name + ".jpg"), "JPEG", **options)


save("420-optimized", quality=75, subsampling="4:2:0", optimize=True)
save("422-optimized", quality=90, subsampling="4:2:2", optimize=True)
save("444", quality=95, subsampling="4:4:4", optimize=True)
save("420-restart", quality=50, subsampling="4:2:0", restart_marker_blocks=1)
save("grey-restart", m.convert("L"), quality=50, restart_marker_rows=1)
save("rgb", quality=80, keep_rgb=True)
save("progressive", quality=75, progressive=True)
save("cmyk", m.convert("CMYK"), quality=75)
