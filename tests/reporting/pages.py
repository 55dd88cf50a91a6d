"""A report's page as its tests read it."""

from html.parser import HTMLParser

from tinysight.reporting import write_report
from tinysight.run import manifest

NAMES = "data curves fitting confusion classes pairs wrong right model recipe environment repeat"
SECTIONS = NAMES.split()
VOID = {"meta", "img", "br", "input", "link"}


class Page(HTMLParser):
    """A page as its tags, the text of each section, and whether its tags match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def having(self, name: str) -> list[str]:
        return [a[name] or "" for _, a in self.tags if name in a]


def report(folder) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


def remove(folder, *names: str) -> None:
    """Take files, or folders of them, out of a run, as if they had never been written."""
    for name in names:
        drop = [n for n in manifest.names(folder.path) if n == name or n.startswith(f"{name}/")]
        assert drop
        manifest.write(folder.path, {}, drop=drop)
