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
    result = record.fit("generate", "digits28", run, "--no-test", **SETTINGS | {"beta": beta})
    names = ("elbo_nats", "reconstruction_nats", "kl_nats", "active_units")
    return {"beta": beta, **{name: result["metrics"][name] for name in names}}


if __name__ == "__main__":
    figures = {"data": "digits28", "split": "validation", "seeds": 1, "settings": SETTINGS}
    record.keep("generate-beta", "python bench/generate_beta.py", figures | {"betas": [measured(b) for b in BETAS]})
