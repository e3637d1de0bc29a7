"""Draw the README's picture: the graph behind the explanation of one review."""

from pathlib import Path

import cleann_lite as cl

ROOT = Path(__file__).parent.parent
REVIEW = "A great director and a great cast, and somehow the result is a dreary bore."


def main():
    """Write docs/first_light.svg."""
    found = cl.explain(cl.load_model("pocket-sentiment"), REVIEW)
    path = ROOT / "docs" / "first_light.svg"
    path.write_text(found.to_svg(), encoding="utf-8")
    print(f"{found}\n{path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
