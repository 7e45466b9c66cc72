"""The values that runbooks become."""

from dataclasses import dataclass, field

from alertrouter.escalation import Step

Problem = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it, to the next heading of the same or a higher level; or a whole file.

    `title` is the heading as plain text. `alertname` and `labels` are what the heading asks of an alert
    (`HighErrorRate {error_type="llm"}`); any heading may be an alert's name, so `alertname` is the title without its labels,
    and the file's stem for a whole file. `path` is posix and relative to the folder. `anchor` is GitHub's, unique in the
    file, empty for the whole file. `line` and `level` are the heading's, 1 and 0 for the whole file.

    `text` is markdown without the heading and without front matter, and with it the link definitions of the file that it uses;
    it begins at `text_line`. `revision` is 16 hex digits of the sha256 of title and text, `commit` the git commit that holds the
    file as it is, if there is one.

    `policy_line` is the line of the file that states the escalation, None if nothing does; `policy` is None too if that line
    cannot be read. An empty policy is one that is stated: nobody else is paged.
    """

    title: str
    alertname: str
    path: str
    anchor: str
    line: int
    text: str
    revision: str
    labels: dict[str, str] = field(default_factory=dict)
    policy: tuple[Step, ...] | None = None
    policy_line: int | None = None
    level: int = 0
    text_line: int = 1
    commit: str | None = None

    @property
    def unread_line(self) -> int | None:
        """The line of an escalation that is stated and cannot be read."""
        return self.policy_line if self.policy is None else None


@dataclass(frozen=True, slots=True)
class Document:
    """A file. `sections` holds the whole file first, then a section a heading in the order of lines.

    `body` is the markdown without front matter, `body_line` the line of the file that it begins at. `problems` says what of it
    is not taken as it is written, as (line, message); `half_written` is the one that looks like a file not yet whole.
    """

    path: str
    title: str
    sections: tuple[Section, ...]
    body: str
    body_line: int = 1
    problems: tuple[Problem, ...] = ()
    half_written: Problem | None = None
