"""A decoded picture as a differentiable module: where was this photo of it taken from? Gradient descent says.

python docs/alignment.py
"""

from pathlib import Path

import torch
from PIL import Image

import inrcodec

SAMPLE = Path(__file__).resolve().parent.parent / "sample_data" / "camera.png"
small = Image.open(SAMPLE).convert("L").resize((64, 64))
picture = inrcodec.as_module(inrcodec.encode(small, inrcodec.EncoderConfig(effort=2, quality=70)))

axis = torch.linspace(-0.5, 0.5, 48)
grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
true_zoom, true_shift = torch.tensor(0.9), torch.tensor([0.06, -0.09])
photo = picture(true_zoom * grid + true_shift)

zoom, shift = torch.ones((), requires_grad=True), torch.zeros(2, requires_grad=True)
optimizer = torch.optim.Adam([zoom, shift], lr=0.01)
for _ in range(300):
    loss = ((picture(zoom * grid + shift) - photo) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"zoom {zoom.item():.3f} (0.900), shift {shift[0].item():.3f} {shift[1].item():.3f} (0.060 -0.090)")
