import subprocess
import sys

import pytest

import trine
from trine import Classifier, Detector, errors
from trine.errors import BundleError, TrineError


def test_the_public_names_are_these():
    assert sorted(trine.__all__) == sorted(
        ["Classifier", "Detector", "Generator", "load"]
        + [name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, TrineError)]
    )
    assert all(getattr(trine, name) is not None for name in trine.__all__)


def test_every_error_stands_in_the_tree_of_the_docstring():
    assert all(
        name in (errors.__doc__ or "")
        for name in trine.__all__
        if name not in ("Classifier", "Detector", "Generator", "load")
    )


def test_importing_the_package_leaves_torch_alone():
    code = "import sys, trine; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_load_gives_the_estimator_of_the_task(tmp_path):
    Classifier(epochs=0.1, least_steps=2, widths=[8], validations=0).fit("digits", out=tmp_path / "run")
    assert isinstance(trine.load(tmp_path / "run"), Classifier)
    assert not isinstance(trine.load(tmp_path / "run" / "bundle"), Detector)
    with pytest.raises(BundleError, match="no such model"):
        trine.load(tmp_path / "nothing")
