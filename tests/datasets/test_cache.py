from trine.datasets.cache import cache_dir


def test_the_cache_is_the_users_cache_folder_unless_trine_cache_names_another(monkeypatch):
    monkeypatch.delenv("TRINE_CACHE")
    assert cache_dir().name == "trine"
