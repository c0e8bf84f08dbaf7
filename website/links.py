"""Links of a built site: names of the reference, and those that lead nowhere."""

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from urllib.parse import urlsplit

# Code in running text; what has a link or a meaning of its own is matched first.
CODE = re.compile(r"<(a|pre|h[1-6]|title)\b.*?</\1>|<code>([\w.]+)</code>", re.S)
ANCHOR = re.compile(r'id="(glomo_keras\.[\w.]+)"')


class Page(HTMLParser):
    """The anchors and links of one page.

    Attributes:
        anchors: set of the ids.
        links: list of the addresses that are linked to.
        loaded: list of the addresses that a browser loads to show the page.
    """

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loaded = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        """Note the id and the addresses of an element."""
        attributes = dict(attributes)
        self.anchors |= {attributes.get("id"), attributes.get("name")}
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        elif tag in ("img", "link", "script"):
            self.loaded.append(attributes.get("src") or attributes.get("href") or "")


def link_names(site):
    """Link names in code, as `GraphTransfer` or `ops.propagate`, to the reference.

    Args:
        site: path of the built site, whose pages are rewritten.
    """
    targets = {}
    for path in sorted(site.glob("reference/*.html")):
        for anchor in ANCHOR.findall(path.read_text(encoding="utf-8")):
            _, *names = anchor.split(".")
            keys = [anchor]
            if len(names) > 1:  # `layers` alone may be anything
                keys.append(".".join(names))
                if names[1][0].isupper():
                    keys.append(".".join(names[1:]))
            targets.update(dict.fromkeys(keys, (path, anchor)))

    def link(match, folder):
        if match[2] not in targets:
            return match[0]
        path, anchor = targets[match[2]]
        return f'<a href="{os.path.relpath(path, folder)}#{anchor}">{match[0]}</a>'

    for path in site.rglob("*.html"):
        html = path.read_text(encoding="utf-8")
        html = CODE.sub(lambda match, folder=path.parent: link(match, folder), html)
        path.write_text(html, encoding="utf-8")


def broken_links(site):
    """Find links to no page or anchor of the site, and what other hosts would serve.

    Links to other hosts are not followed.

    Args:
        site: path of the built site.

    Returns:
        List of strings, page and address.
    """
    site = Path(site).resolve()
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    broken = []
    for path, page in pages.items():
        for address in page.links + page.loaded:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                found = address in page.links or parts.scheme == "data"
            else:
                folder = site if parts.path.startswith("/") else path.parent
                target = (folder / unquote(parts.path).lstrip("/")).resolve()
                target = target if parts.path else path
                target = target / "index.html" if target.is_dir() else target
                found = target.is_file() and (
                    target not in pages
                    or not parts.fragment
                    or unquote(parts.fragment) in pages[target].anchors
                )
            if not found:
                broken.append(f"{path.relative_to(site)}: {address}")
    return broken
