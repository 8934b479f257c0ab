"""Rank exact terms of a query first: each document beside one that says the same in other words."""

from pathlib import Path

import pytest
from process import Vsearch, write_files

FILES = {
    "errors.md": "The service answers ERR_SSL_4471 when the certificate has expired. EADDRINUSE: the port is taken.\n",
    "errors-2.md": "The service answers with an error when a certificate expires. Certificates expire after a year.\n",
    "release.md": "# Releases\n\nVersion 3.14.2 mends the scheduler. Version 3.14.1 was withdrawn.\n",
    "release-2.md": "# Releases\n\nVersion 3.15.0 has a new scheduler; the scheduler of that version is faster.\n",
    "api.md": "Call flush_pending_writes() before closing. The header X-Request-Deadline sets a limit.\n",
    "api-2.md": "Pending writes are flushed when the file is closed; a header sets the deadline of a request.\n",
    "invoice.txt": "Invoice INV-2024-00917 is for 12 pumps, 4,250.00 EUR, due on 2024-03-31.\n",
    "invoice-2.txt": "An invoice for pumps is due in 30 days. Each invoice lists its pumps and when it is due.\n",
    "names.md": "Antonín Dvořák wrote in Łódź; Nguyễn was naïve. São Paulo, Ångström, Kraków.\n",
    "party.md": "The release party is on Friday 🎉 at noon.\n",
    "party-2.md": "The party for the team is at noon on Monday, a party for each release.\n",
    "ops.md": "In Ruby a <=> b compares; in Haskell >>= binds; 100% of C++ and C#; a != b; x := 3; λ x → y.\n",
    "keeper.md": "\u201cThe lighthouse keeper never sleeps\u201d: it\u2019s the keeper\u2019s lamp.\n",
    "keeper-2.md": "The lighthouse has a keeper who sleeps by day, never by night; lighthouses need keepers.\n",
    "hosts.md": "The gateway: 10.20.30.40, its MAC 00:1B:44:11:3A:B7, its id 123e4567-e89b-12d3-a456-426614174000.\n",
    "hosts-2.md": "The gateway has an address; each network card has a MAC address that the gateway knows.\n",
    "nginx.md": "Edit /etc/nginx/sites-enabled/default.conf, and config.toml as well.\n",
    "nginx-2.md": "The configuration of nginx lists the enabled sites and a default site. Edit the configuration.\n",
    "builds.md": "Commit 9fceb02d0ae5 broke the build. CVE-2021-44228 was mended.\n",
    "builds-2.md": "A commit broke the build, and another commit mended the vulnerability of the build.\n",
    "tower.md": "東京タワーの高さは333メートルです。電話番号は03-1234-5678。\n",
    "tree.md": "Ёлка стоит в зале. Ошибка №4711 возникает редко.\n",
    "hotel.md": "The accommodation near the parliament has a restaurant with separate entrances.\n",
    "hotel-2.md": "Hotels near the government have places to eat.\n",
}
FIRST = {
    "what does ERR_SSL_4471 mean for an expired certificate": "errors.md",
    "why do I get EADDRINUSE": "errors.md",
    "what changed in version 3.14.2 of the scheduler": "release.md",
    "is v3.14.2 with the new scheduler": "release.md",
    "when should I call flush_pending_writes() to flush writes": "api.md",
    "which header X-Request-Deadline sets the deadline of requests": "api.md",
    "when is invoice INV-2024-00917 for the pumps due": "invoice.txt",
    "invoice 00917": "invoice.txt",
    "4,250.00 EUR invoice": "invoice.txt",
    "due on 2024-03-31": "invoice.txt",
    **dict.fromkeys(("Dvorak", "lodz", "nguyen", "naive", "sao paulo", "angstrom", "krakow"), "names.md"),
    **dict.fromkeys(("🎉", "when is the release party 🎉", '"🎉"'), "party.md"),
    **dict.fromkeys(("<=>", ">>=", "C++", "C#", "100%", "!=", ":=", "λ", "→"), "ops.md"),
    '"the lighthouse keeper never sleeps"': "keeper.md",
    "\u201cthe lighthouse keeper never sleeps\u201d": "keeper.md",
    "\u201elighthouse keeper\u201c": "keeper.md",
    "«lighthouse keeper»": "keeper.md",
    'who said "keeper never sleeps" in the lighthouse': "keeper.md",
    "which host is 10.20.30.40 the gateway": "hosts.md",
    "00:1b:44:11:3a:b7": "hosts.md",
    "gateway 123e4567-e89b-12d3-a456-426614174000": "hosts.md",
    "what is in default.conf of nginx": "nginx.md",
    "where is config.toml": "nginx.md",
    "was the vulnerability cve-2021-44228 mended in the build": "builds.md",
    "03-1234-5678": "tower.md",
    "333メートル": "tower.md",
    "елка": "tree.md",
    "ошибка 4711": "tree.md",
    **dict.fromkeys(("accomodation", "parliment", "seperate entrances"), "hotel.md"),
}


@pytest.fixture(scope="module")
def made(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("exact"), FILES)
    assert vsearch("index", "-q", ".", cwd=folder).status == 0
    return folder


@pytest.mark.parametrize("mode", ["hybrid", "keyword"])
def test_the_chunk_with_what_is_exact_comes_first(vsearch: Vsearch, made: Path, mode: str) -> None:
    answers = vsearch("query", "-", "--mode", mode, cwd=made, stdin="".join(f"{query}\n" for query in FIRST)).json_lines
    found = {answer["query"]: answer["hits"][0]["path"] if answer["hits"] else None for answer in answers}
    assert found == FIRST


def test_an_exclusion_alone_leaves_everything_else(vsearch: Vsearch, made: Path) -> None:
    stdin = "-nginx\n-gateway -invoice\n"
    everything, others = vsearch("query", "-", "-k", "99", "--mode", "keyword", cwd=made, stdin=stdin).json_lines
    assert {hit["path"] for hit in everything["hits"]} == FILES.keys() - {"nginx.md", "nginx-2.md"}
    without = {"hosts.md", "hosts-2.md", "invoice.txt", "invoice-2.txt"}
    assert {hit["path"] for hit in others["hits"]} == FILES.keys() - without


def test_explain_says_that_a_word_was_spelled_otherwise(vsearch: Vsearch, made: Path) -> None:
    shown = vsearch("query", "parliment", "--explain", "-k", "1", "--mode", "keyword", cwd=made).out
    assert " ~~: a quarter, for one other letter: ~~" in shown
