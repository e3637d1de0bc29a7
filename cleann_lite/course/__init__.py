"""The course's helpers: checks of exercises, figures with alt text, recorded runs."""

from .checks import check
from .figures import plot_style, recorded, show, strip

__all__ = ["check", "plot_style", "recorded", "show", "strip"]
