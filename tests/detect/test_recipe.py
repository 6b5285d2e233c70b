import json

import pytest

from trine.detect.detector import Detector
from trine.detect.recipe import DetectRecipe
from trine.errors import RecipeError


@pytest.mark.parametrize("members", [["lstm", "psychic"], [], [["network"]], [{}], "network", 3])
def test_unknown_members_are_refused(members):
    with pytest.raises(RecipeError, match="members"):
        Detector(members=members)


def test_the_former_name_of_the_network_is_read(tmp_path):
    assert DetectRecipe(members=["lstm", "counts"]).members == ("network", "counts")
    path = tmp_path / "recipe.json"
    former = {**DetectRecipe().model_dump(mode="json"), "members": ["counts", "lstm"]}
    path.write_text(json.dumps(former))
    assert DetectRecipe.read(path).members == ("counts", "network")


def test_the_present_name_of_the_network_is_written(tmp_path):
    DetectRecipe(members=["lstm"]).save(tmp_path / "recipe.json")
    assert json.loads((tmp_path / "recipe.json").read_text())["members"] == ["network"]
