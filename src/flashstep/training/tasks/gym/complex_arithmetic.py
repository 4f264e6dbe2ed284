"""Adding, subtracting, multiplying and dividing complex numbers, whose four parts are called a to d."""

from flashstep.training.tasks.gym.signed_chain import product_lines_for, quotient_lines_for, signed_sum_lines
from flashstep.training.tasks.gym.solved import Entry, Solved

_NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


def solve(entry: Entry) -> Solved:
    """The parts, then a sum or product of two of them at a time, signs first.

    subtract a 1 b 10 c 6 d -10       divide a 120 b -4 c -9 d -5
    a-c 1-6                           cc -9*-9=9*9
    1-6=-5                            9*9=81
    = -5                              = 81
    b-d 10--10=10+10                  (dd, cc+dd, ac, bd, ac+bd, bc, ad, bc-ad)
    (columns)                         real -1060/106
    = 20                              1060/106=10
    So -5.0 + 20.0i                   = -10
                                      (imag)
                                      So -10.0 + 6.0i
    """
    metadata = entry["metadata"]
    operation = metadata["operation"]
    a, b, c, d = (round(part) for part in (*metadata["num1"], *metadata["num2"]))
    trace = _Trace([f"{_NAMES[operation]} a {a} b {b} c {c} d {d}"])
    if operation in "+-":
        real = trace.sum(f"a{operation}c", a, operation, c)
        imag = trace.sum(f"b{operation}d", b, operation, d)
    elif operation == "*":
        ac, bd = trace.product("ac", a, c), trace.product("bd", b, d)
        real = trace.sum("ac-bd", ac, "-", bd)
        ad, bc = trace.product("ad", a, d), trace.product("bc", b, c)
        imag = trace.sum("ad+bc", ad, "+", bc)
    else:
        real, imag = _quotient(trace, a, b, c, d)
    answer = _written(real, imag)
    return Solved("\n".join([*trace.lines, f"So {answer}"]), answer)


def _quotient(trace: "_Trace", a: int, b: int, c: int, d: int) -> tuple[int, int]:
    cc, dd = trace.product("cc", c, c), trace.product("dd", d, d)
    square = trace.sum("cc+dd", cc, "+", dd)
    ac, bd = trace.product("ac", a, c), trace.product("bd", b, d)
    real = trace.sum("ac+bd", ac, "+", bd)
    bc, ad = trace.product("bc", b, c), trace.product("ad", a, d)
    imag = trace.sum("bc-ad", bc, "-", ad)
    return trace.quotient("real", real, square), trace.quotient("imag", imag, square)


class _Trace:
    """The lines so far; each method adds those of one calculation, which begin with its name and end with its
    result."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def sum(self, name: str, a: int, sign: str, b: int) -> int:
        head = f"{name} {a}{sign}{b}"
        if b < 0:
            sign, b = "-" if sign == "+" else "+", -b
            head += f"={a}{sign}{b}"
        result = a + b if sign == "+" else a - b
        return self._add(head, signed_sum_lines(a, sign, b), result)

    def product(self, name: str, a: int, b: int) -> int:
        head = f"{name} {a}*{b}"
        if b < 0:
            head += f"={'-' if a * b < 0 else ''}{abs(a)}*{abs(b)}"
        return self._add(head, product_lines_for(abs(a), abs(b)), a * b)

    def quotient(self, name: str, a: int, b: int) -> int:
        """The quotient of a number, which may be negative, by one above 0 that divides it."""
        return self._add(f"{name} {a}/{b}", quotient_lines_for(abs(a), b), a // b)

    def _add(self, head: str, work: list[str], result: int) -> int:
        self.lines += [head, *work, f"= {result}"]
        return result


def _written(real: int, imag: int) -> str:
    """As the task writes it: two decimals for a part that stands alone."""
    if imag == 0:
        return f"{real}.00"
    if real == 0:
        return f"{imag}.00i"
    return f"{real}.0 {'+' if imag > 0 else '-'} {abs(imag)}.0i"
