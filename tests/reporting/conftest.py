"""A maker of run folders in the test's own folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_runs import make_run

from spatial_swin.reporting import style
from spatial_swin.runs import RunFolder


@pytest.fixture(autouse=True)
def coarse_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures at a fifth of their resolution: drawing them at 300 dpi is much of a report's time."""
    monkeypatch.setitem(style.RC, "savefig.dpi", 60)


@pytest.fixture
def made_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """A maker of runs in the test's own folder: made_run("name", items=..., class_names=...)."""

    def maker(name: str = "run", **changes: object) -> RunFolder:
        return make_run(tmp_path / name, **changes)

    return maker
