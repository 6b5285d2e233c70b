import base64

from trine.page.chapter import Chapter, Figure, Picture, Table
from trine.page.page import page


def test_texts_of_chapters_are_escaped():
    table = Table("<i>events</i>", ("<b>",), [("<script>alert(1)</script>",)], weights=[1.0])
    figure = Figure("a", "<1 %", '"quoted"')
    html = page(
        "title",
        [Chapter("classify", "<u>", "&", [figure], [Picture(b"png", 'x" onload="y'), table], ["a < b"])],
        5,
        "trine demo",
    )
    for markup in ("<i>", "<script", "<u>", 'x" onload', "a < b"):
        assert markup not in html


def test_pictures_are_inlined():
    html = page("title", [Chapter("classify", "", "", [], [Picture(b"png", "a picture")])], 300, "trine demo")
    assert f"data:image/png;base64,{base64.b64encode(b'png').decode()}" in html
    assert 'alt="a picture"' in html


def test_the_page_states_the_time_of_the_training():
    assert "5 seconds" in page("title", [], 5, "trine demo")
    assert "5.0 minutes" in page("title", [], 300, "trine demo")


def test_the_title_and_the_command_are_escaped():
    html = page("birds <b>", [], 5, "trine <u>")
    assert "birds &lt;b&gt;" in html
    assert "trine &lt;u&gt;" in html
