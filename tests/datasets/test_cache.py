from trine.datasets.cache import cache_dir


def test_the_cache_is_the_users_unless_named(monkeypatch):
    monkeypatch.delenv("TRINE_CACHE")
    assert cache_dir().name == "trine"
