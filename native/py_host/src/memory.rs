//! How much memory the code of a context may take, where that can be counted.
//!
//! CPython's allocators know nothing of contexts. But the blocks of ours (`allocator`) know their
//! size, so a layer around it can keep an account for the thread of each context that has a
//! limit. The layer is put there when the first one opens; without one, nothing is counted and
//! nothing costs anything.
//!
//! A job over the limit is interrupted, as by a time-out. Its allocations do not fail: C code
//! that has to do without memory at a place nobody ever tested may well crash. Only a block that
//! is larger than the limit by itself is refused, for which all code is prepared.
//!
//! What such a job leaves behind is for the next ones to clear up, so these are not interrupted
//! for it. They may take `CLEARANCE` more than the first of them has found, all together; beyond
//! that, a job has to leave no more than it found.
//!
//! What is not counted: threads that Python code starts, and memory that extensions get in other
//! ways, such as the data of numpy's arrays.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};

use pyo3_ffi as ffi;

use crate::allocator::{self, DOMAINS};
use crate::mode::Place;
use crate::{Context, Mode, StartError};

/// What jobs that begin over the limit may take, for the code that clears up needs some, too.
const CLEARANCE: isize = 1 << 20;

/// What a context with a limit has taken so far. The numbers of bytes are written by the context's
/// thread alone.
pub(crate) struct Account {
    limit: isize,
    used: AtomicIsize,
    /// The limit, or what goes for it until the context is below that again.
    ceiling: AtomicIsize,
    /// What there was when the job that runs began, and how much there may be until it ends.
    found: AtomicIsize,
    most: AtomicIsize,
    /// The last job that went over that, and the last that was refused a block.
    over: AtomicU64,
    refused: AtomicU64,
    /// The last job that is being interrupted for it.
    told: AtomicU64,
}

/// What a job has found and may have, while another one runs on top of it.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    found: isize,
    most: isize,
}

impl Account {
    pub fn new(limit: usize) -> Account {
        let limit = limit.try_into().unwrap_or(isize::MAX);
        Account {
            limit,
            used: AtomicIsize::new(0),
            ceiling: AtomicIsize::new(limit),
            found: AtomicIsize::new(0),
            most: AtomicIsize::new(limit),
            over: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            told: AtomicU64::new(0),
        }
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    /// A job begins; the share of the one that goes on after it.
    pub fn begin(&self) -> Share {
        let (used, outer) = (self.used.load(Ordering::Relaxed), self.share());
        let mut ceiling = self.ceiling.load(Ordering::Relaxed);
        if used <= self.limit {
            ceiling = self.limit;
        } else if ceiling == self.limit {
            ceiling = used.saturating_add(CLEARANCE);
        }
        self.ceiling.store(ceiling, Ordering::Relaxed);
        let most = if used <= ceiling { ceiling } else { used.saturating_add(CLEARANCE) };
        self.set_share(Share { found: used, most });
        outer
    }

    /// It has ended. What it leaves behind is not on the account of the one that goes on.
    pub fn end(&self, outer: Share) {
        let used = self.used.load(Ordering::Relaxed);
        let most = if used <= outer.most { outer.most } else { used.saturating_add(CLEARANCE) };
        self.set_share(Share { most, ..outer });
    }

    fn share(&self) -> Share {
        let [found, most] = [&self.found, &self.most].map(|bytes| bytes.load(Ordering::Relaxed));
        Share { found, most }
    }

    fn set_share(&self, Share { found, most }: Share) {
        self.found.store(found, Ordering::Relaxed);
        self.most.store(most, Ordering::Relaxed);
    }

    /// Has that job, which runs, taken more than there is, or added to what is too much already?
    pub fn exceeded(&self, id: u64) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        let adds = || used > self.ceiling.load(Ordering::Relaxed) && used > self.share().found;
        id != 0 && (self.over.load(Ordering::SeqCst) == id || adds())
    }

    /// Did that job want more than there is, all at once?
    pub fn was_refused(&self, id: u64) -> bool {
        id != 0 && self.refused.load(Ordering::SeqCst) == id
    }
}

thread_local! {
    /// The context that this thread is the worker of, if it has a limit.
    static COUNTED: Cell<*const Context> = const { Cell::new(ptr::null()) };
}

/// Counts what the calling thread, a context's own, allocates from now on. `None` ends that, and
/// has to be called before the context goes.
pub(crate) fn count(context: Option<&Arc<Context>>) {
    let counted = context.filter(|context| context.account.is_some());
    if let Some(context) = counted {
        let mut watched = watched();
        watched.retain(|context| context.strong_count() > 0);
        watched.push(Arc::downgrade(context));
    }
    COUNTED.set(counted.map_or(ptr::null(), Arc::as_ptr));
}

/// Puts the layer in, once, if this Python and this mode have what it takes.
pub(crate) fn prepare(mode: Mode) -> Result<(), StartError> {
    static LAID: Mutex<bool> = Mutex::new(false);
    if mode.row().place == Place::Main {
        return Err(unavailable("contexts of this mode share an interpreter"));
    }
    let mut laid = LAID.lock().unwrap_or_else(PoisonError::into_inner);
    if !*laid {
        put_layer()?;
        watch()?;
        *laid = true;
    }
    Ok(())
}

fn unavailable(why: &str) -> StartError {
    StartError(format!(
        "memory_limit cannot be kept here: {why}; it takes a context with an interpreter of its \
         own, and Python 3.12 or 3.13 without PYTHONMALLOC"
    ))
}

fn put_layer() -> Result<(), StartError> {
    let plain = |domain| serving(domain) == Some(allocator::malloc as *const () as usize);
    if !allocator::is_installed() || !DOMAINS.into_iter().all(plain) {
        return Err(unavailable("Python has another allocator, or its memory is being traced"));
    }
    for domain in DOMAINS {
        let mut layer = ffi::PyMemAllocatorEx {
            ctx: ptr::null_mut(),
            malloc: Some(malloc),
            calloc: Some(calloc),
            realloc: Some(realloc),
            free: Some(free),
        };
        // SAFETY: the layer takes and gives the very blocks of the allocator below, so that what
        // came from one may go back to the other. Other threads may be allocating meanwhile: they
        // read one function at a time, and neither the old ones nor ours look at the context.
        unsafe { ffi::PyMem_SetAllocator(domain, &mut layer) };
    }
    Ok(())
}

/// The address of the function that serves a domain.
fn serving(domain: ffi::PyMemAllocatorDomain) -> Option<usize> {
    let mut allocator = ffi::PyMemAllocatorEx {
        ctx: ptr::null_mut(),
        malloc: None,
        calloc: None,
        realloc: None,
        free: None,
    };
    // SAFETY: fills our own struct.
    unsafe { ffi::PyMem_GetAllocator(domain, &mut allocator) };
    allocator.malloc.map(|function| function as *const () as usize)
}

extern "C" fn malloc(context: *mut c_void, size: usize) -> *mut c_void {
    if refuses(size) {
        return ptr::null_mut();
    }
    charged(allocator::malloc(context, size), 0)
}

extern "C" fn calloc(context: *mut c_void, count: usize, size: usize) -> *mut c_void {
    if refuses(count.saturating_mul(size)) {
        return ptr::null_mut();
    }
    charged(allocator::calloc(context, count, size), 0)
}

extern "C" fn realloc(context: *mut c_void, block: *mut c_void, size: usize) -> *mut c_void {
    if refuses(size) {
        return ptr::null_mut();
    }
    let before = size_of_block(block);
    charged(allocator::realloc(context, block, size), before)
}

extern "C" fn free(context: *mut c_void, block: *mut c_void) {
    if let Some(counted) = counted() {
        charge(counted, -size_of_block(block));
    }
    allocator::free(context, block);
}

/// Is the block by itself more than the context may have?
fn refuses(size: usize) -> bool {
    let Some((context, account)) = counted().and_then(|c| Some((c, c.account.as_ref()?))) else {
        return false;
    };
    let refuse = size > account.limit.unsigned_abs();
    if refuse {
        account.refused.store(context.running(), Ordering::SeqCst);
    }
    refuse
}

/// `block`, put on the account less what it was `before`.
fn charged(block: *mut c_void, before: isize) -> *mut c_void {
    if let (Some(context), false) = (counted(), block.is_null()) {
        charge(context, size_of_block(block) - before);
    }
    block
}

fn charge(context: &Context, bytes: isize) {
    let Some(account) = &context.account else { return };
    let used = account.used.load(Ordering::Relaxed) + bytes;
    account.used.store(used, Ordering::Relaxed);
    if bytes > 0 && used > account.most.load(Ordering::Relaxed) {
        let job = context.running();
        if account.over.swap(job, Ordering::SeqCst) != job {
            if let Some(watcher) = WATCHER.get() {
                watcher.unpark();
            }
        }
    }
}

fn counted<'c>() -> Option<&'c Context> {
    let context = COUNTED.get();
    // SAFETY: this thread is the context's worker, which holds it, and takes it off the account
    // before it lets go.
    (!context.is_null()).then(|| unsafe { &*context })
}

fn size_of_block(block: *mut c_void) -> isize {
    allocator::size_of_block(block).try_into().unwrap_or(isize::MAX)
}

/// Interrupts jobs, which the thread that allocates cannot: it is in the middle of something.
static WATCHER: OnceLock<Thread> = OnceLock::new();

static WATCHED: Mutex<Vec<Weak<Context>>> = Mutex::new(Vec::new());

fn watched() -> std::sync::MutexGuard<'static, Vec<Weak<Context>>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch() -> Result<(), StartError> {
    let watcher = thread::Builder::new()
        .name("py-memory".into())
        .spawn(|| loop {
            interrupt_those_over();
            thread::park();
        })
        .map_err(|error| StartError(format!("no thread to watch the memory: {error}")))?;
    let _ = WATCHER.set(watcher.thread().clone());
    Ok(())
}

fn interrupt_those_over() {
    let contexts: Vec<_> = watched().iter().filter_map(Weak::upgrade).collect();
    for context in contexts {
        let Some(account) = &context.account else { continue };
        let job = account.over.load(Ordering::SeqCst);
        // Once for each job: interrupting goes on by itself until it has ended.
        if job != 0 && account.told.swap(job, Ordering::SeqCst) != job {
            context.interrupt(job);
        }
    }
}
