import pytest

from trine import errors
from trine.cluster.telling import SAID, Listening, Telling, failure, tell_failure
from trine.errors import DataError, InterruptedTraining, RecipeError, TrineError


class Course:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: list[int] = []
        self.parts: list[str] = []

    def note(self, line):
        self.notes.append(line)

    def advance(self, step, total, figures):
        self.steps.append(step)

    def validated(self, progress, score): ...

    def working(self, what):
        from contextlib import contextmanager

        @contextmanager
        def part():
            self.parts.append(f"begins {what}")
            yield
            self.parts.append(f"ends {what}")

        return part()

    def close(self): ...


def test_what_a_worker_reports_reaches_the_process_that_started_it(tmp_path):
    course = Course()
    with Listening(tmp_path, course):
        telling = Telling(tmp_path)
        with telling.working("training"):
            telling.note("forecast: 3 steps — «ten» minutes")
            for step in (1, 2, 3):
                telling.advance(step, 3, {"loss": 0.5})
    assert course.notes == ["forecast: 3 steps — «ten» minutes"]
    assert course.steps[0] == 1, "others come too soon after it"
    assert course.steps[-1] == 3, "the last is always passed on"
    assert course.parts == ["begins training", "ends training"]


def test_a_part_that_a_killed_worker_did_not_end_is_ended(tmp_path):
    course = Course()
    with Listening(tmp_path, course):
        Telling(tmp_path).working("training").__enter__()
        with Telling(tmp_path).working("reading the data"):  # the next group of workers
            pass
    assert course.parts == ["begins training", "ends training", "begins reading the data", "ends reading the data"]


def test_a_line_that_is_half_written_is_passed_on_when_it_is_whole(tmp_path):
    course = Course()
    with Listening(tmp_path, course), (tmp_path / SAID).open("w") as file:
        file.write('{"note": "fir')
        file.flush()
        file.write('st"}\n{"note": "second"}\n')
    assert course.notes == ["first", "second"]


@pytest.mark.parametrize("problem", [DataError("photos: no picture"), RecipeError("x=1"), InterruptedTraining("so")])
def test_an_error_on_purpose_arrives_as_the_same_error(tmp_path, monkeypatch, problem):
    assert failure(tmp_path) is None
    for rank, told in (("1", TrineError("later")), ("0", problem)):
        monkeypatch.setenv("RANK", rank)
        tell_failure(tmp_path, told)
    found = failure(tmp_path)
    assert type(found) is type(problem)
    assert str(found) == str(problem)
    assert found.exit_status == problem.exit_status


def test_every_error_of_the_tree_can_be_passed_on(tmp_path):
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TrineError)]
    for kind in kinds:
        tell_failure(tmp_path, kind("why"))
        assert type(failure(tmp_path)) is kind
