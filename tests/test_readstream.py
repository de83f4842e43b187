"""`manage.py readstream`: what is read of a captured body, said in the words of the samples."""

import gzip
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.samples import WIRE, Sample, all_samples, load

ROOT = Path(__file__).parent.parent


def readstream(*arguments: object) -> object:
    out = StringIO()
    call_command("readstream", *map(str, arguments), stdout=out)
    return json.loads(out.getvalue())


def file(sample: Sample) -> Path:
    return WIRE / sample.facts["sample"]


@pytest.mark.parametrize("sample", all_samples(), ids=lambda sample: sample.name)
def test_an_answer_is_told_as_expected(sample: Sample) -> None:
    http = sample.facts["http"]
    facts = ["--profile", sample.profile, "--n", sample.n, "--status", http["status"]]
    assert readstream(file(sample), *facts, "--content-type", http["content_type"] or "") == sample.wanted


@pytest.mark.parametrize("sample", all_samples(), ids=lambda sample: sample.name)
def test_an_answer_whose_headers_are_lost_is_told_the_same(sample: Sample) -> None:
    facts = ["--profile", sample.profile, "--n", sample.n, "--status", sample.status]
    assert readstream(file(sample), *facts) == sample.wanted


@pytest.mark.parametrize("kind", ["models", "token_count"])
def test_lists_and_counts_are_told_as_expected(kind: str) -> None:
    for sample in all_samples(kind):
        assert readstream(file(sample), "--profile", sample.profile, "--kind", kind) == sample.expected, sample.name


def test_it_runs_as_a_command_of_its_own() -> None:
    sample = load("anthropic_thinking_ping_padding")
    command = [sys.executable, "manage.py", "readstream", file(sample), "--profile", "anthropic"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert json.loads(done.stdout) == sample.wanted
    done = subprocess.run([*command[:3], "nowhere", *command[4:]], cwd=ROOT, capture_output=True)
    assert done.returncode == 2
    assert b"nowhere cannot be opened" in done.stderr


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["nowhere.sse", "--profile", "openai"], "nowhere.sse cannot be opened: No such file or directory."),
        ([WIRE, "--profile", "openai"], f"{WIRE} cannot be opened: Is a directory."),
        (
            [WIRE / "moonshot_basic.sse", "--profile", "moonshoot"],
            "No profile is named moonshoot. Known are: default, ",
        ),
        ([WIRE / "moonshot_basic.sse", "--profile", "openai", "--kind", "models"], "moonshot_basic.sse cannot be read"),
        (["--profile", "openai"], "the following arguments are required: file"),
        ([WIRE / "moonshot_basic.sse", "--profile", "openai", "--n", "0"], "0 is no number of choices"),
        ([WIRE / "moonshot_basic.sse"], "the following arguments are required: --profile"),
    ],
)
def test_what_cannot_be_read_is_a_sentence_and_the_exit_code_2(arguments: list, sentence: str) -> None:
    with pytest.raises(CommandError) as raised:
        readstream(*arguments)
    assert sentence in str(raised.value)


def test_exit_codes(tmp_path: Path) -> None:
    empty = tmp_path / "empty.sse"
    empty.touch()
    lists = [empty, "--profile", "openai", "--kind", "models"]
    for arguments in (["nowhere", "--profile", "openai"], lists, [empty, "--profile", "no"]):
        with pytest.raises(CommandError) as raised:
            readstream(*arguments)
        assert raised.value.returncode == 2


def test_an_empty_body_is_an_answer_that_was_cut(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for profile in ("openai", "gemini", "ollama"):
        told = readstream(empty, "--profile", profile)
        assert (told["choices"], told["complete"], told["incomplete_reason"]) == ([], False, "cut")
    assert readstream(empty, "--profile", "openai", "--content-type", "application/json")["incomplete_reason"] == "cut"


@pytest.mark.parametrize("kept, reason", [(None, None), (-40, "cut")])
def test_a_body_that_was_captured_compressed_is_unpacked(kept: int | None, reason: str | None, tmp_path: Path) -> None:
    packed = tmp_path / "answer"
    packed.write_bytes(gzip.compress(load("moonshot_basic").body)[:kept])
    assert readstream(packed, "--profile", "moonshot")["incomplete_reason"] == reason


def test_a_files_name_tells_what_it_is_where_its_body_does_not(tmp_path: Path) -> None:
    line = b'{"error":"boom"}'
    for name, terminator in (("a.ndjson", False), ("a.body", None)):
        (tmp_path / name).write_bytes(line)
        told = readstream(tmp_path / name, "--profile", "ollama")
        assert (told["terminator"], told["error"]["message"]) == (terminator, "boom")
