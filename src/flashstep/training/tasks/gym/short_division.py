"""Division by a number whose multiples are known by heart, digit by digit."""


def steps(number: int, divisor: int) -> str:
    """Each number so far with its digit and rest: " 6:1r0 3:0r3 37:6r1" for 637 by 6."""
    text, rest = "", 0
    for c in str(number):
        so_far = 10 * rest + int(c)
        digit, rest = divmod(so_far, divisor)
        text += f" {so_far}:{digit}r{rest}"
    return text
