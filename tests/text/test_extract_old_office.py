"""Files with old Office suffixes that hold HTML, RTF, XML, new Office files or text."""

import pytest
from packages import docx, pptx, shape, xlsx

from vsearch_core.text.extract.registry import extract

TABLE = "<table><tr><td>bolt</td><td>12</td></tr><tr><td>nut</td><td>7</td></tr></table>"
STYLE = "<style>td {mso-number-format:General}</style>"
PARAGRAPH = "<w:p><w:r><w:t>words</w:t></w:r></w:p>"
MHTML = "MIME-Version: 1.0\nContent-Type: multipart/related; boundary=B\n\n--B\nContent-Type: text/html\n\nwords\n--B--"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.xls", f"<html xmlns:x='urn:x'><head>{STYLE}</head><body>{TABLE}</body></html>", "bolt | 12\nnut | 7"),
        ("a.xls", f"\n<!-- exported -->\n{TABLE}", "bolt | 12\nnut | 7"),
        ("a.xls", f"<html><body>{TABLE}</body></html>".encode("utf-16"), "bolt | 12\nnut | 7"),
        ("a.doc", f"<?xml version='1.0'?><html><body>{TABLE}</body></html>", "bolt | 12\nnut | 7"),
        ("a.doc", "<!DOCTYPE html><p>words</p>", "words"),
        ("a.doc", MHTML, "words"),
        ("a.doc", r"{\rtf1 words}", "words"),
        ("a.doc", "<?xml version='1.0'?><w:wordDocument><w:t>words</w:t></w:wordDocument>", "words"),
        (
            "a.doc",
            "<?xml version='1.0'?><w:wordDocument><w:binData w:name='x'>AAAA</w:binData>words</w:wordDocument>",
            "words",
        ),
        ("a.doc", docx(PARAGRAPH), "words"),
        ("a.xls", xlsx({"S": '<row><c t="str"><v>words</v></c></row>'}), "S\n\nwords"),
        ("a.ppt", pptx(shape("words")), "words"),
        ("a.xls", "bolt\t12\nnut\t7\n", "bolt\t12\nnut\t7"),
        ("a.doc", "Plain words <b>here</b>.", "Plain words <b>here</b>."),
    ],
)
def test_the_content_tells_the_format(name: str, content: str | bytes, text: str) -> None:
    data = content.encode() if isinstance(content, str) else content
    assert extract(name, data).text.strip() == text
