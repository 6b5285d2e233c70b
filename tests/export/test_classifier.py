import numpy as np
import torch

from trine import bundle
from trine.classify.explain import feature_maps
from trine.pictures.batches import evenly
from trine.pictures.decode import resize


def pictures(model, count=20):
    split = model.open("digits").splits["validation"]
    return np.array(split.images[evenly(len(split), count)])


def test_the_graph_gives_the_probabilities_and_typicalities_of_predict(digits, digits_exported, open_graph):
    images = pictures(digits)
    answers = open_graph(digits_exported).run(pictures=images, views=np.array(True))
    for row, given in enumerate(digits.predict(list(images))):
        best = answers["probabilities"][row].argmax()
        assert digits.classes[best] == given.label
        assert abs(answers["probabilities"][row, best] - given.probability) < 1e-5
        assert abs(answers["typicality"][row] - given.typicality) < 2 / len(digits.novelty.reference)


def test_without_views_the_logits_are_those_of_the_network_alone(digits, digits_exported, open_graph):
    images = pictures(digits)
    plain = open_graph(digits_exported).run(pictures=images, views=np.array(False))["logits"]
    assert np.allclose(plain, digits.logits(images).numpy(), atol=1e-4)
    assert not np.allclose(plain, digits.logits(images, tta=True).numpy(), atol=1e-2)


def test_a_batch_has_any_size(digits, digits_exported, open_graph):
    graph, images = open_graph(digits_exported), pictures(digits, 7)
    together = graph.run(pictures=images, views=np.array(True))["logits"]
    alone = [graph.run(pictures=images[i : i + 1], views=np.array(True))["logits"][0] for i in range(7)]
    assert np.allclose(together, np.stack(alone), atol=1e-5)


def test_pictures_of_another_size_are_framed_as_the_package_does(digits, digits_exported, open_graph, photographs):
    grey = photographs.mean(3, keepdims=True).astype(np.uint8)
    square = resize(grey, (digits.size, digits.size), digits.reading)
    answers = open_graph(digits_exported).run(pictures=grey, views=np.array(True))
    assert np.allclose(answers["logits"], digits.logits(square, tta=True).numpy(), atol=0.05)


def test_maps_are_those_of_every_layer(digits, digits_exported, open_graph):
    images = pictures(digits, 2)
    found = open_graph(digits_exported, "maps").run(pictures=images)
    for row in range(2):
        maps = feature_maps(digits.network, torch.from_numpy(images[row : row + 1]))
        assert len(maps) == len(found) - 1
        for name, values in maps.items():
            assert np.allclose(found[f"maps/{name}"][row], values.numpy(), atol=1e-3)
    assert np.array_equal(found["head_weights"], digits.network.head.weight.detach().numpy())


def test_the_manifest_says_what_a_graph_takes_and_gives_and_how_it_was_proved(digits, digits_exported):
    document = bundle.read_manifest(digits_exported).export
    model = document["graphs"]["model"]
    shapes = {port["name"]: (port["dtype"], port["shape"]) for port in [*model["inputs"], *model["outputs"]]}
    assert shapes["pictures"] == ("uint8", ["batch", "height", "width", 1])
    assert shapes["views"] == ("bool", [])
    assert shapes["probabilities"] == ("float32", ["batch", 10])
    assert shapes["typicality"] == ("float32", ["batch"])
    proof = model["proof"]
    assert proof["inputs"] >= 256
    assert proof["source"] == "validation and train of digits"
    assert 0 < proof["largest_difference"]["probabilities"] <= proof["tolerance"]["probabilities"] == 1e-5
    assert proof["equal_decisions"] == 1
    assert proof["resized"]["inputs"] >= 64
