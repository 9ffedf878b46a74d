"""Pages of the site that are made from the repository: a hook of mkdocs (see mkdocs.yml), run at each build.

Pages that stand elsewhere in the repository (CONTRIBUTING.md, CHANGELOG.md, the leaderboards) enter the site under `generated/`,
with their pictures. A page of all installed components is made from their settings, and the boards' web pages are made from their
records. Links are written for readers of the repository; here they are turned into links of the site, or, where the site has no
such page, into links of the repository.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Link

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.nav import Navigation
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(\]\(|src=\")(?P<target>[^)\s\"#]+)(?P<anchor>#[^)\s\"]*)?(?=[)\s\"])")
BOARDS_SITE = "generated/boards"
"""The folder of the site with the committed boards as `harness report` writes them."""
OF_SITE = {"README.md": "index.md", "leaderboards": "generated/leaderboards/index.md"}
"""Pages of the repository that the site has in words of its own."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and their pictures."""
    for source in _sources():
        files.append(File.generated(config, str(site_path(source)), content=_content(source)))
    files.append(File.generated(config, "generated/leaderboards/index.md", content=leaderboards_page()))
    files.append(File.generated(config, "generated/components.md", content=components_page()))
    for path, content in boards_site().items():
        files.append(File.generated(config, f"{BOARDS_SITE}/{path}", content=content))
    return files


def on_nav(nav: Navigation, *, config: MkDocsConfig, files: Files) -> Navigation:  # noqa: ARG001 - as above
    """Add the boards as web pages to the section of the leaderboards."""
    section = next(item for item in nav.items if item.title == "Read")
    section.children.append(Link("Leaderboards as web pages", f"{BOARDS_SITE}/index.html"))
    return nav


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs calls it so
    """Turn links of the repository into links of the site."""
    source = repository_path(PurePosixPath(page.file.src_uri))

    def turned(match: re.Match[str]) -> str:
        return match[1] + site_link(match["target"], source, str(config.repo_url)) + (match["anchor"] or "")

    return LINK.sub(turned, markdown)


def _sources() -> Iterator[PurePosixPath]:
    yield from (PurePosixPath(name) for name in ("CONTRIBUTING.md", "CHANGELOG.md"))
    for board in sorted((ROOT / "leaderboards").glob("*/README.md")):
        for file in (board, *sorted(board.parent.glob("plots/*.png"))):
            yield PurePosixPath(file.relative_to(ROOT).as_posix())


def _content(source: PurePosixPath) -> str | bytes:
    file = ROOT / source
    return file.read_text(encoding="utf-8") if file.suffix == ".md" else file.read_bytes()


def site_path(source: PurePosixPath) -> PurePosixPath:
    """Return where a file of the repository stands in the site, relative to the folder of the pages."""
    if str(source) in OF_SITE:
        return PurePosixPath(OF_SITE[str(source)])
    if source.parts[0] == "docs":
        return source.relative_to("docs")
    return PurePosixPath("generated") / source


def repository_path(page: PurePosixPath) -> PurePosixPath:
    """Return the file of the repository that a page of the site is made from: the inverse of `site_path`."""
    return page.relative_to("generated") if page.parts[0] == "generated" else PurePosixPath("docs") / page


def site_link(target: str, source: PurePosixPath, repository: str) -> str:
    """Return a link for the site.

    Args:
        target: the link as it is written, without its anchor.
        source: file of the repository that the link stands in.
        repository: address of the repository, for files that the site has no page of.
    """
    if "://" in target or target.startswith(("mailto:", "/")):
        return target
    linked = PurePosixPath(os.path.normpath(source.parent / target))
    if not (ROOT / linked).exists():
        return target  # mkdocs warns about it, and the strict build fails
    is_page = linked in set(_sources()) or str(linked) in OF_SITE or linked.parts[0] == "docs"
    is_page = is_page and linked.suffix != ".py" and ((ROOT / linked).is_file() or str(linked) in OF_SITE)
    if not is_page:
        return f"{repository}/blob/main/{linked}"
    return os.path.relpath(site_path(linked), site_path(source).parent)


def leaderboards_page() -> str:
    """Return the index of the published leaderboards, by their titles."""
    promise = "Every number on these pages was measured by the committed board, with the command on the page."
    web = "The same boards [as web pages](../boards/index.html) have tables that sort and filter, charts and records."
    lines = ["# Leaderboards", "", f"{promise} {web}", ""]
    for file in sorted((ROOT / "leaderboards").glob("*/README.md")):
        title = next(line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("# ")).removeprefix("# ")
        lines.append(f"- [{title}]({file.parent.name}/README.md)")
    return "\n".join([*lines, ""])


def boards_site() -> dict[str, bytes]:
    """Return the files of the site of all published boards. Raises: UserError where one cannot be made whole."""
    from harness.board.reading.load import load_board
    from harness.errors import UserError
    from harness.report.render import render_published
    from harness.site.site import site_of

    folders = sorted(folder.parent for folder in (ROOT / "leaderboards").glob("*/results"))
    site = site_of([render_published(load_board(folder)) for folder in folders])
    if site.undrawn:
        raise UserError("; ".join(site.undrawn))
    return site.files


def components_page() -> str:
    """Return a page of every installed component with its settings, as `harness show` prints them."""
    from harness.cli.setting_rows import setting_rows
    from harness.components import KINDS
    from harness.plugins import registry

    about = "Everything that comes with the harness; `harness show KIND NAME` prints the same."
    lines = ["# Components and their settings", "", about, ""]
    for kind in KINDS:
        lines += [f"## {kind.capitalize()}s", ""]
        for name, provided in registry().all(kind).items():
            summary = provided.component.summary
            lines += [f"### {kind} `{name}`", "", f"{summary[:1].upper()}{summary[1:]}.", ""]
            lines += _table(setting_rows(provided.component.config))
    return "\n".join(lines)


def _table(rows: list[dict[str, str]]) -> list[str]:
    if not rows:
        return ["No settings.", ""]
    heads = list(rows[0])
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [row[head].replace("|", "\\|").replace("<", "&lt;").replace("\n", " ") for head in heads]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]
