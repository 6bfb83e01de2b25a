"""The functions of one process: those built in, and those that callers have registered."""

from dataclasses import dataclass
from typing import Any

import structlog

from agent_reasoning.errors import FunctionExists, InvalidFunction, UnknownFunction
from agent_reasoning.schemas import FunctionSource
from agent_reasoning.service.functions.builtin import BUILTIN
from agent_reasoning.service.functions.questions import expression_in
from agent_reasoning.service.functions.sandbox import Ran, Sandbox, SandboxLimits
from agent_reasoning.service.functions.signature import Signature, read_signature

MAX_FUNCTIONS = 64

log = structlog.get_logger("agent_reasoning.functions")


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    """A function as those see it who may call it. `parameters`: JSON Schema of its arguments."""

    name: str
    description: str
    parameters: dict[str, Any]
    builtin: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A function and the arguments to call it with."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Registered:
    info: FunctionInfo
    code: str
    signature: Signature


class Functions:
    """What can be called by name. Registered functions are in memory: another replica, and the next start, has none."""

    def __init__(self, limits: SandboxLimits | None = None) -> None:
        """limits: of registered functions. None: nothing can be registered, only those built in can be called."""
        self._registered: dict[str, Registered] = {}
        self._sandbox = None if limits is None else Sandbox(limits)

    @property
    def open(self) -> bool:
        """Whether functions can be registered."""
        return self._sandbox is not None

    def start(self) -> None:
        if self._sandbox is not None:
            self._sandbox.start()

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()

    def list(self) -> list[FunctionInfo]:
        """Those built in first."""
        builtin = [
            FunctionInfo(name, each.description, each.signature.parameters, True) for name, each in BUILTIN.items()
        ]
        return [*builtin, *(each.info for each in self._registered.values())]

    def get(self, name: str) -> FunctionInfo:
        """Raises UnknownFunction, which lists the names there are."""
        for info in self.list():
            if info.name == name:
                return info
        names = [info.name for info in self.list()]
        raise UnknownFunction(f"There is no function named {name[:64]!r}; there are {', '.join(names)}.", names=names)

    def answering(self, question: str) -> Call | None:
        """The call that answers a question; None where it is not certain to. Arithmetic alone is recognised."""
        expression = expression_in(question)
        return None if expression is None else Call("calculate", {"expression": expression})

    async def call(self, name: str, arguments: dict[str, Any]) -> Any:
        """What the function returns. Raises UnknownFunction, FunctionFailed, Overloaded, NotReady."""
        return (await self.run(name, arguments)).result

    async def run(self, name: str, arguments: dict[str, Any]) -> Ran:
        """The same, with what the function printed."""
        if name in BUILTIN:
            checked = BUILTIN[name].signature.checked(arguments)
            return Ran(BUILTIN[name].function(**checked), "")
        found = self._registered.get(name)
        if found is None:
            self.get(name)  # which says that there is none
        assert found is not None
        assert self._sandbox is not None
        return await self._sandbox.call(name, found.code, found.signature.checked(arguments))

    async def register(self, source: FunctionSource, *, replace: bool = False) -> FunctionInfo:
        """replace: the name may be one that is registered already.

        Raises FunctionExists, InvalidFunction with the `line` where it is known, Overloaded, NotReady.
        """
        name = source.name
        self._check_name(name, replace=replace)
        assert self._sandbox is not None
        await self._sandbox.check(source.code)
        found = read_signature(name, source.code)
        self._check_name(name, replace=replace)  # others may have come meanwhile
        info = FunctionInfo(name, source.description, found.parameters)
        self._registered[name] = Registered(info, source.code, found)
        log.info("function.registered", name=name, characters=len(source.code))
        return info

    def delete(self, name: str) -> None:
        """Raises UnknownFunction, or FunctionExists for one that is built in."""
        self.get(name)
        if name in BUILTIN:
            raise FunctionExists(f"{name} is built in and stays.")
        del self._registered[name]
        log.info("function.deleted", name=name)

    def _check_name(self, name: str, *, replace: bool) -> None:
        if name in BUILTIN:
            raise FunctionExists(f"{name} is built in and cannot be replaced.")
        if name in self._registered:
            if not replace:
                raise FunctionExists(f"A function {name} is registered already; PUT replaces it.")
        elif len(self._registered) >= MAX_FUNCTIONS:
            raise InvalidFunction(f"{MAX_FUNCTIONS} functions are registered, which is the most; delete one first.")
