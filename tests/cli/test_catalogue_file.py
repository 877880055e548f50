"""A catalogue in a file: CSV and JSON become what `POST /v1/catalogues` takes; what is damaged is named, and nothing is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.catalogue_file import read_catalogue
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed


def written(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_rows_of_a_csv_file_are_put_in_order(tmp_path: Path) -> None:
    file = written(tmp_path / "charges.csv", "\ufeffcode,name\r\n0809,西药费\r\n\r\n 0802 ,诊查费\r\n")
    rows = [{"code": "0802", "name": "诊查费"}, {"code": "0809", "name": "西药费"}]
    assert read_catalogue(file) == {"catalogue": "charges", "charges": rows}
    file = written(tmp_path / "items.CSV", 'code,charge\n"H,2",0802\nH1,0809\n')
    rows = [{"code": "H,2", "charge": "0802"}, {"code": "H1", "charge": "0809"}]
    assert read_catalogue(file) == {"catalogue": "items", "items": rows}


def test_what_show_prints_can_be_published_again(tmp_path: Path) -> None:
    """Version and day are told anew."""
    shown = (
        '{"organisation":"finance-city","catalogue":"charges","version":2,"from_date":"2027-01-01",'
        '"published_at":"2026-12-01T01:30:00.120Z","charges":[{"code":"02","name":"a"}]}'
    )
    file = written(tmp_path / "shown.json", shown)
    assert read_catalogue(file) == {"catalogue": "charges", "charges": [{"code": "02", "name": "a"}]}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", ""),
        ("a.csv", "code;name\n02;x\n"),
        ("a.csv", "code,price\n02,1\n"),
        ("a.csv", "code,name\n02\n"),
        ("a.csv", 'code,name\n02,"x\n'),
        ("a.json", "[]"),
        ("a.json", "{"),
        ("a.json", '{"charges":[]}'),
        ("a.json", '{"catalogue":7}'),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, data: str) -> None:
    with pytest.raises(CommandFailed) as failed:
        read_catalogue(written(tmp_path / name, data))
    assert (failed.value.code, failed.value.exit_code) == ("catalogue_malformed", ExitCode.USAGE)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", written(tmp_path / "a.json", b"\xff\xfe{}")):
        with pytest.raises(CommandFailed) as failed:
            read_catalogue(path)
        assert failed.value.code == "file_unreadable"
