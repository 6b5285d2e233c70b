"""The table that shows a bound and its two parts."""

from typing import Any

from bench.support import page


def table(head: str, rows: dict[str, dict[str, Any]]) -> list[str]:
    """Bound, reconstruction, KL divergence (nats) and active latent numbers per row."""
    columns = (head, "bound, nats", "reconstruction", "KL divergence", "active latent numbers")
    names = ("elbo_nats", "reconstruction_nats", "kl_nats")
    lines = [(name, *(f"{row[key]:.1f}" for key in names), str(row["active_units"])) for name, row in rows.items()]
    return page.table(columns, lines)
