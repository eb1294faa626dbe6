"""What the package carries, by name: recipes and models. A name goes in, a path comes out.

The recipes are the folder recipes/ of the repository, which a wheel holds as spatial_swin/recipes; there is no second
copy. Nothing is read here but the names of files, and torch is not imported.
"""

import difflib
import os
from functools import cache
from pathlib import Path

from spatial_swin.errors import RecipeError

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
DETECTOR = "detector"  # a finished model, which `predict` and the page use where none is named
THE_DETECTOR = "the detector that ships"  # what results call it
MODELS = ("swin-nano-192", DETECTOR)  # in assets/, by the name that a recipe uses


@cache
def recipes() -> dict[str, Path]:
    """{`swin-nano-192/demo`: its file, ...}: in the package as installed from a wheel, else in the checkout."""
    for root in (HERE / "recipes", HERE.parents[1] / "recipes"):
        if found := {f"{path.parent.name}/{path.stem}": path for path in sorted(root.glob("*/*.yaml"))}:
            return found
    return {}


def find_recipe(name: str | os.PathLike[str]) -> Path:
    """The recipe file that `name` means: a file of that path, else one that ships, `swin-nano-192/demo` or `demo`.

    `recipes/swin-nano-192/demo.yaml` works outside a checkout too.

    Raises:
        RecipeError: nothing is called that; the nearest name and all that ship are named.
    """
    path, known = Path(name), recipes()
    if _is_there(path) and not os.path.isdir(path):
        return path
    word = path.with_suffix("").as_posix() if path.suffix in (".yaml", ".yml") else path.as_posix()
    word = word.removeprefix("recipes/")
    if meant := [full for full in known if word in (full, full.partition("/")[2])]:
        if len(meant) == 1:
            return known[meant[0]]
        raise RecipeError(f"{name}: {len(meant)} recipes are called so; choose one: {', '.join(meant)}")
    if os.path.isdir(path):
        return path  # what reads it says that a folder is no recipe
    words = [*known, *(full.partition("/")[2] for full in known)]
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? Or " if near else ""
    raise RecipeError(f"{name}: no such recipe; {hint}give a YAML file, or one that ships: {', '.join(known)}")


def _is_there(path: Path) -> bool:
    """Whether something lies there; what cannot be looked at counts, so that its reader says why."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def detector() -> Path:
    """The folder of the detector that ships."""
    return ASSETS / DETECTOR


def people() -> Path:
    """SOFA files of a few measured people, of whom the detector did not learn, for judging in four layouts."""
    return ASSETS / "people"


def locate_model(name_or_path: str) -> str:
    """A shipped model's name becomes its folder; everything else stays as it is."""
    first, _, rest = name_or_path.partition("/")
    return str(ASSETS / first / rest) if first in MODELS and not Path(name_or_path).exists() else name_or_path
