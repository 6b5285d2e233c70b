"""Training and scoring rates of an LSTM of 128 units; peer: a loop over windows of 10 events. Cost: 2 min.

The peer is written from DeepLog's paper (Du et al., CCS 2017) and trained like its public implementations: each event
is a sample, predicted from the 10 events before it; a `TensorDataset` and a shuffling `DataLoader` in batches of 2,048;
float32, torch's fused LSTM, Adam, the loss read after every step. It is measured twice:

- `window_loop`: with Trine's network (one layer of 128, an embedding of 128), so that only the training differs. The
  ratio is relative to this one.
- `published`: with the network of those implementations (the event's index as the only input, two layers), 128 units.

All train alternately for a second each; an event counts once it was a target. The share of sgemm is that of Trine.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bench.support import record
from bench.support.claim import Cells, Claim, times
from trine import machine
from trine.detect.recipe import DetectRecipe
from trine.detect.surprisal import surprisals
from trine.detect.training import DetectorTrainer
from trine.sequences.vocabulary import EVENT, EncodedTable, Vocabulary
from trine.train.step import Stepper

UNITS, WINDOW, PEER_BATCH = 128, 10, 2_048
TURNS, TURN_SECONDS = 12, 1.0

CLAIMS = [
    Claim(
        "LSTM of 128 units, training: events per second; peer: a loop over windows of 10 events",
        "detect-speed",
        lambda f: Cells(
            f"{f['train_events_per_second']:,.0f}", f"{f['window_loop_events_per_second']:,.0f}", times(f["ratio"], 1)
        ),
        "The peer is the window loop of DeepLog's public implementations: in the first line with Trine's network, in "
        "the second with their network of two layers.",
        front=True,
    ),
    Claim(
        "the same; peer: the loop with the published network",
        "detect-speed",
        lambda f: Cells(
            f"{f['train_events_per_second']:,.0f}",
            f"{f['published_events_per_second']:,.0f}",
            times(f["ratio_to_published"], 1),
        ),
    ),
    Claim(
        "LSTM of 128 units, training: share of the sgemm rate",
        "detect-speed",
        lambda f: Cells(f"{100 * f['share_of_sgemm']:.0f} %"),
    ),
    Claim(
        "LSTM of 128 units, scoring whole sequences: events per second",
        "detect-speed",
        lambda f: Cells(f"{f['scoring_events_per_second']:,.0f}"),
    ),
]

Step = Callable[[], int]
"""One update of the weights; returns the number of predicted events."""


class Numbers(nn.Module):
    """An event as its number: (batch, window, 1)."""

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return windows[..., None].float()


class Windows(nn.Module):
    """Predicts the event after a window."""

    def __init__(self, read: nn.Module, width: int, layers: int, events: int) -> None:
        super().__init__()
        self.read = read
        self.lstm = nn.LSTM(width, UNITS, layers, batch_first=True)
        self.head = nn.Linear(UNITS, events)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.read(windows))[0][:, -1])


def peer(net: nn.Module, codes: torch.Tensor) -> Step:
    samples = TensorDataset(codes.unfold(0, WINDOW, 1)[:-1], codes[WINDOW:].long())
    batches = endless(DataLoader(samples, PEER_BATCH, shuffle=True))
    criterion, adam = nn.CrossEntropyLoss(), torch.optim.Adam(net.parameters())

    def step() -> int:
        windows, targets = next(batches)
        loss = criterion(net(windows), targets)
        adam.zero_grad()
        loss.backward()
        adam.step()
        loss.item()
        return len(targets)

    return step


def endless(loader: DataLoader) -> Iterator[list[torch.Tensor]]:
    while True:
        yield from loader


def timed(step: Step) -> float:
    """Events per second over one turn."""
    start, events = time.perf_counter(), 0
    while (seconds := time.perf_counter() - start) < TURN_SECONDS:
        events += step()
    return events / seconds


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    trainer = DetectorTrainer(DetectRecipe.preset(folds=1, hidden=UNITS, embedding=UNITS), "cpu")
    opened = trainer.open("adfa-ld", None)
    vocabulary = Vocabulary.of(opened.normal, trainer.recipe.attributes)
    objective = trainer.objective(opened, trainer.recipe)
    stepper = Stepper(objective, trainer.device)
    encoded = EncodedTable.of(opened.folds[0].train, vocabulary)

    def ours() -> int:
        taken = stepper.take(stepper.clock.step)
        stepper.clock.step += 1
        return taken.samples

    codes, events = torch.from_numpy(encoded.columns[EVENT]), vocabulary.sizes[EVENT]
    loop = peer(Windows(nn.Embedding(events, UNITS), UNITS, 1, events), codes)
    published = peer(Windows(Numbers(), 1, 2, events), codes)
    steps = (ours, loop, published)
    for step in steps:
        timed(step)
    rates = [[timed(step) for step in steps] for _ in range(TURNS)]
    flops = max(stepper.phase_flops.values()) / (objective.count * trainer.recipe.steps)
    mine, of_loop, of_published = (statistics.median(column) for column in zip(*rates, strict=True))
    start = time.perf_counter()
    surprisals(next(iter(objective.network.eval())), EncodedTable.of(opened.table, vocabulary))
    scoring = len(opened.table.events) / (time.perf_counter() - start)
    sgemm = machine.sgemm_gflops()
    figures = {
        "train_events_per_second": mine,
        "window_loop_events_per_second": of_loop,
        "published_events_per_second": of_published,
        "ratio": statistics.median(turn[0] / turn[1] for turn in rates),
        "ratio_to_published": statistics.median(turn[0] / turn[2] for turn in rates),
        "gflops": mine * flops / 1e9,
        "sgemm_gflops": sgemm,
        "share_of_sgemm": mine * flops / 1e9 / sgemm,
        "scoring_events_per_second": scoring,
    }
    record.keep("detect-speed", "python -m bench.detect.speed", figures)
