"""Ask, before training, whether a data set can answer the question: confounds, leaks, shortcuts.

    spatial-swin audit data
    spatial-swin audit data --factors '(?P<listener>[DH]\\d+)_.*_(?P<content>ac\\d+)-.*_chunk(?P<chunk>\\d+)'
    spatial-swin audit data --split_by programme --strict true

Prints the findings and writes audit.html (one page with pictures), audit.csv, factor_tables.csv, duplicates.csv and
statistics.csv to --output_dir. With --strict true an alarm ends with exit code 3. Pictures are read, never changed.
"""

import argparse
from pathlib import Path

from spatial_swin.commands.values import boolean

ALARM = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="folder of pictures: class folders, or train/validation/test")
    parser.add_argument("--factors", metavar="REGEX", help="named groups found in each path: listener, content, chunk")
    parser.add_argument("--manifest", type=Path, metavar="FILE", help="CSV with a column path and one column a factor")
    parser.add_argument("--split_by", default="recording", help="what the split keeps whole, or none (recording)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the split that is judged")
    parser.add_argument(
        "--strict",
        type=boolean,
        nargs="?",
        const=True,
        default=False,
        metavar="true|false",
        help="leave with exit code 3 when there is an alarm",
    )
    parser.add_argument("--output_dir", type=Path, help="default: audits/<name of the folder>")
    parser.add_argument("--workers", type=int, help="threads that read pictures (default: one a core)")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.auditing import judge, look, write_statistics
    from spatial_swin.data.factors import WITHOUT, factor_table, find_factors
    from spatial_swin.data.folder import scan_folder
    from spatial_swin.reporting.audit_page import audit_text, write_page, write_tables

    folder = scan_folder(arguments.data)
    factors = find_factors(folder.root, [p.path for p in folder.pictures], arguments.factors, arguments.manifest)
    print(factor_table(factors), flush=True)
    split_by = None if arguments.split_by.lower() in WITHOUT else arguments.split_by
    factors.groups(split_by)  # a factor that does not exist is said before the pictures are read
    subject = look(folder, factors, arguments.workers)
    audit = judge(subject, split_by, arguments.seed)

    output = arguments.output_dir or Path("audits") / arguments.data.resolve().name
    write_tables(audit, output)
    write_statistics(subject, output / "statistics.csv")
    write_page(audit, output / "audit.html")
    print("", audit.split, "", audit_text(audit), "", sep="\n")
    alarms = len(audit.alarms)
    print(f"{alarms} alarm{'' if alarms == 1 else 's'} in {audit.pictures} pictures; open {output / 'audit.html'}")
    return ALARM if alarms and arguments.strict else 0
