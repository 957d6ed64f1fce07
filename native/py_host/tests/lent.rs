//! Memory of Python's that is read from outside, and outlives its interpreter.

mod support;

use std::sync::{mpsc, Arc};

use py_host::{Attached, Context, Lent, Object, Worker};
use support::{close, evaluate, in_every_mode, job, open, run, SOON};

/// Lends what an expression gives, if it can be lent.
fn lend(context: &Arc<Context>, code: &'static str) -> Option<Lent> {
    let (send, receive) = mpsc::channel();
    let lend = job(move |py: Attached<'_>, worker: &Worker| {
        let object: Object<'_> = evaluate(py, worker, code).unwrap();
        send.send(worker.lend(&object)).unwrap();
    });
    assert!(context.submit(lend).is_ok());
    receive.recv_timeout(SOON).expect("the job runs")
}

#[test]
fn large_bytes_are_lent_and_nothing_else() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        let lent = lend(&context, "b'ab' * 500_000").expect("large enough");
        assert_eq!(lent.as_slice(), b"ab".repeat(500_000));
        for code in ["b'small'", "'a' * 1_000_000", "bytearray(1_000_000)", "None"] {
            assert!(lend(&context, code).is_none(), "{code}");
        }
        let subclass = "type('Own', (bytes,), {})(1_000_000)";
        assert!(lend(&context, subclass).is_none());
        close(&context);
    });
}

#[test]
fn what_comes_back_is_released() {
    in_every_mode(|mode| {
        let context = open(mode, 10);
        run(&context, "import sys\ndata = bytes(1_000_000)\n").unwrap();
        let before = run(&context, "sys.getrefcount(data)").unwrap();
        let lent = lend(&context, "data");
        assert_ne!(run(&context, "sys.getrefcount(data)").unwrap(), before);
        drop(lent);
        assert_eq!(run(&context, "sys.getrefcount(data)").unwrap(), before);
        close(&context);
    });
}

#[test]
fn it_outlives_the_interpreter_whoever_else_held_it() {
    in_every_mode(|mode| {
        let held: Vec<Lent> = (0..4)
            .map(|_| {
                let context = open(mode, 10);
                run(&context, "data = b'xyz' * 100_000\nagain = [data] * 10\n").unwrap();
                let lent = lend(&context, "data").expect("large enough");
                close(&context);
                lent
            })
            .collect();
        // New interpreters come and go over the memory of those that have ended.
        for _ in 0..4 {
            let context = open(mode, 10);
            run(&context, "filler = [bytes(300_000) for _ in range(50)]\n").unwrap();
            close(&context);
        }
        for lent in &held {
            assert_eq!(lent.as_slice(), b"xyz".repeat(100_000));
        }
        drop(held);
        let context = open(mode, 10);
        assert_eq!(run(&context, "len(bytes(300_000))"), Ok("300000".into()));
        close(&context);
    });
}
