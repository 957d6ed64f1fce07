fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    // The test programs run where libpython was found; the NIF never does.
    pyo3_build_config::add_libpython_rpath_link_args();
}
