"""The page of a rate-distortion run: the tables, the plot, and every picture next to JPEG and WebP at the same bytes.

It stands in its folder with relative links and asks the network for nothing. JPEG and WebP are shown by their files,
ours as a PNG of what its file decodes to.
"""

import html
import math
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from inrcodec import metrics
from inrcodec.decoding import decoder
from inrcodec.pictures import save
from tools.measure.rate_distortion import baselines
from tools.measure.rate_distortion.rd_summary import Results
from tools.measure.rate_distortion.rd_tables import Table, tables
from tools.measure.rate_distortion.rd_work import Picture, Row, slug, write

SUFFIXES = {"JPEG": ".jpg", "WebP": ".webp"}
"""The baselines that every browser shows."""

STYLE = """
:root { color: #1c1c1e; background: #fbfaf8; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 92rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.5rem 0; }
h2 { font-size: 1.2rem; margin: 2.8rem 0 0.6rem; }
h3 { font-size: 1rem; font-weight: 600; margin: 1.6rem 0 0.5rem; }
p, .note { color: #55545a; max-width: 46rem; margin: 0.4rem 0; }
.note { font-size: 0.85rem; }
nav { margin: 1rem 0; } nav a { margin-right: 0.9rem; }
a { color: #0b5cad; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.28rem 0.75rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #e4e1dc; }
th { font-weight: 600; border-bottom-color: #a9a6a0; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.plot { width: 100%; max-width: 60rem; height: auto; background: #fff; border: 1px solid #e4e1dc; }
.row { display: grid; grid-template-columns: repeat(4, 1fr); gap: 0.9rem; }
figure { margin: 0; }
figure img { display: block; width: 100%; height: auto; background: #eee; }
figcaption { font-size: 0.82rem; line-height: 1.35; padding-top: 0.35rem; color: #55545a; }
figcaption b { display: block; color: #1c1c1e; }
.remark { display: block; color: #a03c00; }
summary { cursor: pointer; color: #0b5cad; margin-top: 2rem; }
@media (max-width: 52rem) { .row { grid-template-columns: repeat(2, 1fr); } }
"""


@dataclass(frozen=True)
class Figure:
    """One picture of a row: a file of the page, what it is, its figures, and where a click on it leads."""

    file: str
    name: str
    caption: str
    link: str
    remark: str = ""


def write_page(results: Results, title: str, conditions: str, folder: Path) -> Path:
    """index.html, and the pictures that it shows in `pictures/`."""
    sections = [_section(results, picture, folder) for picture in results.pictures]
    links = "".join(f'<a href="#{_anchor(p)}">{html.escape(p.name)}</a> ' for p in results.pictures)
    plot = '<a href="rd.png"><img class="plot" src="rd.png" alt="Rate and distortion"></a>'
    files, *others = map(_table, tables(results))
    parts = [
        f"<h1>{html.escape(title)}</h1><p>{html.escape(conditions)}</p>",
        f"<nav>{links}</nav>",
        plot if (folder / "rd.png").exists() else "",
        *others,
        f"<details><summary>every file</summary>{files}</details>",
        *sections,
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>"
    )
    text = f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"
    write(folder / "index.html", text.encode())
    return folder / "index.html"


def _anchor(picture: Picture) -> str:
    return f"p-{slug(picture.name)}"


def _table(table: Table) -> str:
    def cells(tag: str, row: list[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"

    body = "\n".join([cells("th", table.head), *(cells("td", row) for row in table.rows)])
    note = f'<p class="note">{html.escape(table.note)}</p>' if table.note else ""
    return f'<h2>{html.escape(table.title)}</h2>\n<div class="wide"><table>\n{body}\n</table></div>{note}'


def _section(results: Results, picture: Picture, folder: Path) -> str:
    """All rows of a picture."""
    file = f"pictures/{slug(picture.name, picture.digest[:12])}.png"
    write(folder / file, save.to_file(picture.image, "PNG"))
    original = Figure(file, "original", f"{picture.image.shape[1]}x{picture.image.shape[0]}", file)
    rows = []
    for target in results.targets:
        row = results.rows.get((picture.name, target))
        heading = f"{target}: {row.bpp:.3f} bits per pixel" if row else f"{target}: failed"
        figures = [original, *_beside(results, picture, row, folder)] if row else [original]
        rows.append(f'<h3>{heading}</h3><div class="row">{"".join(map(_figure, figures))}</div>')
    return f'<h2 id="{_anchor(picture)}">{html.escape(picture.name)}</h2>\n' + "\n".join(rows)


def _beside(results: Results, picture: Picture, row: Row, folder: Path) -> list[Figure]:
    """Ours, and the baselines' best files of at most as many bytes."""
    figures = [_ours(picture, row, folder)]
    for codec, suffix in SUFFIXES.items():
        if curve := results.curves.get((picture.name, codec)):
            point = baselines.best_within(curve, row.file_bytes)
            data = baselines.encode(codec, picture.image, point.options)
            file = f"pictures/{slug(picture.name, picture.digest[:12], str(len(data)))}{suffix}"
            write(folder / file, data)
            remark = f"no {codec} so small" if len(data) > row.file_bytes else ""
            caption = _caption(picture, len(data), baselines.decode(data, picture.image))
            figures.append(Figure(file, codec, caption, file, remark))
    return figures


def _ours(picture: Picture, row: Row, folder: Path) -> Figure:
    decoded = decoder.decode((folder / "files" / row.file).read_bytes())
    file = f"pictures/{Path(row.file).stem}.png"
    write(folder / file, save.to_file(decoded, "PNG"))
    return Figure(file, "inrcodec", _caption(picture, row.file_bytes, decoded), f"files/{row.file}")


def _caption(picture: Picture, file_bytes: int, decoded: np.ndarray) -> str:
    psnr, ms_ssim = metrics.psnr(picture.image, decoded), metrics.ms_ssim(picture.image, decoded)
    return f"{file_bytes:,} bytes, {psnr:.2f} dB" + ("" if math.isnan(ms_ssim) else f", MS-SSIM {ms_ssim:.4f}")


def _figure(figure: Figure) -> str:
    remark = f' <span class="remark">{figure.remark}</span>' if figure.remark else ""
    image = f'<img loading="lazy" src="{quote(figure.file)}" alt="{figure.name}">'
    return (
        f'<figure><a href="{quote(figure.link)}">{image}</a>'
        f"<figcaption><b>{figure.name}</b> {figure.caption}{remark}</figcaption></figure>"
    )
