"""A maker of run folders in the test's own folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_runs import make_run

from spatial_swin.runs import RunFolder


@pytest.fixture
def made_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """A maker of runs in the test's own folder: made_run("name", items=..., class_names=...)."""

    def maker(name: str = "run", **changes: object) -> RunFolder:
        return make_run(tmp_path / name, **changes)

    return maker
