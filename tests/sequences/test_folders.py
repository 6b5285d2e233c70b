from pathlib import Path

from trine.sequences.readers import open_sequences


def test_the_folders_of_adfa_ld_give_splits_and_kinds(tmp_path: Path) -> None:
    for inside, text in {
        "Training_Data_Master/UTD-0001.txt": "6 6 63 ",
        "Validation_Data_Master/UVD-0001.txt": "6 3",
        "Attack_Data_Master/Hydra_FTP_7/UAD-Hydra-FTP-7-1.txt": "102 7",
    }.items():
        path = tmp_path / "ADFA-LD" / inside
        path.parent.mkdir(parents=True)
        path.write_text(text)
    table = open_sequences(tmp_path / "ADFA-LD")
    rows = zip(table.names, table.splits, table.labels, table.kinds, strict=True)
    assert list(rows) == [
        ("Hydra_FTP_7/UAD-Hydra-FTP-7-1", "test", 1, "Hydra_FTP"),
        ("UTD-0001", "train", 0, "normal"),
        ("UVD-0001", "test", 0, "normal"),
    ]


def test_a_folder_has_one_sequence_per_file(tmp_path: Path) -> None:
    (tmp_path / "normal").mkdir()
    (tmp_path / "normal" / "a.txt").write_text("open read\nclose")
    (tmp_path / "b").write_text("open")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "notes.csv").write_text("a,b")
    table = open_sequences(tmp_path)
    assert table.names.tolist() == ["b", "normal/a"]
    assert table.labels.tolist() == [-1, 0]
    assert sorted(message.split(": ")[1] for message in table.skipped) == [
        "a table, no sequence, left out (1",
        "no events, row left out (1",
    ]


def test_hidden_files_are_ignored_and_bytes_that_are_not_utf_8_are_counted(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("a b")
    (tmp_path / "trace.txt").write_bytes(b"open \xff\n")
    table = open_sequences(tmp_path)
    assert (table.names.tolist(), table.vocabulary) == (["trace"], ("open", "\\xff"))
    assert table.skipped == (
        f"{tmp_path.name}: no clean text (1: trace.txt: not UTF-8, bytes kept as \\xNN (1: line 1))",
    )
