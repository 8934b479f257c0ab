"""Keyword search, case by case: a small index in many languages, and for each query exactly the texts that match."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import WordEmbedder, make_index

from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import search
from vsearch_core.search.request import SearchRequest

TEXTS = {
    "a": "Call getUserName() before parse_http_header, or the HTTPServer of lib.core.Client answers with E4031.",
    "b": "Version 2026.4.10 replaces v2026.4.1; Python 3.11 is the oldest that it runs on, and GPT-3.5 is gone.",
    "c": "Write to ann.lee@example.org, or look at https://docs.example.org/retry-policy?id=17 for the late fee.",
    "d": "The state-of-the-art e-mail client re-indexes its data-base at night, which is not a well-known fact.",
    "e": "To be or not to be: that is the question. The pump leaks when it freezes, and a valve does too.",
    "f": "Retry the pump after a network error; exponential back-off is what the retry policy asks for.",
    "g": "Networks of pumps are retried by the policy that is written here, with 3,000 retries and 1.5 litres.",
    "h": "C++ and C# differ from .NET; AT&T's O'Neil doesn't mind, and the U.S.A. has GPUs and mRNAs.",
    "i": "数据库的备份在每天夜里进行，管理员要检查日志。国家图书馆也这样做。",
    "j": "東京タワーは夜に光る。データベースの索引を作り直す。",
    "k": "데이터베이스를 매일 밤 백업합니다. 관리자는 로그를 확인해야 합니다.",
    "l": "Насосы нужно опорожнить осенью, потому что вода в них замёрзнет, и тогда лопнет клапан.",
    "m": "مضخات الماء التي في البيت لا تعمل في الشتاء، ثم إن المكتبة مغلقة من دون سبب",
    "n": "Die Häuser in der Straße brauchen eine Krankenversicherung, und der Donaudampfschiffkapitän ist nicht da.",
    "o": "Les chevaux de l'école sont vieux, et l'hôpital n'est pas dans cette rue mais dans une autre.",
    "p": "Los niños corren en las calles, y el ingeniero español no está en la biblioteca porque llueve.",
    "q": "Η αντλία που είναι στο υπόγειο δεν πρέπει να μένει με νερό όταν έχει παγετό, και οι βιβλιοθήκες κλείνουν.",
    "r": "İstanbul'daki kütüphaneler akşam kapanır ve bu çok iyi değil, çünkü öğrenciler için daha geç olur.",
    "s": "ห้องสมุดปิดตอนเย็น และปั๊มน้ำไม่ทำงาน",
    "t": "Der Vertrag sagt: The tenant pays the deposit. Die Kaution wird nach dem Auszug und nicht davor bezahlt.",
    "u": "पुस्तकालय में किताबें हैं और वह शाम को बंद होता है लेकिन नदी के पास नहीं",
    "v": "Zażółć gęślą jaźń, a potem już tylko biblioteki są otwarte i nie ma w nich nikogo, kto by się śmiał.",
    "w": "Cafe\u0301 na\u00efve ﬁnance docu\u00adment Ｆｕｌｌｗｉｄｔｈ CO₂ ½ Straße.",
    "x": "9f86d081884c7d659a2feaa0c55ad015 is the checksum of build-1234 on 2026-11-21 at 10:15, ticket #4711.",
    "y": "Das Wasserventil ist undicht, und das Wasser läuft in den Keller, weil es nicht mehr schließt.",
}
CASES = [
    # Identifiers
    ("getUserName", "a"), ("getusername", "a"), ("user name", "a"), ("parse_http_header", "a"),
    ("http", "a"), ("HTTPServer", "a"), ("lib.core.Client", "a d"), ("E4031", "a"), ("e4031", "a"),
    ('"getUserName()"', "a"), ('"lib.core"', "a"),
    # Versions, numbers, dates, checksums
    ("2026.4.10", "b x"), ('"2026.4.10"', "b"), ('"2026.4.1"', ""), ("+v2026.4.1", "b"), ("3.11", "b g x"),
    ("gpt3.5", "b g"), ("3,000", "b g"), ("4711", "x"), ('"10:15"', "x"), ('"2026-11-21"', "x"),
    ("9f86d081884c7d659a2feaa0c55ad015", "x"), ("9f86d08*", "x"), ("build-1234", "x"),
    # E-mail addresses, URLs, hyphens
    ("ann.lee@example.org", "c"), ("example.org", "c"), ('"retry-policy"', "c"), ("email", "d"),
    ("e-mail", "d"), ("database", "d"), ("state-of-the-art", "d t"), ("reindexing", "d"), ("fee -5", "b c g"),
    # Signs that belong to a name
    ("C++", "h"), ("C#", "h"), (".net", "h"), ("AT&T", "h"), ("USA", "h"), ("oneil", "h"), ("gpu", "h"),
    ("mRNA", "h"),
    # Quoted phrases
    ('"to be or not to be"', ""), ('"to be" question', "e"), ('"retry policy"', "f"), ('"the pump"', "e f"),
    ('"Network Error"', "f"), ('"pump the"', ""), ('"error; exponential"', "f"),
    ('pump "unbalanced', "e f g"),
    # Required, excluded, prefixes
    ("+pump", "e f g"), ("pump -valve", "f g"), ("pump +error", "f"), ('pump -"retry policy"', "e g"),
    ("retr* -policy", ""), ("retr*", "c f g"), ("retrie*", "g"), ("pump -retr*", "e"), ("expon*", "f"),
    # Chinese, Japanese, Korean, Thai
    ("数据库", "i"), ("备份", "i"), ("国", "i"), ("馆", "i"), ('"图书馆"', "i"), ("+日志 数据", "i"),
    ("東京", "j"), ("データベース", "j"), ("夜", "i j"), ("光", "j"), ("데이터베이스", "k"),
    ("백업", "k"), ("ห้องสมุด", "s"),
    # Cyrillic, Arabic, Greek, Devanagari
    ("насос", "l"), ("НАСОСАМИ", "l"), ("клапаны", "l"), ('"лопнет клапан"', "l"), ("осень", "l"),
    ("насос*", "l"), ("مضخات", "m"), ("الماء", "m"), ("ΑΝΤΛΙΑ", "q"), ("βιβλιοθήκη", "q"), ("किताब", "u"),
    # German, with its compounds; French, Spanish, Turkish, Polish
    ("Haus", "n"), ("häuser", "n"), ("Krankenversicherungen", "n"), ("Kranken*", "n"), ("Donaudampf*", "n"),
    ("Ventil", "y"), ("Ventile", "y"), ("Kellerwasser", "y"), ("Kautionsvertrag", "t"),
    ("Häuserstraße", "n w"), ("Auszugsvertragskaution", "t"), ("Sicherung", ""), ("Mietvertrag", ""),
    ("das Ventil", "y"), ("this is the Ventil", ""),
    ("STRASSE", "n w"), ("die der und", ""), ("cheval", "o"), ("chevaux", "o"), ("école", "o"), ("hôpitaux", "o"),
    ("hôpital", "o"), ("niño", "p"), ("bibliotecas", "p"), ("istanbul", "r"), ("kütüphane", "r"),
    ("biblioteka", "v"), ("gęślą", "v"),
    # Two languages in one text, and forms of characters
    ("deposits Kaution", "t"), ("tenant", "t"), ("Verträge", "t"), ("café", "w"), ("naïve", "w"),
    ("finance", "w"), ("document", "w"), ("fullwidth", "w"), ("co2", "w"), ("straße", "n w"),
]  # fmt: skip


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSearcher]:
    root = tmp_path_factory.mktemp("cases")
    (root / "z").mkdir()
    for name, text in TEXTS.items():
        (root / "z" / f"{name}.txt").write_text(text, encoding="utf-8")
    make_index(root, WordEmbedder(), Path("z"))
    with open_snapshot(root / ".vsearch") as snapshot:
        yield LocalSearcher(snapshot)


@pytest.mark.parametrize(("query", "names"), CASES, ids=[query for query, _ in CASES])
def test_keywords_find(searcher: LocalSearcher, query: str, names: str) -> None:
    hits = search(searcher, SearchRequest(query, k=100, mode="keyword")).hits
    assert sorted(Path(hit.path).stem for hit in hits) == names.split()


def test_the_cases_are_distinct_and_many() -> None:
    assert len(dict(CASES)) == len(CASES) >= 60
