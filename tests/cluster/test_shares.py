import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.cluster.engine import Node
from trine.cluster.shares import cpus_each, shared_out
from trine.errors import UsageError


def machines(*cpus: int, gpus: int = 0) -> list[Node]:
    return [Node(str(i), f"10.0.0.{i}", count, gpus) for i, count in enumerate(cpus)]


def test_without_a_number_there_is_one_worker_per_machine_with_all_its_processors():
    share = shared_out(machines(8, 8, 8), None, "auto")
    assert (share.workers, share.cpus, share.gpu) == (3, 8, False)
    assert share.resources == {"CPU": 8}


def test_with_gpus_there_is_one_worker_per_gpu():
    share = shared_out(machines(16, 16, gpus=4), None, "auto")
    assert (share.workers, share.cpus, share.gpu) == (8, 4, True)
    assert share.resources == {"CPU": 4, "GPU": 1}
    assert not shared_out(machines(16, gpus=4), 2, "cpu").gpu


@given(st.lists(st.integers(1, 64), min_size=1, max_size=6), st.integers(1, 40))
def test_shares_fit_on_their_machines(cpus, workers):
    nodes = machines(*cpus)
    if workers > sum(cpus):
        with pytest.raises(UsageError, match="give a smaller --workers"):
            shared_out(nodes, workers, "cpu")
        return
    each = cpus_each(nodes, workers)
    assert sum(count // each for count in cpus) >= workers
    assert sum(count // (each + 1) for count in cpus) < workers, "no larger share fits"


def test_more_workers_than_gpus_are_refused():
    with pytest.raises(UsageError, match="3 workers on a cluster that has 2 GPUs"):
        shared_out(machines(8, gpus=2), 3, "cuda")
    with pytest.raises(UsageError, match="on a cluster that has 0 GPUs"):
        shared_out(machines(8), None, "cuda")
