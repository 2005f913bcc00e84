"""Lines of standard output in a file: always complete lines."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pryv.cli._lines import Lines

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs limits on the size of files")

PROGRAM = """
import resource, signal, sys
from pryv.cli import write_json_lines
limit, count, length = map(int, sys.argv[1:])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
try:
    write_json_lines(["x" * length] * count)
except OSError as error:
    sys.exit(error.strerror)
finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)  # coverage writes a file at the end
"""


def write(file: Path, limit: int, count: int, length: int, mode: str = "ab") -> tuple[int, str]:
    """Writes lines in a process that may not let a file grow beyond a limit, if it is not 0."""
    with file.open(mode) as output:
        arguments = [sys.executable, "-c", PROGRAM, *map(str, (limit, count, length))]
        done = subprocess.run(arguments, stdout=output, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("mode", ["ab", "wb"])
@pytest.mark.parametrize(("count", "length"), [(1, 5000), (10, 200), (10_000, 20), (3, 100_000)])
def test_a_disk_that_is_full_leaves_whole_lines(count: int, length: int, mode: str, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    assert write(file, 1000, count, length, mode) == (1, "File too large")
    content = file.read_bytes()
    assert content == b'"%b"\n' % (b"x" * length) * (1000 // (length + 3))
    assert write(file, 0, 1, 3) == (0, "")
    assert file.read_bytes() == content + b'"xxx"\n'


def test_later_output_follows_whole_lines(tmp_path: Path) -> None:
    with (tmp_path / "lines").open("wb") as output:
        subprocess.run([sys.executable, "-c", PROGRAM, "1000", "10", "200"], stdout=output, check=False, timeout=60)
        subprocess.run(["echo", "end"], stdout=output, check=True)
    assert (tmp_path / "lines").read_text() == f'"{"x" * 200}"\n' * 4 + "end\n"


def test_lines_of_another_program_are_not_taken_back(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("one\n")
    program = """
import resource, signal, sys
from pryv.cli import _lines
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (40, limits[1]))
try:
    _lines._append(1, [b"x" * 50 + b"\\n"], int(sys.argv[1]))
except OSError:
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
"""
    with file.open("ab") as output:
        output.write(b"another\n")
        output.flush()
        subprocess.run([sys.executable, "-c", program, "4"], stdout=output, check=True, timeout=60)
    assert file.read_bytes().startswith(b"one\nanother\n")


def test_a_line_that_a_killed_program_left_is_ended_first(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b'"one"\n"tw')
    assert write(file, 0, 3, 1) == (0, "")
    assert file.read_bytes() == b'"one"\n"tw\n"x"\n"x"\n"x"\n'
    assert write(file, 0, 0, 1) == (0, "")
    assert write(file, 0, 1, 1) == (0, "")
    assert file.read_bytes() == b'"one"\n"tw\n"x"\n"x"\n"x"\n"x"\n'


def test_a_pipe_and_a_device_take_lines_too() -> None:
    run = [sys.executable, "-c", PROGRAM, "0", "30000", "10"]
    done = subprocess.run(run, stdout=subprocess.PIPE, check=True, timeout=60)
    assert done.stdout == b'"xxxxxxxxxx"\n' * 30_000
    with open("/dev/null", "wb") as device:
        subprocess.run(run, stdout=device, check=True, timeout=60)


def test_a_closed_pipe_is_an_error(tmp_path: Path) -> None:
    run = [sys.executable, "-c", PROGRAM, "0", "300000", "10"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read().startswith("Broken pipe")
    assert process.returncode not in (0, -signal.SIGPIPE)


class Unbuffered(io.BytesIO):
    """A stream that takes a part of what it is given, as a pipe does when a signal arrives, and has no descriptor."""

    def write(self, data: Any, /) -> int:
        return super().write(data[:3])


def test_a_stream_may_write_partially() -> None:
    stream = Unbuffered()
    Lines().write(stream, [b"first\n", b"second\n"])
    assert stream.getvalue() == b"first\nsecond\n"
