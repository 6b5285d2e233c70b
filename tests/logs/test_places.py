import random
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.errors import DataError
from trine.logs.places import OTHER, Parts, Places

WORDS = "may june july august rome paris oslo berlin train boat plane bike tent lake sea hill snow rain sun".split()  # noqa: SIM905
SLUGS = [f"/{first}{second}" for first in WORDS for second in WORDS if first != second]
PAGES = "about contact terms privacy faq help jobs press team news login logout cart pay search".split()  # noqa: SIM905

part = st.sampled_from(
    ["/", "/a", "/b", "/c7", "/<*>", " 200", " 404", ".html", "?", "{..}", "GET ", "", " ", "\0", "/a.b.c"]
) | st.text(max_size=4)
event = st.lists(part, max_size=6).map(tuple)


def settled(events: list[Parts], **options: int) -> Places:
    places = Places(**options)
    for parts in events:
        places.add(parts)
    places.settle()
    return places


def names(places: Places, events: list[Parts]) -> set[str]:
    return {places.name(places.match(parts)) for parts in events}


def get(*middle: str, status: int = 200) -> Parts:
    return ("GET ", *middle, f" {status}")


def test_new_posts_match_where_many_posts_were_seen() -> None:
    posts = [("GET ", "/blog", slug, ".html", " 200") for slug in SLUGS[:120]]
    draw = random.Random(0)
    places = settled([*posts[:60], *draw.choices(posts[:60], k=1200)])
    assert names(places, posts) == {"GET /blog/<*>.html 200"}


def test_posts_with_numbers_are_values_after_few() -> None:
    places = settled([get("/blog", f"/post-{i}") for i in range(1, 13) for _ in range(20)])
    assert places.name(places.match(get("/blog", "/post-61"))) == "GET /blog/<*> 200"
    assert places.match(get("/blog", "/upload")) == OTHER


def test_an_unknown_ending_or_status_at_a_value_is_a_new_event() -> None:
    places = settled([("GET ", "/blog", slug, ".html", " 200") for slug in SLUGS[:60]])
    assert places.match(("GET ", "/blog", "/shell", ".php", " 200")) == OTHER
    assert places.match(("GET ", "/blog", "/new", ".html", " 500")) == OTHER
    assert places.match(("GET ", "/blog", "/new", ".html", "?{sql}", " 200")) == OTHER
    assert places.match(("GET ", "/blog", "/new", ".html", " 200", " agent{jndi}")) == OTHER
    assert places.match(("PUT ", "/blog", "/new", ".html", " 200")) == OTHER


@pytest.mark.parametrize("times", [20, 1000])
def test_fixed_pages_that_are_visited_often_stay_named_and_a_new_page_stays_new(times: int) -> None:
    pages = [get(f"/{page}") for page in [*PAGES, *WORDS[:10]]]
    draw = random.Random(1)
    popular = draw.choices(pages, [1 / rank for rank in range(1, 26)], k=25 * times)
    for visits in (pages * times, popular + pages):
        places = settled(visits)
        assert names(places, pages) == {"".join(page) for page in pages}
        assert places.match(get("/wp-admin")) == OTHER


def test_user_names_are_values() -> None:
    users = SLUGS[:90]
    events = [get("/u", user, page) for user in users[:45] for page in ("/posts", "/likes")]
    places = settled(events)
    new = [get("/u", user, page) for user in users[45:] for page in ("/posts", "/likes")]
    assert names(places, new) == {"GET /u/<*>/posts 200", "GET /u/<*>/likes 200"}
    assert places.match(get("/u", "/zoe", "/admin")) == OTHER


def test_values_at_two_places_and_a_few_named_categories() -> None:
    draw = random.Random(2)
    shops = settled([get("/shop", draw.choice(SLUGS[:99]), draw.choice(SLUGS)) for _ in range(3000)])
    assert shops.name(shops.match(get("/shop", "/hats", "/red"))) == "GET /shop/<*>/<*> 200"
    few = settled([get("/shop", draw.choice(["/hats", "/shoes", "/socks"]), draw.choice(SLUGS)) for _ in range(3000)])
    assert few.name(few.match(get("/shop", "/hats", "/red"))) == "GET /shop/hats/<*> 200"
    assert few.match(get("/shop", "/admin", "/red")) == OTHER


def test_hashes_of_static_files_are_values() -> None:
    draw = random.Random(3)
    versions = [
        ("GET ", "/static", f"/app.{draw.getrandbits(32):08x}", end, " 200")
        for end in (".js", ".css")
        for _ in "12345678901"
    ]
    places = settled(draw.choices(versions, k=2000))
    assert names(places, versions) == {"GET /static/<*>.js 200", "GET /static/<*>.css 200"}
    assert places.match(("GET ", "/static", "/app.0badcafe", ".js", " 200")) != OTHER


def test_verbs_resources_and_outcomes_are_no_values() -> None:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    resources = [f" {word}s" for word in WORDS]
    events = [(verb, resource) for verb in verbs for resource in resources for _ in range(9)]
    events += [("GET ", "/", f" {status}") for status in (200, 301, 302, 304, 400, 401, 403, 404, 405, 500, 502, 503)]
    places = settled(events)
    assert names(places, events) == {"".join(parts) for parts in events}
    assert places.match(("list", " secrets")) == OTHER


@given(first=st.booleans())
@settings(max_examples=2)
def test_a_scanner_in_the_training_hides_no_page_that_is_found(first: bool) -> None:
    draw = random.Random(4)
    pages = [get(f"/{page}") for page in PAGES for _ in range(100)]
    rubbish = [get(f"/{draw.choice(WORDS)}{draw.getrandbits(20)}", status=404) for _ in range(1500)]
    rubbish += [get(slug, "/x", status=404) for slug in SLUGS]
    rubbish += [get(slug, status=404) for slug in SLUGS]
    places = settled(rubbish + pages if first else pages + rubbish)
    assert places.name(places.match(get("/phpinfo", status=404))) == "GET /<*> 404"
    assert places.match(get("/phpinfo")) == OTHER
    assert places.match(("GET ", "/c99", ".php", " 200")) == OTHER
    assert names(places, pages) == {f"GET /{page} 200" for page in PAGES}


@pytest.mark.parametrize("slugs", [380, 5000])
def test_a_frequent_page_among_many_values_keeps_its_name(slugs: int) -> None:
    draw = random.Random(5)
    events = [get(f"/{draw.choice(WORDS)}-{i}") for i in range(slugs)] + [get("/login")] * slugs
    draw.shuffle(events)
    places = settled(events)
    assert places.name(places.match(get("/login"))) == "GET /login 200"
    assert places.name(places.match(get("/boat-99999"))) == "GET /<*> 200"


def test_parts_that_are_masked_already_belong_to_the_values_of_their_place() -> None:
    events = [get("/u", slug) for slug in SLUGS] + [get("/u", "/<*>")] * 999
    places = settled(events)
    assert names(places, events) == {"GET /u/<*> 200"}
    few = settled([get("/item", "/<*>")] * 999 + [get("/item", "/list")])
    assert few.match(get("/item", "/admin")) == OTHER


def test_the_name_of_an_event_is_its_parts_in_their_order() -> None:
    for parts in [get("/", "/a", ".html", "{..}", "?{sql}", status=500), ("a", ":b", " c", ":d", " e"), ("", " ", "/")]:
        places = settled([parts])
        assert places.name(places.match(parts)) == "".join(parts)


def test_hidden_files_are_not_the_values_of_their_place() -> None:
    places = settled([get(slug) for slug in SLUGS])
    assert places.match(get("/.env")) == OTHER
    assert places.match(get("/")) == OTHER


@settings(max_examples=20)
@given(events=st.lists(event, max_size=60), seed=st.integers(0, 9))
def test_the_order_of_events_does_not_matter(events: list[Parts], seed: int) -> None:
    events = [*events, *(get("/u", slug) for slug in SLUGS[: 10 * seed])]
    shuffled = random.Random(seed).sample(events, len(events))
    first, second = settled(events), settled(shuffled)
    assert [first.name(first.match(parts)) for parts in events] == [
        second.name(second.match(parts)) for parts in events
    ]


@settings(max_examples=20)
@given(events=st.lists(event, max_size=80))
def test_every_learned_event_is_matched_and_its_id_resolves_to_it(events: list[Parts]) -> None:
    events = [*events, *((*parts, f"/{i}") for parts in events[:2] for i in range(12))]
    places = Places()
    ids = [places.add(parts) for parts in events]
    assert ids == [places.add(parts) for parts in events]
    places.settle()
    for parts, id_ in zip(events, ids, strict=True):
        assert places.match(parts) == places.resolve(id_) != OTHER
        assert places.resolve(places.resolve(id_)) == places.resolve(id_)
        assert places.generalised(parts) == places.name(id_)
        assert "<*>" in places.name(id_) or places.name(id_) == "".join(parts)


@settings(max_examples=20)
@given(events=st.lists(event, max_size=50), more=st.lists(event, max_size=30))
def test_saved_places_continue_with_the_same_results(events: list[Parts], more: list[Parts]) -> None:
    places = settled([*events, *(get(f"/p{i}") for i in range(15))])
    loaded = Places.from_json(places.to_json())
    for parts in [*events, *more]:
        assert loaded.match(parts) == places.match(parts)
        assert loaded.generalised(parts) == places.generalised(parts)
    assert [loaded.add(parts) for parts in more] == [places.add(parts) for parts in more]
    places.settle()
    loaded.settle()
    assert loaded.to_json() == places.to_json()


@settings(max_examples=20)
@given(events=st.lists(event, max_size=30), new=st.lists(event, max_size=9))
def test_matching_learns_nothing(events: list[Parts], new: list[Parts]) -> None:
    places = settled(events)
    before = places.to_json()
    assert all(places.match(parts) == OTHER for parts in new if parts not in events and not events)
    assert places.to_json() == before


def test_the_text_of_a_new_event_has_its_known_values_and_what_is_new() -> None:
    places = settled([get("/u", slug, "/posts") for slug in SLUGS])
    assert places.generalised(get("/u", "/zoe", "/admin")) == "GET /u/<*>/admin 200"
    assert places.generalised(get("/u", "/zoe", "/posts", status=500)) == "GET /u/zoe/posts 500"
    assert places.generalised(()) == ""


@given(events=st.lists(event, max_size=60), limit=st.integers(0, 6))
def test_events_never_exceed_their_bound(events: list[Parts], limit: int) -> None:
    places = Places(max_events=limit)
    ids = {places.resolve(places.add(parts)) for parts in events}
    assert len(places) <= limit
    assert OTHER in ids or len(set(events)) <= limit or len(places) < len(set(events))


def hostile(kind: str, count: int) -> list[Parts]:
    draw = random.Random(6)

    def word() -> str:
        return "".join(draw.choices("abcdefghijklmnop", k=8))

    kinds = {
        "paths": lambda: get(f"/{word()}", f"/{word()}"),
        "first": lambda: (word(), f" {word()}"),
        "depths": lambda: get(*(f"/{word()}" for _ in range(draw.randrange(40)))),
        "endings": lambda: get(f"/{word()}", f".{word()}"),
        "marks": lambda: get("".join(draw.choices("/.'\"<>;()%", k=12))),
        "symbols": lambda: (chr(0x2190 + draw.randrange(2000)), " ok"),
        "outcomes": lambda: ("a", *(f" {word()}" for _ in range(20))),
        "few": lambda: get(*(f"/{draw.choice('ab')}" for _ in range(30))),
    }
    return [kinds[kind]() for _ in range(count)]


@pytest.mark.parametrize("kind", ["paths", "first", "depths", "endings", "marks", "symbols", "outcomes", "few"])
def test_a_hostile_log_takes_bounded_memory(kind: str) -> None:
    events = hostile(kind, 1_200)
    places = Places(max_events=400)
    for parts in events:
        places.add(parts)
        assert len(places) <= 400
    places.settle()
    assert len(places.to_json()) < 1_000_000


def test_huge_events_take_no_time_and_no_memory() -> None:
    tracemalloc.start()
    start = time.perf_counter()
    places = Places()
    for i in range(50):
        places.add(("GET ", *("/a" * 500_000, f"/{i}"), " 200"))
        places.add(("/x",) * 100_000)
    assert time.perf_counter() - start < 5
    assert tracemalloc.get_traced_memory()[0] < 10_000_000
    tracemalloc.stop()


@given(
    text=st.text(max_size=40)
    | st.sampled_from(['{"format": 9}', "[]", "{}", '{"format": 1, "max_events": 3}', "[" * 100_000])
)
def test_a_text_that_is_no_state_is_a_clear_error(text: str) -> None:
    with pytest.raises(DataError, match="places: "):
        Places.from_json(text)
