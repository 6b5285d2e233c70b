"""Training and scoring rates of an LSTM of 128 units, beside a plain loop over windows of 10 events. Cost: 2 min.

The peer is written from DeepLog's paper (Du et al., CCS 2017) as its public implementations do it: every event is a
sample of its own, predicted from the window of the 10 before it. Both train the same embedding, LSTM and output layer,
with the same optimiser, a few steps at a time in turn; an event counts when it was a target once.
"""

import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

import record
from trine.detect.detector import Detector
from trine.detect.surprisal import Encoded, surprisals
from trine.train import compute
from trine.train.device import choose
from trine.train.loop import Training
from trine.train.run import Run

WINDOW, PEER_BATCH, TURNS, STEPS = 10, 2_048, 12, 5


class Windows(nn.Module):
    def __init__(self, events: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(events, 128)
        self.lstm = nn.LSTM(128, 128, batch_first=True)
        self.head = nn.Linear(128, events)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.embedding(windows))[0][:, -1])


def peer(codes: torch.Tensor, events: int):
    net = Windows(events)
    adam = torch.optim.AdamW(net.parameters())
    windows, targets = codes.unfold(0, WINDOW, 1)[:-1], codes[WINDOW:]

    def step() -> int:
        chosen = torch.randint(len(targets), (PEER_BATCH,))
        loss = F.cross_entropy(net(windows[chosen]), targets[chosen])
        loss.backward()
        adam.step()
        adam.zero_grad()
        return PEER_BATCH

    return step


def timed(step) -> float:
    start, events = time.perf_counter(), 0
    for _ in range(STEPS):
        events += step()
    return events / (time.perf_counter() - start)


if __name__ == "__main__":
    model = Detector(folds=1)
    model.device = choose("cpu")
    opened = model.open("adfa-ld", None, model.recipe)
    objective = model.objective(opened, model.recipe)
    training = Training(objective, Run(record.RUNS / "speed"), model.device)
    training.stepping = training.model
    encoded = Encoded.of(opened.folds[0][0], model.vocabulary)

    def ours() -> int:
        training.take_step(training.clock.step)
        training.clock.step += 1
        return training.batch_samples

    windows = peer(torch.from_numpy(encoded.columns["event"]), model.vocabulary.sizes["event"])
    for step in (ours, windows):
        timed(step)
    rates = [(timed(ours), timed(windows)) for _ in range(TURNS)]
    flops = next(iter(training.phase_flops.values())) / training.batch_samples
    mine, theirs = (statistics.median(column) for column in zip(*rates, strict=True))
    start = time.perf_counter()
    surprisals(next(iter(model.model)), Encoded.of(opened.table, model.vocabulary))
    scoring = len(opened.table.events) / (time.perf_counter() - start)
    sgemm = compute.sgemm_gflops()
    figures = {
        "train_events_per_second": mine,
        "window_loop_events_per_second": theirs,
        "ratio": statistics.median(ours / other for ours, other in rates),
        "gflops": mine * flops / 1e9,
        "sgemm_gflops": sgemm,
        "share_of_sgemm": mine * flops / 1e9 / sgemm,
        "scoring_events_per_second": scoring,
    }
    record.keep("detect-speed", "python bench/detect_speed.py", figures)
