"""Run folders in, figures, reports and cards out. No module here loads a model."""

from spatial_swin.errors import WriteError

try:
    import matplotlib.font_manager  # noqa: F401  it keeps a cache, and is the first to need a folder for it
except OSError as error:
    raise WriteError(
        f"matplotlib has no folder for its cache ({error}); set MPLCONFIGDIR to one you can write"
    ) from None
