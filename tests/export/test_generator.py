import numpy as np
import pytest
import torch

from trine import Generator
from trine.errors import ExportError

pytestmark = pytest.mark.long

SHORT = {"epochs": 0.1, "least_steps": 8, "validations": 0, "flow_steps": 8, "widths": (8, 16), "latent": 6}
DEEP = {"network": "deep", "groups": (1, 1), "map_latent": 2, "picture_size": 16}
KINDS = {
    "map": {
        "network": "map",
        "map_latent": 2,
        "map_flow_width": 32,
        "label": True,
    },
    "wide map": {"network": "map", "map_latent": 2, "map_flow_width": 32, "picture_size": (14, 24)},
    "plain": {"prior": "normal"},
    "mixture": {"prior": "mixture", "mixture_components": 3, "likelihood": "bernoulli"},
    "deep": {**DEEP, "likelihood": "logistic", "label": True},
}


@pytest.fixture(scope="module", params=KINDS)
def exported(request, tmp_path_factory):
    """A generator, and its bundle with graphs."""
    folder = tmp_path_factory.mktemp(request.param)
    model = Generator(**{**SHORT, **KINDS[request.param]}).fit("digits", out=folder / "run", device="cpu", test=False)
    document = model.export(folder / "bundle")
    return model, folder / "bundle", document


def noise_of(model, seed=1):
    noise = model.noise(seed)
    return [values.numpy() for values in noise.groups], noise


def label_of(model, name):
    return {"labels": np.full(64, model.classes.index(name) if name else len(model.classes))} if model.classes else {}


def test_the_same_noise_gives_the_same_pictures(exported, open_graph):
    model, folder, _ = exported
    prior, decoder = open_graph(folder, "prior"), open_graph(folder, "decoder")
    for label in (None, *model.classes[:1]):
        groups, noise = noise_of(model)
        given = {"noise": groups[0], "chance": noise.chance.numpy(), **label_of(model, label)}
        top = prior.run(**{name: given[name] for name in prior.inputs})["latent.0"]
        values = {f"latent.{i}": value for i, value in enumerate([top, *groups[1:]])}
        one = {"given": np.array(1)} if len(groups) > 1 else {}
        pictures = decoder.run(**values, **one, **label_of(model, label))["pictures"]
        difference = np.abs(pictures.astype(int) - model.from_noise(noise, label))
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3


def test_posteriors_are_those_of_encode_and_decode_to_its_reconstructions(exported, open_graph):
    model, folder, _ = exported
    images = np.array(model.open("digits").splits["validation"].images[:9])
    encoder, decoder = open_graph(folder, "encoder"), open_graph(folder, "decoder")
    generator = torch.Generator().manual_seed(3)
    given = {}
    if "binarisation" in encoder.inputs:
        given["binarisation"] = torch.rand(9, 1, *model.size, generator=generator).numpy()
    noise = model.network.vae.noise(9, generator)
    given |= {f"noise.{i}": values.numpy() for i, values in enumerate(noise[:-1])}
    for label in (None, *model.classes[:1]):
        known = {name: values[:9] for name, values in label_of(model, label).items()}
        found, expected = encoder.run(pictures=images, **given, **known), model.encode(images, seed=3, label=label)
        groups = range(len(expected.mean))
        for i in groups:
            assert np.allclose(found[f"mean.{i}"], expected.mean[i].numpy(), atol=1e-4)
            assert np.allclose(found[f"variance.{i}"], expected.variance[i].numpy(), rtol=1e-4, atol=1e-6)
        values = {f"latent.{i}": found[f"mean.{i}"] for i in groups}
        everything = {"given": np.array(len(groups))} if "given" in decoder.inputs else {}
        answer = decoder.run(**values, **everything, **known)
        assert np.abs(answer["pictures"].astype(int) - model.decode(expected.mean, label)).max() <= 1
        assert np.array_equal(np.clip(np.rint(answer["levels"] * 255), 0, 255).astype(np.uint8), answer["pictures"])


def test_all_three_graphs_are_proved_on_held_out_pictures(exported):
    _, _, document = exported
    assert list(document["graphs"]) == ["encoder", "decoder", "prior"]
    for graph in document["graphs"].values():
        assert graph["proof"]["inputs"] >= 256
        assert graph["proof"]["source"] == "validation and train of digits"
    assert document["graphs"]["decoder"]["proof"]["largest_difference"]["levels"] <= 1e-4


def test_generators_have_no_eight_bit_graphs(exported, tmp_path):
    with pytest.raises(ExportError, match="generators are not exported as 8-bit numbers"):
        exported[0].export(tmp_path / "bundle", int8=True)
