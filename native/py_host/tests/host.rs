//! The host on its own: real interpreters, no BEAM. Every test runs in every mode that this
//! Python has.

mod support;

use std::io::Read;
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use py_host::{Attached, Handle, Mode, Rejection, Worker};
use support::{close, evaluate, in_every_mode, job, open, run, submit, wait_until_running, SOON};

#[test]
fn runs_python_and_reports_its_exceptions() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        assert_eq!(run(&context, "6 * 7"), Ok("42".into()));
        assert_eq!(run(&context, "1 / 0"), Ok("ZeroDivisionError: division by zero".into()));
        assert_eq!(run(&context, "__import__('sys').path[0]"), Ok("/nowhere".into()));
        close(&context);
    });
}

#[test]
fn a_name_of_one_context_is_unknown_in_another() {
    in_every_mode(|mode| {
        let (one, other) = (open(mode, 10), open(mode, 10));
        run(&one, "secret = 1\n").unwrap();
        assert_eq!(run(&one, "secret"), Ok("1".into()));
        assert!(run(&other, "secret").unwrap().starts_with("NameError"));
        close(&one);
        close(&other);
    });
}

#[test]
fn two_contexts_run_at_the_same_time() {
    in_every_mode(|mode| {
        let (one, other) = (open(mode, 10), open(mode, 10));
        // Each waits detached; one after the other they would need twice as long.
        let started = Instant::now();
        let first = submit(&one, "__import__('time').sleep(0.5)").1;
        let second = submit(&other, "__import__('time').sleep(0.5)").1;
        first.recv_timeout(SOON).unwrap().unwrap();
        second.recv_timeout(SOON).unwrap().unwrap();
        assert!(started.elapsed() < Duration::from_millis(950), "{:?}", started.elapsed());
        close(&one);
        close(&other);
    });
}

#[test]
fn a_full_queue_hands_the_job_back() {
    in_every_mode(|mode| {
        let context = open(mode, 2);
        let (id, running) = submit(&context, "while True: pass\n");
        wait_until_running(&context);
        let waiting = [submit(&context, "1").1, submit(&context, "2").1];
        assert_eq!(run(&context, "3"), Err(Rejection::Busy));
        context.interrupt(id);
        assert!(running.recv_timeout(SOON).unwrap().unwrap().starts_with("KeyboardInterrupt"));
        for answer in waiting {
            answer.recv_timeout(SOON).unwrap().unwrap();
        }
        close(&context);
    });
}

#[test]
fn closing_interrupts_what_runs_and_rejects_what_waits() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let running = submit(&context, "while True: pass\n").1;
        wait_until_running(&context);
        let waiting = submit(&context, "1").1;
        close(&context);
        assert!(running.recv_timeout(SOON).unwrap().unwrap().starts_with("KeyboardInterrupt"));
        assert_eq!(waiting.recv_timeout(SOON).unwrap(), Err(Rejection::Closed));
        assert_eq!(run(&context, "1"), Err(Rejection::Closed));
    });
}

#[test]
fn an_interrupt_is_repeated_for_code_that_swallows_it() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        // An interrupt may also land in the handler, which a thread without a core takes 10 ms to
        // leave. That ends the code with an exception, and it has to be tried again.
        let undisturbed = (0..10).any(|_| {
            // The first one must not come before the `try` is entered, so the code says when.
            let (mut ready, signal) = std::io::pipe().unwrap();
            let code = format!(
                "import os\nn = 0\nwhile n < 3:\n  try:\n    os.write({}, b'.')\n    while True: pass\n  except BaseException: n += 1\n",
                signal.as_raw_fd()
            );
            let (id, answer) = submit(&context, code.leak());
            ready.read_exact(&mut [0]).unwrap();
            context.interrupt(id);
            answer.recv_timeout(SOON).unwrap().unwrap() == "None"
        });
        assert!(undisturbed);
        assert_eq!(run(&context, "n"), Ok("3".into()));
        close(&context);
    });
}

#[test]
fn an_interrupt_never_reaches_the_next_job() {
    in_every_mode(|mode| {
        let context = open(mode, 1000);
        for _ in 0..200 {
            let (id, short) = submit(&context, "sum(range(2000))");
            let after = submit(&context, "sum(x for x in range(2000))").1;
            context.interrupt(id);
            short.recv_timeout(SOON).unwrap().unwrap();
            assert_eq!(after.recv_timeout(SOON).unwrap(), Ok("1999000".into()));
        }
        close(&context);
    });
}

#[test]
fn dropped_handles_release_their_objects() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        run(
            &context,
            "import weakref\nclass Thing: pass\nthing = Thing()\nalive = weakref.ref(thing)\n",
        )
        .unwrap();
        let (send, receive) = mpsc::channel::<Handle>();
        let export = job(move |py: Attached<'_>, worker: &Worker| {
            let thing = evaluate(py, worker, "thing").unwrap();
            send.send(worker.export(thing)).unwrap();
        });
        assert!(context.submit(export).is_ok());
        let handle = receive.recv_timeout(SOON).unwrap();
        run(&context, "del thing\n").unwrap();
        assert_ne!(run(&context, "alive()"), Ok("None".into()));
        assert_eq!(context.info().objects, 1);
        drop(handle);
        assert_eq!(run(&context, "alive()"), Ok("None".into()));
        assert_eq!(context.info().objects, 0);
        close(&context);
    });
}

#[test]
fn a_handle_outlives_its_context_harmlessly() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let (send, receive) = mpsc::channel::<Handle>();
        let export = job(move |py: Attached<'_>, worker: &Worker| {
            send.send(worker.export(evaluate(py, worker, "object()").unwrap())).unwrap();
        });
        assert!(context.submit(export).is_ok());
        let handle = receive.recv_timeout(SOON).unwrap();
        close(&context);
        drop(handle);
    });
}

#[test]
fn code_that_looks_for_exceptions_only_where_it_swallows_them_is_stopped() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let code =
            "while True:\n    try:\n        sum([1])\n    except BaseException:\n        pass\n";
        let (id, answer) = submit(&context, code);
        wait_until_running(&context);
        context.interrupt(id);
        let text = answer.recv_timeout(SOON).expect("it ends").unwrap();
        assert!(text.starts_with("KeyboardInterrupt"), "{text}");
        let loop_of_ten_thousand = "sum(1 for _ in range(10000))";
        assert_eq!(run(&context, loop_of_ten_thousand), Ok("10000".into()));
        close(&context);
    });
}

#[test]
fn deep_recursion_is_an_error() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        run(&context, "def down(): return down()\n").unwrap();
        assert!(run(&context, "down()").unwrap().starts_with("RecursionError"));
        let nested = "__import__('json').loads('[' * 50000)";
        // From 3.14 on what counts is the stack that is left, and 16 MiB are enough to find out
        // that the text ends too soon.
        let error = run(&context, nested).unwrap();
        assert!(
            error.starts_with("RecursionError") || error.contains("JSONDecodeError"),
            "{error}"
        );
        assert_eq!(run(&context, "1"), Ok("1".into()));
        close(&context);
    });
}

#[test]
fn a_panic_in_a_job_ends_the_job_alone() {
    let context = open(Mode::parse("auto").unwrap(), 10);
    let broken = job(|_py: Attached<'_>, _worker: &Worker| panic!("a bug, on purpose"));
    assert!(context.submit(broken).is_ok());
    assert_eq!(run(&context, "1"), Ok("1".into()));
    close(&context);
}

#[test]
fn contexts_come_and_go_without_a_trace() {
    in_every_mode(|mode| {
        for _ in 0..3 {
            let contexts: Vec<_> = (0..8).map(|_| open(mode, 10)).collect();
            for context in &contexts {
                assert_eq!(run(context, "2 ** 10"), Ok("1024".into()));
            }
            contexts.iter().for_each(close);
        }
    });
}

#[test]
fn a_thread_left_behind_does_not_bring_the_process_down() {
    // In the main interpreter such a thread just goes on; in a sub-interpreter of its own it
    // would be fatal to end the interpreter under it.
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let code = "import threading\nstop = threading.Event()\nthreading.Thread(target=stop.wait, daemon=True).start()\n";
        assert_eq!(run(&context, code), Ok("None".into()));
        close(&context);
    });
}
