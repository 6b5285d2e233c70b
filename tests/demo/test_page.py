import base64

from trine.demo.chapter import Chapter, Figure, Picture, Table
from trine.demo.page import page


def test_what_chapters_say_is_text_not_markup():
    table = Table("<i>events</i>", ("<b>",), [("<script>alert(1)</script>",)], weights=[1.0])
    figure = Figure("a", "<1 %", '"quoted"')
    shown = page([Chapter("classify", "<u>", "&", [figure], [Picture(b"png", 'x" onload="y'), table], ["a < b"])], 5)
    for markup in ("<i>", "<script", "<u>", 'x" onload', "a < b"):
        assert markup not in shown


def test_pictures_are_inside_the_page():
    shown = page([Chapter("classify", "", "", [], [Picture(b"png", "a picture")])], 300)
    assert f"data:image/png;base64,{base64.b64encode(b'png').decode()}" in shown
    assert 'alt="a picture"' in shown


def test_it_says_how_long_the_training_took():
    assert "5 seconds" in page([], 5)
    assert "5.0 minutes" in page([], 300)
