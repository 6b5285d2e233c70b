import torch
from safetensors.torch import load

from trine.nn.weights import arrays_of, tensor_bytes, tensors_of


def test_tied_and_strided_tensors_become_safetensors():
    weight = torch.randn(4, 6)
    found = load(tensor_bytes({"a": weight, "b": weight, "c": weight.T, "d": torch.tensor(3)}))
    assert torch.equal(found["a"], found["b"])
    assert torch.equal(found["c"], weight.T)
    assert found["d"] == 3


def test_weights_are_the_same_as_arrays_and_as_tensors_again():
    weights = {"a": torch.randn(4, 6, requires_grad=True), "b": torch.tensor(3), "c": torch.tensor([True, False])}
    again = tensors_of(arrays_of(weights))
    assert again.keys() == weights.keys()
    assert all(torch.equal(again[name], weights[name]) and again[name].dtype == weights[name].dtype for name in again)
