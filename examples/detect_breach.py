"""Learn the ordinary use of a small web service, then explain its strangest sessions. Some ten seconds.

usage: python examples/detect_breach.py [FOLDER]         FOLDER keeps the run [default: runs/example-detect]
"""

import sys
from pathlib import Path

from trine import Detector
from trine.detect.explain import explain

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example-detect")
model = Detector(hidden=32, embedding=32, folds=1, epochs=2.0, false_alarms=0.01).fit("hostlab", out=folder)
found = model.result.metrics
print(f"misuse found: {found['recall']:.0%}; false alarms: {found['fpr_realised']:.1%} (1 % was asked for)")

test = model.read("hostlab").split("test")
strangest = model.scored(test).judged.p_value.argsort(kind="stable")[:3]
for session in explain(model, test.rows(strangest)):
    print(f"\n{session.name}: p = {session.p_value:.4f}; {session.says}")
    for event in sorted(session.events, key=lambda one: -one.surprisal)[:3]:
        instead, chance = event.expected[0]
        print(f"  {event.event}: {event.surprisal:.1f} nats; expected was {instead} ({chance:.0%})")
