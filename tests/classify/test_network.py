import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.classify.network import ClassicNet, ConvBlock, FastNet, PatchWhitening, Pixels


def pictures(count: int, size: int, channels: int) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (count, size, size, channels), dtype=torch.uint8)


@settings(max_examples=25)
@given(size=st.integers(8, 224), channels=st.sampled_from([1, 3]), depth=st.integers(1, 3))
def test_the_fast_network_takes_pictures_of_any_size(size: int, channels: int, depth: int) -> None:
    net = FastNet(channels, size, 5, widths=(8, 16, 16), depth=depth).eval()
    images = pictures(2, size, channels)
    net.prepare(images)
    logits = net(images)
    assert logits.shape == (2, 5)
    assert bool(logits.isfinite().all())


@settings(max_examples=25)
@given(size=st.integers(8, 224), channels=st.sampled_from([1, 3]), blocks=st.integers(1, 6))
def test_the_classic_network_takes_pictures_of_any_size(size: int, channels: int, blocks: int) -> None:
    net = ClassicNet(channels, size, 5, widths=(8,) * blocks).eval()
    images = pictures(2, size, channels)
    net.prepare(images)
    assert net(images).shape == (2, 5)


def test_the_fast_network_grows_deeper_with_the_pictures() -> None:
    blocks = [len(FastNet(3, size, 2, widths=(8, 16, 16)).blocks) for size in (8, 16, 32, 64)]
    assert blocks == sorted(blocks)
    assert blocks[0] < blocks[-1]


@pytest.mark.parametrize("net", [FastNet, ClassicNet])
def test_every_layer_of_a_network_can_be_looked_at(net: type) -> None:
    built = net(3, 32, 2, widths=(8, 16, 16))
    modules = set(built.modules())
    assert len(built.layers()) >= 4
    assert all(part in modules for part in built.layers().values())
    assert built.filters().shape[1] == 3


def test_pixels_have_mean_zero_and_deviation_one_after_the_fit() -> None:
    images = pictures(20, 8, 3)
    pixels = Pixels(3)
    pixels.fit(images)
    values = pixels(images)
    assert values.mean((0, 2, 3)) == pytest.approx([0, 0, 0], abs=1e-5)
    assert values.std((0, 2, 3)) == pytest.approx([1, 1, 1], abs=1e-3)


def test_constant_pictures_leave_the_networks_finite() -> None:
    images = torch.full((4, 16, 16, 3), 7, dtype=torch.uint8)
    net = FastNet(3, 16, 2, widths=(8, 8)).eval()
    net.prepare(images)
    assert bool(net(images).isfinite().all())


def test_whitening_gives_uncorrelated_features_of_unit_variance() -> None:
    torch.manual_seed(0)
    mixed = torch.nn.functional.avg_pool2d(torch.randn(40, 3, 18, 18) @ torch.randn(18, 18), 3, stride=1)
    stem = PatchWhitening(3, patch=2, stride=1)
    stem.fit([mixed], floor=0.0)
    features = stem(mixed).detach().double().transpose(0, 1).flatten(1)
    half = len(features) // 2
    covariance = features[:half] @ features[:half].T / features.shape[1]
    assert torch.allclose(covariance, torch.eye(half, dtype=torch.float64), atol=1e-3)
    assert torch.allclose(features[:half], -features[half:])


def test_convolutions_begin_by_passing_their_inputs_on() -> None:
    block = ConvBlock(4, 8, depth=2)
    maps = torch.randn(2, 4, 6, 6)
    assert torch.allclose(block[0](maps)[:, :4], maps)


def test_only_the_bias_of_the_whitening_stem_is_trained() -> None:
    stem = PatchWhitening(3, patch=2, stride=1)
    assert [name for name, _ in stem.named_parameters()] == ["bias"]


def test_a_network_with_gradients_on_can_be_exported_and_computes_the_same() -> None:
    network = FastNet(3, 32, 4, widths=(64, 64), depth=1).eval()
    images = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    exported = torch.export.export(network, (images,))
    assert any("trine.convolve" in str(node.target) for node in exported.graph.nodes), "the operator is in the graph"
    assert torch.equal(exported.module()(images), network(images))


def test_flat_pictures_are_whitened_alike_in_bfloat16() -> None:
    stem = PatchWhitening(3, patch=2, stride=1)
    grey = torch.randn(16, 1, 16, 16).expand(-1, 3, -1, -1).contiguous()
    stem.fit([grey])
    exact = stem(grey)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = stem(grey)
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).abs().max() < 0.01 * exact.abs().max()
    dead = exact.abs().amax((0, 2, 3)) < 1e-3
    assert dead.any(), "directions without variance"
    assert rounded.float()[:, dead].abs().max() < 1e-2


def test_preparing_in_pieces_gives_what_all_pictures_at_once_give() -> None:
    images = torch.randint(0, 256, (700, 32, 32, 3), dtype=torch.uint8)
    net = FastNet(3, 32, 2, widths=(8, 8))
    net.prepare(images)
    values = images.flatten(0, -2).double()
    assert torch.allclose(net.pixels.mean.double(), values.mean(0))
    assert torch.allclose(net.pixels.deviation.double(), values.std(0))
    whole = PatchWhitening(3, patch=2, stride=1)
    whole.fit([net.pixels(images)])
    assert torch.allclose(net.stem.filters.abs(), whole.filters.abs(), atol=1e-3, rtol=1e-3)


def test_a_larger_stride_of_the_stem_makes_smaller_maps() -> None:
    images = torch.zeros(2, 96, 96, 3, dtype=torch.uint8)
    for stride, side in ((1, 95), (2, 48), (4, 24)):
        net = FastNet(3, 96, 2, widths=(8, 8), stride=stride)
        assert net.stem(net.pixels(images)).shape[-1] == side
        assert net(images).shape == (2, 2)
