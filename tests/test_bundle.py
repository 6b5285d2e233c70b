import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine import bundle, files
from trine.bundle import BundleManifest
from trine.errors import BundleError

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)


def manifest(task="classify", **changes):
    parts = {"recipe": {"seed": 1}, "content": {"classes": ["cat", "dog"]}, "data": {}, "figures": {}, "versions": {}}
    return BundleManifest(task=task, **{**parts, **changes})


@pytest.fixture
def saved(tmp_path):
    folder = tmp_path / "model"
    arrays = {"weight": np.random.default_rng(0).normal(size=(3, 4)), "count": np.array(7)}
    bundle.save(folder, manifest(), arrays, "# A card\n", {"errors.png": b"picture"})
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@given(content=st.dictionaries(st.text(max_size=5), JSON, max_size=3), values=st.lists(st.floats(width=32), max_size=5))
def test_a_model_is_read_back_as_it_was_saved(tmp_path_factory, content, values):
    folder = tmp_path_factory.mktemp("bundles") / "model"
    bundle.save(folder, manifest(content=content), {"a.b": np.array(values, np.float32)}, "card")
    found, arrays = bundle.read(folder, "classify")
    assert found.content == content
    assert np.array_equal(arrays["a.b"], np.array(values, np.float32), equal_nan=True)


def test_an_array_that_is_a_view_is_read_back_with_its_values_in_place(tmp_path):
    whole = np.arange(24.0).reshape(2, 3, 4)
    views = {"turned": whole.T, "column": whole[0, :, 1], "one": whole[1, 2, 3:].reshape(()), "none": whole[:, :0]}
    bundle.save(tmp_path / "model", manifest(), views, "card")
    _, arrays = bundle.read(tmp_path / "model")
    assert all(np.array_equal(arrays[name], view) and arrays[name].shape == view.shape for name, view in views.items())


def test_only_the_arrays_that_are_asked_for_are_read(saved):
    assert bundle.read(saved, prefixes=("cou", "nothing"))[1].keys() == {"count"}


def test_a_run_folder_is_as_good_as_its_bundle(saved, tmp_path):
    (tmp_path / "run").mkdir()
    saved.rename(tmp_path / "run" / "bundle")
    assert bundle.read(tmp_path / "run")[0].task == "classify"


@pytest.mark.parametrize("name", ["trine.json", "model.safetensors", "README.md", "errors.png"])
def test_a_flipped_bit_is_noticed_in_every_file(saved, name):
    content = (saved / name).read_bytes()
    for place in {0, len(content) // 3, len(content) - 2}:
        (saved / name).write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(BundleError, match=f"{name}: .*copy the model again") as problem:
            bundle.read(saved)
        assert "\n" not in str(problem.value)


@pytest.mark.parametrize("name", ["trine.json", "model.safetensors", "README.md", "errors.png"])
def test_a_truncated_file_is_noticed(saved, name):
    content = (saved / name).read_bytes()
    for length in (0, len(content) // 2, len(content) - 2):
        (saved / name).write_bytes(content[:length])
        with pytest.raises(BundleError, match=name):
            bundle.read(saved)


@pytest.mark.parametrize("name", ["model.safetensors", "README.md", "errors.png"])
def test_a_missing_file_is_noticed(saved, name):
    (saved / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: missing: copy the model again"):
        bundle.read(saved)


def test_a_newer_format_says_to_upgrade(saved):
    document = json.loads((saved / "trine.json").read_text())
    (saved / "trine.json").write_text(json.dumps({**document, "format": bundle.FORMAT + 1, "novelty": "unknown"}))
    with pytest.raises(BundleError, match=r"format 2 is newer than this Trine reads \(1\): upgrade Trine"):
        bundle.read(saved)


def test_a_model_of_another_task_says_which_command_takes_it(saved):
    with pytest.raises(BundleError, match="a model for classify, not for detect: use `trine classify`"):
        bundle.read(saved, "detect")


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"format": "one"}', "{}", '{"format": 1}', "\x00\xff"])
def test_a_manifest_that_is_none_is_one_line(saved, content):
    (saved / "trine.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(BundleError, match=r"trine\.json"):
        bundle.read(saved)


def test_a_manifest_with_a_right_checksum_but_wrong_fields_is_refused(saved):
    sealed = json.loads((saved / "trine.json").read_text())
    sealed.pop("checksum")
    for body, wrong in (
        ({**sealed, "spells": []}, "spells is not known"),
        ({**sealed, "content": []}, "content is no dict"),
        ({**sealed, "task": None}, "task is no str"),
        ({name: value for name, value in sealed.items() if name != "recipe"}, "recipe is missing"),
    ):
        (saved / "trine.json").write_text(json.dumps({**body, "checksum": files.digest(body)}))
        with pytest.raises(BundleError, match=rf"not a model of this format \({wrong}\)"):
            bundle.read(saved)


def test_what_is_no_model_is_said(tmp_path):
    with pytest.raises(BundleError, match="nothing: no such model: give a bundle or a run folder"):
        bundle.read(tmp_path / "nothing")
    with pytest.raises(BundleError, match=r"not a model: it has no trine\.json"):
        bundle.read(tmp_path)
    (tmp_path / "recipe.json").touch()
    with pytest.raises(BundleError, match="the run has no bundle yet: finish its training with --resume"):
        bundle.read(tmp_path)
    with pytest.raises(BundleError, match="not a model"):
        bundle.read(tmp_path / "recipe.json")


def test_a_model_is_replaced_as_a_whole(saved):
    bundle.save(saved, manifest(content={"classes": ["owl"]}), {"weight": np.zeros(1)}, "card")
    assert sorted(contents(saved)) == ["README.md", "model.safetensors", "trine.json"]
    assert bundle.read(saved)[0].content == {"classes": ["owl"]}
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "cat.jpg").write_bytes(b"precious")
    with pytest.raises(BundleError, match="is neither empty nor a model, and is left unchanged"):
        bundle.save(photos, manifest(), {}, "card")
    assert contents(photos) == {"cat.jpg": b"precious"}


def test_a_save_that_fails_leaves_the_model_that_was_there(saved, small_disk):
    disk = small_disk("64k")
    shutil.copytree(saved, disk / "model")
    before = contents(disk / "model")
    with pytest.raises(BundleError, match="the disk is full"):
        bundle.save(disk / "model", manifest(), {"weight": np.zeros(100_000)}, "card")
    assert contents(disk / "model") == before
    assert bundle.read(disk / "model")[0].task == "classify"
    assert [path.name for path in disk.iterdir()] == ["model"]


def test_no_file_of_a_model_is_a_pickle(saved):
    for name, content in contents(saved).items():
        assert not content.startswith((b"PK", b"\x80")), name
