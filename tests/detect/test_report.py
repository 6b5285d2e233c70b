from tests.texts import written
from trine.detect import report


def test_the_pictures_are_pngs(detector, programs):
    table = detector.read(programs).split("test")
    drawn = report.pictures(table, detector.scores(table), detector.ensemble.names)
    assert {*drawn} == {"scores.png", "roc.png"}
    assert all(content[:4] == b"\x89PNG" for content in drawn.values())


def test_texts_are_large_and_apart(detector, programs):
    table = detector.read(programs).split("test")
    scores = detector.scores(table)
    for draw in (
        lambda: report.draw_scores(scores, table.labels == 1),
        lambda: report.draw_roc(scores, table.labels == 1, detector.ensemble.names),
    ):
        with written() as texts:
            draw()
        texts.check()


def test_abnormal_sequences_alone_have_no_roc_curve(detector, programs):
    table = detector.read(programs).split("test")
    odd = table.rows(table.labels == 1)
    assert {*report.pictures(odd, detector.scores(odd), detector.ensemble.names)} == {"scores.png"}


def test_the_card_states_the_figures(detector):
    card = detector.card()
    assert f"| auc | {detector.result.metrics['auc']:.4f} |" in card
    assert "| measured on test (80 sequences) | |" in card
