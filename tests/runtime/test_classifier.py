import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from trine import runtime


@pytest.fixture(scope="module")
def exported(classifier):
    return runtime.load(classifier)


def assert_same(answers, expected):
    assert [(a.path, a.label, a.abstain, a.error) for a in answers] == [
        (e.path, e.label, e.abstain, e.error) for e in expected
    ]
    assert [a.probability for a in answers] == pytest.approx([e.probability for e in expected], abs=1e-5)
    assert [a.typicality for a in answers] == pytest.approx([e.typicality for e in expected], abs=1e-3)
    assert [[name for name, _ in a.top] for a in answers] == [[name for name, _ in e.top] for e in expected]


def test_files_of_several_sizes_have_the_answers_of_the_full_package(exported, full, classifier, photos):
    paths = sorted(photos.rglob("*.png"))
    answers = exported.predict(paths)
    assert_same(answers, full(classifier).predict(paths))
    assert {answer.label for answer in answers} <= {"dark", "light"}


def test_every_form_of_a_picture_has_the_same_answer(exported, photos):
    path = next(photos.rglob("*.png"))
    image, content = Image.open(path), path.read_bytes()
    forms = exported.predict([path, str(path), content, io.BytesIO(content), image, np.asarray(image)])
    assert len({(form.label, form.probability, form.typicality) for form in forms}) == 1
    assert [form.path for form in forms[2:]] == ["picture 3", "picture 4", "picture 5", "picture 6"]


def test_an_unreadable_picture_has_an_error_and_the_others_their_answers(exported, full, classifier, photos, tmp_path):
    (tmp_path / "torn.png").write_bytes(b"no picture")
    pictures = [tmp_path / "torn.png", next(photos.rglob("*.png")), tmp_path / "absent.png", np.zeros((3, 3))]
    answers = exported.predict(pictures)
    assert [answer.error is None for answer in answers] == [False, True, False, False]
    assert_same(answers, full(classifier).predict(pictures))


def test_pictures_unlike_those_of_the_training_are_marked_abstain_as_by_the_full_package(exported, full, classifier):
    draw = np.random.default_rng(0)
    checks = np.kron(np.indices((12, 12)).sum(0) % 2, np.ones((2, 2)))[..., None].repeat(3, 2) * 255
    odd = [checks.astype(np.uint8), *draw.integers(0, 256, (9, 24, 24, 3), dtype=np.uint8)]
    answers = exported.predict(odd)
    assert any(answer.abstain for answer in answers)
    assert_same(answers, full(classifier).predict(odd))


def test_more_pictures_than_are_computed_together_are_answered_in_order(exported, photos, monkeypatch):
    import trine.runtime.classifier as module

    paths = sorted(photos.rglob("*.png"))[:7]
    whole = exported.predict(paths)
    monkeypatch.setattr(module, "PIXELS", 2 * 24 * 24)
    assert_same(exported.predict(paths), whole)
    assert [answer.path for answer in exported.predict_stream(paths, batch=3)] == [str(path) for path in paths]


def test_eight_bit_numbers_give_nearly_the_same_answers(exported, classifier, photos):
    paths = sorted(photos.rglob("*.png"))
    small, whole = runtime.load(classifier, int8=True).predict(paths), exported.predict(paths)
    assert np.mean([a.label == b.label for a, b in zip(small, whole, strict=True)]) > 0.9
    assert [a.probability for a in small] != [b.probability for b in whole]


def test_several_threads_have_the_answers_of_one(exported, photos):
    paths = sorted(photos.rglob("*.png"))[:9]
    alone = [exported.predict(path) for path in paths]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(exported.predict, paths))
    for answers, expected in zip(together, alone, strict=True):
        assert_same(answers, expected)


def test_no_picture_has_no_answer(exported):
    assert exported.predict([]) == []
