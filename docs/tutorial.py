"""A tour of the library in one script, a minute on two CPU cores: run it, change it, run it again.

python docs/tutorial.py [FOLDER]          # where its pictures go; default out/tutorial
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import inrcodec

ROOT = Path(__file__).resolve().parent.parent
out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "tutorial"
out.mkdir(parents=True, exist_ok=True)

# 1. A picture becomes bytes: the weights of a network that was fitted to it. Effort 2 is quick; 5 is the default.
original = np.asarray(Image.open(ROOT / "sample_data" / "astronaut.png").resize((96, 96)))
data = inrcodec.encode(original, inrcodec.EncoderConfig(bpp=0.8, effort=2))
print(f"{len(data)} bytes, {8 * len(data) / 96 / 96:.2f} bits a pixel")

# 2. The bytes become pixels again, of any size, of any part.
native = inrcodec.decode(data)
large = inrcodec.decode(data, size=(384, 384))
part = inrcodec.decode(data, size=(256, 256), region=inrcodec.Region(top=16, left=32, height=32, width=32))
deep = inrcodec.decode(data, depth=16)
error = np.mean((native.astype(float) - original) ** 2)
print(f"PSNR {10 * np.log10(255**2 / error):.2f} dB; {native.shape} {large.shape} {part.shape} {deep.dtype}")

# 3. What is opened is a function of the plane: the longer side spans [-1, 1], points are (y, x).
picture = inrcodec.open(data)
along = np.stack([np.zeros(5), np.linspace(-1, 1, 5)], axis=1)
print("colours along the middle row:", np.round(picture.sample(along), 2).tolist())

slopes = picture.gradient(along)  # exact; (N, channels, 2) by (y, x)
print("steepest of these points:", int(np.abs(slopes).max((1, 2)).argmax()))

# 4. Pillow knows the format once it is told to; a thumbnail is drawn small, not reduced from large.
inrcodec.register_pillow()
(out / "astronaut.inr").write_bytes(data)
with Image.open(out / "astronaut.inr") as image:
    print(image.format, image.mode, image.size)
    image.thumbnail((48, 48))
    image.save(out / "thumbnail.png")
Image.fromarray(large).save(out / "large.png")
Image.fromarray(part).save(out / "part.png")

# 5. Foreign bytes are hostile: what is wrong with them has a class and a sentence, and limits are the caller's.
try:
    inrcodec.decode(data[:-1])
except inrcodec.BitstreamError as refusal:
    print(f"{type(refusal).__name__}: {refusal}")
try:
    inrcodec.decode(data, size=(4000, 4000), limits=inrcodec.DecodeLimits(max_output_pixels=10**6))
except inrcodec.LimitError as refusal:
    print(f"{type(refusal).__name__}: {refusal}")

# 6. Does this machine draw the file as the machine that made it?
print(f"verify: {inrcodec.verify(data).text}; pictures are in {out}")
