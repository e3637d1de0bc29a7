"""Mutation testing: small faults put into the package one at a time; the tests ought to notice each.

A fresh clone without ``../shared`` is made. There the fast tests run once under coverage, which tells which
test runs which line and how long it takes. A mutant is one change of one expression or statement
(``changes``), as many from each module, drawn by a seed. A fork of a pytest run that has collected everything
takes the changed code into the living functions and runs the tests of its line, quickest first, up to the
first failure; what runs on import (a constant, a default) takes a fork that has imported nothing yet. What no
test kills survives, unless it is the same program: ``tests/data/equal_mutants.txt`` lists those, with the
reason.

``python tools/mutate.py [--mutants 500] [--seed 0] [--modules causal/pds …] [--out mutants.jsonl] [--again]``
"""

import argparse
import ast
import copy
import difflib
import gc
import importlib.machinery
import inspect
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import types
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EQUAL = ROOT / "tests" / "data" / "equal_mutants.txt"
# module -> the test files that may decide
GRAPHS = (
    "discovery discovery_exact orientation pag_cases pds independence separation mags legality tiers graphs "
    "exchange stability survivors_causal plain_discovery doctests"
)
ATTENTION = "sem words residual identifiability search survivors_explaining doctests"
EXPLAINING = (
    "search robustness own_models words survivors_explaining residual protocol readings widgets doctests cli"
)
MODULES = [
    f"{room}/{name}"
    for room, names in {
        "causal": "orientation pds discovery search_state independence partial separation mags legality",
        "attention": "sem words head_reach identifiability",
        "explaining": "search stages long_texts certificate settings interventions head_graphs",
    }.items()
    for name in names.split()
]
TESTS = {"causal": GRAPHS, "attention": ATTENTION, "explaining": EXPLAINING}
PRELOAD = (
    "numpy",
    "scipy.special",
    "scipy.stats",
    "networkx",
    "pytest",
    "hypothesis",
    "torch",
    "transformers",
)
FAST = ["-m", "not slow and not browser and not notebook"]
SECONDS = 6.0  # of tests a mutant, under coverage; five times as many with --again
SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr, ast.FloorDiv: ast.Mult, ast.LShift: ast.RShift,
}  # fmt: skip


# -- mutants ---------------------------------------------------------------------------------------------


def changes(node):
    """The changed forms of one node of a syntax tree."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in SWAPS:
            yield ast.Compare(node.left, [SWAPS[type(op)]()], node.comparators)
            if isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
                yield ast.UnaryOp(ast.Not(), node)
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                yield ast.Compare(node.left, [*ops[:i], SWAPS[type(op)](), *ops[i + 1 :]], node.comparators)
        case ast.BoolOp():
            yield ast.BoolOp(SWAPS[type(node.op)](), node.values)
            for i in range(len(node.values)):
                rest = node.values[:i] + node.values[i + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub()):
            yield node.operand
        case ast.BinOp() if type(node.op) in SWAPS:
            yield ast.BinOp(node.left, SWAPS[type(node.op)](), node.right)
            if isinstance(node.op, ast.BitAnd | ast.BitOr):
                yield node.left
                yield node.right
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Constant(value=float() as value):
            yield ast.Constant(value * 2 or 1.0)
        case ast.If() | ast.While():
            changed = copy.copy(node)
            changed.test = ast.UnaryOp(ast.Not(), node.test)
            yield changed
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
            yield ast.Pass()
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant)):
            yield ast.Return(ast.Constant(None))
        case ast.AugAssign() | ast.Raise():
            yield ast.Pass()
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.Call(func=ast.Name(id="min" | "max" | "any" | "all" as name)):
            other = {"min": "max", "max": "min", "any": "all", "all": "any"}[name]
            yield ast.Call(ast.Name(other, ast.Load()), node.args, node.keywords)


class Sites(ast.NodeVisitor):
    """Where a tree can be changed: path of fields to the node, number of the change, line, and in words."""

    def __init__(self):
        self.found, self.path, self.inside = [], [], []

    def visit(self, node):
        if isinstance(node, ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
            return
        if isinstance(node, ast.keyword) and node.arg == "strict":  # an assertion too
            return
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return
        named = isinstance(node, ast.FunctionDef | ast.ClassDef)
        if named:
            self.inside.append(node.name)
        if hasattr(node, "lineno"):
            for number, new in enumerate(changes(node)):
                words = f"{'.'.join(self.inside)}: {_head(node)} -> {_head(new)}"
                self.found.append((tuple(self.path), number, node.lineno, words))
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list") or (isinstance(node, ast.Raise)):
                continue
            for i, item in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(item, ast.AST):
                    self.path.append((field, i))
                    self.visit(item)
                    self.path.pop()
        if named:
            self.inside.pop()


def mutated(source, path, number):
    """The tree with one change."""
    tree = ast.parse(source)
    parent, node = None, tree
    for field, i in path:
        parent, node = node, getattr(node, field) if i is None else getattr(node, field)[i]
    new = list(changes(node))[number]
    field, i = path[-1]
    if i is None:
        setattr(parent, field, new)
    else:
        getattr(parent, field)[i] = new
    return ast.fix_missing_locations(tree)


def _head(node):
    """The first line of a node's source."""
    node = ast.If(node.test, [ast.Pass()], []) if isinstance(node, ast.If | ast.While) else node
    return ast.unparse(ast.fix_missing_locations(node)).splitlines()[0]


def mutants_of(module, folder):
    """Every mutant of a module: key in words (numbered if a function has several), line, path, number."""
    source = (folder / "cleann_lite" / f"{module}.py").read_text(encoding="utf-8")
    sites = Sites()
    sites.visit(ast.parse(source))
    met = Counter()
    for path, number, line, words in sites.found:
        met[words] += 1
        key = f"{module} {words}" + f" (no. {met[words]})" * (met[words] > 1)
        yield {"key": key, "module": module, "line": line, "path": path, "number": number}


# -- tests -----------------------------------------------------------------------------------------------


class Durations:
    """A pytest plugin: seconds of each passed test."""

    def __init__(self):
        self.seconds, self.bad = defaultdict(float), set()

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] += report.duration
        if not report.passed:
            self.bad.add(report.nodeid)


def run_pytest(arguments, plugins=()):
    """One pytest run in this process; its exit code."""
    import hypothesis
    import pytest

    quick = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutate", database=None, derandomize=True, phases=quick)
    hypothesis.settings.load_profile("mutate")
    without = [option for name in ("cacheprovider", "xdist", "nbmake") for option in ("-p", f"no:{name}")]
    quiet = ["-x", "-q", "--no-header", "--tb=no", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*without, *quiet, *arguments], plugins=list(plugins)))


def forked(work, cpu_seconds, log=os.devnull):
    """Run ``work()`` in a fork with a limit of processor seconds; its exit code, or 'time'."""
    pid = os.fork()
    if not pid:
        code = 70
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1), os.dup2(out, 2)
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds) + 1, int(cpu_seconds) + 3))
            resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    end = time.monotonic() + 20 * cpu_seconds  # for one that sleeps
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else "time"
        if time.monotonic() > end:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            return "time"
        time.sleep(0.02)


def record_coverage(clone, room, file):
    """Which test runs which line of a room, and the seconds of each test; kept in a file."""
    known = {"lines": {}, "seconds": {}, "bad": [], "sources": {}}
    if file.exists():
        known = _moved(json.loads(file.read_text()), clone)
    names = [f"tests/test_{name}.py" for name in TESTS[room].split()]
    have = {test.split("::")[0] for test in (*known["seconds"], *known["bad"])}
    names = [name for name in names if Path(name).exists() and name not in have]
    if not names:
        return known

    def work():
        import coverage

        durations = Durations()
        modules = [f"--cov=cleann_lite.{m.replace('/', '.')}" for m in MODULES if m.startswith(room)]
        run_pytest(
            [*names, *FAST, *modules, "--cov-context=test", "--cov-report=", "--maxfail=1000"], [durations]
        )
        data = coverage.CoverageData(clone / ".coverage")
        data.read()
        for path in data.measured_files():
            lines = known["lines"].setdefault("/".join(Path(path).with_suffix("").parts[-2:]), {})
            for line, contexts in data.contexts_by_lineno(path).items():
                tests = {context.split("|")[0] for context in contexts} - {""}
                lines[str(line)] = sorted(tests | set(lines.get(str(line), ())))
        known["seconds"] |= {k: v for k, v in durations.seconds.items() if k not in durations.bad}
        known["bad"] += sorted(durations.bad)
        known["sources"] = {m: _source(clone, m) for m in MODULES}
        file.write_text(json.dumps(known))
        return 0

    code = forked(work, 1200, f"{file}.log")
    if code != 0 or not file.exists():
        sys.exit(f"the tests of {room} did not run in the clone: {code}; see {file}.log")
    return json.loads(file.read_text())


def _source(clone, module):
    return (clone / "cleann_lite" / f"{module}.py").read_text(encoding="utf-8").splitlines()


def _moved(known, clone):
    """What an earlier version's lines say of the lines of this one."""
    for module, lines in known["lines"].items():
        before, now, moved = known["sources"].get(module), _source(clone, module), {}
        for old, new, size in difflib.SequenceMatcher(None, before, now, False).get_matching_blocks():
            moved |= {str(new + i): lines[str(old + i)] for i in range(1, size + 1) if str(old + i) in lines}
        known["lines"][module] = moved
    return known


def tests_of(mutant, known, limit, imported=False):
    """Tests that run a mutant's line, up to a limit, and their seconds.

    First those that were written for survivors, then of each function the quickest.
    """
    seconds = known["seconds"]
    covering = known["lines"].get(mutant["module"], {}).get(str(mutant["line"]), [])
    covering = [test for test in covering if test in seconds]
    if (
        imported or not covering
    ):  # run on import: the tests of the first line below that others run, or of all
        below = sorted((int(n), t) for n, t in known["lines"].get(mutant["module"], {}).items())
        below = [{*tests} & {*seconds} for n, tests in below if n > mutant["line"] and len(tests) > 1]
        constant = " : " in mutant["key"]
        covering = (set().union(*below) if constant else below[0]) if below else list(seconds)
    doctest = [t for t in seconds if t.endswith(f"[cleann_lite.{mutant['module'].replace('/', '.')}]")]
    chosen, total, met = [], 0.0, Counter()
    order = {}
    for test in sorted(covering, key=seconds.get):  # each function once, then each a second time, …
        function = test.split("[")[0]
        met[function] += 1
        written_for_it = "test_survivors" in test or "test_plain" in test
        order[test] = not written_for_it, met[function], seconds[test]
    for test in dict.fromkeys([*doctest, *sorted(order, key=order.get)]):
        total += seconds[test]
        if total > limit and chosen:
            break
        chosen.append(test)
    return chosen, min(total, limit)


def functions_of(code):
    """The functions of a module's code that are in no other, by name and line."""
    found = {}
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            if part.co_flags & inspect.CO_OPTIMIZED:
                found[part.co_qualname, part.co_firstlineno] = part
            else:  # the body of a class
                found |= functions_of(part)
    return found


class Judge:
    """Says of each mutant whether its tests notice: 'killed', 'time' (a kill too) or 'survived'."""

    def __init__(self, clone, known, told):
        self.clone, self.known, self.told = clone, known, told
        self.failed = False

    def _changed(self, mutant):
        path = self.clone / "cleann_lite" / f"{mutant['module']}.py"
        source = path.read_text(encoding="utf-8")
        tree = mutated(source, mutant["path"], mutant["number"])
        usual, changed = (compile(text, str(path), "exec") for text in (source, tree))
        before, after = functions_of(usual), functions_of(changed)
        found = {key: code for key, code in after.items() if code != before[key]}
        alike = all(code.co_freevars == before[key].co_freevars for key, code in found.items())
        return changed, found if alike else {}  # a function takes no code that closes over other names

    def _of(self, mutant, limit, imported=False):
        return tests_of(mutant, self.known[mutant["module"].split("/")[0]], limit, imported)

    def on_import(self, mutant):
        """Whether the change runs when the module is imported: then it needs a process of its own."""
        return not self._changed(mutant)[1]

    def by_import(self, mutant, limit):
        """The verdict on a change that runs on import."""
        name = "cleann_lite." + mutant["module"].replace("/", ".")
        code, _ = self._changed(mutant)
        tests, seconds = self._of(mutant, limit, imported=True)

        def work():
            usual = importlib.machinery.SourceFileLoader.get_code
            importlib.machinery.SourceFileLoader.get_code = lambda self, full: (
                code if full == name else usual(self, full)
            )
            return run_pytest([f"--basetemp={self.clone.parent / 'scratch'}", *tests])

        self._tell(mutant, forked(work, 15 + 2 * seconds), tests)

    def _tell(self, mutant, code, tests):
        if code == 70:
            sys.exit(f"the mutant could not be judged: {mutant['key']}")
        verdict = {0: "survived", 5: "survived", "time": "time"}.get(code, "killed")
        self.told(mutant | {"verdict": verdict, "tests": len(tests)})

    # from here on as a plugin of pytest: the mutants in living functions, one fork each

    def pytest_runtest_logreport(self, report):
        self.failed |= report.failed

    def pytest_runtestloop(self, session):
        living = {}
        for thing in gc.get_objects():
            if type(thing) is types.FunctionType:  # isinstance would ask lazy modules, which warn
                code = thing.__code__
                living.setdefault((code.co_filename, code.co_qualname, code.co_firstlineno), []).append(thing)
        items = {item.nodeid: item for item in session.items}
        for mutant in self.mutants:
            tests, seconds = self._of(mutant, self.limit)
            chosen = [items[test] for test in tests if test in items]
            _, changed = self._changed(mutant)

            def work(chosen=chosen, changed=changed, mutant=mutant):
                path = str(self.clone / "cleann_lite" / f"{mutant['module']}.py")
                for (name, line), code in changed.items():
                    for function in living[path, name, line]:
                        function.__code__ = code
                for item, after in zip(chosen, [*chosen[1:], None], strict=True):
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
                    if self.failed:
                        return 1
                return 0

            self._tell(mutant, forked(work, 5 + 2 * seconds), tests)
        return True

    def in_functions(self, mutants, limit):
        """The verdicts on changes inside functions."""
        self.mutants, self.limit = mutants, limit
        rooms = {mutant["module"].split("/")[0] for mutant in mutants}
        files = {test.split("::")[0] for room in rooms for test in self.known[room]["seconds"]}
        return run_pytest([f"--basetemp={self.clone.parent / 'scratch'}", *FAST, *sorted(files)], [self])


# -- all together ----------------------------------------------------------------------------------------


def equal_mutants():
    """Key -> reason, of the mutants that are the same program."""
    if not EQUAL.exists():
        return {}
    lines = [line.split(" # ", 1) for line in EQUAL.read_text(encoding="utf-8").splitlines() if " # " in line]
    return {key.strip(): reason.strip() for key, reason in lines}


def table(results):
    """Killed, equal and surviving mutants of each module, in words."""
    equal, rows = equal_mutants(), defaultdict(Counter)
    for r in results:
        kind = "equal" if r["key"] in equal and r["verdict"] == "survived" else r["verdict"]
        rows[r["module"]]["killed" if kind == "time" else kind] += 1
    print(f"{'module':28} mutants  equal  killed  survived  rate")
    total = Counter()
    for module, c in [*rows.items(), ("all", total)]:
        if module != "all":
            total.update(c)
        real = c["killed"] + c["survived"]
        counts = f"{c.total():7} {c['equal']:6} {c['killed']:7} {c['survived']:9}"
        print(f"{module:28} {counts}  {c['killed'] / max(1, real):.1%}")
    for r in results:
        if r["verdict"] == "survived" and r["key"] not in equal:
            print(f"survived: {r['key']} (line {r['line']})")


def main(arguments=None):
    """Draw the mutants, judge them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modules", nargs="+", default=MODULES)
    parser.add_argument("--out", type=Path, default=Path("mutants.jsonl"))
    parser.add_argument("--maps", type=Path, help="folder where the lines of each test are kept")
    parser.add_argument("--again", action="store_true", help="judge only the survivors in --out")
    options = parser.parse_args(arguments)
    out = options.out.resolve()
    before = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    folder = Path(tempfile.mkdtemp(prefix="mutate-"))
    clone = folder / "clone"
    subprocess.check_call(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", str(clone)])
    os.chdir(clone)
    sys.path[:0] = [str(clone), str(clone / "tests")]
    os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", PYTHONPATH=str(clone))
    for name in PRELOAD:
        __import__(name)
    every = [m for module in options.modules for m in mutants_of(module, clone)]
    if options.again:
        survivors = {r["key"] for r in before if r["verdict"] == "survived"} - set(equal_mutants())
        chosen = [m for m in every if m["key"] in survivors]
        before = [r for r in before if r["key"] not in survivors]
        out.write_text("".join(json.dumps(r) + "\n" for r in before))
    else:
        judged = {r["key"] for r in before}
        share, chosen = -(-options.mutants // len(options.modules)), []
        for module in options.modules:  # as many of each
            of_module = [m for m in every if m["module"] == module]
            chosen += random.Random(options.seed).sample(of_module, min(share, len(of_module)))
        chosen = [m for m in chosen if m["key"] not in judged]
    chosen = list({m["key"]: m for m in chosen}.values())
    print(f"{len(chosen)} of {len(every)} mutants, seed {options.seed}", flush=True)
    known = {}
    maps = options.maps or folder
    for room in sorted({m["module"].split("/")[0] for m in chosen}):
        known[room] = record_coverage(clone, room, maps.resolve() / f"{room}.json")
        seconds = known[room]["seconds"].values()
        print(f"{room}: {len(seconds)} tests, {sum(seconds):.0f} s", flush=True)
    with out.open("a") as file:

        def told(result):
            file.write(json.dumps(result) + "\n")
            file.flush()

        judge, limit = Judge(clone, known, told), 5 * SECONDS if options.again else SECONDS
        random.Random(options.seed).shuffle(chosen)
        on_import = [m for m in chosen if judge.on_import(m)]
        inside = [m for m in chosen if m not in on_import]
        if inside:  # in a fork, since this process must not import what the others will change
            forked(lambda: judge.in_functions(inside, limit), 10**6, f"{out}.log")
        for m in on_import:
            judge.by_import(m, limit)
    shutil.rmtree(folder, ignore_errors=True)
    table([json.loads(line) for line in out.read_text().splitlines()])


if __name__ == "__main__":
    main()
