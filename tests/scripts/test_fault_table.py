"""The table of faults: what it calls a row, and that every test that it names is there."""

import re
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import fault_table

    return fault_table  # type: ignore[return-value]


def test_every_test_that_proves_a_row_is_there_and_no_row_twice(table: SimpleNamespace) -> None:
    names = [(row.line, row.name) for row in table.FAULTS]
    assert len(names) == len(set(names))
    for row in table.FAULTS:
        if isinstance(row, table.Proof):
            file, _, test = row.node.partition("::")
            assert not test or re.search(rf"def {test}\(", (ROOT / "tests" / file).read_text()), row.node


def answer(code: int, said: str) -> object:
    def command(words: list[str]) -> int:
        print(said)
        return code

    return command


@pytest.mark.parametrize(
    ("code", "said", "problem", "became"),
    [
        (1, "the batch is too large", "", "refused"),
        (0, "the batch is too large", "", "wrong"),
        (1, "no", "", "wrong"),
        (1, "the batch is too large", "a file is lost", "wrong"),
        (1, "batch\nTraceback (most recent call last):\n", "", "traceback"),
    ],
)
def test_a_row_is_right_only_with_its_outcome_its_word_and_its_result(
    table: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, code: int, said: str, problem: str, became: str
) -> None:
    monkeypatch.setattr(table, "spatial_swin", answer(code, said))
    fault = table.Fault("0", "a fault", "refused", "batch", lambda bench: ["train"], check=lambda *_: problem)
    assert table.judged(fault, None).became == became


def test_an_exception_that_gets_out_is_a_traceback(table: SimpleNamespace) -> None:
    @contextmanager
    def breaks():  # type: ignore[no-untyped-def]
        raise KeyError("out")
        yield

    fault = table.Fault("0", "a fault", "refused", "", lambda bench: ["train"], meanwhile=breaks)
    assert table.judged(fault, None).became == "traceback"


def test_a_proof_is_as_good_as_the_worst_of_its_tests(
    table: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_made.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('n', [1, 2])\ndef test_one(n): assert n == 1\n"
        "def test_two(): pass\ndef test_three(): pytest.skip('no such library')\n"
    )
    monkeypatch.setattr(table, "ROOT", tmp_path)
    proofs = [table.Proof("0", name, "recovered", f"test_made.py::test_{name}") for name in ("one", "two", "three")]
    became = [verdict.became for verdict in table.proven(proofs, tmp_path).values()]
    assert became == ["wrong", "recovered", "not run"]
