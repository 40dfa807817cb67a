"""``gnr prove``: the verdict on every step of the theory, or what it says of one instance."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from gnr.cli.console import (
    ExitCode,
    JsonOption,
    OutOption,
    SetOptions,
    load_all,
    note,
    prepare_folder,
    print_documents,
    print_json,
    print_rich,
    told_of,
)
from gnr.errors import InputError, Problem


def prove(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CLAIM|INSTANCE",
            help="Claims, rows, theorems (L10.1-a/printed, L10.1-a, L10.1) or instances; "
            "without any, all claims.",
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the claims; check nothing.")] = False,
    faults: Annotated[
        bool, typer.Option("--faults", help="Also plant every known fault in every check.")
    ] = False,
    set_: SetOptions = None,
    json: JsonOption = False,
    out: OutOption = None,
) -> int:
    """Check the derivation step by step; or tell which theorems cover an instance, and why."""
    from gnr.proofs.proving import chosen, is_reading_row
    from gnr.proofs.registry import all_claims

    names = names or []
    meant = {name: chosen(name) for name in names}
    read = [name for name in names if is_reading_row(name)]
    if names and not read and not any(meant.values()):
        _refuse_options_of_claims(list_, faults)
        return _cover(names, set_ or [], json, out)
    nothing = [name for name, found in meant.items() if not found and name not in read]
    _refuse_what_is_no_claim(nothing, set_ or [])
    claims = list(dict.fromkeys(each for found in meant.values() for each in found))
    claims = claims if names else list(all_claims())
    if list_:
        return _list(claims, json)
    return _prove(claims, read, faults, json, out)


def _refuse_options_of_claims(list_: bool, faults: bool) -> None:
    """Refuse options that mean nothing for an instance."""
    given = [option for option, wanted in (("--list", list_), ("--faults", faults)) if wanted]
    if given:
        raise InputError(
            Problem("no-claim", option, "", "is about claims", "leave it out for an instance")
            for option in given
        )


def _refuse_what_is_no_claim(names: Sequence[str], overrides: Sequence[str]) -> None:
    """Refuse a mixture of claims and other things, and options that claims do not take."""
    problems = [
        Problem("no-claim", name, "", "is neither a claim nor a row", _other_names(name))
        for name in names
    ]
    if overrides:
        problems.append(
            Problem("no-instance", "--set", "", "changes an instance", "name an instance to prove")
        )
    if problems:
        raise InputError(problems)


def _other_names(name: str) -> str:
    """Return what to ask for in place of a name that is no claim."""
    from gnr.proofs.ledger import rows
    from gnr.reading import shipped_instances

    row = rows().get(name.partition("/")[0])
    if row is not None:
        return f"claims of this row: {', '.join(row.verdicts)}"
    if name in shipped_instances() or name.endswith(".toml"):
        return "ask for claims and for instances in separate runs"
    return "see `gnr prove --list`"


def _refuse_what_is_nothing(names: Sequence[str]) -> None:
    """Refuse words that are neither claims, nor shipped instances, nor paths."""
    from gnr.proofs.ledger import rows
    from gnr.reading import is_path, shipped_instances
    from gnr.schema_errors import suggest

    shipped = list(shipped_instances())
    problems = []
    for name in names:
        if name in shipped or (is_path(name) and name.partition("/")[0] not in rows()):
            continue
        if name.partition("/")[0] in rows():
            problems.append(Problem("no-claim", name, "", "is no claim", _other_names(name)))
            continue
        near = suggest(name, [*shipped, *rows()])
        hint = f"did you mean {near}?" if near else f"shipped: {', '.join(shipped)}"
        remedy = f"{hint} (claims: `gnr prove --list`; a path has a separator or ends in .toml)"
        told = "is neither a claim nor a shipped instance"
        problems.append(Problem("no-claim", name, "", told, remedy))
    if problems:
        raise InputError(problems)


def _list(claims: Sequence[Any], as_json: bool) -> int:
    from gnr.proofs.proving import list_claims

    listed = list_claims(claims)
    if as_json:
        print_json(listed.model_dump(mode="json"))
    else:
        print_rich(listed)
    return ExitCode.DONE


def _prove(
    claims: Sequence[Any], read: Sequence[str], faults: bool, as_json: bool, out: Any
) -> int:
    from gnr.cli.progress import progress_of_events
    from gnr.proofs.proving import prove_claims

    if out is not None:
        prepare_folder(out, [])
    with progress_of_events("claims", len(claims), "claims") as told:
        report = prove_claims(claims, faults=faults, told=told, read=read)
    if out is not None:
        note(f"wrote {report.write(out)}")
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        print_rich(report)
    return exit_code(report)


def exit_code(report: Any) -> int:
    """Return 1 if something of ours is refuted, 3 if an expected verdict is missing, else 0.

    A step of the paper that is refuted as expected is a success; so is a verdict where the
    reviewed ledger expects none.
    """
    surprising = [each for each in report.claims if each.id in report.unexpected]
    if any(map(_contradicts, surprising)):
        return ExitCode.NEGATIVE
    return ExitCode.DONE if all(map(_better, surprising)) else ExitCode.UNDECIDED


def _contradicts(claim: Any) -> bool:
    """Tell whether the machine decided against us: our claim, our objection, or a fault missed."""
    if any(each.verdict == "proved" for each in claim.faults):
        return True
    objection = (claim.expected or "").startswith("refuted")
    if claim.verdict == "refuted":
        return not objection and not claim.id.endswith("/printed")
    return objection and claim.verdict == "proved"


def _better(claim: Any) -> bool:
    """Tell whether a verdict was reached where none was expected, and no fault was missed."""
    settled = claim.verdict != "undecided" and (claim.expected or "").startswith("undecided")
    return settled and all(each.verdict == "refuted" for each in claim.faults)


def _cover(names: Sequence[str], overrides: Sequence[str], as_json: bool, out: Any) -> int:
    from gnr.models.certificate import certify
    from gnr.models.steady_state import solve
    from gnr.proofs.coverage import cover

    _refuse_what_is_nothing(names)
    loaded = load_all(names, overrides)
    if out is not None:
        prepare_folder(out, loaded)
    found = []
    for source, instance in zip(names, loaded, strict=True):
        with told_of(source):
            certificate = certify(solve(instance), overrides=overrides)
        found.append(cover(instance, certificate, {"set": list(overrides)}))
        for warning in found[-1].warnings:
            note(f"warning: {instance.name}: {warning}")
        if out is not None:
            note(f"wrote {found[-1].write(out)}")
    if as_json:
        print_documents([each.model_dump(mode="json") for each in found])
    else:
        print_rich(*found)
    infeasible = any(each.status == "infeasible" for each in found)
    return ExitCode.NEGATIVE if infeasible else ExitCode.DONE
