"""Reconstruction against KL divergence as beta changes, on digits28. Cost on one core: 1 min."""

import record

SETTINGS = {
    "likelihood": "bernoulli",
    "widths": [8, 16, 32],
    "latent": 16,
    "least_steps": 200,
    "epochs": 1,
    "flow_steps": 1,
}
BETAS = (0.1, 0.3, 1.0, 3.0, 10.0)


def measured(beta: float) -> dict[str, float]:
    """The bound's parts on the validation split."""
    run = record.RUNS / f"beta-{beta:g}"
    settings = {name: value for name, value in SETTINGS.items() if name != "likelihood"} | {"beta": beta}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    resume = ["--resume"] if (run / "recipe.json").exists() else []
    likelihood = ("--likelihood", SETTINGS["likelihood"])
    result, _ = record.trine("generate", "fit", "digits28", *likelihood, "--out", run, "--no-test", *words, *resume)
    names = ("elbo_nats", "reconstruction_nats", "kl_nats", "active_units")
    return {"beta": beta, **{name: result["metrics"][name] for name in names}}


if __name__ == "__main__":
    figures = {"data": "digits28", "split": "validation", "seeds": 1, "settings": SETTINGS}
    record.keep("generate-beta", "python bench/generate_beta.py", figures | {"betas": [measured(b) for b in BETAS]})
