"""curves.png: loss and validation figures over a training."""

from typing import Any

from trine.drawing import figure, png, styled


@styled
def draw_curves(history: list[dict[str, Any]], headline: str) -> bytes:
    """A run's metrics as a PNG: the loss left, the headline figure on validation right."""
    steps = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    checks = [(entry["step"], entry["validation"]) for entry in history if "validation" in entry]
    drawn, axes = figure(1, 2, width=10, height=4.4)
    axes[0].plot(*_columns(steps), linewidth=1, label="training batch")
    axes[0].plot(
        *_columns([(step, values["loss"]) for step, values in checks if "loss" in values]), "o-", label="validation"
    )
    axes[0].set(xlabel="step", ylabel="loss", title="loss")
    axes[0].legend()
    shown = headline if any(headline in values for _, values in checks) else "loss"
    axes[1].plot(*_columns([(step, values[shown]) for step, values in checks if shown in values]), "o-")
    axes[1].set(xlabel="step", title=f"{shown} on validation")
    return png(drawn)


def _columns(pairs: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in pairs], [value for _, value in pairs]
