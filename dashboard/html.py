"""The pages that need no live connection: logging in, and sentences. Pure; all that comes from elsewhere is escaped."""

from __future__ import annotations

from html import escape

from dashboard.roles import Permission


def page(title: str, content: str) -> str:
    """A whole page; `content` is HTML, the title is text."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} · Wardwatch</title><link rel="stylesheet" href="/ward.css"></head>'
        f'<body class="ward-plain"><main class="ward-card"><h1>{escape(title)}</h1>{content}</main></body></html>'
    )


def login_page(after: str, name: str = "", wrong: str | None = None) -> str:
    """The form that logs in and then goes to `after`; `wrong` is what has to be corrected."""
    complaint = f'<p class="ward-wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
    form = (
        f'<form method="post" action="/login">{complaint}<input type="hidden" name="after" value="{escape(after)}">'
        f'<label>User name<input name="name" required maxlength="64" autocomplete="username" value="{escape(name)}"'
        ' autocapitalize="none" autofocus></label>'
        '<label>Password<input name="password" type="password" required maxlength="256"'
        ' autocomplete="current-password"></label><button>Log in</button></form>'
    )
    return page("Log in", form)


def not_allowed_page(permission: Permission) -> str:
    """Somebody opened a page that is not for their role."""
    sentence = f"Your role does not allow to {escape(permission.value)}."
    return page("Not for your role", f'<p>{sentence}</p><p><a href="/">Back to your first page</a></p>')


def sentence_page(title: str, sentence: str) -> str:
    """A page that only says something."""
    return page(title, f"<p>{escape(sentence)}</p>")
