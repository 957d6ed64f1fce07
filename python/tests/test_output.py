"""The standard streams of an interpreter inside the BEAM."""

from typing import Any

import pytest

from erlang import _output


def test_what_is_printed_goes_to_the_beam_at_once(inside: Any) -> None:
    seen = inside("print('a', 1); print('no end', end=''); print('oh', file=sys.stderr)")
    assert seen.text(1) == "a 1\nno end"
    assert seen.text(2) == "oh\n"
    assert [text for _device, text in seen.written if text] == [
        "a", " ", "1", "\n", "no end", "oh", "\n",
    ]  # fmt: skip


def test_text_is_utf_8_and_what_cannot_be_is_escaped(inside: Any) -> None:
    seen = inside(r"print('grün \0 \ud800 \r\n', end='')")
    assert seen.text(1).encode("latin-1") == b"gr\xc3\xbcn \0 \\ud800 \r\n"


def test_bytes_can_be_written_too(inside: Any) -> None:
    seen = inside(r"assert sys.stdout.buffer.write(bytearray(b'\xff\0')) == 2")
    assert seen.written == [[1, "\xff\0"]]


def test_the_length_of_text_is_that_of_its_characters(inside: Any) -> None:
    inside("assert sys.stdout.write('grün') == 4")


def test_text_is_written_as_somebody_has_asked_for(inside: Any) -> None:
    seen = inside("""
        sys.stdout.reconfigure(encoding="latin-1", newline="\\r\\n")
        print("grün")
        sys.stdout.reconfigure(encoding="utf-16-le")
        print("gr", end="")
    """)
    assert seen.text(1) == "grün\r\ng\0r\0"


def test_a_device_that_somebody_has_taken_takes_no_more_text(inside: Any) -> None:
    seen = inside("""
        stdout, sys.stdout = sys.stdout, sys.stderr
        device = stdout.detach()
        device.write(b"bytes")
        try:
            stdout.write("text")
        except ValueError:
            pass
        else:
            raise AssertionError
    """)
    assert seen.written == [[1, "bytes"]]


def test_the_saved_streams_are_the_same_ones(inside: Any) -> None:
    inside("assert all(getattr(sys, n) is getattr(sys, f'__{n}__') for n in ('stdout', 'stderr'))")


def test_a_second_worker_leaves_redirections_alone(inside: Any) -> None:
    seen = inside("""
        import contextlib, io
        with contextlib.redirect_stdout(io.StringIO()) as caught:
            erlang._output.install()
            print("caught")
        assert caught.getvalue() == "caught\\n"
        print("not caught")
    """)
    assert seen.text(1) == "not caught\n"


def test_the_streams_cannot_be_closed(inside: Any) -> None:
    seen = inside("""
        with sys.stdout:
            print("before")
        sys.stderr.close()
        print("after")
        print("after", file=sys.stderr)
    """)
    assert (seen.text(1), seen.text(2)) == ("before\nafter\n", "after\n")


def test_there_is_no_file_behind_them(inside: Any) -> None:
    inside("""
        import io
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            assert not stream.isatty()
            try:
                stream.fileno()
            except io.UnsupportedOperation:
                pass
            else:
                raise AssertionError(stream)
        assert [s.name for s in (sys.stdin, sys.stdout)] == ["<stdin>", "<stdout>"]
    """)


def test_warnings_and_uncaught_exceptions_of_threads_are_written(inside: Any) -> None:
    seen = inside("""
        import threading, warnings
        warnings.warn("careful")
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
    """)
    assert "UserWarning: careful" in seen.text(2)
    assert "ZeroDivisionError" in seen.text(2)


@pytest.mark.parametrize(
    "read",
    [
        "input('name? ')",
        "sys.stdin.read()",
        "sys.stdin.readline()",
        "sys.stdin.buffer.read()",
        "next(sys.stdin)",
        "list(sys.stdin)",
    ],
)
def test_reading_says_that_there_is_no_input(inside: Any, read: str) -> None:
    seen = inside(f"""
        for _ in range(2):
            try:
                {read}
            except EOFError as error:
                print(error, file=sys.stderr)
    """)
    first, second = seen.text(2).splitlines()
    assert first == second
    assert first.startswith("there is no standard input inside the BEAM")
    assert "arguments of the call" in first


def test_finding_logging_is_left_to_others_when_it_is_not_asked_for() -> None:
    assert _output._LoggingFinder().find_spec("json") is None
