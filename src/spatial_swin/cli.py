"""One command, `spatial-swin VERB ...`: finds the verb's module, prints errors as sentences, returns an exit code.

No logic here: each verb is a module of `spatial_swin.commands` with `add_arguments(parser)` and `run(arguments)
-> int`, imported only when it is called, so that `--help` and the light verbs never wait for torch. A verb that takes
every key of a recipe says TAKES_RECIPE_KEYS and finds what its parser does not know in `arguments.overrides`.

Exit codes: 0 done, 1 error in what was given, 2 usage, 3 audit alarm (strict), 4 verdict differs from --expect,
130 interrupted at the keyboard, 143 stopped by SIGTERM with a checkpoint.
"""

import argparse
import importlib
import os
import signal
import sys
import threading
from collections.abc import Sequence

from spatial_swin.errors import STOPPED, SpatialSwinError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
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
    "generalise": "random against leave-recording, -listener, -content: the generalisation matrix",
    "evaluate": "predictions and metrics with intervals for a finished run",
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
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, VERBS))
        print("usage: spatial-swin VERB [options]      (spatial-swin VERB --help tells the options)\n")
        print("\n".join(f"  {verb:<{width}}  {summary}" for verb, summary in VERBS.items()))
        return 0 if argv else 2
    verb = argv[0]
    if verb not in VERBS:
        print(f"spatial-swin: there is no verb {verb!r}; the verbs are {', '.join(VERBS)}", file=sys.stderr)
        return 2
    if threading.current_thread() is threading.main_thread():
        # leave by the ordinary way, so that worker processes end with us; training puts its own, gentler handler here
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))
    command = importlib.import_module(f"spatial_swin.commands.{verb}")
    parser = argparse.ArgumentParser(
        prog=f"spatial-swin {verb}",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        conflict_handler="resolve",
    )
    command.add_arguments(parser)
    try:
        if getattr(command, "TAKES_RECIPE_KEYS", False):  # --key value of the recipe, read and checked with it
            arguments, overrides = parser.parse_known_args(argv[1:])
            arguments.overrides = overrides
        else:
            arguments = parser.parse_args(argv[1:])
        return command.run(arguments)
    except SpatialSwinError as error:
        print(f"spatial-swin {verb}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"\nspatial-swin {verb}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `spatial-swin ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
