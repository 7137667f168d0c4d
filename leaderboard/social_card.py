"""The picture that other sites show next to a link to this one: the first rows of the front table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from functools import partial
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from leaderboard.boards import Board, Line, front_board
from leaderboard.collection import Collection
from leaderboard.pages import Page
from leaderboard.rendering import SITE, SOCIAL_CARD, db2, thousands

_SIZE = 1200, 630
_EDGE, _TOP, _STEP = 70, 250, 54
_ROWS = 6
_TITLE_CHARACTERS = 34
_GROUND, _INK, _MUTED, _RULE = "#fdfcfa", "#1d1f23", "#5b6068", "#dcd8cf"


def pages(collection: Collection) -> Iterator[Page]:
    """Return the picture, if the address of the site is known: links to pictures have to be complete."""
    if SITE.links.address and any(entry.means for entry in collection):
        yield Page(SOCIAL_CARD, partial(_page, collection))


def _page(collection: Collection) -> bytes:
    board = front_board(collection)
    if board is None:
        raise ValueError("expected a table, since an entry has scores; got none")
    return social_card(board)


def social_card(board: Board) -> bytes:
    """Return a PNG of 1200×630 pixels with the highest ranked entries of a table."""
    image = Image.new("RGB", _SIZE, _GROUND)
    draw = ImageDraw.Draw(image)
    draw.text((_EDGE, 60), "Super-resolution leaderboard", fill=_INK, font=_font(60))
    draw.text((_SIZE[0] - _EDGE, 78), "srbench", fill=_MUTED, font=_font(34), anchor="ra")
    view = board.view
    what = f"x{view.scale}, {view.protocol.name}, PSNR on {board.ranked_on}"
    draw.text((_EDGE, 150), _plain(what), fill=_MUTED, font=_font(34))
    for row, line in enumerate(board.lines[:_ROWS]):
        _draw_row(draw, _TOP + _STEP * row, line, board)
    data = BytesIO()
    image.quantize(64).save(data, "PNG", optimize=True)
    return data.getvalue()


def _draw_row(draw: ImageDraw.ImageDraw, top: int, line: Line, board: Board) -> None:
    scale, entry, font = board.view.scale, line.entry, _font(32)
    mean = entry.means.get(board.view.group(board.ranked_on))
    title = textwrap.shorten(_plain(entry.title), _TITLE_CHARACTERS, placeholder=" ...")
    right = _SIZE[0] - _EDGE
    draw.line((_EDGE, top - 8, right, top - 8), fill=_RULE, width=2)
    draw.text((_EDGE, top), str(line.rank or "-"), fill=_MUTED, font=font)
    draw.text((_EDGE + 70, top), title, fill=_INK, font=font)
    draw.text((right - 170, top), _plain(f"{db2(mean.psnr if mean else None)} dB"), fill=_INK, font=font, anchor="ra")
    draw.text((right, top), _plain(thousands(entry.at("parameters", scale))), fill=_MUTED, font=font, anchor="ra")


def _plain(text: str) -> str:
    """Return text in ASCII, because the font of Pillow has few other characters."""
    return text.replace("\u2009", " ").replace("–", "-").replace("×", "x").encode("ascii", "replace").decode()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
