"""Runs a template over one value. Steps, depth and output are bounded, so that every template ends soon."""

from __future__ import annotations

from typing import Mapping, Sequence

from ...errors import InvalidInput
from .fields import MAPS
from .functions import FUNCTIONS, checked
from .problem import Source, Wrong
from .text import ordered, text
from .tree import (
    Action,
    Body,
    Call,
    Chain,
    Command,
    Constant,
    Dot,
    Field,
    Function,
    If,
    Leave,
    Nil,
    Node,
    Operand,
    Parsed,
    Pipe,
    Range,
    Text,
    Variable,
)
from .values import LARGEST, NIL, NIL_MAP, NO_VALUE, Fields, Method, is_nil, kind, true

MOST_STEPS = 2_000_000
"""How many nodes and commands one run may take: some seconds."""

_DEEPEST = 90
"""How deep bodies and pipelines may stand in each other while they run."""


class _Left(Exception):
    """``{{break}}`` or ``{{continue}}``."""

    def __init__(self, *, again: bool) -> None:
        self.again = again


class _Absent:
    """No value came through the pipeline."""


_ABSENT = _Absent()


class Run:
    """One run of one template.

    :param source: for errors.
    :param parsed: the template.
    :param steps: how many steps it may take.
    """

    def __init__(self, source: Source, parsed: Parsed, steps: int = MOST_STEPS) -> None:
        self._source = source
        self._parsed = parsed
        self._steps = steps
        self._out: list[str] = []
        self._length = 0
        self._depth = 0
        self._variables: list[tuple[str, object]] = []

    def over(self, data: object) -> str:
        """What it prints.

        :raises InvalidInput: it cannot be run over this.
        """
        self._variables = [("$", data)]
        try:
            self._walk(self._parsed.body, data)
        except RecursionError:
            raise self._source.problem(0, "nested too deeply") from None
        return "".join(self._out)

    # -- nodes

    def _step(self, at: int) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise self._source.problem(at, "takes too many steps")

    def _enter(self, at: int, end: int) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._source.problem(at, f"runs nested deeper than {_DEEPEST} levels", end=end)

    def _say(self, words: str, at: int) -> None:
        self._length += len(words)
        if self._length > LARGEST:
            raise self._source.problem(at, f"prints more than {LARGEST} characters")
        self._out.append(words)

    def _walk(self, body: Body, dot: object) -> None:
        for node in body:
            self._node(node, dot)

    def _node(self, node: Node, dot: object) -> None:
        if isinstance(node, Text):
            self._say(node.text, 0)
        elif isinstance(node, Action):
            value = self._pipe(node.pipe, dot)
            if not node.pipe.variables:
                self._print(node.pipe, value)
        elif isinstance(node, If):
            self._if(node, dot)
        elif isinstance(node, Range):
            self._range(node, dot)
        elif isinstance(node, Call):
            self._call(node, dot)
        elif isinstance(node, Leave):
            raise _Left(again=node.again)

    def _print(self, pipe: Pipe, value: object) -> None:
        if isinstance(value, Method):
            raise self._source.problem(pipe.at, "can't print a method", end=pipe.end)
        self._say(text(NO_VALUE if value is None else value), pipe.at)

    def _if(self, node: If, dot: object) -> None:
        mark = len(self._variables)
        self._enter(node.pipe.at, node.pipe.end)
        value = self._pipe(node.pipe, dot)
        if true(value):
            self._walk(node.body, value if node.sets_dot else dot)
        else:
            self._walk(node.otherwise, dot)
        self._depth -= 1
        del self._variables[mark:]

    def _range(self, node: Range, dot: object) -> None:
        mark, depth = len(self._variables), self._depth
        self._enter(node.pipe.at, node.pipe.end)
        pairs = self._pairs(node.pipe, self._pipe(node.pipe, dot))
        inner, names, inner_depth = len(self._variables), node.pipe.variables, self._depth
        try:
            for key, value in pairs:
                self._step(node.pipe.at)
                for name, of_it, below in zip(reversed(names), (value, key), (1, 2)):
                    if node.pipe.assigns:
                        self._assign(node.pipe, name, of_it)
                    else:
                        self._variables[inner - below] = (name, of_it)
                try:
                    self._walk(node.body, value)
                except _Left as left:
                    if not left.again:
                        break
                self._depth = inner_depth
                del self._variables[inner:]
            if not pairs:
                self._walk(node.otherwise, dot)
        finally:
            self._depth = depth
            del self._variables[mark:]

    def _pairs(self, pipe: Pipe, value: object) -> Sequence[tuple[object, object]]:
        if is_nil(value):
            return ()
        if isinstance(value, (list, tuple)):
            return tuple(enumerate(value))
        if isinstance(value, Mapping) and not isinstance(value, Fields):
            return tuple((key, value[key]) for key in ordered(value))
        raise self._source.problem(pipe.at, f"range can't iterate over {kind(value)}", end=pipe.end)

    def _call(self, node: Call, dot: object) -> None:
        body = self._parsed.defined.get(node.name)
        if body is None:
            raise self._source.problem(node.at, f'template "{node.name}" not defined', end=node.end)
        self._step(node.at)
        self._enter(node.at, node.end)
        value = NO_VALUE if node.pipe is None else self._pipe(node.pipe, dot)
        outer, self._variables = self._variables, [("$", value)]
        self._walk(body, value)
        self._variables = outer
        self._depth -= 1

    # -- pipelines

    def _pipe(self, pipe: Pipe, dot: object) -> object:
        self._enter(pipe.at, pipe.end)
        value: object = _ABSENT
        for command in pipe.commands:
            self._step(command.at)
            value = self._command(command, dot, value)
        for name in pipe.variables:
            if pipe.assigns:
                self._assign(pipe, name, value)
            else:
                self._variables.append((name, value))
        self._depth -= 1
        return value

    def _assign(self, pipe: Pipe, name: str, value: object) -> None:
        for number in range(len(self._variables) - 1, -1, -1):
            if self._variables[number][0] == name:
                self._variables[number] = (name, value)
                return
        raise self._source.problem(pipe.at, f"undefined variable: {name}", end=pipe.end)

    def _command(self, command: Command, dot: object, last: object) -> object:
        first, rest = command.operands[0], command.operands[1:]
        if isinstance(first, Function):
            return self._function(first, rest, dot, last)
        if isinstance(first, (Field, Chain)) or (isinstance(first, Variable) and first.names):
            return self._fields(first, self._receiver(first, dot), first.names, rest, dot, last)
        if isinstance(first, Nil):
            raise self._problem(first, "nil is not a command")
        if rest or last is not _ABSENT:
            raise self._problem(first, f"can't give argument to non-function {self._source.text[first.at:first.end]}")
        return self._argument(first, dot)

    def _problem(self, node: Operand | Command, words: str, hint: str = "") -> InvalidInput:
        return self._source.problem(node.at, words, end=node.end, hint=hint)

    def _argument(self, node: Operand, dot: object) -> object:
        """The value of one operand that takes no arguments."""
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, Dot):
            return dot
        if isinstance(node, Nil):
            return None
        if isinstance(node, Function):
            return self._function(node, (), dot, _ABSENT)
        if isinstance(node, Pipe):
            return self._pipe(node, dot)
        receiver = self._receiver(node, dot)
        return self._fields(node, receiver, node.names, (), dot, _ABSENT) if node.names else receiver

    def _receiver(self, node: Field | Chain | Variable, dot: object) -> object:
        if isinstance(node, Field):
            return dot
        if isinstance(node, Chain):
            if isinstance(node.of, Nil):
                raise self._problem(node, "indirection through explicit nil")
            return self._argument(node.of, dot)
        return next(value for name, value in reversed(self._variables) if name == node.name)

    def _function(self, node: Function, operands: Sequence[Operand], dot: object, last: object) -> object:
        if node.name in ("and", "or"):
            return self._and_or(node, operands, dot, last)
        values = [self._argument(operand, dot) for operand in operands]
        if last is not _ABSENT:
            values.append(last)
        values = [None if value is NO_VALUE else value for value in values]
        try:
            return checked(node.name, FUNCTIONS[node.name], values)
        except Wrong as wrong:
            end = operands[-1].end if operands else node.end
            raise self._source.problem(node.at, wrong.words, end=end, hint=wrong.hint) from None

    def _and_or(self, node: Function, operands: Sequence[Operand], dot: object, last: object) -> object:
        """They stop at the first value that decides."""
        if not operands and last is _ABSENT:
            raise self._problem(node, f"wrong number of args for {node.name}: want at least 1 got 0")
        value: object = NO_VALUE
        for operand in operands:
            value = self._argument(operand, dot)
            if true(value) is (node.name == "or"):
                return value
        return value if last is _ABSENT else last

    def _fields(self, node: Operand, value: object, names: Sequence[str], operands: Sequence[Operand], dot: object,
                last: object) -> object:
        """Walk down a chain; the last of it gets the arguments, if it is a method."""
        for name in names[:-1]:
            value = self._field(node, value, name, ())
        arguments = [self._argument(operand, dot) for operand in operands]
        if last is not _ABSENT:
            arguments.append(last)
        return self._field(node, value, names[-1], arguments)

    def _field(self, node: Operand, value: object, name: str, arguments: Sequence[object]) -> object:
        if value is NO_VALUE or value is NIL_MAP:
            return NO_VALUE
        if value is None or value is NIL:
            raise self._problem(node, f"nil pointer evaluating .{name}")
        found: object = NO_VALUE
        if isinstance(value, Fields):
            found = self._of_struct(node, value, name)
            if isinstance(found, Method):
                return self._method(node, found, name, arguments)
        elif isinstance(value, Mapping):
            found = value.get(name, NO_VALUE)
        else:
            raise self._problem(node, f"can't evaluate field {name} in type {kind(value)}")
        if arguments:
            raise self._problem(node, f"{name} is not a method but has arguments")
        return found

    def _of_struct(self, node: Operand, value: Fields, name: str) -> object:
        if name not in value:
            # Go's field names: {{.Host.Arch}} is what the document calls host.arch.
            lower = name.lower()
            known = next((known for known in value if known.lower() == lower), None)
            if known is None:
                raise self._problem(node, f"can't evaluate field {name}", _near(name, list(value)))
            name = known
        found = value[name]
        if found is None:
            return NIL_MAP if name in MAPS else NIL
        return found

    def _method(self, node: Operand, method: Method, name: str, arguments: Sequence[object]) -> object:
        if len(arguments) != method.takes:
            raise self._problem(node, f"wrong number of args for {name}: want {method.takes} got {len(arguments)}")
        words = [argument for argument in arguments if isinstance(argument, str)]
        if len(words) < len(arguments):
            raise self._problem(node, f"wrong type for value; expected string in the arguments of {name}")
        found = method.call(words)
        return NIL if found is None else found


def _near(name: str, known: Sequence[str]) -> str:
    from ..usage import nearest

    near = nearest(name, known) or {one.lower(): one for one in known}.get(nearest(name.lower(), [one.lower() for one in known]))
    return f"did you mean .{near}?" if near else (f"fields: {' '.join(known)}" if known else "")
