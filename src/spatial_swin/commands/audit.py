"""Check, before training, whether a data set can answer the question: confounds, leaks, shortcuts.

    spatial-swin audit data
    spatial-swin audit data --factors '(?P<listener>[DH]\\d+)_.*_(?P<content>ac\\d+)-.*_chunk(?P<chunk>\\d+)'
    spatial-swin audit data --split_by programme --strict true

Prints the findings and writes audit.html (one page with pictures), audit.csv, factor_tables.csv, duplicates.csv and
statistics.csv to --output_dir. With --strict an alarm ends with exit code 3. Pictures are read, never changed.
"""

import argparse
from pathlib import Path

from spatial_swin.commands import values

ALARM = 3


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("data", type=Path, help="folder of pictures: class folders, or train/validation/test")
    parser.add_argument("--split_by", default="recording", help="what the split keeps whole, or none")
    parser.boolean_option("--strict", "leave with exit code 3 when there is an alarm")
    add_data_options(parser, seed_of="the split that is judged", output="audits")


def add_data_options(parser: values.Parser, seed_of: str, output: str) -> None:
    """What `audit` and `baseline` share."""
    parser.add_argument("--factors", metavar="REGEX", help="named groups found in each path: listener, content, chunk")
    parser.add_argument(
        "--manifest", type=Path, metavar="FILE", help="CSV with a column path and one column per factor"
    )
    parser.add_argument("--seed", type=values.seed, default=0, help=f"seed of {seed_of}")
    parser.add_argument("--workers", type=values.workers, help="threads that read pictures (default: one per core)")
    parser.add_argument("--output_dir", type=Path, help=f"folder to write (default: {output}/<path of the folder>)")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.auditing import audit_folder
    from spatial_swin.data.factors import WITHOUT
    from spatial_swin.reporting.audit_page import audit_text

    split_by = None if arguments.split_by.lower() in WITHOUT else arguments.split_by
    output = arguments.output_dir or values.folder_for("audits", arguments.data)
    values.require_outside(output, arguments.data)
    audit = audit_folder(
        arguments.data, arguments.factors, arguments.manifest, split_by, arguments.seed, output, arguments.workers
    )
    print("", audit.split, "", audit_text(audit), "", sep="\n")
    alarms = len(audit.alarms)
    print(f"{alarms} alarm{'' if alarms == 1 else 's'} in {audit.pictures} pictures; open {output / 'audit.html'}")
    return ALARM if alarms and arguments.strict else 0
