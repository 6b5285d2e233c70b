"""Learn the normal use of a small web service, then explain the strangest sessions. About ten seconds.

usage: python examples/detect_breach.py [FOLDER]         FOLDER keeps the run [default: runs/example-detect]
"""

import sys
from pathlib import Path

from trine import Detector
from trine.detect.explain import explain

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example-detect")
model = Detector(hidden=32, embedding=32, folds=1, epochs=2.0, false_alarms=0.01).fit("hostlab", out=folder)
metrics = model.result.metrics
print(f"attacks found: {metrics['recall']:.0%}; false alarms: {metrics['fpr_realised']:.1%} (target: 1 %)")

test = model.read("hostlab").split("test")
for session in explain(model, model.strangest(test, 3)):
    print(f"\n{session.name}: p = {session.p_value:.4f}; {session.says}")
    for event in sorted(session.events, key=lambda event: -event.surprisal)[:3]:
        expected, probability = event.expected[0]
        print(f"  {event.event}: {event.surprisal:.1f} nats; expected was {expected} ({probability:.0%})")
