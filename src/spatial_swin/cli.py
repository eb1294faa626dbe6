"""One command, `spatial-swin VERB ...`: finds the verb's module, prints errors as sentences, returns an exit code.

No logic here: each verb is a module of `spatial_swin.commands` with `add_arguments(parser)` and `run(arguments)
-> int`, imported only when it is called, so that `--help` and the light verbs never wait for torch. A verb that takes
every key of a recipe says TAKES_RECIPE_KEYS and finds what its parser does not know in `arguments.overrides`. How
options are written is `commands.values`.

Exit codes: 0 done, 1 error in what was given, 2 usage, 3 audit alarm (strict), 4 verdict differs from --expect,
130 interrupted at the keyboard, 143 stopped by SIGTERM with a checkpoint.
"""

import argparse
import contextlib
import difflib
import importlib
import io
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence

from spatial_swin import __version__
from spatial_swin.errors import STOPPED, SpatialSwinError, printable

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
# called again, they go on where they were stopped
CONTINUE = frozenset(
    {"render", "mosaic", "train", "crossval", "learning_curve", "generalise", "bench", "demo", "adapt"}
)
_RUNNING: list[str] = []  # verbs that are at work, the outermost first: the demo calls others
VERBS = {
    "render": "programmes -> every layout for every listener: sound, pictures, manifest",
    "mosaic": "binaural recordings -> pictures of binaural cues, with a manifest",
    "cues": "one sound -> one annotated figure of every cue, for a person to look at",
    "baseline": "gradient boosting on pooled cues, by group: what a simple model already knows",
    "audit": "can this data set answer the question? confounds, leaks, shortcuts",
    "train": "fine-tune a Swin on a folder of pictures in two phases, from one recipe",
    "start": "the same in the background: survives logging out, writes training.log and pid",
    "monitor": "what the runs are doing: state, epoch, time left, figures, GPU",
    "stop": "end a running training cleanly, with a checkpoint",
    "crossval": "k-fold cross-validation, resumable fold by fold",
    "learning_curve": "the same recipe on more and more recordings",
    "generalise": "random against leave-recording, -listener, -content: the generalisation matrix",
    "sweep": "search values of recipe keys on the validation part, resumable; the test part stays closed",
    "adapt": "the shipped model for a renderer whose impulse responses are known, in minutes",
    "evaluate": "predictions and metrics with intervals for a finished run",
    "bench": "unseen listeners, rooms, codecs, noise: where a finished model holds, with intervals",
    "cache": "list or remove what the trunk cache holds",
    "report": "thesis results of one run, or the comparison of several",
    "predict": "recordings or pictures -> which layout, how sure, where in time; quality control with --expect",
    "export": "the model as ONNX, checked against PyTorch and timed beside it",
    "explain": "where the model looks, cue by cue, and the occlusion check that keeps it honest",
    "push": "put a finished run's model on the Hugging Face Hub: weights, processor, card, figure",
    "app": "a page on this machine: drop a recording, see layout, cues and where the model looked",
    "demo": "render, train, evaluate and report in a few minutes on a laptop",
}


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # LC_ALL=C, or a file name that is no text
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"spatial-swin {__version__}")
        return 0
    verb = words[0]
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"the verbs are {', '.join(VERBS)}"
        print(f"spatial-swin: there is no verb {printable(verb)!r}; {hint}", file=sys.stderr)
        return 2
    return call(verb, words[1:])


def overview() -> str:
    width = max(map(len, VERBS))
    return "\n".join(
        [
            "usage: spatial-swin VERB [options]      (spatial-swin help VERB shows the options of a verb)\n",
            *(f"  {verb:<{width}}  {summary}" for verb, summary in VERBS.items()),
            "\nEvery verb takes -q (warnings and errors only) and -v (more); --version shows the version.",
        ]
    )


def call(verb: str, words: Sequence[str]) -> int:
    """Run one verb: what it raises becomes a sentence, and its exit code ours; stops are said by the outermost."""
    _RUNNING.append(verb)
    try:
        return _call(verb, words)
    finally:
        _RUNNING.pop()


def _call(verb: str, words: Sequence[str]) -> int:
    if threading.current_thread() is threading.main_thread():
        # leave by the ordinary way, so that worker processes end with us; training puts its own, gentler handler here
        signal.signal(signal.SIGTERM, _terminate)
    command = importlib.import_module(f"spatial_swin.commands.{verb}")
    arguments = parse(verb, words)
    try:
        if hasattr(arguments, "overrides"):  # a mistyped key, and a model out of reach, before torch is imported
            from spatial_swin.hub import require_within_reach
            from spatial_swin.recipe_keys import read_recipe

            given = read_recipe(arguments.config, arguments.overrides)
            require_within_reach(str(given.get("Model", {}).get("model_name_or_path", "")))
        with quiet() if arguments.quiet else talkative() if arguments.verbose else contextlib.nullcontext():
            return command.run(arguments)
    except SpatialSwinError as error:
        if arguments.verbose:
            traceback.print_exc()
        print(f"spatial-swin {verb}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        if len(_RUNNING) > 1:
            raise
        print(f"\nspatial-swin {verb}: interrupted{_way_on(verb)}", file=sys.stderr)
        return INTERRUPTED
    except _Terminated:
        if len(_RUNNING) > 1:
            raise
        print(f"\nspatial-swin {verb}: stopped by SIGTERM{_way_on(verb)}", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # `spatial-swin ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class _Terminated(SystemExit):
    """SIGTERM came, and nothing nearer to the work took it."""


def _terminate(*_: object) -> None:
    raise _Terminated(STOPPED)


def _way_on(verb: str) -> str:
    return "; the same command continues it" if verb in CONTINUE else ""


def parse(verb: str, words: Sequence[str]) -> argparse.Namespace:
    """The arguments of a verb; leaves with exit code 2 and a sentence when they are wrong."""
    from spatial_swin.commands.values import Parser

    command = importlib.import_module(f"spatial_swin.commands.{verb}")
    parser = Parser(verb, command.__doc__ or "")
    command.add_arguments(parser)
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument(
        "-q", "--quiet", action="store_true", help="warnings and errors only; the exit code says the rest"
    )
    loudness.add_argument(
        "-v", "--verbose", action="store_true", help="say more, and where in the code an error arose"
    )
    parse = parser.parse_known_intermixed_args if parser.words_anywhere else parser.parse_known_args
    arguments, unknown = parse(words)
    if getattr(command, "TAKES_RECIPE_KEYS", False):  # --key value of the recipe, read and checked with it
        arguments.overrides = unknown
    elif unknown:
        parser.suggest(unknown)
    return arguments


class _NoTerminal(io.TextIOWrapper):
    """Standard error that progress bars take for a file, so that they stay away."""

    def isatty(self) -> bool:
        return False


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing on standard output, no progress bars, warnings and errors only."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_environment(TQDM_DISABLE="1", TRANSFORMERS_VERBOSITY="error", DATASETS_VERBOSITY="error"))
        stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        if sys.stderr.isatty():
            bare = _NoTerminal(os.fdopen(os.dup(2), "wb", 0), errors="backslashreplace", write_through=True)
            stack.enter_context(contextlib.redirect_stderr(bare))
        yield


@contextlib.contextmanager
def talkative() -> Iterator[None]:
    """What the libraries have to say as well."""
    logging.basicConfig(level=logging.INFO)
    with _environment(TRANSFORMERS_VERBOSITY="info", DATASETS_VERBOSITY="info"):
        yield


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Environment variables for libraries that are imported later, and for processes that are started."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


if __name__ == "__main__":
    sys.exit(main())
