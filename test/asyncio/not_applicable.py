"""Tests of ``test.test_asyncio`` that say nothing about ``ErlangEventLoop``, and why.

Patterns as in ``fnmatch``, matched with the name of a test from its file on.
"""

SIGNALS = "signals belong to the BEAM, and the loop refuses handlers for them"
CHILDREN = "child processes belong to the BEAM, and Python is refused to start them"
MAIN_THREAD = "they expect what asyncio does in Python's main thread only, which no context is"
FORK = "a process that runs the BEAM cannot be forked"
OTHER_LOOP = "they are about the loop that asyncio has for Windows"
OTHER_SELECTOR = "they repeat others with a selector that is not ours"

NOT_APPLICABLE = {
    "test_unix_events.SelectorEventLoopSignalTests.*": SIGNALS,
    "test_events.*.test_add_signal_handler": SIGNALS,
    "test_events.*.test_signal_handling_*": SIGNALS,
    "test_runners.RunTests.test_asyncio_run_without_uncancel": SIGNALS,
    "test_runners.RunnerTests.test_interrupt_*": SIGNALS,
    "test_subprocess.*": CHILDREN,
    "test_events.*.test_subprocess_*": CHILDREN,
    "test_unix_events.*ChildWatcher*": CHILDREN,
    "test_unix_events.PolicyTests.*child_watcher*": CHILDREN,
    "test_events.*.test_get_event_loop_new_process": CHILDREN,
    "test_streams.*.test_read_all_from_pipe_reader": CHILDREN,
    "test_*.test_env_var_debug": CHILDREN,
    "test_tasks.*.test_debug_mode_interop": CHILDREN,
    "test_eager_task_factory.*.test_issue105987": CHILDREN,
    "test_runners.*.test_signal_install_not_supported_ok": MAIN_THREAD,
    "test_events.PolicyTests.test_get_event_loop": MAIN_THREAD,
    "test_events.PolicyTests.test_get_event_loop_calls_set_event_loop": MAIN_THREAD,
    "test_events.*.test_get_event_loop_returns_running_loop2": MAIN_THREAD,
    "test_unix_events.TestFork.*": FORK,
    "test_proactor_events.*": OTHER_LOOP,
    "test_*.EPollEventLoopTests.*": OTHER_SELECTOR,
    "test_*.PollEventLoopTests.*": OTHER_SELECTOR,
    "test_*.SelectEventLoopTests.*": OTHER_SELECTOR,
    "test_*.KqueueEventLoopTests.*": OTHER_SELECTOR,
}
