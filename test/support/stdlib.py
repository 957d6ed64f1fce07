"""Prints every module of the standard library and, after a tab, what its import raised.

Run by a Python on its own, this says what the build and the platform have; a context has to be
able to import the same.
"""

import importlib
import os
import pkgutil
import sys
import sysconfig

#: Not imported, and why. With a package go the modules in it.
LEFT_OUT = {
    "__hello__": "prints",
    "__phello__": "prints",
    "antigravity": "opens a web browser",
    "idlelib": "the editor: opens windows",
    "lib2to3.tests": "tests, which import test",
    "test": "CPython's own tests, which start servers and crash interpreters on purpose",
    "this": "prints",
    "turtledemo": "opens windows",
    "xxsubtype": "an example of C code",
}

#: Modules that exist for CPython's own tests, in any package.
TEST_PREFIXES = ("_test", "_xxtest", "_ctypes_test", "xxlimited")
TEST_PACKAGES = ("test", "tests", "idle_test")


def names():
    library = os.path.dirname(os.__file__)
    folders = [library, sysconfig.get_config_var("DESTSHARED")]
    found = set(sys.builtin_module_names)
    for folder in folders:
        found.update(below(folder, ""))
    return sorted(name for name in found if wanted(name))


def below(folder, prefix):
    for module in pkgutil.iter_modules([folder]):
        name = prefix + module.name
        if wanted(name):
            yield name
            if module.ispkg:
                yield from below(os.path.join(folder, module.name), name + ".")


def wanted(name):
    parts = name.split(".")
    # What is called __main__ is a program.
    return not (
        parts[-1] == "__main__"
        or any(name == left or name.startswith(left + ".") for left in LEFT_OUT)
        or any(part in TEST_PACKAGES for part in parts)
        or parts[0].startswith(TEST_PREFIXES)
    )


def failure(name):
    try:
        importlib.import_module(name)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    for name in names():
        # The mark tells these lines from what a module may print while it is imported.
        print("", "=", name, failure(name).replace("\n", " "), sep="\t", flush=True)
