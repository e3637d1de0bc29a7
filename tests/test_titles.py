import pytest

from cleann_lite.models.titles import Catalogue, natural_title, plain

FILMS = {
    2571: "Matrix, The (1999)",
    260: "Star Wars: Episode IV - A New Hope (1977)",
    1196: "Star Wars: Episode V - The Empire Strikes Back (1980)",
    858: "Godfather, The (1972)",
    1221: "Godfather: Part II, The (1974)",
    1219: "Psycho (1960)",
    2389: "Psycho (1998)",
    1097: "E.T. the Extra-Terrestrial (1982)",
    73: "Misérables, Les (1995)",
    2019: "Seven Samurai (The Magnificent Seven) (Shichinin no samurai) (1954)",
    1320: "Alien³ (1992)",
    1214: "Alien (1979)",
    720: "Wallace & Gromit: The Best of Aardman Animation (1996)",
    953: "It's a Wonderful Life (1946)",
}


@pytest.fixture(scope="module")
def films():
    return Catalogue(list(FILMS), list(FILMS.values()))


@pytest.mark.parametrize(
    ("filed", "natural"),
    [
        ("Matrix, The (1999)", "The Matrix (1999)"),
        ("American Tail, An (1986)", "An American Tail (1986)"),
        ("Postino, Il (The Postman) (1994)", "Il Postino (The Postman) (1994)"),
        (
            "Midaq Alley (Callejón de los milagros, El) (1995)",
            "Midaq Alley (El Callejón de los milagros) (1995)",
        ),
        ("Eighth Day, The (Le Huitième jour ) (1996)", "The Eighth Day (Le Huitième jour) (1996)"),
        ("Associate, The (L'Associe)(1982)", "The Associate (L'Associe) (1982)"),
        ("Ennui, L' (1998)", "L'Ennui (1998)"),
        ("Good, The Bad and The Ugly, The (1966)", "The Good, The Bad and The Ugly (1966)"),
        ("I Love You, I Love You Not (1996)", "I Love You, I Love You Not (1996)"),
        ("Paris, Texas (1984)", "Paris, Texas (1984)"),
        ("Et Dieu&#8230;Créa la Femme (1956)", "Et Dieu…Créa la Femme (1956)"),
        ("Untitled", "Untitled"),
    ],
)
def test_titles_read_as_people_write_them(filed, natural):
    assert natural_title(filed) == natural
    assert natural_title(natural) == natural


def test_plain_drops_case_accents_and_punctuation():
    assert plain("LES MISÉRABLES!") == plain("les miserables") == "les miserables"
    assert plain("It’s") == plain("It's") == plain("its")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("matrix", "The Matrix (1999)"),
        ("The Matrix (1999)", "The Matrix (1999)"),
        ("MATRIX, THE (1999)", "The Matrix (1999)"),
        ("matrix 1999", "The Matrix (1999)"),
        ("godfather", "The Godfather (1972)"),
        ("godfather part ii", "The Godfather: Part II (1974)"),
        ("empire strikes", "Star Wars: Episode V - The Empire Strikes Back (1980)"),
        ("psycho (1998)", "Psycho (1998)"),
        ("et the extra terrestrial", "E.T. the Extra-Terrestrial (1982)"),
        ("ET", "E.T. the Extra-Terrestrial (1982)"),
        ("E. T.", "E.T. the Extra-Terrestrial (1982)"),
        ("les miserables", "Les Misérables (1995)"),
        ("shichinin no samurai", "Seven Samurai (The Magnificent Seven) (Shichinin no samurai) (1954)"),
        ("alien 3", "Alien³ (1992)"),
        ("alien", "Alien (1979)"),
        ("wallace and gromit", "Wallace & Gromit: The Best of Aardman Animation (1996)"),
        ("its a wonderful life", "It's a Wonderful Life (1946)"),
        (2571, "The Matrix (1999)"),
    ],
)
def test_a_film_is_found_however_it_is_written(films, said, meant):
    assert films.titles[films.find(said)] == meant


def test_every_film_is_found_by_its_own_title_in_both_spellings(films):
    for index, (movie, filed) in enumerate(FILMS.items()):
        assert films.find(filed) == films.find(films.titles[index]) == films.find(movie) == index


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("psycho", r"2 films fit 'psycho': Psycho \(1960\), Psycho \(1998\); say which one"),
        ("star wars", r"2 films fit 'star wars': .*New Hope.*Empire"),
        ("teh matrix", r"no film called 'teh matrix' .*nearest are The Matrix \(1999\)"),
        ("the godfather returns again", r"no film called .*; the nearest are .*Godfather"),
        ("qqqq", r"no film called 'qqqq' among the 14 known films$"),
        ("  ", r"a film is a title or a MovieLens id: got '  '"),
        (7, r"no film has the MovieLens id 7"),
        (None, r"a film is a title or a MovieLens id: got NoneType None"),
        (True, r"a film is a title or a MovieLens id: got bool True"),
        ("z" * 10_000, r"no film called 'z{59}… among"),
        ("<script>alert(1)</script>", r"no film called '<script>"),
    ],
)
def test_what_is_not_one_film_is_told_in_one_sentence(films, said, message):
    with pytest.raises(ValueError, match=message) as error:
        films.find(said)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_film_stands_once():
    with pytest.raises(ValueError, match="repeated"):
        Catalogue([1, 1], ["A (1990)", "B (1990)"])
    with pytest.raises(ValueError, match="repeated"):
        Catalogue([1, 2], ["Matrix, The (1999)", "The Matrix (1999)"])
    with pytest.raises(ValueError, match="2 ids, 1 titles"):
        Catalogue([1, 2], ["A (1990)"])
