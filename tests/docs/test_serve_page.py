"""The page about the service: its routes are all that there are, its container starts what it says."""

import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path

from trine.cli.serve import serve
from trine.serve import app
from trine.serve.metrics import Metrics
from trine.serve.models import Models
from trine.serve.runs import Runs
from trine.serve.service import Service
from trine.serve.settings import Settings

ROOT = Path(__file__).parent.parent.parent
GUIDES = ROOT / "docs" / "guides"
PAGE = (GUIDES / "serve.md").read_text(encoding="utf-8")


def test_every_route_is_on_the_page():
    service = Service(Settings(), Models([]), Metrics(), Runs([]))
    routes = {
        (method, re.sub(r"\{(\w+)\}", "_", route.path))
        for room in app.ROOMS[1:]
        for route in room.router(service).routes
        for method in route.methods
    }
    table = PAGE.partition("## Routes")[2].partition("\n## ")[0]
    prefix = "/api/models/NAME"
    named = {
        (method, re.sub(r"NAME|FILE|ID", "_", path.partition("?")[0].replace("…", prefix)))
        for method, path in re.findall(r"^\| `(\w+) ([^`]+)`", table, re.MULTILINE)
    }
    assert named - {("GET", "/metrics")} == routes
    service.readers.close()


def test_every_option_of_the_page_exists():
    options = {word.replace("-", "_") for word in re.findall(r"`--([a-z-]+)", PAGE)}
    assert options - {"store FILE"} <= set(serve.__annotations__)


def test_the_container_starts_the_command_with_its_extra():
    assert "--file docs/guides/serve.Dockerfile" in PAGE
    recipe = (GUIDES / "serve.Dockerfile").read_text(encoding="utf-8")
    copied = [word for words in re.findall(r"^COPY (.+)$", recipe, re.MULTILINE) for word in words.split()[:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    words = shlex.split(re.search(r"ENTRYPOINT \[(.*)\]", recipe)[1].replace(",", " "))
    assert words == ["trine", "serve", "--host", "0.0.0.0"]
    assert "trine[serve]" in recipe
    assert [entry.value for entry in entry_points(group="console_scripts", name="trine")] == ["trine.__main__:main"]
