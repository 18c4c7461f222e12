"""No pickle, no eval, no shell, no template from outside, no unchecked certificate: read from our own source.

A rule that is broken for a reason has its place and its reason here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "model", "streams", "consumers", "tradewind", "bench")

#: Modules whose reading runs what was written.
_PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
_BUILTINS = {"eval", "exec", "compile", "__import__"}
_SHELLS = {
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("asyncio.create_subprocess_shell", "pty.spawn"),
}
_UNCHECKED = {"ssl._create_unverified_context", "ssl.CERT_NONE", "ssl._create_stdlib_context"}
_ALLOWED = {
    # Whether somebody speaks TLS at all, for an error's words. Nothing is said over it, so nobody need be trusted.
    ("streams/handshake.py", "unchecked certificate"),
    # Its own page, from its own package; nothing from outside is a template there, and values are escaped.
    ("tradewind/report/page.py", "template without a sandbox"),
    # Machine code of our own kernels. It lies beside the source: who can write there can write the source as well.
    ("model/kernels.py", "numba keeps its cache as pickles"),
}


def _name(node: ast.AST) -> str:
    """`a.b.c` of such an expression, else nothing."""
    if isinstance(node, ast.Attribute):
        before = _name(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def _is(node: ast.AST | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def dangers(tree: ast.AST) -> Iterator[str]:
    """What the source does that it must not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            if any(alias.name.partition(".")[0] in _PICKLES for alias in node.names):
                yield "pickle"
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.partition(".")[0] in _PICKLES:
                yield "pickle"
            names = {alias.name for alias in node.names}
            if module == "jinja2" and names & {"Environment", "Template"}:
                yield "template without a sandbox"
            if module == "jinja2.sandbox" and names - {"ImmutableSandboxedEnvironment"}:
                yield "template without a sandbox"
            if {f"{module}.{name}" for name in names} & (_SHELLS | _UNCHECKED):
                yield "shell or unchecked certificate"
        elif isinstance(node, ast.Attribute):
            if _name(node) in _UNCHECKED:
                yield "unchecked certificate"
            if _name(node) in {"jinja2.Environment", "jinja2.Template"}:
                yield "template without a sandbox"
        elif isinstance(node, ast.Assign):
            targets = [each for target in node.targets for each in ast.walk(target)]
            if any(isinstance(target, ast.Attribute) and target.attr == "check_hostname" for target in targets):
                yield "unchecked certificate"
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in {
                    "enable.ssl.certificate.verification",
                    "ssl.endpoint.identification.algorithm",
                }:
                    yield f"unchecked certificate ({ast.unparse(value)})"
        elif isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    called = _name(node.func)
    last = node.func.attr if isinstance(node.func, ast.Attribute) else called
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if called in _BUILTINS:
        yield called
    if called in _SHELLS or ("shell" in given and not _is(given["shell"], False)):
        yield "shell"
    if "allow_pickle" in given and not _is(given["allow_pickle"], False):
        yield "pickle in numpy"
    if called == "torch.load" and not _is(given.get("weights_only"), True):
        yield "pickle in torch"
    if called in {"yaml.load", "yaml.load_all"} and "SafeLoader" not in ast.unparse(node):
        yield "yaml that makes objects"
    if called in {"yaml.unsafe_load", "yaml.full_load"}:
        yield "yaml that makes objects"
    if "trust_remote_code" in given and not _is(given["trust_remote_code"], False):
        yield "code from a model's folder"
    if last in {"njit", "jit", "vectorize"} and "cache" in given and not _is(given["cache"], False):
        yield "numba keeps its cache as pickles"
    if "verify" in given and _is(given["verify"], False):
        yield "unchecked certificate"
    if "assert_hostname" in given and _is(given["assert_hostname"], False):
        yield "unchecked certificate"
    if called == "tempfile.mktemp":
        yield "a file name that somebody else may take"


def test_our_source_does_nothing_of_the_kind() -> None:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(files) > 200
    found = {
        (path.relative_to(ROOT).as_posix(), danger)
        for path in files
        for danger in dangers(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == _ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import joblib.memory",
        "from marshal import loads",
        "eval(text)",
        "exec(text)",
        "compile(text, 'x', 'exec')",
        "__import__(name)",
        "import os; os.system('ls')",
        "subprocess.run(command, shell=True)",
        "subprocess.Popen(command, shell=flag)",
        "from os import system",
        "asyncio.create_subprocess_shell('ls')",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "from jinja2 import Environment",
        "from jinja2.sandbox import SandboxedEnvironment",
        "import jinja2; jinja2.Template(text)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "njit(cache=True)(function)",
        "requests.get(url, verify=False)",
        "context.check_hostname = False",
        "context.verify_mode = ssl.CERT_NONE",
        "conf = {'enable.ssl.certificate.verification': False}",
        "urllib3.PoolManager(assert_hostname=False)",
        "tempfile.mktemp()",
    ],
)
def test_each_of_them_would_be_noticed(source: str) -> None:
    assert list(dangers(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "re.compile(text)",
        "model.eval()",
        "torch.load(path, weights_only=True)",
        "np.load(path, allow_pickle=False)",
        "yaml.safe_load(text)",
        "subprocess.run(('ls',))",
        "from jinja2.sandbox import ImmutableSandboxedEnvironment",
    ],
)
def test_what_is_harmless_is_let_be(source: str) -> None:
    assert list(dangers(ast.parse(source))) == []
