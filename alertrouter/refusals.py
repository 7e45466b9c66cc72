"""What is refused, and why: PURE. In English for programs, logs and the terminal, in the reader's language on the pages."""

from collections.abc import Callable


class RefusalError(Exception):
    """Something that is not done: `text` says why in one line, `values` fill its `%(name)s` places.

    The text is marked for translation where it is raised. A value that has to be said in the reader's language, too, is another
    refusal: a reason, or a word of ours.
    """

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text % values)
        self.text = text
        self.values = values

    def said(self, say: Callable[[str], str]) -> str:
        """The line in the language of `say`."""
        return say(self.text) % {name: _said(value, say) for name, value in self.values.items()}


def _said(value: object, say: Callable[[str], str]) -> object:
    return value.said(say) if isinstance(value, RefusalError) else value
