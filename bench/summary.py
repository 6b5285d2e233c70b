"""The summary at the top of docs/results.md: what falls short first, then what is reached."""

import textwrap
from collections.abc import Callable

from bench.support.claim import Figures, mean, network

SHORT = (
    "ADFA-LD (system calls of a Linux host): AUC {adfa:.3f}. The LSTM alone reaches {lstm:.3f} in the same run, and "
    "Kim et al. (2016, arXiv:1611.01726) report 0.928. A target of 1 % false alarms became {alarms:.1f} % there.",
    "`good` needs {bfloat16:.2f} times as long as airbench94's recipe for 94 % on CIFAR-10 in bfloat16, a small gain, "
    "and {float32:.2f} times as long in float32.",
    "Likelihoods are those of small networks: {mnist:.2f} nats on MNIST (NVAE, Vahdat and Kautz 2020: 78.01) and "
    "{bits:.2f} bits per dimension on CIFAR-10 (VDVAE, Child 2021: 2.87).",
    "Importance sampling is {importance:.1f} times as fast as pythae's, no more.",
    "Generated photographs are blurred: a classifier trained on generated CIFAR-10 pictures alone is right on "
    "{cas:.1f} % of the real ones.",
    "The calibration error on CIFAR-10 is {label:.1f} % against the labels but {human:.1f} % against human answers.",
)
REACHED = (
    "Classify: {quick:.1f} % on CIFAR-10 after {quick_minutes:.1f} minutes of training, {good:.1f} % after "
    "{good_minutes:.0f}, {best:.1f} % after {best_minutes:.0f}, on one or two cores.",
    "Detect: F1 {f1:.3f} on HDFS with a threshold from normal sessions only; {order:.1f} % of the anomalies that "
    "only the order of events reveals; training on {speed:.1f} times as many events per second as a window loop.",
    "Generate: the Fréchet distance to real pictures is {m:.2f} (MNIST), {fm:.2f} (Fashion-MNIST) and {c:.2f} "
    "(CIFAR-10) times that of the best of pythae, after two minutes of training each.",
    "All three trainings of `trine demo` and its report take {demo:.0f} seconds on two cores.",
)


def lines(figures: Callable[[str], Figures]) -> list[str]:
    """The summary; `figures` gives the figures of a result by its name."""
    adfa, hdfs, pythae = figures("detect-adfa-good"), figures("detect-hdfs"), figures("generate-pythae")
    presets = {name: figures(f"classify-cifar10-{name}") for name in ("quick", "good", "best")}
    human, demo = figures("classify-human"), figures("first-minutes")
    values = {
        "adfa": mean(adfa["auc"]),
        "lstm": mean(network(adfa)["auc"]),
        "alarms": 100 * mean(adfa["fpr_realised"]),
        "bfloat16": figures("classify-airbench")["ratio"],
        "float32": figures("classify-airbench-float32")["ratio"],
        "mnist": figures("generate-mnist")["iw_nats"],
        "bits": figures("generate-cifar10")["bits_per_dim"],
        "importance": figures("generate-importance")["ratio"],
        "cas": 100 * figures("generate-cas")["cifar10"]["accuracy_score"],
        "human": 100 * mean(human["ece_human"]),
        "label": 100 * mean(human["ece_label"]),
        "f1": mean(hdfs["f1"]),
        "order": 100 * mean(hdfs["recall_order_only"]),
        "speed": figures("detect-speed")["ratio"],
        "demo": demo["demo_seconds"],
    }
    for name, preset in presets.items():
        values |= {name: 100 * mean(preset["accuracy_tta"]), f"{name}_minutes": mean(preset["train_seconds"]) / 60}
    for name, data in (("m", "mnist"), ("fm", "fashion-mnist"), ("c", "cifar10")):
        values[name] = pythae[data]["ours"]["frechet"] / pythae[data]["best_peer"]["frechet"]
    return [
        *("**What falls short**", "", *bullets(SHORT, values), ""),
        *("**What is reached**", "", *bullets(REACHED, values)),
    ]


def bullets(texts: tuple[str, ...], values: dict[str, float]) -> list[str]:
    """Items of a list, wrapped to the width of the pages."""
    items = [textwrap.wrap(f"- {text.format(**values)}", 130, subsequent_indent="  ") for text in texts]
    return [line for item in items for line in item]
