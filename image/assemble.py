"""Puts the platform tree together: `python3 assemble.py OUT PACKAGES` in the build stage.

OUT gets /opt/workshop: this machine's Python and standard library, what lies in PACKAGES, and
every shared library that any program of it links, the C library and its loader included. The
programs name that loader and that folder themselves (patchelf), so they run on any base, start
without a wrapper, and no environment variable is needed that a student's shell would inherit.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

TREE = Path("/opt/workshop")
LIBRARIES = TREE / "lib"

# Of the standard library: what tests, installs, compiles or draws windows.
NOT_NEEDED = {
    "__phello__", "__pycache__", "_sysconfigdata__linux*", "config-*", "distutils", "ensurepip",
    "idlelib", "lib2to3", "pydoc_data", "sitecustomize.py", "test", "tests", "tkinter",
    "turtle.py", "turtledemo", "venv", "EXTERNALLY-MANAGED",
    "_ctypes_test.*", "_test*", "_tkinter.*", "_xxtestfuzz.*", "_xxsubinterpreters.*", "nis.*",
    "ossaudiodev.*", "xxlimited*",
}  # fmt: skip
NOT_NEEDED_OF_PACKAGES = {"__pycache__", "bin", "*.a", "*.pyx", "*.pxd", "*.h", "*.c"}


def assemble(out: Path, packages: Path) -> None:
    """Fill `out`; raises when a library is missing or the tree does not run by itself."""
    tree = out / TREE.relative_to("/")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (tree / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(os.path.realpath(sys.executable), tree / "bin/python3")
    stdlib = tree / "lib" / version
    shutil.copytree(
        sysconfig.get_path("stdlib"), stdlib, ignore=shutil.ignore_patterns(*NOT_NEEDED)
    )
    shutil.copytree(
        packages,
        stdlib / "dist-packages",
        ignore=shutil.ignore_patterns(*NOT_NEEDED_OF_PACKAGES),
        dirs_exist_ok=True,
    )
    loader = _carry_libraries(tree)
    _own_loader(tree, loader)
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    _compile(out, version)
    size = sum(path.lstat().st_size for path in tree.rglob("*"))
    print(f"{TREE}: {size / 1e6:.1f} MB")  # noqa: T201


def _carry_libraries(tree: Path) -> Path:
    """Copy what the tree's programs and libraries link into its lib; the loader's path there."""
    needed: dict[str, str] = {}
    for path in elf_files(tree):
        listing = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
        missing = re.findall(r"^\s*(\S+) => not found", listing.stdout, re.M)
        if missing:
            raise SystemExit(f"{path}: not found on the build machine: {', '.join(missing)}")
        needed |= dict(re.findall(r"^\s*(\S+) => (/\S+) \(0x", listing.stdout, re.M))
    inside = f"{tree}/"
    for name, source in needed.items():
        if not source.startswith(inside):
            shutil.copy(os.path.realpath(source), tree / "lib" / name)
    asked = _patchelf("--print-interpreter", tree / "bin/python3")
    loader = tree / "lib" / Path(asked).name
    shutil.copy(os.path.realpath(asked), loader)
    loader.chmod(0o755)
    return loader


def _own_loader(tree: Path, loader: Path) -> None:
    """Programs start with the tree's loader; every search for a library ends in the tree.

    A library that names folders of its own (RUNPATH) would no longer be searched for in those of
    its program: it keeps its own and gets the tree's too.
    """
    for path in elf_files(tree):
        if path == loader:
            continue
        subprocess.run(["strip", "--strip-unneeded", path], check=True)
        interpreter = _patchelf("--print-interpreter", path)
        own = _patchelf("--print-rpath", path)
        if interpreter:
            _patchelf("--set-interpreter", str(LIBRARIES / loader.name), path)
        if interpreter or own:
            folders = [each for each in own.split(":") if each.startswith("$ORIGIN")]
            _patchelf("--force-rpath", "--set-rpath", ":".join([*folders, str(LIBRARIES)]), path)


def elf_files(tree: Path) -> Iterator[Path]:
    """Every program and shared library below the tree; static ones too."""
    for path in sorted(tree.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def _patchelf(*words: str | Path) -> str:
    """Empty for what has no such thing, as a static program has no loader."""
    done = subprocess.run(["patchelf", *words], capture_output=True, text=True, check=False)
    if done.returncode and not str(words[0]).startswith("--print"):
        raise SystemExit(f"patchelf {' '.join(map(str, words))}: {done.stderr}")
    return "" if done.returncode else done.stdout.strip()


def _compile(out: Path, version: str) -> None:
    """Byte code by the tree's own Python in a root that holds nothing but the tree: the proof."""
    python = ["chroot", str(out), f"{TREE}/bin/python3", "-IXutf8"]
    code = (
        "import compileall, sys\n"
        "from py_compile import PycInvalidationMode as mode\n"
        f"assert all(path.startswith('{TREE}/') for path in sys.path), sys.path\n"
        f"done = compileall.compile_dir('{TREE}/lib/{version}', quiet=1,\n"
        "    maxlevels=30, invalidation_mode=mode.UNCHECKED_HASH)\n"
        "sys.exit(not done)\n"
    )
    subprocess.run([*python, "-c", code], check=True)
    subprocess.run([*python, "-c", "import runtime.__main__, pyghostty, ssl, ctypes"], check=True)


if __name__ == "__main__":
    assemble(Path(sys.argv[1]), Path(sys.argv[2]))
