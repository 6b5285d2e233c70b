"""Train a classifier on 1,797 small digits, then answer only when the model is sure. A few seconds.

usage: python examples/classify_digits.py [FOLDER]       FOLDER keeps the run [default: runs/example-classify]
"""

import sys
from pathlib import Path

from trine import Classifier

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example-classify")
model = Classifier(widths=(32, 64), shift=1, least_steps=120).fit("digits", out=folder)
print(f"accuracy on test digits: {model.result.metrics['accuracy_tta']:.1%}")

test = model.open("digits").splits["test"]
for answer, label in zip(model.predict(list(test.images[:5])), test.labels, strict=False):
    given = "not sure" if answer.abstain else answer.label
    print(f"{answer.path}: {given} (p = {answer.probability:.2f}); it is {model.classes[label]}")
