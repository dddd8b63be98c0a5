"""Makes small documents in code: PDF by hand and by pypdf, Word by python-docx and by hand. Knows no loader."""

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
STRICT = 'xmlns:w="http://purl.oclc.org/ooxml/wordprocessingml/main"'
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def pdf(pages: list[str], font_size: int = 12, extra: bytes = b"") -> bytes:
    """Return a PDF with one line of Latin text per line of each page; an empty page has no content at all."""
    contents = [_content(page, font_size) for page in pages]
    return _of_pages(contents, ["Helvetica"]) + extra


def _of_pages(contents: list[bytes], fonts: list[str]) -> bytes:
    """Return a PDF of pages with these contents, in which the fonts are named F1 and so on."""
    first = 3 + len(fonts)
    kids = " ".join(f"{first + 2 * number} 0 R" for number in range(len(contents)))
    named = " ".join(f"/F{number} {2 + number} 0 R" for number in range(1, len(fonts) + 1))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode(),
        *(f"<< /Type /Font /Subtype /Type1 /BaseFont /{font} >>".encode() for font in fonts),
    ]
    for number, content in enumerate(contents):
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {first + 1 + 2 * number} 0 R "
            f"/Resources << /Font << {named} >> >> >>".encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        ]
    return _file(objects)


def _content(page: str, font_size: int) -> bytes:
    lines = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in page.split("\n")]
    drawn = " ".join(f"({line}) Tj T*" for line in lines)
    return f"BT /F1 {font_size} Tf {font_size + 2} TL 72 770 Td {drawn} ET".encode("latin-1") if page else b""


def _file(objects: list[bytes]) -> bytes:
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(out) + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)


def image_pdf(pages: int, text: str = "") -> bytes:
    """Return a PDF whose pages show one grey picture each; with `text`, the first page is text instead."""
    picture = zlib.compress(bytes(64))
    shown = b"q 500 0 0 700 50 50 cm /I1 Do Q"
    kids = " ".join(f"{6 + index} 0 R" for index in range(pages))
    resources = "/Resources << /Font << /F1 3 0 R >> /XObject << /I1 4 0 R >> >>"
    first = _content(text, 12) if text else shown
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceGray /BitsPerComponent 8 "
        b"/Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(picture), picture),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(shown), shown),
    ]
    for index in range(pages):
        content = 6 + pages if index == 0 else 5
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R {resources} >>"
        objects.append(page.encode())
    objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(first), first))
    return _file(objects)


def glyph_pdf(glyphs: list[tuple[float, float, str]], size: int = 12) -> bytes:
    """Return a PDF of at most 255 glyphs, half as wide as `size`, each drawn by itself: left, base line, meaning (or none)."""
    signs = {code: sign for code, (_, _, sign) in enumerate(glyphs, 1) if sign}
    told = "\n".join(f"<{code:02x}> <{sign.encode('utf-16-be').hex()}>" for code, sign in signs.items())
    unicodes = (
        "/CIDInit /ProcSet findresource begin begincmap /CMapName /U def /CMapType 2 def 1 begincodespacerange <00> <ff> "
        f"endcodespacerange {len(signs)} beginbfchar\n{told}\nendbfchar endcmap end"
    ).encode()
    drawn = " ".join(f"1 0 0 1 {x} {y} Tm <{code:02x}> Tj" for code, (x, y, _) in enumerate(glyphs, 1))
    content = f"BT /F1 {size} Tf {drawn} ET".encode()
    shape = b"500 0 0 0 500 800 d1 0 0 500 800 re f"
    return _file(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
            f"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 500 800] /FontMatrix [0.001 0 0 0.001 0 0] /FirstChar 1 "
            f"/LastChar {len(glyphs)} /Widths [{'500 ' * len(glyphs)}] /CharProcs << /g 6 0 R >> /Resources << >> "
            f"/Encoding << /Type /Encoding /Differences [1 {'/g ' * len(glyphs)}] >> /ToUnicode 7 0 R >>".encode(),
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R /Resources << /Font << /F1 3 0 R >> >> >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(shape), shape),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(unicodes), unicodes),
        ]
    )


def encrypted_pdf(text: str, password: str) -> bytes:
    """Return a PDF that needs a password."""
    import pypdf

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf([text])))
    writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def word(path: Path, build: Any) -> Path:
    """Save a document that `build` fills by python-docx."""
    import docx

    document = docx.Document()
    build(document)
    document.save(str(path))
    return path


def docx_bytes(body: str, namespace: str = W, parts: dict[str, bytes | str] | None = None, prolog: str = "") -> bytes:
    """Return a Word document with this XML in its body, and other parts by their names."""
    main = f'<?xml version="1.0" encoding="UTF-8"?>{prolog}<w:document {namespace}><w:body>{body}</w:body></w:document>'
    return docx_parts({"word/document.xml": main, **(parts or {})})


def docx_parts(parts: dict[str, bytes | str]) -> bytes:
    """Return an Office package of these parts, whose main part is word/document.xml."""
    relations = (
        f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" Type="{OFFICE}/officeDocument" '
        'Target="word/document.xml"/></Relationships>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {"_rels/.rels": relations, **parts}.items():
            file.writestr(name, content)
    return out.getvalue()


def relations_of(**targets: str) -> str:
    """Return the relations part of the main part: kind to target."""
    entries = "".join(
        f'<Relationship Id="{kind}" Type="{OFFICE}/{kind}" Target="{target}"/>' for kind, target in targets.items()
    )
    return f'<Relationships xmlns="{RELATIONS}">{entries}</Relationships>'


def paragraph(text: str, properties: str = "") -> str:
    """Return the XML of a paragraph."""
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def scan(lines: list[str], pages: int = 1, written: str = "") -> bytes:
    """Return a PDF whose pages are pictures of these lines, as a scanner makes them; `written` is text on a page before."""
    import pypdf
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("L", (1654, 2339), 255)  # A4 at 200 dots per inch
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((150, 200 + 50 * number), line, fill=0, font=ImageFont.load_default(40))
    out = io.BytesIO()
    picture.save(out, "PDF", resolution=200)
    writer = pypdf.PdfWriter()
    if written:
        writer.append(io.BytesIO(pdf([written])))
    for _ in range(pages):
        writer.append(io.BytesIO(out.getvalue()))
    whole = io.BytesIO()
    writer.write(whole)
    return whole.getvalue()


def office(main: str, parts: dict[str, bytes | str]) -> bytes:
    """Return an Office package of these parts, whose main part is `main` ("xl/workbook.xml")."""
    relation = f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="{main}"/>'
    return archive({"_rels/.rels": f'<Relationships xmlns="{RELATIONS}">{relation}</Relationships>', **parts})


def archive(parts: dict[str, bytes | str]) -> bytes:
    """Return a ZIP archive of these parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def with_part(content: bytes, name: str, part: bytes | str) -> bytes:
    """Return an archive with one part put in or in place of another."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        parts: dict[str, bytes | str] = {entry: file.read(entry) for entry in file.namelist()}
    return archive({**parts, name: part})


def workbook(build: Any) -> bytes:
    """Return a workbook that `build` fills by openpyxl."""
    import openpyxl

    book, out = openpyxl.Workbook(), io.BytesIO()
    build(book)
    book.save(out)
    return out.getvalue()


def slides(build: Any) -> bytes:
    """Return a presentation that `build` fills by python-pptx."""
    import pptx

    presentation, out = pptx.Presentation(), io.BytesIO()
    build(presentation)
    presentation.save(out)
    return out.getvalue()


def book(chapters: list[str], parts: dict[str, bytes | str] | None = None) -> bytes:
    """Return an e-book of these pages, which stand in the archive in the reverse order, and other parts by their names."""
    items = "".join(
        f'<item id="i{number}" href="text/part%20{number}.xhtml" media-type="application/xhtml+xml"/>'
        for number in range(len(chapters))
    )
    order = "".join(f'<itemref idref="i{number}"/>' for number in range(len(chapters)))
    package = f'<package xmlns="http://www.idpf.org/2007/opf"><manifest>{items}</manifest><spine>{order}</spine></package>'
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    )
    pages: dict[str, bytes | str] = {
        f"OEBPS/text/part {number}.xhtml": page for number, page in reversed(list(enumerate(chapters)))
    }
    head: dict[str, bytes | str] = {"mimetype": "application/epub+zip", "META-INF/container.xml": container}
    return archive({**head, "OEBPS/book.opf": package, **pages, **(parts or {})})


def ruled_pdf(rows: list[list[str]], above: str = "", merged: tuple[int, int] | None = None) -> bytes:
    """Return a PDF with a table drawn with rules, 100 points a column; `merged`: a cell that goes on to the right."""
    return ruled_pages([rows], [above], ["After the table."], merged=merged)


def ruled_pages(
    tables: list[list[list[str]]],
    above: list[str],
    below: list[str],
    *,
    bold: frozenset[str] = frozenset(),
    left: int = 72,
    merged: tuple[int, int] | None = None,
) -> bytes:
    """Return a PDF with a table drawn with rules on each page, lines above and below it, and these cells in bold letters."""
    contents = [
        _ruled(*page, merged=merged, left=left, bold=bold).encode("latin-1") for page in zip(tables, above, below, strict=True)
    ]
    return _of_pages(contents, ["Helvetica", "Helvetica-Bold"])


def _ruled(
    rows: list[list[str]], above: str, below: str, *, merged: tuple[int, int] | None, left: int, bold: frozenset[str]
) -> str:
    """Return the content of a page with a table drawn with rules."""
    top, wide, high = 700, 100, 20
    drawn = [f"BT /F1 10 Tf {left} {top + 10} Td ({above}) Tj ET"] if above else []
    bottom, right = top - high * len(rows), left + wide * len(rows[0])
    drawn += [f"{left} {top - high * row} m {right} {top - high * row} l S" for row in range(len(rows) + 1)]
    for column in range(len(rows[0]) + 1):
        for row in range(len(rows)):
            if merged != (row, column - 1):
                drawn.append(f"{left + wide * column} {top - high * row} m {left + wide * column} {top - high * (row + 1)} l S")
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            font = "/F2" if cell in bold else "/F1"
            drawn.append(f"BT {font} 10 Tf {left + wide * column + 4} {top - high * row - 14} Td ({cell}) Tj ET")
    return "\n".join([*drawn, f"BT /F1 10 Tf {left} {bottom - 30} Td ({below}) Tj ET" if below else ""])
