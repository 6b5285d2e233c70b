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


def test_measuring_the_rate_of_matrix_products_takes_the_time_given(monkeypatch):
    taken = iter([2.0, 1.0, 0.5, 0.25])
    monkeypatch.setattr(machine, "_seconds", lambda work: next(taken))
    assert machine.sgemm_gflops(size=10, seconds=3.0) == 2 * 10**3 / 1.0 / 1e9
    assert machine.sgemm_gflops(size=10, seconds=0.0) == 2 * 10**3 / 0.5 / 1e9
