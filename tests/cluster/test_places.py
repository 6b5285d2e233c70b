from pathlib import Path

import pytest

from tests.cluster.object_store import object_store
from trine.cluster import inputs
from trine.cluster.places import Folder, brought, content, is_address, listed
from trine.errors import DataError, RunError


@pytest.fixture
def store():
    with object_store() as served:
        yield served


def test_a_folder_of_an_object_store_is_listed_by_name_without_hidden_files(store):
    for name in ("b/2.png", "b/1.png", ".hidden/3.png", "a.png", "b/.4.png"):
        store.objects[f"photos/{name}"] = name.encode()
    found = listed(store.address("bucket/photos"))
    assert found == [(store.address(f"bucket/photos/{name}"), len(name)) for name in ("a.png", "b/1.png", "b/2.png")]
    assert [content(address) for address, _ in found] == [b"a.png", b"b/1.png", b"b/2.png"]
    assert listed(store.address("bucket/photos/a.png")) == [(store.address("bucket/photos/a.png"), 5)]


def test_what_is_written_into_an_object_store_is_read_again(store):
    folder = Folder(store.address("bucket/answers/today"))
    assert folder.names() == set()
    folder.prepare()
    large = bytes(range(256)) * 40_000
    folder.write("plan.json", b"{}")
    folder.write("part-000000.parquet", large)
    assert folder.names() == {"plan.json", "part-000000.parquet"}
    assert folder.read("part-000000.parquet") == large
    assert store.objects["answers/today/part-000000.parquet"] == large


def test_blocks_of_an_object_store_are_its_pictures(store):
    for name in ("1.png", "2.jpg", "notes.txt", "_SUCCESS"):
        store.objects[f"photos/{name}"] = b"x"
    with inputs.picture_blocks([store.address("bucket/photos")]) as (blocks, _):
        names = [name for block in blocks for name in block.names]
    assert names == ["s3://bucket/photos/1.png", "s3://bucket/photos/2.jpg"], "answers name no keys"


def test_logs_of_an_object_store_are_brought_under_their_names(store, tmp_path):
    store.objects["logs/app.log"] = b"second\n"
    store.objects["logs/app.log.1"] = b"first\n"
    (block,) = inputs.log_blocks([store.address("bucket/logs")])
    with brought(list(block.items)) as paths:
        assert [Path(path).read_text() for path in paths] == ["second\n", "first\n"]
        assert [path.rpartition("/")[2] for path in paths] == ["app.log", "app.log.1"]
    own = [str(tmp_path / "own.log")]
    with brought(own) as paths:
        assert paths == own, "files of this machine stay where they are"


def test_what_is_absent_or_denied_is_an_error_in_a_line(store):
    with pytest.raises(DataError, match="nothing is there: give the address of a file or a folder"):
        listed(store.address("bucket/nowhere"))
    with pytest.raises(DataError, match="check the address, and the access to it"):
        content(store.address("bucket/nowhere.png"))
    store.denied = True
    with pytest.raises(DataError, match="check the address, and the access to it") as raised:
        content(store.address("bucket/photos/a.png"))
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("s3://bucket/photos/a.png: "), "keys are not shown"
    with pytest.raises(RunError, match="check the address"):
        Folder(store.address("bucket/answers")).read("plan.json")
    with pytest.raises(DataError, match=r"nosuch://there/a\.png"):
        content("nosuch://there/a.png")


def test_what_an_address_is():
    assert is_address("s3://bucket/a")
    assert not is_address("photos/a.png")
