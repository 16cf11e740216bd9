"""A small line chart as SVG, for documents that no script runs in."""

import math
from collections.abc import Iterator, Mapping
from html import escape

_COLOURS = ("#2563a8", "#d9730d", "#2e8540", "#7b3fa0", "#0f8b8d", "#b5651d")
_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 190, 40, 55

Series = Mapping[str, Mapping[int, float]]


def lines(series: Series, across: str, up: str, title: str) -> str:
    """By name, of counts; the counts are spaced by their logarithms, and the values begin at 0."""
    counts = sorted({count for values in series.values() for count in values})
    top = _round(max(value for values in series.values() for value in values.values()))
    span = math.log(counts[-1] / counts[0]) or 1.0

    def x(count: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * math.log(count / counts[0]) / span

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / top

    parts = [_text(_LEFT, 22, title, size=15)]
    for step in range(6):
        value = top * step / 5
        parts.append(_line([(_LEFT, y(value)), (_WIDTH - _RIGHT, y(value))], "#dddddd"))
        parts.append(_text(_LEFT - 8, y(value) + 4, f"{value:g}", anchor="end"))
    below = _HEIGHT - _BOTTOM + 20
    parts += [_text(x(count), below, str(count), anchor="middle") for count in counts]
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, across, anchor="middle"))
    parts.append(
        f'<g transform="rotate(-90 18 {_HEIGHT / 2})">{_text(18, _HEIGHT / 2, up, anchor="middle")}</g>'
    )
    for place, (name, values) in enumerate(series.items()):
        parts += _series(place, name, [(x(count), y(value)) for count, value in sorted(values.items())])
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _series(place: int, name: str, points: list[tuple[float, float]]) -> Iterator[str]:
    colour, at = _COLOURS[place % len(_COLOURS)], _TOP + 10 + 22 * place
    yield _line(points, colour, 2)
    for across, up in points:
        yield f'<circle cx="{across:.1f}" cy="{up:.1f}" r="4" fill="{colour}"/>'
    yield _line([(_WIDTH - _RIGHT + 15, at), (_WIDTH - _RIGHT + 35, at)], colour, 2)
    yield _text(_WIDTH - _RIGHT + 42, at + 4, name)


def _line(points: list[tuple[float, float]], colour: str, width: float = 1) -> str:
    listed = " ".join(f"{across:.1f},{up:.1f}" for across, up in points)
    return f'<polyline points="{listed}" fill="none" stroke="{colour}" stroke-width="{width:g}"/>'


def _text(across: float, up: float, said: str, *, size: int = 13, anchor: str = "start") -> str:
    return (
        f'<text x="{across:.1f}" y="{up:.1f}" font-size="{size}" fill="#1c1f23" text-anchor="{anchor}">'
        f"{escape(said)}</text>"
    )


def _round(value: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value)
