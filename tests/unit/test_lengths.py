"""Laws of lengths: means that are kept, spreads by formula, and files that are refused."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from per_gpu_rooms import empty_room

import gnr
from gnr.errors import InputError
from gnr.instance import Instance
from gnr.rates import rates_of
from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu import requests
from gnr.validation.per_gpu.layout import Rules
from gnr.validation.per_gpu.lengths import COLUMNS, read_law
from gnr.validation.per_gpu.rules import make_rules
from gnr.validation.policies import POLICIES

HEADER = ",".join(COLUMNS)

ONE_EACH = ("decode-heavy,1,2", "prefill-heavy,3,4")


@pytest.fixture
def instance() -> Instance:
    return gnr.load("two-class")


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Callable[[Rules, int, float, float], np.ndarray]:
    """Return the lengths that the kernel makes of two given uniform numbers, tokens."""
    given: list[float] = []

    def lengths(rules: Rules, i: int, u: float, v: float) -> np.ndarray:
        given[:] = [u, v, 0.5]
        room = empty_room(rules, 1, 1)  # compiles what is not: only then may a part be replaced
        monkeypatch.setattr(requests, "uniform", lambda room, stream: given.pop(0))
        request = requests.new_request.py_func(rules, room, i, 0.0, 0)  # type: ignore[attr-defined]
        monkeypatch.undo()
        assert not given, "every law takes as many numbers: what follows is shared by all laws"
        return np.array(room.request_reals[request, [at.PROMPT, at.OUTPUT]])

    return lengths


def rules_with(text: str, instance: Instance) -> Rules:
    """Return the rules of a small cluster with that law of lengths."""
    plan = gnr.solve(instance).plan(1)
    law = read_law(text, instance)
    return make_rules(rates_of(instance), plan, POLICIES["fcfs-immediate"], law)


def means_of(instance: Instance, i: int) -> list[float]:
    each = instance.classes[i]
    return [each.prompt_tokens, each.output_tokens]


def written(folder: Path, lines: Iterable[str], header: str = HEADER) -> str:
    path = folder / "lengths.csv"
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return str(path)


def problems(text: str, instance: Instance) -> list[str]:
    """Return what a law is refused for."""
    with pytest.raises(InputError) as caught:
        read_law(text, instance)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("i", [0, 1])
def test_deterministic_lengths_are_the_means(i: int, instance: Instance, draw: Callable) -> None:
    rules = rules_with("deterministic", instance)
    for u, v in ((0.0, 0.999), (0.5, 0.25)):
        assert list(draw(rules, i, u, v)) == means_of(instance, i)


@pytest.mark.parametrize("i", [0, 1])
def test_exponential_lengths_keep_means_and_have_variation_one(
    i: int, instance: Instance, draw: Callable
) -> None:
    """Integrated over the uniform numbers by Gauss-Laguerre nodes, exact for two moments."""
    rules = rules_with("exponential", instance)
    nodes, weights = np.polynomial.laguerre.laggauss(8)
    found = np.array([draw(rules, i, -np.expm1(-x), -np.expm1(-x)) for x in nodes])
    first, second = weights @ found, weights @ found**2
    assert first == pytest.approx(means_of(instance, i), rel=1e-6)
    assert np.sqrt(second / first**2 - 1) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("variation", [0.3, 0.7, 1.0])
def test_lognormal_lengths_keep_means_have_the_variation_asked_for_and_no_correlation(
    variation: float, instance: Instance, draw: Callable
) -> None:
    """Gauss-Laguerre in the radius, equal steps in the angle: both moments to many digits."""
    rules = rules_with(f"lognormal:{variation}", instance)
    nodes, weights = np.polynomial.laguerre.laggauss(10)
    steps = 32
    found = np.array(
        [[draw(rules, 1, -np.expm1(-x), k / steps) for k in range(steps)] for x in nodes]
    )
    weigh = np.broadcast_to(weights[:, None] / steps, (len(nodes), steps))
    first = np.einsum("xk,xkd->d", weigh, found)
    second = np.einsum("xk,xkd,xke->de", weigh, found, found)
    assert first == pytest.approx(means_of(instance, 1), rel=1e-5)
    ratio = second / np.outer(first, first) - 1
    assert np.sqrt(np.diag(ratio)) == pytest.approx(variation, rel=1e-3)
    assert ratio[0, 1] == pytest.approx(0, abs=1e-3)


def test_the_spread_of_a_lognormal_law_is_that_of_its_logarithm(instance: Instance) -> None:
    """Variance of exp(s z) over its squared mean is exp(s^2) - 1, the variation squared."""
    law = read_law("lognormal:1.5", instance)
    assert math.expm1(law.spread**2) == pytest.approx(1.5**2)
    assert law.name == "lognormal:1.5"


def test_listed_lengths_are_drawn_in_pairs_and_scaled_to_the_means(
    tmp_path: Path, instance: Instance, draw: Callable
) -> None:
    """Every row is hit by an equal share of u; prompt and output stay together."""
    rows = ("prefill-heavy,10,1", "decode-heavy,5,5", "prefill-heavy,20,9", "prefill-heavy,60,2")
    path = written(tmp_path, rows)
    rules = rules_with(path, instance)
    found = np.array([draw(rules, 1, (k + 0.5) / 30, 0.1) for k in range(30)])
    assert found.mean(axis=0) == pytest.approx(means_of(instance, 1))
    scaled = np.array([[10, 1], [20, 9], [60, 2]]) * means_of(instance, 1) / [30, 4]
    assert found[::10] == pytest.approx(scaled)
    assert len(np.unique(found, axis=0)) == 3
    assert draw(rules, 1, 1 - 2.0**-53, 0.0) == pytest.approx(scaled[-1]), "the last row ends it"
    assert draw(rules, 0, 0.3, 0.0) == pytest.approx(means_of(instance, 0))
    assert read_law(path, instance).name == "lengths.csv", "results do not tell folders"


def test_more_columns_and_another_order_are_fine(tmp_path: Path, instance: Instance) -> None:
    """A trace has columns of its own; quotes and spaces are CSV as usual."""
    lines = ('7,1,"decode-heavy",x', "9,3,decode-heavy,y", "1,1,prefill-heavy,z")
    law = read_law(written(tmp_path, lines, "output_tokens,prompt_tokens,class,comment"), instance)
    assert law.listed[0] == pytest.approx(np.array([[150, 875], [450, 1125]]))


@pytest.mark.parametrize(
    "text",
    ["uniform", "", "Exponential", "exponential:2", "deterministic:1", "lognormal", "lognormal:",
     "lognormal:0", "lognormal:-1", "lognormal:nan", "lognormal:inf", "lognormal:101",
     "lognormal:1;5", "lengths.txt"],
)  # fmt: skip
def test_what_is_no_law_is_refused_with_those_there_are(text: str, instance: Instance) -> None:
    (told,) = problems(text, instance)
    assert told.startswith("--lengths: ")
    assert "say exponential, deterministic, lognormal:1.5, or a .csv file" in told


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("decode-heavy,nan,1", "lengths must be positive numbers of at most 1e+12 tokens"),
        ("decode-heavy,1,inf", "lengths must be positive numbers of at most 1e+12 tokens"),
        ("decode-heavy,-inf,1", "lengths must be positive numbers of at most 1e+12 tokens"),
        ("decode-heavy,-3,1", "lengths must be positive numbers of at most 1e+12 tokens"),
        ("decode-heavy,1,0", "lengths must be positive numbers of at most 1e+12 tokens"),
        ("decode-heavy,1,many", "lengths must be positive numbers of at most 1e+12 tokens"),
        ("decode-heavy,1", "lengths must be positive numbers of at most 1e+12 tokens"),
        ("decode-heavy,,1", "lengths must be positive numbers of at most 1e+12 tokens"),
        ("decode-light,1,1", "no class 'decode-light'"),
        (",1,1", "no class ''"),
    ],
)
def test_a_bad_line_is_refused_with_file_line_and_remedy(
    line: str, said: str, tmp_path: Path, instance: Instance
) -> None:
    path = written(tmp_path, (ONE_EACH[0], line, ONE_EACH[1]))
    (told,) = problems(path, instance)
    assert told.startswith(f"{path}: line 3: {said}")
    assert f"write a CSV file with the columns {HEADER}" in told


def test_all_bad_lines_are_told_at_once(tmp_path: Path, instance: Instance) -> None:
    bad = ("decode-heavy,0,1", ONE_EACH[0], "nobody,1,1", ONE_EACH[1], "prefill-heavy,1,x")
    told = problems(written(tmp_path, bad), instance)
    assert [each.split(": ")[1] for each in told] == ["line 2", "line 4", "line 6"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("class,prompt,output", "header: lacks the column prompt_tokens, output_tokens"),
        ("class;prompt_tokens;output_tokens", "header: lacks the column class, prompt_tokens"),
        ("Class,prompt_tokens,output_tokens", "header: lacks the column class"),
    ],
)
def test_a_wrong_header_names_the_columns_that_lack(
    header: str, said: str, tmp_path: Path, instance: Instance
) -> None:
    (told,) = problems(written(tmp_path, ONE_EACH, header), instance)
    assert said in told


def test_a_class_without_a_row_is_refused(tmp_path: Path, instance: Instance) -> None:
    """There would be nothing to draw its lengths from."""
    (told,) = problems(written(tmp_path, ONE_EACH[:1]), instance)
    assert "no row of class 'prefill-heavy'" in told


def test_files_that_are_none_are_refused(tmp_path: Path, instance: Instance) -> None:
    """A folder, nothing, an empty file, bytes that are no text."""
    folder, empty, binary = (tmp_path / name for name in ("folder.csv", "empty.csv", "bytes.csv"))
    folder.mkdir()
    empty.touch()
    binary.write_bytes(f"{HEADER}\ndecode-heavy\xff,1,1\n".encode("latin-1"))
    for path, said in (
        (folder, "cannot be read"),
        (tmp_path / "nowhere.csv", "cannot be read"),
        (empty, "lacks the column class, prompt_tokens, output_tokens"),
        (binary, "cannot be read"),
    ):
        (told,) = problems(str(path), instance)
        assert told.startswith(str(path))
        assert said in told


def test_empty_lines_are_passed_over_but_counted(tmp_path: Path, instance: Instance) -> None:
    """The number must be the one that the user's editor shows."""
    (told,) = problems(
        written(tmp_path, (ONE_EACH[0], "", "", "nobody,1,1", ONE_EACH[1])), instance
    )
    assert ": line 5: " in told


def test_a_file_as_spreadsheets_write_it_is_read(tmp_path: Path, instance: Instance) -> None:
    """With the byte order mark, as instance files may have it too."""
    path = tmp_path / "lengths.csv"
    path.write_text("\n".join([HEADER, *ONE_EACH]), encoding="utf-8-sig")
    assert len(read_law(str(path), instance).listed) == 2


def test_all_classes_without_a_row_are_told_at_once(tmp_path: Path, instance: Instance) -> None:
    assert len(problems(written(tmp_path, ()), instance)) == 2


def test_lengths_too_large_to_average_are_refused_or_averaged(
    tmp_path: Path, instance: Instance
) -> None:
    """Both numbers are finite and positive, as is their mean."""
    lines = ("decode-heavy,1e308,1", "decode-heavy,1e308,1", ONE_EACH[1])
    try:
        law = read_law(written(tmp_path, lines), instance)
    except InputError:
        return
    assert law.listed[0] == pytest.approx(np.array([[300, 1000]] * 2))
