//! Looking at what runs in a context, from beside it.

mod support;

use std::sync::mpsc;

use py_host::mode::Place;
use py_host::{facts, Attached, Looked, Object, Worker};
use support::{close, in_every_mode, job, open, submit, wait_until_running, SOON};

/// Whether Python knows a thread of that number.
fn is_known(py: Attached<'_>, thread: std::os::raw::c_long) -> bool {
    let frames = Object::import(py, c"sys").and_then(|sys| sys.attr(c"_current_frames")?.call0());
    frames.is_ok_and(|frames| frames.to_text().contains(&format!("{thread}: ")))
}

#[test]
fn an_idle_context_is_seen_and_a_closed_one_is_closed() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let (send, looked) = mpsc::channel();
        context.look(|_py, thread| thread != 0, move |seen| send.send(seen).unwrap());
        assert!(matches!(looked.recv_timeout(SOON).unwrap(), Looked::Seen(true)));
        close(&context);
        let (send, looked) = mpsc::channel();
        context.look(|_py, _thread| (), move |seen| send.send(seen).unwrap());
        assert!(matches!(looked.recv_timeout(SOON).unwrap(), Looked::Closed));
    });
}

#[test]
fn a_job_that_lets_go_of_its_gil_is_seen_with_its_thread() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let (begun, begins) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let waiting = job(move |py: Attached<'_>, _worker: &Worker| {
            let _ = py.detached(|| {
                begun.send(()).unwrap();
                released.recv_timeout(SOON)
            });
        });
        assert!(context.submit(waiting).is_ok());
        begins.recv_timeout(SOON).unwrap();
        let (send, looked) = mpsc::channel();
        context.look(
            |py, thread| (is_known(py, thread), thread),
            move |seen| send.send(seen).unwrap(),
        );
        // No Python code runs in such a job, so that its thread has no frame.
        let seen = looked.recv_timeout(SOON).unwrap();
        assert!(matches!(seen, Looked::Seen((false, thread)) if thread != 0));
        release.send(()).unwrap();
        close(&context);
    });
}

#[test]
fn a_look_waits_for_the_gil_and_another_one_is_told_so() {
    if facts::FREE_THREADED {
        return;
    }
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let (begun, begins) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let holding = job(move |_py: Attached<'_>, _worker: &Worker| {
            begun.send(()).unwrap();
            let _ = released.recv_timeout(SOON);
        });
        assert!(context.submit(holding).is_ok());
        begins.recv_timeout(SOON).unwrap();
        let (send, first) = mpsc::channel();
        context.look(|_py, _thread| (), move |seen| send.send(seen).unwrap());
        let (send, second) = mpsc::channel();
        context.look(|_py, _thread| (), move |seen| send.send(seen).unwrap());
        assert!(matches!(second.recv_timeout(SOON).unwrap(), Looked::Busy));
        assert!(first.try_recv().is_err());
        release.send(()).unwrap();
        assert!(matches!(first.recv_timeout(SOON).unwrap(), Looked::Seen(())));
        close(&context);
    });
}

#[test]
fn frames_of_other_interpreters_are_left_alone() {
    in_every_mode(|mode| {
        let (busy, looking) = (open(mode, 10), open(mode, 10));
        // With Python 3.12 nobody in another interpreter gets a GIL that is not let go of.
        let code = "any(number for number in iter(lambda: __import__('time').sleep(0.001), 1))";
        let (id, busy_ends) = submit(&busy, code);
        wait_until_running(&busy);
        let (send, looked) = mpsc::channel();
        busy.look(
            |py, thread| (is_known(py, thread), thread),
            move |seen| send.send(seen).unwrap(),
        );
        let seen = looked.recv_timeout(SOON).unwrap();
        let Looked::Seen((true, thread)) = seen else { panic!("it has frames of its own") };

        let (send, known) = mpsc::channel();
        let asking = job(move |py: Attached<'_>, _worker: &Worker| {
            send.send(is_known(py, thread)).unwrap();
        });
        assert!(looking.submit(asking).is_ok());
        let of_main = mode.row().place == Place::Main;
        assert_eq!(known.recv_timeout(SOON).unwrap(), of_main, "{}", mode.row().name);

        busy.interrupt(id);
        let end = busy_ends.recv_timeout(SOON).unwrap().unwrap();
        assert!(end.contains("KeyboardInterrupt"), "{end}");
        close(&busy);
        close(&looking);
    });
}
