"""A page on this machine: drop a recording, see layout probabilities, the cue mosaic and where the model looked.

    spatial-swin app                                # the detector that ships
    spatial-swin app runs/first
    spatial-swin app runs/first --port 8000 --host 0.0.0.0

Takes a run folder or a model folder, and without one the detector that ships. Works without a network and sends
nothing anywhere; others reach the page only with --host 0.0.0.0 (the local network) or --share true (a tunnel of
Gradio's). Several visitors share the model window by window, within limits; a file is removed here once it is judged.
Needs `pip install 'spatial-swin[app]'`.
"""

import argparse
import importlib.util
import threading
from pathlib import Path

from spatial_swin.commands import values

PORT = 7860
NEEDS_GRADIO = "the page needs Gradio, which is not installed: pip install 'spatial-swin[app]'"


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument(
        "model",
        type=Path,
        nargs="?",
        help="a finished run folder or a model folder (default: the detector that ships)",
    )
    parser.add_argument(
        "--tiles",
        type=Path,
        help="a tiles.json, or the data folder it lies in, for a model folder "
        "that has none: without it a model judges pictures only",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; 127.0.0.1 is this machine only")
    parser.add_argument(
        "--port", type=values.whole(0, 65_535), default=PORT, help="port to listen at, 0 for a free one"
    )
    parser.boolean_option("--share", "open a public tunnel through Gradio's servers: needs a network")
    parser.add_argument(
        "--allowed_hosts",
        nargs="+",
        default=[],
        metavar="NAME",
        help="names under which the page may be asked for beside this machine's own (default: none): of a proxy, say",
    )
    parser.add_argument("--most_minutes", type=values.count, default=60, help="longest recording that is judged")
    parser.add_argument("--most_megabytes", type=values.count, default=2000, help="largest file that is taken")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.errors import SpatialSwinError, printable

    if importlib.util.find_spec("gradio") is None:
        raise SpatialSwinError(NEEDS_GRADIO)  # before the model is loaded, which takes seconds
    from spatial_swin.shipped import THE_DETECTOR, detector

    folder = arguments.model or detector()
    print(f"loading {printable(arguments.model or THE_DETECTOR)}", flush=True)  # Gradio and the model take seconds
    from spatial_swin.app.page import Limits, build_page
    from spatial_swin.app.serving import serve
    from spatial_swin.prediction.predictor import load_predictor

    predictor = load_predictor(folder, tiles=arguments.tiles)
    limits = Limits(60.0 * arguments.most_minutes, 1_000_000 * arguments.most_megabytes)
    page = build_page(predictor, "/".join(folder.resolve().parts[-2:]) if arguments.model else THE_DETECTOR, limits)
    try:
        address = serve(page, arguments.host, arguments.port, arguments.allowed_hosts, arguments.share)
        print(f"open {page.blocks.share_url or address}   (Ctrl-C ends it)", flush=True)
        threading.Thread(target=lambda: predictor.swin, daemon=True).start()  # not while a visitor waits
        page.blocks.block_thread()
    finally:
        page.close()
    return 0
