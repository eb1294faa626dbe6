"""Words that every chapter shares: counts, durations, recipe values, sentences. Values go in, text comes out."""

from pathlib import PurePath


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun if count == 1 else noun + 's'}".replace(",", "\u202f")


def sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", ")")) else text + "."


def shown_value(value: object) -> str:
    """A recipe value for a reader; of an absolute path only its last part, which is no one else's business."""
    if isinstance(value, str) and (value.startswith(("/", "~", ".")) or "\\" in value):
        return PurePath(value.replace("\\", "/")).name
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """ "47 s", "3 min 20 s" or "7 h 46 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
