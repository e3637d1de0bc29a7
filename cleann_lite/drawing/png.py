"""A picture as PNG, for where SVG does not go."""

from pathlib import Path

FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")  # as matplotlib brings them: no system font is needed


def to_png(svg: str) -> bytes:
    """An SVG text as PNG bytes, two pixels per px: sharp on a screen of high density."""
    import matplotlib
    import resvg_py

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = [str(folder / name) for name in FONTS]
    # without a font for sans-serif every label would vanish where the system has none
    return bytes(resvg_py.svg_to_bytes(svg, zoom=2, font_files=files, sans_serif_family="DejaVu Sans"))
