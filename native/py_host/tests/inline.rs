//! Jobs in place of a worker that sleeps.

mod support;

use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Instant;

use py_host::{Attached, Context, Mode, Worker};
use pyo3_ffi as ffi;
use support::{close, in_every_mode, job, open, run, wait_until_running, SOON};

/// On which thread the job ran, or `None` if it was handed back.
fn where_it_runs(context: &Context) -> Option<thread::ThreadId> {
    let (send, ran) = mpsc::channel();
    let handed_back = context.run_inline(job(move |_py, _worker| {
        let _ = send.send(thread::current().id());
    }));
    handed_back.ok()?;
    Some(ran.recv_timeout(SOON).unwrap())
}

/// The worker may be about to fall asleep.
fn soon(context: &Context) -> Option<thread::ThreadId> {
    let deadline = Instant::now() + SOON;
    loop {
        match where_it_runs(context) {
            None if Instant::now() < deadline => thread::yield_now(),
            found => return found,
        }
    }
}

/// A context whose worker gives up its place, in each mode where it may.
fn where_possible(test: impl Fn(&Arc<Context>)) {
    in_every_mode(|mode| {
        if is_possible(mode) {
            let context = open(mode, 10);
            run(&context, "1").unwrap();
            soon(&context).expect("an idle worker gives up its place");
            test(&context);
            close(&context);
        }
    });
}

fn is_possible(mode: Mode) -> bool {
    cfg!(not(Py_3_14)) && mode == Mode::OwnGil
}

#[test]
fn a_job_runs_on_its_submitters_thread_or_is_handed_back() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        run(&context, "1").unwrap();
        if is_possible(mode) {
            assert_eq!(soon(&context), Some(thread::current().id()));
        } else {
            assert_eq!(where_it_runs(&context), None);
        }
        close(&context);
        assert_eq!(where_it_runs(&context), None);
    });
}

/// As C code does that calls back into Python.
#[test]
#[expect(clippy::disallowed_methods, reason = "it is what is tested")]
fn c_code_finds_the_state_it_has_come_from() {
    where_possible(|context| {
        let (send, found) = mpsc::channel();
        let ensuring = job(move |py: Attached<'_>, _worker: &Worker| {
            // SAFETY: attached, then detached like any C code that is about to call back.
            let (ours, ensured) = unsafe {
                let ours = ffi::PyThreadState_Get();
                let ensured = py.detached(|| {
                    let held = ffi::PyGILState_Ensure();
                    let ensured = ffi::PyThreadState_Get();
                    ffi::PyGILState_Release(held);
                    ensured
                });
                (ours, ensured)
            };
            send.send(ours == ensured).unwrap();
        });
        assert!(context.run_inline(ensuring).is_ok());
        assert!(found.recv_timeout(SOON).unwrap());
    });
}

#[test]
fn a_busy_context_hands_it_back() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let (_id, busy) = support::submit(&context, "__import__('time').sleep(0.2)");
        wait_until_running(&context);
        assert_eq!(where_it_runs(&context), None);
        assert!(busy.recv_timeout(SOON).unwrap().is_ok());
        close(&context);
    });
}

#[test]
fn one_that_waits_is_told_not_to_and_one_that_never_ends_is_interrupted() {
    where_possible(|context| {
        let (send, waited) = mpsc::channel();
        let nested = Arc::new(py_host::Nested::new());
        let waiting = job(move |py, worker| {
            let _ = send.send(worker.wait(py, &nested, None, || false).is_ok());
        });
        assert!(context.run_inline(waiting).is_ok());
        assert!(!waited.recv_timeout(SOON).unwrap());

        let (send, stopped) = mpsc::channel();
        let endless = job(move |py, worker| {
            let ended = support::evaluate(py, worker, "exec('while True: pass')");
            let _ = send.send(ended.is_err() || worker.was_interrupted());
        });
        assert!(context.run_inline(endless).is_ok());
        assert!(stopped.recv_timeout(SOON).unwrap());
        assert_eq!(run(context, "2"), Ok("2".into()));
    });
}
