//! Jobs in place of a worker that sleeps.

mod support;

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use py_host::{Context, Mode};
use pyo3_ffi as ffi;
use support::{close, in_every_mode, open, run, wait_until_running, SOON};

/// On which thread the job ran, or `None` if it did not.
fn where_it_runs(context: &Context) -> Option<thread::ThreadId> {
    let mut ran = None;
    let has_run = context.run_inline(1, |_py, _worker| ran = Some(thread::current().id()));
    assert_eq!(has_run, ran.is_some());
    ran
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
fn a_job_runs_on_its_submitters_thread_or_not_at_all() {
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
        let mut found = false;
        assert!(context.run_inline(1, |py, _worker| {
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
            found = ours == ensured;
        }));
        assert!(found);
    });
}

#[test]
fn a_busy_context_does_not_run_it() {
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
        let mut waited = true;
        let nested = Arc::new(py_host::Nested::new());
        assert!(context.run_inline(1, |py, worker| {
            waited = worker.wait(py, &nested, None, || false).is_ok();
        }));
        assert!(!waited);

        let mut stopped = false;
        assert!(context.run_inline(2, |py, worker| {
            let ended = support::evaluate(py, worker, "exec('while True: pass')");
            stopped = ended.is_err() || worker.was_interrupted();
        }));
        assert!(stopped);
        assert_eq!(run(context, "2"), Ok("2".into()));
    });
}
