import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import CheckpointError
from trine.train import checkpoint
from trine.train.checkpoint import Checkpoint

NAMES = st.text("abcdefg.0123456789", min_size=1, max_size=12).filter(lambda name: name != "__metadata__")
TENSORS = st.dictionaries(NAMES, st.lists(st.floats(width=32), max_size=5).map(torch.tensor), max_size=4)
STATE = st.dictionaries(
    st.text(max_size=5), st.one_of(st.integers(), st.floats(allow_nan=False), st.text()), max_size=4
)


def made(step):
    return Checkpoint(step, {"model.weight": torch.full((3,), float(step))}, {"rate": 1.0})


def warned(folder, **limits):
    lines = []
    return checkpoint.latest(folder, lines.append, **limits), lines


@given(tensors=TENSORS, state=STATE, step=st.integers(0, 10**9))
def test_what_is_saved_is_read_back(tmp_path_factory, tensors, state, step):
    folder = tmp_path_factory.mktemp("checkpoints")
    checkpoint.save(folder, Checkpoint(step, tensors, state))
    found, lines = warned(folder)
    assert (found.step, found.state, lines) == (step, state, [])
    assert found.tensors.keys() == tensors.keys()
    for name, value in tensors.items():
        assert torch.equal(found.tensors[name].nan_to_num(7.0), value.nan_to_num(7.0))


def test_only_the_last_two_are_kept(tmp_path):
    for step in (0, 5, 9, 100_000_000):
        checkpoint.save(tmp_path, made(step))
    assert checkpoint.steps(tmp_path) == [9, 100_000_000]
    assert len(list(tmp_path.iterdir())) == 4


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), kind=st.sampled_from(["json", "safetensors"]))
def test_any_flipped_bit_is_noticed(tmp_path_factory, place, bit, kind):
    folder = tmp_path_factory.mktemp("checkpoints")
    checkpoint.save(folder, made(1))
    checkpoint.save(folder, made(2))
    path = folder / f"00000002.{kind}"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    found, lines = warned(folder)
    assert (found.step, len(lines)) == (1, 1) or (found.state == made(2).state and kind == "json")


def test_a_checkpoint_before_a_step_is_preferred_but_not_insisted_on(tmp_path):
    checkpoint.save(tmp_path, made(3))
    assert warned(tmp_path, before=3)[0].step == 3
    checkpoint.save(tmp_path, made(8))
    assert warned(tmp_path, before=8)[0].step == 3
    assert warned(tmp_path, before=9)[0].step == 8


def test_what_a_killed_writer_left_is_swept_and_other_files_stay(tmp_path):
    checkpoint.save(tmp_path, made(3))
    for name in ("00000009.safetensors", ".00000009.json.123.part", "notes.json", "notes.txt"):
        (tmp_path / name).write_text("x")
    checkpoint.discard_after(tmp_path, 3)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["00000003.json", "00000003.safetensors", "notes.json", "notes.txt"]


def test_an_empty_folder_has_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint is intact"):
        warned(tmp_path)
