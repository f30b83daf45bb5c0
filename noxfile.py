"""Everything that is run on this project; CI runs the same sessions."""

from __future__ import annotations

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.default_venv_backend = "venv"

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
TENSORFLOWS = ["2.16.2", "2.18.1", "2.20.0", "2.21.0"]
SETTINGS = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}


def _install(session: nox.Session, *groups: str, is_editable: bool = False) -> None:
    """Install the package as a user would, and what the groups of pyproject.toml name.

    The tests take it from the checkout: they run the examples in its files.
    """
    session.install(
        "-q",
        *(["-e"] if is_editable else []),
        ".",
        *(each for group in groups for each in nox.project.dependency_groups(PROJECT, group)),
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check format and style."""
    session.install("-q", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, strictly."""
    _install(session, "types")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests and the examples of the docstrings; arguments go to pytest."""
    _install(session, "test", is_editable=True)
    session.run("pytest", "--numprocesses=auto", *session.posargs, env=SETTINGS)


@nox.session
@nox.parametrize(
    ("python", "tensorflow"),
    [(p, t) for p in PYTHONS for t in TENSORFLOWS if (p, t) not in {("3.13", "2.16.2"), ("3.13", "2.18.1")}],
)
def matrix(session: nox.Session, tensorflow: str) -> None:
    """Run the tests on every Python with every TensorFlow that has wheels for it."""
    _install(session, "test", is_editable=True)
    session.install("-q", f"tensorflow=={tensorflow}", f"tf_keras=={tensorflow.rpartition('.')[0]}.*")
    session.run("pytest", "--numprocesses=auto", *session.posargs, env=SETTINGS)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, warnings being errors."""
    _install(session, "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build", env=SETTINGS)


@nox.session
def demo(session: nox.Session) -> None:
    """Fine-tune from a checkpoint on real digits, and tell the TensorFlow 1 story; under two minutes."""
    _install(session, "demo")
    session.run("python", "docs/demo.py", env=SETTINGS)


@nox.session
def proof(session: nox.Session) -> None:
    """Restore thousands of generated models and hold every variable against its origin; the argument is how many."""
    _install(session, "test", is_editable=True)
    session.run("python", "-m", "generated", *session.posargs, env={**SETTINGS, "PYTHONPATH": "tests"})


@nox.session
def bench(session: nox.Session) -> None:
    """Measure restores beside TensorFlow's, Keras' and PyTorch's own, and say what moved since the baseline."""
    _install(session, "bench")
    session.run("python", "benchmarks/bench.py", *session.posargs, env=SETTINGS)


@nox.session
def wrong(session: nox.Session) -> None:
    """Count what comes out right of TensorFlow's and Keras' own ways and of ours, on generated models and on every format."""
    _install(session, "test", is_editable=True)
    session.run("python", "benchmarks/wrong_loads.py", *session.posargs, env=SETTINGS)
    session.run("python", "benchmarks/every_file.py", env=SETTINGS)
