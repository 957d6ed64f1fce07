//! Jobs that wait: for something from outside, or for descriptors like an event loop.

mod support;

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use std::time::{Duration, Instant};

use py_host::poller::{Interest, Ready};
use py_host::queue::SharedJob;
use py_host::{Attached, Context, Job, Nested, Poller, Worker};
use support::{close, in_every_mode, job, open, run, submit, Run, NEXT_ID, SOON};

/// A job that waits, and what the outside has of it: the queue of its wait, and a way to end it.
struct Waiting {
    id: u64,
    nested: Arc<Nested>,
    done: Arc<AtomicBool>,
    ended: mpsc::Receiver<bool>,
}

impl Waiting {
    fn start(submit: impl FnOnce(SharedJob) -> bool) -> Waiting {
        let (nested, done) = (Arc::new(Nested::new()), Arc::new(AtomicBool::new(false)));
        let (begun, begins) = mpsc::channel();
        let (send, ended) = mpsc::channel();
        let job = job({
            let (nested, done) = (Arc::clone(&nested), Arc::clone(&done));
            move |py: Attached<'_>, worker: &Worker| {
                begun.send(()).unwrap();
                let waited = worker.wait(py, &nested, None, || done.load(Ordering::SeqCst));
                let _ = send.send(waited.is_ok());
            }
        });
        let id = job.id();
        assert!(submit(job));
        begins.recv_timeout(SOON).unwrap();
        Waiting { id, nested, done, ended }
    }

    fn end(&self) {
        self.done.store(true, Ordering::SeqCst);
        self.nested.wake();
    }

    fn ended_well(&self) -> bool {
        self.ended.recv_timeout(SOON).expect("every wait ends")
    }
}

#[test]
fn a_job_that_waits_runs_the_jobs_of_its_wait_to_any_depth() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let outer = Waiting::start(|job| context.submit(job).is_ok());
        let (_id, other) = submit(&context, "'the others wait their turn'");
        let inner = Waiting::start(|job| outer.nested.submit(job).is_ok());
        let (send, innermost) = mpsc::channel();
        let code = "6 * 7";
        let innermost_job = Run { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), code, answer: send };
        assert!(inner.nested.submit(Arc::new(innermost_job)).is_ok());
        assert_eq!(innermost.recv_timeout(SOON).unwrap(), Ok("42".into()));
        assert!(other.try_recv().is_err());
        inner.end();
        assert!(inner.ended_well());
        outer.end();
        assert!(outer.ended_well());
        assert!(other.recv_timeout(SOON).unwrap().is_ok());
        close(&context);
    });
}

#[test]
fn a_wait_that_never_begins_answers_the_jobs_it_has() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let (send, answered) = mpsc::channel();
        let (ended, ends) = mpsc::channel();
        let job = job({
            let context = Arc::clone(&context);
            move |py: Attached<'_>, worker: &Worker| {
                let nested = Arc::new(Nested::new());
                context.interrupt_all();
                while !worker.was_interrupted() {
                    py.detached(std::thread::yield_now);
                }
                let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
                let inner = Run { id, code: "1", answer: send };
                assert!(nested.submit(Arc::new(inner)).is_ok());
                let _ = ended.send(worker.wait(py, &nested, None, || false).is_ok());
            }
        });
        assert!(context.submit(job).is_ok());
        assert!(!ends.recv_timeout(SOON).unwrap());
        assert!(answered.recv_timeout(SOON).unwrap().is_err());
        close(&context);
    });
}

#[test]
fn an_interrupt_hits_a_job_on_its_way_into_a_wait_or_out_of_it() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        for _ in 0..300 {
            let (begun, begins) = mpsc::channel();
            let (send, ended) = mpsc::channel();
            let job = job(move |py: Attached<'_>, worker: &Worker| {
                begun.send(()).unwrap();
                let nested = || Arc::new(Nested::new());
                while worker.wait(py, &nested(), Some(Instant::now()), || false).is_ok() {
                    // The interrupter may have to attach.
                    py.detached(|| {});
                }
                send.send(()).unwrap();
            });
            let id = job.id();
            assert!(context.submit(job).is_ok());
            begins.recv_timeout(SOON).unwrap();
            context.interrupt(id);
            ended.recv_timeout(SOON).unwrap();
        }
        close(&context);
    });
}

#[test]
fn a_wait_ends_when_its_job_is_interrupted_or_its_context_closes() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let outer = Waiting::start(|job| context.submit(job).is_ok());
        let inner = Waiting::start(|job| outer.nested.submit(job).is_ok());
        context.interrupt(outer.id);
        inner.end();
        assert!(inner.ended_well());
        assert!(!outer.ended_well());
        assert_eq!(run(&context, "1"), Ok("1".into()));

        let waiting = Waiting::start(|job| context.submit(job).is_ok());
        context.interrupt(waiting.id);
        assert!(!waiting.ended_well());
        let waiting = Waiting::start(|job| context.submit(job).is_ok());
        close(&context);
        assert!(!waiting.ended_well());
    });
}

/// A job that polls like an event loop, until a descriptor is ready or it is interrupted.
fn poll(context: &Context, poller: &Arc<Poller>) -> (u64, mpsc::Receiver<Option<Ready>>) {
    let (begun, begins) = mpsc::channel();
    let (send, ended) = mpsc::channel();
    let poller = Arc::clone(poller);
    let job = job(move |py: Attached<'_>, worker: &Worker| {
        begun.send(()).unwrap();
        let mut ready = Ready::new();
        let polled = loop {
            match worker.poll(py, &poller, None, &mut ready) {
                Ok(()) if ready.is_empty() => {}
                Ok(()) => break Some(ready),
                Err(_interrupted) => break None,
            }
        };
        let _ = send.send(polled);
    });
    let id = job.id();
    assert!(context.submit(job).is_ok());
    begins.recv_timeout(SOON).unwrap();
    (id, ended)
}

#[test]
fn jobs_run_while_a_loop_waits_for_its_descriptors() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let poller = Arc::new(Poller::new().unwrap());
        let (reader, mut writer) = std::io::pipe().unwrap();
        let interest = Interest { read: true, write: false };
        poller.add(reader.as_raw_fd(), interest).unwrap();
        let (_id, ended) = poll(&context, &poller);
        for _ in 0..100 {
            assert_eq!(run(&context, "6 * 7"), Ok("42".into()));
        }
        assert!(ended.try_recv().is_err());
        writer.write_all(b"x").unwrap();
        let ready = ended.recv_timeout(SOON).unwrap().expect("the pipe is ready");
        assert_eq!(ready[0].0, reader.as_raw_fd());
        assert!(ready[0].1.read);
        poller.delete(reader.as_raw_fd()).unwrap();

        let (id, ended) = poll(&context, &poller);
        context.interrupt(id);
        assert!(ended.recv_timeout(SOON).unwrap().is_none());
        let (_id, ended) = poll(&context, &poller);
        close(&context);
        assert!(ended.recv_timeout(SOON).unwrap().is_none());
    });
}

#[test]
fn a_loop_that_was_interrupted_may_poll_on_to_clear_up() {
    in_every_mode(|mode| {
        for is_closed in [false, true] {
            let context = open(mode, 10);
            let poller = Arc::new(Poller::new().unwrap());
            let (begun, begins) = mpsc::channel();
            let (send, ended) = mpsc::channel();
            let job = job(move |py: Attached<'_>, worker: &Worker| {
                begun.send(()).unwrap();
                let poll = |time| worker.poll(py, &poller, time, &mut Ready::new()).is_ok();
                while poll(None) {}
                let moment = Some(Duration::from_millis(1));
                let _ = send.send((0..20).all(|_| poll(moment)));
                // And then for ever, if it were for the loop.
                while poll(None) {}
            });
            let id = job.id();
            assert!(context.submit(job).is_ok());
            begins.recv_timeout(SOON).unwrap();
            // Only a loop that waits answers.
            assert_eq!(run(&context, "1"), Ok("1".into()));
            if !is_closed {
                context.interrupt(id);
                assert_eq!(ended.recv_timeout(SOON), Ok(true));
            }
            close(&context);
            if is_closed {
                assert_eq!(ended.recv_timeout(SOON), Ok(true));
            }
        }
    });
}

#[test]
fn a_poller_waits_as_long_as_it_is_told() {
    let poller = Poller::new().unwrap();
    let mut ready = Ready::new();
    let since = Instant::now();
    poller.wait(Some(Duration::from_micros(1_500)), &mut ready).unwrap();
    assert!(since.elapsed() >= Duration::from_micros(1_500));
    poller.wake();
    poller.wait(None, &mut ready).unwrap();
    assert!(ready.is_empty());
    assert!(poller.add(-1, Interest::default()).is_err());
}
