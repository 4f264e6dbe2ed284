"""E-mail addresses, file names, numbers of orders and short texts as people type them."""

import random

_LOCAL_PARTS = (
    "bob", "alice", "john.doe", "jane_doe", "anna.k", "m.mueller", "sales", "support", "info", "billing", "team",
    "office", "hr", "kim", "luis.garcia", "priya", "tom99", "contact", "hello", "dev-team", "lee.chen", "mia", "user1",
    "boss", "no-reply", "admin", "maria.rossi", "sam", "ops", "press", "j.smith", "test.user", "emma_w", "noah",
)  # fmt: skip
_DOMAINS = (
    "example.com", "example.org", "gmail.com", "outlook.com", "acme.com", "acme.io", "company.com", "test.de", "mail.org",
    "startup.io", "shop.net", "uni.edu", "corp.co.uk", "web.de", "yahoo.com", "icloud.com", "firm.eu", "store.fr",
)  # fmt: skip
_STEMS = (
    "notes", "report", "todo", "main", "README", "config", "data", "users", "index", "app", "setup", "test_api",
    "invoice-2024", "photo_01", "utils", "server", "backup", "log", "draft", "budget", "letter", "summary", "hosts",
    "results", "final", "list", "script", "package", "Dockerfile", "schema",
)  # fmt: skip
_FOLDERS = (
    "", "", "", "src/", "docs/", "data/", "/tmp/", "/etc/", "/home/bob/", "~/", "./", "/var/log/", "tests/", "output/",
    "/opt/app/", "projects/demo/", "../", "images/",
)  # fmt: skip
_ENDINGS = (
    ".txt", ".md", ".py", ".json", ".csv", ".log", ".yaml", ".html", ".js", ".pdf", ".docx", ".sh", ".toml", ".sql", "", "",
)  # fmt: skip
_TEXTS = (
    "hello", "Hello world", "How are you?", "good morning", "Good night", "see you tomorrow", "Thank you very much",
    "call mom", "buy milk", "water the plants", "pay the rent", "take out the trash", "book the dentist", "feed the cat",
    "Team meeting", "Lunch with Anna", "Project kickoff", "Weekly report", "Happy birthday!", "I am running late",
    "The meeting is at noon", "Please call me back", "Where are you?", "on my way", "dinner is ready", "I love you",
    "the server is down", "login does not work", "Fix the typo on the home page", "Add dark mode", "cannot reset password",
    "Where is the train station?", "My name is Tom", "The cat sat on the mat", "What a beautiful day", "Nice to meet you",
    "It works on my machine", "Great product, fast delivery", "I want a refund", "The soup was cold", "release notes",
    "New price list", "Invoice attached", "Welcome aboard", "Out of office", "Quick question", "Don't forget the keys",
    "let's go", "it's raining", "Meeting notes", "shopping list", "call the plumber at noon", "one two three",
)  # fmt: skip
_SHARE = 0.6


def natural_value(rng: random.Random, kind: str) -> str | None:
    """Most of the time a value of one of the kinds of text (`parameters.py`); None = take a made-up one."""
    if rng.random() > _SHARE:
        return None
    match kind:
        case "email":
            return f"{rng.choice(_LOCAL_PARTS)}@{rng.choice(_DOMAINS)}"
        case "path":
            return rng.choice(_FOLDERS) + rng.choice(_STEMS) + rng.choice(_ENDINGS)
        case "text":
            return rng.choice(_TEXTS)
        case "code":
            return rng.choice(("", "", "#", "ORD-", "INV-", "A", "T-", "user_")) + str(rng.randint(1, 99999))
    return None
