"""What the documents say: their code runs, their links lead somewhere, the tests they name are there."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from .documents import (
    DOCUMENTS,
    NOT_RUN,
    READMES,
    ROOT,
    RUN,
    SITE,
    Account,
    blocks,
    name,
    program,
    run,
    settled,
    with_code,
)


def run_document(document: Path, language: str, platform_url: str, owner: Account, directory: Path) -> None:
    """Run all its code of a language, in order, as one program on an account with a diary."""
    connection = owner[2]
    connection.api_one("streams.create", {"id": "diary", "name": "Diary"})
    code, printed = run(settled(program(document, language), platform_url, owner), language, directory, connection)
    assert code == 0, printed


@pytest.mark.parametrize("document", with_code("python"), ids=name)
def test_the_python_of_a_document_runs(
    document: Path, platform_url: str, new_account: Callable[[], Account], tmp_path: Path
) -> None:
    run_document(document, "python", platform_url, new_account(), tmp_path)


def test_the_change_of_a_key_includes_the_trash(
    platform_url: str, new_account: Callable[[], Account], tmp_path: Path
) -> None:
    owner = new_account()
    owner[2].streams.create({"id": "diary", "name": "Diary"})
    code = settled(program(ROOT / "docs" / "guides" / "encryption.md", "python"), platform_url, owner)
    before, recipe, rest = code.partition('keyring.set("journal-2027"')
    assert recipe
    code = before + (
        "trashed = connection.events.create(cipher.encrypt_event(note, **how))['id']\n"
        "connection.events.delete(trashed)\n"
        f"{recipe}{rest}\n"
        "event = connection.events.get(trashed)\n"
        "assert event['trashed'] is True\n"
        "assert event['content']['keyRef'] == 'journal-2027'\n"
        "assert cipher.decrypt_event(event, strict=True)['content'] == note['content']\n"
        "assert left == [stored['id']]  # it has a file\n"
    )
    exit_code, printed = run(code, "python", tmp_path, owner[2])
    assert exit_code == 0, printed


@pytest.mark.parametrize("document", with_code("sh"), ids=name)
def test_the_commands_of_a_document_run(
    document: Path, platform_url: str, new_account: Callable[[], Account], tmp_path: Path
) -> None:
    run_document(document, "sh", platform_url, new_account(), tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_code_is_run_or_says_what_it_is(document: Path) -> None:
    assert {language for language, _ in blocks(document)} <= {*RUN, *NOT_RUN}


def test_the_example_that_needs_no_account_works_when_pasted(tmp_path: Path) -> None:
    (example,) = (text for _, text in blocks(ROOT / "README.md") if "pryv_sandbox" in text)
    assert len(example.splitlines()) <= 20
    code, printed = run(example, "python", tmp_path)
    assert code == 0, printed
    assert printed.splitlines() == [
        f"2026-01-0{day} 08:00:00+00:00 {weight} kg" for day, weight in ((1, 61.2), (2, 61), (3, 60.7))
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_headings_begin_their_lines(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"^[^\s#]+#+ .*", text, re.MULTILINE) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_to_files(document: Path) -> None:
    for target in re.findall(r"\]\((?![a-z]+:)([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", READMES, ids=name)
def test_links_lead_to_pages_of_the_site(document: Path) -> None:
    for page, heading in re.findall(rf"{SITE}([\w/-]+)\.html(?:#([\w-]+))?", document.read_text()):
        headings = re.findall(r"^#+ (.*)", (ROOT / "docs" / f"{page}.md").read_text(), re.MULTILINE)
        assert not heading or heading in [title.lower().replace(" ", "-") for title in headings]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_tests_that_are_named_exist(document: Path) -> None:
    for file, test in re.findall(r"`([\w/]+\.py)::(\w+)`", document.read_text()):
        folder = ROOT / "tests" if "/" in file else ROOT / "tests" / "pryv"
        assert re.search(rf"^def {test}\(", (folder / file).read_text(), re.MULTILINE), f"{file}::{test}"
