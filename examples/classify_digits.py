"""Train a classifier on 1,797 small digits, then answer only where it is sure. A few seconds.

usage: python examples/classify_digits.py [FOLDER]       FOLDER keeps the run [default: runs/example-classify]
"""

import sys
from pathlib import Path

from PIL import Image

from trine import Classifier

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example-classify")
model = Classifier(widths=(32, 64), shift=1, least_steps=120).fit("digits", out=folder)
print(f"accuracy on digits it had never seen: {model.result.metrics['accuracy_tta']:.1%}")

test = model.open("digits", None, model.recipe).splits["test"]
for number in range(5):
    path = folder / f"digit-{number}.png"
    Image.fromarray(test.images[number].squeeze()).save(path)
    answer = model.predict([path])[0]
    said = "not sure" if answer.abstain else answer.label
    print(f"{path.name}: {said} (p = {answer.probability:.2f}); it is {model.classes[test.labels[number]]}")
