"""White space made plain, in memory that stays in proportion to the text."""

_LARGE = 1 << 20  # characters; a list of the words of a longer text could take thirty times its size
_BLANKS = {code: " " for code in range(0x3001) if chr(code).isspace()}


def one_line(text: str) -> str:
    """The text's words with one space between each and the next: " ".join(text.split())."""
    if len(text) < _LARGE:
        return " ".join(text.split())
    text = text.translate(_BLANKS)
    while "  " in text:
        text = text.replace("  ", " ")
    return text.strip(" ")
