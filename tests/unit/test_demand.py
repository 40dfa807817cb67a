"""Demand files: what is read from them, how it meets an instance, and what is refused and why."""

import hashlib
import random
import string
from pathlib import Path

import pytest

from gnr.demand import COLUMNS, DEMAND_CHECKS, LARGEST_FILE, Demand, read_demand
from gnr.errors import InputError, Problem
from gnr.reading import load

HEADER = ",".join(COLUMNS) + "\n"
GOOD = HEADER + "prefill-heavy,12.5\ndecode-heavy,50\n"
RATES = {"prefill-heavy": 12.5, "decode-heavy": 50.0}


def written(folder: Path, content: str | bytes) -> Path:
    file = folder / "demand.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def refused(folder: Path, content: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as refusal:
        read_demand(written(folder, content))
    return refusal.value.problems


def outcome(file: Path) -> tuple[dict[str, float], tuple[Problem, ...]]:
    """Return the rates of a file, or what is wrong with it."""
    try:
        return read_demand(file).rates, ()
    except InputError as refusal:
        return {}, refusal.problems


def test_a_demand_is_read_with_its_source_and_digest(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD)
    found = read_demand(file)
    assert found.rates == RATES
    assert found.total == 62.5
    assert (found.source, found.sha256) == (str(file), hashlib.sha256(GOOD.encode()).hexdigest())
    assert set(found.model_dump()) == {"source", "sha256", "rates"}
    assert read_demand(str(file)) == found


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        GOOD + "\n\n  \n",
        "\n" + GOOD,
        GOOD.rstrip("\n"),
        GOOD + ",\n",
        GOOD.replace(",", " , ").replace("heavy ,", "heavy,"),
        GOOD.replace("12.5", "+1.25e1").replace("50", '"50."'),
        GOOD.replace("prefill-heavy", '"prefill-heavy"'),
    ],
)
def test_what_spreadsheets_and_editors_do_to_a_file_is_fine(
    tmp_path: Path, content: str | bytes
) -> None:
    assert read_demand(written(tmp_path, content)).rates == RATES


def test_a_name_with_a_comma_stands_in_quotes(tmp_path: Path) -> None:
    assert read_demand(written(tmp_path, HEADER + '"a, ""b""",1\n')).rates == {'a, "b"': 1.0}


def test_demand_takes_the_order_of_the_instance_and_is_spread_over_its_gpus(
    tmp_path: Path,
) -> None:
    instance = load("two-class", ["gpu.replica_gpus=8", "gpu.cost.per_hour=2.5"])
    demand = read_demand(written(tmp_path, GOOD))
    assert list(demand.for_instance(instance).rates.items()) == list(RATES.items())[::-1]
    spread = demand.instance_for(instance, 30)
    assert [each.arrival_rate for each in spread.classes] == [50 / 30, 12.5 / 30]
    same = {"classes.0.arrival_rate": 50 / 30, "classes.1.arrival_rate": 12.5 / 30}
    sized = {"gpu.replica_gpus": 8, "gpu.cost": {"per_hour": 2.5}}
    assert spread == load("two-class", sized | same), "nothing else is changed"
    assert spread.sha256() == load("two-class", sized | same).sha256()


def test_promises_stay_when_a_demand_is_spread() -> None:
    instance = load("two-class-promises")
    demand = Demand(source="the file's own, on 7", rates={
        each.name: 7 * each.arrival_rate for each in instance.classes
    })  # fmt: skip
    assert demand.instance_for(instance, 7) == instance


def test_a_scaled_demand_is_checked() -> None:
    demand = Demand(source="here", rates=RATES)
    assert demand.scaled(2).rates == {"prefill-heavy": 25.0, "decode-heavy": 100.0}
    assert demand.scaled(2).total == 2 * demand.total
    assert demand.total == 62.5, "the original is left alone"
    for factor in (0, -1, 1e300, 1e-300, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="rates"):
            demand.scaled(factor)


def test_every_class_that_only_one_side_has_is_told(tmp_path: Path) -> None:
    demand = read_demand(written(tmp_path, HEADER + "decode-heavi,1\nother,2\n"))
    with pytest.raises(InputError) as refusal:
        demand.for_instance(load("two-class"))
    file = tmp_path / "demand.csv"
    assert [str(each) for each in refusal.value.problems] == [
        f"{file}: line 2: 'decode-heavi' is no class of two-class; did you mean decode-heavy?",
        f"{file}: line 3: 'other' is no class of two-class; remove the line, or add the class to "
        "the instance",
        f"{file}: has no rate of 'decode-heavy', a class of two-class; is it 'decode-heavi'?",
        f"{file}: has no rate of 'prefill-heavy', a class of two-class; add a line for it, or "
        "remove the class from the instance if nobody asks for it",
    ]


def test_one_demand_may_be_for_several_instances(tmp_path: Path) -> None:
    demand = read_demand(written(tmp_path, GOOD))
    for name in ("two-class", "two-class-separate", "two-class-qwen-4b"):
        assert list(demand.for_instance(load(name)).rates) == ["decode-heavy", "prefill-heavy"]
    with pytest.raises(InputError, match="no class of dolly-eight-class"):
        demand.for_instance(load("dolly-eight-class"))


def test_a_rate_per_gpu_beyond_computing_is_refused() -> None:
    demand = Demand(source="here", rates=dict.fromkeys(RATES, 1e-17))
    with pytest.raises(InputError, match=r"here on 1000 GPUs: classes\[0\]: arrival_rate is too"):
        demand.instance_for(load("two-class"), 1000)


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = (
        "clas,requests_per_sec\na,1\na,2\nb,x\nc,-1\n\nd,0\ne,inf\nf\ng,1,5\n,3\nh,1e30\ni,1e-400\n"
    )
    told = [(each.check, each.path) for each in refused(tmp_path, text)]
    assert told == [
        ("demand-header", "line 1"),
        ("demand-class", "line 3"),
        ("demand-rate", "line 4"),
        ("demand-rate", "line 5"),
        ("demand-rate", "line 7"),
        ("demand-rate", "line 8"),
        ("demand-line", "line 9"),
        ("demand-line", "line 10"),
        ("demand-class", "line 11"),
        ("demand-rate", "line 12"),
        ("demand-rate", "line 13"),
    ]
    assert all(each.file == str(tmp_path / "demand.csv") for each in refused(tmp_path, text))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a,-3", "line 2: the rate must be above 0, got '-3' (requests/s)"),
        ("a,0", "leave a class that nobody asks for out, here and in the instance"),
        ("a,-0.0", "above 0"),
        ("a,NaN", "line 2: the rate must be finite, got 'NaN'"),
        ("a,1e999", "finite"),
        ("a,1_000", "must end in a number, got '1_000'"),
        ("a,0x10", "must end in a number"),
        ("a,\u0661", "must end in a number"),
        ("a,", "must end in a number, got ''"),
        ("a,50%", "must end in a number"),
        ("a,55,3", "got 3 cells; as in chat,55.3: a number has a point and no comma"),
        ("a;5", "got only 'a;5'"),
        (" ,5", "names no class"),
        ("b,1\nb,1", "line 3: gives 'b' again, after line 2; give each class once"),
        ('"a,1', "line 2: is not CSV"),
        ('"a"b,1', "line 2: is not CSV"),
        ("a," + 200_000 * "9", "line 2: has more than 10,000 signs"),
        ("a\x1b[2J,x", "got 'x'"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_remedy(
    tmp_path: Path, line: str, words: str
) -> None:
    (problem,) = refused(tmp_path, HEADER + line + "\n")
    assert words in str(problem)
    assert problem.remedy


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("class,request_per_second", "did you mean requests_per_second by 'request_per_second'?"),
        ("Class,Requests_Per_Second", "did you mean class by 'Class' and requests_per_second by"),
        ("requests_per_second,class", "name the class first, then its rate"),
        ("class;requests_per_second", "separate the columns with a comma"),
        ("class\trequests_per_second", "separate the columns with a comma"),
        ("class,requests_per_second,share", "must be class,requests_per_second, got"),
        ("name,rps", "must be class,requests_per_second, got 'name,rps'; write class,requests"),
        ("decode-heavy,50", "write it above this line"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens", "`gnr fit` makes one of a log"),
    ],
)
def test_a_bad_header_is_told_with_what_was_meant(tmp_path: Path, header: str, words: str) -> None:
    (problem,) = refused(tmp_path, header + "\nprefill-heavy,1\n")
    assert (problem.check, problem.path) == ("demand-header", "line 1")
    assert words in str(problem)


def test_lines_are_judged_below_a_header_that_is_missing(tmp_path: Path) -> None:
    told = [(each.check, each.path) for each in refused(tmp_path, "a,1\na,2\nb,x\n")]
    assert told == [("demand-header", "line 1"), ("demand-class", "line 2"),
                    ("demand-rate", "line 3")]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "check", "words"),
    [
        (b"", "demand-file", "is empty; write class,requests_per_second"),
        (b"\xef\xbb\xbf\r\n\r\n", "demand-file", "is empty"),
        (HEADER.encode(), "demand-file", "has no class"),
        (GOOD.encode("utf-16"), "file-not-text", "is not UTF-8 text (byte 0)"),
        (HEADER.encode() + b"caf\xe9,1\n", "file-not-text", "is not UTF-8 text (byte 29)"),
        (GOOD.encode("utf-16-le"), "file-not-text", "is not UTF-8 text (byte 1)"),
        (b"\x1f\x8b\x08\x00", "file-not-text", "is not UTF-8 text"),
        (b"\0" * 100, "file-not-text", "(byte 0)"),
        (b"a" * (LARGEST_FILE + 1), "demand-file", "is above 16 MiB"),
    ],
)
def test_what_is_no_demand_file_is_refused(
    tmp_path: Path, content: bytes, check: str, words: str
) -> None:
    (problem,) = refused(tmp_path, content)
    assert problem.check == check
    assert words in str(problem)


def test_missing_file_and_folder_are_told_apart(tmp_path: Path) -> None:
    for path, check in ((tmp_path / "none.csv", "file-missing"), (tmp_path, "file-unreadable"),
                        ("a\0b", "file-unreadable")):  # fmt: skip
        with pytest.raises(InputError) as refusal:
            read_demand(path)
        assert [each.check for each in refusal.value.problems] == [check]


def test_damaged_files_are_read_or_refused_and_never_crash(tmp_path: Path) -> None:
    """What is accepted has positive finite rates; both ends were put to the test."""
    rng, seen = random.Random(1), {True: 0, False: 0}
    pieces = [*string.printable, "\0", "\ufeff", "é", "1e9", "nan", '""', "\r\n", HEADER, "a,1\n"]
    for _ in range(1_000):
        text = GOOD
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(pieces) + text[at + rng.randrange(3) :]
        rates, problems = outcome(written(tmp_path, text))
        assert all(0 < rate < 1e18 for rate in rates.values())
        assert all(each.message for each in problems)
        assert {each.check for each in problems} <= {*DEMAND_CHECKS, "file-not-text"}
        assert bool(rates) is not bool(problems)
        seen[bool(rates)] += 1
    assert min(seen.values()) > 100
