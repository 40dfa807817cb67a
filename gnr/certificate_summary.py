"""A certificate in words."""

from fractions import Fraction

from gnr.certificate import Certificate
from gnr.exact_factors import Factors

MOST_DIRECTIONS = 3
"""Directions told; the rest is in the JSON."""
MOST_DIGITS = 40
"""Digits shown of a numerator or denominator."""
PLACES = {
    "prefill": "in prefill",
    "mixed_decode": "decoding mixed",
    "solo_decode": "decoding solo",
    "prefill_queue": "waiting for prefill",
    "decode_queue": "waiting to decode",
}


def certificate_lines(certificate: Certificate) -> list[str]:
    """Return what a certificate says, in sentences."""
    if certificate.value is None:
        return ["Certified, and checked independently: nothing is feasible."]
    value = shortened(certificate.value)
    lines = [f"Certified, and checked independently: the best value is exactly {value}."]
    directions = plan_directions(certificate)
    count = len(directions)
    if not count:
        return [*lines, "The optimum is unique."]
    ways = "in this direction" if count == 1 else f"in {count} independent directions"
    lines.append(f"The optimum is not unique: it can move {ways} and earn the same:")
    for direction in directions[:MOST_DIRECTIONS]:
        lines.append(f"  {in_words(direction)}")
    if count > MOST_DIRECTIONS:
        lines.append(f"  and {count - MOST_DIRECTIONS} more (see --json)")
    return lines


def plan_directions(certificate: Certificate) -> list[dict[str, str]]:
    """Return independent directions that the plan can move in, auxiliary variables left out."""
    moves = [
        {name: text for name, text in direction.items() if name.partition("[")[0] in PLACES}
        for direction in certificate.directions
    ]
    rows = {name: row for row, name in enumerate(certificate.primal)}
    columns = [{rows[name]: Fraction(text) for name, text in move.items()} for move in moves]
    dependent = set(Factors(columns, len(rows)).rejected)
    return [move for k, move in enumerate(moves) if k not in dependent]


def in_words(direction: dict[str, str]) -> str:
    """Return a direction by class, as in ``chat: 3.2 more decoding mixed, 2.1 fewer ...``."""
    changes: dict[str, list[str]] = {}
    for variable, text in direction.items():
        place, _, name = variable.removesuffix("]").partition("[")
        numerator, _, denominator = text.partition("/")
        change = int(numerator) / int(denominator or 1)
        word = "more" if change > 0 else "fewer"
        changes.setdefault(name, []).append(f"{abs(change):.4g} {word} {PLACES[place]}")
    return "; ".join(f"{name}: {', '.join(parts)}" for name, parts in changes.items())


def shortened(text: str) -> str:
    """Return a fraction with the middle of very long numbers left out."""
    return "/".join(
        part
        if len(part) <= MOST_DIGITS
        else f"{part[:12]}...{part[-6:]} ({len(part.lstrip('-'))} digits)"
        for part in text.split("/")
    )
