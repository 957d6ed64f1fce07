//! Contexts that may take only so much memory.

mod support;

use py_host::{Context, Mode};
use support::{close, open_with, run, start};

const LIMIT: usize = 32 << 20;

/// An interrupt or a refusal ends the job; the glue names it.
const ENDED: [&str; 2] = ["KeyboardInterrupt", "MemoryError"];

fn with_limit(test: impl Fn(&Context)) {
    start();
    for mode in [Mode::OwnGil, Mode::SharedGil] {
        if mode.row().is_supported() && Mode::OwnGil.row().is_default() {
            let context = open_with(mode, 8, Some(LIMIT));
            test(&context);
            close(&context);
        }
    }
}

#[test]
fn code_that_takes_more_is_stopped_and_the_context_lives_on() {
    with_limit(|context| {
        let code = "kept = []\nwhile True: kept.append(bytes(1000))\n";
        let text = run(context, code).unwrap();
        assert!(text.starts_with(ENDED[0]), "{text}");
        run(context, "del kept\n").unwrap();
        assert!(context.info().memory.unwrap() < LIMIT);
        assert_eq!(
            run(context, "sum(len(bytes(1000)) for _ in range(100000))").unwrap(),
            "100000000"
        );
    });
}

#[test]
fn a_block_larger_than_the_limit_is_refused() {
    with_limit(|context| {
        for code in ["bytes(1 << 26)", "'x' * (1 << 26)", "[0] * (1 << 26)", "bytearray(1 << 26)"] {
            let text = run(context, code).unwrap();
            assert!(text.starts_with(ENDED[1]), "{code}: {text}");
        }
        assert_eq!(run(context, "len(bytes(1 << 20))").unwrap(), "1048576");
    });
}

#[test]
fn what_is_freed_is_taken_off_the_account() {
    with_limit(|context| {
        run(context, "import json\n").unwrap();
        let before = context.info().memory.unwrap();
        for _ in 0..20 {
            run(context, "len(json.dumps([list(range(1000))] * 100))").unwrap();
            run(context, "[bytearray(n) for n in range(2000)] and None").unwrap();
        }
        let after = context.info().memory.unwrap();
        assert!(after.abs_diff(before) < 200_000, "{before} {after}");
    });
}

#[test]
fn where_it_cannot_be_counted_there_is_no_limit() {
    start();
    let opened = Context::open(Mode::Worker, 8, Some(LIMIT), Box::new(|_id| {}), |_result| {});
    let error = opened.err().expect("contexts of the main interpreter share its memory");
    assert!(error.0.contains("memory_limit cannot be kept here"), "{error}");
}
