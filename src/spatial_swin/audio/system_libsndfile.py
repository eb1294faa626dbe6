"""A second `soundfile`, on the libsndfile that the machine has, beside the one that the wheel brings.

The wheel for Linux brings a libsndfile whose LAME and libopus are slow; that of a Linux distribution encodes the same
sound in a third of the time (docs/conditions.md). Both can be loaded at once, the machine's by its path.
"""

import importlib.util
import sys
import sysconfig
from functools import cache
from pathlib import Path
from types import ModuleType

FILE = "libsndfile.so.1"


@cache
def system_soundfile() -> ModuleType | None:
    """The module on the machine's own libsndfile; None where there is none, or not on Linux.

    Its exceptions are other classes than those of `soundfile`.
    """
    path, found = library_path(), importlib.util.find_spec("soundfile")
    if path is None or found is None or found.loader is None:
        return None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    try:
        vars(module)["_snd"] = module._ffi.dlopen(str(path))  # what every call of the module goes through
        version = module._ffi.string(module._snd.sf_version_string()).decode()
    except (AttributeError, OSError):  # another soundfile, or a library that cannot be loaded
        return None
    vars(module)["__libsndfile_version__"] = version.removeprefix("libsndfile-")
    return module


def library_path() -> Path | None:
    """Where Linux distributions put it. By its name alone, one that is loaded already would be found again."""
    if not sys.platform.startswith("linux"):
        return None
    folders = (sysconfig.get_config_var("MULTIARCH"), "../lib64", ".")
    paths = (Path("/usr/lib") / folder / FILE for folder in folders if folder)
    return next((path.resolve() for path in paths if path.is_file()), None)
