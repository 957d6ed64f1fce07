fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The `enif_*` functions are those of the BEAM that loads the library, so they stay undefined
    // until then. On macOS the linker has to be told; py_nif gets the same from PyO3's script.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("macos") {
        println!("cargo:rustc-cdylib-link-arg=-undefined");
        println!("cargo:rustc-cdylib-link-arg=dynamic_lookup");
    }
}
