//! The host on its own: real interpreters, no BEAM. Every test runs in every mode that this
//! Python has.

use std::any::Any;
use std::ffi::CString;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{mpsc, Arc};
use std::time::{Duration, Instant};

use py_host::mode::TABLE;
use py_host::poller::{Interest, Ready};
use py_host::queue::BoxedJob;
use py_host::{
    runtime, Attached, Context, Handle, Job, Mode, Nested, Object, Poller, Rejection, Worker,
};
use pyo3_ffi as ffi;

/// Longer than anything here takes, shorter than anybody's patience.
const SOON: Duration = Duration::from_secs(20);

fn start() {
    let config = runtime::Config {
        executable: std::env::var("PYO3_PYTHON").unwrap_or_else(|_| "python3".into()),
        paths: vec!["/nowhere".into()],
        stack_size: 16 << 20,
        builtins: vec![],
        setup: |_py, _worker| Ok(Box::new(()) as Box<dyn Any>),
    };
    runtime::start(config).expect("Python starts");
}

fn open(mode: Mode, capacity: usize) -> Arc<Context> {
    start();
    let (send, receive) = mpsc::channel();
    let context =
        Context::open(mode, capacity, Box::new(|_id| {}), move |result| send.send(result).unwrap())
            .unwrap();
    receive.recv_timeout(SOON).expect("the context answers").expect("the context opens");
    context
}

fn close(context: &Arc<Context>) {
    let (send, receive) = mpsc::channel();
    let closer = Box::new(move || send.send(()).unwrap());
    if context.close(closer).is_ok() {
        receive.recv_timeout(SOON).expect("the context closes");
    }
}

fn in_every_mode(test: impl Fn(Mode)) {
    start();
    for row in TABLE.iter().filter(|row| row.is_supported()) {
        eprintln!("in mode {}", row.name);
        test(row.mode);
    }
}

type Answer = Result<String, Rejection>;

/// Evaluates an expression in the context's namespace; what `eval` cannot parse is executed.
struct Run {
    id: u64,
    code: &'static str,
    answer: mpsc::Sender<Answer>,
}

impl Job for Run {
    fn id(&self) -> u64 {
        self.id
    }

    fn run(self: Box<Self>, py: Attached<'_>, worker: &Worker) {
        let text = match evaluate(py, worker, self.code) {
            Ok(value) => value.to_text(),
            Err(text) => text,
        };
        let _ = self.answer.send(Ok(text));
    }

    fn reject(self: Box<Self>, reason: Rejection) {
        let _ = self.answer.send(Err(reason));
    }
}

fn evaluate<'py>(py: Attached<'py>, worker: &Worker, code: &str) -> Result<Object<'py>, String> {
    let namespace = worker.namespace(py);
    let code = CString::new(code).unwrap();
    let kind =
        if code.to_bytes().contains(&b'\n') { ffi::Py_file_input } else { ffi::Py_eval_input };
    // SAFETY: a NUL-terminated string and two live dicts; a new reference or null.
    unsafe {
        let value = ffi::PyRun_StringFlags(
            code.as_ptr(),
            kind,
            namespace.as_ptr(),
            namespace.as_ptr(),
            std::ptr::null_mut(),
        );
        Object::from_owned(py, value).map_err(|raised| raised.to_text())
    }
}

fn wait_until_running(context: &Context) {
    while !context.info().running {
        std::thread::yield_now();
    }
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

fn submit(context: &Context, code: &'static str) -> (u64, mpsc::Receiver<Answer>) {
    let (send, receive) = mpsc::channel();
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let job: BoxedJob = Box::new(Run { id, code, answer: send });
    if let Err((reason, job)) = context.submit(job) {
        job.reject(reason);
    }
    (id, receive)
}

fn run(context: &Context, code: &'static str) -> Answer {
    submit(context, code).1.recv_timeout(SOON).expect("every accepted job is answered")
}

/// Any closure as a job.
struct Do<F>(u64, F);

fn job<F: FnOnce(Attached<'_>, &Worker) + Send + 'static>(work: F) -> Box<Do<F>> {
    Box::new(Do(NEXT_ID.fetch_add(1, Ordering::Relaxed), work))
}

impl<F: FnOnce(Attached<'_>, &Worker) + Send> Job for Do<F> {
    fn id(&self) -> u64 {
        self.0
    }
    fn run(self: Box<Self>, py: Attached<'_>, worker: &Worker) {
        (self.1)(py, worker);
    }
    fn reject(self: Box<Self>, _reason: Rejection) {}
}

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
        // The first interrupt must not come before the `try` is entered, so the code says when.
        let (mut ready, signal) = std::io::pipe().unwrap();
        let code = format!(
            "import os\nn = 0\nwhile n < 3:\n  try:\n    os.write({}, b'.')\n    while True: pass\n  except BaseException: n += 1\n",
            signal.as_raw_fd()
        );
        let (id, answer) = submit(&context, code.leak());
        ready.read_exact(&mut [0]).unwrap();
        context.interrupt(id);
        answer.recv_timeout(SOON).unwrap().unwrap();
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

/// A job that waits, and what the outside has of it: the queue of its wait, and a way to end it.
struct Waiting {
    id: u64,
    nested: Arc<Nested>,
    done: Arc<AtomicBool>,
    ended: mpsc::Receiver<bool>,
}

impl Waiting {
    fn start(submit: impl FnOnce(BoxedJob) -> bool) -> Waiting {
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
        assert!(inner.nested.submit(Box::new(innermost_job)).is_ok());
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
