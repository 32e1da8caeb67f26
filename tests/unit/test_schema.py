"""`incumbent-server schema`: the script, or one sentence."""

import pytest

from incumbent_server.__main__ import main


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgres://", "postgres+advisory"])
def test_the_tables_of_a_store(scheme: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", scheme]) == 0
    told = capsys.readouterr().out
    assert "CREATE TABLE IF NOT EXISTS incumbent_term" in told
    assert "CREATE TABLE IF NOT EXISTS incumbent_lock_term" in told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sqlite"], "needs no tables made beforehand"),
        (["abacus"], "no driver for the backend scheme 'abacus'"),
        ([], "incumbent-server schema SCHEME"),
        (["a", "b"], "incumbent-server schema SCHEME"),
    ],
)
def test_what_has_none(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert sentence in told.err
    assert told.err.count("\n") == 1
