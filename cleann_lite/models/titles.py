"""Films by name: natural titles, and finding the one film that a person means.

MovieLens files "The Matrix" under M, as ``Matrix, The (1999)``; people write "matrix". A `Catalogue` shows
the natural title and finds a film from a MovieLens id, from either spelling, without the year, without
accents, case and punctuation, from an alternative title in brackets, or from any part that only one
film has. What it does not find it never guesses: the error names the nearest titles.
"""

import difflib
import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

import numpy as np

_ARTICLES = "The|A|An|La|Le|Les|L'|El|Los|Las|Il|Lo|I|O|Der|Die|Das|Det|Den|Un|Une|Una"
_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
_BRACKETED = re.compile(r"\(([^()]*)\)")
_SHOWN = 5  # titles named in an error


def natural_title(title: str) -> str:
    """Title as people write it, from the form in which MovieLens files it.

    Examples
    --------
    >>> natural_title("Matrix, The (1999)")
    'The Matrix (1999)'
    >>> natural_title("Postino, Il (The Postman) (1994)")
    'Il Postino (The Postman) (1994)'
    """
    title = " ".join(html.unescape(title).split())
    year = _YEAR.search(title)
    if year:
        title = title[: year.start()]
    title = _article_first(re.sub(r"\s+\)", ")", title))
    title = _BRACKETED.sub(lambda part: f"({_article_first(part[1])})", title)
    return f"{title} ({year[1]})" if year else title


def _article_first(title):
    """'City of Lost Children, The (x)' -> 'The City of Lost Children (x)'."""
    found = re.match(rf"([^()]+?), ({_ARTICLES})(?=\s*(?:\(|$))", title, re.IGNORECASE)
    if not found:
        return title
    space = "" if found[2].endswith("'") else " "
    return f"{found[2]}{space}{found[1]}{title[found.end() :]}"


def plain(text: str) -> str:
    """Text without case, accents and punctuation, for comparing titles.

    Examples
    --------
    >>> plain("Amélie & Co.: L'histoire (2001)")
    'amelie and co lhistoire 2001'
    """
    text = unicodedata.normalize("NFKD", re.sub("['’‘´`]", "", text).replace("&", " and "))
    text = "".join(c for c in text if not unicodedata.combining(c)).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in text).split())


def _bare(key):
    """A plain title without its leading article."""
    return re.sub(r"^(the|a|an) (?=.)", "", key)


def _joined(key):
    """A plain title without spaces: 'e t' and 'et' are the same name."""
    return key.replace(" ", "")


def _initials(key):
    """Runs of single letters in a plain title, joined: 'e t the extra terrestrial 1982' -> ['et']."""
    return [_joined(run) for run in re.findall(r"\b[^\W\d](?: [^\W\d]\b)+", key)]


def _short(film, width=60):
    """What came, quoted, short enough for a sentence."""
    text = repr(film)
    return text if len(text) <= width else f"{text[:width]}…"


class Catalogue:
    """The films that a recommender knows.

    Parameters
    ----------
    ids
        MovieLens id of each film; a film's index in this list is its index everywhere else.
    titles
        Title of each film, as MovieLens writes it or natural.

    Raises
    ------
    ValueError
        When ids and titles differ in number, or a film is listed twice.

    Examples
    --------
    >>> films = Catalogue([2571, 1], ["Matrix, The (1999)", "Toy Story (1995)"])
    >>> films.titles[films.find("matrix")]
    'The Matrix (1999)'
    """

    def __init__(self, ids: Sequence[int], titles: Sequence[str]):
        if len(ids) != len(titles):
            raise ValueError(f"each film needs an id and a title: got {len(ids)} ids, {len(titles)} titles")
        self.ids = tuple(int(i) for i in ids)
        self.titles = tuple(natural_title(t) for t in titles)
        self._index_of_id = {movie: k for k, movie in enumerate(self.ids)}
        if len(self._index_of_id) != len(self.ids) or len(set(self.titles)) != len(self.titles):
            raise ValueError("each film must be listed once: an id or a title is repeated")

    def __len__(self):
        return len(self.ids)

    def find(self, film: str | int) -> int:
        """Index of the one film that is meant by a title, part of a title, or a MovieLens id.

        Raises
        ------
        ValueError
            When no film or more than one fits; the message names the nearest.
        """
        if isinstance(film, int | np.integer) and not isinstance(film, bool):
            if film not in self._index_of_id:
                raise ValueError(f"no film has the MovieLens id {film} among the {len(self)} known films")
            return self._index_of_id[film]
        if not isinstance(film, str):
            raise ValueError(f"a film is a title or a MovieLens id: got {type(film).__name__} {_short(film)}")
        key = plain(natural_title(film))
        if not key:
            raise ValueError(f"a film is a title or a MovieLens id: got {_short(film)}")
        for fitting in self._fitting(key):
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                fit = f"{len(fitting)} films fit {_short(film)}"
                raise ValueError(f"{fit}: {self._named(fitting)}; say which one")
        raise ValueError(self._unknown(film, key))

    def _fitting(self, key):
        """Lists of films that fit, from the strictest reading of the key to the loosest."""
        yield [k for k, title in enumerate(self._plain) if title == key]
        yield self._names.get(_joined(key), [])
        yield self._bare_names.get(_joined(_bare(key)), [])
        yield [k for k, title in enumerate(self._plain) if _joined(key) in _initials(title)]
        yield [k for k, title in enumerate(self._plain) if f" {_bare(key)} " in f" {title} "]
        yield [k for k, title in enumerate(self._plain) if len(key) > 2 and _bare(key) in title]

    @cached_property
    def _plain(self):
        return [plain(title) for title in self.titles]

    @cached_property
    def _plain_names(self):
        """Per film: its plain title with and without the year, and its alternative titles in brackets."""
        found = []
        for title in self.titles:
            year = _YEAR.search(title)
            undated = title[: year.start()] if year else title
            names = [undated, _BRACKETED.sub("", undated), *_BRACKETED.findall(undated)]
            dated = [f"{name} {year[1]}" for name in names] if year else []
            found.append(tuple(dict.fromkeys(plain(name) for name in names + dated)))
        return found

    @cached_property
    def _names(self):
        return self._table(_joined)

    @cached_property
    def _bare_names(self):
        return self._table(lambda name: _joined(_bare(name)))

    def _table(self, form):
        """Form of a name -> the films with such a name."""
        table = defaultdict(list)
        for k, names in enumerate(self._plain_names):
            for name in dict.fromkeys(map(form, names)):
                table[name].append(k)
        return table

    def _named(self, films):
        rest = len(films) - _SHOWN
        names = ", ".join(self.titles[k] for k in films[:_SHOWN])
        return f"{names} and {rest} more" if rest > 0 else names

    def _unknown(self, film, key):
        near = difflib.get_close_matches(_joined(_bare(key)), list(self._bare_names), n=_SHOWN, cutoff=0.6)
        films = [k for name in near for k in self._bare_names[name]]
        if not films:  # those that share the longest word
            words = sorted(set(key.split()), key=lambda word: (-len(word), word))
            sharing = ([k for k, t in enumerate(self._plain) if word in t.split()] for word in words)
            films = next((found for found in sharing if found), [])
        films = list(dict.fromkeys(films))
        hint = f"; the nearest are {self._named(films)}" if films else ""
        return f"no film called {_short(film)} among the {len(self)} known films{hint}"
