//! The thread behind a context.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pyo3_ffi as ffi;

use crate::interpreter::{Ended, Interpreter};
use crate::interrupt::{self, own_thread, Target};
use crate::memory::{self, Account};
use crate::mode::Place;
use crate::queue::{Event, Pace, Queue, SharedJob};
use crate::{
    allocator, guest, runtime, Attached, Context, Handle, Kept, Lent, Object, Raised, Rejection,
    StartError,
};

/// After so many jobs in a row the worker detaches once, so that contexts which share a GIL get
/// their turn even when no job ever reaches Python's own switching point.
const JOBS_PER_ATTACHMENT: usize = 64;

/// When no job has come for so long, the next one may as well pay for new memory.
const QUIET: Duration = Duration::from_millis(200);

/// What a job finds on its context's thread. Everything in it is dropped while attached.
pub struct Worker {
    context: Arc<Context>,
    namespace: Kept,
    fresh: Kept,
    local: OnceCell<Box<dyn Any>>,
    /// How waiting in the middle of jobs has gone so far.
    pub(crate) pace: Cell<Pace>,
    pub(crate) inline: Cell<bool>,
}

impl Worker {
    pub(crate) fn new(py: Attached<'_>, context: Arc<Context>) -> Result<Worker, String> {
        let text = |raised: Raised<'_>| raised.to_text();
        let fresh = empty_namespace(py).map_err(text)?;
        let worker = Worker {
            context: Arc::clone(&context),
            namespace: shared_namespace(py, &context, &fresh).map_err(text)?.keep(),
            fresh: fresh.keep(),
            local: OnceCell::new(),
            pace: Cell::default(),
            inline: Cell::new(false),
        };
        let setup = runtime::get().map_err(|error| error.0)?.setup;
        let local = setup(py, &worker)?;
        let _ = worker.local.set(local);
        Ok(worker)
    }

    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// What the runtime's `setup` function made for this worker.
    pub fn local<T: 'static>(&self) -> &T {
        self.local
            .get()
            .and_then(|local| local.downcast_ref())
            .expect("made by setup, before any job")
    }

    /// The namespace that everybody who names this context shares.
    pub fn namespace<'py>(&self, py: Attached<'py>) -> Object<'py> {
        self.namespace.get(py)
    }

    /// A new namespace with nothing in it but what every module has.
    pub fn fresh_namespace<'py>(&self, py: Attached<'py>) -> Result<Object<'py>, Raised<'py>> {
        copy(py, &self.fresh.get(py))
    }

    /// Has fresh namespaces begin with the names that the shared one has now, apart from those
    /// that Python gives every module.
    pub fn share_names<'py>(&self, py: Attached<'py>) -> Result<(), Raised<'py>> {
        let common = self.fresh.get(py);
        let names = copy(py, &self.namespace.get(py))?;
        let (mut position, mut key, mut value) = (0, ptr::null_mut(), ptr::null_mut());
        // SAFETY: a live dict that nobody else knows, so it does not change meanwhile.
        while unsafe { ffi::PyDict_Next(names.as_ptr(), &mut position, &mut key, &mut value) } != 0
        {
            // SAFETY: both are borrowed from `names`, which keeps them alive.
            let key = unsafe { Object::from_borrowed(py, key) };
            if key.as_str().is_some_and(|name| !name.starts_with("__")) {
                // SAFETY: all are live.
                let status = unsafe { ffi::PyDict_SetItem(common.as_ptr(), key.as_ptr(), value) };
                if status < 0 {
                    return Err(Raised::take(py));
                }
            }
        }
        Ok(())
    }

    /// The present job is as good as done: it can no longer be interrupted, and whoever looks for
    /// an idle context may find this one. A job says so before it gives its answer, because the
    /// next one often follows within a microsecond.
    pub fn finish(&self, py: Attached<'_>) {
        self.context.job_is_over();
        self.context.interrupts.settle(py);
    }

    /// The present job is done, and what follows on this thread before the next one goes by
    /// another id: what was to interrupt the job finds nothing any more.
    pub fn go_on_as(&self, py: Attached<'_>, id: u64) {
        self.finish(py);
        self.context.set_running(id);
        if let Some(account) = &self.context.account {
            account.begin();
        }
    }

    /// Is that the job that runs?
    pub fn is_at(&self, id: u64) -> bool {
        self.context.running() == id
    }

    /// Nothing follows: the worker is free, and what has gone by an id of its own is not counted.
    pub fn stop(&self, py: Attached<'_>) {
        self.context.clear_running();
        self.finish(py);
    }

    /// Has somebody interrupted the job that runs?
    pub fn was_interrupted(&self) -> bool {
        self.context.interrupts.hit(self.context.running())
    }

    /// Has the job that runs taken more memory than its context may?
    pub fn exceeded_memory(&self) -> bool {
        let exceeded = |account: &Account| account.exceeded(self.context.running());
        self.context.account.as_ref().is_some_and(exceeded)
    }

    /// Has it been refused a block, which code may have been prepared for?
    pub fn was_refused_memory(&self) -> bool {
        let refused = |account: &Account| account.was_refused(self.context.running());
        self.context.account.as_ref().is_some_and(refused)
    }

    /// A handle by which others may hold `object`.
    pub fn export(&self, object: Object<'_>) -> Handle {
        Handle::new(&self.context, object)
    }

    /// A hold on the bytes of a large `bytes`; `None` for anything else.
    pub fn lend(&self, object: &Object<'_>) -> Option<Lent> {
        Lent::new(&self.context, object)
    }

    /// The object of a handle; `None` if it belongs to another context.
    pub fn resolve<'py>(&self, py: Attached<'py>, handle: &Handle) -> Option<Object<'py>> {
        handle.get(py, &self.context)
    }
}

pub(crate) fn spawn(
    context: Arc<Context>,
    opened: impl FnOnce(Result<(), StartError>) + Send + 'static,
) -> Result<(), StartError> {
    let stack_size = runtime::get()?.stack_size;
    context.count_open();
    guest::register(&context);
    thread::Builder::new()
        .name("py-context".into())
        .stack_size(stack_size)
        .spawn({
            let context = Arc::clone(&context);
            move || run(context, opened)
        })
        .map(drop)
        .map_err(|error| {
            context.finished(false);
            StartError(format!("no thread for the context: {error}"))
        })
}

fn run(context: Arc<Context>, opened: impl FnOnce(Result<(), StartError>)) {
    let ended = match open(&context) {
        Ok((interpreter, worker)) => {
            opened(Ok(()));
            interrupt::during(&context, || serve(&interpreter, &worker));
            close(interpreter, worker)
        }
        Err(error) => {
            opened(Err(error));
            context.queue.close();
            context.reject_waiting();
            Ended::Cleanly
        }
    };
    context.finished(ended == Ended::Abandoned);
}

fn open(context: &Arc<Context>) -> Result<(Interpreter, Worker), StartError> {
    let interpreter = Interpreter::open(context.mode.row().place)?;
    match interpreter.attach(|py| Worker::new(py, Arc::clone(context))) {
        Ok(worker) => {
            memory::count(Some(context));
            context.interpreter_id.store(interpreter.id, Ordering::Relaxed);
            context
                .interrupts
                .enable(Target { interpreter: interpreter.raw, thread: own_thread() });
            Ok((interpreter, worker))
        }
        Err(text) => {
            interpreter.end();
            Err(StartError(text))
        }
    }
}

fn serve(interpreter: &Interpreter, worker: &Worker) {
    let context = &worker.context;
    let queue = &context.queue;
    // Nobody waits for a GIL of one's own, so there the worker looks out for the next job without
    // letting go of it, which saves a tenth of a microsecond or two on each.
    let own_gil = context.mode.row().place == Place::OwnGil;
    let _offer = context.seat.offer(interpreter, worker);
    let mut pace = Pace::default();
    let mut next = None;
    while !queue.is_closed() {
        let event = next.take().map(Event::Job).unwrap_or_else(|| {
            let soon = if own_gil { None } else { queue.soon(&mut pace) };
            soon.unwrap_or_else(|| sleep(queue, &mut pace))
        });
        let Event::Job(job) = event else { continue };
        let _seat = context.seat.take();
        next = interpreter.attach(|py| {
            let mut next = run_jobs(py, worker, job);
            while own_gil && next.is_none() {
                let Some(Event::Job(job)) = queue.soon(&mut pace) else { break };
                next = run_jobs(py, worker, job);
            }
            context.seat.look_around(py, interpreter);
            next
        });
    }
    if let Some(job) = next {
        job.reject(Rejection::Closed);
    }
}

/// Sleeps until there is something. In the first quiet moment after others, memory that they have left
/// goes back.
fn sleep(queue: &Queue, pace: &mut Pace) -> Event {
    if allocator::is_installed() {
        if let Some(event) = queue.sleep_until(pace, Some(Instant::now() + QUIET)) {
            return event;
        }
        allocator::trim();
    }
    queue.sleep(pace)
}

/// Runs jobs until none waits, or until it is the others' turn: then it returns the next one.
fn run_jobs(py: Attached<'_>, worker: &Worker, first: SharedJob) -> Option<SharedJob> {
    run_job(py, worker, first);
    for _ in 1..JOBS_PER_ATTACHMENT {
        run_job(py, worker, worker.context.queue.take()?);
    }
    worker.context.queue.take()
}

pub(crate) fn run_job(py: Attached<'_>, worker: &Worker, job: SharedJob) {
    let id = job.id();
    let mut job = Some(job);
    run_as(py, worker, id, || {
        if let Some(job) = job.take() {
            job.run(py, worker);
        }
    });
    if let Some(job) = job {
        job.reject(Rejection::Closed);
    }
}

/// Does `work` as the job of that id, unless the context has closed; false if so.
pub(crate) fn run_as(py: Attached<'_>, worker: &Worker, id: u64, work: impl FnOnce()) -> bool {
    let context = &worker.context;
    context.exports.collect(py);
    // Say what runs, then look whether to run it: `close` does the opposite, so that either we
    // see the queue closed or it sees what to interrupt.
    context.set_running(id);
    if context.queue.is_closed() {
        context.clear_running();
        return false;
    }
    let account = context.account.as_ref().map(|account| (account, account.begin()));
    // A panic is a bug of ours. It ends the job, whose answer is then given by its `Drop` or by who
    // has it run inline, and not the thread, which is not ours alone.
    let _ = catch_unwind(AssertUnwindSafe(work));
    worker.finish(py);
    if let Some((account, outer)) = account {
        account.end(outer);
    }
    true
}

fn close(interpreter: Interpreter, worker: Worker) -> Ended {
    let context = Arc::clone(&worker.context);
    context.interrupts.disable();
    memory::count(None);
    context.reject_waiting();
    interpreter.attach(|py| {
        context.exports.close(py);
        context.guests.close(py);
        drop(worker);
    });
    let ended = interpreter.end();
    if ended == Ended::Cleanly {
        context.exports.end();
    }
    ended
}

/// `{"__name__": "__main__", "__builtins__": …}`
fn empty_namespace(py: Attached<'_>) -> Result<Object<'_>, Raised<'_>> {
    let namespace = Object::dict(py)?;
    namespace.set_item(c"__name__", &Object::str(py, "__main__")?)?;
    namespace.set_item(c"__builtins__", &Object::import(py, c"builtins")?)?;
    Ok(namespace)
}

/// Alone in its interpreter, a context runs its code in the real `__main__`, where `pickle` and
/// others look for it. In the main interpreter each has a dictionary of its own.
fn shared_namespace<'py>(
    py: Attached<'py>,
    context: &Context,
    fresh: &Object<'py>,
) -> Result<Object<'py>, Raised<'py>> {
    match context.mode.row().place {
        Place::Main => copy(py, fresh),
        Place::OwnGil | Place::SharedGil => Object::import(py, c"__main__")?.attr(c"__dict__"),
    }
}

fn copy<'py>(py: Attached<'py>, dict: &Object<'py>) -> Result<Object<'py>, Raised<'py>> {
    // SAFETY: a live dict; returns a new reference or null with an exception set.
    unsafe { Object::from_owned(py, ffi::PyDict_Copy(dict.as_ptr())) }
}
