"""Learn to draw small digits, then generate new ones and interpolate between two. A few seconds.

usage: python examples/generate_digits.py [FOLDER]       FOLDER keeps the run [default: runs/example-generate]
"""

import sys
from pathlib import Path

from trine import Generator
from trine.generate.explore import between_samples
from trine.sheet import grid_png

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example-generate")
model = Generator(widths=(16, 32), latent=8, least_steps=200, flow_steps=300).fit("digits", out=folder)
print(f"bound on test digits: {model.result.metrics['elbo_nats']:.1f} nats per picture")

for name, pictures in (("new.png", model.sample(64, seed=1)), ("walk.png", between_samples(model, steps=12))):
    (folder / name).write_bytes(grid_png(pictures, columns=8 if name == "new.png" else 12))
    print(folder / name)
