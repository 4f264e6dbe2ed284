"""Worked traces as documented, the edges of every task, and verifiers on other people's phrasing."""

import pytest

from flashstep.training.tasks import arithmetic
from flashstep.training.tasks.base import LETTER_BREAK, Example
from flashstep.training.tasks.numbers import (
    bases,
    chain,
    decimals,
    division,
    divisors,
    multiplication,
    number_words,
    percent,
    powers,
    primes,
    roman,
    sorting,
    sums,
)
from flashstep.training.tasks.numbers.families import NUMBER_FAMILIES
from flashstep.training.tasks.trace_check import equations_hold

TRACES = [
    (
        multiplication.solve,
        "371*42",
        "*2 1:02 7:142 3:0742, 742\n*40 1:04 7:284 3:1484, 14840\n00742+14840\n2+0=2: 2\n4+4=8: 82\n"
        "7+8=15: 582\n0+4+1=5: 5582\n0+1=1: 15582\nSo 15582.",
    ),
    (multiplication.solve, "40*371", "371*40\n*40 1:04 7:284 3:1484, 14840\nSo 14840."),
    (multiplication.solve, "0*12", "12*0\n*0, 0\nSo 0."),
    (
        division.solve,
        "7356/37",
        "1:37 2:74 3:111 4:148 5:185 6:222 7:259 8:296 9:333\n7|356: 0\n73|56: 1:37 73-37: 6 36, 01\n"
        "365|6: 9:333 365-333: 2 32, 019\n326|: 8:296 326-296: 0 30, 0198\nSo 198 remainder 30.",
    ),
    (division.solve, "12 mod 5", "1|2: 0\n12|: 2:10 12-10: 2, 02\nSo 2."),
    (chain.solve, "(3+4)*2-1", "3+4=7\n7*2-1\n7*2=14\n14-1\n14-01\n1>0\n4-1=3: 3\n1-0=1: 13\nSo 13."),
    (decimals.solve, "0.2*0.3", "1+1=2 decimals\n2*3\n*3 2:06, 6\nSo 6.\n2 decimals: 0.06\nSo 0.06."),
    (
        sorting.solve,
        "Sort up: 512 3, 47 2, 803 3, 12 2; 2 2 3 3",
        "2+ 4:47, 1:12; 1 4\n1:12\n4:47\n3+ 5:512, 8:803; 5 8\n5:512\n8:803\nSo 12, 47, 512, 803.",
    ),
    (
        divisors.solve,
        "gcd(84,300)",
        "300 84: 3 4:12 8:252, 300-252: 8 48\n84 48: 1, 84-48: 6 36\n48 36: 1, 48-36: 2 12\n"
        "36 12: 3 2:06 1:036, 36-36: 0\nSo 12.",
    ),
    (
        divisors.solve,
        "lcm(12,18)",
        "18 12: 1, 18-12: 6\n12 6: 2 6:12, 12-12: 0\ngcd 6\n12/6=2\n18*2\n*2 8:16 1:036, 36\nSo 36.",
    ),
    (
        primes.solve,
        "Is 221 prime?",
        "/2 2:0 2:0 1:1\n/3 2:2 22:1 11:2\n/5 2:2 22:2 21:1\n/7 2:2 22:1 11:4\n/11 2:2 22:0 1:1\n"
        "/13 2:2 22:9 91:0\nSo 13 divides 221.",
    ),
    (primes.solve, "Is 7 prime?", "/2 7:1\n3*3=9>7\nSo 7 is prime."),
    (
        primes.solve_factors,
        "Factor 84",
        "/2 8:0 4:0\n84/2 8:4 4:2, 42\n/2 4:0 2:0\n42/2 4:2 2:1, 21\n/2 2:0 1:1\n/3 2:2 21:0\n"
        "21/3 2:0 21:7, 7\n3*3=9>7\nSo 2 * 2 * 3 * 7.",
    ),
    (powers.solve, "7^3", "2: 7*7=49\n3: 49*7\n*7 9:63 4:343, 343\nSo 343."),
    (
        percent.solve,
        "15% of 240",
        "240*15\n*5 0:00 4:200 2:1200, 1200\n*10 0:00 4:040 2:0240, 2400\n1200+2400\n0+0=0: 0\n"
        "0+0=0: 00\n2+4=6: 600\n1+2=3: 3600\nSo 3600.\n2 decimals: 36.00\nSo 36.",
    ),
    (bases.solve_to, "To base 16: 200", "200/16 20:1:16:4 40:12:32:8, 8\n12<16, C8\nSo C8."),
    (
        bases.solve_to,
        "To base 8: 3233",
        "3233/8 32:4:32:0 03:40:0:3 33:404:32:1, 1\n404/8 40:5:40:0 04:50:0:4, 41\n"
        "50/8 50:6:48:2, 241\n6<8, 6241\nSo 6241.",
    ),
    (bases.solve_to, "To base 2: 13", "13/2 13:6, 1\n6/2 6:3, 01\n3/2 3:1, 101\n1<2, 1101\nSo 1101."),
    (bases.solve_from, "From base 2: 11011", "110 11: 6\n11: 6*4+3 6:27\nSo 27."),
    (
        bases.solve_from,
        "From base 16: A3F",
        "A 3F: 10*256=2560\n3 F: 3*16=48\nF: 15\n2560+0048+0015\n0+8+5=13: 3\n6+4+1+1=12: 23\n"
        "5+0+0+1=6: 623\n2+0+0=2: 2623\nSo 2623.",
    ),
    (bases.solve_from, "From base 8: 742", "7 42: 7\n4 2: 7*8+4 7:60\n2: 60*8+2 0:02 6:482\nSo 482."),
    (roman.solve_to, "Roman 1994", "1000: M\n900: CM\n90: XC\n4: IV\nSo MCMXCIV."),
    (roman.solve_from, "Roman MCMXCIV", "M 1000: 1000\nCM 900: 1900\nXC 90: 1990\nIV 4: 1994\nSo 1994."),
    (
        number_words.solve_to,
        "Words 847203",
        "847 thousand 203\n847: eight hundred forty-seven\n203: two hundred three\n"
        "So eight hundred forty-seven thousand two hundred three.",
    ),
    (number_words.solve_from, "Number twelve thousand five", "twelve: 12\nfive: 005\nSo 12005."),
]


@pytest.mark.parametrize(("solve", "task", "steps"), TRACES, ids=[task for _, task, _ in TRACES])
def test_the_trace_of(solve, task, steps):
    assert solve(task).reasoning.replace(LETTER_BREAK, "") == f"{task}\n{steps}"


EDGES = [
    (sums.solve, "999999+000001", "1000000"),
    (sums.solve, "5-12", "-7"),
    (multiplication.solve, "999999*999", "998999001"),
    (division.solve, "0/7", "0 0"),
    (division.solve, "999999/9", "111111 0"),
    (chain.solve, "2-3*4", "-10"),
    (chain.solve, "2*(3+4)*5", "70"),
    (chain.solve, "20-(6-(3-1))", "16"),
    (decimals.solve, "0.5-1.25", "-0.75"),
    (decimals.solve, "2.5*4", "10"),
    (decimals.solve, "1.50+1.5", "3"),
    (sorting.solve, "Sort down: 5 1, 5 1, 7 1; 1 1 1", "7, 5, 5"),
    (divisors.solve, "gcd(7,7)", "7"),
    (divisors.solve, "lcm(7,9)", "63"),
    (primes.solve, "Is 1 prime?", "no"),
    (primes.solve, "Is 2 prime?", "yes"),
    (primes.solve, "Is 961 prime?", "no"),
    (primes.solve_factors, "Factor 1368", "2 2 2 3 3 19"),
    (powers.solve, "0^0", "1"),
    (powers.solve, "10^5", "100000"),
    (percent.solve, "12% of 5", "0.6"),
    (bases.solve_to, "To base 8: 0", "0"),
    (bases.solve_to, "To base 16: 4095", "FFF"),
    (bases.solve_from, "From base 16: FFF", "4095"),
    (roman.solve_to, "Roman 3999", "MMMCMXCIX"),
    (number_words.solve_to, "Words 0", "zero"),
    (number_words.solve_from, "Number nine hundred thousand", "900000"),
]


@pytest.mark.parametrize(("solve", "task", "key"), EDGES, ids=[task for _, task, _ in EDGES])
def test_the_edge(solve, task, key):
    assert solve(task).key == key


NO_TASKS = [
    (sums.solve, "1*2"),
    (multiplication.solve, "3*"),
    (division.solve, "7/0"),
    (chain.solve, "7/2+1"),
    (chain.solve, "(1-2)*3"),
    (chain.solve, "1-2+3"),
    (chain.solve, "(+)"),
    (decimals.solve, "1.+2"),
    (sorting.solve, "Sort up:"),
    (divisors.solve, "gcd(0,3)"),
    (primes.solve, "Is 1369 prime?"),
    (primes.solve_factors, "Factor 1"),
    (powers.solve, "9^9"),
    (percent.solve, "% of 3"),
    (bases.solve_to, "To base 3: 7"),
    (bases.solve_from, "From base 8: 19"),
    (roman.solve_to, "Roman 4000"),
    (roman.solve_from, "Roman IIII"),
    (number_words.solve_to, "Words 1000000"),
    (number_words.solve_from, "Number five twelve"),
    (number_words.solve_from, "Number a lot"),
]


@pytest.mark.parametrize(("solve", "task"), NO_TASKS, ids=[task for _, task in NO_TASKS])
def test_it_is_no_task(solve, task):
    with pytest.raises(ValueError, match=r"."):
        solve(task)


ANSWERS = [
    ("multiplication", "57636", "The product is 57,636.", True),
    ("multiplication", "57636", "5763", False),
    ("division", "198 30", "198 R 30", True),
    ("division", "198 30", "198", False),
    ("division", "198 0", "It is 198.", True),
    ("division", "198 0", "198 remainder 0", True),
    ("division", "198 0", "198 remainder 1", False),
    ("division", "30", "The remainder is 30.", True),
    ("decimals", "15.75", "15.750", True),
    ("decimals", "15.75", "1.575", False),
    ("chain", "-7", "= −7", True),
    ("sorting", "3, 20, 100", "3,20,100", True),
    ("sorting", "3, 20, 100", "From small to large: 3, 20 and 100.", True),
    ("sorting", "3, 20, 100", "3, 100, 20", False),
    ("primes", "yes", "91 is a prime number.", True),
    ("primes", "no", "It isn't prime.", True),
    ("primes", "yes", "It is composite.", False),
    ("primes", "no", "Yes, 91 is prime. It is not divisible by 2, 3 or 5.", False),
    ("primes", "yes", "Yes, 97 is prime: it is not divisible by 2, 3, 5 or 7.", True),
    ("primes", "no", "No. 91 = 7 * 13", True),
    ("division", "2 0", "4 / 2 = 2.5", False),
    ("factors", "2 2 3", "12 = 2^2 * 3", True),
    ("factors", "2 2 3", "2² × 3", True),
    ("factors", "2 2 3", "4 * 3", False),
    ("to_base", "C8", "0xc8", True),
    ("to_base", "C8", "200 is C9", False),
    ("to_roman", "XIV", "14 is XIV.", True),
    ("to_roman", "XIV", "xiv", True),
    ("to_roman", "XIV", "XVI", False),
    ("to_words", "two hundred forty-seven", "Two hundred and forty seven.", True),
    ("to_words", "two hundred forty-seven", "two hundred forty", False),
]


@pytest.mark.parametrize(("name", "key", "answer", "right"), ANSWERS)
def test_verifiers_read_other_phrasings(name, key, answer, right):
    assert NUMBER_FAMILIES[name].verify(Example(name, "", "", "", key, ""), answer) is right


@pytest.mark.parametrize(
    ("question", "answer", "right"),
    [
        ("How many times does 4 go into 2215?", "553", True),
        ("How many times does 4 go into 2215?", "553 remainder 3", True),
        ("How many times does 4 go into 2215?", "553 remainder 2", False),
        ("What is 2215 / 4?", "553.75", True),
        ("What is 2215 / 4?", "553.5", False),
        ("Divide 2215 by 4, with remainder.", "553", False),
        ("2215 by 4: what is left over?", "553", False),
    ],
)
def test_a_quotient_is_enough_where_no_rest_is_asked_for(question, answer, right):
    example = Example("division", question, "", "", "553 3", "2215/4")
    assert NUMBER_FAMILIES["division"].verify(example, answer) is right


@pytest.mark.parametrize(
    ("answer", "right"), [("2.5", False), ("5.0", True), ("2 + 3 = 5.", True), ("1,005", False)]
)
def test_a_sum_is_a_whole_number(answer, right):
    assert arithmetic.verify(Example("arithmetic", "", "", "", "5", ""), f"The result is {answer}") is right


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("3+4=7", True),
        ("3+4=8", False),
        ("So (1 + 2) * 3 = 9.", True),
        ("(1 + 2) * 3 = 10", False),
        ("7*7=49>37, 2-5=-3", True),
        ("7*7=49<37", False),
        ("6/4=1.5", True),
        ("007+001=8: 08", True),
        ("1/0=1", False),
        ("no equation at all", True),
    ],
)
def test_equations_are_found_and_judged(text, true):
    assert equations_hold(text) is true
