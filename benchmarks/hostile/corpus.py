"""Code that means harm, and what has to become of it. Each defines `f`, which is registered and called.

`refused`: it is an error, when it is registered or when it is called. `harmless`: it runs and gives exactly this, which does
no harm. In both cases the service is unharmed, which is looked at while the code runs and afterwards.
"""

from dataclasses import dataclass
from typing import Any

REFUSED = object()


@dataclass(frozen=True)
class Case:
    kind: str
    code: str
    result: Any = REFUSED


def body(lines: str) -> str:
    return "def f():\n" + "".join(f"    {line}\n" for line in lines.splitlines())


def returning(expression: str) -> str:
    return body(f"return {expression}")


CORPUS = [
    # Modules that reach out
    *(Case("import", body(f"import {module}\nreturn {module}.__name__")) for module in
      ("socket", "subprocess", "ctypes", "urllib.request", "shutil", "threading", "multiprocessing", "pickle", "importlib",
       "builtins", "inspect", "gc", "signal")),
    Case("import", "import socket\ndef f():\n    return 1\n"),
    Case("import", returning("__import__('os')")),
    Case("import", body("exec('import socket')\nreturn 1")),
    Case("import", body("return eval('__import__(\"os\")')")),
    Case("system", body("import os\nreturn os.system('id')")),
    Case("system", body("import os\nreturn os.popen('id').read()")),
    Case("system", body("import os\nreturn dict(os.environ)")),
    Case("system", body("import os\nreturn os.getenv('PATH')")),
    Case("system", body("import os\nos.kill(1, 9)")),
    Case("system", body("import sys\nreturn sys.modules")),
    Case("system", body("import sys\nreturn sys._getframe(0)")),
    Case("system", body("import os\nos._exit(1)")),
    Case("system", body("raise SystemExit(1)")),
    Case("system", body("raise KeyboardInterrupt()")),
    # Files
    Case("file", returning("open('/etc/passwd').read()")),
    Case("file", returning("open('/proc/self/environ', 'rb').read()")),
    Case("file", body("open('/tmp/left', 'w').write('x')\nreturn 1")),
    Case("file", body("from pathlib import Path\nreturn Path('/etc/passwd').read_text()")),
    Case("file", body("from pathlib import Path\nreturn [str(p) for p in Path('/').iterdir()]")),
    Case("file", body("import os\nreturn os.listdir('/')")),
    # Walks from an object to what made it
    Case("dunder", returning("().__class__.__base__.__subclasses__()")),
    Case("dunder", returning("(lambda: 0).__globals__")),
    Case("dunder", returning("f.__code__.co_code")),
    Case("dunder", returning("print.__self__")),
    Case("dunder", returning("'{0.__class__.__mro__}'.format(1)")),
    Case("dunder", returning("getattr((), '__cla' + 'ss__').__mro__")),
    Case("dunder", body("class A:\n    pass\nreturn A.__mro__")),
    Case("dunder", body("class A:\n    pass\nreturn A.__init__.__globals__")),
    Case("dunder", body("try:\n    1 / 0\nexcept Exception as e:\n    return e.__traceback__.tb_frame.f_globals")),
    Case("dunder", returning("(x for x in [1]).gi_frame.f_builtins")),
    Case("dunder", returning("type('X', (), {})()")),
    Case("dunder", body("import json\njson.dumps = lambda *a, **k: 'x'\nreturn 1")),
    Case("dunder", "_dumps = lambda *a, **k: '7'\n_arguments = {'x': 1}\ndef f():\n    return 1\n", 1),
    Case("dunder", returning("sorted(locals())"), []),
    Case("dunder", returning("globals()")),
    # Time
    Case("time", body("while True:\n    pass")),
    Case("time", "while True:\n    pass\ndef f():\n    return 1\n"),
    Case("time", body("while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass")),
    Case("time", body("import time\ntime.sleep(3600)")),
    Case("time", body("import time\nfor n in range(10**6):\n    time.sleep(0.05)")),
    Case("time", body("import asyncio\nasync def wait():\n    await asyncio.sleep(3600)\nasyncio.run(wait())")),
    Case("time", returning("sum(range(10**12))")),
    Case("time", body("import itertools\nreturn sum(itertools.cycle([1]))")),
    Case("time", body("import math\nreturn math.comb(10**7, 5 * 10**6) % 3")),
    Case("time", body("n = 0\nfor a in range(10**5):\n    for b in range(10**5):\n        n += a * b\nreturn n")),
    Case("time", returning("[x for x in iter(int, 1)]")),
    # Regular expressions
    Case("regex", body("import re\nreturn bool(re.match('(a+)+$', 'a' * 40 + 'b'))"), False),
    Case("regex", body("import re\nreturn bool(re.match('(a|a)*$', 'a' * 5000 + 'b'))"), False),
    Case("regex", body("import re\nreturn bool(re.fullmatch(r'(a*)*\\1b', 'a' * 60))")),
    Case("regex", body("import re\nreturn bool(re.compile('a{1000}{1000}{1000}'))"), True),
    # Memory
    Case("memory", body("a = [1]\nwhile True:\n    a = a + a")),
    Case("memory", returning("len('a' * 10**10)")),
    Case("memory", returning("len([0] * 10**10)")),
    Case("memory", returning("len(bytes(10**10))")),
    Case("memory", returning("10**10**8 % 7")),
    Case("memory", body("import math\nreturn math.factorial(10**7) % 3")),
    Case("memory", returning("1 << 10**10 > 0")),
    Case("memory", returning("len('a'.ljust(10**10))")),
    Case("memory", returning("len(f'{1:1000000000}')")),
    Case("memory", returning("len('%1000000000d' % 1)")),
    Case("memory", body("s = 'a' * 1000\nfor _ in range(10):\n    s = s.replace('a', s)\nreturn len(s)")),
    Case("memory", returning("len(('a' * 10**6).join(['b'] * 10**6))")),
    Case("memory", returning("len(dict.fromkeys(range(10**9)))")),
    Case("memory", body("import itertools\nreturn len(list(itertools.product(range(100), repeat=10)))")),
    Case("memory", body("import re\nreturn len(re.sub('a', 'b' * 10**6, 'a' * 10**6))")),
    Case("memory", body("a = []\nwhile True:\n    a.append('x' * 10**6 + str(len(a)))")),
    # Recursion and nesting
    Case("recursion", "def f():\n    return f()\n"),
    Case("recursion", returning("(lambda g: g(g))(lambda g: g(g))")),
    Case("recursion", body("def a(n):\n    return b(n)\ndef b(n):\n    return a(n + 1)\nreturn a(0)")),
    Case("nesting", returning("(" * 5000 + "1" + ")" * 5000)),
    Case("nesting", returning("[" * 5000 + "]" * 5000)),
    Case("nesting", returning("-" * 15000 + "1")),
    Case("nesting", returning("1" + "+1" * 7000)),
    Case("nesting", returning("lambda: " * 1500 + "1")),
    Case("nesting", returning("1 if 1 else " * 1000 + "1")),
    Case("nesting", returning("f" + ".a" * 7000)),
    Case("nesting", "def f():\n" + "".join(" " * depth + "if 1:\n" for depth in range(1, 170)) + " " * 170 + "return 1\n"),
    # Output and results
    Case("output", body("while True:\n    print('x' * 1000)")),
    Case("output", body("print('x' * 10**6)\nreturn 1")),
    Case("output", body("for n in range(10**5):\n    print(n)\nreturn 1")),
    Case("result", returning("'x' * 10**6")),
    Case("result", returning("list(range(10**5))")),
    Case("result", body("a = ['x' * 1000]\nfor _ in range(9):\n    a = [a] * 10\nreturn a")),
    Case("result", returning("['x' * 10**6] * 5000")),
    Case("result", body("a = []\na.append(a)\nreturn a")),
    Case("result", body("a = []\nfor _ in range(10**5):\n    a = [a]\nreturn a")),
    Case("result", returning("float('nan')")),
    Case("result", returning("float('inf')")),
    Case("result", returning("10**5000")),
    Case("result", returning("{1, 2}")),
    Case("result", returning("f")),
    Case("result", returning("open")),
    Case("result", body("class A:\n    def __getitem__(self, key):\n        return 'x' * 10**7\nreturn A()")),
    Case("error", body("raise ValueError('x' * 10**7)")),
    Case("error", body("a = ['x' * 1000]\nfor _ in range(9):\n    a = [a] * 10\nraise ValueError(a)")),
    # Unicode
    Case("unicode", "def ｆ():\n    return 1\n", 1),  # the same name to Python (PEP 3131), and a name alone
    Case("unicode", "def f():\n    return ｅｖａｌ('1')\n", 1),  # the sandbox's own, which stays inside
    Case("unicode", "def f():\n    return ().__cl\u00e4ss__\n"),
    Case("unicode", "def f():\n    \u202e return 1\n"),
    Case("unicode", "def f():\n    return 1\x00\n"),
    Case("unicode", "def f():\n    return 1 # \u2028 import os\n", 1),
    Case("unicode", returning("'\\ud800'"), "\ufffd"),
    Case("unicode", returning("'a\\u0000b'"), "a\x00b"),
    Case("unicode", "# -*- coding: utf-7 -*-\ndef f():\n    return '+AGE-'\n", "+AGE-"),
    # Language that the interpreter does not have
    Case("generator", "def f():\n    while True:\n        yield 1\n"),
    Case("generator", body("def g():\n    yield from iter(int, 1)\nreturn list(g())")),
    Case("generator", returning("sum(1 for _ in iter(int, 1))")),
    Case("language", "async def f():\n    return 1\n"),
    Case("language", body("del f\nreturn 1")),
    Case("language", "def f():\n    return 1\nf = 3\n"),
    Case("language", "class f(Exception):\n    pass\n"),
    Case("language", "def f(*args, **kwargs):\n    return 1\n"),
    Case("language", body("breakpoint()\nreturn 1")),
    Case("language", returning("input()")),
]  # fmt: skip
