"""`logging` inside the BEAM, from its import to Elixir's Logger."""

from typing import Any

import pytest


def test_an_interpreter_that_does_not_log_does_not_load_logging(inside: Any) -> None:
    inside("""
        import json
        assert not {"logging", "erlang._logging"} & set(sys.modules)
    """)


@pytest.mark.parametrize("prelude", ["", "import logging\n"])
def test_logging_is_connected_whenever_it_is_imported(inside: Any, prelude: str) -> None:
    seen = inside("import logging; logging.getLogger('shop').warning('%d left', 3)", prelude)
    ((level, text, metadata),) = seen.logged
    assert (level, text) == ("warning", "3 left")
    assert metadata["logger"] == "shop"
    assert seen.written == []


def test_importing_a_part_of_logging_or_reloading_it_connects_it_too(inside: Any) -> None:
    seen = inside("""
        import logging.handlers, importlib, inspect
        logging.warning("one")
        importlib.reload(logging)
        logging.warning("two")
        assert "def basicConfig" in inspect.getsource(logging)
        assert "exec_module" not in vars(logging.__loader__)
    """)
    assert [text for _level, text, _metadata in seen.logged] == ["one", "two"]


def test_records_say_where_they_come_from(inside: Any) -> None:
    seen = inside("""
        import logging, os, threading

        def sell():
            logging.getLogger("shop").error("sold out")

        thread = threading.Thread(target=sell, name="till")
        thread.start()
        thread.join()
        print(os.getpid())
    """)
    ((_level, _text, metadata),) = seen.logged
    assert metadata == {
        "logger": "shop",
        "module": "<string>",
        "function": "sell",
        "file": "<string>",
        "line": 7,
        "process": int(seen.text(1)),
        "thread": "till",
    }


def test_levels_are_those_of_elixir(inside: Any) -> None:
    seen = inside("""
        import logging
        logger = logging.getLogger()
        logger.setLevel(1)
        for level in (5, 10, 15, 20, 25, 30, 40, 50, 60):
            logger.log(level, "%d", level)
    """)
    assert [level for level, _text, _metadata in seen.logged] == [
        "debug", "debug", "debug", "info", "info", "warning", "error", "critical", "critical",
    ]  # fmt: skip


def test_levels_that_python_switches_off_stay_off(inside: Any) -> None:
    assert inside("import logging; logging.info('quiet')").logged == []


def test_an_exception_is_part_of_the_text(inside: Any) -> None:
    seen = inside("""
        import logging
        try:
            {}["key"]
        except KeyError:
            logging.exception("not found")
    """)
    ((level, text, _metadata),) = seen.logged
    assert level == "error"
    assert text.startswith("not found\nTraceback (most recent call last):\n")
    assert text.endswith("KeyError: 'key'")


def test_a_record_that_cannot_be_formatted_is_logged_all_the_same(inside: Any) -> None:
    seen = inside("""
        import logging

        class Bad:
            def __repr__(self):
                raise ValueError("no")

        logging.warning("%d items", "many")
        logging.warning("%s", Bad())
        logging.warning("too %s", 1, 2)
    """)
    texts = [text for _level, text, _metadata in seen.logged]
    assert texts[0].startswith("'%d items' with the arguments ('many',) (not formatted: TypeError")
    assert texts[1] == "'%s' with the arguments <tuple> (not formatted: ValueError: no)"
    assert texts[2].startswith("'too %s' with the arguments (1, 2) (not formatted: TypeError")
    assert seen.written == []


@pytest.mark.parametrize(
    "arguments", ["level='INFO'", "level=20, stream=None", "level=20, filemode='w', force=True"]
)
def test_basic_config_without_a_place_logs_to_elixir(inside: Any, arguments: str) -> None:
    seen = inside(f"""
        import logging
        logging.basicConfig({arguments})
        logging.info("ready")
    """)
    assert [(level, text) for level, text, _metadata in seen.logged] == [("info", "ready")]


def test_a_format_that_was_asked_for_is_used(inside: Any) -> None:
    seen = inside("""
        import logging
        logging.basicConfig(format="[{name}] {message}", style="{")
        logging.warning("ready")
    """)
    assert seen.logged[0][1] == "[root] ready"


def test_basic_config_with_a_place_is_left_alone(inside: Any) -> None:
    seen = inside("""
        import logging
        logging.basicConfig(stream=sys.stderr)
        logging.warning("ready")
    """)
    assert seen.logged == []
    assert seen.text(2) == "WARNING:root:ready\n"


def test_basic_config_keeps_its_checks(inside: Any) -> None:
    inside("""
        import logging
        try:
            logging.basicConfig(levl=20)
        except ValueError as error:
            assert "levl" in str(error)
        else:
            raise AssertionError
    """)


def test_a_filter_decides_about_the_record(inside: Any) -> None:
    seen = inside("""
        import logging
        logging.basicConfig()
        (handler,) = logging.getLogger().handlers
        handler.addFilter(lambda record: "secret" not in record.getMessage())
        logging.warning("a secret")
        logging.warning("nothing special")
    """)
    assert [text for _level, text, _metadata in seen.logged] == ["nothing special"]
