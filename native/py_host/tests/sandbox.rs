//! What Python code is refused in a process that is not its own, in every mode.

mod support;

use std::sync::{Mutex, PoisonError};

use support::{close, in_every_mode, open, run};

/// One of the tests takes modules away, which contexts in the main interpreter share.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn refused(code: &'static str, expected: &str) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    in_every_mode(|mode| {
        let context = open(mode, 8);
        let text = run(&context, code).unwrap();
        assert!(text.contains(expected), "{code}: {text}");
        close(&context);
    });
}

#[test]
fn child_processes_are_refused_with_advice() {
    for (code, what) in [
        ("__import__('os').fork()", "os.fork"),
        ("__import__('os').forkpty()", "os.forkpty"),
        ("__import__('os').execv('/bin/true', ['true'])", "os.exec"),
        ("__import__('os').posix_spawn('/bin/true', ['true'], {})", "os.posix_spawn"),
        ("__import__('os').system('true')", "os.system"),
        ("__import__('subprocess').run(['true'])", "subprocess.Popen"),
        ("__import__('_posixsubprocess').fork_exec()", "fork_exec"),
    ] {
        refused(code, &format!("PermissionError: [Errno 1] {what} is blocked: ask for one"));
    }
}

#[test]
fn the_end_of_the_process_is_refused() {
    refused("__import__('os')._exit(0)", "PermissionError: [Errno 1] os._exit is blocked: raise");
    refused("__import__('os').abort()", "PermissionError: [Errno 1] os.abort is blocked: raise");
}

#[test]
fn signals_are_refused() {
    refused("__import__('signal').signal(15, print)", "ValueError: signal.signal is blocked: wait");
    refused("__import__('signal').alarm(1)", "PermissionError: [Errno 1] signal.alarm is blocked");
    refused("__import__('signal').setitimer(0, 1)", "signal.setitimer is blocked: wait");
}

#[test]
fn a_module_that_is_loaded_again_refuses_all_the_same() {
    let code =
        "[__import__('sys').modules.pop(name, None) for name in ('posix', '_posixsubprocess', \
                'os', 'subprocess')] and __import__('posix')._exit(0)";
    refused(code, "os._exit is blocked");
    let code = "[__import__('sys').modules.pop(name, None) for name in ('_posixsubprocess',)] and \
                __import__('_posixsubprocess').fork_exec()";
    refused(code, "fork_exec is blocked");
}
