"""Every fault of the battery, done to tiny data and tiny runs, and what the public verbs make of it.

    python scripts/fault_table.py                     # all, some minutes on two cores
    python scripts/fault_table.py --only checkpoint   # those whose name or line holds the word

Verdicts: `refused` (a sentence, exit code not 0), `recovered` (exit code 0, the work is done), `traceback`, `wrong`
(the other of the two, another sentence, a result that is not right, or a test that fails), and `not run` (a test that
was skipped). Leaves with 1 when there is a traceback or a wrong row. A fault is one row of `fault_rows.FAULTS`: a
`Fault` is done here, by a function that does the damage and returns the command; a `Proof` is the verdict of a test.
Twenty random kills of a training are left to `make test-slow`.
"""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fault_bench import Bench, Command, Fault, Proof
from fault_rows import FAULTS
from measuring import parser_of

from spatial_swin.cli import main as spatial_swin

ROOT = Path(__file__).parents[1]
PATIENCE = 300  # seconds for a command with a process of its own


@dataclass(frozen=True)
class Verdict:
    became: str
    seconds: float
    sentence: str


def run_apart(command: Command, environment: dict[str, str]) -> int:
    """The exit code of a command with a process and variables of its own; its output becomes ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_", "MPLCONFIGDIR"))}
    words = [sys.executable, "-m", "spatial_swin", *command]
    done = subprocess.run(words, env=kept | environment, capture_output=True, timeout=PATIENCE, check=False)
    print((done.stdout + done.stderr).decode(errors="replace"))
    return done.returncode


def run_here(command: Command) -> int:
    try:
        return spatial_swin(command)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1


def judged(fault: Fault, bench: Bench) -> Verdict:
    """What became of a fault, and the sentence that holds the word expected, or else the last line."""
    said, seconds, trouble = io.StringIO(), 0.0, ""
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        command = fault.damage(bench)
        said.seek(0)
        said.truncate()  # what is said of the damage counts nothing
        began = time.monotonic()
        try:
            with fault.meanwhile():
                code = run_apart(command, dict(fault.environment)) if fault.environment else run_here(command)
            seconds, text = time.monotonic() - began, said.getvalue()
            outcome = "refused" if code else "recovered"
            trouble = fault.check(bench, command) if outcome == fault.expect else f"{outcome}, not {fault.expect}"
        except BaseException:
            return Verdict("traceback", time.monotonic() - began, traceback.format_exc().strip().splitlines()[-1])
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    sentence = next((line for line in lines if fault.says and fault.says in line), lines[-1])
    if "Traceback (most recent call last)" in said.getvalue():
        return Verdict("traceback", seconds, sentence)
    if fault.says not in text:
        trouble = trouble or f"`{fault.says}` is not said"
    if seconds > fault.within:
        trouble = trouble or f"more than {fault.within:g} s"
    return Verdict("wrong", seconds, f"{trouble}: {sentence}") if trouble else Verdict(outcome, seconds, sentence)


def proven(proofs: Sequence[Proof], folder: Path) -> dict[Proof, Verdict]:
    """Run the tests of all proofs in one process; a row is as good as the worst of its tests."""
    if not proofs:
        return {}
    results = folder / "tests.xml"
    nodes = sorted({f"tests/{proof.node}" for proof in proofs})
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={results}", *nodes]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if not results.is_file():
        sys.exit(f"pytest gave no results: {done.stdout[-500:]} {done.stderr[-500:]}")
    cases = list(ElementTree.parse(results).iter("testcase"))
    return {proof: _worst(proof, cases) for proof in proofs}


def _worst(proof: Proof, cases: Sequence[ElementTree.Element]) -> Verdict:
    file, _, test = proof.node.partition("::")
    place = "tests." + file.removesuffix(".py").replace("/", ".")
    ours = [
        case for case in cases if case.get("classname") == place and test in ("", case.get("name", "").split("[")[0])
    ]
    seconds = sum(float(case.get("time", 0)) for case in ours)
    bad = [case for case in ours if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case for case in ours if case.find("skipped") is not None]
    if bad or not ours:
        return Verdict(
            "wrong", seconds, f"{bad[0].get('name') if bad else 'no such test'} fails: pytest tests/{proof.node}"
        )
    return Verdict("not run" if skipped else proof.expect, seconds, f"{len(ours)} of {len(ours)} pass: {proof.node}")


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--only", default="", help="rows whose line or name holds this")
    word = parser.parse_args().only
    rows = [row for row in FAULTS if word in f"{row.line} {row.name}"]
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stdout(io.StringIO()):
            bench = Bench(Path(folder))
        tests = proven([row for row in rows if isinstance(row, Proof)], Path(folder))
        print("| issue 14 | fault | verdict | seconds | what was said |\n|---|---|---|---|---|")
        for row in rows:
            verdict = tests[row] if isinstance(row, Proof) else judged(row, bench)
            counts[verdict.became] += 1
            shown = verdict.sentence.replace(folder, "").replace("|", "\\|")[:160]
            print(f"| {row.line} | {row.name} | {verdict.became} | {verdict.seconds:.1f} | {shown} |", flush=True)
    print(f"\n{len(rows)} rows: " + ", ".join(f"{count} {became}" for became, count in sorted(counts.items())))
    return int(bool(counts.keys() & {"traceback", "wrong"}))


if __name__ == "__main__":
    sys.exit(main())
