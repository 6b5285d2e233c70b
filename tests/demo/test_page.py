import base64

from trine.demo.chapter import Chapter, Figure, Picture, Table
from trine.demo.page import page


def test_texts_of_chapters_are_escaped():
    table = Table("<i>events</i>", ("<b>",), [("<script>alert(1)</script>",)], weights=[1.0])
    figure = Figure("a", "<1 %", '"quoted"')
    html = page([Chapter("classify", "<u>", "&", [figure], [Picture(b"png", 'x" onload="y'), table], ["a < b"])], 5)
    for markup in ("<i>", "<script", "<u>", 'x" onload', "a < b"):
        assert markup not in html


def test_pictures_are_inlined():
    html = page([Chapter("classify", "", "", [], [Picture(b"png", "a picture")])], 300)
    assert f"data:image/png;base64,{base64.b64encode(b'png').decode()}" in html
    assert 'alt="a picture"' in html


def test_the_page_states_the_time_of_the_training():
    assert "5 seconds" in page([], 5)
    assert "5.0 minutes" in page([], 300)
