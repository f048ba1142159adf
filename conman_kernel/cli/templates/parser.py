"""Tokens to a tree. What is wrong is found here where that needs no data: unknown functions and variables, what does not end."""

from __future__ import annotations

from typing import Callable, Collection, Sequence, TypeVar

from ...errors import InvalidInput
from . import lexer, literals
from .lexer import Token
from .problem import Source, Wrong
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

_DEEPEST = 60
"""How deep parentheses and controls may stand in each other."""

_CONTROLS = ("if", "range", "with", "define", "block", "template", "else", "end", "break", "continue")

T = TypeVar("T")


class Parser:
    """Reads one template.

    :param source: for errors.
    :param tokens: as :class:`.lexer.Lexer` gives them.
    :param functions: the names of all functions.
    """

    def __init__(self, source: Source, tokens: Sequence[Token], functions: Collection[str]) -> None:
        self._source = source
        self._tokens = tokens
        self._functions = functions
        self._number = 0
        self._depth = 0
        self._ranges = 0
        self._variables = ["$"]
        self._defined: dict[str, Body] = {}

    def parse(self) -> Parsed:
        """The whole template.

        :raises InvalidInput: it is none.
        """
        nodes: list[Node] = []
        while self._peek().kind != lexer.END:
            word = self._keyword_of_action()
            if word == "define":
                self._define()
                continue
            if word in ("end", "else"):
                raise self._problem(self._peek(), f"unexpected {{{{{word}}}}}")
            nodes.append(self._node())
        return Parsed(tuple(nodes), self._defined)

    # -- tokens

    def _peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._number + ahead, len(self._tokens) - 1)]

    def _take(self) -> Token:
        token = self._peek()
        self._number += 1
        return token

    def _after_space(self) -> Token:
        if self._peek().kind == lexer.SPACE:
            self._number += 1
        return self._peek()

    def _expect(self, kinds: tuple[str, ...], context: str) -> Token:
        token = self._after_space()
        if token.kind not in kinds:
            raise self._unexpected(token, context)
        return self._take()

    def _close(self, context: str) -> None:
        self._expect((lexer.RIGHT,), context)

    def _problem(self, token: Token, words: str, hint: str = "") -> InvalidInput:
        return self._source.problem(token.at, words, hint=hint)

    def _unexpected(self, token: Token, context: str) -> InvalidInput:
        shown = token.text if token.kind in (lexer.RIGHT, lexer.END) or not token.text else f'"{token.text}"'
        return self._problem(token, f"unexpected {shown or token.kind} in {context}")

    def _keyword_of_action(self) -> str:
        """The control that begins here; empty for text and for actions that print."""
        if self._peek().kind != lexer.LEFT:
            return ""
        token = self._peek(2 if self._peek(1).kind == lexer.SPACE else 1)
        return token.text if token.kind == lexer.WORD and token.text in _CONTROLS else ""

    def _enter(self, token: Token) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._problem(token, f"nested deeper than {_DEEPEST} levels")

    # -- bodies and controls

    def _body(self, opened: Token) -> tuple[Body, str]:
        """Up to the ``end`` or ``else`` that belongs here. :returns: the nodes, and which of the two it was."""
        nodes: list[Node] = []
        while True:
            if self._peek().kind == lexer.END:
                raise self._problem(opened, "unexpected end of the template, {{end}} is missing")
            word = self._keyword_of_action()
            if word in ("end", "else"):
                self._take()
                self._after_space()
                self._take()
                if word == "end":
                    self._close("end")
                return tuple(nodes), word
            nodes.append(self._node())

    def _node(self) -> Node:
        token = self._take()
        if token.kind == lexer.TEXT:
            return Text(token.text)
        word = self._after_space()
        if word.kind != lexer.WORD or word.text not in _CONTROLS:
            return Action(self._pipe("command", (lexer.RIGHT,)))
        self._take()
        if word.text in ("if", "range", "with"):
            return self._control(token, word.text)
        if word.text in ("break", "continue"):
            self._close(f"{{{{{word.text}}}}}")
            if not self._ranges:
                raise self._problem(token, f"{{{{{word.text}}}}} outside {{{{range}}}}")
            return Leave(word.text == "continue")
        if word.text == "template":
            return self._call(token)
        if word.text == "block":
            return self._block(token)
        raise self._problem(token, "unexpected {{define}}", "templates are defined at the outermost level")

    def _control(self, opened: Token, context: str) -> Node:
        self._enter(opened)
        known = len(self._variables)
        pipe = self._pipe(context, (lexer.RIGHT,))
        self._ranges += context == "range"
        body, last = self._body(opened)
        self._ranges -= context == "range"
        otherwise: Body = ()
        if last == "else":
            word = self._after_space()
            if context == "if" and word.kind == lexer.WORD and word.text == "if":
                self._take()
                otherwise = (self._control(opened, "if"),)
            else:
                self._close("else")
                otherwise, last = self._body(opened)
                if last != "end":
                    raise self._problem(opened, "expected {{end}}; found a second {{else}}")
        del self._variables[known:]
        self._depth -= 1
        if context == "range":
            return Range(pipe, body, otherwise)
        return If(pipe, body, otherwise, context == "with")

    def _define(self) -> None:
        opened = self._take()
        self._after_space()
        self._take()
        name = self._name("define clause")
        self._close("define clause")
        self._add(opened, name)

    def _add(self, opened: Token, name: str) -> None:
        """Read the body of a template of its own, with variables of its own."""
        self._enter(opened)
        outer, self._variables, ranges, self._ranges = self._variables, ["$"], self._ranges, 0
        body, last = self._body(opened)
        if last != "end":
            raise self._problem(opened, "unexpected {{else}} in a template's definition")
        self._variables, self._ranges = outer, ranges
        self._depth -= 1
        if any(not isinstance(node, Text) or node.text.strip() for node in self._defined.get(name, ())):
            raise self._problem(opened, f'multiple definition of template "{name}"')
        self._defined[name] = body

    def _name(self, context: str) -> str:
        token = self._expect((lexer.STRING, lexer.RAW), context)
        return self._literal(token, literals.string)

    def _call(self, opened: Token) -> Call:
        name = self._name("template clause")
        pipe = None
        if self._after_space().kind == lexer.RIGHT:
            self._take()
        else:
            pipe = self._pipe("template clause", (lexer.RIGHT,))
        return Call(opened.at, self._peek(-1).end, name, pipe)

    def _block(self, opened: Token) -> Call:
        name = self._name("block clause")
        pipe = self._pipe("block clause", (lexer.RIGHT,))
        end = self._peek(-1).end
        self._add(opened, name)
        return Call(opened.at, end, name, pipe)

    # -- pipelines

    def _pipe(self, context: str, ends: tuple[str, ...]) -> Pipe:
        """Up to and with its end."""
        first = self._after_space()
        variables, assigns = self._declared(context)
        commands: list[Command] = []
        begin = self._after_space()
        while True:
            token = self._after_space()
            if token.kind in ends:
                if not commands:
                    raise self._problem(first, f"missing value for {context}")
                self._take()
                self._executable(commands)
                end = token.at if ends == (lexer.RIGHT,) else token.end
                at = (first if variables else begin).at if ends == (lexer.RIGHT,) else first.at - 1
                return Pipe(at, end, tuple(commands), variables, assigns)
            commands.append(self._command(context))

    def _executable(self, commands: Sequence[Command]) -> None:
        """Only the first command of a pipeline may be a value that takes nothing."""
        for number, command in enumerate(commands[1:], 2):
            if isinstance(command.operands[0], (Constant, Dot, Nil)):
                raise self._source.problem(command.at, f"non executable command in pipeline stage {number}")

    def _declared(self, context: str) -> tuple[tuple[str, ...], bool]:
        names: list[str] = []
        while True:
            token = self._peek()
            following = self._peek(2 if self._peek(1).kind == lexer.SPACE else 1)
            if token.kind != lexer.VARIABLE or following.kind not in (":=", "=", ","):
                if names:
                    if context == "range" and token.kind in (lexer.RIGHT, ")"):
                        return tuple(names), False
                    raise self._problem(token, "range can only initialize variables")
                return (), False
            names.append(token.text)
            self._variables.append(token.text)
            self._take()
            mark = self._expect((":=", "=", ","), context)
            if mark.kind != ",":
                self._after_space()
                return tuple(names), mark.kind == "="
            if context != "range" or len(names) > 1:
                raise self._problem(token, f"too many declarations in {context}")
            self._after_space()

    def _command(self, context: str) -> Command:
        operands: list[Operand] = []
        first = self._after_space()
        while True:
            token = self._after_space()
            operand = self._operand(token)
            if operand is None:
                if not operands:
                    raise self._unexpected(token, context)
            else:
                operands.append(operand)
            following = self._peek()
            if following.kind == lexer.SPACE:
                continue
            if following.kind == "|":
                self._take()
            elif following.kind not in (lexer.RIGHT, ")"):
                raise self._unexpected(following, "operand")
            return Command(first.at, operands[-1].end, tuple(operands))

    def _operand(self, token: Token) -> Operand | None:
        """A term with the fields that follow it without a space; None where none begins here."""
        term = self._term(token)
        if term is None or self._peek().kind != lexer.FIELD:
            return term
        names: list[str] = []
        while self._peek().kind == lexer.FIELD:
            names.append(self._take().text[1:])
        end = self._peek(-1).end
        if isinstance(term, Field):
            return Field(term.at, end, (*term.names, *names))
        if isinstance(term, Variable):
            return Variable(term.at, end, term.name, (*term.names, *names))
        if isinstance(term, (Constant, Dot, Nil)):
            raise self._problem(token, f"unexpected . after term {self._source.text[term.at:term.end]}")
        return Chain(term.at, end, term, tuple(names))

    def _term(self, token: Token) -> Operand | None:
        at, end, text = token.at, token.end, token.text
        if token.kind == "(":
            self._enter(token)
            self._take()
            self._after_space()
            pipe = self._pipe("parenthesized pipeline", (")",))
            self._depth -= 1
            return pipe._replace(at=at)
        if token.kind not in (lexer.WORD, lexer.DOT, lexer.FIELD, lexer.VARIABLE, lexer.NUMBER, lexer.CHARACTER, lexer.STRING,
                              lexer.RAW):
            return None
        if token.kind == lexer.WORD and text in _CONTROLS:
            return None
        self._take()
        if token.kind == lexer.DOT:
            return Dot(at, end)
        if token.kind == lexer.FIELD:
            return Field(at, end, (text[1:],))
        if token.kind == lexer.VARIABLE:
            if text not in self._variables:
                raise self._problem(token, f'undefined variable "{text}"')
            return Variable(at, end, text, ())
        if token.kind == lexer.WORD:
            return self._word(token)
        if token.kind == lexer.NUMBER:
            return Constant(at, end, self._literal(token, literals.number))
        if token.kind == lexer.CHARACTER:
            return Constant(at, end, self._literal(token, literals.character))
        return Constant(at, end, self._literal(token, literals.string))

    def _word(self, token: Token) -> Operand:
        if token.text in ("true", "false"):
            return Constant(token.at, token.end, token.text == "true")
        if token.text == "nil":
            return Nil(token.at, token.end)
        if token.text in self._functions:
            return Function(token.at, token.end, token.text)
        from ..usage import nearest

        near = nearest(token.text, sorted(self._functions))
        hint = f"did you mean {near}?" if near else f"fields begin with a dot; functions: {' '.join(sorted(self._functions))}"
        raise self._problem(token, f'function "{token.text}" not defined', hint)

    def _literal(self, token: Token, read: Callable[[str], T]) -> T:
        try:
            return read(token.text)
        except Wrong as wrong:
            raise self._problem(token, wrong.words) from None
