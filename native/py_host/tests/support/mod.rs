//! What the tests of the host share: contexts in every mode that this Python has, and jobs.

// Each test program uses a part of it.
#![allow(dead_code)]

pub mod reactor;

use std::any::Any;
use std::ffi::CString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{mpsc, Arc, Mutex};
use std::time::Duration;

use py_host::mode::TABLE;
use py_host::queue::SharedJob;
use py_host::{runtime, Attached, Context, Job, Mode, Object, Rejection, Sandbox, Worker};
use pyo3_ffi as ffi;

/// Longer than anything here takes, shorter than anybody's patience.
pub const SOON: Duration = Duration::from_secs(20);

pub fn start() {
    let config = runtime::Config {
        executable: std::env::var("PYO3_PYTHON").unwrap_or_else(|_| "python3".into()),
        paths: vec!["/nowhere".into()],
        stack_size: 16 << 20,
        builtins: vec![],
        setup: |_py, _worker| Ok(Box::new(()) as Box<dyn Any>),
        sandbox: Sandbox {
            processes: "ask for one",
            ending: "raise",
            signals: "wait",
            tracing: "guess",
            threads: "ask",
        },
    };
    runtime::start(config).expect("Python starts");
}

pub fn open(mode: Mode, capacity: usize) -> Arc<Context> {
    open_with(mode, capacity, None)
}

pub fn open_with(mode: Mode, capacity: usize, memory_limit: Option<usize>) -> Arc<Context> {
    start();
    let (send, receive) = mpsc::channel();
    let context = Context::open(mode, capacity, memory_limit, Box::new(|_id| {}), move |result| {
        send.send(result).unwrap()
    })
    .unwrap();
    receive.recv_timeout(SOON).expect("the context answers").expect("the context opens");
    context
}

pub fn close(context: &Arc<Context>) {
    let (send, receive) = mpsc::channel();
    let closer = Box::new(move || send.send(()).unwrap());
    if context.close(closer).is_ok() {
        receive.recv_timeout(SOON).expect("the context closes");
    }
}

pub fn in_every_mode(test: impl Fn(Mode)) {
    start();
    for row in TABLE.iter().filter(|row| row.is_supported()) {
        eprintln!("in mode {}", row.name);
        test(row.mode);
    }
}

pub type Answer = Result<String, Rejection>;

/// Evaluates an expression in the context's namespace; what `eval` cannot parse is executed.
pub struct Run {
    pub id: u64,
    pub code: &'static str,
    pub answer: mpsc::Sender<Answer>,
}

impl Job for Run {
    fn id(&self) -> u64 {
        self.id
    }

    fn run(self: Arc<Self>, py: Attached<'_>, worker: &Worker) {
        let text = match evaluate(py, worker, self.code) {
            Ok(value) => value.to_text(),
            Err(text) => text,
        };
        let _ = self.answer.send(Ok(text));
    }

    fn reject(self: Arc<Self>, reason: Rejection) {
        let _ = self.answer.send(Err(reason));
    }
}

pub fn evaluate<'py>(
    py: Attached<'py>,
    worker: &Worker,
    code: &str,
) -> Result<Object<'py>, String> {
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

pub fn wait_until_running(context: &Context) {
    while !context.info().running {
        std::thread::yield_now();
    }
}

pub static NEXT_ID: AtomicU64 = AtomicU64::new(1);

pub fn submit(context: &Context, code: &'static str) -> (u64, mpsc::Receiver<Answer>) {
    let (send, receive) = mpsc::channel();
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let job: SharedJob = Arc::new(Run { id, code, answer: send });
    if let Err((reason, job)) = context.submit(job) {
        job.reject(reason);
    }
    (id, receive)
}

pub fn run(context: &Context, code: &'static str) -> Answer {
    submit(context, code).1.recv_timeout(SOON).expect("every accepted job is answered")
}

/// Any closure as a job.
pub struct Do<F>(u64, Mutex<Option<F>>);

pub fn job<F: FnOnce(Attached<'_>, &Worker) + Send + 'static>(work: F) -> Arc<Do<F>> {
    Arc::new(Do(NEXT_ID.fetch_add(1, Ordering::Relaxed), Mutex::new(Some(work))))
}

impl<F: FnOnce(Attached<'_>, &Worker) + Send> Job for Do<F> {
    fn id(&self) -> u64 {
        self.0
    }
    fn run(self: Arc<Self>, py: Attached<'_>, worker: &Worker) {
        let work = self.1.lock().unwrap().take().expect("it runs once");
        work(py, worker);
    }
    fn reject(self: Arc<Self>, _reason: Rejection) {}
}
