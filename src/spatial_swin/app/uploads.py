"""The folder that holds what visitors upload: private, emptied as soon as an answer is there, gone with the process.

Gradio writes the uploads; this module says where, and removes them. Whatever was never judged (an upload that broke
off, a visitor who left first) is removed after a while.
"""

import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spatial_swin.errors import SpatialSwinError

FORGOTTEN = 900.0  # seconds after which an upload that nobody asked about is removed
LOOK_EVERY = 60.0  # seconds


class Uploads:
    """A temporary folder, which Gradio finds by its own variable; removed when the process ends, by SIGTERM too."""

    def __init__(self) -> None:
        try:
            self._holder = tempfile.TemporaryDirectory(prefix="spatial-swin-page-", ignore_cleanup_errors=True)
        except OSError as error:
            raise SpatialSwinError(
                f"there is no folder for uploads ({error.strerror}); set TMPDIR to a folder that can be written"
            ) from None
        self.folder = Path(self._holder.name).resolve()
        os.environ["GRADIO_TEMP_DIR"] = str(self.folder)  # read when components and server are made
        self._holders: Counter[Path] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._sweep_now_and_then, daemon=True).start()

    @contextmanager
    def held(self, path: Path) -> Iterator[None]:
        """Keep one upload while it is judged, and remove it after; the same bytes of two visitors are one file."""
        with self._lock:
            self._holders[path] += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders[path] -= 1
                if not self._holders[path]:
                    del self._holders[path]
                    self._remove(path)

    def sweep(self, age: float = FORGOTTEN) -> None:
        """Remove every file that has not changed for `age` seconds."""
        for path in self.folder.rglob("*"):
            try:
                if path.is_file() and time.time() - path.stat().st_mtime > age:
                    self._remove(path)
            except OSError:  # somebody else removed it
                continue

    def close(self) -> None:
        self._ended.set()
        self._holder.cleanup()

    def _remove(self, path: Path) -> None:
        """Remove a file of this folder and the folder that Gradio made for it; nothing that lies elsewhere."""
        if self.folder not in path.resolve().parents:
            return
        path.unlink(missing_ok=True)
        with suppress(OSError):  # not empty, or gone
            if path.parent != self.folder:
                path.parent.rmdir()

    def _sweep_now_and_then(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            self.sweep()
