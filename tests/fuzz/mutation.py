"""Foreign bytes that are nearly right: samples of a format, broken in the ways that break parsers."""

from collections.abc import Sequence

from hypothesis import strategies as st

_PIECES = [
    *(character.encode() for character in "\"'\\{}[]:,\n\t\0#`|<>&*İ\u2028é\ufeff"),
    *(b"\r\n", b"```", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"&a ", b"*a ", b"<<: "),
    *(b"null", b"true", b"-0", b"1e999", b"NaN", b"-1", b"9" * 25),
    *(b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59.999999999+14:00"),
    *(b"[" * 3000, b'{"a":' * 3000, b"> " * 300, b"- " * 300, b"(" * 300, b"*" * 300, b"a" * 70_000),
    *(b"{{ labels.x }}", b"$labels.x", b"<x>", b"$(x)", b"<script>", b"](javascript:x)"),
    *(b"=~", b"!~", b"(a+)+$", b"..", b"%2e%2e/"),
]

_EDITS = st.tuples(
    st.sampled_from(["insert", "cut", "double", "replace", "end"]),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 0.2),
    st.sampled_from(_PIECES) | st.binary(max_size=8),
)
Edit = tuple[str, float, float, bytes]


def like(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of the samples after a few edits, or bytes that have nothing to do with them."""
    edited = st.builds(_edited, st.sampled_from(samples), st.lists(_EDITS, min_size=1, max_size=6))
    return edited | st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))


def _edited(sample: bytes, edits: Sequence[Edit]) -> bytes:
    for edit in edits:
        sample = _edit(sample, edit)
    return sample


def _edit(sample: bytes, edit: Edit) -> bytes:
    what, place, length, piece = edit
    start = int(len(sample) * place)
    end = start + int(len(sample) * length) + 1
    match what:
        case "insert":
            return sample[:start] + piece + sample[start:]
        case "cut":
            return sample[:start] + sample[end:]
        case "double":
            return sample[:end] + sample[start:]
        case "replace":
            return sample[:start] + piece + sample[end:]
        case _:
            return sample[:start]
