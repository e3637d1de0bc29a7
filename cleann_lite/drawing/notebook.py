"""Graphs draw themselves in a notebook, although the room of graphs knows nothing of pictures."""

import sys


def draw_graphs():
    """Tell a running IPython how a PAG is shown: as its picture with its edges in words."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        html = shell.display_formatter.formatters["text/html"]
        html.for_type_by_name("cleann_lite.causal.graphs", "PAG", _shown)


def _shown(pag):
    from .draw import draw

    return draw(pag)._repr_html_()
