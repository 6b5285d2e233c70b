"""What Trine claims, row by row: what was asked, the file that holds the figure, and whether it holds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from record import SUFFIXES

Figures = dict[str, Any]
Level = Callable[[Figures], int]
"""How far the figures came: 0 not to the floor, 1 to the floor, 2 to the aim."""
VERDICTS = ("**not reached**", "reached", "aim reached")
GENERATED = ("mnist", "fashion-mnist", "cifar10")


@dataclass(frozen=True)
class Claim:
    """A row of the tables."""

    what: str
    result: str
    """The file under bench/results, without its ending."""
    show: Callable[[Figures], str]
    floor: str
    aim: str
    level: Level
    front: bool = False
    """Whether README shows it too."""
    peer: Callable[[Figures], str] = lambda f: "–"
    """What another program came to in the same run."""


def at_least(value: Callable[[Figures], float], floor: float, aim: float = float("inf")) -> Level:
    return lambda f: (value(f) >= floor) + (value(f) >= aim)


def at_most(value: Callable[[Figures], float], floor: float, aim: float = float("-inf")) -> Level:
    return lambda f: (value(f) <= floor) + (value(f) <= aim)


def holds(floor: Callable[[Figures], bool], aim: Callable[[Figures], bool] = lambda f: False) -> Level:
    return lambda f: (1 + aim(f)) if floor(f) else 0


def each(*levels: Level) -> Level:
    """The least of several levels."""
    return lambda f: min(level(f) for level in levels)


def within(pflop: float, level: Level) -> Level:
    """The level, if the training took no more compute than this."""
    return lambda f: level(f) if mean(f["train_pflop"]) <= pflop else 0


def mean(figure: Figures | float) -> float:
    return figure["mean"] if isinstance(figure, dict) else figure


def worst(figure: Figures) -> float:
    return max(figure["values"])


def percent(spread: Figures, digits: int = 2) -> str:
    return f"{100 * spread['mean']:.{digits}f} ± {100 * spread['sd']:.{digits}f} %"


def plain(spread: Figures, digits: int = 3) -> str:
    return f"{spread['mean']:.{digits}f} ± {spread['sd']:.{digits}f}"


CIFAR10 = {
    "classify-cifar10-quick": "`quick`",
    "classify-cifar10-good": "`good`",
    "classify-cifar10-quick-float32": "`quick` in single precision",
    "classify-cifar10-good-float32": "`good` in single precision",
}
"""The files of these trainings, and how rows name them: processors without bfloat16 compute in single precision."""
PRECISIONS = {SUFFIXES["bfloat16"]: "", SUFFIXES["float32"]: ", in single precision"}
"""How rows name the precision, by the suffix of a result's name."""


def cifar10(result: str) -> Claim:
    """The row of a preset's accuracy."""
    quick = "quick" in result
    accurate, floor, aim = (0.90, 0.05, 0.03) if quick else (0.94, 0.25, 0.15)
    return Claim(
        f"CIFAR-10, {CIFAR10[result]}, test accuracy",
        result,
        lambda f: percent(f["accuracy_tta"]),
        f"{100 * accurate:.1f} % with ≤ {floor} PFLOP",
        f"≤ {aim} PFLOP",
        each(
            at_least(lambda f: f["accuracy_tta"]["mean"], accurate, accurate),
            at_most(lambda f: mean(f["train_pflop"]), floor, aim),
        ),
        front=True,
    )


CLASSIFY = [
    *(cifar10(result) for result in CIFAR10),
    *(
        Claim(
            f"share of the machine's sgemm rate, training {name}",
            result,
            lambda f: percent(f["share_of_sgemm"], 0),
            "≥ 75 %",
            "≥ 90 %",
            at_least(lambda f: f["share_of_sgemm"]["mean"], 0.75, 0.9),
        )
        for result, name in CIFAR10.items()
    ),
    *(
        Claim(
            f"time of `good` to that of airbench94's Muon recipe to 94 %, same cores{precision}",
            f"classify-airbench{suffix}",
            lambda f: f"{f['ratio']:.2f}× ({f['our_seconds_to_94']:.0f} s)",
            "≤ 0.8×",
            "≤ 0.5×",
            at_most(lambda f: f["ratio"], 0.8, 0.5),
            front=True,
            peer=lambda f: f"airbench94: {f['peer_seconds_to_94']:.0f} s",
        )
        for suffix, precision in PRECISIONS.items()
    ),
    *(
        Claim(
            f"`--minutes 15` on CIFAR-10{precision}: time taken",
            f"classify-minutes-15{suffix}",
            lambda f: (
                f"{f['wall_minutes']:.2f} min ({100 * f['deviation']:+.1f} %), accuracy {100 * f['accuracy_tta']:.2f} %"
            ),
            "15 min ± 5 %",
            "accuracy within 1 point of the best fixed recipe of that compute",
            at_most(lambda f: abs(f["deviation"]), 0.05),
        )
        for suffix, precision in PRECISIONS.items()
    ),
    *(
        Claim(
            f"calibration error on the CIFAR-10 test split, {name}",
            result,
            lambda f: percent(f["ece"]),
            "≤ 1.5 %",
            "≤ 1.0 %",
            at_most(lambda f: f["ece"]["mean"], 0.015, 0.01),
        )
        for result, name in CIFAR10.items()
    ),
    Claim(
        "calibration error against people's answers to the same pictures (CIFAR-10H), `quick`",
        "classify-human",
        lambda f: percent(f["ece_human"]),
        "",
        "≤ 1.0 %",
        at_most(lambda f: f["ece_human"]["mean"], 0.01, 0.01),
    ),
    Claim(
        "start to first step, store cached",
        "classify-start",
        lambda f: f"{f['seconds']:.1f} s",
        "≤ 5 s",
        "≤ 2 s",
        at_most(lambda f: f["seconds"], 5, 2),
    ),
    *(
        Claim(
            f"peak memory of `fit cifar10`, {name}",
            result,
            lambda f: f"{worst(f['peak_memory_gib']):.2f} GiB",
            "≤ 3 GiB",
            "≤ 1.5 GiB",
            at_most(lambda f: worst(f["peak_memory_gib"]), 3, 1.5),
        )
        for result, name in CIFAR10.items()
    ),
]

DETECT = [
    *(
        Claim(
            f"ADFA-LD, `{effort}`, fused, AUC",
            f"detect-adfa-{effort}",
            lambda f: plain(f["auc"]),
            "≥ 0.850",
            "≥ 0.90",
            at_least(lambda f: f["auc"]["mean"], 0.85, 0.9),
            front=effort == "good",
        )
        for effort in ("quick", "good")
    ),
    *(
        Claim(
            f"ADFA-LD, `{effort}`, fused, found at 1 % / 5 % false alarms",
            f"detect-adfa-{effort}",
            lambda f: f"{plain(f['tpr_at_fpr']['0.01'], 2)} / {plain(f['tpr_at_fpr']['0.05'], 2)}",
            "≥ 0.18 / 0.36",
            "≥ 0.30 / 0.50",
            each(
                at_least(lambda f: f["tpr_at_fpr"]["0.01"]["mean"], 0.18, 0.3),
                at_least(lambda f: f["tpr_at_fpr"]["0.05"]["mean"], 0.36, 0.5),
            ),
        )
        for effort in ("quick", "good")
    ),
    *(
        Claim(
            f"ADFA-LD, `{effort}`, the LSTM alone, AUC",
            f"detect-adfa-{effort}",
            lambda f: plain(f["per_member"]["lstm"]["auc"], 4),
            "≥ 0.837",
            "≥ 0.86",
            at_least(lambda f: f["per_member"]["lstm"]["auc"]["mean"], 0.837, 0.86),
        )
        for effort in ("quick", "good")
    ),
    Claim(
        "ADFA-LD, `--minutes 6`, fused, AUC",
        "detect-minutes-6",
        lambda f: f"{f['auc']:.3f} in {f['wall_minutes']:.2f} min",
        "≥ 0.850",
        "",
        at_least(lambda f: f["auc"], 0.85),
    ),
    Claim(
        "HDFS at its natural rate, threshold from normal data, F1",
        "detect-hdfs",
        lambda f: f"{plain(f['f1'])}; order-only anomalies found: {percent(f['recall_order_only'], 1)}",
        "≥ 0.95",
        "≥ 0.988",
        at_least(lambda f: f["f1"]["mean"], 0.95, 0.988),
        front=True,
    ),
    Claim(
        "realised false alarms, target 1 %, on 20 random cuts",
        "detect-false-alarms",
        lambda f: f"mean {100 * f['mean']:.2f} %, inside its interval {f['inside']} of {f['cuts']} times",
        "18 of 20",
        "mean within ± 10 % of the target",
        holds(lambda f: f["inside"] >= 18, lambda f: abs(f["mean"] / f["target"] - 1) <= 0.1),
    ),
    Claim(
        "hostlab, misuse found at a false-alarm target of 1 %",
        "detect-hostlab",
        lambda f: (
            f"{percent(f['recall'], 1)}, realised {percent(f['fpr_realised'])}, target inside its interval "
            f"{f['inside']} of {f['seeds']} times"
        ),
        "≥ 80 %, target inside the interval",
        "",
        holds(lambda f: f["recall"]["mean"] >= 0.8 and f["inside"] == f["seeds"]),
    ),
    Claim(
        "hostlab, fit and evaluate",
        "detect-hostlab",
        lambda f: f"{f['seconds']['mean']:.0f} s",
        "≤ 60 s",
        "",
        at_most(lambda f: worst(f["seconds"]), 60),
    ),
    Claim(
        "template mining, 16 loghub sets, one setting, mean grouping accuracy",
        "templates",
        lambda f: f"{f['grouping_accuracy_mean']['trine']:.3f}",
        "≥ 0.865",
        "≥ 0.92",
        at_least(lambda f: f["grouping_accuracy_mean"]["trine"], 0.865, 0.92),
        front=True,
        peer=lambda f: f"drain3 as it comes: {f['grouping_accuracy_mean']['drain3']:.3f}",
    ),
    Claim(
        "template mining, lines/s on a stream, one core, beside drain3",
        "templates",
        lambda f: f"{f['times_drain3']['stream']:.1f}× (cold 2,000-line sets: {f['times_drain3']['cold']:.1f}×)",
        "≥ 4×",
        "≥ 8×",
        at_least(lambda f: f["times_drain3"]["stream"], 4, 8),
    ),
    Claim(
        "template mining, memory for a million lines",
        "templates",
        lambda f: f"{f['peak_mib']['1000000']} MiB ({f['peak_mib']['100000']} MiB for a tenth of them)",
        "≤ 500 MiB",
        "flat in the number of lines",
        holds(
            lambda f: f["peak_mib"]["1000000"] <= 500,
            lambda f: f["peak_mib"]["1000000"] <= 1.25 * f["peak_mib"]["100000"],
        ),
    ),
    Claim(
        "training, LSTM of 128: events/s against a loop over windows of 10",
        "detect-speed",
        lambda f: (
            f"{f['ratio']:.1f}× ({f['train_events_per_second']:,.0f}); "
            f"{f['ratio_to_published']:.1f}× with the published two-layer network"
        ),
        "≥ 10×",
        "≥ 20×",
        at_least(lambda f: f["ratio"], 10, 20),
        front=True,
        peer=lambda f: (
            f"the loop: {f['window_loop_events_per_second']:,.0f}; "
            f"with two layers: {f['published_events_per_second']:,.0f}"
        ),
    ),
    Claim(
        "training, LSTM of 128: share of the machine's sgemm rate",
        "detect-speed",
        lambda f: f"{100 * f['share_of_sgemm']:.0f} %",
        "≥ 50 %",
        "≥ 70 %",
        at_least(lambda f: f["share_of_sgemm"], 0.5, 0.7),
    ),
    Claim(
        "scoring whole sequences, LSTM of 128",
        "detect-speed",
        lambda f: f"{f['scoring_events_per_second']:,.0f} events/s",
        "≥ 60,000",
        "≥ 120,000",
        at_least(lambda f: f["scoring_events_per_second"], 60_000, 120_000),
    ),
]


def generate_speed(result: str, precision: str) -> tuple[Claim, ...]:
    """The rows of how fast a generator learns and draws."""
    return (
        Claim(
            f"sampling 64 pictures of 32×32, command start included{precision}",
            result,
            lambda f: f"{f['command_seconds']:.1f} s",
            "≤ 6 s",
            "≤ 3 s",
            at_most(lambda f: f["command_seconds"], 6, 3),
        ),
        Claim(
            f"sampling in a running process, `plain`, 32×32{precision}",
            result,
            lambda f: "{flow:,.0f} pictures/s ({normal:,.0f} without the fitted prior)".format(
                **f["pictures_per_second"]
            ),
            "",
            "≥ 2,000 pictures/s",
            at_least(lambda f: f["pictures_per_second"]["flow"], 2000, 2000),
        ),
        Claim(
            f"share of the machine's sgemm rate, training a generator by `good`, `plain` / `deep`{precision}",
            result,
            lambda f: f"{100 * f['plain']['share']:.0f} / {100 * f['deep']['share']:.0f} %",
            "≥ 50 %",
            "≥ 75 %",
            at_least(lambda f: min(f[network]["share"] for network in ("plain", "deep")), 0.5, 0.75),
        ),
    )


GENERATE = [
    Claim(
        "MNIST, dynamically binarised: nats by importance sampling, first 1,000 test pictures; bound on all 10,000",
        "generate-mnist",
        lambda f: f"{f['iw_nats']:.2f}; {f['elbo_nats']:.2f}",
        "≤ 86 with ≤ 0.07 PFLOP",
        "≤ 84.6",
        within(0.07, at_most(lambda f: f["iw_nats"], 86, 84.6)),
        front=True,
    ),
    Claim(
        "CIFAR-10, bits a dimension by the bound, 10,000 test pictures",
        "generate-cifar10",
        lambda f: f"{f['bits_per_dim']:.2f}",
        "≤ 4.4 with ≤ 0.2 PFLOP",
        "≤ 3.9",
        within(0.2, at_most(lambda f: f["bits_per_dim"], 4.4, 3.9)),
        front=True,
    ),
    *(claim for suffix, said in PRECISIONS.items() for claim in generate_speed(f"generate-speed{suffix}", said)),
    Claim(
        "20 seeds of `quick` on digits28: bound, failures",
        "generate-collapse",
        lambda f: (
            f"{plain(f['elbo_nats'], 1)} nats ({100 * f['relative_spread']:.2f} %), "
            f"{f['not_finite']} not finite, {f['collapsed']} collapsed"
        ),
        "no NaN, no collapse",
        "spread < 1 %",
        holds(lambda f: f["not_finite"] + f["collapsed"] == 0, lambda f: f["relative_spread"] < 0.01),
    ),
    Claim(
        "pictures beside the best of pythae, same data and minutes: `frechet_lite0` lower by",
        "generate-pythae",
        lambda f: ", ".join(
            f"{data} {100 * f[data]['lower_by']:.0f} % ({f[data]['ours']['frechet']:.2f})" for data in GENERATED
        ),
        "≥ 15 % on two of three",
        "≥ 30 % on all three, coverage higher",
        holds(
            lambda f: sum(f[data]["lower_by"] >= 0.15 for data in GENERATED) >= 2,
            lambda f: all(
                f[data]["lower_by"] >= 0.3 and f[data]["ours"]["coverage"] > f[data]["best_peer"]["coverage"]
                for data in GENERATED
            ),
        ),
        front=True,
        peer=lambda f: ", ".join(f"{data} {f[data]['best_peer']['frechet']:.2f}" for data in GENERATED),
    ),
    Claim(
        "classification accuracy score, MNIST / Fashion-MNIST / CIFAR-10",
        "generate-cas",
        lambda f: " / ".join(f"{100 * f[data]['accuracy_score']:.1f} %" for data in GENERATED),
        "≥ 95 / 75 / 35 %",
        "≥ 97 / 82 / 50 %",
        each(
            at_least(lambda f: f["mnist"]["accuracy_score"], 0.95, 0.97),
            at_least(lambda f: f["fashion-mnist"]["accuracy_score"], 0.75, 0.82),
            at_least(lambda f: f["cifar10"]["accuracy_score"], 0.35, 0.5),
        ),
    ),
    Claim(
        "importance-weighted likelihood of MNIST pictures: pictures/s beside pythae's `get_nll`, same network",
        "generate-importance",
        lambda f: f"{f['ratio']:.1f}× ({f['samples']:,} samples a picture)",
        "≥ 20×",
        "≥ 50×",
        at_least(lambda f: f["ratio"], 20, 50),
        peer=lambda f: f"pythae: {f['pictures_per_second']['ours'] / f['ratio']:.1f} pictures/s",
    ),
]

DEMO = [
    Claim(
        "from a clone to the report: clone, installation, `make demo`",
        "first-minutes",
        lambda f: f"{f['clone_to_report_seconds'] / 60:.1f} min ({f['install_seconds'] / 60:.1f} of them installing)",
        "≤ 6 min",
        "",
        at_most(lambda f: f["clone_to_report_seconds"], 360),
    ),
    Claim(
        "`trine demo`, all three jobs and the report, after installation",
        "first-minutes",
        lambda f: f"{f['demo_seconds'] / 60:.1f} min (again: {f['again_seconds']:.0f} s; {f['report_kib']:.0f} KiB)",
        "≤ 4 min",
        "≤ 2 min",
        at_most(lambda f: f["demo_seconds"], 240, 120),
        front=True,
    ),
    Claim(
        "the same from a wheel in an empty environment, in another folder",
        "first-minutes",
        lambda f: f"{f['wheel_demo_seconds'] / 60:.1f} min",
        "it runs",
        "",
        at_most(lambda f: f["wheel_demo_seconds"], 240),
    ),
]

CLAIMS = [*CLASSIFY, *DETECT, *GENERATE, *DEMO]
