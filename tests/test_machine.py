import torch

from trine import machine


def test_the_machine_and_the_versions_are_named():
    facts, versions = machine.facts(), machine.versions()
    assert facts["cores"] >= 1
    assert facts["threads"] == torch.get_num_threads()
    assert {"python", "torch", "numpy"} <= versions.keys()
    assert versions["torch"] == torch.__version__
    assert 0.01 < machine.peak_memory_gib() < 64
    assert machine.sgemm_gflops(size=128, seconds=0.01) > 0
