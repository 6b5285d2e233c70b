"""What a person does on the page, and what is then seen."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trine.live.store import Store

STRANGE = "Failed password for root from 203.0.113.9"
"""A line that no session of the training has."""


@dataclass
class Site:
    """A service with runs, one of which goes on."""

    service: Any
    runs: Path
    store: Store

    @property
    def url(self) -> str:
        return self.service.url


def write_curve(run: Path, steps: int) -> None:
    lines = [json.dumps({"step": step, "progress": step / 50, "loss": 2 / step}) for step in range(1, steps + 1)]
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")


def text(tab: Any, place: str) -> str:
    """What is read there, on one line."""
    return " ".join(tab.locator(place).first.inner_text().split())


def pixels(tab: Any, place: str) -> str:
    """What is seen on the first canvas there."""
    return str(tab.locator(place).first.evaluate("canvas => canvas.toDataURL()"))


def until(tab: Any, condition: str, *given: Any) -> None:
    tab.wait_for_function(condition, arg=given[0] if given else None)


def give_files(tab: Any, event: str, place: str, files: dict[str, bytes]) -> None:
    """Drop or paste files, as a browser does it."""
    listed = [[name, b64encode(content).decode()] for name, content in files.items()]
    tab.locator(place).first.evaluate(
        """(target, [event, files]) => {
          const data = new DataTransfer();
          for (const [name, content] of files) {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            data.items.add(new File([bytes], name, { type: name.endsWith("png") ? "image/png" : "text/plain" }));
          }
          const given = event === "paste" ? { clipboardData: data } : { dataTransfer: data };
          const kind = event === "paste" ? ClipboardEvent : DragEvent;
          target.dispatchEvent(new kind(event, { bubbles: true, cancelable: true, ...given }));
        }""",
        [event, listed],
    )


# Classify


def number(shown: str) -> float:
    return float(shown.replace("−", "-").replace(",", ""))


# Generate


def classified(tab: Any, site: Site, photo: Callable[..., bytes]) -> None:
    tab.goto(f"{site.url}/classify.html")
    tab.wait_for_selector(".drop")
    give_files(tab, "drop", ".drop", {"dark.png": photo(70)})
    tab.wait_for_selector(".answer .said")


def open_generator(tab: Any, site: Site) -> None:
    tab.goto(f"{site.url}/generate.html")
    tab.wait_for_selector(".plane canvas")
    tab.wait_for_selector(".cloud")


def log_lines() -> str:
    lines = []
    for session in range(12):
        for second, message in enumerate(("Connection opened", "Accepted password for ann", "Connection closed")):
            lines.append(f"Jan  1 00:{session:02}:{second:02} host sshd[{100 + session}]: {message}")
    lines.insert(16, f"Jan  1 00:05:01 host sshd[105]: {STRANGE}")
    return "\n".join(lines)


def judged(tab: Any, site: Site, log: str | None = None, model: str = "sshd") -> None:
    tab.goto(f"{site.url}/detect.html?model={model}")
    tab.get_by_label("Lines of the log").fill(log or log_lines())
    tab.click("button:text('Judge')")
    tab.wait_for_selector(".sessions tbody tr")
    tab.wait_for_selector(".expected .bars")
